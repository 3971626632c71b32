//! The texts of a canonical column, as a file holds them: for whoever counts or shows them and runs no rule on them, so
//! that they need not be made into cells first.

use arrow::array::{Array as _, ArrayRef, Int32Array, StringArray};
use virga_engine::json::string_text;

use crate::cells::{self, CellArray};

/// The texts of some rows.
#[derive(Debug, Clone)]
pub struct TextColumn {
    /// By row; where every row has a value of its own there are none.
    keys: Option<Int32Array>,
    values: StringArray,
}

impl TextColumn {
    /// No texts, of so many rows.
    pub(crate) fn absent(rows: usize) -> Self {
        Self { keys: None, values: StringArray::new_null(rows) }
    }

    /// Of a stored column of texts.
    pub(crate) fn of_stored(column: &ArrayRef) -> Option<Self> {
        let any = column.as_any();
        if let Some(column) = any.downcast_ref::<CellArray>() {
            return Some(Self { keys: Some(column.keys().clone()), values: cells::texts(column).clone() });
        }
        Some(Self { keys: None, values: any.downcast_ref::<StringArray>()?.clone() })
    }

    /// Of cells: of a JSON string what it says, of anything else itself.
    pub(crate) fn of_cells(cells: &CellArray) -> Self {
        let values = cells::texts(cells);
        let said = |cell: &str| string_text(cell).map_or_else(|| cell.to_owned(), Into::into);
        let values = values.iter().map(|cell| cell.map(said)).collect();
        Self { keys: Some(cells.keys().clone()), values }
    }

    /// How many values there are.
    pub fn values(&self) -> usize {
        self.values.len()
    }

    /// The number of a row's value: one number is one text. `None` where the row has none.
    pub fn key(&self, row: usize) -> Option<usize> {
        let key = match &self.keys {
            Some(keys) => usize::try_from(*keys.values().get(row).filter(|_| keys.is_valid(row))?).ok()?,
            None => row,
        };
        (key < self.values.len() && self.values.is_valid(key)).then_some(key)
    }

    /// A value, by its number.
    pub fn value(&self, key: usize) -> &str {
        self.values.value(key)
    }

    /// A row's text.
    pub fn text(&self, row: usize) -> Option<&str> {
        Some(self.value(self.key(row)?))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn shown(column: &TextColumn, rows: usize) -> Vec<Option<&str>> {
        (0..rows).map(|row| column.text(row)).collect()
    }

    #[test]
    fn a_column_says_the_same_however_it_is_stored() {
        let texts = [Some("a\"b"), None, Some("a\"b"), Some("")];
        let plain = Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
        let dictionary = Arc::new(texts.iter().copied().collect::<CellArray>()) as ArrayRef;
        let cells: CellArray =
            [Some(r#""a\"b""#), None, Some(r#""a\"b""#), Some("\"\"")].into_iter().collect();
        for column in [
            TextColumn::of_stored(&plain).unwrap(),
            TextColumn::of_stored(&dictionary).unwrap(),
            TextColumn::of_cells(&cells),
        ] {
            assert_eq!(shown(&column, 5), [&texts[..], &[None]].concat());
        }
        let numbers: CellArray = [Some("5"), Some("[\"a\"]")].into_iter().collect();
        assert_eq!(shown(&TextColumn::of_cells(&numbers), 2), [Some("5"), Some("[\"a\"]")]);
        assert_eq!(shown(&TextColumn::absent(1), 1), [None]);
    }

    #[test]
    fn a_value_that_is_null_is_no_text() {
        let values: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
        let column = CellArray::new(Int32Array::from(vec![Some(1), Some(0), None]), values);
        let column = TextColumn::of_stored(&(Arc::new(column) as ArrayRef)).unwrap();
        assert_eq!(shown(&column, 3), [None, Some("a"), None]);
    }
}
