//! What a file says of itself: which fields it holds, under which names, and where it says what of their values.
//!
//! In: fields and sections ([`crate::facets`]). Out: one piece of bytes between the rows and the footer; the footer
//! says where. As text in the footer itself it was most of a small file, and whoever opened a file took it apart anew.
//! For the same reason files have no copy of their Arrow schema: what it says beyond Parquet's, which columns are
//! dictionaries, shows in the columns.

use std::collections::HashSet;
use std::ops::Range;

use parquet::file::metadata::{KeyValue, ParquetMetaData};
use serde::{Deserialize, Serialize};
use virga_engine::event::ProjectedField;

use crate::error::ArchiveError;
use crate::layout::JSON_SUFFIX;
use crate::limits::{MAX_SECTION, MAX_SECTION_UNFOLDED};

/// The footer's key for where the index stands: its first byte and its length.
const INDEX_KEY: &str = "virga.index.2";

/// The key of files whose sections speak of blocks of 8,192 rows.
const LONG_BLOCKS_KEY: &str = "virga.index";

/// A field as a file names it: two that are equal hold the same cells.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FieldName {
    pub name: String,
    pub paths: Vec<String>,
    pub computed: bool,
    pub column: Option<String>,
    /// The column that it is stored under.
    pub stored: String,
}

impl FieldName {
    pub fn of(field: &ProjectedField, stored: &str) -> Self {
        Self {
            name: field.name.clone(),
            paths: field.paths.clone(),
            computed: field.computed,
            column: field.column.map(|column| column.name.to_owned()),
            stored: stored.to_owned(),
        }
    }

    pub fn is(&self, field: &ProjectedField) -> bool {
        // members are found whatever their case: rules that write one field differently share what is stored
        let are_like = |a: &String, b: &String| a.eq_ignore_ascii_case(b);
        are_like(&self.name, &field.name)
            && self.paths.len() == field.paths.len()
            && self.paths.iter().zip(&field.paths).all(|(own, asked)| are_like(own, asked))
            && self.computed == field.computed
            && self.column.as_deref() == field.column.map(|column| column.name)
    }
}

/// Where a column's section stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Section {
    pub column: String,
    pub offset: u64,
    pub length: u64,
}

/// What a file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    pub fields: Vec<FieldName>,
    pub sections: Vec<Section>,
}

impl Index {
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArchiveError> {
        let doing = "writing what a file says of itself";
        let bytes = postcard::to_allocvec(self).map_err(ArchiveError::at(doing))?;
        zstd::bulk::compress(&bytes, 3).map_err(ArchiveError::at(doing))
    }

    /// Of a file of another program, or one that cannot be read so, nothing is known: all of it is read, and fields are
    /// made anew from the raw events. What a file says of blocks of another length is of no use.
    pub fn from_bytes(bytes: &[u8], has_our_blocks: bool) -> Self {
        let mut index: Self = postcard::from_bytes(&unfolded(bytes)).unwrap_or_default();
        if !has_our_blocks {
            index.sections.clear();
        }
        index.leave_out_what_shares_a_column();
        index
    }

    /// Files of before may hold the field `a.json` under the name of what of `a` is no plain text: of either nothing is
    /// sure.
    fn leave_out_what_shares_a_column(&mut self) {
        let names: HashSet<String> = self.fields.iter().map(|field| field.stored.clone()).collect();
        let is_shared = |name: &str| {
            names.contains(&format!("{name}{JSON_SUFFIX}"))
                || name.strip_suffix(JSON_SUFFIX).is_some_and(|of| names.contains(of))
        };
        self.fields.retain(|field| !is_shared(&field.stored));
    }

    /// What the footer says of where it stands.
    pub fn place(offset: u64, length: usize) -> KeyValue {
        KeyValue::new(INDEX_KEY.to_owned(), format!("{offset} {length}"))
    }

    /// Where it stands in a file of this size, and whether its sections speak of our blocks; `None` where there is none,
    /// or one that nobody here has written.
    pub fn find(metadata: &ParquetMetaData, size: u64) -> Option<(Range<u64>, bool)> {
        place_in(metadata.file_metadata().key_value_metadata()?, size)
    }
}

fn place_in(pairs: &[KeyValue], size: u64) -> Option<(Range<u64>, bool)> {
    let place = |key: &str| range_of(pairs.iter().find(|pair| pair.key == key)?.value.as_deref()?, size);
    place(INDEX_KEY).map(|range| (range, true)).or_else(|| Some((place(LONG_BLOCKS_KEY)?, false)))
}

