//! The rules that run, and how they are exchanged while everything runs.
//!
//! In: a loader, which reads files as the configuration says. Out: [`Generation`]s. A generation has an engine
//! for each worker, compiled before anybody uses it; pieces say by which generation they are to be scanned, so
//! that the switch lies between two pieces, for all workers at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use virga_engine::correlate::Plan;
use virga_engine::diagnostic::{Diagnostic, Severity};
use virga_engine::event::SourceSpec;
use virga_engine::{Engine, RuleSet};
use virga_ingest::environment::Environment;
use virga_ingest::sources::SOURCES;

use crate::archive::columns::{Columns, by_source};
use crate::archive::{Archive, Asked};
use crate::broken::broken;

/// What a loader has read.
pub struct Loaded {
    /// The rules.
    pub set: RuleSet,
    /// What is known beside the logs.
    pub environment: Arc<Environment>,
}

/// Reads rules and what stands around them. An error is for people, and nothing of what it read counts.
pub type Loader = Arc<dyn Fn() -> Result<Loaded, String> + Send + Sync>;

/// One set of rules, compiled.
pub struct Generation {
    /// Counts generations of this process, from 1.
    pub number: u64,
    /// What is known beside the logs.
    pub environment: Arc<Environment>,
    /// The correlations.
    pub plans: Vec<Plan>,
    /// How many rules run, for the log.
    pub rules: usize,
    /// The documents that have an error, as they are known.
    pub broken: BTreeSet<String>,
    /// Rules that will raise no alert, for they only feed what can never match.
    pub unheard: Vec<Diagnostic>,
    /// What it asks for of each source.
    pub asked: Vec<Asked>,
    /// By source: the columns that are read where events are archived too; none where they are not.
    pub columns: HashMap<String, Columns>,
    /// An engine for each worker, until it takes it.
    engines: Mutex<Vec<Engine>>,
}

impl Generation {
    /// Compiles what was read, for so many workers.
    ///
    /// # Errors
    /// Where no rule is left that could run.
    pub fn compile(number: u64, loaded: &Loaded, workers: usize) -> Result<Self, String> {
        let specs: Vec<SourceSpec> =
            SOURCES.iter().map(|source| source.spec_in(&loaded.environment)).collect();
        let engines: Vec<Engine> = (0..workers).map(|_| Engine::new(&loaded.set, &specs)).collect();
        let Some(first) = engines.first() else { return Err("there is no worker".into()) };
        let mut misspelt = first.unserved(&specs);
        misspelt.retain(|said| said.severity == Severity::Warning);
        let (plans, rules) = (first.correlations().to_vec(), first.report().loaded);
        let asked = specs.iter().map(|spec| Asked {
            source: spec.name.clone(),
            columns: spec.columns.clone(),
            projection: first.projection(&spec.name).unwrap_or_default(),
        });
        let asked: Vec<Asked> = asked.collect();
        if rules == 0 {
            return Err("no rule could be loaded: nothing would ever be found".into());
        }
        Ok(Self {
            number,
            environment: Arc::clone(&loaded.environment),
            plans,
            rules,
            broken: broken(&loaded.set.diagnostics),
            unheard: [first.unheard(), misspelt].concat(),
            columns: HashMap::new(),
            asked,
            engines: Mutex::new(engines),
        })
    }

    /// The same where events are archived too.
    #[must_use]
    pub fn archived(mut self, archive: Option<&dyn Archive>) -> Self {
        self.columns = archive.map(|archive| by_source(archive, &self.asked)).unwrap_or_default();
        self
    }

    /// Says in the log what its rules will never say.
    pub fn tell_unheard(&self) {
        self.unheard.iter().for_each(|said| tracing::warn!("{said}; {}", said.help));
    }

    /// The engine of one worker; each takes one, once.
    pub fn engine(&self) -> Option<Engine> {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}
