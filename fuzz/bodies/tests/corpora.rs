//! The corpora of the fuzz targets, run on stable.

use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    let seen = each_file(&folder, body);
    assert!(seen > 0, "no corpus for {target}");
    println!("{target}: {seen} inputs");
}

/// Hands every file below a folder to a body.
fn each_file(folder: &Path, body: fn(&[u8])) -> usize {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            seen += each_file(&path, body);
        } else {
            body(&std::fs::read(&path).expect("a file"));
            seen += 1;
        }
    }
    seen
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

#[test]
fn around() {
    replay("around", virga_fuzz_bodies::around);
}

#[test]
fn sources() {
    replay("sources", virga_fuzz_bodies::sources);
    // the samples are where the fuzzer begins
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    assert!(each_file(&samples, virga_fuzz_bodies::sources) > 50);
}
