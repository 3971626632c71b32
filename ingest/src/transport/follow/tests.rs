//! Files that grow, are renamed, cut, and come back.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::limits::FILE_NUMBERS;
use crate::position::Position;

thread_local! {
    /// The time of a test, which goes on where it waits for nothing else.
    static NOW: Arc<AtomicI64> = Arc::default();
}

fn open(paths: &str, positions: Positions, from_start: bool) -> Box<dyn LiveTransport> {
    let known = !positions.is_empty();
    open_known(paths, positions, known, from_start)
}

fn open_known(paths: &str, positions: Positions, known: bool, from_start: bool) -> Box<dyn LiveTransport> {
    let config = FollowConfig { paths: vec![paths.to_owned()], from_start };
    config.open(context(positions, known)).unwrap()
}

fn context(positions: Positions, known: bool) -> OpenContext {
    let now = NOW.with(Arc::clone);
    OpenContext {
        input: "app".into(),
        instance: "test".into(),
        positions,
        known,
        clock: Arc::new(move || now.load(Ordering::Relaxed)),
        state: PathBuf::new(),
        stop: Arc::default(),
    }
}

/// All that comes until nothing does: lines as `number text` (`2+1 text`, where two files had the name before), other
/// events in words, and the positions.
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
                told.extend(messages.iter().map(|message| {
                    let before = match message.number / FILE_NUMBERS {
                        0 => String::new(),
                        before => format!("{before}+"),
                    };
                    let text = String::from_utf8_lossy(message.bytes);
                    format!("{before}{} {}", message.number % FILE_NUMBERS, text.trim())
                }));
                positions.set(&delivery.partition, delivery.position.unwrap());
            }
            Event::Closed { partition } => {
                told.push("closed".into());
                positions.remove(&partition);
            }
            Event::Opened { partition, position: Some(position) } => positions.set(&partition, position),
            Event::Note(note) => told.push(note.cause.into()),
            Event::Placed { ticket } => transport.acknowledge(ticket, positions),
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

/// The positions of files.
fn files(positions: &Positions) -> Vec<(String, String)> {
    let files = positions.iter().filter(|(partition, _)| *partition != NAMES);
    files.map(|(partition, position)| (partition.to_owned(), position.text().to_owned())).collect()
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
    assert_eq!(told[..3], ["5 five", "closed", "1+1 new one"]);
    assert_eq!(lines(&told).len(), 2, "{told:?}");
    // cut to nothing and written anew
    fs::write(&log, "x\n").unwrap();
    let told = drain(&mut *transport, &mut positions);
    assert_eq!(told, ["file_cut", "2+1 x"]);
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

#[test]
fn what_comes_after_the_first_start_is_read_whole_also_where_nothing_was_there_or_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.log"), folder.path().join("b.log"));
    let pattern = folder.path().join("*.log").display().to_string();
    let mut positions = Positions::default();
    let mut transport = open_known(&pattern, Positions::default(), false, false);
    append(&first, "one\n");
    assert!(drain(&mut *transport, &mut positions).is_empty(), "it was there at the first look");
    append(&first, "two\n");
    assert_eq!(drain(&mut *transport, &mut positions), ["1 two"]);
    fs::remove_file(&first).unwrap();
    (0..6).for_each(|_| drop(drain(&mut *transport, &mut positions)));
    assert!(files(&positions).is_empty(), "it is left");
    transport.close();
    // while it is down
    append(&second, "three\n");
    let mut transport = open_known(&pattern, positions.clone(), true, false);
    assert_eq!(drain(&mut *transport, &mut positions), ["1 three"]);
}

