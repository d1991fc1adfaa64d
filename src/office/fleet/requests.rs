//! What boards ask of the office, and what becomes of it. A request is carried out once, however often and in whatever order it comes: of each board,
//! kind and person the highest number counts.
//!
//! Somebody whose face and name are nobody's is taken in at once, unless somebody at the office decides about each. A board that asks to disable
//! somebody is always followed, because that lets nobody in. It may enable only whom it has disabled.

use uuid::Uuid;

use super::admit::{Admission, sound};
use super::book::{Book, BookError, Item};
use super::kept::{KeptRecord, KeptRequest, RequestId};
use super::protocol::RequestRow;
use crate::fleet::{
    Answered, Answers, Ask, Board, BoardRequest, Gallery, MAX_ANSWERS, MAX_WHY, PersonBody, RequestError, RequestKey,
    RequestKind, RequestPlace, Site, Verdict,
};
use crate::names::{self, LONGEST_NAME, shown_line};
use crate::store::Change;

/// The most requests of one board that wait for somebody's decision, and the most bytes of them: a person with a few photographs needs some 10 KiB.
const MOST_OPEN: usize = 200;
const MOST_OPEN_BYTES: usize = 8 << 20;
/// The most requests of one board that are remembered, so that none is carried out twice.
const MOST_KEPT: usize = 20_000;
/// How long a refused or waiting request can be decided, in milliseconds: 30 days. Then its faces are deleted.
pub(super) const OPEN_FOR_MS: u64 = 30 * 86_400_000;

/// What an operator decides about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// To carry it out; with `force` even if the name or the face is like somebody's.
    Accept { force: bool },
    /// Not to; why.
    Refuse { why: &'a str },
}

/// A request that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub site: Site,
    pub board: Board,
    pub name: String,
}

/// A request that somebody may decide.
struct Open {
    id: RequestId,
    kept: KeptRequest,
    request: BoardRequest,
}

/// What is to be committed with what a request asks.
struct Settling {
    id: RequestId,
    kept: KeptRequest,
    answers: KeptRecord<Answers>,
    changes: Vec<Change>,
}

/// How a request is carried out.
struct Terms<'a> {
    /// The request as it came.
    bytes: &'a [u8],
    by: &'a str,
    force: bool,
    /// Whether an enrolment waits for somebody's decision.
    waits: bool,
}

