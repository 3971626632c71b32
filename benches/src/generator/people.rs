//! Who acts: accounts and principals come out of the seed, and sessions of them as events need them.
//!
//! A principal is a line of state: its account, its home region, what kind of caller it is and a seed that
//! its own names grow from. What is dear to write (the `userIdentity`, some 250 to 750 bytes of JSON) is
//! written once a session and then copied into every event of it. A session lasts for some tens of events;
//! then the keys, the session name, mostly the address and often the user agent are new, as in a real
//! trail, where temporary credentials live for an hour.
//!
//! The shape of each `userIdentity` is that of the corpus; the shares are not. Its native trail is one
//! afternoon of one administrator with long-lived keys in an account under attack (94.8 % IAMUser, 2.6 %
//! AssumedRole, 1.2 % AWSService, 1.4 % without a type). Here IAMUser has about 59 %, AssumedRole 38 %,
//! AWSService 3 %: roles carry as much as they can while an event keeps the size that was measured, for a
//! role's identity is three times as long as a user's. Root acts only as an attack.

use super::rng::{Rng, Weighted};
use super::template::{Program, Scene, Slots, compile, run};

/// The most principals of one generator. One with a session open takes some 1.5 kB; beyond this the
/// population would fall out of every cache and the generator would measure memory.
pub const MAX_PRINCIPALS: u32 = 100_000;

/// The fewest: with fewer, a kind of caller could be missing.
pub const MIN_PRINCIPALS: u32 = 20;

/// The most accounts: as many as an AWS organisation may have by default.
pub const MAX_ACCOUNTS: u32 = 10_000;

/// A kind of caller: who makes an event of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Any principal, by the shares of [`CLASSES`].
    Any,
    /// A workload: an instance, a function, a pod, a task.
    Workload,
    /// A pipeline or an infrastructure tool.
    Pipeline,
    /// A person in the console.
    Console,
    /// A user with long-lived keys.
    User,
    /// An AWS service on its own, such as `ec2.amazonaws.com`.
    Service(&'static str),
    /// A service that reports something it did: no type, only the account.
    Report(&'static str),
    /// A user who signs in: no key yet.
    SignIn,
    /// The root user of an account.
    Root,
}

/// The kinds of principal, and how many in twenty principals, and in a hundred events, are of each.
pub const CLASSES: [(Who, u32, u64); 4] =
    [(Who::Workload, 7, 14), (Who::Pipeline, 4, 8), (Who::Console, 3, 13), (Who::User, 6, 65)];

/// Regions and their shares. The corpus: 100 % us-east-1 in the native trail, 70 % of the console set with
/// 1.5 to 4 % in each of sixteen others.
pub const REGIONS: [(&str, u64); 17] = [
    ("us-east-1", 440),
    ("us-west-2", 140),
    ("eu-west-1", 110),
    ("eu-central-1", 80),
    ("us-east-2", 60),
    ("ap-southeast-1", 25),
    ("ap-northeast-1", 25),
    ("ap-southeast-2", 20),
    ("us-west-1", 20),
    ("eu-west-2", 20),
    ("ap-south-1", 15),
    ("ca-central-1", 10),
    ("eu-north-1", 10),
    ("eu-west-3", 10),
    ("sa-east-1", 5),
    ("ap-northeast-2", 5),
    ("ap-northeast-3", 5),
];

/// How a kind of caller looks in an event.
struct Guise {
    class: Who,
    /// `userIdentity` without its closing brace.
    identity: &'static str,
    agents: &'static [&'static str],
    /// The address, or two to choose from.
    addresses: &'static [&'static str],
    /// Calls from the console, not over the API.
    console: bool,
    /// How many events a session lasts: from, to.
    lasts: (u32, u32),
}

