//! A store that stops at any request, or fails every third: the archive is as it was, or as it was to be.

mod lake;

use std::fmt;
use std::ops::Range as Bytes64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use serde_json::{Value, json};
use virga_archive::{Archive, ArchiveError, Depth, EventWriter, Location, Patience, Range, Rebuild};
use virga_engine::event::{BatchBuilder, EventBatch, EventId, OriginBase, RowIdentity};

use self::lake::{layouts, projection};

/// How a store misbehaves.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Never,
    /// From this request on nothing is served: the process, or its network, is gone.
    From(usize),
    /// Every third request fails, before it is served or after it.
    EveryThird {
        after: bool,
    },
    /// What is read is served; what is written is refused as long as `Faulty::full` stands.
    Full,
    /// A listing behind a key is one of all keys.
    NoOffset,
}

#[derive(Debug, Clone)]
struct Faulty {
    inner: Arc<InMemory>,
    fault: Fault,
    requests: Arc<AtomicUsize>,
    full: Arc<AtomicBool>,
}

impl Faulty {
    fn new(inner: &Arc<InMemory>, fault: Fault) -> Self {
        Self {
            inner: Arc::clone(inner),
            fault,
            requests: Arc::default(),
            full: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Whether this request fails, and whether it is served before it does.
    fn fails(&self) -> (bool, bool) {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::Never | Fault::Full | Fault::NoOffset => (false, false),
            Fault::From(first) => (number >= first, false),
            Fault::EveryThird { after } => (number % 3 == 2, after),
        }
    }

    async fn ask<T>(&self, request: impl Future<Output = Result<T>>) -> Result<T> {
        match self.fails() {
            (false, _) => request.await,
            (true, false) => Err(gone(self.fault)),
            (true, true) => {
                request.await?;
                Err(gone(self.fault))
            }
        }
    }
}

fn gone(fault: Fault) -> Error {
    match fault {
        // what lasts is not tried again, which keeps the test short
        Fault::From(_) => Error::NotSupported { source: "the store is gone".into() },
        _ => Error::Generic { store: "faulty", source: "for a moment".into() },
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if matches!(self.fault, Fault::Full) && self.full.load(Ordering::SeqCst) {
            return Err(Error::PermissionDenied { path: location.to_string(), source: "it is full".into() });
        }
        self.ask(self.inner.put_opts(location, payload, opts)).await
    }
    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.ask(self.inner.put_multipart_opts(location, opts)).await
    }
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.ask(self.inner.get_opts(location, options)).await
    }
    async fn get_ranges(&self, location: &Path, ranges: &[Bytes64<u64>]) -> Result<Vec<Bytes>> {
        self.ask(self.inner.get_ranges(location, ranges)).await
    }
    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let delete = move |location: Result<Path>| {
            let this = this.clone();
            async move {
                let location = location?;
                this.ask(this.inner.delete(&location)).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, prefix) = (self.clone(), prefix.cloned());
        let all = async move { this.ask(this.inner.list(prefix.as_ref()).try_collect::<Vec<_>>()).await };
        futures::stream::once(all)
            .map_ok(|all| futures::stream::iter(all.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }
    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (gives_all, offset) = (matches!(self.fault, Fault::NoOffset), offset.clone());
        let is_given = move |found: &ObjectMeta| std::future::ready(gives_all || found.location > offset);
        self.list(prefix).try_filter(is_given).boxed()
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.ask(self.inner.list_with_delimiter(prefix)).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.ask(self.inner.copy_opts(from, to, options)).await
    }
}

/// Events with these numbers, an hour for each ten.
fn events(numbers: impl IntoIterator<Item = u64>) -> EventBatch {
    let mut builder = BatchBuilder::new("test".into(), projection());
    for number in numbers {
        builder.field(0, &format!("\"{}\"", number % 3));
        builder.field(1, &number.to_string());
        let id = format!("id-{number}");
        let identity = RowIdentity {
            event_id: EventId::Natural(&id),
            time: 1_772_442_000_000_000 + number as i64 / 10 * 3_600_000_000 + number as i64 * 1_000,
            ingest_time: 5,
            time_missing: false,
            base: &OriginBase::File { path: "x".into() },
            line: Some(number + 1),
            record: None,
        };
        builder.finish_row(&identity, &format!("{{\"a\":\"{}\",\"b\":{number}}}", number % 3));
    }
    builder.finish()
}

