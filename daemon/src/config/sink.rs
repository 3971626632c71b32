//! `[[sink]]`: where alerts go.
//!
//! In: a name, which alerts, and one table that says where to. Out: a [`SinkConfig`]; what the tables hold
//! is each sink's own ([`crate::sinks`]). To add a sink: a field here and a line in [`SinkConfig::kinds`].

use std::path::Path;

use serde::Deserialize;
use virga_engine::sigma::Level;

use crate::sinks::{FileConfig, KafkaSinkConfig, OpenSink, StdoutConfig};

/// One sink.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkConfig {
    /// Its name, for the checkpoint, metrics and the log.
    pub name: String,
    /// Only alerts of at least this level; those without a level always.
    pub min_level: Option<String>,
    stdout: Option<StdoutConfig>,
    file: Option<FileConfig>,
    kafka: Option<KafkaSinkConfig>,
}

impl SinkConfig {
    /// What each kind of sink is called, and its part of this one, where it has one.
    fn kinds(&self) -> Vec<(&'static str, Option<&dyn OpenSink>)> {
        fn part<T: OpenSink>(part: &Option<T>) -> Option<&dyn OpenSink> {
            part.as_ref().map(|part| part as &dyn OpenSink)
        }
        vec![("stdout", part(&self.stdout)), ("file", part(&self.file)), ("kafka", part(&self.kafka))]
    }

    /// Where to.
    pub fn kind(&self) -> Option<&dyn OpenSink> {
        self.kinds().into_iter().find_map(|(_, part)| part)
    }

    /// The least level.
    pub fn least(&self) -> Option<Level> {
        self.min_level.as_deref().and_then(Level::parse)
    }

    pub(super) fn resolve(&mut self, base: &Path) {
        if let Some(file) = &mut self.file {
            file.path = base.join(&file.path);
        }
        if let Some(kafka) = &mut self.kafka {
            kafka.tls.iter_mut().for_each(|tls| tls.resolve(base));
            kafka.sasl.iter_mut().for_each(|sasl| sasl.resolve(base));
        }
    }

    pub(super) fn prove(&self) -> Result<(), String> {
        let all = self.kinds();
        let there = all.iter().filter(|(_, part)| part.is_some()).count();
        let known: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        if there != 1 {
            let what = if there == 0 { "says not where to" } else { "says several places" };
            return Err(format!("sink \"{}\" {what}: one of {}", self.name, known.join(", ")));
        }
        match &self.min_level {
            Some(word) if Level::parse(word).is_none() => {
                let levels = Level::ALL.map(Level::word).join(", ");
                Err(format!("sink \"{}\": min_level = \"{word}\" is none of {levels}", self.name))
            }
            _ => Ok(()),
        }
    }
}