const USER: &str = r#"{"type":"IAMUser","principalId":"AIDA<my.id32:17>","arn":"arn:aws:iam::<account>:user/<my.user>","accountId":"<account>","accessKeyId":"AKIA<my.id32:16>","userName":"<my.user>""#;
const CONSOLE_USER: &str = r#"{"type":"IAMUser","principalId":"AIDA<my.id32:17>","arn":"arn:aws:iam::<account>:user/<my.user>","accountId":"<account>","accessKeyId":"ASIA<id32:16>","userName":"<my.user>","sessionContext":{"attributes":{"creationDate":"<ago:28800>","mfaAuthenticated":"true"}}"#;
const SSO: &str = r#"{"type":"AssumedRole","principalId":"AROA<my.id32:17>:<my.email>","arn":"arn:aws:sts::<account>:assumed-role/AWSReservedSSO_<my.pick:ReadOnly|PowerUser|Admin|Billing|Support>Access_<my.hex:16>/<my.email>","accountId":"<account>","accessKeyId":"ASIA<id32:16>","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA<my.id32:17>","arn":"arn:aws:iam::<account>:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_<my.pick:ReadOnly|PowerUser|Admin|Billing|Support>Access_<my.hex:16>","accountId":"<account>","userName":"AWSReservedSSO_<my.pick:ReadOnly|PowerUser|Admin|Billing|Support>Access_<my.hex:16>"},"attributes":{"creationDate":"<ago:28800>","mfaAuthenticated":"false"}}"#;
const INSTANCE: &str = r#"{"type":"AssumedRole","principalId":"AROA<my.id32:17>:<instance>","arn":"arn:aws:sts::<account>:assumed-role/<my.role>/<instance>","accountId":"<account>","accessKeyId":"ASIA<id32:16>","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA<my.id32:17>","arn":"arn:aws:iam::<account>:role/<my.role>","accountId":"<account>","userName":"<my.role>"},"attributes":{"creationDate":"<ago:21600>","mfaAuthenticated":"false"},"ec2RoleDelivery":"2.0"}"#;
const FUNCTION: &str = r#"{"type":"AssumedRole","principalId":"AROA<my.id32:17>:<my.function>","arn":"arn:aws:sts::<account>:assumed-role/<my.role>/<my.function>","accountId":"<account>","accessKeyId":"ASIA<id32:16>","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA<my.id32:17>","arn":"arn:aws:iam::<account>:role/<my.role>","accountId":"<account>","userName":"<my.role>"},"attributes":{"creationDate":"<ago:10800>","mfaAuthenticated":"false"}}"#;
const POD: &str = r#"{"type":"AssumedRole","principalId":"AROA<my.id32:17>:botocore-session-17<n:10000000:60000000>","arn":"arn:aws:sts::<account>:assumed-role/<my.role>/botocore-session-17<n:10000000:60000000>","accountId":"<account>","accessKeyId":"ASIA<id32:16>","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA<my.id32:17>","arn":"arn:aws:iam::<account>:role/<my.role>","accountId":"<account>","userName":"<my.role>"},"webIdFederationData":{"federatedProvider":"arn:aws:iam::<account>:oidc-provider/oidc.eks.<region>.amazonaws.com/id/<my.AZ:32>","attributes":{}},"attributes":{"creationDate":"<ago:3600>","mfaAuthenticated":"false"}}"#;
const TASK: &str = r#"{"type":"AssumedRole","principalId":"AROA<my.id32:17>:<hex:32>","arn":"arn:aws:sts::<account>:assumed-role/<my.role>/<hex:32>","accountId":"<account>","accessKeyId":"ASIA<id32:16>","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA<my.id32:17>","arn":"arn:aws:iam::<account>:role/<my.role>","accountId":"<account>","userName":"<my.role>"},"attributes":{"creationDate":"<ago:21600>","mfaAuthenticated":"false"}}"#;
const BUILD: &str = r#"{"type":"AssumedRole","principalId":"AROA<my.id32:17>:<build>","arn":"arn:aws:sts::<account>:assumed-role/<my.word>-deploy/<build>","accountId":"<account>","accessKeyId":"ASIA<id32:16>","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA<my.id32:17>","arn":"arn:aws:iam::<account>:role/<my.word>-deploy","accountId":"<account>","userName":"<my.word>-deploy"},"webIdFederationData":{},"attributes":{"creationDate":"<ago:3000>","mfaAuthenticated":"false"}}"#;

