//! Plays commands of a document in a house that is prepared for them.

use std::io::{Read, Write};
use std::process::Stdio;

use crate::support::{House, eventually};
use crate::written::words;

/// A command as a document has it, and what it needs here.
#[derive(Clone, Copy)]
pub struct Run {
    pub line: &'static str,
    with: &'static [(&'static str, &'static str)],
    and: &'static [&'static str],
    types: &'static str,
    says: &'static str,
    goes_on: bool,
}

pub const fn run(line: &'static str) -> Run {
    Run { line, with: &[], and: &[], types: "", says: "", goes_on: false }
}

impl Run {
    /// With other words in place of the document's: numbers of records, devices, folders outside the house. `{…}` is one of the house's own.
    pub const fn with(mut self, with: &'static [(&'static str, &'static str)]) -> Run {
        self.with = with;
        self
    }

    /// With these arguments, too: nobody answers a question here.
    pub const fn and(mut self, and: &'static [&'static str]) -> Run {
        self.and = and;
        self
    }

    /// This is typed.
    pub const fn types(mut self, types: &'static str) -> Run {
        self.types = types;
        self
    }

    /// The output has this in it.
    pub const fn says(mut self, says: &'static str) -> Run {
        self.says = says;
        self
    }

    /// It goes on until somebody stops it.
    pub const fn goes_on(mut self) -> Run {
        self.goes_on = true;
        self
    }

    fn arguments(&self, own: &[(&str, String)]) -> Vec<String> {
        let replaced = |word: String| {
            let word = self.with.iter().fold(word, |word, (from, to)| word.replace(from, to));
            own.iter().fold(word, |word, (name, value)| word.replace(&format!("{{{name}}}"), value))
        };
        let line = words(self.line).into_iter().skip(1).map(replaced);
        line.chain(self.and.iter().map(|word| (*word).to_owned())).collect()
    }

    fn play(&self, house: &House, own: &[(&str, String)]) {
        let arguments = self.arguments(own);
        let mut command = house.command(&arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may end without reading.
        drop(child.stdin.take().unwrap().write_all(self.types.as_bytes()));
        if self.goes_on {
            let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
            let (send, received) = std::sync::mpsc::channel();
            let other = send.clone();
            let pass_on = |pipe: &mut dyn Read, send: std::sync::mpsc::Sender<String>| {
                let mut piece = [0; 4096];
                while let Ok(read @ 1..) = pipe.read(&mut piece) {
                    drop(send.send(String::from_utf8_lossy(&piece[..read]).into_owned()));
                }
            };
            let threads = [
                std::thread::spawn(move || pass_on(&mut out, send)),
                std::thread::spawn(move || pass_on(&mut err, other)),
            ];
            let mut said = String::new();
            eventually(self.line, || {
                said.extend(received.try_iter());
                let ended = child.try_wait().unwrap();
                assert!(ended.is_none(), "{}: ended with {ended:?}: {said}", self.line);
                said.contains(self.says).then_some(())
            });
            child.kill().unwrap();
            child.wait().unwrap();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            return;
        }
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert_eq!(output.status.code(), Some(0), "{} ({arguments:?}): {text}", self.line);
        assert!(text.contains(self.says), "{} does not say {:?}: {text}", self.line, self.says);
    }
}

/// Plays commands one after the other. `own` are names and values of the house's own.
pub fn play(house: &House, runs: &[Run], own: &[(&str, String)]) {
    runs.iter().for_each(|run| run.play(house, own));
}
