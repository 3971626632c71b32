//! Reading the rows of a table in CSV: what the Azure portals export of Log Analytics and Sentinel. Each is the object
//! that an export in JSON has of it.
//!
//! ```text
//! "TimeGenerated [UTC]",OperationName,Properties      {"TimeGenerated [UTC]":"3/2/2026, 10:00:00.000 AM",
//! "3/2/2026, 10:00:00.000 AM",Delete,"{""a"":1}"  ─▶   "OperationName":"Delete","Properties":"{\"a\":1}"}
//! ```
//!
//! In: held bytes of records behind a header. Out: a piece for each. A table is known by a column with the time in it
//! ([`TIMES`]): of other tables nothing is known, and their values (Athena's rows of CloudTrail) are no JSON. A record
//! that has not as many values as there are columns is bad by itself; one whose quotes are not closed is bad in its
//! first line, and reading goes on at the next. An empty value is none, as in an export.

use std::borrow::Cow;
use std::io::Read;

use memchr::{memchr, memchr2};
use virga_engine::json::Value;

use super::{Form, Framer, Piece};
use crate::quarantine::Cause;

/// Columns that tables of Log Analytics have and others do not, by the names that exports give them.
const TIMES: &[&str] = &["TimeGenerated", "TimeGenerated [UTC]"];

/// The table that is read.
#[derive(Debug, Default)]
pub(super) struct Table {
    columns: Vec<String>,
    /// The line at which the next record begins.
    next_line: u64,
}

impl<R: Read> Framer<R> {
    /// Whether what begins here is a table that is read; its header is consumed then.
    pub(super) fn begins_table(&mut self, begin: usize) -> bool {
        let Some(end) = self.newline(begin, begin + self.limits.probe_bytes) else { return false };
        let held = self.window.held();
        let columns = values(held.get(begin..end).unwrap_or_default()).unwrap_or_default();
        let has_time = columns.iter().any(|name| TIMES.contains(&name.as_str()));
        if !has_time || columns.iter().any(String::is_empty) {
            return false;
        }
        self.table = Table { columns, next_line: line_breaks(held.get(..end).unwrap_or_default()) + 2 };
        self.window.consume(end + 1);
        true
    }

    /// Makes a piece of the next record.
    pub(super) fn next_row(&mut self) {
        let (mut seen, mut is_quoted) = (0, false);
        let end = loop {
            let held = self.window.held();
            let end = record_end(held.get(seen..).unwrap_or_default(), &mut is_quoted);
            let end = end.map(|end| seen + end);
            seen = end.unwrap_or(held.len());
            if seen > self.limits.event_bytes {
                return self.unclosed_row(Cause::TooLarge);
            }
            if let Some(end) = end {
                break end;
            }
            if !self.window.fill() {
                match is_quoted {
                    true => return self.unclosed_row(Cause::CutOff),
                    false => break seen,
                }
            }
        };
        let record = self.window.held().get(..end).unwrap_or_default();
        if record.is_empty() && end == self.window.held().len() {
            return self.finish_lines();
        }
        let made = (!record.trim_ascii().is_empty()).then(|| object(&self.table.columns, record));
        self.line = self.table.next_line;
        self.table.next_line += line_breaks(record) + 1;
        self.spent = end + 1;
        match made {
            None => {}
            Some(Some(text)) => {
                let slice = self.keep_text(&text);
                self.pieces.push(Piece { texts: self.texts.len(), ..Piece::new(slice, 0, Form::Whole) });
            }
            Some(None) => self.push(0..end, Form::Bad(Cause::NotJson)),
        }
    }

    /// A record whose quotes are not closed is bad in its first line: the rest may be others.
    fn unclosed_row(&mut self, cause: Cause) {
        let held = self.window.held();
        let end = memchr(b'\n', held.get(..self.limits.event_bytes).unwrap_or(held));
        self.line = self.table.next_line;
        self.table.next_line += 1;
        match (end, cause) {
            (Some(end), cause) => {
                self.spent = end + 1;
                self.push(0..end, Form::Bad(cause));
            }
            (None, Cause::TooLarge) => {
                // counts the line by itself
                self.line -= 1;
                self.skip_long_line();
            }
            (None, cause) => {
                let (end, cause) = (held.len(), self.cause_at_end(cause, true));
                self.spent = end;
                self.push(0..end, Form::Bad(cause));
            }
        }
    }
}

fn line_breaks(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Where a record ends, at a line break outside of quotes.
fn record_end(bytes: &[u8], is_quoted: &mut bool) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + memchr2(b'"', b'\n', bytes.get(at..)?)?;
        match bytes.get(found) {
            Some(b'"') => *is_quoted = !*is_quoted,
            _ if !*is_quoted => return Some(found),
            _ => {}
        }
        at = found + 1;
    }
}

/// The values of one record.
fn values(record: &[u8]) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(record);
    let values = reader.records().next()?.ok()?;
    Some(values.iter().map(str::to_owned).collect())
}

/// A record as an object, if it has a value for each column.
fn object(columns: &[String], record: &[u8]) -> Option<String> {
    let values = values(record).filter(|values| values.len() == columns.len())?;
    let cells = columns.iter().zip(values).filter(|(_, value)| !value.is_empty());
    let cells = cells.map(|(name, value)| (Cow::Borrowed(name.as_str()), Value::String(Cow::Owned(value))));
    let mut text = String::new();
    Value::Object(cells.collect()).write_compact(&mut text);
    Some(text)
}
