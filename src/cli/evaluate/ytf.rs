//! `usher evaluate ytf`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::super::context::Context;
use super::super::progress::bar;
use super::lfw::failed_pairs;
use super::looking::{Looking, NO_FACE, not_taken, reason};
use super::measuring::{Measured, Measuring};
use crate::lab::crowd;
use crate::lab::features::Extractor;
use crate::lab::folder::LeftOut;
use crate::lab::roc::by_label;
use crate::lab::verification::{Comparison, Views, measure};
use crate::lab::ytf::{VideoPair, frames, read_splits};

/// Measure on the YouTube Faces videos, or on videos and a list of their form.
///
/// A video is a folder of frames (NAME/0/*.jpg). The list is the database's splits.txt: in each line the split, the two videos, and
/// 1 for one person or 0 for two at the end; each split is judged by the cuts of the others. The distance of two videos is the mean over
/// all pairs of a frame of one and a frame of the other; of each video the first --frames frames count in which a face is found. A video
/// without any is far from everybody.
#[derive(Args)]
#[command(after_help = "Example:\n  usher evaluate ytf --videos frame_images_DB --splits splits.txt\n  \
    usher evaluate ytf --videos aligned_images_DB --splits splits.txt --metric cosine")]
pub struct Ytf {
    /// The folder that the names in the list are relative to
    #[arg(long, value_name = "DIR")]
    videos: PathBuf,
    /// The list of pairs: splits.txt or splits_corrected.txt
    #[arg(long, value_name = "FILE")]
    splits: PathBuf,
    /// Frames with a face that are taken from each video, from its beginning
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    frames: u32,
    /// Leave out pairs whose videos are not there, and count them
    #[arg(long)]
    skip_missing: bool,
    #[command(flatten)]
    looking: Looking,
    #[command(flatten)]
    measuring: Measuring,
}

/// What one video gave.
struct Watched {
    views: Views,
    /// Frames looked at, and those of them without a face, with the reason.
    frames: usize,
    failed: Vec<LeftOut>,
}

impl Ytf {
    pub fn run(self, context: &Context) -> Result<()> {
        let list = read_splits(&self.splits, &self.videos)?;
        let all: BTreeSet<&PathBuf> = list.iter().flat_map(|pair| [&pair.a, &pair.b]).collect();
        let (videos, missing): (Vec<PathBuf>, Vec<PathBuf>) =
            all.into_iter().cloned().partition(|video| video.is_dir());
        if let (Some(first), false) = (missing.first(), self.skip_missing) {
            bail!(
                "{} videos of the list are not there, {} is one of them. Pass --skip-missing to leave their pairs out",
                missing.len(),
                first.display()
            );
        }
        let number = |video: &PathBuf| videos.binary_search(video).ok();
        let kept: Vec<(&VideoPair, Comparison)> = list
            .iter()
            .filter_map(|p| Some((p, Comparison { a: number(&p.a)?, b: number(&p.b)?, same: p.same })))
            .collect();
        let pairs: Vec<Comparison> = kept.iter().map(|(_, pair)| *pair).collect();
        let folds = by_label(&kept.iter().map(|(video, _)| video.split).collect::<Vec<_>>())?;

        let mut extractors = self.looking.extractors(context)?;
        let bar = bar(videos.len(), "videos");
        let (mut views, mut looked_at, mut failed) = (Vec::with_capacity(videos.len()), 0, Vec::new());
        let work = |extractor: &mut Extractor, video: &PathBuf| self.watch(extractor, video);
        crowd::walk(&videos, &mut extractors, work, |_, watched| {
            let watched = watched?;
            views.push(watched.views);
            looked_at += watched.frames;
            bar.suspend(|| watched.failed.iter().for_each(not_taken));
            failed.extend(watched.failed);
            bar.inc(1);
            Ok::<_, anyhow::Error>(())
        })?;
        bar.finish_and_clear();
        let figures = measure(&views, &pairs, &folds, self.measuring.protocol())?;
        self.measuring.tell(&Measured {
            figures,
            model: extractors[0].vision().model().to_string(),
            cuts_from: format!("frames of {} videos, {} splits", videos.len(), folds.len()),
            images: looked_at,
            failed_detections: failed.len(),
            not_taken: failed,
            failed_pairs: failed_pairs(pairs.iter().copied(), &views),
            missing_images: missing.len(),
            skipped_pairs: list.len() - pairs.len(),
        })
    }

    fn watch(&self, extractor: &mut Extractor, video: &Path) -> Result<Watched> {
        let mut watched = Watched { views: Views::default(), frames: 0, failed: Vec::new() };
        for frame in frames(video)? {
            if watched.views.0.len() >= self.frames as usize {
                break;
            }
            watched.frames += 1;
            match extractor.extract(&frame) {
                Ok(Some(vector)) => watched.views.0.push(vector),
                Ok(None) => watched.failed.push(LeftOut { path: frame, why: NO_FACE.to_owned() }),
                Err(error) => watched.failed.push(LeftOut { path: frame, why: reason(error)? }),
            }
        }
        Ok(watched)
    }
}
