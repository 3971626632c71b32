//! CloudTrail: who calls, what is called, and the record of it.
//!
//! In: a [`Caller`] and a [`Call`]. Out: an event as CloudTrail writes it, version 1.11, told to the scene.
//! Each kind of caller has the shape of `userIdentity` that it really has: sessions of the identity centre
//! say that no second factor was used even where the directory before it has asked for one; a service that
//! acts by itself has neither ARN nor key; one that acts for a role stands in that role's `invokedBy`.

use serde_json::{Map, Value, json};

use super::Scene;
use super::calendar::{HOUR, MINUTE, Millis, day_of, iso};
use super::company::{self, PEOPLE, REGION, Team};
use super::ids;

/// Who makes a call, from where.
#[derive(Clone)]
pub struct Caller {
    pub account: &'static str,
    pub arn: String,
    /// Of a temporary credential or a long-lived one; empty where there is none.
    pub key: String,
    identity: Value,
    pub ip: String,
    pub agent: String,
    pub region: &'static str,
    console: bool,
}

/// The part of a role's ARN behind `role/`, without its path: its name.
fn name_of(role: &str) -> &str {
    role.rsplit_once('/').map_or(role, |(_, name)| name)
}

/// `arn:aws:iam::111122223333:role/x` → the account.
fn account_of(role: &'static str) -> &'static str {
    role.split(':').nth(4).unwrap_or(company::PROD)
}

impl Caller {
    /// A session of a role.
    pub fn role(role: &'static str, session: &str, key: &str, since: Millis, ip: &str, agent: &str) -> Self {
        Self::session(role, account_of(role), session, key, since, ip, agent)
    }

    /// The same, of a role whose ARN is made up.
    fn session(
        role: &str,
        account: &'static str,
        session: &str,
        key: &str,
        since: Millis,
        ip: &str,
        agent: &str,
    ) -> Self {
        let (name, id) = (name_of(role), ids::unique_id("AROA", role));
        let arn = format!("arn:aws:sts::{account}:assumed-role/{name}/{session}");
        let identity = json!({
            "type": "AssumedRole",
            "principalId": format!("{id}:{session}"),
            "arn": arn,
            "accountId": account,
            "accessKeyId": key,
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": id,
                    "arn": role,
                    "accountId": account,
                    "userName": name,
                },
                "attributes": {"creationDate": iso(since), "mfaAuthenticated": "false"},
            },
        });
        let (ip, agent) = (ip.to_owned(), agent.to_owned());
        Self { account, arn, key: key.to_owned(), identity, ip, agent, region: REGION, console: false }
    }

    /// A program that runs all day in a pod, task or instance: its credentials are new every few hours.
    pub fn workload(scene: &Scene<'_>, role: &'static str, session: &str, ip: &str, agent: &str) -> Self {
        let term = 6 * HOUR;
        let since = scene.at - scene.at.rem_euclid(term) + 2 * MINUTE;
        let key = ids::access_key(&mut ids::of(&format!("{role}/{session}@{since}")), "ASIA");
        Self::role(role, session, &key, since.min(scene.at), ip, agent)
    }

    /// The same in a pod, which has exchanged its own token for the role's.
    pub fn pod(scene: &Scene<'_>, role: &'static str, session: &str, ip: &str, agent: &str) -> Self {
        let mut caller = Self::workload(scene, role, session, ip, agent);
        let provider = format!(
            "arn:aws:iam::{}:oidc-provider/oidc.eks.{REGION}.amazonaws.com/id/4C1F0A97B2D85E63A0D4F7B91C26E058",
            caller.account
        );
        caller.federated(&provider);
        caller
    }

    /// A person's session out of the identity centre; a working day long.
    pub fn person(who: usize, account: &'static str, set: &str, at: Millis, agent: &str) -> Self {
        let upn = PEOPLE[who].upn();
        let name = format!("AWSReservedSSO_{set}_{}", ids::hex(&mut ids::of(&format!("{set}{account}")), 16));
        let role = format!("arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/{REGION}/{name}");
        let key = ids::access_key(&mut ids::of(&format!("{upn}{account}{set}{}", day_of(at))), "ASIA");
        let network = company::whereabouts(who, at);
        Self::session(&role, account, &upn, &key, at - 40_000, &network.ip, agent)
    }

    /// A user with a long-lived key.
    pub fn user(account: &'static str, name: &str, key: &str, ip: &str, agent: &str) -> Self {
        let arn = format!("arn:aws:iam::{account}:user/{name}");
        let identity = json!({
            "type": "IAMUser",
            "principalId": ids::unique_id("AIDA", name),
            "arn": arn,
            "accountId": account,
            "accessKeyId": key,
            "userName": name,
        });
        let (ip, agent) = (ip.to_owned(), agent.to_owned());
        Self { account, arn, key: key.to_owned(), identity, ip, agent, region: REGION, console: false }
    }

    /// A service of AWS by itself.
    pub fn service(account: &'static str, host: &str) -> Self {
        let identity = json!({"type": "AWSService", "invokedBy": host});
        let (arn, key) = (String::new(), String::new());
        let host = host.to_owned();
        Self { account, arn, key, identity, ip: host.clone(), agent: host, region: REGION, console: false }
    }

    /// A service that acts with a role of the account's.
    pub fn on_behalf(scene: &Scene<'_>, role: &'static str, session: &str, host: &str) -> Self {
        let mut caller = Self::workload(scene, role, session, host, host);
        caller.identity["invokedBy"] = json!(host);
        caller
    }

    /// Whom the identity centre has signed in, before any role.
    pub fn identity_centre(who: usize, at: Millis) -> Self {
        let identity = json!({
            "type": "IdentityCenterUser",
            "accountId": company::PROD,
            "onBehalfOf": {
                "userId": ids::guid_of(&format!("{} in the identity centre", PEOPLE[who].name)),
                "identityStoreArn": format!("arn:aws:identitystore::{}:identitystore/d-99672b40e1", company::PROD),
            },
            "credentialId": ids::guid_of(&format!("session of {who} on {}", day_of(at))),
        });
        let (arn, key) = (String::new(), String::new());
        let ip = company::whereabouts(who, at).ip;
        let agent = company::browser(who).to_owned();
        Self { account: company::PROD, arn, key, identity, ip, agent, region: REGION, console: false }
    }

    /// The bearer of a token that is about to be exchanged for a role's session.
    pub fn before_role(mut self, provider: &str, subject: &str) -> Self {
        self.identity = json!({
            "type": "WebIdentityUser",
            "principalId": format!("{provider}:sts.amazonaws.com:{subject}"),
            "userName": subject,
            "identityProvider": provider,
        });
        self
    }

    /// Says whose token the session was made for.
    pub fn federated(&mut self, provider: &str) {
        self.identity["sessionContext"]["webIdFederationData"] =
            json!({"federatedProvider": provider, "attributes": {}});
    }

    /// In the console.
    pub fn in_console(mut self) -> Self {
        self.console = true;
        self
    }

    pub fn in_region(mut self, region: &'static str) -> Self {
        self.region = region;
        self
    }

    /// With another tool.
    pub fn with_agent(mut self, agent: &str) -> Self {
        agent.clone_into(&mut self.agent);
        self
    }

    /// Whether a service's host stands where an address would.
    fn is_service(&self) -> bool {
        self.ip.ends_with(".amazonaws.com")
    }
}

