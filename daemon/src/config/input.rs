//! `[[input]]`: what is read.
//!
//! In: a name, a source, and one table that says by which transport. Out: an [`InputConfig`].
//! To add a transport: a field here and a line in [`InputConfig::transports`].

use std::path::Path;

use serde::Deserialize;
use virga_ingest::sources::{SourceDef, source};
use virga_ingest::transport::follow::FollowConfig;
use virga_ingest::transport::http_push::HttpConfig;
use virga_ingest::transport::kafka::KafkaConfig;
use virga_ingest::transport::live::LiveConfig;
use virga_ingest::transport::object_store::ObjectsConfig;
use virga_ingest::transport::stdin_live::StdinConfig;
use virga_ingest::units::Span;

/// How late an event may come, unless the input says otherwise: what CloudTrail promises.
const LATENESS: Span = Span::seconds(15 * 60);

/// One input.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputConfig {
    /// Its name, for the checkpoint, metrics and the log.
    pub name: String,
    /// The source of its events, or `auto`.
    #[serde(default = "auto")]
    pub source: String,
    /// How long after its time an event may come and still count in correlations.
    #[serde(default = "lateness")]
    pub lateness: Span,
    kafka: Option<KafkaConfig>,
    stdin: Option<StdinConfig>,
    s3: Option<ObjectsConfig>,
    http: Option<HttpConfig>,
    follow: Option<FollowConfig>,
}

fn auto() -> String {
    "auto".into()
}

fn lateness() -> Span {
    LATENESS
}

impl InputConfig {
    /// What each kind of transport is called, and its part of this input, where it has one.
    fn transports(&self) -> Vec<(&'static str, Option<&dyn LiveConfig>)> {
        fn part<T: LiveConfig>(part: &Option<T>) -> Option<&dyn LiveConfig> {
            part.as_ref().map(|part| part as &dyn LiveConfig)
        }
        vec![
            ("kafka", part(&self.kafka)),
            ("s3", part(&self.s3)),
            ("http", part(&self.http)),
            ("follow", part(&self.follow)),
            ("stdin", part(&self.stdin)),
        ]
    }

    /// Paths begin at the configuration's folder.
    pub(super) fn resolve(&mut self, base: &Path) {
        if let Some(kafka) = &mut self.kafka {
            kafka.tls.iter_mut().for_each(|tls| tls.resolve(base));
            kafka.sasl.iter_mut().for_each(|sasl| sasl.resolve(base));
        }
        if let Some(s3) = &mut self.s3 {
            s3.store.resolve(base);
        }
        if let Some(http) = &mut self.http {
            http.resolve(base);
        }
        if let Some(follow) = &mut self.follow {
            follow.resolve(base);
        }
    }

    /// By what it is read.
    pub fn transport(&self) -> Option<&dyn LiveConfig> {
        self.transports().into_iter().find_map(|(_, part)| part)
    }

    /// Whether it is the one that a process has without being given any.
    pub(super) fn is_stdin(&self) -> bool {
        self.stdin.is_some()
    }

    /// The source that all its events are of; `None` for `auto`.
    pub fn fixed(&self) -> Option<&'static SourceDef> {
        source(&self.source)
    }

    pub(super) fn prove(&self) -> Result<(), String> {
        let all = self.transports();
        let there = all.iter().filter(|(_, part)| part.is_some()).count();
        let known: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        if there != 1 {
            let what = if there == 0 { "says not what to read" } else { "says several things to read" };
            return Err(format!("input \"{}\" {what}: one of {}", self.name, known.join(", ")));
        }
        if self.source != "auto" && self.fixed().is_none() {
            return Err(format!(
                "input \"{}\": there is no source `{}`; `virga sources ls` lists them",
                self.name, self.source
            ));
        }
        Ok(())
    }
}
