//! `virga demo`: an attack told in events, through the same way as real logs, its alerts explained.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use virga_engine::alert::{Alert, AlertKind};
use virga_engine::correlate::{Dropped, Finite, Times};
use virga_engine::event::{EventBatch, OriginBase, SourceSpec};
use virga_engine::{Engine, RuleSet, Surroundings};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan};
use virga_ingest::sources::{Describer, SOURCES, SourceDef};
use virga_ingest::transport::{Input, InputError};

use super::Outcome;
use crate::spill::{self, TemporaryFiles};
use crate::{rule_files, show};

/// The story: events of a day, one object a line.
const STORY: &str = include_str!("../../samples/stories/leaked-key-to-llmjacking.ndjson");

/// Arguments of `virga demo`.
#[derive(clap::Args)]
#[command(
    after_help = "The demo needs no server and no configuration. Its events stand in samples/stories/, its rules in \
detections/rules/; `virga detect samples/stories/leaked-key-to-llmjacking.ndjson` raises the same alerts."
)]
pub struct Args {
    /// Print the alerts as JSON, without the story around them.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let set = RuleSet::load_with(
        rule_files::shipped(),
        &Surroundings {
            lists: rule_files::shipped_lists(),
            tuning: rule_files::shipped_tuning(),
            ..Surroundings::default()
        },
    );
    let specs: Vec<SourceSpec> = SOURCES.iter().map(|source| source.spec()).collect();
    let engine = Engine::new(&set, &specs);
    let plan = |source: &&'static SourceDef| {
        Some(SourcePlan { source, projection: engine.projection(source.name)? })
    };
    let plans: Vec<SourcePlan> = SOURCES.iter().filter_map(plan).collect();
    let mut sink = Story {
        describers: SOURCES
            .iter()
            .map(|source| (source.name, Describer::new(source, &Arc::default())))
            .collect(),
        finite: Finite::new(engine.correlations(), "", spill::MEMORY, Box::<TemporaryFiles>::default()),
        dropped: vec![Dropped::default(); engine.correlations().len()],
        engine,
        alerts: Vec::new(),
        trouble: Vec::new(),
    };
    let input = Input {
        base: OriginBase::File { path: "samples/stories/leaked-key-to-llmjacking.ndjson".into() },
        ingest_time: 0,
        size: Some(STORY.len() as u64),
        reader: Box::new(STORY.as_bytes()),
    };
    let reader = Reader::new(Choice::Auto(plans), BatchLimits::default(), &Arc::default());
    let summary = reader.run([Ok(input)], &mut sink);
    sink.correlate();
    if let Some(trouble) = sink.trouble.first() {
        return Err(format!("the demo's story cannot be read: {trouble}").into());
    }
    match args.json {
        true => sink.alerts.iter().try_for_each(|(alert, _)| super::line(serde_json::json!(alert)))?,
        false => tell(&sink, summary.total_events())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Collects alerts with the description of their rule.
struct Story {
    engine: Engine,
    describers: HashMap<&'static str, Describer>,
    finite: Finite,
    dropped: Vec<Dropped>,
    alerts: Vec<(Alert, String)>,
    trouble: Vec<String>,
}

impl Story {
    /// All events are read: what correlations make of them, and all alerts in the order of time.
    fn correlate(&mut self) {
        match self.finite.finish() {
            Ok(alerts) => {
                for alert in alerts {
                    let plans = self.engine.correlations();
                    let rule = plans.iter().find(|plan| plan.key() == alert.rule.id);
                    let description = rule.and_then(|plan| plan.correlation.description.clone());
                    self.alerts.push((alert, description.unwrap_or_default()));
                }
            }
            Err(error) => self.trouble.push(error.to_string()),
        }
        self.alerts.sort_by(|(a, _), (b, _)| (&a.time, &a.alert_id).cmp(&(&b.time, &b.alert_id)));
    }
}

impl Sink for Story {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let mut hits = Vec::new();
        self.engine.scan(&batch, &mut hits);
        let (finite, trouble) = (&mut self.finite, &mut self.trouble);
        self.engine.occurrences(&batch, &hits, Times::AsWritten, &mut self.dropped, &mut |occurrence| {
            trouble.extend(finite.take(&occurrence).err().map(|error| error.to_string()));
        });
        hits.retain(|hit| !self.engine.is_muted(hit.rule));
        for hit in hits {
            let row = batch.row(hit.row as usize);
            let describer = self.describers.get(row.source());
            let columns =
                Arc::new(describer.map(|describer| describer.describe(row.raw())).unwrap_or_default());
            let computed = |name: &str| describer?.value(row.raw(), name);
            let alert = self.engine.alert(&batch, hit, &columns, &computed);
            let rule = &self.engine.rules()[hit.rule as usize].lowered.rule;
            self.alerts.push((alert, rule.description.clone().unwrap_or_default()));
        }
        ControlFlow::Continue(())
    }

    fn quarantined(&mut self, record: Quarantined) {
        self.trouble.push(record.cause.to_string());
    }

    fn unreadable(&mut self, error: InputError) {
        self.trouble.push(error.to_string());
    }
}

