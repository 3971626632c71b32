//! The command line of Virga: parses, calls a crate, prints.

#[cfg(all(feature = "lake", feature = "daemon"))]
mod archiving;
mod case_runner;
mod commands;
mod config;
#[cfg_attr(not(feature = "lake"), allow(dead_code))]
mod interrupt;
#[cfg(feature = "lake")]
mod lake;
#[cfg(feature = "lake")]
mod log_sources;
#[cfg(feature = "lake")]
mod new_file;
#[cfg(feature = "lake")]
mod redaction;
mod rule_files;
mod samples;
mod show;
#[cfg(feature = "lake")]
mod sigma_match;
mod spill;
#[cfg(feature = "lake")]
mod timeline;
mod unread;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Groups of correlations are many small pieces: without a header on each they take a fifth less.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A streaming detection engine for cloud logs.
///
/// Virga compiles Sigma rules into one plan and runs it over the logs of AWS, Azure and Entra, Google
/// Cloud, Kubernetes, AI services, and any other JSON.
#[derive(Parser)]
#[command(name = "virga", version, max_term_width = 100)]
#[command(after_help = "Examples:
  virga demo                      an attack told in events, and its alerts explained
  virga detect AWSLogs/           the rules that ship with Virga on a folder of CloudTrail
  virga detect --rules sigma/rules trail.json.gz | jq .rule.title
  virga rules check my-rules/     what is wrong with a folder of rules, and where
  virga sources explain log.json  which source an event belongs to, and what is made of it")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play an attack told in events, and explain its alerts.
    Demo(commands::demo::Args),
    /// Run rules over logs and print the alerts.
    Detect(commands::detect::Args),
    /// Keep events in Parquet files, on disk or in an object store.
    #[cfg(feature = "lake")]
    #[command(subcommand)]
    Archive(commands::archive::Command),
    /// Ask an archive in SQL, or let others ask over PostgreSQL's protocol.
    #[cfg(feature = "lake")]
    Query(commands::query::Args),
    /// Tell what an actor, key, session, address or resource did, in order.
    #[cfg(feature = "lake")]
    Timeline(commands::timeline::Args),
    /// Run rules over an archive: what they would have told, and what a change alters.
    #[cfg(feature = "lake")]
    Backtest(Box<commands::backtest::Args>),
    /// Read logs for as long as they come, and send alerts.
    #[cfg(feature = "daemon")]
    Run(commands::run::Args),
    /// Look at what `virga run` could not read, and try it again.
    #[cfg(feature = "daemon")]
    #[command(subcommand)]
    Quarantine(commands::quarantine::Command),
    /// Check, list, explain and test rules.
    #[command(subcommand)]
    Rules(commands::rules::Command),
    /// List log sources, print samples, say what an event is and where its columns come from.
    #[command(subcommand)]
    Sources(commands::sources::Command),
    /// Print the completion script of a shell.
    Completions(commands::completions::Args),
    /// Print the reference pages of the documentation.
    #[command(hide = true)]
    Reference(commands::reference::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Demo(args) => commands::demo::run(&args),
        Command::Detect(args) => commands::detect::run(&args),
        #[cfg(feature = "lake")]
        Command::Archive(command) => commands::archive::run(&command),
        #[cfg(feature = "lake")]
        Command::Query(args) => commands::query::run(&args),
        #[cfg(feature = "lake")]
        Command::Timeline(args) => commands::timeline::run(&args),
        #[cfg(feature = "lake")]
        Command::Backtest(args) => commands::backtest::run(&args),
        #[cfg(feature = "daemon")]
        Command::Run(args) => commands::run::run(&args),
        #[cfg(feature = "daemon")]
        Command::Quarantine(command) => commands::quarantine::run(command),
        Command::Rules(command) => commands::rules::run(command),
        Command::Sources(command) => commands::sources::run(command),
        Command::Completions(args) => {
            commands::completions::run(&args, &mut <Cli as clap::CommandFactory>::command())
        }
        Command::Reference(args) => commands::reference::run(&args),
    };
    match result {
        Ok(code) => code,
        // whoever reads our output has seen enough
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(commands::Failure::Stopped(what)) => {
            show::say!("{}stopped:{:#} {what}", show::BOLD, show::BOLD);
            ExitCode::from(interrupt::STATUS)
        }
        Err(error) => {
            show::say!("{}error:{:#} {error}", show::BOLD, show::BOLD);
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Lines of prose wrap where the terminal ends: one that is broken beforehand breaks twice. Examples are as wide as
    /// the widest terminal that is used.
    #[test]
    fn helps_break_where_sentences_end_and_examples_fit() {
        fn walk(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
            let lines: Vec<&str> = help.lines().collect();
            for pair in lines.windows(2) {
                let broken = is_prose(pair[0]) && is_prose(pair[1]) && !pair[0].ends_with('.');
                assert!(!broken, "{}: {}", command.get_name(), pair[0]);
            }
            for line in lines.iter().filter(|line| !is_prose(line)) {
                assert!(line.chars().count() <= 100, "{}: {line}", command.get_name());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }
}
