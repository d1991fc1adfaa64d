//! What the office reports over all boards: records, people and attendance, for commands and for the page. The API of it is [`crate::api::office`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::desk::{Office, Report};
use crate::api::attendance::{LateBoard, timestamp};
use crate::api::office::{FleetRecords, OfficeState};
use crate::api::people::Person;
use crate::api::status::{SealStatus, Status};
use crate::api::{self, ApiError, AttendanceSource};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Card, Event, GallerySize, Moment, PersonId};
use crate::fleet::{Board, PersonBody};
use crate::ledger::attendance::{Day, Expected, Period, Rules, days_over};
use crate::ledger::{Dated, RecordFilter};
use crate::office::fleet::history::{Enrolled, HistoryError, Identities, Page, chain_of};
use crate::office::fleet::{Author, Book};
use crate::setup;

/// Passages that are read at once.
const PAGE: usize = 1000;
/// Numbers of new records that wait for somebody who follows; who is slower is turned away.
const WAITING: usize = 4096;
/// A board that has sent everything up to so long ago is not late: it says how it stands every 20 seconds.
const SENT_WITHIN: SignedDuration = SignedDuration::from_mins(1);

/// The API over all boards. `config` says how attendance is computed.
pub fn report(office: &Arc<Office>, clock: Arc<dyn Clock>, config: &Config) -> Router {
    let arrivals = broadcast::Sender::new(WAITING);
    let sender = arrivals.clone();
    // An error says that nobody follows.
    office.collected.history.on_arrival(move |number| drop(sender.send(number)));
    let records = Arc::new(AllBoards { office: office.clone(), clock: clock.clone(), started: clock.now(), arrivals });
    api::office::router(Arc::new(OfficeState {
        records,
        attendance: setup::attendance_settings(config),
        calendar: setup::calendar(config),
        clock,
    }))
    .fallback(api::office::not_here)
}

/// The office's records and people.
struct AllBoards {
    office: Arc<Office>,
    clock: Arc<dyn Clock>,
    started: Moment,
    arrivals: broadcast::Sender<u64>,
}

/// Somebody who is enrolled at one or more sites.
#[derive(Default)]
struct Member {
    name: String,
    employee_id: Option<String>,
    groups: BTreeSet<String>,
    enabled: bool,
    /// `None` once one site has no limit.
    valid_from: Option<Option<SystemTime>>,
    valid_until: Option<Option<SystemTime>>,
    templates: usize,
}

impl Member {
    fn add(&mut self, body: &PersonBody, templates: usize) {
        if self.name.is_empty() {
            self.name.clone_from(&body.name);
        }
        self.employee_id = self.employee_id.take().or_else(|| body.employee_id.clone());
        self.groups.extend(body.groups.iter().cloned());
        self.enabled |= body.enabled;
        self.valid_from = Some(match self.valid_from {
            None => body.valid_from,
            Some(from) => from.zip(body.valid_from).map(|(one, other)| one.min(other)),
        });
        self.valid_until = Some(match self.valid_until {
            None => body.valid_until,
            Some(until) => until.zip(body.valid_until).map(|(one, other)| one.max(other)),
        });
        self.templates = self.templates.saturating_add(templates);
    }
}

impl AllBoards {
    fn identities(&self) -> Result<Arc<Identities>, ApiError> {
        let changes = self.office.with(|book| book.changes);
        let identities = self.office.collected.history.identities(changes, || self.office.with(|book| enrolled(book)));
        identities.map_err(|error| HistoryError::from(error).into())
    }

    /// Everybody who is enrolled, by the number under which they are shown, and since when records know them.
    fn members(&self) -> Result<BTreeMap<PersonId, (Member, SystemTime)>, ApiError> {
        let (who, now) = (self.identities()?, self.clock.wall());
        Ok(self.office.with(|book| {
            let mut members: BTreeMap<PersonId, (Member, SystemTime)> = BTreeMap::new();
            for (uuid, of) in book.galleries.values().flat_map(|people| people.enrolled()) {
                let Some(person) = who.of(*uuid) else { continue };
                // A board that has not told of them yet has not let them in.
                let since = who.first_us(person).and_then(|us| u64::try_from(us).ok());
                let since = since.map_or(now, |us| SystemTime::UNIX_EPOCH + Duration::from_micros(us));
                let (member, _) = members.entry(person).or_insert_with(|| (Member::default(), since));
                member.add(&of.body, of.faces.len());
            }
            members
        }))
    }

    /// Up to when a board's records are here.
    fn until(&self, board: &Board, author: Author, report: Option<&Report>) -> Result<Option<Timestamp>, ApiError> {
        let collected = &self.office.collected;
        let mark = collected.mark(board.as_str()).map_err(HistoryError::from)?.of(author);
        let report = report.filter(|report| report.author == author && report.said.waiting == 0);
        if let Some(report) = report
            && collected.missing(board.as_str(), &mark, &report.said).map_err(HistoryError::from)?.is_none()
        {
            return Ok(report.heard_ms().and_then(|ms| Timestamp::from_millisecond(ms).ok()));
        }
        let until = collected.history.until_us(board.as_str(), author, mark.complete).map_err(HistoryError::from)?;
        Ok(until.and_then(|us| Timestamp::from_microsecond(us).ok()))
    }
}

