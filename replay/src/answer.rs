//! What was counted → the report.

use std::collections::BTreeMap;

use virga_engine::alert::show_time;
use virga_engine::correlate::Plan;
use virga_engine::sigma::Level;

use crate::blind;
use crate::curve::Curve;
use crate::labels::{Labels, Scored};
use crate::limits::{HOURS_UP_TO, MAX_BARS, SHOWN_GROUPS, SHOWN_VALUES};
use crate::pass::{Pass, Side};
use crate::reach;
use crate::report::{
    ArchiveSummary, DiffReport, Report, RuleCost, RuleReport, SetReport, Suppressed, TopReport,
};
use crate::tally::{ENTITIES, Tally};
use crate::time::{show_moment, show_span};

const HOUR: i64 = 3_600_000_000;

/// Bars over time.
struct Bars {
    /// Hours of one.
    hours: i64,
    /// The first, in hours since 1970.
    first: i64,
    count: usize,
}

impl Bars {
    fn of(from: i64, to: i64) -> Self {
        let mut hours = if to.saturating_sub(from) <= HOURS_UP_TO { 1 } else { 24 };
        let length = to.saturating_sub(from).max(0);
        while length / (hours * HOUR) >= MAX_BARS as i64 {
            hours *= 2;
        }
        let first = from.div_euclid(hours * HOUR) * hours;
        let last = to.saturating_sub(1).max(from).div_euclid(HOUR);
        Self { hours, first, count: usize::try_from((last - first) / hours + 1).unwrap_or(0) }
    }

    fn fill(&self, by_hour: &BTreeMap<i64, u64>) -> Vec<u64> {
        let mut bars = vec![0; self.count];
        for (hour, count) in by_hour {
            let at = usize::try_from((hour - self.first).div_euclid(self.hours));
            if let Some(bar) = at.ok().and_then(|at| bars.get_mut(at)) {
                *bar += count;
            }
        }
        bars
    }
}

/// The report of a pass that is over.
pub(crate) fn report(
    pass: &Pass<'_>,
    diff: Option<DiffReport>,
    location: String,
    version: u64,
    labels: Option<&Labels>,
) -> Report {
    let bars = Bars::of(pass.range.from, pass.range.to);
    let sides = pass.sides.iter().enumerate();
    let sets = sides.map(|(at, side)| set(pass, (at, side), &bars, labels)).collect();
    Report {
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        archive: ArchiveSummary {
            location,
            version,
            holds: pass.holds.map(|(first, last)| (show_moment(first), show_moment(last))),
            events: pass.events.clone(),
        },
        from: show_time(pass.range.from),
        to: show_time(pass.range.to),
        counts: pass.question.counts,
        bar: bars.hours * HOUR,
        first_bar: bars.first * HOUR,
        sets,
        diff,
        cost: pass.cost.clone(),
        notes: notes(pass),
    }
}

fn set(pass: &Pass<'_>, (at, side): (usize, &Side), bars: &Bars, labels: Option<&Labels>) -> SetReport {
    let mut rules: Vec<RuleReport> = Vec::new();
    let (mut over_time, mut by_level) = (vec![0; bars.count], BTreeMap::new());
    let (mut alerts, mut digest, mut scored) = (0, 0u128, Scored::default());
    for (kind, tally, about) in told(side) {
        if kind != "block" {
            alerts += tally.hits;
            digest = digest.wrapping_add(tally.digest);
            scored.add(&tally.scored);
            let level = about.level.map_or("none", Level::word);
            *by_level.entry(level.to_owned()).or_insert(0) += tally.hits;
            over_time.iter_mut().zip(bars.fill(&tally.by_hour)).for_each(|(sum, count)| *sum += count);
        }
        let is_labelled = kind != "block" && labels.is_some_and(|labels| labels.name(&about.names));
        if tally.hits > 0 || is_labelled {
            rules.push(rule(kind, tally, &about, bars, (labels, pass.question.counts)));
        }
    }
    by_level.retain(|_, count| *count > 0);
    rules.sort_by(|a, b| {
        let is_block = |rule: &RuleReport| rule.kind == "block";
        (is_block(a), b.alerts, b.hits, &a.id).cmp(&(is_block(b), a.alerts, a.hits, &b.id))
    });
    let seen = pass.occurs.iter().filter_map(|(source, occurs)| {
        let part = pass.lanes.get(source)?.parts.get(at)?;
        Some((source.as_str(), blind::Seen { occurs, columns: &part.columns }))
    });
    let logs = pass.logs();
    let blind::Found { dead, blind, partly } =
        blind::find(&side.engine, &seen.collect(), &|source, field| logs.keeps(source, field));
    let report = side.engine.report();
    let rules_run = report.loaded + report.correlations;
    let loud = rules.iter().filter(|rule| rule.alerts > 0).count();
    SetReport {
        name: side.name.clone(),
        hash: side.hash.clone(),
        rules_run,
        alerts,
        by_level,
        over_time,
        digest: pass.question.digest.then(|| format!("{digest:032x}")),
        silent: rules_run.saturating_sub(loud + report.muted.len() + report.muted_correlations.len()),
        rules,
        curves: curves(side),
        score: labels.map(|labels| scored.score(labels, None)),
        dead,
        blind,
        partly,
    }
}

