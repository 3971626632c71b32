//! Events that stand in the archive twice count once, for whoever reads, before a compaction drops them and after.

mod lake;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use proptest::prelude::*;
use virga_archive::sql::{Around, Limits, Session, texts};
use virga_archive::{Archive, Entry, EventWriter, Lake, Location, Range, Rebuild};
use virga_engine::event::{BatchBuilder, EventBatch, EventId, OriginBase, RowIdentity};

use self::lake::{layouts, projection};

const HOUR: i64 = 3_600_000_000;
const FROM: i64 = 1_772_442_000_000_000;

/// An event: its number, and which of several records under its id it is.
type Event = (u64, u8);

/// Events, ten of them to an hour.
fn events(wanted: impl IntoIterator<Item = Event>, spaced: bool) -> EventBatch {
    events_of(wanted, spaced, None)
}

/// Where they say no time of their own, they have that of their coming.
fn events_of(wanted: impl IntoIterator<Item = Event>, spaced: bool, came: Option<i64>) -> EventBatch {
    let mut builder = BatchBuilder::new("test".into(), projection());
    for (number, record) in wanted {
        builder.field(0, &format!("\"{}\"", number % 3));
        builder.field(1, &record.to_string());
        let id = format!("id-{number}");
        let identity = RowIdentity {
            event_id: EventId::Natural(&id),
            time: came.unwrap_or(FROM + number as i64 / 10 * HOUR + number as i64 % 10 * 1_000),
            ingest_time: came.unwrap_or(5),
            time_missing: came.is_some(),
            base: &OriginBase::File { path: "x".into() },
            line: Some(number + 1),
            record: None,
        };
        let space = if spaced { " " } else { "" };
        builder.finish_row(&identity, &format!("{{\"a\":{space}\"{}\",\"b\":{record}}}", number % 3));
    }
    builder.finish()
}

fn location(store: &Arc<InMemory>) -> Location {
    Location::new("s3://bucket/lake").expect("an address").within(Arc::clone(store) as _)
}

/// As the long-running process writes: it does not look.
async fn append(store: &Arc<InMemory>, batch: &EventBatch) {
    let mut archive = Archive::open_or_create(&location(store)).await.expect("an archive");
    let mut writer = EventWriter::new(layouts());
    writer.push(&archive, batch).await.expect("it is written");
    writer.seal(&archive).await.expect("it is sealed");
    writer.publish(&mut archive).await.expect("it is committed");
}

/// As an import writes: it looks.
async fn import(store: &Arc<InMemory>, batch: &EventBatch) {
    let mut archive = Archive::open_or_create(&location(store)).await.expect("an archive");
    let mut writer = EventWriter::new(layouts());
    writer.push(&archive, batch).await.expect("it is written");
    writer.commit(&mut archive).await.expect("it is committed");
}

async fn compact(store: &Arc<InMemory>) -> virga_archive::Compacted {
    let mut archive = Archive::open(&location(store)).await.expect("an archive");
    let rebuild: &Rebuild<'_> = &|_, _, _| Err("every field is stored".into());
    archive.compact(&layouts(), rebuild, &|_| ()).await.expect("it is compacted")
}

/// The first column of an answer.
async fn ask(store: &Arc<InMemory>, sql: &str) -> Vec<String> {
    ask_with(store, sql, Around::default()).await
}

async fn ask_with(store: &Arc<InMemory>, sql: &str, around: Around) -> Vec<String> {
    let archive = Archive::open(&location(store)).await.expect("an archive");
    let session = Session::open(&Lake::Own(Box::new(archive)), around).await.expect("a session");
    let mut answer = session.run(sql).await.expect("SQL");
    let mut rows = Vec::new();
    while let Some(batch) = answer.next().await.expect("an answer") {
        let texts = texts(&batch).expect("texts");
        rows.extend(texts.into_iter().filter_map(|row| row.into_iter().next().flatten()));
    }
    rows
}

/// For each hour how many rows are passed over, and whether anything was read to know.
async fn looked(store: &Arc<InMemory>) -> Vec<(usize, bool)> {
    let archive = Archive::open(&location(store)).await.expect("an archive");
    let mut hours: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in archive.entries(Range::ALL).await.expect("files") {
        hours.entry(entry.hour.clone()).or_default().push(entry);
    }
    let mut all = Vec::new();
    for files in hours.values() {
        let repeats = archive.repeats(files).await.expect("they are read");
        all.push((repeats.count(), repeats.bytes > 0));
    }
    all
}

fn numbers(range: std::ops::Range<u64>) -> impl Iterator<Item = Event> {
    range.map(|number| (number, 0))
}

