//! Files that grow, are renamed, cut, and come back.

use super::*;
use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};

thread_local! {
    /// The time of a test, which goes on where it waits for nothing else.
    static NOW: Arc<AtomicI64> = Arc::default();
}

fn open(paths: &str, positions: Positions, from_start: bool) -> Box<dyn LiveTransport> {
    let now = NOW.with(Arc::clone);
    let config = FollowConfig { paths: vec![paths.to_owned()], from_start };
    let context = OpenContext {
        input: "app".into(),
        instance: "test".into(),
        positions,
        clock: Arc::new(move || now.load(Ordering::Relaxed)),
        state: PathBuf::new(),
        stop: Arc::default(),
    };
    config.open(context).unwrap()
}

/// All that comes until nothing does: lines as `number text`, other events in words, and the positions.
fn drain(transport: &mut dyn LiveTransport, positions: &mut Positions) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let now = NOW.with(Arc::clone);
    let (mut last, mut count) = (now.load(Ordering::Relaxed), 0);
    // longer than until the next look, and than a name is waited for
    while now.load(Ordering::Relaxed) - last < 1_300_000 {
        let Some(event) = transport.poll(Duration::ZERO).unwrap() else {
            now.fetch_add(20_000, Ordering::Relaxed);
            continue;
        };
        match event {
            Event::Delivery(delivery) => {
                let Contents::Messages(messages) = &delivery.contents else { panic!("lines") };
                told.extend(
                    messages
                        .iter()
                        .map(|m| format!("{} {}", m.number, String::from_utf8_lossy(m.bytes).trim())),
                );
                positions.set(&delivery.partition, delivery.position.unwrap());
            }
            Event::Closed { partition } => {
                told.push("closed".into());
                positions.remove(&partition);
            }
            Event::Opened { partition, position: Some(position) } => positions.set(&partition, position),
            Event::Note(note) => told.push(note.cause.into()),
            _ => {}
        }
        if told.len() > std::mem::replace(&mut count, told.len()) {
            last = now.load(Ordering::Relaxed);
        }
        if told.len() > 100 {
            break;
        }
    }
    told
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn lines_come_once_over_growth_rotation_cutting_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let (log, old) = (folder.path().join("a.log"), folder.path().join("a.log.1"));
    let pattern = folder.path().join("*.log").display().to_string();
    append(&log, "one\ntwo\nthr");
    let mut positions = Positions::default();
    let mut transport = open(&pattern, Positions::default(), true);
    assert_eq!(drain(&mut *transport, &mut positions), ["1 one", "2 two"]);
    append(&log, "ee\n");
    assert_eq!(drain(&mut *transport, &mut positions), ["3 three"]);
    // a restart goes on where the checkpoint stands
    transport.close();
    append(&log, "four\n");
    let mut transport = open(&pattern, positions.clone(), true);
    assert_eq!(drain(&mut *transport, &mut positions), ["4 four"]);
    // renamed: what was written before is read, then the new file from its beginning
    append(&log, "five\n");
    fs::rename(&log, &old).unwrap();
    append(&log, "new one\n");
    let told = drain(&mut *transport, &mut positions);
    // the old one is left later, where it is waited for so long
    assert_eq!(told[..3], ["5 five", "closed", "1 new one"]);
    assert_eq!(lines(&told).len(), 2, "{told:?}");
    // cut to nothing and written anew
    fs::write(&log, "x\n").unwrap();
    let told = drain(&mut *transport, &mut positions);
    assert_eq!(told, ["file_cut", "1 x"]);
}

#[test]
fn what_is_there_at_the_first_start_may_be_left_and_what_comes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let pattern = folder.path().join("*.log").display().to_string();
    append(&folder.path().join("a.log"), "old\n");
    let mut positions = Positions::default();
    let mut transport = open(&pattern, Positions::default(), false);
    assert!(drain(&mut *transport, &mut positions).is_empty());
    append(&folder.path().join("a.log"), "new\n");
    append(&folder.path().join("b.log"), "other\n");
    let mut told = drain(&mut *transport, &mut positions);
    told.sort();
    assert_eq!(told, ["1 new", "1 other"]);
}

/// Lines of `drain` alone.
fn lines(told: &[String]) -> Vec<&str> {
    let is_line = |told: &&String| told.starts_with(|c: char| c.is_ascii_digit());
    told.iter().filter(is_line).map(String::as_str).collect()
}

