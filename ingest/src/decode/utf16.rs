//! UTF-16 → UTF-8, piece by piece: what Windows PowerShell writes where the output of a command goes into a file.
//!
//! In: bytes behind a byte-order mark, cut anywhere. Out: the same text in UTF-8. What is no text (half of a pair of
//! surrogates, half a unit at the end) becomes a byte that no UTF-8 has, so that whoever reads the event says so.

/// Stands for what is no text.
const BAD: u8 = 0xff;

/// Decodes one input.
pub(super) struct Utf16 {
    is_big_endian: bool,
    /// The first half of a unit.
    odd: Option<u8>,
    /// The first half of a pair.
    high: Option<u16>,
}

impl Utf16 {
    /// What a byte-order mark says; `None` where there is none, or it is that of UTF-32.
    pub fn of_mark(beginning: &[u8]) -> Option<Self> {
        let is_big_endian = match beginning {
            [0xff, 0xfe, 0, 0, ..] => return None,
            [0xff, 0xfe, ..] => false,
            [0xfe, 0xff, ..] => true,
            _ => return None,
        };
        Some(Self { is_big_endian, odd: None, high: None })
    }

    /// Adds the text of the next bytes: three for each two at the most, and what was left of those before.
    pub fn decode(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        for &byte in bytes {
            let Some(first) = self.odd.take() else {
                self.odd = Some(byte);
                continue;
            };
            let unit = [first, byte];
            self.unit(
                if self.is_big_endian { u16::from_be_bytes(unit) } else { u16::from_le_bytes(unit) },
                text,
            );
        }
    }

    fn unit(&mut self, unit: u16, text: &mut Vec<u8>) {
        let is_low = (0xdc00..0xe000).contains(&unit);
        let pair = match self.high.take() {
            Some(high) if is_low => [high, unit],
            high => {
                text.extend(high.map(|_| BAD));
                if (0xd800..0xdc00).contains(&unit) {
                    self.high = Some(unit);
                    return;
                }
                [unit, 0]
            }
        };
        // of a unit alone the second is a character of its own, which is not asked for
        match char::decode_utf16(pair).next() {
            Some(Ok(character)) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => text.push(BAD),
        }
    }

    /// The input has ended: what is left of it.
    pub fn finish(&mut self, text: &mut Vec<u8>) {
        let (odd, high) = (self.odd.take(), self.high.take());
        if odd.is_some() || high.is_some() {
            text.push(BAD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(pieces: &[&[u8]], is_big_endian: bool) -> Vec<u8> {
        let mut utf16 = Utf16 { is_big_endian, odd: None, high: None };
        let mut text = Vec::new();
        pieces.iter().for_each(|piece| utf16.decode(piece, &mut text));
        utf16.finish(&mut text);
        text
    }

    #[test]
    fn text_is_the_same_however_it_is_cut_and_what_is_none_is_bad() {
        let text = "{\"a\":\"é ☃ 𝄞\"}\r\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for cut in 0..=little.len() {
            let (first, second) = little.split_at(cut);
            assert_eq!(decoded(&[first, second], false), text.as_bytes());
            let (first, second) = big.split_at(cut);
            assert_eq!(decoded(&[first, second], true), text.as_bytes());
        }
        for (bytes, expected) in [
            (&[0xd8, 0x34, 0, b'a'][..], &[BAD, b'a'][..]),
            (&[0xdd, 0x1e, 0, b'a'], &[BAD, b'a']),
            (&[0xd8, 0x34, 0xd8, 0x34, 0xdd, 0x1e], b"\xff\xf0\x9d\x84\x9e"),
            (&[0, b'a', 0xd8, 0x34], &[b'a', BAD]),
            (&[0, b'a', 0], &[b'a', BAD]),
        ] {
            assert_eq!(decoded(&[bytes], true), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_mark_says_the_order() {
        assert!(Utf16::of_mark(b"\xff\xfe{\0").is_some_and(|utf16| !utf16.is_big_endian));
        assert!(Utf16::of_mark(b"\xfe\xff\0{").is_some_and(|utf16| utf16.is_big_endian));
        for other in [&b"\xff\xfe\0\0{\0\0\0"[..], b"\xff", b"", b"{\0", b"\xef\xbb\xbf"] {
            assert!(Utf16::of_mark(other).is_none(), "{other:?}");
        }
    }
}
