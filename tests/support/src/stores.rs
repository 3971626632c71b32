//! Google's and Azure's object stores for tests: Azurite, and Google's XML API, led through `tests/stores/*.py`.
//!
//! In: objects to put. Out: an endpoint, and the environment that leads a command there. Where what it takes is not at
//! hand, [`Store::azure`] and [`Store::google`] say so and give nothing: the test passes with a word.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::led::{Led, base64};
use crate::workspace;

/// A server, as long as it lives.
pub struct Store {
    led: Led,
    /// Its address.
    pub endpoint: String,
    /// What leads a command there.
    pub environment: Vec<(&'static str, String)>,
    /// How addresses of it begin: `az`, `gs`.
    pub scheme: &'static str,
}

fn folder() -> PathBuf {
    workspace().join("tests/stores")
}

/// A Python of the system; none, with a word, where there is none.
fn python() -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let is_there = Command::new(&python).arg("--version").stdout(Stdio::null()).status();
    if is_there.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    eprintln!("skipped: no {python} for an object store");
    None
}

impl Store {
    /// Azure's blobs.
    ///
    /// # Panics
    /// Where it does not start although all is there.
    pub fn azure() -> Option<Self> {
        let python = python()?;
        let found = Command::new(folder().join("azurite.sh")).stderr(Stdio::inherit()).output();
        let found = found.expect("a shell");
        if !found.status.success() {
            return None;
        }
        let azurite = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        let (led, first) = Led::start(Command::new(python).arg(folder().join("azurite.py")).arg(azurite));
        let said = |name: &str| first[name].as_str().expect("it is said").to_owned();
        let environment = vec![
            ("AZURE_STORAGE_ENDPOINT", said("endpoint")),
            ("AZURE_STORAGE_ACCOUNT_NAME", said("account")),
            ("AZURE_STORAGE_ACCOUNT_KEY", said("key")),
        ];
        Some(Self { led, endpoint: said("endpoint"), environment, scheme: "az" })
    }

    /// Google's objects.
    ///
    /// # Panics
    /// Where it does not start although all is there.
    pub fn google() -> Option<Self> {
        let (led, first) = Led::start(Command::new(python()?).arg(folder().join("google.py")));
        let endpoint = first["endpoint"].as_str().expect("it is said").to_owned();
        let environment = vec![("STORAGE_EMULATOR_HOST", endpoint.clone())];
        Some(Self { led, endpoint, environment, scheme: "gs" })
    }

    /// Makes a bucket, or a container.
    pub fn bucket(&mut self, name: &str) {
        self.led.ask(&json!({ "bucket": name }));
    }

    /// Puts an object, in the place of one that is there.
    pub fn put(&mut self, bucket: &str, key: &str, body: &[u8]) {
        self.led.ask(&json!({ "put": [bucket, key, base64(body)] }));
    }

    /// Adds to an append blob of Azure's, and makes one where there is none.
    pub fn append(&mut self, bucket: &str, key: &str, body: &[u8]) {
        self.led.ask(&json!({ "append": [bucket, key, base64(body)] }));
    }
}
