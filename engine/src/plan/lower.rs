//! The tree of a rule → an expression over tests.
//!
//! In: a parsed rule and the lists that placeholders stand for. Out: a [`LoweredRule`], or
//! diagnostics with the place of what cannot be lowered. Here the modifiers end: behind this file
//! there are only the tests of `predicate`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ir::{Expr, FieldKey, LoweredRule, LoweredSelection, Predicate};
use crate::diagnostic::{Code, Diagnostic, Severity, codes};
use crate::limits::{MAX_CONDITION_TESTS, MAX_MODIFIERS, MAX_PLACEHOLDER_VALUES, MAX_RULE_PREDICATES};
use crate::modifiers::{self, Fault, Item, Value};
use crate::predicate::{FieldRefTest, Test, TextTest};
use crate::sigma::{Condition, Detection, FieldItem, Part, Pattern, Quantity, Rule, Selection, Spanned};

/// Named lists of values: what `%name%` stands for under `expand`.
pub type Lists = BTreeMap<String, Vec<String>>;

/// Lowers a rule. The rule is `None` where a diagnostic is an error.
pub fn lower(rule: &Arc<Rule>, lists: &Lists) -> (Option<LoweredRule>, Vec<Diagnostic>) {
    let mut lowering = Lowering { rule, lists, diagnostics: Vec::new(), tests: 0, named: 0 };
    let selections: Vec<LoweredSelection> = rule
        .selections
        .iter()
        .map(|Selection { name, detection }| LoweredSelection {
            name: name.value.clone(),
            expr: lowering.detection(detection),
        })
        .collect();
    let conditions = rule.conditions.iter().map(|condition| lowering.condition(condition, &selections));
    let expr = any(conditions.collect());
    let Lowering { diagnostics, .. } = lowering;
    let broken = diagnostics.iter().any(|d| d.severity == Severity::Error);
    let lowered = LoweredRule { rule: Arc::clone(rule), selections, expr };
    ((!broken).then_some(lowered), diagnostics)
}

struct Lowering<'r> {
    rule: &'r Rule,
    lists: &'r Lists,
    diagnostics: Vec<Diagnostic>,
    tests: usize,
    /// Tests of the selections that the condition has named so far.
    named: usize,
}

/// A modifier that stands twice, or behind more than a chain may have.
fn misplaced(before: &[Spanned<String>], name: &str) -> Option<Fault> {
    let cause = match () {
        () if before.iter().any(|other| other.value == name) => format!("`{name}` stands twice"),
        () if before.len() >= MAX_MODIFIERS => format!("an item may have {MAX_MODIFIERS} modifiers"),
        () => return None,
    };
    Some(Fault { code: codes::MODIFIER_CHAIN, cause, help: String::new() })
}

fn any(mut branches: Vec<Expr>) -> Expr {
    if branches.len() == 1 { branches.remove(0) } else { Expr::Or(branches) }
}

fn every(mut branches: Vec<Expr>) -> Expr {
    if branches.len() == 1 { branches.remove(0) } else { Expr::And(branches) }
}