const CLI: &[&str] = &[
    "aws-cli/2.<n:9:27>.<n:0:62> Python/3.11.<n:2:9> Linux/<n:5:6>.<n:4:19>.<n:0:240>-<n:10:999>.amzn<pick:2|2023>.x86_64 exe/x86_64.amzn.2023 prompt/off",
    "aws-cli/2.<n:13:27>.<n:0:62> md/awscrt#0.<n:19:26>.<n:0:21> ua/2.0 os/macos#2<n:1:4>.<n:0:6>.0 md/arch#arm64 lang/python#3.<n:11:13>.<n:1:9> md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/prompt#off",
    "aws-cli/1.<n:18:38>.<n:0:170> Python/3.<n:7:12>.<n:1:16> Linux/5.<n:4:15>.<n:0:240>-<n:10:210>-generic botocore/1.<n:29:36>.<n:0:170>",
    "Boto3/1.<n:26:36>.<n:0:165> Python/3.<n:8:12>.<n:1:16> Linux/5.<n:4:19>.0-<n:20:150>-generic Botocore/1.<n:29:36>.<n:0:165>",
];
const TERRAFORM: &[&str] = &[
    "APN/1.0 HashiCorp/1.0 Terraform/1.<n:1:11>.<n:0:9> (+https://www.terraform.io) terraform-provider-aws/<n:3:5>.<n:30:98>.<n:0:2> (+https://www.terraform.io) aws-sdk-go/1.44.<n:100:330> (go1.<n:19:22>.<n:1:9>; linux; amd64)",
    "APN/1.0 HashiCorp/1.0 Terraform/1.<n:5:11>.<n:0:9> (+https://www.terraform.io) terraform-provider-aws/5.<n:30:98>.<n:0:2> (+https://www.terraform.io) aws-sdk-go-v2/1.<n:20:36>.<n:0:9> os/linux lang/go#1.<n:21:24>.<n:0:9> md/GOOS#linux md/GOARCH#amd64",
];
const BUILDS: &[&str] = &[
    "APN/1.0 HashiCorp/1.0 Terraform/1.<n:5:11>.<n:0:9> (+https://www.terraform.io) terraform-provider-aws/5.<n:30:98>.<n:0:2> (+https://www.terraform.io) aws-sdk-go-v2/1.<n:20:36>.<n:0:9> os/linux lang/go#1.<n:21:24>.<n:0:9> md/GOOS#linux md/GOARCH#amd64",
    "aws-sdk-js/3.<n:200:840>.0 ua/2.<n:0:1> os/linux#6.<n:1:11>.0-<n:1000:1040>-azure lang/js md/nodejs#<n:18:22>.<n:0:19>.<n:0:3> api/cloudformation#3.<n:200:840>.0",
    "aws-cli/2.<n:13:27>.<n:0:62> md/awscrt#0.<n:19:26>.<n:0:21> ua/2.0 os/linux#6.<n:5:11>.0-<n:1000:1040>-azure md/arch#x86_64 lang/python#3.<n:11:13>.<n:1:9> md/pyimpl#CPython",
];
const INSTANCES: &[&str] = &[
    "Boto3/1.<n:26:36>.<n:0:165> md/Botocore#1.<n:29:36>.<n:0:165> ua/2.0 os/linux#5.10.<n:100:234>-<n:100:230>.<n:300:900>.amzn2.x86_64 md/arch#x86_64 lang/python#3.<n:8:12>.<n:1:16> md/pyimpl#CPython cfg/retry-mode#legacy",
    "aws-sdk-java/2.<n:17:31>.<n:0:60> Linux/5.10.<n:100:234>-<n:100:230>.<n:300:900>.amzn2.x86_64 OpenJDK_64-Bit_Server_VM/<pick:11|17|21>.0.<n:1:24>+<n:7:13>-LTS Java/<pick:11|17|21> vendor/Amazon.com_Inc. io/sync http/Apache",
    "aws-sdk-go/1.<n:44:55>.<n:0:330> (go1.<n:18:23>.<n:0:12>; linux; amd64) amazon-ssm-agent/3.<n:1:3>.<n:100:2300>.0",
];
const FUNCTIONS: &[&str] = &[
    "Boto3/1.<n:26:36>.<n:0:165> md/Botocore#1.<n:29:36>.<n:0:165> ua/2.0 os/linux#5.10.<n:100:234>-<n:100:230>.<n:300:900>.amzn2.x86_64 lang/python#3.<n:9:13>.<n:1:16> exec-env/AWS_Lambda_python3.<n:9:13>",
    "aws-sdk-js/3.<n:200:840>.0 ua/2.<n:0:1> os/linux#5.10.<n:100:234>-<n:100:230>.<n:300:900>.amzn2.x86_64 lang/js md/nodejs#<n:18:22>.<n:0:19>.<n:0:3> exec-env/AWS_Lambda_nodejs<pick:18|20|22>.x",
];
const PODS: &[&str] = &[
    "aws-sdk-go-v2/1.<n:17:36>.<n:0:9> os/linux lang/go#1.<n:20:24>.<n:0:9> md/GOOS#linux md/GOARCH#<pick:amd64|arm64> karpenter.sh-v0.<n:27:37>.<n:0:9>",
    "aws-sdk-java/2.<n:17:31>.<n:0:60> Linux/6.1.<n:20:134>-<n:30:150>.<n:100:230>.amzn2023.x86_64 OpenJDK_64-Bit_Server_VM/<pick:17|21>.0.<n:1:12> vendor/Eclipse_Adoptium http/Apache",
    "Boto3/1.<n:26:36>.<n:0:165> md/Botocore#1.<n:29:36>.<n:0:165> ua/2.0 os/linux#6.1.<n:20:134> md/arch#aarch64 lang/python#3.<n:9:13>.<n:1:16> cfg/retry-mode#standard",
];
const BROWSERS: &[&str] = &[
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1<n:10:36>.0.<n:0:7200>.<n:0:240> Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1<n:10:36>.0.0.0 Safari/537.36 Edg/1<n:10:36>.0.<n:1000:3200>.<n:10:99>",
    "Mozilla/5.0 (X11; Linux x86_64; rv:1<n:10:39>.0) Gecko/20100101 Firefox/1<n:10:39>.0",
];

