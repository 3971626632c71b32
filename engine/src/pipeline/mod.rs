//! Processing pipelines: what stands between a public rule and one's own logs.
//!
//! In: pipelines in the YAML that pySigma reads, and resolved rules. Out: the same rules with their
//! fields renamed, conditions added, values changed, log sources moved; or a diagnostic where a
//! pipeline refuses a rule. A pipeline that cannot be read in full is not used at all: half of a
//! field mapping would make rules that match nothing.
//!
//! ```yaml
//! name: our lake
//! priority: 20
//! transformations:
//! - id: columns
//!   type: field_name_mapping
//!   mapping: {userIdentity.arn: actor_arn, sourceIPAddress: [src_ip, proxy_ip]}
//!   rule_conditions:
//!   - type: logsource
//!     product: aws
//! ```
//!
//! `read` (YAML → [`Pipeline`]) → `apply` (a rule through the items of all pipelines, in the order of
//! their priorities) with `conditions` (whether an item is for a rule, a detection item, a field) and
//! `transformations` (one file each). What a transformation does follows pySigma 2.0.1, down to its
//! surprises where rules depend on them; transformations that change the text of a query are refused,
//! by name, for there is no such text here.

mod apply;
mod conditions;
mod plain_text;
mod read;
mod transformations;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::SourceFile;
use conditions::{FieldConditions, ItemConditions, RuleConditions};

pub use apply::apply;
pub use read::parse_pipeline;
pub use transformations::{REFUSED, TRANSFORMATIONS, TransformationKind};

/// A processing pipeline.
#[derive(Debug)]
pub struct Pipeline {
    /// Its name; the file's, where it has none.
    pub name: String,
    /// Pipelines are applied in the order of their priorities, the least first; equal ones in the order
    /// in which they are given.
    pub priority: f64,
    file: Arc<SourceFile>,
    vars: Vars,
    items: Vec<ProcessingItem>,
}

/// What placeholders stand for.
type Vars = BTreeMap<String, Vec<String>>;

/// One transformation with its conditions.
#[derive(Debug)]
struct ProcessingItem {
    id: Option<String>,
    /// Where it stands, for messages: `3`, or `3.1` in a nest.
    number: String,
    transformation: Box<dyn transformations::Transformation>,
    rule_conditions: RuleConditions,
    item_conditions: ItemConditions,
    field_conditions: FieldConditions,
}

/// Pipelines, in the order in which they are applied.
#[derive(Debug, Default)]
pub struct Pipelines(Vec<Pipeline>);

impl Pipelines {
    /// Orders pipelines by their priorities.
    pub fn new(mut pipelines: Vec<Pipeline>) -> Self {
        // a stable sort: of equal priorities the one given first
        pipelines.sort_by(|a, b| a.priority.total_cmp(&b.priority));
        Self(pipelines)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
