//! Realistic CloudTrail without end: a seed comes in, events come out.
//!
//! ```
//! use virga_benches::generator::{Config, EventKind, Generator};
//!
//! let mut generator = Generator::new(Config { seed: 7, ..Config::default() });
//! let mut line = Vec::new();
//! let kind = generator.next_into(&mut line);
//! assert!(line.starts_with(b"{\"eventVersion\":\"1."));
//! assert!(matches!(kind, EventKind::Benign | EventKind::Attack(_)));
//! ```
//!
//! What the events are like was measured on real trails (2,900 native events of one account, 3,552 of
//! administrators in the console, the record of an exfiltration, examples of 563 calls) and stands here as
//! tables: shares of services and calls, shapes of parameters and answers, rates of errors, lateness. The
//! values are invented. Against the native trail:
//!
//! | | native trail | here |
//! |---|---|---|
//! | size, mean and 95th percentile | 1,261 and 1,844 bytes | 1,340 and 1,870 bytes |
//! | read-only | 80 % | 83 % |
//! | with an error | 10 % (1.8 % in the console set) | 5.5 % |
//! | EC2, SSM, IAM, S3, KMS together | 79 % | 64 %, for services that the trail lacks |
//! | over TLS to the API | 79 % | 81 % |
//! | different call names, of 2,900 events | 0.09 | 0.09 |
//! | different user agents | 0.05 (one tool) | 0.53 |
//! | different addresses | 0.006 (one person) | 0.47 |
//! | different event ids | 1 | 1 |
//!
//! The last rows are the point: one person with one tool is kind to a cache, an organisation is not.
//!
//! It must be faster than what it feeds, so the loop only copies: templates are compiled once
//! ([`template`]), `userIdentity` is written once a session ([`people`]), and no JSON library takes part.
//! It has to give the same bytes on every machine, so there is no floating point, no hash map whose order
//! depends on the process, and no clock.

mod attacks;
mod clock;
mod compute;
pub mod files;
mod identity;
pub mod names;
pub mod people;
mod platform;
pub(crate) mod rng;
mod shape;
mod storage;
pub mod template;
#[cfg(test)]
mod tests;
mod text;

pub use attacks::AttackKind;
use attacks::{ATTACKS, Attack};
use clock::Clock;
use names::Names;
use people::People;
use rng::{Rng, Weighted, mix};
use shape::{Luck, Recipe, Service, Writer};
use template::Scene;

/// Which ordinary life the events come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// An organisation of people, pipelines and workloads, every service in its share.
    #[default]
    Organization,
}

/// What to generate.
#[derive(Clone, Debug)]
pub struct Config {
    /// The same seed gives the same bytes, on any machine.
    pub seed: u64,
    /// Which ordinary life.
    pub profile: Profile,
    /// When the first event happens, in seconds since 1970.
    pub start_time: i64,
    /// How many events happen in a second of event time; at least one.
    pub events_per_second: u32,
    /// How many accounts; 1 to [`people::MAX_ACCOUNTS`].
    pub accounts: u32,
    /// How many principals each account has. Together from [`people::MIN_PRINCIPALS`] to
    /// [`people::MAX_PRINCIPALS`].
    pub principals_per_account: u32,
    /// How many of all events are attacks: 0 to 1.
    pub attack_rate: f64,
}

impl Default for Config {
    /// A large organisation: 40 accounts, 4,800 principals, 1,000 events a second from the first of January
    /// 2025 on, two attack events in a thousand.
    fn default() -> Self {
        Self {
            seed: 1,
            profile: Profile::Organization,
            start_time: 1_735_689_600,
            events_per_second: 1_000,
            accounts: 40,
            principals_per_account: 120,
            attack_rate: 0.002,
        }
    }
}

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Ordinary.
    Benign,
    /// An attack, and which.
    Attack(AttackKind),
}

/// How many events of each kind were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    benign: u64,
    attacks: [u64; ATTACKS.len()],
}

impl Counts {
    /// Ordinary events.
    pub fn benign(&self) -> u64 {
        self.benign
    }

    /// Attack events of all kinds.
    pub fn attacks(&self) -> u64 {
        self.attacks.iter().sum()
    }

    /// Attack events of one kind.
    pub fn of(&self, kind: AttackKind) -> u64 {
        self.attacks[kind as usize]
    }

    /// Every kind of attack event with its count.
    pub fn each(&self) -> impl Iterator<Item = (AttackKind, u64)> {
        ATTACKS.iter().map(|attack| (attack.kind, self.of(attack.kind)))
    }
}

