//! What of events must not be kept, as the configuration says it, and which rules that blinds.
//!
//! ```toml
//! [[redact]]
//! source = "aws.bedrock_invocation"    # or "*"
//! path = "input.inputBodyJson"         # as rules write paths; `*` any key, `**` any depth
//! action = "drop"                      # or "hash", "mask"
//! key = { env = "REDACT_KEY" }          # for "hash": without it, what can be guessed can be found
//! ```

use std::borrow::Cow;

use virga_archive::{RedactAction, Redaction, may_be_json, redact};
#[cfg(feature = "daemon")]
use virga_daemon::redact::{Redact, Told};
use virga_engine::Engine;
use virga_engine::event::{COLUMNS, ProjectedField, SourceSpec};
use virga_engine::plan::LocalExpr;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::sources::{SOURCES, SourceDef, source};

use crate::config::RedactSpec;
use crate::show;

/// What of events must not be kept.
#[derive(Debug, Default)]
pub struct Redactions {
    all: Vec<Redaction>,
}

impl From<Vec<Redaction>> for Redactions {
    /// Those that an archive names.
    fn from(all: Vec<Redaction>) -> Self {
        Self { all }
    }
}

impl Redactions {
    /// From the configuration.
    ///
    /// # Errors
    /// Where a source is not known, a path is none or a canonical column, or an event could not be told from
    /// others without it.
    pub fn new(specs: &[RedactSpec]) -> Result<Self, String> {
        let mut all = Vec::new();
        for spec in specs {
            if spec.source != "*" && source(&spec.source).is_none() {
                let known: Vec<&str> = SOURCES.iter().map(|source| source.name).collect();
                return Err(format!(
                    "redact: there is no source `{}`; there are {}",
                    spec.source,
                    known.join(", ")
                ));
            }
            let action = match spec.action.as_str() {
                "drop" => RedactAction::Drop,
                "hash" => RedactAction::Hash,
                "mask" => RedactAction::Mask,
                other => return Err(format!("redact: `{other}` is no action; there are drop, hash, mask")),
            };
            let key = spec.key.as_ref().map(|key| key.reveal());
            let key =
                key.transpose().map_err(|error| format!("redact: the key of `{}`: {error}", spec.path))?;
            let key = key.as_ref().map(|key| key.text());
            let redaction =
                Redaction::new(&spec.source, &spec.path, action, key).map_err(|error| error.to_string())?;
            for source in SOURCES.iter().filter(|source| redaction.concerns(source.name)) {
                refuse_column(&spec.path, source)?;
                let proof = source.identity.natural.iter().copied().flatten();
                let mut needed = proof.chain(source.time_paths).flat_map(|path| path.split(" | "));
                // `**.x` reaches everywhere; what it must not change is only what it names
                if let Some(path) = needed.find(|path| !spec.path.starts_with('*') && redaction.touches(path))
                {
                    return Err(format!(
                        "redact: `{}` would take `{path}` out of {}, by which its events are known",
                        spec.path, source.name
                    ));
                }
            }
            all.push(redaction);
        }
        Ok(Self { all })
    }

    /// All of them.
    pub fn all(&self) -> &[Redaction] {
        &self.all
    }

    /// Whether nothing is redacted.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether something of a source's events is redacted.
    pub fn concern(&self, source: &str) -> bool {
        self.all.iter().any(|redaction| redaction.concerns(source))
    }

