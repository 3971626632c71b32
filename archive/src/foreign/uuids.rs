//! Columns of UUIDs as the texts that logs have.
//!
//! In: a file's columns and its batches. Out: the same with a text (`5a0d4b8e-6a0f-4a53-9f4c-0c5ab1c2d3e4`) wherever
//! Parquet's type says that sixteen bytes are a UUID, within objects and lists too: a program that reads JSON may make
//! one of every text that looks like it, as DuckDB does. The type stands in the schema of Parquet; Arrow's has only the
//! bytes, whose digits alone would be another id than the log's.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, FixedSizeBinaryArray, FixedSizeListArray, GenericListArray, MapArray,
    OffsetSizeTrait, RecordBatch, StringArray, StructArray,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::LogicalType;

/// A file's columns, with texts for UUIDs.
pub(super) fn as_texts(metadata: &ArrowReaderMetadata) -> SchemaRef {
    let leaves = metadata.parquet_schema().columns().iter();
    let mut leaves = leaves.map(|leaf| matches!(leaf.logical_type_ref(), Some(LogicalType::Uuid)));
    Arc::new(Schema::new(fields(metadata.schema().fields(), &mut leaves)))
}

/// A batch in these columns.
pub(super) fn told_in(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new(Arc::clone(schema), all(batch.columns(), schema.fields())?)
}

/// `leaves` says of each column without members, in the order of both schemas, whether it holds UUIDs.
fn fields(fields: &Fields, leaves: &mut impl Iterator<Item = bool>) -> Fields {
    fields.iter().map(|of| field(of, leaves)).collect()
}