/// Where and when an event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The twelve digits of the account.
    pub account: [u8; 12],
    /// The region.
    pub region: &'static str,
    /// Seconds since 1970.
    pub time: i64,
}

/// A source of events.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    clock: Clock,
    people: People,
    names: Names,
    writer: Writer,
    benign: Vec<Recipe>,
    mix: Weighted,
    attacks: Vec<Recipe>,
    /// Attacks in 2³² events.
    attack_rate: u64,
    counts: Counts,
    origin: Origin,
}

impl Generator {
    /// Compiles the tables and draws the population. Values out of their limits are brought inside.
    pub fn new(config: Config) -> Self {
        let Profile::Organization = config.profile;
        let mut rng = Rng::new(mix(config.seed ^ 0x7669_7267_6100_0000));
        let people = People::new(&mut rng, config.accounts, config.principals_per_account);
        let (benign, weights): (Vec<Recipe>, Vec<u64>) = services().flat_map(recipes).unzip();
        Self {
            rng,
            clock: Clock::new(config.start_time, config.events_per_second),
            people,
            names: Names::new(),
            writer: Writer::new(),
            benign,
            mix: Weighted::new(&weights),
            attacks: ATTACKS.iter().filter_map(attack_recipe).collect(),
            attack_rate: (config.attack_rate.clamp(0.0, 1.0) * (1_u64 << 32) as f64) as u64,
            counts: Counts::default(),
            origin: Origin { account: [b'0'; 12], region: "", time: config.start_time },
        }
    }

    /// Appends the next event to `out`, as one JSON object without a line end, and says what it is.
    pub fn next_into(&mut self, out: &mut Vec<u8>) -> EventKind {
        let now = self.clock.tick(&mut self.rng);
        let attack = (self.rng.draw() >> 32) < self.attack_rate;
        let (recipes, at, luck) = if attack {
            (&self.attacks, self.rng.below(ATTACKS.len() as u32) as usize, Luck::Good)
        } else {
            (&self.benign, self.mix.pick(&mut self.rng), Luck::Real)
        };
        let recipe = &recipes[at];
        let scene =
            Scene { names: &self.names, account: &[], region: "", me: &[], mine: 0, now, tls13: false };
        let actor = self.people.act(recipe.who, &mut self.rng, scene);
        let region = self.writer.write(recipe, actor, luck, scene, &mut self.rng, out);
        self.origin = Origin { account: *actor.account, region, time: now };
        if attack {
            self.counts.attacks[at] += 1;
            EventKind::Attack(ATTACKS[at].kind)
        } else {
            self.counts.benign += 1;
            EventKind::Benign
        }
    }

    /// How many events of each kind were made so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Where and when the last event happened.
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

/// The first `events` events of a seed, a line each.
pub fn ndjson(seed: u64, events: usize) -> Vec<u8> {
    let mut generator = Generator::new(Config { seed, ..Config::default() });
    let mut out = Vec::with_capacity(events.saturating_mul(TYPICAL_SIZE));
    for _ in 0..events {
        generator.next_into(&mut out);
        out.push(b'\n');
    }
    out
}

/// Bytes to set aside for an event: a little more than the mean.
const TYPICAL_SIZE: usize = 1_400;

/// Every service, with its share of the native trail that was measured and its share here, both in about
/// ten thousand.
pub fn service_shares() -> impl Iterator<Item = (&'static str, u32, u32)> {
    services().map(|service| (service.host, service.corpus, service.share))
}

/// Every service of every table.
fn services() -> impl Iterator<Item = &'static Service> {
    static ALL: [&[Service]; 4] =
        [&compute::SERVICES, &identity::SERVICES, &storage::SERVICES, &platform::SERVICES];
    ALL.into_iter().flatten()
}

/// The rows of a service, compiled, each with its weight in the whole.
fn recipes(service: &'static Service) -> impl Iterator<Item = (Recipe, u64)> {
    let total: u64 = service.shapes.iter().map(|shape| shape.weight()).sum();
    service.shapes.iter().map(move |shape| {
        let weight = (u64::from(service.share) << 24) * shape.weight() / total.max(1);
        (Recipe::new(service, shape), weight)
    })
}

/// An attack, compiled against its service. A test holds that every attack has one.
fn attack_recipe(attack: &Attack) -> Option<Recipe> {
    let service = services().find(|service| service.host == attack.host)?;
    Some(Recipe::new(service, &attack.shape))
}
