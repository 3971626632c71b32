//! A place for many things of one size that stays where it is.
//!
//! A list that grows twice as long holds half of its memory for nothing, and moves all that it has. This one
//! grows by a page.

use serde::{Deserialize, Serialize};

const PAGE: usize = 4_096;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Slab<T> {
    pages: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub fn insert(&mut self, thing: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.pages[slot as usize / PAGE][slot as usize % PAGE] = Some(thing);
            return slot;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(if self.pages.is_empty() { 16 } else { PAGE }));
        }
        let number = self.pages.len() - 1;
        self.pages[number].push(Some(thing));
        (number * PAGE + self.pages[number].len() - 1) as u32
    }

    pub fn get(&self, slot: u32) -> Option<&T> {
        self.pages.get(slot as usize / PAGE)?.get(slot as usize % PAGE)?.as_ref()
    }

    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.pages.get_mut(slot as usize / PAGE)?.get_mut(slot as usize % PAGE)?.as_mut()
    }

    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let thing = self.pages.get_mut(slot as usize / PAGE)?.get_mut(slot as usize % PAGE)?.take()?;
        self.free.push(slot);
        Some(thing)
    }

    pub fn len(&self) -> usize {
        self.pages.iter().map(Vec::len).sum::<usize>() - self.free.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.pages.iter().enumerate().flat_map(|(number, page)| {
            let things = page.iter().enumerate();
            things.filter_map(move |(at, thing)| Some(((number * PAGE + at) as u32, thing.as_ref()?)))
        })
    }
}
