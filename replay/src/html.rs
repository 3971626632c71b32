//! The report as one HTML file: charts as SVG inside it, light and dark, nothing loaded from anywhere.
//!
//! In: a [`Report`]. Out: text. Whoever was not there reads first what was asked and what came out, then the
//! course over time, then the rules one by one, then other thresholds and what it cost. Every text that comes from logs or rules is escaped, and the page allows
//! itself no scripts and no requests.

use std::fmt::Write as _;

use crate::curve::Curve;
use crate::diff::NAMES;
use crate::expect::escape;
use crate::report::{DiffReport, Report, RuleReport, SetReport};
use crate::time::{show_moment, show_span};

mod charts;

/// Rules that are shown with all that is known of them.
const SHOWN_RULES: usize = 200;

/// Rules whose difference is drawn.
const SPLIT_RULES: usize = 30;

/// Tests that are shown of a rule that changed.
const SHOWN_FLIPS: usize = 10;

/// Incidents that are named which nothing told of.
const SHOWN_MISSED: usize = 20;

const STYLE: &str = include_str!("html/style.css");

/// The report as a page.
pub fn html(report: &Report) -> String {
    let mut page = String::with_capacity(64 << 10);
    page.push_str("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.push_str("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    let _ = write!(
        page,
        "<title>Backtest {} to {}</title><style>{STYLE}</style></head><body>",
        day(&report.from),
        day(&report.to)
    );
    head(&mut page, report);
    over_time(&mut page, report);
    if let Some(diff) = &report.diff {
        self::diff(&mut page, diff);
    }
    for set in &report.sets {
        rules(&mut page, report, set);
    }
    for set in &report.sets {
        curves(&mut page, set);
    }
    cost(&mut page, report);
    for set in &report.sets {
        blind(&mut page, set);
    }
    let _ = writeln!(
        page,
        "<footer>virga {}, archive {} version {}</footer></body></html>",
        escape(&report.engine),
        escape(&report.archive.location),
        report.archive.version
    );
    page
}

fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202F}');
        }
        out.push(digit);
    }
    out
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

/// A figure with what it is.
fn tile(page: &mut String, figure: &str, what: &str) {
    let _ = write!(page, "<div class=\"tile\"><b>{}</b><span>{}</span></div>", escape(figure), escape(what));
}

fn head(page: &mut String, report: &Report) {
    let events: u64 = report.archive.events.values().sum();
    let names: Vec<String> = report
        .sets
        .iter()
        .zip(["A", "B"])
        .map(|(set, side)| match report.sets.len() {
            1 => format!("<code>{}</code>", escape(&set.name)),
            _ => format!("{side} = <code>{}</code>", escape(&set.name)),
        })
        .collect();
    let _ = write!(
        page,
        "<header><h1>Backtest</h1><p>What the rules {} would have told between <time>{}</time> and <time>{}</time>. The files of that stretch hold {} events.</p></header><section class=\"tiles\">",
        names.join(" and "),
        escape(&report.from),
        escape(&report.to),
        number(events)
    );
    let mut missed: Vec<String> = Vec::new();
    for (set, side) in report.sets.iter().zip(["A", "B"]) {
        let of = if report.sets.len() > 1 { format!(" of {side}") } else { String::new() };
        tile(page, &number(set.alerts), &format!("alerts{of}"));
        let loud = set.rules.iter().filter(|rule| rule.alerts > 0).count();
        tile(page, &number(loud as u64), &format!("rules{of} with alerts, of {} that ran", set.rules_run));
        if let Some(score) = &set.score {
            tile(
                page,
                &percent(score.precision),
                &format!("precision{of}: {} of {} alerts are about an attack", score.right, score.alerts),
            );
            tile(
                page,
                &percent(score.recall),
                &format!(
                    "recall{of}: {} of {} events, {} of {} incidents",
                    score.events.1, score.events.0, score.incidents.1, score.incidents.0
                ),
            );
            if let Some(seconds) = score.time_to_detect {
                tile(page, &show_span((seconds * 1e6) as i64), &format!("time to detect{of}, in the middle"));
            }
            missed.extend(score.missed.iter().map(|name| format!("Nothing{of} told of the incident {name}")));
        }
    }
    let share = 100.0 * report.cost.bytes_read as f64 / report.cost.bytes_total.max(1) as f64;
    tile(page, &format!("{share:.1} %"), &format!("of the bytes read, in {:.2} s", report.cost.seconds));
    page.push_str("</section>");
    for note in missed.iter().take(SHOWN_MISSED).chain(&report.notes) {
        let _ = write!(page, "<p class=\"note\">{}</p>", escape(note));
    }
}

