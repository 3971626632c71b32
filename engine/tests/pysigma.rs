//! Virga's compiler beside pySigma's verdicts (`tests/pysigma/goldens`): which rules are valid, what
//! each modifier makes of a value, which texts a pattern matches. Where the two differ, the difference
//! is listed here with its reason, and a difference that is not listed fails, as does a listed one that
//! no longer occurs.

use std::collections::BTreeSet;
use std::sync::Arc;

use saphyr::LoadableYamlNode;
use serde_json::{Value, json};
use virga_engine::RuleSet;
use virga_engine::diagnostic::{Severity, SourceFile};
use virga_engine::plan::{Expr, Lists, Predicate, lower};
use virga_engine::predicate::{Comparison, Number, Relation, Test, TextTest, fold};
use virga_engine::sigma::{CorrelationCondition, Document, Part, Pattern, parse_documents};
use virga_test_support::{SIGMAHQ, corpus, rule_archive, workspace};

fn golden(name: &str) -> Value {
    let path = workspace().join("tests/pysigma/goldens").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a golden is JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A tree whose branches are sets, as text: what two trees are compared by.
fn join(word: &str, branches: impl Iterator<Item = String>) -> String {
    let mut set = BTreeSet::new();
    for branch in branches {
        match branch.strip_prefix(&format!("{word}[")).and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => set.extend(inner.split('\u{1f}').map(str::to_owned)),
            None => drop(set.insert(branch)),
        }
    }
    let members: Vec<String> = set.into_iter().collect();
    match members.as_slice() {
        [one] => one.clone(),
        members => format!("{word}[{}]", members.join("\u{1f}")),
    }
}

fn show_test(test: &Test) -> String {
    format!("{test:?}")
}

/// What a list for a placeholder holds here: a text that nothing else holds.
fn stand_in(name: &str) -> String {
    format!("<<{name}>>")
}

fn theirs(tree: &Value) -> String {
    if let Some(branches) = tree.get("or") {
        return join("or", list(branches).iter().map(theirs));
    }
    if let Some(branches) = tree.get("and") {
        return join("and", list(branches).iter().map(theirs));
    }
    if let Some(inner) = tree.get("not") {
        return format!("not({})", theirs(inner));
    }
    let number = |value: &Value| Number::parse(&value.to_string()).expect("a number");
    let comparison = |word: &str| match word {
        "lt" => Comparison::Lt,
        "lte" => Comparison::Lte,
        "gt" => Comparison::Gt,
        _ => Comparison::Gte,
    };
    let part = |word: &str| {
        use virga_engine::predicate::TimePart::{Day, Hour, Minute, Month, Week, Year};
        [Minute, Hour, Day, Week, Month, Year].into_iter().find(|part| part.word() == word).expect("a part")
    };
    let test = match text(&tree["op"]) {
        "string" => {
            let parts =
                list(&tree["parts"]).iter().map(|part| match (part.get("wild"), part.get("placeholder")) {
                    (Some(wild), _) if wild == "*" => Part::AnyRun,
                    (Some(_), _) => Part::AnyOne,
                    (_, Some(name)) => Part::Text(stand_in(text(name))),
                    _ => Part::Text(text(part).to_owned()),
                });
            Test::Text(TextTest::new(Pattern { parts: parts.collect() }, tree["cased"] == true))
        }
        "re" => {
            let flag = |flag: &str| list(&tree["flags"]).iter().any(|other| other == flag);
            Test::Regex(virga_engine::predicate::RegexTest {
                pattern: text(&tree["pattern"]).to_owned(),
                ignore_case: flag("i"),
                multi_line: flag("m"),
                dot_all: flag("s"),
            })
        }
        "cidr" => {
            let network = text(&tree["network"]);
            let address = || network.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
            match network.parse().or_else(|_| address()) {
                Ok(network) => Test::Cidr(network),
                Err(_) => return format!("a network that we do not read: {network}"),
            }
        }
        "num" => Test::Number(number(&tree["number"])),
        "bool" => Test::Text(TextTest::new(Pattern::literal(tree["value"].to_string()), false)),
        "null" => Test::Null,
        "exists" if tree["value"] == true => Test::Exists,
        "exists" => return format!("not({})", show_test(&Test::Exists)),
        "compare" => match tree.get("part") {
            Some(word) => {
                Test::Time(part(text(word)), comparison(text(&tree["cmp"])), number(&tree["number"]))
            }
            None => Test::Compare(comparison(text(&tree["cmp"])), number(&tree["number"])),
        },
        "timestamp_part" => Test::Time(part(text(&tree["part"])), Comparison::Eq, number(&tree["number"])),
        "fieldref" => Test::FieldRef(virga_engine::predicate::FieldRefTest {
            field: text(&tree["field"]).to_lowercase(),
            relation: match (tree["startswith"] == true, tree["endswith"] == true) {
                (false, false) => Relation::Equals,
                (true, false) => Relation::StartsWith,
                (false, true) => Relation::EndsWith,
                (true, true) => Relation::Contains,
            },
            cased: false,
        }),
        _ => panic!("an unknown leaf: {tree}"),
    };
    show_test(&test)
}

