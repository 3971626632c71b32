//! A rule with its modifiers applied → an expression over tests.
//!
//! In: a resolved rule and the lists that placeholders stand for. Out: a [`LoweredRule`], or
//! diagnostics with the place of what cannot be lowered. Behind this file there are only the tests
//! of `predicate`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::ir::{Expr, FieldKey, LoweredRule, LoweredSelection, Predicate};
use super::resolve::{
    Beside, RULE_SCOPE, ResolvedItem, ResolvedNode, ResolvedRule, Scope, resolve, resolve_detection,
};
use crate::diagnostic::{Code, Diagnostic, Severity, SourceFile, codes};
use crate::limits::{MAX_CONDITION_TESTS, MAX_PLACEHOLDER_VALUES, MAX_RULE_PREDICATES};
use crate::modifiers::{self, Fault, Value};
use crate::predicate::{FieldRefTest, Test, TextTest, fold};
use crate::sigma::{Condition, Detection, Part, Pattern, Quantity, Rule, Spanned};

/// Named lists of values: what `%name%` stands for under `expand`.
pub type Lists = BTreeMap<String, Vec<String>>;

/// Resolves and lowers a rule. The rule is `None` where a diagnostic is an error.
pub fn lower(rule: &Rule, lists: &Lists) -> (Option<LoweredRule>, Vec<Diagnostic>) {
    let (resolved, mut diagnostics) = resolve(rule);
    let lowered = resolved.and_then(|resolved| {
        let (lowered, more) = lower_resolved(resolved, lists);
        diagnostics.extend(more);
        lowered
    });
    (lowered, diagnostics)
}

/// Lowers a resolved rule. The rule is `None` where a diagnostic is an error.
pub fn lower_resolved(resolved: ResolvedRule, lists: &Lists) -> (Option<LoweredRule>, Vec<Diagnostic>) {
    let ResolvedRule { rule, selections, conditions, beside } = resolved;
    let mut lowering = Lowering { file: &rule.file, lists, diagnostics: Vec::new(), tests: 0, named: 0 };
    let selections: Vec<(Scope, LoweredSelection)> = selections
        .into_iter()
        .filter_map(|selection| {
            let expr = lowering.node(&selection.node)?;
            Some((selection.scope, LoweredSelection { name: selection.name, expr }))
        })
        .collect();
    let own: Vec<Expr> = conditions
        .iter()
        .filter_map(|condition| lowering.condition(condition, RULE_SCOPE, &selections))
        .collect();
    let others =
        beside.iter().filter_map(|beside| lowering.condition(&beside.condition, beside.scope, &selections));
    let others: Vec<Expr> = others.collect();
    // a rule of which nothing is left matches nothing, whatever its exceptions say
    let expr = match own.is_empty() {
        true => Expr::Never,
        false => every([any(own)].into_iter().chain(others).collect()),
    };
    let Lowering { diagnostics, .. } = lowering;
    let broken = diagnostics.iter().any(|d| d.severity == Severity::Error);
    let conditions = conditions.into_iter().map(|condition| shown(condition, &beside)).collect();
    let rule = Arc::new(Rule { conditions, ..rule });
    let named = |(scope, selection): (Scope, LoweredSelection)| LoweredSelection {
        name: shown_name(scope, &selection.name),
        ..selection
    };
    let selections = selections.into_iter().map(named).collect();
    ((!broken).then_some(LoweredRule { rule, selections, expr }), diagnostics)
}

/// A detection that is put beside rules, its modifiers applied: of a filter, an exception, a pipeline.
///
/// It is lowered here once for its own sake, without lists: a mistake that shows only then is one of the file
/// in which it stands, and would else be found in each rule that it is about, and cost that rule.
///
/// # Errors
/// The first mistake in it.
pub fn detection_beside(
    detection: &Detection,
    file: &Arc<SourceFile>,
) -> Result<ResolvedNode, Box<Diagnostic>> {
    let node = resolve_detection(detection, file)?;
    let lists = Lists::new();
    let mut lowering = Lowering { file, lists: &lists, diagnostics: Vec::new(), tests: 0, named: 0 };
    lowering.node(&node);
    match lowering.diagnostics.into_iter().find(|d| d.severity == Severity::Error) {
        Some(error) => Err(Box::new(error)),
        None => Ok(node),
    }
}

/// The name of a selection for people: those that a rule did not bring along say so.
fn shown_name(scope: Scope, name: &str) -> String {
    if scope == RULE_SCOPE { name.to_owned() } else { format!("{name} (added {scope})") }
}