    /// An event without what must not be kept.
    pub fn apply<'e>(&self, source: &str, event: &'e str) -> Cow<'e, str> {
        let own: Vec<&Redaction> = self.all.iter().filter(|redaction| redaction.concerns(source)).collect();
        redact(event, &own)
    }

    /// The rules, by number in the engine, that look at something that is redacted, with the fields: on an
    /// archive they may say something else than they said live.
    pub fn blinded(&self, engine: &Engine) -> Vec<(u32, Vec<String>)> {
        let mut blinded = std::collections::BTreeMap::<u32, Vec<String>>::new();
        for source in SOURCES.iter().filter(|source| self.concern(source.name)) {
            let Some(pruner) = engine.pruner(source.name) else { continue };
            let plan = pruner.plan();
            let spec = source.spec();
            let known: Vec<&str> = plan
                .projection
                .fields
                .iter()
                .flat_map(|field| field.paths.iter().map(String::as_str))
                .chain(
                    source
                        .derivations
                        .iter()
                        .flat_map(|one| one.inputs.iter().flat_map(|input| input.split(" | "))),
                )
                .collect();
            let meets = |redaction: &Redaction, path: &str| redaction.touches_known(path, &known);
            let mut hidden: Vec<Option<String>> = vec![None; plan.tests.len()];
            for field in &plan.fields {
                let projected = field.column.and_then(|column| plan.projection.fields.get(column));
                // a test of no field looks at whole events
                let name = projected.map_or_else(|| "keywords".to_owned(), |field| field.name.clone());
                // where it may be changed: at its paths, or where it is derived from
                if projected.is_none_or(|field| self.hiding(source, &spec, field, &meets).is_some()) {
                    field.tests.iter().for_each(|&test| hidden[test as usize] = Some(name.clone()));
                }
            }
            for rule in &plan.rules {
                let mut fields = Vec::new();
                fields_of(&rule.expr, &hidden, &mut fields);
                if !fields.is_empty() {
                    let all = blinded.entry(rule.rule).or_default();
                    all.extend(fields);
                    all.sort();
                    all.dedup();
                }
            }
        }
        blinded.into_iter().collect()
    }

    /// What meets a field's paths, or those that it is derived from.
    fn hiding(
        &self,
        source: &SourceDef,
        spec: &SourceSpec,
        field: &ProjectedField,
        meets: &dyn Fn(&Redaction, &str) -> bool,
    ) -> Option<&Redaction> {
        let touched = |path: &str| {
            self.all.iter().find(|redaction| redaction.concerns(source.name) && meets(redaction, path))
        };
        let derived =
            source.derivations.iter().filter(|one| field.column.is_some_and(|c| c.name == one.column));
        let computed = source
            .computed
            .iter()
            .filter(|one| field.computed && one.column.eq_ignore_ascii_case(&field.name));
        let inputs =
            derived.chain(computed).flat_map(|one| one.inputs.iter().flat_map(|input| input.split(" | ")));
        field.paths.iter().find_map(|path| touched(path)).or_else(|| {
            inputs.into_iter().find_map(|input| {
                ProjectedField::resolve(input, spec).paths.iter().find_map(|path| touched(path))
            })
        })
    }
}

/// Refuses a canonical column: it is made of other fields, and what is redacted are those. Where the log has a
/// field of that name among them, that is meant.
fn refuse_column(path: &str, source: &SourceDef) -> Result<(), String> {
    let of_name = COLUMNS.iter().find(|column| column.name.eq_ignore_ascii_case(path));
    let Some(column) = of_name.filter(|_| !source.derivations.is_empty()) else { return Ok(()) };
    let inputs = match source.derivations.iter().find(|derivation| derivation.column == column.name) {
        Some(derivation) => derivation.inputs,
        None if column.from_table => {
            return Err(format!(
                "redact: `{path}` is a canonical column, which a lookup table fills: write the path of what is looked up"
            ));
        }
        None => return Ok(()),
    };
    let spec = source.spec();
    let inputs = inputs.iter().flat_map(|input| input.split(" | "));
    let mut paths: Vec<String> =
        inputs.flat_map(|input| ProjectedField::resolve(input, &spec).paths).collect();
    let first =
        |native: &String| native.split('.').next().is_some_and(|name| name.eq_ignore_ascii_case(path));
    if paths.iter().any(first) {
        return Ok(());
    }
    paths.sort();
    paths.dedup();
    let made = match paths.as_slice() {
        [] => "of no field: it holds nothing of an event".to_owned(),
        paths => format!("of other fields: write one or more of `{}`", paths.join("`, `")),
    };
    Err(format!(
        "redact: `{path}` is a canonical column, which {} makes {made}; for a key `{path}` of another log, name its source",
        source.name
    ))
}

#[cfg(feature = "daemon")]
impl Redact for Redactions {
    fn concerns(&self, source: &str) -> bool {
        self.concern(source)
    }

    fn event<'e>(&self, source: &str, event: &'e str) -> Cow<'e, str> {
        self.apply(source, event)
    }

    fn value(&self, sources: &[&str], field: &str, text: &str) -> Told {
        let is_meant = |source: &&&'static SourceDef| {
            self.concern(source.name) && (sources.is_empty() || sources.contains(&source.name))
        };
        // below a plain text nothing can be redacted; what is JSON may hold more than it should
        let is_plain = !may_be_json(text);
        let meets: &dyn Fn(&Redaction, &str) -> bool =
            if is_plain { &Redaction::covers } else { &Redaction::touches };
        let redaction = SOURCES.iter().filter(is_meant).find_map(|source| {
            let spec = source.spec();
            self.hiding(source, &spec, &ProjectedField::resolve(field, &spec), meets)
        });
        match redaction.map(|redaction| redaction.stands_for(text)) {
            None => Told::Itself,
            Some(None) => Told::Nothing,
            Some(Some(other)) => Told::As(other),
        }
    }
}

