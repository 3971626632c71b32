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
