//! Reading by lines: each stands for itself.
//!
//! In: held bytes up to a line break. Out: a piece for each value in the line, or one bad piece.

use std::io::Read;

use memchr::memchr;
use virga_engine::json::{skip_value, skip_whitespace};

use super::{Form, Framer, Piece, Slice, State};
use crate::limits::MAX_ENVELOPE_ELEMENTS;
use crate::quarantine::Cause;

impl<R: Read> Framer<R> {
    /// Finds the next line and makes pieces of it.
    pub(super) fn next_line(&mut self) {
        let mut seen = 0;
        let end = loop {
            let held = self.window.held();
            if let Some(at) = memchr(b'\n', held.get(seen..).unwrap_or_default()) {
                break seen + at;
            }
            seen = held.len();
            if seen > self.limits.event_bytes {
                return self.skip_long_line();
            }
            if !self.window.fill() {
                break seen;
            }
        };
        let last = end == self.window.held().len();
        if last && end == 0 {
            return self.finish_lines();
        }
        if end > self.limits.event_bytes {
            return self.skip_long_line();
        }
        self.begin_line();
        self.spent = end + usize::from(!last);
        self.split_line(end, last);
    }

    fn begin_line(&mut self) {
        self.line += 1;
        self.record = 0;
        self.numbered = false;
    }

    /// One piece for each value in a line; usually one. Of a line with more than [`MAX_ENVELOPE_ELEMENTS`] the rest is
    /// one bad piece: each takes room before the first is out.
    fn split_line(&mut self, end: usize, last: bool) {
        let mut at = 0;
        let mut found = Vec::new();
        loop {
            let line = self.window.held().get(..end).unwrap_or_default();
            at = skip_whitespace(line, at);
            match line.get(at) {
                None => break,
                // lines cut out of an array end with a comma
                Some(b',') if !found.is_empty() => at += 1,
                Some(_) if found.len() == MAX_ENVELOPE_ELEMENTS => {
                    found.push((at..end, Form::Bad(Cause::TooLarge)));
                    break;
                }
                Some(_) => match skip_value(line, at) {
                    // the usual line: one value, and no list of pieces is needed
                    Ok(after) if found.is_empty() && skip_whitespace(line, after) == end => {
                        return self.push(at..after, Form::Value);
                    }
                    Ok(after) => {
                        found.push((at..after, Form::Value));
                        at = after;
                    }
                    Err(error) => {
                        let cause = self.cause_at_end(Cause::from(&error), last);
                        found.push((at..end, Form::Bad(cause)));
                        break;
                    }
                },
            }
        }
        self.numbered = found.len() > 1;
        for (range, form) in found.into_iter().rev() {
            self.push(range, form);
        }
    }

    /// What is cut off at the end of an input that broke off is a part of that.
    pub(super) fn cause_at_end(&mut self, cause: Cause, last: bool) -> Cause {
        match cause {
            Cause::CutOff if last => self.window.take_fault().unwrap_or(cause),
            _ => cause,
        }
    }

    /// A line longer than an event may be: keeps its first bytes and reads on to its end, holding
    /// nothing.
    pub(super) fn skip_long_line(&mut self) {
        self.begin_line();
        self.kept.clear();
        loop {
            let held = self.window.held();
            let newline = memchr(b'\n', held);
            self.forget(newline.unwrap_or(held.len()));
            if newline.is_some() || !self.window.fill() {
                break;
            }
        }
        // the line break itself
        self.spent = 1;
        self.push_kept(Cause::TooLarge);
    }

    /// Consumes bytes of something unreadable, of which quarantine keeps the first.
    pub(super) fn forget(&mut self, count: usize) {
        let keep = count.min(self.limits.kept_bytes.saturating_sub(self.kept.len()));
        self.kept.extend_from_slice(self.window.held().get(..keep).unwrap_or_default());
        self.window.consume(count);
    }

    pub(super) fn push_kept(&mut self, cause: Cause) {
        self.pieces.push(Piece::new(Slice::Kept, 0, Form::Bad(cause)));
    }

    pub(super) fn finish_lines(&mut self) {
        match self.window.take_fault() {
            Some(fault) => {
                self.begin_line();
                self.push(0..0, Form::Bad(fault));
            }
            None => self.state = State::Done,
        }
    }
}
