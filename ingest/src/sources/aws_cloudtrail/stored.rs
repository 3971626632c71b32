//! CloudTrail as others store it: in the columns of its own fields, or in OCSF.
//!
//! | shape | who writes it |
//! |---|---|
//! | [`COLUMNS`] | tables of Athena and of CloudTrail Lake, and what pandas, Spark, DuckDB and the like make of the log; `useridentity` as a struct or flattened (`useridentity_arn`, `userIdentity.arn`), `requestparameters` as a text of JSON, a map or a struct |
//! | [`OCSF`] | Amazon Security Lake, versions 1 (OCSF 1.0.0-rc.2) and 2 (OCSF 1.1.0), and others that map CloudTrail to OCSF as its published mapping says |
//!
//! Formats: Amazon Athena User Guide, "Query AWS CloudTrail logs"; AWS CloudTrail User Guide, "Supported SQL
//! schemas for event data stores"; OCSF examples, mapping of CloudTrail (1.0.0-rc.2 and 1.1.0); Amazon
//! Security Lake User Guide, "Open Cybersecurity Schema Framework".

use crate::sources::stored::{How, PARQUET, SECURITY_LAKE, Shape, Taken};

const ACCOUNT: How = How::Digits(12);

/// A field that has a column of its own name.
const fn own(field: &'static str, how: How) -> Taken {
    Taken { field, from: &[], how, when: None }
}