fn range_of(place: &str, size: u64) -> Option<Range<u64>> {
    let (offset, length) = place.split_once(' ')?;
    let (offset, length): (u64, u64) = (offset.parse().ok()?, length.parse().ok()?);
    let end = offset.checked_add(length)?;
    (end <= size && (1..=MAX_SECTION).contains(&length)).then_some(offset..end)
}

/// The bytes that were packed into a piece; none where it cannot be read, or would unfold to too many, as a file from
/// elsewhere may.
pub(crate) fn unfolded(packed: &[u8]) -> Vec<u8> {
    // room for what the piece says it has: room for all that it might have is more than what is read of most files
    let size = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
    let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= MAX_SECTION_UNFOLDED);
    size.and_then(|size| zstd::bulk::decompress(packed, size).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rule may write `userIdentity.accessKeyId` as it likes: what another made the file store is what it asks
    /// for, and need not be made anew from the raw events.
    #[test]
    fn a_field_is_the_same_in_whatever_case_a_rule_writes_it() {
        let field = |name: &str, path: &str| ProjectedField {
            name: name.into(),
            paths: vec![path.into()],
            computed: false,
            column: None,
        };
        let stored = FieldName::of(&field("a.bc", "a.bc"), "a__bc");
        for (name, path, expected) in
            [("a.bc", "a.bc", true), ("a.bc", "A.bC", true), ("a.bc", "a.b", false), ("a.b", "a.bc", false)]
        {
            assert_eq!(stored.is(&field(name, path)), expected, "{name} {path}");
        }
        let computed = ProjectedField { computed: true, ..field("a.bc", "a.bc") };
        assert!(!stored.is(&computed));
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let index =
            Index { fields: vec![], sections: vec![Section { column: "a".into(), offset: 4, length: 9 }] };
        let bytes = index.to_bytes().unwrap();
        assert_eq!(Index::from_bytes(&bytes, true), index);
        for broken in [&bytes[..bytes.len() - 1], b"no index", b""] {
            assert_eq!(Index::from_bytes(broken, true), Index::default());
        }
    }

    #[test]
    fn of_a_file_with_blocks_of_another_length_the_fields_alone_are_known() {
        let field = FieldName {
            name: "a".into(),
            paths: vec!["a".into()],
            computed: false,
            column: None,
            stored: "a".into(),
        };
        let sections = vec![Section { column: "a".into(), offset: 4, length: 9 }];
        let bytes = Index { fields: vec![field.clone()], sections }.to_bytes().unwrap();
        let pair = |key: &str| KeyValue::new(key.to_owned(), "4 9".to_owned());
        for (key, expected) in [(INDEX_KEY, Some(true)), (LONG_BLOCKS_KEY, Some(false)), ("other", None)] {
            let place = place_in(&[pair("pandas"), pair(key)], 20);
            assert_eq!(place, expected.map(|ours| (4..13, ours)), "{key}");
            if let Some(ours) = expected {
                let index = Index::from_bytes(&bytes, ours);
                assert_eq!((index.fields, index.sections.len()), (vec![field.clone()], usize::from(ours)));
            }
        }
    }

    #[test]
    fn fields_that_share_a_column_are_not_known() {
        let field = |name: &str, stored: &str| FieldName {
            name: name.into(),
            paths: vec![name.into()],
            computed: false,
            column: None,
            stored: stored.into(),
        };
        let fields =
            vec![field("a", "a"), field("a.json", "a__json"), field("b", "b"), field("c.json", "c__json")];
        let bytes = Index { fields, sections: Vec::new() }.to_bytes().unwrap();
        let index = Index::from_bytes(&bytes, true);
        let names: Vec<&str> = index.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["b", "c.json"]);
    }

    #[test]
    fn a_place_that_cannot_be_is_none() {
        let most = MAX_SECTION;
        for (place, size, expected) in [
            ("4 9", 13, Some(4..13)),
            ("4 9", 12, None),
            ("4 0", 12, None),
            ("4", 12, None),
            ("-1 9", 12, None),
            ("18446744073709551615 2", u64::MAX, None),
            (&format!("0 {}", most + 1), u64::MAX, None),
        ] {
            assert_eq!(range_of(place, size), expected, "{place}");
        }
    }
}
