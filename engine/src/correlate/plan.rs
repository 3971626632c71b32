//! Linked correlations → what runs.
//!
//! In: correlations whose rules are found, inner ones first. Out: a [`Plan`] each: its type with its
//! numbers, what it needs of each event under the names that its rules know, and which correlations stand
//! on it. A field that an outer correlation asks for is asked of the rules at the bottom, through the
//! aliases on the way.

use std::sync::Arc;

use super::carried::Elsewhere;
use super::extract::Carry;
use super::fold::Folding;
use super::kinds::{
    Amounts, Count, EventCount, ImpossibleTravel, Kind, NewTerms, Presence, RateBaseline, Rules, Statistic,
    Temporal, TemporalForward, TemporalOrdered, Tumbling, ValueCount, ValueSum, Values,
};
use super::link::{LinkedCorrelation, Member};
use super::machine::Machine;
use super::node::Node;
use crate::sigma::{
    Condition, Correlation, CorrelationCondition, CorrelationType, Criterion, Quantity, Spanned,
};

/// The shortest bucket of time for which there is one alert, in microseconds: 15 minutes.
const LEAST_BUCKET: i64 = 15 * 60 * 1_000_000;
/// That of types that tell of something rare: a day.
const RARE_BUCKET: i64 = 86_400 * 1_000_000;

/// A correlation, ready to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// As it is written.
    pub correlation: Arc<Correlation>,
    /// What it is about.
    pub members: Vec<PlanMember>,
    /// For how long, in microseconds, equal matches are one alert. Buckets are aligned to 1970.
    pub bucket: i64,
    /// Its alerts are not shown: it only feeds another correlation.
    pub muted: bool,
    /// The fields that outer correlations ask for, as they are called here.
    pub(super) carry: Vec<String>,
    /// Where each of those stands in the group's key, if it does.
    pub(super) carry_in_key: Vec<Option<usize>>,
    /// Where each of the others stands among the fields that are looked at, of types that say what a match had there.
    carry_in_value: Vec<Option<usize>>,
    /// The correlations that stand on this one, with the number of their member.
    pub(super) feeds: Vec<(usize, usize)>,
    /// One of them shows its events.
    pub(super) shows: bool,
    /// How much later than the watermark it knows that it has all its hits.
    pub(super) delay: i64,
    pub(super) value: ValuePlan,
}

/// One of the rules of a correlation.
#[derive(Debug, Clone)]
pub struct PlanMember {
    /// Which.
    pub member: Member,
    /// What `group-by` is called there.
    pub group_by: Vec<String>,
    /// What is looked at.
    pub value: Vec<String>,
    /// What outer correlations ask for.
    pub carry: Vec<String>,
    /// The rule is only asked to stay away: its events are part of no alert, and carry nothing.
    pub stays_away: bool,
}

/// What a correlation looks at in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValuePlan {
    None,
    /// The event itself, or the alert of an inner correlation: different ones are counted.
    Identity,
    /// Texts.
    Text,
    /// A number; whether it may be negative.
    Number {
        signed: bool,
    },
    /// One for each event.
    One,
    Place,
}

/// The fields in which places stand.
const PLACE: [&str; 2] = ["src_lat", "src_lon"];

impl Plan {
    /// What it is known by.
    pub fn key(&self) -> String {
        self.correlation.key()
    }

    /// The fields by which it groups.
    pub fn group_by(&self) -> impl Iterator<Item = &str> {
        self.correlation.group_by.iter().map(|name| name.value.as_str())
    }

    /// What one of its fields is called in the rules at the bottom: several names where there are aliases.
    /// `plans` are all of its engine, which it is one of.
    pub fn called_below(&self, plans: &[Self], field: &str) -> Vec<String> {
        let mut names = Vec::new();
        for (number, asks) in self.members.iter().enumerate() {
            let name = called(&self.correlation, number, field);
            match asks.member {
                // inner ones stand before outer ones: this ends
                Member::Correlation(inner) => {
                    names.extend(
                        plans.get(inner).map(|inner| inner.called_below(plans, &name)).unwrap_or_default(),
                    );
                }
                Member::Rule(_) => names.push(name),
            }
        }
        names.sort();
        names.dedup();
        names
    }
}