#[test]
fn rotation_again_and_again_reads_each_line_once_under_the_name_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    // with names that the wildcard reaches, and with such that it does not
    for (pattern, kept, rounds) in [("a*.log", true, 3), ("a.log", false, 2)] {
        let folder = folder.path().join(pattern.replace('*', "x"));
        fs::create_dir(&folder).unwrap();
        let path = |number: u32| match number {
            0 => folder.join("a.log"),
            number => folder.join(format!("a-{number}.log")),
        };
        let mut positions = Positions::default();
        let mut transport = open(&folder.join(pattern).display().to_string(), positions.clone(), true);
        for round in 0..rounds {
            append(&path(0), &format!("{round} first\n"));
            let told = drain(&mut *transport, &mut positions);
            assert_eq!(lines(&told), [format!("1 {round} first")], "{pattern}: {told:?}");
            append(&path(0), &format!("{round} second\n"));
            for number in (0..round + 1).rev() {
                fs::rename(path(number), path(number + 1)).unwrap();
            }
            // whoever writes has not noticed, and writes half a line
            append(&path(1), &format!("{round} thi"));
            let told = drain(&mut *transport, &mut positions);
            assert_eq!(lines(&told), [format!("2 {round} second")], "{pattern}: {told:?}");
            append(&path(1), "rd\n");
            let told = drain(&mut *transport, &mut positions);
            assert_eq!(lines(&told), [format!("3 {round} third")], "{pattern}: {told:?}");
        }
        let shown = |number: u32| path(number).display().to_string();
        let known: Vec<String> = positions.iter().map(|(partition, _)| partition.to_string()).collect();
        if kept {
            let mut expected: Vec<String> = (1..=rounds).map(shown).collect();
            expected.sort();
            assert_eq!(known, expected, "each has its name");
            // and after a restart nothing is read again
            let mut transport = open(&folder.join(pattern).display().to_string(), positions.clone(), true);
            assert!(lines(&drain(&mut *transport, &mut positions)).is_empty());
        }
    }
}

#[test]
fn files_that_take_each_others_names_are_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut positions = Positions::default();
    let pattern = folder.path().join("*.log").display().to_string();
    let mut transport = open(&pattern, positions.clone(), true);
    append(&path("a.log"), "a one\n");
    append(&path("b.log"), "b one\n");
    let mut told = drain(&mut *transport, &mut positions);
    told.sort();
    assert_eq!(told, ["1 a one", "1 b one"]);
    for (from, to) in [("a.log", "c"), ("b.log", "a.log"), ("c", "b.log")] {
        fs::rename(path(from), path(to)).unwrap();
    }
    append(&path("b.log"), "a two\n");
    append(&path("a.log"), "b two\n");
    let mut told = Vec::new();
    for _ in 0..3 {
        told.extend(drain(&mut *transport, &mut positions));
    }
    let mut told = lines(&told);
    told.sort_unstable();
    assert_eq!(told, ["2 a two", "2 b two"]);
    // each waits for the other's name, but not for ever
    let id = identity(&path("a.log"), &fs::metadata(path("a.log")).unwrap());
    let place = positions.get(&path("a.log").display().to_string()).unwrap();
    assert!(place.text().contains(&id), "{place:?} is not of {id}");
    assert_eq!(positions.iter().count(), 2);
}

#[test]
fn a_file_out_of_reach_is_left_when_nothing_is_added_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let (log, old) = (folder.path().join("a.log"), folder.path().join("a.log.1"));
    let mut positions = Positions::default();
    let mut transport = open(&log.display().to_string(), Positions::default(), true);
    append(&log, "one\ntw");
    assert_eq!(drain(&mut *transport, &mut positions), ["1 one"]);
    fs::rename(&log, &old).unwrap();
    assert_eq!(drain(&mut *transport, &mut positions), ["closed"]);
    append(&old, "o\nthr");
    assert_eq!(drain(&mut *transport, &mut positions), ["2 two"]);
    // what it ends with is a line too
    let mut told = Vec::new();
    for _ in 0..5 {
        told.extend(drain(&mut *transport, &mut positions));
    }
    assert_eq!(told, ["3 thr", "closed"]);
    assert_eq!(positions.iter().count(), 0);
    assert!(transport.lag().is_empty());
}

#[test]
fn a_checkpoint_counts_once_for_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    append(&log, "one\ntwo\n");
    let id = identity(&log, &fs::metadata(&log).unwrap());
    let known = [(id.clone(), Place { file: id.clone(), offset: 4, line: 1 })];
    let mut follower = Follower {
        config: FollowConfig { paths: Vec::new(), from_start: true },
        first: false,
        known: known.into(),
        clock: Arc::new(|| 42),
        files: BTreeMap::new(),
        news: Vec::new(),
        looked: None,
        ready: true,
        ticket: 0,
        turn: 0,
        paused: false,
    };
    let metadata = fs::metadata(&log).unwrap();
    assert_eq!(follower.place(&id, &metadata).offset, 4);
    assert_eq!(follower.place(&id, &metadata).offset, 0, "another file, of the same identity");
}
