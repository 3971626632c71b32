//! Which columns batches are read with, where they are scanned and archived.
//!
//! In: what the rules ask for of a source, and the fields by which the archive keeps it. Out: one projection
//! that has both, and where in it each stands, so that an event is read once.

use std::collections::HashMap;
use std::sync::Arc;

use virga_engine::event::{EventBatch, ProjectedField, Projection};

use super::{Archive, Asked};

/// The columns of one source.
#[derive(Debug, Clone)]
pub struct Columns {
    /// What is read.
    pub read: Arc<Projection>,
    scanned: (Arc<Projection>, Vec<usize>),
    kept: (Arc<Projection>, Vec<usize>),
}

impl Columns {
    /// For rules that ask for `asked` of events that are kept with `kept`.
    pub fn new(asked: &Arc<Projection>, kept: Arc<Projection>) -> Self {
        // what is kept is wanted of every event, whatever rules look at
        let mut read = kept.whole();
        let mut place = |field: &ProjectedField| match read.fields.iter().position(|other| other == field) {
            Some(at) => at,
            None => {
                read.fields.push(field.clone());
                read.fields.len() - 1
            }
        };
        let kept_at: Vec<usize> = kept.fields.iter().map(&mut place).collect();
        let asked_at: Vec<usize> = asked.fields.iter().map(&mut place).collect();
        Self { read: Arc::new(read), scanned: (Arc::clone(asked), asked_at), kept: (kept, kept_at) }
    }

    /// A batch as rules look at it.
    pub fn scanned(&self, batch: &EventBatch) -> EventBatch {
        batch.with_fields(&self.scanned.0, &self.scanned.1)
    }

    /// A batch as it is kept.
    pub fn kept(&self, batch: &EventBatch) -> EventBatch {
        batch.with_fields(&self.kept.0, &self.kept.1)
    }

    /// The fields that are kept.
    pub fn kept_fields(&self) -> &Arc<Projection> {
        &self.kept.0
    }
}

/// The columns of each source.
pub fn by_source(archive: &dyn Archive, asked: &[Asked]) -> HashMap<String, Columns> {
    let columns =
        |asked: &Asked| (asked.source.clone(), Columns::new(&asked.projection, archive.fields(asked)));
    asked.iter().map(columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn projection(names: &[&str]) -> Arc<Projection> {
        let field = |name: &&str| ProjectedField {
            name: (*name).into(),
            paths: vec![(*name).into()],
            computed: false,
            column: None,
        };
        Arc::new(Projection { fields: names.iter().map(field).collect(), dispatch: None })
    }

    #[test]
    fn one_reading_serves_both_each_with_its_own_columns() {
        let columns = Columns::new(&projection(&["b", "c"]), projection(&["a", "b"]));
        let batch = EventBatch::of_raw("s", &columns.read, [r#"{"a":1,"b":2,"c":3}"#]).unwrap();
        let texts = |batch: &EventBatch| -> Vec<String> {
            let text = |column: &arrow_array::DictionaryArray<arrow_array::types::Int32Type>| {
                let values = column.downcast_dict::<arrow_array::StringArray>().unwrap();
                values.into_iter().flatten().next().unwrap_or_default().to_owned()
            };
            batch.fields().iter().map(text).collect()
        };
        assert_eq!(texts(&batch), ["1", "2", "3"]);
        assert_eq!(texts(&columns.scanned(&batch)), ["2", "3"]);
        assert_eq!(texts(&columns.kept(&batch)), ["1", "2"]);
    }
}
