//! Reading a document: arrays of records streamed, values one behind the other.
//!
//! In: held bytes, and where in the document they stand. Out: a piece for each value. What is broken
//! is skipped up to the next place where an event can begin, without being held.

use std::io::Read;

use memchr::{memchr2, memmem};
use virga_engine::json::{JsonError, JsonErrorKind, skip_value, skip_whitespace};

use super::super::envelope::{Prefix, array_prefix, is_array_key, is_event, is_metadata};
use super::{Form, Framer, Inside, State};
use crate::quarantine::Cause;

impl<R: Read> Framer<R> {
    /// Goes on to the next value of a document.
    pub(super) fn next_in_document(&mut self, inside: Inside) {
        use Inside::{Array, ArrayOfObject, Nothing, RestOfObject};
        let Some(byte) = self.next_byte() else { return self.finish_document(inside) };
        let after_comma = std::mem::replace(&mut self.after_comma, byte == b',');
        // a comma with nothing behind it, and a member with none before it: something was there
        self.is_damaged |= match (inside, byte) {
            (ArrayOfObject, b']') => after_comma,
            (RestOfObject, b'"') => !after_comma,
            _ => false,
        };
        match (inside, byte) {
            (_, b',') => self.window.consume(1),
            (Nothing, b'[') => self.go_inside(1, Array),
            (Nothing, b'{') => match self.document_prefix() {
                Some((length, is_certain)) => {
                    self.is_damaged = !is_certain;
                    self.go_inside(length, ArrayOfObject);
                }
                None => self.value(inside),
            },
            (Array, b']') => self.go_inside(1, Nothing),
            (ArrayOfObject, b']') => self.go_inside(1, RestOfObject),
            (RestOfObject, b'}') => self.go_inside(1, Nothing),
            (RestOfObject, b'"') => self.member_beside_array(),
            (RestOfObject, _) => self.state = State::Document(Nothing),
            _ => self.value(inside),
        }
    }

    fn go_inside(&mut self, consumed: usize, inside: Inside) {
        self.window.consume(consumed);
        self.state = State::Document(inside);
    }

    /// The next byte that is not blank; what is blank before it is forgotten.
    fn next_byte(&mut self) -> Option<u8> {
        loop {
            let held = self.window.held();
            let blank = skip_whitespace(held, 0);
            let byte = held.get(blank).copied();
            self.window.consume(blank);
            if byte.is_some() {
                return byte;
            }
            if !self.window.fill() {
                return None;
            }
        }
    }

    /// The length of `{"Records":[` where the object that comes now begins so and is streamed, and whether nothing but
    /// an envelope begins so. What may be an event is looked at whole, where it is no longer than one.
    fn document_prefix(&mut self) -> Option<(usize, bool)> {
        loop {
            match array_prefix(self.window.held()) {
                Prefix::Array(length) => return Some((length, true)),
                Prefix::Perhaps(length) => return (!self.is_event()).then_some((length, false)),
                Prefix::Other => return None,
                Prefix::Unknown if !self.window.fill() => return None,
                Prefix::Unknown => {}
            }
        }
    }

    /// Whether the object that comes now is one whole event; reads on to its end, or until it is longer than one.
    fn is_event(&mut self) -> bool {
        loop {
            let length = self.window.held().len();
            match skip_value(self.window.held(), 0) {
                Ok(end) if end > self.limits.event_bytes => return false,
                Ok(end) => return is_event(self.window.held().get(..end).unwrap_or_default()),
                Err(error) if error.kind != JsonErrorKind::Incomplete => return false,
                Err(_) if length > self.limits.event_bytes => return false,
                Err(_) if self.window.fill_to(length * 2) => {}
                Err(_) => return false,
            }
        }
    }

    /// What stands beside the streamed array in its object: links and tokens, which are skipped, or
    /// one more array of events. Where something in the array was broken, its end may have been a bracket
    /// of that, and what comes now the rest of an event; and an event may begin as some envelopes do: only what is
    /// known to stand there is skipped then.
    fn member_beside_array(&mut self) {
        loop {
            let length = self.window.held().len();
            match member(self.window.held()) {
                Some(Ok(Member::Array(first))) => return self.go_inside(first, Inside::ArrayOfObject),
                Some(Ok(Member::Other { end, is_known })) if end <= self.limits.event_bytes => {
                    if is_known || !self.is_damaged {
                        return self.window.consume(end);
                    }
                    self.spent = end;
                    return self.push(0..end, Form::Bad(Cause::NotJson));
                }
                Some(Err(Cause::CutOff)) if length <= self.limits.event_bytes => {
                    if !self.window.fill_to(length * 2) {
                        return self.broken_at_end(Inside::Nothing);
                    }
                }
                _ => {
                    self.state = State::Document(Inside::Nothing);
                    return self.skip_to_brace(Cause::NotJson, Inside::Nothing);
                }
            }
        }
    }

