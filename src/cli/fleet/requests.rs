//! `usher fleet requests`, `usher fleet enable` and `usher fleet disable`

use std::io::Write;

use anyhow::Result;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{done, show, unexpected};
use crate::cli::listing::Listing;
use crate::cli::print::Tone;
use crate::fleet::Site;
use crate::office::fleet::protocol::{Answer, Request, RequestRow};

/// Look at enrolments at doors that the office has not carried out, and decide them.
///
/// Somebody enrolled at a door of a fleet counts at that door alone until the office has taken them in. It does so at once, unless the face or the name
/// is like somebody's at any site, or unless `[fleet] requests = "ask"` in the office's configuration.
#[derive(Args)]
pub struct Requests {
    #[command(subcommand)]
    act: Decide,
}

#[derive(Subcommand)]
enum Decide {
    /// List those that were refused or wait for a decision
    ///
    /// Each can be decided for 30 days; then its faces are deleted.
    List {
        /// Print JSON, one request a line
        #[arg(long)]
        json: bool,
    },
    /// Take somebody in after all
    Accept {
        /// The name or the uuid
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        who: String,
        /// Take them in although the name or the face is like somebody's
        #[arg(long)]
        force: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Do not take somebody in: they stay a person of that door alone
    Refuse {
        /// The name or the uuid
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        who: String,
        /// The reason, which `usher people` at the board shows
        #[arg(long, default_value = "")]
        why: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Whom doors of a site open for, or open for no longer.
#[derive(Args)]
pub struct OneOfSite {
    /// The name, employee id or uuid
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// The site
    #[arg(long)]
    site: Site,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl OneOfSite {
    pub fn set_enabled(
        self,
        out: &mut impl Write,
        ask: &dyn Fn(&Request) -> Result<Answer>,
        enabled: bool,
    ) -> Result<()> {
        let OneOfSite { name, site, json } = self;
        show::done(out, &done(ask(&Request::SetEnabled { site, name, enabled })?)?, json)
    }
}

impl Requests {
    pub fn run(self, out: &mut impl Write, ask: &dyn Fn(&Request) -> Result<Answer>) -> Result<()> {
        match self.act {
            Decide::List { json } => match ask(&Request::Requests)? {
                Answer::Requests { requests } if json => {
                    requests.iter().try_for_each(|row| Ok(writeln!(out, "{}", serde_json::to_string(row)?)?))
                }
                Answer::Requests { requests } => list(out, &requests),
                _ => unexpected(),
            },
            Decide::Accept { who, force, json } => show::done(out, &done(ask(&Request::Accept { who, force })?)?, json),
            Decide::Refuse { who, why, json } => show::done(out, &done(ask(&Request::Refuse { who, why })?)?, json),
        }
    }
}

fn list(out: &mut impl Write, requests: &[RequestRow]) -> Result<()> {
    if requests.is_empty() {
        return Ok(writeln!(out, "No request waits for a decision.")?);
    }
    let heads = ["NAME", "SITE", "BOARD", "BY", "GROUPS", "SINCE", "STATE", "WHY", "UUID"];
    let mut listing = Listing::new(heads).giving_way(&["UUID", "BY", "GROUPS", "SINCE"]);
    for row in requests {
        let since = i64::try_from(row.at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let cells = [
            row.name.clone(),
            row.site.clone(),
            row.board.clone(),
            row.by.clone(),
            row.groups.join(", "),
            since.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default(),
            if row.waits { "waits" } else { "refused" }.to_owned(),
            row.why.clone(),
            row.uuid.clone(),
        ];
        listing.row(if row.waits { Tone::Plain } else { Tone::Warning }, cells);
    }
    Ok(listing.write(out)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_why() {
        let row = RequestRow {
            uuid: "u".into(),
            board: "front".into(),
            site: "berlin".into(),
            name: "Bob".into(),
            groups: vec!["staff".into()],
            templates: 2,
            by: "otto".into(),
            waits: false,
            why: "this may be Ada".into(),
            at_ms: 1_700_000_000_000,
        };
        let mut out = Vec::new();
        list(&mut out, &[row]).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in ["Bob", "front", "refused", "this may be Ada", "2023-11-14"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let mut out = Vec::new();
        list(&mut out, &[]).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("No request"));
    }
}