#[test]
fn nothing_is_read_before_a_checkpoint_has_where_files_were_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    let pattern = folder.path().join("*.log").display().to_string();
    append(&log, "old\n");
    for (known, from_start, waits) in [(false, false, true), (true, false, false), (false, true, false)] {
        let mut transport = open_known(&pattern, Positions::default(), known, from_start);
        let (mut placed, mut read) = (None, 0);
        let now = NOW.with(Arc::clone);
        for step in 0..200 {
            match transport.poll(Duration::ZERO).unwrap() {
                Some(Event::Placed { ticket }) => placed = Some(ticket),
                Some(Event::Delivery(_)) => read += 1,
                _ => {}
            }
            if step == 100 {
                append(&log, "new\n");
            }
            now.fetch_add(20_000, Ordering::Relaxed);
        }
        assert_eq!((placed.is_some(), read == 0), (waits, waits), "known {known} from_start {from_start}");
        let Some(ticket) = placed else { continue };
        transport.acknowledge(ticket, &Positions::default());
        assert_eq!(drain(&mut *transport, &mut Positions::default()), ["1 new"]);
    }
}

#[test]
fn what_is_packed_is_left_and_said_once_and_what_comes_in_its_place_is_read() {
    const PACKED: &[u8] = b"\x1f\x8b\x08\x00one\ntwo\n";
    let folder = tempfile::tempdir().unwrap();
    let (log, old) = (folder.path().join("a.log"), folder.path().join("a.log.1.gz"));
    let pattern = folder.path().join("a*").display().to_string();
    append(&log, "one\n");
    fs::write(&old, PACKED).unwrap();
    let mut positions = Positions::default();
    let mut transport = open(&pattern, Positions::default(), true);
    let mut told = drain(&mut *transport, &mut positions);
    told.sort();
    assert_eq!(told, ["1 one", "closed", "file_packed"]);
    assert_eq!(positions.iter().count(), 1, "the checkpoint knows nothing of it");
    assert!(drain(&mut *transport, &mut positions).is_empty());
    // whoever packs opens a file before he has its bytes
    let new = folder.path().join("a.log.2.gz");
    append(&new, "");
    assert!(drain(&mut *transport, &mut positions).is_empty());
    fs::write(&new, PACKED).unwrap();
    let mut told = drain(&mut *transport, &mut positions);
    told.sort();
    assert_eq!(told, ["closed", "file_packed"]);
    assert_eq!(positions.iter().count(), 1);
    // the same file, and text from now on
    fs::write(&old, "two\n").unwrap();
    assert_eq!(drain(&mut *transport, &mut positions), ["1 two"]);
}

#[test]
fn a_packed_file_that_a_checkpoint_knows_is_known_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    let pattern = folder.path().join("a*").display().to_string();
    append(&log, "one line that is longer than what it is packed to\n");
    let mut positions = Positions::default();
    let mut transport = open(&pattern, Positions::default(), true);
    assert_eq!(lines(&drain(&mut *transport, &mut positions)).len(), 1);
    transport.close();
    fs::write(&log, b"\x1f\x8b\x08\x00\n").unwrap();
    let mut transport = open(&pattern, positions.clone(), true);
    let mut told = drain(&mut *transport, &mut positions);
    told.sort();
    assert_eq!(told, ["closed", "file_packed", "file_replaced"]);
    assert!(files(&positions).is_empty());
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
            let behind = |files: u32| if files == 0 { String::new() } else { format!("{files}+") };
            let (new, old) = (behind(round), behind(if kept { round } else { 0 }));
            assert_eq!(lines(&told), [format!("{new}1 {round} first")], "{pattern}: {told:?}");
            append(&path(0), &format!("{round} second\n"));
            for number in (0..round + 1).rev() {
                fs::rename(path(number), path(number + 1)).unwrap();
            }
            // whoever writes has not noticed, and writes half a line
            append(&path(1), &format!("{round} thi"));
            let told = drain(&mut *transport, &mut positions);
            assert_eq!(lines(&told), [format!("{new}2 {round} second")], "{pattern}: {told:?}");
            append(&path(1), "rd\n");
            let told = drain(&mut *transport, &mut positions);
            assert_eq!(lines(&told), [format!("{old}3 {round} third")], "{pattern}: {told:?}");
        }
        let shown = |number: u32| path(number).display().to_string();
        let known: Vec<String> = files(&positions).into_iter().map(|(partition, _)| partition).collect();
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

