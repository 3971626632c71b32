//! `virga reference`: the reference pages of the documentation, printed from the code's own lists.

use std::path::PathBuf;
use std::process::ExitCode;

use virga_engine::diagnostic::codes;
use virga_engine::event::COLUMNS;
use virga_engine::modifiers::MODIFIERS;
use virga_ingest::quarantine::CAUSES;
use virga_ingest::sources::{Derivation, SOURCES};
use virga_ingest::transport::TRANSPORTS;

use super::Outcome;

/// Arguments of `virga reference`.
#[derive(clap::Args)]
pub struct Args {
    /// Write the pages into this folder of documentation instead of printing them.
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

/// Prints or writes the pages.
pub fn run(args: &Args) -> Outcome {
    for (name, text) in pages() {
        match &args.write {
            None => super::line(&text)?,
            Some(folder) => {
                let path = folder.join(name);
                std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
                std::fs::write(path, text)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

const HEAD: &str = "<!-- Printed by `make reference` from the code. Change it there. -->\n\n";

fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("reference/modifiers.md", modifiers()),
        ("reference/columns.md", columns()),
        ("reference/log-sources.md", log_sources()),
        ("reference/diagnostics.md", diagnostics()),
        ("reference/quarantine.md", quarantine()),
        ("detections.md", super::reference_detections::page(HEAD)),
    ]
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn modifiers() -> String {
    let mut page = format!(
        "# Modifiers\n\n{HEAD}Behind a field, `field|modifier|modifier: value`, applied in this order. Each example is run as a test.\n\n| modifier | what it does | example | matches | does not match |\n|---|---|---|---|---|\n"
    );
    for modifier in MODIFIERS {
        let example = &modifier.example;
        page += &format!(
            "| `{}` | {} | `{}` | `{}` | `{}` |\n",
            modifier.name,
            cell(modifier.summary),
            cell(example.selection),
            cell(example.matches),
            cell(example.misses)
        );
    }
    page
}

fn columns() -> String {
    let mut page = format!(
        "# Canonical columns\n\n{HEAD}The same names for every cloud. A rule may use them as fields; an alert carries those that its event has. OCSF names follow 1.8.0.\n\n| column | type | OCSF | meaning |\n|---|---|---|---|\n"
    );
    for column in COLUMNS {
        let kind = format!("{:?}", column.kind).to_lowercase();
        let ocsf = if column.ocsf.is_empty() { String::new() } else { format!("`{}`", column.ocsf) };
        page += &format!("| `{}` | {kind} | {ocsf} | {} |\n", column.name, cell(column.meaning));
    }
    let inputs = |derivation: &Derivation| {
        let inputs = derivation.inputs.iter().map(|input| format!("`{}`", cell(input)));
        inputs.collect::<Vec<_>>().join(", ")
    };
    page += "\n## What they are made of\n\nFields are found under their aliases too ([../sources.md](../sources.md)); of several places joined by \\|, the first that is there counts. `event_uid` is the event's id.\n";
    for source in SOURCES.iter().filter(|source| !source.derivations.is_empty()) {
        page += &format!("\n### {}\n\n| column | made of |\n|---|---|\n", source.name);
        for column in COLUMNS {
            if let Some(derivation) = source.derivation(column) {
                page += &format!("| `{}` | {} |\n", column.name, inputs(derivation));
            }
        }
        for computed in source.computed {
            page += &format!("| `{}` (a field of rules) | {} |\n", computed.column, inputs(computed));
        }
    }
    page
}

fn log_sources() -> String {
    let mut page = format!(
        "# Log sources\n\n{HEAD}| event source | what it is | Sigma log sources that it serves |\n|---|---|---|\n"
    );
    for source in SOURCES {
        let served: Vec<String> = source
            .logsources
            .iter()
            .map(|logsource| {
                let parts = [
                    ("product", logsource.product),
                    ("service", logsource.service),
                    ("category", logsource.category),
                ];
                let parts: Vec<String> = parts
                    .iter()
                    .filter_map(|(key, value)| value.map(|value| format!("{key}: {value}")))
                    .collect();
                let note = if logsource.canonical_only { " (canonical columns only)" } else { "" };
                format!("`{}`{note}", parts.join(", "))
            })
            .collect();
        let served = if served.is_empty() {
            "those given with `--logsource`, or all with `--all-logsources`".to_owned()
        } else {
            served.join("; ")
        };
        page += &format!("| `{}` | {} | {served} |\n", source.name, cell(source.description));
    }
    page += "\nAn attribute that a rule leaves out is free. A rule that fits no source is reported as unmapped and never run on everything.\n\n## Transports\n\n| transport | what it reads |\n|---|---|\n";
    for transport in TRANSPORTS {
        page += &format!("| `{}` | {} |\n", transport.name, cell(transport.description));
    }
    page
}

fn diagnostics() -> String {
    let mut page = format!(
        "# Diagnostics of rules\n\n{HEAD}`virga rules check` prints each with its place, its cause and what to do.\n\n| code | meaning |\n|---|---|\n"
    );
    codes::ALL.iter().for_each(|code| page += &format!("| `{}` | {} |\n", code.id, cell(code.title)));
    page
}

fn quarantine() -> String {
    let mut page = format!(
        "# Quarantine\n\n{HEAD}What cannot be read is kept with its origin and cause, counted, and never dropped in silence; `virga detect --quarantine FILE` writes it as `{{\"origin\", \"cause\", \"time\", \"raw_base64\"}}`, one object a line.\n\n| cause | meaning |\n|---|---|\n"
    );
    CAUSES.iter().for_each(|cause| page += &format!("| `{}` | {} |\n", cause.code(), cell(cause.meaning())));
    page
}
