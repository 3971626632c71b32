//! `virga demo`: an attack told in events, through the same way as real logs, its alerts explained.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

use virga_engine::alert::Alert;
use virga_engine::event::{EventBatch, OriginBase};
use virga_engine::{Engine, RuleSet};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan};
use virga_ingest::sources::{Describer, aws_cloudtrail};
use virga_ingest::transport::{Input, InputError};

use super::Outcome;
use crate::{rule_files, show};

/// The story: CloudTrail events of two hours, one object a line.
const STORY: &str = include_str!("../../samples/stories/leaked-key-to-llmjacking.ndjson");

/// Arguments of `virga demo`.
#[derive(clap::Args)]
#[command(
    after_help = "The demo needs no server and no configuration. Its events stand in samples/stories/, its rules in
detections/rules/; `virga detect samples/stories/` raises the same alerts."
)]
pub struct Args {
    /// Print the alerts as JSON, without the story around them.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let set = RuleSet::load(rule_files::shipped(), &rule_files::shipped_lists());
    let source = &aws_cloudtrail::SOURCE;
    let engine = Engine::new(&set, &[source.spec()]);
    let projection = engine.projection(source.name).ok_or("the demo's source has no plan")?;
    let mut sink = Story {
        engine,
        describer: Describer::new(source, &Arc::default()),
        alerts: Vec::new(),
        trouble: Vec::new(),
    };
    let input = Input {
        base: OriginBase::File { path: "samples/stories/leaked-key-to-llmjacking.ndjson".into() },
        ingest_time: 0,
        size: Some(STORY.len() as u64),
        reader: Box::new(STORY.as_bytes()),
    };
    let reader = Reader::new(
        Choice::Fixed(SourcePlan { source, projection }),
        BatchLimits::default(),
        &Arc::default(),
    );
    let summary = reader.run([Ok(input)], &mut sink);
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
    describer: Describer,
    alerts: Vec<(Alert, String)>,
    trouble: Vec<String>,
}

impl Sink for Story {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let mut hits = Vec::new();
        self.engine.scan(&batch, &mut hits);
        for hit in hits {
            let columns = self.describer.describe(batch.row(hit.row as usize).raw());
            let alert = self.engine.alert(&batch, hit, &columns, &|_| None);
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
    let (bold, dim) = (show::BOLD, show::DIM);
    super::line(format!("{bold}A leaked key becomes LLMjacking{bold:#}"))?;
    super::line(format!(
        "{events} CloudTrail events of a small company, two hours of a working day. Somewhere among them an access\nkey that leaked is tried out, looks for models, switches their logging off, makes itself at home and\nruns up the bill. {} rules read along; this is what they raise:\n",
        story.engine.report().loaded
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
        let field = |name: &str| match alert.fields.get(name) {
            Some(serde_json::Value::String(text)) => show::printable(text),
            Some(value) => value.to_string(),
            None => "-".to_owned(),
        };
        super::line(format!(
            "          {} called {} from {}",
            field("principal"),
            field("action"),
            field("src_ip")
        ))?;
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
    if let Some((alert, _)) = story.alerts.first() {
        let origin = alert.events.first().map(|event| event.origin.to_string()).unwrap_or_default();
        super::line(format!("  virga rules explain {} {origin}", alert.rule.id))?;
    }
    super::line(
        "  virga detect YOUR-CLOUDTRAIL-FOLDER/\n  virga detect --rules YOUR-SIGMA-RULES/ YOUR-CLOUDTRAIL-FOLDER/",
    )
}
