//! The absences that ARCHITECTURE.md promises, held.

use std::path::{Path, PathBuf};
use virga_test_support::workspace;

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => walk(&path, found),
                false if path.extension().is_some_and(|ending| ending == "rs") => {
                    found.push((path.clone(), std::fs::read_to_string(&path).expect("a source file")));
                }
                false => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(&workspace().join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} holds no sources");
    found
}

/// Lines of code, without comments, that hold one of the words.
fn lines_with(folder: &str, words: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, text) in sources(folder) {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word)) {
                lines.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    lines
}

#[test]
fn the_engine_knows_no_files_sockets_clocks_threads_or_environment() {
    let words = [
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "SystemTime",
        "Instant",
        "Utc::now",
        "Local::now",
        "std::thread",
        "std::env",
        "std::process",
        "println!",
    ];
    assert_eq!(lines_with("engine/src", &words), Vec::<String>::new());
}

#[test]
fn the_engine_knows_no_provider() {
    let words =
        ["cloudtrail", "CloudTrail", "amazonaws", "entra.", "gcp.audit", "azure.activity", "virga_ingest"];
    let lines = lines_with("engine/src", &words);
    // examples of modifiers are events that people recognise
    let lines: Vec<_> = lines.iter().filter(|line| !line.contains("engine/src/modifiers/")).collect();
    assert_eq!(lines, Vec::<&String>::new());
}

#[test]
fn ingest_knows_no_rules_and_no_alerts() {
    let words = [
        "virga_engine::sigma",
        "virga_engine::plan",
        "virga_engine::scan",
        "virga_engine::alert",
        "virga_engine::Engine",
        "RuleSet",
    ];
    assert_eq!(lines_with("ingest/src", &words), Vec::<String>::new());
}

#[test]
fn a_backtest_knows_no_clock_no_network_and_no_log_source() {
    let words = [
        "SystemTime",
        "Instant",
        "Utc::now",
        "std::net",
        "std::env",
        "std::fs",
        "virga_ingest",
        "cloudtrail",
    ];
    assert_eq!(lines_with("replay/src", &words), Vec::<String>::new());
}

#[test]
fn nobody_is_unsafe() {
    for folder in ["engine/src", "ingest/src", "archive/src", "replay/src", "src"] {
        let lines: Vec<_> = lines_with(folder, &["unsafe "]);
        assert_eq!(lines, Vec::<String>::new());
    }
}

#[test]
fn there_is_one_arrow() {
    let lock = std::fs::read_to_string(workspace().join("Cargo.lock")).expect("Cargo.lock");
    for name in ["arrow-array", "arrow-schema", "object_store", "datafusion"] {
        let count = lock.lines().filter(|line| *line == format!("name = \"{name}\"")).count();
        assert!(count <= 1, "{count} versions of {name}");
    }
}
