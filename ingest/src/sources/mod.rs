//! Log sources: one folder each, and one line in [`SOURCES`].
//!
//! A source is data, not code that runs: where the event time and the natural id stand, which Sigma
//! log sources it serves, how to recognise one of its events, and its *derivations*, each a canonical
//! column with the paths that it is derived from and a pure function. The [`Normaliser`] does the
//! rest for all of them, and computes only what a rule asks for.
//!
//! ```text
//! frame text ──▶ Recogniser ──▶ Normaliser (one projection: native fields + time + id + inputs of derivations)
//!                                   ├── native field present       ──▶ its JSON text, as it came
//!                                   └── absent, and a column's name ──▶ the derivation's value, as JSON,
//!                                                                       else what a lookup table says
//! ```
//!
//! To add a source: a folder with a `SourceDef`, and a line below.

pub mod anthropic_activity;
pub mod aws_bedrock_invocation;
pub mod aws_cloudtrail;
mod azure;
pub mod azure_activity;
pub mod azure_apim;
pub mod azure_keyvault;
pub mod azure_openai;
pub mod azure_storage;
mod derive;
mod describe;
mod entra;
pub mod entra_audit;
pub mod entra_risk;
pub mod entra_signin;
mod explain;
pub mod gcp_audit;
pub mod gcp_vertex_prompt_response;
pub mod generic;
mod json_value;
pub mod kubernetes_audit;
pub mod net;
mod normalise;
pub mod openai_audit;
pub mod otel_genai;
mod prompt;
mod recognise;
mod role_session;
mod slots;
pub mod stored;
#[cfg(test)]
mod testing;
pub mod time;
mod unfold;

use std::borrow::Cow;

use virga_engine::event::{Alias, Column, ColumnValue, LogsourceMapping, SourceSpec};
use virga_engine::json::{Cells, string_text};

pub use describe::Describer;
pub use explain::{Explained, Explainer, Explanation, Origin as FieldOrigin};
pub use normalise::{Arrival, Normaliser, Outcome};
pub use recognise::{Guesses, Recogniser, recognise};

use crate::environment::Environment;

/// The column that is an event's id: no source derives it, its [`Identity`] says it.
const EVENT_UID: &str = "event_uid";

/// Every log source. `auto` gives an event to the first that recognises it; the last takes the rest.
pub static SOURCES: &[&SourceDef] = &[
    &aws_cloudtrail::SOURCE,
    &aws_bedrock_invocation::SOURCE,
    &kubernetes_audit::SOURCE,
    &entra_signin::SOURCE,
    &entra_audit::SOURCE,
    &entra_risk::SOURCE,
    &azure_activity::SOURCE,
    &azure_storage::SOURCE,
    &azure_keyvault::SOURCE,
    &azure_openai::SOURCE,
    &azure_apim::SOURCE,
    &gcp_audit::SOURCE,
    &gcp_vertex_prompt_response::SOURCE,
    &openai_audit::SOURCE,
    &anthropic_activity::SOURCE,
    &otel_genai::SOURCE,
    &generic::SOURCE,
];

/// The source of that name.
pub fn source(name: &str) -> Option<&'static SourceDef> {
    SOURCES.iter().find(|source| source.name == name).copied()
}

/// What is known of a log source.
#[derive(Debug)]
pub struct SourceDef {
    /// Its name, for example `aws.cloudtrail`.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// The Sigma log sources that it serves.
    pub logsources: &'static [Logsource],
    /// Names under which public rules know its fields, and where their values really stand.
    pub aliases: &'static [(&'static str, &'static str)],
    /// Fields under names that public rules know and the log does not have, or has with other values; each
    /// is asked for before the native path.
    pub computed: &'static [Derivation],
    /// What `recognise` looks at.
    pub recognised_by: &'static [&'static str],
    /// Whether an event is this source's.
    pub recognise: fn(&Inputs<'_>) -> bool,
    /// Keys under which some of its deliveries hold JSON as a string, which is then taken for the JSON
    /// that it is. A text that only happens to be JSON (a policy, a request body) is not named here.
    pub unfold: &'static [&'static str],
    /// Where the event time stands: the first of these that holds a time.
    pub time_paths: &'static [&'static str],
    /// What proves an event.
    pub identity: Identity,
    /// The canonical columns that it has.
    pub derivations: &'static [Derivation],
}

