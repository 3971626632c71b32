//! What an object's key tells of the events in it: whose they are, where they arose, when they came.
//!
//! In: a key or the beginning of one, and what is asked for ([`Selection`]). Out: whether to read it,
//! to look below it, or to leave it. Providers write their logs under a path of dates, so that a day of
//! one account among fifty is found without looking at the rest.
//!
//! ```text
//! AWSLogs/111122223333/CloudTrail/eu-west-1/2023/07/10/111122223333_CloudTrail_eu-west-1_20230710T1140Z_x.json.gz
//!         └ account               └ region  └ day                                      └ delivered
//! ```
//!
//! A key tells when an object was *delivered*, its events when they happened: they came before it. So
//! nothing that was delivered before the asked time can hold an event of it, and what was delivered
//! shortly after ([`LATE_DELIVERY`]) can. What a key does not tell is read: only what surely holds
//! nothing that is asked for is left.
//!
//! To add a layout: a line in [`LAYOUTS`].

use chrono::{Days, Months, NaiveDate, NaiveTime, TimeDelta};

use crate::limits::{LATE_DELIVERY, MAX_GENERATED_DAYS};

/// How a provider or a tool lays out the keys of its logs.
#[derive(Debug)]
pub struct Layout {
    /// What writes it.
    pub name: &'static str,
    /// Its folders, as many as tell something. It may begin at any folder of a key.
    pub pattern: &'static str,
    /// How many folders must fit before it is believed: a folder `2023` alone may be anything.
    least: usize,
    /// Whether nothing else stands beside its days, so that they need not be looked for.
    exact: bool,
}

/// Every known layout; of two that fit the first counts.
pub static LAYOUTS: &[Layout] = &[
    Layout {
        name: "AWS CloudTrail",
        pattern: "AWSLogs/{account}/CloudTrail/{region}/{year}/{month}/{day}",
        least: 4,
        exact: true,
    },
    Layout {
        name: "AWS CloudTrail of an organisation",
        pattern: "AWSLogs/{organisation}/{account}/CloudTrail/{region}/{year}/{month}/{day}",
        least: 5,
        exact: true,
    },
    Layout {
        name: "AWS services",
        pattern: "AWSLogs/{account}/{any}/{region}/{year}/{month}/{day}/{hour}",
        least: 2,
        exact: false,
    },
    Layout {
        name: "AWS services of an organisation",
        pattern: "AWSLogs/{organisation}/{account}/{any}/{region}/{year}/{month}/{day}/{hour}",
        least: 3,
        exact: false,
    },
    Layout {
        name: "Azure Monitor, by subscription",
        pattern: "resourceId=/SUBSCRIPTIONS/{subscription}",
        least: 3,
        exact: false,
    },
    Layout { name: "Azure Monitor", pattern: "y={year}/m={month}/d={day}/h={hour}", least: 1, exact: false },
    Layout {
        name: "Hive",
        pattern: "year={year}/month={month}/day={day}/hour={hour}",
        least: 1,
        exact: false,
    },
    Layout { name: "dt=", pattern: "dt={date}/hour={hour}", least: 1, exact: false },
    Layout { name: "date=", pattern: "date={date}/hour={hour}", least: 1, exact: false },
    Layout { name: "day=", pattern: "day={date}/hour={hour}", least: 1, exact: false },
    Layout { name: "Google Cloud, Firehose", pattern: "{year}/{month}/{day}/{hour}", least: 3, exact: false },
];

/// What is asked for. What is not said is not asked: an empty selection takes everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The earliest event, microseconds since 1970.
    pub from: Option<i64>,
    /// The end of the asked time, itself excluded.
    pub to: Option<i64>,
    /// Accounts or subscriptions.
    pub accounts: Vec<String>,
    /// Regions.
    pub regions: Vec<String>,
}

/// What to do with a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing in it is asked for.
    Leave,
    /// Look at its folders one by one.
    Descend,
    /// Read all of it: nothing below tells more.
    All,
    /// Look at these folders of it: its days are known.
    Days(Vec<String>),
}

/// What the folders of a key tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The account or subscription.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// From when to when it was delivered, microseconds since 1970, the end excluded.
    pub delivered: Option<(i64, i64)>,
    /// Whether the day is known: folders below tell nothing that is worth a request.
    day_known: bool,
    /// Whether the next folders are `yyyy/mm/dd` and nothing else.
    days_follow: bool,
}

