//! The columns of the events table.
//!
//! In: nothing, or the fields that rules ask for. Out: which columns a file has. There are four kinds:
//!
//! | columns | what |
//! |---|---|
//! | `source`, `day`, `hour` | partitions, by **event** time in UTC |
//! | `event_id`, `time`, `ingest_time`, `time_missing`, `origin`, `line`, `record` | identity |
//! | the canonical columns | typed, the same for every cloud |
//! | native fields, as `useridentity__arn` | a field that some rule asks for: its text. What is no plain text (a number, a list, `null`) stands as JSON in `useridentity__arn__json` instead |
//! | `raw` | the event as it came |
//!
//! A rule may ask for `principal`, which is a member of the event and where it has none the canonical column. In a file
//! in which both are the same everywhere only the canonical one stands, and the file's index says so.
//!
//! A native field's name is that of the rules in lower case, with `__` for each dot, so that SQL needs no
//! quotes. A file has the columns that it has values for; the others are null.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use virga_engine::event::{COLUMNS, ColumnKind, ProjectedField, Projection};
use virga_engine::scan::MAX_BLOCKS;

/// Rows of a row group.
pub const ROW_GROUP: usize = 131_072;

/// Rows of the blocks that facets speak of: as many to a row group as there are bits for them.
pub const BLOCK: usize = ROW_GROUP / MAX_BLOCKS;

/// Rows of a page, at most. Of narrow columns four blocks cost hardly more to read than one; of wide ones a page is
/// full long before.
pub(crate) const PAGE: usize = 4 * BLOCK;

/// Columns that every file has, but for the partitions.
pub(crate) const EVENT_ID: &str = "event_id";
pub(crate) const TIME: &str = "time";
pub(crate) const INGEST_TIME: &str = "ingest_time";
pub(crate) const TIME_MISSING: &str = "time_missing";
pub(crate) const ORIGIN: &str = "origin";
pub(crate) const LINE: &str = "line";
pub(crate) const RECORD: &str = "record";
pub(crate) const RAW: &str = "raw";
pub(crate) const PARTITIONS: [&str; 3] = ["source", "day", "hour"];

/// What ends the name of the column that holds values which are no plain text.
pub(crate) const JSON_SUFFIX: &str = "__json";

/// Microseconds in UTC.
pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Texts that repeat.
pub(crate) fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// What a list holds, named as Delta tables and Parquet name it.
pub(crate) fn list_item() -> Field {
    Field::new("element", DataType::Utf8, true)
}

/// How a canonical column is stored.
pub(crate) fn stored_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Text => dictionary(),
        ColumnKind::Int => DataType::Int64,
        ColumnKind::Float => DataType::Float64,
        ColumnKind::Bool => DataType::Boolean,
        ColumnKind::List => DataType::List(Arc::new(list_item())),
    }
}

/// The name of a native field's column.
pub(crate) fn native_column(field: &str) -> String {
    let clean = |c: char| match c {
        '.' => "__".to_owned(),
        c if c.is_ascii_alphanumeric() || c == '_' => c.to_ascii_lowercase().to_string(),
        // Delta tables allow no blanks, commas and the like in names
        c => format!("_x{:x}_", c as u32),
    };
    let mut name: String = field.chars().map(clean).collect();
    // `a__json` holds what of `a` is no plain text
    if let Some(of) = name.strip_suffix(JSON_SUFFIX) {
        name = format!("{of}_x2e_json");
    }
    // a name of the lake's own would be taken for it
    let is_own = |name: &str| {
        COLUMNS.iter().any(|column| column.name == name)
            || PARTITIONS.contains(&name)
            || [EVENT_ID, TIME, INGEST_TIME, TIME_MISSING, ORIGIN, LINE, RECORD, RAW].contains(&name)
    };
    if is_own(&name) { format!("native__{name}") } else { name }
}

/// Whether a column holds a field, canonical or native: of these a file says which values they have.
pub(crate) fn is_of_field(column: &str) -> bool {
    !PARTITIONS.contains(&column)
        && column != RAW
        && !identity_fields().iter().any(|own| own.name() == column)
}

