//! What an event carries for correlations that stand on its own: for each field that they ask for, its values.
//!
//! In: lists of texts. Out: [`Carried`], one piece of bytes, for every event of a group holds one and few are ever
//! looked at: the lists themselves would be an allocation for each field and each value.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// For each field that outer correlations ask for, its values.
pub(crate) type Lists = Vec<Vec<Box<str>>>;

/// Lists of texts, packed: as postcard writes them. Equal lists are equal bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}
