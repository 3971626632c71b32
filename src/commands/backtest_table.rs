//! A backtest's report as tables, for a terminal.

use virga_replay::{DiffReport, Report, RuleReport, Score, SetReport};

use super::{Failure, line};
use crate::show;

/// Bars of a line that shows a course over time.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Characters of such a line.
const SPARK: usize = 24;

/// Prints a report.
pub fn print(report: &Report, top: usize) -> Result<(), Failure> {
    head(report)?;
    for set in &report.sets {
        rules(set, top)?;
    }
    if let Some(diff) = &report.diff {
        self::diff(diff, top)?;
    }
    for set in &report.sets {
        curves(set)?;
        blind(set, report.sets.len() > 1)?;
    }
    cost(report)?;
    for note in &report.notes {
        line(format!("{}note:{:#} {}", show::BOLD, show::BOLD, show::printable(note)))?;
    }
    Ok(())
}

fn head(report: &Report) -> Result<(), Failure> {
    let events: u64 = report.archive.events.values().sum();
    line(format!(
        "{}{}{:#} version {}, {} to {}, {} events",
        show::BOLD,
        show::printable(&report.archive.location),
        show::BOLD,
        report.archive.version,
        report.from,
        report.to,
        show::thousands(events)
    ))
}

fn rules(set: &SetReport, top: usize) -> Result<(), Failure> {
    let levels: Vec<String> = ["critical", "high", "medium", "low", "informational", "none"]
        .iter()
        .filter_map(|level| Some(format!("{level} {}", show::thousands(*set.by_level.get(*level)?))))
        .collect();
    line("")?;
    line(format!(
        "{}{}{:#}  {} alerts of {} rules ({} ran){}{}",
        show::BOLD,
        show::printable(&set.name),
        show::BOLD,
        show::thousands(set.alerts),
        set.rules.iter().filter(|rule| rule.alerts > 0).count(),
        set.rules_run,
        if levels.is_empty() { "" } else { ": " },
        levels.join(", ")
    ))?;
    if let Some(score) = &set.score {
        line(format!("  {}", scored(score)))?;
    }
    let shown: Vec<&RuleReport> = set.rules.iter().filter(|rule| rule.kind != "block").collect();
    if !shown.is_empty() {
        line(format!(
            "{}{:>9}  {:<13} {:<50} {:<SPARK$} {:>9} {:>9}  {}{:#}",
            show::BOLD,
            "ALERTS",
            "LEVEL",
            "RULE",
            "OVER TIME",
            "PER HOUR*",
            "PER DAY*",
            "MOST FREQUENT",
            show::BOLD
        ))?;
    }
    for rule in shown.iter().take(top) {
        line(rule_line(rule))?;
    }
    if shown.len() > top {
        line(format!("{:>9}  and {} rules more: --top {}", "", shown.len() - top, shown.len()))?;
    }
    if !shown.is_empty() {
        line(format!(
            "{}  * what would be left with one alert for each principal and hour, or day{:#}",
            show::DIM,
            show::DIM
        ))?;
    }
    Ok(())
}

fn rule_line(rule: &RuleReport) -> String {
    let style = show::level_style(rule.level.as_deref());
    let left = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), show::thousands);
    let most = rule.groups.first().or_else(|| rule.entities.get("principal")?.most.first());
    let most = most.map(|one| format!("{} ({})", show::cut(&show::printable(&one.value), 50), one.count));
    let score = rule.score.as_ref().map(|score| format!("  {}", short(score))).unwrap_or_default();
    format!(
        "{:>9}  {style}{:<13}{style:#} {:<50} {:<SPARK$} {:>9} {:>9}  {}{score}",
        show::thousands(rule.alerts),
        rule.level.as_deref().unwrap_or("-"),
        show::cut(&show::printable(&rule.title), 50),
        spark(&rule.over_time),
        left(rule.suppressed.per_principal_and_hour),
        left(rule.suppressed.per_principal_and_day),
        most.unwrap_or_default(),
    )
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

fn short(score: &Score) -> String {
    format!("precision {}, recall {}", percent(score.precision), percent(score.recall))
}

fn scored(score: &Score) -> String {
    let delay = score
        .time_to_detect
        .map(|seconds| format!(", time to detect {}", virga_replay::time::show_span((seconds * 1e6) as i64)));
    let missed = match score.missed.as_slice() {
        [] => String::new(),
        missed => format!("; missed: {}", show::printable(&missed.join(", "))),
    };
    format!(
        "{} ({} of {} events, {} of {} incidents){}{missed}",
        short(score),
        score.events.1,
        score.events.0,
        score.incidents.1,
        score.incidents.0,
        delay.unwrap_or_default()
    )
}

/// A course over time in a few characters.
fn spark(over_time: &[u64]) -> String {
    if over_time.is_empty() {
        return String::new();
    }
    let width = SPARK.min(over_time.len());
    let part = |at: usize| {
        let (start, end) = (at * over_time.len() / width, (at + 1) * over_time.len() / width);
        over_time.get(start..end.max(start + 1)).unwrap_or_default().iter().sum::<u64>()
    };
    let sums: Vec<u64> = (0..width).map(part).collect();
    let most = sums.iter().copied().max().unwrap_or(0).max(1);
    let bar = |sum: &u64| match sum {
        0 => ' ',
        sum => BARS[((sum * 7).div_ceil(most) as usize).min(7)],
    };
    sums.iter().map(bar).collect()
}

