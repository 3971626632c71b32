//! Raw JSON → the paths that are asked for, in one pass.
//!
//! In: the text of one event and a [`Projector`] (compiled once from the paths that rules,
//! correlations and columns ask for). Out: [`Cells`], where each asked value stands in the text.
//! Nothing is copied and no tree is built: what nobody asks for is skipped in 64-byte blocks.
//!
//! A path `a.b.c` stands for several *routes*: each way of joining neighbouring names into one
//! key, the longest first key first (`a.b.c`, then `a.b` › `c`, then `a` › `b.c`, then `a` › `b` ›
//! `c`), because real keys contain dots (`authorization.k8s.io/decision`). The first route on
//! which anything is present wins; arrays on a route are walked through, so one route may find
//! several values. Key names are compared without case; of keys that are equal so, the last counts.
//!
//! ```
//! use virga_engine::json::{Cells, Projector};
//! let projector = Projector::new(&[vec!["userIdentity.type".to_owned()], vec!["errorCode".to_owned()]]);
//! let mut cells = Cells::default();
//! let event = r#"{"eventName":"GetObject","userIdentity":{"type":"Root"}}"#;
//! projector.project(event, &mut cells)?;
//! assert_eq!(cells.text(0, event), Some(r#""Root""#));
//! assert_eq!(cells.text(1, event), None);
//! # Ok::<(), virga_engine::json::JsonError>(())
//! ```

mod cursor;
mod project;
mod value;

pub use cursor::{JsonError, JsonErrorKind, skip_value, skip_whitespace};
pub use project::{Cells, Projector, routes};
pub use value::{Value, parse, string_text};
