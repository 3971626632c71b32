//! What the correlator does where sinks or disks do not go on.

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{SyncSender, sync_channel};

use virga_engine::RuleSet;
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{Origin, OriginBase};
use virga_ingest::position::Position;
use virga_ingest::quarantine::Cause;
use virga_ingest::reader::Summary;
use virga_ingest::transport::live::Frontier;

use super::*;
use crate::rules::Loaded;

const RULE: &str = "title: r
id: 11111111-0000-4000-8000-000000000001
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: A}, condition: s}
";

/// What a correlator is made with that reads nothing and keeps its state in a folder.
pub(in crate::pipeline) fn parts(folder: &Path) -> Parts {
    let file = Arc::new(SourceFile { name: "r.yml".into(), text: RULE.into() });
    let loaded = Loaded { set: RuleSet::load([file], &Default::default()), environment: Arc::default() };
    let (stop, hurry) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    Parts {
        inputs: Vec::new(),
        from: Checkpoint::default(),
        generation: Arc::new(Generation::compile(1, &loaded, 1).unwrap()),
        memory: 1 << 20,
        tenant: String::new(),
        outbox: Arc::new(Outbox::new(&["a".to_owned()], Default::default(), 100)),
        quarantine: Quarantine::open(folder).unwrap(),
        late: Rotating::open(&folder.join("late"), 1 << 20, 1).unwrap(),
        store: Store::new(folder),
        every: Duration::ZERO,
        clock: Arc::new(|| 42),
        leave: Leave::new(&stop, &hurry),
        stop,
        hurry,
        alive: Arc::default(),
        ready: Arc::default(),
        keeper: None,
        redact: None,
        partitions: Arc::default(),
    }
}

pub(in crate::pipeline) fn alert(id: &str) -> OutAlert {
    OutAlert { id: id.into(), rule: "r".into(), level: None, json: "{}".into(), arrived: 0 }
}

/// One input, and what it hears of checkpoints.
fn input(parts: &mut Parts) -> Receiver<Acknowledged> {
    let (told, hears) = std::sync::mpsc::channel();
    parts.inputs = vec![(InputInfo { name: "in".into(), source: None, lateness: 0 }, told)];
    hears
}

/// A delivery that has raised an alert, scanned.
fn scanned(ticket: Ticket) -> Scanned {
    Scanned {
        ticket,
        partition: "p".into(),
        position: None,
        frontier: Frontier::InOrder,
        urgent: false,
        latest: None,
        summary: Default::default(),
        bytes: 1,
        alerts: vec![super::super::scan::Detected { alert: alert(&ticket.to_string()), bucket_end: None }],
        occurrences: Default::default(),
        dropped: Vec::new(),
        hits: BTreeMap::new(),
        quarantined: Vec::new(),
        kept: Vec::new(),
        is_whole: true,
        is_cut: false,
    }
}

fn give(worker: &SyncSender<Done>, generation: &Arc<Generation>, item: DoneItem) {
    worker.send(Done { input: 0, generation: Arc::clone(generation), item }).unwrap();
}

#[test]
fn what_is_under_way_at_the_end_comes_through_though_no_sink_takes_anything() {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = parts(folder.path());
    parts.outbox = Arc::new(Outbox::new(&["a".to_owned()], Default::default(), 2));
    let acknowledged = input(&mut parts);
    let (outbox, generation) = (Arc::clone(&parts.outbox), Arc::clone(&parts.generation));
    let (stop, hurry) = (Arc::clone(&parts.stop), Arc::clone(&parts.hurry));
    let mut correlator = Correlator::new(parts).unwrap();
    let (worker, done) = sync_channel(10);
    (1..=5).for_each(|ticket| {
        give(&worker, &generation, DoneItem::Scanned(Box::new(scanned(ticket))));
    });
    give(&worker, &generation, DoneItem::Stopped);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            correlator.run(&[done]);
            correlator.finish(Duration::from_secs(1))
        });
        while outbox.len() < 2 {
            std::thread::yield_now();
        }
        std::thread::sleep(WAIT * 3);
        assert_eq!(outbox.len(), 2, "nothing is taken while there is no room");
        stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + Duration::from_secs(10);
        while !running.is_finished() && Instant::now() < until {
            std::thread::yield_now();
        }
        hurry.store(true, Ordering::Relaxed);
        assert!(running.join().unwrap(), "a checkpoint stands");
    });
    let tickets: Vec<Ticket> = acknowledged.try_iter().map(|done| done.ticket).collect();
    assert_eq!(tickets.last(), Some(&5), "{tickets:?}");
    let found = Store::new(folder.path()).load().unwrap().checkpoint.unwrap();
    let again = Outbox::new(&["a".to_owned()], found.outbox, 100);
    let kept = again.take("a", 10, Duration::ZERO).unwrap();
    assert_eq!(kept.iter().map(|alert| alert.id.as_str()).collect::<Vec<_>>(), ["1", "2", "3", "4", "5"]);
}