fn over_time(page: &mut String, report: &Report) {
    page.push_str("<section><h2>Alerts over time</h2>");
    let series: Vec<(&str, &[u64])> =
        report.sets.iter().zip(["A", "B"]).map(|(set, side)| (side, set.over_time.as_slice())).collect();
    let label =
        |at: usize| show_moment(report.first_bar.saturating_add(report.bar.saturating_mul(at as i64)));
    page.push_str(&charts::bars(&series, &label, &show_span(report.bar)));
    page.push_str("</section>");
}

fn diff(page: &mut String, diff: &DiffReport) {
    let _ = write!(
        page,
        "<section id=\"diff\"><h2>What the change alters</h2><p>{} alerts of both, <b>{}</b> only of A, <b>{}</b> only of B.</p>",
        number(diff.both),
        number(diff.only_a),
        number(diff.only_b)
    );
    more(page, diff.rules.len(), SHOWN_RULES);
    if !diff.rules.is_empty() {
        let rows: Vec<(String, [u64; 3])> = diff
            .rules
            .iter()
            .take(SPLIT_RULES)
            .map(|rule| (rule.title.clone(), [rule.only_a, rule.both, rule.only_b]))
            .collect();
        page.push_str(&charts::split(&rows));
    }
    for rule in diff.rules.iter().take(SHOWN_RULES) {
        let _ = write!(
            page,
            "<details><summary>{} <span class=\"tag\">{}</span> <span class=\"dim\">{} only A, {} both, {} only B</span></summary>",
            escape(&rule.title),
            match rule.change {
                "same" => "unchanged itself",
                other => other,
            },
            number(rule.only_a),
            number(rule.both),
            number(rule.only_b)
        );
        if !rule.flips.is_empty() {
            let _ = write!(
                page,
                "<p>The test that stopped the other side, of {} events that were asked:</p><table><tr><th>stopped in</th><th>test</th><th class=\"n\">events</th></tr>",
                rule.explained
            );
            for flip in rule.flips.iter().take(SHOWN_FLIPS) {
                let _ = write!(
                    page,
                    "<tr><td>{}</td><td><code>{}</code></td><td class=\"n\">{}</td></tr>",
                    flip.stopped,
                    escape(&flip.test),
                    number(flip.events)
                );
            }
            page.push_str("</table>");
            if rule.flips.len() > SHOWN_FLIPS {
                let _ =
                    write!(page, "<p class=\"dim\">and {} tests more</p>", rule.flips.len() - SHOWN_FLIPS);
            }
        }
        page.push_str(
            "<div class=\"wide\"><table><tr><th>only</th><th>time</th><th>event</th><th>about</th></tr>",
        );
        for event in &rule.events {
            let about: Vec<String> = event
                .entities
                .iter()
                .map(|(name, value)| format!("{name} <code>{}</code>", escape(value)))
                .collect();
            let _ = write!(
                page,
                "<tr><td>{}</td><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
                event.only,
                escape(&event.time),
                escape(&event.id),
                about.join("<br>")
            );
        }
        page.push_str("</table></div>");
        for (side, all) in NAMES.into_iter().zip([rule.only_a, rule.only_b]) {
            let shown = rule.events.iter().filter(|event| event.only == side).count() as u64;
            if shown < all {
                let _ = write!(
                    page,
                    "<p class=\"dim\">These are {} of the {} that only {side} has.</p>",
                    number(shown),
                    number(all)
                );
            }
        }
        page.push_str("</details>");
    }
    page.push_str("</section>");
}

fn curves(page: &mut String, set: &SetReport) {
    let (drawn, missing): (Vec<&Curve>, Vec<&Curve>) =
        set.curves.iter().partition(|curve| curve.missing.is_none());
    if drawn.is_empty() && missing.is_empty() {
        return;
    }
    let _ = write!(page, "<section><h2>Thresholds of {}</h2>", escape(&set.name));
    if !drawn.is_empty() {
        page.push_str(
            "<p>How many alerts each threshold would have given; the line marks the one that is set.</p>",
        );
    }
    for curve in missing {
        let why = curve.missing.as_deref().unwrap_or_default();
        let _ = write!(page, "<p class=\"note\">{}: {}</p>", escape(&curve.title), escape(why));
    }
    let (loud, silent): (Vec<&Curve>, Vec<&Curve>) =
        drawn.into_iter().partition(|curve| curve.at(curve.now) > 0);
    grid(page, &loud);
    if !silent.is_empty() {
        let _ = write!(
            page,
            "<details><summary>{} correlations without an alert at the threshold that is set</summary>",
            silent.len()
        );
        grid(page, &silent);
        page.push_str("</details>");
    }
    page.push_str("</section>");
}

