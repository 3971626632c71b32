//! Processing pipelines and filters beside pySigma (`tests/pysigma/goldens`): which are accepted, what a
//! rule is behind them (its fields, its log source, its list of fields, its own keys), and which events
//! it then matches, by the fast way and by the reference. A difference is listed with its reason in
//! `tests/pysigma/pipeline-deviations.json`; one that is not listed fails, as does a listed one that no
//! longer occurs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use virga_engine::diagnostic::{Severity, SourceFile, codes};
use virga_engine::event::{EventBatch, SourceSpec};
use virga_engine::pipeline::{Pipelines, REFUSED, TRANSFORMATIONS, parse_pipeline};
use virga_engine::plan::{FieldKey, LoweredRule, SourcePlan};
use virga_engine::scan::{Scanner, reference};
use virga_engine::{RuleSet, Surroundings};
use virga_test_support::workspace;

fn golden(name: &str) -> Value {
    let path = workspace().join("tests/pysigma").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a golden is JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn file(name: &str, text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile { name: name.into(), text: text.into() })
}

fn any_source() -> SourceSpec {
    SourceSpec {
        name: "any".into(),
        logsources: Vec::new(),
        all_logsources: true,
        aliases: Vec::new(),
        computed: Vec::new(),
        columns: Vec::new(),
    }
}

/// Which events a rule matches; both ways must agree.
fn matches(rule: &LoweredRule, events: &[String]) -> Vec<bool> {
    let source = any_source();
    let slow: Vec<bool> = events
        .iter()
        .map(|event| {
            reference::Event::parse(event, &source, &|_| None).expect("an event").matches(rule, false)
        })
        .collect();
    let mut scanner = Scanner::new(SourcePlan::new(&source, &[(0, rule, false)]));
    let projection = Arc::clone(&scanner.plan().projection);
    let batch = EventBatch::of_raw("any", &projection, events.iter().map(String::as_str)).expect("a batch");
    let mut hits = Vec::new();
    scanner.scan(&batch, &mut hits);
    let fast: Vec<bool> =
        (0..events.len()).map(|row| hits.iter().any(|hit| hit.row as usize == row)).collect();
    assert_eq!(fast, slow, "the two ways differ: {} on {events:?}", rule.rule.title);
    slow
}

/// The names of the fields that a rule asks of, sorted.
fn fields(rule: &LoweredRule) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for selection in &rule.selections {
        selection.expr.for_each_predicate(&mut |predicate| {
            if let FieldKey::Named(_) = predicate.field {
                fields.insert(predicate.shown.clone());
            }
        });
    }
    fields
}

fn logsource(rule: &LoweredRule) -> Value {
    let is = &rule.rule.logsource.value;
    let parts = [("category", &is.category), ("product", &is.product), ("service", &is.service)];
    let parts =
        parts.iter().filter_map(|(key, value)| Some(((*key).to_owned(), Value::from((*value).clone()?))));
    Value::Object(parts.collect())
}

/// What is different about one rule behind its pipelines or filters; nothing, if all is well.
fn differences(set: &RuleSet, expected: &Value, events: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let title = text(&expected["title"]);
    let Some(rule) = set.rules.iter().find(|rule| rule.rule.title == title) else {
        if expected.get("error").is_none() {
            let said: Vec<String> = set.diagnostics.iter().map(ToString::to_string).collect();
            wrong.push(format!("{title}: refused here: {said:?}"));
        }
        return wrong;
    };
    if let Some(error) = expected.get("error") {
        return vec![format!("{title}: refused there: {error} {}", expected["message"])];
    }
    let mut differ = |what: &str, ours: Value, theirs: &Value| {
        if ours != *theirs {
            wrong.push(format!("{title}: {what}: ours {ours}, theirs {theirs} ({})", expected["dump"]));
        }
    };
    differ("matches", Value::from(matches(rule, events)), &expected["matches"]);
    differ("log source", logsource(rule), &expected["logsource"]);
    differ("fields", Value::from_iter(fields(rule)), &expected["fields"]);
    differ("list", Value::from(rule.rule.fields.clone()), &expected["list"]);
    differ("custom", Value::Object(rule.rule.custom.clone()), &expected["custom"]);
    wrong
}

/// Compares what differs with what is listed.
struct Deviations {
    listed: BTreeMap<String, Vec<String>>,
    used: BTreeSet<String>,
    unexplained: Vec<String>,
    same: usize,
}

impl Deviations {
    fn new(of: &str) -> Self {
        let listed = serde_json::from_value(golden("pipeline-deviations.json")[of].clone()).expect("reasons");
        Self { listed, used: BTreeSet::new(), unexplained: Vec::new(), same: 0 }
    }

