//! A list of people, compared with those who are enrolled: what would change, row by row; and the changes carried out.
//!
//! A row finds its person by number, else by employee id, else by name. Nobody found is somebody new, who has no template yet. What a row
//! leaves out stays as it is, and nobody is removed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
use thiserror::Error;

use super::register::check_new_name;
use super::{OfficeError, Register};
use crate::domain::{Actor, PersonId};
use crate::gallery::{GalleryError, NewPerson, Person};
use crate::names;

/// A row of a list. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListedPerson {
    /// The row's line in its file, for messages.
    pub line: usize,
    pub number: Option<PersonId>,
    /// Empty removes the employee id.
    pub employee_id: Option<String>,
    pub name: Option<String>,
    /// Replace all groups.
    pub groups: Option<Vec<String>>,
    pub enabled: Option<bool>,
    /// The inner `None` removes the limit.
    pub valid_from: Option<Option<SystemTime>>,
    /// The inner `None` removes the limit.
    pub valid_until: Option<Option<SystemTime>>,
}

/// What a row does.
#[derive(Debug)]
pub struct PlannedRow {
    pub line: usize,
    /// `None` for somebody new.
    pub person: Option<PersonId>,
    /// The name after the change.
    pub name: String,
    /// What changes; empty where everything is so already.
    pub changes: Vec<FieldChange>,
    /// Why the row cannot be carried out.
    pub problem: Option<ImportError>,
    after: Option<Person>,
}

/// A field of a person that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    pub field: Field,
    /// Empty where there was nothing.
    pub before: String,
    /// Empty where nothing is left.
    pub after: String,
}

/// A field that a list can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Name,
    EmployeeId,
    Groups,
    Enabled,
    ValidFrom,
    ValidUntil,
}

impl Field {
    /// As a list's column is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Field::Name => "name",
            Field::EmployeeId => "employee_id",
            Field::Groups => "groups",
            Field::Enabled => "enabled",
            Field::ValidFrom => "valid_from",
            Field::ValidUntil => "valid_until",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a row of a list cannot be carried out.
#[derive(Debug, Error)]
pub enum ImportError {
    #[error("it names nobody: give a number, an employee id or a name")]
    Nobody,
    #[error("nobody has the number {0}")]
    NoNumber(PersonId),
    #[error("nobody has the employee id {0:?}, and a new person needs a name")]
    NoName(String),
    #[error("{name:?} could be {people}: give the number or the employee id")]
    Several { name: String, people: String },
    #[error("line {line} is about the same person")]
    Again { line: usize },
    #[error(transparent)]
    Office(#[from] OfficeError),
    #[error("line {line}: {why}. The rows before it are done")]
    Stopped { line: usize, why: Box<OfficeError> },
}

impl From<GalleryError> for ImportError {
    fn from(error: GalleryError) -> ImportError {
        ImportError::Office(error.into())
    }
}

/// Compares a list with `people`, as if its rows were carried out one after the other.
pub fn plan(rows: &[ListedPerson], people: &[Person]) -> Vec<PlannedRow> {
    let mut known = people.to_vec();
    // New people get numbers that nobody has; they are only for this plan.
    let mut unused = known.iter().map(|person| person.id.0).max().unwrap_or_default();
    let mut seen: BTreeMap<PersonId, usize> = BTreeMap::new();
    let mut planned = Vec::with_capacity(rows.len());
    for row in rows {
        let found = find(row, &known);
        let before = match &found {
            Ok(found) => found.cloned(),
            Err(_) => None,
        };
        let outcome = found.map(drop).and_then(|()| {
            if let Some(line) = before.as_ref().and_then(|person| seen.get(&person.id)) {
                return Err(ImportError::Again { line: *line });
            }
            let after = change(row, before.as_ref(), PersonId(unused.saturating_add(1)))?;
            check(&after, before.as_ref(), &known)?;
            Ok(after)
        });
        let name = row.name.clone().or_else(|| before.as_ref().map(|person| person.name.clone()));
        let mut this = PlannedRow {
            line: row.line,
            person: before.as_ref().map(|person| person.id),
            name: name.or_else(|| row.employee_id.clone()).unwrap_or_default(),
            changes: Vec::new(),
            problem: None,
            after: None,
        };
        match outcome {
            Err(problem) => this.problem = Some(problem),
            Ok(after) => {
                this.name.clone_from(&after.name);
                this.changes = differences(before.as_ref(), &after);
                seen.insert(after.id, row.line);
                match known.iter_mut().find(|person| person.id == after.id) {
                    Some(place) => *place = after.clone(),
                    None => {
                        unused = unused.saturating_add(1);
                        known.push(after.clone());
                    }
                }
                this.after = Some(after);
            }
        }
        planned.push(this);
    }
    planned
}

/// The person whom a row names; `None` for somebody new.
fn find<'p>(row: &ListedPerson, known: &'p [Person]) -> Result<Option<&'p Person>, ImportError> {
    if let Some(number) = row.number {
        return known.iter().find(|person| person.id == number).map(Some).ok_or(ImportError::NoNumber(number));
    }
    let employee_id = row.employee_id.as_deref().filter(|id| !id.is_empty());
    let id_of = |person: &Person| person.employee_id.as_deref().map(names::exact_key);
    if let Some(id) = employee_id.map(names::exact_key)
        && let Some(person) = known.iter().find(|person| id_of(person).as_ref() == Some(&id))
    {
        return Ok(Some(person));
    }
    let Some(name) = row.name.as_deref() else {
        return Err(employee_id.map_or(ImportError::Nobody, |id| ImportError::NoName(id.to_owned())));
    };
    // Somebody with another employee id is another person.
    let named =
        |person: &&Person| names::same(&person.name, name) && (employee_id.is_none() || person.employee_id.is_none());
    let namesakes: Vec<&Person> = known.iter().filter(named).collect();
    match namesakes[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => {
            let people: Vec<String> = namesakes.iter().map(|person| format!("#{}", person.id)).collect();
            Err(ImportError::Several { name: name.to_owned(), people: people.join(", ") })
        }
    }
}

