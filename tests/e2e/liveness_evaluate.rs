//! `usher liveness` and `usher calibrate --liveness`, on clips of a turning head and on rendered prints.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::House;

/// The clips of heads and prints beside the checkout.
fn pad(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/pad").join(name);
    assert!(path.exists(), "{} is missing: this test needs the folder shared beside the checkout", path.display());
    path
}

/// A frame of the woman who turns her head: 9 looks ahead, 0 to her right as far as she goes, 13 to her left.
fn head(frame: usize) -> PathBuf {
    pad("intel/female-frames").join(format!("{frame:03}.jpg"))
}

/// A view of a flat print: 10 is held straight, 0 and 20 are turned by 50 degrees.
fn print(frame: usize) -> PathBuf {
    pad("prints/male-flat").join(format!("{frame:02}.jpg"))
}

/// Ahead, to the right, back, to the left, and back.
fn turning() -> Vec<PathBuf> {
    let right = (0..=8).rev().chain(1..=9);
    let left = 10..=18;
    [9; 8].into_iter().chain(right).chain(left).chain([18; 8]).map(head).collect()
}

/// Held straight, then turned to both sides and back, for six seconds at five frames a second.
fn moved_print() -> Vec<PathBuf> {
    let swing = [12, 14, 16, 18, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0, 2, 4, 6, 8, 10];
    [10; 8].into_iter().chain(swing).chain([10; 2]).map(print).collect()
}

/// Writes a clip.
fn clip(folder: &Path, frames: &[PathBuf], meta: &str) {
    fs::create_dir_all(folder).unwrap();
    for (number, frame) in frames.iter().enumerate() {
        fs::copy(frame, folder.join(format!("{number:03}.jpg"))).unwrap();
    }
    fs::write(folder.join("meta.toml"), meta).unwrap();
}

/// A test's folder with the two of them enrolled.
fn enrolled(house: &House) -> PathBuf {
    let test = house.path("test");
    fs::create_dir_all(test.join("enrolled")).unwrap();
    fs::copy(head(18), test.join("enrolled/eve.jpg")).unwrap();
    fs::copy(pad("intel/male-frames/000.jpg"), test.join("enrolled/adam.jpg")).unwrap();
    test
}

#[test]
fn a_turning_head_opens_a_print_does_not_and_the_report_says_how_little_that_proves() {
    let house = House::new();
    let test = enrolled(&house);
    clip(&test.join("bona-fide/eve/1"), &turning(), "fps = 12.5\norder = [\"right\", \"left\"]\ncamera = \"porch\"\n");
    clip(&test.join("print/adam/1"), &moved_print(), "fps = 5\n");
    let folder = test.display().to_string();

    let found = house.json(&["liveness", "evaluate", &folder, "--json"]).remove(0);
    assert_eq!(found["bona_fide"]["opened"]["part"], 1, "{found}");
    assert_eq!(found["bona_fide"]["bpcer"]["interval"], json!([0.0, 0.975]), "{found}");
    let ms = found["bona_fide"]["recognition_to_open"]["median_ms"].as_u64().unwrap();
    assert!((500..3600).contains(&ms), "{found}");
    let species = &found["species"][0];
    assert_eq!(
        (&species["species"], &species["apcer"]["part"], &species["apcer"]["whole"]),
        (&json!("print"), &json!(0), &json!(1))
    );
    assert_eq!((&species["caught"], &species["iapar"]["part"]), (&json!({ "challenge": 1 }), &json!(0)), "{found}");
    let worst = found["worst_apcer"]["upper"].as_f64().unwrap();
    assert!((worst - 0.975).abs() < 1e-6, "{found}");
    assert!(found["note"].as_str().unwrap().starts_with("Self-test, not certified"), "{found}");
    assert!(found["models"].as_array().unwrap().iter().any(|id| id.as_str().unwrap().starts_with("sface-")), "{found}");
    assert_eq!((&found["limits"]["turn"], &found["cameras"]), (&json!(0.2), &json!(["porch"])), "{found}");

    // Where only the face is asked, the print opens the door.
    let text = house.usher(&["liveness", "evaluate", &folder, "--person", "adam", "--assurance", "recognised"]);
    assert!(text.starts_with("Self-test, not certified"), "{text}");
    assert!(text.contains("Worst species: print. Up to 100.0 %") && text.contains("opened the door"), "{text}");
    assert!(text.contains("Real people were not presented") && text.contains("0 of 150 allow 2.4 %"), "{text}");

    let found = house.json(&["calibrate", "--liveness", &folder, "--json"]).remove(0);
    assert_eq!((&found["clips"], &found["normal"]["refused"], &found["enough"]), (&json!(1), &json!(0), &json!(false)));
    let number = |value: &Value| value.as_f64().unwrap();
    assert!(number(&found["recommended"]["turn"]) >= 0.20 && number(&found["recommended"]["depth"]) >= 0.28, "{found}");
    assert!(number(&found["peaks"]["right"][0]["turn"]) > number(&found["peaks"]["left"][0]["turn"]), "{found}");
}

