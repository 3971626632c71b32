//! Events of ordinary operation on standard output, or what their company's operator fills in:
//! `cargo run -p virga-benches --example ordinary -- 100000`, `… -- lists`.

use std::io::Write;

fn main() -> std::io::Result<()> {
    let asked = std::env::args().nth(1);
    if asked.as_deref() == Some("lists") {
        for (name, values) in virga_benches::ordinary::lists() {
            println!("{name}: {values:?}");
        }
        return Ok(());
    }
    let events = asked.and_then(|n| n.parse().ok()).unwrap_or(100_000);
    std::io::stdout().write_all(&virga_benches::ordinary::ndjson(1, events))
}
