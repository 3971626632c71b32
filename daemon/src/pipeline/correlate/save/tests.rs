//! What is told while a checkpoint waits for an archive that commits nothing.

use super::*;
use crate::archive::keep::ends;
use crate::pipeline::correlate::tests::{alert, parts};

#[test]
fn metrics_are_told_while_a_checkpoint_waits_for_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = parts(folder.path());
    let (keeper, _desk) = ends(&parts.leave);
    parts.keeper = Some((keeper, 1 << 20));
    let outbox = std::sync::Arc::clone(&parts.outbox);
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let mut correlator = Correlator::new(parts).unwrap();
        correlator.changed = true;
        correlator.checkpoint_if_due();
        assert!(correlator.waiting.is_some(), "it waits for the archive");
        outbox.push(["1", "2", "3"].map(alert));
        // a second later
        correlator.told_at = None;
        correlator.checkpoint_if_due();
        assert!(correlator.waiting.is_some(), "it still waits");
    });
    let told = recorder.handle().render();
    assert!(told.contains("virga_outbox_alerts 3\n"), "{told}");
}
