//! `usher people templates` and `usher people not-this`.

use std::io::Write;

use anyhow::Result;
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::api::kept_templates::{KeptKind, KeptTemplate};
use crate::api::template::Quality;
use crate::cli::client::Client;
use crate::cli::enroll::templates as count;
use crate::cli::listing::{self, Listing};
use crate::cli::print::Tone;
use crate::cli::whom::enrolled_person;
use crate::domain::Chroma;

/// List a person's templates, or erase some of them
///
/// Shows when each template was made, how good it is, and whether its picture had colour or was grey, as those of infra-red cameras are; the
/// embeddings do not leave the store. Learned ones come from grants, with `[enroll] learn_from_grants`. Lookalikes are faces that were said not to be
/// this person's (usher people not-this). More templates come from `usher enroll --add`.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = false,
    after_help = "Examples:\n  usher people templates \"Ada Lovelace\"              list them\n  \
    usher people templates \"Ada Lovelace\" remove 2     erase the one that the list calls 2"
)]
pub struct Templates {
    /// Employee id, whole name, or number as in '#7'
    person: String,
    #[command(subcommand)]
    act: Option<TemplatesAct>,
    /// Erase the templates that were learned from grants
    #[arg(long)]
    forget_learned: bool,
    /// Erase the faces that were said not to be this person's
    #[arg(long)]
    forget_lookalikes: bool,
}

#[derive(Subcommand)]
enum TemplatesAct {
    /// Erase templates, by what the list calls them
    ///
    /// They are overwritten and deleted; where templates are sealed, neither an old page of the database nor a backup can restore them. Save the
    /// key ring again afterwards (usher store ring save).
    Remove {
        /// As the list has it: `2`, `learned-0`, `lookalike-1`
        #[arg(required = true, value_name = "TEMPLATE")]
        templates: Vec<String>,
        /// Even the last one by which the person is recognised
        #[arg(long)]
        force: bool,
    },
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
        if let Some(TemplatesAct::Remove { templates, force }) = &self.act {
            let mut after = person;
            for template in templates {
                after = client.remove_template(after.id, template, *force)?;
            }
            match as_json {
                true => writeln!(out, "{}", serde_json::to_string(&after)?)?,
                false => writeln!(
                    out,
                    "{} of {} (#{}) erased; {} left",
                    listed(templates),
                    after.name,
                    after.id,
                    count(after.templates)
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

fn listed(templates: &[String]) -> String {
    match templates {
        [one] => format!("the template {one}"),
        several => format!("the templates {}", several.join(", ")),
    }
}

fn print(out: &mut impl Write, kept: &[KeptTemplate], zone: &TimeZone) -> Result<()> {
    let heads = ["TEMPLATE", "KIND", "MADE", "MODEL", "PIXELS", "SHARPNESS", "YAW", "PITCH", "PICTURE", "LENGTH"];
    let mut table = Listing::new(heads).giving_way(&["LENGTH", "MODEL"]);
    for template in kept {
        let figure = |figure: fn(&Quality) -> f32| {
            template.quality.as_ref().map_or_else(|| "-".to_owned(), |quality| format!("{:.0}", figure(quality)))
        };
        let length = template.quality.as_ref().and_then(|quality| quality.embedding_length);
        let made = template.created.as_deref().map(|made| listing::local_minute(made, zone));
        let cells = [
            template.id.clone(),
            kind(template.kind).to_owned(),
            made.unwrap_or_else(|| "cannot be read".to_owned()),
            template.model.clone(),
            figure(|quality| quality.size_px),
            figure(|quality| quality.sharpness),
            figure(|quality| quality.yaw_deg),
            figure(|quality| quality.pitch_deg),
            template.quality.as_ref().map_or("-", |quality| picture(quality.chroma)).to_owned(),
            length.map_or_else(|| "-".to_owned(), |length| format!("{length:.2}")),
        ];
        let tone = if template.problem.is_some() { Tone::Bad } else { Tone::Plain };
        table.row(tone, cells);
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

fn picture(chroma: Chroma) -> &'static str {
    match chroma {
        Chroma::Colour => "colour",
        Chroma::Grey => "grey",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_a_line_and_a_length_that_is_not_known_a_dash() {
        let quality = |embedding_length: Option<f32>| Quality {
            size_px: 112.4,
            sharpness: 90.0,
            yaw_deg: -5.0,
            pitch_deg: 2.0,
            roll_deg: 0.0,
            brightness: 120.0,
            embedding_length,
            chroma: if embedding_length.is_some() { Chroma::Grey } else { Chroma::Colour },
        };
        let template = |id: &str, kind, length| KeptTemplate {
            id: id.into(),
            kind,
            model: "net-1".into(),
            created: Some("2026-01-02T03:04:05Z".into()),
            quality: Some(quality(length)),
            problem: None,
        };
        let locked = KeptTemplate {
            created: None,
            quality: None,
            problem: Some("it is sealed".into()),
            ..template("learned-0", KeptKind::Learned, None)
        };
        let kept = [
            template("0", KeptKind::Enrolled, None),
            template("lookalike-1", KeptKind::Lookalike, Some(7.254)),
            locked,
        ];
        let mut out = Vec::new();
        print(&mut out, &kept, &TimeZone::UTC).unwrap();
        let text = String::from_utf8(out).unwrap();
        let words: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(words[1], "0 enrolled 2026-01-02 03:04 net-1 112 90 -5 2 colour -");
        assert_eq!(words[2], "lookalike-1 lookalike 2026-01-02 03:04 net-1 112 90 -5 2 grey 7.25");
        assert_eq!(words[3], "learned-0 learned cannot be read net-1 - - - - - -");
    }
}