/// Makes plans of linked correlations; inner ones stand before outer ones.
pub fn plan(linked: &[LinkedCorrelation]) -> Vec<Plan> {
    let mut plans: Vec<Plan> = linked.iter().map(Plan::of).collect();
    for outer in (0..plans.len()).rev() {
        ask_inner(&mut plans, outer);
    }
    for number in 0..plans.len() {
        let inner = plans[number].members.iter().filter_map(|member| match member.member {
            Member::Correlation(inner) => Some(inner),
            Member::Rule(_) => None,
        });
        let late = inner.map(|inner| plans[inner].delay.saturating_add(plans[inner].lag()));
        plans[number].delay = late.max().unwrap_or(0);
    }
    plans
}

/// Says to the inner correlations of one what it needs of their events.
fn ask_inner(plans: &mut [Plan], outer: usize) {
    let carry = plans[outer].carry.clone();
    let correlation = Arc::clone(&plans[outer].correlation);
    let in_key = |name: &String| correlation.group_by.iter().position(|by| by.value == *name);
    plans[outer].carry_in_key = carry.iter().map(in_key).collect();
    let looked_at = if plans[outer].tells_values() { looked_at(&correlation) } else { Vec::new() };
    let in_value = |name: &String| match in_key(name) {
        Some(_) => None,
        None => looked_at.iter().position(|field| *field == name),
    };
    plans[outer].carry_in_value = carry.iter().map(in_value).collect();
    let positive = plans[outer].presence().map_or(u64::MAX, |presence| presence.positive());
    for number in 0..plans[outer].members.len() {
        let names = |names: &[String]| -> Vec<String> {
            names.iter().map(|name| called(&correlation, number, name)).collect()
        };
        let member = &mut plans[outer].members[number];
        member.stays_away = positive & (1 << number) == 0;
        if !member.stays_away {
            member.carry = names(&carry);
        }
        let asked: Vec<String> =
            [&member.group_by, &member.value, &member.carry].into_iter().flatten().cloned().collect();
        let stays_away = member.stays_away;
        if let Member::Correlation(inner) = member.member {
            plans[inner].feeds.push((outer, number));
            plans[inner].shows |= !stays_away;
            for name in asked {
                if !plans[inner].carry.contains(&name) {
                    plans[inner].carry.push(name);
                }
            }
        }
    }
}

/// What a field of a correlation is called in one of its rules.
fn called(correlation: &Correlation, member: usize, name: &str) -> String {
    let rule = correlation.rules.get(member).map(|rule| &rule.value);
    let alias = correlation.aliases.iter().find(|alias| alias.name.value == name);
    let field = alias.and_then(|alias| alias.fields.iter().find(|(of, _)| Some(&of.value) == rule));
    field.map_or_else(|| name.to_owned(), |(_, field)| field.clone())
}

/// The fields that a correlation looks at.
fn looked_at(correlation: &Correlation) -> Vec<&str> {
    let kind = correlation.kind.value;
    match &correlation.condition {
        CorrelationCondition::Number { fields, .. } | CorrelationCondition::NewTerms { fields, .. }
            if kind != CorrelationType::EventCount && !kind.is_temporal() =>
        {
            fields.iter().map(|field| field.value.as_str()).collect()
        }
        CorrelationCondition::RateBaseline { field: Some(field), .. } => vec![&field.value],
        CorrelationCondition::ImpossibleTravel { .. } => PLACE.to_vec(),
        _ => Vec::new(),
    }
}

/// Whether more events can only add to what passes.
fn is_monotone(criteria: &[(Criterion, f64)]) -> bool {
    criteria.iter().all(|(criterion, _)| matches!(criterion, Criterion::Gt | Criterion::Gte))
}

/// The least whole number that passes.
fn least_count(criteria: &[(Criterion, f64)]) -> usize {
    let least = |&(criterion, bound): &(Criterion, f64)| match criterion {
        Criterion::Gt => bound.floor() + 1.0,
        _ => bound.ceil(),
    };
    criteria.iter().map(least).fold(1.0, f64::max) as usize
}

/// The least sum that passes, in billionths.
fn least_sum(criteria: &[(Criterion, f64)]) -> i128 {
    let least = |&(criterion, bound): &(Criterion, f64)| {
        let billionths = billionths_of(bound);
        if criterion == Criterion::Gt { billionths.saturating_add(1) } else { billionths }
    };
    criteria.iter().map(least).max().unwrap_or(0)
}

