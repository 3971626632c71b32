//! The shape of an event: what a row of the tables says, and how a row becomes bytes.
//!
//! A [`Service`] is a table of [`Shape`]s, one per API call. A row holds the call's share, who makes it, the
//! templates of its parameters and answer, and what it fails with. Compiled against its service it is a
//! [`Recipe`], and [`Recipe::write`] puts the fields down in the order in which CloudTrail does:
//!
//! ```text
//! eventVersion userIdentity eventTime eventSource eventName awsRegion sourceIPAddress userAgent
//! [errorCode errorMessage] requestParameters responseElements [additionalEventData] requestID eventID
//! readOnly [resources] eventType managementEvent recipientAccountId [sharedEventID]
//! [serviceEventDetails] [vpcEndpointId] eventCategory [tlsDetails] [sessionCredentialFromConsole]
//! ```

use super::people::{Actor, Who};
use super::rng::{Rng, Weighted, mix};
use super::template::{Program, Scene, Slots, compile, run};
use super::text;

/// How a call fails: `errorCode`, `errorMessage`, and how many calls in a thousand. The codes are those of
/// the services; the messages, but for the form in which a denial names user and action, are our own words.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    code: &'static str,
    message: &'static str,
    per_mille: u32,
}

/// A failure of some calls in a thousand.
pub const fn fault(code: &'static str, message: &'static str, per_mille: u32) -> Fault {
    Fault { code, message, per_mille }
}

/// A service and its calls.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// What stands before `.amazonaws.com`.
    pub host: &'static str,
    /// Its share of the native trail of the corpus, in ten thousand; 0 where the corpus has none.
    pub corpus: u32,
    /// Its share here.
    pub share: u32,
    /// Answers only in us-east-1.
    pub global: bool,
    /// The prefix of its error codes: `Client.` for EC2.
    pub prefix: &'static str,
    /// What denies a call: the code, after the prefix, and the message.
    pub denied: (&'static str, &'static str),
    /// Its calls.
    pub shapes: &'static [Shape],
}

/// The message of most services when a call is denied.
const NOT_AUTHORIZED: &str = "User: <me> is not authorized to perform: <action>";

/// A regional service.
pub const fn service(host: &'static str, corpus: u32, share: u32, shapes: &'static [Shape]) -> Service {
    let denied = ("AccessDeniedException", NOT_AUTHORIZED);
    Service { host, corpus, share, global: false, prefix: "", denied, shapes }
}

/// A service that answers only in us-east-1.
pub const fn global(host: &'static str, corpus: u32, share: u32, shapes: &'static [Shape]) -> Service {
    let denied = ("AccessDenied", NOT_AUTHORIZED);
    Service { global: true, denied, ..service(host, corpus, share, shapes) }
}

/// One API call.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    name: &'static str,
    weight: u32,
    read_only: bool,
    data: bool,
    who: Who,
    params: &'static str,
    response: &'static str,
    additional: &'static str,
    resources: &'static str,
    details: &'static str,
    host: &'static str,
    event_type: &'static str,
    fault: Option<Fault>,
    via: Option<(&'static str, u32)>,
}

/// A call that reads, made `weight` times for each time that a row of weight 1 of its service is.
pub const fn read(name: &'static str, weight: u32) -> Shape {
    Shape {
        name,
        weight,
        read_only: true,
        data: false,
        who: Who::Any,
        params: "null",
        response: "null",
        additional: "",
        resources: "",
        details: "",
        host: "",
        event_type: "AwsApiCall",
        fault: None,
        via: None,
    }
}

/// A call that changes something.
pub const fn write(name: &'static str, weight: u32) -> Shape {
    Shape { read_only: false, ..read(name, weight) }
}

impl Shape {
    /// Its weight.
    pub const fn weight(&self) -> u64 {
        self.weight as u64
    }

    /// With these `requestParameters`.
    pub const fn p(self, params: &'static str) -> Self {
        Self { params, ..self }
    }

    /// With these `responseElements`.
    pub const fn r(self, response: &'static str) -> Self {
        Self { response, ..self }
    }

    /// With this `additionalEventData`.
    pub const fn a(self, additional: &'static str) -> Self {
        Self { additional, ..self }
    }

    /// With these `resources`, without the brackets of the list.
    pub const fn on(self, resources: &'static str) -> Self {
        Self { resources, ..self }
    }

    /// Made by this kind of caller.
    pub const fn by(self, who: Who) -> Self {
        Self { who, ..self }
    }

    /// Made so many times in a thousand by a service on the caller's behalf.
    pub const fn via(self, host: &'static str, per_mille: u32) -> Self {
        Self { via: Some((host, per_mille)), ..self }
    }

