//! The end of a pass: what correlations make of their hits, and the report.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use virga_engine::alert::{Alert, number_of_id};

use super::Pass;
use crate::diff::{Differ, diff_event};
use crate::error::ReplayError;
use crate::report::Report;
use crate::tally::ENTITIES;
use crate::time::moment_of;

impl Pass<'_> {
    /// All events are read.
    pub(super) fn finish(mut self) -> Result<Report, ReplayError> {
        let began = (self.world.clock)();
        let mut told: Vec<HashMap<String, (String, String)>> = Vec::new();
        for at in 0..self.sides.len() {
            told.push(self.correlate(at)?);
        }
        if let (Some(differ), [a, b]) = (&mut self.differ, told.as_slice()) {
            for (side, own, other) in [(0, a, b), (1, b, a)] {
                for (id, (rule, time)) in own {
                    let rule = differ.number(rule);
                    match other.contains_key(id) {
                        true if side == 0 => differ.both(rule),
                        true => {}
                        false => {
                            differ.only(side, rule, &|| diff_event(side, id, time.clone(), BTreeMap::new()));
                        }
                    }
                }
            }
        }
        for side in &mut self.sides {
            let collectors = std::mem::take(&mut side.collectors).into_iter().flatten();
            side.curves.extend(collectors.map(|collector| collector.curve(self.range)));
        }
        let now = self.phase("correlate", began);
        self.cost.seconds = now.saturating_sub(self.started).as_secs_f64();
        let diff = self.differ.take().map(Differ::report);
        let location = self.archive.location().to_string();
        Ok(crate::answer::report(&self, diff, location, self.archive.version(), self.question.labels))
    }

    /// What correlations make of their hits; gives the alerts of the stretch with their rule and time.
    fn correlate(&mut self, at: usize) -> Result<HashMap<String, (String, String)>, ReplayError> {
        let is_compared = self.differ.is_some();
        let side = &mut self.sides[at];
        let Some(finite) = &mut side.finite else { return Ok(HashMap::new()) };
        finite.count_dropped(&side.dropped);
        let numbers: HashMap<String, usize> = side
            .engine
            .correlations()
            .iter()
            .enumerate()
            .map(|(number, plan)| (plan.key(), number))
            .collect();
        let mut told = HashMap::new();
        for alert in finite.finish()? {
            let Some(time) = moment_of(&alert.time).filter(|time| self.range.has(*time)) else { continue };
            let Some(number) = numbers.get(&alert.rule.id) else { continue };
            let tally = &mut side.correlated[*number];
            let said = |name: &str| {
                values(alert.group.get(name).map(Cow::Borrowed).or_else(|| alert.fields.get(name)).as_deref())
            };
            // where a group knows no principal, or several, equal groups are equal
            let mut principals = said(ENTITIES[0]);
            let principal = principals.pop().filter(|_| principals.is_empty());
            tally.at(time, Some(&principal.unwrap_or_else(|| group_text(&alert))));
            for (name, top) in ENTITIES.iter().zip(&mut tally.entities) {
                said(name).iter().for_each(|value| top.add(value, 1));
            }
            tally.groups.add(&group_text(&alert), 1);
            tally.alert(number_of_id(&alert.alert_id));
            if self.question.labels.is_some() {
                tally.scored.detection(&self.evidence.of(&alert), time);
            }
            self.hits += 1;
            if is_compared {
                told.insert(alert.alert_id.clone(), (alert.rule.id.clone(), alert.time.clone()));
            }
            if at == 0
                && let Some(sink) = &mut self.alerts
            {
                sink(&alert)?;
            }
        }
        Ok(told)
    }
}

/// A value as people read it.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What an alert says of a column: nothing, one value, or each of those that were counted.
fn values(said: Option<&Value>) -> Vec<String> {
    match said {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(several)) => several.iter().map(text).collect(),
        Some(one) => vec![text(one)],
    }
}

/// A group as people read it.
fn group_text(alert: &Alert) -> String {
    let shown = alert.group.iter().map(|(name, value)| format!("{name} {}", text(value)));
    let text = shown.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "all events".to_owned() } else { text }
}
