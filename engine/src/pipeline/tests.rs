//! Pipelines by fact: what each refuses, how several come together, what a rule is behind them. That
//! every transformation does what pySigma makes of the same rule is tested in `tests/pysigma.rs`.

use super::*;
use crate::diagnostic::{Code, SourceFile, codes};
use crate::plan::{ResolvedRule, lower_resolved, resolve};
use crate::sigma::{Document, parse_documents};

fn file(name: &str, text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile { name: name.into(), text: text.into() })
}

fn pipeline(text: &str) -> Pipeline {
    parse_pipeline(&file("p.yml", text)).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
}

fn rule(detection: &str) -> ResolvedRule {
    let text = format!(
        "title: t\nid: r\nlogsource: {{product: aws, service: audit}}\nfields: [a, b]\ndetection:\n{detection}"
    );
    let (documents, diagnostics) = parse_documents(&file("r.yml", &text));
    let Some(Document::Rule(rule)) = documents.into_iter().next() else { panic!("{diagnostics:?}") };
    resolve(&rule).0.unwrap()
}

#[test]
fn a_wrong_pipeline_is_refused_with_its_place() {
    let item = |item: &str| format!("transformations:\n- {item}");
    for (text, code, place) in [
        ("- a".into(), codes::WRONG_TYPE, "1:1"),
        ("transformation: []".into(), codes::UNKNOWN_KEY, "1:1"),
        ("priority: high".into(), codes::WRONG_TYPE, "1:11"),
        ("transformations: {}".into(), codes::WRONG_TYPE, "1:18"),
        ("postprocessing: [{type: embed}]".into(), codes::UNSUPPORTED_TRANSFORMATION, "1:1"),
        ("finalizers: [{type: concat}]".into(), codes::UNSUPPORTED_TRANSFORMATION, "1:1"),
        (item("id: x"), codes::MISSING_KEY, "2:3"),
        (item("type: field_name_maping"), codes::UNKNOWN_TRANSFORMATION, "2:9"),
        (item("type: query_expression_placeholders"), codes::UNSUPPORTED_TRANSFORMATION, "2:9"),
        (item("type: file_placeholders\n  path: x"), codes::UNSUPPORTED_TRANSFORMATION, "2:9"),
        (item("type: field_name_mapping"), codes::MISSING_KEY, "2:3"),
        (item("type: field_name_mapping\n  mapping: [a]"), codes::WRONG_TYPE, "3:12"),
        (item("type: field_name_mapping\n  mapping: {a: {b: c}}"), codes::WRONG_TYPE, "3:16"),
        (item("type: drop_detection_item\n  field: a"), codes::UNKNOWN_KEY, "3:3"),
        (item("type: case\n  method: title"), codes::BAD_VALUE, "3:11"),
        (item("type: replace_string\n  regex: 'a('\n  replacement: b"), codes::BAD_REGEX, "3:10"),
        (item("type: replace_string\n  regex: a\n  replacement: '\\1'"), codes::BAD_VALUE, "4:16"),
        (item("type: change_logsource"), codes::MISSING_KEY, "2:9"),
        (item("type: nest"), codes::MISSING_KEY, "2:3"),
        (item("type: nest\n  items:\n  - type: nothing"), codes::UNKNOWN_TRANSFORMATION, "4:11"),
        (item("type: add_condition\n  conditions: {a|nothing: b}"), codes::UNKNOWN_MODIFIER, "3:18"),
        (item("type: add_condition\n  conditions: ['']"), codes::BAD_VALUE, "3:16"),
        (item("type: extract_fields\n  regex: 'a(b)'"), codes::BAD_REGEX, "3:10"),
        (item("type: set_state\n  key: a"), codes::MISSING_KEY, "2:3"),
        (
            item("type: drop_detection_item\n  rule_conditions: [{type: logsource}]"),
            codes::MISSING_KEY,
            "3:28",
        ),
        (item("type: drop_detection_item\n  rule_conditions: [{type: is_null}]"), codes::UNKNOWN_KEY, "3:28"),
        (item("type: drop_detection_item\n  rule_conditions: a"), codes::WRONG_TYPE, "3:20"),
        (item("type: drop_detection_item\n  rule_cond_op: xor"), codes::BAD_VALUE, "3:17"),
        (item("type: drop_detection_item\n  rule_cond_expr: a"), codes::CONDITION_SYNTAX, "3:19"),
    ] {
        let (text, code): (String, Code) = (text, code);
        let wrong = parse_pipeline(&file("p.yml", &text)).expect_err(&text);
        let (line, column) = wrong[0].place();
        assert_eq!(
            (wrong[0].code, format!("{line}:{column}")),
            (code, place.to_owned()),
            "{text}: {wrong:?}"
        );
    }
}

