//! What a mistake in a configuration is told with: its place, the key it stands at, and no value.
//!
//! In: the text of a TOML file, the place of a mistake in it and what it is. Out: the words that are shown:
//!
//! ```text
//! TOML parse error at line 7, column 12
//!   |
//! 7 | password = ***
//!   |            ^^^
//! a secret is named, not written: { env = "NAME" } or { file = "/run/secrets/name" }
//! ```
//!
//! A text with a mistake in it cannot be read as TOML, so nobody can say which of its values are secrets: none is
//! shown. The place leads to it.

use std::ops::Range;

/// What stands for a value.
const MASK: &str = "***";

/// A mistake in words, with its line.
pub fn explain(text: &str, span: Option<Range<usize>>, message: &str) -> String {
    let message = without_value(message.trim_end());
    let Some(span) = span else { return message };
    let before = text.get(..text.floor_char_boundary(span.start)).unwrap_or(text);
    // behind the last line there is none
    let before = if before == text { before.strip_suffix('\n').unwrap_or(before) } else { before };
    let (above, left) = before.rsplit_once('\n').unwrap_or(("", before));
    let line = text.get(before.len() - left.len()..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let (number, column) = (before.matches('\n').count() + 1, left.chars().count() + 1);
    let key = key(above, line);
    let (marks_at, marks) = match key.len() {
        // a key has no other characters than those of one byte
        length if left.len() < length => (left.len(), span.len().clamp(1, length - left.len())),
        0 => (0, MASK.len()),
        length => (length + 2, MASK.len()),
    };
    let shown = if key.is_empty() { MASK.to_owned() } else { format!("{key}= {MASK}") };
    let gutter = " ".repeat(number.to_string().len() + 1);
    format!(
        "TOML parse error at line {number}, column {column}\n{gutter}|\n{number} | {shown}\n{gutter}| {}{}\n{message}",
        " ".repeat(marks_at),
        "^".repeat(marks)
    )
}

/// The key that a line gives a value, with the spaces around it; empty where it may be something else. Keys here are
/// small letters. A line of a secret may look like one too, where a text of many lines began before.
fn key<'t>(above: &str, line: &'t str) -> &'t str {
    let (key, _) = line.split_once('=').unwrap_or_default();
    let is_word = key.trim().bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_' | b'.'));
    let within = ["\"\"\"", "'''"].iter().any(|quotes| above.contains(quotes));
    if is_word && key.is_ascii() && !key.trim().is_empty() && !within { key } else { "" }
}

