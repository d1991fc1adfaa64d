//! What each user of the servers may do: exact subjects, nothing else.
//!
//! Boards get no consumers. A server sends what a consumer delivers to whatever subject its maker names, so who may make one may write anywhere.

use super::{Stream, Subject};
use crate::fleet::{Board, Gallery, Site};

/// Who connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The only writer of people, rules, keys and heads. It reads everything.
    Office,
    /// A board: it reads what its site needs, and writes its own journal and state, and where the people of its site are.
    Board {
        /// Its site.
        site: Site,
        /// Its site's people.
        gallery: Gallery,
        /// Its name.
        board: Board,
    },
    /// Who hands the servers a new account, with a credential of the system account.
    System,
}

/// The subjects that a user may publish to and subscribe to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects to publish to. Requests to the servers are published, too.
    pub publish: Vec<String>,
    /// Subjects to subscribe to, among them the user's own for answers.
    pub subscribe: Vec<String>,
}

impl Role {
    /// The permissions of a user with this role. `user` is its public key: answers come to subjects that bear it and that no other user may read.
    pub fn permissions(&self, user: &str) -> Permissions {
        let answers = format!("{}.>", inbox(user));
        match self {
            Role::Office => Permissions {
                publish: vec!["usher.>".to_owned(), "$JS.API.>".to_owned()],
                subscribe: vec!["usher.>".to_owned(), answers],
            },
            Role::System => {
                Permissions { publish: vec!["$SYS.REQ.CLAIMS.UPDATE".to_owned()], subscribe: vec![answers] }
            }
            Role::Board { site, gallery, board } => {
                let (people, places) = (Stream::People(gallery.clone()), Stream::Places(site.clone()));
                let newest = [Subject::rules(site), Subject::key(gallery, board), Subject::head(gallery)];
                let mut publish = vec![
                    Subject::journal(site, board).to_string(),
                    Subject::board(board).to_string(),
                    format!("$JS.API.STREAM.INFO.{people}"),
                    format!("$JS.API.STREAM.MSG.GET.{people}"),
                    // Any board of the site may say where somebody is.
                    places.pattern(),
                    format!("$JS.API.STREAM.INFO.{places}"),
                    format!("$JS.API.STREAM.MSG.GET.{places}"),
                ];
                publish.extend(newest.iter().map(newest_request));
                let mut subscribe = vec![people.pattern(), places.pattern(), answers];
                subscribe.extend(newest.iter().map(Subject::to_string));
                Permissions { publish, subscribe }
            }
        }
    }
}

/// The beginning of the subjects to which a user's answers come.
pub(super) fn inbox(user: &str) -> String {
    format!("_INBOX.{user}")
}

/// Where the newest message of a subject is asked for.
pub(super) fn newest_request(subject: &Subject) -> String {
    format!("$JS.API.DIRECT.GET.{}.{subject}", subject.stream())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_reaches_nothing_of_another_site_or_board() {
        let role = |site: &str, board: &str| Role::Board {
            site: site.parse().unwrap(),
            gallery: site.parse().unwrap(),
            board: board.parse().unwrap(),
        };
        let (hall, rome) = (role("berlin", "hall").permissions("UHALL"), role("rome", "gate").permissions("UGATE"));
        let all = |of: &Permissions| [of.publish.clone(), of.subscribe.clone()].concat();
        for mine in all(&hall) {
            assert!(!all(&rome).contains(&mine), "{mine}");
            assert!(!mine.contains("CONSUMER"), "{mine}");
            assert!(!mine.contains('>') || mine == "usher.people.berlin.>" || mine == "_INBOX.UHALL.>", "{mine}");
        }
        // Doors of one site differ in what they write, and in their keys.
        let side = role("berlin", "side").permissions("USIDE");
        let shared: Vec<_> = hall.publish.iter().filter(|subject| side.publish.contains(subject)).collect();
        assert_eq!(
            shared,
            [
                "$JS.API.STREAM.INFO.PEOPLE-berlin",
                "$JS.API.STREAM.MSG.GET.PEOPLE-berlin",
                "usher.places.berlin.*",
                "$JS.API.STREAM.INFO.PLACES-berlin",
                "$JS.API.STREAM.MSG.GET.PLACES-berlin",
                "$JS.API.DIRECT.GET.RULES.usher.rules.berlin",
                "$JS.API.DIRECT.GET.HEADS.usher.head.berlin",
            ]
        );
    }
}
