//! What the table says of redactions: which paths of which sources were not kept of what it holds.
//!
//! In: the redactions by which events are written. Out: a property of the table of events that names all by
//! which any were, so that whoever reads knows what rules cannot see there. A secret key is no part of it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::ArchiveError;
use crate::limits::MAX_COMMIT_ATTEMPTS;
use crate::redact::{RedactAction, Redaction};
use crate::table::Archive;

const PROPERTY: &str = "virga.redactions";

/// One redaction, as the table names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Noted {
    source: String,
    path: String,
    action: RedactAction,
}

impl Archive {
    /// The redactions by which events were written that it holds, or held once.
    ///
    /// # Errors
    /// Where what the table says of them cannot be read.
    pub fn redactions(&self) -> Result<Vec<Redaction>, ArchiveError> {
        let noted = self.noted()?;
        noted.iter().map(|one| Redaction::new(&one.source, &one.path, one.action, None)).collect()
    }

    /// Says that events are written from now on by these redactions. Comes before the first of them.
    ///
    /// # Errors
    /// Where the table cannot be changed.
    pub async fn note_redactions(&mut self, redactions: &[Redaction]) -> Result<(), ArchiveError> {
        let doing = format!("noting redactions in {}", self.location);
        let mut last = None;
        for _ in 0..MAX_COMMIT_ATTEMPTS {
            let mut all = self.noted()?;
            let before = all.len();
            all.extend(redactions.iter().map(|one| Noted {
                source: one.source().to_owned(),
                path: one.path(),
                action: one.action(),
            }));
            all.sort();
            all.dedup();
            if all.len() == before {
                return Ok(());
            }
            let text = serde_json::to_string(&all).map_err(ArchiveError::at(doing.clone()))?;
            let set = self.events.clone().set_tbl_properties();
            let set = set.with_properties(HashMap::from([(PROPERTY.to_owned(), text)]));
            // somebody else may have changed the table meanwhile: it is looked at anew
            last = set.with_raise_if_not_exists(false).await.err();
            self.events.update_state().await.map_err(ArchiveError::at(doing.clone()))?;
        }
        let cause = last.map_or_else(|| "others change it without end".to_owned(), |error| error.to_string());
        Err(ArchiveError::new(doing, cause))
    }

    fn noted(&self) -> Result<Vec<Noted>, ArchiveError> {
        let doing = || format!("reading the redactions of {}", self.location);
        let snapshot = self.events.snapshot().map_err(ArchiveError::at(doing()))?;
        match snapshot.metadata().configuration().get(PROPERTY) {
            Some(text) => serde_json::from_str(text).map_err(ArchiveError::at(doing())),
            None => Ok(Vec::new()),
        }
    }
}