fn grid(page: &mut String, curves: &[&Curve]) {
    page.push_str("<div class=\"grid\">");
    for curve in curves {
        let _ = write!(
            page,
            "<figure><figcaption>{} <span class=\"dim\">now {}{}</span></figcaption>{}</figure>",
            escape(&curve.title),
            curve.now,
            if curve.muted { "; feeds others, and raises none of these" } else { "" },
            charts::curve(curve)
        );
    }
    page.push_str("</div>");
}

fn rules(page: &mut String, report: &Report, set: &SetReport) {
    let _ = write!(page, "<section><h2>Rules of {}</h2>", escape(&set.name));
    if set.rules.iter().all(|rule| rule.alerts == 0) {
        page.push_str("<p>No rule told of anything.</p>");
    }
    more(page, set.rules.iter().filter(|rule| rule.kind != "block").count(), SHOWN_RULES);
    for rule in set.rules.iter().filter(|rule| rule.kind != "block").take(SHOWN_RULES) {
        self::rule(page, report, rule);
    }
    page.push_str("</section>");
}

/// Says how many rules are left out of a list.
fn more(page: &mut String, all: usize, shown: usize) {
    if all > shown {
        let _ = write!(
            page,
            "<p class=\"note\">These are the first {} of {} rules; <code>--format json</code> has all of them.</p>",
            number(shown as u64),
            number(all as u64)
        );
    }
}

fn rule(page: &mut String, report: &Report, rule: &RuleReport) {
    let level = rule.level.as_deref().unwrap_or("none");
    let _ = write!(
        page,
        "<details class=\"rule\"><summary><span class=\"count\">{}</span><span class=\"level {level}\">{level}</span><span class=\"title\">{}</span>{}</summary>",
        number(rule.alerts),
        escape(&rule.title),
        charts::spark(&rule.over_time)
    );
    let span = rule
        .first
        .iter()
        .zip(&rule.last)
        .map(|(first, last)| format!(", first {}, last {}", escape(first), escape(last)))
        .next();
    let _ = write!(
        page,
        "<p class=\"dim\"><code>{}</code>, {}{}</p>",
        escape(&rule.id),
        rule.kind,
        span.unwrap_or_default()
    );
    let left = |what: &str, count: Option<u64>| {
        count
            .map(|count| {
                format!(
                    "<li>{what}: {} left, {} gone</li>",
                    number(count),
                    number(rule.alerts.saturating_sub(count))
                )
            })
            .unwrap_or_default()
    };
    let _ = write!(
        page,
        "<ul>{}{}{}</ul>",
        left("with its own suppression", rule.suppressed.own),
        left("with one alert for each principal and hour", rule.suppressed.per_principal_and_hour),
        left("with one alert for each principal and day", rule.suppressed.per_principal_and_day)
    );
    if let Some(score) = &rule.score {
        let _ =
            write!(page, "<p>Precision {}, recall {}.</p>", percent(score.precision), percent(score.recall));
    }
    page.push_str("<div class=\"grid\">");
    for (name, top) in &rule.entities {
        let different = top.different.map_or_else(|| "very many".to_owned(), |n| number(n as u64));
        let _ = write!(
            page,
            "<table><tr><th>{name} <span class=\"dim\">{different} different</span></th><th class=\"n\">alerts</th></tr>"
        );
        for one in &top.most {
            let _ = write!(
                page,
                "<tr><td><code>{}</code></td><td class=\"n\">{}</td></tr>",
                escape(&one.value),
                number(one.count)
            );
        }
        page.push_str("</table>");
    }
    if !rule.groups.is_empty() {
        page.push_str("<table><tr><th>group</th><th class=\"n\">alerts</th></tr>");
        for one in &rule.groups {
            let _ = write!(
                page,
                "<tr><td><code>{}</code></td><td class=\"n\">{}</td></tr>",
                escape(&one.value),
                number(one.count)
            );
        }
        page.push_str("</table>");
    }
    page.push_str("</div>");
    let label =
        |at: usize| show_moment(report.first_bar.saturating_add(report.bar.saturating_mul(at as i64)));
    page.push_str(&charts::bars(&[("", &rule.over_time)], &label, &show_span(report.bar)));
    page.push_str("</details>");
}