/// A float in billionths; what is whole stays exact.
pub(crate) fn billionths_of(number: f64) -> i128 {
    match number.fract() == 0.0 && number.abs() < 1e18 {
        true => (number as i128) * super::kinds::BILLION,
        false => (number * super::kinds::BILLION as f64).round() as i128,
    }
}

impl Plan {
    fn of(linked: &LinkedCorrelation) -> Self {
        let correlation = &linked.correlation;
        let kind = correlation.kind.value;
        let on_alerts = linked.members.iter().any(|member| matches!(member, Member::Correlation(_)));
        let looked_at = looked_at(correlation);
        let member = |(number, member): (usize, &Member)| PlanMember {
            member: member.clone(),
            group_by: correlation
                .group_by
                .iter()
                .map(|name| called(correlation, number, &name.value))
                .collect(),
            value: looked_at.iter().map(|name| called(correlation, number, name)).collect(),
            carry: Vec::new(),
            stays_away: false,
        };
        let bucket = match (&correlation.suppress, &correlation.condition) {
            (Some(bucket), _) => *bucket,
            (None, CorrelationCondition::RateBaseline { bucket, .. }) => *bucket,
            (None, _) if kind.has_history() => RARE_BUCKET,
            (None, _) => correlation.timespan.max(LEAST_BUCKET),
        };
        let mut plan = Self {
            correlation: Arc::clone(correlation),
            members: linked.members.iter().enumerate().map(member).collect(),
            bucket,
            muted: false,
            carry: Vec::new(),
            carry_in_key: Vec::new(),
            carry_in_value: Vec::new(),
            feeds: Vec::new(),
            shows: false,
            delay: 0,
            value: ValuePlan::None,
        };
        plan.value = plan.value_plan(on_alerts);
        plan
    }

    fn value_plan(&self, on_alerts: bool) -> ValuePlan {
        let number = |criteria: &[_]| ValuePlan::Number { signed: !is_monotone(criteria) };
        match (self.correlation.kind.value, &self.correlation.condition) {
            (CorrelationType::EventCount, _) if on_alerts => ValuePlan::Identity,
            (CorrelationType::ValueCount | CorrelationType::NewTerms, _) => ValuePlan::Text,
            (CorrelationType::ValueSum, CorrelationCondition::Number { criteria, .. }) => number(criteria),
            (
                CorrelationType::ValueAvg | CorrelationType::ValuePercentile | CorrelationType::ValueMedian,
                _,
            ) => ValuePlan::Number { signed: true },
            (CorrelationType::ImpossibleTravel, _) => ValuePlan::Place,
            (CorrelationType::RateBaseline, CorrelationCondition::RateBaseline { field: Some(_), .. }) => {
                ValuePlan::Number { signed: false }
            }
            (CorrelationType::RateBaseline, _) => ValuePlan::One,
            _ => ValuePlan::None,
        }
    }

    /// Whether a match says which value each of its hits had.
    fn tells_values(&self) -> bool {
        use CorrelationType as Type;
        match (&self.correlation.condition, self.correlation.kind.value) {
            (CorrelationCondition::Number { criteria, .. }, Type::ValueCount) => is_monotone(criteria),
            (CorrelationCondition::NewTerms { .. }, _) => true,
            _ => false,
        }
    }

    /// Where stands what events of one of its rules carry, by their columns.
    pub(crate) fn carry(&self, columns: Vec<usize>) -> Vec<Carry> {
        let places = self.carry_in_key.iter().zip(&self.carry_in_value).zip(columns);
        let each = places.map(|((in_key, in_value), column)| match (in_key, in_value) {
            (Some(_), _) => Carry::InKey,
            (None, Some(_)) => Carry::InValue(column),
            (None, None) => Carry::In(column),
        });
        if self.carries() { each.collect() } else { Vec::new() }
    }

    /// How long after the watermark has passed an event its match may be known.
    fn lag(&self) -> i64 {
        let own = match &self.correlation.condition {
            CorrelationCondition::RateBaseline { bucket, .. } => *bucket,
            _ if self.correlation.kind.value.has_history() => 0,
            CorrelationCondition::Number { criteria, .. } if is_monotone(criteria) && !self.is_averaged() => {
                0
            }
            CorrelationCondition::Rules(_) if !self.presence().is_some_and(|p| p.has_not()) => 0,
            _ => self.correlation.timespan,
        };
        own.saturating_add(self.grain())
    }

