//! The public rules on Kubernetes: each finds what it is for among our own samples, in every form in
//! which a cluster's audit log comes.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{BatchBuilder, OriginBase};
use virga_engine::plan::Lists;
use virga_engine::{Engine, RuleSet};
use virga_ingest::sources::{Arrival, Normaliser, kubernetes_audit};
use virga_test_support::{SIGMAHQ, corpus, rule_archive, workspace};

/// The same event as each delivery holds it.
fn forms(event: &str) -> [String; 4] {
    let quoted = serde_json::Value::from(event).to_string();
    let columns = format!(
        r#"{{"TenantId":"t","Type":"AKSAudit","TimeGenerated":"2026-03-02T10:00:09Z",{}"#,
        event.trim_start_matches('{')
    );
    [
        event.to_owned(),
        format!(r#"{{"category":"kube-audit","properties":{{"log":{quoted},"stream":"stdout"}}}}"#),
        format!(r#"{{"Category":"kube-audit-admin","log_s":{quoted},"Type":"AzureDiagnostics"}}"#),
        columns,
    ]
}

/// Which of our own samples each public rule finds, by line.
const FOUND: &[(&str, &[u32])] = &[
    ("change_admission_controller", &[16]),
    ("cronjob_modification", &[15]),
    ("deployment_deleted", &[18]),
    ("events_deleted", &[11]),
    // kubectl 1.31 and later opens a WebSocket, which is a `get`: this rule does not see line 5
    ("exec_into_container", &[13]),
    ("hostpath_mount", &[6]),
    ("pod_in_system_namespace", &[6]),
    // asks for a `responseStatus.code` of `ALLOW`, which is a number
    ("potential_enumeration_activity", &[]),
    ("privileged_pod_creation", &[6]),
    ("rbac_permisions_listing", &[3]),
    ("rolebinding_modification", &[7, 10]),
    ("secrets_enumeration", &[4, 9]),
    ("secrets_modified_or_deleted", &[14]),
    ("serviceaccount_creation", &[8]),
    ("sidecar_injection", &[17]),
    ("unauthorized_unauthenticated_actions", &[4, 12]),
];

#[test]
fn the_public_rules_find_what_they_are_for_in_every_form() {
    let Some(corpus) = corpus() else { return };
    let path = workspace().join("samples/kubernetes.audit/events.ndjson");
    let samples = std::fs::read_to_string(path).unwrap();
    let samples: Vec<[String; 4]> = samples.lines().map(forms).collect();
    let rules = rule_archive(&corpus, SIGMAHQ);
    let rules = rules.into_iter().filter(|rule| rule.path.contains("/application/kubernetes/"));
    let mut found = Vec::new();
    for rule in rules {
        let name = rule.path.rsplit_once("kubernetes_audit_").unwrap().1.trim_end_matches(".yml").to_owned();
        let file = Arc::new(SourceFile { name: rule.path, text: rule.text });
        let set = RuleSet::load([file], &Lists::new());
        let lines = [0, 1, 2, 3].map(|form| lines_found(&set, samples.iter().map(|forms| &forms[form])));
        assert!(lines.iter().all(|of_form| *of_form == lines[0]), "{name}: {lines:?}");
        found.push((name, lines[0].clone()));
    }
    found.sort();
    let expected: Vec<_> = FOUND.iter().map(|(name, lines)| ((*name).to_owned(), lines.to_vec())).collect();
    assert_eq!(found, expected);
}

/// The events, counted from 1, in which a rule set finds something.
fn lines_found<'a>(set: &RuleSet, events: impl Iterator<Item = &'a String>) -> Vec<u32> {
    let mut engine = Engine::new(set, &[kubernetes_audit::SOURCE.spec()]);
    assert_eq!(engine.report().loaded, 1, "the rule is one for this source");
    let projection = engine.projection(kubernetes_audit::SOURCE.name).unwrap();
    let mut normaliser = Normaliser::new(&kubernetes_audit::SOURCE, &projection, &Arc::default());
    let mut batch = BatchBuilder::new(kubernetes_audit::SOURCE.name.into(), projection);
    let base = OriginBase::File { path: "samples".into() };
    for event in events {
        let arrival = Arrival { base: &base, line: None, record: None, ingest_time: 0 };
        normaliser.normalise(event, &arrival, &mut batch).unwrap();
    }
    let mut hits = Vec::new();
    engine.scan(&batch.finish(), &mut hits);
    hits.into_iter().map(|hit| hit.row + 1).collect()
}
