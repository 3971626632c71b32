//! How to read an input: by lines, as a document, or as rows of a table. Its beginning decides.
//!
//! In: the first held bytes. Out: the state to go on with; nothing but a byte-order mark is consumed, and one of
//! UTF-16 is heeded. An input in a
//! format that is not read is one unreadable thing, and at its end.

use std::io::Read;

use memchr::memchr;
use virga_engine::json::{JsonErrorKind, skip_value, skip_whitespace};

use super::super::envelope::{Prefix, array_prefix};
use super::super::formats::{TELLING_BYTES, is_other};
use super::{Form, Framer, Inside, State};
use crate::quarantine::Cause;

impl<R: Read> Framer<R> {
    /// Looks at the beginning and chooses between lines and a document.
    pub(super) fn decide(&mut self) -> State {
        self.skip_byte_order_mark();
        if self.is_other_format() {
            self.window.fill_to(self.limits.kept_bytes);
            let kept = self.window.held().len().min(self.limits.kept_bytes);
            self.push(0..kept, Form::Bad(Cause::OtherFormat));
            return State::Done;
        }
        let Some(begin) = self.first_byte() else { return State::Lines };
        match self.window.held().get(begin).copied() {
            Some(b'[') => self.decide_on_array(begin),
            Some(b'{') if self.begins_with_array(begin) => self.decide_on_array(begin),
            Some(b'{') => self.decide_on_object(begin),
            Some(_) if self.begins_table(begin) => State::Rows,
            // whatever it is, it is no JSON that holds events: each line is bad for itself
            _ => State::Lines,
        }
    }

    fn skip_byte_order_mark(&mut self) {
        self.window.fill_to(3);
        if self.window.held().starts_with(b"\xef\xbb\xbf") {
            return self.window.consume(3);
        }
        // the mark of UTF-32 begins as one of UTF-16 does
        if self.window.held().starts_with(b"\xff\xfe") || self.window.held().starts_with(b"\xfe\xff") {
            self.window.fill_to(4);
            self.window.decode_utf16();
        }
    }

    fn is_other_format(&mut self) -> bool {
        // what is told by more bytes than have come so far does not begin as JSON does
        while !matches!(self.window.held().first(), Some(b'{' | b'['))
            && self.window.held().len() < TELLING_BYTES
            && self.window.fill()
        {}
        is_other(self.window.held())
    }

    /// The position of the first byte that is not blank, if there is one nearby.
    fn first_byte(&mut self) -> Option<usize> {
        loop {
            let held = self.window.held();
            let begin = skip_whitespace(held, 0);
            if begin < held.len() {
                return (begin <= self.limits.probe_bytes).then_some(begin);
            }
            if begin > self.limits.probe_bytes || !self.window.fill() {
                return None;
            }
        }
    }

    fn begins_with_array(&mut self, begin: usize) -> bool {
        loop {
            match array_prefix(self.window.held().get(begin..).unwrap_or_default()) {
                Prefix::Array(_) | Prefix::Perhaps(_) => return true,
                Prefix::Other => return false,
                Prefix::Unknown if !self.window.fill() => return false,
                Prefix::Unknown => {}
            }
        }
    }

    /// An array of records is a document, unless it is the first of several lines.
    fn decide_on_array(&mut self, begin: usize) -> State {
        let document = State::Document(Inside::Nothing);
        let Some(line_end) = self.newline(begin, begin + self.limits.probe_bytes) else { return document };
        let more = loop {
            let held = self.window.held();
            let next = skip_whitespace(held, line_end);
            if next < held.len() {
                break next <= begin + self.limits.probe_bytes;
            }
            if next > begin + self.limits.probe_bytes || !self.window.fill() {
                break false;
            }
        };
        let line = self.window.held().get(begin..line_end).unwrap_or_default();
        if more && is_whole(line) { State::Lines } else { document }
    }

    /// The position of the first line break in a stretch; reads on until it is found or is not there.
    pub(super) fn newline(&mut self, from: usize, to: usize) -> Option<usize> {
        let mut seen = from;
        loop {
            let held = self.window.held();
            let stretch = held.get(seen..to.min(held.len())).unwrap_or_default();
            if let Some(at) = memchr(b'\n', stretch) {
                return Some(seen + at);
            }
            seen = held.len();
            if seen >= to || !self.window.fill() {
                return None;
            }
        }
    }

    /// An object that is whole in its first line makes an input of lines.
    fn decide_on_object(&mut self, begin: usize) -> State {
        let end = begin + self.limits.event_bytes + 1;
        loop {
            let held = self.window.held();
            let stretch = held.get(begin..end.min(held.len())).unwrap_or_default();
            let newline = memchr(b'\n', stretch);
            let line = stretch.get(..newline.unwrap_or(stretch.len())).unwrap_or_default();
            let grow = held.len() * 2;
            let may_grow = newline.is_none() && held.len() < end && !self.window.ended();
            match skip_value(line, 0) {
                Ok(after) => {
                    let next = skip_whitespace(line, after);
                    if next < line.len() {
                        // a second value in the line: objects one behind the other
                        let another = matches!(line.get(next), Some(b'{' | b'['));
                        return if another { State::Document(Inside::Nothing) } else { State::Lines };
                    }
                    if !may_grow {
                        return State::Lines;
                    }
                }
                Err(error) if error.kind != JsonErrorKind::Incomplete => return State::Lines,
                Err(_) => match newline {
                    Some(newline) => return self.decide_on_second_line(begin + newline + 1),
                    None if !may_grow => return State::Lines,
                    None => {}
                },
            }
            self.window.fill_to(grow);
        }
    }

    /// The first line is not whole: pretty-printed, unless the second line is a whole object, which
    /// it never is within one. Then the first is a line that was cut off.
    fn decide_on_second_line(&mut self, begin: usize) -> State {
        let end = self.newline(begin, begin + self.limits.probe_bytes);
        let held = self.window.held();
        let line = held.get(begin..end.unwrap_or(held.len())).unwrap_or_default();
        let line = line.get(..self.limits.probe_bytes).unwrap_or(line);
        if line.first() == Some(&b'{') && is_whole(line) {
            State::Lines
        } else {
            State::Document(Inside::Nothing)
        }
    }
}

/// Whether a line is one JSON value and nothing else.
fn is_whole(line: &[u8]) -> bool {
    let start = skip_whitespace(line, 0);
    skip_value(line, start).is_ok_and(|end| skip_whitespace(line, end) == line.len())
}
