//! Secrets: named in the configuration, never written there, never shown.
//!
//! In: `{ env = "KAFKA_PASSWORD" }` or `{ file = "/run/secrets/kafka" }`. Out: the text, read when it is
//! needed, so that a changed file counts from the next connection on. Neither `Debug` nor an error shows it.

use std::path::PathBuf;

use serde::Deserialize;

/// Where a secret stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Secret {
    /// In a variable of the environment.
    Env(String),
    /// In a file, without the line break at its end.
    File(PathBuf),
}

/// The text of a secret; shown as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Revealed(String);

impl Revealed {
    /// The text itself: for the call that needs it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Revealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Secret {
    /// The secret.
    ///
    /// # Errors
    /// Which variable is not set, or which file cannot be read.
    pub fn reveal(&self) -> Result<Revealed, String> {
        let text = match self {
            Self::Env(name) => {
                std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))?
            }
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read the secret {}: {error}", path.display()))?,
        };
        let text = text.trim_end_matches(['\r', '\n']);
        match text.is_empty() {
            true => Err(format!("{self} is empty")),
            false => Ok(Revealed(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Secret {
    /// Where it stands, not what it is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the secret {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_its_file_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "hunter2\n").unwrap();
        let revealed = Secret::File(path.clone()).reveal().unwrap();
        assert_eq!(revealed.text(), "hunter2");
        assert_eq!(format!("{revealed:?}"), "***");
        std::fs::write(&path, "\n").unwrap();
        assert!(Secret::File(path).reveal().unwrap_err().ends_with("is empty"));
        let missing = Secret::Env("VIRGA_NO_SUCH_VARIABLE".into()).reveal().unwrap_err();
        assert_eq!(missing, "the environment variable VIRGA_NO_SUCH_VARIABLE is not set");
    }
}
