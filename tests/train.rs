//! Training as a whole: runs that resume, networks that learn, shapes as published. Needs the feature `train`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]
#![cfg(feature = "train")]

#[path = "support/coloured.rs"]
mod coloured;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use burn::tensor::Device;
use coloured::coloured_people;
use usher::lab::faces::{Extractor, Form};
use usher::lab::pairs::read_lfw;
use usher::train::checkpoint;
use usher::train::data::{Faces, Size};
use usher::train::mining::Mining;
use usher::train::network::{Kind, Network};
use usher::train::optimiser::Optimiser;
use usher::train::run::{Objective, Plan, Run, RunError, embed};
use usher::train::sampler::Batch;
use usher::train::schedule::Schedule;
use usher::train::validation::Pairs;
use usher::train::weights::{self, Weights};
use usher::vision::{Vision, VisionSettings};

const MEMORY: u64 = 1_000_000_000;
/// How a checkpoint becomes a float model.
const CONVERT: [&str; 2] = ["network", "--float"];
const SIZE: Size = Size { side: 64, spare: 4 };

fn plan(mining: Mining) -> Plan {
    Plan {
        network: Network { kind: Kind::Small, dimension: 16, classes: 0, keep: 0.9 },
        objective: Objective::Triplets { mining, margin: 0.2, refresh: 3, part: 20 },
        batch: Batch { people: 4, pictures: 3, strangers: 0 },
        schedule: Schedule::Decay { start: 0.02, factor: 0.5, every: 2 },
        epochs: 4,
        optimiser: Optimiser::Adagrad,
        clip: Some(5.0),
        decay: 1e-4,
        average: 0.9,
        mirror: true,
        seed: 3,
    }
}

#[test]
fn a_resumed_run_is_the_unbroken_one_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("faces");
    coloured_people(&data, 8, 4);
    let faces = Faces::read(&data, SIZE, MEMORY, 2).unwrap();
    for (mining, optimiser) in [(Mining::SemiHard, Optimiser::Adam), (Mining::Offline, Optimiser::Rmsprop)] {
        let plan = Plan { optimiser, ..plan(mining) };
        let mut whole = Run::new(plan.clone(), &faces, Device::flex(), Weights::new()).unwrap();
        while !whole.is_over() {
            whole.step().unwrap();
        }
        let out = folder.path().join(format!("{mining:?}"));
        std::fs::create_dir(&out).unwrap();
        let mut broken = Run::new(plan.clone(), &faces, Device::flex(), Weights::new()).unwrap();
        while !broken.is_over() {
            broken.step().unwrap();
            let path = checkpoint::save(&out, "plan", broken.state()).unwrap();
            let state = checkpoint::read(&path, "plan", optimiser, plan.average).unwrap();
            broken = Run::resumed(plan.clone(), &faces, Device::flex(), state).unwrap();
        }
        assert!(whole.state() == broken.state(), "{mining:?} went another way after a checkpoint");
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2, "only the newest checkpoints are kept");
        let other = checkpoint::read(&checkpoint::newest(&out).unwrap().unwrap(), "other", optimiser, 0.9).unwrap_err();
        assert!(other.to_string().contains("other settings"));
    }
}

#[test]
fn weights_that_are_not_numbers_stop_a_run_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    coloured_people(folder.path(), 6, 3);
    let faces = Faces::read(folder.path(), SIZE, MEMORY, 2).unwrap();
    let mut weights = Weights::new();
    let plan = plan(Mining::All);
    plan.network.initialise(&mut weights, &Device::flex(), &mut fastrand::Rng::with_seed(1)).unwrap();
    weights.get_mut("Small/Bottleneck/weights").unwrap().values[5] = f32::NAN;
    let mut run = Run::new(plan, &faces, Device::flex(), weights).unwrap();
    let before = format!("{:?}", run.state());
    assert!(matches!(run.step(), Err(RunError::Diverged { step: 1, .. })));
    assert_eq!(format!("{:?}", run.state()), before);
}

