//! The arithmetic of `usher evaluate` against numpy, scipy and scikit-learn: tests/data/reference.py computed the expected figures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use serde::Deserialize;

use usher::lab::open_set::{Member, trials};
use usher::lab::roc::in_order;
use usher::lab::share::{Share, clopper_pearson};
use usher::lab::verification::{Comparison, FaceVectors, Metric, Protocol, measure};

const WITHIN: f64 = 1e-6;

#[derive(Deserialize)]
struct Reference {
    a: Vec<Vec<f32>>,
    b: Vec<Vec<f32>>,
    same: Vec<bool>,
    cases: Vec<Case>,
    intervals: Vec<Interval>,
    open_set: OpenSet,
}

#[derive(Debug, Deserialize)]
struct Case {
    metric: String,
    subtract_mean: bool,
    folds: usize,
    far_target: f64,
    failed: Vec<usize>,
    accuracy: f64,
    accuracy_std: f64,
    val: f64,
    val_std: f64,
    far: f64,
    auc: f64,
    eer: f64,
    threshold: f64,
}

#[derive(Debug, Deserialize)]
struct Interval {
    part: u64,
    whole: u64,
    confidence: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct OpenSet {
    members: Vec<Enrolled>,
    strangers: Vec<Vec<f32>>,
    points: Vec<Rates>,
}

#[derive(Deserialize)]
struct Enrolled {
    templates: Vec<Vec<f32>>,
    probes: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Rates {
    distance: f32,
    fpir: f64,
    fnir: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("data/reference.json")).unwrap()
}

fn close(name: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() <= WITHIN, "{name}: {found}, expected {expected}");
}

#[test]
fn figures_of_pairs_are_those_of_scikit_learn_and_scipy() {
    let Reference { a, b, same, cases, .. } = reference();
    assert!(cases.len() >= 6);
    for case in cases {
        let side = |vectors: &[Vec<f32>]| -> Vec<FaceVectors> {
            let photo = |(i, v): (usize, &Vec<f32>)| match case.failed.contains(&i) {
                true => FaceVectors::default(),
                false => FaceVectors(vec![v.clone().into()]),
            };
            vectors.iter().enumerate().map(photo).collect()
        };
        let views = [side(&a), side(&b)].concat();
        let pair = |(i, &same)| Comparison { a: i, b: i + a.len(), same };
        let pairs: Vec<Comparison> = same.iter().enumerate().map(pair).collect();
        let metric = if case.metric == "cosine" { Metric::Cosine } else { Metric::Euclidean };
        let protocol = Protocol { metric, subtract_mean: case.subtract_mean, far: case.far_target };
        let found = measure(&views, &pairs, &in_order(pairs.len(), case.folds).unwrap(), protocol).unwrap();
        println!("{case:?}");
        close("accuracy", found.accuracy.mean, case.accuracy);
        close("its deviation", found.accuracy.std, case.accuracy_std);
        close("validation rate", found.val.mean, case.val);
        close("its deviation", found.val.std, case.val_std);
        close("false accept rate", found.far, case.far);
        close("area", found.auc, case.auc);
        close("equal error rate", found.eer, case.eer);
        close("threshold", found.threshold, case.threshold);
    }
}

#[test]
fn intervals_are_those_of_scipy() {
    for expected in reference().intervals {
        let share = Share { part: expected.part, whole: expected.whole };
        let (low, high) = clopper_pearson(share, expected.confidence);
        println!("{expected:?}");
        close("lower end", low, expected.low);
        close("upper end", high, expected.high);
        // Small shares must be accurate relative to themselves, not only near zero.
        assert!(
            (low - expected.low).abs() <= 1e-4 * expected.low && (high - expected.high).abs() <= 1e-4 * expected.high
        );
    }
}

#[test]
fn open_set_rates_are_those_of_numpy() {
    let OpenSet { members, strangers, points } = reference().open_set;
    let boxed = |vectors: Vec<Vec<f32>>| vectors.into_iter().map(Vec::into_boxed_slice).collect::<Vec<_>>();
    let member = |m: Enrolled| Member { templates: boxed(m.templates), probes: boxed(m.probes), failed: 0 };
    let people: Vec<Member> = members.into_iter().map(member).collect();
    let trial = trials(&people, &boxed(strangers), &[people.len()]).remove(0);
    assert!(points.len() > 10);
    for expected in points {
        let found = trial.at(expected.distance);
        close("FPIR", found.fpir.rate(), expected.fpir);
        close("FNIR", found.fnir.rate(), expected.fnir);
    }
}