fn ours(expr: &Expr) -> String {
    match expr {
        Expr::Never => "never".into(),
        Expr::Test(Predicate { test, .. }) => show_test(test),
        Expr::And(branches) => join("and", branches.iter().map(ours)),
        Expr::Or(branches) => join("or", branches.iter().map(ours)),
        Expr::AtLeast(n, branches) => format!("{n} of {}", join("", branches.iter().map(ours))),
        Expr::Not(inner) => format!("not({})", ours(inner)),
    }
}

/// One selection, compiled: the expression, or the first error's code.
fn compile(field: &str, value: &Value, lists: &Lists) -> Result<Expr, String> {
    // JSON is YAML, but for the escape of a slash, which serde_json does not write
    let yaml = format!(
        "title: t\nlogsource: {{product: t}}\ndetection:\n  sel:\n    {}: {}\n  condition: sel\n",
        json!(field),
        yaml_value(value)
    );
    let file = Arc::new(SourceFile { name: "case.yml".into(), text: yaml });
    let (documents, diagnostics) = parse_documents(&file);
    let error = |diagnostics: &[virga_engine::diagnostic::Diagnostic]| {
        let error = diagnostics.iter().find(|d| d.severity == Severity::Error);
        error.map(|d| d.code.id.to_owned())
    };
    if let Some(code) = error(&diagnostics) {
        return Err(code);
    }
    let Some(Document::Rule(rule)) = documents.into_iter().next() else { return Err("no rule".into()) };
    let (lowered, diagnostics) = lower(&rule, lists);
    match lowered {
        Some(lowered) => Ok(lowered.expr),
        None => Err(error(&diagnostics).unwrap_or_default()),
    }
}