fn curves(side: &Side) -> Vec<Curve> {
    let is_told = |curve: &&Curve| curve.asked || curve.missing.is_some() || curve.points.len() > 1;
    side.curves.iter().filter(is_told).cloned().collect()
}

/// What a report says of a rule besides its counts.
struct About {
    id: String,
    title: String,
    level: Option<Level>,
    names: Vec<String>,
}

/// Every rule and correlation with what was counted of it.
fn told(side: &Side) -> Vec<(&'static str, &Tally, About)> {
    let mut all = Vec::new();
    for (number, (rule, tally)) in side.engine.rules().iter().zip(&side.tallies).enumerate() {
        let of = &rule.lowered.rule;
        let names = [of.id.clone(), of.name.clone(), Some(of.title.clone())].into_iter().flatten().collect();
        let about = About { id: of.key(), title: of.title.clone(), level: of.level, names };
        let is_muted = side.engine.is_muted(number as u32);
        all.push((if is_muted { "block" } else { "detection" }, tally, about));
    }
    for (plan, tally) in side.engine.correlations().iter().zip(&side.correlated) {
        let of = &plan.correlation;
        let names = [of.id.clone(), of.name.clone(), Some(of.title.clone())].into_iter().flatten().collect();
        let about = About { id: of.key(), title: of.title.clone(), level: of.level, names };
        all.push(("correlation", tally, about));
    }
    all
}

fn rule(
    kind: &'static str,
    tally: &Tally,
    about: &About,
    bars: &Bars,
    (labels, counts): (Option<&Labels>, bool),
) -> RuleReport {
    let entities = ENTITIES.iter().zip(&tally.entities).filter_map(|(name, top)| {
        let most = top.most(SHOWN_VALUES);
        (!most.is_empty()).then(|| (*name, TopReport { different: top.different(), most }))
    });
    let is_alert = kind != "block";
    // of what is only counted nobody knows who and when; a correlation's alerts say it themselves
    let is_known = !counts || kind == "correlation";
    let times = tally.times.filter(|_| is_known);
    RuleReport {
        id: about.id.clone(),
        title: about.title.clone(),
        level: about.level.map(|level| level.word().to_owned()),
        kind,
        alerts: if is_alert { tally.hits } else { 0 },
        hits: (!is_alert).then_some(tally.hits),
        over_time: bars.fill(&tally.by_hour),
        first: times.map(|(first, _)| show_time(first)),
        last: times.map(|(_, last)| show_time(last)),
        entities: entities.collect(),
        groups: tally.groups.most(SHOWN_GROUPS),
        suppressed: Suppressed {
            own: tally.own.count().filter(|_| is_alert && is_known && tally.has_own),
            per_principal_and_hour: tally.per_principal.hours.count().filter(|_| is_alert && is_known),
            per_principal_and_day: tally.per_principal.days.count().filter(|_| is_alert && is_known),
        },
        cost: RuleCost { rows: tally.rows, bytes: tally.bytes as u64, seconds: tally.seconds },
        score: labels.filter(|_| is_alert).map(|labels| tally.scored.score(labels, Some(&about.names))),
    }
}

/// What whoever reads the report must know.
fn notes(pass: &Pass<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let Some((first, _)) = pass.holds else {
        notes.push("the archive is empty".to_owned());
        return notes;
    };
    if pass.question.counts {
        notes.push("hits were counted only: who is behind them was not read".to_owned());
    }
    if pass.range.from >= pass.range.to {
        notes.push("the archive holds nothing of this stretch of time".to_owned());
    }
    let mut named: Vec<String> = Vec::new();
    for (at, side) in pass.sides.iter().enumerate() {
        let plans = side.engine.correlations();
        let idle: Vec<usize> =
            side.engine.report().idle_correlations.iter().map(|(number, _)| *number).collect();
        let mut short: Vec<(&Plan, i64)> = reach::of_correlations(plans)
            .iter()
            .zip(plans)
            .enumerate()
            .filter(|(number, (reach, plan))| {
                plan.correlation.kind.value.has_history()
                    && !idle.contains(number)
                    && pass.range.from.saturating_sub(reach.back) < first
            })
            .map(|(_, (_, plan))| (plan, reach::looks_back(plan)))
            .collect();
        short.sort_by_key(|(_, back)| std::cmp::Reverse(*back));
        for (plan, back) in short {
            let words = format!("`{}` wants {}", plan.correlation.title, show_span(back));
            if !named.contains(&words) && (at == 0 || pass.sides.len() > 1) {
                named.push(words);
            }
        }
    }
    if !named.is_empty() {
        let has = show_span(pass.range.from.saturating_sub(first).max(0));
        notes.push(format!(
            "the archive begins at {} and holds {has} before this stretch; {} {} back further, and {} for new what is only older than the archive: {}{}",
            show_moment(first),
            named.len(),
            if named.len() == 1 { "correlation looks" } else { "correlations look" },
            if named.len() == 1 { "takes" } else { "take" },
            named.iter().take(3).cloned().collect::<Vec<_>>().join(", "),
            if named.len() > 3 { ", …" } else { "" },
        ));
    }
    let cut: u64 = pass.sides.iter().map(Side::left_out).sum();
    if cut > 0 {
        notes.push(format!("{cut} hits could not be correlated: a field that a correlation groups by or looks at was missing or unreadable"));
    }
    notes
}
