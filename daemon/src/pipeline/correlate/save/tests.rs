//! What is told while a checkpoint waits for an archive that commits nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use virga_engine::RuleSet;
use virga_engine::diagnostic::SourceFile;

use super::*;
use crate::archive::keep::ends;
use crate::archive::leave::Leave;
use crate::checkpoint::Store;
use crate::outbox::{OutAlert, Outbox};
use crate::pipeline::correlate::Parts;
use crate::quarantine::Quarantine;
use crate::rotate::Rotating;
use crate::rules::{Generation, Loaded};

const RULE: &str = "title: r
id: 11111111-0000-4000-8000-000000000001
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A}, condition: s}
";

#[test]
fn metrics_are_told_while_a_checkpoint_waits_for_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let file = Arc::new(SourceFile { name: "r.yml".into(), text: RULE.into() });
    let loaded = Loaded { set: RuleSet::load([file], &Default::default()), environment: Arc::default() };
    let (stop, hurry) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let leave = Leave::new(&stop, &hurry);
    let (keeper, _desk) = ends(&leave);
    let outbox = Arc::new(Outbox::new(&["a".to_owned()], Default::default(), 100));
    let parts = Parts {
        inputs: Vec::new(),
        from: Checkpoint::default(),
        generation: Arc::new(Generation::compile(1, &loaded, 1).unwrap()),
        memory: 1 << 20,
        tenant: String::new(),
        outbox: Arc::clone(&outbox),
        quarantine: Quarantine::open(folder.path()).unwrap(),
        late: Rotating::open(&folder.path().join("late"), 1 << 20, 1).unwrap(),
        store: Store::new(folder.path()),
        every: Duration::ZERO,
        clock: Arc::new(|| 42),
        hurry,
        leave,
        alive: Arc::default(),
        ready: Arc::default(),
        keeper: Some((keeper, 1 << 20)),
        redact: None,
    };
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let mut correlator = Correlator::new(parts).unwrap();
        correlator.changed = true;
        correlator.checkpoint_if_due();
        assert!(correlator.waiting.is_some(), "it waits for the archive");
        let alert = |id: &str| OutAlert {
            id: id.into(),
            rule: "r".into(),
            level: None,
            json: "{}".into(),
            arrived: 0,
        };
        outbox.push(["1", "2", "3"].map(alert));
        // a second later
        correlator.told_at = None;
        correlator.checkpoint_if_due();
        assert!(correlator.waiting.is_some(), "it still waits");
    });
    let told = recorder.handle().render();
    assert!(told.contains("virga_outbox_alerts 3\n"), "{told}");
}
