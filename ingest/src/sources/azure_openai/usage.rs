//! How many tokens a call took.
//!
//! In: the properties of an `AzureOpenAIRequestUsage` record, whose counts are lists of one number.
//! Their names are not documented; these are the ones that records in use have (`promptTokens`,
//! `generatedTokens`, `cachedTokens`), and beside them those of other logs of the same service. Out:
//! tokens in, out and in all. What came from a cache is part of the prompt's count.

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use super::Inputs;

pub(super) const IN: &[&str] = &["properties.promptTokens", "properties.inputTokens"];

pub(super) const OUT: &[&str] =
    &["properties.generatedTokens", "properties.completionTokens", "properties.outputTokens"];

pub(super) const TOTAL: &[&str] = &["properties.totalTokens", IN[0], IN[1], OUT[0], OUT[1], OUT[2]];

/// A count: a number, or the first number of a list.
fn number(inputs: &Inputs<'_>, input: usize) -> Option<i64> {
    if let Some(count) = inputs.count(input) {
        return Some(count);
    }
    match parse(inputs.text(input)?).ok()? {
        Value::Array(counts) => match counts.first()? {
            Value::Number(count) => count.parse().ok().filter(|count| *count >= 0),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn first(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    (0..inputs.len()).find_map(|input| number(inputs, input)).map(ColumnValue::Int)
}

pub(super) fn total(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let of = |mut places: std::ops::Range<usize>| places.find_map(|input| number(inputs, input));
    let sum = || match (of(1..1 + IN.len()), of(1 + IN.len()..TOTAL.len())) {
        (None, None) => None,
        (sent, made) => Some(sent.unwrap_or(0).saturating_add(made.unwrap_or(0))),
    };
    of(0..1).or_else(sum).map(ColumnValue::Int)
}