#[test]
fn where_reading_begins_is_in_a_checkpoint_soon_and_an_input_that_has_not_begun_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = parts(folder.path());
    // another would come much later
    parts.every = Duration::from_secs(3_600);
    let acknowledged = input(&mut parts);
    parts
        .inputs
        .push((InputInfo { name: "slow".into(), source: None, lateness: 0 }, std::sync::mpsc::channel().0));
    let generation = Arc::clone(&parts.generation);
    let mut correlator = Correlator::new(parts).unwrap();
    let (worker, done) = sync_channel(10);
    give(&worker, &generation, DoneItem::Event(Event::Ready));
    give(&worker, &generation, DoneItem::Event(Event::Placed { ticket: 7 }));
    std::thread::scope(|scope| {
        scope.spawn(move || correlator.run(&[done]));
        let told = acknowledged.recv_timeout(Duration::from_secs(10)).map(|done| done.ticket);
        drop(worker);
        assert_eq!(told, Ok(7));
    });
    let found = Store::new(folder.path()).load().unwrap().checkpoint.unwrap();
    assert_eq!(["in", "slow"].map(|input| found.knows(input)), [true, false]);
}

fn late_hit() -> LateHit {
    LateHit {
        correlation: "c".into(),
        key: "[]".into(),
        time: "2024-05-01T00:00:00Z".into(),
        event_id: "e".into(),
        origin: record().origin,
    }
}

#[test]
fn late_hits_that_are_not_kept_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late");
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let mut parts = parts(folder.path());
        // a file takes one hit, and one old file is kept
        parts.late = Rotating::open(&path, 1, 1).unwrap();
        let mut correlator = Correlator::new(parts).unwrap();
        (0..5).for_each(|_| correlator.keep_late(&[late_hit()]));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        (0..3).for_each(|_| correlator.keep_late(&[late_hit(), late_hit()]));
    });
    let told = recorder.handle().render();
    for (cause, count) in [("late_full", 3), ("late_unwritten", 6)] {
        assert!(told.contains(&format!("virga_dropped_total{{cause=\"{cause}\"}} {count}\n")), "{told}");
    }
}

fn record() -> Quarantined {
    let base = OriginBase::File { path: "p".into() };
    let origin = Origin { base, line: Some(1), record: None };
    Quarantined { origin, cause: Cause::CutOff, time: 0, bytes: b"x".to_vec() }
}

#[test]
fn an_input_that_is_not_configured_keeps_its_place_in_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = parts(folder.path());
    let _acknowledged = input(&mut parts);
    let at = |offset| {
        let mut positions = Positions::default();
        positions.set("p", Position::offset(offset));
        positions
    };
    parts.from.positions = vec![("in".into(), at(1)), ("gone".into(), at(2))];
    assert!(Correlator::new(parts).unwrap().finish(Duration::from_secs(1)));
    let found = Store::new(folder.path()).load().unwrap().checkpoint.unwrap();
    assert_eq!(found.positions, [("in".into(), at(1)), ("gone".into(), at(2))]);
    assert_eq!(found.others(&["in"]), ["gone"]);
}

