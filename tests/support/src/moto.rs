//! S3, SQS, SNS, EventBridge and STS for tests: moto, led through `tests/moto/server.py`.
//!
//! In: calls of boto3 as JSON, faults to inject. Out: their answers, and what was asked of the server. Where
//! no Python is at hand [`Moto::start`] says so and gives nothing: the test passes with a word.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::led::{Led, base64};
use crate::workspace;

/// A server, as long as it lives.
pub struct Moto {
    led: Led,
    /// Its address: `http://127.0.0.1:…`.
    pub endpoint: String,
}

impl Moto {
    /// Starts a server on a free port; `None`, and a word on standard error, where no Python has moto.
    ///
    /// # Panics
    /// Where it does not start although all is there.
    pub fn start() -> Option<Self> {
        let folder = workspace().join("tests/moto");
        let found =
            Command::new(folder.join("python.sh")).stderr(Stdio::inherit()).output().expect("a shell");
        if !found.status.success() {
            return None;
        }
        let python = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        let (led, first) = Led::start(Command::new(python).arg(folder.join("server.py")));
        let endpoint = format!("http://127.0.0.1:{}", first["port"]);
        Some(Self { led, endpoint })
    }

    fn ask(&mut self, asked: &Value) -> Value {
        self.led.ask(asked)
    }

    /// A call of boto3; bytes are `{"base64": "…"}`.
    ///
    /// # Panics
    /// Where the call fails.
    pub fn call(&mut self, service: &str, method: &str, arguments: Value) -> Value {
        self.ask(&json!({ "call": [service, method, arguments] }))
    }

    /// Puts an object.
    pub fn put(&mut self, bucket: &str, key: &str, body: &[u8]) {
        let body = json!({ "base64": base64(body) });
        self.call("s3", "put_object", json!({ "Bucket": bucket, "Key": key, "Body": body }));
    }

    /// Puts many objects at once, without a request for each.
    pub fn put_many<'a>(&mut self, bucket: &str, objects: impl Iterator<Item = (&'a str, &'a [u8])>) {
        let objects: Vec<Value> = objects.map(|(key, body)| json!([key, base64(body)])).collect();
        self.ask(&json!({ "put_many": { "bucket": bucket, "objects": objects } }));
    }

    /// What happens to requests that match: `{"match": "GET /b/", "times": 2, "status": 503}`.
    pub fn fault(&mut self, fault: Value) {
        self.ask(&json!({ "fault": fault }));
    }

    /// All is served again.
    pub fn clear_faults(&mut self) {
        self.ask(&json!({ "no_faults": true }));
    }

    /// Serves under AWS's own names too, through a proxy: its address, and the file of the authority to trust. A
    /// client that is told no endpoint speaks to this server so.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn as_aws(&mut self) -> (String, String) {
        let served = self.ask(&json!({ "aws": true }));
        let authority = served["authority"].as_str().expect("a file").to_owned();
        (format!("http://127.0.0.1:{}", served["port"]), authority)
    }

    /// What was asked since the last time.
    pub fn requests(&mut self) -> Vec<String> {
        let requests = self.ask(&json!({ "requests": true }));
        let texts = requests.as_array().expect("a list").iter();
        texts.map(|request| request.as_str().unwrap_or_default().to_owned()).collect()
    }
}
