//! Hits to alerts on one core: correlations over a stream that is out of order, and over finite input.
//!
//! In: generated hits (`VIRGA_BENCH_HITS` for another number than four million) of 100,000 groups, each up
//! to five minutes out of place, with UUIDs as evidence. Out: hits a second, beside a map of queues of times
//! over the same hits in the same run, which is the least that such a count takes: it keeps no evidence,
//! knows no duplicates and must be given its hits in order. Each measurement asserts its alerts, reckoned
//! by a scan of the sorted hits, before it reports a time. Further: what a hit costs by length of the window
//! and by hits in it, what six steps in order cost by the number of hits, and the memory of a million groups.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use virga_engine::RuleSet;
use virga_engine::correlate::{Finite, Live, LiveLimits, MemorySpill, Occurrence, Plan, Value, plan};
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{Origin, OriginBase};
use virga_engine::plan::Lists;

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// How late hits may be.
const LATENESS: i64 = 15 * MINUTE;
/// Hits of a batch, after which alerts are looked for and the watermark moves.
const BATCH: usize = 2_048;
const GROUPS: usize = 100_000;
/// The best of so many runs: what else the machine does only ever adds time.
const RUNS: usize = 3;

fn main() {
    let wanted = std::env::var("VIRGA_BENCH_HITS").ok().and_then(|n| n.parse().ok());
    let count: usize = wanted.unwrap_or(4_000_000);
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    // first, while all memory is this one's
    if is_asked("memory") {
        memory(1_000_000);
    }
    if is_asked("rates") {
        rates(count);
    }
    if is_asked("windows") {
        windows(count / 8);
    }
    if is_asked("steps") {
        steps(count / 16);
    }
}

/// splitmix64
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Room for the text of a group.
struct Key([u8; 43]);

/// Where its number stands.
const DIGITS: std::ops::Range<usize> = 34..41;

impl Key {
    fn new() -> Self {
        Self(*b"[\"arn:aws:iam::111122223333:user/u0000000\"]")
    }
}

/// Hits in the order of their arrival.
struct Hits {
    times: Vec<i64>,
    groups: Vec<u32>,
    values: Vec<u8>,
    /// UUIDs, 36 characters each.
    ids: String,
    origin: Origin,
    source: Arc<str>,
}

impl Hits {
    /// `span` is how long it takes until all have come; `disorder` how far a hit may be out of place.
    fn new(count: usize, groups: usize, span: i64, disorder: i64) -> Self {
        let mut ids = String::with_capacity(36 * count);
        // with room for all: what growing lists leave behind would be taken for room that correlations need not
        let mut times = Vec::with_capacity(count);
        let (mut of, mut values) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for number in 0..count as u64 {
            let chance = mixed(number);
            let arrival = (number as i128 * i128::from(span) / count as i128) as i64;
            let late = if disorder > 0 { (chance % disorder as u64) as i64 } else { 0 };
            // clocks of logs tick in seconds
            times.push((LATENESS + arrival - late) / SECOND * SECOND);
            of.push((mixed(chance) % groups as u64) as u32);
            values.push((chance >> 58) as u8);
            let (a, b) = (mixed(number << 1), mixed(number << 1 | 1));
            let (first, last) = (format!("{a:016x}"), format!("{b:016x}"));
            ids.extend([
                &first[..8],
                "-",
                &first[8..12],
                "-",
                &first[12..],
                "-",
                &last[..4],
                "-",
                &last[4..],
            ]);
        }
        Self {
            times,
            groups: of,
            values,
            ids,
            origin: Origin {
                base: OriginBase::Topic { topic: "trail".into(), partition: 0 },
                line: None,
                record: Some(0),
            },
            source: "aws.cloudtrail".into(),
        }
    }

    fn len(&self) -> usize {
        self.times.len()
    }

