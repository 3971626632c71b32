//! Which source an event belongs to.
//!
//! In: an event. Out: the first of the sources, in their order, that recognises it as its own; the
//! last takes what none does. The answer is a fact of the event alone. To look for it costs a pass
//! over the event, so a stream does not ask here first: it guesses, by the event's first key, the
//! source of the last event that began with it, and that source's [`super::Normaliser`] asks all
//! recognisers in the pass that it makes anyway. A wrong guess costs a second pass, never the answer.

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

/// Guesses by first keys.
pub struct Guesses {
    by_key: [u8; Self::SIZE],
}

impl Default for Guesses {
    fn default() -> Self {
        Self { by_key: [0; Self::SIZE] }
    }
}

impl Guesses {
    const SIZE: usize = 256;

    /// The source of the last event that began with this one's first key.
    pub fn guess(&self, raw: &str) -> usize {
        usize::from(self.by_key[Self::place(raw)])
    }

    /// Remembers where an event belongs.
    pub fn learn(&mut self, raw: &str, source: usize) {
        self.by_key[Self::place(raw)] = u8::try_from(source).unwrap_or(0);
    }

    /// A hash of the first key, or of what stands in its place. Keys that share a place cost time.
    fn place(raw: &str) -> usize {
        let bytes = raw.as_bytes();
        let open = skip_whitespace(bytes, 0);
        let key = skip_whitespace(bytes, open + 1) + 1;
        let letters = bytes.iter().skip(key).take(24).take_while(|letter| **letter != b'"');
        let hash = letters.fold(0u32, |hash, letter| hash.wrapping_mul(31).wrapping_add(u32::from(*letter)));
        (hash ^ (hash >> 8)) as usize % Self::SIZE
    }
}