fn location(store: &Faulty) -> Location {
    Location::new("s3://bucket/lake").expect("it is served").within(Arc::new(store.clone()))
}

async fn import(store: &Faulty, batch: &EventBatch) -> std::result::Result<(), ArchiveError> {
    let mut archive = Archive::open_or_create(&location(store)).await?;
    let mut writer = EventWriter::new(layouts());
    writer.push(&archive, batch).await?;
    writer.commit(&mut archive).await.map(drop)
}

async fn compact(store: &Faulty) -> std::result::Result<virga_archive::Compacted, ArchiveError> {
    let mut archive = Archive::open(&location(store)).await?;
    let rebuild: &Rebuild<'_> = &|_, _, _| Err("every field is stored".into());
    archive.compact(&layouts(), rebuild, &|_| ()).await
}

/// Events and files that an archive holds; everything in it is as the table says.
async fn state(store: &Arc<InMemory>) -> (usize, usize) {
    let store = Faulty::new(store, Fault::Never);
    let Ok(archive) = Archive::open(&location(&store)).await else { return (0, 0) };
    let verified = archive.verify(Depth::Everything, &|_| ()).await.expect("it is served");
    assert_eq!(verified.problems, []);
    assert_eq!(archive.entries(Range::ALL).await.expect("it is served").len(), verified.files);
    (verified.rows, verified.files)
}

async fn copy(store: &Arc<InMemory>) -> Arc<InMemory> {
    Arc::new(store.fork())
}

#[tokio::test]
async fn an_import_that_stops_at_any_request_leaves_the_old_state_or_the_new_one() {
    let before = Arc::new(InMemory::new());
    import(&Faulty::new(&before, Fault::Never), &events(0..25)).await.expect("it is served");
    let old = state(&before).await;
    assert_eq!(old, (25, 3));
    let mut seen = Vec::new();
    for first in 0.. {
        let store = copy(&before).await;
        let faulty = Faulty::new(&store, Fault::From(first));
        let done = import(&faulty, &events(25..40)).await;
        let after = state(&store).await;
        assert!(after == old || after == (40, 5), "request {first}: {after:?}");
        assert!(done.is_err() || after == (40, 5), "request {first}: told it was done");
        seen.push(after);
        if done.is_ok() {
            break;
        }
        // what was broken off is taken up again
        import(&Faulty::new(&store, Fault::Never), &events(25..40)).await.expect("it is served");
        assert_eq!(state(&store).await, (40, 5), "request {first}");
    }
    assert!(seen.len() > 5 && seen.contains(&old), "{seen:?}");
}

#[tokio::test]
async fn a_first_import_that_stops_at_any_request_can_be_made_again() {
    for first in 0.. {
        let store = Arc::new(InMemory::new());
        let done = import(&Faulty::new(&store, Fault::From(first)), &events(0..12)).await;
        assert!([(0, 0), (12, 2)].contains(&state(&store).await), "request {first}");
        import(&Faulty::new(&store, Fault::Never), &events(0..12)).await.expect("it is served");
        assert_eq!(state(&store).await, (12, 2), "request {first}");
        if done.is_ok() {
            assert!(first > 5, "only {first} requests");
            return;
        }
    }
}

/// As Azure's does: what it is asked of keys it does not know in the version that is spoken.
#[tokio::test]
async fn a_store_that_lists_all_keys_whatever_they_are_to_be_behind_serves_all_the_same() {
    let store = Arc::new(InMemory::new());
    let unknowing = Faulty::new(&store, Fault::NoOffset);
    for (numbers, expected) in [(0..12, (12, 2)), (12..25, (25, 4)), (25..40, (40, 6))] {
        import(&unknowing, &events(numbers)).await.expect("it is served");
        assert_eq!(state(&store).await, expected);
    }
    compact(&unknowing).await.expect("it is served");
    assert_eq!(state(&store).await, (40, 4));
}

