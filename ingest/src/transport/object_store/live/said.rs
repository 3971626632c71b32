//! What a queue holds that is not for its input, or cannot be read: said once of each kind and object, and counted.
//!
//! In: messages that are no notice, and notices of objects that lie elsewhere or cannot be read. Out: notes. A queue that others write to as
//! well, or notifications of a whole bucket, give many; each that is said by itself would hide what else the log says.

use std::collections::BTreeSet;

use super::super::notice::Notice;
use super::super::url::ObjectUrl;
use crate::limits::STRANGERS_SAID;
use crate::transport::live::Note;

/// What has been said.
#[derive(Debug, Default)]
pub(super) struct Said {
    kinds: BTreeSet<String>,
    objects: BTreeSet<String>,
}

/// Why an object that lies where the input reads is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PassedOver {
    /// Its name is none of a log.
    Name,
    /// Its account or region is not asked for.
    Selection,
}

/// Whether an object lies where the input reads.
pub(super) fn is_below(url: &ObjectUrl, notice: &Notice) -> bool {
    notice.bucket == *url.bucket && notice.key.starts_with(&url.prefix)
}

impl Said {
    /// A message that is no notice.
    pub(super) fn unreadable(&mut self, id: &str, cause: &str) -> Note {
        self.note("message_unreadable", cause.to_owned(), 1, || {
            format!(
                "message {id}: {cause}; it and its like are left to the queue's own policy, and counted: send them to another queue"
            )
        })
    }

    /// Objects of other buckets, or beside the prefix, that a message tells of: a note for each bucket.
    pub(super) fn elsewhere(&mut self, url: &ObjectUrl, notices: &[Notice]) -> Vec<Note> {
        let elsewhere = || notices.iter().filter(|notice| !is_below(url, notice));
        let buckets: BTreeSet<&str> = elsewhere().map(|notice| notice.bucket.as_str()).collect();
        let note = |bucket: &str| {
            let of_it = || elsewhere().filter(|notice| notice.bucket == bucket);
            let key = of_it().next().map(|notice| notice.key.clone()).unwrap_or_default();
            self.note("object_elsewhere", format!("{bucket}/"), of_it().count() as u64, || {
                format!(
                    "the queue tells of objects of the bucket {bucket} that are not below {url} ({key}): they are not read, and what tells of nothing else is deleted; another input needs a queue of its own"
                )
            })
        };
        buckets.into_iter().map(note).collect()
    }

    /// Objects that lie where the input reads and are not read: how many of which kind.
    pub(super) fn passed_over(&mut self, url: &ObjectUrl, passed: &[(&Notice, PassedOver)]) -> Vec<Note> {
        let kinds: BTreeSet<PassedOver> = passed.iter().map(|(_, kind)| *kind).collect();
        let note = |kind: PassedOver| {
            let of_it = || passed.iter().filter(|(_, of)| *of == kind);
            let key = of_it().next().map(|(notice, _)| url.of_key(&notice.key)).unwrap_or_default();
            self.note("object_passed_over", format!("{kind:?}"), of_it().count() as u64, || {
                let why = match kind {
                    PassedOver::Name => "whose names are no log's",
                    PassedOver::Selection => "of accounts or regions that are not among `accounts` and `regions`",
                };
                format!("the queue tells of objects {why} ({key}): they are not read, and what tells of nothing else is deleted")
            })
        };
        kinds.into_iter().map(note).collect()
    }

    /// An object that cannot be read, each time that its message comes; empty where that has been said.
    pub(super) fn unread(&mut self, shown: &str, cause: &str) -> String {
        let is_new = self.objects.len() < STRANGERS_SAID && self.objects.insert(shown.to_owned());
        match is_new {
            true => format!("{shown}: {cause}; it is tried again each time that its message comes"),
            false => String::new(),
        }
    }

    fn note(&mut self, cause: &'static str, kind: String, count: u64, says: impl FnOnce() -> String) -> Note {
        let is_new = self.kinds.len() < STRANGERS_SAID && self.kinds.insert(kind);
        Note { cause, count, message: if is_new { says() } else { String::new() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_for_the_input_is_said_once_of_each_kind_and_counted() {
        let url = ObjectUrl::parse("s3://trail/AWSLogs/").unwrap().unwrap();
        let notices: Vec<Notice> =
            ["trail/AWSLogs/a.json", "trail/config/b.json", "trail/config/c.json", "other/AWSLogs/d.json"]
                .iter()
                .filter_map(|path| path.split_once('/'))
                .map(|(bucket, key)| Notice { bucket: bucket.into(), key: key.into(), etag: None })
                .collect();
        let mut said = Said::default();
        let notes = said.elsewhere(&url, &notices);
        let counts: Vec<(&str, u64)> = notes.iter().map(|note| (note.cause, note.count)).collect();
        assert_eq!(counts, [("object_elsewhere", 1), ("object_elsewhere", 2)]);
        assert!(notes[0].message.contains("the bucket other") && notes[0].message.contains("AWSLogs/d.json"));
        assert!(notes[1].message.contains("the bucket trail") && notes[1].message.contains("config/b.json"));
        let again = said.elsewhere(&url, &notices);
        assert_eq!(again.iter().map(|note| note.count).sum::<u64>(), 3);
        assert!(again.iter().all(|note| note.message.is_empty()), "{again:?}");
        assert!(said.elsewhere(&url, &notices[..1]).is_empty());
        // those that lie where it reads, and are not read
        let passed = [
            (&notices[0], PassedOver::Selection),
            (&notices[1], PassedOver::Name),
            (&notices[2], PassedOver::Name),
        ];
        let notes = said.passed_over(&url, &passed);
        let counts: Vec<(&str, u64)> = notes.iter().map(|note| (note.cause, note.count)).collect();
        assert_eq!(counts, [("object_passed_over", 2), ("object_passed_over", 1)]);
        assert!(notes[0].message.contains("names are no log's (s3://trail/config/b.json)"), "{notes:?}");
        assert!(notes[1].message.contains("accounts or regions"), "{notes:?}");
        assert!(said.passed_over(&url, &passed).iter().all(|note| note.message.is_empty()));
        let first = said.unreadable("m1", "it is an event of the type \"GuardDuty Finding\"");
        let second = said.unreadable("m2", "it is an event of the type \"GuardDuty Finding\"");
        assert!(first.message.contains("m1") && first.message.contains("GuardDuty Finding"), "{first:?}");
        assert_eq!((second.message.as_str(), second.count), ("", 1));
        // objects by themselves, and each once
        assert!(said.unread("s3://trail/a", "denied").contains("s3://trail/a: denied"));
        assert_eq!(said.unread("s3://trail/a", "denied"), "");
        assert!(!said.unread("s3://trail/b", "denied").is_empty());
        // kinds without end are counted alone
        let many = (0..1_000).map(|number| said.unreadable("m", &number.to_string()));
        assert!(many.filter(|note| !note.message.is_empty()).count() < STRANGERS_SAID);
    }
}
