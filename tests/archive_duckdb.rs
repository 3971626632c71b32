//! DuckDB, pandas and PyArrow count an archive's events exactly, at every moment of an import and a compaction,
//! and earlier versions for as long as their files are kept. Skipped with a word where no Python has them.
#![cfg(feature = "lake")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use virga_benches::generator::{Config, Generator};
use virga_test_support::workspace;

/// A Python that counts when it is asked.
struct Counter {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Counter {
    fn start(lake: &Path) -> Option<Self> {
        let folder = workspace().join("tests/duckdb");
        let found =
            Command::new(folder.join("python.sh")).stderr(Stdio::inherit()).output().expect("a shell");
        if !found.status.success() {
            return None;
        }
        let python = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        let mut child = Command::new(python)
            .arg(folder.join("count.py"))
            .arg(lake.join("events"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        Some(Self { child, stdin, stdout })
    }

    fn count(&mut self, asked: &str) -> Value {
        writeln!(self.stdin.as_mut().expect("it lives"), "{asked}").expect("it lives");
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("an answer");
        let answer: Value = serde_json::from_str(&line).expect("an answer");
        assert!(answer.get("error").is_none(), "{answer}");
        answer
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn virga(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_virga"));
    command.args(args).current_dir(workspace()).stdout(Stdio::null());
    command
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Made events in files: each import leaves a few files in every hour.
fn logs(folder: &Path, files: usize, events: usize) -> Vec<PathBuf> {
    let mut generator = Generator::new(Config { seed: 5, events_per_second: 2, ..Config::default() });
    let file = |number: usize| {
        let mut text = Vec::new();
        for _ in 0..events {
            generator.next_into(&mut text);
            text.push(b'\n');
        }
        let path = folder.join(format!("{number:02}.ndjson"));
        std::fs::write(&path, text).expect("a file");
        path
    };
    (0..files).map(file).collect()
}

#[test]
fn others_count_exactly_while_events_are_imported_and_files_are_merged() {
    const EVENTS: usize = 2_000;
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    let logs = logs(folder.path(), 6, EVENTS);
    let import =
        |path: &Path| virga(&["archive", "import", "--quiet", "--archive", shown(&lake), shown(path)]);
    assert!(import(&logs[0]).status().expect("virga runs").success());
    let Some(mut counter) = Counter::start(&lake) else { return };
    let first = counter.count("pandas");
    assert_eq!(first["duckdb"], EVENTS);
    for name in ["log", "distinct", "pandas", "arrow"] {
        assert_eq!(first[name], EVENTS, "{name}: {first}");
    }
    assert!(first["delta_scan"].is_null() || first["delta_scan"] == EVENTS, "{first}");
    let mut wanted = EVENTS;
    let mut versions: Vec<(u64, u64)> = Vec::new();
    for log in &logs[1..] {
        let mut running = [
            import(log).spawn().expect("virga runs"),
            virga(&["archive", "compact", "--archive", shown(&lake)]).spawn().expect("virga runs"),
        ];
        loop {
            let is_over = running.iter_mut().all(|child| child.try_wait().expect("a process").is_some());
            let seen = counter.count("now");
            let rows = seen["duckdb"].as_u64().expect("a number");
            // an import counts whole or not at all, a compaction changes no count
            assert!([wanted, wanted + EVENTS].map(|n| n as u64).contains(&rows), "{seen}");
            assert_eq!((&seen["log"], &seen["distinct"]), (&seen["duckdb"], &seen["duckdb"]), "{seen}");
            versions.push((seen["version"].as_u64().expect("a number"), rows));
            if is_over {
                break;
            }
        }
        for child in &mut running {
            assert!(child.wait().expect("it ends").success());
        }
        wanted += EVENTS;
        assert_eq!(counter.count("now")["duckdb"], wanted);
    }
    assert!(
        virga(&["archive", "compact", "--archive", shown(&lake)]).status().expect("virga runs").success()
    );
    let last = counter.count("pandas");
    for name in ["duckdb", "log", "distinct", "pandas", "arrow"] {
        assert_eq!(last[name], wanted, "{name}: {last}");
    }
    // what was counted once is counted again, though its files were replaced
    versions.dedup();
    assert!(versions.len() > 5, "{versions:?}");
    for (version, rows) in versions {
        assert_eq!(counter.count(&format!("at {version}"))["duckdb"], rows, "version {version}");
    }
}
