//! `virga query`: SQL over an archive, on the command line or for whoever connects.
//!
//! In: a query, an archive, rules. Out: a table for people, or CSV, NDJSON, Parquet; with `--listen` a server
//! that speaks PostgreSQL's protocol. Nothing of it can write.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use virga_archive::Lake;
use virga_archive::sql::{
    Answer, Around, Limits, MEMORY, OutputError, OutputForm, OutputWriter, Password, ROWS, Server, Session,
    SqlError, TIME, texts,
};
use virga_engine::Engine;
use virga_engine::diagnostic::{Code, Diagnostic, Severity, SourceFile};
use virga_ingest::environment::Environment;

use super::arguments::RuleArgs;
use super::{Failure, Outcome};
use crate::config::ConfigArgs;
use crate::lake::{LayoutArgs, StoredLogs};
use crate::new_file::NewFiles;
use crate::sigma_match::Matcher;
use crate::{interrupt, lake, rule_files, show};

/// Arguments of `virga query`.
#[derive(clap::Args)]
#[command(
    after_help = "Tables: events, alerts, coverage, rules, and ocsf, which is events under OCSF's names.
Functions: those of PostgreSQL that DataFusion has; raw->>'field', json_get(raw, …); sigma_match(rule, source, raw).

Exit status: 0; 2 where the query cannot be answered, or files of another program could not be read and the \
answer is that of the others.

Examples:
  virga query --archive lake 'SELECT source, sum(events) FROM coverage GROUP BY source'
  virga query --archive s3://bucket/lake \"SELECT time, action, src_ip FROM events
      WHERE credential_id = 'AKIAEXAMPLE' ORDER BY time\"
  virga query --archive lake \"SELECT count(*) FROM events
      WHERE sigma_match('CloudTrail logging stopped, deleted or curtailed', source, raw)\"
  virga query --archive lake --file report.sql --output report.csv
  virga query --archive lake --listen 127.0.0.1:5433
                    for notebooks, Grafana, psql: psql -h 127.0.0.1 -p 5433 -U virga virga"
)]
pub struct Args {
    /// The query; `-` reads it from standard input.
    #[arg(value_name = "SQL", required_unless_present_any = ["file", "listen"], conflicts_with_all = ["file", "listen"])]
    sql: Option<String>,
    /// Read the query from this file.
    #[arg(long, value_name = "FILE", conflicts_with = "listen")]
    file: Option<PathBuf>,
    #[command(flatten)]
    archive: ArchiveArgs,
    /// How the answer is printed. [default: by the ending of --output; else table on a terminal, ndjson in a
    /// pipe]
    #[arg(long, value_enum, conflicts_with = "listen")]
    format: Option<Format>,
    /// Write the answer into this file.
    #[arg(long, short, value_name = "FILE", conflicts_with = "listen")]
    output: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
    /// Rows of an answer. [default: 1000 for a table, 1000000 else]
    #[arg(long, value_name = "N", value_parser = positive)]
    rows: Option<usize>,
    /// Count events as often as they lie there. Without it each counts once, and in hours that nobody has
    /// compacted it is looked which lie there twice.
    #[arg(long)]
    as_stored: bool,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    config: ConfigArgs,
    /// Answer queries over PostgreSQL's protocol at this address, until Ctrl-C.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The password of all who connect stands in this file; else in VIRGA_SQL_PASSWORD. On this machine one
    /// is made up where there is none.
    #[arg(long, value_name = "FILE", requires = "listen")]
    password_file: Option<PathBuf>,
}

/// Which archive.
#[derive(clap::Args, Clone)]
pub struct ArchiveArgs {
    /// The archive: a folder, or s3://…, gs://…, az://….
    #[arg(long, value_name = "URL")]
    pub archive: String,
    #[command(flatten)]
    pub layout: LayoutArgs,
    /// Read the archive as it was at this version. [default: the latest]
    #[arg(long, value_name = "N")]
    pub archive_version: Option<u64>,
}

impl ArchiveArgs {
    /// Opens it. Of files of another program, columns are made of what the rules ask for.
    pub async fn open(&self, environment: &Arc<Environment>, engines: &[&Engine]) -> Result<Lake, Failure> {
        let location = lake::location(&self.archive).await?;
        let layout = self.layout.layout;
        let logs = StoredLogs::new(environment, layout);
        lake::open(&location, layout, self.archive_version, &logs, engines).await
    }
}