    fn is_averaged(&self) -> bool {
        use CorrelationType as Type;
        matches!(self.correlation.kind.value, Type::ValueAvg | Type::ValuePercentile | Type::ValueMedian)
    }

    /// Hits wait so long that many are folded at once, but no alert waits for long.
    fn grain(&self) -> i64 {
        (self.correlation.timespan / 8).clamp(1, 60_000_000)
    }

    /// Whether each match can be told as soon as its hits are there.
    pub fn is_eager(&self) -> bool {
        self.lag() == self.grain() && !self.correlation.kind.value.has_history()
    }

    /// Which rules must be there, of temporal types.
    fn presence(&self) -> Option<Presence> {
        let names = &self.correlation.rules;
        match &self.correlation.condition {
            CorrelationCondition::Rules(condition) => Some(presence(condition, names)),
            CorrelationCondition::Number { criteria, .. } if self.correlation.kind.value.is_temporal() => {
                let all = (0..names.len()).map(Presence::Member).collect();
                Some(Presence::AtLeast(least_count(criteria), all))
            }
            _ => None,
        }
    }

    /// Whether there can be a match where only these of its rules, as bits, give it something.
    pub(crate) fn can_match_with(&self, given: u64) -> bool {
        /// What is not there may well be absent.
        fn can_hold(presence: &Presence, given: u64) -> bool {
            match presence {
                Presence::Member(member) => given & (1 << member) != 0,
                Presence::AtLeast(least, parts) => {
                    parts.iter().filter(|part| can_hold(part, given)).count() >= *least
                }
                Presence::Not(_) => true,
            }
        }
        let is_counted = matches!(&self.correlation.condition, CorrelationCondition::Number { criteria, .. } if !is_monotone(criteria));
        given != 0 && (is_counted || self.presence().is_none_or(|presence| can_hold(&presence, given)))
    }

    /// A group with fewer hits than that has no match.
    pub(super) fn least_hits(&self) -> usize {
        use CorrelationType as Type;
        match (&self.correlation.condition, self.correlation.kind.value) {
            (CorrelationCondition::Number { criteria, .. }, Type::EventCount | Type::ValueCount)
                if is_monotone(criteria) =>
            {
                least_count(criteria)
            }
            (CorrelationCondition::ImpossibleTravel { .. }, _) => 2,
            (CorrelationCondition::NewTerms { min_events, .. }, _) => (*min_events as usize).max(1),
            _ => 1,
        }
    }

    /// The machine that runs it.
    pub(super) fn machine(&self) -> Box<dyn Machine> {
        let window = self.correlation.timespan;
        let names: Arc<[String]> = self.correlation.rules.iter().map(|rule| rule.value.clone()).collect();
        match (&self.correlation.condition, self.correlation.kind.value) {
            (CorrelationCondition::Number { criteria, fields, percentile }, kind) => {
                let shown = fields.iter().map(|field| field.value.as_str()).collect::<Vec<_>>().join(", ");
                self.numbers(kind, criteria, shown, percentile.unwrap_or(50.0), names)
            }
            (CorrelationCondition::Rules(_), CorrelationType::TemporalOrdered) => {
                self.node(TemporalOrdered { window, names })
            }
            (CorrelationCondition::Rules(condition), _) => {
                let presence = presence(condition, &self.correlation.rules);
                match presence.has_not() {
                    false => self.node(Temporal { presence, window, names }),
                    true => {
                        let positive = presence.positive();
                        self.node(TemporalForward { presence, positive, window, names })
                    }
                }
            }
            (CorrelationCondition::NewTerms { fields, min_age, min_events, idle }, _) => {
                let field = fields.iter().map(|field| field.value.as_str()).collect::<Vec<_>>().join(", ");
                self.node(NewTerms {
                    history: window,
                    min_age: *min_age,
                    min_events: *min_events,
                    idle: *idle,
                    field,
                })
            }
            (CorrelationCondition::ImpossibleTravel { min_speed_kmh, min_distance_km }, _) => {
                self.node(ImpossibleTravel {
                    history: window,
                    min_speed_kmh: *min_speed_kmh,
                    min_distance_km: *min_distance_km,
                })
            }
            (
                CorrelationCondition::RateBaseline {
                    bucket,
                    min_buckets,
                    min_value,
                    min_ratio,
                    min_score,
                    ..
                },
                _,
            ) => self.node(RateBaseline {
                history: window,
                bucket: *bucket,
                min_buckets: *min_buckets,
                min_value: *min_value,
                min_ratio: *min_ratio,
                min_score: *min_score,
            }),
        }
    }