fn yaml_value(value: &Value) -> String {
    match value {
        // a float that is whole must stay a number, and 1e400 is not JSON's to write
        Value::Array(items) => format!("[{}]", items.iter().map(yaml_value).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A difference: by modifiers and value, and why.
struct Deviation {
    reason: &'static str,
    covers: fn(&Case<'_>) -> bool,
}

struct Case<'c> {
    keyword: bool,
    modifiers: Vec<&'c str>,
    value: &'c Value,
    theirs: &'c Result<String, String>,
    ours: &'c Result<String, String>,
}

impl Case<'_> {
    fn has(&self, modifier: &str) -> bool {
        self.modifiers.contains(&modifier)
    }

    fn any_value(&self, is: impl Fn(&Value) -> bool) -> bool {
        match self.value {
            Value::Array(items) => items.iter().any(is),
            value => is(value),
        }
    }

    fn any_text(&self, is: impl Fn(&str) -> bool) -> bool {
        self.any_value(|value| value.as_str().is_some_and(&is))
    }
}

const DASHES: [char; 3] = ['–', '—', '―'];

/// Where Virga decides otherwise than pySigma on what a modifier makes of a value.
const MODIFIER_DEVIATIONS: &[Deviation] = &[
    Deviation {
        reason: "only texts and expressions can be looked for in a whole event; null, networks, numbers compared and fields cannot",
        covers: |case| case.keyword && case.ours.is_err(),
    },
    Deviation {
        reason: "a modifier that stands twice is a mistake",
        covers: |case| {
            case.ours.is_err()
                && case
                    .modifiers
                    .iter()
                    .any(|name| case.modifiers.iter().filter(|other| *other == name).count() > 1)
        },
    },
    Deviation {
        reason: "`all`, `neq` and `cased` concern the item as a whole and may stand anywhere, also before `re`, `cidr` and `exists`",
        covers: |case| {
            case.theirs.is_err()
                && case.ours.is_ok()
                && matches!(case.modifiers.first(), Some(&("all" | "neq" | "cased")))
        },
    },
    Deviation {
        reason: "a network is written with the length of its prefix; masks and zones are not CIDR notation",
        covers: |case| {
            case.has("cidr")
                && case.ours.is_err()
                && case.any_text(|text| {
                    text.contains('%') || text.split('/').nth(1).is_some_and(|mask| mask.contains('.'))
                })
        },
    },
    Deviation {
        reason: "wildcards, also those of contains, startswith and endswith, cannot be encoded",
        covers: |case| {
            let encodes = |name: &&str| ["wide", "utf16", "utf16be"].contains(name);
            case.ours.is_err()
                && case.modifiers.iter().any(encodes)
                && (case.any_text(|text| text.contains(['*', '?']))
                    || ["contains", "startswith", "endswith"].iter().any(|name| case.has(name)))
        },
    },
    Deviation {
        reason: "windash works on a text, not on what an encoding has made of it",
        covers: |case| case.has("windash") && case.has("base64") && case.ours.is_err(),
    },
    Deviation {
        reason: "one part of a date is asked at a time",
        covers: |case| case.has("hour") && case.has("minute") && case.ours.is_err(),
    },
    Deviation {
        reason: "`fieldref` needs the name of a field, and takes one relation",
        covers: |case| case.has("fieldref") && case.ours.is_err(),
    },
    Deviation {
        reason: "two fields can be compared with case",
        covers: |case| case.has("fieldref") && case.has("cased") && case.theirs.is_err(),
    },
    Deviation {
        reason: "a placeholder in an expression is refused: what the list holds is no expression",
        covers: |case| case.has("re") && case.has("expand") && case.ours.is_err(),
    },
    Deviation {
        reason: "a placeholder cannot be encoded; pySigma encodes its name",
        covers: |case| {
            case.has("expand")
                && case.ours.is_err()
                && ["base64", "base64offset", "wide", "utf16", "utf16be"].iter().any(|name| case.has(name))
        },
    },
    Deviation {
        reason: "`utf16le` is in the specification; pySigma does not know it",
        covers: |case| case.has("utf16le") && case.theirs.is_err(),
    },
    Deviation {
        reason: "`ignorecase`, `multiline` and `dotall` are not in the specification",
        covers: |case| {
            ["ignorecase", "multiline", "dotall"].iter().any(|name| case.has(name)) && case.ours.is_err()
        },
    },
    Deviation {
        reason: "an integer keeps its digits beyond 2^53; pySigma rounds it",
        covers: |case| {
            case.any_value(|value| value.to_string().trim_start_matches('-').len() > 15 && value.is_number())
        },
    },
    Deviation {
        reason: "an empty list matches nothing and is an error; pySigma takes it for null",
        covers: |case| case.value.as_array().is_some_and(Vec::is_empty) && case.ours.is_err(),
    },
    Deviation {
        reason: "windash begins with any of the five dashes (the specification); pySigma with two of them",
        covers: |case| case.has("windash") && case.any_text(|text| text.contains(DASHES)),
    },
    Deviation {
        reason: "windash makes all permutations; pySigma refuses more than three dashes",
        covers: |case| case.has("windash") && case.theirs.is_err() && case.ours.is_ok(),
    },
    Deviation {
        reason: "any text can be encoded in UTF-16; pySigma only what is UTF-8 by chance",
        covers: |case| {
            ["wide", "utf16", "utf16be"].iter().any(|name| case.has(name))
                && case.any_text(|text| !text.is_ascii())
        },
    },
    Deviation {
        reason: "UTF-16 that is not followed by Base64 may be no text that a log can hold",
        covers: |case| {
            ["utf16"].iter().any(|name| case.has(name)) && !case.has("base64") && !case.has("base64offset")
        },
    },
    Deviation {
        reason: "base64offset drops a form of which nothing is left: it would match everything",
        covers: |case| case.has("base64offset") && case.any_text(|text| text.len() <= 1),
    },
    Deviation {
        reason: "`cased` holds for the whole item, wherever it stands; pySigma loses it before an encoding or a dash",
        covers: |case| case.has("cased") && case.modifiers.last() != Some(&"cased"),
    },
    Deviation {
        reason: "`\\%` is a plain percent sign (the specification)",
        covers: |case| case.has("expand") && case.any_text(|text| text.contains("\\%")),
    },
    Deviation {
        reason: "an escaped wildcard in a field's name is the character itself",
        covers: |case| case.has("fieldref") && case.any_text(|text| text.contains('\\')),
    },
    Deviation {
        reason: "an expression is a text or a number; pySigma also takes null, booleans and lists of lists as their Python names",
        covers: |case| {
            case.has("re")
                && case.any_value(|value| value.is_null() || value.is_boolean() || value.is_array())
        },
    },
    Deviation {
        reason: "an expression says itself where it matches: contains, startswith and endswith cannot follow `re`",
        covers: |case| {
            case.has("re")
                && ["contains", "startswith", "endswith"].iter().any(|name| case.has(name))
                && case.ours.is_err()
        },
    },
    Deviation {
        reason: "a number is looked for as it is written; pySigma refuses it under contains, startswith, endswith and encodings",
        covers: |case| case.theirs.is_err() && case.ours.is_ok() && case.any_value(Value::is_number),
    },
    Deviation {
        reason: "a number in quotes is a number where one is asked for",
        covers: |case| {
            ["lt", "lte", "gt", "gte"].iter().any(|name| case.has(name))
                && case.theirs.is_err()
                && case.any_value(Value::is_string)
        },
    },
    Deviation {
        reason: "a part of a date is a whole number; pySigma cuts off a fraction",
        covers: |case| {
            ["minute", "hour", "day", "week", "month", "year"].iter().any(|name| case.has(name))
                && case.any_value(Value::is_f64)
        },
    },
];

/// Modifiers, value, what pySigma makes of it, what Virga makes of it.
type Compared<'c> = (Vec<&'c str>, &'c Value, Result<String, String>, Result<String, String>);

fn check(deviations: &[Deviation], cases: &[Compared<'_>]) {
    let mut used = vec![0usize; deviations.len()];
    let mut unexplained = Vec::new();
    let mut equal = 0;
    for (modifiers, value, theirs, ours) in cases {
        if theirs == ours || (theirs.is_err() && ours.is_err()) {
            equal += 1;
            continue;
        }
        let keyword = modifiers.first() == Some(&"");
        let modifiers: Vec<&str> = modifiers.iter().copied().filter(|name| !name.is_empty()).collect();
        let case = Case { keyword, modifiers, value, theirs, ours };
        match deviations.iter().position(|deviation| (deviation.covers)(&case)) {
            Some(at) => used[at] += 1,
            None => unexplained
                .push(format!("{:?} {value}\n  pySigma {theirs:?}\n  Virga   {ours:?}", case.modifiers)),
        }
    }
    for (deviation, used) in deviations.iter().zip(&used) {
        println!("{used:4} {}", deviation.reason);
    }
    println!("{equal} of {} the same", cases.len());
    assert!(unexplained.is_empty(), "{} unexplained:\n{}", unexplained.len(), unexplained.join("\n"));
    let idle: Vec<&str> =
        deviations.iter().zip(&used).filter(|(_, used)| **used == 0).map(|(d, _)| d.reason).collect();
    assert!(idle.is_empty(), "deviations that no longer occur: {idle:#?}");
}

#[test]
fn modifiers_expand_as_pysigma_expands_them() {
    let golden = golden("modifiers.json");
    let mut lists = Lists::new();
    for case in list(&golden["cases"]) {
        collect_placeholders(&case["expansion"], &mut lists);
    }
    let cases: Vec<_> = list(&golden["cases"])
        .iter()
        .map(|case| {
            let field = text(&case["field"]);
            let theirs = match case["expansion"].get("error") {
                Some(error) => Err(text(error).to_owned()),
                None => Ok(theirs_of(&case["expansion"], field)),
            };
            let ours = compile(field, &case["value"], &lists).map(|expr| ours(&expr));
            let keyword = (field.is_empty() || field.starts_with('|')).then_some("");
            let names = field.split('|').skip(1);
            (keyword.into_iter().chain(names).collect(), &case["value"], theirs, ours)
        })
        .collect();
    assert!(cases.len() > 2_000);
    check(MODIFIER_DEVIATIONS, &cases);
}

/// A keyword stands anywhere: what pySigma leaves to its back ends.
fn theirs_of(tree: &Value, field: &str) -> String {
    if !field.is_empty() && !field.starts_with('|') {
        return theirs(tree);
    }
    theirs(&opened(tree))
}

fn opened(tree: &Value) -> Value {
    match tree {
        Value::Object(members) if members.get("op").is_some_and(|op| op == "string") => {
            let star = json!({"wild": "*"});
            let mut parts = vec![star.clone()];
            parts.extend(list(&members["parts"]).iter().cloned());
            parts.push(star);
            json!({"op": "string", "parts": parts, "cased": members["cased"]})
        }
        Value::Object(members) if members.get("op").is_some_and(|op| op == "num" || op == "bool") => {
            let shown =
                members.get("number").or(members.get("value")).map(ToString::to_string).unwrap_or_default();
            json!({"op": "string", "parts": [{"wild": "*"}, shown, {"wild": "*"}], "cased": false})
        }
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), opened(value))).collect(),
        Value::Array(items) => items.iter().map(opened).collect(),
        other => other.clone(),
    }
}

