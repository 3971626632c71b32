//! The canonical columns, by fact and in every form of delivery: our own samples and hand-written
//! records in the documented format, each with what it must give and what it must not.

use super::super::testing::{check, column, column_in, field, owner, sample, wrapped};
use super::*;
use crate::environment::Environment;

const MARC: &str = r#""marc.oslo@example.com""#;

/// The same records in every form: a role given (its start), keys listed, a vault's deletion refused.
fn forms() -> Vec<(&'static str, [String; 3])> {
    let pick = |name: &'static str, all: Vec<String>, at: [usize; 3]| {
        (name, at.map(|at| all.get(at).unwrap_or_else(|| panic!("{name} {at}")).clone()))
    };
    vec![
        pick("events", sample("azure.activity/events.ndjson"), [0, 3, 8]),
        pick("event hub", wrapped("azure.activity/event-hub.json", "records"), [0, 1, 2]),
        pick("REST", wrapped("azure.activity/rest.json", "value"), [0, 2, 3]),
        pick("library", sample("azure.activity/sdk.ndjson"), [0, 1, 2]),
        pick("Log Analytics", sample("azure.activity/log-analytics.ndjson"), [0, 2, 4]),
        pick("Log Analytics until 2021", sample("azure.activity/log-analytics-2020.ndjson"), [0, 1, 2]),
    ]
}

