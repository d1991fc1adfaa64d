//! What doors ask of the people before them, as it is to be sent: the newest prompt of each door, once for each change, and never retained.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Prompt;

/// The prompts of the doors that ask for more than a face.
#[derive(Debug, Default)]
pub struct Prompts {
    newest: BTreeMap<String, Prompt>,
    unsent: BTreeSet<String>,
}

impl Prompts {
    /// Of these doors, all idle and to be sent.
    pub fn new(doors: impl Iterator<Item = String>) -> Prompts {
        let newest: BTreeMap<String, Prompt> = doors.map(|door| (door, Prompt::Idle)).collect();
        Prompts { unsent: newest.keys().cloned().collect(), newest }
    }

    /// Sets what a door asks. Other doors are passed over.
    pub fn set(&mut self, door: &str, prompt: Prompt) {
        if let Some(known) = self.newest.get_mut(door).filter(|known| **known != prompt) {
            *known = prompt;
            self.unsent.insert(door.to_owned());
        }
    }

    /// Everything is to be sent again: the broker keeps no prompt.
    pub fn all_unsent(&mut self) {
        self.unsent = self.newest.keys().cloned().collect();
    }

    /// The next door whose prompt is to be sent. A prompt that changed twice is sent once.
    pub fn take_unsent(&mut self) -> Option<(String, Prompt)> {
        let door = self.unsent.pop_first()?;
        let prompt = self.newest.get(&door).copied()?;
        Some((door, prompt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_sent_once_and_only_the_newest() {
        let mut prompts = Prompts::new(["back", "front"].map(str::to_owned).into_iter());
        assert_eq!(prompts.take_unsent(), Some(("back".into(), Prompt::Idle)));
        assert_eq!(prompts.take_unsent(), Some(("front".into(), Prompt::Idle)));
        assert_eq!(prompts.take_unsent(), None);
        for prompt in [Prompt::TurnLeft, Prompt::LookAhead, Prompt::LookAhead] {
            prompts.set("front", prompt);
            prompts.set("yard", prompt);
        }
        assert_eq!(prompts.take_unsent(), Some(("front".into(), Prompt::LookAhead)));
        assert_eq!(prompts.take_unsent(), None);
        prompts.all_unsent();
        assert_eq!(std::iter::from_fn(|| prompts.take_unsent()).count(), 2);
    }
}
