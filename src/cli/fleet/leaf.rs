//! `usher fleet leaf`

use std::io::Write;

use anyhow::Result;
use clap::Args;

use super::unexpected;
use crate::cli::print::{Tone, toned};
use crate::fleet::{Board, Site};
use crate::office::fleet::protocol::{Answer, Request};
use crate::setup::fleet::ServerAddress;

/// Give a site a leaf server of its own.
///
/// The site's boards then reach the fleet through that server, which stands at the site. Where people are, for anti-passback, stays known there while
/// the site is cut off. Writes a folder with the server's files; a README in it says what to copy where. Boards that joined before must join again:
/// revoke and invite them.
#[derive(Args)]
pub struct Leaf {
    /// The site
    site: Site,
    /// Where the site's boards reach the server
    #[arg(long, value_name = "HOST[:PORT]")]
    server: ServerAddress,
    /// Make new files where the site has a leaf server, and shut the old one out
    #[arg(long)]
    replace: bool,
}

impl Leaf {
    pub fn run(self, out: &mut impl Write, ask: &dyn Fn(&Request) -> Result<Answer>) -> Result<()> {
        let Leaf { site, server, replace } = self;
        let asked = Request::Leaf { site: site.clone(), server: server.to_string(), replace };
        let Answer::Leaf { folder, boards, still_admitted, begins } = ask(&asked)? else { return unexpected() };
        writeln!(out, "the files of the leaf server of {site} are in {folder}; copy them as README there says")?;
        if begins {
            let new = format!("no board of {site} was invited yet: if that is not the name, delete the files");
            writeln!(out, "{}", toned(Tone::Warning, &new))?;
        }
        if !boards.is_empty() {
            let names: Vec<&str> = boards.iter().map(Board::as_str).collect();
            writeln!(out, "boards that joined before do not use it: revoke and invite {}", names.join(", "))?;
        }
        if let Some(why) = still_admitted {
            writeln!(out, "the servers refuse the old leaf as soon as they can be reached ({why})")?;
        }
        Ok(())
    }
}
