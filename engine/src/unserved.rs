//! Rules that no source serves, and what they may have meant.
//!
//! In: an engine and the sources that it was made for. Out: a diagnostic for each such rule: a note, for whoever loads
//! all public rules has thousands for logs that are not read here, and a warning where a word of its log source is a
//! known one but for a letter or two, for such a rule was meant to run.

use crate::Engine;
use crate::diagnostic::{Diagnostic, codes, nearest};
use crate::event::{LogsourceMapping, SourceSpec};
use crate::sigma::Logsource;

impl Engine {
    /// What is to be said of the rules that no source serves.
    pub fn unserved(&self, sources: &[SourceSpec]) -> Vec<Diagnostic> {
        let rules = self.report().unmapped.iter().filter_map(|&rule| self.rules().get(rule));
        let told = rules.map(|loaded| {
            let rule = &loaded.lowered.rule;
            let (file, span) = (&rule.file, rule.logsource.span.clone());
            let cause = format!("no source serves {}", rule.logsource.value);
            match meant(&rule.logsource.value, sources) {
                Some((key, word)) => Diagnostic::warning(codes::UNMAPPED_LOGSOURCE, file, span, cause)
                    .with_help(format!("did you mean `{key}: {word}`?")),
                None => Diagnostic::note(codes::UNMAPPED_LOGSOURCE, file, span, cause)
                    .with_help("it runs on generic input: `virga detect --all-logsources`"),
            }
        });
        told.collect()
    }
}

/// The key of a log source that is misspelt, and the word that it nearly is.
fn meant(asked: &Logsource, sources: &[SourceSpec]) -> Option<(&'static str, String)> {
    let parts = |of: &Logsource| [of.product.clone(), of.service.clone(), of.category.clone()];
    let has = |of: &LogsourceMapping| [of.product.clone(), of.service.clone(), of.category.clone()];
    let asked = parts(asked);
    let keys = ["product", "service", "category"];
    let mappings: Vec<_> = sources.iter().flat_map(|source| &source.logsources).map(has).collect();
    let is = |asked: &Option<String>, has: &Option<String>| match (asked, has) {
        (None, _) => true,
        (Some(asked), Some(has)) => asked.eq_ignore_ascii_case(has),
        (Some(_), None) => false,
    };
    (0..keys.len()).find_map(|at| {
        // with every other word as it stands
        let others = |has: &&[Option<String>; 3]| (0..keys.len()).all(|i| i == at || is(&asked[i], &has[i]));
        let known = mappings.iter().filter(others).filter_map(|has| has[at].as_deref());
        Some((keys[at], nearest(asked[at].as_deref()?, known)?.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::RuleSet;
    use crate::diagnostic::{Severity, SourceFile};
    use crate::plan::Lists;

    #[test]
    fn a_log_source_that_is_misspelt_is_told_from_one_of_other_logs() {
        let mapping = |product: &str, service: Option<&str>| LogsourceMapping {
            product: Some(product.into()),
            service: service.map(str::to_owned),
            category: None,
            canonical_only: false,
        };
        let source = SourceSpec {
            logsources: vec![mapping("cloud", Some("calltrail")), mapping("other", Some("signinlogs"))],
            all_logsources: false,
            ..crate::testing::source()
        };
        for (logsource, meant) in [
            ("product: cloud, service: calltrial", Some("`service: calltrail`")),
            ("product: CLOUD, service: CallTrails", Some("`service: calltrail`")),
            ("product: ohter, service: signinlogs", Some("`product: other`")),
            ("product: other, service: signinlog", Some("`service: signinlogs`")),
            // another log, and one that is not of this product
            ("product: cloud, service: waf", None),
            ("product: desktop, service: security", None),
            ("product: other, service: calltrial", None),
            ("category: process_creation", None),
        ] {
            let text =
                format!("title: t\nlogsource: {{{logsource}}}\ndetection: {{s: {{a: 1}}, condition: s}}\n");
            let file = Arc::new(SourceFile { name: "t.yml".into(), text });
            let set = RuleSet::load([file], &Lists::default());
            let sources = std::slice::from_ref(&source);
            let said = Engine::new(&set, sources).unserved(sources);
            assert_eq!(said.len(), 1, "{logsource}");
            let help = &said[0].help;
            match meant {
                Some(word) => {
                    assert_eq!(said[0].severity, Severity::Warning, "{logsource}");
                    assert!(help.contains(word), "{logsource}: {help}");
                }
                None => assert_eq!(said[0].severity, Severity::Note, "{logsource}: {help}"),
            }
        }
    }
}