/// A field, and the columns that may hold it.
const fn from(field: &'static str, from: &'static [&'static str], how: How) -> Taken {
    Taken { field, from, how, when: None }
}

/// The fields of CloudTrail as columns.
pub static COLUMNS: Shape = Shape {
    name: PARQUET,
    description: "CloudTrail in columns of its own fields, as Athena, CloudTrail Lake, Spark and pandas write it",
    source: "aws.cloudtrail",
    needs: &["eventname", "eventsource", "eventtime"],
    family: &[],
    only: None,
    whole: &["eventjson", "cloudtrailevent", "raw_data", "_raw"],
    time: &["eventtime"],
    fields: &[
        own("eventVersion", How::Text),
        own("userIdentity.type", How::Text),
        own("userIdentity.principalId", How::Text),
        own("userIdentity.arn", How::Text),
        own("userIdentity.accountId", ACCOUNT),
        own("userIdentity.accessKeyId", How::Text),
        own("userIdentity.userName", How::Text),
        own("userIdentity.invokedBy", How::Text),
        own("userIdentity.identityProvider", How::Text),
        own("userIdentity.credentialId", How::Text),
        own("userIdentity.onBehalfOf.userId", How::Text),
        own("userIdentity.onBehalfOf.identityStoreArn", How::Text),
        own("userIdentity.inScopeOf.sourceArn", How::Text),
        own("userIdentity.inScopeOf.sourceAccount", ACCOUNT),
        own("userIdentity.inScopeOf.issuerType", How::Text),
        own("userIdentity.inScopeOf.credentialsIssuedTo", How::Text),
        own("userIdentity.sessionContext.attributes.creationDate", How::Time),
        own("userIdentity.sessionContext.attributes.mfaAuthenticated", How::Text),
        own("userIdentity.sessionContext.sessionIssuer.type", How::Text),
        own("userIdentity.sessionContext.sessionIssuer.principalId", How::Text),
        own("userIdentity.sessionContext.sessionIssuer.arn", How::Text),
        own("userIdentity.sessionContext.sessionIssuer.accountId", ACCOUNT),
        own("userIdentity.sessionContext.sessionIssuer.userName", How::Text),
        own("userIdentity.sessionContext.webIdFederationData.federatedProvider", How::Text),
        own("userIdentity.sessionContext.webIdFederationData.attributes", How::Json),
        own("userIdentity.sessionContext.sourceIdentity", How::Text),
        own("userIdentity.sessionContext.ec2RoleDelivery", How::Text),
        own("userIdentity.sessionContext.ec2IssuedInVpc", How::Text),
        own("eventTime", How::Time),
        own("eventSource", How::Text),
        own("eventName", How::Text),
        own("awsRegion", How::Text),
        own("sourceIPAddress", How::Text),
        own("userAgent", How::Text),
        own("errorCode", How::Text),
        own("errorMessage", How::Text),
        own("requestParameters", How::Json),
        own("responseElements", How::Json),
        own("additionalEventData", How::Json),
        own("requestID", How::Text),
        own("eventID", How::Text),
        own("readOnly", How::Bool),
        own(
            "resources",
            How::List(&[
                ("ARN", &["arn"]),
                ("ARNPrefix", &["arnprefix"]),
                ("accountId", &["accountid"]),
                ("type", &["type"]),
            ]),
        ),
        own("eventType", How::Text),
        own("apiVersion", How::Text),
        own("managementEvent", How::Bool),
        own("recipientAccountId", ACCOUNT),
        own("serviceEventDetails", How::Json),
        own("sharedEventID", How::Text),
        own("vpcEndpointId", How::Text),
        own("vpcEndpointAccountId", ACCOUNT),
        own("eventCategory", How::Text),
        own("addendum", How::Json),
        own("sessionCredentialFromConsole", How::Text),
        own("edgeDeviceDetails", How::Json),
        own("insightDetails", How::Json),
        own("tlsDetails.tlsVersion", How::Text),
        own("tlsDetails.cipherSuite", How::Text),
        own("tlsDetails.clientProvidedHostHeader", How::Text),
    ],
    rest: None,
    rest_kinds: &[],
    keeps_others: true,
    lost: &[],
};

/// CloudTrail in OCSF. Version 1 has an identity's ARN in `uuid` and its principal id in `uid`; version 2 has
/// them in `uid` and `uid_alt`.
pub static OCSF: Shape = Shape {
    name: SECURITY_LAKE,
    description: "CloudTrail in OCSF 1.0 and 1.1, as Amazon Security Lake writes it",
    source: "aws.cloudtrail",
    needs: &["class_uid", "metadata.product.name", "api.operation", "api.service.name", "time"],
    family: &["class_uid", "metadata"],
    only: Some(("metadata.product.name", "CloudTrail")),
    whole: &["raw_data"],
    time: &["time", "time_dt"],
    fields: &[
        from("eventVersion", &["metadata.product.version"], How::Text),
        from("userIdentity.type", &["actor.user.type"], How::Text),
        // of a web identity it is an ARN too
        from("userIdentity.principalId", &["actor.user.uid_alt"], How::Text),
        from("userIdentity.principalId", &["actor.user.uid"], How::BeginsNot("arn:")),
        from("userIdentity.arn", &["actor.user.uuid", "actor.user.uid"], How::Begins("arn:")),
        from("userIdentity.accountId", &["actor.user.account.uid", "actor.user.account_uid"], ACCOUNT),
        from("userIdentity.accessKeyId", &["actor.user.credential_uid"], How::Text),
        from("userIdentity.userName", &["actor.user.name"], How::Text),
        from("userIdentity.invokedBy", &["actor.invoked_by"], How::Text),
        Taken {
            field: "userIdentity.identityProvider",
            from: &["actor.idp.name"],
            how: How::Text,
            when: Some(("userIdentity.type", &["SAMLUser", "WebIdentityUser"])),
        },
        Taken {
            field: "userIdentity.sessionContext.webIdFederationData.federatedProvider",
            from: &["actor.idp.name"],
            how: How::Text,
            when: Some(("userIdentity.type", &["AssumedRole", "Role", "FederatedUser"])),
        },
        from(
            "userIdentity.sessionContext.attributes.creationDate",
            &["actor.session.created_time_dt", "actor.session.created_time"],
            How::Time,
        ),
        from(
            "userIdentity.sessionContext.attributes.mfaAuthenticated",
            &["actor.session.is_mfa", "actor.session.mfa"],
            How::Text,
        ),
        from("userIdentity.sessionContext.sessionIssuer.arn", &["actor.session.issuer"], How::Text),
        from("eventTime", &["time", "time_dt"], How::Time),
        from("eventSource", &["api.service.name"], How::Text),
        from("eventName", &["api.operation"], How::Text),
        from("awsRegion", &["cloud.region"], How::Text),
        // from OCSF 1.5 on: before it nothing says whose trail it was
        from("recipientAccountId", &["cloud.account.uid"], ACCOUNT),
        from("sourceIPAddress", &["src_endpoint.ip", "src_endpoint.domain"], How::Text),
        from("userAgent", &["http_request.user_agent"], How::Text),
        from("errorCode", &["api.response.error"], How::Text),
        from("errorMessage", &["api.response.message"], How::Text),
        from("requestParameters", &["api.request.data"], How::Json),
        from("responseElements", &["api.response.data"], How::Json),
        Taken {
            field: "additionalEventData.MFAUsed",
            from: &["is_mfa", "mfa"],
            how: How::Words(&[("true", "Yes"), ("false", "No")]),
            when: Some(("eventName", &["ConsoleLogin"])),
        },
        Taken {
            field: "additionalEventData.LoginTo",
            from: &["dst_endpoint.svc_name"],
            how: How::Text,
            when: Some(("eventName", &["ConsoleLogin"])),
        },
        from("requestID", &["api.request.uid"], How::Text),
        from("eventID", &["metadata.uid"], How::Text),
        from(
            "resources",
            &["resources"],
            How::List(&[
                ("ARN", &["uid"]),
                ("accountId", &["account.uid", "account_uid", "owner.account.uid"]),
                ("type", &["type"]),
            ]),
        ),
        from("eventType", &["metadata.event_code"], How::Text),
        from("apiVersion", &["api.version"], How::Text),
        from("vpcEndpointId", &["src_endpoint.uid"], How::Text),
        // version 1 says `Management, Data, and Insights` of every event
        from(
            "eventCategory",
            &["metadata.product.feature.name"],
            How::Words(&[
                ("Management", "Management"),
                ("Data", "Data"),
                ("Insight", "Insight"),
                ("NetworkActivity", "NetworkActivity"),
            ]),
        ),
    ],
    rest: Some("unmapped"),
    rest_kinds: &[("readOnly", How::Bool), ("managementEvent", How::Bool)],
    keeps_others: false,
    lost: &["resources.ARNPrefix"],
};