/// What a file that grows may meet, and the process that follows it.
struct Story {
    folder: tempfile::TempDir,
    transport: Box<dyn LiveTransport>,
    positions: Positions,
    /// The checkpoint.
    saved: Positions,
    /// Lines by where they stood.
    seen: BTreeMap<(String, u64), String>,
    written: u64,
}

impl Story {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&mut self, name: &str) {
        self.written += 1;
        append(&self.path(name), &format!("line {}\n", self.written));
    }

    /// Reads all that is there, and writes a checkpoint where one is asked for.
    fn read(&mut self) {
        let now = NOW.with(Arc::clone);
        for _ in 0..100 {
            match self.transport.poll(Duration::ZERO).unwrap() {
                None => {
                    now.fetch_add(100_000, Ordering::Relaxed);
                }
                Some(Event::Opened { partition, position }) => {
                    self.positions.set(&partition, position.unwrap());
                }
                Some(Event::Closed { partition }) => self.positions.remove(&partition),
                Some(Event::Placed { ticket }) => {
                    self.saved = self.positions.clone();
                    self.transport.acknowledge(ticket, &self.saved);
                }
                Some(Event::Delivery(delivery)) => self.take(delivery),
                Some(_) => {}
            }
        }
    }

    fn take(&mut self, delivery: Delivery) {
        let Contents::Messages(messages) = &delivery.contents else { panic!("lines") };
        for message in messages.iter() {
            let text = String::from_utf8_lossy(message.bytes).trim().to_owned();
            let place = (delivery.partition.to_string(), message.number);
            let other = self.seen.insert(place.clone(), text.clone());
            assert!(other.as_ref().is_none_or(|other| *other == text), "{place:?}: {other:?} and {text}");
        }
        self.positions.set(&delivery.partition, delivery.position.unwrap());
    }

    /// Ends the process, after its last checkpoint or without it, and begins another. A process without any
    /// checkpoint leaves nothing by which the next could know what it has read.
    fn restart(&mut self, is_killed: bool) {
        if !is_killed || self.saved.is_empty() {
            self.saved = self.positions.clone();
        }
        self.positions = self.saved.clone();
        let pattern = self.path("a*").display().to_string();
        self.transport = open_known(&pattern, self.saved.clone(), true, true);
    }
}

/// Two lines of one path and number are one event: whatever becomes of the files and of the process.
#[test]
fn a_number_is_never_given_to_two_lines_of_a_name() {
    for seed in 0..25u64 {
        let folder = tempfile::tempdir().unwrap();
        let pattern = folder.path().join("a*").display().to_string();
        let transport = open_known(&pattern, Positions::default(), false, true);
        let (positions, saved) = (Positions::default(), Positions::default());
        let mut story = Story { folder, transport, positions, saved, seen: BTreeMap::new(), written: 0 };
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut chance = |of: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % of
        };
        for _ in 0..40 {
            match chance(10) {
                0 => {
                    // a rotation, after which whoever writes has not noticed
                    let _ = fs::rename(story.path("a.1"), story.path("a.2"));
                    let _ = fs::rename(story.path("a"), story.path("a.1"));
                }
                // there may be none
                1 => drop(fs::rename(story.path("a"), story.path("out of reach"))),
                2 => drop(fs::remove_file(story.path("a"))),
                3 if story.path("a").exists() => {
                    // one that is cut while nobody looks cannot be told from what it was if it has grown again
                    story.read();
                    fs::write(story.path("a"), "").unwrap();
                    story.read();
                }
                4 => story.restart(false),
                5 => story.restart(true),
                6 if story.path("a.1").exists() => story.write("a.1"),
                7 => story.saved = story.positions.clone(),
                _ => (0..=chance(3)).for_each(|_| story.write("a")),
            }
            if chance(4) > 0 {
                story.read();
            }
        }
        assert!(!story.seen.is_empty());
    }
}

