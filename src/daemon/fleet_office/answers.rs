//! Carries out what commands ask of the office.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use super::desk::{IssuerError, LinkState, Office, Report, Revoked};
use super::models;
use super::rules::{checked, in_words, with_notes};
use crate::domain::ModelId;
use crate::fleet::{AccessText, Board, BoardKey, Gallery, Lockdown, SealedError, Site};
use crate::office::fleet::key_file::hex;
use crate::office::fleet::protocol::{
    Answer, BoardReport, BoardRow, Done, MAX_RECORDS, ModelsAct, OfficeStatus, PersonRow, Proof, RefusedRow, Request,
    SiteRow,
};
use crate::office::fleet::{
    Author, Book, BookError, Decided, Decision, Forgotten, KeptBoard, KeptError, People, StreamPlace, Who,
};

/// How long a command waits for the servers, and then for the boards.
const SENT_WITHIN: Duration = Duration::from_secs(10);
const CONFIRMED_WITHIN: Duration = Duration::from_secs(10);
/// The longest name of a group.
const LONGEST_GROUP: usize = 100;

/// Why something was not done.
#[derive(Debug, Error)]
pub enum Refused {
    #[error(transparent)]
    Book(#[from] BookError),
    #[error(transparent)]
    Kept(#[from] KeptError),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error("the board's key cannot be made: {0}")]
    Key(#[from] SealedError),
    #[error("{0}")]
    Rules(String),
    #[error("a group's name has 1 to {LONGEST_GROUP} bytes")]
    Group,
    #[error("there is no site {0}: `usher fleet status` lists all")]
    NoSite(Site),
    #[error("a task failed: {0}")]
    Task(#[from] JoinError),
}

/// Carries a request out. `by` is who asks.
pub async fn answer(office: &Arc<Office>, request: Request, by: String) -> Answer {
    match carry_out(office, request, by).await {
        Ok(answer) => answer,
        Err(refused) => {
            let may_force = matches!(&refused, Refused::Book(error) if error.may_force());
            Answer::Refused { why: refused.to_string(), may_force }
        }
    }
}

async fn carry_out(office: &Arc<Office>, request: Request, by: String) -> Result<Answer, Refused> {
    let at_ms = office.now_ms();
    Ok(match request {
        Request::Enroll(enrolment) => {
            let (site, name) = (enrolment.site.clone(), enrolment.name.clone());
            let uuid = changed(office, move |book| book.enroll(enrolment, &by)).await?;
            Answer::Done(done(office, &site, format!("{name} is enrolled at {site} as {uuid}"), LIST).await)
        }
        Request::Forget { site, name } => Answer::Done(forget(office, site, name, by).await?),
        Request::Lockdown { site, on, group } => Answer::Done(lockdown(office, site, on, group, by).await?),
        Request::PushRules { site, rules } => Answer::Done(push_rules(office, site, rules, by).await?),
        Request::Rules { site } => {
            let found = office.with(|book| {
                let known = book.galleries.contains_key(&Gallery::from(&site));
                known.then(|| book.rules.get(&site).and_then(|rules| rules.body.access.clone()))
            });
            Answer::Rules { access: found.ok_or(Refused::NoSite(site))? }
        }
        Request::Models { site, act } => lead(office, site, act, by).await?,
        Request::Invite { site, board } => Answer::Token { token: invite(office, site, board, at_ms).await? },
        Request::Leaf { site, server, replace } => leaf(office, &site, &server, replace).await?,
        Request::Revoke { board } => {
            let site = office.with(|book| book.boards.get(&board).map(|kept| kept.site.clone()));
            let what = match revoke(office, &board).await? {
                Revoked::AtServers => format!("{board} is shut out: the servers refuse it, and it gets no later key"),
                Revoked::Later(why) => {
                    format!("{board} gets no later key; the servers refuse it as soon as they can be reached ({why})")
                }
            };
            match site {
                Some(site) => Answer::Done(done(office, &site, what, LIST).await),
                None => Answer::Done(Done { what, ..Done::default() }),
            }
        }
        Request::Status => Answer::Status(status(office)?),
        Request::People { site } => {
            let gallery = Gallery::from(&site);
            let people = office.with(|book| book.galleries.get(&gallery).map(rows));
            Answer::People { people: people.ok_or(Refused::NoSite(site))? }
        }
        Request::Changes { after } => {
            let (fleet, of) = (office.with(|book| book.fleet), office.clone());
            let changes = spawn_blocking(move || of.collected.changes(after, MAX_RECORDS));
            Answer::Changes { fleet, changes: changes.await?? }
        }
        Request::SetEnabled { site, name, enabled } => {
            let at = site.clone();
            let name = changed(office, move |book| book.set_enabled(&at, &name, enabled, &by)).await?;
            let what = match enabled {
                true => format!("doors of {site} open for {name} again"),
                false => format!("no door of {site} opens for {name}"),
            };
            Answer::Done(done(office, &site, what, LIST).await)
        }
        Request::Requests => Answer::Requests { requests: office.with(|book| book.open_requests()) },
        Request::Accept { who, force } => {
            let decision = move |book: &mut Book| book.decide_request(&who, Decision::Accept { force }, &by, at_ms);
            let Decided { site, name, .. } = changed(office, decision).await?;
            Answer::Done(done(office, &site, format!("{name} is enrolled at {site}"), LIST).await)
        }
        Request::Refuse { who, why } => {
            let decision = move |book: &mut Book| book.decide_request(&who, Decision::Refuse { why: &why }, &by, at_ms);
            let Decided { site, board, name } = changed(office, decision).await?;
            let sent = wait_until_sent(office, &site, LIST).await;
            let what = format!("{name} stays a person of {board} alone");
            Answer::Done(Done { what, sent, ..Done::default() })
        }
        Request::Journal { board, after } => {
            let office = office.clone();
            let listed = spawn_blocking(move || office.collected.list(board.as_ref(), after.as_ref(), MAX_RECORDS));
            Answer::Records { records: listed.await?? }
        }
    })
}

/// Forgets somebody, and erases them from the collected records.
async fn forget(office: &Arc<Office>, site: Site, name: String, by: String) -> Result<Done, Refused> {
    let (at_ms, at) = (office.now_ms(), site.clone());
    let forgotten = changed(office, move |book| book.forget(&at, &name, at_ms)).await?;
    tracing::info!(%site, uuid = %forgotten.uuid, by, "somebody was forgotten");
    // Before the servers are waited for, and whatever they say. What fails here is tried again by itself.
    let (ended, erased) = tokio::join!(office.end_epochs(), office.erase(forgotten.uuid));
    let gone = office.with(|book| book.keys.get(&Gallery::from(&site), forgotten.destroyed_epoch).is_none());
    let (name, again) = (&forgotten.name, "it is tried again each minute, see that the office's folder can be written");
    let (what, mut notes) = (format!("{name} is forgotten at {site}"), Vec::new());
    if !gone {
        let why = ended.err().map_or_else(String::new, |error| format!(" ({error})"));
        notes.push(format!("the key of their record is not destroyed yet{why}; {again}"));
    }
    if let Err(error) = &erased {
        notes.push(format!("they are not erased from the collected records yet ({error}); {again}"));
    }
    let what = if gone { format!("{what}; the key of their record is destroyed here") } else { what };
    let done = done(office, &site, what, KEY).await;
    // A proof of what is not done yet would be none.
    let proof = erased.ok().filter(|_| gone).map(|records| proof(&forgotten, records));
    notes.extend(done.notes);
    Ok(Done { proof, notes, ..done })
}

/// Begins a site's lockdown, or ends it.
async fn lockdown(
    office: &Arc<Office>,
    site: Site,
    on: bool,
    group: Option<String>,
    by: String,
) -> Result<Done, Refused> {
    let at_ms = office.now_ms();
    if group.as_ref().is_some_and(|group| group.trim().is_empty() || group.len() > LONGEST_GROUP) {
        return Err(Refused::Group);
    }
    let who = group.as_ref().map_or_else(|| "nobody passes".to_owned(), |group| format!("only {group} passes"));
    let at = site.clone();
    changed(office, move |book| book.lockdown(&at, on.then_some(Lockdown { group, by }), at_ms)).await?;
    let what = match on {
        true => format!("{site} is locked down: {who}"),
        false => format!("the lockdown of {site} is over"),
    };
    Ok(done(office, &site, what, RULES).await)
}

/// Says who may pass at a site, and which boards go by it. `None` clears that.
async fn push_rules(office: &Arc<Office>, site: Site, rules: Option<AccessText>, by: String) -> Result<Done, Refused> {
    let (at_ms, text, who) = (office.now_ms(), rules.clone(), by.clone());
    let config = spawn_blocking(move || checked(text, &who, at_ms)).await?;
    let config = config.map_err(|error| Refused::Rules(format!("{error:#}")))?;
    tracing::info!(%site, by, cleared = config.is_none(), "the rules of a site change");
    let at = site.clone();
    let version = changed(office, move |book| book.say_who_passes(&at, rules, &by, at_ms)).await?;
    let done = done(office, &site, in_words(&site, version, config.as_ref()), RULES).await;
    let mut boards = rows_of_boards(office)?;
    boards.retain(|row| row.site == site.as_str() && !row.revoked);
    Ok(with_notes(done, config.as_ref(), &boards))
}

/// Makes a leaf server's files, and shuts out the one that it replaces.
async fn leaf(office: &Arc<Office>, site: &Site, server: &str, replace: bool) -> Result<Answer, Refused> {
    let made = office.issuer.leaf(site, server, replace)?;
    let still_admitted = match &made.replaced {
        Some(credential) => match office.issuer.revoke(credential).await? {
            Revoked::AtServers => None,
            Revoked::Later(why) => Some(why),
        },
        None => None,
    };
    let boards = office.with(|book| {
        let of_site = book.boards.iter().filter(|(_, kept)| kept.site == *site);
        of_site.map(|(board, _)| board.clone()).collect()
    });
    Ok(Answer::Leaf { folder: made.folder.display().to_string(), boards, still_admitted })
}

/// Carries out what is asked of a site's models.
async fn lead(office: &Arc<Office>, site: Site, act: ModelsAct, by: String) -> Result<Answer, Refused> {
    let (at_ms, at) = (office.now_ms(), site.clone());
    if let ModelsAct::Status = act {
        let rows = rows_of_boards(office)?;
        let models = office.with(|book| models::status(book, &rows, &site));
        return models.map(Answer::Models).ok_or(Refused::NoSite(site));
    }
    let what = changed(office, move |book| models::lead(book, &at, act, &by, at_ms)).await?;
    // Whoever was the last one may have reached the share.
    let rows = rows_of_boards(office)?;
    changed(office, move |book| models::advance(book, &rows, at_ms)).await?;
    let told = done(office, &site, what, RULES).await;
    Ok(Answer::Done(Done { notes: models::troubles(&rows_of_boards(office)?, &site), ..told }))
}

async fn invite(office: &Arc<Office>, site: Site, board: Board, at_ms: u64) -> Result<String, Refused> {
    office.with(|book| book.may_invite(&board))?;
    let key = BoardKey::generate()?;
    let invitation = office.issuer.invite(&site, &board, &key)?;
    let (public, credential, at) = (key.public(), invitation.credential, site.clone());
    changed(office, move |book| book.add_board(&board, &at, public, credential, at_ms)).await?;
    wait_until_sent(office, &site, LIST).await;
    Ok(invitation.token)
}

/// Shuts a board out: it gets no later key, and its credential is taken back.
pub async fn revoke(office: &Arc<Office>, board: &Board) -> Result<Revoked, Refused> {
    let credential = office.with(|book| book.credential_of(board))?;
    // First what keeps it out: if that cannot be written, the board counts as a member, and this is tried again.
    let revoked = office.issuer.revoke(&credential).await?;
    let of = board.clone();
    changed(office, move |book| book.revoke(&of)).await?;
    Ok(revoked)
}

async fn changed<T: Send + 'static>(
    office: &Arc<Office>,
    work: impl FnOnce(&mut Book) -> Result<T, BookError> + Send + 'static,
) -> Result<T, Refused> {
    Ok(office.change(work).await??)
}

/// A change that the boards of a site are to confirm.
struct Change<'a> {
    site: &'a Site,
    /// Where the site's people end at the servers once the change is there; `None` if that is not known.
    people: Option<StreamPlace>,
}

/// What kind of a change it is.
#[derive(Clone, Copy)]
struct Kind {
    /// Whether the servers do not have all of it yet.
    waits: fn(&Book, &Site) -> bool,
    /// Whether what a board says of itself confirms it.
    confirms: fn(&Book, &BoardRow, &Change<'_>) -> bool,
}

/// A change of a site's list of people.
const LIST: Kind = Kind { waits: Book::waits, confirms: holds_list };
/// A change after which a board must hold no earlier key.
const KEY: Kind = Kind { waits: Book::waits, confirms: holds_no_old_key };
/// A change of a site's rules.
const RULES: Kind = Kind { waits: Book::rules_wait, confirms: follows_rules };

/// What is reported of a change: whether it was sent, and which boards of the site have confirmed it.
async fn done(office: &Arc<Office>, site: &Site, what: String, kind: Kind) -> Done {
    let sent = wait_until_sent(office, site, kind).await;
    // What others change meanwhile is not waited for.
    let change = Change { site, people: office.written(&Gallery::from(site)) };
    let until = Instant::now() + CONFIRMED_WITHIN;
    let mut heard = office.heard.subscribe();
    loop {
        let boards = rows_of_boards(office).unwrap_or_default();
        let boards = boards.into_iter().filter(|row| row.site == site.as_str() && !row.revoked);
        let (confirmed, missing): (Vec<BoardRow>, Vec<BoardRow>) =
            office.with(|book| boards.partition(|row| (kind.confirms)(book, row, &change)));
        let names = |rows: Vec<BoardRow>| rows.into_iter().map(|row| row.board).collect::<Vec<_>>();
        let over = !sent || missing.is_empty() || !matches!(timeout_at(until, heard.changed()).await, Ok(Ok(())));
        if over {
            let (confirmed, missing, notes) = (names(confirmed), names(missing), refused_at(office, site));
            return Done { what, sent, confirmed, missing, notes, proof: None };
        }
    }
}

/// Whether the servers have everything of a site that is of this kind.
async fn wait_until_sent(office: &Arc<Office>, site: &Site, kind: Kind) -> bool {
    let mut sent = office.sent.subscribe();
    let until = Instant::now() + SENT_WITHIN;
    let all = sent.wait_for(|sent| *sent != u64::MAX && !office.with(|book| (kind.waits)(book, site)));
    matches!(timeout_at(until, all).await, Ok(Ok(_)))
}

/// What the servers refuse of a site, in words.
fn refused_at(office: &Office, site: &Site) -> Vec<String> {
    let rows = office.with(|book| book.refused_rows());
    rows.iter().filter(|row| row.site == site.as_str()).map(RefusedRow::in_words).collect()
}

/// Holds the office's list, or has read the site's people as far as the change and taken all of them.
fn holds_list(_: &Book, row: &BoardRow, change: &Change<'_>) -> bool {
    row.whole || row.said.as_ref().zip(change.people).is_some_and(|(said, place)| has_taken(said, place))
}

/// Whether a board has taken every record up to a place.
fn has_taken(said: &BoardReport, place: StreamPlace) -> bool {
    said.birth == place.birth && said.position >= place.sequence && said.set_aside == 0 && said.refused == 0
}

/// Holds the list, and no key from before the newest one.
fn holds_no_old_key(book: &Book, row: &BoardRow, change: &Change<'_>) -> bool {
    let epoch = book.galleries.get(&Gallery::from(change.site)).map_or(0, |people| people.kept.epoch);
    holds_list(book, row, change)
        && row.said.as_ref().and_then(|said| said.oldest_epoch).is_some_and(|oldest| oldest == epoch)
}

fn proof(forgotten: &Forgotten, erased_records: u64) -> Proof {
    Proof {
        uuid: forgotten.uuid.to_string(),
        record: hex(&forgotten.record),
        mark: hex(&forgotten.mark),
        destroyed_epoch: forgotten.destroyed_epoch,
        epoch: forgotten.epoch,
        erased_records,
    }
}

fn follows_rules(book: &Book, row: &BoardRow, change: &Change<'_>) -> bool {
    // Exactly these: a version that another office gave, or that this one gave before it was restored, may be something else.
    let Some(rules) = book.rules.get(change.site) else { return true };
    let hash = hex(blake3::hash(&rules.signed).as_bytes());
    row.said.as_ref().is_some_and(|said| said.rules == rules.body.version && said.rules_hash.as_ref() == Some(&hash))
}

fn rows(people: &People) -> Vec<PersonRow> {
    let row = |(uuid, who): (&uuid::Uuid, &Who)| PersonRow {
        uuid: uuid.to_string(),
        name: who.body.name.clone(),
        employee_id: who.body.employee_id.clone(),
        groups: who.body.groups.clone(),
        templates: who.faces.len(),
        enabled: who.body.enabled,
    };
    let mut rows: Vec<PersonRow> = people.enrolled().map(row).collect();
    rows.sort_by(|a, b| (&a.name, &a.uuid).cmp(&(&b.name, &b.uuid)));
    rows
}

fn status(office: &Arc<Office>) -> Result<OfficeStatus, KeptError> {
    let state = match office.state() {
        LinkState::Connecting => "connecting".to_owned(),
        LinkState::Online => "online".to_owned(),
        LinkState::Away(why) => why,
    };
    let boards = rows_of_boards(office)?;
    Ok(office.with(|book| {
        let site = |(gallery, people): (&Gallery, &People)| {
            let rules =
                book.rules.iter().find(|(site, _)| Gallery::from(*site) == *gallery).map(|(_, rules)| &rules.body);
            SiteRow {
                site: gallery.to_string(),
                people: people.enrolled().count() as u64,
                epoch: people.kept.epoch,
                rules: rules.map_or(0, |rules| rules.version),
                lockdown: rules.and_then(|rules| rules.lockdown.as_ref()).map(|lockdown| {
                    let by = &lockdown.by;
                    match &lockdown.group {
                        Some(group) => format!("only {group} passes, by {by}"),
                        None => format!("nobody passes, by {by}"),
                    }
                }),
                access: rules.and_then(|rules| rules.access.as_ref()).map_or(0, |access| match access.rules {
                    Some(_) => access.version,
                    None => 0,
                }),
            }
        };
        OfficeStatus {
            state,
            unsent: (book.unsent.len() + book.refused.len()) as u64,
            refused: book.refused_rows(),
            requests: book.requests.values().filter(|kept| !kept.sealed.is_empty()).count() as u64,
            sites: book.galleries.iter().map(site).collect(),
            boards,
        }
    }))
}

/// Every board, and what it last said.
pub fn rows_of_boards(office: &Arc<Office>) -> Result<Vec<BoardRow>, KeptError> {
    let (now_ms, reports) = (i64::try_from(office.now_ms()).unwrap_or(i64::MAX), office.reports());
    let mut rows = office.with(|book| {
        let row = |(board, kept): (&Board, &KeptBoard)| {
            let report = reports.get(board);
            let people = book.galleries.get(&Gallery::from(&kept.site));
            let whole = report.zip(people).is_some_and(|(report, people)| {
                // Before anybody is enrolled, no model is known.
                let set = people.set(&ModelId::new(&report.said.model)).map(|(_, digest)| digest.value());
                let digest = set.or_else(|| people.entries.is_empty().then(|| people.digest.value()));
                digest.is_some_and(|digest| report.said.digest == digest.to_string())
            });
            BoardRow {
                board: board.to_string(),
                site: kept.site.to_string(),
                revoked: kept.revoked,
                said: report.map(|report| {
                    let clock_ahead_ms = Some(report.said.at_ms.saturating_sub(report.at_ms));
                    BoardReport { clock_ahead_ms, ..report.said.clone() }
                }),
                heard_s: report
                    .and_then(Report::heard_ms)
                    .map(|heard_ms| u64::try_from(now_ms.saturating_sub(heard_ms)).unwrap_or_default() / 1000),
                whole,
                ..BoardRow::default()
            }
        };
        book.boards.iter().map(row).collect::<Vec<_>>()
    });
    let authors: BTreeMap<String, Author> =
        office.with(|book| book.boards.iter().map(|(board, kept)| (board.to_string(), kept.author())).collect());
    for row in &mut rows {
        let mark = office.collected.mark(&row.board)?.of(authors.get(&row.board).copied().unwrap_or_default());
        (row.collected, row.gap) = (mark.newest, mark.missing().is_some());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_has_taken_what_it_has_read_unless_it_refused_something() {
        let place = StreamPlace { birth: 7, sequence: 40 };
        let said = |birth, position| BoardReport { birth, position, ..BoardReport::default() };
        assert!(has_taken(&said(7, 40), place) && has_taken(&said(7, 41), place));
        assert!(!has_taken(&said(7, 39), place), "it has not read so far");
        assert!(!has_taken(&said(8, 99), place), "that is another stream");
        assert!(!has_taken(&BoardReport { refused: 1, ..said(7, 40) }, place), "perhaps it refused this one");
        assert!(!has_taken(&BoardReport { set_aside: 1, ..said(7, 40) }, place), "perhaps it cannot read this one");
    }
}