/// A message without the value that it is about.
fn without_value(message: &str) -> String {
    for begins in ["invalid type: ", "invalid value: ", "unknown variant "] {
        if let Some(rest) = message.strip_prefix(begins) {
            // the value may hold the word; what is expected does not
            let expected = rest.rfind(", expected").and_then(|at| rest.get(at..)).unwrap_or_default();
            // `string "…"`, `integer `…``, or a word alone: `map`
            let value = rest.strip_suffix(expected).unwrap_or_default();
            let shown = value.find(['"', '`']).and_then(|at| value.get(..at));
            return match shown {
                Some(kind) => format!("{begins}{kind}{MASK}{expected}"),
                None => message.to_owned(),
            };
        }
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line as it is shown, wherever the mistake is.
    fn shown(text: &str, line: usize) -> String {
        let at = text.split_inclusive('\n').take(line).map(str::len).sum();
        let told = explain(text, Some(at..at), "wrong");
        let mut lines = told.lines();
        assert!(lines.next().unwrap().ends_with(&format!("at line {}, column 1", line + 1)), "{told}");
        lines.nth(1).unwrap().split_once("| ").map_or(String::new(), |(_, line)| line.to_owned())
    }

    #[test]
    fn a_line_shows_its_key_and_no_value() {
        for (text, expected) in [
            ("password = \"hunter2\"", "password = ***"),
            ("password = 'hunter2' # from the vault", "password = ***"),
            ("password = hunter2", "password = ***"),
            ("password = \"hunter2", "password = ***"),
            ("password = \"a\" hunter2\"", "password = ***"),
            ("passwd=\"hunter2\"", "passwd= ***"),
            ("tokne = \"hunter2\"", "tokne = ***"),
            ("sasl.password = \"hunter2\"", "sasl.password = ***"),
            ("\"hunter2\" = 1", "***"),
            ("token_command = [\"sign\", \"hunter2\"]", "token_command = ***"),
            ("  sasl = { username = 5, password = \"hunter2\" }", "  sasl = ***"),
            ("proxy = \"http://virga:hunter2@proxy:3128/\"", "proxy = ***"),
            ("listen = 5 # token: hunter2", "listen = ***"),
            ("# token = hunter2", "***"),
            ("hunter2", "***"),
            ("MIIEhunter2==", "***"),
            ("[hunter2]", "***"),
            ("= hunter2", "***"),
            ("é = hunter2", "***"),
        ] {
            assert_eq!(shown(text, 0), expected, "{text}");
            // the same within a file, and where brackets or quotes before it are wrong
            for before in ["[input.kafka]\r\n", "brokers = [\n", "name = \"\n", "name = \"\"\"\n"] {
                let within = shown(&format!("{before}{text}\nx = \"\"\"\n"), 1);
                assert!(within == expected || within == MASK, "{before}{text}: {within}");
            }
        }
    }

    #[test]
    fn no_line_within_a_secret_of_many_lines_shows_it() {
        for (text, line, expected) in [
            ("password = \"\"\"\nhunter2\n\"\"\"\nx = 1", 1, "***"),
            ("password = \"\"\"\nhunter = two\n\"\"\"\nx = 1", 1, "***"),
            ("password = '''\na\nhunter = two'''\nx = 1", 2, "***"),
            ("token_command = [\n  \"sign\",\n  \"hunter2\",\n]\nx = 1", 2, "***"),
            ("token_command = [\n  \"sign\",\n  \"hunter2\",\n]\nx = 1", 4, "x = ***"),
            ("sasl = {\n  password = {\n    value = \"hunter2\"\n  }\n}\nx = 1", 2, "    value = ***"),
            ("[input.kafka.sasl.password]\nvalue = \"hunter2\"\n[state]\nx = 1", 1, "value = ***"),
        ] {
            assert_eq!(shown(text, line), expected, "{text}");
        }
    }

    #[test]
    fn the_place_is_that_of_the_mistake_and_its_marks_stay_within_what_is_shown() {
        let text = "a = 1\r\nsasl = { password = \"hunter2\", username = 5 }\n";
        let at = text.find('5').unwrap();
        assert_eq!(
            explain(text, Some(at..at + 1), "invalid type: integer `5`, expected a string\n"),
            "TOML parse error at line 2, column 43\n  |\n2 | sasl = ***\n  |        ^^^\ninvalid type: integer ***, expected a string"
        );
        let at = text.find("sasl").unwrap();
        assert_eq!(
            explain(text, Some(at..at + 4), "unknown field `sasl`, expected `name`"),
            "TOML parse error at line 2, column 1\n  |\n2 | sasl = ***\n  | ^^^^\nunknown field `sasl`, expected `name`"
        );
        for (message, expected) in [
            (
                "invalid type: string \"hunter2, expected x\", expected y",
                "invalid type: string ***, expected y",
            ),
            ("unknown variant `hunter2`, expected `a`", "unknown variant ***, expected `a`"),
            ("invalid type: map, expected a string", "invalid type: map, expected a string"),
            ("missing field `name`", "missing field `name`"),
        ] {
            assert_eq!(explain(text, None, message), expected);
        }
        // behind the end, and within a character
        assert!(explain("é = 'é", Some(8..8), "x").starts_with("TOML parse error at line 1, column 7\n"));
        assert!(explain("a = 1\n", Some(6..6), "x").contains("at line 1, column 6\n  |\n1 | a = ***\n"));
        assert!(explain("", Some(0..0), "x").starts_with("TOML parse error at line 1, column 1\n"));
        assert!(explain("é", Some(1..1), "x").starts_with("TOML parse error at line 1, column 1\n"));
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_around_it_a_secret_is_not_shown_and_nothing_panics(
            before in "(=|\"|\"\"\"|'''|\\[|\\{|#|\\\\|\n|\r|é|a){0,8}",
            behind in "(=|\"|\"\"\"|'''|\\[|\\{|#|\\\\|\n|\r|é|a){0,8}",
            at in 0..100usize,
            length in 0..40usize,
        ) {
            for secret in ["password = \"hunter2\"", "sasl = { username = 'u', password = 'hunter2' }", "token = [\"hunter2\"]"] {
                let text = format!("{before}\n{secret}\n{behind}");
                let told = explain(&text, Some(at..at + length), "wrong");
                assert!(!told.contains("hunter2"), "{text:?}: {told}");
            }
        }
    }
}
