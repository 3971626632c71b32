//! What a mistake in a configuration is told with: its place, the line it stands in, and no secret.
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
//! A text with a mistake in it cannot be read as TOML, so it is cut into words by hand, and where it could be read
//! in two ways both count: a line is looked at where it stands, for it may be within a text of many lines, and by
//! itself, for the quotes before it may be those that are wrong. Too much is masked, never too little.

use std::ops::Range;

use virga_engine::diagnostic::nearest;

/// What stands for a secret.
const MASK: &str = "***";

/// A key with one of these in its name holds a secret, or lies beside one.
const SECRET_PARTS: [&str; 7] = ["pass", "pwd", "secret", "token", "key", "credential", "connectionstring"];

/// Keys that may be misspelt.
const SECRET_KEYS: [&str; 5] = ["password", "passwd", "key_password", "token", "secret"];

/// A mistake in words, with its line.
pub fn explain(text: &str, span: Option<Range<usize>>, message: &str) -> String {
    // nothing says whether it is about a secret
    let Some(span) = span else { return without_value(message) };
    let line = Line::at(text, span.start);
    let masked = line.masks(text);
    let is_secret =
        masked.iter().any(|mask| mask.start < span.end.max(span.start + 1) && span.start < mask.end);
    let message = if is_secret { without_value(message) } else { message.to_owned() };
    let (shown, before) = line.shown(text, &masked, span.start);
    let marked = match is_secret {
        true => MASK.len(),
        false => text.get(span.start..span.end.min(line.span.end)).map_or(1, |marked| marked.chars().count()),
    };
    let gutter = " ".repeat(line.number.to_string().len() + 1);
    format!(
        "TOML parse error at line {}, column {}\n{gutter}|\n{} | {shown}\n{gutter}| {}{}\n{}",
        line.number,
        line.column,
        line.number,
        " ".repeat(before),
        "^".repeat(marked.max(1)),
        message.trim_end()
    )
}

/// A message without the value that it is about.
fn without_value(message: &str) -> String {
    for begins in ["invalid type: ", "invalid value: ", "unknown variant "] {
        if message.starts_with(begins) {
            // the value may hold the word; what is expected does not
            let expected = message.rfind(", expected").and_then(|at| message.get(at..)).unwrap_or_default();
            return format!("{begins}{MASK}{expected}");
        }
    }
    message.to_owned()
}

/// Whether a key holds a secret by its name.
fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    let plain: String = key.chars().filter(|c| c.is_alphanumeric()).collect();
    SECRET_PARTS.iter().any(|part| plain.contains(part))
        || key.split('.').any(|part| nearest(part, SECRET_KEYS).is_some())
}

/// A line of a text, and a place in it.
struct Line {
    /// From 1.
    number: usize,
    /// From 1, in characters.
    column: usize,
    /// Without its end.
    span: Range<usize>,
}

impl Line {
    fn at(text: &str, at: usize) -> Self {
        // the end of the text is behind its last line
        let mut inside = at.min(text.len().saturating_sub(1));
        while !text.is_char_boundary(inside) {
            inside -= 1;
        }
        let (before, behind) = text.split_at(inside);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let end = behind.find('\n').map_or(text.len(), |end| inside + end);
        let before_it = text.get(start..at.min(text.len())).or_else(|| text.get(start..inside));
        let column = before_it.unwrap_or_default().chars().count() + 1;
        let end = end - usize::from(text.get(start..end).is_some_and(|line| line.ends_with('\r')));
        Self { number: before.matches('\n').count() + 1, column, span: start..end }
    }

    /// What of it must not be shown, in order and apart.
    fn masks(&self, text: &str) -> Vec<Range<usize>> {
        let alone = text.get(self.span.clone()).unwrap_or_default();
        let alone = secrets(alone).into_iter().map(|found| {
            let Range { start, end } = found;
            self.span.start + start..self.span.start + end
        });
        let mut all: Vec<Range<usize>> = secrets(text)
            .into_iter()
            .map(|found| found.start.max(self.span.start)..found.end.min(self.span.end))
            .chain(alone)
            .filter(|found| !found.is_empty())
            .collect();
        all.sort_by_key(|found| found.start);
        let mut apart: Vec<Range<usize>> = Vec::new();
        for found in all {
            match apart.last_mut() {
                Some(last) if found.start <= last.end => last.end = last.end.max(found.end),
                _ => apart.push(found),
            }
        }
        apart
    }

