//! How to reach a Kafka cluster: what inputs and sinks have in common.
//!
//! In: brokers, TLS, SASL and further properties of the configuration. Out: librdkafka's own configuration.
//! What Virga's guarantees rest on cannot be set by hand ([`OWN_PROPERTIES`]).
//!
//! ```toml
//! brokers = ["b-1.example.com:9096", "b-2.example.com:9096"]
//! tls = { ca = "/etc/virga/ca.pem" }
//! sasl = { mechanism = "SCRAM-SHA-512", username = "virga", password = { env = "KAFKA_PASSWORD" } }
//! ```
//!
//! Azure Event Hubs: `mechanism = "PLAIN"`, `username = "$ConnectionString"`, the connection string as the
//! password, port 9093. MSK with IAM: `mechanism = "OAUTHBEARER"` and a `token_command` that signs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use rdkafka::ClientConfig;
use rdkafka::client::OAuthToken;
use serde::Deserialize;

use crate::secret::Secret;
use crate::transport::live::TransportError;

/// Properties of librdkafka that the configuration must not set: positions, delivery and credentials are
/// Virga's own to handle.
pub const OWN_PROPERTIES: &[&str] = &[
    "bootstrap.servers",
    "group.id",
    "group.instance.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "enable.partition.eof",
    "statistics.interval.ms",
    "enable.idempotence",
    "acks",
    "security.protocol",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.username",
    "sasl.password",
    "ssl.key.password",
    "isolation.level",
];

/// TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The authorities to trust, PEM; else the system's.
    pub ca: Option<PathBuf>,
    /// A certificate of one's own, PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// The key's password.
    pub key_password: Option<Secret>,
}

impl Tls {
    /// Paths begin at this folder.
    pub fn resolve(&mut self, base: &Path) {
        let paths = [&mut self.ca, &mut self.certificate, &mut self.key];
        for path in paths.into_iter().flatten() {
            *path = base.join(&path);
        }
        self.key_password.iter_mut().for_each(|secret| secret.resolve(base));
    }
}

/// How to log in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// The user: not with OAUTHBEARER.
    pub username: Option<String>,
    /// The password: not with OAUTHBEARER.
    pub password: Option<Secret>,
    /// OAUTHBEARER: where the token stands; read again before it expires.
    pub token: Option<Secret>,
    /// OAUTHBEARER: a program that prints the token, with its arguments.
    pub token_command: Option<Vec<String>>,
}

impl Sasl {
    /// Files of secrets begin at this folder.
    pub fn resolve(&mut self, base: &Path) {
        self.password.iter_mut().chain(&mut self.token).for_each(|secret| secret.resolve(base));
    }
}

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Mechanism {
    /// A password as it is: over TLS only.
    #[serde(rename = "PLAIN")]
    Plain,
    /// SCRAM with SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    Scram256,
    /// SCRAM with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    Scram512,
    /// A bearer token.
    #[serde(rename = "OAUTHBEARER")]
    OAuthBearer,
}

impl Mechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram256 => "SCRAM-SHA-256",
            Self::Scram512 => "SCRAM-SHA-512",
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }
}

/// How to reach a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Host and port of some of the brokers.
    pub brokers: &'a [String],
    /// TLS, where it is used.
    pub tls: Option<&'a Tls>,
    /// Logging in, where it is asked for.
    pub sasl: Option<&'a Sasl>,
    /// Further properties of librdkafka.
    pub options: &'a BTreeMap<String, String>,
}

impl Settings<'_> {
    /// librdkafka's configuration.
    ///
    /// # Errors
    /// A secret that cannot be read, a login without its parts, a property that is Virga's own.
    pub fn client(&self) -> Result<ClientConfig, TransportError> {
        if self.brokers.is_empty() {
            return Err(TransportError::new("`brokers` is empty").help("name one as \"host:9092\""));
        }
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.brokers.join(","));
        client.set("client.id", "virga");
        client.set(
            "security.protocol",
            match (self.tls, self.sasl) {
                (None, None) => "plaintext",
                (Some(_), None) => "ssl",
                (None, Some(_)) => "sasl_plaintext",
                (Some(_), Some(_)) => "sasl_ssl",
            },
        );
        if let Some(tls) = self.tls {
            tls.apply(&mut client)?;
        }
        if let Some(sasl) = self.sasl {
            sasl.apply(&mut client, self.tls.is_some())?;
        }
        for (name, value) in self.options {
            if OWN_PROPERTIES.contains(&name.as_str()) {
                let message = format!("`options` sets `{name}`, which is not to be set by hand");
                return Err(TransportError::new(message).help("remove it"));
            }
            client.set(name, value);
        }
        Ok(client)
    }
}

impl Tls {
    fn apply(&self, client: &mut ClientConfig) -> Result<(), TransportError> {
        let paths = [
            ("ssl.ca.location", &self.ca),
            ("ssl.certificate.location", &self.certificate),
            ("ssl.key.location", &self.key),
        ];
        for (property, path) in paths {
            let Some(path) = path else { continue };
            std::fs::metadata(path)
                .map_err(|error| TransportError::new(format!("cannot read {}: {error}", path.display())))?;
            client.set(property, path.display().to_string());
        }
        if let Some(password) = &self.key_password {
            client.set("ssl.key.password", password.reveal().map_err(TransportError::new)?.text());
        }
        Ok(())
    }
}

