//! The canonical columns, by fact: our own samples and hand-written records in the documented format.

use super::super::testing::{check, column, field, owner, sample, wrapped};
use super::*;

#[test]
fn every_form_gives_the_same_columns() {
    let events = sample("azure.keyvault/events.ndjson");
    for form in ["log-analytics", "azure-diagnostics"] {
        let rows = sample(&format!("azure.keyvault/{form}.ndjson"));
        for (event, row) in [2, 4, 6].into_iter().zip(&rows) {
            assert_eq!(owner(row), "azure.keyvault", "{row}");
            for derivation in DERIVATIONS {
                let name = derivation.column;
                // not all claims have columns in the table of all resources
                if form == "azure-diagnostics" && (name == "mfa" || name == "principal_type") {
                    continue;
                }
                let expected = column(&SOURCE, &events[event], name);
                assert_eq!(column(&SOURCE, row, name), expected, "{name} of {row}");
            }
        }
    }
    let hub = wrapped("azure.keyvault/event-hub.json", "records");
    for event in events.iter().chain(&hub) {
        assert_eq!(owner(event), "azure.keyvault", "{event}");
    }
}

#[test]
fn rules_find_their_fields_in_every_form() {
    for (form, at) in [("events", 2), ("log-analytics", 0), ("azure-diagnostics", 0)] {
        let event = sample(&format!("azure.keyvault/{form}.ndjson")).swap_remove(at);
        for (name, expected) in [
            ("operationName", r#""SecretGet""#),
            ("resultSignature", r#""OK""#),
            ("callerIpAddress", r#""203.0.113.77""#),
            ("identity.claim.upn", r#""marc.oslo@example.com""#),
        ] {
            assert_eq!(field(&SOURCE, &event, name), expected, "{name} in {form}");
        }
        assert!(field(&SOURCE, &event, "properties.httpStatusCode").starts_with("200"), "{form}");
        assert!(field(&SOURCE, &event, "properties.id").contains("/secrets/db-password/"), "{form}");
        assert!(field(&SOURCE, &event, "properties.requestUri").contains("/secrets/db-password/"), "{form}");
        // the vault's own table has no category
        let category = if form == "log-analytics" { "-" } else { r#""AuditEvent""# };
        assert_eq!(field(&SOURCE, &event, "category"), category, "{form}");
    }
}

#[test]
fn near_misses_are_not_of_this_source() {
    for event in [
        // other resources have audit events too
        r#"{"category":"AuditEvent","operationName":"x","resourceId":"/SUBSCRIPTIONS/S/PROVIDERS/MICROSOFT.AUTOMATION/AUTOMATIONACCOUNTS/A"}"#,
        r#"{"category":"AuditEvent","operationName":"x","ResourceProvider":"MICROSOFT.AUTOMATION","properties":{"id":"https://kv.vault.azure.net/"}}"#,
        r#"{"category":"AuditEvent","operationName":"x"}"#,
        r#"{"category":"AzurePolicyEvaluationDetails","operationName":"x","resourceId":"/SUBSCRIPTIONS/S/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/V"}"#,
        r#"{"operationName":"SecretGet","_ResourceId":"/subscriptions/s/providers/microsoft.keyvault/vaults/v"}"#,
        r#"{"operationName":"x","Type":"AZKVPolicyEvaluationDetailsLogs","HttpStatusCode":200,"_ResourceId":"/subscriptions/s/providers/microsoft.keyvault/vaults/v"}"#,
        // the management of vaults is in the Activity log
        r#"{"category":"Administrative","operationName":"Microsoft.KeyVault/vaults/secrets/getSecret/action","resourceId":"/subscriptions/s/providers/Microsoft.KeyVault/vaults/v"}"#,
    ] {
        assert_ne!(owner(event), "azure.keyvault", "{event}");
    }
    for event in [
        r#"{"category":"AuditEvent","operationName":"x","resourceId":"/SUBSCRIPTIONS/S/PROVIDERS/MICROSOFT.KEYVAULT/MANAGEDHSMS/H"}"#,
        r#"{"category":"AuditEvent","operationName":"x","properties":{"requestUri":"https://kv.vault.azure.net/secrets"}}"#,
        r#"{"operationName":"SecretGet","RequestUri":"u","_ResourceId":"/subscriptions/s/providers/microsoft.keyvault/vaults/v"}"#,
    ] {
        assert_eq!(owner(event), "azure.keyvault", "{event}");
    }
}

#[test]
fn a_principal_is_a_user_or_an_application() {
    let claim = |claim: &str| format!(r#"{{"identity":{{"claim":{claim}}}}}"#);
    check(
        &SOURCE,
        &[
            (
                &claim(
                    r#"{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn":"Ada@Example.com","appid":"a"}"#,
                ),
                "principal",
                r#""ada@example.com""#,
            ),
            (&claim(r#"{"upn":"Ada@Example.com","oid":"o"}"#), "principal", r#""ada@example.com""#),
            (
                &claim(
                    r#"{"http://schemas.microsoft.com/identity/claims/objectidentifier":"O","appid":"a"}"#,
                ),
                "principal",
                r#""o""#,
            ),
            (&claim(r#"{"oid":"O","appid":"a","idtyp":"app"}"#), "principal", r#""o""#),
            (&claim(r#"{"idtyp":"app"}"#), "principal_type", r#""app""#),
            (&claim(r#"{"appid":"A"}"#), "principal", r#""a""#),
            (&claim(r#"{"amr":"[\"pwd\",\"mfa\"]"}"#), "mfa", "true"),
            (&claim(r#"{"amr":"pwd"}"#), "mfa", "false"),
            (r#"{"identity":{}}"#, "principal", "-"),
            (r#"{"identity":""}"#, "principal", "-"),
            (r#"{"Identity":"{\"claim\":{\"oid\":\"O\"}}"}"#, "principal", r#""o""#),
            (
                r#"{"identity_claim_http_schemas_microsoft_com_identity_claims_objectidentifier_g":"O"}"#,
                "principal",
                r#""o""#,
            ),
            (
                r#"{"identity_claim_upn_s":"","identity_claim_oid_g":"","identity_claim_appid_g":"A"}"#,
                "principal",
                r#""a""#,
            ),
        ],
    );
}

#[test]
fn an_operation_reads_uses_or_changes() {
    for (name, expected) in [
        ("SecretGet", r#""read""#),
        ("SecretListVersions", r#""read""#),
        ("SecretGetDeleted", r#""read""#),
        ("SecretBackup", r#""read""#),
        ("KeySign", r#""read""#),
        ("KeyUnwrap", r#""read""#),
        ("KeyDecrypt", r#""read""#),
        ("KeyRotationPolicyGet", r#""read""#),
        ("CertificateIssuersList", r#""read""#),
        ("VaultGet", r#""read""#),
        ("Authentication", r#""auth""#),
        ("SecretSet", r#""write""#),
        ("SecretPurge", r#""write""#),
        ("SecretRestore", r#""write""#),
        ("KeyRotate", r#""write""#),
        ("VaultPatch", r#""write""#),
        ("CertificatePolicySet", r#""write""#),
        ("KeyNearExpiryEventGridNotification", "-"),
    ] {
        let event = format!(r#"{{"operationName":"{name}"}}"#);
        assert_eq!(column(&SOURCE, &event, "action_kind"), expected, "{name}");
    }
}

#[test]
fn the_status_of_http_says_what_the_result_type_does_not() {
    for (status, outcome, error) in [
        (
            r#""resultType":"Success","resultSignature":"OK","properties":{"httpStatusCode":200}"#,
            "success",
            "-",
        ),
        (
            r#""resultType":"Success","resultSignature":"Forbidden","properties":{"httpStatusCode":403}"#,
            "failure",
            r#""Forbidden""#,
        ),
        (r#""resultType":"Success","resultSignature":"Forbidden""#, "failure", r#""Forbidden""#),
        (
            r#""resultType":"Success","resultSignature":"Not Found","properties":{"httpStatusCode":"404"}"#,
            "failure",
            r#""Not Found""#,
        ),
        (r#""resultSignature":"200""#, "success", "-"),
        (r#""httpStatusCode_d":403.0"#, "failure", r#""403""#),
        (r#""HttpStatusCode":500,"ResultSignature":"""#, "failure", r#""500""#),
        (r#""resultType":"Success""#, "success", "-"),
        (r#""resultType":"Failed""#, "failure", "-"),
        (r#""properties":{"httpStatusCode":0},"resultType":"?""#, "-", "-"),
        (r#""properties":{"httpStatusCode":403},"operationName":"Authentication""#, "failure", r#""403""#),
        (r#""properties":{"httpStatusCode":401},"operationName":"SecretGet""#, "failure", r#""401""#),
        // told to bring a token
        (
            r#""properties":{"httpStatusCode":401},"operationName":"Authentication","resultSignature":"Unauthorized""#,
            "-",
            "-",
        ),
    ] {
        let event = format!("{{{status}}}");
        let expected = if outcome == "-" { "-".to_owned() } else { format!("{outcome:?}") };
        assert_eq!(column(&SOURCE, &event, "outcome"), expected, "{event}");
        assert_eq!(column(&SOURCE, &event, "error_code"), error, "{event}");
    }
    let failed = r#"{"resultDescription":"no","properties":{"httpStatusCode":403}}"#;
    let done = r#"{"resultDescription":"yes","properties":{"httpStatusCode":200}}"#;
    check(&SOURCE, &[(failed, "error_message", r#""no""#), (done, "error_message", "-")]);
}

#[test]
fn a_secret_is_one_thing_in_all_its_versions() {
    let vault = r#""https://kv.vault.azure.net""#;
    let secret = r#""https://kv.vault.azure.net/secrets/db""#;
    for (uri, target, kind) in [
        ("https://kv.vault.azure.net/secrets/db/0a1b", secret, r#""secret""#),
        ("https://KV.vault.azure.net:443/secrets/DB/?api-version=7.0", secret, r#""secret""#),
        ("https://kv.vault.azure.net/deletedsecrets/db", secret, r#""secret""#),
        ("https://kv.vault.azure.net/keys/k/0a1b/sign", r#""https://kv.vault.azure.net/keys/k""#, r#""key""#),
        (
            "https://kv.vault.azure.net/certificates/c",
            r#""https://kv.vault.azure.net/certificates/c""#,
            r#""certificate""#,
        ),
        ("https://kv.vault.azure.net/secrets?api-version=7.0", vault, r#""vault""#),
        ("https://kv.vault.azure.net/", vault, r#""vault""#),
        ("https://kv.vault.azure.net/new/things", vault, r#""vault""#),
        ("nonsense", "-", "-"),
        ("https://", "-", "-"),
    ] {
        for event in [
            format!(r#"{{"properties":{{"id":"{uri}"}}}}"#),
            format!(r#"{{"properties":{{"id":"","requestUri":"{uri}"}}}}"#),
            format!(r#"{{"id_s":"{uri}"}}"#),
            format!(r#"{{"Id":"{uri}"}}"#),
        ] {
            assert_eq!(column(&SOURCE, &event, "target"), target, "{event}");
            assert_eq!(column(&SOURCE, &event, "target_type"), kind, "{event}");
        }
    }
    let managed = r#"{"resourceId":"/SUBSCRIPTIONS/S/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/KV",
        "properties":{"requestUri":"https://management.azure.com/subscriptions/s/resourceGroups/r/providers/Microsoft.KeyVault/vaults/kv"}}"#;
    check(
        &SOURCE,
        &[
            (
                managed,
                "target",
                r#""/subscriptions/s/resourcegroups/r/providers/microsoft.keyvault/vaults/kv""#,
            ),
            (managed, "target_type", r#""vault""#),
            (managed, "account", r#""s""#),
            ("{}", "target", "-"),
            ("{}", "service", r#""keyvault""#),
            (r#"{"correlationId":""}"#, "correlation_uid", "-"),
            (r#"{"properties":{"clientInfo":"curl"}}"#, "user_agent", r#""curl""#),
        ],
    );
}