/// Its lines have one number each, also where the process is killed after they were read.
#[test]
fn a_file_that_is_cut_before_it_gave_a_line_under_its_name_is_placed_first() {
    for is_renamed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let pattern = folder.path().join("a*").display().to_string();
        append(&folder.path().join("a"), "passed over or read\n");
        let transport = open_known(&pattern, Positions::default(), false, is_renamed);
        let (positions, saved) = (Positions::default(), Positions::default());
        let mut story = Story { folder, transport, positions, saved, seen: BTreeMap::new(), written: 0 };
        story.read();
        let mut name = "a";
        if is_renamed {
            name = "a.1";
            fs::rename(story.path("a"), story.path(name)).unwrap();
            story.read();
        }
        story.saved = story.positions.clone();
        fs::write(story.path(name), "").unwrap();
        story.read();
        story.write(name);
        story.read();
        story.restart(true);
        story.read();
        let numbers: Vec<_> = story.seen.iter().filter(|(_, text)| *text == "line 1").collect();
        assert_eq!(numbers.len(), 1, "{numbers:?}");
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
    assert_eq!(files(&positions).len(), 2);
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
    assert!(files(&positions).is_empty());
    assert!(transport.lag().is_empty());
}

#[test]
fn a_checkpoint_counts_once_for_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    append(&log, "one\ntwo\n");
    let id = identity(&log, &fs::metadata(&log).unwrap());
    let place = Place { file: id.clone(), offset: 4, line: 1, head: None, before: 0, born: None };
    let config = FollowConfig { paths: Vec::new(), from_start: true };
    let mut positions = Positions::default();
    positions.set("a", place.position());
    let mut follower = config.follower(context(positions, true));
    follower.ready = true;
    follower.begin(&id, &log).unwrap();
    assert_eq!(follower.files.remove(&id).unwrap().place.offset, 4);
    follower.begin(&id, &log).unwrap();
    assert_eq!(follower.files[&id].place.offset, 0, "another file, of the same identity");
}

/// The positions of a checkpoint, with a text of their places changed.
fn changed(positions: &Positions, change: impl Fn(&str) -> String) -> Positions {
    let mut all = Positions::default();
    positions
        .iter()
        .for_each(|(partition, position)| all.set(partition, Position::new(change(position.text()))));
    all
}

#[test]
fn a_file_with_the_inode_of_another_is_read_from_its_beginning() {
    for (before, after, expected) in [
        ("one\ntwo\n", "new\nof it\nmore\n", &["file_replaced", "1+1 new", "1+2 of it", "1+3 more"][..]),
        // what is told apart by what was read of it alone
        ("one\n", "ons\ntwo\n", &["file_replaced", "1+1 ons", "1+2 two"]),
        ("one\n", "one\ntwo\n", &["2 two"]),
        ("one\ntwo\n", "one\n", &["file_replaced", "1+1 one"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        let pattern = log.display().to_string();
        let mut positions = Positions::default();
        append(&log, before);
        let mut transport = open(&pattern, positions.clone(), true);
        drain(&mut *transport, &mut positions);
        transport.close();
        // the same inode, as a file has that is made when the other is gone
        fs::write(&log, after).unwrap();
        let mut transport = open(&pattern, positions.clone(), true);
        assert_eq!(drain(&mut *transport, &mut positions), expected, "{before:?} {after:?}");
    }
}

#[test]
fn lines_of_more_than_a_head_are_told_apart_by_it_and_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    let pattern = log.display().to_string();
    let mut positions = Positions::default();
    // its beginning comes in pieces, over restarts, and beyond what is held of it
    for number in 1..=5 {
        append(&log, &format!("{}\n", "x".repeat(number * 40)));
        let mut transport = open(&pattern, positions.clone(), true);
        let told = drain(&mut *transport, &mut positions);
        assert_eq!(told, [format!("{number} {}", "x".repeat(number * 40))]);
        transport.close();
    }
}

#[test]
fn a_checkpoint_of_before_has_no_hash_and_is_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    let pattern = log.display().to_string();
    let mut positions = Positions::default();
    append(&log, "one\n");
    drain(&mut *open(&pattern, positions.clone(), true), &mut positions);
    let without = |text: &str| {
        let mut place: serde_json::Value = serde_json::from_str(text).unwrap();
        assert!(place.as_object_mut().unwrap().remove("head").is_some(), "{text}");
        place.to_string()
    };
    let mut positions = changed(&positions, without);
    append(&log, "two\n");
    assert_eq!(drain(&mut *open(&pattern, positions.clone(), true), &mut positions), ["2 two"]);
    // and has one from then on
    assert!(positions.iter().all(|(_, position)| position.text().contains("head")));
}

