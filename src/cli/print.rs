//! What commands print: `say!` and `note!`, which survive a reader that stops early (`usher people list | head -1`), and colour.
//!
//! Colour marks what somebody should look at: refusals, alarms, what is broken. It is used on a terminal only, unless `CLICOLOR_FORCE` asks for
//! it, and never with `NO_COLOR` (<https://no-color.org>, <https://bixense.com/clicolors>).

use std::io::{IsTerminal, Write};

use crate::names::shown;

/// A line on standard output; a result, because the program that reads it may have ended.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout(), $($text)*)
    }};
}

/// A line on standard error. Where nobody reads it any more, nobody can be told.
macro_rules! note {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        drop(writeln!(std::io::stderr(), $($text)*));
    }};
}

/// Why a text stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Warning,
    Bad,
    /// Of less interest than the others.
    Faint,
}

/// Whether standard output shows colours.
pub fn out_has_colour() -> bool {
    has_colour(std::io::stdout().is_terminal(), |name| std::env::var(name).ok())
}

/// Whether standard error shows colours.
pub fn err_has_colour() -> bool {
    has_colour(std::io::stderr().is_terminal(), |name| std::env::var(name).ok())
}

fn has_colour(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let forced = variable("CLICOLOR_FORCE").is_some_and(|value| !matches!(value.as_str(), "" | "0"));
    let dumb = variable("TERM").is_some_and(|value| value == "dumb");
    !set("NO_COLOR") && (forced || terminal && !dumb)
}

/// `text` in the colour of a tone, for standard output.
pub fn toned(tone: Tone, text: &str) -> String {
    paint(tone, text, out_has_colour())
}

/// `text` in the colour of a tone if `coloured` (ECMA-48, "select graphic rendition"). Control characters in it are written out.
pub fn paint(tone: Tone, text: &str, coloured: bool) -> String {
    let text = shown(text);
    let code = match tone {
        Tone::Plain => 0,
        Tone::Good => 32,
        Tone::Warning => 33,
        Tone::Bad => 31,
        Tone::Faint => 2,
    };
    match coloured && code != 0 && !text.is_empty() {
        true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        false => text.into_owned(),
    }
}

/// Asks a question on standard error; whether the answer is yes.
///
/// # Errors
/// Standard input cannot be read, or nobody can be asked.
pub fn ask(question: &str) -> std::io::Result<bool> {
    write!(std::io::stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_unless_a_variable_says_otherwise() {
        let with = |terminal, set: &'static [(&str, &str)]| {
            has_colour(terminal, |name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(with(true, &[]) && !with(false, &[]));
        assert!(!with(true, &[("NO_COLOR", "1")]) && with(true, &[("NO_COLOR", "")]));
        assert!(with(false, &[("CLICOLOR_FORCE", "1")]) && !with(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!with(true, &[("TERM", "dumb")]) && with(true, &[("TERM", "xterm")]));
        assert!(!with(true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), "no colour is no colour");
    }

    #[test]
    fn a_plain_text_stays_as_it_is() {
        assert_eq!(paint(Tone::Bad, "denied", true), "\u{1b}[31mdenied\u{1b}[0m");
        assert_eq!(paint(Tone::Bad, "a\u{1b}b", true), "\u{1b}[31ma\\u{1b}b\u{1b}[0m", "only its own colours");
        assert_eq!((paint(Tone::Bad, "denied", false), paint(Tone::Plain, "a", true)), ("denied".into(), "a".into()));
    }
}
