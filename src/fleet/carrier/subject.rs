//! The streams of a fleet, and the subjects in them.

use std::fmt;

use uuid::Uuid;

use super::{Domain, Leaves};
use crate::fleet::{Board, Gallery, RequestPlace, Site};

/// A stream. All but the journal keep only the newest message of each subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// The people of one gallery. Each gallery has its own stream, so that a board can read it by sequence and no other.
    People(Gallery),
    /// What holds at each site.
    Rules,
    /// The galleries' keys, sealed to each board.
    Keys,
    /// What each gallery looks like as a whole, signed each minute.
    Heads,
    /// The records of all boards' journals.
    Journal,
    /// What boards say of themselves.
    Boards,
    /// What boards ask of the office.
    Requests,
    /// What became of it.
    Answers,
    /// Which office writes.
    Office,
    /// Which credentials the office has taken back.
    Revoked,
    /// Where the people of a site are, as its boards say. It is kept in memory alone.
    Places(Site),
}

impl Stream {
    /// Its name at the servers.
    pub fn name(&self) -> String {
        match self {
            Stream::People(gallery) => format!("PEOPLE-{gallery}"),
            Stream::Rules => "RULES".to_owned(),
            Stream::Keys => "KEYS".to_owned(),
            Stream::Heads => "HEADS".to_owned(),
            Stream::Journal => "JOURNAL".to_owned(),
            Stream::Boards => "BOARDS".to_owned(),
            Stream::Requests => "REQUESTS".to_owned(),
            Stream::Answers => "ANSWERS".to_owned(),
            Stream::Office => "OFFICE".to_owned(),
            Stream::Revoked => "REVOKED".to_owned(),
            Stream::Places(site) => format!("PLACES-{site}"),
        }
    }

    /// The subjects that it takes: one pattern.
    pub fn pattern(&self) -> String {
        match self {
            Stream::People(gallery) => format!("usher.people.{gallery}.>"),
            Stream::Rules => "usher.rules.*".to_owned(),
            Stream::Keys => "usher.key.*.*".to_owned(),
            Stream::Heads => "usher.head.*".to_owned(),
            Stream::Journal => "usher.journal.*.*".to_owned(),
            Stream::Boards => "usher.board.*.*".to_owned(),
            Stream::Requests => "usher.request.*.*.*.*".to_owned(),
            Stream::Answers => "usher.answer.*.*".to_owned(),
            Stream::Office => "usher.office".to_owned(),
            Stream::Revoked => "usher.revoked".to_owned(),
            Stream::Places(site) => format!("usher.places.{site}.*"),
        }
    }

    /// The site whose leaf server keeps it, where the site has one; `None` for what the fleet's own servers keep.
    fn leaf_site(&self) -> Option<&Site> {
        match self {
            Stream::Places(site) => Some(site),
            Stream::People(_)
            | Stream::Rules
            | Stream::Keys
            | Stream::Heads
            | Stream::Journal
            | Stream::Boards
            | Stream::Requests
            | Stream::Answers
            | Stream::Office
            | Stream::Revoked => None,
        }
    }

    /// Which servers keep it.
    pub fn domain(&self, leaves: &Leaves) -> Domain {
        match self.leaf_site() {
            Some(site) if leaves.has(site) => Domain::Leaf(site.clone()),
            Some(_) | None => Domain::Hub,
        }
    }

    /// The subjects that a server is told to take. With leaves, boards' streams name each site: a server tells a leaf of no interest that is wider than what
    /// the leaf may send.
    pub(super) fn subjects<'a>(&self, sites: impl IntoIterator<Item = &'a Site>) -> Vec<String> {
        let pattern = self.pattern();
        let by_site: Vec<String> = match self {
            Stream::Journal | Stream::Boards | Stream::Requests => {
                sites.into_iter().map(|site| pattern.replacen('*', site.as_str(), 1)).collect()
            }
            _ => Vec::new(),
        };
        if by_site.is_empty() { vec![pattern] } else { by_site }
    }

    /// Whether it takes a subject.
    pub fn takes(&self, subject: &str) -> bool {
        fits(&self.pattern(), subject)
    }

    /// The streams that a fleet has, with the people of these galleries. Places are prepared apart: they may be elsewhere, and nothing waits for them.
    pub fn all(galleries: impl IntoIterator<Item = Gallery>) -> Vec<Stream> {
        // The people come first: a carrier learns from them which sites there are.
        let mut all: Vec<Stream> = galleries.into_iter().map(Stream::People).collect();
        all.extend([
            Stream::Office,
            Stream::Revoked,
            Stream::Rules,
            Stream::Keys,
            Stream::Heads,
            Stream::Journal,
            Stream::Boards,
            Stream::Requests,
            Stream::Answers,
        ]);
        all
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// A subject, or a pattern of subjects for [`super::Carrier::watch`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    stream: Stream,
    text: String,
}