/// What a query may take.
#[derive(clap::Args, Clone)]
pub struct LimitArgs {
    /// Megabytes that sorts, joins and groups of a query may hold.
    #[arg(long, value_name = "MB", default_value_t = MEMORY >> 20, value_parser = positive)]
    memory: usize,
    /// Seconds from the start of a query to its last row.
    #[arg(long, value_name = "SECONDS", default_value_t = TIME.as_secs() as usize, value_parser = positive)]
    time: usize,
}

/// A number above zero.
pub fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("a number above 0".into()),
    }
}

impl LimitArgs {
    /// The limits of a query.
    pub fn limits(&self, rows: usize) -> Limits {
        Limits {
            memory: self.memory.saturating_mul(1 << 20),
            time: Duration::from_secs(self.time as u64),
            rows,
        }
    }
}

/// How an answer is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns for people.
    Table,
    /// Comma-separated values.
    Csv,
    /// A JSON object a line.
    Ndjson,
    /// A Parquet file.
    Parquet,
}

/// Rows of a table: nobody reads more on a terminal.
const TABLE_ROWS: usize = 1_000;

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let work = || {
        let runtime = runtime()?;
        let outcome = runtime.block_on(async {
            match &args.listen {
                Some(address) => listen(args, resolved(address).await?).await,
                None => answer(args).await,
            }
        });
        // a query whose time is over may still be planned: nobody waits for it
        runtime.shutdown_background();
        outcome
    };
    // whoever waits for a runtime works as well
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The stack of a thread. The query engine goes through a condition by calling itself, and a query that somebody sends
/// to a server should not end it: many more conditions fit than with the usual two. What is not used of it takes no memory.
const STACK: usize = 64 << 20;

/// What waits for stores and files at once.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK).enable_all().build();
    runtime.map_err(Failure::from)
}

impl Args {
    fn sql(&self) -> Result<String, Failure> {
        match (&self.file, self.sql.as_deref()) {
            (Some(path), _) => std::fs::read_to_string(path)
                .map_err(|error| Failure::Message(format!("{}: {error}", path.display()))),
            (None, Some("-")) => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text)?;
                Ok(text)
            }
            (None, Some(text)) => Ok(text.to_owned()),
            (None, None) => Err("there is no query".into()),
        }
    }

    fn format(&self) -> Result<Format, Failure> {
        let by_ending = |path: &PathBuf| match path.extension()?.to_str()? {
            "csv" => Some(Format::Csv),
            "json" | "ndjson" | "jsonl" => Some(Format::Ndjson),
            "parquet" => Some(Format::Parquet),
            "txt" => Some(Format::Table),
            _ => None,
        };
        let format = match (self.format, &self.output) {
            (Some(format), _) => format,
            (None, Some(path)) => by_ending(path).ok_or_else(|| {
                Failure::Message(format!(
                    "{}: say --format, or end it in .csv, .ndjson, .parquet or .txt",
                    path.display()
                ))
            })?,
            (None, None) if std::io::stdout().is_terminal() => Format::Table,
            (None, None) => Format::Ndjson,
        };
        match (format, &self.output) {
            (Format::Parquet, None) if std::io::stdout().is_terminal() => {
                Err("Parquet is not for a terminal; say --output FILE".into())
            }
            _ => Ok(format),
        }
    }

    /// Rules, as far as they can be read: that some cannot must not keep anybody from asking.
    async fn open(&self, limits: Limits, files: bool) -> Result<(Lake, Around), Failure> {
        let (set, _) = self.rules.load(Severity::Error)?;
        let surroundings = self.rules.around.read(rule_files::wants_shipped(&self.rules.rules))?;
        let specs = super::rules::all_sources(&self.config)?;
        let environment = self.config.environment()?;
        let archive = self.archive.open(&environment, &[&Engine::new(&set, &specs)]).await?;
        let matcher = Matcher::new(set, surroundings, specs, environment, files);
        let (rules, as_stored) = (matcher.rows(), self.as_stored);
        Ok((archive, Around { limits, rules, matcher: Some(Arc::new(matcher)), as_stored }))
    }
}

