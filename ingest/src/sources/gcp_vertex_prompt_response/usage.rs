//! Tokens of a call.
//!
//! In: the counts in `full_response`, as numbers or strings, of one answer or of its pieces. Out:
//! tokens of the prompt, of the answer with the thoughts before it, of both.
//!
//! Gemini's own total also counts what its tools read, and is taken where it is there. Claude counts
//! what it read from or wrote to its cache apart from the prompt: that is in the total alone.

use virga_engine::event::ColumnValue;

use super::Inputs;

pub(super) const INPUTS: &[&str] = &[
    "full_response.usageMetadata.promptTokenCount | full_response.usage_metadata.prompt_token_count",
    "full_response.usageMetadata.candidatesTokenCount | full_response.usage_metadata.candidates_token_count",
    "full_response.usageMetadata.thoughtsTokenCount | full_response.usage_metadata.thoughts_token_count",
    "full_response.usageMetadata.totalTokenCount | full_response.usage_metadata.total_token_count",
    "full_response.usage.input_tokens | full_response.message.usage.input_tokens",
    "full_response.usage.output_tokens",
    "full_response.usage.cache_read_input_tokens | full_response.message.usage.cache_read_input_tokens",
    "full_response.usage.cache_creation_input_tokens | full_response.message.usage.cache_creation_input_tokens",
];

const PROMPT: usize = 0;
const CANDIDATES: usize = 1;
const THOUGHTS: usize = 2;
const TOTAL: usize = 3;
const INPUT: usize = 4;
const OUTPUT: usize = 5;
const CACHED: std::ops::Range<usize> = 6..8;

/// The largest of the counts that an input found.
fn count(inputs: &Inputs<'_>, input: usize) -> Option<i64> {
    let whole = |text: &str| text.trim_matches('"').parse::<i64>().ok().filter(|count| *count >= 0);
    inputs.texts(input).filter_map(whole).max()
}

/// The sum of the counts that are there.
fn sum(counts: impl IntoIterator<Item = Option<i64>>) -> Option<i64> {
    counts.into_iter().flatten().fold(None, |sum, count| Some(sum.unwrap_or(0i64).saturating_add(count)))
}

fn prompt(inputs: &Inputs<'_>) -> Option<i64> {
    count(inputs, PROMPT).or_else(|| count(inputs, INPUT))
}

fn answer(inputs: &Inputs<'_>) -> Option<i64> {
    sum([count(inputs, CANDIDATES), count(inputs, THOUGHTS)]).or_else(|| count(inputs, OUTPUT))
}

pub(super) fn tokens_in(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    prompt(inputs).map(ColumnValue::Int)
}

pub(super) fn tokens_out(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    answer(inputs).map(ColumnValue::Int)
}

pub(super) fn tokens_total(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let cached = CACHED.map(|input| count(inputs, input));
    let parts = || sum([prompt(inputs), answer(inputs)].into_iter().chain(cached));
    count(inputs, TOTAL).or_else(parts).map(ColumnValue::Int)
}
