//! DuckDB over the same files with the same rules, translated by pySigma: `benches/duckdb`.
//!
//! In: the archive's files, and the texts of rules. Out: for each set and form the seconds and the counts. Where
//! there is no Python, or DuckDB cannot be installed, a word on standard error and nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use virga_test_support::workspace;

/// What DuckDB said of one set in one form.
pub struct Answer {
    pub set: String,
    pub form: String,
    pub seconds: f64,
    pub counts: BTreeMap<String, u64>,
}

/// Asks DuckDB; `None` where it is not to be had.
pub fn ask(files: &[PathBuf], sets: &[(&str, Vec<String>)], runs: usize) -> Option<(String, Vec<Answer>)> {
    let sets: Vec<Value> = sets.iter().map(|(name, rules)| json!({"name": name, "rules": rules})).collect();
    let question = json!({"files": files, "sets": sets, "runs": runs});
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("question.json");
    std::fs::write(&path, question.to_string()).expect("a file");
    let script = workspace().join("benches/duckdb/run.sh");
    let output = Command::new(&script).arg(&path).stderr(Stdio::inherit()).output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            eprintln!("DuckDB is skipped: {}: {error}", script.display());
            return None;
        }
    };
    match output.status.code() {
        Some(0) => {}
        // the script has said why
        Some(2 | 3) => {
            eprintln!("DuckDB is skipped");
            return None;
        }
        code => panic!("the peer failed with {code:?}"),
    }
    let said: Value = serde_json::from_slice(&output.stdout).expect("the peer's answer is JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let answers = said["answers"].as_array().expect("answers").iter().map(|answer| Answer {
        set: text(&answer["set"]),
        form: format!("{}, {}", text(&answer["form"]), text(&answer["case"])),
        seconds: answer["seconds"].as_f64().expect("seconds"),
        counts: serde_json::from_value(answer["counts"].clone()).expect("counts by rule"),
    });
    Some((text(&said["duckdb"]), answers.collect()))
}