/// A Sigma log source, as far as it is defined.
#[derive(Debug, Clone, Copy)]
pub struct Logsource {
    /// `product`
    pub product: Option<&'static str>,
    /// `service`
    pub service: Option<&'static str>,
    /// `category`
    pub category: Option<&'static str>,
    /// Its rules see canonical columns only.
    pub canonical_only: bool,
}

/// `cloud/normalized`: every source serves it with its canonical columns.
pub const CLOUD_NORMALIZED: Logsource =
    Logsource { product: Some("cloud"), service: Some("normalized"), category: None, canonical_only: true };

/// What proves that two records are one event.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// The paths that prove it together, in ways of which the first that is there in full counts. A path that
    /// is one of the source's times counts as the moment that it says, however it is printed.
    pub natural: &'static [&'static [&'static str]],
    /// What stands for it where none of them is.
    pub otherwise: Otherwise,
}

/// What stands for the id of an event that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// A hash of the record: the same record delivered twice is one event.
    Record,
    /// A hash of where it stands: equal records are as many events.
    Locator,
}

/// How a canonical column is derived.
pub struct Derivation {
    /// The column's name, or that of a computed field.
    pub column: &'static str,
    /// The fields that it is derived from, found as those of rules are, aliases included. Several
    /// places of one value are written `operationName.value | operationName`: the first that is there.
    pub inputs: &'static [&'static str],
    /// The derivation: the same inputs give the same value.
    pub derive: fn(&Inputs<'_>) -> Option<ColumnValue>,
}

impl std::fmt::Debug for Derivation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Derivation").field("column", &self.column).field("inputs", &self.inputs).finish()
    }
}

impl SourceDef {
    /// What the engine needs to know of it, where it is known what lookup tables fill in.
    pub fn spec_in(&self, environment: &Environment) -> SourceSpec {
        let mut spec = self.spec();
        for table in &environment.tables {
            if spec.columns.iter().any(|column| column == table.key.name) {
                spec.columns.extend(table.columns().map(|column| column.name.to_owned()));
            }
        }
        spec
    }

    /// What the engine needs to know of it.
    pub fn spec(&self) -> SourceSpec {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let mapping = |logsource: &Logsource| LogsourceMapping {
            product: owned(logsource.product),
            service: owned(logsource.service),
            category: owned(logsource.category),
            canonical_only: logsource.canonical_only,
        };
        let alias = |&(field, path): &(&str, &str)| Alias { field: field.to_owned(), path: path.to_owned() };
        SourceSpec {
            name: self.name.to_owned(),
            logsources: self.logsources.iter().map(mapping).collect(),
            all_logsources: false,
            aliases: self.aliases.iter().map(alias).collect(),
            computed: self.computed.iter().map(|field| field.column.to_owned()).collect(),
            columns: self.columns().map(str::to_owned).collect(),
        }
    }

    /// The canonical columns that its events have of themselves; a source without derivations has none.
    fn columns(&self) -> impl Iterator<Item = &'static str> {
        let uid = (!self.derivations.is_empty()).then_some(EVENT_UID);
        self.derivations.iter().map(|derivation| derivation.column).chain(uid)
    }

    /// The derivation of a canonical column, if the source has it.
    pub fn derivation(&self, column: &Column) -> Option<&'static Derivation>
    where
        Self: 'static,
    {
        self.derivations.iter().find(|derivation| derivation.column == column.name)
    }
}

/// The values that a derivation looks at, by their place in its list of inputs. `null` and absence
/// are the same here; a value that a path through an array found several times is its first.
pub struct Inputs<'a> {
    raw: &'a str,
    cells: &'a Cells,
    slots: &'a [usize],
    environment: &'a Environment,
}

