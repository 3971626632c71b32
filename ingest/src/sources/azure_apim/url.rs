//! What the addresses of a request say of the model that it is for.
//!
//! In: `url` (the client's) and `backendUrl` (the gateway's own request). Out: whether a model is
//! asked for an answer, and the model's or deployment's name.
//!
//! | address | name |
//! |---|---|
//! | `…/deployments/<name>/chat/completions` (Azure OpenAI) | the deployment |
//! | `…/model/<id>/converse` (Bedrock), `…/models/<name>:generateContent` (Gemini) | the model |
//! | `…/openai/v1/responses`, `…/models/chat/completions` | only in the body: `model` |

use std::borrow::Cow;

use virga_engine::event::ColumnValue;

use super::{Inputs, body, text};

/// Ends of paths that no other API is likely to have.
const OF_MODELS: &[&str] = &[
    "/completions",
    "/embeddings",
    "/images/generations",
    "/images/edits",
    "/audio/transcriptions",
    "/audio/translations",
    "/audio/speech",
    "/invoke-with-response-stream",
    "/converse",
    "/converse-stream",
    ":generatecontent",
    ":streamgeneratecontent",
];

/// Ends of paths that others have too: they count where [`MARKS`] says that a model is behind them.
const OF_ANYTHING: &[&str] = &["/responses", "/messages", "/invoke", ":predict", ":rawpredict"];

/// What in an address says that models are behind it. Threads of the Assistants API have messages of
/// their own, which are no questions yet.
const MARKS: &[&str] = &[
    "/openai/",
    "/anthropic/",
    "/deployments/",
    "/model/",
    "/models/",
    ".openai.azure.com/",
    ".cognitiveservices.azure.com/",
    ".services.ai.azure.com/",
    ".anthropic.com/",
];
const NO_MARK: &str = "/threads/";

/// Whether one of the addresses asks a model.
pub(super) fn asks_model<'a>(addresses: impl Iterator<Item = Cow<'a, str>>) -> bool {
    addresses.into_iter().any(|address| {
        let address = address.to_lowercase();
        let path = path(&address);
        let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
        let marked = || MARKS.iter().any(|mark| path.contains(mark)) && !path.contains(NO_MARK);
        ends(OF_MODELS) || (ends(OF_ANYTHING) && marked())
    })
}

/// An address without what follows its path.
fn path(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/')
}

/// The name in an address.
fn named(address: &str) -> Option<&str> {
    let mut parts = path(address).split('/');
    while let Some(part) = parts.next() {
        let name = match part.to_ascii_lowercase().as_str() {
            "deployments" | "model" => parts.next(),
            // models/<name>:generateContent, not models/chat/completions
            "models" => parts.next().and_then(|next| Some(next.split_once(':')?.0)),
            _ => None,
        };
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            return Some(name);
        }
    }
    None
}

pub(super) const MODEL_INPUTS: &[&str] = &[
    "properties.deploymentName",
    "properties.modelName",
    "properties.url",
    "properties.backendUrl",
    "properties.requestBody",
    "properties.backendRequestBody",
    "properties.responseBody",
    "properties.backendResponseBody",
];

/// What the log of models says, else the addresses, else the bodies.
pub(super) fn model(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if let Some(said) = [0, 1].into_iter().find_map(|input| inputs.string(input)) {
        return text(said);
    }
    let addresses: Vec<_> = [2, 3].into_iter().filter_map(|input| inputs.string(input)).collect();
    if let Some(name) = addresses.iter().find_map(|address| named(address)) {
        return text(name);
    }
    // any API may have a `model` in its bodies: that of a car
    if !asks_model(addresses.into_iter()) {
        return None;
    }
    text((4..8).find_map(|input| body::model(inputs.text(input)?))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_model_is_told_from_others_and_may_name_it() {
        for (address, asks, name) in [
            (
                "https://gw.example.com/openai/deployments/gpt-4o/chat/completions?api-version=1",
                true,
                Some("gpt-4o"),
            ),
            ("https://gw.example.com/deployments/ada/embeddings", true, Some("ada")),
            (
                "https://gw.example.com/openai/deployments/gpt-4o/extensions/chat/completions",
                true,
                Some("gpt-4o"),
            ),
            ("https://gw.example.com/openai/v1/responses/", true, None),
            ("https://gw.example.com/models/chat/completions", true, None),
            (
                "https://gw.example.com/model/anthropic.claude-v2/converse-stream",
                true,
                Some("anthropic.claude-v2"),
            ),
            (
                "https://gw.example.com/v1beta/models/gemini-pro:streamGenerateContent?alt=sse",
                true,
                Some("gemini-pro"),
            ),
            ("https://ai.services.ai.azure.com/anthropic/v1/messages", true, None),
            ("https://gw.example.com/openai/threads/t1/messages", false, None),
            ("https://gw.example.com/orders/7/messages", false, None),
            ("https://gw.example.com/survey/responses", false, None),
            ("https://gw.example.com/openai/deployments", false, None),
            ("https://gw.example.com/shop?next=/chat/completions", false, None),
            ("", false, None),
        ] {
            assert_eq!(asks_model([Cow::Borrowed(address)].into_iter()), asks, "{address}");
            assert_eq!(named(address), name, "{address}");
        }
    }
}
