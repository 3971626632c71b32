//! The condition: `selection and not 1 of filter_*` → a tree.
//!
//! In: the text of a condition and where it stands. Out: a [`Condition`]. From least to most binding:
//! `or`, `and`, `not`, `x of`, parentheses.

use std::ops::Range;
use std::sync::Arc;

use super::value::Spanned;
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::limits::MAX_RULE_DEPTH;

/// A condition over the selections of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A selection, by name.
    Selection(Spanned<String>),
    /// `1 of …`, `all of …`, `3 of …`
    Of(Quantity, Spanned<SelectionPattern>),
    /// `not …`
    Not(Box<Condition>),
    /// `… and …`
    And(Vec<Condition>),
    /// `… or …`
    Or(Vec<Condition>),
}

/// How many of the selections must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// All of them.
    All,
    /// At least so many.
    AtLeast(usize),
}

/// Which selections are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectionPattern {
    /// All whose name does not begin with `_`.
    Them,
    /// Those whose name matches a pattern with `*`.
    Named(String),
}

impl SelectionPattern {
    /// Whether a selection of that name is meant.
    pub fn covers(&self, name: &str) -> bool {
        match self {
            Self::Them => !name.starts_with('_'),
            // names that begin with `_` are the rule's own helpers: a pattern must ask for them
            Self::Named(pattern) => {
                (pattern.starts_with('_') || !name.starts_with('_')) && star_match(pattern, name)
            }
        }
    }
}

impl std::fmt::Display for SelectionPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Them => write!(f, "them"),
            Self::Named(pattern) => write!(f, "{pattern}"),
        }
    }
}

/// Whether a name matches a pattern in which `*` stands for any characters.
fn star_match(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match name.find(piece) {
            Some(at) => name = &name[at + piece.len()..],
            None => return false,
        }
    }
    name.ends_with(last)
}

/// Reads a condition. `span` is where it stands in the file; `offset` is where its first character
/// stands, where the text is there letter for letter.
pub(super) fn parse(
    text: &str,
    span: &Range<usize>,
    offset: Option<usize>,
    file: &Arc<SourceFile>,
) -> Result<Condition, Diagnostic> {
    let mut parser = ConditionParser { tokens: tokens(text), at: 0, text, span, offset, file };
    parser.refuse_old_syntax()?;
    let condition = parser.or(0)?;
    match parser.peek() {
        None => Ok(condition),
        Some(Token { text: ")", .. }) => Err(parser.error("a parenthesis is closed that was not opened")),
        Some(token) => Err(parser.error(format!("`and` or `or` was expected before `{}`", token.text))),
    }
}

#[derive(Debug, Clone, Copy)]
struct Token<'t> {
    text: &'t str,
    start: usize,
}

impl Token<'_> {
    fn is(&self, keyword: &str) -> bool {
        self.text.eq_ignore_ascii_case(keyword)
    }
}

/// Words, parentheses and whatever else, each with its place.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '*' | '.' | '?');
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        if c.is_whitespace() {
            continue;
        }
        let mut end = start + c.len_utf8();
        while word(c)
            && let Some(&(at, next)) = rest.peek()
            && word(next)
        {
            end = at + next.len_utf8();
            rest.next();
        }
        tokens.push(Token { text: &text[start..end], start });
    }
    tokens
}

struct ConditionParser<'t> {
    tokens: Vec<Token<'t>>,
    at: usize,
    text: &'t str,
    span: &'t Range<usize>,
    offset: Option<usize>,
    file: &'t Arc<SourceFile>,
}

impl<'t> ConditionParser<'t> {
    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    fn take(&mut self, keyword: &str) -> bool {
        let is = self.peek().is_some_and(|token| token.is(keyword));
        self.at += usize::from(is);
        is
    }

    /// The bytes of the file under a token; of the whole condition where that is not known.
    fn place(&self, token: Option<Token<'_>>) -> Range<usize> {
        match (self.offset, token) {
            (Some(offset), Some(token)) => offset + token.start..offset + token.start + token.text.len(),
            (Some(offset), None) => offset + self.text.len()..offset + self.text.len(),
            (None, _) => self.span.clone(),
        }
    }

    fn error(&self, cause: impl Into<String>) -> Diagnostic {
        Diagnostic::error(codes::CONDITION_SYNTAX, self.file, self.place(self.peek()), cause)
    }

    /// Aggregations (`| count() by x > 5`, `near`) were conditions once.
    fn refuse_old_syntax(&self) -> Result<(), Diagnostic> {
        let counts = |pair: &[Token<'_>]| {
            ["count", "sum", "min", "max", "avg"].iter().any(|word| pair[0].is(word)) && pair[1].text == "("
        };
        let pipe = self.tokens.iter().find(|token| token.text == "|");
        let Some(at) = pipe.or_else(|| self.tokens.windows(2).find(|pair| counts(pair)).map(|pair| &pair[0]))
        else {
            return Ok(());
        };
        let cause = "an aggregation is no longer part of a condition";
        let help = "keep the selection as a rule of its own and count its matches with a correlation rule (event_count, value_count, temporal)";
        Err(Diagnostic::error(codes::OLD_SYNTAX, self.file, self.place(Some(*at)), cause).with_help(help))
    }

    fn or(&mut self, depth: usize) -> Result<Condition, Diagnostic> {
        let mut branches = vec![self.and(depth)?];
        while self.take("or") {
            branches.push(self.and(depth)?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Condition::Or(branches) })
    }