    /// Fails so many times in a thousand in a way of its own.
    pub const fn fails(self, code: &'static str, message: &'static str, per_mille: u32) -> Self {
        Self { fault: Some(fault(code, message, per_mille)), ..self }
    }

    /// A data event.
    pub const fn data(self) -> Self {
        Self { data: true, ..self }
    }

    /// The host that the client spoke to, where it is not the service's own.
    pub const fn to(self, host: &'static str) -> Self {
        Self { host, ..self }
    }

    /// Reported by the service itself, with these `serviceEventDetails` (or none).
    pub const fn reported(self, host: &'static str, details: &'static str) -> Self {
        Self { details, event_type: "AwsServiceEvent", who: Who::Report(host), ..self }
    }

    /// A sign-in at the console.
    pub const fn sign_in(self) -> Self {
        Self { event_type: "AwsConsoleSignIn", who: Who::SignIn, ..self }
    }
}

/// Calls in a thousand that are denied, and that are throttled, on top of the failures of a row. The native
/// trail: 10.3 % errors, of which 35 in a thousand events throttled, 21 denied or unauthorized, the rest
/// "no such thing"; the benign console: 1.8 %; an attacker enumerating: 49 %.
const DENIED: u32 = 24;
const THROTTLED: u32 = 12;

/// Versions of the record. The corpus: 1.08 in the native trail of 2023; 1.08 to 1.11 in examples of 2025.
const VERSIONS: [(&str, u64); 4] = [("08", 25), ("09", 30), ("10", 15), ("11", 30)];

/// TLS 1.3 in a thousand calls (87 of 1,000 in 2023; more since).
const TLS13: u32 = 450;

/// A row, compiled.
#[derive(Debug)]
pub struct Recipe {
    /// Who makes the call.
    pub who: Who,
    region: Option<&'static str>,
    head: String,
    middle: String,
    shape: Shape,
    s3: bool,
    prefix: &'static str,
    denied_code: String,
    command: String,
    parts: Parts,
}

/// The programs of a row. They share the values of their tokens.
#[derive(Debug)]
struct Parts {
    params: Program,
    response: Program,
    additional: Program,
    resources: Program,
    details: Program,
    host: Program,
    failed: Program,
    denied: Program,
}

impl Recipe {
    /// Compiles a row of `service`.
    pub fn new(service: &Service, shape: &Shape) -> Self {
        let own_host = if service.global { "" } else { ".<region>" };
        let own_host = format!("{}{own_host}.amazonaws.com", service.host);
        let action = format!("{}:{}", service.host, shape.name.trim_end_matches("20150331"));
        let denied = service.denied.1.replace("<action>", &action);
        let [params, response, additional, resources, details, host, failed, denied] = compile([
            shape.params,
            shape.response,
            shape.additional,
            shape.resources,
            shape.details,
            if shape.host.is_empty() { &own_host } else { shape.host },
            shape.fault.map_or("", |fault| fault.message),
            &denied,
        ]);
        let parts = Parts { params, response, additional, resources, details, host, failed, denied };
        Self {
            who: shape.who,
            region: service.global.then_some("us-east-1"),
            head: head(service, shape),
            middle: middle(shape),
            shape: *shape,
            s3: service.host == "s3",
            prefix: service.prefix,
            denied_code: format!("{}{}", service.prefix, service.denied.0),
            command: format!(" md/command#{}.{}", service.host, kebab(shape.name)),
            parts,
        }
    }
}

fn head(service: &Service, shape: &Shape) -> String {
    format!(
        "\",\"eventSource\":\"{}.amazonaws.com\",\"eventName\":\"{}\",\"awsRegion\":\"",
        service.host, shape.name
    )
}

fn middle(shape: &Shape) -> String {
    format!(
        "\"eventType\":\"{}\",\"managementEvent\":{},\"recipientAccountId\":\"",
        shape.event_type, !shape.data
    )
}

/// `DescribeVpcs` to `describe-vpcs`, as the command line writes it.
fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for (at, letter) in name.chars().enumerate() {
        if at > 0 && letter.is_ascii_uppercase() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

/// What chance decides about one event before it is written.
struct Turn<'a> {
    agent: &'a [u8],
    address: &'a [u8],
    invoked_by: Option<&'a str>,
    console: bool,
    tls: bool,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Failed,
    Denied,
    Throttled,
}

/// Whether an event may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Luck {
    /// As often as the tables say.
    Real,
    /// Never: an attack that is to be counted must succeed.
    Good,
}

/// What all events share: the chance behind `eventVersion`.
#[derive(Debug)]
pub struct Writer {
    version: Weighted,
}

impl Writer {
    /// Compiles the tables.
    pub fn new() -> Self {
        Self { version: Weighted::new(&VERSIONS.map(|(_, share)| share)) }
    }

