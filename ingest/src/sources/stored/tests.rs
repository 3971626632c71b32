//! What becomes of rows in each shape, and what is said of files that have none.

use serde_json::{Map, Value, json};

use super::*;

/// The columns of a row, as a file of such rows would have them.
fn columns(row: &Value) -> Vec<StoredColumn> {
    fn walk(value: &Value, path: &[String], found: &mut Vec<StoredColumn>) {
        let Value::Object(members) = value else { return };
        for (name, value) in members {
            let path: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
            let kind = match value {
                Value::String(_) | Value::Null => Kind::Text,
                Value::Number(_) => Kind::Number,
                Value::Bool(_) => Kind::Bool,
                Value::Array(_) => Kind::List,
                Value::Object(_) if name == "unmapped" || name == "map" => Kind::Map,
                Value::Object(_) => Kind::Object,
            };
            found.push(StoredColumn {
                path: path.clone(),
                kind,
                type_name: format!("{kind:?}"),
                is_folder: false,
            });
            if kind == Kind::Object {
                walk(value, &path, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(row, &[], &mut found);
    found
}

fn object(row: &Value) -> &Map<String, Value> {
    row.as_object().unwrap()
}

fn event(row: &Value) -> Value {
    let plan = Plan::of(&columns(row), None).unwrap();
    serde_json::from_str(&plan.event(object(row)).unwrap()).unwrap()
}

#[test]
fn columns_in_every_spelling_are_the_same_event() {
    let wanted = json!({
        "userIdentity": {"arn": "arn:aws:iam::001122223333:user/a", "accountId": "001122223333"},
        "eventTime": "2023-07-10T11:42:00Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "requestParameters": {"bucketName": "b"},
        "readOnly": true,
    });
    let rows = [
        json!({
            "useridentity": {"arn": "arn:aws:iam::001122223333:user/a", "accountid": "001122223333", "type": null},
            "eventtime": "2023-07-10T11:42:00Z", "eventsource": "s3.amazonaws.com", "eventname": "GetObject",
            "requestparameters": r#"{"bucketName":"b"}"#, "readonly": "true", "region": "eu-west-1", "year": "2023",
        }),
        json!({
            "userIdentity_arn": "arn:aws:iam::001122223333:user/a", "userIdentity_accountId": 1_122_223_333,
            "eventTime": 1_688_989_320_000u64, "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
            "requestParameters": {"bucketName": "b", "key": null}, "readOnly": true,
        }),
        json!({
            "useridentity.arn": "arn:aws:iam::001122223333:user/a", "useridentity.accountid": "001122223333",
            "event_time": "2023-07-10 11:42:00", "eventsource": "s3.amazonaws.com", "eventname": "GetObject",
            "requestparameters.bucketName": "b", "readonly": "True",
        }),
    ];
    // `event_time` is not `eventtime`: no tool breaks the names of CloudTrail into words
    assert!(matches!(Plan::of(&columns(&rows[2]), None), Err(Unfit::Wrong(_))));
    let mut third = rows[2].clone();
    let time = third.as_object_mut().unwrap().remove("event_time").unwrap();
    third["eventtime"] = time;
    for row in [&rows[0], &rows[1], &third] {
        assert_eq!(event(row), wanted, "{row}");
    }
}

#[test]
fn a_column_that_no_table_names_is_a_field_under_its_name() {
    let row = json!({
        "eventname": "X", "eventsource": "s", "eventtime": "2023-07-10T11:42:00Z",
        "useridentity": {"newmember": "n", "username": "u"}, "neverseen": {"a": 1}, "principal": "somebody",
    });
    assert_eq!(event(&row)["userIdentity"], json!({"userName": "u", "newmember": "n"}));
    assert_eq!(event(&row)["neverseen"], json!({"a": 1}));
    // a canonical column of ours would be taken for the event's
    assert_eq!(event(&row).get("principal"), None);
}

#[test]
fn both_versions_of_ocsf_give_the_identity_of_cloudtrail() {
    let of = |user: Value| {
        let row = json!({
            "class_uid": 3002, "time": 1_688_989_320_000u64, "is_mfa": true,
            "metadata": {"product": {"name": "CloudTrail"}, "uid": "e"},
            "api": {"operation": "ConsoleLogin", "service": {"name": "signin.amazonaws.com"}},
            "actor": {"user": user},
            "unmapped": {"recipientAccountId": "1", "additionalEventData.MobileVersion": "No", "readOnly": "false",
                "userIdentity.sessionContext.sessionIssuer.userName": "r", "x.items": "[{\"a\":1}]"},
        });
        event(&row)
    };
    let arn = "arn:aws:iam::111122223333:user/anaya";
    let first = of(json!({"uuid": arn, "uid": "AIDA", "account_uid": "111122223333"}));
    let second = of(json!({"uid": arn, "uid_alt": "AIDA", "account": {"uid": "111122223333"}}));
    assert_eq!(first, second);
    let identity = json!({
        "principalId": "AIDA", "arn": arn, "accountId": "111122223333",
        "sessionContext": {"sessionIssuer": {"userName": "r"}},
    });
    assert_eq!(first["userIdentity"], identity);
    assert_eq!(first["eventTime"], "2023-07-10T11:42:00Z");
    assert_eq!(first["additionalEventData"], json!({"MFAUsed": "Yes", "MobileVersion": "No"}));
    assert_eq!(first["readOnly"], false);
    assert_eq!(first["x"]["items"], json!([{"a": 1}]));
}

#[test]
fn what_columns_cannot_give_is_known_before_any_row() {
    let row = json!({
        "eventname": "X", "eventsource": "s", "eventtime": "t", "requestparameters": "{}",
        "useridentity": {"arn": "a"},
    });
    let plan = Plan::of(&columns(&row), None).unwrap();
    for (path, gives) in [
        ("eventName", true),
        ("requestParameters.bucketName", true),
        ("userIdentity", true),
        ("userIdentity.arn", true),
        ("userIdentity.userName", false),
        ("responseElements.ConsoleLogin", false),
        ("errorCode", false),
    ] {
        assert_eq!(plan.gives(path), gives, "{path}");
    }
}

/// pandas makes fractions of every column of numbers of which some are absent.
#[test]
fn an_account_in_a_column_of_fractions_is_the_account() {
    let row = |account: Value| json!({"eventname": "X", "eventsource": "s", "eventtime": "2026-03-02T09:00:00Z", "recipientaccountid": account});
    for (account, wanted) in [
        (json!(444_455_556_666.0), "444455556666"),
        (json!(1_122_223_333.0), "001122223333"),
        (json!(444_455_556_666u64), "444455556666"),
        (json!("001122223333"), "001122223333"),
        (json!(0.5), "0000000000.5"),
    ] {
        assert_eq!(event(&row(account.clone()))["recipientAccountId"], wanted, "{account}");
    }
}

#[test]
fn a_column_of_folders_is_a_field_where_it_has_a_name_of_one_and_no_time() {
    let folder = |name: &str| StoredColumn {
        path: vec![name.into()],
        kind: Kind::Text,
        type_name: "Utf8".into(),
        is_folder: true,
    };
    let row = json!({
        "eventname": "X", "eventtime": "2026-03-02T09:00:00Z", "EventSource": "s", "awsregion": "eu-west-1", "team": "blue",
    });
    let mut of_file = columns(&json!({"eventname": "X", "eventtime": "t"}));
    of_file.extend(["EventSource", "awsregion", "team"].map(folder));
    let event = Plan::of(&of_file, None).unwrap().event(object(&row)).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&event).unwrap(),
        json!({"eventName": "X", "eventTime": "2026-03-02T09:00:00Z", "eventSource": "s", "awsRegion": "eu-west-1"})
    );
    // when a file's events are must stand in it
    let mut without = columns(&json!({"eventname": "X", "eventsource": "s"}));
    without.push(folder("eventtime"));
    assert!(matches!(Plan::of(&without, None), Err(Unfit::Wrong(why)) if why.contains("lacks eventtime")));
}

#[test]
fn a_file_that_fits_no_shape_is_told_with_what_it_lacks() {
    let of = |row: Value| Plan::of(&columns(&row), None).map(|_| ()).unwrap_err();
    let flow = json!({"class_uid": 4001, "metadata": {"product": {"name": "Amazon VPC"}}, "time": 1});
    assert!(matches!(of(flow), Unfit::Other(why) if why.contains("api.operation")));
    let other = json!({"a": 1, "eventname": "x"});
    assert!(matches!(of(other), Unfit::Wrong(why) if why.contains("eventsource, eventtime")));
    let wrong = json!({"eventname": [1], "eventsource": "s", "eventtime": "t"});
    assert!(matches!(of(wrong), Unfit::Wrong(why) if why.contains("`eventname` holds List")));
}

#[test]
fn rows_of_other_products_and_empty_rows_are_no_events() {
    let row = json!({
        "class_uid": 6003, "time": 1, "metadata": {"product": {"name": "EKS"}},
        "api": {"operation": "get", "service": {"name": "k"}},
    });
    let plan = Plan::of(&columns(&row), None).unwrap();
    assert_eq!(plan.event(object(&row)).unwrap_err(), "metadata.product.name is EKS, not CloudTrail");
    let row = json!({"eventname": null, "eventsource": null, "eventtime": null});
    let plan = Plan::of(&columns(&row), None).unwrap();
    assert_eq!(plan.event(object(&row)).unwrap_err(), "the row is empty");
}

#[test]
fn an_event_that_is_kept_whole_is_taken_as_it_is() {
    let row = json!({
        "eventname": "X", "eventsource": "s", "eventtime": "t", "cloudtrailevent": r#"{"eventName":"Y"}"#,
    });
    assert_eq!(event(&row), json!({"eventName": "Y"}));
    assert!(Plan::of(&columns(&row), None).unwrap().gives("anything"));
}

#[test]
fn every_shape_names_a_source_and_each_way_to_a_field_once() {
    for shape in SHAPES {
        assert!(crate::sources::source(shape.source).is_some(), "{}", shape.name);
        let mut fields: Vec<_> = shape.fields.iter().map(|taken| (taken.field, taken.from)).collect();
        fields.sort_unstable();
        let all = fields.len();
        fields.dedup();
        assert_eq!(fields.len(), all, "{}", shape.name);
    }
}