    fn numbers(
        &self,
        kind: CorrelationType,
        criteria: &[(Criterion, f64)],
        shown: String,
        percentile: f64,
        names: Arc<[String]>,
    ) -> Box<dyn Machine> {
        use CorrelationType as Type;
        let window = self.correlation.timespan;
        let least = least_count(criteria);
        let tumbling = || criteria.to_vec();
        let counts_alerts = self.value == ValuePlan::Identity;
        match (kind, is_monotone(criteria)) {
            (Type::EventCount, true) if !counts_alerts => self.node(EventCount { least, window }),
            (Type::EventCount, true) => self.node(ValueCount { least, window, shown: None }),
            (Type::ValueCount, true) => self.node(ValueCount { least, window, shown: Some(shown) }),
            (Type::ValueSum, true) => self.node(ValueSum { least: least_sum(criteria), window }),
            (Type::TemporalOrdered, _) => self.node(TemporalOrdered { window, names }),
            (Type::Temporal, true) => {
                let all = (0..names.len()).map(Presence::Member).collect();
                self.node(Temporal { presence: Presence::AtLeast(least, all), window, names })
            }
            (Type::Temporal, false) => self.node(Tumbling { measure: Rules, window, criteria: tumbling() }),
            (Type::EventCount, false) if !counts_alerts => {
                self.node(Tumbling { measure: Count, window, criteria: tumbling() })
            }
            (Type::EventCount | Type::ValueCount, false) => {
                self.node(Tumbling { measure: Values, window, criteria: tumbling() })
            }
            (kind, _) => {
                let statistic = match kind {
                    Type::ValueAvg => Statistic::Average,
                    Type::ValuePercentile | Type::ValueMedian => Statistic::Percentile(percentile),
                    _ => Statistic::Sum,
                };
                self.node(Tumbling { measure: Amounts(statistic), window, criteria: tumbling() })
            }
        }
    }

    fn node<K>(&self, kind: K) -> Box<dyn Machine>
    where
        K: Kind + Send + Sync + 'static,
        K::State: Send + Sync,
        K::Detail: Send + Sync,
    {
        let (feeds, carries) = (!self.feeds.is_empty(), self.carries());
        let how = Folding {
            bucket: self.bucket,
            feeds,
            carries,
            // what events carry is asked of them one by one
            shows: self.shows || carries,
            tells: !self.muted,
            memory: kind.memory(),
        };
        let elsewhere =
            Elsewhere { in_value: self.carry_in_value.clone(), fields: looked_at(&self.correlation).len() };
        Box::new(Node::new(kind, how, self.grain(), elsewhere))
    }
}

/// An expression over rules' names → over their numbers.
fn presence(condition: &Condition, names: &[Spanned<String>]) -> Presence {
    let member = |name: &str| names.iter().position(|rule| rule.value == name).unwrap_or(usize::MAX);
    let parts = |parts: &[Condition]| parts.iter().map(|part| presence(part, names)).collect::<Vec<_>>();
    match condition {
        Condition::Selection(name) => Presence::Member(member(&name.value)),
        Condition::Not(inner) => Presence::Not(Box::new(presence(inner, names))),
        Condition::And(all) => Presence::AtLeast(all.len(), parts(all)),
        Condition::Or(any) => Presence::AtLeast(1, parts(any)),
        Condition::Of(quantity, pattern) => {
            let meant = names.iter().enumerate().filter(|(_, name)| pattern.value.covers(&name.value));
            let meant: Vec<Presence> = meant.map(|(number, _)| Presence::Member(number)).collect();
            let least = match quantity {
                Quantity::All => meant.len(),
                Quantity::AtLeast(least) => *least,
            };
            Presence::AtLeast(least, meant)
        }
    }
}
