//! `virga archive` as its users meet it.
#![cfg(feature = "lake")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use virga_test_support::workspace;

fn virga(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(args)
        .current_dir(workspace())
        .output()
        .expect("virga runs")
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(output)))
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn parquet(folder: &Path) -> Vec<PathBuf> {
    let events = files(&folder.join("events"));
    events.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "parquet")).collect()
}

/// The values and the footer of a Parquet file as text.
fn unpack(path: &Path) -> String {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let file = std::fs::File::open(path).expect("a file");
    let reader = SerializedFileReader::new(file).expect("a Parquet file");
    let mut text = format!("{:?}", reader.metadata().file_metadata().key_value_metadata());
    for row in reader.get_row_iter(None).expect("rows") {
        text += &row.expect("a row").to_string();
    }
    text
}

const SAMPLES: [&str; 3] =
    ["samples/aws.cloudtrail/events.ndjson", "samples/stories", "samples/kubernetes.audit/events.ndjson"];

#[test]
fn what_is_imported_is_counted_listed_verified_and_compacted() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake").display().to_string();
    let mut args = vec!["archive", "import", "--archive", &lake, "--json"];
    args.extend(SAMPLES);
    let first = virga(&args);
    assert!(first.status.success(), "{}", told(&first));
    let first = json(&first);
    let number =
        |value: &Value, name: &str| value[name].as_u64().unwrap_or_else(|| panic!("{name} in {value}"));
    let events = number(&first, "events");
    assert!(events > 50 && events + number(&first, "duplicates") == number(&first, "read"), "{first}");

    let listed = json(&virga(&["archive", "ls", "--archive", &lake, "--json"]));
    let rows = listed["coverage"].as_array().expect("coverage");
    assert_eq!(rows.iter().map(|row| number(row, "events")).sum::<u64>(), events);
    assert_eq!(number(&listed, "version"), number(&first, "version"));

    let verified = virga(&["archive", "verify", "--archive", &lake, "--json"]);
    assert!(verified.status.success(), "{}", told(&verified));
    assert_eq!(number(&json(&verified), "events"), events);

    // the same again is nothing new
    let again = json(&virga(&args));
    assert_eq!((number(&again, "events"), number(&again, "present")), (0, events), "{again}");
    assert_eq!(number(&again, "version"), number(&first, "version"));

    // the same in other files comes twice, until it is compacted
    let half = json(&virga(&[
        "archive",
        "import",
        "--archive",
        &lake,
        "--json",
        "--source",
        "aws.cloudtrail",
        SAMPLES[0],
        "samples/aws.cloudtrail/records.json",
    ]));
    let doubled = number(&half, "events");
    let compacted = virga(&["archive", "compact", "--archive", &lake]);
    assert!(compacted.status.success(), "{}", told(&compacted));
    let verified = virga(&["archive", "verify", "--archive", &lake, "--json"]);
    assert!(verified.status.success(), "{}", told(&verified));
    let after = number(&json(&verified), "events");
    assert!(after >= events && after < events + doubled.max(1), "{events} + {doubled} → {after}");

    // an earlier version still tells what was
    let version = number(&first, "version").to_string();
    let then = json(&virga(&["archive", "ls", "--archive", &lake, "--json", "--version", &version]));
    let rows = then["coverage"].as_array().expect("coverage");
    assert_eq!(rows.iter().map(|row| number(row, "events")).sum::<u64>(), events);

    let expired = virga(&["archive", "expire", "--archive", &lake, "--keep", "1d"]);
    assert!(expired.status.success(), "{}", told(&expired));
    let left = json(&virga(&["archive", "ls", "--archive", &lake, "--json"]));
    let old = left["coverage"]
        .as_array()
        .expect("coverage")
        .iter()
        .filter(|row| row["time"].as_str() < Some("2026-06"));
    assert_eq!(old.count(), 0, "{left}");
}

#[test]
fn damage_is_found_and_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    let address = lake.display().to_string();
    let verify = |more: &[&str]| {
        let mut args = vec!["archive", "verify", "--archive", &address];
        args.extend(more);
        virga(&args)
    };
    let missing = verify(&[]);
    assert_eq!(missing.status.code(), Some(2), "{}", told(&missing));
    assert!(told(&missing).contains("there is no archive"), "{}", told(&missing));
    assert!(virga(&["archive", "import", "--archive", &address, SAMPLES[0]]).status.success());
    let file = parquet(&lake).remove(0);
    let whole = std::fs::read(&file).expect("a file");
    let mut flipped = whole.clone();
    flipped[whole.len() / 3] ^= 1;
    let foreign = b"id,name\n1,x\n".to_vec();
    let cases = [
        (Some(whole[..whole.len() / 2].to_vec()), "bytes, the table says"),
        (Some(flipped), "their hash is not the one in its name"),
        (Some(foreign), "bytes, the table says"),
        (None, "not found"),
    ];
    for (bytes, words) in cases {
        match &bytes {
            Some(bytes) => std::fs::write(&file, bytes).expect("a file"),
            None => std::fs::remove_file(&file).expect("a file"),
        }
        let output = verify(&[]);
        assert_eq!(output.status.code(), Some(1), "{words}: {}", told(&output));
        assert!(told(&output).contains(words), "{words}: {}", told(&output));
    }
    std::fs::write(&file, &whole).expect("a file");
    std::fs::write(file.with_file_name("half.parquet"), b"PAR1").expect("a file");
    let output = verify(&[]);
    assert!(output.status.success() && told(&output).contains("1 left behind"), "{}", told(&output));
}

