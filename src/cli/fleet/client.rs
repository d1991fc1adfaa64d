//! Asking the office at its socket.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::office::fleet::protocol::{Answer, MAX_LINE, Request, SOCKET};

/// The office waits for servers and boards for a third of this.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The answer of the office whose folder this is.
///
/// # Errors
/// No office answers, or it refuses: then in its words.
pub fn ask(folder: &Path, request: &Request) -> Result<Answer> {
    let path = folder.join(SOCKET);
    let mut stream = UnixStream::connect(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => anyhow!(
            "no office answers on {}: start it with `usher fleet office --folder {}`, or name its folder with --folder",
            path.display(),
            folder.display()
        ),
        ErrorKind::PermissionDenied => {
            anyhow!("{} is not yours: run this as the user of the office, or as root", path.display())
        }
        _ => anyhow!("the office on {} cannot be reached: {error}", path.display()),
    })?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).context("the office does not take the request")?;
    let mut answer = Vec::new();
    let mut reader = BufReader::new(stream.take(MAX_LINE));
    reader
        .read_until(b'\n', &mut answer)
        .context(
            "the office did not answer in time, and may have done it: look with `usher fleet status` or `usher fleet people` before you repeat it",
        )?;
    if answer.is_empty() {
        bail!("the office went away without an answer: look at its log");
    }
    match serde_json::from_slice(&answer).context("the office's answer cannot be read: is it of another version?")? {
        Answer::Refused { why, may_force: true } => bail!("{why}. To do it all the same, use --force"),
        Answer::Refused { why, may_force: false } => bail!("{why}"),
        answer => Ok(answer),
    }
}
