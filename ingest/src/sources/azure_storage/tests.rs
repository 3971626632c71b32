//! The canonical columns, by fact: our own samples and hand-written records in the documented format.

use super::super::testing::{check, column, field, owner, sample, wrapped};
use super::*;

#[test]
fn both_forms_give_the_same_columns() {
    let events = sample("azure.storage/events.ndjson");
    let rows = sample("azure.storage/log-analytics.ndjson");
    for (event, row) in [1, 3, 4, 5, 7].into_iter().zip(&rows) {
        for derivation in DERIVATIONS {
            let name = derivation.column;
            let expected = column(&SOURCE, &events[event], name);
            assert_eq!(column(&SOURCE, row, name), expected, "{name} of {row}");
        }
    }
    let hub = wrapped("azure.storage/event-hub.json", "records");
    for event in events.iter().chain(&rows).chain(&hub) {
        assert_eq!(owner(event), "azure.storage", "{event}");
    }
}

#[test]
fn rules_find_their_fields_in_both_forms() {
    let [events, rows] =
        ["events", "log-analytics"].map(|name| sample(&format!("azure.storage/{name}.ndjson")));
    for event in [&events[1], &rows[0]] {
        for (name, expected) in [
            ("category", r#""StorageRead""#),
            ("operationName", r#""GetBlob""#),
            ("identity.type", r#""SAS""#),
            ("AuthenticationType", r#""SAS""#),
            ("properties.accountName", r#""stvisiondata""#),
            ("AccountName", r#""stvisiondata""#),
            ("properties.responseBodySize", "4980736000"),
            ("callerIpAddress", r#""203.0.113.77:50212""#),
        ] {
            assert_eq!(field(&SOURCE, event, name), expected, "{name} of {event}");
        }
        assert_eq!(field(&SOURCE, event, "statusCode").trim_matches('"'), "206");
        assert!(field(&SOURCE, event, "uri").contains("sig="));
    }
    for event in [&events[4], &rows[2]] {
        assert_eq!(field(&SOURCE, event, "identity.requester.upn"), r#""lena.vogt@example.com""#);
        assert!(field(&SOURCE, event, "identity.authorization").contains("blobs/read"));
    }
}

#[test]
fn near_misses_are_not_of_this_source() {
    for event in [
        r#"{"category":"AuditEvent","operationName":"SecretGet"}"#,
        r#"{"category":"Transaction","operationName":"GetBlob"}"#,
        r#"{"category":"StorageRead"}"#,
        r#"{"category":{"value":"StorageRead"},"operationName":"GetBlob"}"#,
        r#"{"operationName":"GetBlob"}"#,
    ] {
        assert_ne!(owner(event), "azure.storage", "{event}");
    }
    assert_eq!(owner(r#"{"Category":"StorageDelete","OperationName":"DeleteBlob"}"#), "azure.storage");
}

#[test]
fn who_has_no_name_is_known_by_the_way_in() {
    let from = |way: &str| {
        format!(
            r#"{{"identity":{{"type":"{way}"}},"properties":{{"accountName":"Acct"}},"uri":"https://acct.blob.core.windows.net/c/b"}}"#
        )
    };
    for (way, principal, kind) in [
        ("SAS", r#""sas@acct""#, "-"),
        ("SAS Key", r#""sas@acct""#, "-"),
        ("AccountKey", r#""accountkey@acct""#, r#""long_lived""#),
        ("Account Key", r#""accountkey@acct""#, r#""long_lived""#),
        ("Anonymous", r#""anonymous@acct""#, "-"),
        ("TrustedAccess", r#""trustedaccess@acct""#, "-"),
        ("OAuth", "-", r#""temporary""#),
        ("Kerberos", "-", "-"),
    ] {
        assert_eq!(column(&SOURCE, &from(way), "principal"), principal, "{way}");
        assert_eq!(column(&SOURCE, &from(way), "principal_type"), format!("{way:?}"));
        assert_eq!(column(&SOURCE, &from(way), "credential_kind"), kind, "{way}");
    }
    check(
        &SOURCE,
        &[
            (r#"{"uri":"https://acct.blob.core.windows.net/c/b?sv=1&sig=x"}"#, "principal", r#""sas@acct""#),
            (r#"{"uri":"https://acct.blob.core.windows.net/c/b?signature=x"}"#, "principal", "-"),
            (
                r#"{"uri":"https://acct.blob.core.windows.net/c","statusText":"AnonymousSuccess"}"#,
                "principal",
                r#""anonymous@acct""#,
            ),
            (r#"{"uri":"/c/b?sig=x"}"#, "principal", "-"),
            (r#"{"identity":null,"uri":null}"#, "principal", "-"),
            (r#"{"identity":"SAS"}"#, "principal", "-"),
            (
                r#"{"identity":{"type":"OAuth","requester":{"upn":"Ada@Example.com","objectId":"o"}}}"#,
                "principal",
                r#""ada@example.com""#,
            ),
            (r#"{"identity":{"type":"OAuth","requester":{"objectId":"O"}}}"#, "principal", r#""o""#),
            (
                r#"{"identity":"{\"type\":\"OAuth\",\"requester\":{\"objectId\":\"O\"}}"}"#,
                "principal",
                r#""o""#,
            ),
            (
                r#"{"AuthenticationType":"OAuth","RequesterUpn":"","RequesterObjectId":"O"}"#,
                "principal",
                r#""o""#,
            ),
            (r#"{"identity":{"tokenHash":"key1(AB)"}}"#, "credential_id", r#""key1(AB)""#),
            (r#"{"AuthenticationHash":"key1(AB)"}"#, "credential_id", r#""key1(AB)""#),
        ],
    );
}

#[test]
fn reading_an_object_is_told_from_other_requests() {
    for (operation, category, expected) in [
        ("GetBlob", "StorageRead", "object_read"),
        ("GetFile", "StorageRead", "object_read"),
        ("ReadFile", "StorageRead", "object_read"),
        ("Read", "StorageRead", "object_read"),
        ("CopyBlobSource", "StorageWrite", "object_read"),
        ("GetBlobProperties", "StorageRead", "read"),
        ("ListBlobs", "StorageRead", "read"),
        ("PutBlob", "StorageWrite", "write"),
        ("DeleteBlob", "StorageDelete", "write"),
    ] {
        let event = format!(r#"{{"operationName":"{operation}","category":"{category}"}}"#);
        assert_eq!(column(&SOURCE, &event, "action_kind"), format!("{expected:?}"), "{operation}");
    }
}

#[test]
fn a_status_is_of_http_or_of_a_mounted_share() {
    for (status, outcome, error) in [
        (r#""statusCode":200,"statusText":"Success""#, "success", "-"),
        (r#""statusCode":"206","statusText":"SASSuccess""#, "success", "-"),
        (r#""statusCode":304,"statusText":"ConditionNotMet""#, "success", "-"),
        (r#""statusCode":403,"statusText":"AuthenticationFailed""#, "failure", r#""AuthenticationFailed""#),
        (r#""statusCode":"404""#, "failure", r#""404""#),
        (r#""statusCode":"Unknown","statusText":"NetworkError""#, "failure", r#""NetworkError""#),
        (r#""statusCode":"Unknown","statusText":"AnonymousSuccess""#, "success", "-"),
        (r#""statusCode":0,"protocol":"SMB""#, "success", "-"),
        (r#""statusCode":"0x00000103","protocol":"SMB""#, "success", "-"),
        (r#""statusCode":"0xC0000022","protocol":"SMB""#, "failure", r#""0xC0000022""#),
        (
            r#""statusCode":3221225506,"protocol":"SMB","statusText":"STATUS_ACCESS_DENIED""#,
            "failure",
            r#""STATUS_ACCESS_DENIED""#,
        ),
        (r#""statusCode":-1"#, "-", "-"),
        (r#""statusCode":"Unknown""#, "-", "-"),
        (r#""statusCode":null"#, "-", "-"),
    ] {
        let event = format!("{{{status}}}");
        let expected = if outcome == "-" { "-".to_owned() } else { format!("{outcome:?}") };
        assert_eq!(column(&SOURCE, &event, "outcome"), expected, "{event}");
        assert_eq!(column(&SOURCE, &event, "error_code"), error, "{event}");
    }
}

#[test]
fn a_target_has_no_signature_and_a_container() {
    for (uri, key, service, target, kind, container) in [
        (
            "https://Acct.blob.core.windows.net:443/c/Dir/F.bin?sv=1&sig=secret",
            "/acct/c/Dir/F.bin",
            "blob",
            "https://acct.blob.core.windows.net/c/Dir/F.bin",
            "object",
            "https://acct.blob.core.windows.net/c",
        ),
        (
            "https://acct.blob.core.windows.net/c?restype=container",
            "/acct/c",
            "blob",
            "https://acct.blob.core.windows.net/c",
            "bucket",
            "https://acct.blob.core.windows.net/c",
        ),
        (
            "https://acct.blob.core.windows.net:443/?comp=list",
            "/acct",
            "blob",
            "https://acct.blob.core.windows.net",
            "storage_account",
            "-",
        ),
        // in the root container
        (
            "https://acct.blob.core.windows.net/f.txt",
            "/acct/$root/f.txt",
            "blob",
            "https://acct.blob.core.windows.net/f.txt",
            "object",
            "https://acct.blob.core.windows.net/$root",
        ),
        (
            "https://acct.dfs.core.windows.net/fs/d/f",
            "",
            "",
            "https://acct.dfs.core.windows.net/fs/d/f",
            "object",
            "https://acct.dfs.core.windows.net/fs",
        ),
        (
            "https://acct.file.core.windows.net/share",
            "",
            "",
            "https://acct.file.core.windows.net/share",
            "share",
            "https://acct.file.core.windows.net/share",
        ),
        (
            "https://acct.queue.core.windows.net/q/messages",
            "",
            "queue",
            "https://acct.queue.core.windows.net/q/messages",
            "queue",
            "https://acct.queue.core.windows.net/q",
        ),
        (
            "https://acct.table.core.windows.net/T(PartitionKey='a',RowKey='b')",
            "",
            "",
            "https://acct.table.core.windows.net/T(PartitionKey='a',RowKey='b')",
            "table",
            "https://acct.table.core.windows.net/T",
        ),
        ("", r#"\"/acct/c/f\""#, "blob", "/acct/c/f", "object", "-"),
        ("nonsense", "/acct/c/f", "", "/acct/c/f", "object", "-"),
        ("https://", "", "", "-", "-", "-"),
    ] {
        let event =
            format!(r#"{{"uri":"{uri}","properties":{{"objectKey":"{key}","serviceType":"{service}"}}}}"#);
        let shown = |text: &str| if text == "-" { text.to_owned() } else { format!("{text:?}") };
        assert_eq!(column(&SOURCE, &event, "target"), shown(target), "{event}");
        assert_eq!(column(&SOURCE, &event, "target_type"), shown(kind), "{event}");
        assert_eq!(column(&SOURCE, &event, "target_container"), shown(container), "{event}");
    }
    let account =
        r#"{"resourceId":"/subscriptions/S/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/a"}"#;
    assert_eq!(column(&SOURCE, account, "target_type"), r#""storage_account""#);
    assert_eq!(column(&SOURCE, account, "account"), r#""s""#);
}

#[test]
fn addresses_sizes_and_agents_are_taken_as_they_come() {
    check(
        &SOURCE,
        &[
            (r#"{"callerIpAddress":"203.0.113.7:443"}"#, "src_ip", r#""203.0.113.7""#),
            (r#"{"callerIpAddress":"10.0.3.4:1"}"#, "src_ip_kind", r#""private""#),
            (r#"{"callerIpAddress":"[2001:db8:1:2::3]:443"}"#, "src_net", r#""2001:db8:1::/48""#),
            (r#"{"callerIpAddress":"300.0.0.1:443"}"#, "src_ip_kind", r#""invalid""#),
            (r#"{"properties":{"responseBodySize":"12","requestBodySize":34}}"#, "bytes_out", "12.0"),
            (r#"{"properties":{"responseBodySize":"12","requestBodySize":34}}"#, "bytes_in", "34.0"),
            (r#"{"properties":"{\"responseBodySize\":12}"}"#, "bytes_out", "12.0"),
            (r#"{"properties":{"responseBodySize":""}}"#, "bytes_out", "-"),
            (r#"{"properties":{"userAgentHeader":"\"curl/8\""}}"#, "user_agent", r#""curl/8""#),
            (r#"{"properties":{"userAgentHeader":"\""}}"#, "user_agent", r#""\"""#),
            (r#"{"properties":{"userAgentHeader":"\"\""}}"#, "user_agent", "-"),
            ("{}", "provider", r#""azure""#),
            ("{}", "service", r#""storage""#),
            ("{}", "target", "-"),
        ],
    );
    // a request's id is no proof: a batch shares it
    let uid = |event: &str| column(&SOURCE, event, "event_uid");
    assert_ne!(uid(r#"{"correlationId":"c","uri":"a"}"#), uid(r#"{"correlationId":"c","uri":"b"}"#));
}
