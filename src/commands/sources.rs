//! `virga sources`: which log sources there are, what their events look like, what becomes of an event.

use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use virga_ingest::sources::time::to_rfc3339;
use virga_ingest::sources::{
    Explainer, Explanation, FieldOrigin, SOURCES, SourceDef, generic, recognise, source,
};

use super::explain::each_event;
use super::{Failure, Outcome};
use crate::config::ConfigArgs;
use crate::{samples, show};

/// Look at log sources.
#[derive(Subcommand)]
#[command(after_help = "Examples:
  virga sources ls
  virga sources sample gcp.audit | virga detect -
  virga sources explain event.json
  virga sources explain trail.ndjson:17      the event of line 17
  virga sources explain --limit 3 logs.json.gz")]
pub enum Command {
    /// List the log sources and the Sigma log sources that each serves.
    Ls(LsArgs),
    /// Print sample events of a source, one a line.
    Sample(SampleArgs),
    /// Say which source an event belongs to, and which columns it gets from where.
    Explain(ExplainArgs),
}

/// Arguments of `virga sources ls`.
#[derive(clap::Args)]
pub struct LsArgs {
    /// A JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Arguments of `virga sources sample`.
#[derive(clap::Args)]
pub struct SampleArgs {
    /// The source.
    #[arg(value_name = "NAME")]
    source: String,
    /// Another form in which its events come, by the name of its file. [default: one event a line]
    #[arg(long, value_name = "FORM")]
    form: Option<String>,
    /// List the forms.
    #[arg(long, conflicts_with = "form")]
    forms: bool,
}

/// Arguments of `virga sources explain`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0; 1 where no source recognises any of the events; 2 where the file cannot be read.

Examples:
  virga sources explain event.json
  virga sources explain -c virga.toml trail.json.gz#3     with lookup tables, the third record
  tail -1 audit.log | virga sources explain -"
)]
pub struct ExplainArgs {
    /// A file with events (`:LINE` or `#RECORD` picks one), `-`, or an event as JSON.
    #[arg(value_name = "EVENT")]
    event: String,
    /// The log source of the events. [default: found from each event]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Explain so many events at most.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    limit: usize,
    /// A JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the command.
pub fn run(command: Command) -> Outcome {
    match command {
        Command::Ls(args) => ls(&args),
        Command::Sample(args) => sample(&args),
        Command::Explain(args) => explain(&args),
    }
}

/// The Sigma log sources that a source serves, `product/service` each.
fn serves(source: &SourceDef) -> Vec<String> {
    let show = |logsource: &virga_ingest::sources::Logsource| {
        let or_any = |attribute: Option<&'static str>| attribute.unwrap_or("*");
        let category = logsource.category.map(|category| format!(" category:{category}")).unwrap_or_default();
        format!("{}/{}{category}", or_any(logsource.product), or_any(logsource.service))
    };
    source.logsources.iter().map(show).collect()
}

fn ls(args: &LsArgs) -> Outcome {
    for source in SOURCES {
        let serves = serves(source);
        if args.json {
            super::line(json!({"name": source.name, "description": source.description, "serves": serves}))?;
            continue;
        }
        super::line(format!("{}{:<29}{:#} {}", show::BOLD, source.name, show::BOLD, source.description))?;
        let serves = match serves.is_empty() {
            true => "any that is asked for with --logsource or --all-logsources".to_owned(),
            false => serves.join(", "),
        };
        super::line(format!("{:<29} {}{serves}{:#}", "", show::DIM, show::DIM))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn named(name: &str) -> Result<&'static SourceDef, Failure> {
    source(name).ok_or_else(|| format!("there is no source `{name}`; `virga sources ls` lists them").into())
}

fn sample(args: &SampleArgs) -> Outcome {
    let source = named(&args.source)?;
    let forms = samples::of(source.name);
    if args.forms {
        forms.iter().try_for_each(|form| super::line(&form.name))?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = args.form.as_deref().unwrap_or("events");
    let Some(form) = forms.iter().find(|form| form.name == wanted) else {
        let names: Vec<&str> = forms.iter().map(|form| form.name.as_str()).collect();
        return Err(match names.is_empty() {
            true => format!("there are no samples of {}", source.name),
            false => format!("{} has no form `{wanted}`; it has {}", source.name, names.join(", ")),
        }
        .into());
    };
    super::line(form.text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn explain(args: &ExplainArgs) -> Outcome {
    let environment = args.config.environment()?;
    let wanted = args.source.as_deref().map(named).transpose()?;
    let (mut recognised, mut count, mut more) = (false, 0, false);
    each_event(&args.event, |place, raw| {
        if count == args.limit {
            more = true;
            return Ok(ControlFlow::Break(()));
        }
        count += 1;
        let found = recognise(raw);
        recognised |= found.is_some();
        let source = wanted.or(found).unwrap_or(&generic::SOURCE);
        match Explainer::new(source, &environment).explain(raw) {
            Err(error) => {
                show::say!("{}quarantined:{:#} {}: {error}", show::BOLD, show::BOLD, show::printable(&place))
            }
            Ok(explanation) if args.json => super::line(as_json(&place, source, &explanation))?,
            Ok(explanation) => print(&place, source, found, &explanation)?,
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if count == 0 && !more {
        return Err(format!("{} holds no event", args.event).into());
    }
    if more && !args.json {
        show::say!("{count} events are shown; --limit shows more");
    }
    Ok(if recognised || wanted.is_some() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn as_json(place: &str, source: &SourceDef, explanation: &Explanation) -> serde_json::Value {
    let from = |origins: &[FieldOrigin]| -> serde_json::Value {
        origins.iter().map(|origin| json!({"path": origin.path, "value": origin.text})).collect()
    };
    let columns = explanation.columns.iter().map(|explained| {
        let value = json!({
            "value": explained.value.to_json(), "from": from(&explained.from),
            "table": explained.table.as_ref().map(|table| table.display().to_string()),
        });
        (explained.column.name.to_owned(), value)
    });
    json!({
        "event": place, "source": source.name,
        "time": explanation.time.as_ref().map(|(time, _)| to_rfc3339(*time)),
        "time_from": explanation.time.as_ref().map(|(_, origin)| &origin.path),
        "id": explanation.id, "id_from": from(&explanation.id_from),
        "columns": serde_json::Value::Object(columns.collect()),
    })
}

/// Columns that a value may take before what it is made of is put on the next line.
const VALUE_WIDTH: usize = 46;

fn print(
    place: &str,
    source: &SourceDef,
    found: Option<&SourceDef>,
    explanation: &Explanation,
) -> Result<(), Failure> {
    let (bold, dim) = (show::BOLD, show::DIM);
    let recognised = match found {
        Some(found) if found.name == source.name => String::new(),
        Some(found) => format!(" {dim}(it looks like {}){dim:#}", found.name),
        None => format!(" {dim}(no source recognises it){dim:#}"),
    };
    super::line(format!(
        "{bold}{}{bold:#} is {bold}{}{bold:#}{recognised}",
        show::printable(place),
        source.name
    ))?;
    match &explanation.time {
        Some((time, origin)) => row("time", &to_rfc3339(*time), &made_of(std::slice::from_ref(origin)))?,
        None => row("time", "none", "the time of its file stands for it")?,
    }
    match (&explanation.id, explanation.id_from.is_empty()) {
        (Some(id), false) => row("id", id, &made_of(&explanation.id_from))?,
        (Some(id), true) => row("id", id, "a hash of the record")?,
        (None, _) => row("id", "none", "a hash of where it stands stands for it")?,
    }
    for explained in &explanation.columns {
        let value = match explained.value.to_json() {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let mut from = made_of(&explained.from);
        if let Some(table) = &explained.table {
            from = format!("{} by {from}", table.display());
        }
        row(explained.column.name, &value, &from)?;
    }
    super::line("")
}

fn row(name: &str, value: &str, from: &str) -> Result<(), Failure> {
    let (value, from) = (show::cut(&show::printable(value), 400), show::printable(from));
    let dim = show::DIM;
    if value.chars().count() > VALUE_WIDTH && !from.is_empty() {
        super::line(format!("  {name:<19} {value}"))?;
        return super::line(format!("  {:<19} {:<VALUE_WIDTH$} {dim}{from}{dim:#}", "", ""));
    }
    super::line(format!("  {name:<19} {value:<VALUE_WIDTH$} {dim}{from}{dim:#}"))
}

/// The paths of native fields, for people.
fn made_of(origins: &[FieldOrigin]) -> String {
    let paths: Vec<&str> = origins.iter().map(|origin| origin.path.as_str()).collect();
    paths.join(", ")
}
