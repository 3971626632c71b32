//! Names under which public rules know the fields of an audit entry.
//!
//! | written | where it comes from |
//! |---|---|
//! | `data.protoPayload.…` | a wrapper of which the entry has been taken out: what stands below `data` stands at the top |
//! | `data.protoPayload.logName`, `data.protoPayload.resource.…` | a mistake of the rule's: both stand beside the payload |
//! | `gcp.audit.method_name` and its kin | the names that a log shipper's module gives them |
//! | `protoPayload.…` | the entry's own names; a row of a BigQuery sink has the payload under `protopayload_auditlog` |
//!
//! An alias is looked up once, so each name is led to both places of the payload.

/// The aliases; of one name the first that is present counts.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("protoPayload.@type", "protoPayload.at_sign_type"),
    // the row of a BigQuery sink
    ("protoPayload.request", "protopayload_auditlog.requestJson"),
    ("protoPayload.request.*", "protopayload_auditlog.requestJson.*"),
    ("protoPayload.response", "protopayload_auditlog.responseJson"),
    ("protoPayload.response.*", "protopayload_auditlog.responseJson.*"),
    ("protoPayload.metadata", "protopayload_auditlog.metadataJson"),
    ("protoPayload.metadata.*", "protopayload_auditlog.metadataJson.*"),
    ("protoPayload.serviceData.*", "protopayload_auditlog.servicedata_v1_iam.*"),
    ("protoPayload.serviceData.*", "protopayload_auditlog.servicedata_v1_bigquery.*"),
    ("protoPayload.*", "protopayload_auditlog.*"),
    ("protoPayload", "protopayload_auditlog"),
    // a wrapper that has been taken off
    ("data.*", "*"),
    ("data.protoPayload.request.*", "protopayload_auditlog.requestJson.*"),
    ("data.protoPayload.metadata.*", "protopayload_auditlog.metadataJson.*"),
    ("data.protoPayload.serviceData.*", "protopayload_auditlog.servicedata_v1_iam.*"),
    ("data.protoPayload.*", "protopayload_auditlog.*"),
    ("data.protoPayload.logName", "logName"),
    ("data.protoPayload.resource.*", "resource.*"),
    // the names of a log shipper's module
    ("gcp.audit.type", "protoPayload.@type"),
    ("gcp.audit.type", "protoPayload.at_sign_type"),
    ("gcp.audit.method_name", "protoPayload.methodName"),
    ("gcp.audit.method_name", "protopayload_auditlog.methodName"),
    ("gcp.audit.service_name", "protoPayload.serviceName"),
    ("gcp.audit.service_name", "protopayload_auditlog.serviceName"),
    ("gcp.audit.resource_name", "protoPayload.resourceName"),
    ("gcp.audit.resource_name", "protopayload_auditlog.resourceName"),
    ("gcp.audit.num_response_items", "protoPayload.numResponseItems"),
    ("gcp.audit.num_response_items", "protopayload_auditlog.numResponseItems"),
    ("gcp.audit.status.*", "protoPayload.status.*"),
    ("gcp.audit.status.*", "protopayload_auditlog.status.*"),
    ("gcp.audit.authentication_info.principal_email", "protoPayload.authenticationInfo.principalEmail"),
    (
        "gcp.audit.authentication_info.principal_email",
        "protopayload_auditlog.authenticationInfo.principalEmail",
    ),
    ("gcp.audit.authentication_info.principal_subject", "protoPayload.authenticationInfo.principalSubject"),
    (
        "gcp.audit.authentication_info.principal_subject",
        "protopayload_auditlog.authenticationInfo.principalSubject",
    ),
    ("gcp.audit.authentication_info.authority_selector", "protoPayload.authenticationInfo.authoritySelector"),
    (
        "gcp.audit.authentication_info.service_account_key_name",
        "protoPayload.authenticationInfo.serviceAccountKeyName",
    ),
    ("gcp.audit.authorization_info.permission", "protoPayload.authorizationInfo.permission"),
    ("gcp.audit.authorization_info.permission", "protopayload_auditlog.authorizationInfo.permission"),
    ("gcp.audit.authorization_info.granted", "protoPayload.authorizationInfo.granted"),
    ("gcp.audit.authorization_info.granted", "protopayload_auditlog.authorizationInfo.granted"),
    ("gcp.audit.authorization_info.resource", "protoPayload.authorizationInfo.resource"),
    ("gcp.audit.authorization_info.resource", "protopayload_auditlog.authorizationInfo.resource"),
    (
        "gcp.audit.authorization_info.resource_attributes.*",
        "protoPayload.authorizationInfo.resourceAttributes.*",
    ),
    ("gcp.audit.request_metadata.caller_ip", "protoPayload.requestMetadata.callerIp"),
    ("gcp.audit.request_metadata.caller_ip", "protopayload_auditlog.requestMetadata.callerIp"),
    (
        "gcp.audit.request_metadata.caller_supplied_user_agent",
        "protoPayload.requestMetadata.callerSuppliedUserAgent",
    ),
    (
        "gcp.audit.request_metadata.caller_supplied_user_agent",
        "protopayload_auditlog.requestMetadata.callerSuppliedUserAgent",
    ),
    ("gcp.audit.resource_location.current_locations", "protoPayload.resourceLocation.currentLocations"),
    (
        "gcp.audit.resource_location.current_locations",
        "protopayload_auditlog.resourceLocation.currentLocations",
    ),
    ("gcp.audit.request.proto_name", "protoPayload.request.@type"),
    ("gcp.audit.request.*", "protoPayload.request.*"),
    ("gcp.audit.request.*", "protopayload_auditlog.requestJson.*"),
    ("gcp.audit.response.proto_name", "protoPayload.response.@type"),
    ("gcp.audit.response.*", "protoPayload.response.*"),
    ("gcp.audit.response.*", "protopayload_auditlog.responseJson.*"),
    ("gcp.audit.metadata.*", "protoPayload.metadata.*"),
    ("gcp.audit.metadata.*", "protopayload_auditlog.metadataJson.*"),
    ("gcp.audit.logentry_operation.*", "operation.*"),
    ("gcp.audit.labels.*", "labels.*"),
];
