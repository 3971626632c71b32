//! The rules that ship: complete and without a mistake, found in real attacks, quiet at ordinary work, and
//! as other rule sets' labelled tests would have them.
//!
//! What they raise on the sets of the corpus stands in `tests/goldens/shipped.json`; `VIRGA_ACCEPT=1` writes
//! it anew, to be read before it is kept.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use virga_engine::RuleSet;
use virga_engine::Surroundings;
use virga_engine::cases::parse_lists;
use virga_engine::diagnostic::SourceFile;
use virga_engine::sigma::{Document, Level, parse_documents};
use virga_engine::tuning::Tuning;
use virga_test_support::{corpus, events, records, workspace};

fn file(name: &str, text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile { name: name.into(), text: text.into() })
}

fn documents() -> Vec<Document> {
    let parse = |found: virga_detections::EmbeddedFile| {
        let (documents, diagnostics) = parse_documents(&file(&found.path, &found.text));
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        documents
    };
    virga_detections::rules().into_iter().flat_map(parse).collect()
}

/// What every rule says of itself.
struct Said {
    path: String,
    id: Option<String>,
    name: Option<String>,
    level: Option<Level>,
    status: Option<String>,
    author: Option<String>,
    description: Option<String>,
    tags: Vec<String>,
    references: Vec<String>,
    falsepositives: Vec<String>,
}

fn said() -> Vec<Said> {
    macro_rules! said {
        ($rule:expr) => {
            Some(Said {
                path: $rule.file.name.clone(),
                id: $rule.id,
                name: $rule.name,
                level: $rule.level,
                status: $rule.status,
                author: $rule.author,
                description: $rule.description,
                tags: $rule.tags,
                references: $rule.references,
                falsepositives: $rule.falsepositives,
            })
        };
    }
    let of = |document| match document {
        Document::Rule(rule) => said!(rule),
        Document::Correlation(rule) => said!(rule),
        Document::Filter(_) => None,
    };
    documents().into_iter().filter_map(of).collect()
}

#[test]
fn every_rule_compiles_without_a_word() {
    let lists = parse_lists(&file("lists.yml", virga_detections::LISTS)).expect("lists");
    let tuning = Tuning::parse(&file("tuning.yml", virga_detections::TUNING)).expect("tuning");
    let around = Surroundings { lists, tuning, ..Surroundings::default() };
    let set =
        RuleSet::load_with(virga_detections::rules().into_iter().map(|f| file(&f.path, &f.text)), &around);
    assert!(set.diagnostics.is_empty(), "{:#?}", set.diagnostics);
    assert_eq!(set.rejected, 0);
}

#[test]
fn every_rule_says_what_its_reader_needs() {
    let (mut ids, mut names, mut wrong) = (HashSet::new(), HashSet::new(), Vec::new());
    for rule in said() {
        let name = rule.name.clone().unwrap_or_default();
        let mut demand = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("{} ({name}): {what}", rule.path));
            }
        };
        let id = rule.id.clone().unwrap_or_default();
        demand(id.len() == 36 && ids.insert(id), "needs an id of its own");
        demand(!name.is_empty() && names.insert(name.clone()), "needs a name of its own");
        demand(rule.level.is_some(), "needs a level");
        demand(rule.status.as_deref() == Some("experimental"), "needs a status");
        demand(rule.author.as_deref() == Some("Virga"), "needs its author");
        demand(rule.description.as_ref().is_some_and(|text| text.len() > 30), "needs a description");
        if rule.level > Some(Level::Informational) {
            demand(!rule.references.is_empty(), "needs references");
            demand(!rule.falsepositives.is_empty(), "needs its false positives");
            let is_technique = |tag: &String| {
                tag.strip_prefix("attack.t").is_some_and(|id| id.starts_with(|c: char| c.is_ascii_digit()))
                    || tag.starts_with("atlas.aml.t")
            };
            demand(rule.tags.iter().any(is_technique), "needs a technique of ATT&CK or ATLAS");
            demand(
                rule.description.as_ref().is_some_and(|text| text.len() > 150),
                "needs a full description",
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_building_block_feeds_a_correlation_and_raises_nothing() {
    let wanted: HashSet<String> = documents()
        .into_iter()
        .filter_map(|document| match document {
            Document::Correlation(correlation) => Some(correlation.rules),
            _ => None,
        })
        .flatten()
        .map(|rule| rule.value)
        .collect();
    // what only tells of a client's own name for itself is worth a line beside other alerts, and no more
    let told = ["aws-offensive-user-agent", "entra-recon-tooling-ua"];
    for rule in said().into_iter().filter(|rule| rule.level == Some(Level::Informational)) {
        let name = rule.name.expect("a name");
        assert!(wanted.contains(&name) || told.contains(&name.as_str()), "{}: {name}", rule.path);
    }
}

/// Other names than the documentation's own would be those of a data set.
#[test]
fn no_rule_names_an_account_or_address_of_anybody() {
    for found in virga_detections::rules() {
        for word in found.text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-')) {
            let is_account =
                word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_digit()) && word != "111122223333";
            let octets: Vec<&str> = word.split('.').collect();
            let is_address = octets.len() == 4
                && octets.iter().all(|octet| octet.parse::<u8>().is_ok())
                && !["0.0.0.0", "128.0.0.0"].contains(&word);
            assert!(!is_account && !is_address, "{}: {word}", found.path);
        }
    }
}

