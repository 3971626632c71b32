//! From one correlation to the next: what a match of an inner one is to those that stand on it, and what an
//! alert says.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::carried::{Carried, Lists};
use super::extract::{Dropped, OwnValue, combinations, complete, key_text, key_values, pick};
use super::hit::{Identities, Seen};
use super::machine::{Fed, Raised};
use super::plan::{Plan, ValuePlan};
use crate::alert::{Alert, AlertKind, AlertRule, hash128, show_time};
use crate::limits::MAX_CARRIED;

/// A match of an inner correlation, as an outer one takes it.
#[derive(Debug, Clone)]
pub(crate) struct Derived {
    pub correlation: usize,
    pub member: usize,
    pub key: String,
    pub seen: Seen,
    pub value: OwnValue,
    pub carried: Vec<Carried>,
    /// `None` where it is only asked to stay away.
    pub evidence: Option<Box<[Seen]>>,
}

/// The id of an alert: the same for the same correlation, group and bucket, in every run.
pub(crate) fn correlation_id(tenant: &str, rule: &str, key: &str, bucket: i64, term: Option<&str>) -> String {
    let bucket = bucket.to_string();
    let mut parts = vec!["cor", tenant, rule, key, &bucket];
    parts.extend(term);
    hash128(&parts)
}

/// What a match is to the correlations that stand on its own, of those that `takes` says, given their number
/// and that of their member. Those without a field that they group by are counted in `dropped`.
pub(crate) fn derive(
    plans: &[Plan],
    number: usize,
    tenant: &str,
    fed: &Fed,
    takes: &dyn Fn(usize, usize) -> bool,
    dropped: &mut dyn FnMut(usize, &Dropped),
) -> Vec<Derived> {
    let plan = &plans[number];
    let rule = plan.key();
    let alert = correlation_id(tenant, &rule, &fed.key, fed.instant.bucket, fed.instant.term.as_deref());
    let own = key_values(&fed.key);
    // each different tuple of what the events carry, the group's own values among it
    let tuples: Vec<Lists> = match fed.carried.as_slice() {
        [] => vec![with_key(plan, None, &own)],
        carried => carried.iter().map(|carried| with_key(plan, Some(carried.lists()), &own)).collect(),
    };
    let time = fed.instant.time.to_string();
    let term = fed.instant.term.as_deref().unwrap_or_default();
    let id = hash128(&["match", &rule, &fed.key, &time, term]);
    let mut derived: Vec<Derived> = Vec::new();
    for &(outer, member) in plan.feeds.iter().filter(|(outer, member)| takes(*outer, *member)) {
        let asks = &plans[outer].members[member];
        let places = |names: &[String]| -> Vec<usize> {
            names.iter().filter_map(|name| plan.carry.iter().position(|carried| carried == name)).collect()
        };
        let (group, looked_at, carry) = (places(&asks.group_by), places(&asks.value), places(&asks.carry));
        let first = derived.len();
        for tuple in &tuples {
            let mut group = pick(tuple, &group);
            if !complete(&mut group, plans[outer].correlation.missing_is_a_group) {
                dropped(outer, &Dropped { missing_key: 1, ..Dropped::default() });
                continue;
            }
            let (values, more) = match plans[outer].value.read(pick(tuple, &looked_at), &alert) {
                Ok(values) => values,
                Err(why) => {
                    dropped(outer, &why.counted());
                    continue;
                }
            };
            let (keys, more_keys) = combinations(&group);
            let carried = (!carry.is_empty()).then(|| Carried::new(&pick(tuple, &carry)));
            let mut left_out = more || more_keys;
            for key in keys {
                let key = key_text(&key);
                for value in &values {
                    let is_it = |other: &Derived| other.key == key && other.value == *value;
                    let known = derived[first..].iter().position(is_it);
                    match known {
                        // the same match for the same group: what its events carry comes together
                        Some(known) => derived[first + known].carried.extend(carried.clone()),
                        None if derived.len() - first == MAX_CARRIED => left_out = true,
                        None => derived.push(Derived {
                            correlation: outer,
                            member,
                            key: key.clone(),
                            seen: Seen::derived(fed.instant.time, &id),
                            value: value.clone(),
                            carried: Vec::from_iter(carried.clone()),
                            evidence: (!asks.stays_away).then(|| fed.instant.seen.clone().into()),
                        }),
                    }
                }
            }
            if left_out {
                dropped(outer, &Dropped { too_many: 1, ..Dropped::default() });
            }
        }
    }
    derived
}

/// What outer correlations ask for: the group's own values where they are among them.
fn with_key(plan: &Plan, carried: Option<Lists>, own: &[Option<String>]) -> Lists {
    let mut carried = carried.unwrap_or_default();
    let of = |(at, in_key): (usize, &Option<usize>)| match in_key.and_then(|place| own.get(place)) {
        Some(value) => value.iter().map(|value| value.as_str().into()).collect(),
        None => carried.get_mut(at).map(std::mem::take).unwrap_or_default(),
    };
    plan.carry_in_key.iter().enumerate().map(of).collect()
}

impl Plan {
    /// Whether its events must carry more than their group.
    pub(crate) fn carries(&self) -> bool {
        self.carry_in_key.iter().any(Option::is_none)
    }

    /// What it looks at in an event.
    pub(crate) fn looks_at(&self) -> ValuePlan {
        self.value
    }

    /// The alert of a body.
    pub(super) fn alert(&self, raised: &Raised, tenant: &str, identities: &Identities) -> Alert {
        let Raised { key, body, revision } = raised;
        let rule = self.key();
        let values = key_values(key).into_iter().map(Json::from);
        let group: Map<String, Json> = self.group_by().map(str::to_owned).zip(values).collect();
        let continues =
            body.continues.then(|| correlation_id(tenant, &rule, key, body.bucket - 1, body.term.as_deref()));
        Alert {
            alert_id: correlation_id(tenant, &rule, key, body.bucket, body.term.as_deref()),
            revision: *revision,
            kind: AlertKind::Correlation,
            rule: Arc::new(AlertRule::of_correlation(&self.correlation)),
            time: show_time(body.time),
            first_seen: show_time(body.first_seen),
            last_seen: show_time(body.last_seen),
            group,
            count: body.count,
            events: body.seen.iter().map(|seen| identities.evidence(seen)).collect(),
            fields: body.fields.clone().into(),
            continues,
            custom: self.correlation.custom.clone(),
        }
    }
}
