//! A stream of bytes → events, one after the other, in constant memory.
//!
//! In: a reader of text. Out: [`Frame`]s, each the text of one event or the first bytes of something
//! unreadable, with its line or record number. There are three ways to read an input, chosen by its
//! beginning:
//!
//! - **lines**, where the first line is a whole JSON value and more follow. A line that cannot be
//!   read is bad alone; reading goes on at the next one. Lines may be envelopes.
//! - **a document**, for everything else: `{"Records":[…]}` and top-level arrays, whose elements are
//!   streamed (5 GB need no more memory than 5 KB), pretty-printed objects, and objects one behind
//!   the other. After something unreadable, reading goes on at the next place where an event can
//!   begin: the next brace, or a brace at the beginning of a line.
//! - **rows**, where the first line is the header of a table of Log Analytics in CSV.
//!
//! ```text
//! {"eventName":"A"}⏎{"eventNa⏎{"eventName":"C"}⏎   lines:    event 1, bad line 2, event 3
//! {"Records":[{"eventName":"A"},{"eventName":"B"}]} document: record 1, record 2
//! ```
//!
//! Frames do not depend on the pieces in which the bytes arrive.

mod decide;
mod document;
mod lines;
mod rows;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;

use virga_engine::json::string_text;

use self::rows::Table;
use super::envelope::{Inner, Shape, open};
use super::packed::Allowance;
use super::window::Window;
use crate::limits::{MAX_ENVELOPE_LEVELS, MAX_EVENT_BYTES, MAX_QUARANTINED_BYTES, PROBE_BYTES};
use crate::quarantine::Cause;

/// Where a frame stands in its input; from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The line, in an input of lines.
    pub line: Option<u64>,
    /// The record, in a document, or in a line that holds several.
    pub record: Option<u64>,
}

/// One event, or something unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The text of one JSON object.
    Event {
        /// The object, as it came.
        text: &'a str,
        /// Where it stands.
        place: Place,
    },
    /// What could not be read.
    Bad {
        /// Its first bytes.
        bytes: &'a [u8],
        /// Why.
        cause: Cause,
        /// Where it stands.
        place: Place,
    },
}

/// The bounds of a framer; see [`crate::limits`] for the reasons.
#[derive(Debug, Clone, Copy)]
pub struct FrameLimits {
    /// Bytes of one event.
    pub event_bytes: usize,
    /// Bytes kept of what is unreadable.
    pub kept_bytes: usize,
    /// Bytes at the beginning that decide how to read.
    pub probe_bytes: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { event_bytes: MAX_EVENT_BYTES, kept_bytes: MAX_QUARANTINED_BYTES, probe_bytes: PROBE_BYTES }
    }
}

/// Yields the frames of one input.
pub struct Framer<R> {
    window: Window<R>,
    limits: FrameLimits,
    state: State,
    /// Held bytes that the current value takes; they are forgotten when its last piece is out.
    spent: usize,
    /// What is left of the current value, last first.
    pieces: Vec<Piece>,
    /// Events that stood in the current value as JSON strings or in parts, made whole.
    texts: String,
    /// First bytes of something unreadable that the window no longer holds.
    kept: Vec<u8>,
    found: Vec<Inner>,
    /// How much may still be unpacked of the current value.
    allowance: Allowance,
    line: u64,
    record: u64,
    /// The current line holds several records.
    numbered: bool,
    /// Something in the current array of a document could not be read, or it may be an event's.
    is_damaged: bool,
    /// The last byte between the values of a document was a comma.
    after_comma: bool,
    table: Table,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Lines,
    Rows,
    Document(Inside),
    Done,
}

/// Where in a document the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Array,
    ArrayOfObject,
    RestOfObject,
}

#[derive(Debug, Clone)]
struct Piece {
    slice: Slice,
    level: u8,
    form: Form,
    /// Bytes of texts that it and those behind it need: what is longer when its turn comes is of those before it.
    texts: usize,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Value,
    Text,
    /// An event that an envelope has been rebuilt into: nothing in it is looked for.
    Whole,
    Bad(Cause),
}

#[derive(Debug, Clone)]
enum Slice {
    Window(Range<usize>),
    Texts(Range<usize>),
    Kept,
}

impl Slice {
    /// The part of this slice that a range within it means.
    fn part(&self, range: Range<usize>) -> Self {
        match self {
            Self::Window(whole) => Self::Window(whole.start + range.start..whole.start + range.end),
            Self::Texts(whole) => Self::Texts(whole.start + range.start..whole.start + range.end),
            Self::Kept => Self::Kept,
        }
    }
}

/// What to hand out next.
enum Step {
    Event(Slice),
    Bad(Slice, Cause),
}

impl Framer<std::io::Empty> {
    /// A framer of whole messages, one after the other; its memory is used again for each.
    pub fn of_messages() -> Self {
        Self::new(std::io::empty())
    }

    /// The next message: from now on its frames come, as if it were an input of its own.
    pub fn begin(&mut self, message: &[u8]) {
        self.window.hold(message);
        self.state = State::Start;
        self.spent = 0;
        self.pieces.clear();
        self.texts.clear();
        self.kept.clear();
        (self.line, self.record, self.numbered) = (0, 0, false);
        (self.is_damaged, self.after_comma) = (false, false);
    }
}

impl<R: Read> Framer<R> {
    /// A framer with the usual bounds.
    pub fn new(reader: R) -> Self {
        Self::with_limits(reader, FrameLimits::default())
    }

