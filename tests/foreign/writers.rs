//! CloudTrail as other programs store it, written from the public schemas and from nothing of the reader.
//!
//! In: events as CloudTrail writes them. Out: Parquet files, in the columns of Athena's table, or in OCSF 1.1.0
//! in the folders of Amazon Security Lake. Formats: Amazon Athena User Guide, "Query AWS CloudTrail logs";
//! OCSF examples, "Event Dossier: Amazon CloudTrail", 1.1.0; Amazon Security Lake User Guide, "Source data".

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use arrow::json::ReaderBuilder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value, json};

pub fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn flag(name: &str) -> Field {
    Field::new(name, DataType::Boolean, true)
}

fn number(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn object(name: &str, fields: Vec<Field>) -> Field {
    Field::new(name, DataType::Struct(Fields::from(fields)), true)
}

fn list(name: &str, item: DataType) -> Field {
    Field::new(name, DataType::List(Arc::new(Field::new("element", item, true))), true)
}

fn texts(names: &[&str]) -> Vec<Field> {
    names.iter().map(|name| text(name)).collect()
}

fn map(name: &str) -> Field {
    let entries = vec![Field::new("key", DataType::Utf8, false), text("value")];
    let entries = Field::new("key_value", DataType::Struct(Fields::from(entries)), false);
    Field::new(name, DataType::Map(Arc::new(entries), false), true)
}

/// Rows as a Parquet file.
pub fn write(path: &Path, fields: Vec<Field>, rows: &[Value], compression: Compression) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let schema = Arc::new(Schema::new(fields));
    let properties =
        WriterProperties::builder().set_compression(compression).set_max_row_group_row_count(Some(500));
    let file = File::create(path).expect("a file");
    let mut writer =
        ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties.build())).expect("a writer");
    let mut decoder = ReaderBuilder::new(schema).with_batch_size(1 << 16).build_decoder().expect("a decoder");
    decoder.serialize(rows).expect("rows fit the schema");
    if let Some(batch) = decoder.flush().expect("rows fit the schema") {
        writer.write(&batch).expect("rows are written");
    }
    writer.close().expect("a file");
}

/// The columns of Athena's table of CloudTrail.
pub fn athena_fields() -> Vec<Field> {
    let issuer = object("sessionissuer", texts(&["type", "principalid", "arn", "accountid", "username"]));
    let federation = object("webidfederationdata", vec![text("federatedprovider"), map("attributes")]);
    let context = vec![
        object("attributes", texts(&["mfaauthenticated", "creationdate"])),
        issuer,
        text("ec2roledelivery"),
        text("sourceidentity"),
        federation,
    ];
    let mut identity = texts(&[
        "type",
        "principalid",
        "arn",
        "accountid",
        "invokedby",
        "accesskeyid",
        "username",
        "identityprovider",
    ]);
    identity.push(object("onbehalfof", texts(&["userid", "identitystorearn"])));
    identity.push(object("sessioncontext", context));
    let resource = DataType::Struct(Fields::from(texts(&["arn", "accountid", "type", "arnprefix"])));
    let mut fields = vec![text("eventversion"), object("useridentity", identity)];
    fields.extend(texts(&[
        "eventtime",
        "eventsource",
        "eventname",
        "awsregion",
        "sourceipaddress",
        "useragent",
        "errorcode",
        "errormessage",
        "requestparameters",
        "responseelements",
        "additionaleventdata",
        "requestid",
        "eventid",
        "readonly",
    ]));
    fields.push(list("resources", resource));
    fields.extend(texts(&[
        "eventtype",
        "apiversion",
        "managementevent",
        "recipientaccountid",
        "serviceeventdetails",
        "sharedeventid",
        "vpcendpointid",
        "vpcendpointaccountid",
        "eventcategory",
        "sessioncredentialfromconsole",
    ]));
    fields.push(object(
        "addendum",
        texts(&["reason", "updatedfields", "originalrequestid", "originaleventid"]),
    ));
    fields.push(object("tlsdetails", texts(&["tlsversion", "ciphersuite", "clientprovidedhostheader"])));
    fields
}

/// A value as a column of a type holds it: names in lower case, what is no text as JSON where a text is wanted.
fn lowered(value: &Value, wanted: &DataType) -> Value {
    match (wanted, value) {
        (_, Value::Null) => Value::Null,
        (DataType::Utf8, Value::String(text)) => text.clone().into(),
        (DataType::Utf8, other) => other.to_string().into(),
        (DataType::Struct(fields), Value::Object(members)) => {
            let member = |field: &Arc<Field>| {
                let found = members.iter().find(|(name, _)| name.to_lowercase() == *field.name());
                Some((field.name().clone(), lowered(found?.1, field.data_type())))
            };
            Value::Object(fields.iter().filter_map(member).collect())
        }
        (DataType::List(item), Value::Array(elements)) => {
            elements.iter().map(|element| lowered(element, item.data_type())).collect()
        }
        (DataType::Map(..), Value::Object(members)) => {
            let member = |(name, value): (&String, &Value)| (name.clone(), lowered(value, &DataType::Utf8));
            Value::Object(members.iter().map(member).collect())
        }
        (wanted, other) => panic!("{other} is no {wanted}"),
    }
}

