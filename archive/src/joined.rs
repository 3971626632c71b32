//! A field's cells in several parts → the columns of a file.
//!
//! In: the same column of each part, and which row comes when. Out: arrays as a file has them, and the cells of
//! which it can be told what they hold. A field with few values is joined: each text once, and a key for each
//! row. A field that is new in nearly every event is not: a dictionary of it would have to be read whole by
//! whoever wants one page.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, StringArray, StringBuilder};
use hashbrown::HashMap;
use virga_engine::event::ColumnKind;

use crate::cells::{CellArray, canonical_column, canonical_text, native_columns, plain, texts};
use crate::limits::MAX_FACET_VALUES;

/// A field's cells in all parts.
pub(crate) enum Joined<'p> {
    Narrow { keys: Vec<Option<&'p Int32Array>>, maps: Vec<Vec<i32>>, values: StringArray },
    Wide { parts: Vec<Option<&'p CellArray>> },
}

impl<'p> Joined<'p> {
    /// Of the same column of each part; `None` where no row has it.
    pub fn of(parts: Vec<Option<&'p CellArray>>) -> Option<Self> {
        Self::unless_wider(parts, MAX_FACET_VALUES)
    }

    /// The same, and narrow up to so many values.
    pub fn unless_wider(parts: Vec<Option<&'p CellArray>>, narrow: usize) -> Option<Self> {
        let present: usize = parts.iter().flatten().map(|part| part.len() - part.null_count()).sum();
        if present == 0 {
            return None;
        }
        let mut known: HashMap<&str, i32> = HashMap::default();
        let mut values: Vec<&str> = Vec::new();
        let mut maps: Vec<Vec<i32>> = Vec::with_capacity(parts.len());
        for part in &parts {
            let texts = part.map(texts).into_iter().flatten();
            let key = |text: Option<&'p str>| {
                let text = text.unwrap_or_default();
                *known.entry(text).or_insert_with(|| {
                    values.push(text);
                    values.len() as i32 - 1
                })
            };
            maps.push(texts.map(key).collect());
            if values.len() > narrow && values.len() * 4 > present {
                return Some(Self::Wide { parts });
            }
        }
        let keys = parts.iter().map(|part| part.map(CellArray::keys)).collect();
        Some(Self::Narrow { keys, maps, values: StringArray::from_iter_values(values) })
    }

    pub fn is_wide(&self) -> bool {
        matches!(self, Self::Wide { .. })
    }

    /// The values; of a wide field some more than once.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let (one, several) = match self {
            Self::Narrow { values, .. } => (Some(values), None),
            Self::Wide { parts } => (None, Some(parts.iter().flatten().map(|part| texts(part)))),
        };
        one.into_iter().chain(several.into_iter().flatten()).flatten().flatten()
    }

    /// Whether some values are plain texts, and whether some are not.
    pub fn kinds(&self) -> (bool, bool) {
        let (mut some, mut others) = (false, false);
        for value in self.values() {
            let is_plain = plain(value).is_some();
            (some, others) = (some | is_plain, others | !is_plain);
            if some && others {
                break;
            }
        }
        (some, others)
    }

    /// The cells of some rows of a narrow field.
    pub fn cells(&self, order: &[(usize, usize)]) -> Option<CellArray> {
        let Self::Narrow { keys, maps, values } = self else { return None };
        let key = |&(part, row): &(usize, usize)| {
            let keys = keys[part]?;
            keys.is_valid(row).then(|| maps[part][keys.value(row) as usize])
        };
        let keys: Int32Array = order.iter().map(key).collect();
        Some(CellArray::new(keys, Arc::new(values.clone())))
    }

    /// The text of each of some rows of a wide field, as `text` makes it of a cell.
    fn each<'t>(
        &'t self,
        order: &[(usize, usize)],
        mut text: impl FnMut(&'t str, &mut StringBuilder),
    ) -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(order.len(), 32 * order.len());
        let Self::Wide { parts } = self else { return Arc::new(builder.finish()) };
        for &(part, row) in order {
            match parts[part].and_then(|cells| Some(texts(cells).value(cells.key(row)?))) {
                Some(cell) => text(cell, &mut builder),
                None => builder.append_null(),
            }
        }
        Arc::new(builder.finish())
    }

    /// The column of a canonical field.
    pub fn canonical(&self, order: &[(usize, usize)], kind: ColumnKind) -> ArrayRef {
        match self.cells(order) {
            Some(cells) => canonical_column(&cells, kind),
            None if kind == ColumnKind::Text => {
                self.each(order, |cell, builder| builder.append_value(canonical_text(cell)))
            }
            None => {
                // what is no text is typed, however many values there are
                let cell = |&(part, row): &(usize, usize)| {
                    let Self::Wide { parts } = self else { return None };
                    let cells = parts[part]?;
                    Some(texts(cells).value(cells.key(row)?))
                };
                canonical_column(&order.iter().map(cell).collect::<CellArray>(), kind)
            }
        }
    }

    /// The columns of a native field: its plain texts, and the others as JSON.
    pub fn native(&self, order: &[(usize, usize)]) -> (ArrayRef, ArrayRef) {
        if let Some(cells) = self.cells(order) {
            return native_columns(&cells);
        }
        let plain_texts = self.each(order, |cell, builder| builder.append_option(plain(cell)));
        let others = self.each(order, |cell, builder| {
            builder.append_option(plain(cell).is_none().then_some(cell));
        });
        (plain_texts, others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{canonical_cells, native_cells};

    fn shown(cells: &CellArray) -> Vec<Option<String>> {
        (0..cells.len()).map(|row| cells.key(row).map(|key| texts(cells).value(key).to_owned())).collect()
    }

    /// Two parts with so many different values, some of which are no plain texts, and every second row.
    fn checked(different: usize, is_wide: bool) {
        let cell = |n: usize| match n % 5 {
            0 => None,
            1 => Some(format!("{}", n % different)),
            _ => Some(format!("\"é{}\"", n % different)),
        };
        let part = |from: usize| -> CellArray {
            let cells: Vec<Option<String>> = (from..from + 10_000).map(cell).collect();
            cells.iter().map(Option::as_deref).collect()
        };
        let (first, second) = (part(0), part(10_000));
        let joined = Joined::of(vec![Some(&first), None, Some(&second)]).unwrap();
        assert_eq!((joined.is_wide(), joined.kinds()), (is_wide, (true, true)));
        let order: Vec<(usize, usize)> =
            (0..10_000).rev().step_by(2).flat_map(|row| [(2, row), (1, row), (0, row)]).collect();
        let expected: Vec<Option<String>> = order
            .iter()
            .map(|&(part, row)| match part {
                0 => cell(row),
                1 => None,
                _ => cell(10_000 + row),
            })
            .collect();
        let (plain, json) = joined.native(&order);
        let back = native_cells(Some(&plain), Some(&json), order.len()).unwrap();
        assert_eq!(shown(&back), expected);
        let typed = joined.canonical(&order, ColumnKind::Int);
        let numbers = shown(&canonical_cells(&typed, ColumnKind::Int).unwrap());
        assert!(
            numbers
                .iter()
                .zip(&expected)
                .all(|(number, cell)| number.as_ref().is_none_or(|n| Some(n) == cell.as_ref()))
        );
        assert!(numbers.iter().any(Option::is_some));
    }

    #[test]
    fn few_values_and_many_come_back_in_the_order_of_the_file() {
        checked(7, false);
        checked(20_000, true);
    }

    #[test]
    fn a_field_with_few_values_is_a_dictionary() {
        let part: CellArray = (0..10_000).map(|n| Some(if n % 2 == 0 { "\"a\"" } else { "\"b\"" })).collect();
        let joined = Joined::of(vec![Some(&part), Some(&part)]).unwrap();
        assert!(!joined.is_wide() && joined.values().count() == 2);
        let cells = joined.cells(&[(1, 1), (0, 0)]).unwrap();
        assert_eq!(shown(&cells), [Some("\"b\"".to_owned()), Some("\"a\"".to_owned())]);
        assert!(Joined::of(vec![None]).is_none());
    }
}
