//! The stretch of an input that is held in memory: it slides, grows to a bound, and forgets.
//!
//! In: a reader. Out: the held bytes. Whoever frames asks for more, and says what is done with. The
//! first failed read ends the input; its cause is kept for whoever reports the end. What is UTF-16 is held
//! as UTF-8.

use std::io::{ErrorKind, Read};

use super::compression::StreamFault;
use super::utf16::Utf16;
use crate::limits::READ_BYTES;
use crate::quarantine::Cause;

pub(super) struct Window<R> {
    reader: R,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    fault: Option<Cause>,
    /// What decodes the bytes that are read, where they are not UTF-8.
    utf16: Option<Utf16>,
    decoded: Vec<u8>,
}

impl<R: Read> Window<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buf: Vec::new(),
            start: 0,
            end: 0,
            ended: false,
            fault: None,
            utf16: None,
            decoded: Vec::new(),
        }
    }

    /// Forgets everything and holds these bytes, which are all that there is.
    pub(super) fn hold(&mut self, bytes: &[u8]) {
        self.buf.clear();
        self.buf.extend_from_slice(bytes);
        (self.start, self.end) = (0, bytes.len());
        (self.ended, self.fault, self.utf16) = (true, None, None);
    }

    /// What is held and what will be read is UTF-16, if it begins with the mark of it: from now on it is UTF-8.
    pub(super) fn decode_utf16(&mut self) {
        let Some(mut utf16) = Utf16::of_mark(self.held()) else { return };
        self.decoded.clear();
        let behind_mark = self.buf.get(self.start + 2..self.end).unwrap_or_default();
        utf16.decode(behind_mark, &mut self.decoded);
        if self.ended {
            utf16.finish(&mut self.decoded);
        }
        self.buf.clear();
        self.buf.extend_from_slice(&self.decoded);
        (self.start, self.end) = (0, self.decoded.len());
        self.utf16 = Some(utf16);
    }

    /// The held bytes.
    #[inline]
    pub(super) fn held(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or_default()
    }

    /// Nothing more will come.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Why the input ended before its end: given once.
    pub(super) fn take_fault(&mut self) -> Option<Cause> {
        self.fault.take()
    }

    /// Forgets the first `count` held bytes.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Reads more; `false` where there is no more.
    pub(super) fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        self.make_room();
        loop {
            // never more at once, so that what is read next is still in the processor's cache; half of it where three
            // bytes may come of two
            let most = if self.utf16.is_some() { READ_BYTES / 2 } else { READ_BYTES };
            let free = self.buf.get_mut(self.end..self.end + most).unwrap_or_default();
            match self.reader.read(free) {
                Ok(0) => {
                    self.ended = true;
                    return self.decode(0);
                }
                Ok(read) if self.decode(read) => return true,
                // half a character
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.fault = Some(StreamFault::cause(&error));
                    self.ended = true;
                    return false;
                }
            }
        }
    }

    /// Holds the bytes that have been read behind those that are held, none at the end of the input; `false` where
    /// nothing has come of them.
    fn decode(&mut self, read: usize) -> bool {
        let Some(utf16) = &mut self.utf16 else {
            self.end = (self.end + read).min(self.buf.len());
            return read > 0;
        };
        self.decoded.clear();
        utf16.decode(self.buf.get(self.end..self.end + read).unwrap_or_default(), &mut self.decoded);
        if read == 0 {
            utf16.finish(&mut self.decoded);
        }
        let end = self.end + self.decoded.len();
        if let Some(room) = self.buf.get_mut(self.end..end) {
            room.copy_from_slice(&self.decoded);
            self.end = end;
        }
        !self.decoded.is_empty()
    }

    /// Reads until that many bytes are held; `false` where nothing more came at all.
    pub(super) fn fill_to(&mut self, count: usize) -> bool {
        let before = self.end - self.start;
        while self.end - self.start < count && self.fill() {}
        self.end - self.start > before
    }

    /// Moves what is held to the front where that is cheap, and grows where it is not.
    fn make_room(&mut self) {
        let held = self.end - self.start;
        if self.buf.len() - self.end >= READ_BYTES {
            return;
        }
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = held;
        }
        if self.buf.len() - held < READ_BYTES {
            let grown = (self.buf.len() * 2).max(held + READ_BYTES);
            self.buf.resize(grown, 0);
        }
    }
}
