//! Answers as files and texts: CSV, NDJSON, Parquet, and plain cells for a terminal.
//!
//! In: batches of an [`Answer`](super::Answer). Out: bytes. What a form cannot hold (a list in CSV, a value of
//! JSON of any type) stands in it as JSON text, and a span of time as PostgreSQL shows it.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch, StringArray, UnionArray};
use arrow::compute::cast;
use arrow::csv::WriterBuilder as CsvBuilder;
use arrow::datatypes::{DataType, DurationMicrosecondType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion_functions_json::{JsonUnionEncoder, JsonUnionValue};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputForm {
    /// Comma-separated values with a head.
    Csv,
    /// A JSON object a line; what is null is left out.
    Ndjson,
    /// A Parquet file.
    Parquet,
}

/// Writes batches in one form.
pub struct OutputWriter<W: Write + Send>(Kind<W>);

enum Kind<W: Write + Send> {
    Csv(Box<arrow::csv::Writer<W>>),
    Ndjson(LineDelimitedWriter<W>),
    Parquet(Box<ArrowWriter<W>>),
}

impl<W: Write + Send> std::fmt::Debug for OutputWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OutputWriter")
    }
}

impl<W: Write + Send> OutputWriter<W> {
    /// A writer for answers with these columns.
    ///
    /// # Errors
    /// Where the form cannot begin.
    pub fn new(form: OutputForm, schema: &SchemaRef, out: W) -> Result<Self, ArrowError> {
        Ok(Self(match form {
            OutputForm::Csv => {
                let mut writer =
                    CsvBuilder::new().with_timestamp_tz_format("%Y-%m-%dT%H:%M:%S%.fZ".into()).build(out);
                // an answer without rows has its columns' names all the same
                writer.write(&RecordBatch::new_empty(flat_schema(schema, form)))?;
                Kind::Csv(Box::new(writer))
            }
            OutputForm::Ndjson => Kind::Ndjson(LineDelimitedWriter::new(out)),
            OutputForm::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()))
                    .build();
                let writer = ArrowWriter::try_new(out, flat_schema(schema, form), Some(properties));
                Kind::Parquet(Box::new(writer.map_err(|error| ArrowError::ParquetError(error.to_string()))?))
            }
        }))
    }

    /// Writes rows.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        match &mut self.0 {
            Kind::Csv(writer) => writer.write(&flat(batch, OutputForm::Csv)?),
            Kind::Ndjson(writer) => writer.write(&flat(batch, OutputForm::Ndjson)?),
            Kind::Parquet(writer) => writer
                .write(&flat(batch, OutputForm::Parquet)?)
                .map_err(|error| ArrowError::ParquetError(error.to_string())),
        }
    }

    /// Ends the output.
    ///
    /// # Errors
    /// Where the end cannot be written.
    pub fn finish(self) -> Result<(), ArrowError> {
        match self.0 {
            Kind::Csv(writer) => writer.into_inner().flush().map_err(ArrowError::from),
            Kind::Ndjson(mut writer) => {
                writer.finish()?;
                writer.into_inner().flush().map_err(ArrowError::from)
            }
            Kind::Parquet(writer) => {
                let end = writer.into_inner().map_err(|error| ArrowError::ParquetError(error.to_string()));
                end?.flush().map_err(ArrowError::from)
            }
        }
    }
}

/// Rows as texts, `None` for null: what a terminal shows.
///
/// # Errors
/// Where a value cannot be shown.
pub fn texts(batch: &RecordBatch) -> Result<Vec<Vec<Option<String>>>, ArrowError> {
    let batch = flat(batch, OutputForm::Csv)?;
    let options = FormatOptions::new().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let columns: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<_, _>>()?;
    let cell = |row: usize, column: usize| -> Result<Option<String>, ArrowError> {
        match batch.column(column).is_null(row) {
            true => Ok(None),
            false => Ok(Some(columns[column].value(row).try_to_string()?)),
        }
    };
    (0..batch.num_rows()).map(|row| (0..columns.len()).map(|column| cell(row, column)).collect()).collect()
}

/// Whether a form takes a type as it is.
fn is_flat(kind: &DataType, form: OutputForm) -> bool {
    match kind {
        DataType::Union(..) => false,
        DataType::List(_) | DataType::LargeList(_) | DataType::Struct(_) | DataType::Map(..) => {
            form != OutputForm::Csv
        }
        // CSV writes the local time and one fixed zone behind it
        DataType::Timestamp(_, Some(zone)) => form != OutputForm::Csv || is_utc(zone),
        DataType::ListView(_) | DataType::LargeListView(_) | DataType::FixedSizeList(..) => false,
        // ISO 8601 counts seconds, which nobody reads as hours
        DataType::Duration(_) => form == OutputForm::Parquet,
        _ => true,
    }
}

fn is_utc(zone: &str) -> bool {
    ["UTC", "+00:00", "Z"].contains(&zone)
}