impl Subject {
    /// One person's record for one model.
    pub fn person(gallery: &Gallery, model: &str, person: Uuid) -> Subject {
        Subject {
            stream: Stream::People(gallery.clone()),
            text: format!("usher.people.{gallery}.{}.{person}", plain(model)),
        }
    }

    /// All people of a gallery for one model: a pattern.
    pub fn of_model(gallery: &Gallery, model: &str) -> Subject {
        let stream = Stream::People(gallery.clone());
        Subject { text: format!("usher.people.{gallery}.{}.*", plain(model)), stream }
    }

    /// All people of a gallery: a pattern.
    pub fn people(gallery: &Gallery) -> Subject {
        let stream = Stream::People(gallery.clone());
        Subject { text: stream.pattern(), stream }
    }

    /// What holds at a site.
    pub fn rules(site: &Site) -> Subject {
        Subject { stream: Stream::Rules, text: format!("usher.rules.{site}") }
    }

    /// A gallery's key for a board.
    pub fn key(gallery: &Gallery, board: &Board) -> Subject {
        Subject { stream: Stream::Keys, text: format!("usher.key.{gallery}.{board}") }
    }

    /// A gallery as a whole.
    pub fn head(gallery: &Gallery) -> Subject {
        Subject { stream: Stream::Heads, text: format!("usher.head.{gallery}") }
    }

    /// A board's journal.
    pub fn journal(site: &Site, board: &Board) -> Subject {
        Subject { stream: Stream::Journal, text: format!("usher.journal.{site}.{board}") }
    }

    /// All boards' journals: a pattern.
    pub fn journals() -> Subject {
        Subject { stream: Stream::Journal, text: Stream::Journal.pattern() }
    }

    /// What a board says of itself.
    pub fn board(site: &Site, board: &Board) -> Subject {
        Subject { stream: Stream::Boards, text: format!("usher.board.{site}.{board}") }
    }

    /// What all boards say of themselves: a pattern.
    pub fn boards() -> Subject {
        Subject { stream: Stream::Boards, text: Stream::Boards.pattern() }
    }

    /// A board's request about somebody.
    pub fn request(place: &RequestPlace) -> Subject {
        let RequestPlace { site, board, kind, uuid } = place;
        Subject { stream: Stream::Requests, text: format!("usher.request.{site}.{board}.{kind}.{uuid}") }
    }

    /// All requests of a board: a pattern.
    pub fn requests_of(site: &Site, board: &Board) -> Subject {
        Subject { stream: Stream::Requests, text: format!("usher.request.{site}.{board}.*.*") }
    }

    /// All boards' requests: a pattern.
    pub fn requests() -> Subject {
        Subject { stream: Stream::Requests, text: Stream::Requests.pattern() }
    }

    /// What became of a board's requests.
    pub fn answers(site: &Site, board: &Board) -> Subject {
        Subject { stream: Stream::Answers, text: format!("usher.answer.{site}.{board}") }
    }

    /// Which office writes.
    pub fn office() -> Subject {
        Subject { stream: Stream::Office, text: Stream::Office.pattern() }
    }

    /// Where somebody is.
    pub fn place(site: &Site, person: Uuid) -> Subject {
        Subject { stream: Stream::Places(site.clone()), text: format!("usher.places.{site}.{person}") }
    }

    /// What a board writes among the places of its site to learn the servers' time. It is nobody's place.
    pub fn clock(site: &Site, board: &Board) -> Subject {
        Subject { stream: Stream::Places(site.clone()), text: format!("usher.places.{site}.clock-{board}") }
    }

    /// Where the people of a site are: a pattern.
    pub fn places(site: &Site) -> Subject {
        let stream = Stream::Places(site.clone());
        Subject { text: stream.pattern(), stream }
    }

    /// Which credentials were taken back.
    pub fn revoked() -> Subject {
        Subject { stream: Stream::Revoked, text: Stream::Revoked.pattern() }
    }