    /// One of `different` values, up to 64: addresses, as they mostly are.
    fn value(&self, at: usize, different: u8) -> &'static str {
        static VALUES: LazyLock<Vec<String>> =
            LazyLock::new(|| (0..64).map(|n| format!("198.51.100.{n}")).collect());
        &VALUES[(self.values[at] % different) as usize]
    }

    /// The key of a hit, written anew as a batch gives it.
    fn key<'k>(&self, at: usize, key: &'k mut Key) -> &'k str {
        let mut group = self.groups[at];
        for digit in key.0[DIGITS].iter_mut().rev() {
            *digit = b'0' + (group % 10) as u8;
            group /= 10;
        }
        std::str::from_utf8(&key.0).expect("ASCII")
    }

    fn occurrence<'k>(
        &'k self,
        at: usize,
        key: &'k mut Key,
        value: Value<'static>,
        members: u64,
    ) -> Occurrence<'k> {
        Occurrence {
            correlation: 0,
            members,
            time: self.times[at],
            key: self.key(at, key),
            value,
            event_id: &self.ids[36 * at..36 * (at + 1)],
            source: &self.source,
            origin: &self.origin,
            carried: None,
        }
    }

    /// Hits by group, in the order of time: group, time, place in the arrival.
    fn sorted(&self) -> Vec<(u32, i64, usize)> {
        let mut sorted: Vec<(u32, i64, usize)> =
            (0..self.len()).map(|at| (self.groups[at], self.times[at], at)).collect();
        sorted.sort_unstable();
        sorted
    }
}

fn plans(body: &str) -> Vec<Plan> {
    let rules: String = (0..6)
        .map(|n| format!("title: r{n}\nname: r{n}\nlogsource: {{product: p}}\ndetection: {{s: {{a: 1}}, condition: s}}\n---\n"))
        .collect();
    let text = format!("{rules}title: c\nname: c\ncorrelation: {{{body}, group-by: principal}}\n");
    let set = RuleSet::load([Arc::new(SourceFile { name: "bench.yml".into(), text })], &Lists::new());
    let plans = plan(&set.correlations);
    assert_eq!(plans.len(), 1, "{:?}", set.diagnostics);
    plans
}

