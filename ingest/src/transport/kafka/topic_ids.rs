//! Which topic an offset is of: one that is deleted and made anew has its name, and other records at its offsets.
//!
//! In: positions, and what librdkafka notes of the ids of topics. Out: offsets with the id of the topic that they count
//! in, as checkpoints hold them, and who made a commit of which topic.
//!
//! ```text
//! a position      1048576@rnx9DOqOTwyWSDfDWgX+QA        1048576 where the broker knows no ids (before Kafka 2.8)
//! a commit by     ab12cd34 rnx9DOqOTwyWSDfDWgX+QA
//! a note          Topic cloudtrail changed id from AAAAAAAAAAAAAAAAAAAAAA to rnx9DOqOTwyWSDfDWgX+QA
//! ```
//!
//! librdkafka goes on at the old offset of a topic that was made anew, and none of its functions that can be called from
//! here says the id of a topic. It writes it into its log, at the level [`NOTES`], for the first time that it hears of a
//! topic and whenever the id is another one; a test holds it to that
//! ([0046](../../../../docs/decisions/0046-which-topic-an-offset-is-of.md)).

use std::sync::Arc;

use crate::position::Position;

/// What librdkafka is to write into its log.
pub(super) const NOTES: &str = "topic";

/// The id of a topic, as librdkafka writes it.
pub(super) type TopicId = Arc<str>;

/// What is said where there is no id.
const NONE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// An offset, and the topic that it counts in, where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: i64,
    pub(super) topic: Option<TopicId>,
}

impl Place {
    /// From a position; one without an id is of a broker that knows none, or of a checkpoint from before ids were kept.
    pub(super) fn of(position: &Position) -> Option<Self> {
        let (offset, topic) = match position.text().split_once('@') {
            Some((offset, topic)) => (offset, id(topic)),
            None => (position.text(), None),
        };
        Some(Self { offset: offset.parse().ok()?, topic })
    }

    pub(super) fn position(&self) -> Position {
        match &self.topic {
            Some(topic) => Position::new(format!("{}@{topic}", self.offset)),
            None => Position::offset(self.offset),
        }
    }

    /// Whether it may count in this topic: in doubt it does.
    pub(super) fn is_of(&self, topic: Option<&TopicId>) -> bool {
        is_same(self.topic.as_ref(), topic)
    }
}

/// Whether these are ids of one topic: in doubt they are.
pub(super) fn is_same(one: Option<&TopicId>, other: Option<&TopicId>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}

/// The words that go with a commit: who makes it, and of which topic.
pub(super) fn signature(instance: &str, topic: Option<&TopicId>) -> String {
    match topic {
        Some(topic) => format!("{instance} {topic}"),
        None => instance.to_owned(),
    }
}

/// Who made a commit, and of which topic. Other programs commit with words of their own, which say nothing of a topic.
pub(super) fn signed(signature: &str) -> (&str, Option<TopicId>) {
    let ours = signature.split_once(' ').and_then(|(instance, topic)| Some((instance, id(topic)?)));
    ours.map_or((signature, None), |(instance, topic)| (instance, Some(topic)))
}

/// The id that a text is: sixteen bytes in Base64, of either alphabet, without the signs that fill it up.
fn id(text: &str) -> Option<TopicId> {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    (text.len() == NONE.len() && text.bytes().all(is_sign)).then(|| text.into())
}

/// A topic and its id, where a line of the log says it; no id where the broker knows none.
pub(super) fn noted(line: &str) -> Option<(&str, Option<TopicId>)> {
    let (before, ids) = line.split_once(" changed id from ")?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    let (_, id) = ids.rsplit_once(" to ")?;
    Some((topic, (id != NONE).then(|| id.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_says_which_topic_its_offset_is_of() {
        for (text, offset, topic) in [
            ("7", Some(7), None),
            ("7@rnx9DOqOTwyWSDfDWgX+QA", Some(7), Some("rnx9DOqOTwyWSDfDWgX+QA")),
            ("{\"inode\":7}", None, None),
            ("{\"inode\":7}@rnx9DOqOTwyWSDfDWgX+QA", None, None),
        ] {
            let position = Position::new(text);
            let place = Place::of(&position);
            assert_eq!(place.as_ref().map(|place| place.offset), offset, "{text}");
            assert_eq!(place.as_ref().and_then(|place| place.topic.as_deref()), topic, "{text}");
            assert!(place.is_none_or(|place| place.position() == position), "{text}");
        }
    }

    #[test]
    fn ids_that_are_not_both_known_may_be_of_one_topic() {
        let (a, b): (TopicId, TopicId) = ("a".into(), "b".into());
        for (one, other, expected) in [
            (None, None, true),
            (Some(&a), None, true),
            (None, Some(&a), true),
            (Some(&a), Some(&a), true),
            (Some(&a), Some(&b), false),
        ] {
            assert_eq!(is_same(one, other), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_commit_says_who_made_it_and_of_which_topic() {
        for (instance, topic) in [("ab12", None), ("ab12", Some("rnx9DOqOTwyWSDfDWgX+QA")), ("", None)] {
            let topic: Option<TopicId> = topic.map(Into::into);
            assert_eq!(signed(&signature(instance, topic.as_ref())), (instance, topic));
        }
    }

    #[test]
    fn what_is_no_id_says_nothing_of_a_topic() {
        for (words, by, topic) in [
            ("ab12 rnx9DOqOTwyWSDfDWgX+QA", "ab12", Some("rnx9DOqOTwyWSDfDWgX+QA")),
            ("ab12 rnx9DOqOTwyWSDfDWgX-_A", "ab12", Some("rnx9DOqOTwyWSDfDWgX-_A")),
            ("set by hand", "set by hand", None),
            ("a rnx9DOqOTwyWSDfDWgX+QA b", "a rnx9DOqOTwyWSDfDWgX+QA b", None),
            ("ab12 rnx9DOqOTwyWSDfDWgX+QA==", "ab12 rnx9DOqOTwyWSDfDWgX+QA==", None),
            ("on 2026-11-30T08:00:00.0Z", "on 2026-11-30T08:00:00.0Z", None),
            (" ", " ", None),
        ] {
            let (found, id) = signed(words);
            assert_eq!((found, id.as_deref()), (by, topic), "{words:?}");
        }
        let place = Place::of(&Position::new("7@set by hand"));
        assert_eq!(place, Some(Place { offset: 7, topic: None }));
    }

    #[test]
    fn lines_of_the_log_say_the_ids_of_topics() {
        for (line, expected) in [
            (
                "[thrd:main]: Topic a.b-c changed id from AAAAAAAAAAAAAAAAAAAAAA to rnx9DOqOTwyWSDfDWgX+QA",
                Some(("a.b-c", Some("rnx9DOqOTwyWSDfDWgX+QA"))),
            ),
            (
                "[thrd:main]: Topic t changed id from rnx9DOqOTwyWSDfDWgX+QA to AAAAAAAAAAAAAAAAAAAAAA",
                Some(("t", None)),
            ),
            ("[thrd:main]: Topic t changed state unknown -> exists", None),
            ("", None),
        ] {
            let found = noted(line);
            assert_eq!(found.as_ref().map(|(topic, id)| (*topic, id.as_deref())), expected, "{line}");
        }
    }
}
