//! Whether an item of a pipeline is for a rule, a detection item, a field.
//!
//! In: the conditions of an item, three lists of them, each linked by `and`, `or` or an expression
//! over their names, and negated where asked. Out: yes or no. Without any condition an item is for
//! every rule, whatever links them; for detection items and fields an empty list is what its linking
//! makes of it: all of nothing holds, any of nothing does not.

use std::ops::Range;

use super::apply::{Refusal, State, StateValue};
use super::plain_text::PlainText;
use super::read::{Parameters, text_of, wrong_type};
use crate::diagnostic::{Diagnostic, codes};
use crate::limits::MAX_RULE_DEPTH;
use crate::modifiers::Value;
use crate::plan::{ResolvedItem, ResolvedRule};
use crate::predicate::Number;
use crate::sigma::yaml::{Kind, Node, Scalar};
use crate::sigma::{Level, Part, Pattern};

type Read<T> = Result<T, Box<Diagnostic>>;

/// Conditions of one kind, linked.
#[derive(Debug)]
struct Linked<C> {
    conditions: Vec<C>,
    link: Link,
    negated: bool,
}

#[derive(Debug)]
enum Link {
    All,
    Any,
    Expression(Expression),
}

/// An expression over conditions, by number.
#[derive(Debug)]
enum Expression {
    Condition(usize),
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
}

/// The keys of one kind of conditions.
struct Keys {
    list: &'static str,
    link: &'static str,
    negated: &'static str,
    expression: &'static str,
}

impl<C> Linked<C> {
    fn read(
        keys: &mut Parameters<'_>,
        of: &Keys,
        read: fn(&str, &mut Parameters<'_>) -> Read<C>,
    ) -> Read<Self> {
        let mut names = None;
        let mut conditions = Vec::new();
        match keys.take(of.list).map(|node| (node, &node.kind)) {
            None => {}
            Some((_, Kind::List(nodes))) => {
                for node in nodes {
                    conditions.push(condition(node, keys, read)?);
                }
            }
            Some((_, Kind::Map(pairs))) => {
                for (_, node) in pairs {
                    conditions.push(condition(node, keys, read)?);
                }
                let name = |(name, _): &(Node, Node)| name.text().unwrap_or_default().to_owned();
                names = Some(pairs.iter().map(name).collect::<Vec<String>>());
            }
            Some((node, _)) => {
                let cause = format!("`{}` must be a list or a mapping of conditions", of.list);
                return Err(wrong_type(keys.file, node, &cause));
            }
        }
        let link = keys.word(of.link, &["and", "or"])?;
        let negated = keys.flag(of.negated)?;
        let expression = match keys.take(of.expression) {
            None => None,
            Some(node) => {
                let bad = |cause: String| {
                    Box::new(Diagnostic::error(codes::CONDITION_SYNTAX, keys.file, node.span.clone(), cause))
                };
                let text = text_of(node, of.expression, keys.file)?;
                let Some(names) = &names else {
                    return Err(bad(format!("`{}` needs conditions with names", of.list)));
                };
                if link.is_some() {
                    return Err(bad(format!("`{}` and `{}` exclude each other", of.expression, of.link)));
                }
                Some(Expression::parse(&text, names).map_err(bad)?)
            }
        };
        let link = match (expression, link) {
            (Some(expression), _) => Link::Expression(expression),
            (None, Some("or")) => Link::Any,
            (None, _) => Link::All,
        };
        Ok(Self { conditions, link, negated })
    }

    fn hold(&self, holds: impl Fn(&C) -> Result<bool, Refusal>) -> Result<bool, Refusal> {
        // each is asked, so that one that cannot be answered is told whatever the others say
        let each: Vec<bool> = self.conditions.iter().map(holds).collect::<Result<_, _>>()?;
        let linked = match &self.link {
            Link::All => each.iter().all(|holds| *holds),
            Link::Any => each.iter().any(|holds| *holds),
            Link::Expression(expression) => expression.holds(&each),
        };
        Ok(linked != self.negated)
    }
}

fn condition<C>(node: &Node, of: &Parameters<'_>, read: fn(&str, &mut Parameters<'_>) -> Read<C>) -> Read<C> {
    let mut keys = Parameters::new(node, of.file, "a condition")?;
    let kind = keys.required_text("type")?;
    keys.name(&format!("the condition `{}`", kind.value));
    let condition = read(&kind.value, &mut keys).map_err(|mut diagnostic| {
        if diagnostic.span == (Range { start: 0, end: 0 }) {
            diagnostic.span = kind.span.clone();
        }
        diagnostic
    })?;
    match keys.unknown().into_iter().next() {
        Some(unknown) => Err(Box::new(unknown)),
        None => Ok(condition),
    }
}

