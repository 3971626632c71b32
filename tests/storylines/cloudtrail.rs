//! Events as CloudTrail writes them.

use super::*;

pub(super) const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";
const SDK: &str = "Boto3/1.40.52 md/Botocore#1.40.52 ua/2.1 os/linux#6.1.0-37-amd64 lang/python#3.12.3";

/// An id of AWS's shape out of a name: `AKIA`, `ci` → `AKIACI7777777EXAMPLE`.
fn aws_id(kind: &str, of: &str, length: usize) -> String {
    let letters = of.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase());
    let own: String = letters.chain(std::iter::repeat('7')).take(length).collect();
    format!("{kind}{own}EXAMPLE")
}

pub(super) fn key(kind: &str, of: &str) -> String {
    aws_id(kind, of, 9)
}

pub(super) fn user_id(name: &str) -> String {
    aws_id("AIDA", name, 10)
}

/// An IAM user with a long-lived key.
pub(super) fn user(name: &str) -> Value {
    user_with_key(name, &key("AKIA", name))
}

pub(super) fn user_with_key(name: &str, key: &str) -> Value {
    json!({"type": "IAMUser", "principalId": user_id(name), "arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
        "accountId": ACCOUNT, "accessKeyId": key, "userName": name})
}

/// A session of a role; its key is made of the session's name.
pub(super) fn role(name: &str, session: &str) -> Value {
    let id = aws_id("AROA", name, 10);
    let issuer = json!({"type": "Role", "principalId": id, "arn": format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
        "accountId": ACCOUNT, "userName": name});
    let attributes = json!({"creationDate": "2026-03-02T08:30:00Z", "mfaAuthenticated": "false"});
    json!({"type": "AssumedRole", "principalId": format!("{id}:{session}"),
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}"), "accountId": ACCOUNT,
        "accessKeyId": key("ASIA", &format!("{session}{name}")),
        "sessionContext": {"sessionIssuer": issuer, "attributes": attributes}})
}

/// A call of an API. The company has a table of the clouds' addresses, without which rules that ask for
/// them do not run; this address is not in it.
pub(super) fn call(who: &Value, ip: &str, service: &str, name: &str, request: Value) -> Event {
    let reads = ["Get", "List", "Describe", "Invoke", "Converse"].iter().any(|verb| name.starts_with(verb));
    let raw = json!({"eventVersion": "1.11", "userIdentity": who,
        "eventSource": format!("{service}.amazonaws.com"), "eventName": name, "awsRegion": "us-east-1",
        "sourceIPAddress": ip, "userAgent": SDK, "requestParameters": request, "responseElements": null,
        "readOnly": reads, "eventType": "AwsApiCall", "managementEvent": true,
        "recipientAccountId": ACCOUNT, "eventCategory": "Management"});
    Event { enrich: vec![("src_is_cloud", json!(false))], ..Event::new(CLOUDTRAIL, raw) }
}

pub(super) enum Login {
    Failed,
    WithoutMfa,
    WithMfa,
}

/// A sign-in to the console. One that fails names the user, but has no ARN yet.
pub(super) fn console_login(name: &str, ip: &str, login: Login) -> Event {
    let mut identity = json!({"type": "IAMUser", "principalId": user_id(name), "accountId": ACCOUNT,
        "accessKeyId": "", "userName": name});
    let failed = matches!(login, Login::Failed);
    if !failed {
        identity["arn"] = json!(format!("arn:aws:iam::{ACCOUNT}:user/{name}"));
    }
    let mut event = call(&identity, ip, "signin", "ConsoleLogin", Value::Null);
    event.raw["userAgent"] = json!(BROWSER);
    event.raw["eventType"] = json!("AwsConsoleSignIn");
    event.raw["responseElements"] = json!({"ConsoleLogin": if failed { "Failure" } else { "Success" }});
    if failed {
        event.raw["errorMessage"] = json!("Failed authentication");
    }
    let mfa = if matches!(login, Login::WithMfa) { "Yes" } else { "No" };
    event.raw["additionalEventData"] = json!({"LoginTo": "https://console.aws.amazon.com/console/home",
        "MobileVersion": "No", "MFAUsed": mfa});
    event
}

pub(super) fn access_key_created(who: &Value, ip: &str, of: &str, key: &str) -> Event {
    let made = json!({"accessKey": {"userName": of, "accessKeyId": key, "status": "Active"}});
    call(who, ip, "iam", "CreateAccessKey", json!({"userName": of})).answered(made)
}

/// A read of an object, of so many bytes; CloudTrail writes them as a float.
pub(super) fn get_object(who: &Value, ip: &str, bucket: &str, object: &str, bytes: f64) -> Event {
    let host = format!("{bucket}.s3.us-east-1.amazonaws.com");
    let request = json!({"bucketName": bucket, "Host": host, "key": object});
    let mut event = call(who, ip, "s3", "GetObject", request);
    event.raw["additionalEventData"] = json!({"SignatureVersion": "SigV4", "AuthenticationMethod": "AuthHeader",
        "bytesTransferredIn": 0.0, "bytesTransferredOut": bytes});
    event.raw["resources"] = json!([
        {"type": "AWS::S3::Object", "ARN": format!("arn:aws:s3:::{bucket}/{object}")},
        {"type": "AWS::S3::Bucket", "ARN": format!("arn:aws:s3:::{bucket}"), "accountId": ACCOUNT}]);
    event.raw["managementEvent"] = json!(false);
    event.raw["eventCategory"] = json!("Data");
    event
}