/// The person after the row. `new` is the number of somebody new.
fn change(row: &ListedPerson, before: Option<&Person>, new: PersonId) -> Result<Person, ImportError> {
    let name = row.name.clone().or_else(|| before.map(|person| person.name.clone()));
    let employee_id = match &row.employee_id {
        Some(id) => Some(id.clone()).filter(|id| !id.is_empty()),
        None => before.and_then(|person| person.employee_id.clone()),
    };
    let groups = row.groups.clone().or_else(|| before.map(|person| person.groups.clone())).unwrap_or_default();
    let tidy = NewPerson { name: name.unwrap_or_default(), employee_id, groups }.tidy()?;
    let blank = || Person::without_face(new);
    let mut after = before.cloned().unwrap_or_else(blank);
    (after.name, after.employee_id, after.groups) = (tidy.name, tidy.employee_id, tidy.groups);
    after.enabled = row.enabled.unwrap_or(after.enabled);
    after.valid_from = row.valid_from.unwrap_or(after.valid_from);
    after.valid_until = row.valid_until.unwrap_or(after.valid_until);
    if let (Some(from), Some(until)) = (after.valid_from, after.valid_until)
        && from >= until
    {
        return Err(GalleryError::BadValidity.into());
    }
    Ok(after)
}

/// Fails if the name or the employee id is somebody else's.
fn check(after: &Person, before: Option<&Person>, known: &[Person]) -> Result<(), ImportError> {
    let own = before.map(|person| person.id);
    let others: Vec<Person> = known.iter().filter(|person| Some(person.id) != own).cloned().collect();
    if let Some(id) = &after.employee_id {
        let key = names::exact_key(id);
        let holder =
            others.iter().find(|other| other.employee_id.as_deref().map(names::exact_key).as_ref() == Some(&key));
        if let Some(Person { id: holder, name, .. }) = holder {
            let (holder, name, employee_id) = (*holder, name.clone(), id.clone());
            return Err(GalleryError::EmployeeIdTaken { employee_id, holder, name }.into());
        }
    }
    // A name that stays was accepted before, perhaps by force.
    if before.is_none_or(|before| before.name != after.name) {
        check_new_name(&others, &after.name, after.employee_id.as_deref(), false)?;
    }
    Ok(())
}