const fn guise(class: Who, identity: &'static str, agents: &'static [&'static str]) -> Guise {
    Guise { class, identity, agents, addresses: &["<ip>"], console: false, lasts: (15, 80) }
}

const GUISES: [Guise; 9] = [
    guise(Who::User, USER, CLI),
    guise(Who::User, USER, TERRAFORM),
    guise(Who::Pipeline, BUILD, BUILDS),
    Guise { console: true, ..guise(Who::Console, SSO, BROWSERS) },
    Guise { console: true, ..guise(Who::Console, CONSOLE_USER, BROWSERS) },
    Guise {
        addresses: &["<ip10>", "<aws-ip>", "<aws-ip>"],
        lasts: (5, 50),
        ..guise(Who::Workload, INSTANCE, INSTANCES)
    },
    Guise { addresses: &["<aws-ip>"], lasts: (3, 20), ..guise(Who::Workload, FUNCTION, FUNCTIONS) },
    Guise { addresses: &["<aws-ip>"], lasts: (5, 50), ..guise(Who::Workload, POD, PODS) },
    Guise { addresses: &["<ip10>", "<aws-ip>"], lasts: (5, 50), ..guise(Who::Workload, TASK, PODS) },
];

/// The guise in [`GUISES`] whose user agents and addresses a person has who signs in.
const AT_A_BROWSER: usize = 3;

/// Callers without a principal of the population; one event, one session.
const SIGN_IN: &str = r#"{"type":"IAMUser","principalId":"AIDA<id32:17>","arn":"arn:aws:iam::<account>:user/<user>","accountId":"<account>","userName":"<user>""#;
const ROOT: &str = r#"{"type":"Root","principalId":"<account>","arn":"arn:aws:iam::<account>:root","accountId":"<account>","accessKeyId":"ASIA<id32:16>","sessionContext":{"attributes":{"creationDate":"<ago:3600>","mfaAuthenticated":"false"}}"#;

/// Per mille of events in which a session has moved to another address: telephones, gateways, proxies.
const MOVES: u32 = 60;

/// Per mille of events of a person in the console that look at another region than home.
const ELSEWHERE: u32 = 300;

/// Per mille of new sessions that come with a new user agent: something was upgraded.
const UPGRADES: u32 = 350;

/// What a session puts into each of its events.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// How many events it still lasts.
    left: u32,
    /// `userIdentity`, without its closing brace.
    pub identity: Vec<u8>,
    /// Where in it the ARN stands.
    me: (usize, usize),
    /// `userAgent`.
    pub agent: Vec<u8>,
    /// `sourceIPAddress`.
    pub address: Vec<u8>,
    /// From the console.
    pub console: bool,
    /// From a private network, so through a VPC endpoint.
    pub endpoint: Option<u64>,
}