impl Book {
    /// Takes a request that came from the servers at `at_ms`, in milliseconds since 1970. Returns whether anything changed.
    ///
    /// # Errors
    /// The store cannot be written. What cannot be granted is no error: the board is answered.
    pub fn take_request(&mut self, place: &RequestPlace, bytes: &[u8], at_ms: u64) -> Result<bool, BookError> {
        let RequestPlace { site, board, .. } = place;
        let known = self.boards.get(board).filter(|kept| !kept.revoked && kept.site == *site);
        let (Some(known), Some(number)) = (known, BoardRequest::number_of(bytes)) else { return Ok(false) };
        let id = id_of(place);
        let held = self.requests.get(&id);
        match held.map(|held| held.number) {
            Some(before) if before > number => return Ok(false),
            Some(before) if before == number => return self.answer_again(&id, at_ms),
            _ => {}
        }
        let request = match BoardRequest::open(self.fleet, place, bytes, &RequestKey::of(&self.key), &known.public()) {
            Ok(request) => request,
            Err(error @ RequestError::Newer { .. }) => {
                tracing::warn!(%board, %error, "a request of a board is set aside");
                return Ok(false);
            }
            Err(error) => {
                tracing::error!(%board, %error, "ALARM: a request that is not this board's is refused");
                return Ok(false);
            }
        };
        if held.is_none() && self.requests_of(board).count() >= MOST_KEPT {
            tracing::error!(%board, "the board asks too much: {MOST_KEPT} requests of it are kept, and this one is not. Revoke it if it is not yours any more");
            return Ok(false);
        }
        let disabled = held.is_some_and(|held| held.disabled);
        let (why, sealed) = (String::new(), Vec::new());
        let kept = KeptRequest { site: site.clone(), number, at_ms, verdict: Verdict::Done, why, disabled, sealed };
        let by = format!("{} at {board}", shown_line(&request.by, LONGEST_NAME));
        let terms = Terms { bytes, by: &by, force: false, waits: self.decides };
        match self.carry_out(&id, &request.ask, kept.clone(), &terms) {
            Ok(()) => Ok(true),
            Err(refusal) if is_refusal(&refusal) => {
                tracing::info!(%board, uuid = %id.2, "a request of a board is refused: `usher fleet requests list` says why");
                let is_sound = match &request.ask {
                    Ask::Enroll { model, person } => sound(person, model).is_ok(),
                    _ => false,
                };
                let open = is_sound && self.has_room(board, bytes);
                let sealed = if open { bytes.to_vec() } else { Vec::new() };
                let verdict = Verdict::Refused { why: for_board(&refusal) };
                self.settle(&id, KeptRequest { verdict, why: refusal.to_string(), sealed, ..kept })?;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn carry_out(&mut self, id: &RequestId, ask: &Ask, kept: KeptRequest, terms: &Terms<'_>) -> Result<(), BookError> {
        let (gallery, uuid) = (Gallery::from(&kept.site), id.2);
        let refused = |why: &str| Err(BookError::Refused(why.to_owned()));
        // Whether doors open for the person; `None` for nobody, and inside that for somebody who was forgotten.
        let (mut held, mut elsewhere) = (None, false);
        for (of, people) in &self.galleries {
            let Some(entry) = people.entries.get(&uuid) else { continue };
            elsewhere |= *of != gallery;
            held = Some(entry.who.as_ref().map(|who| who.body.enabled));
        }
        match (ask, held) {
            (_, Some(_)) if elsewhere => refused("it is about somebody of another site"),
            (Ask::Enroll { .. }, Some(None)) => {
                refused("this person was forgotten at the office: remove them at the board, and enrol them anew")
            }
            (Ask::Enroll { person, .. }, Some(Some(true))) if !person.enabled => {
                self.disable(id, &gallery, kept, terms.by)
            }
            (Ask::Enroll { .. }, Some(Some(_))) => self.settle(id, kept),
            (Ask::Enroll { model, person }, None) if terms.waits => {
                sound(person, model)?;
                if !self.has_room(&id.0, terms.bytes) {
                    return refused("too many requests of this board wait for a decision at the office");
                }
                let why = "somebody at the office has to decide".to_owned();
                let sealed = terms.bytes.to_vec();
                self.settle(id, KeptRequest { verdict: Verdict::Waits, why, sealed, ..kept })
            }
            (Ask::Enroll { model, person }, None) => {
                let body = PersonBody { by: terms.by.to_owned(), ..person.clone() };
                let (site, model, force) = (kept.site.clone(), model.clone(), terms.force);
                let settling = self.settling(id, kept)?;
                let (beside, labels) = (Vec::new(), Vec::new());
                let admission = Admission { uuid, site, model, body, beside, labels, force };
                self.admit(admission, settling.changes.clone())?;
                self.settled(settling);
                Ok(())
            }
            (Ask::Withdraw | Ask::Disable, Some(Some(true))) => self.disable(id, &gallery, kept, terms.by),
            (Ask::Withdraw, _) | (Ask::Disable, Some(_)) => self.settle(id, kept),
            (Ask::Enable, Some(Some(true))) => self.settle(id, KeptRequest { disabled: false, ..kept }),
            (Ask::Enable, Some(Some(false))) if kept.disabled => {
                let settling = self.settling(id, KeptRequest { disabled: false, ..kept })?;
                self.change_person(&gallery, uuid, terms.by, settling.changes.clone(), |body| body.enabled = true)?;
                self.settled(settling);
                Ok(())
            }
            (Ask::Enable, Some(Some(false))) => {
                refused("the office has disabled this person: `usher fleet enable` there lets doors open again")
            }
            (Ask::Enable | Ask::Disable | Ask::Templates { .. }, None | Some(None)) => {
                refused("nobody of the fleet is meant: the person was forgotten, or never taken in")
            }
            (Ask::Templates { model, templates, .. }, Some(Some(_))) => {
                let templates = templates.iter().map(|template| template.to_vec()).collect();
                // Its own commit: if it comes again, the person has them.
                self.take_templates(&kept.site, &id.0, uuid, model, templates)?;
                self.settle(id, kept)
            }
        }
    }

    fn disable(&mut self, id: &RequestId, gallery: &Gallery, kept: KeptRequest, by: &str) -> Result<(), BookError> {
        let settling = self.settling(id, KeptRequest { disabled: true, ..kept })?;
        self.change_person(gallery, id.2, by, settling.changes.clone(), |body| body.enabled = false)?;
        self.settled(settling);
        Ok(())
    }

    /// The requests that somebody may decide, the oldest first. One that cannot be opened is left out.
    pub fn open_requests(&self) -> Vec<RequestRow> {
        let row = |Open { id: (board, _, uuid), kept, request }: Open| {
            let (name, groups, templates) = match request.ask {
                Ask::Enroll { person, .. } => (person.name, person.groups, person.templates.len()),
                _ => (String::new(), Vec::new(), 0),
            };
            RequestRow {
                uuid: uuid.to_string(),
                board: board.to_string(),
                site: kept.site.to_string(),
                name,
                groups,
                templates,
                by: request.by,
                waits: kept.verdict == Verdict::Waits,
                why: kept.why,
                at_ms: kept.at_ms,
            }
        };
        let mut rows: Vec<RequestRow> = self.opened().map(row).collect();
        rows.sort_by(|a, b| (a.at_ms, &a.uuid).cmp(&(b.at_ms, &b.uuid)));
        rows
    }

    fn opened(&self) -> impl Iterator<Item = Open> {
        let key = RequestKey::of(&self.key);
        self.requests.iter().filter(|(_, kept)| !kept.sealed.is_empty()).filter_map(move |(id, kept)| {
            let board = self.boards.get(&id.0)?;
            let request =
                BoardRequest::open(self.fleet, &place_of(id, kept), &kept.sealed, &key, &board.public()).ok()?;
            Some(Open { id: id.clone(), kept: kept.clone(), request })
        })
    }

    /// Decides a request: `who` is the uuid or the name of the person.
    ///
    /// # Errors
    /// There is none or more than one such request, or it cannot be granted.
    pub fn decide_request(
        &mut self,
        who: &str,
        decision: Decision<'_>,
        by: &str,
        at_ms: u64,
    ) -> Result<Decided, BookError> {
        let name_of = |open: &Open| match &open.request.ask {
            Ask::Enroll { person, .. } => person.name.clone(),
            _ => String::new(),
        };
        let meant = |open: &Open| open.id.2.to_string() == who || names::same(&name_of(open), who);
        let mut found: Vec<Open> = self.opened().filter(meant).collect();
        let open = match (found.pop(), found.len()) {
            (Some(open), 0) => open,
            (None, _) => {
                return Err(BookError::Refused(format!(
                    "no request for {who} waits for a decision: `usher fleet requests list` shows all"
                )));
            }
            (Some(last), _) => {
                let all: Vec<String> = found.iter().chain([&last]).map(|open| open.id.2.to_string()).collect();
                let all = all.join(", ");
                return Err(BookError::Refused(format!("several requests are for {who}: name one by {all}")));
            }
        };
        let name = name_of(&open);
        let Open { id, kept, request } = open;
        let decided = Decided { site: kept.site.clone(), board: id.0.clone(), name };
        let bytes = kept.sealed.clone();
        let kept = KeptRequest { at_ms, sealed: Vec::new(), ..kept };
        match decision {
            Decision::Accept { force } => {
                let by = format!("{by}, asked by {} at {}", shown_line(&request.by, LONGEST_NAME), id.0);
                let kept = KeptRequest { verdict: Verdict::Done, why: String::new(), ..kept };
                self.carry_out(&id, &request.ask, kept, &Terms { bytes: &bytes, by: &by, force, waits: false })?;
            }
            Decision::Refuse { why } => {
                let why = if why.trim().is_empty() { "somebody at the office has refused it" } else { why.trim() };
                let verdict = Verdict::Refused { why: shortened(why) };
                self.settle(&id, KeptRequest { verdict, why: shortened(why), ..kept })?;
            }
        }
        Ok(decided)
    }

    /// Deletes the faces of requests that nobody has decided for 30 days.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn let_requests_expire(&mut self, now_ms: u64) -> Result<(), BookError> {
        let is_over = |kept: &KeptRequest| !kept.sealed.is_empty() && now_ms.saturating_sub(kept.at_ms) > OPEN_FOR_MS;
        let over: Vec<RequestId> =
            self.requests.iter().filter(|(_, kept)| is_over(kept)).map(|(id, _)| id.clone()).collect();
        for id in over {
            let Some(kept) = self.requests.get(&id).cloned() else { continue };
            let why = "nobody at the office has decided within 30 days".to_owned();
            let verdict = Verdict::Refused { why: why.clone() };
            self.settle(&id, KeptRequest { verdict, why, sealed: Vec::new(), ..kept })?;
        }
        Ok(())
    }

    /// Takes the name of somebody who was forgotten out of the reasons for which others were refused.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(super) fn scrub_requests(&mut self, name: &str, at_ms: u64) -> Result<(), BookError> {
        let names = |kept: &KeptRequest| {
            let told = matches!(&kept.verdict, Verdict::Refused { why } if why.contains(name));
            !name.is_empty() && (told || kept.why.contains(name))
        };
        let found: Vec<RequestId> =
            self.requests.iter().filter(|(_, kept)| names(kept)).map(|(id, _)| id.clone()).collect();
        for id in found {
            let Some(kept) = self.requests.get(&id).cloned() else { continue };
            let why = "this may be somebody who was forgotten since: accept it, or ask again".to_owned();
            self.settle(&id, KeptRequest { verdict: Verdict::Refused { why: why.clone() }, why, at_ms, ..kept })?;
        }
        Ok(())
    }

    /// The changes that forget a board's requests.
    pub(super) fn without_requests_of(&self, board: &Board) -> Vec<Change> {
        let mut changes: Vec<Change> = self.requests_of(board).map(|(id, _)| self.trees.delete_request(id)).collect();
        changes.push(self.trees.delete_answers(board));
        changes
    }

    /// The same in memory.
    pub(super) fn drop_requests_of(&mut self, board: &Board) {
        self.requests.retain(|(of, _, _), _| of != board);
        if let Some(answers) = self.answers.remove(board) {
            self.unsent.remove(&Item::Answers(answers.body.site, board.clone()));
        }
    }

    fn requests_of(&self, board: &Board) -> impl Iterator<Item = (&RequestId, &KeptRequest)> {
        let first = (board.clone(), RequestKind::Person, Uuid::nil());
        self.requests.range(first..).take_while(move |((of, _, _), _)| of == board)
    }

    /// Whether one more request of a board can wait for a decision.
    fn has_room(&self, board: &Board, request: &[u8]) -> bool {
        let open = self.requests_of(board).map(|(_, kept)| kept.sealed.len()).filter(|length| *length > 0);
        let (count, bytes) = open.fold((0, request.len()), |(count, bytes), length| (count + 1, bytes + length));
        count < MOST_OPEN && bytes <= MOST_OPEN_BYTES
    }

    /// Answers a request again that was answered before, if the answer has given way to newer ones.
    fn answer_again(&mut self, id: &RequestId, at_ms: u64) -> Result<bool, BookError> {
        let Some(kept) = self.requests.get(id).cloned() else { return Ok(false) };
        let newer = self.requests_of(&id.0).filter(|(_, other)| other.at_ms > kept.at_ms).take(MAX_ANSWERS).count();
        if newer < MAX_ANSWERS {
            return Ok(false);
        }
        self.settle(id, KeptRequest { at_ms, ..kept })?;
        Ok(true)
    }

    fn settle(&mut self, id: &RequestId, kept: KeptRequest) -> Result<(), BookError> {
        let settling = self.settling(id, kept)?;
        self.trees.store.commit(&settling.changes)?;
        self.settled(settling);
        self.changes += 1;
        Ok(())
    }

    fn settling(&self, id: &RequestId, kept: KeptRequest) -> Result<Settling, BookError> {
        let board = &id.0;
        let to = self.boards.get(board).map(|kept| kept.public());
        let to = to.ok_or_else(|| BookError::Refused(format!("there is no board {board}")))?;
        let mut all: Vec<(&RequestId, &KeptRequest)> = self.requests_of(board).filter(|(of, _)| *of != id).collect();
        all.push((id, &kept));
        all.sort_by_key(|(id, kept)| (kept.at_ms, kept.number, id.2));
        let newest = all.get(all.len().saturating_sub(MAX_ANSWERS)..).unwrap_or_default();
        let answer = |(id, kept): &(&RequestId, &KeptRequest)| Answered {
            kind: id.1,
            uuid: id.2,
            number: kept.number,
            verdict: kept.verdict.clone(),
        };
        let answered: Vec<Answered> = newest.iter().map(answer).collect();
        let before = self.answers.get(board).map_or(0, |answers| answers.body.version);
        let version = before.saturating_add(1);
        let body = Answers::seal(self.fleet, (&kept.site, board), version, &answered, &to)?;
        let signed: Vec<u8> = self.key.sign(self.fleet, &body)?.into();
        let changes = vec![self.trees.put_request(id, &kept), self.trees.put_answers(board, &signed)];
        Ok(Settling { id: id.clone(), kept, answers: KeptRecord { signed, body }, changes })
    }

    fn settled(&mut self, settling: Settling) {
        let Settling { id, kept, answers, .. } = settling;
        self.unsent.insert(Item::Answers(kept.site.clone(), id.0.clone()));
        self.answers.insert(id.0.clone(), answers);
        self.requests.insert(id, kept);
    }
}

fn id_of(place: &RequestPlace) -> RequestId {
    (place.board.clone(), place.kind, place.uuid)
}

fn place_of((board, kind, uuid): &RequestId, kept: &KeptRequest) -> RequestPlace {
    RequestPlace { site: kept.site.clone(), board: board.clone(), kind: *kind, uuid: *uuid }
}

/// Whether the request is the cause, so that a later attempt fails as well.
fn is_refusal(error: &BookError) -> bool {
    match error {
        BookError::Refused(_)
        | BookError::MayForce(_)
        | BookError::AlikeElsewhere(_)
        | BookError::Gallery(_)
        | BookError::Model(_)
        | BookError::Sealed(_)
        // Too long for a record.
        | BookError::Signed(_) => true,
        BookError::Kept(_) | BookError::Store(_) | BookError::Keys(_) => false,
    }
}

/// A refusal as the board hears it: it does not learn who is enrolled at other sites.
fn for_board(refusal: &BookError) -> String {
    match refusal {
        BookError::AlikeElsewhere(_) => {
            "this may be somebody who is enrolled at another site: `usher fleet requests list` at the office says who"
                .into()
        }
        other => shortened(&other.to_string()),
    }
}

fn shortened(why: &str) -> String {
    why.chars().take(MAX_WHY).collect()
}