impl Lowering<'_> {
    fn condition(&mut self, condition: &Condition, selections: &[LoweredSelection]) -> Expr {
        match condition {
            Condition::Selection(name) => {
                let found = selections.iter().find(|selection| selection.name == name.value);
                found.map_or(Expr::Never, |selection| self.named(selection, &name.span))
            }
            Condition::Not(inner) => Expr::Not(Box::new(self.condition(inner, selections))),
            Condition::And(branches) => {
                every(branches.iter().map(|b| self.condition(b, selections)).collect())
            }
            Condition::Or(branches) => any(branches.iter().map(|b| self.condition(b, selections)).collect()),
            Condition::Of(quantity, pattern) => {
                let covered = selections.iter().filter(|selection| pattern.value.covers(&selection.name));
                let branches: Vec<Expr> =
                    covered.map(|selection| self.named(selection, &pattern.span)).collect();
                match quantity {
                    Quantity::All => every(branches),
                    Quantity::AtLeast(1) => any(branches),
                    Quantity::AtLeast(n) => Expr::AtLeast(*n, branches),
                }
            }
        }
    }

    /// A selection where the condition names it.
    fn named(&mut self, selection: &LoweredSelection, span: &std::ops::Range<usize>) -> Expr {
        let before = self.named;
        selection.expr.for_each_predicate(&mut |_| self.named += 1);
        if self.named <= MAX_CONDITION_TESTS {
            return selection.expr.clone();
        }
        if before <= MAX_CONDITION_TESTS {
            let cause =
                format!("the condition names selections with more than {MAX_CONDITION_TESTS} tests in all");
            self.refuse(codes::TOO_MANY_TESTS, span, cause);
        }
        Expr::Never
    }

    fn detection(&mut self, detection: &Detection) -> Expr {
        match detection {
            Detection::All(items) => every(items.iter().map(|item| self.detection(item)).collect()),
            Detection::Any(items) => any(items.iter().map(|item| self.detection(item)).collect()),
            Detection::Item(item) => self.item(item).unwrap_or(Expr::Never),
        }
    }

    fn report(&mut self, span: &std::ops::Range<usize>, fault: Fault) {
        let diagnostic = Diagnostic::error(fault.code, &self.rule.file, span.clone(), fault.cause);
        self.diagnostics.push(diagnostic.with_help(fault.help));
    }

    fn refuse(&mut self, code: Code, span: &std::ops::Range<usize>, cause: impl Into<String>) {
        self.report(span, Fault { code, cause: cause.into(), help: String::new() });
    }

    /// One field with its values, its modifiers applied; `None` where that cannot be.
    fn item(&mut self, item: &FieldItem) -> Option<Expr> {
        let values = item
            .values
            .iter()
            .map(|value| Spanned { value: Value::from_rule(&value.value), span: value.span.clone() });
        let mut lowered = Item {
            has_field: item.field.is_some(),
            values: values.collect(),
            all: false,
            negated: false,
            cased: false,
        };
        for (number, name) in item.modifiers.iter().enumerate() {
            if let Some(fault) = misplaced(&item.modifiers[..number], &name.value) {
                self.report(&name.span, fault);
                return None;
            }
            let modifier =
                modifiers::find(&name.value).map_err(|fault| self.report(&name.span, fault)).ok()?;
            if let Err((at, fault)) = modifiers::apply(modifier, &mut lowered) {
                let span = at.and_then(|at| item.values.get(at)).map_or(&name.span, |value| &value.span);
                // a wrong chain is a fault of the modifier, a wrong value one of the value
                let span = if fault.code == codes::MODIFIER_CHAIN { &name.span } else { span };
                self.report(&span.clone(), fault);
                return None;
            }
        }
        self.warn_of_single_all(item, &lowered);
        let mut branches = Vec::with_capacity(lowered.values.len());
        for value in &lowered.values {
            branches.push(self.value(item, value.value.clone().cooked(), &value.span, lowered.cased)?);
        }
        let joined = if lowered.all { every(branches) } else { any(branches) };
        Some(if lowered.negated { Expr::Not(Box::new(joined)) } else { joined })
    }

    fn warn_of_single_all(&mut self, item: &FieldItem, lowered: &Item) {
        if lowered.all
            && item.values.len() == 1
            && let Some(all) = item.modifiers.iter().find(|modifier| modifier.value == "all")
        {
            let cause = "`all` on a single value changes nothing";
            let warning =
                Diagnostic::warning(codes::MODIFIER_CHAIN, &self.rule.file, all.span.clone(), cause);
            self.diagnostics.push(warning.with_help("list the values, or take `all` out"));
        }
    }

    fn value(
        &mut self,
        item: &FieldItem,
        value: Value,
        span: &std::ops::Range<usize>,
        cased: bool,
    ) -> Option<Expr> {
        let test = match value {
            Value::AnyOf(values) => {
                let branches = values.into_iter().map(|value| self.value(item, value, span, cased));
                return branches.collect::<Option<_>>().map(any);
            }
            Value::Pattern(pattern) => return self.pattern(item, pattern, span, cased),
            Value::Bytes(bytes) => {
                let pattern =
                    modifiers::encoded_text(bytes).map_err(|fault| self.report(span, fault)).ok()?;
                return self.pattern(item, pattern, span, cased);
            }
            Value::Exists(there) => {
                let exists = self.test(item, Test::Exists, span)?;
                return Some(if there { exists } else { Expr::Not(Box::new(exists)) });
            }
            Value::Text(text) => return self.pattern(item, Pattern::parse(&text), span, cased),
            Value::Number(_, text) if item.field.is_none() => {
                return self.pattern(item, Pattern::literal(text), span, cased);
            }
            Value::Bool(b) => {
                return self.pattern(item, Pattern::literal(if b { "true" } else { "false" }), span, cased);
            }
            Value::Number(number, _) => Test::Number(number),
            Value::Null => Test::Null,
            Value::Regex(regex) => Test::Regex(regex),
            Value::Cidr(network) => Test::Cidr(network),
            Value::Compare(comparison, number) => Test::Compare(comparison, number),
            Value::Time(part, comparison, number) => Test::Time(part, comparison, number),
            Value::FieldRef(test) => Test::FieldRef(FieldRefTest { cased, ..test }),
        };
        self.test(item, test, span)
    }

    /// A text, once for each combination of what its placeholders stand for.
    fn pattern(
        &mut self,
        item: &FieldItem,
        pattern: Pattern,
        span: &std::ops::Range<usize>,
        cased: bool,
    ) -> Option<Expr> {
        let patterns = self.fill(pattern, span)?;
        if patterns.is_empty() {
            return Some(Expr::Never);
        }
        let mut branches = Vec::with_capacity(patterns.len());
        for mut pattern in patterns {
            if item.field.is_none() && pattern.parts.is_empty() {
                let cause = "an empty keyword would be found in every event";
                self.refuse(codes::BAD_VALUE, span, cause);
                return None;
            }
            if item.field.is_none() {
                // a keyword stands anywhere in the event
                pattern.open_start();
                pattern.open_end();
            }
            branches.push(self.test(item, Test::Text(TextTest::new(pattern, cased)), span)?);
        }
        Some(any(branches))
    }

    fn fill(&mut self, pattern: Pattern, span: &std::ops::Range<usize>) -> Option<Vec<Pattern>> {
        let mut filled = vec![Pattern::default()];
        for part in pattern.parts {
            let Part::Placeholder(name) = &part else {
                filled.iter_mut().for_each(|pattern| pattern.parts.push(part.clone()));
                continue;
            };
            let Some(values) = self.lists.get(name) else {
                let cause = format!("there is no list `{name}`: the value matches nothing");
                let warning =
                    Diagnostic::warning(codes::UNDEFINED_PLACEHOLDER, &self.rule.file, span.clone(), cause);
                self.diagnostics.push(warning.with_help("define it in a file given with `--lists`"));
                return Some(Vec::new());
            };
            if filled.len() * values.len() > MAX_PLACEHOLDER_VALUES {
                let cause = format!("`{name}` makes more than {MAX_PLACEHOLDER_VALUES} values");
                self.refuse(codes::TOO_MANY_TESTS, span, cause);
                return None;
            }
            let combine = |pattern: &Pattern| {
                values
                    .iter()
                    .map(|value| {
                        let mut pattern = pattern.clone();
                        pattern.parts.extend(Pattern::parse(value).parts);
                        pattern
                    })
                    .collect::<Vec<_>>()
            };
            filled = filled.iter().flat_map(combine).collect();
        }
        Some(filled)
    }

    fn test(&mut self, item: &FieldItem, test: Test, span: &std::ops::Range<usize>) -> Option<Expr> {
        self.tests += 1;
        if self.tests > MAX_RULE_PREDICATES {
            if self.tests == MAX_RULE_PREDICATES + 1 {
                let cause = format!("the rule expands to more than {MAX_RULE_PREDICATES} tests");
                self.refuse(codes::TOO_MANY_TESTS, span, cause);
            }
            return None;
        }
        let Some(field) = &item.field else { return self.keyword(test, span) };
        let key = FieldKey::Named(field.value.to_lowercase());
        Some(Expr::Test(Predicate { field: key, shown: field.value.clone(), test }))
    }

    /// Only texts and expressions can be looked for in a whole event.
    fn keyword(&mut self, test: Test, span: &std::ops::Range<usize>) -> Option<Expr> {
        match &test {
            Test::Regex(_) | Test::Text(_) => {}
            _ => {
                let cause = "this asks of a field, and none is named";
                self.refuse(codes::MODIFIER_CHAIN, span, cause);
                return None;
            }
        }
        let shown = "(whole event)".to_owned();
        Some(Expr::Test(Predicate { field: FieldKey::Event, shown, test }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceFile;
    use crate::sigma::{Document, parse_documents};

    /// The codes of what is wrong with a rule of these selections and this condition.
    fn codes_of(selections: &str, condition: &str) -> Vec<&'static str> {
        let text = format!(
            "title: t\nlogsource: {{product: t}}\ndetection:\n{selections}\n  condition: {condition}\n"
        );
        let file = Arc::new(SourceFile { name: "t.yml".into(), text });
        let (documents, mut diagnostics) = parse_documents(&file);
        for document in documents {
            if let Document::Rule(rule) = document {
                diagnostics.extend(lower(&Arc::from(rule), &Lists::new()).1);
            }
        }
        diagnostics.iter().map(|d| d.code.id).collect()
    }

    #[test]
    fn a_small_rule_cannot_expand_without_bound() {
        let values: Vec<String> = (0..20).map(|i| format!("' -a -b -c -d -e{i}'")).collect();
        let many: Vec<String> = (0..2_000).map(|i| format!("v{i}")).collect();
        let named = vec!["s"; 200].join(" or ");
        for (selections, condition, code) in [
            ("  s: {a|windash|windash: ' -x'}".to_owned(), "s", codes::MODIFIER_CHAIN),
            ("  s: {a|base64offset|base64offset: x}".to_owned(), "s", codes::MODIFIER_CHAIN),
            (format!("  s: {{a|windash: [{}]}}", values.join(", ")), "s", codes::TOO_MANY_TESTS),
            (
                format!("  s: {{a|windash: ' -a -b -c -d -e{}'}}", "x".repeat(5_000)),
                "s",
                codes::MODIFIER_VALUE,
            ),
            (format!("  s: {{a: [{}]}}", many.join(", ")), named.as_str(), codes::TOO_MANY_TESTS),
        ] {
            assert_eq!(
                codes_of(&selections, condition),
                [code.id],
                "{}",
                &selections[..selections.len().min(60)]
            );
        }
    }

    #[test]
    fn what_would_match_everything_or_nothing_in_silence_is_said() {
        for (selections, code) in [
            ("  s: ['']", codes::BAD_VALUE),
            ("  s: {a: [null, .inf]}", codes::BAD_VALUE),
            ("  s: {a|re|i: 'k{150000}'}", codes::BAD_REGEX),
            ("  s: {a|re: 'a++'}", codes::BAD_REGEX),
            ("  s: {a|expand: '%none%'}", codes::UNDEFINED_PLACEHOLDER),
            ("  s: {a|all|contains: x}", codes::MODIFIER_CHAIN),
        ] {
            assert_eq!(codes_of(selections, "s"), [code.id], "{selections}");
        }
    }
}
