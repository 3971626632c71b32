//! Tokens.
//!
//! In: the counts, under any of their names, as numbers or strings. Out: prompt, completion, total;
//! the total is the sum where it is not logged. Cached tokens are part of the prompt's count.

use virga_engine::event::ColumnValue;

use super::Inputs;

/// Names of the prompt's count, of the completion's, of the total, as many each.
pub(super) const INPUTS: &[&str] = &[
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
    "gen_ai.usage.total_tokens",
    "llm.usage.total_tokens",
    "llm.token_count.total",
];

fn prompt(inputs: &Inputs<'_>) -> Option<i64> {
    (0..4).find_map(|input| inputs.count(input))
}

fn completion(inputs: &Inputs<'_>) -> Option<i64> {
    (4..8).find_map(|input| inputs.count(input))
}

pub(super) fn tokens_in(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    prompt(inputs).map(ColumnValue::Int)
}

pub(super) fn tokens_out(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    completion(inputs).map(ColumnValue::Int)
}

pub(super) fn tokens_total(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let summed = || match (prompt(inputs), completion(inputs)) {
        (None, None) => None,
        (prompt, completion) => Some(prompt.unwrap_or(0).saturating_add(completion.unwrap_or(0))),
    };
    (8..INPUTS.len()).find_map(|input| inputs.count(input)).or_else(summed).map(ColumnValue::Int)
}
