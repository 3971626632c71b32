//! Rule files, and what a team keeps around them → the rules that can run.
//!
//! In: rule files, and their [`Surroundings`]: lists for placeholders, filters (documents among the
//! rules), tuning, processing pipelines. Out: a [`RuleSet`] with everything that was wrong. Around
//! each rule in this order: tuning and filters, which speak of its fields as the rule writes them;
//! then the pipelines, which rename those fields to one's own.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::cases::names_of_lists;
use crate::correlate::{self, Block, Candidate, LinkedCorrelation, Member};
use crate::diagnostic::{Diagnostic, Severity, SourceFile, codes, nearest};
use crate::pipeline::{self, Pipelines};
use crate::plan::{
    Beside, Lists, LoweredRule, RULE_SCOPE, ResolvedRule, ResolvedSelection, detection_beside,
    lower_resolved, resolve,
};
use crate::sigma::{
    AbsentCorrelation, Correlation, Document, Filter, Level, Logsource, Rule, Spanned, parse_file,
};
use crate::tuning::Tuning;

/// What a team keeps around its rules.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// What placeholders stand for.
    pub lists: Lists,
    /// The files in which a user says so: a name that nothing asks for is pointed out.
    pub own_lists: Vec<Arc<SourceFile>>,
    /// The files of tuning and pipelines, which may ask for lists as rules do.
    pub asking: Vec<Arc<SourceFile>>,
    /// Which rules are switched off, have another level, are thinned out, have exceptions.
    pub tuning: Tuning,
    /// From the fields of public rules to one's own.
    pub pipelines: Pipelines,
}

/// Rules that have been read, with all that was wrong with them.
#[derive(Debug, Default)]
pub struct RuleSet {
    /// The rules that can run.
    pub rules: Vec<LoweredRule>,
    /// Everything to say about the files.
    pub diagnostics: Vec<Diagnostic>,
    /// Documents that had an error.
    pub rejected: usize,
    /// Correlations whose rules are all there. Each stands behind those that it is about.
    pub correlations: Vec<LinkedCorrelation>,
    /// Documents that were given twice, word for word.
    pub repeated: usize,
    /// Filters that are at work on at least one rule.
    pub filters: usize,
    /// Rules that the tuning has switched off.
    pub switched_off: usize,
    /// What correlations name that do not run, for an error or because the tuning has switched them off.
    pub(crate) blocks_of_none: Vec<Block>,
    by_id: HashMap<String, Arc<Rule>>,
    /// Ids of all rules that were read, also of those that do not run.
    seen: HashSet<String>,
    /// Their ids and names, as filters may write them.
    names: HashSet<String>,
    /// The rules that correlations may be about.
    candidates: Vec<Candidate>,
}

impl RuleSet {
    /// Reads rule files that need nothing around them but lists.
    pub fn load(files: impl IntoIterator<Item = Arc<SourceFile>>, lists: &Lists) -> Self {
        Self::load_with(files, &Surroundings { lists: lists.clone(), ..Surroundings::default() })
    }

    /// Reads rule files.
    pub fn load_with(files: impl IntoIterator<Item = Arc<SourceFile>>, around: &Surroundings) -> Self {
        let mut set = Self::default();
        let (mut rules, mut filters, mut correlations) = (Vec::new(), Vec::new(), Vec::new());
        let mut broken = Vec::new();
        let files: Vec<Arc<SourceFile>> = files.into_iter().collect();
        set.report_idle_lists(&files, around);
        for file in files {
            let parsed = parse_file(&file);
            set.rejected += broken_documents(&parsed.diagnostics);
            set.diagnostics.extend(parsed.diagnostics);
            broken.extend(parsed.broken);
            for document in parsed.documents {
                match document {
                    Document::Rule(rule) => rules.push(rule),
                    Document::Correlation(correlation) => correlations.push(*correlation),
                    Document::Filter(filter) => filters.extend(set.prepared(&filter)),
                }
            }
        }
        for rule in rules {
            set.add_rule(*rule, &mut filters, around);
        }
        set.add_correlations(correlations, broken, &around.tuning);
        set.report_idle(&filters, &around.tuning);
        set
    }

