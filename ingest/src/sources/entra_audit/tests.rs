//! One activity in all forms, then each column by fact: hand-written events in the documented format.

use super::SOURCE;
use crate::environment::Environment;
use crate::limits::MAX_GRANTS;
use crate::sources::recognise;
use crate::sources::testing::{check, column, column_in, field, time};

/// One activity as Event Hubs, Graph and Log Analytics deliver it.
const EVENT_HUB: &str = r#"{"time":"2026-11-18T09:26:10.3310000Z","resourceId":"/tenants/t-1/providers/Microsoft.aadiam",
    "operationName":"Add member to role","operationVersion":"1.0","category":"AuditLogs","tenantId":"t-1","resultSignature":"None",
    "durationMs":0,"callerIpAddress":"198.51.100.9","correlationId":"c-1","Level":4,"properties":{"id":"Directory_1","category":"RoleManagement",
    "correlationId":"c-1","result":"failure","resultReason":"no licence","activityDisplayName":"Add member to role",
    "activityDateTime":"2026-11-18T09:25:10.331+00:00","loggedByService":"Core Directory","operationType":"Assign","userAgent":null,
    "initiatedBy":{"user":{"id":"u-1","displayName":null,"userPrincipalName":"Lena.Vogt@example.com","ipAddress":"203.0.113.66","roles":[]}},
    "targetResources":[{"id":"u-2","displayName":null,"type":"User","userPrincipalName":"Bob@example.com","modifiedProperties":[
    {"displayName":"Role.DisplayName","oldValue":null,"newValue":"\"Global Administrator\""}]},{"id":"r-1","type":"Role","modifiedProperties":[]}],
    "additionalDetails":[{"key":"User-Agent","value":"curl/8"}]}}"#;

const GRAPH: &str = r#"{"id":"Directory_1","category":"RoleManagement","correlationId":"c-1","result":"failure","resultReason":"no licence",
    "activityDisplayName":"Add member to role","activityDateTime":"2026-11-18T09:25:10.331Z","loggedByService":"Core Directory","operationType":"Assign",
    "initiatedBy":{"app":null,"user":{"id":"u-1","displayName":null,"userPrincipalName":"Lena.Vogt@example.com","ipAddress":"203.0.113.66","roles":[]}},
    "targetResources":[{"id":"u-2","displayName":null,"type":"User","userPrincipalName":"Bob@example.com","groupType":null,"modifiedProperties":[
    {"displayName":"Role.DisplayName","oldValue":null,"newValue":"\"Global Administrator\""}]},{"id":"r-1","type":"Role","modifiedProperties":[]}],
    "additionalDetails":[{"key":"User-Agent","value":"curl/8"}]}"#;

const LOG_ANALYTICS: &str = r#"{"TenantId":"workspace","TimeGenerated":"2026-11-18T09:25:10.331Z","ResourceId":"/tenants/t-1/providers/Microsoft.aadiam",
    "OperationName":"Add member to role","Category":"RoleManagement","ResultType":"","ResultSignature":"None","ResultDescription":"","CorrelationId":"c-1",
    "Level":"4","AdditionalDetails":"[{\"key\":\"User-Agent\",\"value\":\"curl/8\"}]","Id":"Directory_1",
    "InitiatedBy":"{\"user\":{\"id\":\"u-1\",\"userPrincipalName\":\"Lena.Vogt@example.com\",\"ipAddress\":\"203.0.113.66\"}}",
    "LoggedByService":"Core Directory","Result":"failure","ResultReason":"no licence","AADTenantId":"t-1","ActivityDisplayName":"Add member to role",
    "TargetResources":"[{\"id\":\"u-2\",\"type\":\"User\",\"userPrincipalName\":\"Bob@example.com\",\"modifiedProperties\":[{\"displayName\":\"Role.DisplayName\",\"oldValue\":null,\"newValue\":\"\\\"Global Administrator\\\"\"}]},{\"id\":\"r-1\",\"type\":\"Role\",\"modifiedProperties\":[]}]",
    "AADOperationType":"Assign","Type":"AuditLogs"}"#;