impl Selection {
    /// Whether everything is asked for.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an event's time is asked for.
    pub fn holds(&self, time: i64) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time < to)
    }

    /// What to do with a folder. Its prefix is empty or ends in a slash.
    pub fn folder(&self, prefix: &str) -> Verdict {
        if self.is_all() {
            return Verdict::All;
        }
        let facts = Facts::of(prefix);
        if !self.wants(&facts) {
            return Verdict::Leave;
        }
        match facts {
            Facts { day_known: true, .. } => Verdict::All,
            Facts { days_follow: true, .. } => self.days(prefix).unwrap_or(Verdict::Descend),
            _ => Verdict::Descend,
        }
    }

    /// Whether an object with this key may hold what is asked for.
    pub fn key(&self, key: &str) -> bool {
        self.is_all() || self.wants(&Facts::of_key(key))
    }

    fn wants(&self, facts: &Facts) -> bool {
        let among = |asked: &[String], known: &Option<String>| match known {
            Some(known) if !asked.is_empty() => asked.iter().any(|asked| asked.eq_ignore_ascii_case(known)),
            _ => true,
        };
        let in_time = facts.delivered.is_none_or(|(start, end)| {
            let late = |to: i64| to.saturating_add(LATE_DELIVERY.as_micros() as i64);
            self.from.is_none_or(|from| end > from) && self.to.is_none_or(|to| start < late(to))
        });
        in_time && among(&self.accounts, &facts.account) && among(&self.regions, &facts.region)
    }

    /// The days below a prefix that are asked for, where both ends are known and not far apart.
    fn days(&self, prefix: &str) -> Option<Verdict> {
        let to = self.to?.saturating_add(LATE_DELIVERY.as_micros() as i64);
        let (first, last) = (day_of(self.from?)?, day_of(to.saturating_sub(1))?);
        let count = (last - first).num_days() + 1;
        if count > MAX_GENERATED_DAYS as i64 {
            return None;
        }
        let days = first.iter_days().take(usize::try_from(count).unwrap_or(0));
        Some(Verdict::Days(days.map(|day| format!("{prefix}{}/", day.format("%Y/%m/%d"))).collect()))
    }
}

fn day_of(micros: i64) -> Option<NaiveDate> {
    chrono::DateTime::from_timestamp_micros(micros).map(|time| time.date_naive())
}

impl Facts {
    /// What the folders of a prefix tell; what follows its last slash is no folder.
    pub fn of(prefix: &str) -> Self {
        let folders: Vec<&str> = match prefix.rfind('/') {
            Some(end) => prefix[..end].split('/').collect(),
            None => Vec::new(),
        };
        let mut facts = Self::default();
        for layout in LAYOUTS {
            for start in 0..folders.len() {
                let found = Reading::of(layout, folders.get(start..).unwrap_or_default());
                if found.fitting >= layout.least {
                    facts.take(found, layout);
                    break;
                }
            }
        }
        facts
    }

    /// What a whole key tells: its folders, and the time in the name of a CloudTrail file.
    pub fn of_key(key: &str) -> Self {
        let mut facts = Self::of(key);
        if let Some(time) = key.rsplit('/').next().and_then(time_in_name) {
            facts.delivered = Some((time, time.saturating_add(60_000_000)));
        }
        facts
    }

    fn take(&mut self, found: Reading, layout: &Layout) {
        if self.account.is_none() {
            self.account = found.account.map(str::to_owned);
        }
        if self.region.is_none() {
            self.region = found.region.map(str::to_owned);
        }
        self.days_follow |= layout.exact && found.days_follow;
        self.day_known |= found.day.is_some();
        if self.delivered.is_none() {
            self.delivered = found.span();
        }
    }
}

/// One layout held against the folders of a key.
#[derive(Default)]
struct Reading<'a> {
    /// How many of its folders fit.
    fitting: usize,
    account: Option<&'a str>,
    region: Option<&'a str>,
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<u32>,
    days_follow: bool,
}

