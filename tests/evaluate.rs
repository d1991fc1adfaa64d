//! `usher evaluate` and `usher calibrate` on a small part of Labeled Faces in the Wild, View 1, as an operator would call them.
//!
//! tests/reference.rs checks how figures are computed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use usher::vision::calibration_file::CalibrationFile;

fn usher(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.env_remove("USHER_CONFIG").env("USHER_MODELS", support::models()).args(arguments);
    command
}

fn said(arguments: &[&str]) -> String {
    let output = usher(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&said(&[arguments, &["--json"]].concat())).unwrap()
}

fn refused(arguments: &[&str]) -> String {
    let output = usher(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every nth line of both halves of LFW's development list as a list of its own, in View 1's format.
fn short_list(lfw: &Path, every: usize, to: &Path) {
    let list = fs::read_to_string(lfw.join("pairsDevTest.txt")).unwrap();
    let lines: Vec<&str> = list.lines().skip(1).step_by(every).collect();
    fs::write(to, format!("{}\n{}\n", lines.len() / 2, lines.join("\n"))).unwrap();
}

/// People of View 1 with at least this many photographs: their names and photographs, by name.
fn people(lfw: &Path, at_least: usize) -> BTreeMap<String, Vec<PathBuf>> {
    let mut people = BTreeMap::new();
    for folder in fs::read_dir(lfw.join("images")).unwrap() {
        let folder = folder.unwrap().path();
        let mut photographs: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        photographs.sort();
        if photographs.len() >= at_least {
            people.insert(folder.file_name().unwrap().to_str().unwrap().to_owned(), photographs);
        }
    }
    people
}

/// Links to photographs in a folder of their own, made where it is missing.
fn link<'a>(files: impl IntoIterator<Item = &'a PathBuf>, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for file in files {
        let target = fs::canonicalize(file).unwrap();
        symlink(target, folder.join(file.file_name().unwrap())).unwrap();
    }
}

#[test]
fn lfw_prints_facenets_four_lines_and_the_same_as_json() {
    let Some(lfw) = support::shared("data/lfw-dev") else { return };
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("pairs.txt");
    short_list(&lfw, 20, &list);
    let images = lfw.join("images");
    let plot = folder.path().join("roc.svg");
    let asked = ["evaluate", "lfw", "--images", text(&images), "--pairs", text(&list), "--folds", "5", "--far", "0.1"];

    let found = json(&[&asked[..], &["--plot", text(&plot)]].concat());
    let number = |key: &str| found[key].as_f64().unwrap_or_else(|| panic!("{key}: {found}"));
    assert!(
        number("accuracy") >= 0.94 && number("auc") > 0.98 && number("eer") < 0.06 && number("val") > 0.9,
        "{found}"
    );
    assert_eq!((number("pairs"), number("failed_detections"), number("skipped_pairs")), (50.0, 0.0, 0.0));
    assert!((0.5..2.5).contains(&number("threshold")));
    assert!(fs::read_to_string(&plot).unwrap().contains("false accept rate"));

    let printed = said(&asked);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], format!("Accuracy: {:.5}+-{:.5}", number("accuracy"), number("accuracy_std")));
    let rate = format!("Validation rate: {:.5}+-{:.5} @ FAR={:.5}", number("val"), number("val_std"), number("far"));
    assert_eq!(lines[1], rate);
    assert_eq!(lines[2], format!("Area Under Curve (AUC): {:.3}", number("auc")));
    assert_eq!(lines[3], format!("Equal Error Rate (EER): {:.3}", number("eer")));

    // The other measure, and the mirrored faces: other numbers, much the same answer.
    let cosine = json(&[&asked[..], &["--metric", "cosine", "--subtract-mean", "--flip"]].concat());
    assert!(cosine["accuracy"].as_f64().unwrap() >= 0.94 && cosine["threshold"] != found["threshold"], "{cosine}");

    // Cuts from another list: one judgement, no spread.
    let train = folder.path().join("train.txt");
    short_list(&lfw, 25, &train);
    let trained = json(&[&asked[..6], &["--train", text(&train)]].concat());
    assert_eq!((trained["pairs"].as_u64(), trained["accuracy_std"].as_f64()), (Some(50), Some(0.0)), "{trained}");
}

