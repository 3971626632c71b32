//! `value_placeholders`, `wildcard_placeholders`: what `%name%` under `expand` stands for, where the
//! pipeline says it rather than a list of one's own.

use super::super::apply::{Refusal, Run};
use super::super::read::Parameters;
use super::{Changed, Made, Transformation, TransformationKind, with_texts};
use crate::diagnostic::{Diagnostic, codes};
use crate::limits::MAX_PLACEHOLDER_VALUES;
use crate::modifiers::Value;
use crate::plan::ResolvedItem;
use crate::sigma::{Part, Pattern};

pub(super) static VALUES: TransformationKind = TransformationKind {
    name: "value_placeholders",
    summary: "Replaces placeholders by the values of the pipeline's `vars`.",
    read: |keys| read(keys, false),
};

pub(super) static WILDCARDS: TransformationKind = TransformationKind {
    name: "wildcard_placeholders",
    summary: "Replaces placeholders by `*`.",
    read: |keys| read(keys, true),
};

#[derive(Debug)]
struct Placeholders {
    wildcards: bool,
    include: Option<Vec<String>>,
    exclude: Option<Vec<String>>,
}

fn read(keys: &mut Parameters<'_>, wildcards: bool) -> Made {
    let (include, exclude) = (keys.texts("include")?, keys.texts("exclude")?);
    if include.is_some() && exclude.is_some() {
        let place = keys.required("exclude")?.span.clone();
        let cause = "`include` and `exclude` exclude each other";
        return Err(Box::new(Diagnostic::error(codes::BAD_VALUE, keys.file, place, cause)));
    }
    Ok(Box::new(Placeholders { wildcards, include, exclude }))
}

impl Placeholders {
    fn handles(&self, name: &String) -> bool {
        self.include.as_ref().is_none_or(|names| names.contains(name))
            && self.exclude.as_ref().is_none_or(|names| !names.contains(name))
    }

    /// What a placeholder stands for, as lists of parts.
    fn values(&self, name: &String, run: &Run<'_>) -> Result<Vec<Vec<Part>>, Refusal> {
        if self.wildcards {
            return Ok(vec![vec![Part::AnyRun]]);
        }
        match run.vars.get(name) {
            Some(values) if !values.is_empty() => {
                Ok(values.iter().map(|value| Pattern::parse(value).parts).collect())
            }
            Some(_) => Err(Refusal(format!("the variable `{name}` has no value"))),
            None => Err(Refusal(format!("the pipeline has no variable `{name}` for its placeholder"))),
        }
    }

    /// The pattern once for each combination of what its placeholders stand for.
    fn filled(&self, pattern: &Pattern, run: &Run<'_>) -> Result<Option<Vec<Pattern>>, Refusal> {
        let handled = |part: &Part| matches!(part, Part::Placeholder(name) if self.handles(name));
        if !pattern.parts.iter().any(handled) {
            return Ok(None);
        }
        let mut filled = vec![Vec::new()];
        for part in &pattern.parts {
            let Part::Placeholder(name) = part else {
                filled.iter_mut().for_each(|parts: &mut Vec<Part>| parts.push(part.clone()));
                continue;
            };
            let values = match self.handles(name) {
                true => self.values(name, run)?,
                false => vec![vec![part.clone()]],
            };
            if filled.len() * values.len() > MAX_PLACEHOLDER_VALUES {
                return Err(Refusal(format!("`{name}` makes more than {MAX_PLACEHOLDER_VALUES} values")));
            }
            let join = |parts: &Vec<Part>| {
                values.iter().map(|value| [parts.as_slice(), value].concat()).collect::<Vec<_>>()
            };
            filled = filled.iter().flat_map(join).collect();
        }
        Ok(Some(filled.into_iter().map(super::super::plain_text::pattern).collect()))
    }
}

impl Transformation for Placeholders {
    fn item(&self, item: &ResolvedItem, run: &mut Run<'_>) -> Result<Changed, Refusal> {
        let run = &*run;
        let changed = with_texts(item, |pattern| {
            let filled = self.filled(pattern, run)?;
            Ok(filled.map(|patterns| patterns.into_iter().map(Value::Pattern).collect()))
        })?;
        Ok(changed.map_or(Changed::No, Changed::item))
    }
}
