//! Four weeks of ordinary operation of one company, in which nobody attacks.
//!
//! In: a seed and a number of events. Out: so many lines, each an event of one of eleven log sources, in
//! the order in which they arrive: that of time, but for some seconds. What is said of a rule set on an
//! attack is half of what there is to say; the other half is how quiet it stays where people work, deploy,
//! back up, rotate keys and ask models.
//!
//! The company has 25 engineers and some others, three AWS accounts, two subscriptions of Azure, two
//! projects of Google Cloud, two Kubernetes clusters, and AI services in production (`company`). It is
//! the same company under every seed: who its people are, where they live, what its programs are called.
//! The seed makes what happens.
//!
//! What happens is a list of `Habit`s: a rhythm, a share of the events, and a function that tells one
//! *episode*: a morning's sign-in, a run of a pipeline, a night of a job. An episode is told whole, at the
//! pace that it really has, for a burst with every second event left out is no burst. What there is too
//! much of is left out by episodes: of a controller that reads forty secrets every ten minutes, day and
//! night, an hour a day is told; of a service that answers all day long, some hours. Which ones is spread
//! evenly over the four weeks.
//!
//! Nothing here is shaped around a threshold. Where a rule alerts on this, either an event is not as it
//! would be in a company, or the rule is too eager.

mod ai;
mod automation;
mod azure;
mod azure_data;
mod calendar;
mod cloudtrail;
mod company;
mod data;
mod delivery;
mod directory;
mod engineers;
mod entra;
mod gcp;
mod gcp_jobs;
mod ids;
mod keys;
mod kubernetes;
mod models;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::generator::rng::{Rng, fnv, mix};
use calendar::{END, Millis, Rhythm, START};

pub use company::lists;

/// What somebody or something does again and again.
struct Habit {
    name: &'static str,
    /// How large a part of all events it makes; the parts of all habits together are the whole.
    share: u64,
    rhythm: Rhythm,
    /// Tells one episode.
    tell: fn(&mut Scene<'_>),
}

/// All habits.
const HABITS: &[&[Habit]] = &[
    engineers::HABITS,
    delivery::HABITS,
    automation::HABITS,
    keys::HABITS,
    data::HABITS,
    models::HABITS,
    ai::HABITS,
    entra::HABITS,
    directory::HABITS,
    azure::HABITS,
    azure_data::HABITS,
    gcp::HABITS,
    gcp_jobs::HABITS,
    kubernetes::HABITS,
];

/// Lines of four weeks, from 2026-02-02, in the order in which they arrive.
pub fn ndjson(seed: u64, events: usize) -> Vec<u8> {
    let mut log = Log::default();
    let habits = || HABITS.iter().flat_map(|habits| habits.iter());
    let parts = parts(&habits().map(|habit| habit.share).collect::<Vec<_>>(), events);
    for (habit, part) in habits().zip(parts) {
        log.room = part;
        habit.fill(Rng::new(mix(seed) ^ fnv(habit.name.as_bytes())), &mut log);
    }
    log.written(&mut Rng::new(mix(seed ^ 1)))
}

/// Divides a number by shares; what is left over goes to the first.
fn parts(shares: &[u64], whole: usize) -> Vec<usize> {
    let sum = shares.iter().sum::<u64>().max(1);
    let mut parts: Vec<usize> = shares.iter().map(|share| (whole as u64 * share / sum) as usize).collect();
    let left = whole - parts.iter().sum::<usize>();
    parts.iter_mut().take(left).for_each(|part| *part += 1);
    parts
}

impl Habit {
    /// Tells episodes until there is no room left: all of them, or some that are spread evenly; where all
    /// are not enough, more of the same. Returns how many it has told.
    fn fill(&self, mut rng: Rng, log: &mut Log) -> usize {
        let moments = self.rhythm.moments(&mut rng);
        let mut told = 0;
        while log.room > 0 {
            let before = log.room;
            for nth in spread(moments.len(), &mut rng) {
                if log.room == 0 {
                    return told;
                }
                told += 1;
                let rng = Rng::new(rng.draw());
                (self.tell)(&mut Scene { at: moments[nth], nth, rng, log });
            }
            assert!(log.room < before, "{} tells nothing", self.name);
        }
        told
    }
}

/// The numbers below `n`, each once, in an order of which any beginning is spread evenly: steps of the
/// golden section.
fn spread(n: usize, rng: &mut Rng) -> impl Iterator<Item = usize> + use<> {
    let step = (n * 618 / 1_000..).find(|step| divisor(*step, n) == 1).unwrap_or(1);
    let first = rng.below(n as u32) as usize;
    (0..n).map(move |number| (first + number * step) % n)
}

fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// The events that have been told.
#[derive(Default)]
struct Log {
    /// How many more there is room for.
    room: usize,
    events: Vec<(Millis, String)>,
}

/// How late an event arrives: so many of a thousand, by at most so many milliseconds.
const LATENESS: [(u32, u32); 5] = [(700, 0), (200, 900), (80, 3_000), (18, 15_000), (2, 120_000)];

impl Log {
    /// The lines, in the order in which they arrive.
    fn written(self, rng: &mut Rng) -> Vec<u8> {
        let late = |rng: &mut Rng| {
            let mut left = rng.below(1_000);
            for (share, most) in LATENESS {
                if left < share {
                    return Millis::from(rng.below(most + 1));
                }
                left -= share;
            }
            0
        };
        let mut arrived: Vec<(Millis, usize)> =
            self.events.iter().enumerate().map(|(number, (at, _))| (at + late(rng), number)).collect();
        arrived.sort_unstable();
        let mut out = Vec::with_capacity(self.events.iter().map(|(_, line)| line.len() + 1).sum());
        for (_, number) in arrived {
            out.extend_from_slice(self.events[number].1.as_bytes());
            out.push(b'\n');
        }
        out
    }
}

/// One episode: the moment that it has come to, its chance, and the log.
struct Scene<'l> {
    at: Millis,
    /// Which of the habit's moments it began with.
    nth: usize,
    rng: Rng,
    log: &'l mut Log,
}

impl Scene<'_> {
    /// Tells of an event now. What would come after the four weeks is not told.
    fn put(&mut self, event: &Value) {
        if self.log.room > 0 && (START..END).contains(&self.at) {
            self.log.room -= 1;
            self.log.events.push((self.at, event.to_string()));
        }
    }

    /// Lets time pass, between so many milliseconds and so many.
    fn pass(&mut self, low: u32, high: u32) {
        self.at += Millis::from(self.rng.between(low, high));
    }

    /// One of several things.
    fn pick<'t, T: ?Sized>(&mut self, of: &[&'t T]) -> &'t T {
        of[self.rng.below(of.len() as u32) as usize]
    }
}