#[test]
fn missing_photographs_and_missing_faces_are_distinguished() {
    let Some(lfw) = support::shared("data/lfw-dev") else { return };
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    let known: Vec<(String, Vec<PathBuf>)> = people(&lfw, 2).into_iter().take(5).collect();
    let mut lines = Vec::new();
    for (name, photographs) in &known {
        // The development photographs are numbered with gaps.
        fs::create_dir_all(images.join(name)).unwrap();
        for (i, file) in photographs.iter().take(2).enumerate() {
            symlink(fs::canonicalize(file).unwrap(), images.join(name).join(format!("{name}_{:04}.jpg", i + 1)))
                .unwrap();
        }
        lines.push(format!("{name}\t1\t2"));
    }
    for pair in known.windows(2) {
        lines.push(format!("{}\t1\t{}\t1", pair[0].0, pair[1].0));
    }
    lines.push(format!("{}\t1\t{}\t2", known[4].0, known[0].0));
    let list = folder.path().join("pairs.txt");
    fs::write(&list, format!("5\n{}\n", lines.join("\n"))).unwrap();
    let photo = |n: usize| images.join(&known[0].0).join(format!("{}_{n:04}.jpg", known[0].0));

    // A grey picture in place of somebody's first photograph: one pair of one person and one of two people.
    fs::remove_file(photo(1)).unwrap();
    image::RgbImage::from_pixel(250, 250, image::Rgb([120, 120, 120])).save(photo(1)).unwrap();
    let asked = ["evaluate", "lfw", "--images", text(&images), "--pairs", text(&list), "--folds", "2"];
    let found = json(&asked);
    assert_eq!((found["failed_detections"].as_u64(), found["failed_pairs"].as_u64()), (Some(1), Some(2)), "{found}");
    assert!(found["accuracy"].as_f64().unwrap() <= 0.9, "a pair of one person is lost: {found}");
    assert_eq!(found["pairs"], 10);

    // A file that is not a picture counts the same.
    fs::write(photo(1), "Dear reader").unwrap();
    assert_eq!(json(&asked)["failed_pairs"], 2);

    fs::remove_file(photo(1)).unwrap();
    let error = refused(&asked);
    assert!(
        error.contains("1 photograph") && error.contains(text(&photo(1))) && error.contains("--skip-missing"),
        "{error}"
    );
    let found = json(&[&asked[..], &["--skip-missing"]].concat());
    let count = |key: &str| found[key].as_u64().unwrap();
    assert_eq!((count("missing_images"), count("skipped_pairs"), count("pairs")), (1, 2, 8), "{found}");
}

#[test]
fn faces_that_are_cut_out_already_are_embedded_whole() {
    let Some(lfw) = support::shared("data/lfw-dev") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut csv = "a,b,same\n".to_owned();
    let known: Vec<(String, Vec<PathBuf>)> = people(&lfw, 2).into_iter().step_by(20).take(8).collect();
    for (name, photographs) in &known {
        for (i, file) in photographs[..2].iter().enumerate() {
            // Deep-funnelled eyes are near (105, 113) and (145, 113): about what five-point alignment would cut.
            let face = image::open(file).unwrap().crop_imm(62, 54, 127, 127);
            face.save(folder.path().join(format!("{name}_{:04}.png", i + 1))).unwrap();
        }
        csv += &format!("{name}_0001.png,{name}_0002.png,1\n");
    }
    for pair in known.windows(2) {
        csv += &format!("{}_0001.png,{}_0001.png,0\n", pair[0].0, pair[1].0);
    }
    let list = folder.path().join("pairs.csv");
    fs::write(&list, csv).unwrap();
    let found = json(&["evaluate", "pairs", "--csv", text(&list), "--aligned", "--folds", "2", "--far", "0.3"]);
    // No detection, so none fails; and faces cut by eye are still distinguished better than by chance.
    assert_eq!((found["failed_detections"].as_u64(), found["pairs"].as_u64()), (Some(0), Some(15)), "{found}");
    assert!(found["auc"].as_f64().unwrap() > 0.8, "{found}");
    let interval = found["accuracy_interval"].as_array().unwrap();
    let accuracy = found["accuracy"].as_f64().unwrap();
    assert!(interval[0].as_f64().unwrap() < accuracy && accuracy < interval[1].as_f64().unwrap() + 0.05, "{found}");
}

