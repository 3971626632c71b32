//! The canonical columns, by fact: hand-written entries in the documented format, each with what it
//! must give and, where it nearly says something else, what it must not; and the public rules, which
//! must find their fields in every form. Here stands what these share.

mod action;
mod fields;
mod grants;
mod identity;
mod odd;
mod place;
mod recognition;
mod target;

use std::sync::Arc;

use virga_engine::event::{BatchBuilder, COLUMNS, OriginBase, ProjectedField};
use virga_engine::json::{Cells, Projector};

use super::*;
use crate::environment::Environment;
use crate::sources::testing;
use crate::sources::{Arrival, Describer, Normaliser, Outcome, recognise as owner};

/// Column and value pairs of an event, as JSON texts.
fn columns(event: &str, environment: &Arc<Environment>) -> Vec<(&'static str, String)> {
    testing::columns_in(&SOURCE, event, Arc::clone(environment))
}

fn column(event: &str, name: &str) -> String {
    column_in(event, name, &Arc::default())
}

fn column_in(event: &str, name: &str, environment: &Arc<Environment>) -> String {
    testing::column_in(&SOURCE, event, name, Arc::clone(environment))
}

/// `(event, column, expected)`; `-` is absent.
fn check(cases: &[(&str, &str, &str)]) {
    testing::check(&SOURCE, cases);
}

/// An entry with this payload, as each delivery writes it: the entry, a lake's, a sink's row.
fn forms(payload: &serde_json::Value) -> [String; 3] {
    let log = "projects/p1/logs/cloudaudit.googleapis.com%2Factivity";
    let resource = serde_json::json!({"type": "gce_instance", "labels": {"project_id": "p1"}});
    let (time, id) = ("2026-11-18T08:00:00.123456789Z", "x1");
    let mut typed = payload.clone();
    typed["@type"] = "type.googleapis.com/google.cloud.audit.AuditLog".into();
    let mut renamed = payload.clone();
    renamed["at_sign_type"] = "type.googleapis.com/google.cloud.audit.AuditLog".into();
    let mut row = payload.clone();
    for (part, column) in
        [("request", "requestJson"), ("metadata", "metadataJson"), ("response", "responseJson")]
    {
        let text = row.as_object_mut().unwrap().remove(part).map(|part| part.to_string());
        row[column] = text.map_or(serde_json::Value::Null, Into::into);
    }
    let data = row.as_object_mut().unwrap().remove("serviceData");
    row["servicedata_v1_iam"] = data.unwrap_or_default();
    [
        serde_json::json!({"logName": log, "timestamp": time, "insertId": id, "resource": resource, "protoPayload": typed}),
        serde_json::json!({"logname": log, "timestamp": "2026-11-18 08:00:00.123456789", "insertid": id, "resource": resource, "protopayload": renamed}),
        serde_json::json!({"logName": log, "timestamp": "2026-11-18 08:00:00.123456 UTC", "insertId": id, "resource": resource, "protopayload_auditlog": row}),
    ]
    .map(|form| form.to_string())
}

fn known() -> Arc<Environment> {
    Arc::new(Environment {
        own_accounts: vec!["p1".into(), "p2".into(), "481".into(), "example.com:web".into()],
        own_domains: vec!["example.com".into()],
        ..Environment::default()
    })
}