fn diff(diff: &DiffReport, top: usize) -> Result<(), Failure> {
    line("")?;
    line(format!(
        "{}A and B{:#}  {} alerts of both, {} only of A, {} only of B",
        show::BOLD,
        show::BOLD,
        show::thousands(diff.both),
        show::thousands(diff.only_a),
        show::thousands(diff.only_b)
    ))?;
    if diff.rules.is_empty() {
        return Ok(());
    }
    line(format!(
        "{}{:>9} {:>9} {:>9}  {:<8} RULE{:#}",
        show::BOLD,
        "BOTH",
        "ONLY A",
        "ONLY B",
        "CHANGE",
        show::BOLD
    ))?;
    for rule in diff.rules.iter().take(top) {
        line(format!(
            "{:>9} {:>9} {:>9}  {:<8} {}",
            show::thousands(rule.both),
            show::thousands(rule.only_a),
            show::thousands(rule.only_b),
            rule.change,
            show::printable(&rule.title)
        ))?;
        for flip in rule.flips.iter().take(3) {
            line(format!(
                "{:>32}stopped in {}: {}   {}{} of {} events{:#}",
                "",
                flip.stopped,
                show::cut(&show::printable(&flip.test), 100),
                show::DIM,
                flip.events,
                rule.explained,
                show::DIM
            ))?;
        }
        for event in rule.events.iter().take(2) {
            let about: Vec<String> = event
                .entities
                .iter()
                .map(|(name, value)| format!("{name} {}", show::printable(value)))
                .collect();
            line(format!(
                "{:>32}{}only {}: {} {} {}{:#}",
                "",
                show::DIM,
                event.only,
                event.time,
                show::printable(&event.id),
                show::cut(&about.join(", "), 120),
                show::DIM
            ))?;
        }
    }
    Ok(())
}

fn curves(set: &SetReport) -> Result<(), Failure> {
    for curve in &set.curves {
        line("")?;
        line(format!(
            "{}threshold{:#}  {}{}",
            show::BOLD,
            show::BOLD,
            show::printable(&curve.title),
            if curve.now > 0 { format!(" (now {})", curve.now) } else { String::new() }
        ))?;
        if let Some(missing) = &curve.missing {
            line(format!("  {}", show::printable(missing)))?;
            continue;
        }
        if curve.muted {
            line("  it only feeds other correlations: these would be its alerts, and are not raised")?;
        }
        let near = curve.points.iter().filter(|point| point.n >= curve.now / 4).take(12);
        let shown: Vec<String> = near
            .map(|point| {
                let here = if point.n == curve.now { "▸" } else { "" };
                format!("{here}{}: {}", point.n, show::thousands(point.alerts))
            })
            .collect();
        line(format!("  alerts by threshold  {}", shown.join("   ")))?;
    }
    Ok(())
}

fn blind(set: &SetReport, named: bool) -> Result<(), Failure> {
    let of = if named { format!(" of {}", show::printable(&set.name)) } else { String::new() };
    if !set.dead.is_empty() {
        line("")?;
        line(format!(
            "{}dead{:#}  {} rules{of} ask for fields that no event here has",
            show::BOLD,
            show::BOLD,
            set.dead.len()
        ))?;
        for rule in set.dead.iter().take(8) {
            line(format!(
                "  {:<60} {}",
                show::cut(&show::printable(&rule.title), 60),
                show::printable(&rule.fields.join(", "))
            ))?;
        }
        if set.dead.len() > 8 {
            line(format!("  and {} more: --format json", set.dead.len() - 8))?;
        }
    }
    if !set.blind.is_empty() {
        line(format!(
            "{}blind{:#}  {} rules{of} are for logs or fields that the archive does not hold; {} rules had events and stayed silent",
            show::BOLD,
            show::BOLD,
            set.blind.len(),
            set.silent
        ))?;
    }
    if !set.partly.is_empty() {
        line(format!(
            "{}partly blind{:#}  {} rules{of} look at fields for which the archive has no place, and may say less",
            show::BOLD,
            show::BOLD,
            set.partly.len()
        ))?;
    }
    Ok(())
}

/// Bytes as people read them.
fn bytes(count: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 1_000.0 && unit + 1 < units.len() {
        value /= 1_000.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

fn cost(report: &Report) -> Result<(), Failure> {
    let cost = &report.cost;
    let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    line("")?;
    line(format!(
        "{}cost{:#}  {:.2} s, {} events/s; looked at {} of {} events ({:.1} %), read {} of {} ({:.1} %)",
        show::BOLD,
        show::BOLD,
        cost.seconds,
        show::thousands((cost.events as f64 / cost.seconds.max(1e-9)) as u64),
        show::thousands(cost.scanned),
        show::thousands(cost.events),
        share(cost.scanned, cost.events),
        bytes(cost.bytes_read),
        bytes(cost.bytes_total),
        share(cost.bytes_read, cost.bytes_total)
    ))?;
    if cost.repeated > 0 {
        line(format!(
            "      {} events with matches stand in the archive twice and count once; `virga archive compact` drops them",
            show::thousands(cost.repeated)
        ))?;
    }
    let phases: Vec<String> =
        cost.phases.iter().map(|(name, seconds)| format!("{name} {seconds:.2} s")).collect();
    line(format!("      {}{}{:#}", show::DIM, phases.join(", "), show::DIM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_over_time_fits_its_column() {
        assert_eq!(spark(&[0, 1, 7, 7]), " ▂█▇".replace('▇', "█"));
        assert_eq!(spark(&vec![1; 1_000]).chars().count(), SPARK);
        assert_eq!(spark(&[]), "");
    }

    #[test]
    fn bytes_have_units() {
        assert_eq!([0, 999, 1_500, 2_000_000_000].map(bytes), ["0.0 B", "999.0 B", "1.5 kB", "2.0 GB"]);
    }
}
