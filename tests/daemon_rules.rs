//! `virga run` on its rules: what it says of them when it starts.

#![cfg(feature = "daemon")]
#![allow(missing_docs, dead_code)]

mod daemon_support;

use std::fs;

use daemon_support::Place;

#[test]
fn rules_that_will_never_be_heard_of_are_told_in_the_log() {
    let place = Place::new("[[input]]\nname = \"in\"\nstdin = {}\n", "");
    let logsource = "level: high\nlogsource: {product: aws, service: cloudtrail}\n";
    let rules = format!(
        "title: a\nname: a\n{logsource}detection: {{s: {{eventName: A}}, condition: s}}\n---\n\
         title: b\nname: b\n{logsource}detection: {{s: {{eventName|expand: '%none%'}}, condition: s}}\n---\n\
         title: both\nname: both\ncorrelation: {{type: temporal, rules: [a, b], group-by: x, timespan: 5m}}\n"
    );
    fs::write(place.path("rules/rules.yml"), rules).expect("rules");
    let ran = place.command().output().expect("it runs");
    let log = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{log}");
    let told: Vec<&str> = log.lines().filter(|line| line.contains("never-heard")).collect();
    assert_eq!(told.len(), 1, "{log}");
    let words = "rules.yml:4:12: warning[never-heard]: the rule will raise no alert: it only feeds `both`";
    assert!(told[0].contains("WARN") && told[0].contains(words), "{told:?}");
}
