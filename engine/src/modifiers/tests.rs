//! The example of every modifier is true, by the reference and by the fast scan.

use std::sync::Arc;

use crate::diagnostic::SourceFile;
use crate::modifiers::MODIFIERS;
use crate::testing;

fn rule(selection: &str) -> Arc<SourceFile> {
    let text = format!(
        "title: example\nlogsource: {{product: test}}\ndetection:\n  sel:\n    {selection}\n  condition: sel\n"
    );
    Arc::new(SourceFile { name: "example.yml".into(), text })
}

#[test]
fn the_example_of_every_modifier_is_true() {
    for modifier in MODIFIERS {
        let example = &modifier.example;
        assert!(example.selection.contains(&format!("|{}", modifier.name)), "{}", modifier.name);
        let matched = testing::matches(&rule(example.selection), &[example.matches, example.misses]);
        assert_eq!(matched, [true, false], "{}: {}", modifier.name, example.selection);
    }
}

#[test]
fn names_are_unique() {
    for (i, modifier) in MODIFIERS.iter().enumerate() {
        assert!(MODIFIERS[..i].iter().all(|other| other.name != modifier.name), "{}", modifier.name);
    }
}