#[test]
fn every_case_passes() {
    let output = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["rules", "test", "--strict"])
        .output()
        .expect("virga");
    let text = String::from_utf8_lossy(&output.stdout);
    let failed: Vec<&str> = text.lines().filter(|line| !line.starts_with("ok")).collect();
    assert!(output.status.success(), "{}\n{}", failed.join("\n"), String::from_utf8_lossy(&output.stderr));
}

/// The alerts of the rules that ship.
fn detect(args: &[&str], input: &Path) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["detect", "--quiet", "--format", "ndjson"])
        .args(args)
        .arg(input)
        .output()
        .expect("virga runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The names of rules by their ids.
fn names() -> BTreeMap<String, String> {
    said().into_iter().filter_map(|rule| Some((rule.id?, rule.name?))).collect()
}

fn count_by_name(alerts: &[Value], least: &[&str]) -> BTreeMap<String, usize> {
    let names = names();
    let mut count = BTreeMap::new();
    for alert in alerts.iter().filter(|alert| least.contains(&alert["rule"]["level"].as_str().unwrap_or("-")))
    {
        let id = alert["rule"]["id"].as_str().expect("an id");
        *count.entry(names[id].clone()).or_default() += 1;
    }
    count
}

const TOLD: [&str; 4] = ["low", "medium", "high", "critical"];
const LOUD: [&str; 3] = ["medium", "high", "critical"];

/// Addresses of a cloud, coarsely: enough to tell the attackers of the sets from the services around them.
const CLOUD: &str = "network,src_is_cloud\n3.0.0.0/8,true\n18.0.0.0/8,true\n34.0.0.0/8,true\n35.0.0.0/8,true\n52.0.0.0/8,true\n54.0.0.0/8,true\n";

#[test]
fn real_attacks_are_found_as_the_golden_says() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("cloud.csv"), CLOUD).expect("a table");
    let config = folder.path().join("virga.toml");
    let table = "[[tables]]\nfile = \"cloud.csv\"\nkey = \"src_ip\"\nmatch = \"cidr\"\n";
    std::fs::write(&config, table).expect("a configuration");
    let mut found = BTreeMap::new();
    for set in [
        "aws/invictus_native",
        "aws/aws_flaws_excerpt.jsonl.gz",
        "aws/aws_otrf_ec2_proxy_s3.jsonl.gz",
        "aws/aws_traildiscover_examples.jsonl.gz",
        "aws/streamalert_labelled.jsonl.gz",
        "azure/azure_sentinel_training_lab.jsonl.gz",
        "genai/aws_bedrock_invocation_splunk.jsonl.gz",
    ] {
        let lines = if set.contains('.') { events(&corpus, set) } else { records(&corpus, set) };
        let path = folder.path().join("set.ndjson");
        std::fs::write(&path, lines.join("\n")).expect("a set");
        let alerts = detect(&["-c", config.to_str().expect("a path")], &path);
        found.insert(set, count_by_name(&alerts, &TOLD));
    }
    let golden = workspace().join("tests/goldens/shipped.json");
    let text = format!("{:#}\n", json!(found));
    if std::env::var_os("VIRGA_ACCEPT").is_some() {
        std::fs::write(&golden, &text).expect("the golden");
    }
    assert_eq!(std::fs::read_to_string(&golden).unwrap_or_default(), text);
    assert!(found["aws/aws_otrf_ec2_proxy_s3.jsonl.gz"].contains_key("aws-ec2-role-creds-off-instance"));
}