fn cost(page: &mut String, report: &Report) {
    let cost = &report.cost;
    let rate = cost.events as f64 / cost.seconds.max(1e-9);
    let _ = write!(
        page,
        "<section><h2>Cost</h2><p>{:.2} s for {} events ({} a second). Rules looked at {} events; of those that matched, and of what lies beside them, more was read than rules look at, {} times. {} of {} bytes were read.</p>",
        cost.seconds,
        number(cost.events),
        number(rate as u64),
        number(cost.scanned),
        number(cost.fetched),
        number(cost.bytes_read),
        number(cost.bytes_total)
    );
    if cost.repeated > 0 {
        let _ = write!(
            page,
            "<p>{} events with matches stand in the archive twice and count once; <code>virga archive compact</code> drops them.</p>",
            number(cost.repeated)
        );
    }
    let phases: Vec<(String, f64, String)> = cost
        .phases
        .iter()
        .map(|(name, seconds)| (phase(name), *seconds, format!("{:.1} ms", seconds * 1e3)))
        .collect();
    page.push_str(&charts::amounts(&phases));
    let mut dear: Vec<(&str, &RuleReport)> = report
        .sets
        .iter()
        .zip(NAMES)
        .flat_map(|(set, side)| set.rules.iter().map(move |rule| (side, rule)))
        .collect();
    dear.sort_by(|(_, a), (_, b)| b.cost.seconds.total_cmp(&a.cost.seconds));
    if !dear.is_empty() {
        page.push_str("<h3>Rules that take the most time, of those that matched</h3>");
        let rows: Vec<(String, f64, String)> = dear
            .iter()
            .take(12)
            .map(|(side, rule)| {
                (
                    match report.sets.len() {
                        1 => rule.title.clone(),
                        _ => format!("{side}: {}", rule.title),
                    },
                    rule.cost.seconds,
                    format!(
                        "{:.1} ms, {} events, {} bytes",
                        rule.cost.seconds * 1e3,
                        number(rule.cost.rows),
                        number(rule.cost.bytes)
                    ),
                )
            })
            .collect();
        page.push_str(&charts::amounts(&rows));
    }
    page.push_str("</section>");
}

/// What is done in a phase.
fn phase(name: &str) -> String {
    let what = match name {
        "open" => "what files say of their values",
        "prune" => "which blocks can hold a match",
        "read" => "the columns of those blocks",
        "scan" => "rules on them",
        "repeats" => "events that lie there twice",
        "fetch" => "more of what matched",
        "correlate" => "correlations",
        _ => return name.to_owned(),
    };
    format!("{name}: {what}")
}

fn blind(page: &mut String, set: &SetReport) {
    if set.dead.is_empty() && set.blind.is_empty() && set.partly.is_empty() {
        return;
    }
    let _ = write!(page, "<section><h2>What {} could not see</h2>", escape(&set.name));
    if !set.dead.is_empty() {
        let _ = write!(
            page,
            "<details><summary>{} rules ask for fields that no event has</summary><table><tr><th>rule</th><th>fields</th><th>log</th></tr>",
            set.dead.len()
        );
        for rule in &set.dead {
            let _ = write!(
                page,
                "<tr><td>{}</td><td><code>{}</code></td><td>{}</td></tr>",
                escape(&rule.title),
                escape(&rule.fields.join(", ")),
                escape(&rule.sources.join(", "))
            );
        }
        page.push_str("</table></details>");
    }
    for (rules, what) in [
        (&set.blind, "rules are for logs or fields that the archive does not hold"),
        (&set.partly, "rules look at fields for which the archive has no place"),
    ] {
        if rules.is_empty() {
            continue;
        }
        let _ = write!(
            page,
            "<details><summary>{} {what}</summary><table><tr><th>rule</th><th>missing</th></tr>",
            rules.len()
        );
        for rule in rules {
            let _ =
                write!(page, "<tr><td>{}</td><td>{}</td></tr>", escape(&rule.title), escape(&rule.missing));
        }
        page.push_str("</table></details>");
    }
    page.push_str("</section>");
}