    /// It as it may be shown, and how many characters of that stand before a place.
    fn shown(&self, text: &str, masks: &[Range<usize>], at: usize) -> (String, usize) {
        let (mut shown, mut from, mut before) = (String::new(), self.span.start, None);
        for mask in masks {
            if at < mask.end {
                let plain = text.get(from..at.clamp(from, mask.start)).unwrap_or_default();
                before = before.or_else(|| Some(shown.chars().count() + plain.chars().count()));
            }
            shown += text.get(from..mask.start).unwrap_or_default();
            shown += MASK;
            from = mask.end;
        }
        let rest = text.get(from..at.min(self.span.end).max(from)).unwrap_or_default();
        let before = before.unwrap_or_else(|| shown.chars().count() + rest.chars().count());
        shown += text.get(from..self.span.end).unwrap_or_default();
        (shown, before)
    }
}

/// A word of a text that was meant as TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    kind: Kind,
    span: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A text in quotes.
    Text,
    /// The same without its end: whatever stands behind it may be meant as part of it.
    Endless,
    /// Anything without quotes.
    Bare,
    Comment,
    /// `=`, `,` or a bracket.
    Mark(u8),
    LineEnd,
}

fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let (kind, end) = match byte {
            b'\n' => (Kind::LineEnd, at + 1),
            b' ' | b'\t' | b'\r' => {
                at += 1;
                continue;
            }
            b'#' => (Kind::Comment, until(bytes, at, |byte| byte == b'\n')),
            b'=' | b',' | b'{' | b'}' | b'[' | b']' => (Kind::Mark(byte), at + 1),
            b'"' | b'\'' => quoted(bytes, at, byte),
            _ => (Kind::Bare, until(bytes, at, |byte| b" \t\r\n#=,{}[]\"'".contains(&byte))),
        };
        tokens.push(Token { kind, span: at..end });
        at = end;
    }
    tokens
}

/// Where something ends that begins here.
fn until(bytes: &[u8], from: usize, is_end: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().position(|byte| is_end(*byte)).map_or(bytes.len(), |length| from + length)
}

/// A text in quotes, of one line or of many.
fn quoted(bytes: &[u8], from: usize, quote: u8) -> (Kind, usize) {
    let three = [quote; 3];
    let of_many = bytes.get(from..).is_some_and(|rest| rest.starts_with(&three));
    let width = if of_many { 3 } else { 1 };
    let mut at = from + width;
    while let Some(&byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        if byte == b'\n' && !of_many {
            return (Kind::Endless, at);
        }
        if rest.starts_with(three.get(..width).unwrap_or_default()) {
            // up to two quotes may stand before the three that end it
            let more = rest.iter().take_while(|byte| **byte == quote).count().min(5);
            return (Kind::Text, if of_many { at + more } else { at + 1 });
        }
        at += if byte == b'\\' && quote == b'"' { 2 } else { 1 };
    }
    (Kind::Endless, bytes.len())
}

/// The places of a text that hold secrets, or may.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let tokens = tokens(text);
    let mut finder = Finder { text, tokens: &tokens, found: Vec::new() };
    finder.values();
    finder.lines();
    finder.others();
    // what was taken for the end of a text may lie within a character
    finder.found.retain(|found| text.get(found.clone()).is_some());
    finder.found
}

struct Finder<'a> {
    text: &'a str,
    tokens: &'a [Token],
    found: Vec<Range<usize>>,
}

