//! What a file says of a column, to whoever reads it by its name.
//!
//! In: a column's name. Out: the different values that it has in a row group, in the type in which the file holds
//! them, and which blocks hold each; or pieces of text, where it has very many values.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use virga_engine::event::ColumnKind;
use virga_engine::scan::{Blocks, Facet, Known, Sketch};

use super::StoredFile;
use crate::cells::{CellArray, canonical_column, native_columns};
use crate::error::ArchiveError;
use crate::index::FieldName;
use crate::layout::JSON_SUFFIX;

/// What is known of a column of a row group.
pub(crate) enum Says<'f> {
    /// Its values, `null` among them, and the blocks of each.
    Values(ArrayRef, Vec<Blocks>),
    /// Pieces of the texts that it holds.
    Pieces(&'f Sketch),
}

/// Which column of a field a name means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    /// A canonical one has one.
    Canonical(ColumnKind),
    Texts,
    Json,
}

impl StoredFile {
    /// Reads what the file says of some columns.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) async fn learn_by_name<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<(), ArchiveError> {
        let columns = names.into_iter().filter_map(|name| Some(self.half(name)?.0.stored.clone()));
        let columns = columns.collect();
        self.learn_columns(columns).await
    }

    /// What the file says of a column of a row group; `None` where it says nothing.
    pub(crate) fn says(&self, group: usize, name: &str) -> Option<Says<'_>> {
        if !self.has_column(name) {
            // who reads it finds nulls
            let facet = self.nowhere.get(group)?;
            return of_values(facet, Half::Texts);
        }
        let (field, half) = self.half(name)?;
        match self.facts.known(group, &field.stored)? {
            Known::Values(facet) => of_values(facet, half),
            // JSON is written in more than one way
            Known::Pieces(_) if half == Half::Json => None,
            Known::Pieces(sketch) => Some(Says::Pieces(sketch)),
        }
    }

    /// The field that a column belongs to; `None` where it could be two.
    fn half(&self, name: &str) -> Option<(&FieldName, Half)> {
        let of = |name: &str| self.index.fields.iter().find(|field| field.stored == name);
        match (of(name), name.strip_suffix(JSON_SUFFIX).and_then(of)) {
            (Some(field), None) => {
                let canonical = field.column.as_deref().filter(|column| *column == name);
                let kind = canonical.and_then(virga_engine::event::column).map(|column| column.kind);
                Some((field, kind.map_or(Half::Texts, Half::Canonical)))
            }
            (None, Some(field)) => Some((field, Half::Json)),
            _ => None,
        }
    }
}

fn of_values(facet: &Facet, half: Half) -> Option<Says<'static>> {
    let (values, mut blocks): (Vec<&str>, Vec<Blocks>) = facet.values()?.unzip();
    // each value once, and behind them a row that has none
    let keys = (0..i32::try_from(values.len()).ok()?).map(Some).chain([None]);
    let cells = CellArray::new(keys.collect(), Arc::new(StringArray::from_iter_values(values)));
    blocks.push(facet.absent);
    Some(Says::Values(
        match half {
            Half::Canonical(kind) => canonical_column(&cells, kind),
            Half::Texts => native_columns(&cells).0,
            Half::Json => native_columns(&cells).1,
        },
        blocks,
    ))
}
