//! What a rule asks for under the name of a canonical column stands in that column, where it is the same everywhere;
//! and comes back as it was, from files of either kind, before they are merged and after.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array as _, StringArray};
use object_store::memory::InMemory;
use virga_archive::{
    Archive, EventWriter, Layout, Location, NeededBlocks, Range, Rebuild, StoredFile, all_blocks,
};
use virga_engine::event::{
    BatchBuilder, EventId, OriginBase, ProjectedField, Projection, RowIdentity, column,
};

const FROM: i64 = 1_772_442_000_000_000;

/// The canonical column, and a field that is a member of the event or, where it has none, that column.
fn layout() -> Layout {
    let asked = ProjectedField {
        name: "principal".into(),
        paths: vec!["principal".into()],
        computed: false,
        column: column("principal"),
    };
    Layout::new(&["principal".to_owned()], &Projection { fields: vec![asked], dispatch: None })
}

/// Of each event the canonical value, and what the event has itself.
type Cells = (Option<&'static str>, Option<&'static str>);

async fn write(location: &Location, from: i64, events: &[Cells]) {
    let layout = layout();
    let mut builder = BatchBuilder::new("test".into(), Arc::clone(&layout.projection));
    for (number, (canonical, own)) in (from..).zip(events) {
        canonical.iter().for_each(|cell| builder.field(0, cell));
        match own {
            None => builder.field_like(1, 0),
            Some(own) => {
                builder.part(1);
                builder.field(1, own);
            }
        }
        let id = format!("id-{number}");
        let identity = RowIdentity {
            event_id: EventId::Natural(&id),
            time: FROM + number,
            ingest_time: 5,
            time_missing: false,
            base: &OriginBase::File { path: "x".into() },
            line: Some(1),
            record: None,
        };
        builder.finish_row(&identity, "{}");
    }
    let mut archive = Archive::open_or_create(location).await.expect("an archive");
    let mut writer = EventWriter::new([("test".to_owned(), layout)]);
    writer.push(&archive, &builder.finish()).await.expect("it is written");
    writer.commit(&mut archive).await.expect("it is committed");
}

/// The cells of both fields in the order of time, and in how many files the second has a column of its own.
async fn read(location: &Location) -> (Vec<[Option<String>; 2]>, usize) {
    let archive = Archive::open(location).await.expect("an archive");
    let (layout, mut rows, mut apart) = (layout(), Vec::new(), 0);
    let rebuild: &Rebuild<'_> = &|_, _, _| Err("both are stored".into());
    for entry in archive.entries(Range::ALL).await.expect("files") {
        let file = StoredFile::open(&archive, &entry).await.expect("a file");
        let all = all_blocks(file.rows(0));
        let needed = NeededBlocks { columns: &[all, all], raw: 0 };
        let read = file.needed_cells((0, all), &layout.projection, needed, rebuild).await.expect("cells");
        let cell = |field: usize, row: usize| {
            let cells = &read.batch.fields()[field];
            let values = cells.values().as_any().downcast_ref::<StringArray>().expect("texts");
            cells.key(row).map(|key| values.value(key).to_owned())
        };
        rows.extend((0..entry.rows).map(|row| [cell(0, row), cell(1, row)]));
        let bytes = file.bytes_by_column(0);
        apart += usize::from(bytes.contains_key("native__principal"));
    }
    (rows, apart)
}

fn owned(events: &[Cells]) -> Vec<[Option<String>; 2]> {
    let texts =
        |(canonical, own): &Cells| [*canonical, own.or(*canonical)].map(|cell| cell.map(str::to_owned));
    events.iter().map(texts).collect()
}

#[tokio::test]
async fn a_field_that_is_its_canonical_column_everywhere_stands_once() {
    let same: &[Cells] = &[(Some("\"a\""), None), (None, None), (Some("\"b\""), None), (Some("\"a\""), None)];
    let differs: &[Cells] = &[(Some("\"a\""), None), (Some("\"b\""), Some("\"its own\""))];
    // an escape may be written in more than one way, and must come back as it was
    let escaped: &[Cells] = &[(Some(r#""a\u0041""#), None)];
    for (events, apart) in [(same, 0), (differs, 1), (escaped, 1)] {
        let location =
            Location::new("s3://bucket/lake").expect("an address").within(Arc::new(InMemory::new()));
        write(&location, 0, events).await;
        let (rows, found) = read(&location).await;
        let own = |rows: &[[Option<String>; 2]]| rows.iter().map(|row| row[1].clone()).collect::<Vec<_>>();
        assert_eq!((own(&rows), found), (own(&owned(events)), apart), "{events:?}");
    }
    let location = Location::new("s3://bucket/lake").expect("an address").within(Arc::new(InMemory::new()));
    write(&location, 0, same).await;
    write(&location, 100, differs).await;
    write(&location, 200, same).await;
    let expected = [same, differs, same].map(owned).concat();
    let (mut rows, apart) = read(&location).await;
    rows.sort();
    let mut sorted = expected.clone();
    sorted.sort();
    assert_eq!((rows, apart), (sorted, 1));
    let mut archive = Archive::open(&location).await.expect("an archive");
    let rebuild: &Rebuild<'_> = &|_, _, _| Err("both are stored".into());
    let layouts = HashMap::from([("test".to_owned(), layout())]);
    let compacted = archive.compact(&layouts, rebuild, &|_| ()).await.expect("they are merged");
    assert_eq!((compacted.replaced, compacted.written), (3, 1));
    assert_eq!(read(&location).await, (expected, 1));
}
