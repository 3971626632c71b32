//! What redaction promises of any event: what a path leads to is nowhere in what is kept, the rest is, and an
//! event in which nothing is meant comes out to the byte.
//!
//! In: trees of objects, lists, flat keys and JSON in strings, some of it broken; each leaf says whether a path
//! leads to it, by a search through all readings of its keys, which is slow and plain. Out: the promise.

use proptest::prelude::*;
use serde_json::Value;
use virga_archive::{RedactAction, Redaction, redact};

const PATTERNS: [&str; 6] = ["**.password", "a.b", "*.x", "a.*.x", "a.**.b", "user.password"];
const KEYS: [&str; 9] = ["a", "b", "x", "A", "Password", "user", "user.password", "a.b", "gen_ai.prompt.0.x"];
const SECRET: &str = "planted";
const PUBLIC: &str = "public";

#[derive(Debug, Clone)]
enum Tree {
    Leaf,
    List(Vec<Tree>),
    Object(Vec<(&'static str, Tree)>),
    /// JSON in a string.
    Text(Box<Tree>),
    /// The same with a flaw.
    Broken(Box<Tree>, usize),
}

fn trees() -> impl Strategy<Value = Tree> {
    Just(Tree::Leaf).prop_recursive(6, 40, 4, |inner| {
        let member = (proptest::sample::select(&KEYS), inner.clone());
        prop_oneof![
            4 => prop::collection::vec(member, 0..4).prop_map(Tree::Object),
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Tree::List),
            2 => inner.clone().prop_map(|tree| Tree::Text(tree.into())),
            1 => (inner, 0..4_usize).prop_map(|(tree, flaw)| Tree::Broken(tree.into(), flaw)),
        ]
    })
}

/// A tree as JSON, where the keys lead that stand above it.
fn written(tree: &Tree, pattern: &[&str], keys: &mut Vec<String>) -> String {
    let quoted = |text: String| Value::from(text).to_string();
    match tree {
        Tree::Leaf => {
            let word = if leads_to(pattern, keys) { SECRET } else { PUBLIC };
            format!("\"{word}\"")
        }
        Tree::List(elements) => {
            let elements: Vec<String> = elements.iter().map(|tree| written(tree, pattern, keys)).collect();
            format!("[ {}]", elements.join(" , "))
        }
        Tree::Object(members) => {
            let mut member = |(key, tree): &(&str, Tree)| {
                keys.push(key.to_lowercase());
                let text = format!("\"{key}\" :{}", written(tree, pattern, keys));
                keys.pop();
                text
            };
            let members: Vec<String> = members.iter().map(&mut member).collect();
            format!("{{{} }}", members.join(","))
        }
        Tree::Text(tree) => quoted(written(tree, pattern, keys)),
        Tree::Broken(tree, flaw) => {
            let text = written(tree, pattern, keys);
            match flaw {
                0 => quoted(format!("{text},")),
                1 => quoted(text.get(..text.len() - 1).unwrap_or_default().to_owned()),
                2 => quoted(text.replacen(':', ":,", 1)),
                // an escape that is none
                _ => quoted(format!("{text} ")).replacen(" \"", "\\q\"", 1),
            }
        }
    }
}

/// Whether a path ends at these keys or above them, in any reading of the keys.
fn leads_to(pattern: &[&str], keys: &[String]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return true };
    if *first == "**" && leads_to(rest, keys) {
        return true;
    }
    let Some((key, below)) = keys.split_first() else { return false };
    let dots = key.match_indices('.').map(|(at, _)| at);
    dots.chain([key.len()]).any(|end| {
        let (name, left) = (&key[..end], key[end..].strip_prefix('.'));
        let mut keys: Vec<String> = left.map(str::to_owned).into_iter().collect();
        keys.extend_from_slice(below);
        match *first {
            "**" => leads_to(pattern, &keys),
            "*" => leads_to(rest, &keys),
            first => first == name && leads_to(rest, &keys),
        }
    })
}

/// Whether all of it can be read: nothing is broken, and no JSON stands deeper in strings than is looked.
fn is_sound(tree: &Tree, strings: usize) -> bool {
    match tree {
        Tree::Leaf => true,
        Tree::List(elements) => elements.iter().all(|tree| is_sound(tree, strings)),
        Tree::Object(members) => members.iter().all(|(_, tree)| is_sound(tree, strings)),
        Tree::Text(tree) => strings < 3 && is_sound(tree, strings + 1),
        Tree::Broken(..) => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_a_path_leads_to_is_gone_and_what_it_does_not_lead_to_stays(
        members in prop::collection::vec((proptest::sample::select(&KEYS), trees()), 1..5),
        pattern in proptest::sample::select(&PATTERNS),
    ) {
        let event = Tree::Object(members);
        let names: Vec<&str> = pattern.split('.').collect();
        let text = written(&event, &names, &mut Vec::new());
        let redaction = Redaction::new("*", pattern, RedactAction::Drop, None).expect("a redaction");
        let redacted = redact(&text, &[&redaction]);
        prop_assert!(!redacted.contains(SECRET), "{pattern}\n{text}\n{redacted}");
        prop_assert!(serde_json::from_str::<Value>(&redacted).is_ok(), "{pattern}\n{text}\n{redacted}");
        if is_sound(&event, 0) {
            let count = |text: &str| text.matches(PUBLIC).count();
            prop_assert_eq!(count(&text), count(&redacted), "{}\n{}\n{}", pattern, text, redacted);
            if !text.contains(SECRET) && !reaches(&event, &names, &mut Vec::new()) {
                prop_assert_eq!(&text, &redacted);
            }
        }
    }
}

/// Whether a path leads to anything in a tree, empty lists and objects among it.
fn reaches(tree: &Tree, pattern: &[&str], keys: &mut Vec<String>) -> bool {
    match tree {
        Tree::Leaf => false,
        Tree::List(elements) => elements.iter().any(|tree| reaches(tree, pattern, keys)),
        Tree::Object(members) => members.iter().any(|(key, tree)| {
            keys.push(key.to_lowercase());
            let found = leads_to(pattern, keys) || reaches(tree, pattern, keys);
            keys.pop();
            found
        }),
        Tree::Text(tree) | Tree::Broken(tree, _) => reaches(tree, pattern, keys),
    }
}
