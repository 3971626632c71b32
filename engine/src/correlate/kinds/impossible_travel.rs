//! `impossible_travel`: two places, one event after the other, too far apart for the time between.
//!
//! A group remembers its last place. Distance is that of the great circle (haversine formula, mean earth
//! radius 6,371.0088 km); speed is distance by time, and no time between two far places is always too
//! little.

use serde_json::json;

use super::super::hit::{Coordinates, Hit, Seen};
use super::{Contribution, Kind, Match, shown_span};

const EARTH_RADIUS_KM: f64 = 6_371.008_8;

/// A speed that nobody has.
#[derive(Debug)]
pub(crate) struct ImpossibleTravel {
    pub history: i64,
    pub min_speed_kmh: f64,
    pub min_distance_km: f64,
}

/// Kilometres along the great circle.
fn distance_km(from: Coordinates, to: Coordinates) -> f64 {
    let radians = |millionths: i32| (f64::from(millionths) / 1e6).to_radians();
    let (from_lat, to_lat) = (radians(from.0), radians(to.0));
    let (d_lat, d_lon) = (to_lat - from_lat, radians(to.1) - radians(from.1));
    let a = (d_lat / 2.0).sin().powi(2) + from_lat.cos() * to_lat.cos() * (d_lon / 2.0).sin().powi(2);
    2.0 * EARTH_RADIUS_KM * a.sqrt().min(1.0).asin()
}

impl Kind for ImpossibleTravel {
    type Detail = Coordinates;
    type State = Option<(Seen, Coordinates)>;

    fn tick(&self, state: &mut Self::State, time: i64, hits: &[Hit<Coordinates>], found: &mut Vec<Match>) {
        for hit in hits {
            let last = state.replace((hit.seen, hit.detail));
            let Some((from, place)) = last else { continue };
            let between = time.saturating_sub(from.time);
            let km = distance_km(place, hit.detail);
            let hours = between as f64 / 3.6e9;
            if between > self.history || km < self.min_distance_km || km < self.min_speed_kmh * hours {
                continue;
            }
            let degrees = |place: Coordinates| json!([f64::from(place.0) / 1e6, f64::from(place.1) / 1e6]);
            let mut contribution = Contribution::of(vec![from, hit.seen])
                .with("from", degrees(place))
                .with("to", degrees(hit.detail))
                .with("distance_km", km.round() as i64);
            if hours > 0.0 {
                contribution = contribution.with("speed_kmh", (km / hours).round() as i64);
            }
            found.push(Match { time, term: None, adds: 1, contribution: Some(contribution) });
        }
    }

    fn memory(&self) -> i64 {
        self.history
    }

    fn progress(&self, state: &Self::State, _: i64) -> f64 {
        if state.is_some() { 0.5 } else { 0.0 }
    }

    fn describe(&self, state: &Self::State, _: i64) -> String {
        let Some((_, place)) = state else { return "no place yet".to_owned() };
        format!(
            "last seen at {:.4}, {:.4}; needed: {} km at {} km/h within {}",
            f64::from(place.0) / 1e6,
            f64::from(place.1) / 1e6,
            self.min_distance_km,
            self.min_speed_kmh,
            shown_span(self.history)
        )
    }

    fn heap(&self, _: &Self::State) -> usize {
        0
    }

    fn mark(&self, state: &Self::State, see: &mut dyn FnMut(&Seen)) {
        state.iter().for_each(|(seen, _)| see(seen));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_great_circle() {
        // Frankfurt to Singapore, and half round the earth
        let km = distance_km((50_110_900, 8_682_100), (1_352_100, 103_819_800));
        assert!((km - 10_260.0).abs() < 30.0, "{km}");
        let half = distance_km((0, 0), (0, 180_000_000));
        assert!((half - std::f64::consts::PI * EARTH_RADIUS_KM).abs() < 1.0, "{half}");
        assert_eq!(distance_km((1, 1), (1, 1)), 0.0);
    }
}
