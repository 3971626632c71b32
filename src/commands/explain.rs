//! `virga rules explain`: why a rule did or did not match an event.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use virga_engine::RuleSet;
use virga_engine::diagnostic::Severity;
use virga_engine::event::SourceSpec;
use virga_engine::plan::LoweredRule;
use virga_engine::scan::reference::{Event, Trace};
use virga_engine::sigma::{Condition, Quantity};
use virga_ingest::decode::{Decompressor, ExpansionLimits, Frame, Framer, Place};
use virga_ingest::environment::Environment;
use virga_ingest::sources::{Describer, Recogniser, SOURCES, SourceDef, generic, source};

use super::arguments::RuleArgs;
use super::{Failure, Outcome, explain_correlation};
use crate::config::ConfigArgs;
use crate::show;

/// Arguments of `virga rules explain`.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 where the rule matches an event, or the correlation a group of them; else 1.

Of a correlation every group is shown with how near it came to a match and what was missing: its rules are run \
over all events given.

Examples:
  virga rules explain aws-cloudtrail-stopped event.json
  virga rules explain my-rule.yml trail.ndjson:17          the event of line 17
  virga rules explain --rules sigma/rules 'AWS Root Credentials' trail.json.gz#3
  virga rules explain my-rule.yml '{\"eventName\":\"StopLogging\"}'
  virga rules explain bruteforce.yml trail.json.gz         a correlation, over all events of a file
  virga rules explain --rules sigma/rules own.yml trail.json.gz    one of rules that stand elsewhere"
)]
pub struct Args {
    /// A rule file, or the id, name, title or file name of a rule or correlation.
    #[arg(value_name = "RULE")]
    rule: String,
    /// A file with events (`:LINE` or `#RECORD` picks one), `-`, or an event as JSON.
    #[arg(value_name = "EVENT")]
    event: String,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    config: ConfigArgs,
    /// The log source of the event. [default: found from the event]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Explain every event, also those that the rule does not match, and every group of a correlation.
    /// [default: for more than one event, those that match, and the nearest miss; 20 groups]
    #[arg(long)]
    all: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let mut rules = args.rules.clone();
    let is_file = Path::new(&args.rule).is_file();
    if is_file {
        // a correlation in a file of its own is about rules of others
        rules.rules.insert(0, PathBuf::from(&args.rule));
    }
    let (set, _) = rules.load(Severity::Error)?;
    let correlation = explain_correlation::find(&set, &args.rule, is_file)?;
    let rule = match correlation {
        None => Some(find_rule(args, &set, is_file)?),
        Some(_) => None,
    };
    let environment = args.config.environment()?;
    let source = args.source.as_deref().map(named).transpose()?;
    match (rule, correlation) {
        (Some(rule), _) => explain_rule(args, &rule, source, &environment),
        (None, correlation) => {
            let mut explaining = explain_correlation::Explaining::new(&set, &environment);
            let mut recogniser = Recogniser::new(SOURCES);
            each_event(&args.event, |place, raw| {
                let source = source.unwrap_or_else(|| owner(&mut recogniser, raw));
                explaining.take(&place, raw, source).map(ControlFlow::Continue)
            })?;
            explaining.finish(correlation.unwrap_or_default(), &args.event, args.all)
        }
    }
}

fn named(name: &str) -> Result<&'static SourceDef, Failure> {
    source(name).ok_or_else(|| format!("there is no source `{name}`; `virga sources ls` lists them").into())
}

/// The source that an event belongs to; of one that cannot be read the reason is said where it is explained.
fn owner(recogniser: &mut Recogniser, raw: &str) -> &'static SourceDef {
    let number = recogniser.owner(raw).ok();
    number.and_then(|number| SOURCES.get(number).copied()).unwrap_or(&generic::SOURCE)
}