impl Finder<'_> {
    /// Values of keys that hold secrets.
    fn values(&mut self) {
        let (mut at, mut depth, mut in_secret_table) = (0, 0_usize, false);
        // the words since the last mark: a key, if `=` comes next
        let mut words: Vec<Range<usize>> = Vec::new();
        let mut begins_line = true;
        while let Some(token) = self.tokens.get(at) {
            let at_beginning = std::mem::replace(&mut begins_line, token.kind == Kind::LineEnd);
            at += 1;
            match token.kind {
                Kind::Text | Kind::Endless | Kind::Bare => {
                    words.push(token.span.clone());
                    continue;
                }
                Kind::Comment => continue,
                Kind::Mark(b'=') => {
                    let named = words.iter().any(|word| self.names_secret(word));
                    if in_secret_table || named || self.is_login(words.last(), at) {
                        at = self.value(at);
                    }
                }
                Kind::Mark(b'[') if at_beginning && depth == 0 => {
                    let line = self.rest_of_line(at);
                    in_secret_table = self.tokens.get(at..line).unwrap_or_default().iter().any(|token| {
                        matches!(token.kind, Kind::Bare | Kind::Text) && self.names_secret(&token.span)
                    });
                    at = line;
                }
                Kind::Mark(b'[' | b'{') => depth += 1,
                Kind::Mark(b']' | b'}') => depth = depth.saturating_sub(1),
                Kind::Mark(_) | Kind::LineEnd => {}
            }
            words.clear();
        }
    }

    /// Whether it is a login that is no table: user and password in one text.
    fn is_login(&self, key: Option<&Range<usize>>, value: usize) -> bool {
        let key = key.and_then(|word| self.text.get(word.clone())).unwrap_or_default();
        let is_table = self.tokens.get(value).is_none_or(|token| token.kind == Kind::Mark(b'{'));
        key.rsplit('.').next() == Some("sasl") && !is_table
    }

    /// Masks the value that begins at a token, and says where it ends.
    fn value(&mut self, at: usize) -> usize {
        let Some(first) = self.tokens.get(at) else { return at };
        let next = self.tokens.get(at + 1).map(|token| token.kind);
        let ends =
            matches!(next, None | Some(Kind::LineEnd | Kind::Comment | Kind::Mark(b',' | b'}' | b']')));
        match first.kind {
            Kind::LineEnd => at,
            Kind::Text if ends => {
                self.found.push(first.span.clone());
                at + 1
            }
            Kind::Mark(b'{' | b'[') => self.values_within(at),
            // no value: where it ends is a guess, but it does not go on behind its line
            _ => {
                let end = self.rest_of_line(at);
                let last = self.tokens.get(at..end).and_then(|all| all.last()).unwrap_or(first);
                self.found.push(first.span.start..last.span.end);
                end
            }
        }
    }

    /// Masks all but keys from a bracket to the one that closes it.
    fn values_within(&mut self, mut at: usize) -> usize {
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(at) {
            at += 1;
            match token.kind {
                Kind::Mark(b'[' | b'{') => depth += 1,
                Kind::Mark(b']' | b'}') => depth = depth.saturating_sub(1),
                Kind::Text | Kind::Endless | Kind::Bare => {
                    let is_key = self.tokens.get(at).is_some_and(|next| next.kind == Kind::Mark(b'='));
                    if !is_key {
                        self.found.push(token.span.clone());
                    }
                }
                Kind::Comment | Kind::Mark(_) | Kind::LineEnd => {}
            }
            if depth == 0 {
                break;
            }
        }
        at
    }

    /// Lines of which nobody can say where their texts end, if they speak of a secret.
    fn lines(&mut self) {
        for line in self.tokens.split(|token| token.kind == Kind::LineEnd) {
            let (Some(first), Some(last)) = (line.first(), line.last()) else { continue };
            let Some(endless) = line.iter().find(|token| token.kind == Kind::Endless) else { continue };
            let is_long = self.text.get(endless.span.clone()).is_some_and(|text| text.contains('\n'));
            if is_long {
                self.found.push(endless.span.clone());
            } else if self.speaks_of_secret(&(first.span.start..last.span.end)) {
                let mark = line.iter().find(|token| token.kind == Kind::Mark(b'='));
                self.found.push(mark.map_or(first.span.start, |mark| mark.span.end)..last.span.end);
            }
        }
    }

    /// Comments that speak of a secret, and passwords in addresses.
    fn others(&mut self) {
        for token in self.tokens {
            let Some(text) = self.text.get(token.span.clone()) else { continue };
            if token.kind == Kind::Comment && self.speaks_of_secret(&token.span) {
                self.found.push(token.span.start + 1..token.span.end);
            }
            let Some(user) = text.find("://").map(|at| at + 3) else { continue };
            let host = text.get(user..).and_then(|rest| rest.split(['/', '\n']).next()?.rfind('@'));
            if let Some(length) = host {
                self.found.push(token.span.start + user..token.span.start + user + length);
            }
        }
    }

    /// The number of the token that ends a line.
    fn rest_of_line(&self, from: usize) -> usize {
        let rest = self.tokens.get(from..).unwrap_or_default();
        from + rest.iter().position(|token| token.kind == Kind::LineEnd).unwrap_or(rest.len())
    }

    fn names_secret(&self, word: &Range<usize>) -> bool {
        self.text.get(word.clone()).is_some_and(|word| is_secret(word.trim_matches(['"', '\''])))
    }

    fn speaks_of_secret(&self, span: &Range<usize>) -> bool {
        let text = self.text.get(span.clone()).unwrap_or_default();
        text.split(|c: char| !c.is_alphanumeric() && c != '_').any(is_secret)
    }
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
    fn no_line_shows_the_value_of_a_key_that_holds_a_secret() {
        for (text, expected) in [
            ("password = \"hunter2\"", "password = ***"),
            ("password = 'hunter2' # from the vault", "password = *** # from the vault"),
            ("password = hunter2", "password = ***"),
            ("password = \"hunter2", "password =***"),
            ("password = hunter2 # x", "password = ***"),
            ("password = \"a\" hunter2\"", "password =***"),
            ("password = \"a\"hunter2", "password = ***"),
            ("passwd=\"hunter2\"", "passwd=***"),
            ("pasword = \"hunter2\"", "pasword = ***"),
            ("tokne = \"hunter2\"", "tokne = ***"),
            ("sasl.password = \"hunter2\"", "sasl.password = ***"),
            ("\"sasl.password\" = \"hunter2\"", "\"sasl.password\" = ***"),
            ("aws_secret_access_key = \"hunter2\"", "aws_secret_access_key = ***"),
            ("token_command = [\"sign\", \"hunter2\"]", "token_command = [***, ***]"),
            ("password = { value = \"hunter2\" }", "password = { value = *** }"),
            ("password = { hunter2 }", "password = { *** }"),
            (
                "sasl = { username = 5, password = \"hunter2\", mechanism = \"PLAIN\" }",
                "sasl = { username = 5, password = ***, mechanism = \"PLAIN\" }",
            ),
            ("sasl = { username = \"virga, password = \"hunter2\" }", "sasl =***"),
            ("sasl = \"virga:hunter2\"", "sasl = ***"),
            ("sasl = { password = hunt,er2 }", "sasl = { password = ***"),
            ("proxy = \"http://virga:hunter2@proxy:3128/\"", "proxy = \"http://***@proxy:3128/\""),
            ("listen = 5 # token: hunter2", "listen = 5 #***"),
            ("listen = 5 # the port", "listen = 5 # the port"),
            ("topics = [\"password\"] x", "topics = [\"password\"] x"),
        ] {
            assert_eq!(shown(text, 0), expected, "{text}");
            // the same within a file, and where brackets or quotes before it are wrong
            for before in ["[input.kafka]\r\n", "brokers = [\n", "name = \"\n", "name = \"\"\"\n"] {
                let within = shown(&format!("{before}{text}\nx = \"\"\"\n"), 1);
                assert!(!within.contains("hunter2") && !within.contains("er2"), "{before}{text}: {within}");
            }
        }
    }

    #[test]
    fn no_line_within_a_secret_of_many_lines_shows_it() {
        for (text, line, expected) in [
            ("password = \"\"\"\nhunter2\n\"\"\"\nx = 1", 1, "***"),
            ("password = \"\"\"\nhunter2\n\"\"\"\nx = 1", 3, "x = 1"),
            ("password = '''\na\nhunter2'''\nx = 1", 2, "***"),
            ("password = \"\"\"\nhunter2\n", 1, "***"),
            ("x = \"\"\"\nfor ever\n", 1, "***"),
            ("token_command = [\n  \"sign\",\n  \"hunter2\",\n]\nx = 1", 2, "  ***,"),
            ("token_command = [\n  \"sign\",\n  \"hunter2\",\n]\nx = 1", 4, "x = 1"),
            ("sasl = {\n  password = {\n    value = \"hunter2\"\n  }\n}\nx = 1", 2, "    value = ***"),
            ("[input.kafka.sasl.password]\nvalue = \"hunter2\"\n[state]\nx = 1", 1, "value = ***"),
            ("[input.kafka.sasl.password]\nvalue = \"hunter2\"\n[state]\nx = 1", 3, "x = 1"),
        ] {
            assert_eq!(shown(text, line), expected, "{text}");
        }
    }

    #[test]
    fn the_place_and_its_marks_stay_where_a_secret_before_them_is_masked() {
        let text = "a = 1\r\nsasl = { password = \"hunter2\", username = 5 }\n";
        let at = text.find('5').unwrap();
        assert_eq!(
            explain(text, Some(at..at + 1), "invalid type: integer `5`, expected a string\n"),
            "TOML parse error at line 2, column 43\n  |\n2 | sasl = { password = ***, username = 5 }\n  |                                     ^\ninvalid type: integer `5`, expected a string"
        );
        let at = text.find("\"hunter2\"").unwrap();
        assert_eq!(
            explain(text, Some(at..at + 9), "invalid type: string \"hunter2, expected x\", expected y"),
            "TOML parse error at line 2, column 21\n  |\n2 | sasl = { password = ***, username = 5 }\n  |                     ^^^\ninvalid type: ***, expected y"
        );
        assert_eq!(
            explain(text, None, "unknown variant `hunter2`, expected `a`"),
            "unknown variant ***, expected `a`"
        );
        // behind the end, and within a character
        assert!(explain("é = 'é", Some(8..8), "x").starts_with("TOML parse error at line 1, column 7\n"));
        assert!(explain("", Some(0..0), "x").starts_with("TOML parse error at line 1, column 1\n"));
        assert!(explain("é", Some(1..1), "x").contains("\n1 | é\n"));
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
