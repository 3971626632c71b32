//! What stops an archive half-way, a full disk or Ctrl-C, leaves it as it was, and says so.
#![cfg(all(feature = "lake", unix))]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use virga_benches::generator::{Config, Generator};
use virga_test_support::workspace;

fn virga(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(args)
        .current_dir(workspace())
        .output()
        .expect("virga runs")
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(args: &[&str]) -> Value {
    let output = virga(args);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(&output)))
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Made events, in files of ten thousand.
fn logs(folder: &Path, files: usize) -> PathBuf {
    let logs = folder.join("logs");
    std::fs::create_dir_all(&logs).expect("a folder");
    let config = Config { seed: 7, events_per_second: 20, ..Config::default() };
    let mut events = Generator::new(config);
    for number in 0..files {
        let mut text = Vec::new();
        for _ in 0..10_000 {
            events.next_into(&mut text);
            text.push(b'\n');
        }
        std::fs::write(logs.join(format!("{number:03}.ndjson")), text).expect("a file");
    }
    logs
}

fn import(lake: &Path, logs: &Path) -> Value {
    json(&["archive", "import", "--json", "--archive", shown(lake), shown(logs)])
}

fn version(lake: &Path) -> (Value, u64) {
    let listed = json(&["archive", "ls", "--json", "--archive", shown(lake)]);
    let events = listed["coverage"].as_array().expect("a list").iter();
    (listed["version"].clone(), events.filter_map(|hour| hour["events"].as_u64()).sum())
}

/// The archive is whole; gives how many files were left behind.
fn verified(lake: &Path) -> usize {
    let found = json(&["archive", "verify", "--json", "--archive", shown(lake)]);
    assert_eq!(found["problems"], serde_json::json!([]), "{found}");
    found["left_behind"].as_array().expect("a list").len()
}

/// A small disk; none, with a word, where nobody may mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path, megabytes: u32) -> Option<Self> {
        let path = folder.join("disk");
        std::fs::create_dir_all(&path).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs", shown(&path)])
            .stderr(Stdio::null())
            .status();
        match mounted {
            Ok(status) if status.success() => Some(Self(path)),
            _ => {
                eprintln!("skipped: a small disk cannot be mounted here");
                None
            }
        }
    }
}

/// What the files of a folder take of a disk.
fn taken(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| match entry.metadata().expect("a file") {
            found if found.is_dir() => taken(&entry.path()),
            found => usize::try_from(found.blocks() * 512).expect("a small file"),
        })
        .sum()
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_ends_an_import_with_a_word_and_the_archive_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(disk) = SmallDisk::mount(folder.path(), 40) else { return };
    let lake = disk.0.join("lake");
    let small = workspace().join("samples/stories");
    import(&lake, &small);
    let before = version(&lake);
    let large = logs(folder.path(), 4);
    // what fills the disk but for a megabyte: the import's files do not fit beside it
    let ballast = (39_usize << 20).checked_sub(taken(&disk.0)).expect("a small archive");
    std::fs::write(disk.0.join("ballast"), vec![1_u8; ballast]).expect("a file");
    let output = virga(&["archive", "import", "--archive", shown(&lake), shown(&large)]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("No space left on device"), "{}", told(&output));
    assert_eq!(version(&lake), before);
    verified(&lake);
    // there is room again
    std::fs::remove_file(disk.0.join("ballast")).expect("the file");
    let grown = Command::new("mount").args(["-o", "remount,size=200m", shown(&disk.0)]).status();
    assert!(grown.is_ok_and(|status| status.success()));
    let done = import(&lake, &large);
    assert_eq!(done["events"], 40_000);
    assert_eq!(version(&lake).1, before.1 + 40_000);
    verified(&lake);
}

#[test]
fn a_file_that_may_not_grow_ends_an_import_with_a_word_and_the_archive_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    import(&lake, &workspace().join("samples/stories"));
    let before = version(&lake);
    let large = logs(folder.path(), 4);
    // blocks of 1,024 bytes; a process that ignores the signal gets an error instead
    let command = format!(
        "trap '' XFSZ; ulimit -f 64; exec '{}' archive import --archive '{}' '{}'",
        env!("CARGO_BIN_EXE_virga"),
        shown(&lake),
        shown(&large)
    );
    let output = Command::new("bash").args(["-c", &command]).output().expect("bash runs");
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("File too large"), "{}", told(&output));
    assert_eq!(version(&lake), before);
    verified(&lake);
    assert_eq!(import(&lake, &large)["events"], 40_000);
    assert_eq!(verified(&lake), 0, "what was written before is part of the archive now, or is gone");
}

