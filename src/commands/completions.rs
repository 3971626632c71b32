//! `virga completions`: the completion script of a shell.

use std::process::ExitCode;

use clap_complete::Shell;

use super::Outcome;

/// Arguments of `virga completions`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  virga completions bash > ~/.local/share/bash-completion/completions/virga
  virga completions zsh > \"${fpath[1]}/_virga\"
  virga completions fish > ~/.config/fish/completions/virga.fish")]
pub struct Args {
    /// The shell.
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args, cli: &mut clap::Command) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, cli, "virga", &mut script);
    super::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
