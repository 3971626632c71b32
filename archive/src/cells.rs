//! Cells of batches ↔ columns of files.
//!
//! A batch's cell is the JSON text of a field's value. A file holds it as people read it: a text without
//! quotes, a number as a number. What would not come back as the same cell (an escape written another way, a
//! list, `null`, a number in a native field) stands in a second column as it is.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBuilder, DictionaryArray, Float64Array, Float64Builder, Int32Array,
    Int64Array, Int64Builder, ListArray, ListBuilder, StringArray, StringBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Int32Type;
use virga_engine::event::ColumnKind;

use crate::layout;

/// A column of cells.
pub type CellArray = DictionaryArray<Int32Type>;

/// The plain text that a cell is, if it comes back as the same cell.
pub(crate) fn plain(cell: &str) -> Option<&str> {
    let inner = cell.strip_prefix('"')?.strip_suffix('"')?;
    (needs_no_escape(inner.as_bytes()) && !inner.contains('\u{1e}')).then_some(inner)
}

pub(crate) fn texts(column: &CellArray) -> &StringArray {
    column.values().as_any().downcast_ref::<StringArray>().expect("cells are texts")
}

/// A native field's cells as texts, and what is no plain text as JSON.
pub(crate) fn native_columns(cells: &CellArray) -> (ArrayRef, ArrayRef) {
    let values = texts(cells);
    let is_plain: Vec<bool> = (0..values.len()).map(|key| plain(values.value(key)).is_some()).collect();
    let text: StringArray =
        (0..values.len()).map(|key| Some(plain(values.value(key)).unwrap_or_default())).collect();
    let keys = |of: bool| -> Int32Array {
        cells.keys().iter().map(|key| key.filter(|key| is_plain[*key as usize] == of)).collect()
    };
    let plain_column = DictionaryArray::new(keys(true), Arc::new(text));
    (Arc::new(plain_column), Arc::new(DictionaryArray::new(keys(false), Arc::clone(cells.values()))))
}

/// The text of a canonical column's cell.
pub(crate) fn canonical_text(cell: &str) -> Cow<'_, str> {
    match plain(cell) {
        Some(text) => Cow::Borrowed(text),
        None => serde_json::from_str::<String>(cell).map_or_else(|_| Cow::Borrowed(cell), Cow::Owned),
    }
}

/// A canonical column's cells, typed.
pub(crate) fn canonical_column(cells: &CellArray, kind: ColumnKind) -> ArrayRef {
    let values = texts(cells);
    let cell = |row: usize| cells.key(row).map(|key| values.value(key));
    let rows = 0..cells.len();
    match kind {
        ColumnKind::Text => {
            let texts: StringArray =
                (0..values.len()).map(|key| Some(canonical_text(values.value(key)))).collect();
            Arc::new(DictionaryArray::new(cells.keys().clone(), Arc::new(texts)))
        }
        ColumnKind::Int => {
            let mut builder = Int64Builder::with_capacity(cells.len());
            rows.for_each(|row| builder.append_option(cell(row).and_then(|cell| cell.parse().ok())));
            Arc::new(builder.finish())
        }
        ColumnKind::Float => {
            let mut builder = Float64Builder::with_capacity(cells.len());
            rows.for_each(|row| builder.append_option(cell(row).and_then(|cell| cell.parse().ok())));
            Arc::new(builder.finish())
        }
        ColumnKind::Bool => {
            let mut builder = BooleanBuilder::with_capacity(cells.len());
            rows.for_each(|row| builder.append_option(cell(row).and_then(|cell| cell.parse().ok())));
            Arc::new(builder.finish())
        }
        ColumnKind::List => {
            let mut builder = ListBuilder::new(StringBuilder::new()).with_field(layout::list_item());
            for row in rows {
                match cell(row).and_then(|cell| serde_json::from_str::<Vec<String>>(cell).ok()) {
                    Some(texts) => {
                        texts.iter().for_each(|text| builder.values().append_value(text));
                        builder.append(true);
                    }
                    None => builder.append(false),
                }
            }
            Arc::new(builder.finish())
        }
    }
}

/// Makes cells of single values.
#[derive(Default)]
struct CellBuilder {
    known: std::collections::HashMap<String, i32>,
    values: Vec<String>,
    keys: Vec<Option<i32>>,
}

impl CellBuilder {
    fn push(&mut self, cell: Option<String>) {
        let key = cell.map(|cell| match self.known.get(&cell) {
            Some(key) => *key,
            None => {
                let key = self.values.len() as i32;
                self.values.push(cell.clone());
                self.known.insert(cell, key);
                key
            }
        });
        self.keys.push(key);
    }

    fn finish(self) -> CellArray {
        DictionaryArray::new(Int32Array::from(self.keys), Arc::new(StringArray::from(self.values)))
    }
}

/// A text as a JSON string, as a log source writes a derived value.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether bytes stand in a JSON string as they are. All are looked at, which a processor does many at a time.
fn needs_no_escape(text: &[u8]) -> bool {
    text.iter().fold(true, |plain, byte| plain & (*byte >= 0x20) & (*byte != b'"') & (*byte != b'\\'))
}

