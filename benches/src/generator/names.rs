//! Names and ids of things: the vocabulary that templates draw on.
//!
//! A name is itself a template of invented words, and mostly new each time. But a trail that never names
//! the same bucket twice is as unreal as one that only knows one bucket, so a part of each kind of name
//! comes back: [`seed`] then starts the name from a small number, low ones far more often than high ones.

use super::rng::{Rng, fnv, mix};
use super::template::{Op, Program, Scene, Slots, Value, compile, run};

/// How a kind of name is made.
struct Kind {
    /// The token.
    token: &'static str,
    /// How many in a thousand come back from before.
    recurring: u32,
    /// The templates it is made from, each as likely as the next.
    forms: &'static [&'static str],
}

const fn kind(token: &'static str, recurring: u32, forms: &'static [&'static str]) -> Kind {
    Kind { token, recurring, forms }
}

/// Every name that a template may use. Shapes, lengths and share of new ones follow what real trails show:
/// stack-made names with a random tail, object keys with dates, people's names on people's things.
const KINDS: &[Kind] = &[
    kind("bucket", 350, &["<word>-<env>-<az:8>", "<word>-<word>-<env>", "<word>-<word>bucket<hex:8>-<az:6>"]),
    kind(
        "key",
        80,
        &[
            "<word>/dt=<n:2023:2025>-<n:10:12>-<n:10:28>/part-<n:0:9>000<n:10:99>-<hex:12>.parquet",
            "<env>/<word>/<n:2023:2025>/<n:1:12>/<n:1:28>/<hex:16>.json.gz",
            "uploads/<az:12>/<word>-<n:1:400>.<pick:pdf|png|jpg|csv>",
            "<word>/<word>/<az:20>",
            "state/<env>/<word>/terraform.tfstate",
        ],
    ),
    kind(
        "role",
        500,
        &["<word>-<env>-role", "<word>-<word>-<env>", "<word>TaskRole-<AZ:8>", "<word>-<word>"],
    ),
    kind("user", 500, &["<first>.<word>", "svc-<word>-<word>", "<first>-<word>"]),
    kind("group", 700, &["<word>-<pick:admins|developers|operators|readers|auditors>"]),
    kind("policy", 500, &["<word>-<word>-<pick:read|write|deploy|boundary>", "<word>-<env>-policy-<az:6>"]),
    kind("function", 500, &["<word>-<word>-<env>", "<word>-<env>-<word>Handler-<AZ:12>"]),
    kind("table", 600, &["<word>-<word>-<env>", "<env>.<word>_<word>"]),
    kind("secret", 400, &["<env>/<word>/<word>-<az:4>", "<word>-<word>-credentials-<az:6>"]),
    kind("param", 400, &["/<env>/<word>/<word>/<word>", "/<word>/<word>-<n:1:60>"]),
    kind("loggroup", 400, &["/aws/lambda/<word>-<word>-<env>", "/ecs/<word>-<env>", "/<word>/<word>/<az:5>"]),
    kind("logstream", 50, &["<n:2023:2025>/<n:10:12>/<n:10:28>/[$LATEST]<hex:32>", "<word>/<word>/<hex:32>"]),
    kind("cluster", 800, &["<word>-<env>-<n:1:4>", "<env>-<word>"]),
    kind("repo", 700, &["<word>/<word>", "<word>-<word>"]),
    kind("db", 700, &["<word>-<env>-<n:1:3>", "<word>-<word>-<env>"]),
    kind("queue", 600, &["<word>-<word>-<env>.fifo", "<word>-<env>-dead-letter", "<word>-<word>-<env>"]),
    kind("topic", 600, &["<word>-<env>-alerts", "<word>-<word>"]),
    kind("stack", 500, &["<word>-<env>", "<word>-<word>-<env>-<az:6>"]),
    kind("trail", 800, &["<word>-organization-trail", "<word>-<env>-trail"]),
    kind("alarm", 500, &["<word>-<env>-<pick:cpu|latency|errors|queue-depth>-<pick:high|critical>"]),
    kind("asg", 600, &["<word>-<env>-<az:10>", "eks-<word>-<uuid>"]),
    kind("lb", 600, &["app/<word>-<env>/<hex:16>", "net/<word>-<word>/<hex:16>"]),
    kind("statemachine", 500, &["<word>-<word>-<env>", "<word>Pipeline-<AZ:12>"]),
    kind("session", 50, &["<word>-<hex:16>", "<word>-<n:1000:999999>", "<first>.<word>"]),
    kind("build", 0, &["<word>-build-<n:1000:99999>", "<word>-<word>-run-<n:1000000:9999999>"]),
    kind("label", 300, &["<word>-<word>", "<word>-<env>", "<word>"]),
    kind("account2", 600, &["<n:1000:9899><n:1000:9999><n:1000:9999>"]),
    kind("kmskey", 700, &["<uuid>"]),
    kind("email", 900, &["<first>.<word>@<word>.example"]),
    kind(
        "model",
        1000,
        &[
            "anthropic.claude-<pick:3-haiku-20240307|3-5-sonnet-20240620|3-5-haiku-20241022>-v1:0",
            "amazon.nova-<pick:micro|lite|pro>-v1:0",
            "amazon.titan-embed-text-v<pick:1|2:0>",
            "meta.llama3-<pick:8b|70b>-instruct-v1:0",
            "us.anthropic.claude-sonnet-4-20250514-v1:0",
            "mistral.mistral-large-24<pick:02|07>-v1:0",
        ],
    ),
    kind(
        "itype",
        1000,
        &["<pick:t3|t3a|m5|m6i|m7g|c6i|c7g|r6i>.<pick:micro|small|large|xlarge|2xlarge|4xlarge>"],
    ),
    kind("zone", 1000, &["<region><pick:a|b|c>"]),
    kind("privatehost", 100, &["ip-10-<n:0:63>-<n:0:255>-<n:0:255>"]),
];

/// Ids: the token, and what stands before the sixteen hexadecimal digits.
const IDS: &[(&str, &str)] = &[
    ("instance", "i-0"),
    ("vpc", "vpc-0"),
    ("subnet", "subnet-0"),
    ("sg", "sg-0"),
    ("sgrule", "sgr-0"),
    ("eni", "eni-0"),
    ("vol", "vol-0"),
    ("snap", "snap-0"),
    ("ami", "ami-0"),
    ("rtb", "rtb-0"),
    ("igw", "igw-0"),
    ("nat", "nat-0"),
    ("acl", "acl-0"),
    ("dopt", "dopt-0"),
    ("eip", "eipalloc-0"),
    ("lt", "lt-0"),
    ("fl", "fl-0"),
    ("vpce", "vpce-0"),
    ("assoc", "rtbassoc-0"),
    ("reservation", "r-0"),
];

const WORDS: &[&str] = &[
    "acorn",
    "alder",
    "amber",
    "anchor",
    "apollo",
    "atlas",
    "aurora",
    "badger",
    "baltic",
    "basalt",
    "beacon",
    "billing",
    "birch",
    "bonsai",
    "breeze",
    "bridge",
    "canary",
    "canvas",
    "carbon",
    "cargo",
    "catalog",
    "cedar",
    "checkout",
    "cipher",
    "citadel",
    "cobalt",
    "comet",
    "copper",
    "coral",
    "courier",
    "crater",
    "crystal",
    "customer",
    "dahlia",
    "delta",
    "depot",
    "dune",
    "ember",
    "events",
    "exports",
    "falcon",
    "fern",
    "fjord",
    "flint",
    "forge",
    "fraud",
    "gateway",
    "geyser",
    "glacier",
    "granite",
    "grove",
    "harbor",
    "hazel",
    "helium",
    "heron",
    "horizon",
    "identity",
    "indigo",
    "ingest",
    "inventory",
    "invoice",
    "island",
    "ivory",
    "jasper",
    "juniper",
    "kelp",
    "kernel",
    "kestrel",
    "lagoon",
    "lantern",
    "ledger",
    "lichen",
    "lotus",
    "lumen",
    "lynx",
    "magnet",
    "mango",
    "maple",
    "marble",
    "meadow",
    "media",
    "mercury",
    "meteor",
    "metrics",
    "mirage",
    "mobile",
    "nectar",
    "nimbus",
    "notify",
    "oasis",
    "onyx",
    "orbit",
    "orchid",
    "orders",
    "osprey",
    "otter",
    "oxide",
    "payments",
    "pebble",
    "pelican",
    "pine",
    "pixel",
    "platform",
    "plover",
    "portal",
    "prairie",
    "pricing",
    "prism",
    "profile",
    "pulsar",
    "quartz",
    "quill",
    "rapid",
    "raven",
    "reports",
    "reef",
    "relay",
    "ripple",
    "river",
    "rocket",
    "saffron",
    "sage",
    "scout",
    "search",
    "sedge",
    "session",
    "shipping",
    "signal",
    "silver",
    "sky",
    "slate",
    "snow",
    "sonar",
    "spruce",
    "stream",
    "summit",
    "sumac",
    "tally",
    "tempest",
    "tenant",
    "thistle",
    "timber",
    "topaz",
    "tundra",
    "umber",
    "valley",
    "vector",
    "velvet",
    "vertex",
    "violet",
    "walnut",
    "warden",
    "warehouse",
    "webhook",
    "willow",
    "zephyr",
];
const ENVS: &[&str] = &[
    "prod",
    "prod",
    "prod",
    "production",
    "staging",
    "stage",
    "dev",
    "dev",
    "test",
    "qa",
    "sandbox",
    "shared",
];
const FIRST: &[&str] = &[
    "ada", "ben", "carla", "dmitri", "elif", "farid", "greta", "hugo", "ines", "jonas", "kenji", "lea",
    "marta", "nils", "olga", "pavel", "rosa", "sami", "tariq", "uma", "vera", "wen", "yara", "zoe",
];

/// The value that a token of this file stands for.
pub fn value(token: &str) -> Option<Value> {
    match token {
        "word" => return Some(Value::Word(WORDS)),
        "env" => return Some(Value::Word(ENVS)),
        "first" => return Some(Value::Word(FIRST)),
        _ => {}
    }
    if let Some((_, prefix)) = IDS.iter().find(|(known, _)| *known == token) {
        return Some(Value::Id(prefix));
    }
    KINDS.iter().position(|kind| kind.token == token).map(Value::Name)
}

/// A seed for a value of a kind: `recurring` times in a thousand one of 65,536, the low ones far more
/// often than the high ones, and new otherwise.
pub fn seed(rng: &mut Rng, kind: u64, recurring: u32) -> u64 {
    let draw = rng.draw();
    if (draw >> 40) % 1000 < u64::from(recurring) {
        let rank = (draw & 0xffff) >> ((draw >> 16) & 15);
        mix(kind << 32 | rank)
    } else {
        draw
    }
}

/// The names, compiled.
#[derive(Debug)]
pub struct Names {
    kinds: Vec<(u64, u32, Vec<Program>)>,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    /// Compiles the table.
    pub fn new() -> Self {
        let compiled = |kind: &Kind| {
            let forms = kind.forms.iter().map(|form| fresh(form)).collect();
            (fnv(kind.token.as_bytes()) >> 32, kind.recurring, forms)
        };
        Self { kinds: KINDS.iter().map(compiled).collect() }
    }

    /// Appends a name of the kind at `at`.
    pub fn write(&self, at: usize, out: &mut Vec<u8>, rng: &mut Rng, scene: &Scene<'_>) {
        let (salt, recurring, forms) = &self.kinds[at];
        let mut own = Rng::new(seed(rng, *salt, *recurring));
        let form = own.below(forms.len() as u32) as usize;
        run(&forms[form], out, &mut own, scene, &mut Slots::default());
    }
}

/// A template in which no value comes back: two words of a name are two words.
fn fresh(form: &str) -> Program {
    let [program] = compile([form]);
    program.into_iter().map(|op| if let Op::Keep(value, _) = op { Op::Draw(value) } else { op }).collect()
}
