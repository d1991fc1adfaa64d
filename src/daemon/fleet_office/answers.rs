//! Carries out what commands ask of the office.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::confirming::{KEY, LIST, RULES, Refused, changed, done, rows_of_boards, wait_until_sent};
use super::desk::{LinkState, Office, Revoked};
use super::lockdown::{at_a_door, lockdown, who_passes};
use super::models;
use super::rules::{checked, in_words, with_notes};
use super::wording;
use crate::fleet::{AccessText, Board, BoardKey, Gallery, Site};
use crate::office::fleet::key_file::hex;
use crate::office::fleet::protocol::{
    Answer, Done, MAX_RECORDS, ModelsAct, OfficeStatus, PersonRow, Proof, Request, SiteRow,
};
use crate::office::fleet::{Book, Decided, Decision, Forgotten, KeptError, People, Who};

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
    wording::check(&request)?;
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
        Request::Invite { site, board } => {
            let begins = is_new(office, &site);
            Answer::Token { token: invite(office, site, board, at_ms).await?, begins }
        }
        Request::Leaf { site, server, replace } => leaf(office, &site, &server, replace).await?,
        Request::Revoke { board } => {
            let site = office.with(|book| book.boards.get(&board).map(|kept| kept.site.clone()));
            let revoked = revoke(office, &board).await?;
            let at_servers = revoked == Revoked::AtServers;
            let what = match revoked {
                Revoked::AtServers => format!("{board} is shut out: the servers refuse it, and it gets no later key"),
                Revoked::Later(why) => {
                    format!("{board} gets no later key; the servers refuse it as soon as they can be reached ({why})")
                }
            };
            match site {
                Some(site) => {
                    let done = done(office, &site, what, LIST).await;
                    Answer::Done(Done { in_force: done.in_force && at_servers, ..done })
                }
                None => Answer::Done(Done { what, in_force: at_servers, ..Done::default() }),
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
            Answer::Done(Done { what, sent, in_force: sent, ..Done::default() })
        }
        Request::Journal { board, after } => {
            if let Some(board) = &board {
                office.with(|book| book.credential_of(board))?;
            }
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
    Ok(at_a_door(with_notes(done, config.as_ref(), &boards)))
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
    let begins = is_new(office, site);
    Ok(Answer::Leaf { folder: made.folder.display().to_string(), boards, still_admitted, begins })
}

/// Whether no board of a site was invited yet.
fn is_new(office: &Office, site: &Site) -> bool {
    office.with(|book| !book.galleries.contains_key(&Gallery::from(site)))
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
    office.forget_instance(board);
    Ok(revoked)
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
                lockdown: rules
                    .and_then(|rules| rules.lockdown.as_ref())
                    .map(|lockdown| format!("{}, by {}", who_passes(lockdown), lockdown.by)),
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
