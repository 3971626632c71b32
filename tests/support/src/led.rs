//! A program that a test leads by lines of JSON: what it is asked goes to its input, each answer comes as a line.
//!
//! It ends with its input, so that a test that dies leaves nothing behind.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use serde_json::Value;

/// Bytes, as they stand in a line.
pub(crate) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A program, as long as it lives.
pub struct Led {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Led {
    /// Starts it, and gives what it says first.
    pub fn start(command: &mut Command) -> (Self, Value) {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program runs");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        let mut led = Self { child, stdin, stdout };
        let first = led.line();
        (led, first)
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("an answer");
        serde_json::from_str(&line).expect("an answer")
    }

    /// Its answer, without which the test fails.
    pub fn ask(&mut self, asked: &Value) -> Value {
        let stdin = self.stdin.as_mut().expect("it lives");
        writeln!(stdin, "{asked}").expect("it lives");
        let answer = self.line();
        assert!(answer.get("error").is_none(), "{asked}: {answer}");
        answer["ok"].clone()
    }
}

impl Drop for Led {
    fn drop(&mut self) {
        // its input ends, and so does it, and what it has started; what hangs is ended
        drop(self.stdin.take());
        for _ in 0..50 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