#[tokio::test]
async fn a_compaction_that_stops_at_any_request_changes_no_event() {
    let before = Arc::new(InMemory::new());
    // the second holds five of the first again
    for numbers in [0..10, 5..10, 10..14, 14..20] {
        import(&Faulty::new(&before, Fault::Never), &events(numbers)).await.expect("it is served");
    }
    assert_eq!(state(&before).await, (25, 4));
    for first in 0.. {
        let store = copy(&before).await;
        let done = compact(&Faulty::new(&store, Fault::From(first))).await;
        // hours are compacted one by one
        let after = state(&store).await;
        assert!([(25, 4), (20, 3), (20, 2)].contains(&after), "request {first}: {after:?}");
        let again = compact(&Faulty::new(&store, Fault::Never)).await.expect("it is served");
        assert_eq!(state(&store).await, (20, 2), "request {first}");
        if let Ok(done) = done {
            assert_eq!((done.replaced, done.written, done.duplicates), (4, 2, 5));
            assert_eq!(again.replaced, 0, "what is compact stays");
            assert!(first > 5, "only {first} requests");
            return;
        }
    }
}

#[tokio::test]
async fn a_store_that_fails_every_third_request_serves_all_the_same() {
    for after in [false, true] {
        let store = Arc::new(InMemory::new());
        let faulty = Faulty::new(&store, Fault::EveryThird { after });
        for numbers in [0..10, 5..10, 10..14, 14..20] {
            import(&faulty, &events(numbers)).await.expect("it is served");
        }
        assert_eq!(state(&store).await, (25, 4), "after {after}");
        compact(&faulty).await.expect("it is served");
        assert_eq!(state(&store).await, (20, 2), "after {after}");
    }
}

#[tokio::test]
async fn who_is_patient_waits_for_a_full_store_and_loses_nothing() {
    let store = Arc::new(InMemory::new());
    import(&Faulty::new(&store, Fault::Never), &events(0..10)).await.expect("it is served");
    let faulty = Faulty::new(&store, Fault::Full);
    assert!(import(&faulty, &events(10..20)).await.is_err(), "others give up");
    let (asked, full) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&faulty.full));
    let count = Arc::clone(&asked);
    let patience = Patience::new(move |why, _| {
        assert!(why.to_string().contains("it is full"), "{why}");
        if count.fetch_add(1, Ordering::SeqCst) == 5 {
            full.store(false, Ordering::SeqCst);
        }
        Some(Duration::from_millis(1))
    });
    let mut archive = Archive::open(&location(&faulty).patient(patience)).await.expect("it is served");
    let mut writer = EventWriter::new(layouts());
    writer.push(&archive, &events(10..20)).await.expect("it waits");
    writer.seal(&archive).await.expect("it waits");
    assert_eq!(writer.publish(&mut archive).await.expect("it is served").rows, 10);
    assert!(asked.load(Ordering::SeqCst) >= 6);
    // to publish again what stands already doubles nothing
    writer.publish(&mut archive).await.expect("it is served");
    assert_eq!(state(&store).await.0, 20);
    // one that has no more patience gives up
    faulty.full.store(true, Ordering::SeqCst);
    let none = Patience::new(|_, _| None);
    let archive = Archive::open(&location(&faulty).patient(none)).await.expect("it is served");
    let mut writer = EventWriter::new(layouts());
    writer.push(&archive, &events(20..30)).await.expect("it only waits in memory");
    assert!(writer.seal(&archive).await.is_err());
}

#[tokio::test]
async fn two_compactions_at_once_double_nothing() {
    let store = Arc::new(InMemory::new());
    let faulty = Faulty::new(&store, Fault::Never);
    for numbers in [0..4, 4..7, 7..10] {
        import(&faulty, &events(numbers)).await.expect("it is served");
    }
    let (first, second) = tokio::join!(compact(&faulty), compact(&faulty));
    assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
    assert_eq!(state(&store).await, (10, 1));
}

