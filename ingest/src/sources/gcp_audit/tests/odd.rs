//! Entries that are odd, short or empty: nothing is lost, nothing panics.

use super::*;

#[test]
fn nothing_that_is_odd_is_lost_or_panics() {
    let odd = [
        "null",
        "7",
        "true",
        r#""""#,
        r#""...""#,
        r#""é""#,
        "[]",
        "[[]]",
        "[null]",
        "{}",
        r#"[{"a":1}]"#,
        r#""\ud800""#,
    ];
    for value in odd {
        for path in [
            "authenticationInfo",
            "authorizationInfo",
            "requestMetadata",
            "resourceName",
            "methodName",
            "serviceName",
            "status",
            "request",
            "metadata",
            "serviceData",
            "resourceLocation",
        ] {
            let event = format!(
                r#"{{"logName":{value},"timestamp":{value},"insertId":{value},"resource":{value},"operation":{value},"protoPayload":{{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","{path}":{value}}}}}"#
            );
            assert!(!columns(&event, &known()).is_empty(), "{event}");
            assert_eq!(owner(&event).map(|source| source.name), Some("gcp.audit"), "{event}");
        }
    }
    let broken = r#"{"protopayload_auditlog":{"requestJson":"{\"policy\":","methodName":"SetIamPolicy"}}"#;
    check(&[(broken, "grants", "-"), (broken, "action", r#""SetIamPolicy""#)]);
}

#[test]
fn columns_come_in_their_order_and_an_empty_entry_has_hardly_any() {
    let event =
        &forms(&serde_json::json!({"methodName": "SetIamPolicy", "serviceName": "x.googleapis.com"}))[0];
    let order: Vec<usize> = columns(event, &Arc::default())
        .iter()
        .map(|(name, _)| COLUMNS.iter().position(|column| column.name == *name).unwrap())
        .collect();
    assert!(order.is_sorted());
    assert_eq!(
        columns(r#"{"protoPayload":{}}"#, &Arc::default()),
        [("provider", "\"gcp\"".to_owned()), ("outcome", "\"success\"".to_owned())]
    );
    assert_eq!(columns("not json", &Arc::default()), []);
}
