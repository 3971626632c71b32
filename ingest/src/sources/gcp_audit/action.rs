//! What was done, and whether it worked.
//!
//! In: `serviceName`, `methodName`, the permissions that were asked for, the log's name, `status`.
//! Out: service, `action_kind`, outcome, error.
//!
//! Methods are named in three ways (`google.iam.admin.v1.CreateRole`, `v1.compute.instances.insert`,
//! `SetIamPolicy`), always with the verb first in the last word. Whether a call reads or writes is
//! said, best first, by the type of its permission, the verb of its permission, its own verb, the log
//! that it is in: the data access log holds reads and writes of data, and reads of configuration.

use virga_engine::event::ColumnValue;
use virga_engine::json::string_text;

use super::{AUDIT_LOGS, Inputs, text};

/// `storage.googleapis.com` → `storage`.
pub(super) fn service(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(service_of(&inputs.string(0)?).to_lowercase())
}

pub(super) fn service_of(name: &str) -> &str {
    name.strip_suffix(".googleapis.com").unwrap_or(name)
}

pub(super) const KIND_INPUTS: &[&str] = &[
    "protoPayload.serviceName",
    "protoPayload.methodName",
    "logName",
    "protoPayload.authorizationInfo.permissionType",
    "protoPayload.authorizationInfo.permission",
];

const SERVICE: usize = 0;
const METHOD: usize = 1;
const LOG: usize = 2;
const PERMISSION_TYPE: usize = 3;
const PERMISSION: usize = 4;

/// Parts of Vertex AI (and of the Gemini API) all of whose calls make a model or an agent answer, but
/// for those below.
const AI_PARTS: &[&str] =
    &["PredictionService", "LlmBidiService", "ReasoningEngineExecutionService", "GenerativeService"];

/// What their calls also are: counting tokens, asking after a running operation.
const NOT_AI: &[&str] = &["CountTokens", "ComputeTokens", "FetchPredictOperation"];

/// Calls that give out a credential or decide who gets in, by service; `*` is all of them.
const AUTHENTICATING: &[(&str, &[&str])] = &[
    ("iamcredentials", &["*"]),
    ("sts", &["*"]),
    ("login", &["*"]),
    ("iap", &["AuthorizeUser"]),
    ("oslogin", &["CheckPolicy", "StartSession", "ContinueSession"]),
];

pub(super) fn kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let method = inputs.string(METHOD).unwrap_or_default();
    let name = inputs.string(SERVICE).unwrap_or_default();
    let service = service_of(&name);
    if invokes_model(service, &method) {
        return text("ai_invoke");
    }
    // policy denied entries write `google.storage.objects.get`
    if service == "storage" && method.ends_with("storage.objects.get") {
        return text("object_read");
    }
    if authenticates(service, last_word(&method)) {
        return text("auth");
    }
    text(access(inputs, &method)?)
}

fn invokes_model(service: &str, method: &str) -> bool {
    let of_models = service.ends_with("aiplatform") || service == "generativelanguage";
    let Some((part, call)) = method.rsplit_once('.') else { return false };
    of_models && AI_PARTS.contains(&last_word(part)) && !NOT_AI.contains(&call)
}

fn authenticates(service: &str, call: &str) -> bool {
    AUTHENTICATING
        .iter()
        .any(|(family, calls)| *family == service && (calls.contains(&"*") || calls.contains(&call)))
}