impl Session {
    /// The ARN of who acts; empty for a service.
    pub fn me(&self) -> &[u8] {
        self.identity.get(self.me.0..self.me.1).unwrap_or_default()
    }

    fn find_me(&mut self) {
        const BEFORE: &[u8] = b"\"arn\":\"";
        let found = self.identity.windows(BEFORE.len()).position(|bytes| bytes == BEFORE);
        self.me = found.map_or((0, 0), |at| {
            let start = at + BEFORE.len();
            let length = self.identity[start..].iter().position(|&byte| byte == b'"').unwrap_or(0);
            (start, start + length)
        });
    }
}

/// One principal.
#[derive(Clone, Debug)]
struct Principal {
    seed: u64,
    account: u32,
    region: &'static str,
    guise: usize,
    session: Session,
}

/// Who acts in an event, and where.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// The session that the call is made in.
    pub session: &'a Session,
    /// Twelve digits.
    pub account: &'a [u8; 12],
    /// Where the call goes, unless the service is global.
    pub region: &'static str,
    /// What the principal's own values grow from.
    pub mine: u64,
}

/// A guise, compiled.
#[derive(Debug)]
struct Wardrobe {
    identity: Program,
    agents: Vec<Program>,
    addresses: Vec<Program>,
}

/// Everyone who acts.
#[derive(Debug)]
pub struct People {
    accounts: Vec<[u8; 12]>,
    principals: Vec<Principal>,
    /// For each class, its principals and their law.
    classes: [(Vec<u32>, Weighted); 4],
    class: Weighted,
    region: Weighted,
    wardrobe: Vec<Wardrobe>,
    sign_in: Program,
    root: Program,
    /// The session of a caller without a principal.
    passing: Session,
}

impl People {
    /// As many `accounts` with `each` principals, out of a seed, within the limits of this file.
    pub fn new(rng: &mut Rng, accounts: u32, each: u32) -> Self {
        let accounts = accounts.clamp(1, MAX_ACCOUNTS);
        let count = accounts.saturating_mul(each).clamp(MIN_PRINCIPALS, MAX_PRINCIPALS);
        let region = Weighted::new(&REGIONS.map(|(_, share)| share));
        let accounts: Vec<[u8; 12]> = (0..accounts).map(|_| account(rng)).collect();
        let principals: Vec<Principal> = (0..count)
            .map(|i| Principal {
                seed: rng.draw(),
                account: i % accounts.len() as u32,
                region: REGIONS[region.pick(rng)].0,
                guise: guise_of(i, rng),
                session: Session::default(),
            })
            .collect();
        let classes = CLASSES.map(|(class, ..)| {
            let members: Vec<u32> =
                (0..count).filter(|&i| GUISES[principals[i as usize].guise].class == class).collect();
            let law = Weighted::zipf(members.len());
            (members, law)
        });
        let class = Weighted::new(&CLASSES.map(|(.., share)| share));
        let wardrobe = GUISES.iter().map(Wardrobe::new).collect();
        let [sign_in] = compile([SIGN_IN]);
        let [root] = compile([ROOT]);
        let passing = Session::default();
        Self { accounts, principals, classes, class, region, wardrobe, sign_in, root, passing }
    }

