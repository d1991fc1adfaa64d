//! A site head beside the store: put in place, reported, removed; and when it is refused.

use std::path::Path;

use serde_json::Value;
use usher::domain::{ModelId, SiteHead};
use usher::store::Store;
use usher::vision::calibration_file::CalibrationFile;
use usher::vision::file::sha256;
use usher::vision::head_file::{HeadFile, head_id};

use crate::support::{Daemon, House, photo, status};

/// A head that permutes dimensions and flips signs, which changes no distance, with a calibration in which strangers are a tenth nearer.
fn put_head(house: &House, base: &ModelId, dimension: usize) {
    let row = |row: usize| (0..dimension).map(move |column| if column == (row + 5) % dimension { -1.0 } else { 0.0 });
    let matrix: Box<[f32]> = (0..dimension).flat_map(row).collect();
    let id = head_id(base, &matrix);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/sface.calibration.toml");
    let mut calibration = CalibrationFile::load(&beside).unwrap().unwrap();
    calibration.model = id.to_string();
    calibration.impostor.iter_mut().for_each(|point| point[1] *= 0.9);
    let head = SiteHead::new(base.clone(), id, matrix).unwrap();
    HeadFile { head, calibration }.save(&site_head(house)).unwrap();
}

fn site_head(house: &House) -> std::path::PathBuf {
    house.store().join("head/sface.head.safetensors")
}

fn shipped() -> ModelId {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/sface.calibration.toml");
    ModelId::new(&CalibrationFile::load(&beside).unwrap().unwrap().model)
}

#[test]
fn the_daemon_compares_behind_a_head_without_enrolling_again() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg", "obama2.jpg"]);
    house.enroll("Joe Biden", &["biden.jpg"]);
    let check = ["calibrate", "--gallery", "--json"];
    let without = house.json(&check).remove(0);
    put_head(&house, &shipped(), 128);
    let behind = house.json(&check).remove(0);
    let figure = |answer: &serde_json::Value, at: &str| answer.pointer(at).and_then(serde_json::Value::as_f64).unwrap();
    assert!((figure(&behind, "/limit") / figure(&without, "/limit") - 0.9).abs() < 0.01, "{behind} {without}");
    let own = "/people/0/own_farthest";
    assert!((figure(&behind, own) - figure(&without, own)).abs() < 1e-5, "{behind} {without}");

    let id = HeadFile::load(&site_head(&house)).unwrap().unwrap().head.id().to_string();
    let doctor = house.ask(&["doctor"]);
    assert!(doctor.out.contains(&format!("behind the site head {id}")), "{}", doctor.out);
    let daemon = Daemon::start(&house);
    assert_eq!(status(&house)["model"], id.as_str());
    assert_eq!(house.json(&check).remove(0), behind, "the daemon says the same");
    let found = house.json(&["identify", "--json", &photo("obama3.jpg").display().to_string()]).remove(0);
    assert!(found.to_string().contains("Barack Obama"), "{found}");
    let error = house.refused(&["train", "head", "--dry-run"]);
    assert!(error.contains("stop it first"), "{error}");
    daemon.stop();
    assert_eq!(house.records("started")[0]["content"]["model"], id.as_str(), "the journal says what was compared by");

    assert!(house.usher(&["train", "head", "--remove"]).contains("removed"));
    assert_eq!(house.json(&check).remove(0), without);
    assert!(house.usher(&["train", "head", "--remove"]).contains("there is no site head"));
    assert_eq!(house.records("head_removed").len(), 1, "what was not there is not taken off");
}

#[test]
fn removing_a_head_is_recorded_with_and_without_a_daemon() {
    let house = House::new();
    let removed = |expected: Value| {
        let file = std::fs::read(site_head(&house)).unwrap();
        house.usher(&["train", "head", "--remove"]);
        assert!(!site_head(&house).exists());
        assert_eq!(std::fs::read_dir(site_head(&house).parent().unwrap()).unwrap().count(), 0, "nothing is left of it");
        let content = house.records("head_removed").pop().unwrap()["content"].clone();
        assert_eq!(content["head"], expected);
        assert_eq!(content["sha256"], sha256(&file));
        assert!(!content["by"].as_str().unwrap().is_empty(), "{content}");
    };
    put_head(&house, &shipped(), 128);
    let id = HeadFile::load(&site_head(&house)).unwrap().unwrap().head.id().to_string();
    removed(id.clone().into());
    // A daemon that started behind the head records it, too.
    put_head(&house, &shipped(), 128);
    let daemon = Daemon::start(&house);
    removed(id.into());
    daemon.stop();
    std::fs::write(site_head(&house), b"nothing").unwrap();
    removed(Value::Null);
    house.usher(&["journal", "verify"]);
    assert_eq!(house.records("head_removed").len(), 3);
}

#[test]
fn a_head_is_not_removed_when_the_removal_cannot_be_recorded() {
    let house = House::new();
    put_head(&house, &shipped(), 128);
    let held = Store::open(&house.store()).unwrap();
    let error = house.refused(&["train", "head", "--remove"]);
    assert!(error.contains("the head was not removed") && error.contains("is in use"), "{error}");
    assert!(site_head(&house).exists());
    drop(held);
    house.usher(&["train", "head", "--remove"]);
    assert_eq!(house.records("head_removed").len(), 1);
}

#[test]
fn mining_that_finds_nothing_behind_a_head_is_refused() {
    let house = House::new();
    for (mining, hint) in [("offline", "use semi-hard, hard or all"), ("sideways", "invalid value 'sideways'")] {
        let answer = house.ask(&["train", "head", "--dry-run", "--mining", mining]);
        assert_eq!(answer.code, Some(2));
        assert!(answer.err.contains(hint), "{}", answer.err);
    }
}

#[test]
fn a_head_of_another_model_is_refused_with_the_remedy() {
    let mut house = House::new();
    put_head(&house, &ModelId::new("sface-000000000000"), 128);
    let error = house.refused(&["run"]);
    assert!(error.contains("was trained on sface-000000000000") && error.contains("--remove"), "{error}");
    put_head(&house, &shipped(), 64);
    let error = house.refused(&["run"]);
    assert!(error.contains("takes 64 values") && error.contains("train it again"), "{error}");
    std::fs::write(site_head(&house), b"nothing").unwrap();
    let error = house.refused(&["run"]);
    assert!(error.contains("is not a site head"), "{error}");
    put_head(&house, &shipped(), 128);
    house.environment.insert("USHER__ACCESS__DISTANCE".into(), "0.9".into());
    let error = house.refused(&["run"]);
    assert!(error.contains("[access] distance") && error.contains("--remove"), "{error}");
}

#[test]
fn too_few_people_make_no_head_and_nothing_is_written() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg", "obama2.jpg", "obama3.jpg"]);
    house.enroll("Joe Biden", &["biden.jpg"]);
    let error = house.refused(&["train", "head"]);
    assert!(error.contains("2 people with 4 photographs make") && error.contains("more people"), "{error}");
    assert!(!site_head(&house).exists());
    // A head that the daemon refuses does not prevent the next one.
    put_head(&house, &ModelId::new("sface-000000000000"), 128);
    let error = house.refused(&["train", "head"]);
    assert!(error.contains("2 people with 4 photographs make"), "{error}");
}
