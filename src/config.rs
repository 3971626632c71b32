//! The configuration file, `virga.toml`: what is known of the user's environment and that no log says.
//!
//! In: a path. Out: an [`Environment`], or an error with its place. Unknown keys are errors: a
//! misspelt table would leave rules switched off in silence.
//!
//! ```toml
//! [environment]
//! own_accounts = ["111122223333"]     # AWS accounts and organisations, Azure tenants and subscriptions, Google Cloud projects
//! own_domains = ["example.com"]
//!
//! [[tables]]
//! file = "GeoLite2-City.mmdb"          # from the folder of this file
//! key = "src_ip"
//! columns = { src_country = "country.iso_code", src_lat = "location.latitude", src_lon = "location.longitude" }
//!
//! [[tables]]
//! file = "networks.csv"
//! key = "src_ip"
//! columns = { src_tags = "tags" }
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use virga_ingest::environment::Environment;
use virga_ingest::quote::explain;
use virga_ingest::secret::{Revealed, Secret};
use virga_ingest::tables::{LookupTable, TableSpec};

use crate::commands::Failure;

/// Which configuration.
#[derive(clap::Args, Clone, Default)]
pub struct ConfigArgs {
    /// The configuration: own accounts and domains, lookup tables.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    environment: EnvironmentConfig,
    #[serde(default)]
    tables: Vec<TableSpec>,
    /// What must not be kept of events; read by what archives them.
    #[serde(default)]
    #[cfg_attr(not(feature = "lake"), allow(dead_code))]
    redact: Vec<RedactSpec>,
    /// Parts of the long-running process, which reads them strictly.
    #[serde(default, rename = "state")]
    _state: IgnoredAny,
    #[serde(default, rename = "checkpoint")]
    _checkpoint: IgnoredAny,
    #[serde(default, rename = "rules")]
    _rules: IgnoredAny,
    #[serde(default, rename = "metrics")]
    _metrics: IgnoredAny,
    #[serde(default, rename = "log")]
    _log: IgnoredAny,
    #[serde(default, rename = "limits")]
    _limits: IgnoredAny,
    #[serde(default, rename = "input")]
    _input: IgnoredAny,
    #[serde(default, rename = "sink")]
    _sink: IgnoredAny,
    #[serde(default, rename = "archive")]
    _archive: IgnoredAny,
}

/// One path of one source's events that must not be kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "lake"), allow(dead_code))]
pub struct RedactSpec {
    /// The source, `*` for all.
    pub source: String,
    /// The path, as rules write it.
    pub path: String,
    /// `drop`, `hash` or `mask`.
    pub action: String,
    /// A secret for `hash`.
    pub key: Option<RedactKey>,
}

/// The key of hashes: named as other secrets are, or written in the file. It is never shown.
#[derive(Clone)]
#[cfg_attr(not(feature = "lake"), allow(dead_code))]
pub enum RedactKey {
    /// Where it stands.
    Named(Secret),
    /// The key itself.
    Written(Revealed),
}

impl std::fmt::Debug for RedactKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[cfg(feature = "lake")]
impl RedactKey {
    /// Its file begins at this folder.
    fn resolve(&mut self, base: &Path) {
        if let Self::Named(secret) = self {
            secret.resolve(base);
        }
    }

    /// The key.
    pub fn reveal(&self) -> Result<Revealed, String> {
        match self {
            Self::Named(secret) => secret.reveal(),
            Self::Written(key) => Ok(key.clone()),
        }
    }
}

/// Reads a key as it is written, or where it stands.
struct KeyOrPlace;