fn tell(story: &Story, events: u64) -> Result<(), super::Failure> {
    let report = story.engine.report();
    let muted = report.muted.len() + report.muted_correlations.len();
    let raising = report.loaded + report.correlations - muted;
    let (bold, dim) = (show::BOLD, show::DIM);
    super::line(format!("{bold}A leaked key becomes LLMjacking{bold:#}"))?;
    super::line(format!(
        "{events} events of a small company, a working day. Somewhere among them an access\nkey that leaked is tried out, looks for models, switches their logging off, makes itself at home and\nruns up the bill. {} rules read along; this is what they raise:\n",
        raising
    ))?;
    let mut told = std::collections::HashSet::new();
    for (alert, description) in &story.alerts {
        let style = show::level_style(alert.rule.level);
        let time = alert.time.get(11..19).unwrap_or(&alert.time);
        let level = alert.rule.level.unwrap_or("-").to_uppercase();
        super::line(format!(
            "{dim}{time}{dim:#}  {style}{level:<9}{style:#} {bold}{}{bold:#}",
            alert.rule.title
        ))?;
        let field = |name: &str| match alert.fields.get(name).as_deref() {
            Some(serde_json::Value::String(text)) => show::printable(text),
            Some(value) => value.to_string(),
            None => "-".to_owned(),
        };
        match alert.kind {
            AlertKind::Detection => super::line(format!(
                "          {} called {} from {}",
                field("principal"),
                field("action"),
                field("src_ip")
            ))?,
            _ => {
                let shown = |(name, value): (&String, &serde_json::Value)| {
                    format!("{name} {}", show::printable(value.as_str().unwrap_or(&value.to_string())))
                };
                let group: Vec<String> = alert.group.iter().map(shown).collect();
                super::line(format!("          {} events of {}", alert.count, group.join(", ")))?;
            }
        }
        if told.insert(&alert.rule.id) {
            let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
            let first = description.split_inclusive(". ").next().unwrap_or_default().trim_end();
            super::line(format!("          {dim}{first}{dim:#}"))?;
        }
        let origin = alert.events.first().map(|event| event.origin.to_string()).unwrap_or_default();
        super::line(format!("          {dim}evidence: {origin}{dim:#}\n"))?;
    }
    super::line(format!("{} alerts; the other events raised none.\n", story.alerts.len()))?;
    super::line(format!("{bold}Next:{bold:#}"))?;
    let single = story.alerts.iter().find(|(alert, _)| alert.kind == AlertKind::Detection);
    if let Some((alert, _)) = single {
        let origin = alert.events.first().map(|event| event.origin.to_string()).unwrap_or_default();
        super::line(format!("  virga rules explain {} {origin}", alert.rule.id))?;
    }
    super::line(
        "  virga detect YOUR-CLOUDTRAIL-FOLDER/\n  virga detect --rules YOUR-SIGMA-RULES/ YOUR-CLOUDTRAIL-FOLDER/",
    )
}
