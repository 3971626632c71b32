//! `generate`: realistic CloudTrail on standard output, in a file, or as the files of a bucket.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use virga_benches::generator::files::RecordFiles;
use virga_benches::generator::{Config, Counts, Generator};

const EXAMPLES: &str = "\
Examples:
  A million events, a line each:
    generate --events 1000000 --out trail.ndjson

  The same trail with one event in a hundred an attack, into a pipe:
    generate --events 1000000 --attack-rate 0.01 | wc -l

  As the files of a bucket, at most 500 records each:
    generate --events 100000 --format records --per-file 500 --out-dir bucket

The same seed and options give the same bytes on any machine. How many attacks of which
kind were made is told on standard error.";

/// Generates realistic CloudTrail: fresh ids, addresses and parameters, attacks at a known rate.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// How many events.
    #[arg(long, default_value_t = 10_000)]
    events: u64,
    /// What the events grow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Lines, or files of records as CloudTrail delivers them.
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// Where lines go: a file, or - for standard output.
    #[arg(long, default_value = "-")]
    out: PathBuf,
    /// Where files of records go.
    #[arg(long, default_value = ".")]
    out_dir: PathBuf,
    /// The most records in a file.
    #[arg(long, default_value_t = 1_000)]
    per_file: usize,
    /// How many of all events are attacks, from 0 to 1.
    #[arg(long, value_parser = rate, default_value_t = Config::default().attack_rate)]
    attack_rate: f64,
    /// When the first event happens, in seconds since 1970.
    #[arg(long, default_value_t = Config::default().start_time)]
    start_time: i64,
    /// How many events happen in a second of event time.
    #[arg(long, default_value_t = Config::default().events_per_second)]
    events_per_second: u32,
    /// How many accounts.
    #[arg(long, default_value_t = Config::default().accounts)]
    accounts: u32,
    /// How many principals each account has.
    #[arg(long, default_value_t = Config::default().principals_per_account)]
    principals: u32,
    /// Say nothing on standard error.
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One JSON object a line.
    Ndjson,
    /// `{"Records":[…]}` files under `AWSLogs/`.
    Records,
    /// Lines of all sources, mixed; in the folder of the project, whose samples they grow from.
    Mix,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

/// Bytes gathered before they are written.
const CHUNK: usize = 1 << 20;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut generator = Generator::new(arguments.config());
    let done = match arguments.format {
        Format::Mix => mixed(&arguments),
        Format::Ndjson => lines(&mut generator, &arguments),
        Format::Records => records(&mut generator, &arguments),
    };
    match done {
        // Whoever reads the pipe has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write events: {error}");
            ExitCode::FAILURE
        }
        Ok(()) => {
            if !arguments.quiet && !matches!(arguments.format, Format::Mix) {
                tell(generator.counts());
            }
            ExitCode::SUCCESS
        }
    }
}

impl Arguments {
    fn config(&self) -> Config {
        Config {
            seed: self.seed,
            start_time: self.start_time,
            events_per_second: self.events_per_second,
            accounts: self.accounts,
            principals_per_account: self.principals,
            attack_rate: self.attack_rate,
            ..Config::default()
        }
    }
}

fn lines(generator: &mut Generator, arguments: &Arguments) -> io::Result<()> {
    let mut sink: Box<dyn Write> = if arguments.out == Path::new("-") {
        Box::new(io::stdout().lock())
    } else {
        Box::new(BufWriter::new(File::create(&arguments.out)?))
    };
    let mut chunk = Vec::with_capacity(2 * CHUNK);
    for _ in 0..arguments.events {
        generator.next_into(&mut chunk);
        chunk.push(b'\n');
        if chunk.len() >= CHUNK {
            sink.write_all(&chunk)?;
            chunk.clear();
        }
    }
    sink.write_all(&chunk)?;
    sink.flush()
}

fn mixed(arguments: &Arguments) -> io::Result<()> {
    let events = usize::try_from(arguments.events).unwrap_or(usize::MAX);
    let lines = virga_benches::mix::ndjson(Path::new("."), arguments.seed, events);
    match arguments.out == Path::new("-") {
        true => io::stdout().lock().write_all(&lines),
        false => std::fs::write(&arguments.out, lines),
    }
}

fn records(generator: &mut Generator, arguments: &Arguments) -> io::Result<()> {
    let mut files = RecordFiles::new(&arguments.out_dir, arguments.per_file, arguments.seed);
    let mut event = Vec::new();
    for _ in 0..arguments.events {
        event.clear();
        generator.next_into(&mut event);
        files.push(generator.origin(), &event)?;
    }
    files.finish().map(|_| ())
}

fn tell(counts: &Counts) {
    eprintln!("{} benign events, {} attacks", counts.benign(), counts.attacks());
    for (kind, count) in counts.each().filter(|&(_, count)| count > 0) {
        eprintln!("{count:>8}  {}", kind.name());
    }
}
