//! `virga timeline`: what an actor, a key, a session, an address or a resource did, in order.
//!
//! In: an archive, an entity, alerts. Out: lines for people, with a summary above them, or NDJSON.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;
use serde_json::{Value, json};
use virga_archive::sql::{Around, ROWS, Session};
use virga_engine::alert::show_time;

use super::query::{ArchiveArgs, LimitArgs, positive, runtime};
use super::{Failure, Outcome};
use crate::timeline::fold::{Run, fold, unfolded};
use crate::timeline::{Kind, MAX_EVENTS, MAX_PRINCIPALS, Summary, Timeline, Wanted, make};
use crate::{lake, show};

/// Arguments of `virga timeline`.
#[derive(clap::Args)]
#[command(
    group = clap::ArgGroup::new("entity").required(true).multiple(false),
    after_help = "Sessions are followed: what was done with the credentials that the entity was handed by AssumeRole \
and its like is part of its timeline, in as many steps as there are; so is the call that opened each \
of its sessions, what an impersonated service account of Google Cloud did for it, and what Entra and \
Azure say under the same correlation id. `+` marks what is new of a principal in the whole archive.

Examples:
  virga timeline --archive lake --key AKIAIOSFODNN7EXAMPLE
  virga timeline --archive lake --actor report-exporter --from 2026-11-01 --to 2026-12-01
  virga timeline --archive lake --ip 203.0.113.87 --alerts alerts.ndjson
  virga timeline --archive lake --resource s3://contracts --format ndjson | jq ."
)]
pub struct Args {
    /// A principal: its ARN, address or id, its short name, or its session's name.
    #[arg(long, value_name = "NAME", group = "entity")]
    actor: Option<String>,
    /// A source address.
    #[arg(long, value_name = "ADDRESS", group = "entity")]
    ip: Option<String>,
    /// A session, by its id or name.
    #[arg(long, value_name = "ID", group = "entity")]
    session: Option<String>,
    /// Something that was acted on: a bucket, a role, a key, a user.
    #[arg(long, value_name = "ID", group = "entity")]
    resource: Option<String>,
    /// A credential.
    #[arg(long, value_name = "ID", group = "entity")]
    key: Option<String>,
    #[command(flatten)]
    archive: ArchiveArgs,
    /// From this day or moment (UTC) on.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<i64>,
    /// Until this day or moment (UTC), itself not included.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<i64>,
    /// Mark these alerts too: what `virga detect --format ndjson` prints.
    #[arg(long, value_name = "FILE")]
    alerts: Vec<PathBuf>,
    /// A line for each event: what was done again and again is not folded.
    #[arg(long)]
    all: bool,
    /// How it is printed. [default: text on a terminal, ndjson in a pipe]
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    limits: LimitArgs,
    /// Events of the timeline, the earliest; that there are more is said.
    #[arg(long, value_name = "N", value_parser = positive, default_value_t = MAX_EVENTS)]
    rows: usize,
}

/// How a timeline is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people.
    Text,
    /// A JSON object a line: the summary, the links, the events.
    Ndjson,
}

/// A day or a moment as microseconds since 1970.
fn moment(text: &str) -> Result<i64, String> {
    let day = format!("{text}T00:00:00Z");
    let utc = format!("{text}Z");
    let read = [text, day.as_str(), utc.as_str()]
        .into_iter()
        .find_map(|text| chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros()));
    read.ok_or_else(|| "a day as in 2026-11-24, or a moment as in 2026-11-24T09:30:00Z".into())
}