/// A process that is interrupted as from a keyboard.
struct Running(Child);

impl Running {
    fn start(args: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_virga"))
            .args(args)
            .current_dir(workspace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.expect("virga runs"))
    }

    fn interrupt(&self) {
        let status = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    /// The exit status, and what was said.
    fn end(mut self) -> (Option<i32>, String) {
        let until = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = self.0.try_wait().expect("a process") {
                break status;
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut said = String::new();
        self.0.stderr.take().expect("its words").read_to_string(&mut said).expect("text");
        (status.code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_import_that_is_interrupted_leaves_the_archive_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    import(&lake, &workspace().join("samples/stories"));
    let before = version(&lake);
    let mut running = Running::start(&["archive", "import", "--archive", shown(&lake), "-"]);
    // events for as long as it reads: it never comes to its end by itself
    let line =
        std::fs::read_to_string(workspace().join("samples/aws.cloudtrail/events.ndjson")).expect("events");
    let mut input = running.0.stdin.take().expect("its input");
    for _ in 0..200 {
        input.write_all(line.as_bytes()).expect("it reads");
    }
    input.flush().expect("it reads");
    // a pipe holds less than that: it is at work, and nothing of it is visible
    std::thread::sleep(Duration::from_millis(500));
    running.interrupt();
    let (status, said) = running.end();
    drop(input);
    assert_eq!(status, Some(130), "{said}");
    assert!(said.contains(&format!("stands at version {}", before.0)), "{said}");
    assert_eq!(version(&lake), before);
    verified(&lake);
}

#[test]
fn a_backtest_is_interrupted_whatever_it_is_at_and_leaves_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let lake = at("lake");
    import(&lake, &workspace().join("samples/stories/leaked-key-to-llmjacking.ndjson"));
    std::fs::create_dir(at("told")).expect("a folder");
    std::fs::write(at("expect.yml"), "total: {min: 0}").expect("a file");
    // nobody reads this pipe: the pass is over, and the process waits in the middle of what it writes
    let pipe = at("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().is_ok_and(|made| made.success()));
    let page = at("told/page.html");
    let expect = at("expect.yml");
    let running = Running::start(&[
        "backtest",
        "--archive",
        shown(&lake),
        "--html",
        shown(&page),
        "--expect",
        shown(&expect),
        "--junit",
        shown(&pipe),
    ]);
    let begun = || std::fs::read_dir(at("told")).expect("a folder").count();
    let until = Instant::now() + Duration::from_secs(60);
    while begun() == 0 {
        assert!(Instant::now() < until, "it does not write");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(500));
    running.interrupt();
    let (status, said) = running.end();
    assert_eq!(status, Some(130), "{said}");
    assert!(said.contains("no file was written"), "{said}");
    assert_eq!(begun(), 0);
}

/// The stories with other event ids.
fn copy_stories(from: &Path, to: &Path, number: usize) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("stories") {
        let path = entry.expect("a story").path();
        if path.extension().is_some_and(|ending| ending == "ndjson") {
            let text = std::fs::read_to_string(&path).expect("a story");
            let lines = text.lines().filter(|line| line.contains("\"eventID\":\""));
            let lines: Vec<String> = lines
                .map(|line| line.replace("\"eventID\":\"", &format!("\"eventID\":\"{number}-")))
                .collect();
            std::fs::write(to.join(path.file_name().expect("a name")), lines.join("\n")).expect("a file");
        }
    }
}

#[test]
fn a_compaction_that_is_interrupted_leaves_whole_hours_and_every_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    let large = logs(folder.path(), 4);
    let stories = workspace().join("samples/stories");
    for number in 0..4 {
        import(&lake, &large.join(format!("{number:03}.ndjson")));
        // in each hour of the stories several files: the same events come from another place
        let copy = folder.path().join(format!("copy{number}"));
        copy_stories(&stories, &copy, number);
        import(&lake, &copy);
    }
    let (_, events) = version(&lake);
    let commits = || std::fs::read_dir(lake.join("events/_delta_log")).expect("the log").count();
    let before = commits();
    let running = Running::start(&["archive", "compact", "--archive", shown(&lake)]);
    // some hours are done, many are not
    let until = Instant::now() + Duration::from_secs(120);
    while commits() == before {
        assert!(Instant::now() < until, "it does not begin");
        std::thread::sleep(Duration::from_millis(2));
    }
    running.interrupt();
    let (status, said) = running.end();
    assert_eq!(status, Some(130), "{said}");
    assert!(said.contains(&format!("stands at version {}", version(&lake).0)), "{said}");
    assert_eq!(version(&lake).1, events, "these events are all different");
    verified(&lake);
    let output = virga(&["archive", "compact", "--archive", shown(&lake)]);
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(version(&lake).1, events);
}

#[test]
fn a_backtest_that_is_interrupted_leaves_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    import(&lake, &logs(folder.path(), 12));
    let out = folder.path().join("out");
    std::fs::create_dir_all(&out).expect("a folder");
    let alerts = out.join("alerts.ndjson");
    std::fs::write(&alerts, "the old ones\n").expect("a file");
    let html = out.join("report.html");
    let args = [
        "backtest",
        "--no-prune",
        "--archive",
        shown(&lake),
        "--alerts",
        shown(&alerts),
        "--html",
        shown(&html),
    ];
    let running = Running::start(&args);
    // it is at work when its new file is there
    let until = Instant::now() + Duration::from_secs(60);
    while std::fs::read_dir(&out).expect("a folder").count() < 2 {
        assert!(Instant::now() < until, "it does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.interrupt();
    let (status, said) = running.end();
    assert_eq!(status, Some(130), "{said}");
    assert!(said.contains("the archive is as it was"), "{said}");
    let left: Vec<_> = std::fs::read_dir(&out)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left, ["alerts.ndjson"]);
    assert_eq!(std::fs::read_to_string(&alerts).expect("the file"), "the old ones\n");
}

#[test]
fn events_that_stand_there_twice_count_once_before_they_are_compacted_and_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    let text =
        std::fs::read_to_string(workspace().join("samples/aws.cloudtrail/events.ndjson")).expect("events");
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("\"eventID\"")).collect();
    assert!(lines.len() >= 3);
    let (all, some) = (folder.path().join("all.ndjson"), folder.path().join("some.ndjson"));
    std::fs::write(&all, lines.join("\n")).expect("a file");
    // the same records, printed otherwise
    let spaced = lines[..3].iter().map(|line| line.replace("\":", "\" : ")).collect::<Vec<_>>().join("\n");
    std::fs::write(&some, spaced).expect("a file");
    let first = import(&lake, &all)["events"].as_u64().expect("a number");
    let verify = || json(&["archive", "verify", "--json", "--archive", shown(&lake)])["duplicates"].clone();
    let rule = folder.path().join("rule.yml");
    std::fs::write(
        &rule,
        "title: any\nlogsource: {product: aws}\ndetection: {s: {eventID: '*'}, condition: s}\n",
    )
    .expect("a file");
    let count = || {
        json(&["query", "SELECT count(*) AS n FROM events", "--format", "ndjson", "--archive", shown(&lake)])
            ["n"]
            .clone()
    };
    let hits = || {
        let report =
            json(&["backtest", "--format", "json", "--archive", shown(&lake), "--rules", shown(&rule)]);
        (report["sets"][0]["rules"][0]["alerts"].clone(), report["cost"]["repeated"].clone())
    };
    assert_eq!((verify(), count(), hits()), (0.into(), first.into(), (first.into(), 0.into())));
    assert_eq!(import(&lake, &some)["events"], 3);
    assert_eq!((verify(), version(&lake).1), (3.into(), first + 3), "what lies there");
    assert_eq!((count(), hits()), (first.into(), (first.into(), 3.into())), "what counts");
    assert!(virga(&["archive", "compact", "--archive", shown(&lake)]).status.success());
    assert_eq!((verify(), count(), hits()), (0.into(), first.into(), (first.into(), 0.into())));
    assert_eq!(version(&lake).1, first);
}
