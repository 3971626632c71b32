//! Which documents of rules have errors: by what they are known, so that two readings can be compared.
//!
//! In: what there is to say of the files. Out: a name for each document with an error, `file: id`. A count would not do:
//! where one rule is mended and another broken at once, it stays the same.

use std::collections::BTreeSet;

use virga_engine::diagnostic::{Diagnostic, Severity};

/// Names of broken documents that an error tells; more are counted.
const TOLD: usize = 5;

/// The documents that have errors.
pub fn broken(diagnostics: &[Diagnostic]) -> BTreeSet<String> {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors
        .map(|error| format!("{}: {}", error.file.name, known_by(&error.file.text, error.span.start)))
        .collect()
}

/// Refuses documents that are broken and were not.
///
/// # Errors
/// Which they are.
pub fn prove(before: &BTreeSet<String>, now: &BTreeSet<String>) -> Result<(), String> {
    let new: Vec<&str> = now.difference(before).map(String::as_str).collect();
    let Some(told) = new.get(..new.len().min(TOLD)).filter(|told| !told.is_empty()) else { return Ok(()) };
    let more = match new.len() - told.len() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Err(format!("rules that had none have errors: {}{more}; correct them, or remove them", told.join(", ")))
}

/// What the document at a byte is known by: its id, its name or its title, as it is written, else its number.
fn known_by(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or_default();
    let start = before.rfind("\n---").map_or(0, |at| at + 1);
    let document = text.get(start..).unwrap_or_default();
    // a document may begin with its mark
    let body = document.strip_prefix("---").unwrap_or(document);
    let body = body.find("\n---").and_then(|end| body.get(..end)).unwrap_or(body);
    let value = |key: &str| {
        let line = body.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(line.trim().trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
    };
    let number = || format!("document {}", before.matches("\n---").count() + 1);
    ["id", "name", "title"].into_iter().find_map(value).unwrap_or_else(number)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use virga_engine::RuleSet;
    use virga_engine::diagnostic::SourceFile;

    use super::*;

    fn rule(title: &str, condition: &str) -> String {
        format!(
            "title: {title}\nlevel: high\nlogsource: {{product: aws, service: cloudtrail}}\n\
             detection: {{s: {{eventName: {title}}}, condition: {condition}}}\n"
        )
    }

    fn read(text: &str) -> BTreeSet<String> {
        let file = Arc::new(SourceFile { name: "r.yml".into(), text: text.into() });
        broken(&RuleSet::load([file], &Default::default()).diagnostics)
    }

    #[test]
    fn a_document_that_is_broken_anew_is_refused_whatever_is_mended_beside_it() {
        let (a, b, c) = (rule("a", "s"), rule("b", "s"), rule("c", "s"));
        let (no_a, no_b) = (rule("a", "none"), rule("b", "none"));
        for (before, now, expected) in [
            (vec![&a, &b], vec![&a, &b], None),
            (vec![&a, &b], vec![&a, &no_b], Some("r.yml: b")),
            // what was broken stays so, wherever it stands
            (vec![&a, &no_b], vec![&c, &a, &no_b], None),
            (vec![&a, &no_b], vec![&a, &b], None),
            // one is mended and one broken: no more errors than before
            (vec![&no_a, &b], vec![&a, &no_b], Some("r.yml: b")),
            (vec![&a, &no_b], vec![&no_a], Some("r.yml: a")),
        ] {
            let text = |documents: Vec<&String>| {
                documents.into_iter().map(String::as_str).collect::<Vec<_>>().join("---\n")
            };
            let said = prove(&read(&text(before)), &read(&text(now))).err();
            let expected = expected.map(|names| {
                format!("rules that had none have errors: {names}; correct them, or remove them")
            });
            assert_eq!(said, expected);
        }
        let text = "---\nid: '7'\ntitle: a\n---\nname: n\ntitle: b\n---\n{title: c}\n";
        for (word, expected) in [("title: a", "7"), ("name", "n"), ("{", "document 3")] {
            assert_eq!(known_by(text, text.find(word).unwrap()), expected);
        }
    }
}
