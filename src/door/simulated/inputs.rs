//! Simulated inputs: a small text file says what is open and what is pressed.
//!
//! ```text
//! # The door is open and the button pressed.
//! sensor = open
//! exit_button = pressed
//! ```

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::super::contacts::Levels;
use super::super::{DoorError, Input};

/// The limit for reading the file.
const MOST_BYTES: u64 = 64 * 1024;

/// Inputs that a file sets.
pub(in crate::door) struct FileInputs {
    /// Without a file, all inputs stay at rest.
    path: Option<PathBuf>,
    inputs: Vec<Input>,
    /// The last problem with the file, which is logged once.
    complaint: Option<String>,
}

impl FileInputs {
    /// The file for `inputs`. It need not exist.
    pub fn new(path: Option<PathBuf>, inputs: Vec<Input>) -> FileInputs {
        FileInputs { path, inputs, complaint: None }
    }

    /// The file's text, empty if there is no file. A FIFO or a folder is an error and does not block.
    fn text(&self) -> io::Result<String> {
        let Some(path) = &self.path else { return Ok(String::new()) };
        let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            opened => opened?,
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Levels for FileInputs {
    fn levels(&mut self) -> Result<Vec<bool>, DoorError> {
        let (active, complaint) = match self.text() {
            Ok(text) => parse(&text, &self.inputs),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        if complaint != self.complaint {
            if let (Some(what), Some(path)) = (&complaint, &self.path) {
                tracing::warn!(path = %path.display(), %what, "simulated inputs: ignored");
            }
            self.complaint = complaint;
        }
        Ok(self.inputs.iter().map(|input| active.contains(input)).collect())
    }

    fn describe(&self) -> Vec<String> {
        let source = match &self.path {
            Some(path) => format!("simulated by {}", path.display()),
            None => "simulated, always at rest: [door.simulated] inputs names no file".to_owned(),
        };
        self.inputs.iter().map(|input| format!("{input}: {source}")).collect()
    }
}

/// The active inputs of `known`, and the lines that cannot be parsed.
fn parse(text: &str, known: &[Input]) -> (Vec<Input>, Option<String>) {
    let mut active = Vec::new();
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let setting = line.split_once('=').and_then(|(key, word)| {
            let input = [("sensor", Input::Sensor), ("exit_button", Input::ExitButton), ("tamper", Input::Tamper)]
                .into_iter()
                .find(|(name, _)| *name == key.trim())
                .map(|(_, input)| input)?;
            let word = word.trim();
            [true, false].into_iter().find(|&state| input.word(state) == word).map(|state| (input, state))
        });
        match setting {
            Some((input, state)) if known.contains(&input) => {
                active.retain(|other| *other != input);
                if state {
                    active.push(input);
                }
            }
            Some((input, _)) => problems.push(format!("line {}: this door has no {input}", number + 1)),
            None => {
                let shown: String = line.chars().take(40).collect();
                let right = "sensor = open, exit_button = pressed or tamper = open (at rest: closed, released, closed)";
                problems.push(format!("line {}: \"{}\" is not one of {right}", number + 1, shown.escape_debug()));
            }
        }
    }
    problems.truncate(5);
    (active, Some(problems.join("; ")).filter(|problems| !problems.is_empty()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Input; 3] = [Input::Sensor, Input::ExitButton, Input::Tamper];

    #[test]
    fn a_file_that_appears_changes_and_vanishes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inputs");
        let mut inputs = FileInputs::new(Some(path.clone()), ALL.to_vec());
        assert_eq!(inputs.levels(), Ok(vec![false; 3]), "no file: all at rest");
        std::fs::write(&path, "# played\nsensor = open\n\n exit_button=pressed # now\ntamper = closed\n").unwrap();
        assert_eq!(inputs.levels(), Ok(vec![true, true, false]));
        std::fs::write(&path, "sensor = open\nsensor = closed\ntamper = open").unwrap();
        assert_eq!(inputs.levels(), Ok(vec![false, false, true]), "the last line counts");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(inputs.levels(), Ok(vec![false; 3]));
    }

    #[test]
    fn a_wrong_line_is_reported_and_the_rest_counts() {
        let (active, complaint) = parse("sensor = opne\nbell = ringing\n=\ntamper = open\n", &ALL);
        assert_eq!(active, [Input::Tamper]);
        let complaint = complaint.unwrap();
        assert!(complaint.contains("line 1: \"sensor = opne\"") && complaint.contains("line 3"), "{complaint}");
        let (active, complaint) = parse("tamper = open", &[Input::Sensor]);
        assert_eq!((active, complaint.as_deref()), (vec![], Some("line 1: this door has no tamper contact")));
    }

    #[test]
    fn a_folder_and_a_pipe_are_ignored_without_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [folder.path().to_path_buf(), pipe] {
            let mut inputs = FileInputs::new(Some(path), ALL.to_vec());
            assert_eq!(inputs.levels(), Ok(vec![false; 3]));
            assert!(inputs.complaint.is_some());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &bytes).unwrap();
            prop_assert!(FileInputs::new(Some(file.path().into()), ALL.to_vec()).levels().is_ok());
        }

        #[test]
        fn every_written_state_parses(states in any::<[bool; 3]>()) {
            let text: Vec<String> = ["sensor", "exit_button", "tamper"].iter().zip(ALL.iter().zip(states))
                .map(|(key, (input, state))| format!("{key} = {}", input.word(state))).collect();
            let (active, complaint) = parse(&text.join("\n"), &ALL);
            prop_assert_eq!(complaint, None);
            let expected: Vec<Input> = ALL.iter().zip(states).filter(|(_, state)| *state).map(|(input, _)| *input).collect();
            prop_assert_eq!(active, expected);
        }
    }
}