/// Videos in the form of the YouTube Faces database, made of photographs of View 1: its own frames are not available.
fn videos(lfw: &Path, folder: &Path) -> PathBuf {
    let known: Vec<(String, Vec<PathBuf>)> = people(lfw, 6).into_iter().step_by(3).take(12).collect();
    let mut list = "split number, pair number, first name, second name, same label, is same\n".to_owned();
    for (i, (name, photographs)) in known.iter().enumerate() {
        link(&photographs[..3], &folder.join(name).join("0"));
        link(&photographs[3..6], &folder.join(name).join("1"));
        let (split, next) = (i % 3 + 1, &known[(i + 1) % known.len()].0);
        list += &format!("{split}, {i}, {name}/0, {name}/1, 1, 1\n{split}, {i}, {name}/0, {next}/1, 0, 0\n");
    }
    let path = folder.join("splits.txt");
    fs::write(&path, list).unwrap();
    path
}

#[test]
fn videos_are_compared_frame_by_frame() {
    let Some(lfw) = support::shared("data/lfw-dev") else { return };
    let folder = tempfile::tempdir().unwrap();
    let splits = videos(&lfw, folder.path());
    let asked = ["evaluate", "ytf", "--videos", text(folder.path()), "--splits", text(&splits), "--far", "0.2"];
    let found = json(&asked);
    assert_eq!((found["pairs"].as_u64(), found["images"].as_u64()), (Some(24), Some(72)), "{found}");
    assert!(found["accuracy"].as_f64().unwrap() >= 0.9 && found["auc"].as_f64().unwrap() > 0.97, "{found}");
    let fewer = json(&[&asked[..], &["--frames", "1"]].concat());
    assert_eq!(fewer["images"], 24, "{fewer}");

    let gone = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_dir()).unwrap();
    fs::remove_dir_all(gone).unwrap();
    assert!(refused(&asked).contains("videos of the list are missing"));
    let rest = json(&[&asked[..], &["--skip-missing"]].concat());
    assert_eq!(rest["skipped_pairs"], 3, "one of one person, two with neighbours: {rest}");
}

/// A gallery of people with several photographs and a folder of strangers.
fn door(lfw: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (i, (name, photographs)) in people(lfw, 4).into_iter().take(24).enumerate() {
        let side = if i % 2 == 0 { "gallery" } else { "strangers" };
        link(&photographs[..4], &folder.path().join(side).join(name));
    }
    folder
}

#[test]
fn an_open_set_is_searched_in_galleries_of_each_size() {
    let Some(lfw) = support::shared("data/lfw-dev") else { return };
    let folder = door(&lfw);
    let (gallery, strangers) = (folder.path().join("gallery"), folder.path().join("strangers"));
    let plot = folder.path().join("open.svg");
    let asked = ["evaluate", "open-set", "--gallery", text(&gallery), "--strangers", text(&strangers)];
    let more = ["--sizes", "4,100", "--fpir", "0.1,0.001", "--distance", "1.05,2", "--json", "--plot", text(&plot)];
    let output = usher(&[&asked[..], &more].concat()).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("a gallery of 100 is left out: there are 12 people"));
    let trials: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let counts = |trial: &Value| ["people", "searches", "strangers"].map(|key| trial[key].as_u64().unwrap());
    assert_eq!(trials.iter().map(counts).collect::<Vec<_>>(), [[4, 12, 48], [12, 36, 48]]);
    for trial in &trials {
        let cuts = trial["cuts"].as_array().unwrap();
        assert!(cuts[0]["fpir"]["rate"].as_f64().unwrap() <= 0.1, "{trial}");
        assert!(cuts[0]["fnir"]["rate"].as_f64().unwrap() < 0.15, "{trial}");
        assert!(cuts[1]["distance"].is_null(), "48 strangers say nothing of one in a thousand: {trial}");
        assert_eq!(cuts[3]["fpir"]["rate"], 1.0, "everybody is within 2: {trial}");
    }
    assert!(fs::read_to_string(&plot).unwrap().contains("12 people"));
    assert!(said(&asked).contains("too few strangers"));

    let name = fs::read_dir(&gallery).unwrap().next().unwrap().unwrap().file_name();
    let twin = fs::canonicalize(gallery.join(&name)).unwrap();
    symlink(twin, strangers.join(&name)).unwrap();
    assert!(refused(&asked).contains("in the gallery and among the strangers"));
}