    fn note(&mut self, case: &str, wrong: Vec<String>) {
        if wrong.is_empty() {
            self.same += 1;
        } else if self.listed.values().flatten().any(|listed| listed == case) {
            self.used.insert(case.to_owned());
        } else {
            self.unexplained.push(format!("{case}\n    {}", wrong.join("\n    ")));
        }
    }

    fn check(self) {
        println!("{} the same, {} differ for {} reasons", self.same, self.used.len(), self.listed.len());
        assert!(
            self.unexplained.is_empty(),
            "{} unexplained:\n{}",
            self.unexplained.len(),
            self.unexplained.join("\n")
        );
        let idle: Vec<_> = self.listed.values().flatten().filter(|case| !self.used.contains(*case)).collect();
        assert!(idle.is_empty(), "deviations that no longer occur: {idle:?}");
    }
}

fn events(case: &Value) -> Vec<String> {
    list(&case["events"]).iter().map(ToString::to_string).collect()
}

#[test]
fn every_transformation_makes_of_a_rule_what_pysigma_makes_of_it() {
    let golden = golden("goldens/pipelines.json");
    let mut deviations = Deviations::new("pipelines");
    for case in list(&golden["cases"]) {
        let name = format!("{}: {}", text(&case["file"]), text(&case["name"]));
        let (mut pipelines, mut refused) = (Vec::new(), Vec::new());
        for pipeline in list(&case["pipelines"]) {
            match parse_pipeline(&file(text(&pipeline["as"]), text(&pipeline["text"]))) {
                Ok(pipeline) => pipelines.push(pipeline),
                Err(diagnostics) => refused.extend(diagnostics),
            }
        }
        if let Some(unsupported) = case.get("refuse") {
            let named = refused.iter().any(|diagnostic| {
                diagnostic.code == codes::UNSUPPORTED_TRANSFORMATION
                    && diagnostic.cause.contains(&format!("`{}`", text(unsupported)))
            });
            assert!(named, "{name}: {unsupported} is refused by name: {refused:?}");
            continue;
        }
        let accepted = case["read"] == "accepted";
        if !refused.is_empty() || !accepted {
            let same = accepted == refused.is_empty();
            let said: Vec<String> = refused.iter().map(ToString::to_string).collect();
            let wrong = if same { vec![] } else { vec![format!("read: {} here: {said:?}", case["read"])] };
            deviations.note(&name, wrong);
            continue;
        }
        let around = Surroundings { pipelines: Pipelines::new(pipelines), ..Surroundings::default() };
        let set = RuleSet::load_with([file("rules.yml", text(&case["rules"]))], &around);
        let events = events(case);
        let wrong = list(&case["results"]).iter().flat_map(|result| differences(&set, result, &events));
        deviations.note(&name, wrong.collect());
    }
    deviations.check();
}

#[test]
fn filters_keep_and_leave_out_what_they_do_in_pysigma() {
    let golden = golden("goldens/filters.json");
    let mut deviations = Deviations::new("filters");
    for case in list(&golden["cases"]) {
        let name = format!("{}: {}", text(&case["file"]), text(&case["name"]));
        let mut around = Surroundings::default();
        if let Some(pipeline) = case["pipeline"].as_str() {
            let pipeline = parse_pipeline(&file("pipeline.yml", pipeline));
            let pipeline = pipeline.unwrap_or_else(|wrong| panic!("{name}: {wrong:?}"));
            around.pipelines = Pipelines::new(vec![pipeline]);
        }
        let files = [file("rules.yml", text(&case["rules"])), file("filters.yml", text(&case["filters"]))];
        let set = RuleSet::load_with(files, &around);
        let broken = set.diagnostics.iter().any(|diagnostic| {
            diagnostic.severity == Severity::Error && diagnostic.file.name == "filters.yml"
        });
        let accepted = case["read"] == "accepted";
        if broken || !accepted {
            let said: Vec<String> = set.diagnostics.iter().map(ToString::to_string).collect();
            let same = broken != accepted;
            let wrong = if same { vec![] } else { vec![format!("read: {} here: {said:?}", case["read"])] };
            deviations.note(&name, wrong);
            continue;
        }
        let events = events(case);
        let wrong = list(&case["results"]).iter().flat_map(|result| differences(&set, result, &events));
        deviations.note(&name, wrong.collect());
    }
    deviations.check();
}

#[test]
fn every_transformation_that_pysigma_has_is_known_here() {
    let golden = golden("goldens/pipelines.json");
    let known = |name: &str| {
        TRANSFORMATIONS.iter().any(|kind| kind.name == name)
            || REFUSED.iter().any(|(refused, _)| *refused == name)
    };
    for of in ["transformations", "postprocessing"] {
        let names = list(&golden[of]);
        assert!(!names.is_empty());
        for name in names {
            assert!(known(text(name)), "{name}");
        }
    }
}