    /// A filter with its modifiers applied, or its mistakes reported.
    fn prepared(&mut self, filter: &Filter) -> Option<Prepared> {
        let resolve = |selection: &crate::sigma::Selection| {
            let node = detection_beside(&selection.detection, &filter.file)?;
            Ok(ResolvedSelection { name: selection.name.value.clone(), scope: RULE_SCOPE, node })
        };
        let selections: Result<Vec<_>, Box<Diagnostic>> = filter.selections.iter().map(resolve).collect();
        match selections {
            Ok(selections) => Some(Prepared { filter: filter.clone(), selections, at_work: false }),
            Err(error) => {
                self.diagnostics.push(*error);
                self.rejected += 1;
                None
            }
        }
    }

    fn add_rule(&mut self, mut rule: Rule, filters: &mut [Prepared], around: &Surroundings) {
        let key = known_by(rule.id.as_ref(), rule.key());
        self.seen.insert(rule.key().to_lowercase());
        self.names.extend([&rule.id, &rule.name].into_iter().flatten().map(|name| bare_id(name)));
        if let Some(other) = self.by_id.get(&key) {
            if text_at(&other.file, &other.span) == text_at(&rule.file, &rule.span) {
                self.repeated += 1;
                return;
            }
            let name = other.file.name.clone();
            self.refuse_duplicate(&rule.key(), &name, &rule.file, rule.span.start);
            return;
        }
        let as_written = Arc::new(rule.clone());
        let mut candidate = Candidate {
            id: rule.id.clone(),
            name: rule.name.clone(),
            title: rule.title.clone(),
            key: rule.key(),
            works: true,
        };
        if !around.tuning.tune(&mut rule) {
            self.candidates.push(candidate);
            self.switched_off += 1;
            self.by_id.insert(key, as_written);
            return;
        }
        match self.lowered(&rule, filters, around) {
            Some(lowered) => {
                self.by_id.insert(key, as_written);
                self.rules.push(lowered);
            }
            // a broken rule does not stand in the way of a good one with its id
            None => {
                candidate.works = false;
                self.rejected += 1;
            }
        }
        self.candidates.push(candidate);
    }

    fn lowered(
        &mut self,
        rule: &Rule,
        filters: &mut [Prepared],
        around: &Surroundings,
    ) -> Option<LoweredRule> {
        let (resolved, diagnostics) = resolve(rule);
        self.diagnostics.extend(diagnostics);
        let mut resolved = resolved?;
        around.tuning.exclude(&mut resolved);
        for filter in filters.iter_mut().filter(|prepared| prepared.fits(rule)) {
            self.filters += usize::from(!filter.at_work);
            filter.at_work = true;
            filter.apply(&mut resolved);
        }
        if let Err(refused) = pipeline::apply(&around.pipelines, &mut resolved) {
            self.diagnostics.push(*refused);
            return None;
        }
        let (lowered, diagnostics) = lower_resolved(resolved, &around.lists);
        self.diagnostics.extend(diagnostics);
        lowered
    }

    fn refuse_duplicate(&mut self, key: &str, other: &str, file: &Arc<SourceFile>, at: usize) {
        let cause = format!("the id `{key}` is already that of a rule in {other}");
        self.diagnostics.push(
            Diagnostic::error(codes::DUPLICATE_RULE, file, at..at, cause)
                .with_help("give one of the two a new id: alerts are known by it"),
        );
        self.rejected += 1;
    }