/// There is no condition of that name among these; its place is that of the type.
fn unknown<C>(kind: &str, keys: &Parameters<'_>, known: &[&str]) -> Read<C> {
    let cause = format!("there is no condition `{kind}` here");
    let diagnostic = Diagnostic::error(codes::UNKNOWN_KEY, keys.file, 0..0, cause);
    Err(Box::new(diagnostic.with_help(format!("there are {}", known.join(", ")))))
}

impl Expression {
    fn parse(text: &str, names: &[String]) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut parser = ExpressionParser { tokens: &tokens, at: 0, names, used: vec![false; names.len()] };
        let expression = parser.or(0)?;
        if let Some(token) = parser.tokens.get(parser.at) {
            return Err(format!("`{token}` was not expected here"));
        }
        match parser.used.iter().position(|used| !used) {
            Some(unused) => Err(format!("the condition `{}` is not used by the expression", names[unused])),
            None => Ok(expression),
        }
    }

    fn holds(&self, each: &[bool]) -> bool {
        match self {
            Self::Condition(number) => each.get(*number).copied().unwrap_or(false),
            Self::Not(inner) => !inner.holds(each),
            Self::And(branches) => branches.iter().all(|branch| branch.holds(each)),
            Self::Or(branches) => branches.iter().any(|branch| branch.holds(each)),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in text.chars() {
        let is_word = c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        match (c, tokens.last_mut()) {
            (_, Some(word)) if is_word && in_word => word.push(c),
            ('(' | ')', _) => tokens.push(c.to_string()),
            (c, _) if is_word => tokens.push(c.to_string()),
            (c, _) if c.is_whitespace() => {}
            (c, _) => return Err(format!("`{c}` is not part of an expression")),
        }
        in_word = is_word;
    }
    Ok(tokens)
}

struct ExpressionParser<'t> {
    tokens: &'t [String],
    at: usize,
    names: &'t [String],
    used: Vec<bool>,
}

