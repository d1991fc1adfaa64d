//! Texts of one line that come from outside, such as a group's name or a reason: which characters they may have, and how texts of others are shown.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::{NameFault, check_visible};

/// The longest name of anything, in characters.
pub const LONGEST_NAME: usize = 100;

/// What is wrong with a text of one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    #[error("it is empty")]
    Empty,
    #[error("it has more than {most} characters: shorten it")]
    Long { most: usize },
    #[error("it has a control character (U+{code:04X}, character {place}): write one line of plain text")]
    Control { code: u32, place: usize },
    #[error(transparent)]
    Name(#[from] NameFault),
}

/// Checks that a text is one line of 1 to `most` visible characters: it is shown on terminals, and written to journals.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_line(text: &str, most: usize) -> Result<(), LineFault> {
    if text.trim().is_empty() {
        return Err(LineFault::Empty);
    }
    if text.chars().nth(most).is_some() {
        return Err(LineFault::Long { most });
    }
    if let Some((index, c)) = text.chars().enumerate().find(|(_, c)| c.is_control()) {
        return Err(LineFault::Control { code: u32::from(c), place: index.saturating_add(1) });
    }
    Ok(check_visible(text)?)
}

/// A text of somebody else, as one line of at most `most` characters that orders a terminal nothing: control characters, and those that turn the
/// direction of writing, are written out (`\u{1b}`).
pub fn shown_line(text: &str, most: usize) -> String {
    let cut: String = text.chars().take(most).collect();
    written_out(&cut, is_order).into_owned()
}

/// The same of a text of several lines, of any length.
pub fn shown(text: &str) -> Cow<'_, str> {
    written_out(text, |c| is_order(c) && !matches!(c, '\n' | '\t'))
}

fn written_out(text: &str, orders: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&orders) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match orders(c) {
            // It cannot fail.
            true => drop(write!(plain, "{}", c.escape_unicode())),
            false => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

/// Control characters, separators of lines, and marks of direction (Unicode Standard Annex 9).
fn is_order(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_short_and_visible() {
        for good in ["guards", "Nachtwächter, Haus 2", &"é".repeat(100)] {
            check_line(good, LONGEST_NAME).unwrap();
        }
        for (bad, why) in [
            ("", "empty"),
            (" ", "empty"),
            ("x\u{1b}]0;pwn\u{7}", "U+001B, character 2"),
            ("a\nb", "U+000A"),
            ("a\u{9b}31m", "U+009B"),
            ("a\u{202e}b", "U+202E"),
            (&*"x".repeat(101), "100 characters"),
        ] {
            let fault = check_line(bad, LONGEST_NAME).unwrap_err().to_string();
            assert!(fault.contains(why), "{bad:?}: {fault}");
        }
    }

    #[test]
    fn texts_of_others_order_a_terminal_nothing() {
        assert_eq!(shown_line("a\u{1b}[31m\nb", 99), "a\\u{1b}[31m\\u{a}b");
        assert_eq!(shown_line("abcdef", 3), "abc");
        assert_eq!(shown("two\n\tlines \u{202e}"), "two\n\tlines \\u{202e}");
        assert!(matches!(shown("Zoë\u{200d} Müller"), Cow::Borrowed(_)), "letters stay");
    }
}
