//! The fast way and the reference agree: on a table of hand-written cases whose answer is known, and
//! on random rules and events.

use std::sync::Arc;

use proptest::prelude::*;

use crate::diagnostic::SourceFile;
use crate::event::EventBatch;
use crate::plan::SourcePlan;
use crate::scan::Scanner;
use crate::testing::{fast, lowered, matches, slow, source};

fn file(selections: &str, condition: &str) -> Arc<SourceFile> {
    let text = format!(
        "title: test\nlogsource: {{product: test}}\ndetection:\n{selections}\n  condition: {condition}\n"
    );
    Arc::new(SourceFile { name: "test.yml".into(), text })
}

/// A selection's lines, and events with the answer that the specification gives.
const MEANING: &[(&str, &[(&str, bool)])] = &[
    // values compare without case, as texts; numbers as numbers where one side is unquoted
    ("a: Ab", &[(r#"{"a":"aB"}"#, true), (r#"{"A":"AB"}"#, true), (r#"{"a":"abc"}"#, false), ("{}", false)]),
    ("a: '012'", &[(r#"{"a":"012"}"#, true), (r#"{"a":"12"}"#, false), (r#"{"a":12}"#, true)]),
    ("a: 12", &[(r#"{"a":"012"}"#, true), (r#"{"a":12.0}"#, true), (r#"{"a":"12a"}"#, false)]),
    ("a: 9007199254740993", &[(r#"{"a":9007199254740993}"#, true), (r#"{"a":9007199254740992}"#, false)]),
    ("a: '9007199254740993'", &[(r#"{"a":9007199254740992}"#, false), (r#"{"a":9007199254740993}"#, true)]),
    ("a: true", &[(r#"{"a":true}"#, true), (r#"{"a":"True"}"#, true), (r#"{"a":1}"#, false)]),
    ("a: Ä", &[(r#"{"a":"ä"}"#, true), (r#"{"a":"\u00c4"}"#, true), (r#"{"a":"a"}"#, false)]),
    ("a|contains: k", &[("{\"a\":\"x\u{212A}x\"}", true)]),
    ("a: ''", &[(r#"{"a":""}"#, true), (r#"{"a":null}"#, false), ("{}", false)]),
    // absence, null and presence
    ("a: null", &[("{}", true), (r#"{"a":null}"#, true), (r#"{"a":""}"#, false), (r#"{"a":"null"}"#, false)]),
    // a list is walked through; an object is there, whatever its members are
    ("a: null", &[(r#"{"a":[null]}"#, true), (r#"{"a":[1,null]}"#, true), (r#"{"a":[[],[null]]}"#, true)]),
    ("a: null", &[(r#"{"a":[]}"#, false), (r#"{"a":["null"]}"#, false), (r#"{"a":{}}"#, false)]),
    ("a: null", &[(r#"{"a":{"b":null}}"#, false), (r#"{"a":[{"b":null}]}"#, false)]),
    ("a.b: null", &[(r#"{"a":{"b":null}}"#, true), (r#"{"a":[{"b":1},{"b":null}]}"#, true)]),
    ("a|neq: null", &[(r#"{"a":[null]}"#, false), (r#"{"a":[1]}"#, true), ("{}", false)]),
    ("a|exists: true", &[(r#"{"a":null}"#, true), ("{}", false)]),
    ("a|exists: false", &[(r#"{"a":null}"#, false), ("{}", true)]),
    (
        "a|neq: x",
        &[("{}", true), (r#"{"a":"X"}"#, false), (r#"{"a":null}"#, true), (r#"{"a":["x","y"]}"#, false)],
    ),
    ("a|neq: [x, y]", &[(r#"{"a":"y"}"#, false), (r#"{"a":"z"}"#, true)]),
    (
        "a|contains: '*'",
        &[(r#"{"a":""}"#, true), (r#"{"a":null}"#, false), (r#"{"a":{}}"#, true), ("{}", false)],
    ),
    // arrays, objects, embedded JSON
    ("a: x", &[(r#"{"a":["y","X"]}"#, true), (r#"{"a":{"b":"x"}}"#, true), (r#"{"a":{"x":"b"}}"#, false)]),
    ("a.b: x", &[(r#"{"a":[{"b":"y"},{"b":"x"}]}"#, true), (r#"{"a":[{"c":"x"}]}"#, false)]),
    (r#"a|contains: '"b":"x"'"#, &[(r#"{"a": {"b" : "x"}}"#, true), (r#"{"a":{"b":"y"}}"#, false)]),
    (r#"a|contains: '"s3:GetObject"'"#, &[(r#"{"a":{"p":"{\"Action\":\"s3:GetObject\"}"}}"#, true)]),
    ("a|endswith: x}", &[(r#"{"a":{"b":"x"}}"#, false), (r#"{"a":{"b":"x}"}}"#, true)]),
    ("a.b|gte: 5", &[(r#"{"a":[{"b":4},{"b":"5"}]}"#, true), (r#"{"a":{"b":"x"}}"#, false)]),
    ("nvidia.com/gpu: 1", &[(r#"{"nvidia.com/gpu":"1"}"#, true), (r#"{"nvidia":{"com/gpu":1}}"#, true)]),
    // names fold as values do: by character, wherever one stands
    ("ΟΔΟΣ.b: 1", &[(r#"{"ΟΔΟΣ":{"b":1}}"#, true), (r#"{"οδοσ":{"B":1}}"#, true), (r#"{"ΟΔΟΣ.b":1}"#, true)]),
    ("a|fieldref: ΟΔΟΣ.b", &[(r#"{"a":"x","ΟΔΟΣ":{"b":"X"}}"#, true), (r#"{"a":"x","ΟΔΟΣ":"x"}"#, false)]),
    // wildcards
    ("a: 'x*z'", &[("{\"a\":\"x\\ny\\nZ\"}", true), (r#"{"a":"xzy"}"#, false)]),
    (r"a|endswith: '\7z*.exe'", &[(r#"{"a":"C:\\7zip.EXE"}"#, true), (r#"{"a":"C:\\7zip.exe2"}"#, false)]),
    (r"a: 'x\*y'", &[(r#"{"a":"x*y"}"#, true), (r#"{"a":"xzy"}"#, false)]),
    (r"a: 'C:\\*\b?'", &[(r#"{"a":"c:\\dir\\bX"}"#, true), (r#"{"a":"c:\\dir\\b"}"#, false)]),
    ("a: '?'", &[(r#"{"a":"é"}"#, true), (r#"{"a":""}"#, false), (r#"{"a":5}"#, true)]),
    // lists
    (
        "a|contains|all: [x, y]",
        &[(r#"{"a":"yx"}"#, true), (r#"{"a":"x"}"#, false), (r#"{"a":["x","y"]}"#, true)],
    ),
    ("a|cased|contains: X", &[(r#"{"a":"aXa"}"#, true), (r#"{"a":"axa"}"#, false)]),
    // references between fields
    ("a|fieldref: b", &[(r#"{"a":"X","b":["y","x"]}"#, true), (r#"{"a":"x"}"#, false), ("{}", false)]),
    ("a|fieldref|startswith: b", &[(r#"{"a":"xyz","b":"XY"}"#, true), (r#"{"a":"xy","b":"xyz"}"#, false)]),
    (
        "a|fieldref: b",
        &[(r#"{"a":"01","b":1}"#, true), (r#"{"a":"01","b":"1"}"#, false), (r#"{"a":5.0,"b":[7,5]}"#, true)],
    ),
    (
        "a|cidr: 10.0.0.0/8",
        &[(r#"{"a":"010.001.1.1"}"#, true), (r#"{"a":"::1"}"#, false), (r#"{"a":"10.0"}"#, false)],
    ),
    ("a|cidr: fe80::/10", &[(r#"{"a":"fe80::1"}"#, true), (r#"{"a":"10.0.0.1"}"#, false)]),
    // duplicate keys: the last counts
    ("a: x", &[(r#"{"a":"x","a":"y"}"#, false), (r#"{"a":"y","a":"x"}"#, true)]),
];

#[test]
fn a_selection_means_what_the_specification_says() {
    for (selection, events) in MEANING {
        let rule = file(&format!("  sel:\n    {selection}"), "sel");
        let texts: Vec<&str> = events.iter().map(|(event, _)| *event).collect();
        let expected: Vec<bool> = events.iter().map(|(_, expected)| *expected).collect();
        assert_eq!(matches(&rule, &texts), expected, "{selection} on {texts:?}");
    }
}

#[test]
fn keywords_are_found_anywhere_in_the_event() {
    let rule = file("  words: [evil*name, 4711]", "words");
    let events = [
        r#"{"x":{"y":["An EVIL long Name"]}}"#,
        r#"{"x":47110}"#,
        r#"{"x":"none"}"#,
        r#"{"x":"evil","y":"name"}"#,
    ];
    // the last is found in the compact text, where only a wildcard stands between the two
    assert_eq!(matches(&rule, &events), [true, true, false, true]);
    let all = file("  words:\n    '|all': [one, two]", "words");
    assert_eq!(matches(&all, &[r#"{"a":"one","b":"TWO"}"#, r#"{"a":"one"}"#]), [true, false]);
}

#[test]
fn quantities_count_selections() {
    let selections = "  s1: {a: x}\n  s2: {b: x}\n  s3: {c: x}\n  _hidden: {d: x}";
    let cases = [
        ("1 of s*", [true, true, true]),
        ("2 of s*", [false, true, true]),
        ("all of s*", [false, false, true]),
        ("all of them", [false, false, true]),
        ("not 1 of them", [false, false, false]),
        ("s1 and not (s2 or s3)", [true, false, false]),
    ];
    for (condition, expected) in cases {
        let rule = file(selections, condition);
        let events = [r#"{"a":"x"}"#, r#"{"a":"x","b":"x"}"#, r#"{"a":"x","b":"x","c":"x"}"#];
        let text = rule.text.replace("  _hidden: {d: x}\n", "");
        let rule = Arc::new(SourceFile { name: rule.name.clone(), text });
        assert_eq!(unwarned(&rule, &events), expected, "{condition}");
    }
}

/// As `matches`, for rules with selections that the condition does not use.
fn unwarned(rule: &Arc<SourceFile>, events: &[&str]) -> Vec<bool> {
    let (documents, _) = crate::sigma::parse_documents(rule);
    let Some(crate::sigma::Document::Rule(rule)) = documents.into_iter().next() else { panic!("no rule") };
    let (Some(rule), _) = crate::plan::lower(&rule, &crate::plan::Lists::new()) else { panic!("no rule") };
    let hits = slow(std::slice::from_ref(&rule), events);
    assert_eq!(fast(&[rule], events, 10), hits);
    (0..events.len()).map(|row| hits.iter().any(|hit| hit.row == row as u32)).collect()
}

#[test]
fn many_values_in_few_rows_are_looked_at_only_where_a_rule_depends_on_them() {
    let rule = file("  s: {a|contains: '77'}\n  t: {b: y}", "s and t");
    let rules = lowered(&rule);
    // `a` in a third of the rows, another each time; `b` is `y` in few of them; rows that are alike lie together
    let event = |row: usize| match row {
        ..2_000 => format!(r#"{{"a":"v{row}","b":"{}"}}"#, if row < 100 { "y" } else { "x" }),
        _ => r#"{"b":"y"}"#.to_owned(),
    };
    let events: Vec<String> = (0..6_000).map(event).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    assert_eq!(fast(&rules, &events, events.len()), slow(&rules, &events));
    assert_eq!(slow(&rules, &events).len(), 1, "v77 alone");
    let mut scanner = Scanner::new(SourcePlan::new(&source(), &[(0, &rules[0], false)]));
    let projection = Arc::clone(&scanner.plan().projection);
    let batch = EventBatch::of_raw("test", &projection, events.iter().copied()).expect("events");
    scanner.scan(&batch, &mut Vec::new());
    // two of `b`, and a hundred of `a`
    assert_eq!(scanner.counts().values, 102);
}

fn word() -> impl Strategy<Value = String> {
    let letters =
        prop::sample::select(vec!["a", "b", "A", "B", "é", "É", "1", "2", ".", "-", "\\", "\"", "\n", " "]);
    prop::collection::vec(letters, 0..4).prop_map(|letters| letters.concat())
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "A", "a.b", "b.a", "c", "É", "é", "AΣ"]).prop_map(str::to_owned)
}

fn json_value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        4 => word().prop_map(|word| json_string(&word)),
        1 => prop::sample::select(vec!["null", "true", "false", "0", "1", "2", "-1", "1.0", "12", "1e1"]).prop_map(str::to_owned),
    ];
    scalar.prop_recursive(3, 12, 3, |inner| {
        let member = (key(), inner.clone(), any::<bool>()).prop_map(|(key, value, escaped)| {
            match escaped && key.is_ascii() {
                true => format!("\"\\u{:04x}{}\": {value}", key.as_bytes()[0], &key[1..]),
                false => format!("\"{key}\":{value}"),
            }
        });
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

fn event() -> impl Strategy<Value = String> {
    prop::collection::vec((key(), json_value()), 0..5).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

fn field() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "A", "a.b", "a.a.b", "c.É", "b.a.a", "AΣ.b", "zz"])
        .prop_map(str::to_owned)
}

fn text_value() -> impl Strategy<Value = String> {
    let parts = prop_oneof![4 => word(), 1 => Just("*".to_owned()), 1 => Just("?".to_owned())];
    prop::collection::vec(parts, 1..4).prop_map(|parts| json_string(&parts.concat()))
}

fn item() -> impl Strategy<Value = String> {
    let chains = vec![
        "",
        "|contains",
        "|startswith",
        "|endswith",
        "|cased",
        "|contains|cased",
        "|contains|all",
        "|neq",
    ];
    let plain = prop_oneof![4 => text_value(), 1 => prop::sample::select(vec!["1", "12", "true", "null", "-1.0"]).prop_map(str::to_owned)];
    prop_oneof![
        4 => (field(), prop::sample::select(chains), prop::collection::vec(text_value(), 1..3))
            .prop_map(|(field, chain, values)| format!("{field}{chain}: [{}]", values.join(", "))),
        2 => (field(), plain).prop_map(|(field, value)| format!("{field}: {value}")),
        1 => (field(), prop::sample::select(vec!["lt", "lte", "gt", "gte"]), -1..13).prop_map(|(f, op, n)| format!("{f}|{op}: {n}")),
        1 => (field(), any::<bool>()).prop_map(|(field, b)| format!("{field}|exists: {b}")),
        1 => (field(), field(), prop::sample::select(vec!["", "|contains", "|startswith", "|endswith"]))
            .prop_map(|(a, b, how)| format!("{a}|fieldref{how}: {b}")),
        1 => (field(), prop::sample::select(vec!["a+", "^b", "(?i)é$", "[0-9]", "^$"])).prop_map(|(f, re)| format!("{f}|re: '{re}'")),
    ]
}

fn rule() -> impl Strategy<Value = Arc<SourceFile>> {
    let selection = prop::collection::btree_map(0..9usize, item(), 1..3).prop_map(|items| {
        // one field may be asked twice: then in two branches of a list
        let items: Vec<String> = items.into_values().map(|item| format!("    - {item}")).collect();
        items.join("\n")
    });
    let keywords =
        prop::collection::vec(word().prop_filter("not empty", |w| !w.is_empty()), 1..3).prop_map(|words| {
            format!("    - {}", words.iter().map(|w| json_string(w)).collect::<Vec<_>>().join("\n    - "))
        });
    let selection = prop_oneof![6 => selection, 1 => keywords];
    let condition = prop::sample::select(vec![
        "s0 and s1 and s2",
        "s0 or s1 or s2",
        "s0 and not s1 and not s2",
        "1 of s*",
        "2 of s*",
        "all of them",
        "not (s0 and s1) or s2",
        "not 1 of s*",
        "(s0 or s1) and s2",
    ]);
    (prop::collection::vec(selection, 3), condition).prop_map(|(selections, condition)| {
        let selections: Vec<String> =
            selections.iter().enumerate().map(|(i, selection)| format!("  s{i}:\n{selection}")).collect();
        file(&selections.join("\n"), condition)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// I4 and I5: neither the way, nor the size of a batch, nor what a scanner has seen before changes
    /// the hits.
    #[test]
    fn the_two_ways_agree_on_random_rules_and_events(
        files in prop::collection::vec(rule(), 1..6),
        events in prop::collection::vec(event(), 1..40),
        size in 1usize..40,
    ) {
        let rules: Vec<_> = files.iter().flat_map(lowered).collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let expected = slow(&rules, &events);
        prop_assert_eq!(&fast(&rules, &events, size), &expected);
        prop_assert_eq!(&fast(&rules, &events, 1000), &expected);
        // a batch in which every event stands often enough for its fields to be part of the tuple
        let often: Vec<&str> = events.iter().flat_map(|event| [*event; 80]).collect();
        let expected: usize = expected.len() * 80;
        prop_assert_eq!(fast(&rules, &often, 100_000).len(), expected);
    }
}
