//! `usher fleet`

mod client;
mod export;
mod join;
mod leaf;
mod models;
mod office;
mod requests;
mod rules;
mod show;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};

use super::context::Context;
use super::enroll::photos::{Looked, look_at_all};
use crate::fleet::{Board, Site};
use crate::office::Gates;
use crate::office::fleet::protocol::{Answer, CollectedRecord, Done, Enrolment, MAX_RECORDS, Position, Request};
pub use show::{NotInForce, difference};

/// Where the office keeps its files.
const FOLDER: &str = "/var/lib/usher-office";
/// The variable that names another folder.
const FOLDER_VARIABLE: &str = "USHER_OFFICE";

/// The office's folder: the one on the command line, else that of `USHER_OFFICE`, else the default. An empty name counts as not given.
pub fn office_folder(named: Option<PathBuf>) -> PathBuf {
    let of_environment = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from);
    let is_name = |folder: &PathBuf| !folder.as_os_str().is_empty();
    named.filter(is_name).or_else(|| of_environment.filter(is_name)).unwrap_or_else(|| FOLDER.into())
}

/// Many boards with one office.
///
/// One office says who may pass at which site, locks sites down, and collects the journals of all boards. Boards go on without it, and without the
/// network. docs/fleet.md leads from two boards to a fleet.
///
/// A command that changes something ends with 0 once all boards of the site have confirmed it, and with 3 if the change is on the office's disk and some
/// have not confirmed it within twenty seconds: it names them. A lockdown, or rules, that no board follows end with 3, too.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher fleet init --servers hub.example.org\n  usher fleet invite --site berlin --board front\n  \
    usher fleet join\n  usher fleet enroll \"Ada Lovelace\" --site berlin ada1.jpg ada2.jpg\n  usher fleet lockdown berlin on"
)]
pub struct Fleet {
    /// The office's folder [default: USHER_OFFICE, else /var/lib/usher-office]
    #[arg(long, global = true, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    Init(join::Init),
    Office(office::RunOffice),
    Join(join::Join),
    /// Invite a board: print a token for it
    ///
    /// The token is secret: a thief who has it can be that board. `usher fleet join` takes it on the board within an hour. A board that was not heard
    /// by then is shut out again.
    Invite {
        /// The site whose people pass there: 1 to 32 of a to z, 0 to 9 and -
        #[arg(long)]
        site: Site,
        /// A name for the board, of the same characters
        #[arg(long)]
        board: Board,
    },
    Leaf(leaf::Leaf),
    /// Show the office, its sites, and each board
    ///
    /// `whole`: the board holds exactly the people of the office's list. `waiting`: records that the servers have not acknowledged. `clock`: how far the board's
    /// clock is ahead of the servers'. Fails while the office is not at the servers.
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    Enroll(Enroll),
    /// List who is enrolled at a site
    People {
        /// The site
        #[arg(long)]
        site: Site,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    Requests(requests::Requests),
    /// Let no door of a site open for a person
    ///
    /// They stay enrolled, and doors still recognise them, so that a refusal can say why. A board can do the same with `usher people disable`.
    Disable(requests::OneOfSite),
    /// Let the doors of a site open for a person again
    Enable(requests::OneOfSite),
    /// Forget a person at a site for good
    ///
    /// The key of their record is destroyed, everybody else gets a new one, and boards erase the person. Says which boards have confirmed that. From
    /// then on, a copy of the record can be opened only with an old key: one in a backup of the office's folder, on a board that has not confirmed, or
    /// taken from a board by somebody who has kept the servers' traffic.
    Forget {
        /// The name, employee id or uuid
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// The site
        #[arg(long)]
        site: Site,
        /// Print what can be shown of it: the hashes of the records, and the keys
        #[arg(long)]
        proof: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Lock a site down, or end that
    ///
    /// On: no door of the site opens for anybody, or only for a group. Off: all doors of the site that are locked down go by the rules again.
    Lockdown {
        /// The site
        site: Site,
        /// Whether it begins or ends
        state: OnOff,
        /// Who still passes
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        group: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    Rules(rules::Rules),
    Models(models::Models),
    /// Shut a board out
    ///
    /// The servers refuse it at once, and it gets no later key. What it holds already stays on it until it is erased there.
    Revoke {
        /// The board
        board: Board,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a collected record in full, with each gate of a decision
    Why {
        /// The board
        board: Board,
        /// The record's number
        record: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    Export(export::Export),
    /// List the records that were collected from all boards, by board, oldest first
    Journal {
        /// Only those of one board
        #[arg(long)]
        board: Option<Board>,
        /// Print JSON, one record a line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnOff {
    On,
    Off,
}

/// Enrol a person at a site from photographs.
///
/// The photographs are looked at here, by the limits of [enroll] and with the embedder of [models] in the configuration; only templates go to the
/// office. Everybody who looks like somebody enrolled, at any site, is refused as a possible duplicate.
#[derive(Args)]
struct Enroll {
    /// The person's name
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// Photographs of the person: JPEG, PNG, BMP or WebP
    #[arg(required = true)]
    photos: Vec<PathBuf>,
    /// Where the person passes
    #[arg(long)]
    site: Site,
    /// The employee id; it must be unique at the site
    #[arg(long, value_name = "EMP")]
    id: Option<String>,
    /// A group the person belongs to; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// In a photograph with several faces, take the largest
    #[arg(long)]
    largest: bool,
    /// Enrol even a possible duplicate, or photographs that do not look like one person
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Fleet {
    pub fn run(self, context: &Context) -> Result<()> {
        let Fleet { folder, act } = self;
        let folder = office_folder(folder);
        let ask = |request: &Request| client::ask(&folder, request);
        let mut out = std::io::stdout().lock();
        match act {
            Act::Init(init) => init.run(&folder),
            Act::Join(join) => join.run(context),
            Act::Office(office) => {
                drop(out);
                office.run(&folder, context)
            }
            Act::Invite { site: begun, board } => {
                match ask(&Request::Invite { site: begun.clone(), board: board.clone() })? {
                    Answer::Token { token, begins } => {
                        if begins {
                            note!("usher: {begun} is a new site: {board} is its first board");
                        }
                        note!(
                            "usher: this token lets a board in as {board}, and is shown only now; on the board, within an hour, paste it to: usher fleet join"
                        );
                        Ok(writeln!(out, "{token}")?)
                    }
                    _ => unexpected(),
                }
            }
            Act::Leaf(leaf) => leaf.run(&mut out, &ask),
            Act::Status { json } => match ask(&Request::Status)? {
                Answer::Status(status) => {
                    match json {
                        true => writeln!(out, "{}", serde_json::to_string(&status)?)?,
                        false => show::status(&mut out, &status)?,
                    }
                    match status.state.as_str() {
                        "online" => Ok(()),
                        _ => bail!("the office is not at the servers; changes stay on its disk and go out later"),
                    }
                }
                _ => unexpected(),
            },
            Act::Enroll(enroll) => {
                let (request, json) = (enroll.request(context, &ask)?, enroll.json);
                show::done(&mut out, &done(ask(&request)?)?, json)
            }
            Act::People { site, json } => match ask(&Request::People { site })? {
                Answer::People { people } if json => {
                    people.iter().try_for_each(|person| Ok(writeln!(out, "{}", serde_json::to_string(person)?)?))
                }
                Answer::People { people } => show::people(&mut out, &people),
                _ => unexpected(),
            },
            Act::Forget { name, site, proof, json } => {
                let done = done(ask(&Request::Forget { site, name })?)?;
                let shown = show::done(&mut out, &done, json);
                if let Some(proof) = done.proof.filter(|_| proof && !json) {
                    show::proof(&mut out, &proof)?;
                }
                shown
            }
            Act::Requests(requests) => requests.run(&mut out, &ask),
            Act::Disable(one) => one.set_enabled(&mut out, &ask, false),
            Act::Enable(one) => one.set_enabled(&mut out, &ask, true),
            Act::Why { board, record, json } => why(&mut out, &ask, board, record, json),
            Act::Lockdown { site, state, group, json } => {
                let on = state == OnOff::On;
                if group.is_some() && !on {
                    bail!("--group is for a lockdown that begins");
                }
                show::done(&mut out, &done(ask(&Request::Lockdown { site, on, group })?)?, json)
            }
            Act::Rules(rules) => rules.run(&mut out, &ask),
            Act::Models(models) => models.run(&mut out, &ask, context),
            Act::Revoke { board, json } => show::done(&mut out, &done(ask(&Request::Revoke { board })?)?, json),
            Act::Export(export) => export.run(&folder, &mut out),
            Act::Journal { board, json } => journal(&mut out, &ask, board.as_ref(), json),
        }
    }
}

/// Prints all collected records, in parts.
fn journal(
    out: &mut impl Write,
    ask: &dyn Fn(&Request) -> Result<Answer>,
    board: Option<&Board>,
    json: bool,
) -> Result<()> {
    let mut after: Option<Position> = None;
    loop {
        let Answer::Records { records } = ask(&Request::Journal { board: board.cloned(), after })? else {
            return unexpected();
        };
        match json {
            true => records
                .iter()
                .try_for_each(|one| -> Result<()> { Ok(writeln!(out, "{}", serde_json::to_string(one)?)?) })?,
            false => show::records(out, &records)?,
        }
        let last = records.last().filter(|_| records.len() == MAX_RECORDS);
        let Some(last) = last else { return Ok(()) };
        let seq = last.record.get("seq").and_then(serde_json::Value::as_u64).unwrap_or(u64::MAX);
        after = Some(Position { board: last.board.clone(), seq });
    }
}

/// Prints all records of that number: a board that was restored may have several.
fn why(
    out: &mut impl Write,
    ask: &dyn Fn(&Request) -> Result<Answer>,
    board: Board,
    record: u64,
    json: bool,
) -> Result<()> {
    let after = Some(Position { board: board.to_string(), seq: record.saturating_sub(1) });
    let Answer::Records { records } = ask(&Request::Journal { board: Some(board.clone()), after })? else {
        return unexpected();
    };
    let number = |one: &CollectedRecord| one.record.get("seq").and_then(serde_json::Value::as_u64);
    let found: Vec<&CollectedRecord> = records.iter().filter(|one| number(one) == Some(record)).collect();
    if found.is_empty() {
        bail!("the office has no record {record} of {board}: `usher fleet journal --board {board}` lists all");
    }
    found.into_iter().try_for_each(|one| show::record(out, one, json))
}

impl Enroll {
    /// Looks at the photographs.
    fn request(&self, context: &Context, ask: &dyn Fn(&Request) -> Result<Answer>) -> Result<Request> {
        let models = models::status(ask, &self.site)?;
        let (mut eyes, gates) = models::eyes(&models, context)?;
        let gates = if self.force { Gates { min_length: None, ..gates } } else { gates };
        let Looked { templates, taken, refused } = look_at_all(&self.photos, &mut eyes, &gates, self.largest)?;
        for (file, why) in &refused {
            note!("not taken: {file}: {why}");
        }
        let Some(first) = templates.first() else {
            bail!("nobody was enrolled: no photograph for {} could be used", self.name)
        };
        let (own, other) = models::separate(&templates, &models);
        Ok(Request::Enroll(Enrolment {
            site: self.site.clone(),
            name: self.name.clone(),
            employee_id: self.id.clone(),
            groups: self.groups.clone(),
            model: first.embedding.model().to_string(),
            templates: own,
            beside: other,
            labels: taken,
            force: self.force,
        }))
    }
}

fn done(answer: Answer) -> Result<Done> {
    match answer {
        Answer::Done(done) => Ok(done),
        _ => unexpected(),
    }
}

fn unexpected<T>() -> Result<T> {
    bail!("the office gave an answer of another kind: is it of another version?")
}
