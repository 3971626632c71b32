//! Texts that correlations look at, each held once.
//!
//! In: the texts of hits. Out: [`Word`]s, which are pointers: of one correlation two are the same text where
//! they are the same pointer. Most hits of a group bring a value that it has, and most groups have the
//! values of others: a hit is a third smaller for it, and to compare two values touches neither.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use hashbrown::{DefaultHashBuilder, HashTable};
use serde::{Deserialize, Serialize, Serializer};
use smol_str::SmolStr;

use super::hit::hash_bits;

/// A text of one correlation's [`Words`]. What is read from a snapshot is to be put there first.
#[derive(Debug, Clone)]
pub(crate) struct Word(Arc<Entry>);

#[derive(Debug)]
struct Entry {
    text: SmolStr,
    /// [`hash_bits`] of the text, once somebody has asked: it costs more than to find the word.
    bits: OnceLock<u128>,
}

impl Word {
    fn new(text: SmolStr) -> Self {
        Self(Arc::new(Entry { text, bits: OnceLock::new() }))
    }

    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// A hash of the text that is the same in every build.
    pub fn bits(&self) -> u128 {
        *self.0.bits.get_or_init(|| hash_bits(self.text()))
    }

    /// A number that is this text's for as long as it is held.
    pub fn number(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for Word {}
impl PartialOrd for Word {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Word {
    fn cmp(&self, other: &Self) -> Ordering {
        if self == other { Ordering::Equal } else { self.text().cmp(other.text()) }
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(SmolStr::deserialize(deserializer)?))
    }
}

/// All words of a correlation.
#[derive(Debug, Default)]
pub(crate) struct Words {
    table: HashTable<Word>,
    hasher: DefaultHashBuilder,
    /// How many were still needed when that was last looked at.
    swept: usize,
}

/// Fewer are not worth looking at.
const FEW: usize = 1_024;

impl Words {
    /// The word of a text.
    pub fn get(&mut self, text: &str) -> Word {
        let hash = self.hasher.hash_one(text);
        if let Some(known) = self.table.find(hash, |word| word.text() == text) {
            return known.clone();
        }
        if self.table.len() > (2 * self.swept).max(FEW) {
            self.table.retain(|word| Arc::strong_count(&word.0) > 1);
            self.swept = self.table.len();
        }
        let word = Word::new(text.into());
        let hasher = &self.hasher;
        self.table.insert_unique(hash, word.clone(), |word| hasher.hash_one(word.text()));
        word
    }

    /// Puts a word that was read from a snapshot in its place.
    pub fn adopt(&mut self, word: &mut Word) {
        *word = self.get(word.text());
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        // one is taken for all
        let heap = self.table.iter().next().map_or(0, |word| match word.0.text.is_heap_allocated() {
            true => word.0.text.len() + 16,
            false => 0,
        });
        // a pointer, and what it points to with its two counts
        self.table.capacity() * 9 + self.table.len() * (size_of::<Entry>() + 16 + heap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_held_once_and_no_longer_than_somebody_has_it() {
        let mut words = Words::default();
        let kept = words.get("198.51.100.7");
        assert_eq!(words.get("198.51.100.7"), kept);
        assert_ne!(words.get("198.51.100.8"), kept);
        for number in 0..10 * FEW {
            words.get(&format!("{number}"));
        }
        assert!(words.table.len() <= 2 * FEW, "{} words", words.table.len());
        assert_eq!(words.get("198.51.100.7"), kept);
    }

    #[test]
    fn a_word_of_a_snapshot_is_the_same_once_it_is_adopted() {
        let mut words = Words::default();
        let word = words.get("eu-central-1");
        let bytes = postcard::to_allocvec(&word).expect("a word");
        let mut read: Word = postcard::from_bytes(&bytes).expect("a word");
        words.adopt(&mut read);
        assert_eq!(read, word);
    }

    #[test]
    fn words_stand_in_the_order_of_their_texts() {
        let mut words = Words::default();
        let (b, a) = (words.get("b"), words.get("a"));
        assert!(a < b);
    }
}