impl<'a> Reading<'a> {
    fn of(layout: &Layout, folders: &[&'a str]) -> Self {
        let mut reading = Self::default();
        let mut pattern = layout.pattern.split('/');
        for folder in folders {
            match pattern.next() {
                Some(segment) if reading.segment(segment, folder) => reading.fitting += 1,
                _ => return reading,
            }
        }
        reading.days_follow = pattern.next() == Some("{year}");
        reading
    }

    /// Holds one folder against one segment of a pattern.
    fn segment(&mut self, segment: &str, folder: &'a str) -> bool {
        let Some((literal, field)) = segment.trim_end_matches('}').split_once('{') else {
            return segment == folder;
        };
        let Some(value) = folder.strip_prefix(literal).filter(|value| !value.is_empty()) else {
            return false;
        };
        match field {
            "any" => true,
            "organisation" => value.starts_with("o-") || value.starts_with("r-"),
            "account" => value.len() == 12 && keep(&mut self.account, digits(value).then_some(value)),
            "subscription" => keep(&mut self.account, Some(value)),
            "region" => keep(&mut self.region, is_region(value).then_some(value)),
            "year" => keep(&mut self.year, number(value, 4, 1970..=2200)),
            "month" => keep(&mut self.month, number(value, 2, 1..=12)),
            "day" => keep(&mut self.day, number(value, 2, 1..=31)),
            "hour" => keep(&mut self.hour, number(value, 2, 0..=23)),
            "date" => self.date(value),
            _ => false,
        }
    }

    fn date(&mut self, value: &str) -> bool {
        let Ok(date) = NaiveDate::parse_from_str(value, "%Y-%m-%d") else { return false };
        use chrono::Datelike;
        (self.year, self.month, self.day) = (Some(date.year()), Some(date.month()), Some(date.day()));
        true
    }

    /// The time that the year, the month, the day, the hour cover, as far as they are known.
    fn span(&self) -> Option<(i64, i64)> {
        let first = NaiveDate::from_ymd_opt(self.year?, self.month.unwrap_or(1), self.day.unwrap_or(1))?;
        let hour = self.hour.filter(|_| self.day.is_some());
        let start = first.and_time(NaiveTime::from_hms_opt(hour.unwrap_or(0), 0, 0)?);
        let end = match (self.month, self.day, hour) {
            (None, ..) => start.checked_add_months(Months::new(12)),
            (_, None, _) => start.checked_add_months(Months::new(1)),
            (.., None) => start.checked_add_days(Days::new(1)),
            (.., Some(_)) => start.checked_add_signed(TimeDelta::hours(1)),
        };
        Some((start.and_utc().timestamp_micros(), end?.and_utc().timestamp_micros()))
    }
}

/// Keeps a value where there is one, and says whether there was.
fn keep<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let found = value.is_some();
    *place = value;
    found
}

fn digits(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit())
}

fn number<T: std::str::FromStr + PartialOrd>(
    value: &str,
    width: usize,
    range: std::ops::RangeInclusive<T>,
) -> Option<T> {
    let number = (value.len() == width && digits(value)).then(|| value.parse().ok()).flatten();
    number.filter(|number| range.contains(number))
}

/// `eu-west-1`, `us-gov-east-1`; `global` for services without regions.
fn is_region(value: &str) -> bool {
    let words: Vec<&str> = value.split('-').collect();
    let letters = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    match words.as_slice() {
        [words @ .., last] if words.len() >= 2 => digits(last) && words.iter().all(letters),
        _ => value == "global",
    }
}

