//! Sigma rules for SQL: `sigma_match` asks here, the table `rules` is made here.
//!
//! In: the rules of the command line, and events as an archive keeps them. Out: which of them a rule matches:
//! the events go through their log sources and the engine as `virga detect` does it. A rule is named by its
//! id, its name, its title or its file, or given as its own text.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use virga_archive::sql::{RuleRow, SigmaMatcher, SigmaTest};
use virga_engine::correlate::Member;
use virga_engine::diagnostic::{Severity, SourceFile, nearest};
use virga_engine::event::{BatchBuilder, OriginBase, SourceSpec};
use virga_engine::sigma::Level;
use virga_engine::{Engine, RuleSet, Surroundings};
use virga_ingest::environment::Environment;
use virga_ingest::sources::{Arrival, Normaliser, source};

/// Events that are tested at once: a batch of their cells must fit in memory beside the query's own.
const BATCH: usize = 4_096;

/// The rules that queries may name.
pub struct Matcher {
    /// Shared with nobody: it is only read.
    set: RuleSet,
    around: Surroundings,
    specs: Vec<SourceSpec>,
    environment: Arc<Environment>,
    /// Whether a query may name a file of this machine: its own user may, whoever connects may not.
    files: bool,
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matcher").field("rules", &self.set.rules.len()).finish_non_exhaustive()
    }
}

impl Matcher {
    /// For these rules on these sources.
    pub fn new(
        set: RuleSet,
        around: Surroundings,
        specs: Vec<SourceSpec>,
        environment: Arc<Environment>,
        files: bool,
    ) -> Self {
        Self { set, around, specs, environment, files }
    }

    /// The rules as a table shows them.
    pub fn rows(&self) -> Vec<RuleRow> {
        let engine = Engine::new(&self.set, &self.specs);
        let rules = engine.rules().iter().map(|loaded| {
            let rule = &loaded.lowered.rule;
            RuleRow {
                id: rule.key(),
                name: rule.name.clone(),
                title: rule.title.clone(),
                kind: "rule".into(),
                level: rule.level.map(|level| level.word().to_owned()),
                status: rule.status.clone(),
                description: rule.description.clone(),
                tags: rule.tags.clone(),
                file: rule.file.name.clone(),
                sources: names(&loaded.sources),
            }
        });
        let correlations = self.set.correlations.iter().enumerate().map(|(number, linked)| {
            let rule = &linked.correlation;
            let mut about = BTreeSet::new();
            self.sources_of(number, &engine, &mut about);
            RuleRow {
                id: rule.key(),
                name: rule.name.clone(),
                title: rule.title.clone(),
                kind: "correlation".into(),
                level: rule.level.map(Level::word).map(str::to_owned),
                status: rule.status.clone(),
                description: rule.description.clone(),
                tags: rule.tags.clone(),
                file: rule.file.name.clone(),
                sources: about.into_iter().collect(),
            }
        });
        rules.chain(correlations).collect()
    }

    /// The log sources that a correlation's rules run on. Those that it is about stand before it.
    fn sources_of(&self, number: usize, engine: &Engine, about: &mut BTreeSet<String>) {
        let members = self.set.correlations.get(number).into_iter().flat_map(|linked| &linked.members);
        for member in members {
            match member {
                Member::Correlation(inner) if *inner < number => self.sources_of(*inner, engine, about),
                Member::Correlation(_) => {}
                Member::Rule(key) => {
                    let loaded = engine.rules().iter().find(|loaded| loaded.lowered.rule.key() == *key);
                    about.extend(loaded.into_iter().flat_map(|loaded| names(&loaded.sources)));
                }
            }
        }
    }

    /// A rule of the set by its id, name or title.
    fn known(&self, name: &str) -> Result<RuleSet, String> {
        let is_it = |key: &str, own: &Option<String>, title: &str| {
            [Some(key), own.as_deref(), Some(title)]
                .into_iter()
                .flatten()
                .any(|called| called.eq_ignore_ascii_case(name))
        };
        let found: Vec<_> = self
            .set
            .rules
            .iter()
            .filter(|lowered| is_it(&lowered.rule.key(), &lowered.rule.name, &lowered.rule.title))
            .cloned()
            .collect();
        if !found.is_empty() {
            let mut set = RuleSet::default();
            set.rules = found;
            return Ok(set);
        }
        let correlations = self.set.correlations.iter().map(|linked| &linked.correlation);
        if correlations.into_iter().any(|rule| is_it(&rule.key(), &rule.name, &rule.title)) {
            return Err(format!(
                "`{name}` is a correlation: it is about several events; what it raised stands in the table `alerts`"
            ));
        }
        let names = || {
            let rules = self.set.rules.iter().map(|lowered| &lowered.rule);
            rules.flat_map(|rule| [Some(rule.title.as_str()), rule.name.as_deref()]).flatten()
        };
        let lower = name.to_lowercase();
        let longer = names().find(|longer| longer.to_lowercase().contains(&lower));
        Err(match longer.or_else(|| nearest(name, names())) {
            Some(near) => format!("there is no rule `{name}`; did you mean `{near}`?"),
            None => format!("there is no rule `{name}`; the table `rules` lists them"),
        })
    }