fn fields_of(expr: &LocalExpr, hidden: &[Option<String>], fields: &mut Vec<String>) {
    match expr {
        LocalExpr::Never => {}
        LocalExpr::Test(test) => fields.extend(hidden.get(*test as usize).cloned().flatten()),
        LocalExpr::Not(inner) => fields_of(inner, hidden, fields),
        LocalExpr::And(branches) | LocalExpr::Or(branches) | LocalExpr::AtLeast(_, branches) => {
            branches.iter().for_each(|branch| fields_of(branch, hidden, fields));
        }
    }
}

/// Rules that are named where some are blind; the others are counted.
const BLINDED_SHOWN: usize = 5;

/// Says which rules look at what is redacted, where some do.
pub fn tell_blinded(engine: &Engine, blinded: &[(u32, Vec<String>)]) {
    if blinded.is_empty() {
        return;
    }
    let name = |(rule, fields): &(u32, Vec<String>)| {
        let title = engine.rules().get(*rule as usize).map_or("?", |rule| rule.lowered.rule.title.as_str());
        format!("{title} ({})", fields.join(", "))
    };
    let mut names: Vec<String> = blinded.iter().take(BLINDED_SHOWN).map(name).collect();
    if blinded.len() > BLINDED_SHOWN {
        names.push(format!("and {} more", blinded.len() - BLINDED_SHOWN));
    }
    show::say!(
        "{}note:{:#} {} rules look at what is redacted; on this archive they may say less than live: {}",
        show::BOLD,
        show::BOLD,
        blinded.len(),
        show::printable(&names.join("; "))
    );
}

/// A record that could not be read, without its bytes: no path leads into what is no JSON.
pub fn quarantined_without_bytes(record: Quarantined) -> Quarantined {
    Quarantined { bytes: Vec::new(), ..record }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use virga_engine::RuleSet;
    use virga_engine::diagnostic::SourceFile;
    use virga_engine::plan::Lists;

    use super::*;

    #[test]
    fn a_canonical_column_is_refused_with_the_paths_that_it_is_made_of() {
        let of = |source: &str, path: &str| {
            let spec =
                RedactSpec { source: source.into(), path: path.into(), action: "drop".into(), key: None };
            Redactions::new(&[spec]).map(|_| ())
        };
        for (source, path, told) in [
            ("aws.cloudtrail", "src_ip", "`sourceIPAddress`"),
            ("aws.cloudtrail", "Principal", "userIdentity.arn"),
            ("*", "src_ip", "name its source"),
        ] {
            let error = of(source, path).expect_err(path);
            assert!(error.contains("canonical column") && error.contains(told), "{error}");
        }
        for (source, path) in
            [("aws.cloudtrail", "sourceIPAddress"), ("generic", "src_ip"), ("*", "**.src_ip")]
        {
            assert_eq!(of(source, path), Ok(()), "{source} {path}");
        }
    }

    #[test]
    fn a_key_at_any_depth_blinds_the_rules_that_look_at_it_or_above_it() {
        let rule = |title: &str, field: &str| {
            format!(
                "title: {title}\nid: {title}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: {{s: {{{field}: x}}, condition: s}}\n"
            )
        };
        let fields =
            ["eventName", "requestParameters.password", "requestParameters", "responseElements", "src_ip"];
        let text = fields.map(|field| rule(&field.to_lowercase(), field)).join("---\n");
        let file = Arc::new(SourceFile { name: "rules.yml".into(), text });
        let set = RuleSet::load([file], &Lists::default());
        let specs: Vec<SourceSpec> = SOURCES.iter().map(|source| source.spec()).collect();
        let engine = Engine::new(&set, &specs);
        let blinded = |path: &str| -> Vec<String> {
            let redaction =
                Redaction::new("aws.cloudtrail", path, RedactAction::Drop, None).expect("a redaction");
            let blinded = Redactions { all: vec![redaction] }.blinded(&engine);
            blinded
                .iter()
                .map(|(rule, _)| engine.rules()[*rule as usize].lowered.rule.title.clone())
                .collect()
        };
        assert_eq!(blinded("**.password"), ["requestparameters.password", "requestparameters"]);
        assert_eq!(blinded("**.nowhere"), [""; 0]);
        assert_eq!(blinded("**.sourceIPAddress"), ["src_ip"]);
        assert_eq!(blinded("requestParameters.**.token"), ["requestparameters"]);
        assert_eq!(blinded("responseElements.x"), ["responseelements"]);
    }
}
