//! The storylines of the core correlations, as native log events: for each an attack that must raise its
//! alerts, and a benign lookalike that must not, though its events match the same base rules.
//!
//! In: nothing. Out: [`stories`], data that a test runs through the engine with the rules that ship.
//! They are those of the detection catalogue, part B, in its order (`B.1` is the first).
//!
//! A generator makes an event as its source writes it, but for time and id; [`stamp`] puts these in,
//! counted and never drawn by lot: every story begins on Monday, 2026-03-02 at 09:00 UTC, so that nobody
//! needs a clock. All stories happen in one company, whose lists are [`LISTS`]. Addresses are those for
//! documentation: 192.0.2.66 and 203.0.113.66 are an attacker's, 198.51.100.0/24 is the office,
//! 203.0.113.128/25 plays a range of AWS.

mod activity;
mod ai;
mod bedrock;
mod cloudtrail;
mod entra;
mod exfiltration;
mod google;
mod identity;
mod stamps;

use serde_json::{Value, json};

use activity::operation;
use ai::{
    bedrock_apikey_new_network, bedrock_first_invoke_principal, bedrock_model_recon, bedrock_probe_errors,
    distillation_shape, llmjacking_sequence, localauth_then_keys, mass_inference, new_key_then_bedrock,
    token_burn, usage_baseline, weights_first_reader,
};
use bedrock::{PROBED, RECON, invocation, invoke, probe, recon};
use cloudtrail::{
    BROWSER, Login, access_key_created, call, console_login, get_object, key, role, user, user_id,
    user_with_key,
};
use entra::{FRANKFURT, Place, SINGAPORE, SignIn, VIRGINIA, sign_in};
use exfiltration::{logging_tamper_then_exfil, object_bytes, training_data_bulk_read};
use google::gcp_call;
use identity::{
    access_denied_breadth, backdoor_admin_user_chain, console_bruteforce_success, impossible_travel,
    longlived_key_new_network, mfa_fatigue_success, password_spray, sa_key_new_network, secrets_bulk_read,
    session_token_multi_network,
};
use stamps::{daily, every, stamp, uuid};

/// An event and what is known of it beside the log.
pub struct Event {
    /// Seconds from the story's start.
    pub at: i64,
    /// The log source.
    pub source: &'static str,
    /// The event as its source writes it.
    pub raw: Value,
    /// Canonical columns that a lookup table would fill, or that the configuration would decide.
    pub enrich: Vec<(&'static str, Value)>,
}

/// A correlation's attack and its benign lookalike.
pub struct Story {
    /// The correlation under test.
    pub name: &'static str,
    /// The attack, in the order of time.
    pub attack: Vec<Event>,
    /// Correlations and the number of alerts that the attack raises of each.
    pub fires: &'static [(&'static str, usize)],
    /// The lookalike, in the order of time. It raises no alert of `name`.
    pub benign: Vec<Event>,
    /// What the `%placeholders%` of the rules stand for.
    pub lists: &'static [(&'static str, &'static [&'static str])],
}

/// All stories.
pub fn stories() -> Vec<Story> {
    let mut stories = vec![
        console_bruteforce_success(),
        longlived_key_new_network(),
        session_token_multi_network(),
        secrets_bulk_read(),
        access_denied_breadth(),
        password_spray(),
        mfa_fatigue_success(),
        impossible_travel(),
        sa_key_new_network(),
        backdoor_admin_user_chain(),
        bedrock_model_recon(),
        llmjacking_sequence(),
        bedrock_probe_errors(),
        bedrock_first_invoke_principal(),
        bedrock_apikey_new_network(),
        new_key_then_bedrock(),
        mass_inference(),
        token_burn(),
        distillation_shape(),
        usage_baseline(),
        localauth_then_keys(),
        weights_first_reader(),
        object_bytes(),
        training_data_bulk_read(),
        logging_tamper_then_exfil(),
    ];
    for (number, story) in (1..).zip(&mut stories) {
        for (side, events) in [(0xa, &mut story.attack), (0xb, &mut story.benign)] {
            events.sort_by_key(|event| event.at);
            for (count, event) in (1..).zip(events) {
                stamp(event, &uuid(number, side, count));
            }
        }
    }
    stories
}

