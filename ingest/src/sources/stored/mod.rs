//! Events of a log source as other programs store them: in columns, under other names, with other types.
//!
//! In: which columns a file has, then its rows as JSON objects. Out: each event's text in the shape in which
//! its source writes it, so that the rest of the way, decoding, columns and rules, is the same as for the log
//! itself. How that goes is data: a [`Shape`] is a table from the fields of the source to the columns that may
//! hold them.
//!
//! ```text
//! {"eventname":"GetObject","requestparameters":"{\"bucketName\":\"b\"}"}    a row of an Athena table
//! {"api":{"operation":"GetObject","request":{"data":"{\"bucketName\":…"}}}  a row of OCSF
//!     ──▶ {"eventName":"GetObject","requestParameters":{"bucketName":"b"}}
//! ```
//!
//! What a file's columns cannot give is known before the first row ([`Plan::gives`]): rules that need it can
//! be told as blind.

mod convert;
mod plan;
#[cfg(test)]
mod tests;

pub use plan::Plan;

use super::aws_cloudtrail;

/// What users call the columns of a log itself.
pub const PARQUET: &str = "parquet";

/// What users call OCSF as Amazon Security Lake lays it out.
pub const SECURITY_LAKE: &str = "security-lake";

/// Every shape. The first that a file's columns fit is taken.
pub static SHAPES: &[&Shape] = &[&aws_cloudtrail::stored::OCSF, &aws_cloudtrail::stored::COLUMNS];

/// How a source's events are stored by others.
#[derive(Debug)]
pub struct Shape {
    /// Its name, for users.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// The log source.
    pub source: &'static str,
    /// Columns without which a file is not of this shape.
    pub needs: &'static [&'static str],
    /// Columns by which a file is told to be of this family, though it may hold another product's events.
    pub family: &'static [&'static str],
    /// What a column of each row must say for the row to be an event of the source.
    pub only: Option<(&'static str, &'static str)>,
    /// Columns that hold the event as it came: where one does, nothing else is looked at.
    pub whole: &'static [&'static str],
    /// Which column holds the event time: its statistics say from when a file is.
    pub time: &'static [&'static str],
    /// The fields and the columns that may hold them; a later one may look at an earlier one.
    pub fields: &'static [Taken],
    /// A map whose keys are the paths of all fields that have no column of their own.
    pub rest: Option<&'static str>,
    /// What fields are among `rest`, whose texts were no texts.
    pub rest_kinds: &'static [(&'static str, How)],
    /// Whether columns that the table does not name are fields under their own names.
    pub keeps_others: bool,
    /// Fields that the shape cannot give, whatever columns a file has.
    pub lost: &'static [&'static str],
}

/// A field of the source, and where it is taken from.
#[derive(Debug)]
pub struct Taken {
    /// Its path.
    pub field: &'static str,
    /// The columns that may hold it, as paths; the first that has a value is taken.
    pub from: &'static [&'static str],
    /// What is made of the value.
    pub how: How,
    /// A field of the event that must have one of these values.
    pub when: Option<(&'static str, &'static [&'static str])>,
}

/// What is made of a stored value.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// A text; numbers and truth values as they are written.
    Text,
    /// Digits, of which a number has lost leading zeros: this many.
    Digits(usize),
    /// `true` or `false`.
    Bool,
    /// A time as the source writes it.
    Time,
    /// JSON in a text, or an object as it is.
    Json,
    /// A text that begins so, and no other.
    Begins(&'static str),
    /// A text that does not begin so.
    BeginsNot(&'static str),
    /// A text for a text; other values are left out.
    Words(&'static [(&'static str, &'static str)]),
    /// A list of objects, whose members are taken from these.
    List(&'static [(&'static str, &'static [&'static str])]),
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text.
    Text,
    /// Numbers.
    Number,
    /// Truth values.
    Bool,
    /// Moments or days.
    Time,
    /// Lists.
    List,
    /// Maps.
    Map,
    /// Objects.
    Object,
    /// What is none of these.
    Other,
}

/// A column of a file, or a member of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoredColumn {
    /// The column, the member in it, and so on.
    pub path: Vec<String>,
    /// What it holds.
    pub kind: Kind,
    /// Its type, in the words of the file.
    pub type_name: String,
    /// It stands in no file: its values are those of the folders by which the files are parted.
    pub is_folder: bool,
}

/// Why a file's rows are no events of any shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// They are of a known family, and of a product that has no shape here.
    Other(String),
    /// They are of no known family, or a column has the wrong type.
    Wrong(String),
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Other(why) | Self::Wrong(why) => f.write_str(why),
        }
    }
}

impl How {
    /// Whether values of a column of this kind can be taken so.
    fn takes(self, kind: Kind) -> bool {
        use Kind::{Bool, List, Map, Number, Object, Text, Time};
        match self {
            Self::Text | Self::Words(_) => matches!(kind, Text | Number | Bool),
            Self::Digits(_) => matches!(kind, Text | Number),
            Self::Bool => matches!(kind, Text | Bool),
            Self::Time => matches!(kind, Text | Number | Time),
            Self::Json => matches!(kind, Text | Object | Map),
            Self::Begins(_) | Self::BeginsNot(_) => kind == Text,
            Self::List(_) => matches!(kind, List | Text),
        }
    }
}
