//! Arguments that several commands have: which rules, and what stands around them.

use std::path::PathBuf;
use std::sync::Arc;

use virga_engine::diagnostic::{Diagnostic, Severity, SourceFile};
use virga_engine::pipeline::{Pipelines, parse_pipeline};
use virga_engine::plan::Lists;
use virga_engine::tuning::Tuning;
use virga_engine::{RuleSet, Surroundings};

use super::Failure;
use crate::rule_files::{self, ListsError};
use crate::show;

/// Arguments that say which rules.
#[derive(clap::Args, Clone, Default)]
pub struct RuleArgs {
    /// A file or folder of Sigma rules and filters; may be given several times. `built-in` are the rules
    /// that ship with Virga. [default: built-in]
    #[arg(long = "rules", value_name = "DIR")]
    pub rules: Vec<PathBuf>,
    #[command(flatten)]
    pub around: AroundArgs,
}

/// Arguments that say what stands around rules.
#[derive(clap::Args, Clone, Default)]
pub struct AroundArgs {
    /// Files of lists that `%name%` placeholders of rules stand for. `virga rules lists` prints those of the
    /// rules that ship with Virga, to be filled in.
    #[arg(long, value_name = "FILE")]
    pub lists: Vec<PathBuf>,
    /// Processing pipelines in pySigma's YAML, files or folders: from the fields of public rules to
    /// one's own.
    #[arg(long = "pipeline", short = 'p', value_name = "FILE")]
    pub pipelines: Vec<PathBuf>,
    /// Files that switch rules off, give them other levels, suppression and exceptions.
    #[arg(long, value_name = "FILE")]
    pub tuning: Vec<PathBuf>,
}

impl RuleArgs {
    /// Reads the rules. What is wrong with them is printed; the second value says whether a path could
    /// not be read.
    pub fn load(&self, least: Severity) -> Result<(RuleSet, bool), Failure> {
        let (set, missing) = self.load_tuned(least)?;
        match set.rules.is_empty() {
            true => Err(format!("the tuning switches off all rules of {}", self.places()).into()),
            false => Ok((set, missing)),
        }
    }

    /// The same where it is no mistake that the tuning leaves nothing: that, too, can be compared with.
    pub fn load_tuned(&self, least: Severity) -> Result<(RuleSet, bool), Failure> {
        let around = self.around.read(rule_files::wants_shipped(&self.rules))?;
        let found = rule_files::read(&self.rules);
        for message in &found.unreadable {
            show::say!("{}warning:{:#} {message}", show::BOLD, show::BOLD);
        }
        let set = RuleSet::load_with(found.files, &around);
        super::report(&set.diagnostics, least);
        if set.rules.is_empty() && set.switched_off == 0 {
            return Err(format!("no rule could be loaded from {}", self.places()).into());
        }
        Ok((set, !found.unreadable.is_empty()))
    }

    fn places(&self) -> String {
        match self.rules.as_slice() {
            [] => "those that ship".to_owned(),
            rules => rules.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        }
    }
}

impl AroundArgs {
    /// Reads what stands around rules. All of it must be right: a rule without its exceptions or its
    /// mapping would say something else.
    ///
    /// `shipped`: with the lists and the tuning of the rules that ship with Virga, where nothing else is
    /// said.
    pub fn read(&self, shipped: bool) -> Result<Surroundings, Failure> {
        let ((mut lists, own_lists), mut tuning) = (self.lists()?, self.tuning()?);
        if shipped {
            for (name, values) in rule_files::shipped_lists() {
                lists.entry(name).or_insert(values);
            }
            tuning.fill(rule_files::shipped_tuning());
        }
        let asking = [files(&self.tuning)?, files(&self.pipelines)?].concat();
        Ok(Surroundings { lists, own_lists, asking, tuning, pipelines: self.pipelines()? })
    }

    fn lists(&self) -> Result<(Lists, Vec<Arc<SourceFile>>), Failure> {
        rule_files::lists(&self.lists).map_err(|error| match *error {
            ListsError::Unreadable(message) => Failure::Message(message),
            ListsError::Wrong(diagnostic) => wrong(vec![diagnostic], "no lists"),
        })
    }

    fn tuning(&self) -> Result<Tuning, Failure> {
        let mut all = Tuning::default();
        for file in files(&self.tuning)? {
            let tuning = Tuning::parse(&file).map_err(|diagnostics| wrong(diagnostics, "no tuning"))?;
            all.merge(tuning).map_err(|diagnostic| wrong(vec![*diagnostic], "no tuning"))?;
        }
        Ok(all)
    }

    fn pipelines(&self) -> Result<Pipelines, Failure> {
        let mut pipelines = Vec::new();
        for file in files(&self.pipelines)? {
            pipelines.push(parse_pipeline(&file).map_err(|diagnostics| wrong(diagnostics, "no pipeline"))?);
        }
        Ok(Pipelines::new(pipelines))
    }
}

/// The files at or below paths, all of which must be readable.
fn files(paths: &[PathBuf]) -> Result<Vec<Arc<SourceFile>>, Failure> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let found = rule_files::read(paths);
    match found.unreadable.into_iter().next() {
        Some(message) => Err(Failure::Message(message)),
        None if found.files.is_empty() => {
            let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            Err(format!("there is no .yml file in {}", paths.join(", ")).into())
        }
        None => Ok(found.files),
    }
}

/// Prints what is wrong with a file that cannot be used.
fn wrong(diagnostics: Vec<Diagnostic>, what: &str) -> Failure {
    super::report(&diagnostics, Severity::Note);
    let file = diagnostics.first().map_or("the file", |diagnostic| diagnostic.file.name.as_str());
    Failure::Message(format!("{file} is {what} that can be used"))
}