fn differences(before: Option<&Person>, after: &Person) -> Vec<FieldChange> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let moment = |at: Option<SystemTime>| {
        at.and_then(|at| Timestamp::try_from(at).ok()).map_or_else(String::new, |at| at.to_string())
    };
    let yes = |enabled: bool| if enabled { "yes" } else { "no" }.to_owned();
    let fields = |person: &Person| {
        [
            (Field::Name, person.name.clone()),
            (Field::EmployeeId, text(person.employee_id.as_deref())),
            (Field::Groups, person.groups.join("; ")),
            (Field::Enabled, yes(person.enabled)),
            (Field::ValidFrom, moment(person.valid_from)),
            (Field::ValidUntil, moment(person.valid_until)),
        ]
    };
    let old = before.map(fields);
    let new = fields(after);
    let pairs = new.into_iter().enumerate().map(|(at, (field, after))| {
        let before = old.as_ref().and_then(|old| old.get(at)).map_or_else(String::new, |(_, before)| before.clone());
        FieldChange { field, before, after }
    });
    // That somebody new is enabled needs no word.
    let usual = |change: &FieldChange| before.is_none() && change.field == Field::Enabled && change.after == "yes";
    pairs.filter(|change| change.before != change.after && !usual(change)).collect()
}

impl Register {
    /// Carries a plan out, one row after the other; the people who were changed or are new, by row.
    ///
    /// # Errors
    /// [`ImportError::Stopped`]: a row fails, as when somebody changed the same person meanwhile.
    pub fn import(&self, plan: &[PlannedRow], by: &Actor) -> Result<Vec<Person>, ImportError> {
        let mut done = Vec::new();
        for row in plan.iter().filter(|row| !row.changes.is_empty()) {
            let Some(after) = &row.after else { continue };
            let stopped = |why: OfficeError| ImportError::Stopped { line: row.line, why: why.into() };
            done.push(self.import_row(row, after, by).map_err(stopped)?);
        }
        Ok(done)
    }

