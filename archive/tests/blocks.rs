//! What files say of their values spares queries the reading of them, and changes no answer.
//!
//! The oracle is the same query with its condition inside of something that may come out otherwise each time: then
//! nothing can be said of it before the rows are read.

use std::sync::{Arc, OnceLock};

use object_store::memory::InMemory;
use proptest::prelude::*;
use virga_archive::sql::{Around, Session, texts};
use virga_archive::{Archive, BLOCK, EventWriter, Lake, Layout, Location};
use virga_engine::event::{
    BatchBuilder, EventBatch, EventId, OriginBase, ProjectedField, Projection, RowIdentity,
};

const HOUR: i64 = 3_600_000_000;
const FROM: i64 = 1_772_442_000_000_000;

/// Events of the first hour: three blocks, the last not full.
const MANY: usize = 2 * BLOCK + 1_000;

fn layout() -> Layout {
    let canonical = ["principal", "src_ip", "bytes_out", "grants", "mfa"].map(str::to_owned);
    let native = |name: &str| ProjectedField {
        name: name.into(),
        paths: vec![name.into()],
        computed: false,
        column: None,
    };
    Layout::new(&canonical, &Projection { fields: vec![native("a"), native("b")], dispatch: None })
}

/// What an event has of a field, by its number: in each hour it is another story.
fn cell(field: &ProjectedField, number: usize) -> Option<String> {
    let hour = number / MANY;
    let quoted = |text: String| Some(format!("\"{text}\""));
    match (field.name.as_str(), hour) {
        // some in one block alone, some everywhere
        ("principal", 0) => {
            quoted(format!("P{}", if number.is_multiple_of(7) { 1 } else { 2 + number / BLOCK }))
        }
        ("principal", 1) => (!number.is_multiple_of(3)).then(|| "\"p9 \\\"quoted\\\"\"".to_owned()),
        // new in every event
        ("src_ip", 0) => quoted(format!("10.{}.{}.1", number / 256, number % 256)),
        ("src_ip", _) => None,
        ("bytes_out", _) => (number > 5_000).then(|| (number / BLOCK * 100).to_string()),
        ("grants", 1) => Some(format!("[\"g{}\",\"all\"]", number % 5)),
        ("mfa", 0) => Some((number < BLOCK).to_string()),
        ("a", 0) => match number / BLOCK {
            0 => quoted("x".to_owned()),
            1 => Some("{\"n\":1}".to_owned()),
            _ => Some("5".to_owned()),
        },
        ("b", 1) => quoted("5".to_owned()),
        _ => None,
    }
}

fn batch(layout: &Layout, numbers: impl Iterator<Item = usize>) -> EventBatch {
    let projection: &Arc<Projection> = &layout.projection;
    let mut builder = BatchBuilder::new("test".into(), Arc::clone(projection));
    for number in numbers {
        for (at, field) in projection.fields.iter().enumerate() {
            if let Some(cell) = cell(field, number) {
                builder.field(at, &cell);
            }
        }
        let id = format!("id-{number}");
        let identity = RowIdentity {
            event_id: EventId::Natural(&id),
            time: FROM + (number / MANY) as i64 * HOUR + number as i64,
            ingest_time: 5,
            time_missing: false,
            base: &OriginBase::File { path: "x".into() },
            line: Some(number as u64 + 1),
            record: None,
        };
        builder.finish_row(&identity, &format!("{{\"number\":{number}}}"));
    }
    builder.finish()
}

/// An hour of three blocks in one file, an hour in two, and events of the first that stand there once more.
async fn fill() -> Location {
    let location = Location::new("s3://bucket/lake").expect("an address").within(Arc::new(InMemory::new()));
    let layout = layout();
    let times = [(0, MANY), (MANY, MANY + 40), (MANY + 40, MANY + 60), (100, 130)];
    for (from, to) in times {
        let mut archive = Archive::open_or_create(&location).await.expect("an archive");
        let mut writer = EventWriter::new([("test".to_owned(), layout.clone())]);
        writer.push(&archive, &batch(&layout, from..to)).await.expect("it is written");
        writer.commit(&mut archive).await.expect("it is committed");
    }
    location
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().expect("a runtime"))
}

