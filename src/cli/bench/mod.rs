//! `usher bench`

mod course;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::context::{self, Context};
use crate::config::Config;
use crate::domain::Image;
use crate::lab::drawing;
use crate::photo;
use crate::vision::runtime::Accelerator;
use course::Course;

/// A configuration with nothing but what every one must have: all else is the default.
const DEFAULTS: &str =
    "[[door]]\nname = \"bench\"\n[[camera]]\nname = \"bench\"\nkind = \"replay\"\npath = \"/nothing\"\n";

/// Measure how fast usher is on this machine.
///
/// Runs each network on each accelerator there is, whole frames from the camera's JPEG to the verdict, and searches in galleries of
/// growing size, for about a minute. Tells medians and spreads, how warm the machine became, and whether it was held back. What it
/// prints is meant to be pasted into an issue: it names the board, and nobody.
///
/// Needs no camera and no photograph: it looks at a face that it draws, unless --photo gives it another. Uses the settings of
/// /etc/usher/usher.toml where there is one. Stop the daemon first, because it takes its share of the processor.
#[derive(Args)]
pub struct Bench {
    /// Look at this picture, as it is, instead of a drawn face
    #[arg(long, value_name = "FILE")]
    photo: Option<PathBuf>,
    /// Try this TensorFlow Lite delegate too, by the absolute path of its library; may be given several times
    #[arg(long, value_name = "FILE")]
    delegate: Vec<PathBuf>,
    /// About how long it may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub fn run(self, context: &Context) -> Result<()> {
        let config = match context.config_if_any()? {
            Some(config) => config,
            None => {
                let mut config = Config::from_toml(DEFAULTS).map_err(|problems| anyhow::anyhow!("{problems}"))?;
                config.models.path = context::models_folder()?;
                config
            }
        };
        let (picture, origin) = self.picture()?;
        let delegates = self.delegate.iter().map(|path| std::path::absolute(path).map(Accelerator::Delegate));
        let course = Course {
            config: &config,
            delegates: delegates.collect::<Result<_, _>>()?,
            nobody: drawing::nobody().context("an empty picture cannot be made")?,
            picture,
            origin,
            span: Duration::from_secs(self.seconds),
        };
        let findings = course.run()?;
        let mut out = std::io::stdout().lock();
        match self.json {
            true => report::json(&findings, &mut out),
            false => report::text(&findings, &mut out),
        }
    }

    /// What is looked at, and what that is.
    fn picture(&self) -> Result<(Image, String)> {
        match &self.photo {
            None => Ok((drawing::face().context("a face cannot be drawn")?, "a drawn face".to_owned())),
            Some(file) => match photo::load(file) {
                Ok(image) => Ok((image, "a photograph".to_owned())),
                Err(error) => bail!("{error}"),
            },
        }
    }
}