#[tokio::test]
async fn one_id_with_two_records_keeps_both_however_they_are_printed() {
    let store = Arc::new(InMemory::new());
    let faulty = Faulty::new(&store, Fault::Never);
    let of = |raw: &str| {
        let mut builder = BatchBuilder::new("test".into(), projection());
        let identity = RowIdentity {
            event_id: EventId::Natural("1"),
            time: 7,
            ingest_time: 5,
            time_missing: false,
            base: &OriginBase::File { path: "x".into() },
            line: None,
            record: None,
        };
        builder.finish_row(&identity, raw);
        builder.finish()
    };
    for raw in [r#"{"c":1}"#, r#"{ "c": 1 }"#, r#"{"c":2}"#] {
        import(&faulty, &of(raw)).await.expect("it is served");
    }
    assert_eq!(state(&store).await.0, 3);
    assert_eq!(compact(&faulty).await.expect("it is served").duplicates, 1);
    assert_eq!(state(&store).await, (2, 1));
}

#[tokio::test]
async fn a_file_of_which_another_program_has_deleted_events_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::new(folder.path().to_str().expect("UTF-8")).expect("a location");
    let mut archive = Archive::open_or_create(&location).await.expect("an archive");
    let mut writer = EventWriter::new(layouts());
    writer.push(&archive, &events(0..5)).await.expect("it is written");
    writer.commit(&mut archive).await.expect("it is committed");
    let log = folder.path().join("events/_delta_log");
    let commit = |version: u64| log.join(format!("{version:020}.json"));
    let version = archive.version();
    let text = std::fs::read_to_string(commit(version)).expect("a commit");
    let mut actions = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let mut add = actions.find_map(|mut action| action.get_mut("add").map(Value::take)).expect("a file");
    let path = add["path"].clone();
    add["deletionVector"] = json!({
        "storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 4, "sizeInBytes": 40, "cardinality": 1,
    });
    let features = ["deletionVectors"];
    let marks = [
        json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7,
            "readerFeatures": features, "writerFeatures": features}}),
        json!({"remove": {"path": path, "dataChange": true, "deletionTimestamp": 1}}),
        json!({"add": add}),
    ];
    let lines: Vec<String> = marks.iter().map(Value::to_string).collect();
    std::fs::write(commit(version + 1), lines.join("\n")).expect("a commit");
    let archive = Archive::open(&location).await.expect("an archive");
    let error = archive.entries(Range::ALL).await.expect_err("it is refused").to_string();
    assert!(error.contains(path.as_str().expect("a path")) && error.contains("deleted"), "{error}");
}

#[tokio::test]
async fn a_compaction_asks_the_store_nine_times_an_hour_however_many_files_there_are() {
    let mut requests = Vec::new();
    for (hours, others) in [(1, 0), (2, 0), (6, 0), (1, 40), (2, 40)] {
        let store = Arc::new(InMemory::new());
        let faulty = Faulty::new(&store, Fault::Never);
        let (even, all) = (0..hours * 10, 0..(hours + others) * 10);
        import(&faulty, &events(even.filter(|number| number % 2 == 0))).await.expect("it is served");
        import(&faulty, &events(all.filter(|number| number % 2 == 1))).await.expect("it is served");
        let faulty = Faulty::new(&store, Fault::Never);
        let done = compact(&faulty).await.expect("it is served");
        assert_eq!((done.hours as u64, done.written as u64), (hours, hours));
        requests.push(faulty.requests.load(Ordering::SeqCst));
    }
    // two files and what comes of them; the log is listed before the commit, and read behind it
    let [one, two, six, one_of_many, two_of_many] = requests[..] else { panic!("{requests:?}") };
    assert_eq!((two - one, six - one), (9, 5 * 9), "{requests:?}");
    assert_eq!((one_of_many, two_of_many), (one, two), "{requests:?}");
}
