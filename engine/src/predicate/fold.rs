//! Case folding: how texts are compared without case.
//!
//! ASCII letters go to lower case; where a text holds anything beyond ASCII, each of its characters
//! goes to its simple (one-character) lower case.

use std::borrow::Cow;

/// The text in folded form.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        match text.bytes().any(|b| b.is_ascii_uppercase()) {
            true => Cow::Owned(text.to_ascii_lowercase()),
            false => Cow::Borrowed(text),
        }
    } else {
        Cow::Owned(text.chars().map(fold_char).collect())
    }
}

/// Appends the folded form of a text.
pub fn fold_into(text: &str, out: &mut String) {
    if text.is_ascii() {
        let start = out.len();
        out.push_str(text);
        if let Some(added) = out.get_mut(start..) {
            added.make_ascii_lowercase();
        }
    } else {
        out.extend(text.chars().map(fold_char));
    }
}

/// The simple lower case of a character. One character alone, `İ`, has a longer full lower case, which
/// begins with the simple one.
fn fold_char(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_is_simple_and_by_character() {
        for (text, folded) in
            [("AbC", "abc"), ("ÀÉß", "àéß"), ("\u{212A}", "k"), ("İ", "i"), ("Σς", "σς"), ("", "")]
        {
            assert_eq!(fold(text), folded);
            let mut out = "X".to_owned();
            fold_into(text, &mut out);
            assert_eq!(out, format!("X{folded}"));
        }
    }
}
