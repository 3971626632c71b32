//! Types that are not Sigma's: terms that are new, journeys that are too fast, rates that stand out.

use super::*;

pub(super) fn new_terms<'a>(
    rule: &Rule,
    min_age: i64,
    min_events: f64,
    idle: Option<i64>,
    hits: &'a [Hit],
) -> Vec<Match<'a>> {
    let mut found = Vec::new();
    for time in ticks(hits) {
        let start = life_start(hits, time, rule.timespan);
        // events count within the history, by eighths of it
        let eighth = |time: i64| time.div_euclid((rule.timespan / 8).max(1));
        let counts = |hit: &&Hit| hit.time < time && eighth(hit.time) > eighth(time) - 8;
        let before = hits.iter().filter(|hit| start <= hit.time).filter(counts);
        let warm = time.saturating_sub(start) >= min_age && distinct_ids(before) as f64 >= min_events;
        let tick = between(hits, time, time);
        for term in tick.iter().map(|hit| text(hit)).collect::<BTreeSet<_>>() {
            let earlier = hits.iter().filter(|hit| text(hit) == term && hit.time < time);
            let ago = earlier.map(|hit| time.saturating_sub(hit.time)).min();
            let known = ago.filter(|ago| *ago <= rule.timespan);
            let unusual = match idle {
                None => known.is_none(),
                Some(idle) => known.is_some_and(|ago| ago >= idle),
            };
            if warm && unusual {
                let contributing = tick.iter().copied().filter(|hit| text(hit) == term).collect();
                found.push(Match { time, term: Some(term.to_owned()), contributing });
            }
        }
    }
    found
}

pub(super) fn impossible_travel<'a>(
    rule: &Rule,
    speed: f64,
    distance: f64,
    hits: &'a [Hit],
) -> Vec<Match<'a>> {
    let mut found = Vec::new();
    for pair in hits.windows(2) {
        let [from, to] = pair else { continue };
        let apart = to.time.saturating_sub(from.time);
        let (hours, km) = (apart as f64 / 3_600_000_000.0, haversine_km(&from.value, &to.value));
        let fast = apart == 0 || km / hours >= speed;
        if apart <= rule.timespan && km >= distance && fast {
            found.push(Match { time: to.time, term: None, contributing: vec![from, to] });
        }
    }
    found
}

fn haversine_km(from: &Value, to: &Value) -> f64 {
    let (Value::Point(lat1, lon1), Value::Point(lat2, lon2)) = (from, to) else { return 0.0 };
    let square = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let chord = square(lat2 - lat1) + lat1.to_radians().cos() * lat2.to_radians().cos() * square(lon2 - lon1);
    2.0 * 6371.0088 * chord.sqrt().min(1.0).asin()
}

pub(super) fn rate_baseline<'a>(rule: &Rule, length: i64, hits: &'a [Hit]) -> Vec<Match<'a>> {
    let buckets = tumbling(hits, length);
    let value = |bucket: i64| buckets.get(&bucket).map_or(0.0, |hits| sum(hits.iter().copied()));
    let mut found = Vec::new();
    for (bucket, hits_of_bucket) in &buckets {
        // where a bucket holds two lives the history is shorter than it: there is no baseline at all
        let start = life_start(hits, hits_of_bucket[0].time, rule.timespan);
        let from = start.div_euclid(length).max(bucket - rule.timespan.div_euclid(length));
        let baseline = (from..*bucket).map(value).collect();
        if exceeds(&rule.kind, value(*bucket), baseline) {
            found.push(at_the_last(hits_of_bucket.clone()));
        }
    }
    found
}

/// Whether the value of a bucket stands out from those of the buckets before it.
fn exceeds(kind: &Type, value: f64, baseline: Vec<f64>) -> bool {
    let Type::RateBaseline { min_buckets, min_value, min_ratio, min_score, .. } = kind else { return false };
    if (baseline.len() as f64) < min_buckets.max(1.0) {
        return false;
    }
    let usual = median(baseline.clone());
    let mad = median(baseline.iter().map(|other| (other - usual).abs()).collect());
    let score = (value - usual) / (1.4826 * mad).max(0.1 * usual).max(1.0);
    value >= *min_value && value >= min_ratio * usual && score >= *min_score
}
