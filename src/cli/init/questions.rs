//! Asking: one line of a terminal for each question, with a default that needs only Enter.

use std::fmt::Display;
use std::io::Write;

use anyhow::{Context as _, Result, bail};

/// Asks on a terminal, or takes flags and defaults.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// Whether somebody answers.
    pub is_terminal: bool,
}

impl Asker {
    /// The answer to `question`, as `accept` reads it: that of `flag` (its name and value) where it was given, else what is typed, else
    /// `default`. What `accept` refuses is asked again where somebody can answer.
    ///
    /// # Errors
    /// `accept` refuses a flag's value, or the default where nobody answers; the terminal is closed.
    pub fn settle<T>(
        self,
        flag: (&str, Option<&str>),
        question: &str,
        default: &str,
        mut accept: impl FnMut(&str) -> Result<T>,
    ) -> Result<T> {
        let (name, given) = flag;
        if let Some(given) = given {
            return accept(given).with_context(|| name.to_owned());
        }
        if !self.is_terminal {
            return accept(default).with_context(|| format!("{name} {default}"));
        }
        loop {
            let answer = line(&format!("{question} [{default}]: "))?;
            match accept(if answer.is_empty() { default } else { &answer }) {
                Ok(accepted) => return Ok(accepted),
                Err(error) => say(format_args!("  {error:#}"))?,
            }
        }
    }

    /// Whether the answer is yes; `default` where nobody answers.
    ///
    /// # Errors
    /// The terminal is closed.
    pub fn confirm(self, question: &str, default: bool) -> Result<bool> {
        if !self.is_terminal {
            return Ok(default);
        }
        loop {
            let answer = line(&format!("{question} [{}]: ", if default { "yes" } else { "no" }))?;
            match answer.to_lowercase().as_str() {
                "" => return Ok(default),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => say("  yes or no?")?,
            }
        }
    }
}

/// Prints a line.
///
/// # Errors
/// Nobody reads it.
pub fn say(line: impl Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// Shows `prompt` and reads a line.
fn line(prompt: &str) -> Result<String> {
    let mut out = std::io::stdout().lock();
    out.write_all(prompt.as_bytes())?;
    out.flush()?;
    drop(out);
    let mut text = String::new();
    if std::io::stdin().read_line(&mut text).context("the answer cannot be read")? == 0 {
        say("")?;
        bail!("the terminal was closed before the last question");
    }
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody answers a test.
    const SILENT: Asker = Asker { is_terminal: false };

    fn number(text: &str) -> Result<u8> {
        text.parse().context("not a number from 0 to 255")
    }

    #[test]
    fn without_a_terminal_flags_come_before_defaults() {
        assert_eq!(SILENT.settle(("--count", Some("7")), "How many?", "3", number).unwrap(), 7);
        assert_eq!(SILENT.settle(("--count", None), "How many?", "3", number).unwrap(), 3);
        assert!(SILENT.confirm("Go on?", true).unwrap() && !SILENT.confirm("Go on?", false).unwrap());
    }

    #[test]
    fn a_wrong_flag_is_an_error_that_names_it() {
        let error = SILENT.settle(("--count", Some("many")), "How many?", "3", number).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.starts_with("--count: not a number"), "{text}");
    }
}
