//! Reading a secret: from a terminal without showing it, or a line of standard input.

use std::io::{IsTerminal, Write};

use anyhow::{Context as _, Result, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> Result<Hidden> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).context("the terminal cannot be asked not to show what is typed")?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden)
            .context("the terminal cannot be asked not to show what is typed")?;
        Ok(Hidden(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0) {
            note!("usher: the terminal still does not show what is typed ({error}): type `stty echo`");
        }
    }
}

/// Asks for a secret twice on a terminal; elsewhere reads one line of standard input.
///
/// # Errors
/// The two differ, or there is nothing to read.
pub fn ask_twice(what: &str) -> Result<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        return line(what);
    }
    let hidden = Hidden::begin()?;
    let first = ask(&format!("{what}: "))?;
    let again = ask(&format!("{what} again: "))?;
    drop(hidden);
    if *first != *again {
        bail!("the two are not the same; nothing was changed");
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<Zeroizing<String>> {
    write!(std::io::stderr(), "{prompt}")?;
    std::io::stderr().flush()?;
    line(prompt)
}

/// A line of standard input.
pub fn line(what: &str) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(256));
    if std::io::stdin().read_line(&mut text)? == 0 {
        bail!("no {what} on standard input");
    }
    Ok(Zeroizing::new(text.trim().to_owned()))
}
