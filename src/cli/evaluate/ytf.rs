//! `usher evaluate ytf`: figures of pairs of videos.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::extraction::{ExtractionOptions, NO_FACE, reason, report_left_out};
use super::pairs::{failed_pairs, model_name};
use super::report::{PairFigures, PairOptions};
use crate::cli::context::{Context, progress_bar};
use crate::lab::dataset::LeftOut;
use crate::lab::faces::Extractor;
use crate::lab::roc::by_label;
use crate::lab::verification::{Comparison, FaceVectors, measure};
use crate::lab::walk::walk;
use crate::lab::ytf::{VideoPair, frames, read_splits};

/// Evaluate on the YouTube Faces videos, or on videos and a list in their format.
///
/// A video is a folder of frames (NAME/0/*.jpg). The list is the database's splits.txt: each line has the split, the two videos, and at
/// the end 1 for one person or 0 for two. Each split is evaluated at the cuts of the others. The distance of two videos is the mean over
/// all combinations of their frames, where each video contributes its first --frames frames with a face. A video without a face counts
/// as not recognised at any cut.
#[derive(Args)]
#[command(after_help = "Example:\n  usher evaluate ytf --videos frame_images_DB --splits splits.txt\n  \
    usher evaluate ytf --videos aligned_images_DB --splits splits.txt --metric cosine")]
pub struct Ytf {
    /// The folder that names in the list are relative to
    #[arg(long, value_name = "DIR")]
    videos: PathBuf,
    /// The list of pairs: splits.txt or splits_corrected.txt
    #[arg(long, value_name = "FILE")]
    splits: PathBuf,
    /// Frames with a face to use of each video, from its beginning
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    frames: u32,
    /// Leave out and count pairs with missing videos
    #[arg(long)]
    skip_missing: bool,
    #[command(flatten)]
    extraction: ExtractionOptions,
    #[command(flatten)]
    options: PairOptions,
}

/// The vectors of one video.
struct VideoVectors {
    vectors: FaceVectors,
    /// The number of processed frames, and those of them without a face, with the reason.
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
                "{} videos of the list are missing, for example {}. Pass --skip-missing to leave out their pairs",
                missing.len(),
                first.display()
            );
        }
        let index = |video: &PathBuf| videos.binary_search(video).ok();
        let kept: Vec<(&VideoPair, Comparison)> = list
            .iter()
            .filter_map(|p| Some((p, Comparison { a: index(&p.a)?, b: index(&p.b)?, same: p.same })))
            .collect();
        let pairs: Vec<Comparison> = kept.iter().map(|(_, pair)| *pair).collect();
        let folds = by_label(&kept.iter().map(|(video, _)| video.split).collect::<Vec<_>>())?;

        let mut extractors = self.extraction.extractors(context)?;
        let bar = progress_bar(videos.len(), "videos");
        let (mut faces, mut frames, mut failed) = (Vec::with_capacity(videos.len()), 0, Vec::new());
        let work = |extractor: &mut Extractor, video: &PathBuf| self.extract(extractor, video);
        walk(&videos, &mut extractors, work, |_, video| {
            let video = video?;
            faces.push(video.vectors);
            frames += video.frames;
            bar.suspend(|| video.failed.iter().for_each(report_left_out));
            failed.extend(video.failed);
            bar.inc(1);
            Ok::<_, anyhow::Error>(())
        })?;
        bar.finish_and_clear();
        let figures = measure(&faces, &pairs, &folds, self.options.protocol())?;
        self.options.report(&PairFigures {
            figures,
            model: model_name(&extractors),
            cuts_from: format!("frames of {} videos, {} splits", videos.len(), folds.len()),
            images: frames,
            failed_detections: failed.len(),
            not_taken: failed,
            failed_pairs: failed_pairs(pairs.iter().copied(), &faces),
            missing_images: missing.len(),
            skipped_pairs: list.len() - pairs.len(),
        })
    }

    fn extract(&self, extractor: &mut Extractor, video: &Path) -> Result<VideoVectors> {
        let mut extracted = VideoVectors { vectors: FaceVectors::default(), frames: 0, failed: Vec::new() };
        for frame in frames(video)? {
            if extracted.vectors.0.len() >= self.frames as usize {
                break;
            }
            extracted.frames += 1;
            match extractor.extract(&frame) {
                Ok(Some(vector)) => extracted.vectors.0.push(vector),
                Ok(None) => extracted.failed.push(LeftOut { path: frame, why: NO_FACE.to_owned() }),
                Err(error) => extracted.failed.push(LeftOut { path: frame, why: reason(error)? }),
            }
        }
        Ok(extracted)
    }
}