#[test]
fn unusable_pictures_are_left_out_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    coloured_people(data, 3, 2);
    std::fs::create_dir(data.join("nobody")).unwrap();
    std::fs::create_dir(data.join("damaged")).unwrap();
    std::fs::write(data.join("damaged/1.png"), b"\x89PNG\r\n\x1a\nno more").unwrap();
    image::RgbImage::new(64, 64).save(data.join("damaged/2.png")).unwrap();
    std::fs::create_dir(data.join("once")).unwrap();
    std::fs::copy(data.join("person_00/0.png"), data.join("once/0.png")).unwrap();
    let faces = Faces::read(data, SIZE, MEMORY, 2).unwrap();
    assert_eq!((faces.count(), faces.people().len()), (7, 4));
    let why: Vec<String> = faces.skipped().iter().map(|skipped| skipped.why.to_string()).collect();
    assert!(why.len() == 2 && why[1] == "it has only one colour", "{why:?}");
    assert!(Faces::read(data, SIZE, 10_000, 2).is_err_and(|error| error.to_string().contains("--memory")));
    // Three people have two pictures; a batch of four needs one more.
    assert!(matches!(
        Run::new(plan(Mining::All), &faces, Device::flex(), Weights::new()),
        Err(RunError::NoBatch { people: 3, needed: 4 })
    ));
}

/// Shapes and sizes as figure 2 of the paper has them; "more than 120 million parameters" with 4,030 people.
#[test]
fn deepface_has_the_published_layers() {
    let network = Network { kind: Kind::DeepFace, dimension: 4096, classes: 4030, keep: 0.5 };
    let mut weights = Weights::new();
    network.initialise(&mut weights, &Device::flex(), &mut fastrand::Rng::with_seed(1)).unwrap();
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, array) in &weights {
        *sizes.entry(name.split('/').nth(1).unwrap()).or_default() += array.values.len();
    }
    let published = [
        ("C1", 11 * 11 * 3 * 32 + 32),
        ("C3", 9 * 9 * 32 * 16 + 16),
        ("F7", 21 * 21 * 16 * 4096 + 4096),
        ("F8", 4096 * 4030 + 4030),
        ("L4", 55 * 55 * 16 * (9 * 9 * 16 + 1)),
        ("L5", 25 * 25 * 16 * (7 * 7 * 16 + 1)),
        ("L6", 21 * 21 * 16 * (5 * 5 * 16 + 1)),
    ];
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), published);
    assert!(published.iter().map(|(_, size)| size).sum::<usize>() > 118_000_000);
}

