//! Measuring on one's own photographs and on the enrolled people, with the house's configuration.

use std::path::{Path, PathBuf};

use usher::vision::calibration_file::CalibrationFile;

use crate::support::{Daemon, House, photo};

/// A copy of a photograph in a folder of people.
fn put(actor: &str, folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(actor);
    std::fs::copy(photo(actor), &path).unwrap();
    path
}

#[test]
fn own_pairs_are_measured_and_a_bad_list_is_named() {
    let house = House::new();
    let list = house.path("pairs.csv");
    let photos = ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg"].map(|name| photo(name).display().to_string());
    let [a, b, c, other] = &photos;
    let lines =
        [(a, b, 1), (a, c, 1), (b, c, 1), (a, a, 1), (a, other, 0), (b, other, 0), (c, other, 0), (other, c, 0)];
    let csv: String = lines.iter().map(|(a, b, same)| format!("{a},{b},{same}\n")).collect();
    std::fs::write(&list, format!("a,b,same\n{csv}")).unwrap();
    let list = list.display().to_string();
    let asked = ["evaluate", "pairs", "--csv", &list, "--folds", "2", "--far", "0.4", "--json"];
    let found = house.json(&asked).remove(0);
    assert_eq!((found["auc"].as_f64(), found["pairs"].as_u64()), (Some(1.0), Some(8)), "{found}");
    assert!(found["accuracy"].as_f64().unwrap() >= 0.75, "a cut from four pairs may miss one of the others: {found}");
    assert_eq!(found["interval"], "Clopper-Pearson 95 %");
    assert!(found["accuracy_interval"][0].as_f64().unwrap() < 0.7, "eight pairs say little: {found}");

    let error = house.refused(&["evaluate", "pairs", "--csv", &list, "--folds", "9"]);
    assert!(error.contains("folds"), "{error}");
    std::fs::write(&list, "a,b,same\nx.jpg,y.jpg,maybe\n").unwrap();
    let error = house.refused(&["evaluate", "pairs", "--csv", &list]);
    assert!(error.contains("pairs.csv, line 2, column \"same\"") && error.contains("1 or 0"), "{error}");
}

#[test]
fn a_folder_of_people_is_measured_and_written_beside_the_store_only_if_it_is_large_enough() {
    let house = House::new();
    let crowd = house.path("crowd");
    for actor in ["obama.jpg", "obama2.jpg", "obama3.jpg"] {
        put(actor, &crowd.join("Barack Obama"));
    }
    put("biden.jpg", &crowd.join("Joe Biden"));
    let crowd = crowd.display().to_string();
    let text = house.usher(&["calibrate", &crowd]);
    assert!(text.contains("2 people, 4 photographs") && text.contains("too few pairs"), "{text}");
    assert!(text.contains("Barack Obama and Joe Biden"), "{text}");
    let error = house.refused(&["calibrate", &crowd, "--write"]);
    assert!(error.contains("measure more people"), "{error}");
    let site = house.store().join("calibration/sface.calibration.toml");
    assert!(matches!(CalibrationFile::load(&site), Ok(None)));
    let error = house.refused(&["calibrate", &house.path("nothing").display().to_string()]);
    assert!(error.contains("nothing cannot be read"), "{error}");
}

#[test]
fn the_enrolled_people_are_checked_with_and_without_a_daemon() {
    let house = House::new();
    assert!(house.usher(&["calibrate", "--gallery"]).contains("nobody is enrolled"));
    house.enroll("Barack Obama", &["obama.jpg", "obama2.jpg", "obama3.jpg"]);
    house.enroll("Joe Biden", &["biden.jpg"]);
    let check = ["calibrate", "--gallery", "--json"];
    let alone = house.json(&check).remove(0);
    let daemon = Daemon::start(&house);
    assert_eq!(house.json(&check).remove(0), alone, "the daemon says the same");
    let text = house.usher(&["calibrate", "--gallery"]);
    daemon.stop();

    let people = alone["people"].as_array().unwrap();
    assert_eq!((people[0]["works"].as_bool(), people[0]["templates"].as_u64()), (Some(true), Some(3)), "{alone}");
    assert!(people[0]["own_farthest"].as_f64().unwrap() < alone["limit"].as_f64().unwrap(), "{alone}");
    assert!(people[0]["nearest_other"]["distance"].as_f64().unwrap() > alone["limit"].as_f64().unwrap(), "{alone}");
    assert!(people[1]["works"].is_null(), "one template cannot be left out: {alone}");
    assert_eq!(alone["too_near"].as_array().unwrap().len(), 0, "{alone}");
    assert!(!alone.to_string().contains("embedding"), "{alone}");
    assert!(text.contains("yes") && text.contains("unknown: only one template"), "{text}");
    assert!(text.contains("No two people are too near to each other."), "{text}");

    // The same man under two names.
    let twice = ["enroll", "Somebody Else", "--force"].map(Into::into).into_iter();
    house.usher(&twice.chain([photo("obama2.jpg").into_os_string()]).collect::<Vec<std::ffi::OsString>>());
    let text = house.usher(&["calibrate", "--gallery"]);
    assert!(text.contains("0.000  Barack Obama (#1) and Somebody Else (#3)"), "{text}");
    assert!(text.contains("no: 3 of 3") || text.contains("no: 1 of 3") || text.contains("no: 2 of 3"), "{text}");
}

#[test]
fn a_site_s_calibration_replaces_the_model_s() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg", "obama2.jpg"]);
    let check = ["calibrate", "--gallery", "--json"];
    let shipped = house.json(&check).remove(0);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/sface.calibration.toml");
    let mut file = CalibrationFile::load(&beside).unwrap().unwrap();
    let site = house.store().join("calibration/sface.calibration.toml");

    // A site where strangers are a tenth nearer to each other.
    file.impostor.iter_mut().for_each(|point| point[1] *= 0.9);
    file.save(&site).unwrap();
    let measured = house.json(&check).remove(0);
    let limit = |answer: &serde_json::Value| answer["limit"].as_f64().unwrap();
    let ratio = limit(&measured) / limit(&shipped);
    assert!((ratio - 0.9).abs() < 0.01, "{measured} {shipped}");
    let daemon = Daemon::start(&house);
    assert_eq!(house.json(&check).remove(0), measured);
    daemon.stop();

    // One of another model is refused, with its name.
    file.model = "othernet-0123456789ab".into();
    file.save(&site).unwrap();
    let error = house.refused(&check);
    assert!(error.contains("sface.calibration.toml") && error.contains("othernet"), "{error}");
}