impl Args {
    fn wanted(&self) -> Result<Wanted, Failure> {
        let given = [
            (Kind::Actor, &self.actor),
            (Kind::Ip, &self.ip),
            (Kind::Session, &self.session),
            (Kind::Resource, &self.resource),
            (Kind::Key, &self.key),
        ];
        let given = given.into_iter().find_map(|(kind, value)| Some((kind, value.clone()?)));
        let (kind, value) = given.ok_or("whose timeline?")?;
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err("--from must be before --to".into());
        }
        Ok(Wanted { kind, value, range: (self.from, self.to), most: self.rows.min(MAX_EVENTS) })
    }

    fn alerts(&self) -> Result<Vec<Value>, Failure> {
        let mut alerts = Vec::new();
        for path in &self.alerts {
            let at = |what: String| Failure::Message(format!("{}{what}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|error| at(format!(": {error}")))?;
            for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let alert: Value = serde_json::from_str(line)
                    .map_err(|error| at(format!(":{}: this is no alert: {error}", number + 1)))?;
                if alert["alert_id"].is_null() || !alert["events"].is_array() {
                    return Err(at(format!(
                        ":{}: this is no alert; `virga detect --format ndjson` writes them",
                        number + 1
                    )));
                }
                alerts.push(alert);
            }
        }
        Ok(alerts)
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let (wanted, alerts) = (args.wanted()?, args.alerts()?);
    let (timeline, incomplete) = runtime()?.block_on(async {
        let archive = args.archive.open(&Arc::default(), &[]).await?;
        let incomplete = lake::tell(&archive, false);
        // a timeline tells each event once by itself
        let around = Around { limits: args.limits.limits(ROWS), as_stored: true, ..Around::default() };
        let session = Session::open(&archive, around).await.map_err(|error| error.to_string())?;
        Ok::<_, Failure>((make(&session, &wanted, &alerts).await?, incomplete))
    })?;
    if timeline.events.is_empty() {
        show::say!(
            "the archive has no event of {} {} there",
            wanted.kind.word(),
            show::printable(&wanted.value)
        );
    }
    if timeline.is_cut {
        let more = if wanted.most < MAX_EVENTS { ", and --rows takes more" } else { "" };
        show::say!(
            "{}this is not all:{:#} a timeline holds {} events and follows sessions some steps; \
             --from and --to narrow it{more}",
            show::BOLD,
            show::BOLD,
            show::thousands(wanted.most as u64)
        );
    }
    if timeline.unmarked > 0 {
        show::say!(
            "what was new is marked of {} principals, and not of {} more",
            show::thousands(MAX_PRINCIPALS as u64),
            show::thousands(timeline.unmarked as u64)
        );
    }
    let runs = if args.all { unfolded(&timeline.events) } else { fold(&timeline.events) };
    let summary = Summary::of(&timeline);
    let format = args.format.unwrap_or(match std::io::stdout().is_terminal() {
        true => Format::Text,
        false => Format::Ndjson,
    });
    let mut out = std::io::BufWriter::new(anstream::stdout());
    match format {
        Format::Text => text(&wanted, &timeline, &summary, &runs, &mut out)?,
        Format::Ndjson => ndjson(&wanted, &timeline, &summary, &runs, &mut out)?,
    }
    out.flush()?;
    Ok(if incomplete { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

fn ndjson(
    wanted: &Wanted,
    timeline: &Timeline,
    summary: &Summary,
    runs: &[Run<'_>],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let entity = json!({"kind": wanted.kind.word(), "value": wanted.value});
    writeln!(out, "{}", json!({"summary": summary, "entity": entity, "is_cut": timeline.is_cut}))?;
    for link in &timeline.links {
        writeln!(out, "{}", json!({"link": shown(json!(link))}))?;
    }
    for run in runs {
        let mut line = json!({"event": shown(json!(run.first)), "count": run.count});
        if run.count > 1 {
            line["last_time"] = show_time(run.last).into();
            line["targets"] = run.targets.len().into();
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// With a time that people read, and without what is not there.
fn shown(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        if let Some(time) = fields.get("time").and_then(Value::as_i64) {
            fields.insert("time".into(), show_time(time).into());
        }
        fields.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
    }
    value
}

/// Values that a line of the summary shows.
const SHOWN: usize = 6;

fn text(
    wanted: &Wanted,
    timeline: &Timeline,
    summary: &Summary,
    runs: &[Run<'_>],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (bold, dim) = (show::BOLD, show::DIM);
    let events = show::thousands(summary.events as u64);
    write!(out, "{bold}{} {}{bold:#}: {events} events", wanted.kind.word(), show::printable(&wanted.value))?;
    match (&summary.first, &summary.last) {
        (Some(first), Some(last)) => writeln!(out, ", {first} – {last}")?,
        _ => writeln!(out)?,
    }
    for (word, values) in summary.lists().into_iter().filter(|(_, values)| !values.is_empty()) {
        let shown = values.iter().take(SHOWN).map(|(value, count)| {
            format!(
                "{} {dim}{}{dim:#}",
                show::cut(&show::printable(value), 60),
                show::thousands(*count as u64)
            )
        });
        let shown: Vec<String> = shown.collect();
        let more = values.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        writeln!(out, "  {word:<12} {}{more}", shown.join(", "))?;
    }
    if !timeline.links.is_empty() {
        writeln!(out, "{bold}sessions{bold:#}")?;
    }
    for link in &timeline.links {
        let or_unknown = |text: &Option<String>| show::printable(text.as_deref().unwrap_or("?"));
        writeln!(
            out,
            "  {}  {} {dim}{}{dim:#} → {} {dim}for {}, {} events{dim:#}",
            show_time(link.time),
            or_unknown(&link.from),
            or_unknown(&link.action),
            show::printable(&link.to),
            show::cut(&or_unknown(&link.target), 50),
            show::thousands(link.events as u64)
        )?;
    }
    let mut day = String::new();
    for run in runs {
        let time = show_time(run.first.time);
        let (this, moment) = time.split_once('T').unwrap_or((time.as_str(), ""));
        if this != day {
            writeln!(out, "{bold}{this}{bold:#}")?;
            this.clone_into(&mut day);
        }
        writeln!(out, "{}", line(run, moment.trim_end_matches('Z')))?;
    }
    Ok(())
}

/// A run as a line.
fn line(run: &Run<'_>, moment: &str) -> String {
    let (dim, event) = (show::DIM, run.first);
    let part = |text: &Option<String>| show::printable(text.as_deref().unwrap_or("-"));
    let mut line = format!(
        "  {:<15} {:<34} {:<14} {:<16}",
        show::cut(moment, 15),
        show::cut(&part(&event.action), 34),
        show::cut(&part(&event.region), 14),
        show::cut(&part(&event.src_ip), 39),
    );
    if let Some(error) =
        event.error_code.as_ref().or(event.outcome.as_ref().filter(|word| *word == "failure"))
    {
        let red = show::level_style(Some("high"));
        let _ = write!(line, " {red}{}{red:#}", show::cut(&show::printable(error), 30));
    }
    match (run.count, run.targets.iter().next()) {
        (1, Some(target)) => {
            let _ = write!(line, " {}", show::cut(&show::printable(target), 60));
        }
        (1, None) => {}
        (count, _) => {
            let last = show_time(run.last);
            let last = last.split_once('T').map_or(last.as_str(), |(_, moment)| moment);
            let _ = write!(line, " {} times until {last}", show::thousands(count as u64));
            if run.targets.len() > 1 {
                let _ = write!(line, ", {} targets", show::thousands(run.targets.len() as u64));
            }
        }
    }
    let _ = write!(line, " {dim}{}{dim:#}", who(run));
    for kind in &event.first_seen {
        let new = show::level_style(Some("low"));
        let _ = write!(line, " {new}+{kind}{new:#}");
    }
    for alert in &event.alerts {
        let style = show::level_style(alert.level.as_deref());
        let level = alert.level.as_deref().unwrap_or("no level");
        let _ = write!(line, " {style}! {} ({level}){style:#}", show::printable(&alert.title));
    }
    line
}

/// Who acted, and how it belongs here.
fn who(run: &Run<'_>) -> String {
    let event = run.first;
    let mut who = show::cut(&show::printable(event.principal.as_deref().unwrap_or("?")), 40);
    if let Some(session) = &event.session_name {
        let _ = write!(who, "/{}", show::cut(&show::printable(session), 20));
    }
    if let Some(behind) = &event.invoked_by {
        let _ = write!(who, " for {}", show::cut(&show::printable(behind), 40));
    }
    if let Some(issued) = &event.issued {
        let _ = write!(who, " → {}", show::printable(issued));
    }
    if let Some(via) = &event.via {
        let _ = write!(who, " ({via})");
    }
    who
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_a_moment_are_read() {
        assert_eq!(moment("1970-01-02"), Ok(86_400_000_000));
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(1_000_000));
        assert_eq!(moment("1970-01-01T00:00:01"), Ok(1_000_000));
        assert!(moment("yesterday").is_err());
    }
}
