//! Real logs: every event is read, with its time and id.
//!
//! The logs stand where `VIRGA_CORPUS` says, or beside the workspace; without them these tests say so
//! and pass. Where the variable is set, it must lead to them.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Kept, auto, bytes, plan, read};
use flate2::read::MultiGzDecoder;
use serde_json::value::RawValue;
use virga_ingest::batcher::BatchLimits;
use virga_ingest::reader::{Choice, Reader};
use virga_ingest::sources::{Describer, aws_cloudtrail};
use virga_ingest::transport::{FileInputs, Progress, survey};
use virga_test_support::corpus;

#[derive(serde::Deserialize)]
struct Line {
    event: Box<RawValue>,
}

/// The raw events of a set: one line of JSON each.
fn events(path: &Path) -> Vec<String> {
    let lines = BufReader::new(MultiGzDecoder::new(File::open(path).unwrap())).lines();
    lines.map(|line| serde_json::from_str::<Line>(&line.unwrap()).unwrap().event.get().to_owned()).collect()
}

fn sets(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut sets: Vec<PathBuf> =
        entries.filter(|path| path.to_string_lossy().ends_with(".jsonl.gz")).collect();
    sets.sort();
    assert!(!sets.is_empty(), "{} holds no set", folder.display());
    sets
}

#[test]
fn objects_as_cloudtrail_delivers_them() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("aws/invictus_native");
    let progress = Progress::default();
    let inputs: Vec<_> = FileInputs::new(&folder, &progress).collect();
    let objects = inputs.len();
    let fields = ["eventName", "principal", "service", "action_kind", "outcome", "src_ip_kind", "target"];
    let (kept, summary) = read(auto(&fields), inputs);
    assert_eq!(summary.events.get("aws.cloudtrail"), Some(&2900));
    assert_eq!(summary.total_events(), 2900);
    assert_eq!((summary.unreadable, summary.quarantined.total()), (0, 0), "{:?}", kept.bad());
    assert_eq!((summary.times_missing, summary.ids_missing), (0, 0));
    assert_eq!(summary.inputs as usize, objects);
    assert_eq!(progress.bytes(), survey(&folder).bytes);
    let rows = kept.rows();
    // 2023-07-10, 11:42 to 12:37
    let (first, last) = (1_688_989_320_000_000, 1_688_992_680_000_000);
    assert!(rows.iter().all(|row| (first..last).contains(&row.2)));
    let mut ids: Vec<_> = rows.iter().map(|row| &row.1).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2900);
    assert!(rows.iter().all(|row| row.3.contains(".json.gz#")), "{}", rows[0].3);
    for field in [0, 2, 3, 4] {
        assert!(kept.field(field).iter().all(Option::is_some), "{} of every event", fields[field]);
    }
}

#[test]
fn every_event_of_every_aws_set() {
    let Some(corpus) = corpus() else { return };
    for set in sets(&corpus.join("aws")) {
        let events = events(&set);
        let name = set.file_name().unwrap().to_string_lossy().into_owned();
        let (kept, summary) = read(
            Choice::Fixed(plan("aws.cloudtrail", &["principal"])),
            vec![bytes(&name, events.join("\n"))],
        );
        // one set holds another product's alerts as lists in strings, and CloudWatch messages that
        // are text or control: no other line gives anything but its event
        let control = events.iter().filter(|event| event.contains("\"CONTROL_MESSAGE\"")).count();
        let read_events = summary.total_events() as usize;
        assert_eq!(read_events + kept.quarantined.len(), events.len() - control, "{name}: {:?}", kept.bad());
        for bad in &kept.quarantined {
            let line = &events[bad.origin.line.unwrap() as usize - 1];
            assert!(line.starts_with('"') || line.contains("\"logEvents\""), "{name}: {}", bad.origin);
        }
        let document = format!("{{\"Records\":[{}]}}", events.join(","));
        let mut whole = Kept::default();
        let choice = Choice::Fixed(plan("aws.cloudtrail", &["principal"]));
        let again = Reader::new(choice, BatchLimits::default(), &Arc::default())
            .run(vec![bytes(&name, document)], &mut whole);
        assert_eq!(again.total_events() as usize, read_events, "{name} as a document");
        assert_eq!(whole.field(0), kept.field(0), "{name} as a document");
    }
}

#[test]
fn every_event_that_has_a_time_gives_it() {
    let Some(corpus) = corpus() else { return };
    for set in [
        "aws_flaws_excerpt",
        "aws_otrf_ec2_proxy_s3",
        "aws_traildiscover_examples",
        "aws_schema_variants",
        "aws_console_benign.dev",
        "plaso_aws_cloudtrail",
    ] {
        let events = events(&corpus.join(format!("aws/{set}.jsonl.gz")));
        let (_, summary) = read(auto(&[]), vec![bytes(set, events.join("\n"))]);
        assert_eq!(summary.times_missing, 0, "{set}");
        assert_eq!(summary.events.get("aws.cloudtrail").copied(), Some(events.len() as u64), "{set}");
    }
}

#[test]
fn every_set_of_every_provider_is_read_as_generic() {
    let Some(corpus) = corpus() else { return };
    for folder in ["azure", "gcp", "genai", "saas"] {
        for set in sets(&corpus.join(folder)) {
            let events = events(&set);
            let name = set.display().to_string();
            let (kept, summary) = read(
                Choice::Fixed(plan("generic", &["operationName"])),
                vec![bytes(&name, events.join("\n"))],
            );
            assert_eq!(summary.quarantined.total(), 0, "{name}: {:?}", kept.bad());
            assert!(summary.total_events() >= events.len() as u64, "{name}");
        }
    }
}

#[test]
fn whatever_is_described_is_described_for_every_event() {
    let Some(corpus) = corpus() else { return };
    let describer = Describer::new(&aws_cloudtrail::SOURCE, &Arc::default());
    for set in sets(&corpus.join("aws")) {
        for event in events(&set).iter().filter(|event| event.starts_with('{')) {
            assert!(!describer.describe(event).is_empty(), "{event}");
        }
    }
}