/// After an upgrade: positions, ids and alerts are worth more than the memory of correlations.
#[test]
fn a_state_of_correlations_in_another_format_is_left_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = || {
        let parts = parts(folder.path());
        new_live(&parts.generation, &parts.tenant, parts.memory).snapshot().unwrap()
    };
    let (mut other, mut none) = (snapshot(), snapshot());
    other[0][8] ^= 0xff;
    none[0][0] ^= 0xff;
    for (correlations, expected) in [(snapshot(), true), (other, true), (none, false)] {
        let mut parts = parts(folder.path());
        input(&mut parts);
        let mut positions = Positions::default();
        positions.set("p", Position::offset(7));
        let positions = vec![("in".to_owned(), positions)];
        parts.from = Checkpoint { number: 3, correlations, positions, ..Checkpoint::default() };
        let correlator = Correlator::new(parts);
        assert_eq!(correlator.is_ok(), expected);
        if let Ok(correlator) = correlator {
            let known = &correlator.inputs[0].positions;
            assert_eq!((correlator.number, known.get("p")), (3, Some(&Position::offset(7))));
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn asked_to_end_it_waits_seconds_for_a_disk_that_takes_no_record_once_for_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("quarantine.ndjson")).unwrap();
    let mut parts = parts(folder.path());
    let _acknowledged = input(&mut parts);
    parts.stop.store(true, Ordering::Relaxed);
    let mut correlator = Correlator::new(parts).unwrap();
    let began = Instant::now();
    for _ in 0..20 {
        correlator.keep_unreadable(&"in".into(), &Scanned { quarantined: vec![record()], ..scanned(1) });
    }
    let took = began.elapsed();
    assert!(took >= DISK_END && took < DISK_END * 3, "{took:?}");
    assert!(!correlator.finish(Duration::from_secs(1)), "no checkpoint passes over them");
}

#[test]
fn records_in_vain_are_said_at_once_and_then_counted_for_a_while() {
    let (mut vain, name) = (Vain::default(), Arc::from("in"));
    let other = || Quarantined { cause: Cause::NotJson, ..record() };
    vain.unreadable(&name, &[record(), record()]);
    assert_eq!(vain.waiting(), [("cut_off", 0)]);
    vain.unreadable(&name, &[record(), other(), record(), record()]);
    // the one that is new was said
    assert_eq!(vain.waiting(), [("cut_off", 3), ("not_json", 0)]);
    // those of a source that is named are what it says
    let events = BTreeMap::from([("aws.cloudtrail", 5), ("generic", 7)]);
    let mut summary = Summary { events, ..Summary::default() };
    vain.unknown(&name, &summary);
    assert_eq!(vain.waiting().len(), 2);
    summary.first_unknown = Some(record().origin);
    vain.unknown(&name, &summary);
    vain.unknown(&name, &summary);
    vain.tell_rest();
    assert_eq!(vain.waiting(), [("cut_off", 3), ("no_source", 7), ("not_json", 0)]);
}

#[cfg(target_os = "linux")]
#[test]
fn who_waits_for_room_for_a_record_is_alive_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("quarantine.ndjson")).unwrap();
    let mut parts = parts(folder.path());
    let _acknowledged = input(&mut parts);
    // as often as the clock is asked, somebody was alive
    let asked: Arc<AtomicUsize> = Arc::default();
    let (counts, hurry, alive) = (Arc::clone(&asked), Arc::clone(&parts.hurry), Arc::clone(&parts.alive));
    parts.clock = Arc::new(move || {
        // there is no room until nobody waits any more
        if counts.fetch_add(1, Ordering::Relaxed) >= 2 {
            hurry.store(true, Ordering::Relaxed);
        }
        1_000
    });
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let mut correlator = Correlator::new(parts).unwrap();
        correlator.keep_unreadable(&"in".into(), &Scanned { quarantined: vec![record()], ..scanned(1) });
        assert!(correlator.incomplete, "no checkpoint passes over it");
    });
    assert_eq!(alive.load(Ordering::Relaxed), 1_000);
    let told = recorder.handle().render();
    assert!(told.contains("virga_quarantine_failures_total 3\n"), "{told}");
    assert!(told.contains("virga_outbox_alerts 0\n"), "{told}");
}