    /// Appends one event of `recipe`, made by `actor`; gives the region it went to.
    pub fn write(
        &self,
        recipe: &Recipe,
        actor: Actor<'_>,
        luck: Luck,
        scene: Scene<'_>,
        rng: &mut Rng,
        out: &mut Vec<u8>,
    ) -> &'static str {
        let region = recipe.region.unwrap_or(actor.region);
        let scene = Scene {
            account: actor.account,
            region,
            me: actor.session.me(),
            mine: actor.mine,
            tls13: rng.chance(TLS13),
            ..scene
        };
        let turn = recipe.turn(&actor, luck, rng);
        let version = VERSIONS[self.version.pick(rng)].0;
        recipe.write(version, &actor, &turn, &scene, rng, out);
        region
    }
}

const INTERNAL: &str = "AWS Internal";

impl Recipe {
    /// Draws how the call is made and how it ends.
    fn turn<'a>(&'a self, actor: &Actor<'a>, luck: Luck, rng: &mut Rng) -> Turn<'a> {
        let session = actor.session;
        let passing =
            !matches!(self.who, Who::Any | Who::Workload | Who::Pipeline | Who::Console | Who::User);
        let service = matches!(self.who, Who::Service(_) | Who::Report(_));
        let outcome = if luck == Luck::Good || service { Outcome::Done } else { self.outcome(rng) };
        let plain = Turn {
            agent: &session.agent,
            address: &session.address,
            invoked_by: None,
            console: session.console && !passing,
            tls: !session.console && !service,
            outcome,
        };
        match self.shape.via {
            Some((host, per_mille)) if rng.chance(per_mille) => {
                let name = host.as_bytes();
                return Turn {
                    agent: name,
                    address: name,
                    invoked_by: Some(host),
                    console: false,
                    tls: false,
                    ..plain
                };
            }
            _ => {}
        }
        if !plain.console {
            return plain;
        }
        // Of the 426 console calls in the native trail, 226 came from the person's address with an internal
        // agent, 170 from inside altogether, the others with an agent of their own.
        let internal = INTERNAL.as_bytes();
        match rng.below(1000) {
            0..530 => Turn { agent: internal, ..plain },
            530..700 => Turn {
                agent: internal,
                address: internal,
                invoked_by: Some(INTERNAL),
                console: false,
                ..plain
            },
            _ => plain,
        }
    }

    fn outcome(&self, rng: &mut Rng) -> Outcome {
        let roll = rng.below(1000);
        let failed = self.shape.fault.map_or(0, |fault| fault.per_mille);
        let throttled = if self.shape.data { 0 } else { THROTTLED };
        match roll {
            _ if roll < failed => Outcome::Failed,
            _ if self.shape.event_type != "AwsApiCall" => Outcome::Done,
            _ if roll < failed + DENIED => Outcome::Denied,
            _ if roll < failed + DENIED + throttled => Outcome::Throttled,
            _ => Outcome::Done,
        }
    }

    fn write(
        &self,
        version: &str,
        actor: &Actor<'_>,
        turn: &Turn<'_>,
        scene: &Scene<'_>,
        rng: &mut Rng,
        out: &mut Vec<u8>,
    ) {
        let slots = &mut Slots::default();
        put(out, &["{\"eventVersion\":\"1.", version, "\",\"userIdentity\":"]);
        self.identity(actor, turn, out);
        put(out, &[",\"eventTime\":\""]);
        text::iso(out, scene.now);
        put(out, &[&self.head, scene.region, "\",\"sourceIPAddress\":\""]);
        out.extend_from_slice(turn.address);
        put(out, &["\",\"userAgent\":\""]);
        self.agent(turn, out);
        out.push(b'"');
        self.failure(turn.outcome, scene, rng, slots, out);
        self.body(turn.outcome, scene, rng, slots, out);
        self.ids(turn.outcome, scene, rng, slots, out);
        self.tail(actor, turn, scene, rng, slots, out);
    }

    fn identity(&self, actor: &Actor<'_>, turn: &Turn<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&actor.session.identity);
        match turn.invoked_by {
            Some(host) => put(out, &[",\"invokedBy\":\"", host, "\"}"]),
            None => out.push(b'}'),
        }
    }

    /// S3 puts the agent in brackets; the command line of version 2 names its command.
    fn agent(&self, turn: &Turn<'_>, out: &mut Vec<u8>) {
        let bracket = self.s3 && turn.tls;
        if bracket {
            out.push(b'[');
        }
        out.extend_from_slice(turn.agent);
        if turn.agent.starts_with(b"aws-cli/2") {
            put(out, &[&self.command]);
        }
        if bracket {
            out.push(b']');
        }
    }

