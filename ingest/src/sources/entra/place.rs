//! Where an address is, by the log's own word.
//!
//! In: `location` of Graph, `LocationDetails` of Log Analytics, and the country that stands beside them
//! as two letters. Out: `src_country`, `src_lat`, `src_lon`. A place that cannot be on Earth is none:
//! with it a distance would be computed that means nothing.

use virga_engine::event::ColumnValue;

use crate::sources::Inputs;
use crate::sources::derive::text;

pub(in crate::sources) const COUNTRY_INPUTS: &[&str] = &["location.countryOrRegion", "location"];

/// The country, as its code of two letters.
pub(in crate::sources) fn country(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let code = |input| {
        let code = inputs.string(input)?;
        let is_code = code.len() == 2 && code.bytes().all(|letter| letter.is_ascii_alphabetic());
        is_code.then(|| code.to_ascii_uppercase())
    };
    text((0..inputs.len()).find_map(code)?)
}

pub(in crate::sources) const COORDINATES: &[&str] =
    &["location.geoCoordinates.latitude", "location.geoCoordinates.longitude"];

/// Latitude and longitude, where they are on Earth.
fn coordinates(inputs: &Inputs<'_>) -> Option<(f64, f64)> {
    let (latitude, longitude) = (inputs.number(0)?, inputs.number(1)?);
    (latitude.abs() <= 90.0 && longitude.abs() <= 180.0).then_some((latitude, longitude))
}

pub(in crate::sources) fn latitude(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    coordinates(inputs).map(|(latitude, _)| ColumnValue::Float(latitude))
}

pub(in crate::sources) fn longitude(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    coordinates(inputs).map(|(_, longitude)| ColumnValue::Float(longitude))
}