async fn answer(args: &Args) -> Outcome {
    let (sql, format) = (args.sql()?, args.format()?);
    let rows = args.rows.unwrap_or(if format == Format::Table { TABLE_ROWS } else { ROWS });
    // whoever reads a table or a file is told that there are more rows: it is not the query that fails
    let (archive, around) = args.open(args.limits.limits(usize::MAX), true).await?;
    let session = Session::open(&archive, around).await.map_err(|error| error.to_string())?;
    let answer = session.run(&sql).await.map_err(|error| told(&sql, &error))?;
    let told = |error: SqlError| told(&sql, &error);
    let files = NewFiles::new();
    let more = match (format, &args.output) {
        (Format::Table, None) => {
            table(answer, rows, &mut anstream::stdout()).await.map_err(|e| e.or(told))?
        }
        (Format::Table, Some(path)) => {
            let mut file = begun(&files, path)?;
            let more = table(answer, rows, &mut anstream::StripStream::new(&mut file)).await;
            more.map_err(|error| error.or(told))?
        }
        (_, None) => {
            let more = write(answer, rows, format, &mut std::io::stdout()).await;
            more.map_err(|error| error.or(told))?
        }
        (_, Some(path)) => {
            let mut file = begun(&files, path)?;
            write(answer, rows, format, &mut file).await.map_err(|error| error.or(told))?
        }
    };
    files.keep()?;
    if more {
        show::say!(
            "{}there are more than these {} rows;{:#} --rows N takes more of them",
            show::BOLD,
            show::thousands(rows as u64),
            show::BOLD
        );
    }
    Ok(match lake::tell(&archive, false) {
        true => ExitCode::from(2),
        false => ExitCode::SUCCESS,
    })
}

/// Begins the file of an answer; Ctrl-C leaves none that is not whole.
fn begun(files: &NewFiles, path: &Path) -> Result<File, Failure> {
    let file = files.create(path)?;
    let unfinished = files.unfinished();
    interrupt::end_at_once(move || match unfinished.leave() {
        true => "the answer was not written to its end",
        false => "the answer was written before",
    })?;
    Ok(file)
}

/// Why an answer ended early.
enum Broken {
    Query(SqlError),
    Output(Failure),
}

impl Broken {
    fn or(self, told: impl FnOnce(SqlError) -> Failure) -> Failure {
        match self {
            Self::Query(error) => told(error),
            Self::Output(failure) => failure,
        }
    }
}

impl From<SqlError> for Broken {
    fn from(error: SqlError) -> Self {
        Self::Query(error)
    }
}

fn broken(error: impl Into<Failure>) -> Broken {
    Broken::Output(error.into())
}

/// Writes an answer in a form for programs. Whether there are more rows than those wanted.
async fn write(
    mut answer: Answer,
    rows: usize,
    format: Format,
    out: &mut (impl Write + Send),
) -> Result<bool, Broken> {
    let form = match format {
        Format::Csv => OutputForm::Csv,
        Format::Parquet => OutputForm::Parquet,
        Format::Ndjson | Format::Table => OutputForm::Ndjson,
    };
    let mut writer =
        OutputWriter::new(form, &answer.schema(), std::io::BufWriter::new(out)).map_err(unwritten)?;
    let mut left = rows;
    let mut more = false;
    while let Some(batch) = answer.next().await? {
        more = batch.num_rows() > left;
        let batch = batch.slice(0, batch.num_rows().min(left));
        left -= batch.num_rows();
        writer.write(&batch).map_err(unwritten)?;
        if more {
            break;
        }
    }
    writer.finish().map_err(unwritten)?;
    Ok(more)
}

/// Arrow puts the reason why nothing can be written into words.
fn unwritten(error: OutputError) -> Broken {
    match error {
        OutputError::IoError(_, error) => broken(error),
        other => broken(other.to_string()),
    }
}

/// The widest cell of a table, but for a table of one column, and for plans.
const CELL: usize = 60;

/// The columns of an EXPLAIN: a step of the plan is a line.
const PLAN: [&str; 2] = ["plan_type", "plan"];