/// Texts as cells; `None` where they are too long for one array.
fn cells_of(values: &StringArray) -> Option<StringArray> {
    let bytes = values.value_data().len() + 2 * values.len();
    let mut data: Vec<u8> = Vec::with_capacity(bytes);
    let mut offsets: Vec<i32> = Vec::with_capacity(values.len() + 1);
    offsets.push(0);
    // nearly no text needs an escape, and of many together that is seen at a fraction of the cost
    let all_plain = values.value_data().chunks(4096).all(needs_no_escape);
    for text in values {
        if let Some(text) = text {
            match all_plain || needs_no_escape(text.as_bytes()) {
                true => {
                    data.push(b'"');
                    data.extend_from_slice(text.as_bytes());
                    data.push(b'"');
                }
                false => data.extend_from_slice(quoted(text).as_bytes()),
            }
        }
        offsets.push(i32::try_from(data.len()).ok()?);
    }
    let offsets = OffsetBuffer::new(offsets.into());
    StringArray::try_new(offsets, data.into(), values.nulls().cloned()).ok()
}

/// Cells of a stored text column: each distinct text is looked at once where the file tells them apart.
fn cells_of_texts(column: &ArrayRef) -> Option<CellArray> {
    let any = column.as_any();
    if let Some(column) = any.downcast_ref::<CellArray>() {
        let (keys, values) = occurring(column);
        return Some(DictionaryArray::new(keys, Arc::new(cells_of(&values)?)));
    }
    Some(each_row(cells_of(any.downcast_ref::<StringArray>()?)?))
}

/// Keys and values without those that no row has, where few rows were read of a column of many values: a
/// dictionary is read whole, and to look at all of it would cost more than the rows.
fn occurring(column: &CellArray) -> (Int32Array, StringArray) {
    let all = texts(column);
    if column.len() * 2 > all.len() {
        return (column.keys().clone(), all.clone());
    }
    let mut used: Vec<i32> = column.keys().iter().flatten().collect();
    used.sort_unstable();
    used.dedup();
    let place = |key: i32| used.binary_search(&key).ok().and_then(|at| i32::try_from(at).ok());
    let keys = column.keys().iter().map(|key| key.and_then(place)).collect();
    let value =
        |key: &i32| usize::try_from(*key).ok().filter(|key| all.is_valid(*key)).map(|key| all.value(key));
    (keys, used.iter().map(value).collect())
}

/// A column of cells in which each row has a value of its own.
fn each_row(cells: StringArray) -> CellArray {
    let keys = Int32Array::new((0..cells.len() as i32).collect(), cells.nulls().cloned());
    DictionaryArray::new(keys, Arc::new(cells))
}

/// Cells of no rows' worth of values: a field that a file does not have.
pub(crate) fn absent(rows: usize) -> CellArray {
    let nothing: StringArray = StringArray::from(Vec::<&str>::new());
    DictionaryArray::new(Int32Array::new_null(rows), Arc::new(nothing))
}

/// The cells of a native field, from its two columns.
pub(crate) fn native_cells(
    plain: Option<&ArrayRef>,
    json: Option<&ArrayRef>,
    rows: usize,
) -> Option<CellArray> {
    let plain = match plain {
        None => None,
        Some(plain) => Some(cells_of_texts(plain)?),
    };
    let json = match json {
        None => None,
        Some(json) => Some(match json.as_any().downcast_ref::<CellArray>() {
            Some(json) => json.clone(),
            None => each_row(json.as_any().downcast_ref::<StringArray>()?.clone()),
        }),
    };
    match (plain, json) {
        (None, None) => Some(absent(rows)),
        (Some(one), None) | (None, Some(one)) => Some(one),
        (Some(plain), Some(json)) => Some(merged(&plain, &json)),
    }
}

/// Two columns of which a row has at most one.
fn merged(first: &CellArray, second: &CellArray) -> CellArray {
    let shift = first.values().len() as i32;
    let keys: Int32Array = first
        .keys()
        .iter()
        .zip(second.keys().iter())
        .map(|(first, second)| first.or_else(|| second.map(|key| key + shift)))
        .collect();
    let values: StringArray = texts(first).iter().chain(texts(second).iter()).collect();
    DictionaryArray::new(keys, Arc::new(values))
}

