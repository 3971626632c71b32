//! How many tokens a request took.
//!
//! In: the counts of an entry of the log of models; else `usage` in a logged response, which in a
//! stream stands in its last events. Out: tokens in, out and in all.
//!
//! | response | usage |
//! |---|---|
//! | OpenAI chat, completions, embeddings | `usage.prompt_tokens`, `completion_tokens`, `total_tokens`; of a stream only where `stream_options.include_usage` asks for it |
//! | OpenAI Responses | `usage.input_tokens`, `output_tokens`; of a stream `response.usage` |
//! | Anthropic Messages | the same, and `cache_read_input_tokens`, `cache_creation_input_tokens` beside them; of a stream `message.usage`, then `usage` |
//! | Bedrock Converse | `usage.inputTokens`, `outputTokens`, `totalTokens` |

use virga_engine::event::ColumnValue;
use virga_engine::json::Value;

use super::{Inputs, body};

pub(super) const INPUTS: &[&str] = &[
    "properties.promptTokens",
    "properties.completionTokens",
    "properties.totalTokens",
    "properties.deploymentName",
    "properties.modelName",
    "properties.responseBody",
    "properties.backendResponseBody",
];

/// Where names of models and bodies stand in [`INPUTS`].
const NAMES: [usize; 2] = [3, 4];
const BODIES: [usize; 2] = [5, 6];

/// Counts of tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Usage {
    sent: Option<i64>,
    made: Option<i64>,
    total: Option<i64>,
    /// Sent, but counted beside: read from a cache or written to one.
    cached: [Option<i64>; 2],
}

impl Usage {
    /// Takes the counts of an object called `usage`; what it does not have stays.
    fn take(&mut self, usage: &Value<'_>) {
        let count = |names: &[&str]| {
            names.iter().find_map(|name| match body::member(usage, name)? {
                Value::Number(count) => count.parse().ok().filter(|count: &i64| *count >= 0),
                _ => None,
            })
        };
        let update = |place: &mut Option<i64>, names: &[&str]| *place = count(names).or(*place);
        update(&mut self.sent, &["prompt_tokens", "input_tokens", "inputTokens"]);
        update(&mut self.made, &["completion_tokens", "output_tokens", "outputTokens"]);
        update(&mut self.total, &["total_tokens", "totalTokens"]);
        let [read, written] = &mut self.cached;
        update(read, &["cache_read_input_tokens"]);
        update(written, &["cache_creation_input_tokens"]);
    }

    fn is_known(&self) -> bool {
        self.sent.is_some() || self.made.is_some() || self.total.is_some()
    }

    fn total(&self) -> Option<i64> {
        let sum = || {
            self.sent.or(self.made)?;
            let parts = [self.sent, self.made].into_iter().chain(self.cached).flatten();
            Some(parts.fold(0, i64::saturating_add))
        };
        self.total.or_else(sum)
    }
}

/// The usage in a response.
fn of_body(body: &str) -> Usage {
    let mut usage = Usage::default();
    let Some(content) = body::content(body) else { return usage };
    body::for_each_value(&content, "\"usage\"", |value| {
        let holders = [Some(value), body::member(value, "response"), body::member(value, "message")];
        for found in holders.into_iter().flatten().filter_map(|holder| body::member(holder, "usage")) {
            usage.take(found);
        }
    });
    usage
}

fn of(inputs: &Inputs<'_>) -> Usage {
    let [sent, made, total] = [0, 1, 2].map(|input| inputs.count(input));
    let logged = Usage { sent, made, total, cached: [None; 2] };
    // entries that have only messages may have zeros here, but then they name no model either
    let counted = [sent, made, total].into_iter().flatten().any(|count| count > 0);
    let named = || NAMES.into_iter().any(|input| inputs.string(input).is_some());
    if logged.is_known() && (counted || named()) {
        return logged;
    }
    let bodies = BODIES.into_iter().filter_map(|input| inputs.text(input));
    bodies.map(of_body).find(Usage::is_known).unwrap_or_default()
}

/// Whether the tokens of a request are known.
pub(super) fn known(inputs: &Inputs<'_>) -> bool {
    of(inputs).is_known()
}

pub(super) fn tokens_in(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    of(inputs).sent.map(ColumnValue::Int)
}

pub(super) fn tokens_out(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    of(inputs).made.map(ColumnValue::Int)
}

pub(super) fn tokens_total(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    of(inputs).total().map(ColumnValue::Int)
}
