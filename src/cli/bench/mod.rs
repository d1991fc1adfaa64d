//! `usher bench`: how fast usher is on this machine.

mod measure;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::context::Context;
use crate::domain::Image;
use crate::lab::drawing;
use crate::photo;
use crate::vision::runtime::Accelerator;
use measure::Benchmark;

/// Measure how fast usher is on this machine.
///
/// For about a minute, runs each network on each available accelerator, whole frames from the camera's JPEG to the verdict, and searches
/// in galleries of growing size. Prints medians and spreads, the temperature, and whether the machine was throttled. The output can be
/// pasted into an issue: it names the board, but no person.
///
/// Needs no camera and no photograph: it processes a drawn face, unless --photo gives a picture. Uses the settings of
/// /etc/usher/usher.toml, if it exists. Stop the daemon first, because it uses the processor too.
#[derive(Args)]
pub struct Bench {
    /// Process this picture, at its own size, instead of a drawn face
    #[arg(long, value_name = "FILE")]
    photo: Option<PathBuf>,
    /// Also measure this TensorFlow Lite delegate, given by the path of its library; may be given several times
    #[arg(long, value_name = "FILE")]
    delegate: Vec<PathBuf>,
    /// Approximate duration in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub fn run(self, context: &Context) -> Result<()> {
        let config = context.config_or_defaults()?;
        let (picture, origin) = self.picture()?;
        let delegates = self.delegate.iter().map(|path| std::path::absolute(path).map(Accelerator::Delegate));
        let benchmark = Benchmark {
            config: &config,
            delegates: delegates.collect::<Result<_, _>>()?,
            empty: drawing::empty_scene().context("the empty picture cannot be drawn")?,
            picture,
            origin,
            span: Duration::from_secs(self.seconds),
        };
        let results = benchmark.run()?;
        let mut out = std::io::stdout().lock();
        match self.json {
            true => report::json(&results, &mut out),
            false => report::text(&results, &mut out),
        }
    }

    /// The picture, and its description.
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
