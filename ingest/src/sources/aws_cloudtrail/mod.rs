//! AWS CloudTrail: management, data, network activity and Insights events, `eventVersion` 1.0 to 1.11.
//!
//! In: one event as CloudTrail writes it, alone or out of any envelope. Its time is `eventTime`
//! (`@timestamp` where a log shipper has moved it), its natural id `eventID`. Out: canonical columns,
//! each from a table below or from the file that is named for its subject.
//!
//! An Insights event is no call: it has `insightDetails`, from which service, action and error code
//! come, and neither an outcome nor an `action_kind`.
//!
//! Format: AWS CloudTrail User Guide, "CloudTrail record contents".

mod action;
mod grants;
mod holders;
mod identity;
pub mod stored;
mod target;

use virga_engine::event::ColumnValue;

use super::derive::{address_network, bedrock_model_of, first, number, text};
use super::net::Address;
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "aws.cloudtrail",
    description: "AWS CloudTrail: management, data, network activity and Insights events",
    logsources: &[
        Logsource {
            product: Some("aws"),
            service: Some("cloudtrail"),
            category: None,
            canonical_only: false,
        },
        CLOUD_NORMALIZED,
    ],
    aliases: &[],
    computed: &[],
    recognised_by: &[
        "eventSource",
        "eventName",
        "eventVersion",
        "eventCategory",
        "insightDetails",
        "awsRegion",
        "userIdentity",
    ],
    recognise,
    unfold: &[],
    time_paths: &["eventTime", "@timestamp"],
    identity: Identity { natural: &[&["eventID"]], otherwise: Otherwise::Locator },
    derivations: DERIVATIONS,
};

/// An event of CloudTrail has a name and either a service of AWS or its version and region; an Insights
/// event has its details. Others have names and sources too: a notification of S3 is of `aws:s3`.
fn recognise(inputs: &Inputs<'_>) -> bool {
    let [source, name, version, category, insight, region, identity] =
        [0, 1, 2, 3, 4, 5, 6].map(|input| inputs.has(input));
    let service = inputs.string(0);
    let of_aws = service.as_ref().is_some_and(|service| service.contains(".amazon"));
    let notified = service.is_some_and(|service| service.starts_with("aws:"));
    let called = source && (of_aws || version || region || identity) && !notified;
    (name && (called || (version && (category || region) && !notified))) || (insight && version)
}

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("aws") },
    Derivation { column: "principal", inputs: identity::PRINCIPAL_INPUTS, derive: identity::principal },
    Derivation { column: "principal_type", inputs: &["userIdentity.type"], derive: first },
    Derivation { column: "principal_name", inputs: identity::NAME_INPUTS, derive: identity::principal_name },
    Derivation { column: "session_name", inputs: identity::SESSION_INPUTS, derive: identity::session_name },
    Derivation { column: "session_id", inputs: &["userIdentity.accessKeyId"], derive: identity::session_id },
    Derivation {
        column: "credential_id",
        inputs: identity::CREDENTIAL_INPUTS,
        derive: identity::credential_id,
    },
    Derivation {
        column: "credential_kind",
        inputs: identity::KIND_INPUTS,
        derive: identity::credential_kind,
    },
    Derivation { column: "mfa", inputs: identity::MFA_INPUTS, derive: identity::mfa },
    Derivation { column: "invoked_by", inputs: &["userIdentity.invokedBy"], derive: first },
    Derivation { column: "src_ip", inputs: &["sourceIPAddress"], derive: first },
    Derivation { column: "src_ip_kind", inputs: &["sourceIPAddress"], derive: src_ip_kind },
    Derivation { column: "src_net", inputs: &["sourceIPAddress"], derive: address_network },
    Derivation { column: "user_agent", inputs: &["userAgent"], derive: first },
    Derivation { column: "region", inputs: &["awsRegion"], derive: first },
    Derivation {
        column: "account",
        inputs: &["recipientAccountId", "userIdentity.accountId"],
        derive: first,
    },
    Derivation { column: "service", inputs: action::SERVICE_INPUTS, derive: action::service },
    Derivation { column: "action", inputs: action::NAME_INPUTS, derive: first },
    Derivation { column: "action_kind", inputs: action::KIND_INPUTS, derive: action::kind },
    Derivation { column: "outcome", inputs: action::OUTCOME_INPUTS, derive: action::outcome },
    Derivation { column: "error_code", inputs: &["errorCode", "insightDetails.errorCode"], derive: first },
    Derivation { column: "error_message", inputs: &["errorMessage"], derive: first },
    Derivation { column: "target", inputs: &target::INPUTS, derive: target::target },
    Derivation { column: "target_type", inputs: &target::INPUTS, derive: target::target_type },
    Derivation { column: "target_container", inputs: target::CONTAINER_INPUTS, derive: target::container },
    Derivation { column: "target_user", inputs: target::USER_INPUTS, derive: first },
    Derivation { column: "passed_role", inputs: target::PASSED_ROLE_INPUTS, derive: target::passed_role },
    Derivation { column: "grants", inputs: grants::INPUTS, derive: grants::grants },
    Derivation { column: "grants_public", inputs: grants::INPUTS, derive: grants::public },
    Derivation { column: "grants_external", inputs: grants::INPUTS, derive: grants::external },
    Derivation { column: "correlation_uid", inputs: &["requestID"], derive: first },
    Derivation { column: "bytes_out", inputs: &["additionalEventData.bytesTransferredOut"], derive: number },
    Derivation { column: "bytes_in", inputs: &["additionalEventData.bytesTransferredIn"], derive: number },
    Derivation { column: "model", inputs: MODEL_INPUTS, derive: model },
];

const MODEL_INPUTS: &[&str] = &["requestParameters.modelId", "requestParameters.model", "eventSource"];

/// `modelId`; of Bedrock's second endpoint `model`, which elsewhere is a word of many meanings.
fn model(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let is_mantle = || inputs.string(2).is_some_and(|source| action::service_of(&source) == "bedrock-mantle");
    bedrock_model_of(&inputs.string(0).or_else(|| inputs.string(1).filter(|_| is_mantle()))?)
}

/// CloudTrail writes a service's host name where a service called, and `AWS Internal` where none of
/// that is to be known.
fn src_ip_kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let address = inputs.string(0)?;
    if address.eq_ignore_ascii_case("AWS Internal") {
        return text("internal");
    }
    if [".amazonaws.com", ".amazonaws.com.cn", ".amazon.com"].iter().any(|host| address.ends_with(host)) {
        return text("aws_service");
    }
    text(Address::parse(&address).kind())
}

#[cfg(test)]
mod tests;
