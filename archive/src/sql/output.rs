//! Answers as files and texts: CSV, NDJSON, Parquet, and plain cells for a terminal.
//!
//! In: batches of an [`Answer`](super::Answer). Out: bytes. What a form cannot hold (a list in CSV, a value of
//! JSON of any type, also within a list) stands in it as JSON text, and a span of time as PostgreSQL shows it.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, GenericListArray, MapArray, OffsetSizeTrait, RecordBatch, StringArray,
    StructArray, UnionArray,
};
use arrow::compute::cast;
use arrow::csv::WriterBuilder as CsvBuilder;
use arrow::datatypes::{
    DataType, DurationMicrosecondType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit,
};
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

/// Whether a form takes a type as it is, apart from what it is made of.
fn takes(form: OutputForm, kind: &DataType) -> bool {
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
        // Parquet has spans of months, or of days and milliseconds
        DataType::Interval(IntervalUnit::MonthDayNano) => form != OutputForm::Parquet,
        _ => true,
    }
}

fn is_utc(zone: &str) -> bool {
    ["UTC", "+00:00", "Z"].contains(&zone)
}

fn flat_schema(schema: &SchemaRef, form: OutputForm) -> SchemaRef {
    let field = |field: &Arc<Field>| told_field(field, &|kind| takes(form, kind));
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn flat(batch: &RecordBatch, form: OutputForm) -> Result<RecordBatch, ArrowError> {
    let schema = flat_schema(&batch.schema(), form);
    let fields = schema.fields().iter();
    let columns = batch.columns().iter().zip(fields).map(|(column, field)| told(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options)
}

/// The type as which values are told: the same, but texts in place of all in it that is not taken.
pub(super) fn told_type(kind: &DataType, is_taken: &impl Fn(&DataType) -> bool) -> DataType {
    match kind {
        kind if !is_taken(kind) => DataType::Utf8,
        DataType::List(item) => DataType::List(told_field(item, is_taken)),
        DataType::LargeList(item) => DataType::LargeList(told_field(item, is_taken)),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| told_field(field, is_taken)).collect())
        }
        DataType::Map(entry, is_sorted) => DataType::Map(told_field(entry, is_taken), *is_sorted),
        other => other.clone(),
    }
}

fn told_field(field: &FieldRef, is_taken: &impl Fn(&DataType) -> bool) -> FieldRef {
    match told_type(field.data_type(), is_taken) {
        same if same == *field.data_type() => Arc::clone(field),
        DataType::Utf8 => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
        other => Arc::new(field.as_ref().clone().with_data_type(other)),
    }
}

/// Values as another type, which is that of [`told_type`].
pub(super) fn told(column: &ArrayRef, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == kind {
        return Ok(Arc::clone(column));
    }
    match kind {
        DataType::List(item) => told_list::<i32>(column, item),
        DataType::LargeList(item) => told_list::<i64>(column, item),
        DataType::Struct(fields) => Ok(Arc::new(told_struct(column.as_struct(), fields)?)),
        DataType::Map(entry, is_sorted) => {
            let map = column.as_map();
            let DataType::Struct(fields) = entry.data_type() else { return json_texts(column) };
            let entries = told_struct(map.entries(), fields)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries, nulls, *is_sorted)?))
        }
        _ => json_texts(column),
    }
}

fn told_list<O: OffsetSizeTrait>(column: &ArrayRef, item: &FieldRef) -> Result<ArrayRef, ArrowError> {
    let list = column.as_list::<O>();
    let values = told(list.values(), item.data_type())?;
    let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
    Ok(Arc::new(GenericListArray::<O>::try_new(Arc::clone(item), offsets, values, nulls)?))
}

fn told_struct(values: &StructArray, fields: &Fields) -> Result<StructArray, ArrowError> {
    let columns = values.columns().iter().zip(fields).map(|(column, field)| told(column, field.data_type()));
    StructArray::try_new(fields.clone(), columns.collect::<Result<_, _>>()?, values.nulls().cloned())
}

/// Values of several types, and nested ones, as JSON texts; times of another zone with their offset.
fn json_texts(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
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
        let text = |row: usize| match list.is_null(row) {
            true => Ok(None),
            false => json_list(&list.value(row)).map(Some),
        };
        let texts = (0..list.len()).map(text).collect::<Result<Vec<_>, ArrowError>>()?;
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

/// Values as a list of JSON: numbers and lists as they are, whatever else as a text.
fn json_list(values: &ArrayRef) -> Result<String, ArrowError> {
    let kind = values.data_type();
    let is_plain = kind.is_numeric() || matches!(kind, DataType::Boolean | DataType::List(_));
    let texts = match kind {
        DataType::Union(..) | DataType::List(_) | DataType::Duration(_) => json_texts(values)?,
        _ => cast(values, &DataType::Utf8)?,
    };
    let one = |text: Option<&str>| match text {
        // JSON has no words for numbers that are none
        None | Some("NaN" | "inf" | "-inf") if is_plain => Ok("null".to_owned()),
        Some(text) if is_plain => Ok(text.to_owned()),
        text => serde_json::to_string(&text).map_err(|error| ArrowError::JsonError(error.to_string())),
    };
    let all = texts.as_string::<i32>().iter().map(one).collect::<Result<Vec<_>, ArrowError>>()?;
    Ok(format!("[{}]", all.join(",")))
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
    use arrow::array::{
        DurationMillisecondArray, ListArray, ListBuilder, StringBuilder, TimestampMicrosecondArray,
    };
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{Float64Type, Int64Type};

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
    fn a_list_in_csv_is_json() {
        let numbers = ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
        ]);
        let fractions =
            ListArray::from_iter_primitive::<Float64Type, _, _>([Some(vec![Some(1.5), Some(f64::NAN)])]);
        let mut words = ListBuilder::new(StringBuilder::new());
        words.append_value([Some("a\""), Some("NaN"), None]);
        let nested = ListArray::new(
            Arc::new(Field::new("item", numbers.data_type().clone(), true)),
            OffsetBuffer::from_lengths([3]),
            Arc::new(numbers.clone()),
            None,
        );
        for (list, expected) in [
            (Arc::new(numbers) as ArrayRef, vec![Some("[1,null]"), None, Some("[]")]),
            (Arc::new(fractions), vec![Some("[1.5,null]")]),
            (Arc::new(words.finish()), vec![Some(r#"["a\"","NaN",null]"#)]),
            (Arc::new(nested), vec![Some("[[1,null],null,[]]")]),
        ] {
            let texts = json_texts(&list).unwrap();
            assert_eq!(texts.as_string::<i32>().iter().collect::<Vec<_>>(), expected);
        }
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