fn flat_schema(schema: &SchemaRef, form: OutputForm) -> SchemaRef {
    let field = |field: &Arc<Field>| match is_flat(field.data_type(), form) {
        true => Arc::clone(field),
        false => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn flat(batch: &RecordBatch, form: OutputForm) -> Result<RecordBatch, ArrowError> {
    let schema = flat_schema(&batch.schema(), form);
    let columns = batch.columns().iter().map(|column| match is_flat(column.data_type(), form) {
        true => Ok(Arc::clone(column)),
        false => json_texts(column),
    });
    let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options)
}

/// Values of several types, and nested ones, as JSON texts; times of another zone with their offset.
pub(super) fn json_texts(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let union = column.as_any().downcast_ref::<UnionArray>().cloned();
    if let Some(values) = union.and_then(JsonUnionEncoder::from_union) {
        let text = |row: usize| match values.get_value(row) {
            JsonUnionValue::JsonNull => None,
            JsonUnionValue::Bool(flag) => Some(flag.to_string()),
            JsonUnionValue::Int(number) => Some(number.to_string()),
            JsonUnionValue::Float(number) => Some(number.to_string()),
            JsonUnionValue::Str(text) | JsonUnionValue::Array(text) | JsonUnionValue::Object(text) => {
                Some(text.to_owned())
            }
        };
        return Ok(Arc::new((0..values.len()).map(text).collect::<StringArray>()));
    }
    if let Some(list) = column.as_list_opt::<i32>() {
        let text = |row: usize| -> Result<Option<String>, ArrowError> {
            if list.is_null(row) {
                return Ok(None);
            }
            let values = cast(&list.value(row), &DataType::Utf8)?;
            let texts: Vec<Option<&str>> = values.as_string::<i32>().iter().collect();
            serde_json::to_string(&texts).map(Some).map_err(|error| ArrowError::JsonError(error.to_string()))
        };
        let texts = (0..list.len()).map(text).collect::<Result<Vec<_>, _>>()?;
        return Ok(Arc::new(StringArray::from(texts)));
    }
    if let DataType::Duration(_) = column.data_type() {
        let spans = cast(column, &DataType::Duration(TimeUnit::Microsecond))?;
        let spans = spans.as_primitive::<DurationMicrosecondType>();
        return Ok(Arc::new(spans.iter().map(|span| span.map(span_text)).collect::<StringArray>()));
    }
    let options = FormatOptions::new();
    let shown = ArrayFormatter::try_new(column.as_ref(), &options)?;
    let text = |row: usize| match column.is_null(row) {
        true => Ok(None),
        false => shown.value(row).try_to_string().map(Some),
    };
    Ok(Arc::new(StringArray::from((0..column.len()).map(text).collect::<Result<Vec<_>, _>>()?)))
}

/// A span of time as PostgreSQL shows it: `18:36:03`, `-3 days 01:00:00.5`.
fn span_text(micros: i64) -> String {
    let whole = micros.unsigned_abs();
    let (seconds, part) = (whole / 1_000_000, whole % 1_000_000);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let sign = if micros < 0 { "-" } else { "" };
    let days = match days {
        0 => String::new(),
        1 => "1 day ".to_owned(),
        days => format!("{days} days "),
    };
    let part = match part {
        0 => String::new(),
        part => format!(".{part:06}").trim_end_matches('0').to_owned(),
    };
    format!("{sign}{days}{hours:02}:{minutes:02}:{:02}{part}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use arrow::array::{DurationMillisecondArray, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn a_time_is_shown_with_the_offset_that_it_has() {
        // 2026-03-02T01:30:11Z
        let moment = || TimestampMicrosecondArray::from(vec![1_772_415_011_000_000]);
        let zoned = |zone: &str| Arc::new(moment().with_timezone(zone)) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("utc", zoned("UTC")),
            ("paris", zoned("Europe/Paris")),
            ("east", zoned("+05:30")),
            ("none", Arc::new(moment()) as ArrayRef),
        ])
        .unwrap();
        let expected = [
            "2026-03-02T01:30:11Z",
            "2026-03-02T02:30:11+01:00",
            "2026-03-02T07:00:11+05:30",
            "2026-03-02T01:30:11",
        ];
        assert_eq!(texts(&batch).unwrap(), [expected.map(|text| Some(text.to_owned()))]);
        let mut bytes = Vec::new();
        let mut writer = OutputWriter::new(OutputForm::Csv, &batch.schema(), &mut bytes).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            format!("utc,paris,east,none\n{}\n", expected.join(","))
        );
    }

    #[test]
    fn a_span_of_time_is_shown_in_days_hours_minutes() {
        let spans = DurationMillisecondArray::from(vec![
            Some(66_963_000),
            Some(66_963_999),
            Some(90_000_000),
            Some(-262_800_500),
            Some(0),
            None,
        ]);
        let batch = RecordBatch::try_from_iter([("span", Arc::new(spans) as ArrayRef)]).unwrap();
        let shown = texts(&batch).unwrap().concat();
        let shown: Vec<&str> = shown.iter().map(|text| text.as_deref().unwrap_or("null")).collect();
        let expected =
            ["18:36:03", "18:36:03.999", "1 day 01:00:00", "-3 days 01:00:00.5", "00:00:00", "null"];
        assert_eq!(shown, expected);
        for (form, first) in
            [(OutputForm::Csv, "span\n18:36:03\n"), (OutputForm::Ndjson, "{\"span\":\"18:36:03\"}\n")]
        {
            let mut bytes = Vec::new();
            let mut writer = OutputWriter::new(form, &batch.schema(), &mut bytes).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.starts_with(first), "{text}");
        }
    }
}
