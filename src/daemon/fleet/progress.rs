//! How far the board is in telling the office: its journal, its reports and its requests.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::fleet::{Ask, Resend};
use crate::office::{Asked, AskedId, Which};
use crate::setup::fleet::Disk;

/// After which time requests that were not answered are sent again.
const AGAIN_AFTER: Duration = Duration::from_secs(900);

/// What is told, and how far.
#[derive(Debug, Default)]
pub struct Telling {
    /// The number of the first record that is told since the board joined.
    pub first: u64,
    /// The last request to send records again, and the newest record that had been sent before.
    pub again: Option<(Resend, u64)>,
    /// The number of the last report.
    number: u64,
    /// BLAKE3 of the signed rules that are held.
    pub rules: Option<[u8; 32]>,
    /// Whether the servers have other rules, although not newer ones: the office was restored from a backup, perhaps.
    pub others: bool,
}

impl Telling {
    /// Begins with what is on disk.
    pub fn begin(first: u64, disk: &Disk) -> Telling {
        let signed = disk.signed_rules();
        let rules = (!signed.is_empty()).then(|| *blake3::hash(&signed).as_bytes());
        Telling { first, rules, ..Telling::default() }
    }

    /// The servers have rules that are not newer than those held; `is_held` says whether they are of the same version.
    pub fn saw_rules(&mut self, is_held: bool, signed: &[u8]) {
        self.others = !is_held || self.rules != Some(*blake3::hash(signed).as_bytes());
    }

    /// These rules are held now.
    pub fn holds_rules(&mut self, signed: &[u8]) {
        (self.rules, self.others) = (Some(*blake3::hash(signed).as_bytes()), false);
    }

    /// The number of the next report. It rises over a restart, too, unless the clock was set back.
    pub fn next(&mut self, now_ms: i64) -> u64 {
        self.number = self.number.saturating_add(1).max(u64::try_from(now_ms).unwrap_or_default());
        self.number
    }
}

/// Requests on their way.
#[derive(Default)]
pub struct Asking {
    /// When all that were not answered were sent last.
    all: Option<Instant>,
    /// At most as many as the board may have open.
    pub waiting: VecDeque<(AskedId, Asked, Ask)>,
}

impl Asking {
    /// Which requests are sent now: all that were not answered once it is time for that.
    pub fn due(&mut self, which: Which, now: Instant) -> Which {
        let is_time = self.all.is_none_or(|at| now.saturating_duration_since(at) >= AGAIN_AFTER);
        let due = if which == Which::Changed && is_time { Which::All } else { which };
        if due == Which::All {
            self.all = Some(now);
        }
        due
    }

    /// Whether requests wait to be sent.
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Adds requests. Each replaces a waiting one about the same person.
    pub fn add(&mut self, due: Vec<(AskedId, Asked, Ask)>) {
        let ids: BTreeSet<AskedId> = due.iter().map(|(id, ..)| *id).collect();
        self.waiting.retain(|(id, ..)| !ids.contains(id));
        self.waiting.extend(due);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Actor, PersonId};
    use crate::fleet::RequestKind;
    use crate::office::Wish;

    #[test]
    fn a_request_takes_the_place_of_one_that_waits_and_all_are_sent_again_now_and_then() {
        let one = |uuid: u128, number: u64| {
            let (id, by) =
                (AskedId { kind: RequestKind::Person, uuid: Uuid::from_u128(uuid) }, Actor::Fleet("anna".into()));
            let asked = Asked { wish: Wish::Disable { person: PersonId(1) }, by, number, sent: None, verdict: None };
            (id, asked, Ask::Disable)
        };
        let mut asking = Asking::default();
        asking.add(vec![one(1, 1), one(2, 2)]);
        asking.add(vec![one(1, 3)]);
        let numbers: Vec<u64> = asking.waiting.iter().map(|(_, asked, _)| asked.number).collect();
        assert_eq!((numbers, asking.waits()), (vec![2, 3], true));
        let now = Instant::now();
        assert_eq!(asking.due(Which::New, now), Which::New);
        assert_eq!(asking.due(Which::All, now), Which::All);
        assert_eq!(asking.due(Which::Changed, now + AGAIN_AFTER / 2), Which::Changed);
        assert_eq!(asking.due(Which::Changed, now + AGAIN_AFTER), Which::All);
        assert_eq!(asking.due(Which::Changed, now + AGAIN_AFTER), Which::Changed);
    }

    #[test]
    fn a_board_tells_its_rules_while_the_servers_have_others_that_are_not_newer() {
        let mut telling = Telling::default();
        telling.saw_rules(true, b"of the same version, before anything is held");
        assert!(telling.others);
        telling.holds_rules(b"seven");
        assert!(!telling.others);
        telling.saw_rules(true, b"seven");
        assert!(!telling.others);
        telling.saw_rules(true, b"another seven");
        assert!(telling.others);
        telling.saw_rules(false, b"five");
        assert!(telling.others);
        telling.holds_rules(b"nine");
        assert!(!telling.others);
        // Numbers rise although the clock is set back.
        let numbers = [500, 400, 900].map(|now_ms| telling.next(now_ms));
        assert_eq!(numbers, [500, 501, 900]);
    }
}