impl Sasl {
    fn apply(&self, client: &mut ClientConfig, over_tls: bool) -> Result<(), TransportError> {
        client.set("sasl.mechanism", self.mechanism.name());
        if self.mechanism == Mechanism::OAuthBearer {
            return match (&self.token, &self.token_command) {
                (Some(_), None) | (None, Some(_)) => Ok(()),
                _ => Err(TransportError::new("OAUTHBEARER needs either `token` or `token_command`")),
            };
        }
        let (Some(username), Some(password)) = (&self.username, &self.password) else {
            let message = format!("{} needs `username` and `password`", self.mechanism.name());
            return Err(TransportError::new(message));
        };
        if self.mechanism == Mechanism::Plain && !over_tls && !is_loopback(client) {
            let error = TransportError::new("PLAIN without TLS would send the password in the clear");
            return Err(error.help("add `tls = {}`"));
        }
        client.set("sasl.username", username);
        client.set("sasl.password", password.reveal().map_err(TransportError::new)?.text());
        Ok(())
    }

    /// A token, as librdkafka asks for it.
    ///
    /// # Errors
    /// Where it cannot be read; the message does not show it.
    pub fn bearer(&self, now_ms: i64) -> Result<OAuthToken, String> {
        let token = match (&self.token, &self.token_command) {
            (Some(secret), _) => secret.reveal()?.text().to_owned(),
            (None, Some(command)) => run(command)?,
            (None, None) => return Err("OAUTHBEARER needs `token` or `token_command`".into()),
        };
        let claims = claims(&token);
        let number = |name: &str| claims.get(name).and_then(serde_json::Value::as_f64);
        let principal = claims.get("sub").and_then(serde_json::Value::as_str).unwrap_or("virga").to_owned();
        // a token that does not say when it expires is asked for again after a quarter of an hour
        let lifetime_ms = number("exp").map_or(now_ms + 900_000, |seconds| (seconds * 1_000.0) as i64);
        Ok(OAuthToken { token, principal_name: principal, lifetime_ms })
    }
}

/// Whether all brokers are on this machine, where nobody listens.
fn is_loopback(client: &ClientConfig) -> bool {
    let brokers = client.get("bootstrap.servers").unwrap_or_default();
    brokers
        .split(',')
        .all(|broker| ["localhost:", "127.0.0.1:", "[::1]:"].iter().any(|own| broker.starts_with(own)))
}

/// What a program prints.
fn run(command: &[String]) -> Result<String, String> {
    let Some((program, arguments)) = command.split_first() else {
        return Err("`token_command` is empty".into());
    };
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot run `token_command` {program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("`token_command` {program} failed: {}", output.status));
    }
    let token = String::from_utf8(output.stdout).map_err(|_| format!("{program} printed no text"))?;
    match token.trim() {
        "" => Err(format!("`token_command` {program} printed nothing")),
        token => Ok(token.to_owned()),
    }
}

/// The claims of a JSON web token; none where it is another kind of token.
fn claims(token: &str) -> serde_json::Value {
    let part = token.split('.').nth(1).unwrap_or_default();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(
        brokers: &[String],
        sasl: Option<&Sasl>,
        tls: Option<&Tls>,
    ) -> Result<ClientConfig, TransportError> {
        Settings { brokers, tls, sasl, options: &BTreeMap::new() }.client()
    }

    fn sasl(mechanism: Mechanism) -> Sasl {
        let folder = tempfile::tempdir().unwrap().keep();
        std::fs::write(folder.join("p"), "secret").unwrap();
        Sasl {
            mechanism,
            username: Some("virga".into()),
            password: Some(Secret::File(folder.join("p"))),
            token: None,
            token_command: None,
        }
    }

    #[test]
    fn the_protocol_follows_from_tls_and_login() {
        let brokers = ["b:9092".to_owned()];
        let protocol =
            |sasl, tls| settings(&brokers, sasl, tls).unwrap().get("security.protocol").unwrap().to_owned();
        let (scram, tls) = (sasl(Mechanism::Scram512), Tls::default());
        assert_eq!(protocol(None, None), "plaintext");
        assert_eq!(protocol(None, Some(&tls)), "ssl");
        assert_eq!(protocol(Some(&scram), None), "sasl_plaintext");
        assert_eq!(protocol(Some(&scram), Some(&tls)), "sasl_ssl");
    }

    #[test]
    fn a_password_is_not_sent_in_the_clear() {
        let plain = sasl(Mechanism::Plain);
        let error = settings(&["b:9092".into()], Some(&plain), None).unwrap_err();
        assert!(error.to_string().contains("in the clear"), "{error}");
        assert!(settings(&["localhost:9092".into()], Some(&plain), None).is_ok());
        assert!(settings(&["b:9092".into()], Some(&plain), Some(&Tls::default())).is_ok());
    }

    #[test]
    fn what_guarantees_rest_on_cannot_be_set() {
        for name in OWN_PROPERTIES {
            let options = BTreeMap::from([((*name).to_owned(), "x".to_owned())]);
            let brokers = ["b:9092".to_owned()];
            let settings = Settings { brokers: &brokers, tls: None, sasl: None, options: &options };
            assert!(settings.client().unwrap_err().message.contains(name));
        }
    }

    #[test]
    fn a_token_says_when_it_expires() {
        let payload =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"sub":"ada","exp":1700000000}"#);
        let with = |text: &str| Sasl {
            token_command: Some(vec!["printf".into(), "%s".into(), text.into()]),
            password: None,
            ..sasl(Mechanism::OAuthBearer)
        };
        let token = with(&format!("h.{payload}.s")).bearer(0).unwrap();
        assert_eq!((token.principal_name.as_str(), token.lifetime_ms), ("ada", 1_700_000_000_000));
        let opaque = with("opaque").bearer(1_000).unwrap();
        assert_eq!((opaque.principal_name.as_str(), opaque.lifetime_ms), ("virga", 901_000));
        assert!(with("").bearer(0).is_err());
    }
}