fn session() -> &'static Session {
    static SESSION: OnceLock<Session> = OnceLock::new();
    SESSION.get_or_init(|| {
        runtime().block_on(async {
            let archive = Archive::open(&fill().await).await.expect("an archive");
            Session::open(&Lake::Own(Box::new(archive)), Around::default()).await.expect("a session")
        })
    })
}

fn ask(sql: &str) -> Vec<Vec<Option<String>>> {
    let session = session();
    runtime().block_on(async {
        let mut answer = session.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let mut rows = Vec::new();
        while let Some(batch) = answer.next().await.expect("an answer") {
            rows.extend(texts(&batch).expect("texts"));
        }
        rows
    })
}

/// How many rows were looked at to answer a query.
fn looked_at(condition: &str) -> u64 {
    let plan = ask(&format!("EXPLAIN ANALYZE SELECT event_id FROM events WHERE {condition}"));
    let plan = plan.into_iter().flatten().flatten().collect::<Vec<_>>().join("\n");
    let metric = |name: &str| {
        let at = plan.split(name).nth(1).unwrap_or("0");
        let value: String = at.chars().take_while(|c| !matches!(c, ',' | ']')).collect();
        match value.trim().split_once(' ') {
            Some((number, "K")) => (number.parse::<f64>().unwrap_or(-1.0) * 1_000.0) as u64,
            _ => value.trim().parse().unwrap_or_else(|_| panic!("{name}{value} in {plan}")),
        }
    };
    metric("pushdown_rows_matched=") + metric("pushdown_rows_pruned=")
}

#[test]
fn a_query_looks_at_the_blocks_that_may_hold_what_it_asks_for() {
    let block = BLOCK as u64;
    for (condition, most) in [
        ("principal = 'P2'", block),
        ("principal = 'P4'", 1_000),
        ("lower(principal) LIKE '%p4'", 1_000),
        ("principal = 'P2' AND bytes_out = 100", 0),
        ("principal = 'P4' OR mfa", block + 1_000),
        ("principal = 'nobody'", 0),
        ("principal IN ('nobody', 'P4')", 1_000),
        // of a column that is new in every event pieces of text are known
        ("src_ip = 'not an address'", 0),
        ("src_ip LIKE '%ad%ess%'", 0),
        ("src_ip IN ('192.0.2.77', '198.51.100.99') AND principal = 'P4'", 1_000),
        // a column that a file does not have is null there
        ("b = '5'", 60),
        ("a__json = '{\"n\":1}'", block),
        ("a = 'x'", block),
        ("array_has(grants, 'g3')", 60),
    ] {
        let looked_at = looked_at(condition);
        // a plan rounds its numbers
        assert!(looked_at <= most + most / 500, "{condition}: {looked_at} rows, and {most} may hold it");
    }
    // what cannot be told before is read
    assert!(looked_at("principal = src_ip") >= MANY as u64);
}

/// As many conditions as are joined here, each of something that is nowhere, and one that is true in the last block.
fn chain(length: usize, one: impl Fn(usize) -> String) -> String {
    let nowhere: Vec<String> = (1..length).map(one).collect();
    format!("{} OR principal = 'P4'", nowhere.join(" OR "))
}