    /// A framer with bounds of one's own.
    pub fn with_limits(reader: R, limits: FrameLimits) -> Self {
        Self {
            window: Window::new(reader),
            limits,
            state: State::Start,
            spent: 0,
            pieces: Vec::new(),
            texts: String::new(),
            kept: Vec::new(),
            found: Vec::new(),
            allowance: Allowance::of(0),
            line: 0,
            record: 0,
            numbered: false,
            is_damaged: false,
            after_comma: false,
            table: Table::default(),
        }
    }

    /// The next frame; `None` at the end of the input, however it ended.
    ///
    /// Not an `Iterator`: a frame borrows the framer's buffer, so that nothing is copied.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Frame<'_>> {
        let (step, place) = loop {
            if let Some(piece) = self.pieces.pop() {
                // small as it stands, what is packed may be large
                self.texts.truncate(piece.texts);
                if let Some(step) = self.open_piece(piece) {
                    break (step, self.number());
                }
                continue;
            }
            self.window.consume(std::mem::take(&mut self.spent));
            self.texts.clear();
            match self.state {
                State::Start => self.state = self.decide(),
                State::Lines => self.next_line(),
                State::Rows => self.next_row(),
                State::Document(inside) => self.next_in_document(inside),
                State::Done => return None,
            }
        };
        Some(self.frame(step, place))
    }

    fn frame(&self, step: Step, place: Place) -> Frame<'_> {
        match step {
            Step::Event(slice) => match simdutf8::basic::from_utf8(self.bytes(&slice)) {
                Ok(text) => Frame::Event { text, place },
                Err(_) => self.bad(&slice, Cause::InvalidUtf8, place),
            },
            Step::Bad(slice, cause) => self.bad(&slice, cause, place),
        }
    }

    fn bad(&self, slice: &Slice, cause: Cause, place: Place) -> Frame<'_> {
        let bytes = self.bytes(slice);
        Frame::Bad { bytes: bytes.get(..self.limits.kept_bytes).unwrap_or(bytes), cause, place }
    }

    #[inline]
    fn bytes(&self, slice: &Slice) -> &[u8] {
        match slice {
            Slice::Window(range) => self.window.held().get(range.clone()),
            Slice::Texts(range) => self.texts.as_bytes().get(range.clone()),
            Slice::Kept => Some(self.kept.as_slice()),
        }
        .unwrap_or_default()
    }

    /// The place of the frame that goes out now.
    fn number(&mut self) -> Place {
        self.record += 1;
        match self.state {
            State::Rows => Place { line: Some(self.line), record: None },
            State::Lines => Place { line: Some(self.line), record: self.numbered.then_some(self.record) },
            // all of the input
            State::Done => Place::default(),
            _ => Place { line: None, record: Some(self.record) },
        }
    }

    /// Opens one piece of the current value: an event goes out, an envelope becomes more pieces.
    fn open_piece(&mut self, piece: Piece) -> Option<Step> {
        let slice = match piece.form {
            Form::Bad(cause) => return Some(Step::Bad(piece.slice, cause)),
            Form::Whole => return Some(Step::Event(piece.slice)),
            Form::Value => piece.slice,
            Form::Text => match self.unescape(&piece) {
                Ok(text) => text,
                Err(cause) => return Some(Step::Bad(piece.slice, cause)),
            },
        };
        if piece.level >= MAX_ENVELOPE_LEVELS {
            return Some(Step::Event(slice));
        }
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        let bytes = self.bytes(&slice);
        // those of this level are the outermost: all that is unpacked of one is measured by it
        let mut allowance = if piece.level == 0 { Allowance::of(bytes.len()) } else { self.allowance };
        let shape = open(bytes, &mut found, &mut allowance);
        self.allowance = allowance;
        self.numbered |= found.len() > 1;
        let from = self.pieces.len();
        for inner in found.drain(..).rev() {
            let (part, form) = match inner {
                Inner::Value(range) => (slice.part(range), Form::Value),
                Inner::Text(range) => (slice.part(range), Form::Text),
                Inner::Carried(text) => (self.keep_text(&text), Form::Value),
                Inner::Bad(range, cause) => (slice.part(range), Form::Bad(cause)),
                Inner::Built(text, None) => (self.keep_text(&text), Form::Whole),
                Inner::Built(text, Some(cause)) => (self.keep_text(&text), Form::Bad(cause)),
            };
            self.pieces.push(Piece::new(part, piece.level + 1, form));
        }
        let texts = self.texts.len();
        self.pieces.iter_mut().skip(from).for_each(|piece| piece.texts = texts);
        self.found = found;
        match shape {
            Shape::Event => Some(Step::Event(slice)),
            Shape::Envelope => None,
            Shape::NotAnObject if matches!(piece.form, Form::Text) => Some(Step::Bad(slice, Cause::NotJson)),
            Shape::NotAnObject => Some(Step::Bad(slice, Cause::NotAnObject)),
        }
    }

    /// The event that stands in its envelope as a JSON string.
    fn unescape(&mut self, piece: &Piece) -> Result<Slice, Cause> {
        let text = simdutf8::basic::from_utf8(self.bytes(&piece.slice)).map_err(|_| Cause::InvalidUtf8)?;
        // owned, because it may itself stand among the texts, which grow now
        let text = string_text(text).map(Cow::into_owned).ok_or(Cause::NotJson)?;
        Ok(self.keep_text(&text))
    }

    fn keep_text(&mut self, text: &str) -> Slice {
        let start = self.texts.len();
        self.texts.push_str(text);
        Slice::Texts(start..self.texts.len())
    }

    fn push(&mut self, range: Range<usize>, form: Form) {
        self.pieces.push(Piece::new(Slice::Window(range), 0, form));
    }
}

impl Piece {
    fn new(slice: Slice, level: u8, form: Form) -> Self {
        Self { slice, level, form, texts: 0 }
    }
}
