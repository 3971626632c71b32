//! What a build holds a run to: labels, expectations, locks.

use serde_json::{Value, json};
use virga_test_support::workspace;

use super::lab::{FEW, Few, Lab, RULES, archive, find, of_rule, text, virga};

#[test]
fn labels_of_what_is_not_there_are_told() {
    let lab = Lab::new();
    let rules = lab.write("rules.yml", RULES);
    let event = &of_rule(&lab.detect(&rules), "errors")[0]["events"][0]["event_id"].clone();
    let notes = |text: &str| {
        let labels = lab.write("labels.yml", text);
        lab.backtest(&["--rules", &rules, "--labels", &labels])["notes"].to_string()
    };
    let told = notes(&format!("events: [{{id: {event}, rules: [errors]}}]\n"));
    assert!(!told.contains("label"), "{told}");
    let told = notes(&format!("events: [{{id: {event}, rules: [erors]}}, {{id: nowhere}}]\n"));
    assert!(told.contains("rules that are not there: `erors`"), "{told}");
    assert!(told.contains("1 labelled events are not in this stretch of the archive"), "{told}");
    assert!(told.contains("missed: nowhere"), "{told}");
}

#[test]
fn an_alert_on_several_labelled_events_tells_of_each() {
    let few = Few::new();
    let labels = few.write(
        "labels.yml",
        "events: [{id: e0}, {id: e1}, {id: e2, rules: [reads]}, {id: e2, rules: [silent]}]\n",
    );
    let report = few.report(&["--rules", &few.write("rules.yml", FEW), "--labels", &labels]);
    let set = &report["sets"][0];
    assert_eq!(set["score"]["events"], json!([4, 4]), "{}", set["score"]);
    let of = |title: &str| {
        let rule = find(&set["rules"], title);
        (rule["alerts"].clone(), rule["score"]["events"].clone(), rule["score"]["recall"].clone())
    };
    assert_eq!(of("addresses"), (json!(1), json!([2, 2]), json!(1.0)));
    assert_eq!(of("reads"), (json!(1), json!([1, 1]), json!(1.0)));
    // what labels name is told of, also where it said nothing
    assert_eq!(of("silent"), (json!(0), json!([1, 0]), json!(0.0)));
    let expect = few.write("expect.yml", "expect: [{rule: silent, recall: {min: 0.5}}]\n");
    let output =
        few.run(&["--rules", &few.write("rules.yml", FEW), "--labels", &labels, "--expect", &expect]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("expected at least 0.5, got 0"), "{said}");
}

#[test]
fn labels_give_precision_and_recall_and_expectations_fail_a_build() {
    let lab = Lab::new();
    let rules = lab.write("rules.yml", RULES);
    let alerts = lab.detect(&rules);
    let errors = of_rule(&alerts, "errors");
    let known = &errors[0]["events"][0]["event_id"];
    // an event of which a correlation alone tells: the rule that it matches is muted
    let addresses = of_rule(&alerts, "many addresses");
    let behind = &addresses[0]["events"][0]["event_id"];
    let labels = lab.write(
        "labels.yml",
        &format!(
            "events:\n- {{id: {known}, rules: [errors]}}\n- {{id: nowhere}}\n- {{id: {behind}, rules: [addresses]}}\n"
        ),
    );
    let expect = lab.write(
        "expect.yml",
        &format!("expect:\n- {{rule: errors, alerts: {}}}\n- {{rule: many calls, alerts: {{min: 1}}}}\ntotal: {{max: 1}}\n", errors.len()),
    );
    let junit = lab.path("junit.xml");
    let args = ["backtest", "--quiet", "--format", "json", "--archive", text(&lab.lake), "--rules", &rules];
    let output = virga(&[&args[..], &["--labels", &labels, "--expect", &expect, "--junit", &junit]].concat());
    assert_eq!(output.status.code(), Some(1), "the total is more than one");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let score = &find(&report["sets"][0]["rules"], "errors")["score"];
    assert_eq!((score["right"].as_u64(), score["alerts"].as_u64()), (Some(1), Some(errors.len() as u64)));
    assert_eq!(score["recall"], 1.0);
    let score = &find(&report["sets"][0]["rules"], "many addresses")["score"];
    assert_eq!((score["right"].as_u64(), &score["recall"]), (Some(1), &1.0.into()), "{score}");
    assert_eq!(report["sets"][0]["score"]["recall"], 2.0 / 3.0);
    let written = std::fs::read_to_string(&junit).expect("JUnit");
    assert!(written.contains("failures=\"1\"") && written.contains("expected at most 1"), "{written}");
}

#[test]
fn a_lock_of_a_stretch_of_which_the_archive_holds_nothing_can_be_held_to() {
    let few = Few::new();
    let (rules, lock) = (few.write("rules.yml", FEW), few.write("run.lock", ""));
    for stretch in [["--from", "2030-01-01"], ["--to", "2020-01-01"]] {
        let report = few.report(&[&["--rules", &rules, "--lock", &lock], &stretch[..]].concat());
        assert_eq!(report["from"], report["to"], "{stretch:?}");
        let held = few.report(&["--rules", &rules, "--locked", &lock]);
        assert_eq!((&held["from"], &held["sets"][0]["alerts"]), (&report["from"], &json!(0)));
    }
}

#[test]
fn a_locked_run_comes_out_the_same_and_changed_rules_are_refused() {
    let lab = Lab::new();
    let rules = lab.write("rules.yml", RULES);
    let lock = lab.path("run.lock");
    lab.backtest(&["--rules", &rules, "--lock", &lock]);
    // what comes later is not part of the run
    archive(&workspace().join("samples/stories/leaked-key-to-llmjacking.ndjson"), &lab.lake);
    lab.backtest(&["--rules", &rules, "--locked", &lock]);
    lab.write("rules.yml", &RULES.replace("startswith: Describe", "startswith: List"));
    let args = ["backtest", "--archive", text(&lab.lake), "--rules", &rules, "--locked", &lock];
    let output = virga(&args);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not those of the lock"));
}
