//! Bytes → rules and events, by a small grammar, so that a fuzzer's bytes mean something.

/// Bytes that are used up as choices; when they have run out, every choice is the first.
pub struct Bytes<'d> {
    data: &'d [u8],
}

const FIELDS: &[&str] = &["a", "b", "A", "a.b", "a.a.b", "c.É", "b.a.a", "zz"];
const KEYS: &[&str] = &["a", "b", "A", "a.b", "b.a", "c", "É", "é", "\\u0061"];
const TEXTS: &[&str] =
    &["a", "b", "A", "B", "é", "É", "1", "2", ".", "-", "\\\\", "\\\"", "\\n", " ", "*", "?", "K"];
const CHAINS: &[&str] = &[
    "",
    "|contains",
    "|startswith",
    "|endswith",
    "|cased",
    "|contains|cased",
    "|contains|all",
    "|neq",
    "|windash",
    "|base64offset|contains",
    "|wide|base64",
    "|expand",
    "|fieldref",
    "|fieldref|endswith",
];
const SCALARS: &[&str] =
    &["null", "true", "false", "0", "1", "2", "-1", "1.0", "12", "1e1", "9007199254740993"];
const CONDITIONS: &[&str] = &[
    "s0 and s1 and s2",
    "s0 or s1 or s2",
    "s0 and not s1 and not s2",
    "1 of s*",
    "2 of s*",
    "all of them",
    "not (s0 and s1) or s2",
    "not 1 of s*",
    "(s0 or s1) and s2",
];

impl<'d> Bytes<'d> {
    pub fn new(data: &'d [u8]) -> Self {
        Self { data }
    }

    /// A choice of one in `n`.
    pub fn below(&mut self, n: usize) -> usize {
        match self.data.split_first() {
            Some((first, rest)) => {
                self.data = rest;
                usize::from(*first) % n
            }
            None => 0,
        }
    }

    fn one<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    /// A JSON string.
    fn text(&mut self) -> String {
        let parts: Vec<&str> = (0..self.below(5)).map(|_| self.one(TEXTS)).collect();
        format!("\"{}\"", parts.concat())
    }

    fn item(&mut self) -> String {
        let field = self.one(FIELDS);
        match self.below(6) {
            0 => format!("{field}|{}: {}", self.one(&["lt", "lte", "gt", "gte"]), self.below(13)),
            1 => format!("{field}|exists: {}", self.below(2) == 0),
            2 => format!("{field}: {}", self.one(SCALARS)),
            3 => format!("{field}|re: '{}'", self.one(&["a+", "^b", "(?i)é$", "[0-9]", "^$"])),
            _ => {
                let chain = self.one(CHAINS);
                let values: Vec<String> = (0..1 + self.below(3)).map(|_| self.text()).collect();
                format!("{field}{chain}: [{}]", values.join(", "))
            }
        }
    }

    /// The text of a rule with three selections.
    pub fn rule(&mut self) -> String {
        let mut text = String::from("title: t\nlogsource: {product: t}\ndetection:\n");
        for selection in 0..3 {
            text += &format!("  s{selection}:\n");
            for _ in 0..1 + self.below(2) {
                text += &match self.below(8) {
                    0 => format!("    - {}\n", self.text()),
                    _ => format!("    - {}\n", self.item()),
                };
            }
        }
        text + "  condition: " + self.one(CONDITIONS) + "\n"
    }

    fn value(&mut self, depth: usize) -> String {
        match self.below(if depth > 3 { 4 } else { 7 }) {
            0..=2 => self.text(),
            3 => self.one(SCALARS).to_owned(),
            4 => {
                let items: Vec<String> = (0..self.below(3)).map(|_| self.value(depth + 1)).collect();
                format!("[{}]", items.join(", "))
            }
            _ => self.object(depth + 1),
        }
    }

    fn object(&mut self, depth: usize) -> String {
        let members: Vec<String> =
            (0..self.below(4)).map(|_| format!("\"{}\": {}", self.one(KEYS), self.value(depth))).collect();
        format!("{{{}}}", members.join(","))
    }

    /// The text of an event.
    pub fn event(&mut self) -> String {
        self.object(0)
    }
}