/// The time of delivery in the name of a CloudTrail file: `…_20230710T1140Z_…`.
fn time_in_name(name: &str) -> Option<i64> {
    let stamp = name.split('_').find(|part| part.len() == 14 && part.ends_with('Z'))?;
    let time = chrono::NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%MZ").ok()?;
    Some(time.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        text.parse::<chrono::DateTime<chrono::Utc>>().expect(text).timestamp_micros()
    }

    fn selection(from: &str, to: &str, accounts: &[&str], regions: &[&str]) -> Selection {
        let time = |text: &str| (!text.is_empty()).then(|| micros(text));
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Selection { from: time(from), to: time(to), accounts: words(accounts), regions: words(regions) }
    }

    /// Key, account, region, start and end of the time of its delivery; `-` for what it does not tell.
    const KEYS: &[(&str, &str, &str, &str, &str)] = &[
        (
            "AWSLogs/111122223333/CloudTrail/eu-west-1/2023/07/10/111122223333_CloudTrail_eu-west-1_20230710T1140Z_aB3.json.gz",
            "111122223333",
            "eu-west-1",
            "2023-07-10T11:40:00Z",
            "2023-07-10T11:41:00Z",
        ),
        (
            "trail/AWSLogs/o-ab12cd34ef/111122223333/CloudTrail/us-gov-east-1/2023/07/10/x.json.gz",
            "111122223333",
            "us-gov-east-1",
            "2023-07-10T00:00:00Z",
            "2023-07-11T00:00:00Z",
        ),
        (
            "AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024/02/29/23/20240229T230501123Z_9f.json.gz",
            "111122223333",
            "us-east-1",
            "2024-02-29T23:00:00Z",
            "2024-03-01T00:00:00Z",
        ),
        (
            "AWSLogs/111122223333/CloudTrail/eu-west-1/2023/12/",
            "111122223333",
            "eu-west-1",
            "2023-12-01T00:00:00Z",
            "2024-01-01T00:00:00Z",
        ),
        (
            "AWSLogs/111122223333/CloudTrail/eu-west-1/2023/",
            "111122223333",
            "eu-west-1",
            "2023-01-01T00:00:00Z",
            "2024-01-01T00:00:00Z",
        ),
        ("AWSLogs/111122223333/", "111122223333", "-", "-", "-"),
        ("AWSLogs/o-ab12cd34ef/", "-", "-", "-", "-"),
        (
            "insights-activity-logs/resourceId=/SUBSCRIPTIONS/0B1F6471-1BF0-4DDA-AEC3-CB9272F09590/y=2023/m=07/d=10/h=11/m=00/PT1H.json",
            "0B1F6471-1BF0-4DDA-AEC3-CB9272F09590",
            "-",
            "2023-07-10T11:00:00Z",
            "2023-07-10T12:00:00Z",
        ),
        (
            "cloudaudit.googleapis.com/activity/2023/07/10/11:00:00_11:59:59_S0.json",
            "-",
            "-",
            "2023-07-10T00:00:00Z",
            "2023-07-11T00:00:00Z",
        ),
        ("lake/dt=2023-07-10/part-0.json", "-", "-", "2023-07-10T00:00:00Z", "2023-07-11T00:00:00Z"),
        (
            "lake/date=2023-07-10/hour=23/part-0.json",
            "-",
            "-",
            "2023-07-10T23:00:00Z",
            "2023-07-11T00:00:00Z",
        ),
        (
            "lake/year=2023/month=07/day=10/part-0.json",
            "-",
            "-",
            "2023-07-10T00:00:00Z",
            "2023-07-11T00:00:00Z",
        ),
        (
            "firehose/2023/07/10/11/stream-1-2023-07-10-11-42-00-3f2a",
            "-",
            "-",
            "2023-07-10T11:00:00Z",
            "2023-07-10T12:00:00Z",
        ),
        // a year alone, or a year and a month, may be anything
        ("projects/2023/07/readme.json", "-", "-", "-", "-"),
        ("projects/2023/13/10/x.json", "-", "-", "-", "-"),
        ("projects/2023/02/30/x.json", "-", "-", "-", "-"),
        ("app.json", "-", "-", "-", "-"),
        ("", "-", "-", "-", "-"),
    ];

    #[test]
    fn a_key_tells_whose_its_events_are_where_and_when_they_came() {
        for (key, account, region, start, end) in KEYS {
            let facts = Facts::of_key(key);
            let shown = |fact: &Option<String>| fact.clone().unwrap_or("-".into());
            assert_eq!(
                (shown(&facts.account).as_str(), shown(&facts.region).as_str()),
                (*account, *region),
                "{key}"
            );
            let delivered = (*start != "-").then(|| (micros(start), micros(end)));
            assert_eq!(facts.delivered, delivered, "{key}");
        }
    }

    #[test]
    fn only_what_surely_holds_nothing_is_left() {
        let day =
            selection("2023-07-10T00:00:00Z", "2023-07-11T00:00:00Z", &["111122223333"], &["eu-west-1"]);
        let base = "AWSLogs/111122223333/CloudTrail/eu-west-1";
        for (key, read) in [
            (format!("{base}/2023/07/10/a_20230710T0000Z_b.json.gz"), true),
            (format!("{base}/2023/07/09/a_20230709T2359Z_b.json.gz"), false),
            // delivered after the end, and yet it may hold events from before it
            (format!("{base}/2023/07/11/a_20230711T0010Z_b.json.gz"), true),
            (format!("{base}/2023/07/11/a_20230711T0700Z_b.json.gz"), false),
            (format!("{base}/2023/07/12/x.json.gz"), false),
            ("AWSLogs/999988887777/CloudTrail/eu-west-1/2023/07/10/x.json.gz".into(), false),
            ("AWSLogs/111122223333/CloudTrail/us-east-1/2023/07/10/x.json.gz".into(), false),
            ("dt=2023-07-09/x.json".into(), false),
            ("anything/x.json".into(), true),
        ] {
            assert_eq!(day.key(&key), read, "{key}");
            assert!(Selection::default().key(&key));
        }
    }

    #[test]
    fn folders_are_left_looked_into_or_read_whole() {
        let day = selection("2023-07-10T08:00:00Z", "2023-07-10T20:00:00Z", &["111122223333"], &[]);
        let days = |days: &[&str]| {
            let base = "AWSLogs/111122223333/CloudTrail/eu-west-1/";
            Verdict::Days(days.iter().map(|day| format!("{base}{day}/")).collect())
        };
        for (prefix, verdict) in [
            ("", Verdict::Descend),
            ("AWSLogs/", Verdict::Descend),
            ("AWSLogs/999988887777/", Verdict::Leave),
            ("AWSLogs/111122223333/CloudTrail/", Verdict::Descend),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/", days(&["2023/07/10", "2023/07/11"])),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/2023/07/10/", Verdict::All),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/2023/07/12/", Verdict::Leave),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/2022/", Verdict::Leave),
            ("logs/y=2023/", Verdict::Descend),
            ("logs/y=2022/", Verdict::Leave),
            ("logs/2022/", Verdict::Descend),
        ] {
            assert_eq!(day.folder(prefix), verdict, "{prefix}");
        }
        assert_eq!(Selection::default().folder(""), Verdict::All);
        let open = selection("2023-07-10T08:00:00Z", "", &[], &[]);
        assert_eq!(open.folder("AWSLogs/111122223333/CloudTrail/eu-west-1/"), Verdict::Descend);
    }

    proptest::proptest! {
        /// A folder that is left holds no key that would be read: the walk loses nothing.
        #[test]
        fn a_folder_that_is_left_holds_nothing_that_is_read(
            from in 0i64..40, length in 1i64..20, day in 1u32..31, month in 6u32..9,
            region in "(eu|us)-(west|east)-[12]", layout in 0usize..6,
        ) {
            let start = micros("2023-06-20T00:00:00Z");
            let asked = Selection {
                from: Some(start + from * 86_400_000_000),
                to: Some(start + (from + length) * 86_400_000_000),
                accounts: Vec::new(),
                regions: vec!["eu-west-1".into()],
            };
            let key = match layout {
                0 => format!("AWSLogs/111122223333/CloudTrail/{region}/2023/{month:02}/{day:02}/x.json.gz"),
                1 => format!("AWSLogs/o-a1/111122223333/CloudTrail/{region}/2023/{month:02}/{day:02}/x.json.gz"),
                2 => format!("a/y=2023/m={month:02}/d={day:02}/h=05/m=00/PT1H.json"),
                3 => format!("a/2023/{month:02}/{day:02}/05/x"),
                4 => format!("a/dt=2023-{month:02}-{day:02}/x.json"),
                _ => format!("a/year=2023/month={month:02}/day={day:02}/x.json"),
            };
            let mut generated: Option<Vec<String>> = None;
            for (at, _) in key.match_indices('/') {
                let prefix = &key[..=at];
                if let Some(days) = &generated {
                    if prefix.len() > days[0].len() { break }
                    if prefix.len() == days[0].len() && !days.iter().any(|day| day == prefix) {
                        proptest::prop_assert!(!asked.key(&key), "{key} is not below {days:?}");
                    }
                }
                match asked.folder(prefix) {
                    Verdict::Leave => { proptest::prop_assert!(!asked.key(&key), "{prefix} of {key}"); break }
                    Verdict::Days(days) => generated = Some(days),
                    _ => {}
                }
            }
        }
    }
}
