//! A site head on a simulated site: people of LFW's View 1 through a camera that is grey, dark, noisy and small. Prints the figures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use image::imageops::{FilterType, resize};
use image::{GrayImage, Luma, RgbImage};
use serde_json::Value;
use usher::vision::file::sha256;

/// How bad the camera is.
struct Camera {
    /// The share of its pixels that is left on each axis.
    size: f32,
    /// The share of its light.
    light: f32,
    /// Standard deviation of the noise added to each pixel, of 255.
    noise: f32,
}

impl Camera {
    fn sees(&self, picture: &RgbImage, draw: &mut fastrand::Rng) -> GrayImage {
        let (width, height) = picture.dimensions();
        let side = |pixels: u32| ((pixels as f32 * self.size) as u32).max(1);
        let mut small = resize(&image::imageops::grayscale(picture), side(width), side(height), FilterType::Triangle);
        for Luma([value]) in small.pixels_mut() {
            // The sum of twelve uniform numbers is close enough to a normal one.
            let chance: f32 = (0..12).map(|_| draw.f32()).sum::<f32>() - 6.0;
            *value = (f32::from(*value) * self.light + self.noise * chance).clamp(0.0, 255.0) as u8;
        }
        resize(&small, width, height, FilterType::Triangle)
    }
}

/// People with three pictures or more, in the order of their names; at most `people` of them, and five pictures of each.
fn site(images: &Path, people: usize, camera: &Camera, out: &Path) {
    let mut draw = fastrand::Rng::with_seed(1);
    let sorted = |folder: &Path| {
        let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all
    };
    let several =
        sorted(images).into_iter().map(|person| (sorted(&person), person)).filter(|(files, _)| files.len() >= 3);
    for (files, person) in several.take(people) {
        let home = out.join(person.file_name().unwrap());
        std::fs::create_dir_all(&home).unwrap();
        for file in files.iter().take(5) {
            let seen = camera.sees(&image::open(file).unwrap().into_rgb8(), &mut draw);
            seen.save(home.join(file.file_name().unwrap()).with_extension("png")).unwrap();
        }
    }
}

/// A configuration whose store is in `folder`.
fn house(folder: &Path) -> PathBuf {
    let quoted = |path: PathBuf| format!("{:?}", path.display().to_string());
    let text = format!(
        "[store]\npath = {}\n[models]\npath = {}\nembedder = \"mobilefacenet\"\n[control]\nsocket = {}\ngroup = \"\"\n\
         [[door]]\nname = \"front\"\n[[camera]]\nname = \"porch\"\nkind = \"replay\"\npath = \"/dev/null\"\n",
        quoted(folder.join("store")),
        quoted(support::models()),
        quoted(folder.join("usher.sock")),
    );
    let config = folder.join("usher.toml");
    std::fs::write(&config, text).unwrap();
    config
}

fn usher(config: &Path, arguments: &[&str]) -> Vec<Value> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_usher")).env("USHER_CONFIG", config).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_head_is_kept_where_it_helps_and_only_there() {
    let Some(lfw) = support::shared("data/lfw-dev/images") else { return };
    let cameras = [
        ("as photographed", Camera { size: 1.0, light: 1.0, noise: 0.0 }, false),
        ("grey, dark, noisy, small", Camera { size: 0.34, light: 0.3, noise: 6.0 }, true),
    ];
    for (what, camera, wanted) in cameras {
        let folder = tempfile::tempdir().unwrap();
        let (photographs, config) = (folder.path().join("site"), house(folder.path()));
        site(&lfw, 150, &camera, &photographs);
        let found =
            usher(&config, &["train", "head", "--json", "--fmr", "1e-3", photographs.to_str().unwrap()]).remove(0);
        println!(
            "{what}: missed at FMR 1e-3 {} before, {} behind heads, difference {} ({} people, {} photographs with a face)",
            found["fnmr_before"], found["fnmr_after"], found["difference"], found["people"], found["photographs"]
        );
        assert_eq!(found["better"].as_bool(), Some(wanted), "{what}: {found}");
        let sure = found["difference"]["interval"][1].as_f64().unwrap() < 0.0;
        assert_eq!(sure, wanted, "{what}: what does not surely help is not written");
        let path = folder.path().join("store/head/mobilefacenet.head.safetensors");
        let records = usher(&config, &["journal", "list", "--json", "--kind", "head_kept"]);
        if !wanted {
            assert!(!path.exists() && records.is_empty(), "{what}: {records:?}");
            continue;
        }
        let content = &records[0]["content"];
        assert_eq!((records.len(), &content["sha256"]), (1, &sha256(&std::fs::read(&path).unwrap()).into()), "{what}");
        assert_eq!((&content["head"], &content["people"]), (&found["head"], &found["people"]));
        for (record, report) in [("missed_without", "fnmr_before"), ("missed_behind", "fnmr_after")] {
            let difference = content[record].as_f64().unwrap() - found[report]["value"].as_f64().unwrap();
            assert!(difference.abs() < 1e-4, "{content} {found}");
        }
    }
}