/// An event as a row of Athena's table.
pub fn athena_row(event: &Value) -> Value {
    lowered(event, &DataType::Struct(Fields::from(athena_fields())))
}

/// Columns of the OCSF table of CloudTrail, as far as its mapping fills them.
pub fn ocsf_fields(with_rest: bool) -> Vec<Field> {
    let moment = |name: &str| Field::new(name, DataType::Timestamp(TimeUnit::Millisecond, None), true);
    let account = || object("account", vec![text("uid")]);
    let user = || {
        let mut fields = texts(&["type", "name", "uid_alt", "uid", "credential_uid"]);
        fields.push(account());
        object("user", fields)
    };
    let product =
        vec![text("version"), text("name"), text("vendor_name"), object("feature", vec![text("name")])];
    let metadata = vec![
        object("product", product),
        text("event_code"),
        text("uid"),
        list("profiles", DataType::Utf8),
        text("version"),
    ];
    let api = vec![
        object("response", texts(&["error", "message", "data"])),
        text("operation"),
        text("version"),
        object("service", vec![text("name")]),
        object("request", texts(&["data", "uid"])),
    ];
    let actor = vec![
        user(),
        object("session", vec![moment("created_time_dt"), flag("is_mfa"), text("issuer")]),
        text("invoked_by"),
        object("idp", vec![text("name")]),
    ];
    let resource = DataType::Struct(Fields::from(vec![text("uid"), account(), text("type")]));
    let mut fields = vec![
        object("metadata", metadata),
        number("time"),
        moment("time_dt"),
        object("cloud", texts(&["region", "provider"])),
        object("api", api),
        object("dst_endpoint", vec![text("svc_name")]),
        object("actor", actor),
        object("http_request", vec![text("user_agent")]),
        object("src_endpoint", texts(&["uid", "ip", "domain"])),
        list("resources", resource),
        text("class_name"),
        number("class_uid"),
        text("status"),
        flag("is_mfa"),
        user(),
        text("accountid"),
        text("region"),
    ];
    if with_rest {
        fields.push(map("unmapped"));
    }
    fields
}

/// Takes a value out of an event: what is left at the end has no column.
fn take(event: &mut Value, path: &str) -> Option<Value> {
    let (parent, name) = path.rsplit_once('.').map_or((None, path), |(parent, name)| (Some(parent), name));
    let object = match parent {
        None => event.as_object_mut()?,
        Some(parent) => event.pointer_mut(&format!("/{}", parent.replace('.', "/")))?.as_object_mut()?,
    };
    object.remove(name).filter(|value| !value.is_null())
}

/// What is left, by path; lists as JSON.
fn flatten(value: &Value, path: &str, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(value, &path, found);
            }
        }
        Value::String(text) => {
            found.insert(path.to_owned(), text.clone());
        }
        other => {
            found.insert(path.to_owned(), other.to_string());
        }
    }
}

/// Sets a value of a row, if there is one.
fn set(row: &mut Value, path: &str, value: Option<Value>) {
    let Some(value) = value else { return };
    let mut place = row;
    for name in path.split('.') {
        place = place.as_object_mut().expect("an object").entry(name).or_insert_with(|| json!({}));
    }
    *place = value;
}

fn as_json(value: Value) -> Value {
    match value {
        Value::String(_) => value,
        other => other.to_string().into(),
    }
}

