//! `usher fleet models`

use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{done, show, unexpected};
use crate::cli::context::Context;
use crate::cli::enroll::photos::{Looked, look_at_all};
use crate::config;
use crate::fleet::Site;
use crate::gallery::{Template, write_template};
use crate::names::shown;
use crate::office::fleet::protocol::{Answer, ModelsAct, ModelsStatus, Photographs, Request, RollRow};
use crate::office::{Eyes, Gates};
use crate::setup;
use crate::setup::models::with_embedder;

/// Lead a site from one embedder to another.
///
/// From `switch` on, templates of both models are kept for everybody at the site, and doors make templates of the new one after they have let somebody
/// in. Once enough people have some, the site goes over; each of its boards does once it holds everybody's record, at a restart that it makes itself. The old records
/// are dropped a day after that, when all boards have gone over.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher fleet models switch sface --site berlin --share 95\n  usher fleet models status --site berlin\n  \
    usher fleet models photographs \"Ada Lovelace\" --site berlin ada1.jpg ada2.jpg\n  usher fleet models cancel --site berlin"
)]
pub struct Models {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Begin the way to another model, or change its settings
    ///
    /// Each call says all settings anew.
    Switch {
        /// The new model's name, as `usher models` lists it; the office and all boards of the site need its file
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// The site
        #[arg(long)]
        site: Site,
        /// Go over once this many of a hundred people who may enter have templates of the new model
        #[arg(long, default_value_t = 100, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
        share: u8,
        /// Or from a day, a time (2026-12-24T06:00), or a span from now (36h) on, with those who have some by then; it must lie ahead
        #[arg(long, value_name = "WHEN")]
        after: Option<String>,
        /// Whether doors make templates of the new model from the next good views of people whom they let in
        #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
        learn: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show how far a site is, who has no templates of the new model yet, and which boards do not follow
    Status {
        /// The site
        #[arg(long)]
        site: Site,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a person templates of the new model from photographs
    Photographs(Photos),
    /// Stay with the old model; after the switch, go back to it
    Cancel {
        /// The site
        #[arg(long)]
        site: Site,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Drop the records of the model that the site has left, although boards may still compare by it
    ///
    /// The office does so by itself a day after the switch, once all boards have gone over and everybody who may enter has templates of the new
    /// model. A board that has not gone over keeps what it has, and hears of no change until it has the new model.
    Finish {
        /// The site
        #[arg(long)]
        site: Site,
        /// Drop them even if some people have templates of that model alone: no door will know those people by face
        #[arg(long)]
        force: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Photos {
    /// The name, employee id or uuid
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// Photographs of the person: JPEG, PNG, BMP or WebP
    #[arg(required = true)]
    photos: Vec<PathBuf>,
    /// The site
    #[arg(long)]
    site: Site,
    /// In a photograph with several faces, take the largest
    #[arg(long)]
    largest: bool,
    /// Take photographs that do not look like the person to the old model, or not like each other
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Models {
    pub fn run(self, out: &mut impl Write, ask: &dyn Fn(&Request) -> Result<Answer>, context: &Context) -> Result<()> {
        let (site, act, json) = match self.act {
            Act::Status { site, json } => return print(out, &status(ask, &site)?, json),
            Act::Switch { name, site, share, after, learn, json } => {
                let after_ms = after.as_deref().map(moment).transpose()?;
                (site, ModelsAct::Switch { to: name, share, after_ms, learn }, json)
            }
            Act::Cancel { site, json } => (site, ModelsAct::Cancel, json),
            Act::Finish { site, force, json } => (site, ModelsAct::Finish { force }, json),
            Act::Photographs(photos) => {
                let models = status(ask, &photos.site)?;
                if models.roll.is_none() {
                    bail!(
                        "{} is not on the way to another model: `usher fleet models switch` begins that",
                        photos.site
                    );
                }
                let (site, json) = (photos.site.clone(), photos.json);
                (site, photos.look(&models, context)?, json)
            }
        };
        show::done(out, &done(ask(&Request::Models { site, act })?)?, json)
    }
}

/// The models of a site.
pub fn status(ask: &dyn Fn(&Request) -> Result<Answer>, site: &Site) -> Result<ModelsStatus> {
    match ask(&Request::Models { site: site.clone(), act: ModelsAct::Status })? {
        Answer::Models(models) => Ok(models),
        _ => unexpected(),
    }
}

/// The networks and limits for photographs of people of a site: with the model in force there, and the other one beside it.
pub fn eyes(models: &ModelsStatus, context: &Context) -> Result<(Eyes, Gates)> {
    let config = context.config_or_defaults()?;
    let in_use = models.current.clone().unwrap_or_else(|| config.models.embedder.clone());
    let gates = setup::gates(&with_embedder(&config, &in_use))?;
    Ok((context.eyes_with(Some(in_use), models.beside.clone())?, gates))
}

/// Templates of one model, and those of the other.
pub fn separate(templates: &[Template], models: &ModelsStatus) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let first = templates.first().map(|template| template.embedding.model().clone());
    let (own, other): (Vec<&Template>, Vec<&Template>) = templates
        .iter()
        .partition(|template| models.beside.is_none() || Some(template.embedding.model()) == first.as_ref());
    let written = |templates: Vec<&Template>| templates.into_iter().map(write_template).collect();
    (written(own), written(other))
}

impl Photos {
    fn look(&self, models: &ModelsStatus, context: &Context) -> Result<ModelsAct> {
        let (mut eyes, gates) = eyes(models, context)?;
        let gates = if self.force { Gates { min_length: None, ..gates } } else { gates };
        let Looked { templates, taken, refused } = look_at_all(&self.photos, &mut eyes, &gates, self.largest)?;
        for (file, why) in &refused {
            note!("not taken: {file}: {why}");
        }
        if templates.is_empty() {
            bail!("no photograph of {} could be used", self.name);
        }
        let (own, other) = separate(&templates, models);
        // After the switch, the model that is gone to is the one in force.
        let switched = models.roll.as_ref().is_some_and(|roll| roll.switched);
        let (templates, proof) = if switched { (own, Vec::new()) } else { (other, own) };
        let (name, labels, force) = (self.name.clone(), taken, self.force);
        Ok(ModelsAct::Photographs(Photographs { name, templates, proof, labels, force }))
    }
}

/// A day, which begins at midnight here, a time, or a span from now; in milliseconds since 1970.
fn moment(text: &str) -> Result<u64> {
    let at = match config::duration(text).and_then(|span| i64::try_from(span.as_secs()).ok()) {
        Some(span) => Timestamp::try_from(SystemTime::now())?
            .checked_add(SignedDuration::from_secs(span))
            .with_context(|| format!("--after {text} is too long"))?,
        None => match text.parse::<Timestamp>() {
            Ok(at) => at,
            Err(_) => {
                let local = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
                let local = local.ok().with_context(|| {
                    format!("--after {text:?} is not a time: write 2026-12-24, 2026-12-24T06:00, or a span as in 36h")
                })?;
                TimeZone::system().to_timestamp(local).map_err(|_| {
                    anyhow!("--after {text} is not a time that this machine can count to: write an earlier one")
                })?
            }
        },
    };
    u64::try_from(at.as_millisecond()).with_context(|| format!("--after {text} is before 1970"))
}

fn print(out: &mut impl Write, models: &ModelsStatus, json: bool) -> Result<()> {
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string(models)?)?);
    }
    match (&models.roll, &models.current) {
        (None, None) => writeln!(out, "the site compares by the model that its people were enrolled with")?,
        (None, Some(current)) => writeln!(out, "the site compares by {current}")?,
        (Some(roll), _) => print_roll(out, roll)?,
    }
    for board in &models.boards {
        let model = shown(board.model.as_deref().unwrap_or("not heard yet"));
        let state = match (&board.trouble, &board.beside) {
            (Some(why), _) => shown(why).into_owned(),
            (None, _) if board.follows => "follows".to_owned(),
            (None, Some(beside)) if beside.whole => format!("holds all of {}", beside.model),
            (None, Some(beside)) => format!("holds {} records of {}", beside.count, beside.model),
            (None, None) => "does not follow yet".to_owned(),
        };
        writeln!(out, "{:<24} {model}: {state}", board.board)?;
    }
    Ok(())
}

fn print_roll(out: &mut impl Write, roll: &RollRow) -> Result<()> {
    let RollRow { from, to, switched, share, after_ms, learn, by, moved, left } = roll;
    let all = moved + left.len();
    match switched {
        true => writeln!(
            out,
            "gone over from {from} to {to}, by {by}: {moved} of {all} people who may enter have templates of it"
        )?,
        false => {
            let after = after_ms.and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
            let after = after.map(|at| format!(", or after {at}")).unwrap_or_default();
            let learn = if *learn { "doors make templates" } else { "doors make no templates" };
            writeln!(
                out,
                "from {from} to {to}, by {by}: {moved} of {all} people who may enter have templates of it; it goes over at {share} %{after}; {learn}"
            )?;
        }
    }
    for name in left {
        writeln!(out, "  without: {name}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_no_clock_reaches_is_refused_in_words() {
        for (text, why) in [
            ("9999-12-31", "write an earlier one"),
            ("99999999999h", "too long"),
            ("soon", "is not a time"),
            ("1912-06-23", "before 1970"),
        ] {
            let error = format!("{:#}", moment(text).unwrap_err());
            assert!(error.contains(why) && error.contains(text), "{error}");
        }
        assert!(moment("2099-01-01T06:00").unwrap() > moment("36h").unwrap());
    }
}