    fn failure(
        &self,
        outcome: Outcome,
        scene: &Scene<'_>,
        rng: &mut Rng,
        slots: &mut Slots,
        out: &mut Vec<u8>,
    ) {
        match (outcome, self.shape.fault) {
            (Outcome::Failed, Some(fault)) if fault.code.is_empty() => {
                put(out, &[",\"errorMessage\":\""]);
                run(&self.parts.failed, out, rng, scene, slots);
            }
            (Outcome::Failed, Some(fault)) => {
                put(out, &[",\"errorCode\":\"", self.prefix, fault.code, "\",\"errorMessage\":\""]);
                run(&self.parts.failed, out, rng, scene, slots);
            }
            (Outcome::Denied, _) => {
                put(out, &[",\"errorCode\":\"", &self.denied_code, "\",\"errorMessage\":\""]);
                run(&self.parts.denied, out, rng, scene, slots);
            }
            (Outcome::Throttled, _) => {
                let code =
                    if self.prefix.is_empty() { "ThrottlingException" } else { "RequestLimitExceeded" };
                put(out, &[",\"errorCode\":\"", self.prefix, code, "\",\"errorMessage\":\"Rate exceeded"]);
            }
            _ => return,
        }
        out.push(b'"');
    }

    fn body(&self, outcome: Outcome, scene: &Scene<'_>, rng: &mut Rng, slots: &mut Slots, out: &mut Vec<u8>) {
        put(out, &[",\"requestParameters\":"]);
        run(&self.parts.params, out, rng, scene, slots);
        put(out, &[",\"responseElements\":"]);
        match (outcome, self.shape.event_type) {
            (Outcome::Done, _) => run(&self.parts.response, out, rng, scene, slots),
            (_, "AwsConsoleSignIn") => put(out, &["{\"ConsoleLogin\":\"Failure\"}"]),
            _ => put(out, &["null"]),
        }
        if !self.parts.additional.is_empty() {
            put(out, &[",\"additionalEventData\":"]);
            run(&self.parts.additional, out, rng, scene, slots);
        }
    }

    fn ids(&self, outcome: Outcome, scene: &Scene<'_>, rng: &mut Rng, slots: &mut Slots, out: &mut Vec<u8>) {
        // Sign-ins and reports of a service answer no request.
        if self.shape.event_type == "AwsApiCall" {
            put(out, &[",\"requestID\":\""]);
            if self.s3 {
                text::capitals(out, rng, 16)
            } else {
                text::uuid(out, rng)
            }
            out.push(b'"');
        }
        put(out, &[",\"eventID\":\""]);
        text::uuid(out, rng);
        put(out, &["\",\"readOnly\":", if self.shape.read_only { "true," } else { "false," }]);
        if !self.parts.resources.is_empty() && (outcome != Outcome::Denied || self.s3) {
            put(out, &["\"resources\":["]);
            run(&self.parts.resources, out, rng, scene, slots);
            put(out, &["],"]);
        }
        put(out, &[&self.middle]);
        out.extend_from_slice(scene.account);
        out.push(b'"');
    }

    fn tail(
        &self,
        actor: &Actor<'_>,
        turn: &Turn<'_>,
        scene: &Scene<'_>,
        rng: &mut Rng,
        slots: &mut Slots,
        out: &mut Vec<u8>,
    ) {
        if matches!(self.who, Who::Service(_) | Who::Report(_)) {
            put(out, &[",\"sharedEventID\":\""]);
            text::uuid(out, rng);
            out.push(b'"');
        }
        if !self.parts.details.is_empty() {
            put(out, &[",\"serviceEventDetails\":"]);
            run(&self.parts.details, out, rng, scene, slots);
        }
        if let (Some(endpoint), true) = (actor.session.endpoint, turn.tls) {
            put(out, &[",\"vpcEndpointId\":\"vpce-0"]);
            out.extend_from_slice(&text::hex16(mix(endpoint)));
            out.push(b'"');
        }
        put(out, &[",\"eventCategory\":\"", if self.shape.data { "Data\"" } else { "Management\"" }]);
        if turn.tls {
            let (version, suite) = if scene.tls13 {
                ("3", "TLS_AES_128_GCM_SHA256")
            } else {
                ("2", "ECDHE-RSA-AES128-GCM-SHA256")
            };
            put(out, &[",\"tlsDetails\":{\"tlsVersion\":\"TLSv1.", version, "\",\"cipherSuite\":\"", suite]);
            put(out, &["\",\"clientProvidedHostHeader\":\""]);
            run(&self.parts.host, out, rng, scene, slots);
            put(out, &["\"}"]);
        }
        if turn.console {
            put(out, &[",\"sessionCredentialFromConsole\":\"true\""]);
        }
        out.push(b'}');
    }
}

fn put(out: &mut Vec<u8>, texts: &[&str]) {
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
}