    /// A rule from its own text.
    fn read(&self, name: &str, text: String) -> Result<RuleSet, String> {
        let file = Arc::new(SourceFile { name: name.to_owned(), text });
        let set = RuleSet::load_with([file], &self.around);
        let error = set.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
        if let Some(error) = error {
            return Err(error.to_string());
        }
        match set.rules.is_empty() {
            true => Err(format!("{name} has no rule on single events")),
            false => Ok(set),
        }
    }

    fn find(&self, rule: &str) -> Result<RuleSet, String> {
        if rule.contains('\n') || rule.contains("detection:") {
            return self.read("the rule", rule.to_owned());
        }
        let is_file = [".yml", ".yaml"].iter().any(|ending| rule.ends_with(ending));
        match (is_file, self.files) {
            (false, _) => self.known(rule),
            (true, false) => Err(format!(
                "`{rule}`: files are not read for whoever connects; name a rule, or give its text"
            )),
            (true, true) => {
                let text =
                    std::fs::read_to_string(Path::new(rule)).map_err(|error| format!("{rule}: {error}"))?;
                self.read(rule, text)
            }
        }
    }
}

fn names(sources: &[(String, bool)]) -> Vec<String> {
    let names: BTreeSet<&String> = sources.iter().map(|(name, _)| name).collect();
    names.into_iter().cloned().collect()
}

impl SigmaMatcher for Matcher {
    fn compile(&self, rule: &str) -> Result<Arc<dyn SigmaTest>, String> {
        let set = self.find(rule)?;
        let engine = Engine::new(&set, &self.specs);
        let runs: BTreeSet<String> =
            engine.rules().iter().flat_map(|loaded| names(&loaded.sources)).collect();
        if runs.is_empty() {
            let missing = engine.rules().iter().find_map(|loaded| loaded.missing_table);
            let title = set.rules.first().map_or(rule, |lowered| lowered.rule.title.as_str());
            return Err(match missing {
                Some(column) => format!("`{title}` needs a lookup table that fills `{column}` (--config)"),
                None => format!("`{title}` is for a log source that Virga does not read"),
            });
        }
        Ok(Arc::new(Test {
            set,
            specs: self.specs.clone(),
            environment: Arc::clone(&self.environment),
            runs,
            idle: Mutex::new(vec![engine]),
        }))
    }
}

/// A rule that is compiled, and engines for it: as many as have been at work at once.
struct Test {
    set: RuleSet,
    specs: Vec<SourceSpec>,
    environment: Arc<Environment>,
    runs: BTreeSet<String>,
    idle: Mutex<Vec<Engine>>,
}

impl SigmaTest for Test {
    fn matches(&self, name: &str, raw: &[&str]) -> Result<Vec<bool>, String> {
        let mut matches = vec![false; raw.len()];
        // events of a source that the rule is not for
        let Some(source) = source(name).filter(|_| self.runs.contains(name)) else { return Ok(matches) };
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut engine = taken.unwrap_or_else(|| Engine::new(&self.set, &self.specs));
        let Some(projection) = engine.projection(name) else { return Ok(matches) };
        let mut normaliser = Normaliser::new(source, &projection, &self.environment);
        let base = OriginBase::File { path: "archive".into() };
        let arrival = Arrival { base: &base, line: None, record: None, ingest_time: 0 };
        let mut hits = Vec::new();
        for (number, events) in raw.chunks(BATCH).enumerate() {
            let mut builder = BatchBuilder::new(name.into(), Arc::clone(&projection));
            let mut rows = Vec::with_capacity(events.len());
            for (row, event) in events.iter().enumerate() {
                // what cannot be read matches nothing; the archive holds it because it once could be
                if normaliser.normalise(event, &arrival, &mut builder).is_ok() {
                    rows.push(number * BATCH + row);
                }
            }
            hits.clear();
            engine.scan(&builder.finish(), &mut hits);
            for hit in &hits {
                if let Some(row) = rows.get(hit.row as usize) {
                    matches[*row] = true;
                }
            }
        }
        idle().push(engine);
        Ok(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule_files;

    #[test]
    fn a_rule_is_found_by_its_id_name_and_title_and_the_table_has_them() {
        let set = RuleSet::load_with(rule_files::shipped(), &Surroundings::default());
        let specs = virga_ingest::sources::SOURCES.iter().map(|source| source.spec()).collect();
        let matcher = Matcher::new(set, Surroundings::default(), specs, Arc::default(), false);
        let rows = matcher.rows();
        let row = rows.iter().find(|row| row.name.as_deref() == Some("aws-cloudtrail-stopped"));
        let row = row.expect("it ships");
        for called in ["aws-cloudtrail-stopped", "AWS-CloudTrail-Stopped", &row.id, &row.title] {
            let found = matcher.known(called).expect(called);
            assert_eq!(found.rules.iter().map(|rule| rule.rule.key()).collect::<Vec<_>>(), [&*row.id]);
        }
        let said = matcher.known("aws-cloudtrail-stoped").expect_err("there is none");
        assert!(said.contains("did you mean `aws-cloudtrail-stopped`"), "{said}");
        let correlation = rows.iter().find(|row| row.kind == "correlation").expect("some ship");
        let name = correlation.name.as_deref().expect("its name");
        assert!(matcher.known(name).expect_err(name).contains("is a correlation"));
    }
}
