//! The table of alerts: delivered at least once, read once each; and what the table of events says of redactions.

use std::path::{Path, PathBuf};

use serde_json::json;
use virga_archive::sql::{Around, Session};
use virga_archive::{AlertRow, Archive, CompactedAlerts, Depth, Lake, Location, RedactAction, Redaction};

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
    let location = Location::new(&folder.path().display().to_string()).expect("a location");
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

/// The files of alerts, with their paths below the archive.
fn alert_files(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for day in std::fs::read_dir(folder.join("alerts")).expect("a table") {
        let day = day.expect("a folder").path();
        let files = std::fs::read_dir(&day).expect("a folder").map(|file| file.expect("a file").path());
        found.extend(files.filter(|file| file.extension().is_some_and(|ending| ending == "parquet")));
    }
    found.sort();
    let below = |path: PathBuf| {
        let shown = path.strip_prefix(folder).expect("below it").display().to_string();
        (shown, path)
    };
    found.into_iter().map(below).collect()
}

fn moment(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp_micros()
}

#[tokio::test]
async fn alerts_are_let_go_by_their_event_time_and_their_files_deleted_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::new(&folder.path().display().to_string()).expect("a location");
    let mut archive = Archive::open_or_create(&location).await.expect("an archive");
    archive
        .add_alerts(&[alert("a", 0, 2, 3), alert("a", 1, 2, 4), alert("b", 0, 3, 1)])
        .await
        .expect("written");
    archive.add_alerts(&[alert("c", 0, 3, 1), alert("d", 0, 5, 1)]).await.expect("written");
    let week = chrono::Duration::days(7);
    // the alerts of a day are from ten o'clock: one that is as old stays
    for (before, left, alerts, alert_files) in [
        ("2026-03-02T10:00:00Z", vec!["a", "b", "c", "d"], 0, 0),
        ("2026-03-02T10:00:01Z", vec!["b", "c", "d"], 2, 1),
        ("2026-03-05T00:00:00Z", vec!["d"], 2, 2),
    ] {
        let expired = archive.expire(moment(before), week).await.expect("let go");
        assert_eq!((expired.alerts, expired.alert_files), (alerts, alert_files), "{before}");
        assert_eq!((expired.rows, expired.files, expired.deleted), (0, 0, 0), "{before}");
        let ids: Vec<String> = rows(&location)
            .await
            .iter()
            .map(|row| row.split(' ').next().unwrap_or_default().into())
            .collect();
        assert_eq!(ids, left, "{before}");
    }
    assert_eq!(self::alert_files(folder.path()).len(), 4, "earlier versions can still be read");
    let expired =
        archive.expire(moment("2026-03-05T00:00:00Z"), chrono::Duration::zero()).await.expect("deleted");
    assert_eq!((expired.alerts, expired.deleted), (0, 3));
    let files = self::alert_files(folder.path());
    assert!(files.len() == 1 && files[0].0.contains("day=2026-03-05"), "{files:?}");
    // another process sees the same, and goes on
    let mut other = Archive::open(&location).await.expect("an archive");
    other.add_alerts(&[alert("e", 0, 6, 1)]).await.expect("written");
    assert_eq!(rows(&location).await.len(), 2);
    let verified = other.verify(Depth::Everything, &|_| ()).await.expect("read");
    assert_eq!((verified.alerts, verified.problems.len(), verified.left_behind.len()), (2, 0, 0));
}

#[tokio::test]
async fn a_file_of_alerts_that_is_not_as_its_table_says_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::new(&folder.path().display().to_string()).expect("a location");
    let mut archive = Archive::open_or_create(&location).await.expect("an archive");
    archive.add_alerts(&[alert("a", 0, 2, 3), alert("b", 0, 3, 1)]).await.expect("written");
    let files = alert_files(folder.path());
    let bytes: u64 = files.iter().map(|(_, path)| path.metadata().expect("a file").len()).sum();
    let seen = std::sync::atomic::AtomicU64::new(0);
    for depth in [Depth::Footers, Depth::Everything] {
        let add = |bytes| {
            seen.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        };
        let verified = archive.verify(depth, &add).await.expect("read");
        assert_eq!((verified.alerts, verified.alert_files, verified.alert_bytes), (2, 2, bytes));
        assert_eq!((verified.problems.as_slice(), verified.files), (&[][..], 0));
    }
    assert_eq!(seen.into_inner(), 2 * bytes);
    let (name, path) = &files[0];
    let whole = std::fs::read(path).expect("a file");
    let mut flipped = whole.clone();
    flipped[whole.len() / 3] ^= 1;
    for (bytes, depth, words) in [
        (Some(whole[..whole.len() / 2].to_vec()), Depth::Everything, "bytes, the table says"),
        (Some(flipped), Depth::Everything, "their hash is not the one in its name"),
        (Some(b"PAR1".to_vec()), Depth::Footers, ""),
        (None, Depth::Everything, "not found"),
        (None, Depth::Footers, "not found"),
    ] {
        match &bytes {
            Some(bytes) => std::fs::write(path, bytes).expect("a file"),
            None => std::fs::remove_file(path).unwrap_or_default(),
        }
        let verified = archive.verify(depth, &|_| ()).await.expect("read");
        let [problem] = verified.problems.as_slice() else { panic!("{words}: {:?}", verified.problems) };
        assert!(&problem.path == name && problem.what.contains(words), "{words}: {problem:?}");
    }
    std::fs::write(path, &whole).expect("a file");
    std::fs::write(path.with_file_name("half.parquet"), b"PAR1").expect("a file");
    let verified = archive.verify(Depth::Everything, &|_| ()).await.expect("read");
    assert_eq!(
        (verified.problems.as_slice(), verified.left_behind.as_slice()),
        (&[][..], &["alerts/day=2026-03-02/half.parquet".to_owned()][..])
    );
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
    let location = Location::new(&folder.path().display().to_string()).expect("a location");
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
