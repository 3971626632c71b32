//! The rules that ship inside Virga, each beside its cases.
//!
//! In: nothing. Out: the texts of `rules/<provider>/<topic>/<name>.yml` and of the cases beside them,
//! embedded in the binary; the lists that their placeholders stand for, and which rules ship switched off.
//! This crate is content: it knows neither the engine nor any log source.

use std::borrow::Cow;

#[derive(rust_embed::RustEmbed)]
#[folder = "rules"]
struct Files;

/// A file that ships inside the binary.
#[derive(Debug, Clone)]
pub struct EmbeddedFile {
    /// Its path below `detections/rules`.
    pub path: String,
    /// Its text.
    pub text: String,
}

fn files(wanted: impl Fn(&str) -> bool) -> Vec<EmbeddedFile> {
    let mut paths: Vec<Cow<'static, str>> = Files::iter().filter(|path| wanted(path)).collect();
    paths.sort();
    let read = |path: Cow<'static, str>| {
        let file = Files::get(&path)?;
        Some(EmbeddedFile { text: String::from_utf8_lossy(&file.data).into_owned(), path: path.into_owned() })
    };
    paths.into_iter().filter_map(read).collect()
}

/// The rules, by path.
pub fn rules() -> Vec<EmbeddedFile> {
    files(|path| !path.ends_with(".cases.yml"))
}

/// The cases of the rules, by path.
pub fn cases() -> Vec<EmbeddedFile> {
    files(|path| path.ends_with(".cases.yml"))
}

/// What the rules' placeholders stand for where their user says nothing else.
pub const LISTS: &str = include_str!("lists.yml");

/// Which rules ship switched off, and why, as tuning.
pub const TUNING: &str = include_str!("tuning.yml");

/// What must be switched on so that rules have something to read, and how, as TOML.
pub const NEEDS: &str = include_str!("needs.toml");

/// What the page on the rules says before its tables.
pub const OPENING: &str = include_str!("pages/opening.md");

/// Which rules are not there, and why.
pub const ABSENT: &str = include_str!("pages/absent.md");

/// What is still found of attackers who hold back.
pub const EVASION: &str = include_str!("pages/evasion.md");

/// What logs cannot show.
pub const LIMITS: &str = include_str!("pages/limits.md");