    /// One value: read on until it is whole, or until it is plain that it never will be.
    fn value(&mut self, inside: Inside) {
        let limit = self.limits.event_bytes;
        loop {
            let held = self.window.held();
            let length = held.len();
            match skip_value(held, 0) {
                // a number may go on behind what is held
                Ok(end) if end == length && end <= limit && !self.window.ended() && !is_container(held) => {
                    self.window.fill_to(length * 2);
                }
                Ok(end) if end <= limit => {
                    self.spent = end;
                    return self.push(0..end, Form::Value);
                }
                Ok(_) => return self.skip_broken(Cause::TooLarge, inside),
                Err(error) if error.kind == JsonErrorKind::Incomplete => {
                    if length > limit {
                        return self.skip_broken(Cause::TooLarge, inside);
                    }
                    if !self.window.fill_to(length * 2) {
                        return self.broken_at_end(inside);
                    }
                }
                Err(error) if error.at > limit => return self.skip_broken(Cause::TooLarge, inside),
                Err(error) => return self.skip_broken(Cause::from(&error), inside),
            }
        }
    }

    /// Something unreadable that has an end: skips it without holding it.
    fn skip_broken(&mut self, cause: Cause, inside: Inside) {
        self.is_damaged = true;
        if !is_container(self.window.held()) && self.window.held().first() != Some(&b'"') {
            return self.skip_to_brace(cause, inside);
        }
        self.kept.clear();
        let mut skipper = Skipper::default();
        loop {
            let (used, over) = skipper.skip(self.window.held());
            self.forget(used);
            if over || !self.window.fill() {
                break;
            }
        }
        self.push_kept(cause);
    }

    /// Something that is no JSON: skips to the next place where an event can begin.
    fn skip_to_brace(&mut self, cause: Cause, inside: Inside) {
        let close = if inside == Inside::Nothing { b'{' } else { b']' };
        self.is_damaged = true;
        self.kept.clear();
        // the first byte is the one that could not be read
        let mut from = 1;
        loop {
            let held = self.window.held();
            let found = memchr2(b'{', close, held.get(from..).unwrap_or_default());
            let count = found.map_or(held.len(), |at| from + at);
            self.forget(count);
            if found.is_some() || !self.window.fill() {
                break;
            }
            from = 0;
        }
        self.push_kept(cause);
    }

    /// The input ends inside a value: it is bad up to the next line that begins with a brace.
    fn broken_at_end(&mut self, inside: Inside) {
        self.is_damaged = true;
        let held = self.window.held();
        if let Some(at) = memmem::find(held, b"\n{") {
            self.state = State::Document(inside);
            self.spent = at + 1;
            return self.push(0..at, Form::Bad(Cause::CutOff));
        }
        let end = held.len();
        let cause = self.cause_at_end(Cause::CutOff, true);
        self.state = State::Document(Inside::Nothing);
        self.spent = end;
        self.push(0..end, Form::Bad(cause));
    }

    fn finish_document(&mut self, inside: Inside) {
        let unclosed = (inside != Inside::Nothing).then_some(Cause::CutOff);
        match self.window.take_fault().or(unclosed) {
            Some(cause) => {
                self.push(0..0, Form::Bad(cause));
                self.state = State::Document(Inside::Nothing);
            }
            None => self.state = State::Done,
        }
    }
}

fn is_container(held: &[u8]) -> bool {
    matches!(held.first(), Some(b'{' | b'['))
}

/// A member that stands beside a streamed array, by its length.
enum Member {
    /// One more array of events: up to its first event.
    Array(usize),
    /// Anything else, whole, and whether it is known to stand there.
    Other { end: usize, is_known: bool },
}

/// Reads a member; `None` where it is none, [`Cause::CutOff`] where more bytes are needed.
fn member(bytes: &[u8]) -> Option<Result<Member, Cause>> {
    let whole = |result: Result<usize, JsonError>| result.map_err(|e| Cause::from(&e));
    let key_end = match whole(skip_value(bytes, 0)) {
        Ok(end) => end,
        Err(cause) => return Some(Err(cause)),
    };
    let key = bytes.get(1..key_end - 1)?;
    let mut at = skip_whitespace(bytes, key_end);
    match bytes.get(at) {
        Some(b':') => at = skip_whitespace(bytes, at + 1),
        Some(_) => return None,
        None => return Some(Err(Cause::CutOff)),
    }
    if is_array_key(key) && bytes.get(at) == Some(&b'[') {
        let first = skip_whitespace(bytes, at + 1);
        match bytes.get(first) {
            Some(b'{') => return Some(Ok(Member::Array(first))),
            Some(_) => {}
            None => return Some(Err(Cause::CutOff)),
        }
    }
    match whole(skip_value(bytes, at)) {
        // a number may go on behind what is held
        Ok(end) if end == bytes.len() => Some(Err(Cause::CutOff)),
        Ok(end) => Some(Ok(Member::Other { end, is_known: is_metadata(key) })),
        Err(cause) => Some(Err(cause)),
    }
}

/// Follows a value that is too large or too deep to be held, byte by byte, to its end; a brace at
/// the beginning of a line ends it too, for a value that is broken has no end of its own.
#[derive(Default)]
struct Skipper {
    depth: u64,
    in_string: bool,
    escaped: bool,
    after_newline: bool,
}

impl Skipper {
    /// How many of the bytes belong to the value, and whether it is over.
    fn skip(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (at, &byte) in bytes.iter().enumerate() {
            if byte == b'{' && self.after_newline {
                return (at, true);
            }
            self.after_newline = byte == b'\n';
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => continue,
                }
                if self.in_string || self.depth > 0 {
                    continue;
                }
                return (at + 1, true);
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                _ => {}
            }
        }
        (bytes.len(), false)
    }
}
