//! `drop_detection_item`: a condition that one's own logs cannot answer is taken out. A selection of
//! which nothing is left is taken out of the rule's condition; a rule of which nothing is left
//! matches nothing.

use super::super::apply::{Refusal, Run};
use super::{Changed, Transformation, TransformationKind};
use crate::plan::{ResolvedItem, ResolvedNode};

pub(super) static KIND: TransformationKind = TransformationKind {
    name: "drop_detection_item",
    summary: "Takes detection items out.",
    read: |_| Ok(Box::new(Drop)),
};

#[derive(Debug)]
struct Drop;

impl Transformation for Drop {
    fn item(&self, _: &ResolvedItem, _: &mut Run<'_>) -> Result<Changed, Refusal> {
        Ok(Changed::To(ResolvedNode::All(Vec::new())))
    }
}
