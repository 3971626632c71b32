//! A batch made anew of other texts of its events: what redaction leaves of them.
//!
//! In: a batch, and what each event's text becomes. Out: a batch whose fields are those of the new texts. What an
//! event is known by stays: its id, its times and its origin are those of the event as it came, so that alerts,
//! an archive and a later look at either speak of the same event.

use std::borrow::Cow;
use std::sync::Arc;

use virga_engine::event::{BatchBuilder, EventBatch, EventId, KeptColumns, Projection, RowIdentity};

use crate::environment::Environment;
use crate::sources::{Arrival, Normaliser, SourceDef};

/// Makes a batch of a source anew with the fields of `projection`. No event is missing in it: of one whose new text
/// cannot be read nothing is left but what it is known by, for an event that drops out could hide there.
pub fn remake(
    batch: &EventBatch,
    source: &'static SourceDef,
    projection: &Arc<Projection>,
    environment: &Arc<Environment>,
    text: &dyn for<'e> Fn(&'e str) -> Cow<'e, str>,
) -> EventBatch {
    let mut normaliser = Normaliser::new(source, projection, environment);
    let mut builder = BatchBuilder::new(Arc::clone(batch.source()), Arc::clone(projection));
    for number in 0..batch.len() {
        let row = batch.row(number);
        let (origin, ingest_time) = (row.origin(), batch.ingest_times().value(number));
        let arrival = Arrival { base: &origin.base, line: origin.line, record: origin.record, ingest_time };
        if normaliser.normalise(&text(row.raw()), &arrival, &mut builder).is_err() {
            let identity = RowIdentity {
                event_id: EventId::Natural(&row.event_id()),
                time: row.time(),
                ingest_time,
                time_missing: batch.times_missing().value(number),
                base: arrival.base,
                line: arrival.line,
                record: arrival.record,
            };
            builder.finish_row(&identity, "{}");
        }
    }
    let made = builder.finish();
    let rows = || (0..batch.len()).map(|number| batch.row(number));
    let kept = KeptColumns {
        event_id: rows().map(|row| Some(row.event_id().into_owned())).collect(),
        time: batch.times().clone(),
        ingest_time: batch.ingest_times().clone(),
        time_missing: batch.times_missing().clone(),
        origins: rows().map(|row| row.origin()).collect(),
        raw: made.raw().clone(),
        fields: made.fields().to_vec(),
    };
    EventBatch::of_columns(Arc::clone(batch.source()), Arc::clone(projection), kept)
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
        let made = remake(&batch, generic, &projection, &environment, &|text| match text {
            text if text.contains("bad") => Cow::Borrowed("{"),
            text => Cow::Owned(text.replace("planted", "hidden")),
        });
        assert_eq!(made.len(), 3);
        // what cannot be read is an event still
        let texts = [0, 1, 2].map(|row| made.row(row).raw());
        assert_eq!(texts, [r#"{"a":"hidden"}"#, "{}", r#"{"a":"x"}"#]);
        for number in 0..3 {
            let (new, old) = (made.row(number), batch.row(number));
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