#[test]
fn a_calibration_is_measured_reported_and_written() {
    let Some(lfw) = support::shared("data/lfw-dev") else { return };
    let folder = door(&lfw);
    let gallery = folder.path().join("gallery");
    let (out, plot) = (folder.path().join("measured.toml"), folder.path().join("distances.svg"));
    let asked =
        ["calibrate", text(&gallery), "--out", text(&out), "--plot", text(&plot), "--describe", "twelve people"];
    let found = json(&asked);
    let count = |key: &str| found[key].as_u64().unwrap();
    assert_eq!((count("people"), count("photographs")), (12, 48), "{found}");
    assert_eq!((count("impostor_pairs"), count("genuine_pairs")), (48 * 47 / 2 - 12 * 6, 12 * 6), "{found}");
    let rows = found["table"].as_array().unwrap();
    // 1056 pairs show one in a thousand and nothing rarer.
    assert_eq!(rows.last().unwrap()["fmr"].as_f64().unwrap(), 1.0 / 1056.0, "{found}");
    assert!(rows[0]["fnmr"].as_f64().unwrap() < 0.1 && rows[0]["distance"].as_f64().unwrap() > 0.8, "{found}");
    assert!(fs::read_to_string(&plot).unwrap().contains("two people"));

    let file = CalibrationFile::load(&out).unwrap().unwrap();
    assert!(file.measured.starts_with("twelve people") && file.model.starts_with("sface-"), "{file:?}");
    assert_eq!((file.impostor_pairs, file.genuine_pairs, file.people, file.photographs), (1056, 72, 12, 48));
    assert!(file.impostor.windows(2).all(|w| w[0][0] < w[1][0] && w[0][1] <= w[1][1]));
    assert!(file.genuine.windows(2).all(|w| w[0][0] > w[1][0] && w[0][1] <= w[1][1]));
    assert_eq!(file.genuine.last().unwrap()[0], 0.0);

    // Beside the store of a configuration, where the daemon looks.
    let config = folder.path().join("usher.toml");
    let store = folder.path().join("store");
    let settings = format!(
        "[store]\npath = {store:?}\n[models]\npath = {:?}\n[[door]]\nname = \"front\"\n\
         [[camera]]\nname = \"porch\"\nkind = \"replay\"\npath = \"nothing.mjpeg\"\n",
        support::models()
    );
    fs::write(&config, settings).unwrap();
    // A configuration looks for larger faces; the same ones are wanted here.
    said(&["--config", text(&config), "calibrate", text(&gallery), "--write", "--min-face", "40"]);
    let site = CalibrationFile::load(&store.join("calibration/sface.calibration.toml")).unwrap().unwrap();
    assert_eq!((site.impostor, site.model, site.measured.starts_with("gallery;")), (file.impostor, file.model, true));

    // Two folders as one person: the sixteen pairs between them change sides.
    let mut names: Vec<_> =
        fs::read_dir(&gallery).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let one = format!("{}={}", names[3], names[0]);
    let joined = json(&["calibrate", text(&gallery), "--same", &one]);
    assert_eq!((joined["people"].as_u64(), joined["impostor_pairs"].as_u64()), (Some(11), Some(1040)), "{joined}");
    assert!(joined["farthest"][0]["distance"].as_f64().unwrap() > 1.2, "{joined}");
    assert!(refused(&["calibrate", text(&gallery), "--same", "Nobody=Nowhere"]).contains("no photographs of Nobody"));

    // Two people give too few pairs for a limit: reported, not written.
    let only = folder.path().join("only.txt");
    fs::write(&only, format!("{}\t1\t2\n{}\n", names[0], names[1])).unwrap();
    let few = folder.path().join("few.toml");
    let error = refused(&["calibrate", text(&gallery), "--only", text(&only), "--out", text(&few)]);
    assert!(error.contains("the result was not written") && !few.exists(), "{error}");
    fs::write(&only, "Nobody\n").unwrap();
    assert!(refused(&["calibrate", text(&gallery), "--only", text(&only)]).contains("Nobody"));
}
