//! `add_condition`: every condition of the rule must hold together with a selection of the pipeline,
//! or with its opposite. With `template`, `$category`, `$product` and `$service` in its texts are the
//! rule's own.

use std::sync::Arc;

use super::super::apply::{Refusal, Run};
use super::super::read::Parameters;
use super::{Made, Transformation, TransformationKind};
use crate::diagnostic::SourceFile;
use crate::plan::{Beside, RULE_SCOPE, ResolvedNode, ResolvedSelection, detection_beside};
use crate::sigma::{Condition, Detection, Logsource, RuleValue, Spanned, parse_detection};

pub(super) static KIND: TransformationKind = TransformationKind {
    name: "add_condition",
    summary: "Adds a selection that must hold, or must not, beside each condition of the rule.",
    read,
};

#[derive(Debug)]
struct AddCondition {
    file: Arc<SourceFile>,
    detection: Detection,
    name: Option<String>,
    template: bool,
    negated: bool,
}

fn read(keys: &mut Parameters<'_>) -> Made {
    let detection = parse_detection(keys.required("conditions")?, keys.file).map_err(Box::new)?;
    let add = AddCondition {
        file: Arc::clone(keys.file),
        detection,
        name: keys.text("name")?,
        template: keys.flag("template")?,
        negated: keys.flag("negated")?,
    };
    // what is wrong with it is told now, and where it stands
    detection_beside(&add.detection, keys.file)?;
    Ok(Box::new(add))
}

impl Transformation for AddCondition {
    fn apply(&self, run: &mut Run<'_>) -> Result<(), Refusal> {
        let mut detection = self.detection.clone();
        if self.template {
            fill(&mut detection, &run.rule.rule.logsource.value);
        }
        let resolved = detection_beside(&detection, &self.file);
        let mut node: ResolvedNode = resolved.map_err(|diagnostic| Refusal(diagnostic.cause.clone()))?;
        run.mark(&mut node);
        let rule = &mut *run.rule;
        // a name makes it one of the rule's selections, which `them` covers; without one it is apart
        let (name, scope) = match &self.name {
            Some(name) => (name.clone(), RULE_SCOPE),
            None => ("condition".to_owned(), rule.new_scope()),
        };
        rule.selections.retain(|selection| selection.scope != scope || selection.name != name);
        rule.selections.push(ResolvedSelection { name: name.clone(), scope, node });
        let start = rule.rule.span.start;
        let added = Condition::Selection(Spanned { value: name, span: start..start });
        let condition = if self.negated { Condition::Not(Box::new(added)) } else { added };
        rule.beside.push(Beside { scope, condition });
        Ok(())
    }
}

/// Fills a template in the texts of a detection.
fn fill(detection: &mut Detection, logsource: &Logsource) {
    match detection {
        Detection::All(items) | Detection::Any(items) => {
            items.iter_mut().for_each(|item| fill(item, logsource));
        }
        Detection::Item(item) => {
            for value in &mut item.values {
                if let RuleValue::Text(text) = &mut value.value {
                    *text = filled(text, logsource);
                }
            }
        }
    }
}

/// `$product` and `${product}` → the rule's; `$$` → `$`; what a rule does not have is `None`.
fn filled(text: &str, logsource: &Logsource) -> String {
    let attributes =
        [("category", &logsource.category), ("product", &logsource.product), ("service", &logsource.service)];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('$') {
            out.push('$');
            rest = tail;
            continue;
        }
        let found = attributes.iter().find_map(|(name, value)| {
            let braced =
                rest.strip_prefix('{').and_then(|r| r.strip_prefix(name)).and_then(|r| r.strip_prefix('}'));
            let plain = || {
                let tail = rest.strip_prefix(name)?;
                let ends = !tail.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
                ends.then_some(tail)
            };
            braced.or_else(plain).map(|tail| (value, tail))
        });
        match found {
            Some((value, tail)) => {
                out.push_str(value.as_deref().unwrap_or("None"));
                rest = tail;
            }
            None => out.push('$'),
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_knows_the_log_source() {
        let logsource =
            Logsource { product: Some("aws".into()), service: Some("audit".into()), category: None };
        for (text, expected) in [
            ("logs-$product-*", "logs-aws-*"),
            ("${product}x${service}", "awsxaudit"),
            ("$products $$product", "$products $product"),
            ("$category", "None"),
            ("$", "$"),
            ("${produc}", "${produc}"),
        ] {
            assert_eq!(filled(text, &logsource), expected);
        }
    }
}
