//! Correlations: rules over the matches of rules.
//!
//! In: the correlations and rules of a set. Out: correlations whose rules are found, each behind those
//! that it stands on.

mod link;

pub(crate) use link::{Candidate, link};
pub use link::{LinkedCorrelation, Member};
