//! Times and ids of events: counted, never drawn by lot.

use super::*;

/// Events at equal distances, the first at the start.
pub(super) fn every(count: i64, step: i64, event: impl Fn(i64) -> Event) -> Vec<Event> {
    (0..count).map(|n| event(n).at(n * step)).collect()
}

/// Times of some events a day at equal distances, for some days.
pub(super) fn daily(days: i64, a_day: i64, step: i64) -> impl Iterator<Item = i64> {
    (0..days).flat_map(move |day| (0..a_day).map(move |n| day * DAY + n * step))
}

/// `2026-03-02T09:00:00` and so many seconds. No story lasts into April.
fn clock(at: i64) -> String {
    let second = 9 * HOUR + at;
    let (day, hour, minute) = (2 + second / DAY, second / HOUR % 24, second / MINUTE % 60);
    format!("2026-03-{day:02}T{hour:02}:{minute:02}:{:02}", second % MINUTE)
}

/// An id that no two events share.
pub(super) fn uuid(story: u32, side: u32, count: i64) -> String {
    format!("{story:08x}-{side:04x}-4000-8000-{count:012x}")
}

/// Puts time and id where the event's source has them.
pub(super) fn stamp(event: &mut Event, id: &str) {
    let now = format!("{}Z", clock(event.at));
    let raw = &mut event.raw;
    match event.source {
        CLOUDTRAIL => {
            raw["eventTime"] = json!(now);
            raw["eventID"] = json!(id);
            raw["requestID"] = json!(id.replacen("-4000-", "-4001-", 1));
        }
        INVOCATION => {
            raw["timestamp"] = json!(now);
            raw["requestId"] = json!(id);
        }
        SIGN_IN => {
            // the record is written after the sign-in
            raw["time"] = json!(format!("{}Z", clock(event.at + 75)));
            raw["correlationId"] = json!(id);
            let properties = &mut raw["properties"];
            properties["createdDateTime"] = json!(format!("{}+00:00", clock(event.at)));
            properties["id"] = json!(id);
            properties["correlationId"] = json!(id);
        }
        GCP_AUDIT => {
            raw["timestamp"] = json!(now);
            raw["receiveTimestamp"] = json!(format!("{}Z", clock(event.at + 1)));
            raw["protoPayload"]["requestMetadata"]["requestAttributes"]["time"] = json!(now);
            raw["insertId"] = json!(id.replace('-', ""));
        }
        // start and end of an operation have its id already
        _ => raw["time"] = json!(now),
    }
}
