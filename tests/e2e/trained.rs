//! Networks as `usher train export` writes them: converted by `models/build`, checked by the doctor, and run by the daemon.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Film, House};

/// An array of a checkpoint: its name with slashes, and its shape.
type Array = (String, Vec<usize>);

/// Writes random weights as one .npy file an array, in folders. The same seed, the same weights.
fn write_weights(folder: &Path, arrays: &[Array], seed: u64) {
    let mut draw = fastrand::Rng::with_seed(seed);
    for (name, shape) in arrays {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = match name.rsplit('/').next() {
            Some("weights") => {
                // So that values neither grow nor shrink through the layers.
                let inputs: usize = if shape.len() == 3 { shape[1] } else { shape[..shape.len() - 1].iter().product() };
                let limit = (6.0 / inputs as f32).sqrt();
                (0..count).map(|_| (draw.f32() * 2.0 - 1.0) * limit).collect()
            }
            Some("moving_variance") => vec![1.0; count],
            _ => vec![0.0; count],
        };
        let path = folder.join(format!("{name}.npy"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, npy(shape, &values)).unwrap();
    }
}

/// NumPy's format, version 1: a header of 128 bytes that says type and shape, then the values.
fn npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let sides: Vec<String> = shape.iter().map(|side| format!("{side},")).collect();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", sides.join(""));
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

fn small() -> Vec<Array> {
    let mut arrays = Vec::new();
    for (layer, inputs, outputs) in [("Conv_1", 3, 24), ("Conv_2", 24, 48), ("Conv_3", 48, 96), ("Conv_4", 96, 128)] {
        arrays.push((format!("Small/{layer}/weights"), vec![3, 3, inputs, outputs]));
        let norms = ["beta", "moving_mean", "moving_variance"];
        arrays.extend(norms.map(|figure| (format!("Small/{layer}/BatchNorm/{figure}"), vec![outputs])));
    }
    arrays.push(("Small/Bottleneck/weights".into(), vec![3 * 3 * 128, 128]));
    arrays.push(("Small/Bottleneck/biases".into(), vec![128]));
    arrays
}

fn deepface() -> Vec<Array> {
    let layer = |name: &str, kernel: Vec<usize>, biases: Vec<usize>| {
        [(format!("DeepFace/{name}/weights"), kernel), (format!("DeepFace/{name}/biases"), biases)]
    };
    let local = |name, places, side: usize| layer(name, vec![places, side * side * 16, 16], vec![places, 1, 16]);
    [
        layer("C1", vec![11, 11, 3, 32], vec![32]),
        layer("C3", vec![9, 9, 32, 16], vec![16]),
        local("L4", 55 * 55, 9),
        local("L5", 25 * 25, 7),
        local("L6", 21 * 21, 5),
        layer("F7", vec![21 * 21 * 16, 4096], vec![4096]),
    ]
    .concat()
}

/// Converts the weights, and shows a camera the photograph that somebody was enrolled from, and another man's. `limit` is a distance between
/// what these two were seen at.
fn a_daemon_runs(name: &str, weights: &Path, limit: &str) {
    let film = Film::default().nobody(3).shows("obama.jpg", 10).nobody(14).shows("biden.jpg", 10).nobody(3);
    let mut house = House::new().watching(film, false);
    let models = house.path("models");
    let done = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/build/build"))
        .arg("network")
        .args([weights, Path::new("--out"), &models, Path::new("--usher"), Path::new(env!("CARGO_BIN_EXE_usher"))])
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{report}{}", String::from_utf8_lossy(&done.stderr));
    let cosine = report.split("on these faces: ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(cosine.parse::<f32>().unwrap() > 0.99, "{report}");

    let settings =
        [("MODELS__PATH", models.to_str().unwrap()), ("MODELS__EMBEDDER", name), ("ACCESS__DISTANCE", limit)];
    house.environment.extend(settings.map(|(key, value)| (format!("USHER__{key}"), value.to_owned())));
    let said = house.usher(&["doctor"]);
    assert!(said.contains(&format!("{name}-")) && !said.contains("BROKEN"), "{said}");
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.usher(&["run", "--until-replays-end"]);
    let (granted, denied) = (house.records("granted"), house.records("denied"));
    let distances =
        |records: &[Value]| records.iter().map(|record| record["content"]["distance"].to_string()).collect::<Vec<_>>();
    println!(
        "{name}: cosine to float {cosine}; granted at {:?}, denied at {:?}",
        distances(&granted),
        distances(&denied)
    );
    assert_eq!(granted.len(), 1, "{:?}", house.journal());
    let person = &granted[0]["content"]["person"];
    assert_eq!((&person["id"], &person["name"]), (&json!(1), &json!("Barack Obama")));
    assert_eq!(denied.len(), 1, "{:?}", house.journal());
}

#[test]
fn the_small_network_runs_in_the_daemon() {
    let weights = tempfile::tempdir().unwrap();
    write_weights(weights.path(), &small(), 7);
    a_daemon_runs("small", weights.path(), "0.6");
}

/// With USHER_DEEPFACE, what `usher train export` wrote is run instead of random weights.
#[test]
#[ignore = "102 million weights: minutes, and 3 GB of memory for the conversion"]
fn deepface_runs_in_the_daemon() {
    if let Some(trained) = std::env::var_os("USHER_DEEPFACE") {
        return a_daemon_runs("deepface", Path::new(&trained), "0.35");
    }
    let weights = tempfile::tempdir().unwrap();
    write_weights(weights.path(), &deepface(), 7);
    a_daemon_runs("deepface", weights.path(), "0.35");
}