/// A condition for people: with what must hold beside it.
fn shown(condition: Condition, beside: &[Beside]) -> Condition {
    if beside.is_empty() {
        return condition;
    }
    let others = beside.iter().map(|beside| in_scope(&beside.condition, beside.scope));
    Condition::And([condition].into_iter().chain(others).collect())
}

fn in_scope(condition: &Condition, scope: Scope) -> Condition {
    let branches = |branches: &[Condition]| branches.iter().map(|branch| in_scope(branch, scope)).collect();
    match condition {
        Condition::Selection(name) => {
            let value = shown_name(scope, &name.value);
            Condition::Selection(Spanned { value, span: name.span.clone() })
        }
        Condition::Not(inner) => Condition::Not(Box::new(in_scope(inner, scope))),
        Condition::And(all) => Condition::And(branches(all)),
        Condition::Or(all) => Condition::Or(branches(all)),
        of @ Condition::Of(..) => of.clone(),
    }
}

struct Lowering<'r> {
    /// The file of the rule, to which conditions belong.
    file: &'r Arc<SourceFile>,
    lists: &'r Lists,
    diagnostics: Vec<Diagnostic>,
    tests: usize,
    /// Tests of the selections that the condition has named so far.
    named: usize,
}

/// Any of these; of none, never.
fn any(mut branches: Vec<Expr>) -> Expr {
    match branches.len() {
        0 => Expr::Never,
        1 => branches.remove(0),
        _ => Expr::Or(branches),
    }
}

/// All of these; of none, never: what asks for nothing must not match everything.
fn every(mut branches: Vec<Expr>) -> Expr {
    match branches.len() {
        0 => Expr::Never,
        1 => branches.remove(0),
        _ => Expr::And(branches),
    }
}