const ATTACKER: &str = "192.0.2.66";
const ATTACKER_TOO: &str = "203.0.113.66";
const OFFICE: &str = "198.51.100.77";
const OFFICE_TOO: &str = "198.51.100.78";
const VPN: &str = "203.0.113.10";
const HOTEL: &str = "203.0.113.20";
const AWS_RANGE: &str = "203.0.113.140";
const ACCOUNT: &str = "111122223333";
const SISTER_ACCOUNT: &str = "444455556666";
const STRANGERS_ACCOUNT: &str = "999988887777";
const TENANT: &str = "0c5e7a91-3b2d-4f68-9a04-d1e8b6c3f702";
const SUBSCRIPTION: &str = "6b1f0d34-92c7-4e5a-8d13-7fa05b9c2e48";
const PROJECT: &str = "corp-ml";
const CLOUDTRAIL: &str = "aws.cloudtrail";
const INVOCATION: &str = "aws.bedrock_invocation";
const SIGN_IN: &str = "entra.signin";
const ACTIVITY: &str = "azure.activity";
const GCP_AUDIT: &str = "gcp.audit";
const SONNET: &str = "anthropic.claude-3-5-sonnet-20240620-v1:0";
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The company's lists. Whoever stands in none of them is nobody in particular: `posture-scan` is a
/// scanner that nobody has registered.
const LISTS: &[(&str, &[&str])] = &[
    ("own_egress_ips", &[OFFICE, OFFICE_TOO]),
    ("trusted_accounts", &[ACCOUNT, SISTER_ACCOUNT]),
    ("org_buckets", &["corp-audit-archive"]),
    ("org_projects", &[PROJECT]),
    ("log_buckets", &["corp-audit-archive"]),
    ("training_buckets", &["s3://corp-training-data"]),
    ("ml_jobs", &["arn:aws:iam::111122223333:role/train-job"]),
    ("ml_deployers", &["arn:aws:iam::111122223333:role/ml-release"]),
    ("deployers", &["arn:aws:iam::111122223333:role/release"]),
    ("scanner_principals", &["arn:aws:iam::111122223333:role/nightly-audit"]),
    ("ai_service_principals", &["arn:aws:iam::111122223333:role/chat-prod"]),
];

fn story(
    name: &'static str,
    fires: &'static [(&'static str, usize)],
    attack: Vec<Event>,
    benign: Vec<Event>,
) -> Story {
    Story { name, attack, fires, benign, lists: LISTS }
}

impl Event {
    fn new(source: &'static str, raw: Value) -> Self {
        Self { at: 0, source, raw, enrich: Vec::new() }
    }

    fn at(self, at: i64) -> Self {
        Self { at, ..self }
    }

    /// CloudTrail: the call was refused or went wrong.
    fn failed(mut self, code: &str, message: &str) -> Self {
        self.raw["errorCode"] = json!(code);
        self.raw["errorMessage"] = json!(message);
        self
    }

    /// CloudTrail: what the call gave back.
    fn answered(mut self, response: Value) -> Self {
        self.raw["responseElements"] = response;
        self
    }

    /// CloudTrail: the console made the call.
    fn in_console(mut self) -> Self {
        self.raw["sessionCredentialFromConsole"] = json!("true");
        self.raw["userAgent"] = json!(BROWSER);
        self
    }

    /// CloudTrail: the lookup table knows the address for one of a cloud.
    fn inside_aws(mut self) -> Self {
        self.enrich = vec![("src_is_cloud", json!(true))];
        self
    }

    /// Entra: a token was refreshed, and nobody was asked anything.
    fn not_interactive(mut self) -> Self {
        self.raw["category"] = json!("NonInteractiveUserSignInLogs");
        let properties = &mut self.raw["properties"];
        properties["isInteractive"] = json!(false);
        properties["signInEventTypes"] = json!(["nonInteractiveUser"]);
        self
    }
}
