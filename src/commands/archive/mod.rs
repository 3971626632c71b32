//! `virga archive`: events into Parquet files of a Delta table, and what keeps that table in order.
//!
//! In: what `virga detect` reads, and the address of an archive. Out: a new version of the archive, or the old
//! one; and a summary that accounts for every record. Each subcommand has a file of its own; here is what they
//! share.

mod compact;
mod expire;
mod import;
mod ls;
mod verify;

use std::collections::HashMap;
use std::future::Future;

use clap::Subcommand;
use virga_archive::{Archive, ArchiveError, Layout, Location};
use virga_engine::{Engine, RuleSet};
use virga_ingest::environment::Environment;
use virga_ingest::sources::SourceDef;

use super::{Failure, Outcome};
use crate::{interrupt, lake};

/// `virga archive …`
#[derive(Subcommand)]
pub enum Command {
    /// Put events into an archive.
    Import(Box<import::ImportArgs>),
    /// What an archive holds, by source and day.
    Ls(ls::ListArgs),
    /// Read an archive whole, and say what is not as its table says.
    Verify(verify::VerifyArgs),
    /// Merge small and late files, and keep events once that came twice.
    Compact(compact::CompactArgs),
    /// Let go of old events and alerts, and delete files that nothing refers to.
    Expire(expire::ExpireArgs),
}

/// Which archive.
#[derive(clap::Args, Clone)]
pub struct ArchiveArgs {
    /// The archive: a folder, or s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, with the
    /// credentials that inputs find too.
    #[arg(long, value_name = "URL")]
    pub archive: String,
}

impl ArchiveArgs {
    /// Where it is.
    pub fn location(&self) -> Result<Location, Failure> {
        runtime()?.block_on(lake::location(&self.archive))
    }
}

/// An archive, and which version of it.
#[derive(clap::Args, Clone)]
pub struct VersionArgs {
    #[command(flatten)]
    archive: ArchiveArgs,
    /// An earlier version, as `ls` counts them. [default: the latest]
    #[arg(long, value_name = "N")]
    version: Option<u64>,
}

impl VersionArgs {
    async fn open(&self, location: &Location) -> Result<Archive, ArchiveError> {
        let mut archive = Archive::open(location).await?;
        if let Some(version) = self.version {
            archive.at_version(version).await?;
        }
        Ok(archive)
    }
}

/// Runs the command.
pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Import(args) => import::import(args),
        Command::Ls(args) => ls::list(args),
        Command::Verify(args) => verify::verify(args),
        Command::Compact(args) => compact::compact(args),
        Command::Expire(args) => expire::expire(args),
    }
}

fn failed(error: ArchiveError) -> Failure {
    Failure::Message(error.to_string())
}

/// Runs what changes an archive, until it is done or Ctrl-C. What a commit has begun is ended before anything
/// is said of it.
fn until_interrupted<T>(
    location: &Location,
    work: impl Future<Output = Result<T, ArchiveError>>,
) -> Result<T, Failure> {
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = work => Some(done),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    // requests of the disk that are on their way come to their end
    runtime.shutdown_timeout(interrupt::PATIENCE);
    match done {
        Some(done) => done.map_err(failed),
        None => Err(Failure::Stopped(interrupt::what_stands(location))),
    }
}

/// Runs what waits for a store.
fn wait_for<T>(work: impl Future<Output = Result<T, ArchiveError>>) -> Result<T, Failure> {
    runtime()?.block_on(work).map_err(failed)
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// The rules for these sources.
fn engine(set: &RuleSet, sources: &[&'static SourceDef], environment: &Environment) -> Engine {
    let specs: Vec<_> = sources.iter().map(|source| source.spec_in(environment)).collect();
    Engine::new(set, &specs)
}

/// What is stored of each source: canonical columns, and what the rules ask for.
fn layouts(
    engine: &Engine,
    sources: &[&'static SourceDef],
    environment: &Environment,
) -> HashMap<String, Layout> {
    let specs: Vec<_> = sources.iter().map(|source| source.spec_in(environment)).collect();
    let layout = |spec: &virga_engine::event::SourceSpec| {
        let asked = engine.projection(&spec.name).unwrap_or_default();
        (spec.name.clone(), Layout::new(&spec.columns, &asked))
    };
    specs.iter().map(layout).collect()
}
