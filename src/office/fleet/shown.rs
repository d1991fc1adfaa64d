//! What a board says of itself, with texts that can be shown: nothing in it is an order to a terminal, and nothing is long.

use super::protocol::{BoardReport, MOST_DOORS};
use crate::names::{LONGEST_NAME, shown_line};

/// The longest reason of a board that is shown, in characters.
const LONGEST_TROUBLE: usize = 600;

impl BoardReport {
    /// The same with texts that can be shown: a stolen board may say anything.
    pub fn shown(mut self) -> BoardReport {
        let beside = self.beside.iter_mut().map(|beside| &mut beside.model);
        for text in [&mut self.version, &mut self.model, &mut self.digest].into_iter().chain(beside) {
            *text = shown_line(text, LONGEST_NAME);
        }
        if let Some(instance) = &mut self.instance {
            *instance = shown_line(instance, LONGEST_NAME);
        }
        for trouble in self.rules_trouble.iter_mut().chain(&mut self.models_trouble) {
            *trouble = shown_line(trouble, LONGEST_TROUBLE);
        }
        self.doors.truncate(MOST_DOORS);
        self.doors.iter_mut().for_each(|door| *door = shown_line(door, LONGEST_NAME));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::office::fleet::protocol::BesideReport;

    #[test]
    fn what_a_stolen_board_says_orders_a_terminal_nothing() {
        let order = || "\u{1b}[2J".to_owned();
        let said = BoardReport {
            version: order(),
            model: order(),
            rules_trouble: Some(order()),
            models_trouble: Some(order()),
            doors: vec![order(); 1000],
            beside: Some(BesideReport { model: order(), ..BesideReport::default() }),
            ..BoardReport::default()
        };
        let shown = said.shown();
        assert_eq!(shown.doors.len(), MOST_DOORS);
        assert!(!serde_json::to_string(&shown).unwrap().contains("\\u001b"));
    }
}