impl ExpressionParser<'_> {
    fn next_is(&mut self, word: &str) -> bool {
        let is = self.tokens.get(self.at).is_some_and(|token| token == word);
        self.at += usize::from(is);
        is
    }

    fn or(&mut self, depth: usize) -> Result<Expression, String> {
        let mut branches = vec![self.and(depth)?];
        while self.next_is("or") {
            branches.push(self.and(depth)?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Expression::Or(branches) })
    }

    fn and(&mut self, depth: usize) -> Result<Expression, String> {
        let mut branches = vec![self.not(depth)?];
        while self.next_is("and") {
            branches.push(self.not(depth)?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Expression::And(branches) })
    }

    fn not(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > MAX_RULE_DEPTH {
            return Err(format!("the expression nests deeper than {MAX_RULE_DEPTH}"));
        }
        if self.next_is("not") {
            return Ok(Expression::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.next_is("(") {
            let inner = self.or(depth + 1)?;
            return match self.next_is(")") {
                true => Ok(inner),
                false => Err("a parenthesis is not closed".into()),
            };
        }
        let name = self.tokens.get(self.at).ok_or("the expression ends too early")?;
        self.at += 1;
        match self.names.iter().position(|known| known == name) {
            Some(number) => {
                self.used[number] = true;
                Ok(Expression::Condition(number))
            }
            None => Err(format!("there is no condition `{name}`")),
        }
    }
}

/// `processing_state`: what is asked of a value that an item has set; all three kinds have it.
#[derive(Debug)]
struct OfState {
    key: String,
    op: Op,
    value: StateValue,
}

impl OfState {
    fn read(keys: &mut Parameters<'_>) -> Read<Self> {
        let key = keys.required_text("key")?.value;
        let value = state_value(keys, "val")?;
        Ok(Self { key, op: Op::read(keys, &Op::ORDER)?, value })
    }

    /// A value that was never set meets nothing, not even `ne`.
    fn holds(&self, state: &State) -> Result<bool, Refusal> {
        let Self { key, op, value } = self;
        match (state.values.get(key), value) {
            (None, _) => Ok(false),
            (Some(StateValue::Number(is)), StateValue::Number(asked)) => Ok(op.orders(is.partial_cmp(asked))),
            (Some(StateValue::Text(is)), StateValue::Text(asked)) => Ok(op.orders(Some(is.cmp(asked)))),
            (Some(is), asked) => match op {
                Op::Eq => Ok(is == asked),
                Op::Ne => Ok(is != asked),
                _ => Err(Refusal(format!("the state `{key}` cannot be ordered with what is asked"))),
            },
        }
    }
}

/// A scalar that `set_state` may set.
pub(super) fn state_value(keys: &mut Parameters<'_>, key: &'static str) -> Read<StateValue> {
    let node = keys.required(key)?;
    Ok(match node.scalar() {
        Some(Scalar::Bool(flag)) => StateValue::Bool(flag),
        Some(Scalar::Number(number)) => StateValue::Number(number.parse().unwrap_or(f64::NAN)),
        _ => StateValue::Text(text_of(node, key, keys.file)?),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Eq,
    Ne,
    Gte,
    Gt,
    Lte,
    Lt,
    In,
    NotIn,
}

impl Op {
    const ORDER: [&'static str; 6] = ["eq", "ne", "gte", "gt", "lte", "lt"];
    const ALL: [&'static str; 8] = ["eq", "ne", "gte", "gt", "lte", "lt", "in", "not_in"];

    fn read(keys: &mut Parameters<'_>, words: &[&'static str]) -> Read<Self> {
        Ok(match keys.word("op", words)? {
            None | Some("eq") => Self::Eq,
            Some("ne") => Self::Ne,
            Some("gte") => Self::Gte,
            Some("gt") => Self::Gt,
            Some("lte") => Self::Lte,
            Some("lt") => Self::Lt,
            Some("in") => Self::In,
            Some(_) => Self::NotIn,
        })
    }

    fn orders(self, order: Option<std::cmp::Ordering>) -> bool {
        match (self, order) {
            (Self::Ne, None) => true,
            (_, None) => false,
            (Self::Eq, Some(order)) => order.is_eq(),
            (Self::Ne, Some(order)) => order.is_ne(),
            (Self::Gte, Some(order)) => order.is_ge(),
            (Self::Gt, Some(order)) => order.is_gt(),
            (Self::Lte, Some(order)) => order.is_le(),
            (Self::Lt, Some(order)) => order.is_lt(),
            (Self::In | Self::NotIn, Some(_)) => false,
        }
    }
}

/// Whether an item is for a rule.
#[derive(Debug)]
pub(super) struct RuleConditions(Linked<RuleCondition>);

#[derive(Debug)]
enum RuleCondition {
    Logsource { category: Option<String>, product: Option<String>, service: Option<String> },
    ContainsField(String),
    ContainsItem { field: String, value: Value },
    Applied(String),
    State(OfState),
    Is { rule: bool },
    Attribute { name: String, op: Op, value: String },
    Tag(String),
}

const RULE_CONDITIONS: &[&str] = &[
    "logsource",
    "contains_field",
    "contains_detection_item",
    "processing_item_applied",
    "processing_state",
    "is_sigma_rule",
    "is_sigma_correlation_rule",
    "rule_attribute",
    "tag",
];

impl RuleConditions {
    pub fn read(keys: &mut Parameters<'_>) -> Read<Self> {
        let of = Keys {
            list: "rule_conditions",
            link: "rule_cond_op",
            negated: "rule_cond_not",
            expression: "rule_cond_expr",
        };
        Linked::read(keys, &of, RuleCondition::read).map(Self)
    }

    pub fn hold(&self, rule: &ResolvedRule, state: &State) -> Result<bool, Refusal> {
        if self.0.conditions.is_empty() {
            return Ok(true);
        }
        self.0.hold(|condition| condition.holds(rule, state))
    }
}

impl RuleCondition {
    fn read(kind: &str, keys: &mut Parameters<'_>) -> Read<Self> {
        Ok(match kind {
            "logsource" => {
                let (category, product) = (keys.text("category")?, keys.text("product")?);
                let service = keys.text("service")?;
                if category.is_none() && product.is_none() && service.is_none() {
                    let cause = "a log source needs a `category`, `product` or `service`";
                    return Err(Box::new(Diagnostic::error(codes::MISSING_KEY, keys.file, 0..0, cause)));
                }
                Self::Logsource { category, product, service }
            }
            "contains_field" => Self::ContainsField(keys.required_text("field")?.value),
            "contains_detection_item" => {
                let field = keys.required_text("field")?.value;
                Self::ContainsItem { field, value: value_of(keys.required("value")?, keys)? }
            }
            "processing_item_applied" => Self::Applied(keys.required_text("processing_item_id")?.value),
            "processing_state" => Self::State(OfState::read(keys)?),
            "is_sigma_rule" => Self::Is { rule: true },
            "is_sigma_correlation_rule" => Self::Is { rule: false },
            "rule_attribute" => Self::Attribute {
                name: keys.required_text("attribute")?.value,
                value: keys.required_text("value")?.value,
                op: Op::read(keys, &Op::ALL)?,
            },
            "tag" => Self::Tag(keys.required_text("tag")?.value),
            other => return unknown(other, keys, RULE_CONDITIONS),
        })
    }

    fn holds(&self, rule: &ResolvedRule, state: &State) -> Result<bool, Refusal> {
        let any_item = |holds: &dyn Fn(&ResolvedItem) -> bool| {
            let mut found = false;
            for selection in &rule.selections {
                selection.node.for_each_item(&mut |item| found |= holds(item));
            }
            found
        };
        Ok(match self {
            Self::Logsource { category, product, service } => {
                let is = &rule.rule.logsource.value;
                let fits = |asked: &Option<String>, is: &Option<String>| match (asked, is) {
                    (None, _) => true,
                    (Some(asked), Some(is)) => asked.eq_ignore_ascii_case(is),
                    (Some(_), None) => false,
                };
                fits(category, &is.category) && fits(product, &is.product) && fits(service, &is.service)
            }
            Self::ContainsField(field) => any_item(&|item| item.field.as_ref() == Some(field)),
            Self::ContainsItem { field, value } => any_item(&|item| {
                item.field.as_ref() == Some(field)
                    && item.values.values.iter().any(|is| same(&is.value, value) && !item.values.cased)
            }),
            Self::Applied(id) => state.applied.contains(id),
            Self::State(of_state) => of_state.holds(state)?,
            Self::Is { rule } => *rule,
            Self::Attribute { name, op, value } => attribute(rule, name, *op, value)?,
            Self::Tag(tag) => rule.rule.tags.contains(tag),
        })
    }
}

/// A scalar of a condition as a value of a rule.
fn value_of(node: &Node, keys: &Parameters<'_>) -> Read<Value> {
    Ok(match node.scalar() {
        None => return Err(wrong_type(keys.file, node, "a value must be a text, number, boolean or null")),
        Some(Scalar::Null) => Value::Null,
        Some(Scalar::Bool(flag)) => Value::Bool(flag),
        Some(Scalar::Number(number)) => match Number::parse(number) {
            Some(parsed) => Value::Number(parsed, number.to_owned()),
            None => Value::Pattern(Pattern::literal(number)),
        },
        Some(Scalar::Text(text)) => Value::Pattern(Pattern::parse(text)),
    })
}

/// Whether two values are of one type and equal; letters as they are written.
fn same(is: &Value, asked: &Value) -> bool {
    match (is, asked) {
        (Value::Pattern(is), Value::Pattern(asked)) => is == asked,
        (Value::Number(is, _), Value::Number(asked, _)) => is == asked,
        (Value::Bool(is), Value::Bool(asked)) => is == asked,
        (Value::Null, Value::Null) => true,
        _ => false,
    }
}

/// What is asked of an attribute of a rule; one that it does not have meets nothing.
fn attribute(rule: &ResolvedRule, name: &str, op: Op, asked: &str) -> Result<bool, Refusal> {
    let rule = &rule.rule;
    let refuse = |what: &str| Err(Refusal(format!("`{name}` is {what}: it cannot be compared so")));
    let text = |is: &str| match op {
        Op::Eq => Ok(is == asked),
        Op::Ne => Ok(is != asked),
        _ => refuse("a text"),
    };
    let list = |is: &[String]| {
        Ok(match op {
            Op::In => is.iter().any(|item| item == asked),
            Op::NotIn => is.iter().all(|item| item != asked),
            op => op == Op::Ne,
        })
    };
    let texts = [
        ("title", Some(&rule.title)),
        ("id", rule.id.as_ref()),
        ("name", rule.name.as_ref()),
        ("author", rule.author.as_ref()),
        ("description", rule.description.as_ref()),
        ("license", rule.license.as_ref()),
        ("taxonomy", rule.taxonomy.as_ref()),
    ];
    let lists = [
        ("tags", &rule.tags),
        ("references", &rule.references),
        ("fields", &rule.fields),
        ("falsepositives", &rule.falsepositives),
    ];
    if let Some((_, is)) = texts.iter().find(|(known, _)| *known == name) {
        return is.map_or(Ok(false), |is| text(is));
    }
    if let Some((_, is)) = lists.iter().find(|(known, _)| *known == name) {
        return list(is);
    }
    let ranked = |is: Option<usize>, asked: Option<usize>| match (is, asked) {
        (_, None) => refuse("one of a few words"),
        (None, _) => Ok(false),
        (Some(is), Some(asked)) => Ok(op.orders(Some(is.cmp(&asked)))),
    };
    match name {
        "level" => {
            ranked(rule.level.map(|level| level as usize), Level::parse(asked).map(|level| level as usize))
        }
        "status" => ranked(rule.status.as_deref().and_then(rank_of_status), rank_of_status(asked)),
        "date" | "modified" => {
            let is = if name == "date" { &rule.date } else { &rule.modified };
            match (is.as_deref().map(day), day(asked)) {
                (_, None) => refuse("a date"),
                (None | Some(None), _) => Ok(false),
                (Some(Some(is)), Some(asked)) => Ok(op.orders(Some(is.cmp(&asked)))),
            }
        }
        custom => match rule.custom.get(custom) {
            Some(serde_json::Value::String(is)) => text(is),
            Some(serde_json::Value::Array(items)) => {
                let item =
                    |item: &serde_json::Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
                list(&items.iter().map(item).collect::<Vec<_>>())
            }
            Some(is @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
                let is = is.as_f64().or_else(|| is.as_bool().map(|flag| f64::from(u8::from(flag))));
                match (is, asked.parse::<f64>()) {
                    (Some(is), Ok(asked)) if !matches!(op, Op::In | Op::NotIn) => {
                        Ok(op.orders(is.partial_cmp(&asked)))
                    }
                    _ => refuse("a number"),
                }
            }
            Some(_) => refuse("a mapping"),
            None => Ok(false),
        },
    }
}

/// A date as rules write it, `2024-05-01` or `2024/05/01`.
fn day(text: &str) -> Option<chrono::NaiveDate> {
    text.replace('/', "-").parse().ok()
}

fn rank_of_status(word: &str) -> Option<usize> {
    let ranks = ["unsupported", "deprecated", "experimental", "test", "stable"];
    ranks.iter().position(|rank| rank.eq_ignore_ascii_case(word))
}

/// Whether an item is for a detection item.
#[derive(Debug)]
pub(super) struct ItemConditions(Linked<ItemCondition>);

#[derive(Debug)]
enum ItemCondition {
    Values { every: bool, test: ValueTest },
    Applied(String),
    State(OfState),
}

/// What is asked of a value.
#[derive(Debug)]
enum ValueTest {
    Matches { regex: regex::Regex, negate: bool },
    Is(Value),
    HasWildcard,
    IsNull,
}

const ITEM_CONDITIONS: &[&str] = &[
    "match_string",
    "match_value",
    "contains_wildcard",
    "is_null",
    "processing_item_applied",
    "processing_state",
];

impl ItemConditions {
    pub fn read(keys: &mut Parameters<'_>) -> Read<Self> {
        let of = Keys {
            list: "detection_item_conditions",
            link: "detection_item_cond_op",
            negated: "detection_item_cond_not",
            expression: "detection_item_cond_expr",
        };
        Linked::read(keys, &of, ItemCondition::read).map(Self)
    }

    pub fn hold(&self, item: &ResolvedItem, state: &State) -> Result<bool, Refusal> {
        self.0.hold(|condition| condition.holds(item, state))
    }
}

impl ItemCondition {
    fn read(kind: &str, keys: &mut Parameters<'_>) -> Read<Self> {
        let test = match kind {
            "match_string" => {
                ValueTest::Matches { regex: keys.regex("pattern", true)?, negate: keys.flag("negate")? }
            }
            "match_value" => ValueTest::Is(value_of(keys.required("value")?, keys)?),
            "contains_wildcard" => ValueTest::HasWildcard,
            "is_null" => ValueTest::IsNull,
            "processing_item_applied" => {
                return Ok(Self::Applied(keys.required_text("processing_item_id")?.value));
            }
            "processing_state" => return Ok(Self::State(OfState::read(keys)?)),
            other => return unknown(other, keys, ITEM_CONDITIONS),
        };
        keys.required("cond")?;
        let every = keys.word("cond", &["any", "all"])? == Some("all");
        Ok(Self::Values { every, test })
    }

    fn holds(&self, item: &ResolvedItem, state: &State) -> Result<bool, Refusal> {
        let mut values = item.values.values.iter().map(|value| &value.value);
        Ok(match self {
            Self::Values { every: true, test } => values.all(|value| test.holds(value)),
            Self::Values { every: false, test } => values.any(|value| test.holds(value)),
            Self::Applied(id) => item.applied.contains(id),
            Self::State(of_state) => of_state.holds(state)?,
        })
    }
}

impl ValueTest {
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Matches { regex, negate }, Value::Pattern(pattern)) => {
                regex.is_match(&PlainText::of(pattern).text) != *negate
            }
            (Self::Matches { negate, .. }, _) => *negate,
            (Self::Is(Value::Null), _) => false,
            (Self::Is(asked), value) => same(value, asked),
            (Self::HasWildcard, Value::Pattern(pattern)) => {
                pattern.parts.iter().any(|part| matches!(part, Part::AnyRun | Part::AnyOne))
            }
            (Self::HasWildcard, _) => false,
            (Self::IsNull, value) => *value == Value::Null,
        }
    }
}

/// Whether an item is for a field.
#[derive(Debug)]
pub(super) struct FieldConditions(Linked<FieldCondition>);

#[derive(Debug)]
enum FieldCondition {
    Named { names: FieldNames, included: bool },
    Applied(String),
    State(OfState),
}

#[derive(Debug)]
enum FieldNames {
    Plain(Vec<String>),
    Matching(Vec<regex::Regex>),
}

const FIELD_CONDITIONS: &[&str] =
    &["include_fields", "exclude_fields", "processing_item_applied", "processing_state"];

impl FieldConditions {
    pub fn read(keys: &mut Parameters<'_>) -> Read<Self> {
        let of = Keys {
            list: "field_name_conditions",
            link: "field_name_cond_op",
            negated: "field_name_cond_not",
            expression: "field_name_cond_expr",
        };
        Linked::read(keys, &of, FieldCondition::read).map(Self)
    }

    /// For a name; `None` stands for keywords.
    pub fn hold(
        &self,
        name: Option<&str>,
        item: Option<&ResolvedItem>,
        state: &State,
    ) -> Result<bool, Refusal> {
        self.0.hold(|condition| match condition {
            FieldCondition::Named { .. } => Ok(condition.names(name)),
            FieldCondition::Applied(id) => Ok(item.is_some_and(|item| item.applied.contains(id))),
            FieldCondition::State(of_state) => of_state.holds(state),
        })
    }

    /// For an item: each condition may hold of its own field or of a field that it refers to.
    pub fn hold_for_item(&self, item: &ResolvedItem, state: &State) -> Result<bool, Refusal> {
        let referred = || {
            item.values.values.iter().filter_map(|value| match &value.value {
                Value::FieldRef(test) => Some(test.field.as_str()),
                _ => None,
            })
        };
        self.0.hold(|condition| match condition {
            FieldCondition::Named { .. } => {
                Ok(condition.names(item.field.as_deref())
                    || referred().any(|name| condition.names(Some(name))))
            }
            FieldCondition::Applied(id) => Ok(item.applied.contains(id)),
            FieldCondition::State(of_state) => of_state.holds(state),
        })
    }
}

impl FieldCondition {
    fn read(kind: &str, keys: &mut Parameters<'_>) -> Read<Self> {
        Ok(match kind {
            "include_fields" | "exclude_fields" => {
                let node = keys.required("fields")?;
                let names = keys.texts("fields")?.unwrap_or_default();
                let names = match keys.word("mode", &["plain", "re"])? {
                    Some("re") => {
                        let regex = |name: &String| {
                            super::read::regex(name, true).map_err(|error| {
                                Box::new(Diagnostic::error(
                                    codes::BAD_REGEX,
                                    keys.file,
                                    node.span.clone(),
                                    error,
                                ))
                            })
                        };
                        FieldNames::Matching(names.iter().map(regex).collect::<Result<_, _>>()?)
                    }
                    _ => FieldNames::Plain(names),
                };
                Self::Named { names, included: kind == "include_fields" }
            }
            "processing_item_applied" => Self::Applied(keys.required_text("processing_item_id")?.value),
            "processing_state" => Self::State(OfState::read(keys)?),
            other => return unknown(other, keys, FIELD_CONDITIONS),
        })
    }

    fn names(&self, name: Option<&str>) -> bool {
        let Self::Named { names, included } = self else { return false };
        let named = name.is_some_and(|name| match names {
            FieldNames::Plain(names) => names.iter().any(|other| other == name),
            FieldNames::Matching(patterns) => patterns.iter().any(|pattern| pattern.is_match(name)),
        });
        named == *included
    }
}
