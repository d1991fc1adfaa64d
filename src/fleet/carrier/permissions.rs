//! What each user of the servers may do: exact subjects, nothing else.
//!
//! Boards get no consumers. A server sends what a consumer delivers to whatever subject its maker names, so who may make one may write anywhere.

use super::{Domain, Leaves, Stream, Subject};
use crate::fleet::{Board, Gallery, Site};

/// The office among those to whom answers of a site's leaf come. No user's public key is written so.
const OFFICE: &str = "office";

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
        /// The servers to which it connects: those of its site's leaf, or the fleet's own.
        at: Domain,
    },
    /// The leaf server of a site, for what passes between it and the fleet's own servers.
    Leaf {
        /// Its site.
        site: Site,
        /// Its site's people.
        gallery: Gallery,
    },
    /// The same server in the system account: the list of who is revoked comes to it there.
    LeafSystem,
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
        let answers = |at: &Domain| format!("{}.>", at.inbox(user));
        match self {
            Role::Office => Permissions {
                // The second is for the leaves.
                publish: vec!["usher.>".to_owned(), "$JS.API.>".to_owned(), "$JS.*.API.>".to_owned()],
                subscribe: vec!["usher.>".to_owned(), answers(&Domain::Hub), format!("_INBOX.*.{OFFICE}.>")],
            },
            Role::System => Permissions {
                publish: vec!["$SYS.REQ.CLAIMS.UPDATE".to_owned()],
                subscribe: vec![answers(&Domain::Hub)],
            },
            Role::Leaf { site, gallery } => leaf(site, gallery),
            Role::LeafSystem => Permissions {
                // It asks for the newest list, confirms one that is handed to it, and is asked to.
                publish: vec!["$SYS.REQ.CLAIMS.PACK".to_owned(), "_INBOX.*.>".to_owned()],
                subscribe: vec!["$SYS.REQ.CLAIMS.UPDATE".to_owned(), "$SYS._INBOX.>".to_owned()],
            },
            Role::Board { site, gallery, board, at } => {
                let leaves: Leaves = match at {
                    Domain::Leaf(site) => [site.clone()].into_iter().collect(),
                    Domain::Hub => Leaves::default(),
                };
                let api_of = |stream: &Stream| at.api(&stream.domain(&leaves));
                let (people, places) = (Stream::People(gallery.clone()), Stream::Places(site.clone()));
                let newest = [
                    Subject::rules(site),
                    Subject::key(gallery, board),
                    Subject::head(gallery),
                    Subject::answers(site, board),
                ];
                let mut publish = vec![
                    Subject::journal(site, board).to_string(),
                    Subject::board(site, board).to_string(),
                    Subject::requests_of(site, board).to_string(),
                    format!("{}.STREAM.INFO.{people}", api_of(&people)),
                    format!("{}.STREAM.MSG.GET.{people}", api_of(&people)),
                    // Any board of the site may say where somebody is.
                    places.pattern(),
                    format!("{}.STREAM.INFO.{places}", api_of(&places)),
                    format!("{}.STREAM.MSG.GET.{places}", api_of(&places)),
                ];
                publish.extend(newest.iter().map(|subject| newest_request(at, &leaves, subject)));
                let mut subscribe = vec![people.pattern(), places.pattern(), answers(at)];
                subscribe.extend(newest.iter().map(Subject::to_string));
                Permissions { publish, subscribe }
            }
        }
    }
}

/// What passes a site's leaf: what its boards may, but for the places, which stay there. Servers before 2.10 do not check what a leaf sends.
fn leaf(site: &Site, gallery: &Gallery) -> Permissions {
    let (hub, leaf) = (Domain::Hub, Domain::Leaf(site.clone()));
    let (api, people) = (leaf.api(&hub), Stream::People(gallery.clone()));
    let newest = [
        (Stream::Rules, format!("usher.rules.{site}")),
        (Stream::Keys, format!("usher.key.{gallery}.*")),
        (Stream::Heads, format!("usher.head.{gallery}")),
        (Stream::Answers, format!("usher.answer.{site}.*")),
    ];
    let mut publish = vec![
        format!("usher.journal.{site}.*"),
        format!("usher.board.{site}.*"),
        format!("usher.request.{site}.>"),
        format!("_INBOX.{site}.{OFFICE}.>"),
        format!("{api}.STREAM.INFO.{people}"),
        format!("{api}.STREAM.MSG.GET.{people}"),
    ];
    publish.extend(newest.iter().map(|(stream, subject)| format!("{api}.DIRECT.GET.{stream}.{subject}")));
    let mut subscribe = vec![people.pattern(), format!("_INBOX.{site}.>"), format!("{}.>", hub.api(&leaf))];
    subscribe.extend(newest.map(|(_, subject)| subject));
    Permissions { publish, subscribe }
}

/// Where a leaf answers the office.
pub(super) fn office_inbox(site: &Site, id: &str) -> String {
    format!("_INBOX.{site}.{OFFICE}.{id}")
}

/// Where a client of the servers `at` asks for the newest message of a subject.
pub(super) fn newest_request(at: &Domain, leaves: &Leaves, subject: &Subject) -> String {
    let stream = subject.stream();
    format!("{}.DIRECT.GET.{stream}.{subject}", at.api(&stream.domain(leaves)))
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
            at: Domain::Hub,
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

    #[test]
    fn a_leaf_carries_what_its_boards_may_and_nothing_else() {
        let site: Site = "berlin".parse().unwrap();
        let at = Domain::Leaf(site.clone());
        let board =
            Role::Board { site: site.clone(), gallery: Gallery::from(&site), board: "hall".parse().unwrap(), at };
        let (board, leaf) = (
            board.permissions("UHALL"),
            Role::Leaf { site: site.clone(), gallery: Gallery::from(&site) }.permissions(""),
        );
        for (all, mine) in [(&leaf.publish, &board.publish), (&leaf.subscribe, &board.subscribe)] {
            for subject in mine {
                let passes = all.iter().any(|pattern| super::super::subject::fits(pattern, subject));
                let stays = subject.starts_with("usher.places.") || subject.contains("PLACES");
                assert!(passes != stays, "{subject}");
            }
        }
        let rome: Site = "rome".parse().unwrap();
        let other = Role::Leaf { gallery: Gallery::from(&rome), site: rome }.permissions("");
        for mine in leaf.publish.iter().chain(&leaf.subscribe) {
            assert!(!other.publish.contains(mine) && !other.subscribe.contains(mine), "{mine}");
            assert!(mine.contains("berlin") && !mine.contains("CONSUMER"), "{mine}");
        }
    }

    #[test]
    fn a_board_at_a_leaf_asks_the_hub_for_the_same() {
        let site: Site = "berlin".parse().unwrap();
        let role = |at: Domain| Role::Board {
            site: site.clone(),
            gallery: Gallery::from(&site),
            board: "hall".parse().unwrap(),
            at,
        };
        let (hub, leaf) =
            (role(Domain::Hub).permissions("UHALL"), role(Domain::Leaf(site.clone())).permissions("UHALL"));
        // But for what the leaf itself keeps.
        let there = |subject: &String| subject.replace("$JS.API.", "$JS.hub.API.");
        let differs: Vec<_> = hub.publish.iter().map(there).filter(|subject| !leaf.publish.contains(subject)).collect();
        assert!(differs.iter().all(|subject| subject.contains("PLACES")), "{differs:?}");
        assert_eq!(hub.publish.len(), leaf.publish.len());
        assert!(leaf.subscribe.contains(&"_INBOX.berlin.UHALL.>".to_owned()));
    }
}
