//! The corpora of the fuzz targets, run on stable.

use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus of the target") {
        let path = entry.expect("an entry").path();
        body(&std::fs::read(&path).expect("a file"));
        seen += 1;
    }
    assert!(seen > 0, "no corpus for {target}");
    println!("{target}: {seen} inputs");
}

#[test]
fn yaml_front() {
    replay("yaml_front", virga_fuzz_bodies::yaml_front);
}

#[test]
fn json_projection() {
    replay("json_projection", virga_fuzz_bodies::json_projection);
}

#[test]
fn scan() {
    replay("scan", virga_fuzz_bodies::scan);
}