/// Runs all hits as a stream; the number of different alerts.
fn stream(
    plans: &[Plan],
    hits: &Hits,
    of: &dyn Fn(usize) -> (Value<'static>, u64),
) -> (Duration, usize, Live) {
    let mut live = Live::new(plans, "", LiveLimits { memory: usize::MAX, late: 0 });
    let mut alerts = HashSet::new();
    let mut latest = i64::MIN;
    let mut key = Key::new();
    let started = Instant::now();
    for at in 0..hits.len() {
        let (value, members) = of(at);
        latest = latest.max(hits.times[at]);
        live.take(&hits.occurrence(at, &mut key, value, members));
        if at % BATCH == BATCH - 1 {
            alerts.extend(live.commit().into_iter().map(|alert| alert.alert_id));
            alerts.extend(live.advance(latest - LATENESS).into_iter().map(|alert| alert.alert_id));
        }
    }
    alerts.extend(live.commit().into_iter().map(|alert| alert.alert_id));
    let spent = started.elapsed();
    assert_eq!(live.counts()[0].late, 0);
    (spent, alerts.len(), live)
}

fn finite(plans: &[Plan], hits: &Hits, of: &dyn Fn(usize) -> (Value<'static>, u64)) -> (Duration, usize) {
    let started = Instant::now();
    let mut key = Key::new();
    let mut finite = Finite::new(plans, "", usize::MAX, Box::new(MemorySpill::default()));
    for at in 0..hits.len() {
        let (value, members) = of(at);
        finite.take(&hits.occurrence(at, &mut key, value, members)).expect("memory takes all");
    }
    let alerts = finite.finish().expect("memory gives all");
    (started.elapsed(), alerts.len())
}

fn best<T>(run: impl Fn() -> (Duration, T)) -> (Duration, T) {
    (0..RUNS).map(|_| run()).min_by_key(|(spent, _)| *spent).expect("a run")
}

fn per_second(hits: usize, spent: Duration) -> f64 {
    hits as f64 / spent.as_secs_f64()
}

fn rates(count: usize) {
    let hits = Hits::new(count, GROUPS, 2 * HOUR, 5 * MINUTE);
    let sorted = hits.sorted();
    println!("{count} hits of {GROUPS} groups over two hours, up to five minutes out of place");
    let least = 40;
    let (spent, floor) = best(|| {
        let started = Instant::now();
        let mut times: HashMap<Box<str>, VecDeque<i64>> = HashMap::new();
        let mut key = Key::new();
        let mut found = 0;
        // it is given its hits in order, which nobody is who reads logs
        for &(_, time, at) in black_box(&by_time(&sorted)) {
            let key = hits.key(at, &mut key);
            let times = match times.get_mut(key) {
                Some(times) => times,
                None => times.entry(key.into()).or_default(),
            };
            times.push_back(time);
            if times.len() > least {
                times.pop_front();
            }
            found += usize::from(times.len() == least && time - times[0] <= HOUR);
        }
        (started.elapsed(), found)
    });
    let floor_rate = per_second(count, spent);
    println!(
        "  map of queues, in order, no evidence      {:>6.2} M hits/s ({floor} matches)",
        floor_rate / 1e6
    );
    let expected = buckets(&sorted, HOUR, |window| window.len() >= least);
    let plans_of = plans("type: event_count, rules: [r0], timespan: 1h, condition: {gte: 40}");
    report("event_count gte 40 in 1h", floor_rate, count, expected, &plans_of, &hits, &|_| (Value::None, 1));
    // as far from its threshold as the count above, and a threshold that every group is near: each has a window
    // with most of the few values that there are
    for (least, different) in [(40, 64), (16, 16)] {
        let expected = buckets(&sorted, HOUR, |window| {
            let values = window.iter().map(|&(_, _, at)| hits.value(at, different));
            values.collect::<HashSet<_>>().len() >= least
        });
        let plans_of = plans(&format!(
            "type: value_count, rules: [r0], timespan: 1h, condition: {{field: f, gte: {least}}}"
        ));
        let value = |at: usize| (Value::Text(hits.value(at, different)), 1);
        let name = format!("value_count gte {least} of {different} values");
        report(&name, floor_rate, count, expected, &plans_of, &hits, &value);
    }
}

fn by_time(sorted: &[(u32, i64, usize)]) -> Vec<(u32, i64, usize)> {
    let mut by_time = sorted.to_vec();
    by_time.sort_unstable_by_key(|&(group, time, at)| (time, group, at));
    by_time
}

/// How many groups and buckets of `length` have a window of `length` that passes.
fn buckets(
    sorted: &[(u32, i64, usize)],
    length: i64,
    passes: impl Fn(&[(u32, i64, usize)]) -> bool,
) -> usize {
    let mut found = HashSet::new();
    let mut first = 0;
    for last in 0..sorted.len() {
        let (group, time, _) = sorted[last];
        while sorted[first].0 != group || sorted[first].1 < time - length {
            first += 1;
        }
        let bucket = (group, time.div_euclid(length));
        if !found.contains(&bucket) && passes(&sorted[first..=last]) {
            found.insert(bucket);
        }
    }
    found.len()
}

fn report(
    name: &str,
    floor: f64,
    count: usize,
    expected: usize,
    plans: &[Plan],
    hits: &Hits,
    of: &dyn Fn(usize) -> (Value<'static>, u64),
) {
    let (spent, alerts) = best(|| {
        let (spent, alerts, live) = stream(plans, hits, of);
        assert_eq!(live.counts()[0].taken, count as u64);
        (spent, alerts)
    });
    assert_eq!(alerts, expected, "{name}: alerts over a stream");
    let rate = per_second(count, spent);
    println!(
        "  {name:<34}, stream {:>6.2} M hits/s, {:.2} of the map ({alerts} alerts)",
        rate / 1e6,
        rate / floor
    );
    let (spent, alerts) = best(|| finite(plans, hits, of));
    assert_eq!(alerts, expected, "{name}: alerts over finite input");
    let rate = per_second(count, spent);
    println!("  {name:<34}, finite {:>6.2} M hits/s, {:.2} of the map", rate / 1e6, rate / floor);
}

/// The same hits, windows of different lengths: how many hits are in a window changes nothing.
fn windows(count: usize) {
    println!("{count} hits of 100 groups in 20 hours, up to five minutes out of place");
    let hits = Hits::new(count, 100, 20 * HOUR, 5 * MINUTE);
    for (body, members) in [
        ("type: event_count, rules: [r0], condition: {gte: 1000000}", 1),
        ("type: value_count, rules: [r0], condition: {field: f, gte: 17}", 1),
        ("type: temporal, rules: [r0, r1]", 1),
    ] {
        let mut shown = Vec::new();
        for window in ["1m", "1h", "20h", "30d"] {
            let least = if body.contains("1000000") && window != "1m" { "20000" } else { "1000000" };
            let plans = plans(&format!("{}, timespan: {window}", body.replace("1000000", least)));
            let value = |at: usize| match body.contains("value_count") {
                true => (Value::Text(hits.value(at, 16)), members),
                false => (Value::None, members),
            };
            let (spent, alerts) = best(|| {
                let (spent, alerts, _) = stream(&plans, &hits, &value);
                (spent, alerts)
            });
            assert_eq!(alerts, 0, "{body}, {window}");
            shown.push(format!("{window} {:.0}", spent.as_nanos() as f64 / count as f64));
        }
        let name = body.split(',').next().unwrap_or_default();
        println!("  ns a hit, {name:<20} {}", shown.join(", "));
    }
}

/// Six steps in order, all but the last in one group.
fn steps(count: usize) {
    println!("six steps in order, one group, no match until the last hit");
    let plans = plans("type: temporal_ordered, rules: [r0, r1, r2, r3, r4, r5], timespan: 30d");
    let mut shown = Vec::new();
    for count in [count, 2 * count, 4 * count] {
        let hits = Hits::new(count, 1, 20 * HOUR, 5 * MINUTE);
        let last = count - 1;
        let of = |at: usize| (Value::None, if at == last { 1 << 5 } else { 1 << (mixed(at as u64) % 5) });
        let (spent, alerts) = best(|| finite(&plans, &hits, &of));
        let streamed = best(|| {
            let (spent, alerts, _) = stream(&plans, &hits, &of);
            (spent, alerts)
        });
        assert_eq!((alerts, streamed.1), (1, 1));
        let each = |spent: Duration| spent.as_nanos() as f64 / count as f64;
        shown.push(format!("{count}: {:.0} finite, {:.0} stream", each(spent), each(streamed.0)));
    }
    println!("  ns a hit by hits: {}", shown.join("; "));
}

/// Resident memory in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4_096
}

/// A million groups that need twenty and have three, with evidence.
fn memory(groups: usize) {
    let hits = Hits::new(3 * groups, groups, 30 * MINUTE, 5 * MINUTE);
    let plans = plans("type: event_count, rules: [r0], timespan: 1h, condition: {gte: 20}");
    let before = resident();
    let (_, alerts, mut live) = stream(&plans, &hits, &|_| (Value::None, 1));
    let pending = resident() - before;
    let groups = live.groups();
    let mb = |bytes: usize| bytes as f64 / 1e6;
    println!(
        "{groups} groups of event_count gte 20 with {:.2} hits each, evidence included",
        hits.len() as f64 / groups as f64
    );
    println!(
        "  as they come, half of it not passed by the watermark   {:.0} MB resident, {:.0} MB counted",
        mb(pending),
        mb(live.bytes())
    );
    live.advance(LATENESS + 31 * MINUTE);
    println!(
        "  all passed by the watermark                            {:.0} MB resident, {:.0} MB counted",
        mb(resident() - before),
        mb(live.bytes())
    );
    // behind what is measured, for it takes room of its own
    let different = hits.groups.iter().collect::<HashSet<_>>().len();
    assert_eq!((alerts, groups, live.groups()), (0, different, different));
    let started = Instant::now();
    let snapshot = live.snapshot().expect("a snapshot");
    let written = started.elapsed();
    let started = Instant::now();
    let mut again = Live::new(&plans, "", LiveLimits::default());
    again.restore(&snapshot).expect("a snapshot that opens");
    assert_eq!(again.groups(), different);
    println!(
        "  snapshot of {:.0} MB written in {:.2} s, restored in {:.2} s",
        mb(snapshot.iter().map(Vec::len).sum()),
        written.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
}