#[test]
fn what_cannot_be_evaluated_is_refused_with_what_to_do() {
    let house = House::new();
    let test = enrolled(&house);
    let folder = test.display().to_string();
    let evaluate = |more: &[&str]| {
        let arguments: Vec<&str> = ["liveness", "evaluate", &folder].iter().chain(more).copied().collect();
        house.refused(&arguments)
    };
    assert!(evaluate(&[]).contains("has no clips"), "{}", evaluate(&[]));
    clip(&test.join("phone/adam/short"), &[print(10)], "fps = 5");
    let error = evaluate(&[]);
    assert!(error.contains("too few pictures (1)") && error.contains("no clip could be judged"), "{error}");
    clip(&test.join("phone/adam/damaged"), &[print(10), print(10), print(10)], "fps = 5");
    fs::write(test.join("phone/adam/damaged/001.jpg"), "no picture").unwrap();
    fs::write(test.join("phone/adam/film.mp4"), "").unwrap();
    let error = evaluate(&[]);
    assert!(error.contains("001.jpg") && error.contains("ffmpeg -i"), "{error}");
    let error = evaluate(&["--assurance", "passive"]);
    assert!(error.contains("models/build/build liveness"), "{error}");
    let error = evaluate(&["--assurance", "face+pin"]);
    assert!(error.contains("a clip shows no PIN"), "{error}");
    let error = evaluate(&["--person", "seth"]);
    assert!(error.contains("no clip in") && error.contains("adam"), "{error}");
    clip(&test.join("phone/seth/1"), &[print(10), print(10), print(10)], "");
    let error = evaluate(&[]);
    assert!(error.contains("seth is not enrolled") && error.contains("seth.jpg"), "{error}");
    fs::copy(head(9), test.join("enrolled/seth.jpg")).unwrap();
    let error = evaluate(&["--person", "seth"]);
    assert!(error.contains("how fast") && error.contains("--fps"), "{error}");
    fs::copy(print(10), test.join("phone/seth/1/meta.toml")).unwrap();
    assert!(evaluate(&[]).contains("meta.toml"), "{}", evaluate(&[]));
    let error = house.refused(&["calibrate", "--liveness", &house.store().display().to_string()]);
    assert!(error.contains("cannot be read") || error.contains("has no clips"), "{error}");
    assert_eq!(house.ask(&["liveness", "evaluate", &folder, "--assurance", "iris"]).code, Some(2));
}

#[test]
fn a_recording_is_a_clip_with_its_order_and_its_consent() {
    let house = House::new();
    let film = house.path("head.mjpeg");
    // What is asked depends on how fast this machine is; a unit test asks without a camera.
    let frames: Vec<u8> = turning().iter().take(12).flat_map(|frame| fs::read(frame).unwrap()).collect();
    fs::write(&film, frames).unwrap();
    let camera = format!("kind = \"replay\"\npath = {:?}\nfps = 10\nloop = false", film.display().to_string());
    let house = house.with_camera(&camera);
    let test = enrolled(&house);
    let out = test.display().to_string();
    let record = ["liveness", "record", "--out", &out, "--subject", "eve", "--note", "on the stairs", "--time", "2m"];
    let silent = house.ask(&record);
    assert!(silent.code == Some(2) && silent.err.contains("--consent"), "{silent:?}");

    let agreed: Vec<&str> = record.iter().copied().chain(["--consent", "signed form"]).collect();
    let answer = house.ask(&agreed);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.err.contains("Look into the camera"), "{answer:?}");
    assert!(answer.out.contains("photographs of a person"), "{answer:?}");
    let clips: Vec<PathBuf> =
        fs::read_dir(test.join("bona-fide/eve")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [clip] = &clips[..] else { panic!("{clips:?}") };
    let meta: toml::Table = toml::from_str(&fs::read_to_string(clip.join("meta.toml")).unwrap()).unwrap();
    let times = meta["times_ms"].as_array().unwrap();
    let pictures = fs::read_dir(clip).unwrap().count() - 1;
    assert_eq!((times.len(), pictures), (12, 12), "{meta}");
    assert_eq!((meta["consent"].as_str(), meta["note"].as_str()), (Some("signed form"), Some("on the stairs")));
    let mut order: Vec<&str> = meta["order"].as_array().unwrap().iter().map(|side| side.as_str().unwrap()).collect();
    order.sort_unstable();
    assert_eq!(order, ["left", "right"]);
    assert!(meta["camera"].as_str().unwrap().starts_with("porch: replay of"), "{meta}");

    let found = house.json(&["liveness", "evaluate", &out, "--json"]).remove(0);
    assert_eq!((&found["bona_fide"]["presentations"], &found["order_unknown"]), (&json!(1), &json!(0)), "{found}");
}
