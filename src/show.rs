//! How things look on a terminal: diagnostics with their place underlined, alerts as lines.
//!
//! Colours come from `anstream`, which strips them wherever the output is no terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use miette::{LabeledSpan, MietteDiagnostic, NamedSource, Report};
use virga_engine::alert::{Alert, AlertKind};
use virga_engine::diagnostic::{Diagnostic, Severity};
use virga_engine::sigma::Level;

/// The style of a level.
pub fn level_style(level: Option<&str>) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match level.and_then(Level::parse) {
        Some(Level::Critical) => colour(AnsiColor::BrightRed).bold(),
        Some(Level::High) => colour(AnsiColor::Red),
        Some(Level::Medium) => colour(AnsiColor::Yellow),
        Some(Level::Low) => colour(AnsiColor::Cyan),
        _ => Style::new().dimmed(),
    }
}

/// Dimmed text.
pub const DIM: Style = Style::new().dimmed();

/// Bold text.
pub const BOLD: Style = Style::new().bold();

/// Whether somebody sees what progress is shown.
pub fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// A progress bar in the form of indicatif's template, where somebody sees it.
pub fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Prints a line on standard error. That nobody can read it is no reason to stop working.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(anstream::stderr(), $($words)*);
    }};
}
pub(crate) use say;

/// A rule's text as a terminal may show it, each byte where it was: labels count bytes.
fn harmless(text: &str) -> String {
    let replace = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if steers(c) => "?".repeat(c.len_utf8()),
        c => c.to_string(),
    };
    text.chars().map(replace).collect()
}

/// Lines longer than this are not drawn: what is drawn must fit beside its label.
const LONGEST_DRAWN_LINE: usize = 1_000;

/// A diagnostic with its line underlined, as miette draws it.
pub fn diagnostic(diagnostic: &Diagnostic, colours: bool) -> String {
    let text = &diagnostic.file.text;
    let until = text.get(..diagnostic.span.end).unwrap_or(text);
    let from = text.get(..diagnostic.span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let rest = text.get(until.len()..).and_then(|rest| rest.find('\n')).unwrap_or(text.len() - until.len());
    if until.len() + rest - from > LONGEST_DRAWN_LINE {
        return printable_lines(&format!("{diagnostic}\n{}", diagnostic.help));
    }
    let severity = match diagnostic.severity {
        Severity::Error => miette::Severity::Error,
        Severity::Warning => miette::Severity::Warning,
        Severity::Note => miette::Severity::Advice,
    };
    let mut drawn = MietteDiagnostic::new(diagnostic.code.title)
        .with_code(diagnostic.code.id)
        .with_severity(severity)
        .with_label(LabeledSpan::new_with_span(
            Some(printable_lines(&diagnostic.cause)),
            diagnostic.span.clone(),
        ));
    if !diagnostic.help.is_empty() {
        drawn = drawn.with_help(printable_lines(&diagnostic.help));
    }
    let source = NamedSource::new(printable(&diagnostic.file.name), harmless(text));
    let report = Report::from(drawn).with_source_code(source);
    let theme = match colours {
        true => miette::GraphicalTheme::unicode(),
        false => miette::GraphicalTheme::unicode_nocolor(),
    };
    let mut text = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(100);
    match handler.render_report(&mut text, report.as_ref()) {
        Ok(()) => text,
        // what cannot be drawn is said in one line
        Err(_) => diagnostic.to_string(),
    }
}

/// The columns that the table shows, behind time, level and rule.
const TABLE_COLUMNS: [&str; 4] = ["principal", "action", "src_ip", "target"];

/// The head of the table of alerts.
pub fn table_head() -> String {
    let mut line = format!("{BOLD}{:<20} {:<13} {:<44}", "TIME", "LEVEL", "RULE");
    for name in TABLE_COLUMNS {
        let _ = write!(line, " {:<1$}", name.to_uppercase(), width(name));
    }
    format!("{}{BOLD:#}", line.trim_end())
}

fn width(column: &str) -> usize {
    match column {
        "principal" => 40,
        "action" => 28,
        "src_ip" => 16,
        _ => 1,
    }
}

/// An alert as a line of the table.
pub fn table_line(alert: &Alert) -> String {
    let level = alert.rule.level.unwrap_or("-");
    let style = level_style(alert.rule.level);
    let mut line = format!(
        "{DIM}{:<20}{DIM:#} {style}{:<13}{style:#} {:<44}",
        cut(&alert.time, 20),
        level,
        cut(&printable(&alert.rule.title), 44)
    );
    for name in TABLE_COLUMNS {
        let of_group = || alert.group.get(name).map(Cow::Borrowed);
        let value = match alert.fields.get(name).or_else(of_group).as_deref() {
            // several events have no one target: what their group is, as far as it does not stand before
            None if name == "target" && alert.kind == AlertKind::Correlation => group_of(alert),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => "-".to_owned(),
        };
        let _ = match width(name) {
            1 => write!(line, " {}", printable(&value)),
            width => write!(line, " {:<width$}", cut(&printable(&value), width)),
        };
    }
    line.trim_end().to_owned()
}

/// How many events an alert stands for, and what they have in common.
pub fn group_of(alert: &Alert) -> String {
    let mut text = format!("{} events", thousands(alert.count));
    for (name, value) in alert.group.iter().filter(|(name, _)| !TABLE_COLUMNS.contains(&name.as_str())) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = write!(text, ", {name} {value}");
    }
    text
}

/// A text without what could steer a terminal: values of logs are an attacker's to choose.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{FFFD}' } else { c }).collect()
}

/// The same for messages of several lines.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Control characters, and those that turn the direction of what follows.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A text cut to a width, its end kept where it is a path or a name behind slashes.
pub fn cut(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    match text.contains('/') {
        true => {
            let tail: String = text.chars().skip(length + 1 - width).collect();
            format!("…{tail}")
        }
        false => {
            let head: String = text.chars().take(width - 1).collect();
            format!("{head}…")
        }
    }
}

/// A number with its thousands apart.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_where_they_tell_least() {
        assert_eq!(cut("short", 10), "short");
        assert_eq!(cut("a long title of a rule", 8), "a long …");
        assert_eq!(cut("arn:aws:iam::111122223333:role/Deploy", 8), "…/Deploy");
    }

    #[test]
    fn a_log_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\r\n"), "a\u{FFFD}[31mb\u{FFFD}\u{FFFD}");
        assert_eq!(printable_lines("a\x1b\nb\r\n"), "a\u{FFFD}\nb\u{FFFD}\n");
    }

    #[test]
    fn a_cause_of_several_lines_is_drawn_in_several_lines() {
        let code = virga_engine::diagnostic::Code { id: "c", title: "a title" };
        for text in ["a rule\n".to_owned(), format!("a {} rule\n", "long ".repeat(300))] {
            let file =
                std::sync::Arc::new(virga_engine::diagnostic::SourceFile { name: "r.yml".into(), text });
            let drawn = diagnostic(&Diagnostic::error(code, &file, 0..1, "first\n  second"), false);
            assert!(!drawn.contains('\u{FFFD}'), "{drawn}");
            let lines: Vec<&str> = drawn.lines().collect();
            assert!(lines.iter().any(|line| line.contains("second") && !line.contains("first")), "{drawn}");
        }
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1000, 1234567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