/// Of LFW's folders those of people with `least` pictures or more, at most `people` of them, cut out as `usher align` does it.
fn aligned(lfw: &Path, people: &[&str], folder: &Path, options: &[&str]) {
    let some = folder.with_extension("some");
    std::fs::create_dir_all(&some).unwrap();
    for person in people {
        std::os::unix::fs::symlink(lfw.join("images").join(person), some.join(person)).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_usher"))
        .env("USHER_MODELS", support::models())
        .env_remove("USHER_CONFIG")
        .args(["align", "--min-face", "20"])
        .args(options)
        .args([&some, folder])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The people of one of LFW's lists, in the order of their names.
fn listed(list: &Path) -> Vec<String> {
    let files = read_lfw(list, Path::new("")).unwrap().into_iter().flat_map(|pair| [pair.a, pair.b]);
    let names: BTreeSet<String> = files.map(|file| file.parent().unwrap().to_str().unwrap().to_owned()).collect();
    names.into_iter().collect()
}

/// It learns features that hold for unseen people, and easy triplets teach less.
#[test]
fn triplets_teach_the_small_network_to_distinguish_other_people() {
    let Some(lfw) = support::shared("data/lfw-dev") else { return };
    let folder = tempfile::tempdir().unwrap();
    let pictures = |person: &str| std::fs::read_dir(lfw.join("images").join(person)).unwrap().count();
    let known = listed(&lfw.join("pairsDevTrain.txt"));
    let known: Vec<&str> = known.iter().map(String::as_str).filter(|person| pictures(person) >= 3).collect();
    // Every fifth pair of the test's list; its people are others.
    let list = std::fs::read_to_string(lfw.join("pairsDevTest.txt")).unwrap();
    let pairs: Vec<&str> = list.lines().skip(1).step_by(5).collect();
    let same = pairs.iter().filter(|line| line.split('\t').count() == 3).count();
    assert_eq!(same * 2, pairs.len());
    let list = folder.path().join("pairs.txt");
    std::fs::write(&list, format!("{same}\n{}\n", pairs.join("\n"))).unwrap();
    let others = listed(&list);
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    assert!(others.iter().all(|person| !known.contains(person)));
    let (faces, strangers) = (folder.path().join("faces"), folder.path().join("strangers"));
    let five_point = ["--alignment", "five-point"];
    aligned(&lfw, &known, &faces, &five_point);
    aligned(&lfw, &others, &strangers, &five_point);

    let size = Size { side: 64, spare: 0 };
    let faces = Faces::read(&faces, size, MEMORY, 2).unwrap();
    let pairs = Pairs::read(&list, &strangers, size).unwrap();
    let learned = |mining: Mining, epochs: u32| {
        let plan = Plan {
            network: Network { kind: Kind::Small, dimension: 64, classes: 0, keep: 1.0 },
            batch: Batch { people: 20, pictures: 4, strangers: 0 },
            schedule: Schedule::Decay { start: 0.05, factor: 1.0, every: 10 },
            epochs,
            clip: None,
            average: 0.9,
            ..plan(mining)
        };
        let network = plan.network;
        let mut run = Run::new(plan, &faces, Device::flex(), Weights::new()).unwrap();
        while !run.is_over() {
            run.step().unwrap();
        }
        pairs.figures(&network, &mut run.averaged(), &Device::flex()).unwrap().auc
    };
    let [untrained, easy, semi_hard] =
        [(Mining::Easy, 0), (Mining::Easy, 6), (Mining::SemiHard, 6)].map(|(m, n)| learned(m, n));
    println!(
        "AUC on other people: untrained {untrained:.3}, easy triplets {easy:.3}, semi-hard triplets {semi_hard:.3}"
    );
    assert!(semi_hard > untrained + 0.05 && semi_hard > easy + 0.08, "{untrained} {easy} {semi_hard}");
}

/// The float .tflite of the same weights gives the same embeddings: layers, padding, names and numbers are FaceNet's.
#[test]
fn imported_weights_give_the_embeddings_of_the_tflite_file() {
    let (Some(npz), Some(lfw)) =
        (support::shared("models/weights/facenet-20180402-114759-vggface2.npz"), support::shared("data/lfw-dev"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    let done = Command::new(support::models().join("build/build"))
        .args(CONVERT)
        .arg(&npz)
        .arg("--out")
        .arg(&models)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let names = ["Abdullah_Gul", "Adrien_Brody", "Alejandro_Toledo", "Alvaro_Uribe"];
    let people: Vec<&str> = names.into_iter().filter(|name| lfw.join("images").join(name).is_dir()).collect();
    let folder = folder.path().join("faces");
    aligned(&lfw, &people, &folder, &[]);
    let faces = Faces::read(&folder, Size { side: 160, spare: 0 }, MEMORY, 2).unwrap();
    let some: Vec<usize> = (0..faces.count().min(8)).collect();
    assert!(some.len() >= 4, "{people:?}");
    let network = Network { kind: Kind::InceptionResnetV1, dimension: 512, classes: 0, keep: 1.0 };
    let (mut weights, missing) = network.select_weights(&weights::read(&npz).unwrap(), &[]).unwrap();
    assert_eq!(missing, 0);
    let embeddings = embed(&network, &mut weights, &Device::flex(), &faces, &some).unwrap();
    let settings = VisionSettings { embedder: "facenet".into(), ..VisionSettings::default() };
    let vision = Vision::open(&support::runtime(), &models, &settings).unwrap();
    let mut extractor = Extractor::new(vision, Form { aligned: true, ..Form::default() });
    for (&face, ours) in some.iter().zip(embeddings.chunks_exact(512)) {
        let file: PathBuf = faces.file(face).to_owned();
        let theirs = extractor.extract(&file).unwrap().unwrap();
        let cosine: f32 = ours.iter().zip(&theirs).map(|(a, b)| a * b).sum();
        println!("cosine {cosine:.6}");
        assert!(cosine > 0.9995, "{cosine} {}", file.display());
    }
}