fn enrolled(book: &Book) -> BTreeMap<Uuid, Enrolled> {
    let of_site = |(gallery, people): (&crate::fleet::Gallery, &crate::office::fleet::People)| {
        let site = gallery.to_string();
        let one = |(uuid, who): (&Uuid, &crate::office::fleet::Who)| {
            let (name, employee_id) = (who.body.name.clone(), who.body.employee_id.clone());
            (*uuid, Enrolled { site: site.clone(), name, employee_id })
        };
        people.enrolled().map(one).collect::<Vec<_>>()
    };
    book.galleries.iter().flat_map(of_site).collect()
}

impl AttendanceSource for AllBoards {
    fn days(&self, rules: &Rules, period: Period, now: Timestamp) -> Result<Vec<Day>, ApiError> {
        let (who, collected) = (self.identities()?, &self.office.collected);
        let corrections = collected.corrections(&who)?;
        let mut select = |after: u64, filter: &RecordFilter| collected.select(&who, Page::After(after), PAGE, filter);
        Ok(days_over(rules, period, now, &chain_of, corrections, &mut select)?)
    }

    fn expected(&self) -> Result<Vec<Expected>, ApiError> {
        let expected = |(person, (member, since)): (PersonId, (Member, SystemTime))| Expected {
            person,
            name: member.name,
            card: Card { employee_id: member.employee_id, groups: member.groups.into_iter().collect() },
            enabled: member.enabled,
            enrolled: timestamp(since).unwrap_or(Timestamp::MIN),
            valid_from: member.valid_from.flatten().and_then(timestamp),
            valid_until: member.valid_until.flatten().and_then(timestamp),
        };
        Ok(self.members()?.into_iter().map(expected).collect())
    }

    fn late(&self, until: Timestamp) -> Result<Vec<LateBoard>, ApiError> {
        let (reports, now) = (self.office.reports(), timestamp(self.clock.wall()).unwrap_or(Timestamp::MAX));
        let latest = now.checked_sub(SENT_WITHIN).unwrap_or(now);
        let until = until.min(latest);
        // A board that was shut out sends nothing more, and one that never came has nothing.
        let boards: Vec<(Board, String, Author)> = self.office.with(|book| {
            let members = book.boards.iter().filter(|(_, kept)| kept.heard && !kept.revoked);
            members.map(|(board, kept)| (board.clone(), kept.site.to_string(), kept.author())).collect()
        });
        let mut late = Vec::new();
        for (board, site, author) in boards {
            let sent = self.until(&board, author, reports.get(&board))?;
            if sent.is_none_or(|sent| sent < until) {
                late.push(LateBoard { board: board.to_string(), site, until: sent });
            }
        }
        Ok(late)
    }
}

impl FleetRecords for AllBoards {
    fn select(&self, page: Page, limit: usize, filter: &RecordFilter) -> Result<Vec<Dated>, ApiError> {
        Ok(self.office.collected.select(&*self.identities()?, page, limit, filter)?)
    }

    fn find(&self, which: &str) -> Result<Option<Dated>, ApiError> {
        Ok(self.office.collected.find(&*self.identities()?, which)?)
    }

    fn arrivals(&self) -> broadcast::Receiver<u64> {
        self.arrivals.subscribe()
    }

    fn people(&self) -> Result<Vec<Person>, ApiError> {
        let text = |at: Option<SystemTime>| at.and_then(timestamp).map(|at| at.to_string());
        let person = |(id, (member, since)): (PersonId, (Member, SystemTime))| Person {
            id: id.0,
            name: member.name,
            employee_id: member.employee_id,
            groups: member.groups.into_iter().collect(),
            enabled: member.enabled,
            valid_from: text(member.valid_from.flatten()),
            valid_until: text(member.valid_until.flatten()),
            created: text(Some(since)).unwrap_or_default(),
            templates: member.templates,
            foreign_templates: 0,
            locked_templates: 0,
            pin: false,
            tags: 0,
            credentials_unreadable: false,
            fleet: None,
        };
        Ok(self.members()?.into_iter().map(person).collect())
    }

    fn amend(&self, amendment: &Event) -> Result<Dated, ApiError> {
        let number = self.office.collected.record_own(amendment, &self.clock.stamp()).map_err(HistoryError::from)?;
        let which = number.to_string();
        self.find(&which)?.ok_or(ApiError::NoRecord { which })
    }

    fn status(&self) -> Status {
        let (people, templates, model, near_enough) = self.office.with(|book| {
            let who = || book.galleries.values().flat_map(|people| people.enrolled()).map(|(_, who)| who);
            let model = book.galleries.values().find_map(|people| people.kept.model.as_ref());
            let model = model.map_or_else(|| "none".to_owned(), ToString::to_string);
            (who().count(), who().map(|who| who.faces.len()).sum(), model, book.near_enough.clone())
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: crate::office::fleet::history::OWN.to_owned(),
            uptime_s: self.clock.now().since(self.started).as_secs(),
            configuration: String::new(),
            model,
            people,
            foreign_templates: 0,
            model_switch: None,
            seal: SealStatus { state: "sealed".to_owned(), key: None, trouble: None },
            near_enough: near_enough.cut(GallerySize { people, templates }).into(),
            stages: Vec::new(),
            doors: Vec::new(),
            occupancy: BTreeMap::new(),
            placements: Vec::new(),
            time: None,
            journal_trouble: None,
            metrics_trouble: None,
            web_trouble: None,
            hub: None,
            fleet: None,
        }
    }
}