fn field(of: &FieldRef, leaves: &mut impl Iterator<Item = bool>) -> FieldRef {
    let data_type = match of.data_type() {
        DataType::Struct(members) => DataType::Struct(fields(members, leaves)),
        DataType::List(item) => DataType::List(field(item, leaves)),
        DataType::LargeList(item) => DataType::LargeList(field(item, leaves)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(field(item, leaves), *size),
        DataType::Map(entry, is_sorted) => DataType::Map(field(entry, leaves), *is_sorted),
        leaf => match (leaves.next(), leaf) {
            // what else is said of the field is said of bytes
            (Some(true), DataType::FixedSizeBinary(16)) => {
                return Arc::new(Field::new(of.name(), DataType::Utf8, of.is_nullable()));
            }
            _ => leaf.clone(),
        },
    };
    Arc::new(of.as_ref().clone().with_data_type(data_type))
}

fn all(columns: &[ArrayRef], wanted: &Fields) -> Result<Vec<ArrayRef>, ArrowError> {
    columns.iter().zip(wanted).map(|(column, field)| told(column, field.data_type())).collect()
}

fn told(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == wanted {
        return Ok(Arc::clone(array));
    }
    Ok(match (array.data_type(), wanted) {
        (DataType::FixedSizeBinary(16), DataType::Utf8) => Arc::new(texts(array.as_fixed_size_binary())),
        (DataType::Struct(_), DataType::Struct(members)) => Arc::new(object(array.as_struct(), members)?),
        (DataType::List(_), DataType::List(item)) => Arc::new(list(array.as_list::<i32>(), item)?),
        (DataType::LargeList(_), DataType::LargeList(item)) => Arc::new(list(array.as_list::<i64>(), item)?),
        (DataType::FixedSizeList(_, _), DataType::FixedSizeList(item, size)) => {
            let lists = array.as_fixed_size_list();
            let values = told(lists.values(), item.data_type())?;
            Arc::new(FixedSizeListArray::try_new(Arc::clone(item), *size, values, lists.nulls().cloned())?)
        }
        (DataType::Map(_, _), DataType::Map(entry, is_sorted)) => {
            let (maps, DataType::Struct(members)) = (array.as_map(), entry.data_type()) else {
                return Ok(Arc::clone(array));
            };
            let (entries, offsets) = (object(maps.entries(), members)?, maps.offsets().clone());
            Arc::new(MapArray::try_new(
                Arc::clone(entry),
                offsets,
                entries,
                maps.nulls().cloned(),
                *is_sorted,
            )?)
        }
        _ => Arc::clone(array),
    })
}

fn object(objects: &StructArray, members: &Fields) -> Result<StructArray, ArrowError> {
    StructArray::try_new(members.clone(), all(objects.columns(), members)?, objects.nulls().cloned())
}

fn list<O: OffsetSizeTrait>(
    lists: &GenericListArray<O>,
    item: &FieldRef,
) -> Result<GenericListArray<O>, ArrowError> {
    let values = told(lists.values(), item.data_type())?;
    GenericListArray::try_new(Arc::clone(item), lists.offsets().clone(), values, lists.nulls().cloned())
}

fn texts(ids: &FixedSizeBinaryArray) -> StringArray {
    ids.iter().map(|id| id.map(text)).collect()
}

/// RFC 9562: lower case, hyphens behind four, six, eight and ten bytes.
fn text(id: &[u8]) -> String {
    let digits = |(at, byte): (usize, &u8)| match at {
        4 | 6 | 8 | 10 => format!("-{byte:02x}"),
        _ => format!("{byte:02x}"),
    };
    id.iter().enumerate().map(digits).collect()
}

#[cfg(test)]
mod tests {
    use arrow::json::ReaderBuilder;
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
    use parquet::arrow::arrow_writer::ArrowWriterOptions;
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;
    use serde_json::{Value, json};

    use super::*;
    use crate::foreign::parts::objects;

    /// As DuckDB writes it. The last column is bytes of which nobody says what they are.
    const SCHEMA: &str = "message events {
        optional binary name (UTF8);
        optional fixed_len_byte_array(16) id (UUID);
        optional group request { optional fixed_len_byte_array(16) token (UUID); optional binary name (UTF8); }
        optional group items (LIST) { repeated group list {
            optional group element { optional fixed_len_byte_array(16) id (UUID); } } }
        optional group tags (MAP) { repeated group key_value {
            required binary key (UTF8); optional fixed_len_byte_array(16) value (UUID); } }
        optional fixed_len_byte_array(16) digest;
    }";

    fn fields() -> Vec<Field> {
        let id = |name: &str| Field::new(name, DataType::FixedSizeBinary(16), true);
        let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
        let object = |members: Vec<Field>| DataType::Struct(members.into());
        let entry = object(vec![text("key", false), id("value")]);
        vec![
            text("name", true),
            id("id"),
            Field::new("request", object(vec![id("token"), text("name", true)]), true),
            Field::new_list("items", Field::new("element", object(vec![id("id")]), true), true),
            Field::new("tags", DataType::Map(Arc::new(Field::new("key_value", entry, false)), false), true),
            id("digest"),
        ]
    }

    #[test]
    fn uuids_are_texts_at_any_depth_and_other_bytes_are_not() {
        let (digits, hyphened) = ("5a0d4b8e6a0f4a539f4c0c5ab1c2d3e4", "5a0d4b8e-6a0f-4a53-9f4c-0c5ab1c2d3e4");
        let row = |id: &str| {
            json!({"name": "a", "id": id, "request": {"token": id, "name": "b"}, "items": [{"id": id}, {}],
                "tags": {"k": id}, "digest": digits})
        };
        let schema = Arc::new(Schema::new(fields()));
        let mut decoder = ReaderBuilder::new(Arc::clone(&schema)).build_decoder().unwrap();
        decoder.serialize(&[row(digits), json!({"name": "none"})]).unwrap();
        let batch = decoder.flush().unwrap().unwrap();
        let described = SchemaDescriptor::new(Arc::new(parse_message_type(SCHEMA).unwrap()));
        let options = ArrowWriterOptions::new().with_parquet_schema(described).with_skip_arrow_metadata(true);
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new_with_options(&mut file, schema, options).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let file = Bytes::from(file);
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
        let columns = as_texts(&metadata);
        let mut batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata).build().unwrap();
        let batch = told_in(&batches.next().unwrap().unwrap(), &columns).unwrap();
        let told: Vec<Value> = objects(&batch).unwrap().into_iter().map(Value::Object).collect();
        assert_eq!(told, [row(hyphened), json!({"name": "none"})]);
    }
}