/// The cells of a canonical column.
pub(crate) fn canonical_cells(column: &ArrayRef, kind: ColumnKind) -> Option<CellArray> {
    let any = column.as_any();
    if kind == ColumnKind::Text {
        return cells_of_texts(column);
    }
    let mut cells = CellBuilder::default();
    match kind {
        ColumnKind::Text => {}
        ColumnKind::Int => {
            let numbers = any.downcast_ref::<Int64Array>()?;
            numbers.iter().for_each(|number| cells.push(number.map(|number| number.to_string())));
        }
        ColumnKind::Float => {
            let numbers = any.downcast_ref::<Float64Array>()?;
            let text = |number: f64| serde_json::Value::from(number).to_string();
            numbers.iter().for_each(|number| cells.push(number.map(text)));
        }
        ColumnKind::Bool => {
            let flags = any.downcast_ref::<BooleanArray>()?;
            flags.iter().for_each(|flag| cells.push(flag.map(|flag| flag.to_string())));
        }
        ColumnKind::List => {
            let lists = any.downcast_ref::<ListArray>()?;
            for row in 0..lists.len() {
                let list = lists.is_valid(row).then(|| lists.value(row));
                let list = match &list {
                    None => None,
                    Some(list) => Some(list.as_any().downcast_ref::<StringArray>()?),
                };
                cells.push(list.map(|list| {
                    serde_json::Value::from_iter(list.iter().map(Option::unwrap_or_default)).to_string()
                }));
            }
        }
    }
    Some(cells.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(cells: &[Option<&str>]) -> CellArray {
        cells.iter().copied().collect()
    }

    fn shown(cells: &CellArray) -> Vec<Option<String>> {
        (0..cells.len()).map(|row| cells.key(row).map(|key| texts(cells).value(key).to_owned())).collect()
    }

    #[test]
    fn native_cells_come_back_to_the_byte() {
        let cells = [
            Some("\"plain é\""),
            None,
            Some("5"),
            Some("\"5\""),
            Some("null"),
            Some("\"\""),
            Some(r#""a\u0041""#),
            Some(r#""\ud800""#),
            Some("{\"a\":[1]}"),
            Some("\"a\"\u{1e}\"b\""),
            Some("true"),
        ];
        let stored = column(&cells);
        let (plain, json) = native_columns(&stored);
        let back = native_cells(Some(&plain), Some(&json), cells.len()).unwrap();
        assert_eq!(shown(&back), shown(&stored));
        let (plain, _) = native_columns(&column(&[Some("\"a\""), None]));
        assert_eq!(shown(&native_cells(Some(&plain), None, 2).unwrap()), [Some("\"a\"".to_owned()), None]);
        assert_eq!(shown(&native_cells(None, None, 2).unwrap()), [None, None]);
    }

    /// Of a column of which few rows were read, the values that none of them has are left out.
    #[test]
    fn an_escape_among_plain_texts_is_written_wherever_it_stands() {
        let plain = "x".repeat(5_000);
        for (text, cell) in [("a\"b", r#""a\"b""#), ("a\\b", r#""a\\b""#), ("a\u{1}b", r#""a\u0001b""#)] {
            for texts in [vec![text, &plain], vec![&plain, text], vec![text]] {
                let cells = cells_of(&texts.iter().map(|text| Some(*text)).collect()).expect("short texts");
                let expected =
                    texts.iter().map(|one| if *one == text { cell.to_owned() } else { format!("\"{one}\"") });
                assert!(cells.iter().flatten().eq(expected), "{text:?}");
            }
        }
    }

    #[test]
    fn few_rows_of_a_column_of_many_values_are_the_same_cells() {
        let values: StringArray =
            (0..100).map(|number| (number != 50).then(|| format!("v{number}"))).collect();
        for keys in [vec![Some(99), None, Some(3), Some(99)], vec![None], vec![], vec![Some(50), Some(0)]] {
            let column = DictionaryArray::new(Int32Array::from(keys.clone()), Arc::new(values.clone()));
            let cells = cells_of_texts(&(Arc::new(column) as ArrayRef)).unwrap();
            let of = |key: &Option<i32>| {
                let key = usize::try_from((*key)?).unwrap();
                values.is_valid(key).then(|| format!("\"{}\"", values.value(key)))
            };
            let is_there = |row: usize| cells.key(row).is_some_and(|key| texts(&cells).is_valid(key));
            let shown: Vec<_> = shown(&cells)
                .into_iter()
                .enumerate()
                .map(|(row, cell)| cell.filter(|_| is_there(row)))
                .collect();
            assert_eq!(shown, keys.iter().map(of).collect::<Vec<_>>());
            assert!(cells.values().len() <= keys.len());
        }
    }

    #[test]
    fn canonical_cells_come_back_as_their_kind_writes_them() {
        let large = serde_json::Value::from(1e300).to_string();
        for (kind, cells) in [
            (ColumnKind::Text, vec![Some(r#""a\"b\\ é""#), None, Some("\"\"")]),
            (ColumnKind::Int, vec![Some("5"), None, Some("-7")]),
            (ColumnKind::Float, vec![Some("89.5"), None, Some("1.0"), Some(large.as_str())]),
            (ColumnKind::Bool, vec![Some("true"), None, Some("false")]),
            (ColumnKind::List, vec![Some(r#"["a|b","c\"d"]"#), None, Some("[]")]),
        ] {
            let stored = column(&cells);
            let back = canonical_cells(&canonical_column(&stored, kind), kind).unwrap();
            assert_eq!(shown(&back), shown(&stored), "{kind:?}");
        }
    }
}