#[test]
fn every_form_gives_the_same_columns() {
    let lower = |event: &str, name: &str| column(&SOURCE, event, name).to_lowercase();
    for (form, [granted, listed, refused]) in forms() {
        for event in [&granted, &listed, &refused] {
            assert_eq!(owner(event), "azure.activity", "{form}");
            assert_eq!(
                column(&SOURCE, event, "account"),
                r#""3f1c9a52-7d84-4e0b-9c61-5a2be0f4d713""#,
                "{form}"
            );
            assert_eq!(column(&SOURCE, event, "org"), r#""b07d5e1a-2c93-4f68-8a17-e94c3d6f0b25""#, "{form}");
        }
        assert_eq!(column(&SOURCE, &granted, "principal"), MARC, "{form}");
        assert_eq!(column(&SOURCE, &granted, "src_ip"), r#""203.0.113.77""#, "{form}");
        assert_eq!(column(&SOURCE, &granted, "outcome"), "-", "{form}");
        assert_eq!(
            column(&SOURCE, &granted, "grants"),
            r#"["ADD|6c3f9e20-b81d-4d57-a4f2-19e70c85b3da|8e3af657-a8ff-443c-a75c-2fe8c4bcb635"]"#,
            "{form}"
        );
        assert_eq!(
            lower(&listed, "action"),
            r#""microsoft.cognitiveservices/accounts/listkeys/action""#,
            "{form}"
        );
        assert_eq!(column(&SOURCE, &listed, "action_kind"), r#""read""#, "{form}");
        assert_eq!(column(&SOURCE, &listed, "outcome"), r#""success""#, "{form}");
        assert_eq!(column(&SOURCE, &listed, "error_code"), "-", "{form}");
        assert_eq!(
            column(&SOURCE, &listed, "target"),
            r#""/subscriptions/3f1c9a52-7d84-4e0b-9c61-5a2be0f4d713/resourcegroups/rg-vision/providers/microsoft.cognitiveservices/accounts/aoai-vision""#,
            "{form}"
        );
        assert_eq!(column(&SOURCE, &listed, "target_type"), r#""ai_account""#, "{form}");
        assert_eq!(column(&SOURCE, &refused, "outcome"), r#""failure""#, "{form}");
        assert_eq!(column(&SOURCE, &refused, "error_code"), r#""AuthorizationFailed""#, "{form}");
        assert!(column(&SOURCE, &refused, "error_message").contains("does not have authorization"), "{form}");
    }
}

#[test]
fn rules_find_their_fields_in_every_form() {
    // in the oldest form `OperationName` is a label, and stands in the way of `operationName`
    for (form, [granted, listed, refused]) in forms() {
        let find = |event: &str, name: &str| field(&SOURCE, event, name).to_lowercase();
        let list = r#""microsoft.cognitiveservices/accounts/listkeys/action""#;
        if form != "Log Analytics until 2021" {
            assert!(find(&listed, "operationName").contains(list), "{form}");
        }
        assert_eq!(find(&listed, "OperationNameValue"), list, "{form}");
        assert!(find(&listed, "properties.message").contains("cognitiveservices"), "{form}");
        assert_eq!(find(&listed, "CategoryValue"), r#""administrative""#, "{form}");
        assert!(find(&listed, "category").contains(r#""administrative""#), "{form}");
        assert!(find(&listed, "ResourceId").contains("/accounts/aoai-vision"), "{form}");
        assert!(find(&listed, "resultType").starts_with(r#""succe"#), "{form}");
        assert!(find(&granted, "resultType").starts_with(r#""start"#), "{form}");
        assert!(find(&refused, "resultSignature").contains("forbidden"), "{form}");
        assert!(find(&granted, "properties.requestbody").contains("8e3af657"), "{form}");
        assert!(find(&granted, "identity.authorization.action").contains("roleassignments/write"), "{form}");
        assert_eq!(find(&granted, "callerIpAddress"), r#""203.0.113.77""#, "{form}");
        assert_eq!(find(&granted, "caller"), MARC, "{form}");
        assert_eq!(find(&granted, "time"), r#""2026-11-19t02:14:07.1938274z""#, "{form}");
        if !form.starts_with("event") {
            assert_eq!(find(&listed, "ResourceProviderValue"), r#""microsoft.cognitiveservices""#, "{form}");
            assert_ne!(find(&granted, "eventDataId"), "-", "{form}");
        }
        if form != "Log Analytics until 2021" {
            assert_eq!(find(&granted, "identity.claims.uti"), r#""mc2rut0qakexw1vj8zspaa""#, "{form}");
            assert_eq!(find(&granted, "claims.uti"), r#""mc2rut0qakexw1vj8zspaa""#, "{form}");
        }
    }
    let only_dynamic = r#"{"OperationNameValue":"A.B/C/WRITE","Properties_d":{"requestbody":"x"}}"#;
    assert_eq!(field(&SOURCE, only_dynamic, "properties.requestbody"), r#""x""#);
}

#[test]
fn near_misses_are_not_of_this_source() {
    for event in [
        // Entra's logs have a category of the same name
        r#"{"time":"2026-11-19T02:14:07Z","resourceId":"/tenants/t/providers/Microsoft.aadiam","operationName":"Update policy","category":"Policy"}"#,
        r#"{"time":"2026-11-19T02:14:07Z","resourceId":"/tenants/t/providers/Microsoft.aadiam","operationName":"Sign-in activity","category":"SignInLogs"}"#,
        // resource logs
        r#"{"time":"2026-11-19T02:14:07Z","resourceId":"/SUBSCRIPTIONS/S/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.APIMANAGEMENT/SERVICE/A","operationName":"Microsoft.ApiManagement/GatewayLogs","category":"GatewayLogs"}"#,
        r#"{"time":"2026-11-19T02:14:07Z","resourceId":"/SUBSCRIPTIONS/S/PROVIDERS/X","operationName":"Microsoft.ContainerService/managedClusters/diagnosticLogs/Read","category":"kube-audit"}"#,
        r#"{"time":"2026-11-19T02:14:07Z","resourceId":"/SUBSCRIPTIONS/S/PROVIDERS/X","operationName":"Create/Update it","category":"Administrative"}"#,
        r#"{"operationName":"Microsoft.Web/sites/write","category":"Administrative"}"#,
        // Log Analytics, other tables
        r#"{"OperationName":"Sign-in activity","Category":"SignInLogs","Type":"SigninLogs","CorrelationId":"c"}"#,
        r#"{"OperationName":"Add user","Category":"UserManagement","Type":"AuditLogs"}"#,
        r#"{"ActivityStatus":"done","OperationName":"x"}"#,
        // none of Azure's
        r#"{"eventSource":"s3.amazonaws.com","eventName":"GetObject","eventVersion":"1.08","awsRegion":"x"}"#,
        r#"{"operationName":{"value":"x"}}"#,
        "{}",
        "[]",
    ] {
        assert_ne!(owner(event), "azure.activity", "{event}");
    }
    for event in [
        r#"{"Type":"AzureActivity"}"#,
        r#"{"category":"Write","operationName":"microsoft.support/supporttickets/write","resourceId":"/subscriptions/s1"}"#,
        r#"{"category":"administrative","operationName":"MICROSOFT.AUTHORIZATION/ELEVATEACCESS/ACTION","resourceId":"/PROVIDERS/MICROSOFT.AUTHORIZATION"}"#,
    ] {
        assert_eq!(owner(event), "azure.activity", "{event}");
    }
}

/// A record of an event hub with these claims and this evidence.
fn with_identity(claims: &str, evidence: &str) -> String {
    format!(r#"{{"identity":{{"claims":{claims},"authorization":{{"evidence":{evidence}}}}}}}"#)
}

#[test]
fn a_principal_is_named_as_the_caller_would_be() {
    let upn = r#"{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn":" Ada@Example.com","http://schemas.microsoft.com/identity/claims/objectidentifier":"o"}"#;
    let guest = r#"{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name":"ada@example.org","http://schemas.microsoft.com/identity/claims/objectidentifier":"o"}"#;
    let app = r#"{"idtyp":"app","appid":"a","http://schemas.microsoft.com/identity/claims/objectidentifier":"O-1"}"#;
    let held_by = |kind: &str| {
        format!(r#"{{"principalId":"9B117C67170E4AED9702658B3FDDC889","principalType":"{kind}"}}"#)
    };
    let (user, group) = (held_by("User"), held_by("Group"));
    check(
        &SOURCE,
        &[
            (r#"{"caller":"Ada@Example.com"}"#, "principal", r#""ada@example.com""#),
            (&with_identity(upn, &group), "principal", r#""ada@example.com""#),
            (&with_identity(guest, &group), "principal", r#""ada@example.org""#),
            (
                &with_identity(
                    r#"{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name":"live.com#Ada@Live.com"}"#,
                    &group,
                ),
                "principal",
                r#""ada@live.com""#,
            ),
            (
                &with_identity(r#"{"upn":"ada_example.com#EXT#@contoso.example"}"#, &group),
                "principal",
                r#""ada_example.com#ext#@contoso.example""#,
            ),
            (&with_identity(app, &group), "principal", r#""o-1""#),
            (&with_identity(app, &group), "principal_type", r#""app""#),
            (&with_identity(r#"{"name":"ada@example.com"}"#, "null"), "principal", r#""ada@example.com""#),
            (&with_identity(r#"{"name":"Ada L","appid":"A-2"}"#, "null"), "principal", r#""a-2""#),
            (&with_identity("{}", &user), "principal", r#""9b117c67-170e-4aed-9702-658b3fddc889""#),
            (&with_identity("{}", &user), "principal_type", r#""User""#),
            // the group lets the caller in, and is not the caller
            (&with_identity("{}", &group), "principal", "-"),
            (&with_identity("{}", &group), "principal_type", "-"),
            (r#"{"identity":null}"#, "principal", "-"),
            (r#"{"identity":""}"#, "principal", "-"),
            (r#"{"identity":"ada"}"#, "principal", "-"),
            (r#"{"identity":"{\"claims\":{\"oid\":\"O\"}}"}"#, "principal", r#""o""#),
            (r#"{"identity":"{\"claims\":"}"#, "principal", "-"),
            (r#"{"Claims":"{\"oid\":\"O\"}"}"#, "principal", r#""o""#),
            (r#"{"caller":"","claims":{"oid":"O"}}"#, "principal", r#""o""#),
        ],
    );
}

#[test]
fn a_session_is_a_token_and_its_methods_say_whether_there_was_a_second_factor() {
    let methods = |methods: &str| {
        with_identity(
            &format!(
                r#"{{"uti":"t-1","http://schemas.microsoft.com/claims/authnmethodsreferences":{methods}}}"#
            ),
            "{}",
        )
    };
    check(
        &SOURCE,
        &[
            (&methods(r#""pwd,mfa""#), "mfa", "true"),
            (&methods(r#""pwd""#), "mfa", "false"),
            (&methods(r#"["rsa","mfa"]"#), "mfa", "true"),
            (&methods(r#""[\"pwd\",\"mfa\"]""#), "mfa", "true"),
            (&methods(r#""mfan""#), "mfa", "false"),
            (&methods(r#""""#), "mfa", "-"),
            (&methods("null"), "mfa", "-"),
            (&methods("null"), "session_id", r#""t-1""#),
            (&methods("null"), "credential_id", r#""t-1""#),
        ],
    );
}

#[test]
fn addresses_may_have_ports_and_be_impossible() {
    check(
        &SOURCE,
        &[
            (r#"{"callerIpAddress":"203.0.113.7:443"}"#, "src_ip", r#""203.0.113.7""#),
            (r#"{"httpRequest":{"clientIpAddress":"2001:db8:1:2::3"}}"#, "src_net", r#""2001:db8:1::/48""#),
            (r#"{"httpRequest":"{\"clientIpAddress\":\"203.0.113.7\"}"}"#, "src_net", r#""203.0.113.0/24""#),
            (r#"{"callerIpAddress":"300.1.2.3"}"#, "src_ip_kind", r#""invalid""#),
            (r#"{"callerIpAddress":null}"#, "src_ip", "-"),
            // where the token was issued to
            (r#"{"claims":{"ipaddr":"203.0.113.7"}}"#, "src_ip", "-"),
        ],
    );
}

#[test]
fn a_tenant_is_never_the_workspace() {
    let hierarchy = r#""Hierarchy":"B07D5E1A-2c93-4f68-8a17-e94c3d6f0b25/mg/s""#;
    check(
        &SOURCE,
        &[
            (r#"{"tenantId":"T-1"}"#, "org", r#""t-1""#),
            (r#"{"tenant_id":"T-1"}"#, "org", r#""t-1""#),
            (r#"{"TenantId":"w","Type":"AzureActivity"}"#, "org", "-"),
            (
                &format!(r#"{{"TenantId":"w","SourceSystem":"Azure",{hierarchy}}}"#),
                "org",
                r#""b07d5e1a-2c93-4f68-8a17-e94c3d6f0b25""#,
            ),
            (
                r#"{"TenantId":"w","Type":"AzureActivity","Claims":{"http://schemas.microsoft.com/identity/claims/tenantid":"T-2"}}"#,
                "org",
                r#""t-2""#,
            ),
        ],
    );
}

#[test]
fn an_operation_is_told_from_its_label() {
    let old = r#"{"OperationName":"Delete Virtual Network","ActivityStatus":"Succeeded","Authorization":"{\"action\":\"Microsoft.Resources/subscriptions/resourceGroups/delete\"}","Properties":"{\"message\":\"Microsoft.Network/virtualNetworks/delete\"}"}"#;
    check(
        &SOURCE,
        &[
            // the deletion of a group deletes what is in it
            (old, "action", r#""Microsoft.Network/virtualNetworks/delete""#),
            (r#"{"OperationName":"Update device","OperationNameValue":""}"#, "action", r#""Update device""#),
            (r#"{"OperationName":"Update device"}"#, "action_kind", "-"),
            (
                r#"{"OperationName":"Create/Update Storage Account","OperationNameValue":"A.B/C/WRITE"}"#,
                "action",
                r#""A.B/C/WRITE""#,
            ),
            (
                r#"{"operationName":{"value":"A.B/c/write","localizedValue":"x"}}"#,
                "action",
                r#""A.B/c/write""#,
            ),
            (r#"{"operationName":null}"#, "action", "-"),
            (r#"{"operationName":12}"#, "action", "-"),
        ],
    );
}

#[test]
fn an_operation_reads_or_writes_by_its_verb() {
    for (name, expected) in [
        ("Microsoft.Web/sites/read", "read"),
        ("MICROSOFT.WEB/SITES/WRITE", "write"),
        ("Microsoft.Web/sites/delete", "write"),
        ("Microsoft.Storage/storageAccounts/listKeys/action", "read"),
        ("MICROSOFT.STORAGE/STORAGEACCOUNTS/LISTACCOUNTSAS/ACTION", "read"),
        ("Microsoft.Web/sites/publishxml/action", "read"),
        ("microsoft.operationalinsights/workspaces/sharedkeys/action", "read"),
        ("Microsoft.KeyVault/vaults/secrets/getSecret/action", "read"),
        ("Microsoft.Compute/restorePointCollections/restorePoints/retrieveSasUris/action", "read"),
        ("Microsoft.Resources/deployments/validate/action", "read"),
        ("Microsoft.Authorization/policies/auditIfNotExists/action", "read"),
        ("Microsoft.Authorization/policies/deployIfNotExists/action", "write"),
        ("Microsoft.Compute/disks/beginGetAccess/action", "write"),
        ("Microsoft.CognitiveServices/accounts/regenerateKey/action", "write"),
        ("Microsoft.Authorization/elevateAccess/action", "write"),
    ] {
        let event = format!(r#"{{"operationName":"{name}","category":"Administrative"}}"#);
        assert_eq!(column(&SOURCE, &event, "action_kind"), format!("{expected:?}"), "{name}");
    }
    for category in ["ServiceHealth", "Resource Health", "Alert", "Security", "Recommendation"] {
        let event = format!(r#"{{"operationName":"A.B/c/action","category":"{category}"}}"#);
        assert_eq!(column(&SOURCE, &event, "action_kind"), "-", "{category}");
    }
    let event = r#"{"operationName":"A.B/c/action","category":"Administrative","properties":{"eventCategory":"ServiceHealth"}}"#;
    assert_eq!(column(&SOURCE, event, "action_kind"), "-");
}

#[test]
fn only_the_end_of_an_operation_has_an_outcome() {
    for (status, expected) in [
        ("Start", "-"),
        ("Started", "-"),
        ("Accept", "-"),
        ("Accepted", "-"),
        ("In Progress", "-"),
        ("Active", "-"),
        ("Resolved", "-"),
        ("Success", r#""success""#),
        ("Succeeded", r#""success""#),
        ("SUCCEEDED", r#""success""#),
        ("Failure", r#""failure""#),
        ("Failed", r#""failure""#),
        ("Canceled", r#""failure""#),
    ] {
        for event in [
            format!(r#"{{"resultType":"{status}"}}"#),
            format!(r#"{{"status":{{"value":"{status}","localizedValue":"?"}}}}"#),
            format!(r#"{{"ActivityStatusValue":"{status}"}}"#),
            format!(r#"{{"ActivityStatus":"{status}"}}"#),
            format!(r#"{{"ActivityStatusValue":"","ActivityStatus":"{status}"}}"#),
            format!(r#"{{"resultSignature":"{status}.OK"}}"#),
        ] {
            assert_eq!(column(&SOURCE, &event, "outcome"), expected, "{event}");
        }
    }
    // the start of an operation does not end by what its signature says
    assert_eq!(column(&SOURCE, r#"{"resultType":"Start","resultSignature":"Succeeded."}"#, "outcome"), "-");
}

#[test]
fn an_error_is_what_the_answer_says_of_it() {
    let failed = |more: &str| format!(r#"{{"resultType":"Failure",{more}}}"#);
    let answer = r#""properties":{"statusCode":"Conflict","statusMessage":"{\"error\":{\"code\":\"InUse\",\"message\":\"in use\"}}"}"#;
    let bare = r#""properties":{"statusMessage":"{\"code\":\"InUse\",\"message\":\"in use\"}"}"#;
    check(
        &SOURCE,
        &[
            (&failed(answer), "error_code", r#""InUse""#),
            (&failed(answer), "error_message", r#""in use""#),
            (&failed(bare), "error_code", r#""InUse""#),
            (
                &failed(r#""properties":{"statusCode":"Conflict","statusMessage":"{broken"}"#),
                "error_code",
                r#""Conflict""#,
            ),
            (&failed(r#""properties":{"statusMessage":"{broken"}"#), "error_message", "-"),
            (
                &failed(r#""properties":{"statusMessage":"no such thing"}"#),
                "error_message",
                r#""no such thing""#,
            ),
            (&failed(r#""resultSignature":"Failed.Forbidden""#), "error_code", r#""Forbidden""#),
            (&failed(r#""resultSignature":"Failed.""#), "error_code", "-"),
            (&failed(r#""resultSignature":"403""#), "error_code", r#""403""#),
            (&failed(r#""resultSignature":403"#), "error_code", r#""403""#),
            (
                &failed(r#""ActivitySubstatus":"Not Found (HTTP Status Code: 404)""#),
                "error_code",
                r#""Not Found""#,
            ),
            (&failed(r#""resultDescription":"it failed""#), "error_message", r#""it failed""#),
            (r#"{"resultType":"Success","properties":{"statusCode":"OK"}}"#, "error_code", "-"),
            (r#"{"resultType":"Start","resultDescription":"x"}"#, "error_message", "-"),
        ],
    );
}

#[test]
fn a_target_is_found_where_the_form_has_it() {
    let id = "/subscriptions/S-1/resourceGroups/RG/providers/Microsoft.Compute/snapshots/s";
    let expected = format!("{:?}", id.to_lowercase());
    for event in [
        format!(r#"{{"resourceId":"{id}/"}}"#),
        format!(r#"{{"resource_id":"{id}"}}"#),
        format!(r#"{{"_ResourceId":"{id}"}}"#),
        format!(r#"{{"ResourceId":"","_ResourceId":"{id}"}}"#),
        format!(r#"{{"Properties":"{{\"entity\":\"{id}\"}}"}}"#),
        format!(r#"{{"authorization":{{"scope":"{id}"}}}}"#),
    ] {
        assert_eq!(column(&SOURCE, &event, "target"), expected, "{event}");
        assert_eq!(column(&SOURCE, &event, "target_type"), r#""snapshot""#, "{event}");
        assert_eq!(column(&SOURCE, &event, "account"), r#""s-1""#, "{event}");
    }
    check(
        &SOURCE,
        &[
            (
                r#"{"SubscriptionId":"3F1C9A52-7d84-4e0b-9c61-5a2be0f4d713"}"#,
                "account",
                r#""3f1c9a52-7d84-4e0b-9c61-5a2be0f4d713""#,
            ),
            (r#"{"resourceId":"vault"}"#, "account", "-"),
            (r#"{"resourceId":"/providers/Microsoft.Authorization"}"#, "account", "-"),
            (r#"{"resourceId":"/providers/Microsoft.Authorization"}"#, "target_type", "-"),
        ],
    );
}

/// Grants, public, external and target user of a request with this body, given as a JSON value.
fn granted(operation: &str, body: &str) -> [String; 4] {
    let event = format!(r#"{{"operationName":"{operation}","properties":{{"requestbody":{body}}}}}"#);
    ["grants", "grants_public", "grants_external", "target_user"].map(|name| column(&SOURCE, &event, name))
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const ASSIGN: &str = "MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE";
const PUBLISH: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/write";

#[test]
fn a_role_is_granted_by_the_body_of_its_assignment() {
    let body = |kind: &str| {
        format!(
            r#"{{"Id":"x","Properties":{{"PrincipalId":"6C3F9E20-b81d","PrincipalType":"{kind}","RoleDefinitionId":"/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/8E3AF657/"}}}}"#
        )
    };
    let add = r#"["ADD|6c3f9e20-b81d|8e3af657"]"#;
    let user = r#""6c3f9e20-b81d""#;
    assert_eq!(granted(ASSIGN, &quoted(&body("User"))), [add, "false", "-", user]);
    assert_eq!(granted(ASSIGN, &body("User")), [add, "false", "-", user]);
    assert_eq!(granted(ASSIGN, &quoted(&body("ForeignGroup"))), [add, "false", "true", user]);
    assert_eq!(granted(ASSIGN, &quoted(&body("Everyone"))), [r#"["ADD|*|8e3af657"]"#, "true", "true", "-"]);
    let encoded =
        body("User").replace('{', "%7B").replace('}', "%7d").replace('"', "%22").replace('/', "%2F");
    assert_eq!(granted(ASSIGN, &quoted(&encoded)), [add, "false", "-", user]);
    let twice = quoted(&quoted(&body("User")));
    assert_eq!(granted(ASSIGN, &twice), [add, "false", "-", user]);
    let removed = [r#"["REMOVE|6c3f9e20-b81d|8e3af657"]"#, "false", "false", user];
    assert_eq!(
        granted("Microsoft.Authorization/roleAssignments/delete", &quoted(&body("Everyone"))),
        [removed[0], removed[1], removed[2], removed[3]]
    );
    // the answer, in the record of the end
    let event = format!(
        r#"{{"operationName":"{ASSIGN}","properties":{{"requestbody":"","responseBody":{}}}}}"#,
        quoted(&body("User"))
    );
    assert_eq!(column(&SOURCE, &event, "grants"), add);
}

#[test]
fn a_body_that_says_nothing_grants_nothing() {
    let nothing = ["-", "-", "-", "-"];
    for body in [
        "null",
        r#""""#,
        r#""{\"properties\":{\"principalId\":\"p\",\"roleDef""#,
        r#""%""#,
        r#""%7B%2""#,
        r#""%FF%FE""#,
        r#""\"""#,
        r#""[]""#,
        "[1]",
        "12",
        r#"{"properties":{"principalId":"p"}}"#,
        r#"{"properties":{"principalId":{},"roleDefinitionId":"r"}}"#,
        r#"{"properties":[]}"#,
    ] {
        assert_eq!(granted(ASSIGN, body), nothing, "{body}");
    }
    let body = r#"{"properties":{"principalId":"p","roleDefinitionId":"r"}}"#;
    assert_eq!(granted("Microsoft.Web/sites/write", body), nothing);
    let large = format!(r#"{{"properties":{{"publicAccess":"Blob","x":"{}"}}}}"#, "y".repeat(10 << 20));
    let public = |body: &str| {
        let event =
            format!(r#"{{"operationName":"{PUBLISH}","properties":{{"requestbody":{}}}}}"#, quoted(body));
        column(&SOURCE, &event, "grants_public")
    };
    assert_eq!(public(&large), "true");
    assert_eq!(public(&large[..large.len() - 1]), "-");
}

#[test]
fn a_container_is_made_public_by_its_access() {
    for (access, expected) in [
        (r#""Blob""#, [r#"["ADD|*|publicAccess/Blob"]"#, "true", "true", "-"]),
        (r#""container""#, [r#"["ADD|*|publicAccess/Container"]"#, "true", "true", "-"]),
        (r#""None""#, ["-", "-", "-", "-"]),
        ("null", ["-", "-", "-", "-"]),
    ] {
        let body = format!(r#"{{"properties":{{"publicAccess":{access}}}}}"#);
        assert_eq!(granted(PUBLISH, &quoted(&body)), expected, "{access}");
    }
}

#[test]
fn resources_in_the_hands_of_another_tenant_are_granted_outside() {
    let operation = "Microsoft.ManagedServices/registrationDefinitions/write";
    let one = |id: usize| format!(r#"{{"principalId":"p{id}","roleDefinitionId":"/x/roleDefinitions/r"}}"#);
    let body = |count: usize| {
        let all: Vec<String> = (0..count).map(one).collect();
        format!(
            r#"{{"properties":{{"managedByTenantId":"T-2","authorizations":[{}],"eligibleAuthorizations":null}}}}"#,
            all.join(",")
        )
    };
    assert_eq!(granted(operation, &quoted(&body(2))), [r#"["ADD|p0|r","ADD|p1|r"]"#, "false", "true", "-"]);
    assert_eq!(granted(operation, &body(0)), ["-", "-", "-", "-"]);
    assert_eq!(granted(operation, &body(400))[0].matches("ADD|").count(), crate::limits::MAX_GRANTS);
    let event = format!(r#"{{"operationName":"{operation}","properties":{{"requestbody":{}}}}}"#, body(1));
    let own = Environment { own_accounts: vec!["t-2".into()], ..Environment::default() };
    assert_eq!(column_in(&SOURCE, &event, "grants_external", own), "false");
}

#[test]
fn an_event_is_proven_by_its_own_id_and_never_by_that_of_its_operation() {
    let hash = |event: &str| column(&SOURCE, event, "event_uid");
    assert_eq!(hash(r#"{"eventDataId":"e-1","correlationId":"c"}"#), r#""e-1""#);
    assert_eq!(hash(r#"{"event_data_id":"e-1"}"#), r#""e-1""#);
    assert_eq!(hash(r#"{"EventDataId":"e-1","Type":"AzureActivity"}"#), r#""e-1""#);
    let start = hash(r#"{"correlationId":"c","resultType":"Start"}"#);
    assert_eq!(start.len(), 34);
    assert_ne!(start, hash(r#"{"correlationId":"c","resultType":"Success"}"#));
    // an alert names the event that it is about
    assert_ne!(hash(r#"{"properties":{"eventDataId":"e-1"}}"#), r#""e-1""#);
}

#[test]
fn an_empty_event_has_hardly_any_columns() {
    check(
        &SOURCE,
        &[
            ("{}", "provider", r#""azure""#),
            ("{}", "service", r#""arm""#),
            ("{}", "action", "-"),
            ("{}", "target", "-"),
            ("{}", "correlation_uid", "-"),
            (r#"{"correlationId":"AB-1"}"#, "correlation_uid", r#""ab-1""#),
        ],
    );
}