    fn import_row(&self, row: &PlannedRow, after: &Person, by: &Actor) -> Result<Person, OfficeError> {
        let changes = |field: Field| row.changes.iter().any(|change| change.field == field);
        let id = match row.person {
            Some(id) => {
                // The employee id first: it may distinguish the new name from somebody else's.
                if changes(Field::EmployeeId) {
                    self.set_employee_id(id, after.employee_id.as_deref(), by.clone())?;
                }
                if changes(Field::Name) {
                    self.rename(id, &after.name, by.clone())?;
                }
                if changes(Field::Groups) {
                    self.set_groups(id, &after.groups, by.clone())?;
                }
                id
            }
            None => {
                let Person { name, employee_id, groups, .. } = after.clone();
                self.list(NewPerson { name, employee_id, groups }, by.clone())?.id
            }
        };
        if changes(Field::ValidFrom) || changes(Field::ValidUntil) {
            self.set_validity(id, after.valid_from, after.valid_until, by.clone())?;
        }
        if changes(Field::Enabled) {
            self.set_enabled(id, after.enabled, by.clone())?;
        }
        Ok(self.gallery().person(id)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::access::NearEnough;
    use crate::clock::SystemClock;
    use crate::domain::{Distance, ModelId};
    use crate::gallery::Gallery;
    use crate::ledger::{Journal, ReadOrder};
    use crate::office::Recorder;
    use crate::seal::Ring;
    use crate::store::Store;

    struct Site {
        _dir: tempfile::TempDir,
        register: Register,
        recorder: Arc<Recorder>,
    }

    fn site() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let gallery = Arc::new(Gallery::open(&store, &Arc::new(Ring::plain()), ModelId::new("net"), 2).unwrap());
        let recorder = Recorder::new(&store, Journal::open(&store).unwrap(), Arc::new(SystemClock::new()));
        let recorder = Arc::new(recorder);
        let register = Register::new(gallery, recorder.clone(), NearEnough::Fixed(Distance(1.0)));
        let new = |name: &str, employee_id: Option<&str>| NewPerson {
            name: name.to_owned(),
            employee_id: employee_id.map(str::to_owned),
            groups: vec!["staff".to_owned()],
        };
        register.list(new("Ada", Some("E1")), "anna".into()).unwrap();
        register.list(new("Bob", None), "anna".into()).unwrap();
        Site { _dir: dir, register, recorder }
    }

    fn row(line: usize, name: &str, employee_id: &str) -> ListedPerson {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        ListedPerson { line, name: some(name), employee_id: some(employee_id), ..ListedPerson::default() }
    }

    impl Site {
        fn plan(&self, rows: &[ListedPerson]) -> Vec<PlannedRow> {
            plan(rows, &self.register.gallery().people())
        }

        fn problem(&self, rows: &[ListedPerson]) -> String {
            let planned = self.plan(rows);
            planned.iter().find_map(|row| row.problem.as_ref()).map_or_else(String::new, ToString::to_string)
        }
    }

    fn fields(row: &PlannedRow) -> Vec<(Field, &str, &str)> {
        row.changes.iter().map(|change| (change.field, &*change.before, &*change.after)).collect()
    }

    #[test]
    fn a_plan_says_what_changes_and_changes_nothing() {
        let site = site();
        let before = site.register.gallery().people();
        let rows = [
            row(2, "Ada Lovelace", "E1"),
            ListedPerson { groups: Some(vec!["night".into(), "staff".into()]), ..row(3, "bob", "E2") },
            row(4, "Eve", "E3"),
            ListedPerson { number: Some(PersonId(1)), ..ListedPerson::default() },
        ];
        let planned = site.plan(&rows[..3]);
        assert_eq!(fields(&planned[0]), [(Field::Name, "Ada", "Ada Lovelace")]);
        assert_eq!(
            fields(&planned[1]),
            [(Field::Name, "Bob", "bob"), (Field::EmployeeId, "", "E2"), (Field::Groups, "staff", "night; staff")]
        );
        assert_eq!(fields(&planned[2]), [(Field::Name, "", "Eve"), (Field::EmployeeId, "", "E3")]);
        assert_eq!(planned[2].person, None);
        assert!(fields(&site.plan(&rows[3..])[0]).is_empty(), "nothing is asked of her");
        assert_eq!(site.register.gallery().people(), before);
    }

    #[test]
    fn a_plan_is_carried_out_with_a_record_of_each_change() {
        let site = site();
        let day = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let rows = [
            ListedPerson { enabled: Some(false), ..row(2, "Ada Lovelace", "E1") },
            ListedPerson { valid_until: Some(Some(day)), ..row(3, "Eve", "E3") },
        ];
        let planned = site.plan(&rows);
        let done = site.register.import(&planned, &"anna".into()).unwrap();
        assert_eq!((done[0].name.as_str(), done[0].enabled), ("Ada Lovelace", false));
        assert_eq!((done[1].name.as_str(), done[1].templates, done[1].valid_until), ("Eve", 0, Some(day)));
        let records = site.recorder.journal().list(.., ReadOrder::OldestFirst, 100).unwrap();
        let kinds: Vec<&str> = records.iter().map(|record| record.kind.as_str()).collect();
        assert_eq!(kinds, ["enrolled", "enrolled", "renamed", "disabled", "enrolled", "changed"]);
        assert!(site.plan(&rows).iter().all(|row| row.changes.is_empty() && row.problem.is_none()), "a second time");
    }

    #[test]
    fn what_cannot_be_done_is_said_by_its_row() {
        let site = site();
        let number = |number| ListedPerson { number: Some(PersonId(number)), ..ListedPerson::default() };
        for (rows, problem) in [
            (vec![ListedPerson::default()], "it names nobody"),
            (vec![number(9)], "nobody has the number 9"),
            (vec![row(2, "", "E9")], "a new person needs a name"),
            (vec![row(2, "Ada", "E1"), number(1)], "line 2 is about the same person"),
            (vec![ListedPerson { employee_id: Some("E1".into()), ..number(2) }], "belongs to person 1 (Ada)"),
            (vec![ListedPerson { name: Some("Ada".into()), ..number(2) }], "already enrolled as #1"),
            (vec![row(2, "Eve", "E5"), row(3, "Eva", "E5")], "line 2 is about the same person"),
            (vec![row(2, "a\u{7}b", "")], "cannot be used"),
            (
                vec![ListedPerson {
                    valid_from: Some(Some(SystemTime::UNIX_EPOCH)),
                    valid_until: Some(Some(SystemTime::UNIX_EPOCH)),
                    ..row(2, "Eve", "")
                }],
                "must start before it ends",
            ),
        ] {
            let said = site.problem(&rows);
            assert!(said.contains(problem), "{problem}: {said}");
        }
        // A namesake with another employee id is another person.
        let planned = site.plan(&[row(2, "Ada", "E7")]);
        assert!(planned[0].problem.is_none() && planned[0].person.is_none(), "{planned:?}");
        site.register.import(&planned, &"anna".into()).unwrap();
        assert!(site.problem(&[row(2, "Ada", "")]).contains("could be #1, #3"));
    }
}
