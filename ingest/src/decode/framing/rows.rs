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
//! that has not as many values as there are columns is bad by itself; one whose quotes are not closed, or not at the
//! end of a value, is bad in its first line, and reading goes on at the next. A quote opens only at the beginning of a
//! value, and is a character like others within one that began without. An empty value is none, as in an export.

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
        let most = begin + self.limits.probe_bytes;
        let end = self.newline(begin, most);
        let held = self.window.held();
        // the input may end with its header
        let is_last = self.window.ended() && held.len() <= most;
        let Some(end) = end.or(is_last.then_some(held.len())) else { return false };
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
        let (mut seen, mut cell) = (0, Cell::Begin);
        let end = loop {
            let held = self.window.held();
            let scanned = record_end(held.get(seen..).unwrap_or_default(), &mut cell);
            let stopped = scanned.map(|stop| seen + stop.at());
            seen = stopped.unwrap_or(held.len());
            match scanned {
                _ if seen > self.limits.event_bytes => return self.bad_row(Cause::TooLarge),
                Some(Stop::Misquoted(_)) => return self.bad_row(Cause::NotJson),
                Some(Stop::End(_)) => break seen,
                None if self.window.fill() => {}
                None if cell == Cell::Quoted => return self.bad_row(Cause::CutOff),
                None => break seen,
            }
        };
        if end == self.window.held().len() && self.window.ended() {
            // what the input broke off in may look whole
            match (end, self.window.take_fault()) {
                (0, None) => return self.finish_lines(),
                (_, Some(fault)) => return self.last_row(end, fault),
                _ => {}
            }
        }
        let record = self.window.held().get(..end).unwrap_or_default();
        let made = (!record.trim_ascii().is_empty()).then(|| object(&self.table.columns, record));
        self.line = self.table.next_line;
        self.table.next_line += line_breaks(record) + 1;
        self.spent = end + 1;
        match made {
            None => {}
            Some(Ok(text)) => {
                let slice = self.keep_text(&text);
                self.pieces.push(Piece { texts: self.texts.len(), ..Piece::new(slice, 0, Form::Whole) });
            }
            Some(Err(cause)) => self.push(0..end, Form::Bad(cause)),
        }
    }

    /// A record whose quotes are not as they must be is bad in its first line: the rest may be others.
    fn bad_row(&mut self, cause: Cause) {
        match self.newline(0, self.limits.event_bytes + 1) {
            Some(end) => {
                self.line = self.table.next_line;
                self.table.next_line += 1;
                self.spent = end + 1;
                self.push(0..end, Form::Bad(cause));
            }
            None if self.window.held().len() > self.limits.event_bytes => {
                // counts the line by itself
                self.line = self.table.next_line - 1;
                self.table.next_line += 1;
                self.skip_long_line();
            }
            None => {
                let cause = self.window.take_fault().unwrap_or(cause);
                self.last_row(self.window.held().len(), cause);
            }
        }
    }

    /// What is left of the input is bad.
    fn last_row(&mut self, end: usize, cause: Cause) {
        self.line = self.table.next_line;
        self.table.next_line += 1;
        self.spent = end;
        self.push(0..end, Form::Bad(cause));
    }
}

fn line_breaks(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Where in a value the next byte of a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Begin,
    Plain,
    Quoted,
    /// Behind a quote in a quoted value, which is its end or the first of two that mean one.
    Closed,
}

/// Where the look at a record stops.
#[derive(Debug, Clone, Copy)]
enum Stop {
    /// At the line break that ends it.
    End(usize),
    /// At what stands behind a quote that closes a value, and may not.
    Misquoted(usize),
}

impl Stop {
    fn at(self) -> usize {
        match self {
            Self::End(at) | Self::Misquoted(at) => at,
        }
    }
}

/// Goes on through a record to its end, which is a line break outside of quotes.
fn record_end(bytes: &[u8], cell: &mut Cell) -> Option<Stop> {
    let mut at = 0;
    loop {
        at += match cell {
            Cell::Begin | Cell::Closed => 0,
            Cell::Plain => memchr2(b',', b'\n', bytes.get(at..)?)?,
            Cell::Quoted => memchr(b'"', bytes.get(at..)?)?,
        };
        *cell = match (*cell, *bytes.get(at)?) {
            (Cell::Quoted, _) => Cell::Closed,
            (_, b'\n') => return Some(Stop::End(at)),
            (_, b',') => Cell::Begin,
            (Cell::Begin | Cell::Closed, b'"') => Cell::Quoted,
            // it belongs to the line break; nothing is quoted any more before that
            (Cell::Closed, b'\r') => Cell::Plain,
            (Cell::Closed, _) => return Some(Stop::Misquoted(at)),
            _ => Cell::Plain,
        };
        at += 1;
    }
}

/// The values of one record; bytes that are more than one record are none.
fn values(record: &[u8]) -> Result<Vec<String>, Cause> {
    let record = simdutf8::basic::from_utf8(record).map_err(|_| Cause::InvalidUtf8)?;
    let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(record.as_bytes());
    let mut records = reader.into_records();
    match (records.next(), records.next()) {
        (Some(Ok(values)), None) => Ok(values.iter().map(str::to_owned).collect()),
        _ => Err(Cause::NotJson),
    }
}

/// A record as an object, if it has a value for each column.
fn object(columns: &[String], record: &[u8]) -> Result<String, Cause> {
    let values = values(record)?;
    if values.len() != columns.len() {
        return Err(Cause::NotJson);
    }
    let cells = columns.iter().zip(values).filter(|(_, value)| !value.is_empty());
    let cells = cells.map(|(name, value)| (Cow::Borrowed(name.as_str()), Value::String(Cow::Owned(value))));
    let mut text = String::new();
    Value::Object(cells.collect()).write_compact(&mut text);
    Ok(text)
}
