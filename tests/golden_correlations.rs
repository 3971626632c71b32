//! Correlations over real logs: `virga detect` raises the alerts of `tests/goldens/correlations.json`, and no
//! others. They were reckoned by another program from the events themselves; under `checked` stands why each
//! rule's alerts are right.

use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};
use virga_test_support::{corpus, events, records, workspace};

/// What a golden says of an alert. Of the events it names those that made the first match; an alert shows
/// those that followed as well.
fn told(alert: &Value, golden: &Value) -> Value {
    let mut told = Map::new();
    for key in ["group", "time", "first_seen", "last_seen", "count"] {
        told.insert(key.to_owned(), alert[key].clone());
    }
    if let Some(named) = golden["events"].as_array() {
        let shown = |id: &&Value| {
            alert["events"].as_array().into_iter().flatten().any(|event| event["event_id"] == **id)
        };
        let shown: Vec<&Value> = named.iter().filter(shown).collect();
        told.insert("events".to_owned(), json!(shown));
    }
    if let Some(term) = golden.get("term") {
        let fields = alert["fields"].as_object().expect("fields");
        let found = fields.values().any(|value| value == term);
        told.insert("term".to_owned(), if found { term.clone() } else { json!(fields) });
    }
    Value::Object(told)
}

/// An input of the corpus as one file of events.
fn input(corpus: &Path, name: &str, folder: &Path) -> std::path::PathBuf {
    let lines = match corpus.join(name).is_dir() {
        true => records(corpus, name),
        false => events(corpus, name),
    };
    let path = folder.join(format!("{}.ndjson", name.replace('/', "_")));
    std::fs::write(&path, lines.join("\n")).expect("a set");
    path
}

#[test]
fn detect_raises_what_the_golden_says_and_nothing_else() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let text =
        std::fs::read_to_string(workspace().join("tests/goldens/correlations.json")).expect("the golden");
    let golden: Value = serde_json::from_str(&text).expect("a golden is JSON");
    let (mut wrong, mut raised) = (Vec::new(), 0);
    for (name, expected) in golden["rules"].as_object().expect("rules") {
        let inputs: Vec<_> = expected["input"]
            .as_array()
            .expect("inputs")
            .iter()
            .map(|path| input(&corpus, path.as_str().expect("a path"), folder.path()))
            .collect();
        let output = Command::new(env!("CARGO_BIN_EXE_virga"))
            .args(["detect", "--format", "ndjson", "--rules"])
            .arg(workspace().join(format!("tests/goldens/correlations/{name}.yml")))
            .args(&inputs)
            .output()
            .expect("virga runs");
        let summary = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && summary.contains("quarantined  0"), "{name}: {summary}");
        let alerts: Vec<Value> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).expect("an alert is JSON"))
            .filter(|alert: &Value| alert["kind"] == "correlation")
            .collect();
        raised += alerts.len();
        let expected = expected["alerts"].as_array().expect("alerts");
        if alerts.len() != expected.len() {
            let told: Vec<Value> = alerts.iter().map(|alert| told(alert, &json!({"events": []}))).collect();
            wrong.push(format!(
                "{name}: {} alerts, not {}: {told:#?}\n{summary}",
                alerts.len(),
                expected.len()
            ));
            continue;
        }
        let mut left = alerts.clone();
        for golden in expected {
            let mut wanted = golden.clone();
            wanted.as_object_mut().expect("an alert").remove("bucket_start");
            if let Some(at) = left.iter().position(|alert| told(alert, golden) == wanted) {
                left.remove(at);
            } else {
                let told: Vec<Value> = alerts.iter().map(|alert| told(alert, golden)).collect();
                wrong.push(format!("{name}: no alert says {wanted:#}, but {told:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(raised, 42);
}