#[test]
fn a_file_at_whose_beginning_a_checkpoint_of_before_stands_is_the_first_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    append(&log, "one\n");
    let file = identity(&log, &fs::metadata(&log).unwrap());
    let mut positions = Positions::default();
    let place = format!(r#"{{"file":"{file}","offset":0,"line":0}}"#);
    positions.set(&log.display().to_string(), Position::new(place));
    let told = drain(&mut *open(&log.display().to_string(), positions.clone(), true), &mut positions);
    assert_eq!(told, ["1 one"]);
}

#[test]
fn what_the_checkpoint_knows_and_is_gone_is_told_closed_by_the_first_look() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let pattern = folder.path().join("*.log").display().to_string();
    let mut positions = Positions::default();
    for name in ["a.log", "b.log", "c.log"] {
        append(&path(name), &format!("{name}\n"));
    }
    drain(&mut *open(&pattern, positions.clone(), true), &mut positions);
    assert_eq!(positions.len(), 3);
    fs::remove_file(path("a.log")).unwrap();
    fs::rename(path("b.log"), path("d.log")).unwrap();
    let told = drain(&mut *open(&pattern, positions.clone(), true), &mut positions);
    assert_eq!(told, ["closed", "closed"]);
    let left: Vec<String> = files(&positions).into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["c.log", "d.log"].map(|name| path(name).display().to_string()));
}

#[cfg(unix)]
#[test]
fn what_cannot_be_looked_at_is_told_once_and_read_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let pattern = path("*.log").display().to_string();
    std::os::unix::fs::symlink(path("a.log"), path("a.log")).unwrap();
    append(&path("b.log"), "one\n");
    let config = FollowConfig { paths: vec![pattern.clone()], from_start: true };
    let error = config.check(&context(Positions::default(), false)).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: ", path("a.log").display())), "{error}");
    let mut positions = Positions::default();
    let mut transport = open(&pattern, Positions::default(), true);
    let mut told = Vec::new();
    for _ in 0..200 {
        if let Some(Event::Note(note)) = transport.poll(Duration::ZERO).unwrap() {
            told.push(note);
        }
        NOW.with(Arc::clone).fetch_add(20_000, Ordering::Relaxed);
    }
    // in four seconds, with growing pauses
    assert!((2..5).contains(&told.len()), "{told:?}");
    assert!(told.iter().all(|note| note.cause == "retrying"));
    let said: Vec<&Note> = told.iter().filter(|note| !note.message.is_empty()).collect();
    assert_eq!(said.len(), 1, "{told:?}");
    assert!(said[0].message.contains("a.log cannot be looked at: "), "{said:?}");
    fs::remove_file(path("a.log")).unwrap();
    append(&path("a.log"), "two\n");
    assert_eq!(drain(&mut *transport, &mut positions), ["served_again", "1 two"]);
}