#[test]
fn benign_administrators_in_the_console_stay_quiet() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let bare = events(&corpus, "aws/aws_console_benign.dev.jsonl.gz");
    // the set's publisher has taken out who it was and from where
    let dressed: Vec<String> = bare
        .iter()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).expect("JSON");
            let role = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0f1e2d3c4b5a6978";
            event["userIdentity"] = json!({
                "type": "AssumedRole", "principalId": "AROAEXAMPLEADMIN0001:ada@example.com",
                "arn": "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0f1e2d3c4b5a6978/ada@example.com",
                "accountId": "111122223333", "accessKeyId": "ASIAEXAMPLEADMIN0001",
                "sessionContext": {
                    "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLEADMIN0001", "arn": role,
                        "accountId": "111122223333", "userName": "AWSReservedSSO_Admin_0f1e2d3c4b5a6978"},
                    "attributes": {"mfaAuthenticated": "false", "creationDate": event["eventTime"]},
                },
            });
            event["sourceIPAddress"] = json!("198.51.100.20");
            event["sessionCredentialFromConsole"] = json!("true");
            event["recipientAccountId"] = json!("111122223333");
            event.to_string()
        })
        .collect();
    for lines in [bare, dressed] {
        let path = folder.path().join("benign.ndjson");
        std::fs::write(&path, lines.join("\n")).expect("a set");
        let count = count_by_name(&detect(&[], &path), &LOUD);
        let severe = count_by_name(&detect(&["--min-level", "high"], &path), &["high", "critical"]);
        assert!(severe.is_empty(), "{severe:?}");
        assert!(count.values().sum::<usize>() * 1_000 <= lines.len(), "{count:?} of {} events", lines.len());
    }
}

/// Four weeks of a company in which nobody attacks.
#[test]
fn ordinary_operation_stays_quiet() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ordinary.ndjson");
    let events = virga_benches::ordinary::ndjson(1, 100_000);
    assert_eq!(events.iter().filter(|byte| **byte == b'\n').count(), 100_000);
    std::fs::write(&path, events).expect("events");
    let mut filled = String::new();
    for (name, values) in virga_benches::ordinary::lists() {
        filled += &format!("{name}: {}\n", json!(values));
    }
    let lists = folder.path().join("lists.yml");
    std::fs::write(&lists, filled).expect("lists");
    let config = folder.path().join("virga.toml");
    let own = "[environment]\nown_accounts = [\"111122223333\", \"444455556666\", \"222233334444\"]\nown_domains = [\"example.com\"]\n";
    std::fs::write(&config, own).expect("a configuration");
    let text = |path: &Path| path.to_str().expect("a path").to_owned();
    let filled = ["-c".to_owned(), text(&config), "--lists".to_owned(), text(&lists)];
    // as an operator has it on the second day, and on the first
    for (args, most) in [(filled.as_slice(), 3), (&[], 15)] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let loud = count_by_name(&detect(&args, &path), &LOUD);
        println!("{args:?}: {loud:#?}");
        assert!(loud.values().sum::<usize>() <= most, "{args:?}: {loud:#?}");
        assert!(loud.values().all(|alerts| *alerts <= 3), "nothing again and again: {loud:#?}");
    }
}

#[test]
fn each_story_raises_exactly_its_expected_alerts() {
    let folder = workspace().join("samples/stories");
    let mut stories = 0;
    for entry in std::fs::read_dir(&folder).expect("the stories") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|ending| ending != "ndjson") {
            continue;
        }
        stories += 1;
        let expected: Value = serde_json::from_str(
            &std::fs::read_to_string(path.with_extension("expected.json")).expect("what is expected"),
        )
        .expect("JSON");
        let of = |rule: &Value, event: &Value| (rule.to_string(), event.to_string());
        let told: BTreeSet<_> = expected["alerts"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|alert| of(&alert["rule_id"], &alert["event_id"]))
            .collect();
        let raised: BTreeSet<_> = detect(&[], &path)
            .iter()
            .map(|alert| of(&alert["rule"]["id"], &alert["events"][0]["event_id"]))
            .collect();
        assert_eq!(raised, told, "{}", path.display());
    }
    assert_eq!(stories, 5);
}
