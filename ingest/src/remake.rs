//! A batch made anew of other texts of its events: what redaction leaves of them.
//!
//! In: a batch, and what each event's text becomes. Out: a batch whose fields are those of the new texts. What an
//! event is known by stays: its id, its times and its origin are those of the event as it came, so that alerts,
//! an archive and a later look at either speak of the same event.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::TimestampMicrosecondArray;
use virga_engine::event::{BatchBuilder, EventBatch, KeptColumns, Projection};

use crate::environment::Environment;
use crate::quarantine::{Cause, Quarantined};
use crate::sources::{Arrival, Normaliser, SourceDef};

/// Makes a batch of a source anew with the fields of `projection`. Events whose new text cannot be had or read
/// are not in it: they are told of, without their bytes.
pub fn remake(
    batch: &EventBatch,
    source: &'static SourceDef,
    projection: &Arc<Projection>,
    environment: &Arc<Environment>,
    text: &dyn for<'e> Fn(&'e str) -> Result<Cow<'e, str>, Cause>,
) -> (EventBatch, Vec<Quarantined>) {
    let mut normaliser = Normaliser::new(source, projection, environment);
    let mut builder = BatchBuilder::new(Arc::clone(batch.source()), Arc::clone(projection));
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    for number in 0..batch.len() {
        let row = batch.row(number);
        let (origin, ingest_time) = (row.origin(), batch.ingest_times().value(number));
        let arrival = Arrival { base: &origin.base, line: origin.line, record: origin.record, ingest_time };
        match text(row.raw()).and_then(|text| normaliser.normalise(&text, &arrival, &mut builder)) {
            Ok(_) => rows.push(number),
            Err(cause) => refused.push(Quarantined { origin, cause, time: ingest_time, bytes: Vec::new() }),
        }
    }
    let made = builder.finish();
    let times = |of: &TimestampMicrosecondArray| {
        TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| of.value(*row)))
            .with_timezone("UTC")
    };
    let kept = KeptColumns {
        event_id: rows.iter().map(|row| Some(batch.row(*row).event_id().into_owned())).collect(),
        time: times(batch.times()),
        ingest_time: times(batch.ingest_times()),
        time_missing: rows.iter().map(|row| Some(batch.times_missing().value(*row))).collect(),
        origins: rows.iter().map(|row| batch.row(*row).origin()).collect(),
        raw: made.raw().clone(),
        fields: made.fields().to_vec(),
    };
    (EventBatch::of_columns(Arc::clone(batch.source()), Arc::clone(projection), kept), refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::source;
    use virga_engine::event::{OriginBase, ProjectedField};

    #[test]
    fn fields_are_those_of_the_new_text_and_what_an_event_is_known_by_stays() {
        // a source whose events have no id of their own: the record's hash stands for one
        let generic = source("generic").unwrap();
        let projection = Arc::new(Projection {
            fields: vec![ProjectedField::resolve("a", &generic.spec())],
            dispatch: None,
        });
        let environment = Arc::default();
        let mut builder = BatchBuilder::new("generic".into(), Arc::clone(&projection));
        let mut normaliser = Normaliser::new(generic, &projection, &environment);
        let base = OriginBase::File { path: "x".into() };
        for (line, raw) in [(1, r#"{"a":"planted"}"#), (2, r#"{"a":"bad"}"#), (3, r#"{"a":"x"}"#)] {
            let arrival = Arrival { base: &base, line: Some(line), record: None, ingest_time: 5 };
            normaliser.normalise(raw, &arrival, &mut builder).unwrap();
        }
        let batch = builder.finish();
        let (made, refused) = remake(&batch, generic, &projection, &environment, &|text| match text {
            text if text.contains("bad") => Err(Cause::NotJson),
            text => Ok(Cow::Owned(text.replace("planted", "hidden"))),
        });
        assert_eq!((made.len(), refused.len()), (2, 1));
        assert_eq!((refused[0].origin.line, refused[0].bytes.len()), (Some(2), 0));
        assert_eq!(made.row(0).raw(), r#"{"a":"hidden"}"#);
        for (new, old) in [(0, 0), (1, 2)] {
            let (new, old) = (made.row(new), batch.row(old));
            assert_eq!(
                (new.event_id(), new.time(), new.origin()),
                (old.event_id(), old.time(), old.origin())
            );
        }
        assert_eq!(made.present(0), 2);
        let shown = format!("{:?}", made.fields()[0]);
        assert!(shown.contains("hidden") && !shown.contains("planted"), "{shown}");
    }
}
