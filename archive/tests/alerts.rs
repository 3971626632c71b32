//! The table of alerts: delivered at least once, read once each; and what the table of events says of redactions.

use serde_json::json;
use virga_archive::sql::{Around, Session};
use virga_archive::{AlertRow, Archive, CompactedAlerts, Lake, Location, RedactAction, Redaction};

fn alert(id: &str, revision: u32, day: u32, count: u64) -> AlertRow {
    let time = format!("2026-03-{day:02}T10:00:00Z");
    let alert = json!({
        "alert_id": id, "revision": revision, "kind": "correlation",
        "rule": {"id": "r-1", "title": "A rule", "level": "high", "status": null, "tags": [], "file": "r.yml"},
        "time": time, "first_seen": time, "last_seen": time, "group": {"principal": "alice"}, "count": count,
        "events": [{"event_id": "e-1", "time": time, "source": "aws.cloudtrail", "origin": {"path": "a"}}],
        "fields": {},
    });
    AlertRow::parse(&alert.to_string()).expect("an alert")
}

async fn rows(location: &Location) -> Vec<String> {
    let archive = Lake::Own(Box::new(Archive::open(location).await.expect("an archive")));
    let session = Session::open(&archive, Around::default()).await.expect("a session");
    let sql = "SELECT alert_id, count, revision, principal, event_ids FROM alerts ORDER BY alert_id";
    let mut answer = session.run(sql).await.expect("an answer");
    let mut rows = Vec::new();
    while let Some(batch) = answer.next().await.expect("rows") {
        for row in 0..batch.num_rows() {
            let cell = |column: usize| {
                arrow::util::display::array_value_to_string(batch.column(column), row).expect("a cell")
            };
            rows.push((0..5).map(cell).collect::<Vec<_>>().join(" "));
        }
    }
    rows
}

#[tokio::test]
async fn an_alert_that_came_twice_or_was_revised_is_read_once_before_and_after_compaction() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::new(&folder.path().display().to_string(), []).expect("a location");
    let mut archive = Archive::open_or_create(&location).await.expect("an archive");
    assert!(rows(&location).await.is_empty());
    archive.add_alerts(&[alert("a", 0, 2, 3), alert("b", 0, 3, 1)]).await.expect("written");
    // delivered again, to the byte; then a revision, and one that came late
    archive.add_alerts(&[alert("a", 0, 2, 3), alert("b", 0, 3, 1)]).await.expect("written");
    archive.add_alerts(&[alert("a", 2, 2, 9), alert("c", 0, 2, 1)]).await.expect("written");
    archive.add_alerts(&[alert("a", 1, 2, 5), alert("c", 0, 2, 1)]).await.expect("written");
    let expected =
        [r#"a 9 2 alice ["e-1"]"#, r#"b 1 0 alice ["e-1"]"#, r#"c 1 0 alice ["e-1"]"#].map(str::to_owned);
    assert_eq!(rows(&location).await, expected);
    let done = archive.compact_alerts().await.expect("merged");
    // the merged file is one of the three to the byte, and stays
    assert_eq!(done, CompactedAlerts { replaced: 2, written: 1, duplicates: 3 });
    assert_eq!(rows(&location).await, expected);
    assert_eq!(archive.compact_alerts().await.expect("merged"), CompactedAlerts::default());
    // two that write at once
    let mut other = Archive::open(&location).await.expect("an archive");
    let (d, e) = ([alert("d", 0, 2, 1)], [alert("e", 0, 2, 1)]);
    let (first, second) = tokio::join!(archive.add_alerts(&d), other.add_alerts(&e));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(rows(&location).await.len(), 5);
}

#[test]
fn what_is_no_alert_is_refused_with_what_it_lacks() {
    for (text, lacks) in [("{", "EOF"), ("{}", "alert_id"), (r#"{"alert_id":"a","time":"x"}"#, "`x`")] {
        let error = AlertRow::parse(text).expect_err("no alert").to_string();
        assert!(error.contains(lacks) || error.contains("time"), "{text}: {error}");
    }
}

#[tokio::test]
async fn the_table_names_the_redactions_of_all_who_wrote_without_their_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::new(&folder.path().display().to_string(), []).expect("a location");
    let mut archive = Archive::open_or_create(&location).await.expect("an archive");
    assert_eq!(archive.redactions().expect("none"), []);
    let of = |path: &str, key: Option<&str>| {
        Redaction::new("*", path, RedactAction::Hash, key).expect("a redaction")
    };
    archive.note_redactions(&[of("a.B", Some("a planted key"))]).await.expect("noted");
    let version = archive.version();
    archive.note_redactions(&[of("a.b", Some("a planted key"))]).await.expect("noted");
    assert_eq!(archive.version(), version, "what is noted already is no new version");
    let mut other = Archive::open(&location).await.expect("an archive");
    other.note_redactions(&[of("c", None)]).await.expect("noted");
    let archive = Archive::open(&location).await.expect("an archive");
    assert_eq!(archive.redactions().expect("two"), [of("a.b", None), of("c", None)]);
    for entry in std::fs::read_dir(folder.path().join("events/_delta_log")).expect("a log") {
        let text = std::fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(!String::from_utf8_lossy(&text).contains("planted"));
    }
}