/// The permission set that a team has, and in production.
pub fn permission_set(team: Team, account: &str) -> &'static str {
    match (team, account == company::PROD) {
        (Team::Platform, _) => "PlatformAdmin",
        (Team::Data, false) => "DataScientist",
        (_, false) => "Developer",
        (_, true) => "ReadOnly",
    }
}

/// One call.
pub struct Call {
    service: &'static str,
    name: &'static str,
    read: bool,
    region: Option<&'static str>,
    request: Value,
    response: Value,
    error: Option<(&'static str, String)>,
    /// Of calls that are no management events.
    resources: Option<Value>,
    additional: Option<Value>,
    request_id: Option<String>,
    kind: &'static str,
}

/// Services that have one endpoint for the world.
const GLOBAL: &[&str] =
    &["iam", "organizations", "route53", "cloudfront", "ce", "health", "account", "signin"];

impl Call {
    pub fn read(service: &'static str, name: &'static str) -> Self {
        Self {
            service,
            name,
            read: true,
            region: None,
            request: Value::Null,
            response: Value::Null,
            error: None,
            resources: None,
            additional: None,
            request_id: None,
            kind: "AwsApiCall",
        }
    }

    pub fn write(service: &'static str, name: &'static str) -> Self {
        Self { read: false, ..Self::read(service, name) }
    }

    /// A call on an object in S3, and how many bytes went out and in.
    pub fn object(name: &'static str, bucket: &str, key: &str, out: u64, into: u64) -> Self {
        let reads = name.starts_with("Get") || name.starts_with("Head") || name.starts_with("List");
        let host = format!("{bucket}.s3.{REGION}.amazonaws.com");
        let mut request = json!({"bucketName": bucket, "Host": host});
        let mut resources = vec![];
        if key.is_empty() {
            request["list-type"] = json!("2");
        } else {
            request["key"] = json!(key);
            resources.push(json!({"type": "AWS::S3::Object", "ARN": format!("arn:aws:s3:::{bucket}/{key}")}));
        }
        resources.push(json!({
            "accountId": owner_of(bucket),
            "type": "AWS::S3::Bucket",
            "ARN": format!("arn:aws:s3:::{bucket}"),
        }));
        let additional = json!({
            "SignatureVersion": "SigV4",
            "CipherSuite": "TLS_AES_128_GCM_SHA256",
            "bytesTransferredIn": into,
            "AuthenticationMethod": "AuthHeader",
            "bytesTransferredOut": out,
        });
        Self {
            read: reads,
            request,
            resources: Some(Value::Array(resources)),
            additional: Some(additional),
            ..Self::read("s3", name)
        }
    }

