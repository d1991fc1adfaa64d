//! `usher why`

use anyhow::{Result, bail};
use clap::Args;

use super::client::{Client, Page};
use super::context::Context;
use super::journal::show;
use super::when::Calendar;
use crate::domain::Event;
use crate::ledger::{Dated, RecordFilter};

/// Say why a door opened or stayed shut, like a receipt.
///
/// Shows each question that was asked, in order, with what was measured, the limit, and the outcome. Asked about an unlocked or
/// failed door, or about somebody who passed, it shows the decision behind it.
#[derive(Args)]
pub struct Why {
    /// The record's number, or the beginning of its id [default: the newest decision]
    event: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Why {
    pub fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let calendar = Calendar::of_attendance(&client.calendar()?)?;
        let record = match &self.event {
            None => newest_decision(&client)?,
            Some(event) => cause(&client, client.dated(event)?)?,
        };
        let mut out = std::io::stdout().lock();
        show(&mut out, &record, calendar.zone(), self.json)
    }
}

fn newest_decision(client: &Client) -> Result<Dated> {
    let decisions = RecordFilter { kinds: vec!["granted".into(), "denied".into()], ..RecordFilter::default() };
    match client.select(Page::Newest, 1, &decisions)?.pop() {
        Some(record) => Ok(record),
        None => bail!("no decision stands in the journal"),
    }
}

/// The record behind an unlocked door or a passage; any other record explains itself.
fn cause(client: &Client, dated: Dated) -> Result<Dated> {
    match dated.record.content.event().and_then(Event::allowed_by) {
        Some(record) => client.dated(&record.to_string()),
        None => Ok(dated),
    }
}
