//! Standard output: a JSON object a line.

use std::io::Write;
use std::sync::Arc;

use serde::Deserialize;

use super::{OpenSink, Sink};
use crate::outbox::OutAlert;

/// `[sink.stdout]`: nothing to say.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StdoutConfig {}

impl OpenSink for StdoutConfig {
    fn check(&self) -> Result<String, String> {
        Ok("would write alerts to standard output".into())
    }

    fn open(&self) -> Result<Box<dyn Sink>, String> {
        Ok(Box::new(Stdout))
    }
}

struct Stdout;

impl Sink for Stdout {
    fn deliver(&mut self, alerts: &[Arc<OutAlert>], _: &dyn Fn() -> bool) -> Result<(), String> {
        let mut lines = String::new();
        for alert in alerts {
            lines.push_str(&alert.json);
            lines.push('\n');
        }
        let mut out = std::io::stdout().lock();
        out.write_all(lines.as_bytes()).and_then(|()| out.flush()).map_err(|error| error.to_string())
    }
}
