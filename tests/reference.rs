//! The reference pages are what the code prints: `make reference` brings them up to date.

use std::process::Command;
use virga_test_support::workspace;

#[test]
fn the_reference_pages_are_current() {
    let folder = tempfile::tempdir().expect("a folder");
    let status = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["reference", "--write"])
        .arg(folder.path())
        .status()
        .expect("virga runs");
    assert!(status.success());
    let committed = workspace().join("docs");
    for name in ["", "reference"] {
        for entry in std::fs::read_dir(folder.path().join(name)).expect("the pages") {
            let printed = entry.expect("an entry").path();
            if printed.is_dir() {
                continue;
            }
            let page = printed.strip_prefix(folder.path()).expect("below the folder");
            let text = std::fs::read_to_string(committed.join(page)).unwrap_or_default();
            assert!(
                text == std::fs::read_to_string(&printed).expect("a page"),
                "docs/{} is not current: run `make reference`",
                page.display()
            );
        }
    }
}

#[test]
fn the_readme_gives_the_number_of_rules_that_raise_alerts() {
    let read = |name: &str| std::fs::read_to_string(workspace().join(name)).expect("a page");
    let number_before = |page: &str, words: &str| {
        let text = read(page);
        let (before, _) =
            text.split_once(words).unwrap_or_else(|| panic!("{page} says nothing of `{words}`"));
        before.split_whitespace().next_back().map(str::to_owned)
    };
    assert_eq!(
        number_before("README.md", " that alert"),
        number_before("docs/detections.md", " rules raise alerts")
    );
}

#[test]
fn the_page_and_the_coverage_count_the_same_rules() {
    let output = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["rules", "coverage", "-c", "samples/stories/virga.toml"])
        .current_dir(workspace())
        .output()
        .expect("virga runs");
    let text =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let counted = text.split_once(" rules that raise alerts").expect("a count").0;
    let counted = counted.split_whitespace().next_back().expect("a number");
    let page = std::fs::read_to_string(workspace().join("docs/detections.md")).expect("a page");
    assert!(page.contains(&format!("\n{counted} rules raise alerts")), "{counted}");
}