    fn add_correlations(
        &mut self,
        correlations: Vec<Correlation>,
        broken: Vec<AbsentCorrelation>,
        tuning: &Tuning,
    ) {
        let mut known: HashMap<String, (Arc<SourceFile>, Range<usize>)> = HashMap::new();
        let (mut kept, mut absent) = (Vec::with_capacity(correlations.len()), broken);
        // what is switched off silences as little with an error as without one
        absent.iter_mut().for_each(|broken| broken.is_broken = !tuning.switches_off(&broken.key));
        for mut correlation in correlations {
            let key = known_by(correlation.id.as_ref(), correlation.key());
            self.seen.insert(correlation.key().to_lowercase());
            if !tuning.tune_correlation(&mut correlation, &mut self.diagnostics) {
                // what stands on it sees nothing of it, and is no mistake
                self.candidates.push(Candidate {
                    id: correlation.id.clone(),
                    name: correlation.name.clone(),
                    title: correlation.title.clone(),
                    key: correlation.key(),
                    works: true,
                });
                self.switched_off += 1;
                absent.push(correlation.absent(false));
                continue;
            }
            let own = (&correlation.file, &correlation.span);
            let other = match (self.by_id.get(&key), known.get(&key)) {
                (Some(rule), _) => &rule.file,
                (None, Some((file, span))) if text_at(file, span) == text_at(own.0, own.1) => {
                    self.repeated += 1;
                    continue;
                }
                (None, Some((file, _))) => file,
                (None, None) => {
                    known.insert(key, (Arc::clone(own.0), own.1.clone()));
                    kept.push(correlation);
                    continue;
                }
            };
            let name = other.name.clone();
            self.refuse_duplicate(&correlation.key(), &name, &correlation.file, correlation.span.start);
            absent.push(correlation.absent(true));
        }
        let given: Vec<(String, AbsentCorrelation)> =
            kept.iter().map(|correlation| (correlation.key(), correlation.absent(true))).collect();
        let (linked, diagnostics) = correlate::link(kept, &self.candidates);
        self.diagnostics.extend(diagnostics);
        self.rejected += given.len() - linked.len();
        let runs: HashSet<String> = linked.iter().map(|linked| linked.correlation.key()).collect();
        absent.extend(given.into_iter().filter(|(key, _)| !runs.contains(key)).map(|(_, broken)| broken));
        self.blocks_of_none = correlate::named(absent, &self.candidates, &linked);
        self.correlations = linked;
        self.tell_silenced();
    }

    /// The rules that an error in a correlation silences: they are told where it stands.
    fn tell_silenced(&mut self) {
        let rules = self.rules.iter().map(|rule| (rule.rule.key(), &rule.rule.file, rule.rule.level));
        let correlations = self.correlations.iter().map(|linked| &linked.correlation);
        let correlations = correlations.map(|inner| (inner.key(), &inner.file, inner.level));
        let about: HashMap<String, (&Arc<SourceFile>, Option<Level>)> =
            rules.chain(correlations).map(|(key, file, level)| (key, (file, level))).collect();
        let is_heard = |key: &str| {
            let is_it = |member: &Member| match member {
                Member::Rule(rule) => rule == key,
                Member::Correlation(inner) => self.correlations[*inner].correlation.key() == key,
            };
            self.correlations.iter().flat_map(|outer| &outer.members).any(is_it)
        };
        let mut told: Vec<Diagnostic> = Vec::new();
        for blocks in self.blocks_of_none.chunk_by(|a, b| Arc::ptr_eq(&a.of, &b.of)) {
            let is_silent = |block: &&Block| {
                let (file, level) = about.get(&block.key)?;
                Some(block.is_silent(&file.name, *level) && !is_heard(&block.key))
            };
            let silent = blocks.iter().filter(|block| block.of.is_broken && is_silent(block) == Some(true));
            let silent: Vec<String> = silent.map(|block| format!("`{}`", block.name)).collect();
            if let (Some(first), false) = (blocks.first(), silent.is_empty()) {
                let cause = format!("until this is mended, no alert tells of {}", silent.join(", "));
                let error =
                    Diagnostic::error(codes::NEVER_HEARD, &first.of.file, first.of.span.clone(), cause);
                told.push(error.with_help(
                    "its rules only feed it; with `generate: true` they raise alerts of their own",
                ));
            }
        }
        self.diagnostics.extend(told);
    }

