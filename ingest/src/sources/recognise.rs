//! Which source an event belongs to.
//!
//! In: an event. Out: the first of the sources, in their order, that recognises it as its own; the
//! last takes what none does. The answer is a fact of the event alone. To look for it costs a pass
//! over the event, so a stream does not ask here first: it guesses, by the event's first key and its
//! category, the source of the last event like it, and that source's [`super::Normaliser`] asks all
//! recognisers in the pass that it makes anyway. A wrong guess costs a second pass, never the answer.

use memchr::memmem::Finder;
use virga_engine::json::{Cells, JsonError, Projector, skip_whitespace};

use super::slots::{Projected, Slots};
use super::{SOURCES, SourceDef, generic};
use crate::environment::Environment;

/// The recognisers of several sources over one projection.
pub struct Recogniser {
    asked: Asked,
    projector: Projector,
    cells: Cells,
}

/// The recognisers of several sources, with the slots that they look at.
pub(super) struct Asked {
    sources: Vec<(&'static SourceDef, Vec<usize>)>,
}

impl Asked {
    pub(super) fn new(sources: &[&'static SourceDef], slots: &mut Slots) -> Self {
        Self { sources: sources.iter().map(|source| (*source, slots.of(source.recognised_by))).collect() }
    }

    /// The number of the source that an event belongs to: the last, where none recognises it.
    pub(super) fn owner(&self, event: &Projected<'_>) -> usize {
        let recognises =
            |(source, slots): &(&'static SourceDef, Vec<usize>)| (source.recognise)(&event.inputs(slots));
        self.sources.iter().position(recognises).unwrap_or(self.sources.len().saturating_sub(1))
    }
}

impl Recogniser {
    /// A recogniser for sources, in this order.
    pub fn new(sources: &[&'static SourceDef]) -> Self {
        let mut slots = Slots::new(&generic::SOURCE);
        let asked = Asked::new(sources, &mut slots);
        Self { asked, projector: Projector::new(&slots.paths), cells: Cells::default() }
    }

    /// The number of the source that an event belongs to.
    ///
    /// # Errors
    /// Where the event cannot be read.
    pub fn owner(&mut self, raw: &str) -> Result<usize, JsonError> {
        self.projector.project(raw, &mut self.cells)?;
        let environment = Environment::default();
        Ok(self.asked.owner(&Projected { raw, cells: &self.cells, environment: &environment }))
    }
}

/// The source that recognises an event as its own; `None` where only the generic one would take it.
pub fn recognise(raw: &str) -> Option<&'static SourceDef> {
    let owner = Recogniser::new(SOURCES).owner(raw).ok()?;
    SOURCES.get(owner).copied().filter(|source| source.name != generic::SOURCE.name)
}

/// Guesses by how events begin.
pub struct Guesses {
    by_beginning: [u8; Self::SIZE],
    category: Finder<'static>,
}

impl Default for Guesses {
    fn default() -> Self {
        Self { by_beginning: [0; Self::SIZE], category: Finder::new("\"category\"") }
    }
}

impl Guesses {
    const SIZE: usize = 1_024;

    /// Bytes in which a category is looked for, and of it.
    const SEARCHED: usize = 2_048;
    const COMPARED: usize = 24;

    /// Where to look for what is known of an event like this one.
    pub fn place(&self, raw: &str) -> usize {
        let bytes = raw.as_bytes();
        let open = skip_whitespace(bytes, 0);
        let key = skip_whitespace(bytes, open + 1) + 1;
        let hash = fold(0, bytes.get(key..).unwrap_or_default());
        // what is sent to event hubs all begins alike; its category tells the logs apart
        let searched = bytes.get(..Self::SEARCHED).unwrap_or(bytes);
        let category = self.category.find(searched).and_then(|at| bytes.get(at + 10..)).unwrap_or_default();
        let value = category.iter().position(|byte| *byte == b'"').map_or(&[][..], |at| &category[at + 1..]);
        let hash = fold(hash, value);
        (hash ^ (hash >> 10)) as usize % Self::SIZE
    }

    /// The source of the last event like this one.
    pub fn guess(&self, place: usize) -> usize {
        self.by_beginning.get(place).copied().map_or(0, usize::from)
    }

    /// Remembers where an event belongs.
    pub fn learn(&mut self, place: usize, source: usize) {
        if let Some(known) = self.by_beginning.get_mut(place) {
            *known = u8::try_from(source).unwrap_or(0);
        }
    }
}

/// A hash of the letters up to a quote. Beginnings that share a hash cost time.
fn fold(hash: u32, bytes: &[u8]) -> u32 {
    let letters = bytes.iter().take(Guesses::COMPARED).take_while(|letter| **letter != b'"');
    letters.fold(hash, |hash, letter| hash.wrapping_mul(31).wrapping_add(u32::from(*letter)))
}