#[tokio::test]
async fn what_stands_twice_counts_once_in_every_form_of_query() {
    let store = Arc::new(InMemory::new());
    append(&store, &events(numbers(0..8), false)).await;
    // five again, printed otherwise; one id with another record, which is another event
    append(&store, &events(numbers(3..10).chain([(1, 1)]), true)).await;
    assert_eq!(looked(&store).await, [(5, true)]);
    for when in ["before", "after"] {
        for (sql, expected) in [
            ("SELECT count(*) FROM events", vec!["11"]),
            ("SELECT count(event_id) FROM events", vec!["11"]),
            ("SELECT count(*) FROM events WHERE a = '0'", vec!["4"]),
            ("SELECT count(*) FROM events WHERE time >= '2026-03-02T09:00:00.005Z'", vec!["5"]),
            ("SELECT count(*) FROM events WHERE hour = 9 AND day = '2026-03-02'", vec!["11"]),
            ("SELECT count(*) FROM events WHERE hour = 10", vec!["0"]),
            ("SELECT count(*) FROM events WHERE source = 'other'", vec!["0"]),
            ("SELECT event_id FROM events WHERE event_id = 'id-5'", vec!["id-5"]),
            ("SELECT event_id FROM events WHERE event_id = 'id-1' ORDER BY line", vec!["id-1", "id-1"]),
            ("SELECT count(*) FROM (SELECT * FROM events LIMIT 20)", vec!["11"]),
            ("SELECT a FROM events WHERE json_get_str(raw, 'a') = '2' GROUP BY a", vec!["2"]),
            ("SELECT count(*) FROM ocsf", vec!["11"]),
        ] {
            assert_eq!(ask(&store, sql).await, expected, "{when} a compaction: {sql}");
        }
        let done = compact(&store).await;
        assert_eq!((done.written, done.duplicates), if when == "before" { (1, 5) } else { (0, 0) });
    }
}

#[tokio::test]
async fn an_event_without_a_time_that_comes_twice_counts_once_in_one_file_and_in_two() {
    let at = |minute: i64| events_of(numbers(0..4).chain([(1, 1)]), false, Some(FROM + minute * HOUR / 60));
    let store = Arc::new(InMemory::new());
    let mut archive = Archive::open_or_create(&location(&store)).await.expect("an archive");
    let mut writer = EventWriter::new(layouts());
    for minute in [10, 20] {
        writer.push(&archive, &at(minute)).await.expect("it is written");
    }
    let written = writer.commit(&mut archive).await.expect("it is committed");
    assert_eq!((written.rows, written.duplicates), (5, 5));
    append(&store, &at(30)).await;
    for when in ["before", "after"] {
        assert_eq!(ask(&store, "SELECT count(*) FROM events").await, ["5"], "{when} a compaction");
        compact(&store).await;
    }
}

#[tokio::test]
async fn who_asks_for_what_lies_there_has_it() {
    let store = Arc::new(InMemory::new());
    append(&store, &events(numbers(0..8), false)).await;
    append(&store, &events(numbers(3..10), true)).await;
    let as_stored = Around { as_stored: true, ..Around::default() };
    assert_eq!(ask_with(&store, "SELECT count(*) FROM events", as_stored).await, ["15"]);
    assert_eq!(ask(&store, "SELECT sum(events) FROM coverage").await, ["15"]);
}

#[tokio::test]
async fn a_query_that_has_no_time_to_look_says_what_to_do() {
    let store = Arc::new(InMemory::new());
    append(&store, &events(numbers(0..5), false)).await;
    append(&store, &events(numbers(5..10), false)).await;
    let wait = Duration::from_millis(300);
    let slow = ThrottleConfig { wait_get_per_call: wait, ..ThrottleConfig::default() };
    let slow = ThrottledStore::new(Arc::clone(&store) as Arc<dyn ObjectStore>, slow);
    let location = Location::new("s3://bucket/lake").expect("an address").within(Arc::new(slow));
    let archive = Archive::open(&location).await.expect("an archive");
    let limits = Limits { time: wait / 3, ..Limits::default() };
    let around = Around { limits, ..Around::default() };
    let session = Session::open(&Lake::Own(Box::new(archive)), around).await.expect("a session");
    let error = session.run("SELECT count(*) FROM events").await.expect_err("there is no time");
    assert!(error.message.contains("twice") && error.help.contains("virga archive compact"), "{error:?}");
    assert!(error.help.contains("--as-stored"), "{error:?}");
}

#[tokio::test]
async fn an_import_looks_once_for_all_readers() {
    let store = Arc::new(InMemory::new());
    import(&store, &events(numbers(0..5), false)).await;
    import(&store, &events(numbers(5..10), false)).await;
    assert_eq!(looked(&store).await, [(0, false)], "two files, of which it is known that they share nothing");
    append(&store, &events([(2, 1)], false)).await;
    assert_eq!(looked(&store).await, [(0, true)], "a third came, and nobody looked");
    import(&store, &events([(3, 1)], false)).await;
    assert_eq!(looked(&store).await, [(0, false)]);
    import(&store, &events(numbers(3..4), true)).await;
    assert_eq!(looked(&store).await, [(1, true)], "what is there twice is found anew by each reader");
    compact(&store).await;
    assert_eq!(looked(&store).await, [(0, false)]);
}