    /// Lists that nothing asks for: under a misspelt name a list stays empty, or at what ships. Who asks is seen by the
    /// texts, for what is switched off asks as well, and is never lowered.
    fn report_idle_lists(&mut self, files: &[Arc<SourceFile>], around: &Surroundings) {
        let is_asked = |name: &str| {
            let placeholder = format!("%{name}%");
            files.iter().chain(&around.asking).any(|file| file.text.contains(&placeholder))
        };
        for file in &around.own_lists {
            for (name, span) in names_of_lists(file).into_iter().filter(|(name, _)| !is_asked(name)) {
                let asked = around.lists.keys().map(String::as_str).filter(|known| is_asked(known));
                let help = match nearest(&name, asked) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`virga rules lists` prints those of the rules that ship".to_owned(),
                };
                let cause = format!("nothing that is loaded asks for the list `{name}`");
                let idle = Diagnostic::warning(codes::FITS_NO_RULE, file, span, cause);
                self.diagnostics.push(idle.with_help(help));
            }
        }
    }

    /// What is about no rule: a misspelt id would leave a rule as noisy as it was.
    fn report_idle(&mut self, filters: &[Prepared], tuning: &Tuning) {
        for Prepared { filter, .. } in filters.iter().filter(|prepared| !prepared.at_work) {
            let cause = format!("the filter `{}` is about no rule that is loaded", filter.title);
            self.diagnostics.push(
                Diagnostic::warning(codes::FITS_NO_RULE, &filter.file, filter.span.clone(), cause)
                    .with_help("its `rules` are ids or names, its `logsource` is that of the rules or wider"),
            );
        }
        let mut unknown = Vec::new();
        for Prepared { filter, .. } in filters.iter().filter(|prepared| prepared.at_work) {
            let named = filter.rules.iter().flatten();
            for name in named.filter(|name| !self.names.contains(&bare_id(&name.value))) {
                let cause = format!("there is no rule `{}` for the filter", name.value);
                unknown.push(Diagnostic::warning(
                    codes::FITS_NO_RULE,
                    &filter.file,
                    name.span.clone(),
                    cause,
                ));
            }
        }
        self.diagnostics.append(&mut unknown);
        let known = |id: &str| self.seen.contains(id);
        self.diagnostics.extend(tuning.idle(known));
    }
}

/// The text of a document; where it ends in its file does not matter.
fn text_at<'f>(file: &'f SourceFile, span: &Range<usize>) -> Option<&'f str> {
    file.text.get(span.clone()).map(str::trim_end)
}

/// What a rule is known by: an id in any case, else its name or place as they are written.
fn known_by(id: Option<&String>, key: String) -> String {
    id.map_or(key, |id| id.to_lowercase())
}

/// How many documents the errors of one file are about.
fn broken_documents(diagnostics: &[Diagnostic]) -> usize {
    let mut documents: Vec<usize> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|d| d.file.text.get(..d.span.start).unwrap_or_default().matches("\n---").count())
        .collect();
    documents.sort_unstable();
    documents.dedup();
    documents.len()
}

/// A filter, ready to be put around rules.
struct Prepared {
    filter: Filter,
    selections: Vec<ResolvedSelection>,
    at_work: bool,
}

impl Prepared {
    /// Whether the filter is about a rule: by its id or name, and by its log source, which must not say
    /// more than the rule's.
    fn fits(&self, rule: &Rule) -> bool {
        let (own, its): (&Logsource, &Logsource) = (&self.filter.logsource.value, &rule.logsource.value);
        let covers = |own: &Option<String>, its: &Option<String>| own.is_none() || own == its;
        let in_logsource = covers(&own.product, &its.product)
            && covers(&own.service, &its.service)
            && covers(&own.category, &its.category);
        let is_named = |name: &Spanned<String>| {
            rule.name.as_ref() == Some(&name.value)
                || rule.id.as_ref().is_some_and(|id| bare_id(id) == bare_id(&name.value))
        };
        in_logsource && self.filter.rules.as_ref().is_none_or(|rules| rules.iter().any(is_named))
    }

