//! `usher detect` and `usher identify` on pictures of every kind.

use std::ffi::OsString;
use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use serde_json::{Value, json};

use crate::support::{Daemon, Film, House, frame, lines, photo, side_by_side, write_jpeg};

fn words<const N: usize>(texts: [&str; N]) -> Vec<OsString> {
    texts.map(OsString::from).to_vec()
}

/// The keys of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object")).keys().map(String::as_str).collect()
}

/// x1, y1, x2, y2 of the only face in each picture.
fn only_faces(house: &House, pictures: &[&str]) -> Vec<[f64; 4]> {
    let mut order = vec!["detect", "--json"];
    order.extend(pictures);
    let found = house.json(&order);
    assert_eq!(found.len(), pictures.len());
    let corners = |line: &Value| {
        let [face] = &line["faces"].as_array().unwrap()[..] else { panic!("not one face: {line}") };
        [0, 1, 2, 3].map(|corner| face["box"][corner].as_f64().unwrap())
    };
    found.iter().map(corners).collect()
}

fn near(a: [f64; 4], b: [f64; 4], pixels: f64) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= pixels)
}

#[test]
fn detect_has_the_documented_shape() {
    let house = House::new();
    let pair = write_jpeg(side_by_side(&frame("obama.jpg"), &frame("biden.jpg")), &house.path("pair.jpg"));
    let found = house.json(&["detect".as_ref(), "--json".as_ref(), pair.as_os_str()]);
    let [line] = &found[..] else { panic!("{found:?}") };
    assert_eq!(keys(line), ["faces", "file"]);
    assert_eq!(line["file"], pair.display().to_string());
    let faces = line["faces"].as_array().unwrap();
    assert_eq!(faces.len(), 2);
    for face in faces {
        assert_eq!(keys(face), ["box", "landmarks", "quality", "score"]);
        let corners: Vec<f64> = face["box"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert!(corners.len() == 4 && corners[0] < corners[2] && corners[1] < corners[3], "{corners:?}");
        let landmarks = face["landmarks"].as_array().unwrap();
        assert_eq!(landmarks.len(), 5);
        for point in landmarks {
            let [x, y] = &point.as_array().unwrap()[..] else { panic!("{point}") };
            let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
            assert!(
                corners[0] < x && x < corners[2] && corners[1] < y && y < corners[3],
                "{point} outside {corners:?}"
            );
        }
        assert!((0.9..=1.0).contains(&face["score"].as_f64().unwrap()));
        assert_eq!(
            keys(&face["quality"]),
            ["brightness", "chroma", "pitch_deg", "roll_deg", "sharpness", "size_px", "yaw_deg"]
        );
    }
    let text = house.usher(&["detect".as_ref(), pair.as_os_str()]);
    assert!(text.contains("pair.jpg: 2 faces"), "{text}");
}

#[test]
fn every_kind_of_picture_shows_the_same_face() {
    let house = House::new();
    let picture = DynamicImage::from(frame("obama2.jpg"));
    let kinds = [
        ("plain.png", picture.clone()),
        ("deep.png", DynamicImage::from(picture.to_rgb16())),
        ("grey.png", DynamicImage::from(picture.to_luma8())),
        ("clear.png", DynamicImage::from(picture.to_rgba8())),
        ("plain.bmp", picture.clone()),
        ("plain.webp", picture.clone()),
    ];
    for (name, picture) in &kinds {
        picture.save(house.path(name)).unwrap();
    }
    // As a phone that was held upright stores it: rotated by a quarter turn, with a tag that says so.
    let mut jpeg = Cursor::new(Vec::new());
    picture.rotate270().write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    let jpeg = jpeg.into_inner();
    let note = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let length = (note.len() as u16 + 2).to_be_bytes();
    std::fs::write(house.path("turned.jpg"), [&jpeg[..2], b"\xFF\xE1", &length, note, &jpeg[2..]].concat()).unwrap();

    let mut names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    names.push("turned.jpg");
    let found = only_faces(&house, &names);
    for (name, corners) in names.iter().zip(&found) {
        // Lossy and grey pictures differ a little.
        let tolerance = if ["grey.png", "turned.jpg"].contains(name) { 25.0 } else { 0.5 };
        assert!(near(*corners, found[0], tolerance), "{name}: {corners:?}, expected {:?}", found[0]);
    }
}

#[test]
fn a_face_is_found_in_fifty_megapixels_and_none_in_one_pixel() {
    let house = House::new();
    let (width, height, left, top) = (8000_usize, 6250, 5000_usize, 4000_usize);
    let mut pixels = vec![120_u8; width * height];
    let grey = DynamicImage::from(frame("obama.jpg")).into_luma8();
    for (y, row) in grey.chunks_exact(640).enumerate() {
        pixels[(top + y) * width + left..][..640].copy_from_slice(row);
    }
    let large = GrayImage::from_raw(width as u32, height as u32, pixels).unwrap();
    DynamicImage::from(large).save(house.path("large.png")).unwrap();
    grey.save(house.path("frame.png")).unwrap();
    RgbImage::from_pixel(1, 1, image::Rgb([9, 8, 7])).save(house.path("one.png")).unwrap();

    let alone = only_faces(&house, &["frame.png"])[0];
    let offset = [left as f64, top as f64, left as f64, top as f64];
    let found = house.json(&["detect", "--json", "--min-face", "100", "large.png", "one.png"]);
    let corners = &found[0]["faces"][0]["box"];
    let corners = [0, 1, 2, 3].map(|corner| corners[corner].as_f64().unwrap() - offset[corner]);
    assert!(near(corners, alone, 15.0), "{corners:?}, expected {alone:?}");
    assert_eq!(found[1]["faces"], json!([]));
}

#[test]
fn drawn_faces_change_the_picture_and_not_its_size() {
    let house = House::new();
    let before = frame("biden.jpg");
    write_jpeg(before.clone(), &house.path("face.jpg"));
    assert!(house.usher(&["detect", "--draw", "drawn.png", "face.jpg"]).contains("  1: ("));
    house.enroll("Joe Biden", &["biden.jpg"]);
    assert!(house.usher(&["identify", "--draw", "named.png", "face.jpg"]).contains("  1: ("));
    assert_eq!(std::fs::read(house.path("named.png")).unwrap(), std::fs::read(house.path("drawn.png")).unwrap());
    let plain = image::open(house.path("face.jpg")).unwrap().into_rgb8();
    let drawn = image::open(house.path("drawn.png")).unwrap().into_rgb8();
    assert_eq!(drawn.dimensions(), before.dimensions());
    let changed = plain
        .pixels()
        .zip(drawn.pixels())
        .filter(|(a, b)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 40))
        .count();
    assert!((200..20_000).contains(&changed), "{changed} pixels changed");

    assert!(house.refused(&["detect", "--draw", "no/such/folder.png", "face.jpg"]).contains("no/such/folder.png"));
    assert!(house.refused(&["detect", "--draw", "drawn.png", "face.jpg", "face.jpg"]).contains("takes one photograph"));
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_the_others() {
    let house = House::new();
    std::fs::write(house.path("letter.jpg"), "Dear reader").unwrap();
    std::fs::write(house.path("empty.png"), "").unwrap();
    let good = photo("obama.jpg");
    let mut order = words(["detect", "--json", "missing.jpg", "letter.jpg", "empty.png", "."]);
    order.push(good.clone().into_os_string());
    let answer = house.ask(&order);
    assert_eq!(answer.code, Some(1));
    let answers = lines(&answer.out);
    assert_eq!(answers.len(), 5);
    for (line, reason) in answers.iter().zip(["check the path", "not a JPEG", "0 bytes", "this is a directory"]) {
        assert_eq!(keys(line), ["error", "file"]);
        assert!(line["error"].as_str().unwrap().contains(reason), "{line}");
    }
    assert_eq!(answers[4]["faces"].as_array().unwrap().len(), 1);
    assert!(answer.err.contains("4 of 5 photographs could not be read"), "{}", answer.err);

    let text = house.ask(&["detect".as_ref(), "missing.jpg".as_ref(), good.as_os_str()]);
    assert!(text.out.contains("obama.jpg: 1 face") && text.err.contains("missing.jpg"), "{text:?}");
}

#[test]
fn identify_says_the_same_with_and_without_a_daemon() {
    let house = House::new().watching(Film::default().nobody(1), true);
    let mut order = words(["identify", "--json"]);
    order.extend(["obama2.jpg", "biden.jpg", "obama3.jpg"].map(|name| photo(name).into_os_string()));
    assert_eq!(house.json(&order)[0]["faces"][0]["identity"], Value::Null, "nobody is enrolled yet");

    house.enroll("Barack Obama", &["obama.jpg"]);
    let alone = house.json(&order);
    let daemon = Daemon::start(&house);
    assert_eq!(house.json(&order), alone);
    daemon.stop();

    let identity = |photo: usize| &alone[photo]["faces"][0]["identity"];
    for (photo, near_enough) in [(0, true), (1, false), (2, true)] {
        let found = identity(photo);
        assert_eq!(keys(found), ["distance", "limit", "near_enough", "person", "runner_up"]);
        assert_eq!(found["person"], json!({ "id": 1, "name": "Barack Obama" }));
        assert_eq!(found["near_enough"], near_enough, "{found}");
        assert_eq!(found["runner_up"], Value::Null);
    }
    house.enroll("Joe Biden", &["biden.jpg"]);
    let both = house.json(&order);
    assert_eq!(both[1]["faces"][0]["identity"]["person"]["name"], "Joe Biden");
    assert_eq!(both[0]["faces"][0]["identity"]["runner_up"]["name"], "Joe Biden");
}