/// Prints an answer as a table. Whether there are more rows than those wanted.
async fn table(mut answer: Answer, rows: usize, out: &mut impl Write) -> Result<bool, Broken> {
    let schema = answer.schema();
    let names: Vec<String> = schema.fields().iter().map(|field| show::printable(field.name())).collect();
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut more = false;
    let is_plan = names == PLAN;
    let width = if names.len() == 1 || is_plan { usize::MAX } else { CELL };
    let mut left = rows;
    while let Some(batch) = answer.next().await? {
        more = batch.num_rows() > left;
        let batch = batch.slice(0, batch.num_rows().min(left));
        left -= batch.num_rows();
        let cell = |text: &str| show::cut(&show::printable(text), width);
        for row in texts(&batch).map_err(unwritten)? {
            let row: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            match row.as_slice() {
                [kind, plan] if is_plan => {
                    let kinds = std::iter::once(kind.as_str()).chain(std::iter::repeat(""));
                    lines.extend(plan.lines().zip(kinds).map(|(step, kind)| vec![cell(kind), cell(step)]));
                }
                row => lines.push(row.iter().map(|text| cell(text)).collect()),
            }
        }
        if more {
            break;
        }
    }
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column)).chain(names.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let numbers: Vec<bool> = schema.fields().iter().map(|field| field.data_type().is_numeric()).collect();
    let drawn = |cells: &[String]| {
        let cell = |(column, cell): (usize, &String)| {
            let width = widths.get(column).copied().unwrap_or(0);
            // an event may be wider than format strings can pad
            let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
            match numbers.get(column) {
                Some(true) => blanks + cell,
                _ if column + 1 == cells.len() => cell.clone(),
                _ => format!("{cell}{blanks}"),
            }
        };
        cells.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut print = || -> std::io::Result<()> {
        writeln!(out, "{}{}{:#}", show::BOLD, drawn(&names), show::BOLD)?;
        for line in &lines {
            writeln!(out, "{}", drawn(line))?;
        }
        out.flush()
    };
    print().map_err(broken)?;
    Ok(more)
}

/// Prints what is wrong with a query, its place underlined.
pub fn told(sql: &str, error: &SqlError) -> Failure {
    let Some((line, column, length)) = error.place else { return Failure::Message(error.to_string()) };
    let Some(start) = byte_of(sql, line, column) else { return Failure::Message(error.to_string()) };
    let rest = sql.get(start..).unwrap_or_default();
    let length: usize = rest
        .chars()
        .take_while(|c| *c != '\n')
        .take(usize::try_from(length).unwrap_or(1))
        .map(char::len_utf8)
        .sum();
    let file = Arc::new(SourceFile { name: "the query".into(), text: sql.to_owned() });
    let code = Code { id: "query", title: "the query cannot be answered" };
    let diagnostic = Diagnostic::error(code, &file, start..start + length, error.message.clone());
    super::report(&[diagnostic.with_help(error.help.clone())], Severity::Error);
    Failure::Message(error.message.clone())
}

/// The byte of a line and a column, both from 1.
fn byte_of(text: &str, line: u64, column: u64) -> Option<usize> {
    let line = usize::try_from(line.checked_sub(1)?).ok()?;
    let column = usize::try_from(column.checked_sub(1)?).ok()?;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let within = text.get(start..)?.chars().take(column).map(char::len_utf8).sum::<usize>();
    Some(start + within)
}

/// The variable of the server's password.
const PASSWORD_VARIABLE: &str = "VIRGA_SQL_PASSWORD";

impl Args {
    fn password(&self) -> Result<Option<Password>, Failure> {
        let text = match &self.password_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Failure::Message(format!("{}: {error}", path.display())))?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => std::env::var(PASSWORD_VARIABLE).ok(),
        };
        text.map(|text| Password::new(&text).map_err(|error| Failure::Message(error.to_string()))).transpose()
    }
}

/// An address that may be a name: its first, those of version 4 before those of version 6, as most clients try both.
async fn resolved(address: &str) -> Result<SocketAddr, Failure> {
    let at = |cause: &dyn std::fmt::Display| Failure::Message(format!("--listen {address}: {cause}"));
    let mut found: Vec<SocketAddr> =
        tokio::net::lookup_host(address).await.map_err(|error| at(&error))?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(|| at(&"there is no such address"))
}

async fn listen(args: &Args, address: SocketAddr) -> Outcome {
    let password = args.password()?;
    let is_made_up = password.is_none();
    let (archive, around) = args.open(args.limits.limits(args.rows.unwrap_or(ROWS)), false).await?;
    lake::tell(&archive, false);
    let failure = |error: virga_archive::ArchiveError| Failure::Message(error.to_string());
    let session = Session::open(&archive, around).await.map_err(failure)?;
    let server = Server::listen(address, session, password).await.map_err(failure)?;
    let address = server.address()?;
    show::say!(
        "answering at {address}: psql -h {} -p {} -U virga virga; Ctrl-C ends it",
        address.ip(),
        address.port()
    );
    if is_made_up {
        show::say!("the password, until it ends: {}", server.password().text());
    }
    if !address.ip().is_loopback() {
        show::say!(
            "{}warning:{:#} answers travel in clear; put a tunnel or a proxy with TLS before {address}",
            show::BOLD,
            show::BOLD
        );
    }
    let stop = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // without signals only the end of the process ends it
            std::future::pending::<()>().await;
        }
    };
    server.run(archive, stop, |word| show::say!("{word}")).await;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_in_a_text_of_several_lines() {
        let text = "SELECT é,\n  wrong\nFROM events";
        assert_eq!(byte_of(text, 1, 8), Some(7));
        assert_eq!(byte_of(text, 2, 3), text.find("wrong"));
        assert_eq!(byte_of(text, 0, 1), None);
        assert_eq!(byte_of(text, 9, 9), Some(text.len()));
    }
}