impl Lowering<'_> {
    /// A condition over what is left of the selections. What a pipeline has dropped altogether drops out
    /// of the condition too; `None` where nothing is left.
    fn condition(
        &mut self,
        condition: &Condition,
        scope: Scope,
        selections: &[(Scope, LoweredSelection)],
    ) -> Option<Expr> {
        let mut branches = |branches: &[Condition]| -> Vec<Expr> {
            branches.iter().filter_map(|branch| self.condition(branch, scope, selections)).collect()
        };
        match condition {
            Condition::Selection(name) => {
                let of_name = |(of, selection): &&(Scope, LoweredSelection)| {
                    *of == scope && selection.name == name.value
                };
                Some(self.named(&selections.iter().find(of_name)?.1, &name.span))
            }
            Condition::Not(inner) => Some(Expr::Not(Box::new(self.condition(inner, scope, selections)?))),
            Condition::And(all) => Some(branches(all)).filter(|left| !left.is_empty()).map(every),
            Condition::Or(all) => Some(branches(all)).filter(|left| !left.is_empty()).map(any),
            Condition::Of(quantity, pattern) => {
                let covered = selections
                    .iter()
                    .filter(|(of, selection)| *of == scope && pattern.value.covers(&selection.name));
                let branches: Vec<Expr> =
                    covered.map(|(_, selection)| self.named(selection, &pattern.span)).collect();
                if branches.is_empty() {
                    return None;
                }
                Some(match quantity {
                    Quantity::All => every(branches),
                    Quantity::AtLeast(1) => any(branches),
                    Quantity::AtLeast(n) => Expr::AtLeast(*n, branches),
                })
            }
        }
    }

    /// A selection where the condition names it.
    fn named(&mut self, selection: &LoweredSelection, span: &Range<usize>) -> Expr {
        let before = self.named;
        selection.expr.for_each_predicate(&mut |_| self.named += 1);
        if self.named <= MAX_CONDITION_TESTS {
            return selection.expr.clone();
        }
        if before <= MAX_CONDITION_TESTS {
            let cause =
                format!("the condition names selections with more than {MAX_CONDITION_TESTS} tests in all");
            let file = Arc::clone(self.file);
            self.refuse(codes::TOO_MANY_TESTS, &file, span, cause);
        }
        Expr::Never
    }

    /// `None` where a pipeline has left nothing of it.
    fn node(&mut self, node: &ResolvedNode) -> Option<Expr> {
        match node {
            ResolvedNode::Item(item) => Some(self.item(item).unwrap_or(Expr::Never)),
            ResolvedNode::All(nodes) | ResolvedNode::Any(nodes) => {
                let branches: Vec<Expr> = nodes.iter().filter_map(|node| self.node(node)).collect();
                let joined = if matches!(node, ResolvedNode::All(_)) { every } else { any };
                (!branches.is_empty()).then(|| joined(branches))
            }
        }
    }

    fn report(&mut self, file: &Arc<SourceFile>, span: &Range<usize>, fault: Fault) {
        let diagnostic = Diagnostic::error(fault.code, file, span.clone(), fault.cause);
        self.diagnostics.push(diagnostic.with_help(fault.help));
    }

    fn refuse(&mut self, code: Code, file: &Arc<SourceFile>, span: &Range<usize>, cause: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(code, file, span.clone(), cause));
    }

    fn item(&mut self, item: &ResolvedItem) -> Option<Expr> {
        let mut branches = Vec::with_capacity(item.values.values.len());
        for value in &item.values.values {
            branches.push(self.value(item, value.value.clone(), &value.span, item.values.cased)?);
        }
        let joined = if item.values.all { every(branches) } else { any(branches) };
        Some(if item.values.negated { Expr::Not(Box::new(joined)) } else { joined })
    }

    fn value(&mut self, item: &ResolvedItem, value: Value, span: &Range<usize>, cased: bool) -> Option<Expr> {
        let test = match value {
            Value::AnyOf(values) => {
                let branches = values.into_iter().map(|value| self.value(item, value, span, cased));
                return branches.collect::<Option<_>>().map(any);
            }
            Value::Pattern(pattern) => return self.pattern(item, pattern, span, cased),
            Value::Bytes(bytes) => {
                let pattern = modifiers::encoded_text(bytes);
                let pattern = pattern.map_err(|fault| self.report(&item.file, span, fault)).ok()?;
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
            Value::FieldRef(test) => {
                Test::FieldRef(FieldRefTest { field: fold(&test.field).into_owned(), cased, ..test })
            }
        };
        self.test(item, test, span)
    }

    /// A text, once for each combination of what its placeholders stand for.
    fn pattern(
        &mut self,
        item: &ResolvedItem,
        pattern: Pattern,
        span: &Range<usize>,
        cased: bool,
    ) -> Option<Expr> {
        let patterns = self.fill(item, pattern, span)?;
        if patterns.is_empty() {
            return Some(Expr::Never);
        }
        let mut branches = Vec::with_capacity(patterns.len());
        for mut pattern in patterns {
            if item.field.is_none() && pattern.parts.is_empty() {
                let cause = "an empty keyword would be found in every event";
                self.refuse(codes::BAD_VALUE, &item.file, span, cause);
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

    fn fill(&mut self, item: &ResolvedItem, pattern: Pattern, span: &Range<usize>) -> Option<Vec<Pattern>> {
        let mut filled = vec![Pattern::default()];
        for part in pattern.parts {
            let Part::Placeholder(name) = &part else {
                filled.iter_mut().for_each(|pattern| pattern.parts.push(part.clone()));
                continue;
            };
            let Some(values) = self.lists.get(name) else {
                let cause = format!("there is no list `{name}`: the value matches nothing");
                let warning =
                    Diagnostic::warning(codes::UNDEFINED_PLACEHOLDER, &item.file, span.clone(), cause);
                self.diagnostics.push(warning.with_help("define it in a file given with `--lists`"));
                return Some(Vec::new());
            };
            if filled.len() * values.len() > MAX_PLACEHOLDER_VALUES {
                let cause = format!("`{name}` makes more than {MAX_PLACEHOLDER_VALUES} values");
                self.refuse(codes::TOO_MANY_TESTS, &item.file, span, cause);
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

    fn test(&mut self, item: &ResolvedItem, test: Test, span: &Range<usize>) -> Option<Expr> {
        self.tests += 1;
        if self.tests > MAX_RULE_PREDICATES {
            if self.tests == MAX_RULE_PREDICATES + 1 {
                let cause = format!("the rule expands to more than {MAX_RULE_PREDICATES} tests");
                self.refuse(codes::TOO_MANY_TESTS, &item.file, span, cause);
            }
            return None;
        }
        let Some(field) = &item.field else { return self.keyword(item, test, span) };
        let key = FieldKey::Named(fold(field).into_owned());
        Some(Expr::Test(Predicate { field: key, shown: field.clone(), test }))
    }

    /// Only texts and expressions can be looked for in a whole event.
    fn keyword(&mut self, item: &ResolvedItem, test: Test, span: &Range<usize>) -> Option<Expr> {
        match &test {
            Test::Regex(_) | Test::Text(_) => {}
            _ => {
                let cause = "this asks of a field, and none is named";
                self.refuse(codes::MODIFIER_CHAIN, &item.file, span, cause);
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
                diagnostics.extend(lower(&rule, &Lists::new()).1);
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