    /// Puts the filter's selections beside the rule's, in a scope of their own, and its condition beside
    /// the rule's.
    fn apply(&self, rule: &mut ResolvedRule) {
        let scope = rule.new_scope();
        rule.selections
            .extend(self.selections.iter().map(|selection| ResolvedSelection { scope, ..selection.clone() }));
        rule.beside.push(Beside { scope, condition: self.filter.condition.clone() });
    }
}

/// An id without what may be written around it: `{…}`, `urn:uuid:…`, with or without hyphens.
pub(crate) fn bare_id(id: &str) -> String {
    let id = id.trim().to_lowercase();
    let id = id.strip_prefix("urn:uuid:").unwrap_or(&id);
    let id = id.strip_prefix('{').and_then(|id| id.strip_suffix('}')).unwrap_or(id);
    let digits = id.replace('-', "");
    let is_uuid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_uuid { digits } else { id.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigma::Level;

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { name: "t.yml".into(), text: text.into() })
    }

    const RULE: &str = "title: t\nid: 11111111-aaaa-4aaa-8aaa-000000000001\nname: access\nlogsource: {product: aws, service: audit}\nlevel: high\ndetection:\n  selection: {a: 1}\n  other: {b: 1}\n  condition: 1 of them\n";

    fn filter(rules: &str, logsource: &str, body: &str) -> String {
        format!("title: f\nlogsource: {{{logsource}}}\nfilter:\n  rules: {rules}\n{body}")
    }

    const NOT_OURS: &str = "  selection: {user: ours}\n  condition: not selection\n";

    fn load(documents: &[&str], around: &Surroundings) -> RuleSet {
        RuleSet::load_with([file(&documents.join("\n---\n"))], around)
    }

    /// Which of the events the only rule matches, both ways.
    fn hits(set: &RuleSet, events: &[&str]) -> Vec<u32> {
        let slow = crate::testing::slow(&set.rules, events);
        assert_eq!(crate::testing::fast(&set.rules, events, 10), slow);
        slow.into_iter().map(|hit| hit.row).collect()
    }

    #[test]
    fn a_filter_is_about_rules_by_id_name_or_any_and_by_log_source() {
        let events = [r#"{"a":1}"#, r#"{"b":1,"user":"ours"}"#, r#"{"user":"ours"}"#];
        for (rules, logsource, about) in [
            ("any", "product: aws", true),
            ("Any", "product: aws, service: audit", true),
            ("access", "product: aws", true),
            ("[nothing, access]", "product: aws", true),
            ("[11111111-AAAA-4aaa-8aaa-000000000001]", "service: audit", true),
            ("[]", "product: aws", true),
            ("[any]", "product: aws", false),
            ("[t]", "product: aws", false),
            ("any", "product: azure", false),
            ("any", "product: aws, service: audit, category: x", false),
        ] {
            let filter = filter(rules, logsource, NOT_OURS);
            for documents in [[RULE, filter.as_str()], [filter.as_str(), RULE]] {
                let set = load(&documents, &Surroundings::default());
                let expected: &[u32] = if about { &[0] } else { &[0, 1] };
                assert_eq!(hits(&set, &events), expected, "{rules} {logsource}");
                assert_eq!(set.filters, usize::from(about));
                let idle = set.diagnostics.iter().any(|d| d.code == codes::FITS_NO_RULE);
                // of several rules each that is not there is told
                assert_eq!(idle, !about || rules.contains("nothing"), "{rules} {logsource}");
            }
        }
    }

    #[test]
    fn several_filters_with_equal_names_do_not_meet() {
        let first = filter("any", "product: aws", NOT_OURS);
        let second =
            filter("any", "product: aws", "  selection: {user: theirs}\n  condition: not 1 of sel*\n");
        let third = filter(
            "any",
            "product: aws",
            "  selection: {user: x}\n  _own: {user: y}\n  condition: not all of them and not _own\n",
        );
        let set = load(&[RULE, &first, &second, &third], &Surroundings::default());
        let events = [
            r#"{"a":1}"#,
            r#"{"a":1,"user":"ours"}"#,
            r#"{"a":1,"user":"theirs"}"#,
            r#"{"a":1,"user":"x"}"#,
            r#"{"a":1,"user":"y"}"#,
            r#"{"user":"z"}"#,
        ];
        assert_eq!(hits(&set, &events), [0]);
    }

    #[test]
    fn a_correlation_has_an_id_of_its_own() {
        let correlation = |id: &str, more: &str| {
            format!(
                "title: c\nid: {id}\ncorrelation: {{type: temporal, rules: [access], timespan: 5m{more}}}\n"
            )
        };
        let (first, other) = (correlation("X-1", ""), correlation("x-1", ", group-by: a"));
        let of_rule = correlation("11111111-AAAA-4aaa-8aaa-000000000001", "");
        let set = load(&[RULE, &first, &other, &of_rule, &first], &Surroundings::default());
        assert_eq!((set.correlations.len(), set.rejected, set.repeated), (1, 2, 1));
        let duplicates = set.diagnostics.iter().filter(|d| d.code == codes::DUPLICATE_RULE);
        assert_eq!(duplicates.count(), 2, "{:?}", set.diagnostics);
    }

    #[test]
    fn a_wrong_filter_is_told_and_the_rules_run_without_it() {
        for (filter, code) in [
            ("title: f\nlogsource: {product: aws}\nfilter: x".to_owned(), codes::WRONG_TYPE),
            (filter("5", "product: aws", NOT_OURS), codes::WRONG_TYPE),
            (filter("any", "product: aws", "  selection: {a: 1}\n"), codes::MISSING_KEY),
            (
                filter("any", "product: aws", "  selection: {a: 1}\n  condition: [selection, selection]\n"),
                codes::WRONG_TYPE,
            ),
            (
                filter("any", "product: aws", "  selection: {a: 1}\n  condition: not other\n"),
                codes::UNKNOWN_SELECTION,
            ),
            (
                filter("any", "product: aws", "  selection: {a|none: 1}\n  condition: selection\n"),
                codes::UNKNOWN_MODIFIER,
            ),
            (
                filter("any", "product: aws", "  selection: ['']\n  condition: not selection\n"),
                codes::BAD_VALUE,
            ),
            (
                filter("any", "product: aws", "  selection: {'|cidr': 10.0.0.0/8}\n  condition: selection\n"),
                codes::MODIFIER_CHAIN,
            ),
            (
                "title: f\nfilter: {rules: any, selection: {a: 1}, condition: selection}".to_owned(),
                codes::MISSING_KEY,
            ),
            (
                "title: f\nlogsource: {product: aws}\nfilter: {selection: {a: 1}, condition: selection}"
                    .to_owned(),
                codes::MISSING_KEY,
            ),
        ] {
            let set = load(&[RULE, &filter], &Surroundings::default());
            assert_eq!((set.rules.len(), set.rejected), (1, 1), "{filter}");
            assert!(set.diagnostics.iter().any(|d| d.code == code), "{filter}: {:?}", set.diagnostics);
        }
    }

    #[test]
    fn a_rule_does_not_see_what_was_added_to_it_and_of_nothing_no_exception_makes_something() {
        let tuning = |text: &str| {
            Surroundings {
            tuning: Tuning::parse(&file(text)).unwrap(),
            pipelines: Pipelines::new(vec![
                crate::pipeline::parse_pipeline(&file("transformations: [{type: drop_detection_item, field_name_conditions: [{type: include_fields, fields: [gone]}]}]")).unwrap(),
                crate::pipeline::parse_pipeline(&file("transformations: [{type: add_condition, negated: true, conditions: {c: 1}}]")).unwrap(),
            ]),
            ..Surroundings::default()
        }
        };
        let rule = |detection: &str| {
            format!("title: t\nname: access\nlogsource: {{product: aws}}\ndetection:\n{detection}")
        };
        let exclude = "access: {exclude: {x: {user: ours}}}";
        let or_not = filter("any", "product: aws", "  _own: {user: ours}\n  condition: _own or not _own\n");
        let events = [r#"{"a":1}"#, r#"{"a":1,"user":"ours"}"#, r#"{"b":2}"#];
        for (detection, expected) in [
            ("  s: {gone: 1}\n  condition: s\n", &[][..]),
            ("  s: {gone: 1}\n  condition: not s\n", &[]),
            ("  _s: {a: 1}\n  _t: {b: 1}\n  condition: 1 of _*\n", &[0]),
            ("  _s: {a: 1}\n  condition: all of _*\n", &[0]),
        ] {
            let set = load(&[&rule(detection), &or_not], &tuning(exclude));
            assert_eq!(hits(&set, &events), expected, "{detection}");
        }
    }

    #[test]
    fn a_broken_rule_does_not_stand_in_the_way_of_a_good_one_with_its_id() {
        let broken = RULE.replace("{a: 1}", "{a|nothing: 1}");
        for documents in [[broken.as_str(), RULE], [RULE, broken.as_str()]] {
            let set = load(&documents, &Surroundings::default());
            assert_eq!((set.rules.len(), set.rejected), (1, 1));
        }
        let unnamed = |name: &str| {
            let text =
                "title: t\nlogsource: {product: aws}\ndetection: {s: {a: 1}, condition: s}\n".to_owned();
            Arc::new(SourceFile { name: name.into(), text })
        };
        assert_eq!(RuleSet::load([unnamed("A.yml"), unnamed("a.yml")], &Lists::new()).rules.len(), 2);
    }

    #[test]
    fn a_pipeline_renames_what_a_rule_is_suppressed_by() {
        let text = "transformations: [{type: field_name_prefix, prefix: lake_}]";
        let around = Surroundings {
            pipelines: Pipelines::new(vec![crate::pipeline::parse_pipeline(&file(text)).unwrap()]),
            tuning: Tuning::parse(&file(
                "11111111-aaaa-4aaa-8aaa-000000000001: {suppress: {by: [user], for: 1h}}",
            ))
            .unwrap(),
            ..Surroundings::default()
        };
        let set = load(&[RULE], &around);
        assert_eq!(set.rules[0].rule.suppress.as_ref().unwrap().by, ["lake_user"]);
    }

    #[test]
    fn tuning_switches_levels_thins_out_and_excepts() {
        let around = |text: &str| Surroundings {
            tuning: Tuning::parse(&file(text)).unwrap(),
            ..Surroundings::default()
        };
        const ID: &str = "11111111-AAAA-4AAA-8AAA-000000000001";
        let set = load(&[RULE], &around(&format!("{ID}: {{enabled: false}}")));
        assert_eq!((set.rules.len(), set.switched_off), (0, 1));

        let text = format!(
            "{ID}:\n  level: low\n  suppress: {{by: [user], for: 1h}}\n  exclude:\n    us: {{user|startswith: our}}\n    x: [{{user: x}}, {{user: y}}]\n"
        );
        let set = load(&[RULE], &around(&text));
        let rule = &set.rules[0].rule;
        assert_eq!(
            (rule.level, rule.suppress.as_ref().map(|s| s.bucket)),
            (Some(Level::Low), Some(3_600_000_000))
        );
        let events = [r#"{"a":1}"#, r#"{"a":1,"user":"ours"}"#, r#"{"b":1,"user":"y"}"#, r#"{"user":"z"}"#];
        assert_eq!(hits(&set, &events), [0]);

        let set = load(&[RULE], &around("no-such-rule: {level: low}"));
        assert_eq!(set.diagnostics[0].code, codes::FITS_NO_RULE);
        // a rule that is switched off is there all the same
        let set = load(&[RULE], &around(&format!("{ID}: {{enabled: false, why: noise}}")));
        assert!(set.diagnostics.is_empty());
    }

    #[test]
    fn a_list_that_nobody_asks_for_is_told_with_what_may_be_meant() {
        let rule = RULE.replace("{a: 1}", "{'a|expand': '%own_ips%'}");
        for (own, said) in [
            ("own_ips: [x]", None),
            ("by_tuning: [x]", None),
            ("own_ip: [x]", Some("did you mean `own_ips`?")),
            ("other: [x]", Some("`virga rules lists`")),
            ("# none", None),
        ] {
            let mut lists = Lists::from([("own_ips".to_owned(), Vec::new())]);
            lists.extend(crate::cases::parse_lists(&file(own)).unwrap());
            let asking = file("access: {exclude: {x: {'user|expand': '%by_tuning%'}}}");
            let around = Surroundings {
                lists,
                own_lists: vec![file(own)],
                asking: vec![asking],
                ..Surroundings::default()
            };
            let set = load(&[&rule], &around);
            let idle: Vec<_> = set.diagnostics.iter().filter(|d| d.code == codes::FITS_NO_RULE).collect();
            assert_eq!(idle.len(), usize::from(said.is_some()), "{own}: {:?}", set.diagnostics);
            assert!(idle.iter().all(|idle| idle.help.contains(said.unwrap_or_default())), "{own}: {idle:?}");
        }
    }

    #[test]
    fn correlations_are_tuned_too() {
        let correlation = "title: c\nname: many\nlevel: high\ncorrelation: {type: event_count, rules: [access], timespan: 5m, group-by: a, condition: {gte: 3}}\n";
        let outer = "title: o\nname: outer\ncorrelation: {type: event_count, rules: [many], timespan: 5h, group-by: a, condition: {gte: 3}}\n";
        let around = |text: &str| Surroundings {
            tuning: Tuning::parse(&file(text)).unwrap(),
            ..Surroundings::default()
        };
        let set = load(&[RULE, correlation, outer], &around("many: {level: low, suppress: {for: 2h}}"));
        let tuned = &set.correlations[0].correlation;
        assert_eq!((tuned.level, tuned.suppress), (Some(Level::Low), Some(7_200_000_000)));
        assert!(set.diagnostics.is_empty(), "{:?}", set.diagnostics);

        let set = load(&[RULE, correlation, outer], &around("many: {enabled: false}"));
        assert_eq!((set.correlations.len(), set.switched_off, set.rejected), (1, 1, 0));

        let set = load(&[RULE, correlation], &around("many: {exclude: {x: {user: ours}}}"));
        assert_eq!(set.diagnostics[0].code, codes::BAD_VALUE);

        // what ships gives way to what its user says
        let mut own = Tuning::parse(&file("many: {enabled: true}")).unwrap();
        own.fill(
            Tuning::parse(&file(
                "many: {enabled: false}\n11111111-aaaa-4aaa-8aaa-000000000001: {enabled: false}",
            ))
            .unwrap(),
        );
        let set = load(&[RULE, correlation], &Surroundings { tuning: own, ..Surroundings::default() });
        assert_eq!((set.rules.len(), set.correlations.len()), (0, 1));
    }

    #[test]
    fn filters_and_exceptions_speak_of_fields_as_the_rule_does() {
        let text = "transformations: [{type: field_name_prefix, prefix: lake_}]";
        let around = Surroundings {
            pipelines: Pipelines::new(vec![crate::pipeline::parse_pipeline(&file(text)).unwrap()]),
            tuning: Tuning::parse(&file("access: {}\n")).unwrap(),
            ..Surroundings::default()
        };
        let set = load(&[RULE, &filter("any", "product: aws", NOT_OURS)], &around);
        let events = [r#"{"lake_a":1}"#, r#"{"lake_a":1,"lake_user":"ours"}"#, r#"{"a":1}"#];
        assert_eq!(hits(&set, &events), [0]);
    }
}