#[test]
fn lists_that_somebody_pastes_are_asked_of_files_however_long_they_are() {
    for length in [50, 100, 1_000] {
        let list: Vec<String> = (0..length).map(|n| format!("'nobody {n}'")).collect();
        let list = list.join(", ");
        for (what, condition, most) in [
            ("a list", format!("principal IN ('P4', {list})"), 1_000),
            ("a list of a column that is new in every event", format!("src_ip IN ({list})"), 0),
            ("two lists", format!("principal IN ({list}) OR src_ip IN ({list})"), 0),
            ("a chain of one column", chain(length, |n| format!("principal = 'nobody {n}'")), 1_000),
            ("a chain of patterns", chain(length, |n| format!("principal LIKE '%nobody {n}%'")), 1_000),
            (
                "a chain of two columns",
                chain(length, |n| {
                    format!("{} = 'nobody {n}'", if n % 2 == 0 { "principal" } else { "src_ip" })
                }),
                1_000,
            ),
            (
                "a chain of chains",
                chain(length, |n| format!("(principal = 'nobody {n}' AND (mfa OR bytes_out = {n}))")),
                1_000,
            ),
        ] {
            let looked_at = looked_at(&condition);
            assert!(looked_at <= most, "{what} of {length}: {looked_at} rows, and {most} may hold it");
        }
    }
}

/// A condition, written as people write them and as they do not.
fn condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (0..6u8).prop_map(|n| format!("principal = 'P{n}'")),
        (0..6u8).prop_map(|n| format!("principal <> 'P{n}'")),
        Just("principal = 'p9 \"quoted\"'".to_owned()),
        (0..4u8).prop_map(|n| format!("principal ILIKE '%p{n}%'")),
        Just("principal LIKE '%\"q%'".to_owned()),
        (0..4u8).prop_map(|n| format!("lower(principal) IN ('p{n}', 'p9')")),
        prop_oneof![Just("principal"), Just("src_ip"), Just("a"), Just("b"), Just("a__json"), Just("grants")]
            .prop_map(|column| format!("{column} IS NULL")),
        prop_oneof![Just("principal"), Just("bytes_out"), Just("a"), Just("b")]
            .prop_map(|column| format!("coalesce(CAST({column} AS VARCHAR), '5') = '5'")),
        (0..70u8, 0..256u16).prop_map(|(a, b)| format!("src_ip = '10.{a}.{b}.1'")),
        (0..70u8).prop_map(|a| format!("src_ip LIKE '10.{a}.%5.1'")),
        Just("src_ip IN ('10.1.1.1', 'x')".to_owned()),
        (0..6u8, 0..70u8).prop_map(|(n, a)| chain(70, |of| match of {
            1 => format!("principal = 'P{n}'"),
            2 => format!("src_ip IN ('10.{a}.1.1', NULL)"),
            3 => "principal = NULL".to_owned(),
            of => format!("principal = 'nobody {of}'"),
        })),
        // what is made of a column holds what the column does not
        (0..70u8).prop_map(|a| format!("replace(src_ip, '10.', 'net-') LIKE 'net-{a}.%'")),
        Just("src_ip || 'suffix' = '10.1.1.1suffix'".to_owned()),
        Just("coalesce(src_ip, 'none') LIKE 'non%'".to_owned()),
        Just("upper(concat(src_ip, '/abc')) LIKE '%.7.1/ABC'".to_owned()),
        (0..4i64).prop_map(|n| format!("bytes_out > {}", n * 60)),
        Just("mfa".to_owned()),
        Just("mfa IS NOT TRUE".to_owned()),
        (0..6u8).prop_map(|n| format!("array_has(grants, 'g{n}')")),
        Just("a = 'x'".to_owned()),
        Just("a__json = '5'".to_owned()),
        Just("b = '5'".to_owned()),
        Just("principal = src_ip".to_owned()),
        Just("hour = 9".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            inner.prop_map(|a| format!("NOT ({a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_changes_by_what_is_left_out(condition in condition()) {
        let sql = |condition: &str| format!(
            "SELECT count(*), count(DISTINCT event_id), sum(line), min(time) FROM events WHERE {condition}"
        );
        let opaque = format!("(({condition}) IS TRUE) = (random() < 2)");
        prop_assert_eq!(ask(&sql(&condition)), ask(&sql(&opaque)), "{}", condition);
    }
}
