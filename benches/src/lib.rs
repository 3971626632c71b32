//! Benchmarks of each stage, and what feeds them.
//!
//! A benchmark of a detection engine is only as honest as its events. A few thousand real events read in a
//! loop live in every cache that the engine has: the same address, the same user agent, the same bucket,
//! again and again. [`generator`] makes as many events as a benchmark asks for, shaped like a real trail
//! but with fresh values, and says how many attacks it hid among them, so that every benchmark can check
//! the count of what it found. [`mix`] does the same for all sources at once. [`ordinary`] hides nothing: it
//! is four weeks in which nobody attacks, to see how quiet rules are.

pub mod generator;
pub mod mix;
pub mod ordinary;

/// Text that several readers share.
pub struct Shared(pub std::sync::Arc<str>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