fn collect_placeholders(tree: &Value, lists: &mut Lists) {
    match tree {
        Value::Object(members) => {
            if let Some(name) = members.get("placeholder") {
                lists.insert(text(name).to_owned(), vec![stand_in(text(name))]);
            }
            members.values().for_each(|value| collect_placeholders(value, lists));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_placeholders(item, lists)),
        _ => {}
    }
}

#[test]
fn patterns_match_what_pysigmas_parts_match() {
    let golden = golden("matches.json");
    let mut wrong = Vec::new();
    for case in list(&golden["cases"]) {
        let modifiers: Vec<&str> = list(&case["modifiers"]).iter().map(text).collect();
        let field = std::iter::once("F").chain(modifiers.iter().copied()).collect::<Vec<_>>().join("|");
        let expected = case.get("simple_lowercase").unwrap_or(&case["expected"]) == true;
        match compile(&field, &case["pattern"], &Lists::new()) {
            Ok(expr) if holds(&expr, text(&case["value"])) == expected => {}
            other => wrong.push(format!("{case}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whether a text passes an expression over texts.
fn holds(expr: &Expr, value: &str) -> bool {
    match expr {
        Expr::Test(Predicate { test: Test::Text(test), .. }) if test.cased => test.holds(value),
        Expr::Test(Predicate { test: Test::Text(test), .. }) => test.holds(&fold(value)),
        Expr::Or(branches) => branches.iter().any(|branch| holds(branch, value)),
        Expr::And(branches) => branches.iter().all(|branch| holds(branch, value)),
        Expr::Not(inner) => !holds(inner, value),
        other => panic!("no expression over texts: {other:?}"),
    }
}

#[test]
fn the_same_public_rules_are_valid() {
    let Some(corpus) = corpus() else { return };
    let golden = golden("validity.json");
    let invalid: BTreeSet<&str> =
        list(&golden["archive"]["invalid"]).iter().map(|entry| text(&entry["path"])).collect();
    let mut only_ours = BTreeSet::new();
    let mut files = 0;
    for file in rule_archive(&corpus, SIGMAHQ) {
        files += 1;
        let source = Arc::new(SourceFile { name: file.path.clone(), text: file.text });
        let refused = RuleSet::load([source], &Lists::new()).rejected > 0;
        let theirs = invalid.contains(file.path.as_str());
        assert!(refused || !theirs, "{}: pySigma refuses it", file.path);
        if refused && !theirs {
            only_ours.insert(file.path);
        }
    }
    assert_eq!(files, 3_867);
    // `action: global` and `timeframe` are old syntax: pySigma reads the one as a key of the author's own
    // and the other as a keyword, which is not what the rule's author meant
    assert!(only_ours.iter().all(|path| path.starts_with("unsupported/")), "{only_ours:?}");
    println!("{} refused by Virga alone: {only_ours:?}", only_ours.len());
}

/// Rules of our own whose validity Virga decides otherwise: the reason, and how the names of the cases
/// begin.
fn validity_deviations() -> Vec<(String, Vec<String>)> {
    let path = workspace().join("tests/pysigma/deviations.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str::<std::collections::BTreeMap<String, Vec<String>>>(&text)
        .expect("reasons with names")
        .into_iter()
        .collect()
}

/// The names and texts of our own rules.
fn own_cases() -> Vec<(String, String)> {
    let text =
        std::fs::read_to_string(workspace().join("tests/pysigma/cases/validity.yml")).expect("the cases");
    let documents = saphyr::Yaml::load_from_str(&text).expect("YAML");
    let field = |case: &saphyr::Yaml<'_>, name: &str| {
        case.as_mapping_get(name).and_then(|value| value.as_str()).expect("a text").to_owned()
    };
    let cases = documents.first().and_then(|document| document.as_sequence()).expect("a list");
    cases.iter().map(|case| (field(case, "name"), field(case, "rule"))).collect()
}

#[test]
fn the_same_rules_of_our_own_are_valid() {
    let cases = own_cases();
    let golden = golden("validity.json");
    let deviations = validity_deviations();
    let mut used = BTreeSet::new();
    let mut unexplained = Vec::new();
    let mut same = 0;
    assert_eq!(cases.len(), list(&golden["cases"]).len());
    for ((name, rule), verdict) in cases.iter().zip(list(&golden["cases"])) {
        assert_eq!(name, text(&verdict["name"]));
        let source = Arc::new(SourceFile { name: name.clone(), text: rule.clone() });
        let set = RuleSet::load([source], &Lists::new());
        if (set.rejected == 0) == (verdict["valid"] == true) {
            same += 1;
            continue;
        }
        // a listed name that ends in a colon stands for all that begin with it
        let is = |listed: &&String| {
            *listed == name || (listed.ends_with(':') && name.starts_with(listed.as_str()))
        };
        match deviations.iter().flat_map(|(_, names)| names).find(is) {
            Some(listed) => drop(used.insert(listed.clone())),
            None => {
                let said: Vec<String> = set.diagnostics.iter().map(ToString::to_string).collect();
                unexplained.push(format!("{name} || {} || {said:?}", verdict["reason"]));
            }
        }
    }
    println!("{same} of {} the same, {} differ for {} reasons", cases.len(), used.len(), deviations.len());
    assert!(unexplained.is_empty(), "{} unexplained:\n{}", unexplained.len(), unexplained.join("\n"));
    let idle: Vec<_> =
        deviations.iter().flat_map(|(_, names)| names).filter(|name| !used.contains(*name)).collect();
    assert!(idle.is_empty(), "deviations that no longer occur: {idle:?}");
}

/// Type, window and comparisons of every correlation that both read.
#[test]
fn correlations_are_read_alike() {
    let golden = golden("validity.json");
    let mut compared = 0;
    for ((name, rule), verdict) in own_cases().iter().zip(list(&golden["cases"])) {
        let Some(theirs) = verdict["correlations"].as_array() else { continue };
        let file = Arc::new(SourceFile { name: name.clone(), text: rule.clone() });
        let ours = RuleSet::load([file], &Lists::new()).correlations;
        // what Virga refuses is listed among the deviations; of two comparisons pySigma keeps one
        if ours.is_empty() || name == "correlation: eq and neq" {
            continue;
        }
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for (linked, theirs) in ours.iter().zip(theirs) {
            let ours = &linked.correlation;
            assert_eq!(ours.kind.value.word(), text(&theirs["type"]), "{name}");
            assert_eq!(Some(ours.timespan / 1_000_000), theirs["seconds"].as_i64(), "{name}");
            match &ours.condition {
                CorrelationCondition::NewTerms { .. }
                | CorrelationCondition::ImpossibleTravel { .. }
                | CorrelationCondition::RateBaseline { .. } => panic!("{name}: pySigma has no such type"),
                CorrelationCondition::Rules(_) => assert!(theirs["condition"].is_string(), "{name}"),
                CorrelationCondition::Number { criteria, fields, percentile } => {
                    for (criterion, bound) in criteria {
                        assert_eq!(theirs["condition"][criterion.word()].as_f64(), Some(*bound), "{name}");
                    }
                    let said = list_or_one(&theirs["condition"]["field"]);
                    assert_eq!(fields.iter().map(|field| field.value.as_str()).collect::<Vec<_>>(), said);
                    if let Some(said) = theirs["condition"]["percentile"].as_f64() {
                        assert_eq!(*percentile, Some(said), "{name}");
                    }
                }
            }
            compared += 1;
        }
    }
    println!("{compared} correlations compared");
    assert!(compared >= 20, "{compared}");
}

fn list_or_one(value: &Value) -> Vec<&str> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(text).collect(),
        one => vec![text(one)],
    }
}