/// Explains a rule over events, one after the other: of those that it does not match the nearest is remembered, for
/// logs may be large.
fn explain_rule(
    args: &Args,
    rule: &LoweredRule,
    source: Option<&'static SourceDef>,
    environment: &Arc<Environment>,
) -> Outcome {
    let (mut events, mut matching) = (0, 0);
    let mut nearest: Option<(usize, String)> = None;
    let mut recogniser = Recogniser::new(SOURCES);
    let mut known: BTreeMap<&'static str, (SourceSpec, Describer)> = BTreeMap::new();
    // what is wrong with the only event is why there is nothing to explain
    let mut failed: Option<Failure> = None;
    each_event(&args.event, |place, raw| {
        events += 1;
        if events > 1
            && let Some(error) = failed.take()
        {
            show::say!("{}skipped:{:#} {error}", show::BOLD, show::BOLD);
        }
        let source = source.unwrap_or_else(|| owner(&mut recogniser, raw));
        let (spec, describer) = known
            .entry(source.name)
            .or_insert_with(|| (source.spec_in(environment), Describer::new(source, environment)));
        match explain(rule, spec, describer, &place, raw) {
            Ok((matches, missing, text)) => {
                matching += usize::from(matches);
                if matches || args.all {
                    super::line(&text)?;
                } else if nearest.as_ref().is_none_or(|(least, _)| missing < *least) {
                    nearest = Some((missing, text));
                }
            }
            // one event that cannot be read does not keep the others from being explained
            Err(error) if events > 1 => show::say!("{}skipped:{:#} {error}", show::BOLD, show::BOLD),
            Err(error) => failed = Some(error),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if events == 0 {
        return Err(format!("{} holds no event", args.event).into());
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let shown = nearest.filter(|_| matching == 0);
    if let Some((_, text)) = &shown {
        super::line(text)?;
    }
    if events > 1 {
        let which = if shown.is_some() { "; shown is the nearest miss" } else { "" };
        show::say!("{matching} of {events} events match{which}");
    }
    Ok(if matching > 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The rule of a file, or the one that an id, name, title or file name means.
fn find_rule(args: &Args, set: &RuleSet, is_file: bool) -> Result<LoweredRule, Failure> {
    let wanted = args.rule.to_lowercase();
    let is_it = |rule: &&LoweredRule| {
        let rule = &rule.rule;
        let stem = Path::new(&rule.file.name).file_stem().map(|stem| stem.to_string_lossy().to_lowercase());
        if is_file {
            return rule.file.name == args.rule;
        }
        rule.key().to_lowercase() == wanted
            || rule.name.as_ref().is_some_and(|name| name.to_lowercase() == wanted)
            || rule.title.to_lowercase() == wanted
            || stem.as_deref() == Some(wanted.as_str())
    };
    let mut found = set.rules.iter().filter(is_it);
    match (found.next(), found.next()) {
        (Some(rule), None) => Ok(rule.clone()),
        (Some(_), Some(_)) => {
            Err(format!("several rules are called `{}`; give the id of one", args.rule).into())
        }
        (None, _) => Err(format!(
            "there is no rule `{}` among {} rules; `virga rules list` lists them",
            args.rule,
            set.rules.len()
        )
        .into()),
    }
}

/// Shows each event that an argument means, with where it stands, until whoever sees them has enough. What comes behind
/// the one that is picked is not read: logs may be large.
pub(super) fn each_event(
    argument: &str,
    mut see: impl FnMut(String, &str) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let inline = argument.trim_start().starts_with(['{', '[']) && !Path::new(argument).exists();
    let (path, line, record) = if inline { ("the given event", None, None) } else { pick(argument) };
    let reader: Box<dyn Read + Send> = match path {
        _ if inline => Box::new(std::io::Cursor::new(argument.to_owned())),
        "-" => Box::new(std::io::stdin()),
        path => Box::new(std::fs::File::open(path).map_err(|error| format!("{path}: {error}"))?),
    };
    let bytes =
        Decompressor::new(reader, ExpansionLimits::default()).map_err(|error| format!("{path}: {error}"))?;
    let mut framer = Framer::new(bytes);
    while let Some(frame) = framer.next() {
        let (Frame::Event { place, .. } | Frame::Bad { place, .. }) = frame;
        if is_behind(place, line, record) {
            break;
        }
        if line.is_some_and(|line| place.line != Some(line))
            || record.is_some_and(|record| place.record != Some(record))
        {
            continue;
        }
        let flow = match frame {
            Frame::Event { text, .. } => see(shown(path, place), text)?,
            Frame::Bad { cause, .. } => {
                show::say!("{}quarantined:{:#} {}: {cause}", show::BOLD, show::BOLD, shown(path, place));
                ControlFlow::Continue(())
            }
        };
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// Whether a place is behind the line or record that is picked, if one is. Records are numbered anew in each line.
fn is_behind(place: Place, line: Option<u64>, record: Option<u64>) -> bool {
    match (line, record) {
        (Some(line), _) => place.line.is_some_and(|at| at > line),
        (None, Some(record)) => place.line.is_none() && place.record.is_some_and(|at| at > record),
        (None, None) => false,
    }
}

/// Where a record stands, as an argument would name it.
fn shown(path: &str, place: Place) -> String {
    match (place.line, place.record) {
        (Some(line), None) => format!("{path}:{line}"),
        (Some(line), Some(record)) => format!("{path}:{line}#{record}"),
        (None, Some(record)) => format!("{path}#{record}"),
        (None, None) => path.to_owned(),
    }
}

/// `path:17` → line 17, `path#3` → record 3; a file that is really called so goes first.
fn pick(argument: &str) -> (&str, Option<u64>, Option<u64>) {
    if Path::new(argument).exists() {
        return (argument, None, None);
    }
    if let Some((path, record)) = argument.rsplit_once('#')
        && let Ok(record) = record.parse()
    {
        let (path, line, _) = pick(path);
        return (path, line, Some(record));
    }
    match argument.rsplit_once(':').map(|(path, line)| (path, line.parse())) {
        Some((path, Ok(line))) => (path, Some(line), None),
        _ => (argument, None, None),
    }
}

/// Whether the rule matches, how many tests are missing, and the explanation.
fn explain(
    rule: &LoweredRule,
    spec: &SourceSpec,
    describer: &Describer,
    place: &str,
    raw: &str,
) -> Result<(bool, usize, String), Failure> {
    let asked = &rule.rule.logsource.value;
    let mapping = spec.serves(asked.product.as_deref(), asked.service.as_deref(), asked.category.as_deref());
    let canonical = mapping.is_some_and(|mapping| mapping.canonical_only);
    let raw = &describer.unfolded(raw);
    let columns = |name: &str| describer.value(raw, name);
    let event = Event::parse(raw, spec, &columns).map_err(|error| format!("{place}: not JSON: {error}"))?;
    let trace = event.trace(&rule.expr, canonical);
    let matches = trace.holds();
    let blockers = trace.blockers(true);
    let mut text = Text::default();
    let verdict = if matches { "matches" } else { "does not match" };
    text.line(
        0,
        format!(
            "{}{}{:#} {verdict} {} ({})",
            show::BOLD,
            show::printable(&rule.rule.title),
            show::BOLD,
            show::printable(place),
            spec.name
        ),
    );
    for note in why_not_run(rule, spec) {
        text.line(0, format!("note: {note}: `virga detect` does not run the rule on it"));
    }
    for condition in rule.conditions() {
        text.line(1, format!("condition: {}", show_condition(condition)));
    }
    for selection in &rule.selections {
        let trace = event.trace(&selection.expr, canonical);
        text.line(1, format!("{} {}", mark(trace.holds()), selection.name));
        text.trace(2, &trace);
    }
    if !matches {
        text.line(1, "what stopped it:".to_owned());
        for blocker in &blockers {
            text.trace(2, blocker);
        }
    }
    Ok((matches, blockers.len(), text.0.trim_end().to_owned()))
}

/// Why `detect` would not run a rule on events of a source at all.
fn why_not_run(rule: &LoweredRule, spec: &SourceSpec) -> Vec<String> {
    let asked = &rule.rule.logsource.value;
    let serves = spec.serves(asked.product.as_deref(), asked.service.as_deref(), asked.category.as_deref());
    let mut why = Vec::new();
    if serves.is_none() {
        why.push(format!("{asked} is not what {} serves", spec.name));
    }
    let mut missing = None;
    rule.expr.for_each_predicate(&mut |predicate| {
        missing = missing.or(spec.missing_table(&predicate.field.to_string()));
    });
    why.extend(missing.map(|column| format!("no lookup table fills {}", column.name)));
    why
}

fn mark(holds: bool) -> &'static str {
    if holds { "✓" } else { "✗" }
}

fn show_condition(condition: &Condition) -> String {
    let join = |word: &str, branches: &[Condition]| {
        let shown: Vec<String> = branches
            .iter()
            .map(|branch| match branch {
                Condition::And(_) | Condition::Or(_) => format!("({})", show_condition(branch)),
                branch => show_condition(branch),
            })
            .collect();
        shown.join(word)
    };
    match condition {
        Condition::Selection(name) => name.value.clone(),
        Condition::Not(inner) => format!("not {}", join("", std::slice::from_ref(inner))),
        Condition::And(branches) => join(" and ", branches),
        Condition::Or(branches) => join(" or ", branches),
        Condition::Of(Quantity::All, pattern) => format!("all of {}", pattern.value),
        Condition::Of(Quantity::AtLeast(n), pattern) => format!("{n} of {}", pattern.value),
    }
}

/// Values and alternatives that are shown of one test or list; there may be thousands.
const MOST_SHOWN: usize = 12;

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, depth: usize, text: String) {
        self.0.push_str(&"  ".repeat(depth));
        self.0.push_str(&text);
        self.0.push('\n');
    }

    fn trace(&mut self, depth: usize, trace: &Trace) {
        match trace {
            Trace::Test { predicate, actual, holds } => {
                let actual = match actual {
                    None => "absent".to_owned(),
                    Some(values) => {
                        let shown: Vec<String> = values
                            .iter()
                            .take(MOST_SHOWN)
                            .map(|v| show::cut(&show::printable(v), 160))
                            .collect();
                        shown.join(", ")
                    }
                };
                let field = match &predicate.shown {
                    field if field == "(whole event)" => "the event".to_owned(),
                    field => field.clone(),
                };
                self.line(
                    depth,
                    format!(
                        "{} {field} {}   {}is: {actual}{:#}",
                        mark(*holds),
                        predicate.test,
                        show::DIM,
                        show::DIM
                    ),
                );
            }
            Trace::Never => self.line(depth, "✗ a placeholder without a list matches nothing".to_owned()),
            Trace::Join { word, parts, holds } => {
                self.line(depth, format!("{} {word}", mark(*holds)));
                // of many alternatives those that hold tell most
                let mut order: Vec<&Trace> = parts.iter().collect();
                if order.len() > MOST_SHOWN {
                    order.sort_by_key(|part| part.holds() != *holds);
                }
                for part in order.iter().take(MOST_SHOWN) {
                    self.trace(depth + 1, part);
                }
                if order.len() > MOST_SHOWN {
                    self.line(depth + 1, format!("… and {} more", order.len() - MOST_SHOWN));
                }
            }
        }
    }
}