#[test]
fn the_alerts_of_an_earlier_version_are_those_that_stood_beside_it() {
    use virga_archive::{AlertRow, Archive, Location};

    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake");
    let address = lake.display().to_string();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // commits say their times in milliseconds
    let wait = || std::thread::sleep(std::time::Duration::from_millis(20));
    let import = |sample: &str| {
        wait();
        let output = virga(&["archive", "import", "--archive", &address, "--json", sample]);
        assert!(output.status.success(), "{}", told(&output));
        json(&output)["version"].as_u64().expect("a version")
    };
    let raise = |ids: &[&str]| {
        wait();
        let time = "2026-03-02T10:00:00Z";
        let alert = |id: &&str| {
            let alert = serde_json::json!({
                "alert_id": id, "revision": 0, "kind": "event", "time": time, "first_seen": time,
                "last_seen": time, "count": 1, "events": [], "fields": {},
                "rule": {"id": "r", "title": "r", "level": "high", "status": null, "tags": [], "file": "r.yml"},
            });
            AlertRow::parse(&alert.to_string()).expect("an alert")
        };
        let rows: Vec<AlertRow> = ids.iter().map(alert).collect();
        let location = Location::new(&address).expect("a location");
        runtime.block_on(async {
            let mut archive = Archive::open(&location).await.expect("an archive");
            archive.add_alerts(&rows).await.expect("written");
        });
    };
    let first = import(SAMPLES[0]);
    raise(&["a", "b"]);
    let second = import(SAMPLES[2]);
    let third = import(SAMPLES[1]);
    raise(&["c"]);
    raise(&["d"]);
    let verify = |version: u64| {
        let version = version.to_string();
        virga(&["archive", "verify", "--json", "--archive", &address, "--version", &version])
    };
    let alerts = |version: u64| {
        let found = json(&verify(version));
        assert_eq!(found["left_behind"].as_array().map(Vec::len), Some(0), "{found}");
        (found["alerts"].as_u64().expect("a number"), found["alert_files"].as_u64().expect("a number"))
    };
    assert_eq!([first, second, third].map(alerts), [(2, 1), (2, 1), (4, 3)]);
    // the table of alerts is made behind the first version of the events
    assert_eq!(alerts(0), (0, 0));
    // a merged table has other files; those of before are still there, and looked at
    assert!(virga(&["archive", "compact", "--archive", &address]).status.success());
    assert_eq!([first, second].map(alerts), [(2, 1), (2, 1)]);
    let old = files(&lake.join("alerts"));
    let old: Vec<&PathBuf> =
        old.iter().filter(|path| path.extension().is_some_and(|e| e == "parquet")).collect();
    for path in &old {
        std::fs::write(path, b"PAR1").expect("a file");
    }
    let output = verify(first);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let problems = json(&output)["problems"].as_array().cloned().expect("a list");
    assert_eq!(problems.len(), 1, "{problems:?}");
    // a commit of another program that does not say its time
    let commit = lake.join(format!("events/_delta_log/{:020}.json", first + 1));
    let text = std::fs::read_to_string(&commit).expect("a commit");
    let timeless: Vec<&str> = text.lines().filter(|line| !line.contains("commitInfo")).collect();
    assert_eq!(timeless.len() + 1, text.lines().count());
    std::fs::write(&commit, timeless.join("\n")).expect("a commit");
    let output = virga(&["archive", "verify", "--archive", &address, "--version", &first.to_string()]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("the alerts were not looked at"), "{}", told(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn a_quarantine_that_cannot_be_written_ends_what_would_lose_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake").display().to_string();
    let input = folder.path().join("bad.ndjson");
    // more than is held back before it is written, and something to import behind it
    let events = std::fs::read_to_string(workspace().join(SAMPLES[0])).expect("events");
    std::fs::write(&input, "no JSON at all\n".repeat(500) + &events.repeat(2_000)).expect("a file");
    let input = input.display().to_string();
    for command in [vec!["archive", "import", "--archive", &lake], vec!["detect"]] {
        let output = virga(&[command.as_slice(), &[&input, "--quarantine", "/dev/full"]].concat());
        assert_eq!(output.status.code(), Some(2), "{command:?}: {}", told(&output));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("No space left on device"), "{command:?}: {said}");
        assert_eq!(said.matches("quarantined:").count(), 10, "the first are shown: {said}");
    }
    let listed = json(&virga(&["archive", "ls", "--archive", &lake, "--json"]));
    assert_eq!(listed["coverage"].as_array().map(Vec::len), Some(0), "nothing was committed: {listed}");
}

#[test]
fn what_cannot_be_read_is_kept_or_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path().join("lake").display().to_string();
    let input = folder.path().join("in.ndjson");
    std::fs::write(&input, "{\"eventVersion\":\"1.08\",\"eventID\":\"1\",\"eventTime\":\"2026-03-01T10:00:00Z\",\"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"x\"}\nno json\n").expect("a file");
    let input = input.display().to_string();
    let lost = virga(&["archive", "import", "--archive", &lake, &input]);
    assert_eq!(lost.status.code(), Some(1), "{}", told(&lost));
    let kept = folder.path().join("bad.ndjson").display().to_string();
    let output = virga(&["archive", "import", "--archive", &lake, &input, "--quarantine", &kept]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(std::fs::read_to_string(&kept).expect("a file").contains("not_json"));
}

#[test]
fn a_planted_secret_is_nowhere_on_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lake, secret) = (folder.path().join("lake"), "s3cr3t-4711-planted");
    let event = |id: u32, place: &str| {
        format!(
            "{{\"eventVersion\":\"1.08\",\"eventID\":\"{id}\",\"eventTime\":\"2026-03-01T10:00:0{id}Z\",\"eventSource\":\"iam.amazonaws.com\",\"eventName\":\"CreateLoginProfile\",{place}}}\n"
        )
    };
    let input = folder.path().join("in.ndjson");
    let text = [
        event(1, &format!("\"requestParameters\":{{\"userName\":\"eve\",\"password\":\"{secret}\"}}")),
        event(2, &format!("\"userAgent\":\"{secret}\",\"sourceIPAddress\":\"203.0.113.7\"")),
        event(3, &format!("\"requestParameters\":\"{{\\\"a\\\":{{\\\"password\\\":\\\"{secret}\\\"}}}}\"")),
        // what looks like JSON and is none takes no event out of the archive
        event(4, "\"requestParameters\":\"{x}\""),
        event(5, &format!("\"requestParameters\":{{password:{secret}}}")),
        event(6, &format!("\"user.password\":\"{secret}\"")),
        format!("broken {secret}\n"),
    ];
    std::fs::write(&input, text.concat()).expect("a file");
    let config = folder.path().join("virga.toml");
    let redact = "[[redact]]\nsource = \"aws.cloudtrail\"\npath = \"**.password\"\naction = \"mask\"\n[[redact]]\nsource = \"*\"\npath = \"useragent\"\naction = \"hash\"\nkey = \"k\"\n";
    std::fs::write(&config, redact).expect("a file");
    let quarantine = folder.path().join("kept").join("bad.ndjson");
    std::fs::create_dir(folder.path().join("kept")).expect("a folder");
    let paths = [&input, &lake, &config, &quarantine].map(|path| path.display().to_string());
    let [input, address, config, quarantine] = &paths;
    let output =
        virga(&["archive", "import", input, "--archive", address, "-c", config, "--quarantine", quarantine]);
    assert!(output.status.success(), "{}", told(&output));
    let (mut bytes, mut unpacked) = (Vec::new(), String::new());
    for path in files(&lake).into_iter().chain(files(&folder.path().join("kept"))) {
        bytes.extend(std::fs::read(&path).expect("a file"));
        if path.extension().is_some_and(|ending| ending == "parquet") {
            unpacked += &unpack(&path);
        }
    }
    assert!(!String::from_utf8_lossy(&bytes).contains(secret) && !unpacked.contains(secret));
    assert!(
        unpacked.contains("[redacted]") && unpacked.contains("hash:") && unpacked.contains("eve"),
        "{unpacked}"
    );
    assert!(unpacked.contains("{x}") && told(&output).contains("6 events"), "{}", told(&output));
    // what an event is known by cannot be taken out of it
    let id = folder.path().join("id.toml").display().to_string();
    std::fs::write(&id, "[[redact]]\nsource = \"aws.cloudtrail\"\npath = \"eventID\"\naction = \"drop\"\n")
        .expect("a file");
    let output = virga(&["archive", "import", input, "--archive", address, "-c", &id]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("by which its events are known"), "{}", told(&output));
}