    fn and(&mut self, depth: usize) -> Result<Condition, Diagnostic> {
        let mut branches = vec![self.not(depth)?];
        while self.take("and") {
            branches.push(self.not(depth)?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Condition::And(branches) })
    }

    fn not(&mut self, depth: usize) -> Result<Condition, Diagnostic> {
        if depth > MAX_RULE_DEPTH {
            return Err(self.error(format!("a condition may nest {MAX_RULE_DEPTH} levels")));
        }
        if self.take("not") {
            return Ok(Condition::Not(Box::new(self.not(depth + 1)?)));
        }
        self.primary(depth)
    }

    fn primary(&mut self, depth: usize) -> Result<Condition, Diagnostic> {
        let Some(token) = self.peek() else {
            return Err(self.error("the condition ends where a selection was expected"));
        };
        if token.text == "(" {
            self.at += 1;
            let inner = self.or(depth + 1)?;
            return match self.take(")") {
                true => Ok(inner),
                false => Err(self.error("a parenthesis is not closed")),
            };
        }
        if self.tokens.get(self.at + 1).is_some_and(|next| next.is("of")) {
            return self.of(token);
        }
        let keyword = ["and", "or", "of", ")"].iter().any(|keyword| token.is(keyword));
        if keyword || !token.text.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return Err(self.error(format!("a selection was expected before `{}`", token.text)));
        }
        if token.text.contains(['*', '?']) {
            let cause = format!("`{}` is a pattern and needs a quantity", token.text);
            return Err(self.error(cause).with_help(format!("write `1 of {0}` or `all of {0}`", token.text)));
        }
        self.at += 1;
        Ok(Condition::Selection(Spanned { value: token.text.to_owned(), span: self.place(Some(token)) }))
    }

    fn of(&mut self, quantity: Token<'t>) -> Result<Condition, Diagnostic> {
        let many = match quantity.text.parse::<usize>() {
            Ok(0) => return Err(self.error("`0 of` would always hold")),
            Ok(n) => Quantity::AtLeast(n),
            Err(_) if quantity.is("all") => Quantity::All,
            Err(_) if quantity.is("any") => Quantity::AtLeast(1),
            Err(_) => return Err(self.error("a number, `any` or `all` was expected before `of`")),
        };
        self.at += 2;
        let Some(token) = self.peek().filter(|token| !matches!(token.text, "(" | ")")) else {
            return Err(self.error("`of` needs `them` or a pattern of selection names"));
        };
        let pattern = match token.is("them") {
            true => SelectionPattern::Them,
            false => SelectionPattern::Named(token.text.to_owned()),
        };
        let span = self.place(Some(token));
        self.at += 1;
        Ok(Condition::Of(many, Spanned { value: pattern, span }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(condition: &Condition) -> String {
        let join = |word: &str, branches: &[Condition]| {
            let shown: Vec<String> = branches.iter().map(show).collect();
            format!("({})", shown.join(word))
        };
        match condition {
            Condition::Selection(name) => name.value.clone(),
            Condition::Of(Quantity::All, pattern) => format!("[all {}]", pattern.value),
            Condition::Of(Quantity::AtLeast(n), pattern) => format!("[{n} {}]", pattern.value),
            Condition::Not(inner) => format!("!{}", show(inner)),
            Condition::And(branches) => join(" & ", branches),
            Condition::Or(branches) => join(" | ", branches),
        }
    }

    fn read(text: &str) -> Result<Condition, Diagnostic> {
        let file = Arc::new(SourceFile { name: "test".into(), text: text.into() });
        parse(text, &(0..text.len()), Some(0), &file)
    }

    #[test]
    fn precedence_is_as_specified() {
        let cases = [
            ("a", "a"),
            ("a or b and c", "(a | (b & c))"),
            ("(a or b) and c", "((a | b) & c)"),
            ("not a and b", "(!a & b)"),
            ("not (a or b)", "!(a | b)"),
            ("not not a", "!!a"),
            ("a and not 1 of filter_*", "(a & ![1 filter_*])"),
            ("all of them", "[all them]"),
            ("ANY of sel* OR 3 of x*y", "([1 sel*] | [3 x*y])"),
            ("a\n  and\tb", "(a & b)"),
        ];
        for (text, expected) in cases {
            assert_eq!(show(&read(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_underlined_where_it_stands() {
        let cases = [
            ("", 0..0),
            ("a b", 2..3),
            ("a and", 5..5),
            ("(a", 2..2),
            ("a)", 1..2),
            ("a or or b", 5..7),
            ("sel*", 0..4),
            ("0 of them", 0..1),
            ("x of them", 0..1),
            ("1 of", 4..4),
            ("a & b", 2..3),
            ("a | count() > 5", 2..3),
            ("count(x) by y > 5", 0..5),
        ];
        for (text, span) in cases {
            assert_eq!(read(text).unwrap_err().span, span, "{text}");
        }
        assert!(read(&format!("{}a{}", "(".repeat(5000), ")".repeat(5000))).is_err());
    }

    #[test]
    fn a_pattern_covers_names() {
        let covers = |pattern: &str, name: &str| SelectionPattern::Named(pattern.into()).covers(name);
        assert!(
            covers("sel*", "selection")
                && covers("*_x", "a_x")
                && covers("a*b*c", "aXbYc")
                && covers("*", "a")
        );
        assert!(!covers("*", "_a") && !covers("*_a", "_x_a") && covers("_*", "_a"));
        assert!(!covers("sel*", "filter") && !covers("a*b", "ab_") && !covers("a*a", "a"));
        assert!(SelectionPattern::Them.covers("a") && !SelectionPattern::Them.covers("_a"));
    }
}