impl<'de> Visitor<'de> for KeyOrPlace {
    type Value = RedactKey;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{ env = \"NAME\" }, { file = \"/run/secrets/name\" }, or a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RedactKey, E> {
        Ok(RedactKey::Written(Revealed::from(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RedactKey, A::Error> {
        Secret::deserialize(MapAccessDeserializer::new(map)).map(RedactKey::Named)
    }
}

impl<'de> Deserialize<'de> for RedactKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyOrPlace)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvironmentConfig {
    #[serde(default)]
    own_accounts: Vec<String>,
    #[serde(default)]
    own_domains: Vec<String>,
}

impl ConfigArgs {
    /// The environment that the configuration describes; an empty one without a configuration.
    pub fn environment(&self) -> Result<Arc<Environment>, Failure> {
        match &self.config {
            None => Ok(Arc::default()),
            Some(path) => read(path).map(Arc::new).map_err(Failure::Message),
        }
    }
}

#[cfg(feature = "lake")]
impl ConfigArgs {
    /// What must not be kept of events.
    pub fn redactions(&self) -> Result<crate::redaction::Redactions, Failure> {
        let Some(path) = &self.config else { return Ok(Default::default()) };
        let at = |error: &dyn std::fmt::Display| Failure::Message(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| at(&error))?;
        let mut config = parse(&text).map_err(|error| at(&error))?;
        let base = path.parent().unwrap_or(Path::new(""));
        config.redact.iter_mut().filter_map(|spec| spec.key.as_mut()).for_each(|key| key.resolve(base));
        crate::redaction::Redactions::new(&config.redact).map_err(|error| at(&error))
    }
}

/// A domain as people write it: `example.com`, `@example.com`, `*.example.com`.
fn domain(written: &String) -> Result<String, String> {
    let domain = written.trim().trim_start_matches(['@', '*', '.']);
    let is_name = !domain.is_empty() && domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'));
    if is_name {
        Ok(domain.to_owned())
    } else {
        Err(format!("`{written}` is no domain, as in `example.com`"))
    }
}

/// A mistake is told with its line, and without the secrets in it.
fn parse(text: &str) -> Result<Config, String> {
    toml::from_str(text).map_err(|error| explain(text, error.span(), error.message()))
}

fn read(path: &Path) -> Result<Environment, String> {
    let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| at(&error))?;
    let config = parse(&text).map_err(|error| at(&error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let load = |spec: &TableSpec| LookupTable::load(spec, folder).map_err(|error| at(&error));
    let domains: Result<Vec<String>, String> = config.environment.own_domains.iter().map(domain).collect();
    Ok(Environment {
        own_accounts: config.environment.own_accounts.iter().map(|own| own.trim().to_owned()).collect(),
        own_domains: domains.map_err(|error| at(&error))?,
        tables: config.tables.iter().map(load).collect::<Result<_, _>>()?,
    })
}

#[cfg(all(test, feature = "lake"))]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_redaction_is_named_or_written_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (secret, path) = ("hunter2", folder.path().join("virga.toml"));
        std::fs::write(folder.path().join("key"), format!("{secret}\n")).unwrap();
        let redactions = |key: &str| {
            let text = format!("[[redact]]\nsource = \"*\"\npath = \"a\"\naction = \"hash\"\n{key}\n");
            let shown = format!("{:?}", parse(&text)).contains(secret);
            assert!(!shown, "{key}");
            std::fs::write(&path, text).unwrap();
            ConfigArgs { config: Some(path.clone()) }.redactions()
        };
        let event = r#"{"a": "x"}"#;
        let hashed = |key: &str| {
            let redactions = redactions(key).unwrap();
            assert!(!format!("{redactions:?}").contains("key"), "{redactions:?}");
            redactions.apply("generic", event).into_owned()
        };
        let written = hashed("key = \"hunter2\"");
        assert_eq!(hashed("key = { file = \"key\" }"), written);
        let of_environment = hashed("key = { env = \"CARGO_MANIFEST_DIR\" }");
        assert!(of_environment != written && of_environment != hashed(""), "{of_environment}");
        for (key, said) in [
            ("key = { env = \"VIRGA_NO_SUCH_KEY\" }", "VIRGA_NO_SUCH_KEY is not set"),
            ("key = { file = \"absent\" }", "absent"),
            ("key = { vault = \"hunter2\" }", "line 5"),
            ("key = 7", "line 5"),
        ] {
            let Err(Failure::Message(error)) = redactions(key) else { panic!("{key}") };
            assert!(error.contains(said) && !error.contains(secret), "{key}: {error}");
        }
    }
}
