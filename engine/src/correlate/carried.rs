//! What an event carries for correlations that stand on its own: for each field that they ask for, its values.
//!
//! In: lists of texts. Out: [`Carried`], one piece of bytes, for every event of a group holds one and few are ever
//! looked at: the lists themselves would be an allocation for each field and each value. What stands in the group's
//! key or in the value that is looked at is left out, as an empty list: then most events carry the same.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::extract::key_values;

/// For each field that outer correlations ask for, its values.
pub(crate) type Lists = Vec<Vec<Box<str>>>;

/// Lists of texts, packed: as postcard writes them. Equal lists are equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Carried(Arc<[u8]>);

impl Carried {
    /// Packs the values of each field.
    pub fn new<V: AsRef<str>>(lists: &[Vec<V>]) -> Self {
        let mut packer = Packer::default();
        packer.begin(lists.len());
        for list in lists {
            packer.list(list.iter().map(AsRef::as_ref));
        }
        packer.finish()
    }

    /// The values of each field.
    pub(crate) fn lists(&self) -> Lists {
        // they are packed here, and what is read from elsewhere is looked at first
        postcard::from_bytes(&self.0).unwrap_or_default()
    }

    /// Whether it is the same piece of memory.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Bytes held, about: with the counts of those who hold it, and what the allocator puts around a block.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len() + 32
    }
}

impl Serialize for Carried {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Carried {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        postcard::from_bytes::<Vec<Vec<&str>>>(bytes).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}

/// Which lists may be left out, for the value that is looked at says the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Elsewhere {
    /// By list: which of the fields that are looked at it is.
    pub in_value: Vec<Option<usize>>,
    /// How many fields are looked at: of several the value is the JSON list of their texts.
    pub fields: usize,
}

impl Elsewhere {
    /// What an event with this value carries, with what was left out.
    pub fn whole<'c>(&self, carried: &'c Carried, value: Option<&str>) -> Cow<'c, Carried> {
        let Some(value) = value.filter(|_| self.in_value.iter().any(Option::is_some)) else {
            return Cow::Borrowed(carried);
        };
        let mut lists = carried.lists();
        let parts = if self.fields == 1 { vec![Some(value.to_owned())] } else { key_values(value) };
        let mut is_whole = true;
        for (list, place) in lists.iter_mut().zip(&self.in_value) {
            // what has the value has its fields: a list that is empty was left out
            if let Some(Some(part)) = place.and_then(|place| parts.get(place))
                && list.is_empty()
            {
                list.push(part.as_str().into());
                is_whole = false;
            }
        }
        if is_whole { Cow::Borrowed(carried) } else { Cow::Owned(Carried::new(&lists)) }
    }
}

/// Packs one after another in the same room.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    bytes: Vec<u8>,
}

impl Packer {
    /// Begins with so many lists, which are to follow.
    pub fn begin(&mut self, lists: usize) {
        self.bytes.clear();
        self.number(lists);
    }

    /// The next list.
    pub fn list<'t>(&mut self, texts: impl ExactSizeIterator<Item = &'t str>) {
        self.number(texts.len());
        for text in texts {
            self.number(text.len());
            self.bytes.extend_from_slice(text.as_bytes());
        }
    }

    /// What was packed.
    pub fn finish(&self) -> Carried {
        Carried(self.bytes.as_slice().into())
    }

    /// A length as postcard has it: seven bits a byte, the lowest first, a bit in each that says whether more come.
    fn number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back_whatever_they_hold() {
        let long = "é".repeat(20_000);
        let many: Vec<&str> = vec!["x"; 300];
        for lists in [vec![], vec![vec![]], vec![vec!["a"], vec![], vec!["", long.as_str()]], vec![many; 200]]
        {
            let carried = Carried::new(&lists);
            let same: Vec<Vec<Box<str>>> =
                lists.iter().map(|list| list.iter().map(|text| (*text).into()).collect()).collect();
            assert_eq!(carried.lists(), same);
            assert_eq!(&*carried.0, postcard::to_allocvec(&lists).unwrap(), "the same as postcard");
            let kept = postcard::to_allocvec(&carried).unwrap();
            assert_eq!(postcard::from_bytes::<Carried>(&kept).unwrap(), carried);
        }
        // one list of one text of nine bytes, of which two are there
        let cut_off = postcard::to_allocvec(&[1u8, 1, 9, b'a', b'b'].as_slice()).unwrap();
        assert!(postcard::from_bytes::<Carried>(&cut_off).is_err());
        assert_ne!(Carried::new(&[vec!["a"], vec![]]), Carried::new(&[vec![], vec!["a"]]));
    }

    #[test]
    fn what_was_left_out_comes_back_from_the_value() {
        let one = Elsewhere { in_value: vec![None, Some(0)], fields: 1 };
        let two = Elsewhere { in_value: vec![Some(1), None], fields: 2 };
        for (elsewhere, lists, value, expected) in [
            (&one, [vec!["p"], vec![]], Some("192.0.2.0/24"), [vec!["p"], vec!["192.0.2.0/24"]]),
            (&one, [vec!["p"], vec!["a", "b"]], Some("a"), [vec!["p"], vec!["a", "b"]]),
            (&one, [vec![], vec![]], Some("a"), [vec![], vec!["a"]]),
            (&one, [vec!["p"], vec![]], None, [vec!["p"], vec![]]),
            (&two, [vec![], vec!["q"]], Some(r#"["x","y\"z"]"#), [vec!["y\"z"], vec!["q"]]),
            (&Elsewhere::default(), [vec![], vec![]], Some("a"), [vec![], vec![]]),
        ] {
            let carried = Carried::new(&lists);
            assert_eq!(*elsewhere.whole(&carried, value), Carried::new(&expected), "{lists:?} {value:?}");
        }
    }
}
