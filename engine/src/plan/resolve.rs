//! The tree of a rule → the same tree with its modifiers applied.
//!
//! In: a parsed rule. Out: a [`ResolvedRule`], or diagnostics with the place of what cannot be. What
//! stands around rules works on this form: processing pipelines rename its fields and change its
//! values, for a value is what it is only behind its modifiers (`contains: a` is `*a*`). Behind it
//! comes `lower`, which knows no modifiers any more.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity, SourceFile, codes};
use crate::limits::MAX_MODIFIERS;
use crate::modifiers::{self, Fault, Item, Value};
use crate::sigma::{Condition, Detection, FieldItem, Rule, Spanned};

/// A rule whose modifiers have been applied.
#[derive(Debug, Clone)]
pub struct ResolvedRule {
    /// The rule, with what is known about it.
    pub rule: Rule,
    /// Its selections.
    pub selections: Vec<ResolvedSelection>,
    /// Its conditions; any of them is enough.
    pub conditions: Vec<Condition>,
    /// What must hold beside them: of filters, exceptions and pipelines.
    pub beside: Vec<Beside>,
}

/// Which selections a condition can name: those of one scope.
pub type Scope = usize;

/// The scope of the rule itself; filters and exceptions have their own.
pub const RULE_SCOPE: Scope = 0;

/// A condition that must hold beside a rule's own.
#[derive(Debug, Clone)]
pub struct Beside {
    /// The selections that it names.
    pub scope: Scope,
    /// The condition.
    pub condition: Condition,
}

/// A selection of a rule, or one that a filter or a pipeline has added.
#[derive(Debug, Clone)]
pub struct ResolvedSelection {
    /// Its name.
    pub name: String,
    /// Whose it is: no condition of another scope names it, not even by a pattern.
    pub scope: Scope,
    /// What it asks for.
    pub node: ResolvedNode,
}

/// What a selection asks for.
#[derive(Debug, Clone)]
pub enum ResolvedNode {
    /// All of these.
    All(Vec<ResolvedNode>),
    /// Any of these.
    Any(Vec<ResolvedNode>),
    /// One field, or the whole event, with values.
    Item(Box<ResolvedItem>),
}

/// One field with its values, or keywords.
#[derive(Debug, Clone)]
pub struct ResolvedItem {
    /// The field; `None` for keywords.
    pub field: Option<String>,
    /// The values, and how they are joined.
    pub values: Item,
    /// The modifiers that were applied, by name.
    pub modifiers: Vec<String>,
    /// The file in which it stands.
    pub file: Arc<SourceFile>,
    /// The bytes that it covers there.
    pub span: Range<usize>,
    /// The processing items that have changed or made it, by id.
    pub applied: Vec<String>,
}

impl ResolvedRule {
    /// A scope that nothing is in yet.
    pub fn new_scope(&self) -> Scope {
        self.selections.iter().map(|selection| selection.scope).max().unwrap_or(RULE_SCOPE) + 1
    }
}

impl ResolvedNode {
    /// Calls `see` with every item.
    pub fn for_each_item<'n>(&'n self, see: &mut impl FnMut(&'n ResolvedItem)) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().for_each(|node| node.for_each_item(see)),
            Self::Item(item) => see(item),
        }
    }
}

/// Applies the modifiers of a rule. The rule is `None` where a diagnostic is an error.
pub fn resolve(rule: &Rule) -> (Option<ResolvedRule>, Vec<Diagnostic>) {
    let mut resolver = Resolver { file: &rule.file, diagnostics: Vec::new() };
    let mut selections = Vec::with_capacity(rule.selections.len());
    for selection in &rule.selections {
        let node = resolver.detection(&selection.detection);
        let name = selection.name.value.clone();
        selections.push(ResolvedSelection { name, scope: RULE_SCOPE, node });
    }
    let diagnostics = resolver.diagnostics;
    let broken = diagnostics.iter().any(|d| d.severity == Severity::Error);
    let conditions = rule.conditions.clone();
    let resolved = ResolvedRule { rule: rule.clone(), selections, conditions, beside: Vec::new() };
    ((!broken).then_some(resolved), diagnostics)
}

/// Applies the modifiers of a detection that stands in another file than a rule's.
pub(super) fn resolve_detection(
    detection: &Detection,
    file: &Arc<SourceFile>,
) -> Result<ResolvedNode, Box<Diagnostic>> {
    let mut resolver = Resolver { file, diagnostics: Vec::new() };
    let node = resolver.detection(detection);
    match resolver.diagnostics.into_iter().find(|d| d.severity == Severity::Error) {
        Some(error) => Err(Box::new(error)),
        None => Ok(node),
    }
}

struct Resolver<'r> {
    file: &'r Arc<SourceFile>,
    diagnostics: Vec<Diagnostic>,
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

impl Resolver<'_> {
    fn detection(&mut self, detection: &Detection) -> ResolvedNode {
        match detection {
            Detection::All(items) => {
                ResolvedNode::All(items.iter().map(|item| self.detection(item)).collect())
            }
            Detection::Any(items) => {
                ResolvedNode::Any(items.iter().map(|item| self.detection(item)).collect())
            }
            // one with a fault has left an error: the rule goes no further
            Detection::Item(item) => match self.item(item) {
                Some(item) => ResolvedNode::Item(Box::new(item)),
                None => ResolvedNode::Any(Vec::new()),
            },
        }
    }

    fn report(&mut self, span: &Range<usize>, fault: Fault) {
        let diagnostic = Diagnostic::error(fault.code, self.file, span.clone(), fault.cause);
        self.diagnostics.push(diagnostic.with_help(fault.help));
    }

    /// One field with its values, its modifiers applied; `None` where that cannot be.
    fn item(&mut self, item: &FieldItem) -> Option<ResolvedItem> {
        let values = item
            .values
            .iter()
            .map(|value| Spanned { value: Value::from_rule(&value.value), span: value.span.clone() });
        let mut values = Item {
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
            if let Err((at, fault)) = modifiers::apply(modifier, &mut values) {
                let span = at.and_then(|at| item.values.get(at)).map_or(&name.span, |value| &value.span);
                // a wrong chain is a fault of the modifier, a wrong value one of the value
                let span = if fault.code == codes::MODIFIER_CHAIN { &name.span } else { span };
                self.report(&span.clone(), fault);
                return None;
            }
        }
        for value in &mut values.values {
            let raw = std::mem::replace(&mut value.value, Value::Null).cooked();
            value.value = match raw {
                Value::Bytes(bytes) => match modifiers::encoded_text(bytes) {
                    Ok(pattern) => Value::Pattern(pattern),
                    Err(fault) => {
                        self.report(&value.span, fault);
                        return None;
                    }
                },
                other => other,
            };
        }
        self.warn_of_single_all(item, &values);
        Some(ResolvedItem {
            field: item.field.as_ref().map(|field| field.value.clone()),
            values,
            modifiers: item.modifiers.iter().map(|modifier| modifier.value.clone()).collect(),
            file: Arc::clone(self.file),
            span: item.span.clone(),
            applied: Vec::new(),
        })
    }

    fn warn_of_single_all(&mut self, item: &FieldItem, values: &Item) {
        if values.all
            && item.values.len() == 1
            && let Some(all) = item.modifiers.iter().find(|modifier| modifier.value == "all")
        {
            let cause = "`all` on a single value changes nothing";
            let warning = Diagnostic::warning(codes::MODIFIER_CHAIN, self.file, all.span.clone(), cause);
            self.diagnostics.push(warning.with_help("list the values, or take `all` out"));
        }
    }
}