/// Which fields are stored for a source: every canonical column, and the fields that rules ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What batches that are written must hold, in the order of `columns`.
    pub projection: Arc<Projection>,
    /// The column of each field.
    columns: Vec<StoredField>,
}

/// Where a field is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredField {
    pub column: String,
    /// The kind of a canonical column; a native field has none.
    pub kind: Option<ColumnKind>,
}

impl Layout {
    /// For a source whose events have these canonical columns, and rules that ask for these fields.
    pub fn new(columns: &[String], asked: &Projection) -> Self {
        let mut layout = Self { projection: Arc::default(), columns: Vec::new() };
        for column in COLUMNS.iter().filter(|column| columns.iter().any(|name| name == column.name)) {
            layout.add(ProjectedField::canonical(column.name), column.name.to_owned(), Some(column.kind));
        }
        for field in &asked.fields {
            layout.add(field.clone(), native_column(&field.name), None);
        }
        layout
    }

    pub(crate) fn add(&mut self, field: ProjectedField, column: String, kind: Option<ColumnKind>) {
        // a canonical column that a rule asks for as one is stored already
        if self.projection.fields.contains(&field)
            || self.columns.iter().any(|stored| stored.column == column)
        {
            return;
        }
        Arc::make_mut(&mut self.projection).fields.push(field);
        self.columns.push(StoredField { column, kind });
    }

    /// Of a native field that stands for a canonical column of texts where an event does not have it: where that
    /// column is.
    pub(crate) fn canonical_of(&self, at: usize) -> Option<usize> {
        let (field, stored) = (self.projection.fields.get(at)?, self.columns.get(at)?);
        let column =
            field.column.filter(|column| column.kind == ColumnKind::Text && stored.kind.is_none())?;
        let canonical = ProjectedField::canonical(column.name);
        self.projection.fields.iter().position(|field| *field == canonical)
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = (&ProjectedField, &StoredField)> {
        self.projection.fields.iter().zip(&self.columns)
    }
}

/// The columns that the table has from the beginning, partitions included.
pub(crate) fn base_schema() -> SchemaRef {
    let mut fields = vec![
        Field::new("source", DataType::Utf8, true),
        Field::new("day", DataType::Date32, true),
        Field::new("hour", DataType::Int32, true),
    ];
    fields.extend(identity_fields());
    fields.extend(COLUMNS.iter().map(|column| {
        let kind = match stored_type(column.kind) {
            DataType::Dictionary(_, _) => DataType::Utf8,
            other => other,
        };
        Field::new(column.name, kind, true)
    }));
    fields.push(Field::new(RAW, DataType::Utf8, true));
    Arc::new(Schema::new(fields))
}

pub(crate) fn identity_fields() -> Vec<Field> {
    vec![
        Field::new(EVENT_ID, DataType::Utf8, true),
        Field::new(TIME, timestamp(), true),
        Field::new(INGEST_TIME, timestamp(), true),
        Field::new(TIME_MISSING, DataType::Boolean, true),
        Field::new(ORIGIN, dictionary(), true),
        Field::new(LINE, DataType::Int64, true),
        Field::new(RECORD, DataType::Int64, true),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_native_columns_need_no_quotes_and_meet_no_column_of_the_lake() {
        for (field, column) in [
            ("userIdentity.arn", "useridentity__arn"),
            ("principal", "native__principal"),
            ("time", "native__time"),
            ("annotations.authorization.k8s.io/decision", "annotations__authorization__k8s__io_x2f_decision"),
            ("a b", "a_x20_b"),
            ("requestParameters.doc.json", "requestparameters__doc_x2e_json"),
            ("json", "json"),
        ] {
            assert_eq!(native_column(field), column);
        }
    }

    #[test]
    fn a_field_is_stored_once() {
        let asked = Projection {
            dispatch: None,
            fields: vec![
                ProjectedField::canonical("principal"),
                ProjectedField {
                    name: "a.b".into(),
                    paths: vec!["a.b".into()],
                    computed: false,
                    column: None,
                },
            ],
        };
        let layout = Layout::new(&["principal".to_owned()], &asked);
        let columns: Vec<&str> = layout.fields().map(|(_, stored)| stored.column.as_str()).collect();
        assert_eq!(columns, ["principal", "a__b"]);
    }
}