#[tokio::test]
async fn what_is_known_outlives_a_checkpoint_of_the_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::new(folder.path().to_str().expect("UTF-8")).expect("a location");
    let mut archive = Archive::open_or_create(&location).await.expect("an archive");
    for part in [0..5, 5..10] {
        let mut writer = EventWriter::new(layouts());
        writer.push(&archive, &events(numbers(part), false)).await.expect("it is written");
        writer.commit(&mut archive).await.expect("it is committed");
    }
    let url = url::Url::from_directory_path(folder.path().join("events")).expect("an address");
    let table = deltalake::open_table(url).await.expect("a table");
    deltalake::checkpoints::create_checkpoint(&table, None).await.expect("a checkpoint");
    let log = std::fs::read_dir(folder.path().join("events/_delta_log")).expect("a log");
    for file in log.map(|file| file.expect("a file").path()) {
        if file.extension().is_some_and(|kind| kind == "json") {
            std::fs::remove_file(&file).expect("a file that the checkpoint stands for");
        }
    }
    let archive = Archive::open(&location).await.expect("an archive");
    let files = archive.entries(Range::ALL).await.expect("files");
    assert_eq!(files.len(), 2);
    assert_eq!(archive.repeats(&files).await.expect("they are read").bytes, 0);
}

#[tokio::test]
async fn a_compaction_says_nothing_of_what_came_while_it_was_at_work() {
    let store = Arc::new(InMemory::new());
    append(&store, &events(numbers(0..5), false)).await;
    append(&store, &events(numbers(5..10), false)).await;
    let mut archive = Archive::open(&location(&store)).await.expect("an archive");
    // it has read the table, and now an event comes again
    append(&store, &events(numbers(3..4), true)).await;
    let rebuild: &Rebuild<'_> = &|_, _, _| Err("every field is stored".into());
    let done = archive.compact(&layouts(), rebuild, &|_| ()).await.expect("it is compacted");
    assert_eq!((done.replaced, done.written), (2, 1));
    assert_eq!(looked(&store).await, [(1, true)]);
    assert_eq!(ask(&store, "SELECT count(*) FROM events").await, ["10"]);
}

/// Files that are too large to be merged.
#[tokio::test]
async fn a_compaction_notes_what_it_found_where_it_merges_nothing() {
    let store = Arc::new(InMemory::new());
    let many = |from: u64| {
        let mut builder = BatchBuilder::new("test".into(), projection());
        for number in from..from + virga_archive::ROW_GROUP as u64 / 2 + 1 {
            let id = format!("id-{number}");
            let identity = RowIdentity {
                event_id: EventId::Natural(&id),
                time: FROM + number as i64,
                ingest_time: 5,
                time_missing: false,
                base: &OriginBase::File { path: "x".into() },
                line: None,
                record: None,
            };
            builder.finish_row(&identity, "{}");
        }
        builder.finish()
    };
    append(&store, &many(0)).await;
    append(&store, &many(1_000_000)).await;
    assert_eq!(looked(&store).await, [(0, true)]);
    assert_eq!(compact(&store).await.replaced, 0);
    assert_eq!(looked(&store).await, [(0, false)]);
    let all = virga_archive::ROW_GROUP + 2;
    assert_eq!(ask(&store, "SELECT count(*) FROM events").await, [all.to_string()]);
    assert_eq!(ask(&store, "SELECT sum(files) FROM coverage").await, ["2"]);
    let version = || async { Archive::open(&location(&store)).await.expect("an archive").version() };
    let before = version().await;
    assert_eq!(compact(&store).await.replaced, 0);
    assert_eq!(version().await, before, "what is known is noted once");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written how often, by whom, in which parts: it counts as a compaction leaves it.
    #[test]
    fn readers_count_what_a_compaction_leaves(
        parts in prop::collection::vec(
            (prop::collection::vec((0_u64..24, 0_u8..2), 1..12), any::<bool>(), any::<bool>()), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let store = Arc::new(InMemory::new());
            let mut distinct: Vec<Event> = Vec::new();
            for (part, spaced, looks) in &parts {
                distinct.extend(part);
                match looks {
                    true => import(&store, &events(part.iter().copied(), *spaced)).await,
                    false => append(&store, &events(part.iter().copied(), *spaced)).await,
                }
            }
            distinct.sort_unstable();
            distinct.dedup();
            let shown = "SELECT event_id || ' ' || b__json FROM events ORDER BY 1";
            let mut expected: Vec<String> =
                distinct.iter().map(|(number, record)| format!("id-{number} {record}")).collect();
            expected.sort();
            assert_eq!(ask(&store, shown).await, expected);
            assert_eq!(ask(&store, "SELECT count(*) FROM events").await, [expected.len().to_string()]);
            compact(&store).await;
            assert_eq!(ask(&store, shown).await, expected);
            assert!(looked(&store).await.iter().all(|hour| *hour == (0, false)));
        });
    }
}
