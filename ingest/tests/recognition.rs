//! `auto`: each event belongs to one source, whatever stood before it, in every form in which it comes.
//!
//! Our samples stand below `samples/<source>/`, a file for each form. Real logs stand where
//! `VIRGA_CORPUS` says; without them those tests say so and pass.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;

use common::{auto, bytes, read};
use virga_ingest::sources::{Recogniser, SOURCES, generic};
use virga_test_support::{corpus, events, workspace};

/// The sample files of each source.
fn samples() -> Vec<(&'static str, Vec<PathBuf>)> {
    let known = SOURCES.iter().filter(|source| source.name != generic::SOURCE.name);
    let files = |name: &str| {
        let folder = workspace().join("samples").join(name);
        let entries =
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    };
    known.map(|source| (source.name, files(source.name))).collect()
}

#[test]
fn every_sample_of_a_source_is_recognised_in_every_form_and_loses_nothing() {
    for (source, files) in samples() {
        assert!(files.len() >= 2, "{source}: more forms than one");
        for file in files {
            let (kept, summary) = read(auto(&[]), vec![bytes("s", std::fs::read(&file).unwrap())]);
            let name = file.display();
            assert_eq!(summary.quarantined.total(), 0, "{name}: {:?}", kept.bad());
            assert!(summary.total_events() > 0, "{name}");
            let others: Vec<_> =
                summary.events.iter().filter(|(other, count)| **other != source && **count > 0).collect();
            assert!(others.is_empty(), "{name}: {others:?}");
            assert_eq!(summary.times_missing, 0, "{name}: every sample says when it was");
        }
    }
}

/// All events of all samples.
fn sample_events() -> Vec<String> {
    let mut all = Vec::new();
    for (_, files) in samples() {
        for file in files {
            let (kept, _) = read(auto(&[]), vec![bytes("s", std::fs::read(&file).unwrap())]);
            all.extend(kept.rows().into_iter().map(|(.., raw)| raw));
        }
    }
    all
}

#[test]
fn no_two_sources_claim_one_event() {
    let mut events_of_all = sample_events();
    if let Some(corpus) = corpus() {
        for (file, _) in CORPUS {
            events_of_all.extend(events(&corpus, file));
        }
    }
    let mut alone: Vec<(&str, Recogniser)> = SOURCES
        .iter()
        .filter(|source| source.name != generic::SOURCE.name)
        .map(|source| (source.name, Recogniser::new(&[source, &generic::SOURCE])))
        .collect();
    for event in &events_of_all {
        let mut claims = Vec::new();
        for (name, recogniser) in &mut alone {
            if recogniser.owner(event).unwrap() == 0 {
                claims.push(*name);
            }
        }
        assert!(claims.len() <= 1, "{claims:?} claim {event}");
    }
}

#[test]
fn what_stood_before_an_event_does_not_change_what_it_is() {
    let events = sample_events();
    let owners = |events: &[String]| {
        let (kept, _) = read(auto(&["principal"]), vec![bytes("s", events.join("\n"))]);
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        for (source, .., raw) in kept.rows() {
            owners.insert(raw, source);
        }
        owners
    };
    let events: Vec<String> = events.into_iter().map(|event| event.replace('\n', " ")).collect();
    let forward = owners(&events);
    let mut shuffled = events.clone();
    shuffled.reverse();
    // neighbours of other sources: every third, then the rest
    let third: Vec<String> = (0..3).flat_map(|k| shuffled.iter().skip(k).step_by(3).cloned()).collect();
    assert_eq!(forward, owners(&third));
    for event in &events {
        let alone = virga_ingest::sources::recognise(event).map(|source| source.name.to_owned());
        assert_eq!(forward.get(event.as_str()), alone.as_ref(), "{event}");
    }
}

/// How many events of each file of the corpus belong to which source. What is of none is generic: of
/// Azure 268 rows of Office and 4 of a made-up table; of Google Cloud load balancers, flows and a test
/// log; of AI services Databricks; the other services.
const CORPUS: &[(&str, &[(&str, u64)])] = &[
    (
        "azure/azure_sentinel_training_lab.jsonl.gz",
        &[("azure.activity", 348), ("entra.audit", 5), ("entra.signin", 60), ("generic", 272)],
    ),
    (
        "azure/panther_azure.dev.jsonl.gz",
        &[("azure.activity", 90), ("azure.storage", 5), ("entra.audit", 18), ("entra.signin", 19)],
    ),
    ("azure/plaso_azure_activity_log.jsonl.gz", &[("azure.activity", 4)]),
    ("gcp/gcp_cloudevents.jsonl.gz", &[("gcp.audit", 3)]),
    ("gcp/gcp_csa_fixtures.jsonl.gz", &[("gcp.audit", 15), ("generic", 3)]),
    ("gcp/panther_gcp.dev.jsonl.gz", &[("gcp.audit", 86)]),
    ("gcp/plaso_gcp_logging.jsonl.gz", &[("gcp.audit", 9), ("generic", 2)]),
    ("genai/aws_bedrock_invocation_splunk.jsonl.gz", &[("aws.bedrock_invocation", 178)]),
    (
        "genai/panther_genai.dev.jsonl.gz",
        &[("anthropic.activity", 14), ("aws.bedrock_invocation", 4), ("generic", 81), ("openai.audit", 16)],
    ),
    (
        "saas/panther_identity_saas.dev.jsonl.gz",
        &[("gcp.audit", 15), ("generic", 167), ("kubernetes.audit", 106)],
    ),
];

#[test]
fn real_events_of_every_cloud_belong_to_their_sources() {
    let Some(corpus) = corpus() else { return };
    for (file, expected) in CORPUS {
        let lines = events(&corpus, file).join("\n");
        let (kept, summary) = read(auto(&["principal", "action", "outcome"]), vec![bytes(file, lines)]);
        let found: Vec<(&str, u64)> = summary
            .events
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(name, count)| (*name, *count))
            .collect();
        assert_eq!(found, *expected, "{file}");
        assert_eq!(summary.quarantined.total(), 0, "{file}: {:?}", kept.bad());
    }
}
