//! From where, and in which project and region.

use super::*;

#[test]
fn a_source_address_may_be_a_word() {
    for (address, kind, network) in [
        ("203.0.113.7", "public", Some("203.0.113.0/24")),
        ("2001:db8:1:2::3", "public", Some("2001:db8:1::/48")),
        ("10.0.3.4", "private", Some("10.0.3.0/24")),
        ("private", "internal", None),
        ("gce-internal-ip", "internal", None),
        ("300.1.2.3", "invalid", None),
    ] {
        let event = format!(r#"{{"protoPayload":{{"requestMetadata":{{"callerIP":"{address}"}}}}}}"#);
        let network = network.map_or("-".to_owned(), |network| format!("{network:?}"));
        check(&[
            (&event, "src_ip", &format!("{address:?}")),
            (&event, "src_ip_kind", &format!("{kind:?}")),
            (&event, "src_net", &network),
        ]);
    }
    check(&[(r#"{"protoPayload":{"requestMetadata":"..."}}"#, "src_ip", "-")]);
}

#[test]
fn a_place_comes_from_labels_or_else_from_names() {
    check(&[
        (
            r#"{"resource":{"labels":{"project_id":"p1","location":"us"}},"logName":"projects/p2/logs/x"}"#,
            "account",
            r#""p1""#,
        ),
        (r#"{"resource":{"labels":{"project_id":""}},"logName":"projects/p2/logs/x"}"#, "account", r#""p2""#),
        (
            r#"{"resource":"...","protoPayload":{"resourceName":"projects/p3/secrets/s"}}"#,
            "account",
            r#""p3""#,
        ),
        (r#"{"resource":{"labels":{"project_id":481}}}"#, "account", r#""481""#),
        (r#"{"protoPayload":{"resourceName":"projects/_/buckets/b"}}"#, "account", "-"),
        (r#"{"protoPayload":{"resourceName":"projects/-/serviceAccounts/1"}}"#, "account", "-"),
        (r#"{"logName":"organizations/12/logs/cloudaudit.googleapis.com%2Factivity"}"#, "account", "-"),
        (r#"{"logName":"organizations/12/logs/cloudaudit.googleapis.com%2Factivity"}"#, "org", r#""12""#),
        (r#"{"protoPayload":{"resourceName":"organizations/13"}}"#, "org", r#""13""#),
        (
            r#"{"resource":{"labels":{"organization_id":"14"}},"logName":"folders/1/logs/x"}"#,
            "org",
            r#""14""#,
        ),
        (r#"{"resource":{"labels":{"location":"","zone":"us-a"}}}"#, "region", r#""us-a""#),
        (r#"{"protoPayload":{"resourceLocation":{"currentLocations":["us"]}}}"#, "region", r#""us""#),
        (r#"{"protoPayload":{"resourceLocation":{"currentLocations":["us","eu"]}}}"#, "region", "-"),
        (
            r#"{"protoPayload":{"resourceName":"projects/p/locations/us-central1/publishers/google/models/m"}}"#,
            "region",
            r#""us-central1""#,
        ),
        (r#"{"protoPayload":{"resourceLocation":"..."}}"#, "region", "-"),
        // a request for all places
        (r#"{"protoPayload":{"resourceName":"projects/p/locations/-/functions/f"}}"#, "region", "-"),
        (r#"{"resource":{"labels":{"location":"-"}}}"#, "region", "-"),
    ]);
}