/// An event as a row of OCSF 1.1.0, as the published mapping of CloudTrail says.
pub fn ocsf_row(event: &Value) -> Value {
    let mut event = event.clone();
    let event = &mut event;
    let name = event["eventName"].as_str().unwrap_or_default().to_owned();
    let is_signin = name == "ConsoleLogin";
    let mut row = json!({
        "metadata": {"product": {"name": "CloudTrail", "vendor_name": "AWS"}, "version": "1.1.0",
            "profiles": ["cloud", "datetime"]},
        "cloud": {"provider": "AWS"},
        "class_uid": if is_signin { 3002 } else { 6003 },
        "class_name": if is_signin { "Authentication" } else { "API Activity" },
        "status": if event["errorCode"].is_null() { "Success" } else { "Failure" },
    });
    for (path, field) in [
        ("metadata.product.version", "eventVersion"),
        ("metadata.product.feature.name", "eventCategory"),
        ("metadata.event_code", "eventType"),
        ("metadata.uid", "eventID"),
        ("cloud.region", "awsRegion"),
        ("api.operation", "eventName"),
        ("api.service.name", "eventSource"),
        ("api.version", "apiVersion"),
        ("api.request.uid", "requestID"),
        ("api.response.error", "errorCode"),
        ("api.response.message", "errorMessage"),
        ("http_request.user_agent", "userAgent"),
        ("src_endpoint.uid", "vpcEndpointId"),
        ("actor.user.type", "userIdentity.type"),
        ("actor.user.name", "userIdentity.userName"),
        ("actor.user.uid", "userIdentity.arn"),
        ("actor.user.uid_alt", "userIdentity.principalId"),
        ("actor.user.account.uid", "userIdentity.accountId"),
        ("actor.user.credential_uid", "userIdentity.accessKeyId"),
        ("actor.invoked_by", "userIdentity.invokedBy"),
        ("actor.session.issuer", "userIdentity.sessionContext.sessionIssuer.arn"),
        ("actor.idp.name", "userIdentity.sessionContext.webIdFederationData.federatedProvider"),
        ("actor.idp.name", "userIdentity.identityProvider"),
    ] {
        let value = take(event, field);
        set(&mut row, path, value);
    }
    for (path, field) in
        [("api.request.data", "requestParameters"), ("api.response.data", "responseElements")]
    {
        let value = take(event, field).map(as_json);
        set(&mut row, path, value);
    }
    let time = take(event, "eventTime").expect("an event has a time");
    let time = time.as_str().expect("a text");
    let moment = chrono::DateTime::parse_from_rfc3339(time).expect("a time");
    set(&mut row, "time", Some(moment.timestamp_millis().into()));
    set(&mut row, "time_dt", Some(moment.format("%Y-%m-%dT%H:%M:%S").to_string().into()));
    if let Some(created) = take(event, "userIdentity.sessionContext.attributes.creationDate") {
        let created = created.as_str().unwrap_or_default().trim_end_matches('Z').to_owned();
        set(&mut row, "actor.session.created_time_dt", Some(created.into()));
    }
    if let Some(mfa) = take(event, "userIdentity.sessionContext.attributes.mfaAuthenticated") {
        set(&mut row, "actor.session.is_mfa", Some((mfa == "true" || mfa == true).into()));
    }
    if is_signin {
        if let Some(mfa) = take(event, "additionalEventData.MFAUsed") {
            set(&mut row, "is_mfa", Some((mfa == "Yes").into()));
        }
        let to = take(event, "additionalEventData.LoginTo");
        set(&mut row, "dst_endpoint.svc_name", to);
    }
    if let Some(address) = take(event, "sourceIPAddress") {
        let is_ip = address.as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok());
        let path = if is_ip { "src_endpoint.ip" } else { "src_endpoint.domain" };
        set(&mut row, path, Some(address));
    }
    if let Some(Value::Array(resources)) = take(event, "resources") {
        let resource = |resource: &Value| {
            let mut of = json!({});
            for (path, field) in [("uid", "ARN"), ("type", "type"), ("account.uid", "accountId")] {
                set(&mut of, path, resource.get(field).filter(|value| !value.is_null()).cloned());
            }
            of
        };
        set(&mut row, "resources", Some(resources.iter().map(resource).collect()));
    }
    let mut rest = BTreeMap::new();
    flatten(event, "", &mut rest);
    let rest: Map<String, Value> = rest.into_iter().map(|(path, text)| (path, text.into())).collect();
    row["unmapped"] = Value::Object(rest);
    row["accountid"] = row.pointer("/unmapped/recipientAccountId").cloned().unwrap_or_default();
    row["region"] = row.pointer("/cloud/region").cloned().unwrap_or_default();
    row
}

/// The folders of a Security Lake: by source, region, account and day.
pub fn security_lake(folder: &Path, events: &[Value], with_rest: bool) {
    let mut by_folder: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in events {
        let row = ocsf_row(event);
        let day = event["eventTime"].as_str().expect("a time")[..10].replace('-', "");
        let (region, account) = (row["region"].as_str(), row["accountid"].as_str());
        let below = format!(
            "aws/CLOUD_TRAIL_MGMT/2.0/region={}/accountId={}/eventDay={day}",
            region.unwrap_or("unknown"),
            account.unwrap_or("unknown")
        );
        by_folder.entry(below).or_default().push(row);
    }
    for (number, (below, rows)) in by_folder.iter().enumerate() {
        let path = folder.join(below).join(format!("part-{number}.zstd.parquet"));
        write(&path, ocsf_fields(with_rest), rows, Compression::ZSTD(ZstdLevel::default()));
    }
}

/// The files of an Athena table: some hundred events each.
pub fn athena(folder: &Path, events: &[Value]) {
    for (number, events) in events.chunks(700).enumerate() {
        let rows: Vec<Value> = events.iter().map(athena_row).collect();
        write(
            &folder.join(format!("{number:04}.snappy.parquet")),
            athena_fields(),
            &rows,
            Compression::SNAPPY,
        );
    }
}