#[test]
fn what_lies_in_a_folder_that_cannot_be_looked_at_is_not_gone() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    append(&log, "one\n");
    let id = identity(&log, &fs::metadata(&log).unwrap());
    let config = FollowConfig { paths: Vec::new(), from_start: true };
    let seen = || Found { files: vec![log.clone()], ..Found::default() };
    let unseen = || {
        let error = std::io::Error::from(ErrorKind::PermissionDenied);
        Found { files: Vec::new(), unseen: [(folder.path().to_owned(), error)].into() }
    };
    // while it is read
    let mut follower = config.follower(context(Positions::default(), false));
    follower.see(seen(), 0);
    follower.see(unseen(), 1);
    assert!(!follower.files[&id].is_gone);
    follower.see(Found::default(), 2);
    assert!(follower.files[&id].is_gone);
    // and at the start
    let mut positions = Positions::default();
    let place = Place { file: id.clone(), offset: 4, line: 1, head: None, before: 0, born: None };
    positions.set(&log.display().to_string(), place.position());
    let mut follower = config.follower(context(positions, true));
    follower.see(unseen(), 0);
    assert!(follower.news.iter().all(|event| !matches!(event, Event::Closed { .. })));
    follower.see(seen(), 1);
    assert_eq!(follower.files[&id].place.offset, 4);
}

#[test]
fn a_path_that_is_a_folder_is_refused_with_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("logs/below")).unwrap();
    fs::create_dir_all(folder.path().join("a[b]")).unwrap();
    append(&folder.path().join("file"), "");
    for (path, is_refused) in [
        ("logs", true),
        ("logs/", true),
        ("l*/", true),
        ("logs/**", true),
        ("file", false),
        ("none", false),
        // there may be files one day
        ("logs/*", false),
        ("logs/**/*.json", false),
        ("l*", false),
    ] {
        let mut config = FollowConfig { paths: vec![path.to_owned()], from_start: true };
        config.resolve(folder.path());
        let checked = config.check(&context(Positions::default(), false)).map(drop);
        let opened = config.open(context(Positions::default(), false)).map(drop);
        assert_eq!((checked.is_err(), opened.is_err()), (is_refused, is_refused), "{path}: {checked:?}");
        if let Err(error) = checked {
            let shown = error.to_string();
            assert!(shown.contains("is a folder") && shown.ends_with("/*.json`"), "{shown}");
        }
    }
}

/// A file that can be opened and not read.
#[cfg(target_os = "linux")]
fn unreadable(path: &Path) {
    std::os::unix::fs::symlink("/proc/self/mem", path).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_is_told_once_and_starves_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let pattern = folder.path().join("*.log").display().to_string();
    let mut positions = Positions::default();
    unreadable(&folder.path().join("a.log"));
    append(&folder.path().join("b.log"), "one\n");
    let mut transport = open(&pattern, positions.clone(), true);
    let now = NOW.with(Arc::clone);
    let (mut lines, mut told, mut counted) = (Vec::new(), Vec::new(), 0);
    for step in 0..3_000 {
        if step == 1_500 {
            append(&folder.path().join("b.log"), "two\n");
        }
        match transport.poll(Duration::ZERO).unwrap() {
            Some(Event::Delivery(delivery)) => {
                let Contents::Messages(messages) = delivery.contents else { panic!("lines") };
                lines.extend(messages.iter().map(|m| String::from_utf8_lossy(m.bytes).trim().to_owned()));
            }
            Some(Event::Note(note)) => {
                counted += note.count;
                told.extend(Some(note.message).filter(|message| !message.is_empty()));
            }
            _ => {}
        }
        now.fetch_add(20_000, Ordering::Relaxed);
    }
    assert_eq!(lines, ["one", "two"]);
    // in a minute, with growing pauses
    assert!((3..10).contains(&counted), "{counted}");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("a.log cannot be read: "), "{told:?}");
    // and when it is gone it is left
    fs::remove_file(folder.path().join("a.log")).unwrap();
    assert_eq!(drain(&mut *transport, &mut positions), ["closed"]);
    assert_eq!(transport.lag().len(), 1);
}

#[test]
fn more_files_than_are_followed_are_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let pattern = folder.path().join("*.log").display().to_string();
    let path = |number: usize| folder.path().join(format!("{number:04}.log"));
    (0..FOLLOWED_FILES + 2).for_each(|number| append(&path(number), ""));
    let mut positions = Positions::default();
    let mut transport = open(&pattern, positions.clone(), true);
    let mut told = Vec::new();
    for _ in 0..3 {
        told.extend(drain(&mut *transport, &mut positions));
    }
    assert_eq!(told, ["too_many_files"]);
}
