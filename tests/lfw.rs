//! Labeled Faces in the Wild, View 1: the whole path, int8 detector and int8 embedder, on thousands of photographs.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use usher::domain::Embedding;
use usher::lab::faces::embed_file;
use usher::lab::pairs::{Pair, accuracy, best_limit, read_lfw};
use usher::lab::roc::{balanced, figures};
use usher::vision::runtime::Runtime;
use usher::vision::{Vision, VisionSettings};

/// Embeds each file once, on two threads. `None` where no face was found.
fn embed(files: BTreeSet<PathBuf>, models: &Path, embedder: &str) -> BTreeMap<PathBuf, Option<Embedding>> {
    let runtime: Runtime = support::runtime();
    let files: Vec<PathBuf> = files.into_iter().collect();
    let settings = VisionSettings { embedder: embedder.into(), ..VisionSettings::default() };
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
fn view_1(lfw: &Path, models: &Path, embedder: &str, at_least: f64) {
    let read = |list: &str| read_lfw(&lfw.join(list), &lfw.join("images")).unwrap();
    let (train, test) = (read("pairsDevTrain.txt"), read("pairsDevTest.txt"));
    assert_eq!((train.len(), test.len()), (2200, 1000));
    let embeddings = embed(&files(&train) | &files(&test), models, embedder);
    let missed = embeddings.values().filter(|e| e.is_none()).count();
    let limit = best_limit(&distances(&train, &embeddings));
    let accuracy = accuracy(&distances(&test, &embeddings), limit);
    println!(
        "LFW View 1, {embedder}: accuracy {accuracy:.4} on pairsDevTest at distance {limit:.3} from pairsDevTrain; \
         {missed} of {} photographs without a face",
        embeddings.len()
    );
    assert!(accuracy >= at_least, "{embedder}: {accuracy}");

    // The FaceNet project's figures, as `usher evaluate lfw` prints them for pairsDevTest.
    let squared: Vec<f64> = distances(&test, &embeddings).iter().map(|(d, _)| f64::from(*d).powi(2)).collect();
    let same: Vec<bool> = test.iter().map(|pair| pair.same).collect();
    let found = figures(&same, &balanced(&same, 10).unwrap(), 1e-3, |_| squared.clone()).unwrap();
    println!(
        "  ten folds of pairsDevTest: accuracy {:.5}+-{:.5}, validation rate {:.5}+-{:.5} @ FAR={:.5}, AUC {:.4}, EER {:.4}",
        found.accuracy.mean, found.accuracy.std, found.val.mean, found.val.std, found.far, found.auc, found.eer
    );
    assert!(found.accuracy.mean >= at_least - 0.003 && found.auc > 0.995 && found.eer < 0.02, "{embedder}: {found:?}");
}

#[test]
fn mobilefacenet_is_right_on_view_1() {
    let Some(lfw) = support::shared("data/lfw-dev") else { return };
    view_1(&lfw, &support::models(), "mobilefacenet", 0.985);
}

#[test]
#[ignore = "the default embedder is tested above; this takes as long again"]
fn dlib_is_right_on_view_1() {
    let Some(lfw) = support::shared("data/lfw-dev") else { return };
    view_1(&lfw, &support::models(), "dlib", 0.98);
}

/// The checkout's models with the FaceNet that does not come with usher, and its entry.
fn with_facenet() -> Option<tempfile::TempDir> {
    let file = support::shared("models/facenet_int8.tflite")?;
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(support::models()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    std::fs::copy(file, folder.path().join("facenet_int8.tflite")).unwrap();
    Some(folder)
}

#[test]
fn a_facenet_that_the_operator_brings_tells_people_apart() {
    let (Some(models), Some(lfw)) = (with_facenet(), support::shared("data/lfw-dev")) else { return };
    let all = read_lfw(&lfw.join("pairsDevTest.txt"), &lfw.join("images")).unwrap();
    let pairs: Vec<Pair> = all.into_iter().step_by(20).collect();
    let embeddings = embed(files(&pairs), models.path(), "facenet");
    let dimension = embeddings.values().flatten().next().unwrap().values().len();
    let share = accuracy(&distances(&pairs, &embeddings), 1.06);
    println!("FaceNet, {dimension}-D: {share:.3} of {} pairs right at distance 1.06", pairs.len());
    assert!(dimension == 512 && share >= 0.96, "{share}");
}

#[test]
#[ignore = "prints the manifest's operating distances; takes minutes"]
fn operating_distances_of_the_shipped_embedders() {
    let Some(lfw) = support::shared("data/lfw-dev") else { return };
    let models = with_facenet();
    let models = models.as_ref().map_or(support::models(), |folder| folder.path().to_owned());
    let read = |list: &str| read_lfw(&lfw.join(list), &lfw.join("images")).unwrap();
    let (train, test) = (read("pairsDevTrain.txt"), read("pairsDevTest.txt"));
    for embedder in ["mobilefacenet", "dlib", "facenet"] {
        if embedder == "facenet" && !models.join("facenet_int8.tflite").exists() {
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
