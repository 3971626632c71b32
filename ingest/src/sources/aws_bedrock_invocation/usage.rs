//! How many tokens a call took.
//!
//! In: the counts of the record, which stand beside the bodies and so are there when those are in S3;
//! where they are missing, what the response itself says: `usage` of `Converse` and of Anthropic's
//! messages, or the metrics in the last chunk of a stream. Out: tokens in, out and in all.
//!
//! Tokens that came from a prompt cache or went into it are not in `inputTokenCount`. They were sent
//! all the same, so `tokens_total` has them: in + out + read from the cache + written to it.

use virga_engine::event::ColumnValue;

use super::Inputs;

pub(super) const IN: &[&str] = &[TOTAL[0], TOTAL[1], TOTAL[2], TOTAL[3]];

pub(super) const OUT: &[&str] = &[TOTAL[4], TOTAL[5], TOTAL[6], TOTAL[7]];

/// Places of each part of the total, [`PLACES`] for each; of a part the first that is there counts.
pub(super) const TOTAL: &[&str] = &[
    "input.inputTokenCount",
    "output.outputBodyJson.amazon-bedrock-invocationMetrics.inputTokenCount",
    "output.outputBodyJson.usage.inputTokens",
    "output.outputBodyJson.usage.input_tokens",
    "output.outputTokenCount",
    "output.outputBodyJson.amazon-bedrock-invocationMetrics.outputTokenCount",
    "output.outputBodyJson.usage.outputTokens",
    "output.outputBodyJson.usage.output_tokens",
    "input.cacheReadInputTokenCount",
    "output.outputBodyJson.amazon-bedrock-invocationMetrics.cacheReadInputTokenCount",
    "output.outputBodyJson.usage.cacheReadInputTokens",
    "output.outputBodyJson.usage.cache_read_input_tokens",
    "input.cacheWriteInputTokenCount",
    "output.outputBodyJson.amazon-bedrock-invocationMetrics.cacheWriteInputTokenCount",
    "output.outputBodyJson.usage.cacheWriteInputTokens",
    "output.outputBodyJson.usage.cache_creation_input_tokens",
];

const PLACES: usize = 4;

pub(super) fn total(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let part = |at: usize| (at..at + PLACES).find_map(|input| inputs.count(input));
    let mut parts = (0..inputs.len()).step_by(PLACES).map(part);
    let (read, written) = (parts.next()?, parts.next()?);
    if read.is_none() && written.is_none() {
        return None;
    }
    let cached = parts.flatten();
    Some(ColumnValue::Int([read, written].into_iter().flatten().chain(cached).fold(0, i64::saturating_add)))
}