/// `read` or `write`.
fn access(inputs: &Inputs<'_>, method: &str) -> Option<&'static str> {
    let scalars = |input| inputs.texts(input).map(|text| text.trim_matches('"'));
    let types = || scalars(PERMISSION_TYPE);
    if types().any(|kind| kind.ends_with("_WRITE")) {
        return Some("write");
    }
    if types().any(|kind| kind.ends_with("_READ")) {
        return Some("read");
    }
    let asked: Vec<_> = scalars(PERMISSION).filter_map(verb_access).collect();
    if let Some(access) = asked.iter().find(|access| **access == "write").or(asked.first()) {
        return Some(access);
    }
    if let Some(access) = verb_access(method) {
        return Some(access);
    }
    match log_of(&inputs.string(LOG).unwrap_or_default()) {
        "data_access" => Some("read"),
        // an unknown verb is rather taken for a change than overlooked
        _ => (!method.is_empty()).then_some("write"),
    }
}

const READING_VERBS: &[&str] = &[
    "access",
    "aggregated",
    "analyze",
    "check",
    "count",
    "decrypt",
    "describe",
    "download",
    "encrypt",
    "fetch",
    "get",
    "list",
    "lookup",
    "query",
    "read",
    "search",
    "test",
    "use",
    "validate",
    "view",
    "watch",
];

const WRITING_VERBS: &[&str] = &[
    "add", "attach", "cancel", "clear", "copy", "create", "delete", "deploy", "destroy", "detach", "disable",
    "enable", "import", "insert", "move", "patch", "purge", "put", "remove", "replace", "reset", "restore",
    "set", "start", "stop", "undelete", "undeploy", "update", "upload", "write",
];

/// What the verb of a method or permission says. `use` is said of permissions that some other goes
/// with (`compute.subnetworks.use`) or of keys, and so reads.
fn verb_access(name: &str) -> Option<&'static str> {
    let mut words = words_of(last_word(name));
    let verb = words.next()?;
    let verb = if matches!(verb.as_str(), "batch" | "bulk") { words.next().unwrap_or(verb) } else { verb };
    if READING_VERBS.contains(&verb.as_str()) {
        return Some("read");
    }
    WRITING_VERBS.contains(&verb.as_str()).then_some("write")
}

fn last_word(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, word)| word)
}

/// `SetIamPolicy`, `setIamPolicy` → `set`, `iam`, `policy`.
fn words_of(name: &str) -> impl Iterator<Item = String> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let begins = |letter: char| letter.is_ascii_uppercase();
        let end = rest.char_indices().skip(1).find(|(_, letter)| begins(*letter));
        let (word, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = after;
        (!word.is_empty()).then(|| word.to_lowercase())
    })
}

/// `projects/p/logs/cloudaudit.googleapis.com%2Fdata_access` → `data_access`.
fn log_of(name: &str) -> &str {
    let Some((_, log)) = name.split_once(AUDIT_LOGS) else { return "" };
    ["%2F", "%2f", "/"].iter().find_map(|slash| log.strip_prefix(slash)).unwrap_or(log)
}

pub(super) const OUTCOME_INPUTS: &[&str] = &[
    "protoPayload.status.code",
    "protoPayload.status.message",
    "logName",
    "protoPayload.serviceName",
    "protoPayload.methodName",
    "protoPayload.metadata.dryRun",
    "protoPayload.metadata.event.parameter.value",
];

/// How a report of sign-ins says that a second step of one failed.
const CHALLENGE_FAILED: &str = "Challenge Failed.";

/// Whether the call failed; `None` where the entry does not say.
fn failed(inputs: &Inputs<'_>) -> Option<bool> {
    if inputs.flag(5) == Some(true) {
        // a perimeter on trial says what it would have denied; how the call ended stands in its own entry
        return None;
    }
    let denied = log_of(&inputs.string(2).unwrap_or_default()) == "policy";
    let refused = || {
        let service = inputs.string(3).unwrap_or_default();
        let method = inputs.string(4).unwrap_or_default();
        let is_failed = |value| string_text(value).is_some_and(|value| value == CHALLENGE_FAILED);
        service_of(&service) == "login"
            && (method.ends_with("loginFailure") || inputs.texts(6).any(is_failed))
    };
    Some(error(inputs).is_some() || denied || refused())
}

/// The code of a status that is none of success.
fn error<'a>(inputs: &Inputs<'a>) -> Option<std::borrow::Cow<'a, str>> {
    inputs.scalar(0).filter(|code| code.trim().parse::<f64>() != Ok(0.0))
}

pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(if failed(inputs)? { "failure" } else { "success" })
}

pub(super) fn error_code(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(error(inputs)?)
}

/// A successful call may have a message too (`OK`): it is none of an error.
pub(super) fn error_message(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let says_error = error(inputs).is_some() || failed(inputs) == Some(true);
    text(inputs.string(1).filter(|_| says_error)?)
}