    /// Someone of the kind `who`, in a session that is good for one more event.
    pub fn act(&mut self, who: Who, rng: &mut Rng, scene: Scene<'_>) -> Actor<'_> {
        let class = CLASSES.iter().position(|&(class, ..)| class == who);
        let (members, law) = &self.classes[class.unwrap_or_else(|| self.class.pick(rng))];
        let at = members[law.pick(rng)] as usize;
        if class.is_none() && who != Who::Any {
            return self.pass(who, at, rng, scene);
        }
        let principal = &mut self.principals[at];
        let account = &self.accounts[principal.account as usize];
        let scene = Scene { account, region: principal.region, mine: principal.seed, ..scene };
        let guise = &GUISES[principal.guise];
        let wardrobe = &self.wardrobe[principal.guise];
        principal.session.next(guise, wardrobe, rng, &scene);
        let away = if principal.session.console { ELSEWHERE } else { 20 };
        let region = if rng.chance(away) { REGIONS[self.region.pick(rng)].0 } else { principal.region };
        Actor { session: &principal.session, account, region, mine: principal.seed }
    }

    /// A caller without a principal, in the account and region of the principal at `at`.
    fn pass(&mut self, who: Who, at: usize, rng: &mut Rng, scene: Scene<'_>) -> Actor<'_> {
        let Principal { seed: mine, account, region, .. } = self.principals[at];
        let account = &self.accounts[account as usize];
        let scene = Scene { account, region, mine, ..scene };
        let session = &mut self.passing;
        session.clear();
        match who {
            Who::Service(host) => session.serve(host, br#"{"type":"AWSService""#),
            Who::Report(host) => {
                session.identity.extend_from_slice(br#"{"accountId":""#);
                session.identity.extend_from_slice(account);
                session.serve(host, br#"""#);
            }
            _ => {
                let identity = if who == Who::Root { &self.root } else { &self.sign_in };
                run(identity, &mut session.identity, rng, &scene, &mut Slots::default());
                self.wardrobe[AT_A_BROWSER].dress(session, rng, &scene);
                session.find_me();
            }
        }
        Actor { session: &self.passing, account, region, mine }
    }
}

impl Session {
    fn clear(&mut self) {
        self.identity.clear();
        self.agent.clear();
        self.address.clear();
        self.me = (0, 0);
    }

    fn serve(&mut self, host: &str, identity: &[u8]) {
        self.identity.extend_from_slice(identity);
        self.identity.extend_from_slice(b",\"invokedBy\":\"");
        self.identity.extend_from_slice(host.as_bytes());
        self.identity.push(b'"');
        self.agent.extend_from_slice(host.as_bytes());
        self.address.extend_from_slice(host.as_bytes());
    }

    /// One event further: a new session if this one is over.
    fn next(&mut self, guise: &Guise, wardrobe: &Wardrobe, rng: &mut Rng, scene: &Scene<'_>) {
        if self.left > 0 {
            self.left -= 1;
            if rng.chance(MOVES) {
                wardrobe.address(self, rng, scene);
            }
            return;
        }
        self.left = rng.between(guise.lasts.0, guise.lasts.1);
        self.console = guise.console;
        self.identity.clear();
        run(&wardrobe.identity, &mut self.identity, rng, scene, &mut Slots::default());
        self.find_me();
        if self.agent.is_empty() || rng.chance(UPGRADES) {
            wardrobe.dress(self, rng, scene);
        } else {
            wardrobe.address(self, rng, scene);
        }
    }
}

impl Wardrobe {
    fn new(guise: &Guise) -> Self {
        let one = |text: &&'static str| {
            let [program] = compile([text]);
            program
        };
        let [identity] = compile([guise.identity]);
        let agents = guise.agents.iter().map(one).collect();
        Self { identity, agents, addresses: guise.addresses.iter().map(one).collect() }
    }

    /// A new user agent and a new address.
    fn dress(&self, session: &mut Session, rng: &mut Rng, scene: &Scene<'_>) {
        session.agent.clear();
        let agent = &self.agents[rng.below(self.agents.len() as u32) as usize];
        run(agent, &mut session.agent, rng, scene, &mut Slots::default());
        self.address(session, rng, scene);
    }

    /// A new address; a private one stands behind a VPC endpoint of the principal.
    fn address(&self, session: &mut Session, rng: &mut Rng, scene: &Scene<'_>) {
        session.address.clear();
        let address = &self.addresses[rng.below(self.addresses.len() as u32) as usize];
        run(address, &mut session.address, rng, scene, &mut Slots::default());
        session.endpoint = session.address.starts_with(b"10.").then_some(scene.mine);
    }
}

/// The guise of the principal at `i`: the classes take turns by their shares, so that every account has
/// some of each.
fn guise_of(i: u32, rng: &mut Rng) -> usize {
    let mut turn = (i / 3 + i) % 20;
    let mut class = Who::Workload;
    for (who, share, _) in CLASSES {
        class = who;
        if turn < share {
            break;
        }
        turn -= share;
    }
    let choices: Vec<usize> = (0..GUISES.len()).filter(|&at| GUISES[at].class == class).collect();
    choices[rng.below(choices.len() as u32) as usize]
}

/// Twelve digits, the first not zero.
fn account(rng: &mut Rng) -> [u8; 12] {
    let mut digits = [b'0'; 12];
    digits.iter_mut().for_each(|digit| *digit = b'0' + rng.below(10) as u8);
    digits[0] = b'1' + rng.below(9) as u8;
    digits
}
