//! What was done, and whether it worked.
//!
//! In: category, operation name, HTTP status, the model that the properties name. Out: `action_kind`,
//! outcome, error code.
//!
//! | category | `action_kind` |
//! |---|---|
//! | `RequestResponse`, of a model | `ai_invoke` |
//! | `RequestResponse` else (threads, files), `Audit` (`ListKey`) | `read` or `write`, by the verb |
//! | `AzureOpenAIRequestUsage` | `ai_usage`: the tokens of a call that has a `RequestResponse` record too |
//! | `Trace`, `ManagedNetworkEvent` | none: they are no calls |

use virga_engine::event::ColumnValue;

use super::{Inputs, status, text};

pub(super) const KIND_INPUTS: &[&str] =
    &["category", "operationName", "properties.modelDeploymentName", "properties.modelName"];

/// What a model is asked for, as operation names write it without case; with a verb that reads they
/// are about what it was asked for once.
const ASKED: &[&str] = &[
    "completion",
    "embedding",
    "response",
    "imagegeneration",
    "imageedit",
    "transcription",
    "translation",
    "speech",
];

/// Verbs that read, at the beginning of a name or of one of its parts (`ListKey`, `Models_List`).
const READING: &[&str] = &["get", "list", "retrieve", "query", "read", "head", "export"];

pub(super) fn kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    match inputs.string(0)?.to_lowercase().as_str() {
        "azureopenairequestusage" => return text("ai_usage"),
        "requestresponse" | "audit" => {}
        _ => return None,
    }
    let name = inputs.string(1)?.to_lowercase();
    let parts = || name.split(['_', '.', '/', ' ']);
    if parts().any(|part| READING.iter().any(|verb| part.starts_with(verb))) {
        return text("read");
    }
    let call = !inputs.string(0)?.eq_ignore_ascii_case("Audit");
    let deletes = parts().any(|part| matches!(part, "delete" | "cancel"));
    let of_model = inputs.string(2).is_some() || inputs.string(3).is_some();
    let asks = of_model || ASKED.iter().any(|what| parts().any(|part| part.contains(what)));
    text(if call && asks && !deletes { "ai_invoke" } else { "write" })
}

pub(super) const OUTCOME_INPUTS: &[&str] = &["resultSignature", "resultType"];

/// By the status; an entry of the audit log may have none, and then says nothing of it.
pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if let Some(code) = status::code(inputs, 0) {
        return text(status::outcome(code));
    }
    let said = [0, 1].into_iter().find_map(|input| inputs.string(input))?.to_lowercase();
    let known = [("succ", "success"), ("ok", "success"), ("fail", "failure"), ("error", "failure")];
    text(known.iter().find(|(begin, _)| said.starts_with(begin))?.1)
}

pub(super) fn error_code(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let code = status::code(inputs, 0)?;
    text((status::outcome(code) == "failure").then(|| code.to_string())?)
}
