//! `usher people templates` and `usher people not-this`

use std::io::Write;

use anyhow::Result;
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::api::people::{KeptKind, KeptTemplate};
use crate::cli::client::Client;
use crate::cli::listing::{self, Listing};
use crate::cli::print::Tone;
use crate::cli::whom::enrolled_person;

/// List a person's templates, or erase those that came after the enrolment
///
/// Shows when each template was made and how good it is; the embeddings do not leave the store. Learned ones come from grants, with
/// `[enroll] learn_from_grants`. Lookalikes are faces that were said not to be this person's (usher people not-this).
#[derive(Args)]
pub struct Templates {
    /// Employee id, whole name, or number as in '#7'
    person: String,
    /// Erase the templates that were learned from grants
    #[arg(long)]
    forget_learned: bool,
    /// Erase the faces that were said not to be this person's
    #[arg(long)]
    forget_lookalikes: bool,
}

/// Say that the face of a grant or a refusal was somebody else
///
/// The face becomes a negative reference of the person: from then on, a face that is nearly as near to it as to the person is ambiguous, and
/// no door opens for it. It is sealed and erased with the person. The face must still be kept: that of a grant with `[gallery] keep_granted`,
/// that of a refusal as unknown with `keep_unknown`.
#[derive(Args)]
#[command(
    after_help = "Example:\n  usher people not-this \"Ada Lovelace\" 4711     the door opened for somebody else by record 4711"
)]
pub struct NotThis {
    /// Employee id, whole name, or number as in '#7'
    person: String,
    /// The number of the journal's record
    record: u64,
    /// Even if the face is clearly the person's by the templates
    #[arg(long)]
    force: bool,
}

impl Templates {
    pub fn run(&self, client: &Client, as_json: bool) -> Result<()> {
        let person = enrolled_person(client, &self.person)?;
        let mut out = std::io::stdout().lock();
        if self.forget_learned || self.forget_lookalikes {
            let learned = if self.forget_learned { client.forget_learned(person.id)? } else { 0 };
            let lookalikes = if self.forget_lookalikes { client.forget_lookalikes(person.id)? } else { 0 };
            match as_json {
                true => writeln!(out, "{}", json!({ "learned": learned, "lookalikes": lookalikes }))?,
                false => writeln!(
                    out,
                    "erased {learned} learned templates and {lookalikes} lookalikes of {} (#{})",
                    person.name, person.id
                )?,
            }
            return Ok(());
        }
        let kept = client.templates(person.id)?;
        match as_json {
            true => {
                for template in &kept {
                    writeln!(out, "{}", serde_json::to_string(template)?)?;
                }
            }
            false => print(&mut out, &kept, &TimeZone::system())?,
        }
        Ok(())
    }
}

impl NotThis {
    pub fn run(&self, client: &Client, as_json: bool) -> Result<()> {
        let person = client.note_lookalike(enrolled_person(client, &self.person)?.id, self.record, self.force)?;
        let mut out = std::io::stdout().lock();
        match as_json {
            true => writeln!(out, "{}", serde_json::to_string(&person)?)?,
            false => writeln!(
                out,
                "the face of record {} is a negative reference of {} (#{}) now",
                self.record, person.name, person.id
            )?,
        }
        Ok(())
    }
}

fn print(out: &mut impl Write, kept: &[KeptTemplate], zone: &TimeZone) -> Result<()> {
    let heads = ["KIND", "MADE", "MODEL", "PIXELS", "SHARPNESS", "YAW", "PITCH", "LENGTH"];
    let mut table = Listing::new(heads).giving_way(&["LENGTH", "MODEL"]);
    for template in kept {
        let quality = &template.quality;
        let cells = [
            kind(template.kind).to_owned(),
            listing::local_minute(&template.created, zone),
            template.model.clone(),
            format!("{:.0}", quality.size_px),
            format!("{:.0}", quality.sharpness),
            format!("{:.0}", quality.yaw_deg),
            format!("{:.0}", quality.pitch_deg),
            quality.embedding_length.map_or_else(|| "-".to_owned(), |length| format!("{length:.2}")),
        ];
        table.row(Tone::Plain, cells);
    }
    table.write(out)?;
    Ok(())
}

fn kind(kind: KeptKind) -> &'static str {
    match kind {
        KeptKind::Enrolled => "enrolled",
        KeptKind::Learned => "learned",
        KeptKind::Lookalike => "lookalike",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::template::Quality;

    #[test]
    fn a_template_is_a_line_and_a_length_that_is_not_known_a_dash() {
        let quality = |embedding_length| Quality {
            size_px: 112.4,
            sharpness: 90.0,
            yaw_deg: -5.0,
            pitch_deg: 2.0,
            roll_deg: 0.0,
            brightness: 120.0,
            embedding_length,
        };
        let template = |kind, length| KeptTemplate {
            kind,
            model: "net-1".into(),
            created: "2026-01-02T03:04:05Z".into(),
            quality: quality(length),
        };
        let kept = [template(KeptKind::Enrolled, None), template(KeptKind::Lookalike, Some(7.254))];
        let mut out = Vec::new();
        print(&mut out, &kept, &TimeZone::UTC).unwrap();
        let text = String::from_utf8(out).unwrap();
        let words: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(words[1], "enrolled 2026-01-02 03:04 net-1 112 90 -5 2 -");
        assert_eq!(words[2], "lookalike 2026-01-02 03:04 net-1 112 90 -5 2 7.25");
    }
}
