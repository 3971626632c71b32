//! YAML text → the tree of a Sigma document, with the place of everything.
//!
//! In: the text of a rule file, which may hold several documents. Out: [`Document`]s, and
//! [`Diagnostic`]s for all that is wrong with them. Nothing is ignored in silence: a key that is not
//! known inside `detection` or `logsource` is an error, a top-level one is a custom field.
//!
//! The pipeline of this folder: `yaml` (text → nodes with places) → `document` (which kind, metadata,
//! log source) → `detection` (selections and their values) and `condition` (the boolean expression);
//! `correlation` for rules over rules.

mod condition;
mod correlation;
mod detection;
mod document;
mod value;
pub(crate) mod yaml;

pub use condition::{Condition, Quantity, SelectionPattern};
pub(crate) use correlation::AbsentCorrelation;
pub use correlation::{Correlation, CorrelationAlias, CorrelationCondition, CorrelationType, Criterion};
pub(crate) use detection::parse as parse_detection;
pub use detection::{Detection, FieldItem, Selection};
pub use document::{Document, Filter, Level, Logsource, Rule, Suppress, parse_documents, yaml_to_json};
pub(crate) use document::{node_to_json, parse_file, parse_suppress, span_of_time};
pub use value::{Part, Pattern, RuleValue, Spanned};

pub use crate::diagnostic::Diagnostic;
