//! Secrets: named in the configuration, never written there, never shown.
//!
//! In: `{ env = "KAFKA_PASSWORD" }` or `{ file = "/run/secrets/kafka" }`. Out: the text, read when it is
//! needed, so that a changed file counts from the next connection on. Neither `Debug` nor an error shows it.

use std::path::{Path, PathBuf};

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Where a secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl From<String> for Revealed {
    /// Of a text that is secret from here on.
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Revealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What is said of a secret that is not named, but for its text.
const NAMED: &str = "a secret is named, not written: { env = \"NAME\" } or { file = \"/run/secrets/name\" }";

/// Reads where a secret stands. A text in its place is one that nobody may see, also in an error.
struct Named;

impl<'de> Visitor<'de> for Named {
    type Value = Secret;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{ env = \"NAME\" } or { file = \"/run/secrets/name\" }")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Secret, E> {
        Err(E::custom(NAMED))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let secret = match map.next_key::<String>()?.as_deref() {
            Some("env") => Secret::Env(map.next_value()?),
            Some("file") => Secret::File(map.next_value()?),
            Some(other) => return Err(A::Error::unknown_field(other, &["env", "file"])),
            None => return Err(A::Error::custom(NAMED)),
        };
        match map.next_key::<String>()? {
            None => Ok(secret),
            Some(_) => Err(A::Error::custom("a secret stands in one place: `env` or `file`, not more")),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Named)
    }
}

impl Secret {
    /// Its file begins at this folder.
    pub fn resolve(&mut self, base: &Path) {
        if let Self::File(path) = self {
            *path = base.join(&path);
        }
    }

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

    #[test]
    fn a_secret_that_is_written_itself_is_refused_and_not_shown() {
        let read = |text: &str| serde_json::from_str::<Secret>(text).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"env":"NAME"}"#), Ok(Secret::Env("NAME".into())));
        assert_eq!(read(r#"{"file":"a/b"}"#), Ok(Secret::File("a/b".into())));
        for (text, expected) in [
            (r#""hunter2""#, "named, not written"),
            ("{}", "named, not written"),
            (r#"{"enf":"NAME"}"#, "unknown field `enf`, expected `env` or `file`"),
            (r#"{"env":"NAME","file":"a"}"#, "one place"),
            ("7", "{ env = "),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