    pub fn with(mut self, request: Value) -> Self {
        self.request = request;
        self
    }

    pub fn gives(mut self, response: Value) -> Self {
        self.response = response;
        self
    }

    pub fn adds(mut self, additional: Value) -> Self {
        self.additional = Some(additional);
        self
    }

    pub fn under(mut self, request_id: &str) -> Self {
        self.request_id = Some(request_id.to_owned());
        self
    }

    pub fn in_region(mut self, region: &'static str) -> Self {
        self.region = Some(region);
        self
    }

    pub fn of_kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    pub fn fails(mut self, code: &'static str, message: impl Into<String>) -> Self {
        self.error = Some((code, message.into()));
        self
    }

    /// Fails for want of a permission.
    pub fn denied(self, who: &Caller) -> Self {
        let what = format!("{}:{}", self.service, self.name);
        let message = format!(
            "User: {} is not authorized to perform: {what} because no identity-based policy allows the {what} action",
            who.arn
        );
        self.fails("AccessDenied", message)
    }
}

/// The account that a bucket is in.
fn owner_of(bucket: &str) -> &'static str {
    if bucket.starts_with("example-ml-") { company::DATA } else { company::PROD }
}

/// The host that a client asks.
fn host(call: &Call, region: &str) -> String {
    match call.service {
        "s3" => call.request["Host"].as_str().unwrap_or("s3.amazonaws.com").to_owned(),
        "iam" | "organizations" | "cloudfront" => format!("{}.amazonaws.com", call.service),
        "bedrock" if call.read && !call.name.starts_with("List") && !call.name.starts_with("Get") => {
            format!("bedrock-runtime.{region}.amazonaws.com")
        }
        "monitoring" => format!("monitoring.{region}.amazonaws.com"),
        service => format!("{service}.{region}.amazonaws.com"),
    }
}

/// Tells of a call.
pub fn tell(scene: &mut Scene<'_>, who: &Caller, call: Call) {
    let region = match call.region {
        Some(region) => region,
        None if GLOBAL.contains(&call.service) => "us-east-1",
        None => who.region,
    };
    let data = call.resources.is_some();
    let mut event = Map::new();
    let mut add = |name: &str, value: Value| event.insert(name.to_owned(), value);
    add("eventVersion", json!("1.11"));
    add("userIdentity", who.identity.clone());
    add("eventTime", json!(iso(scene.at)));
    add("eventSource", json!(format!("{}.amazonaws.com", call.service)));
    add("eventName", json!(call.name));
    add("awsRegion", json!(region));
    add("sourceIPAddress", json!(who.ip));
    add("userAgent", json!(who.agent));
    let host = host(&call, region);
    if let Some((code, message)) = call.error {
        add("errorCode", json!(code));
        add("errorMessage", json!(message));
        add("requestParameters", call.request);
        add("responseElements", Value::Null);
    } else {
        add("requestParameters", call.request);
        add("responseElements", call.response);
    }
    if let Some(additional) = call.additional {
        add("additionalEventData", additional);
    }
    if call.kind == "AwsApiCall" {
        let fresh = || if data { ids::capitals(&mut scene.rng, 16) } else { ids::guid(&mut scene.rng) };
        add("requestID", json!(call.request_id.unwrap_or_else(fresh)));
    }
    add("eventID", json!(ids::guid(&mut scene.rng)));
    add("readOnly", json!(call.read));
    if let Some(resources) = call.resources {
        add("resources", resources);
    }
    add("eventType", json!(call.kind));
    add("managementEvent", json!(!data));
    add("recipientAccountId", json!(who.account));
    if who.ip.starts_with("10.") {
        add("vpcEndpointId", json!("vpce-0b6d1f47a9e2c8350"));
        add("vpcEndpointAccountId", json!(who.account));
    }
    add("eventCategory", json!(if data { "Data" } else { "Management" }));
    if who.console {
        add("sessionCredentialFromConsole", json!("true"));
    } else if call.kind == "AwsApiCall" && !who.is_service() {
        add(
            "tlsDetails",
            json!({
                "tlsVersion": "TLSv1.3",
                "cipherSuite": "TLS_AES_128_GCM_SHA256",
                "clientProvidedHostHeader": host,
            }),
        );
    }
    scene.put(&Value::Object(event));
}