impl<'a> Inputs<'a> {
    /// How many inputs there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// What is known of the environment beside the logs.
    pub fn environment(&self) -> &'a Environment {
        self.environment
    }

    /// The JSON text of an input.
    pub fn text(&self, input: usize) -> Option<&'a str> {
        let slot = *self.slots.get(input)?;
        self.cells.text(slot, self.raw).filter(|text| *text != "null")
    }

    /// The JSON texts of an input: several where the path goes through an array.
    pub fn texts(&self, input: usize) -> impl Iterator<Item = &'a str> + use<'a> {
        let slot = self.slots.get(input).copied().unwrap_or(usize::MAX);
        self.cells.texts(slot, self.raw).filter(|text| *text != "null")
    }

    /// An input that is a string and not empty, unescaped.
    pub fn string(&self, input: usize) -> Option<Cow<'a, str>> {
        self.text(input).and_then(string_text).filter(|text| !text.is_empty())
    }

    /// A string or number as text.
    pub fn scalar(&self, input: usize) -> Option<Cow<'a, str>> {
        scalar(self.text(input)?)
    }

    /// `true` or `false`, also as a string in any case.
    pub fn flag(&self, input: usize) -> Option<bool> {
        let text = self.text(input)?.trim_matches('"');
        if text.eq_ignore_ascii_case("true") {
            return Some(true);
        }
        text.eq_ignore_ascii_case("false").then_some(false)
    }

    /// A number, also one in a string.
    pub fn number(&self, input: usize) -> Option<f64> {
        self.scalar(input)?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// A whole number that is not negative, also one in a string or with a fraction of zeros.
    pub fn count(&self, input: usize) -> Option<i64> {
        let text = self.scalar(input)?;
        let whole = || text.parse().ok().filter(|n: &f64| n.fract() == 0.0 && *n < 9e15).map(|n| n as i64);
        text.trim().parse().ok().or_else(whole).filter(|n| *n >= 0)
    }

    /// Whether an input is there and is not `null`.
    pub fn has(&self, input: usize) -> bool {
        self.text(input).is_some()
    }
}

/// The text of a JSON string that is not empty, or a number as it stands.
fn scalar(text: &str) -> Option<Cow<'_, str>> {
    match text.as_bytes().first()? {
        b'"' => string_text(text).filter(|text| !text.is_empty()),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virga_engine::event::column;

    #[test]
    fn every_source_derives_canonical_columns_and_each_once() {
        for source in SOURCES {
            for field in source.computed {
                assert!(column(field.column).is_none(), "{}: {} is a column", source.name, field.column);
            }
            let mut seen = Vec::new();
            for derivation in source.derivations {
                assert!(column(derivation.column).is_some(), "{}: {}", source.name, derivation.column);
                assert_ne!(derivation.column, EVENT_UID, "{}: `identity` says it", source.name);
                assert!(!seen.contains(&derivation.column), "{}: {} twice", source.name, derivation.column);
                seen.push(derivation.column);
            }
        }
    }

    #[test]
    fn names_are_unique_and_the_last_source_takes_everything() {
        for (at, one) in SOURCES.iter().enumerate() {
            assert!(SOURCES[..at].iter().all(|other| other.name != one.name));
            assert_eq!(source(one.name).map(|found| found.name), Some(one.name));
        }
        assert_eq!(SOURCES.last().map(|last| last.name), Some("generic"));
    }

    #[test]
    fn rules_of_cloud_normalized_see_canonical_columns_only() {
        let spec = aws_cloudtrail::SOURCE.spec();
        assert!(
            spec.serves(Some("cloud"), Some("normalized"), None)
                .is_some_and(|mapping| mapping.canonical_only)
        );
        assert!(
            spec.serves(Some("aws"), Some("cloudtrail"), None).is_some_and(|mapping| !mapping.canonical_only)
        );
        assert!(spec.serves(Some("aws"), Some("guardduty"), None).is_none());
        assert!(spec.serves(Some("azure"), None, None).is_none());
    }
}