#[test]
fn expressions_over_conditions_are_checked() {
    let with = |expression: &str| {
        format!(
            "transformations:\n- type: drop_detection_item\n  rule_cond_expr: '{expression}'\n  rule_conditions:\n    a: {{type: tag, tag: x.y}}\n    b: {{type: is_sigma_rule}}\n"
        )
    };
    for expression in ["a and b", "not (a or not b)", "a or b and a"] {
        assert!(parse_pipeline(&file("p.yml", &with(expression))).is_ok(), "{expression}");
    }
    let deep = format!("{}a and b{}", "(".repeat(100), ")".repeat(100));
    for expression in ["a", "a and c", "a and b)", "(a and b", "a b", "a and", "a & b", "", deep.as_str()] {
        let wrong = parse_pipeline(&file("p.yml", &with(expression))).expect_err(expression);
        assert_eq!(wrong[0].code, codes::CONDITION_SYNTAX, "{expression}");
    }
}

#[test]
fn all_mistakes_of_a_pipeline_are_told_at_once() {
    let text =
        "transformations:\n- type: nothing\n- type: case\n  method: x\n- type: drop_detection_item\n  a: b\n";
    assert_eq!(parse_pipeline(&file("p.yml", text)).unwrap_err().len(), 3);
}

#[test]
fn pipelines_run_in_the_order_of_their_priorities() {
    let named = |name: &str, priority: &str| {
        pipeline(&format!(
            "priority: {priority}\ntransformations:\n- type: field_name_suffix\n  suffix: _{name}\n"
        ))
    };
    let pipelines =
        Pipelines::new(vec![named("c", "10"), named("a", "-1.5"), named("d", "10"), named("b", "0")]);
    let mut rule = rule("  s: {x: 1}\n  condition: s\n");
    apply(&pipelines, &mut rule).unwrap();
    let mut fields = Vec::new();
    rule.selections[0].node.for_each_item(&mut |item| fields.extend(item.field.clone()));
    assert_eq!(fields, ["x_a_b_c_d"]);
    assert_eq!(rule.rule.fields, ["a_a_b_c_d", "b_a_b_c_d"]);
}

#[test]
fn a_pipeline_that_refuses_a_rule_says_which_item_and_why() {
    let text = "name: ours\ntransformations:\n- type: nest\n  items:\n  - type: case\n  - type: rule_failure\n    message: no such logs here\n";
    let mut rule = rule("  s: {x: 1}\n  condition: s\n");
    let refused = apply(&Pipelines::new(vec![pipeline(text)]), &mut rule).unwrap_err();
    assert_eq!(refused.code, codes::PIPELINE_REFUSED);
    assert_eq!(refused.cause, "item 1 of the pipeline ours: item 1.2: no such logs here");
    assert_eq!(refused.file.name, "r.yml");
}

#[test]
fn what_is_dropped_drops_out_of_the_condition() {
    let text = "transformations:\n- type: drop_detection_item\n  field_name_conditions:\n  - {type: include_fields, fields: [gone]}\n";
    let pipelines = Pipelines::new(vec![pipeline(text)]);
    for (detection, condition, event, expected) in [
        ("  s: {x: 1}\n  f: {gone: 2}\n", "s and not f", r#"{"x":1}"#, true),
        ("  s: {x: 1}\n  f: {gone: 2}\n", "f or s", r#"{"x":2}"#, false),
        ("  s: {x: 1, gone: 3}\n", "s", r#"{"x":1}"#, true),
        ("  s: {x: 1}\n  t: {gone: 2}\n", "all of them", r#"{"x":1}"#, true),
        ("  s: [{x: 1}, {gone: 2}]\n", "s", r#"{"x":2}"#, false),
        ("  s: {gone: 1}\n", "s", "{}", false),
        ("  s: {gone: 1}\n", "not s", "{}", false),
        ("  s: {gone: 1}\n", "1 of s*", "{}", false),
    ] {
        let mut rule = rule(&format!("{detection}  condition: {condition}\n"));
        apply(&pipelines, &mut rule).unwrap();
        let lowered = lower_resolved(rule, &crate::plan::Lists::new()).0.unwrap();
        let hits = crate::testing::slow(std::slice::from_ref(&lowered), &[event]);
        assert_eq!(crate::testing::fast(&[lowered], &[event], 1), hits);
        assert_eq!(!hits.is_empty(), expected, "{detection}{condition}");
    }
}
