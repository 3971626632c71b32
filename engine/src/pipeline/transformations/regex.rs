//! `regex`: texts become regular expressions that match the same, anywhere in a field: with case, or
//! without, by a flag or by brackets around each letter.

use super::super::apply::{Refusal, Run};
use super::super::read::Parameters;
use super::{Changed, Made, Transformation, TransformationKind, with_texts};
use crate::modifiers::Value;
use crate::plan::ResolvedItem;
use crate::predicate::RegexTest;
use crate::sigma::{Part, Pattern};

pub(super) static KIND: TransformationKind =
    TransformationKind { name: "regex", summary: "Turns texts into regular expressions.", read };

#[derive(Debug)]
struct ToRegex {
    brackets: bool,
    flag: bool,
}

fn read(keys: &mut Parameters<'_>) -> Made {
    let methods = ["plain", "ignore_case_flag", "ignore_case_brackets"];
    let method = keys.word("method", &methods)?.unwrap_or("ignore_case_brackets");
    Ok(Box::new(ToRegex { brackets: method == "ignore_case_brackets", flag: method == "ignore_case_flag" }))
}

impl ToRegex {
    fn expression(&self, pattern: &Pattern) -> Result<String, Refusal> {
        let mut out = String::new();
        for part in &pattern.parts {
            match part {
                Part::AnyRun => out.push_str(".*"),
                Part::AnyOne => out.push('.'),
                Part::Placeholder(name) => {
                    return Err(Refusal(format!("the placeholder `%{name}%` cannot be in an expression")));
                }
                Part::Text(text) => text.chars().for_each(|c| self.push(c, &mut out)),
            }
        }
        Ok(out)
    }

    fn push(&self, c: char, out: &mut String) {
        let (lower, upper): (String, String) = (c.to_lowercase().collect(), c.to_uppercase().collect());
        if self.brackets && lower != upper {
            *out += &format!("[{lower}{upper}]");
        } else {
            out.push_str(&::regex::escape(c.encode_utf8(&mut [0; 4])));
        }
    }
}

impl Transformation for ToRegex {
    fn item(&self, item: &ResolvedItem, _: &mut Run<'_>) -> Result<Changed, Refusal> {
        let changed = with_texts(item, |pattern| {
            if pattern.parts.is_empty() {
                return Ok(None);
            }
            let regex = RegexTest {
                pattern: self.expression(pattern)?,
                ignore_case: self.flag,
                multi_line: false,
                dot_all: false,
            };
            regex.compile().map_err(|error| Refusal(error.to_string()))?;
            Ok(Some(vec![Value::Regex(regex)]))
        })?;
        Ok(changed.map_or(Changed::No, Changed::item))
    }
}
