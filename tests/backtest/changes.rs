//! What a change of rules, of tuning or of a threshold makes: which alerts come and go, and by which test.

use serde_json::{Value, json};

use super::lab::{FEW, Few, Lab, RULES, find, text, virga};

#[test]
fn two_rule_sets_differ_where_their_runs_do_and_the_test_is_named() {
    let lab = Lab::new();
    let old = lab.write("old.yml", RULES);
    let new = lab.write(
        "new.yml",
        &RULES
            .replace("eventSource: ec2.amazonaws.com", "eventSource: s3.amazonaws.com")
            .replace("gte: 3}", "gte: 4}"),
    );
    let report = lab.backtest(&["--rules", &old, "--against", &new]);
    let ids = |alerts: Vec<Value>| -> std::collections::BTreeSet<String> {
        alerts.iter().map(|alert| alert["alert_id"].to_string()).collect()
    };
    let (a, b) = (ids(lab.detect(&old)), ids(lab.detect(&new)));
    assert_eq!(report["diff"]["both"], a.intersection(&b).count());
    assert_eq!(report["diff"]["only_a"], a.difference(&b).count());
    assert_eq!(report["diff"]["only_b"], b.difference(&a).count());
    let errors = find(&report["diff"]["rules"], "errors");
    assert_eq!(errors["change"], "changed");
    let flips = errors["flips"].to_string();
    assert!(flips.contains("not eventSource") && flips.contains("s3.amazonaws.com"), "{flips}");
    assert!(
        report["diff"]["rules"].as_array().expect("rules").iter().all(|rule| rule["title"] != "describes")
    );
}

#[test]
fn of_a_list_that_lost_a_value_all_that_is_left_is_named() {
    let lab = Lab::new();
    let rule = |names: &str| {
        format!(
            "title: one\nid: one\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: {{s: {{eventName: [{names}]}}, condition: s}}\n"
        )
    };
    let old = lab.write("old.yml", &rule("StopLogging, ListBuckets"));
    let new = lab.write("new.yml", &rule("StopLogging, DeleteTrail"));
    let report = lab.backtest(&["--rules", &old, "--against", &new]);
    let flips = &find(&report["diff"]["rules"], "one")["flips"];
    let stopped_in_b = flips.as_array().expect("flips").iter().find(|flip| flip["stopped"] == "B");
    assert_eq!(
        stopped_in_b.expect("a flip")["test"],
        "eventName is none of ('stoplogging', 'deletetrail')",
        "{flips}"
    );
}

#[test]
fn a_tuning_that_leaves_no_rule_can_be_compared_with() {
    let lab = Lab::new();
    let rule = "title: one\nid: one\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventName: StopLogging}, condition: s}\n";
    let rules = lab.write("one.yml", rule);
    let tuning = lab.write("tuning.yml", "one: {enabled: false}\n");
    let report = lab.backtest(&["--rules", &rules, "--against-tuning", &tuning]);
    assert!(report["diff"]["only_a"].as_u64() > Some(0), "{}", report["diff"]);
    assert_eq!((&report["diff"]["both"], &report["diff"]["only_b"]), (&json!(0), &json!(0)));
    let refused = virga(&["detect", "--quiet", "--rules", &rules, "--tuning", &tuning, text(&lab.input)]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("the tuning switches off all rules of"), "{said}");
}

#[test]
fn what_else_than_a_test_makes_a_difference_is_named() {
    let few = Few::new();
    let old = few.write("old.yml", FEW);
    let differs = |new: &str, title: &str| {
        let report = few.report(&["--rules", &old, "--against", &few.write("new.yml", new)]);
        let rule = find(&report["diff"]["rules"], title);
        (rule["change"].clone(), rule["explained"].clone(), rule["flips"][0]["test"].clone())
    };
    let elsewhere = FEW.replace(
        "title: reads\nname: reads\nlevel: low\nlogsource: {product: aws, service: cloudtrail}",
        "title: reads\nname: reads\nlevel: low\nlogsource: {product: azure, service: activitylogs}",
    );
    let told = differs(&elsewhere, "reads");
    assert_eq!(told, (json!("changed"), json!(1), json!("it does not run on aws.cloudtrail")));
    let (rest, _) = FEW.split_once("---\ntitle: addresses").expect("a correlation");
    let told = differs(rest, "lists");
    let feeds = "it only feeds correlations, and raises no alerts";
    assert_eq!(told, (json!("same"), json!(2), json!(feeds)));
    // a correlation has no test to ask for; who has no group is part of what it says
    let old = FEW.replace("group-by: [principal]", "group-by: [target_user]");
    let told = {
        let rules = (
            few.write("old.yml", &old),
            few.write("new.yml", &old.replace("gte: 2}", "gte: 2}, missing: group")),
        );
        let report = few.report(&["--rules", &rules.0, "--against", &rules.1]);
        let rule = find(&report["diff"]["rules"], "addresses");
        (rule["change"].clone(), rule["explained"].clone(), rule["only_b"].clone())
    };
    assert_eq!(told, (json!("changed"), json!(0), json!(1)));
}

#[test]
fn what_a_correlation_counted_is_told_value_by_value() {
    let few = Few::new();
    let report = few.report(&["--rules", &few.write("rules.yml", FEW)]);
    let told = &find(&report["sets"][0]["rules"], "addresses")["entities"]["src_ip"];
    let most = json!([{"value": "192.0.2.1", "count": 1}, {"value": "192.0.2.2", "count": 1}]);
    assert_eq!((&told["different"], &told["most"]), (&json!(2), &most));
    // a group without the field has no value of it
    let grouped = FEW.replace("group-by: [principal]", "group-by: [principal, target_user], missing: group");
    let report =
        few.report(&["--rules", &few.write("rules.yml", &grouped.replace("field: src_ip", "field: action"))]);
    let entities = report["sets"][0]["rules"].to_string();
    assert!(!entities.contains(r#""value":"null""#), "{entities}");
}
