//! Archives for tests, written from files of logs as an import writes them.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use virga_archive::{Archive, EventWriter, Layout, Location};
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{EventBatch, SourceSpec};
use virga_engine::{Engine, RuleSet};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan};
use virga_ingest::sources::SOURCES;
use virga_ingest::transport::{FileInputs, InputError, Progress};
use virga_test_support::workspace;

/// An archive in a folder that goes with it.
pub struct Lake {
    folder: tempfile::TempDir,
    /// Events in it.
    pub events: usize,
}

/// Takes all batches.
#[derive(Default)]
struct All {
    batches: Vec<EventBatch>,
    bad: Vec<String>,
}

impl Sink for All {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.batches.push(batch);
        ControlFlow::Continue(())
    }

    fn quarantined(&mut self, record: Quarantined) {
        self.bad.push(format!("{:?}: {:?}", record.origin, record.cause));
    }

    fn unreadable(&mut self, error: InputError) {
        self.bad.push(format!("{error:?}"));
    }
}

/// The rules that ship.
fn shipped() -> RuleSet {
    let file = |name: String, text: String| Arc::new(SourceFile { name, text });
    let lists = virga_engine::cases::parse_lists(&file("lists.yml".into(), virga_detections::LISTS.into()));
    let rules = virga_detections::rules().into_iter().map(|rule| file(rule.path, rule.text));
    RuleSet::load(rules, &lists.expect("the lists that ship"))
}

impl Lake {
    /// Writes files of logs into an archive.
    pub fn of(inputs: &[PathBuf]) -> Self {
        let specs: Vec<SourceSpec> = SOURCES.iter().map(|source| source.spec()).collect();
        let engine = Engine::new(&shipped(), &specs);
        let layouts: Vec<(&'static _, Layout)> = SOURCES
            .iter()
            .zip(&specs)
            .filter_map(|(source, spec)| {
                Some((*source, Layout::new(&spec.columns, engine.projection(source.name)?.as_ref())))
            })
            .collect();
        let plan = |(source, layout): &(&'static _, Layout)| SourcePlan {
            source,
            projection: Arc::clone(&layout.projection),
        };
        let choice = Choice::Auto(layouts.iter().map(plan).collect());
        let mut all = All::default();
        let reader = Reader::new(choice, BatchLimits::default(), &Arc::default());
        let progress = Progress::default();
        reader.run(inputs.iter().flat_map(|path| FileInputs::new(path, &progress)), &mut all);
        assert!(all.bad.is_empty(), "{:?}", all.bad);
        let folder = tempfile::tempdir().expect("a folder");
        let named = layouts.into_iter().map(|(source, layout)| (source.name.to_owned(), layout));
        let events = runtime().block_on(async {
            let location = Location::new(&folder.path().to_string_lossy()).expect("a location");
            let mut archive = Archive::open_or_create(&location).await.expect("an archive");
            let mut writer = EventWriter::new(named);
            for batch in &all.batches {
                writer.push(&archive, batch).await.expect("rows");
            }
            writer.commit(&mut archive).await.expect("a commit").rows
        });
        Self { folder, events }
    }

    /// All stories that ship.
    pub fn of_stories() -> Self {
        let folder = workspace().join("samples/stories");
        let entries = std::fs::read_dir(&folder).expect("the stories");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a story").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "ndjson"));
        paths.sort();
        assert!(paths.len() >= 5);
        Self::of(&paths)
    }

    /// One story.
    pub fn of_story(name: &str) -> Self {
        Self::of(&[workspace().join("samples/stories").join(format!("{name}.ndjson"))])
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its folder as an argument.
    pub fn url(&self) -> String {
        self.path().display().to_string()
    }

    /// Runs `virga query` with these arguments.
    pub fn query(&self, args: &[&str]) -> Output {
        let url = self.url();
        virga(&[&["query", "--archive", url.as_str()], args].concat())
    }

    /// The rows of a query.
    pub fn rows(&self, sql: &str) -> Vec<serde_json::Value> {
        let output = self.query(&["--format", "ndjson", sql]);
        assert!(output.status.success(), "{sql}: {}", err(&output));
        out(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// What a query that is refused says.
    pub fn refused(&self, sql: &str) -> String {
        let output = self.query(&[sql]);
        assert_eq!(output.status.code(), Some(2), "{sql}: {}", out(&output));
        assert_eq!(out(&output), "", "{sql}");
        err(&output)
    }

    /// Files of events.
    pub fn files(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                match path.is_dir() {
                    true => walk(&path, found),
                    false if path.extension().is_some_and(|ending| ending == "parquet") => found.push(path),
                    false => {}
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path().join("events"), &mut found);
        found.sort();
        found
    }
}

/// A runtime for a test.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// Runs the program.
pub fn virga(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(args)
        .current_dir(workspace())
        .output()
        .expect("virga runs")
}

/// What it printed.
pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What it said.
pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