const FORMS: [(&str, &str); 3] =
    [("event hub", EVENT_HUB), ("graph", GRAPH), ("log analytics", LOG_ANALYTICS)];

#[test]
fn every_form_gives_the_same_columns() {
    for (form, event) in FORMS {
        assert_eq!(recognise(event).map(|source| source.name), Some("entra.audit"), "{form}");
        for (name, expected) in [
            ("provider", r#""azure""#),
            ("principal", r#""lena.vogt@example.com""#),
            ("principal_type", r#""user""#),
            ("principal_name", r#""lena.vogt@example.com""#),
            ("src_ip", r#""203.0.113.66""#),
            ("src_ip_kind", r#""public""#),
            ("src_net", r#""203.0.113.0/24""#),
            ("user_agent", r#""curl/8""#),
            ("service", r#""entra""#),
            ("action", r#""Add member to role""#),
            ("action_kind", r#""write""#),
            ("outcome", r#""failure""#),
            ("error_message", r#""no licence""#),
            ("error_code", "-"),
            ("target", r#""bob@example.com""#),
            ("target_type", r#""user""#),
            ("target_user", r#""bob@example.com""#),
            ("grants", r#"["ADD|bob@example.com|Global Administrator"]"#),
            ("grants_external", "false"),
            ("correlation_uid", r#""c-1""#),
        ] {
            assert_eq!(column(&SOURCE, event, name), expected, "{name}, {form}");
        }
        // Graph does not say whose log it is
        let tenant = if form == "graph" { "-" } else { r#""t-1""# };
        assert_eq!(column(&SOURCE, event, "account"), tenant, "{form}");
        assert_eq!(column(&SOURCE, event, "org"), tenant, "{form}");
    }
}

#[test]
fn rules_find_their_fields_in_every_form() {
    for (form, event) in FORMS {
        for (name, expected) in [
            ("properties.message", r#""Add member to role""#),
            ("OperationName", r#""Add member to role""#),
            ("operationName", r#""Add member to role""#),
            ("ActivityDisplayName", r#""Add member to role""#),
            ("ActivityType", r#""Add member to role""#),
            ("activityType", r#""Add member to role""#),
            ("Status", r#""failure""#),
            ("properties.result", r#""failure""#),
            ("LoggedByService", r#""Core Directory""#),
            // the activity's, and not the log's
            ("Category", r#""RoleManagement""#),
            ("category", r#""RoleManagement""#),
            ("properties.category", r#""RoleManagement""#),
            ("Initiatedby.user.userPrincipalName", r#""Lena.Vogt@example.com""#),
            ("properties.initiatedBy.user.userPrincipalName", r#""Lena.Vogt@example.com""#),
            ("TargetResources.type", r#""User" "Role""#),
            ("targetResources.modifiedProperties.displayName", r#""Role.DisplayName""#),
            ("TargetResources.ModifiedProperties.NewValue", r#""\"Global Administrator\"""#),
            ("properties.targetResources.modifiedProperties.newValue", r#""\"Global Administrator\"""#),
            ("additionalDetails.additionalInfo", r#""curl/8""#),
            ("failure_status_reason", r#""no licence""#),
            ("AADOperationType", r#""Assign""#),
            ("properties.operationType", r#""Assign""#),
        ] {
            assert_eq!(field(&SOURCE, event, name), expected, "{name}, {form}");
        }
        for whole in [
            "Initiatedby",
            "Initiatied.By",
            "properties.initiatedBy",
            "Target",
            "TargetResources",
            "properties.targetResources",
        ] {
            assert!(field(&SOURCE, event, whole).starts_with(['{', '[']), "{whole}, {form}");
        }
    }
    // where only the log has a category, it is that
    assert_eq!(field(&SOURCE, r#"{"category":"AuditLogs","properties":{}}"#, "Category"), r#""AuditLogs""#);
}

#[test]
fn only_activities_are_recognised() {
    for event in [
        r#"{"category":"AuditLogs","resourceId":"/subscriptions/s/providers/Microsoft.Authorization","properties":{"loggedByService":"Microsoft.Authorization"}}"#,
        r#"{"category":"Policy","resourceId":"/tenants/t/providers/Microsoft.aadiam","properties":{"activityDisplayName":"Update policy"}}"#,
        r#"{"Type":"AuditLogs","LoggedByService":"Core Directory"}"#,
        r#"{"activityDisplayName":"Add user","activityDateTime":"2026-11-18T09:00:00Z","initiatedBy":{}}"#,
    ] {
        assert_eq!(recognise(event).map(|source| source.name), Some("entra.audit"), "{event}");
    }
    for event in [
        r#"{"category":"AuditLogs","enabled":true}"#,
        r#"{"category":"AuditLogs","serviceName":"accounts","actionName":"login"}"#,
        r#"{"category":"Policy","operationName":"MICROSOFT.AUTHORIZATION/POLICIES/AUDIT/ACTION","resourceId":"/subscriptions/s/resourceGroups/g"}"#,
        r#"{"category":"ProvisioningLogs","resourceId":"/tenants/t/providers/Microsoft.aadiam","properties":{"initiatedBy":{},"activityDateTime":"2026-11-18T09:00:00Z"}}"#,
        r#"{"category":"SignInLogs","operationName":"Sign-in activity","resourceId":"/tenants/t/providers/Microsoft.aadiam","properties":{}}"#,
        // an audit event of Intune
        r#"{"activityDateTime":"2026-11-18T09:00:00Z","activityType":"Patch","componentName":"x","actor":{},"resources":[]}"#,
        r#"{"Type":"OfficeActivity","Operation":"Add member to role."}"#,
        r#"{"activityDisplayName":"a text"}"#,
        "{}",
    ] {
        assert_ne!(recognise(event).map(|source| source.name), Some("entra.audit"), "{event}");
    }
}

#[test]
fn an_initiator_is_a_user_or_an_application() {
    let application = r#"{"initiatedBy":{"user":null,"app":{"appId":null,"displayName":"MS-PIM","servicePrincipalId":"sp-1"}}}"#;
    let nobody = r#"{"identity":"MS-PIM","callerIpAddress":"<null>","properties":{"initiatedBy":{}}}"#;
    let by_id = r#"{"initiatedBy":{"user":{"id":"u-1","userPrincipalName":"","ipAddress":""}},"additionalDetails":[{"key":"ipaddr","value":"198.51.100.21"}]}"#;
    check(
        &SOURCE,
        &[
            (application, "principal", r#""sp-1""#),
            (application, "principal_type", r#""service_principal""#),
            (application, "principal_name", r#""MS-PIM""#),
            (nobody, "principal", "-"),
            (nobody, "principal_type", "-"),
            (nobody, "principal_name", r#""MS-PIM""#),
            (nobody, "src_ip", "-"),
            (nobody, "src_ip_kind", "-"),
            (by_id, "principal", r#""u-1""#),
            (by_id, "src_ip", r#""198.51.100.21""#),
            (r#"{"callerIpAddress":"203.0.113.7:443"}"#, "src_ip", r#""203.0.113.7""#),
            (r#"{"callerIpAddress":"203.0.113.7:443"}"#, "src_net", r#""203.0.113.0/24""#),
            (r#"{"InitiatedBy":"{\"user\":"}"#, "principal", "-"),
            (r#"{"InitiatedBy":"somebody","AdditionalDetails":"None"}"#, "user_agent", "-"),
            (r#"{"initiatedBy":null}"#, "principal", "-"),
            (r#"{"properties":{"userAgent":"curl/8"}}"#, "user_agent", r#""curl/8""#),
        ],
    );
}

#[test]
fn a_result_is_a_word_or_was_a_number() {
    for (result, outcome) in [
        (r#""success""#, r#""success""#),
        (r#""SUCCESS""#, r#""success""#),
        ("0", r#""success""#),
        (r#""failure""#, r#""failure""#),
        (r#""failed""#, r#""failure""#),
        (r#""timeout""#, r#""failure""#),
        (r#""unknownFutureValue""#, "-"),
        (r#""""#, "-"),
        ("null", "-"),
        ("{}", "-"),
    ] {
        for event in [
            format!(r#"{{"properties":{{"result":{result}}}}}"#),
            format!(r#"{{"result":{result}}}"#),
            format!(r#"{{"Result":{result}}}"#),
            format!(r#"{{"resultType":{result}}}"#),
        ] {
            assert_eq!(column(&SOURCE, &event, "outcome"), outcome, "{event}");
        }
    }
    let reason = r#"{"result":"success","resultReason":"release 4.2"}"#;
    check(&SOURCE, &[(reason, "error_message", "-")]);
}

#[test]
fn few_activities_read() {
    for (name, kind) in [
        ("Read BitLocker key", "read"),
        ("Recover device local administrator password", "read"),
        ("Download users", "read"),
        ("Reader role changed", "write"),
        ("Add user", "write"),
        ("Update application – Certificates and secrets management ", "write"),
    ] {
        let event = format!(r#"{{"activityDisplayName":"{name}"}}"#);
        assert_eq!(column(&SOURCE, &event, "action_kind"), format!("{kind:?}"), "{name}");
        assert_eq!(column(&SOURCE, &event, "action"), format!("{:?}", name.trim()), "{name}");
    }
    let consumer = r#"{"operationName":"Issue an id_token to the application","category":"AuditLogs","properties":{"category":"Authentication"}}"#;
    check(&SOURCE, &[(consumer, "action_kind", r#""auth""#), ("{}", "action_kind", "-")]);
}

#[test]
fn a_target_is_the_first_and_a_user_is_looked_for() {
    let pim = r#"{"targetResources":[{"id":"r-1","displayName":"Application Administrator","type":"Role"},{"id":"q-1","type":"Request"},{"id":"u-2","displayName":"Lena","type":"User"}]}"#;
    check(
        &SOURCE,
        &[
            (pim, "target", r#""r-1""#),
            (pim, "target_type", r#""role""#),
            (pim, "target_user", r#""u-2""#),
            (
                r#"{"targetResources":[{"id":"s","type":"ServicePrincipal"}]}"#,
                "target_type",
                r#""service_principal""#,
            ),
            (r#"{"targetResources":[{"id":"s","type":"App"}]}"#, "target_type", r#""application""#),
            (r#"{"targetResources":[{"id":"s","type":"N/A"}]}"#, "target_type", "-"),
            (r#"{"targetResources":[{"id":"s","type":"ServicePrincipal"}]}"#, "target_user", "-"),
            (
                r#"{"targetResources":[{"id":null,"displayName":"Outside MFA","type":"Policy"}]}"#,
                "target",
                r#""Outside MFA""#,
            ),
            (r#"{"targetResources":[]}"#, "target", "-"),
            (r#"{"targetResources":[null,"x",3]}"#, "target", "-"),
            (r#"{"TargetResources":"[{\"id\":"}"#, "target", "-"),
            (r#"{"properties":{"targetResources":"bob"}}"#, "target", "-"),
        ],
    );
}

fn granted(activity: &str, targets: &str) -> String {
    let event = format!(r#"{{"activityDisplayName":"{activity}","targetResources":{targets}}}"#);
    column(&SOURCE, &event, "grants")
}

fn property(name: &str, old: &str, new: &str) -> String {
    let json = |value: &str| serde_json::to_string(value).unwrap();
    let side = |value: &str| if value.is_empty() { "null".to_owned() } else { json(value) };
    format!(r#"{{"displayName":{},"oldValue":{},"newValue":{}}}"#, json(name), side(old), side(new))
}

#[test]
fn roles_are_granted_and_taken_away() {
    let user = |properties: &str| {
        format!(
            r#"[{{"type":"User","id":"u-2","userPrincipalName":"Bob@example.com","modifiedProperties":[{properties}]}}]"#
        )
    };
    let role = property("Role.DisplayName", "", r#""Reader""#);
    let template = property("Role.TemplateId", "", r#""62e90394""#);
    let removed = property("Role.DisplayName", r#""Reader""#, "");
    let pim = r#"[{"type":"Role","id":"r-1","displayName":"Security Reader"},{"type":"User","id":"u-2"}]"#;
    for (activity, targets, expected) in [
        ("Add member to role", user(&role), r#"["ADD|bob@example.com|Reader"]"#),
        ("Add eligible member to role", user(&role), r#"["ADD|bob@example.com|Reader"]"#),
        ("Add scoped member to role", user(&role), r#"["ADD|bob@example.com|Reader"]"#),
        ("Add member to role outside of PIM (permanent)", user(&role), r#"["ADD|bob@example.com|Reader"]"#),
        ("Add member to role", user(&template), r#"["ADD|bob@example.com|62e90394"]"#),
        ("Add member to role completed (PIM activation)", pim.to_owned(), r#"["ADD|u-2|Security Reader"]"#),
        (
            "Add eligible member to role in PIM completed (permanent)",
            pim.to_owned(),
            r#"["ADD|u-2|Security Reader"]"#,
        ),
        ("Remove member from role", user(&removed), r#"["REMOVE|bob@example.com|Reader"]"#),
        (
            "Remove eligible member from role in PIM completed (permanent)",
            pim.to_owned(),
            r#"["REMOVE|u-2|Security Reader"]"#,
        ),
        // asked for, and not given yet
        ("Add member to role requested (PIM activation)", pim.to_owned(), "-"),
        ("Add member to role request approved (PIM activation)", pim.to_owned(), "-"),
        ("Add member to role request denied (PIM activation)", pim.to_owned(), "-"),
        ("Add member to role canceled (PIM activation)", pim.to_owned(), "-"),
        ("Add member to group", user(&role), "-"),
        ("Update role", user(&role), "-"),
        ("Add member to role", user(""), "-"),
        ("Add member to role", "[]".to_owned(), "-"),
        ("Add member to role", r#"[{"type":"User","id":"u","modifiedProperties":"x"},7]"#.to_owned(), "-"),
        ("Add member to role", r#""broken ["#.to_owned() + "\"", "-"),
    ] {
        assert_eq!(granted(activity, &targets), expected, "{activity} {targets}");
    }
}

#[test]
fn permissions_are_granted_to_applications() {
    let graph = |properties: &[String]| {
        format!(
            r#"[{{"type":"ServicePrincipal","id":"graph","displayName":"Microsoft Graph","modifiedProperties":[{}]}}]"#,
            properties.join(",")
        )
    };
    let client = property("ServicePrincipal.ObjectID", "", r#""sp-1""#);
    let value = property("AppRole.Value", "", r#""RoleManagement.ReadWrite.Directory""#);
    let blank = property("AppRole.Value", "", r#""""#);
    let id = property("AppRole.Id", "", r#""9e3f""#);
    let user = property("User.UPN", "", r#""Bob@example.com""#);
    let scopes =
        property("DelegatedPermissionGrant.Scope", r#"" User.Read""#, r#"" User.Read Mail.Read Mail.Read""#);
    let same = property("DelegatedPermissionGrant.Scope", r#""User.Read""#, r#""User.Read""#);
    let revoked = property("DelegatedPermissionGrant.Scope", r#""User.Read Mail.Read""#, r#""User.Read""#);
    let consent = property(
        "ConsentAction.Permissions",
        "",
        r#""[] => [[Id: x, ClientId: sp-1, ConsentType: AllPrincipals, Scope:  Mail.Read Files.Read.All, CreatedDateTime: ]]; ""#,
    );
    let more = property(
        "ConsentAction.Permissions",
        "",
        r#""[[Id: x, Scope: User.Read]] => [[Id: x, Scope: User.Read Mail.Read], [Id: y, Scope: Files.Read.All]]; ""#,
    );
    for (activity, targets, expected) in [
        (
            "Add app role assignment to service principal",
            graph(&[value.clone(), client.clone()]),
            r#"["ADD|sp-1|RoleManagement.ReadWrite.Directory"]"#,
        ),
        (
            "Add app role assignment grant to user",
            graph(&[blank, id, user, client.clone()]),
            r#"["ADD|bob@example.com|9e3f"]"#,
        ),
        (
            "Remove app role assignment from service principal",
            graph(&[value.clone(), client.clone()]),
            r#"["REMOVE|sp-1|RoleManagement.ReadWrite.Directory"]"#,
        ),
        ("Add app role assignment to service principal", graph(&[value]), "-"),
        ("Add delegated permission grant", graph(&[scopes, client.clone()]), r#"["ADD|sp-1|Mail.Read"]"#),
        ("Add delegated permission grant", graph(&[same, client.clone()]), "-"),
        ("Remove delegated permission grant", graph(&[revoked, client]), r#"["REMOVE|sp-1|Mail.Read"]"#),
        (
            "Consent to application",
            graph(&[consent]),
            r#"["ADD|graph|Mail.Read","ADD|graph|Files.Read.All"]"#,
        ),
        ("Consent to application", graph(&[more]), r#"["ADD|graph|Mail.Read","ADD|graph|Files.Read.All"]"#),
        ("Consent to application", graph(&[]), "-"),
    ] {
        assert_eq!(granted(activity, &targets), expected, "{activity} {targets}");
    }
}

#[test]
fn grants_have_an_end() {
    let scopes: Vec<String> = (0..400).map(|n| format!("Scope.{n}")).collect();
    let scope = property("DelegatedPermissionGrant.Scope", "", &format!("\"{}\"", scopes.join(" ")));
    let client = property("ServicePrincipal.ObjectID", "", r#""sp-1""#);
    let targets = format!(r#"[{{"type":"ServicePrincipal","modifiedProperties":[{scope},{client}]}}]"#);
    assert_eq!(granted("Add delegated permission grant", &targets).matches("ADD|").count(), MAX_GRANTS);
}

#[test]
fn a_guest_is_external_unless_the_domain_is_our_own() {
    let event = |activity: &str, name: &str| {
        let role = property("Role.DisplayName", r#""Reader""#, r#""Reader""#);
        format!(
            r#"{{"activityDisplayName":"{activity}","targetResources":[{{"type":"User","userPrincipalName":"{name}","modifiedProperties":[{role}]}}]}}"#
        )
    };
    let guest = "mallory_example.net#EXT#@example.onmicrosoft.com";
    let own = || Environment { own_domains: vec!["example.net".into()], ..Environment::default() };
    let external = |activity: &str, name: &str, environment| {
        column_in(&SOURCE, &event(activity, name), "grants_external", environment)
    };
    assert_eq!(external("Add member to role", guest, Environment::default()), "true");
    assert_eq!(external("Add member to role", guest, own()), "false");
    assert_eq!(external("Add member to role", "ada@example.com", Environment::default()), "false");
    assert_eq!(external("Remove member from role", guest, Environment::default()), "false");
    // whose an application is, the log does not say
    assert_eq!(external("Add member to role", "sp-1", Environment::default()), "-");
}

#[test]
fn the_time_is_that_of_the_activity() {
    for (_, event) in FORMS {
        assert_eq!(time(&SOURCE, event), "2026-11-18T09:25:10.331Z");
    }
    let record = r#"{"time":"2024-12-16 16:32:16.087554000","properties":{"activityDateTime":null}}"#;
    assert_eq!(time(&SOURCE, record), "2024-12-16T16:32:16.087554Z");
    assert_eq!(time(&SOURCE, "{}"), "-");
}