    /// The stream that has it.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The subject as servers know it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a subject is this one, or fits this pattern.
    pub fn covers(&self, subject: &str) -> bool {
        fits(&self.text, subject)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The model, person's uuid and gallery are one part each of `usher.people.<gallery>.<model>.<uuid>`; `None` for every other subject.
pub fn person_of(subject: &str) -> Option<Uuid> {
    let mut parts = subject.split('.');
    let (usher, people, _gallery, _model, person) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let whole = usher == "usher" && people == "people" && parts.next().is_none();
    whole.then(|| person.parse().ok()).flatten()
}

/// Whose place a subject of [`Subject::places`] is about; `None` for every other subject.
pub fn placed_person(subject: &str) -> Option<Uuid> {
    let mut parts = subject.split('.');
    let (usher, places, _site, person) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let whole = usher == "usher" && places == "places" && parts.next().is_none();
    whole.then(|| person.parse().ok()).flatten()
}

/// Where a request belongs, by its subject; `None` for every other subject.
pub fn request_of(subject: &str) -> Option<RequestPlace> {
    let mut parts = subject.strip_prefix("usher.request.")?.split('.');
    let (site, board, kind, uuid) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let place = RequestPlace {
        site: site.parse().ok()?,
        board: board.parse().ok()?,
        kind: kind.parse().ok()?,
        uuid: uuid.parse().ok()?,
    };
    // A uuid can be written in several ways.
    (parts.next().is_none() && Subject::request(&place).as_str() == subject).then_some(place)
}

/// The site and the board of `usher.board.<site>.<board>`; `None` for every other subject.
pub fn board_of(subject: &str) -> Option<(Site, Board)> {
    let (site, board) = subject.strip_prefix("usher.board.")?.split_once('.')?;
    Some((site.parse().ok()?, board.parse().ok()?))
}

/// A model's name as one part of a subject: other characters than letters, digits, `-` and `_` become `_`.
fn plain(model: &str) -> String {
    let part: String =
        model.chars().take(64).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    if part.is_empty() { "_".to_owned() } else { part }
}

/// Whether a subject fits a pattern with `*` for one part and `>` for one or more at the end.
pub(super) fn fits(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::RequestKind;

    fn request(site: &Site, board: &Board) -> RequestPlace {
        let (kind, uuid) = (RequestKind::Templates, Uuid::from_u128(7));
        RequestPlace { site: site.clone(), board: board.clone(), kind, uuid }
    }

    #[test]
    fn each_subject_is_taken_by_its_stream_and_by_no_other() {
        let (site, gallery, board): (Site, Gallery, Board) =
            ("berlin".parse().unwrap(), "berlin".parse().unwrap(), "hall-2".parse().unwrap());
        let subjects = [
            Subject::person(&gallery, "sface v2.1", Uuid::nil()),
            Subject::rules(&site),
            Subject::key(&gallery, &board),
            Subject::head(&gallery),
            Subject::journal(&site, &board),
            Subject::board(&site, &board),
            Subject::request(&request(&site, &board)),
            Subject::answers(&site, &board),
            Subject::office(),
            Subject::place(&site, Uuid::nil()),
            Subject::clock(&site, &board),
        ];
        let mut streams = Stream::all([gallery.clone(), "rome".parse().unwrap()]);
        streams.extend([site.clone(), "rome".parse().unwrap()].map(Stream::Places));
        for subject in &subjects {
            let takers: Vec<_> = streams.iter().filter(|stream| stream.takes(subject.as_str())).collect();
            assert_eq!(takers, [subject.stream()], "{subject}");
        }
        assert_eq!(subjects[0].as_str(), "usher.people.berlin.sface_v2_1.00000000-0000-0000-0000-000000000000");
        assert!(Subject::people(&gallery).covers(subjects[0].as_str()));
        assert!(!Subject::people(&"rome".parse().unwrap()).covers(subjects[0].as_str()));
        assert!(Subject::boards().covers("usher.board.x.y") && !Subject::boards().covers("usher.board.x"));
        assert_eq!(board_of("usher.board.berlin.hall-2"), Some((site.clone(), board.clone())));
        for other in ["", "usher.board.hall", "usher.board.a.b.c", "usher.boards.a.b", "usher.board.A.b"] {
            assert_eq!(board_of(other), None, "{other}");
        }
        assert!(!Subject::people(&gallery).covers("usher.people.berlin"));
    }

    #[test]
    fn the_person_is_read_from_a_subject() {
        let person = Uuid::from_u128(7);
        let subject = Subject::person(&"a".parse().unwrap(), "sface", person);
        assert_eq!(person_of(subject.as_str()), Some(person));
        for other in ["", "usher.people.a.sface", "usher.people.a.sface.x", "usher.rules.a", "usher.people.a.b.c.d"] {
            assert_eq!(person_of(other), None, "{other}");
        }
        let place = Subject::place(&"a".parse().unwrap(), person);
        assert_eq!((placed_person(place.as_str()), person_of(place.as_str())), (Some(person), None));
        for other in ["", "usher.places.a", "usher.places.a.x", "usher.people.a.b", "usher.places.a.b.c"] {
            assert_eq!(placed_person(other), None, "{other}");
        }
    }

    #[test]
    fn a_requests_place_is_read_from_its_subject() {
        let place = request(&"berlin".parse().unwrap(), &"hall-2".parse().unwrap());
        let subject = Subject::request(&place);
        assert_eq!(subject.as_str(), "usher.request.berlin.hall-2.templates.00000000-0000-0000-0000-000000000007");
        assert_eq!(request_of(subject.as_str()), Some(place.clone()));
        assert!(Subject::requests_of(&place.site, &place.board).covers(subject.as_str()));
        for other in [
            "usher.request.berlin.hall-2.templates",
            "usher.request.berlin.hall-2.other.00000000-0000-0000-0000-000000000007",
            "usher.request.berlin.hall-2.templates.00000000000000000000000000000007",
            "usher.request.berlin.hall-2.templates.00000000-0000-0000-0000-000000000007.x",
            "usher.people.berlin.hall-2.templates.00000000-0000-0000-0000-000000000007",
        ] {
            assert_eq!(request_of(other), None, "{other}");
        }
    }
}
