//! `usher align` and `usher cluster` on small data sets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use image::{DynamicImage, ImageFormat};
use serde_json::json;

use crate::support::{House, eventually, frame, side_by_side, sized_frame, write_jpeg};

/// A data set: two people, one photograph that is grey, one without a face, one that is not a picture.
fn data_set(house: &House) -> String {
    let data = house.path("data");
    for person in ["biden", "obama"] {
        fs::create_dir_all(data.join(person)).unwrap();
    }
    write_jpeg(frame("obama.jpg"), &data.join("obama/1.jpg"));
    write_jpeg(frame("obama2.jpg"), &data.join("obama/2.jpg"));
    let grey = DynamicImage::from(frame("biden.jpg")).grayscale();
    grey.save_with_format(data.join("biden/grey.png"), ImageFormat::Png).unwrap();
    write_jpeg(image::RgbImage::from_pixel(300, 200, image::Rgb([90, 120, 150])), &data.join("biden/nobody.jpg"));
    fs::write(data.join("biden/letter.jpg"), "Dear reader, this is no picture.").unwrap();
    data.display().to_string()
}

/// The pictures below a folder, with their contents.
fn pictures(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(pictures(&entry));
        } else if entry.extension().is_some_and(|ending| ending == "png") {
            found.insert(entry.clone(), fs::read(entry).unwrap());
        }
    }
    found
}

fn names(folder: &Path) -> Vec<String> {
    pictures(folder).keys().map(|path| path.strip_prefix(folder).unwrap().display().to_string()).collect()
}

#[test]
fn a_data_set_is_aligned_and_a_second_run_skips_it() {
    let house = House::new();
    let data = data_set(&house);
    let out = house.path("out");
    let out_text = out.display().to_string();
    let report = house.json(&["align", "--json", &data, &out_text]).remove(0);
    assert_eq!(
        (&report["photographs"], &report["aligned"], &report["faces"], &report["existing"]),
        (&json!(5), &json!(3), &json!(3), &json!(0)),
        "{report}"
    );
    assert_eq!(report["no_face"], json!([format!("{data}/biden/nobody.jpg")]));
    assert_eq!(report["unreadable"][0]["file"], format!("{data}/biden/letter.jpg"));
    assert_eq!(names(&out), ["biden/grey.png", "obama/1.png", "obama/2.png"]);
    for (path, bytes) in pictures(&out) {
        let picture = image::load_from_memory(&bytes).unwrap();
        assert_eq!(
            (picture.width(), picture.height(), picture.color()),
            (160, 160, image::ColorType::Rgb8),
            "{path:?}"
        );
    }
    // `path x1 y1 x2 y2`, or the path alone; the faces of these pictures are in the middle, 180 pixels tall.
    let boxes = fs::read_to_string(out.join("bounding_boxes_00000.txt")).unwrap();
    let lines: Vec<Vec<&str>> = boxes.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines.len(), 4, "{boxes}");
    assert_eq!(lines[1], [format!("{out_text}/biden/nobody.png")]);
    let [x1, y1, x2, y2] = [1, 2, 3, 4].map(|i| lines[2][i].parse::<u32>().unwrap());
    assert_eq!(lines[2][0], format!("{out_text}/obama/1.png"));
    assert!((210..300).contains(&x1) && (340..430).contains(&x2), "{boxes}");
    assert!((180..250).contains(&(y2 - y1)), "{boxes}");

    let before = pictures(&out);
    let again = house.json(&["align", "--json", "--threads", "1", &data, &out_text]).remove(0);
    assert_eq!((&again["existing"], &again["aligned"]), (&json!(3), &json!(0)), "{again}");
    assert_eq!(pictures(&out), before);

    // The same bytes in any order and on any number of threads.
    let other = house.path("other");
    let order = ["align", "--threads", "3", "--random-order", "--seed", "7", &data, &other.display().to_string()];
    let table = house.usher(&order);
    assert!(table.contains("aligned now") && table.contains(" per second"), "{table}");
    let inside = |folder: &Path| -> Vec<_> { pictures(folder).into_values().collect() };
    assert_eq!(inside(&other), inside(&out));
}

#[test]
fn all_faces_and_all_templates_are_written() {
    let house = House::new();
    let data = house.path("data");
    fs::create_dir_all(data.join("both")).unwrap();
    write_jpeg(side_by_side(&frame("obama.jpg"), &frame("biden.jpg")), &data.join("both/pair.jpg"));
    let data = data.display().to_string();
    let out = house.path("all");
    house.usher(&["align", "--multiple", "--alignment", "five-point", &data, &out.display().to_string()]);
    assert_eq!(names(&out), ["both/pair_0.png", "both/pair_1.png"]);
    for bytes in pictures(&out).values() {
        assert_eq!(image::load_from_memory(bytes).unwrap().width(), 112);
    }
    let front = house.path("front");
    house.usher(&["align", "--multiple", "--alignment", "frontal", &data, &front.display().to_string()]);
    assert_eq!(names(&front), names(&out));
    for (turned, plain) in pictures(&front).values().zip(pictures(&out).values()) {
        let [turned, plain] = [turned, plain].map(|bytes| image::load_from_memory(bytes).unwrap().into_rgb8());
        let apart =
            turned.iter().zip(plain.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / turned.len() as f64;
        // The same face in the same place, but another picture.
        assert!(turned.dimensions() == (112, 112) && (0.2..40.0).contains(&apart), "{apart}");
    }
    let error = house.refused(&["align", &data, &format!("{data}/inside")]);
    assert!(error.contains("choose a folder outside"), "{error}");
    let error = house.refused(&["align", "--margin-of", "output", "--margin", "160", &data, "x"]);
    assert!(error.contains("leaves no room"), "{error}");
    let loose = house.path("data/both").display().to_string();
    assert!(house.refused(&["align", &loose, "x"]).contains("one folder per person"));
}

#[test]
fn a_run_that_is_killed_leaves_no_half_file_and_the_next_completes_it() {
    let house = House::new();
    let (data, out) = (house.path("data"), house.path("out"));
    fs::create_dir_all(data.join("obama")).unwrap();
    let first = write_jpeg(sized_frame("obama.jpg", 100.0), &data.join("obama/00.jpg"));
    for number in 1..40 {
        fs::copy(&first, data.join(format!("obama/{number:02}.jpg"))).unwrap();
    }
    let order = ["align", "--threads", "2", &data.display().to_string(), &out.display().to_string()].map(str::to_owned);
    let mut run = house.command(&order).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the first faces", || (out.exists() && pictures(&out).len() > 3).then_some(()));
    run.kill().unwrap();
    run.wait().unwrap();
    let done = names(&out.join("obama")).len();
    assert!((4..40).contains(&done), "{done} were done when it was killed");
    for bytes in pictures(&out.join("obama")).values() {
        image::load_from_memory(bytes).unwrap();
    }
    let boxes = fs::read_to_string(out.join("bounding_boxes_00000.txt")).unwrap();
    assert!(boxes.lines().count() >= done && boxes.lines().all(|line| line.split(' ').count() == 5), "{boxes}");

    house.usher(&order);
    assert_eq!(names(&out.join("obama")).len(), 40);
    let left: BTreeSet<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["bounding_boxes_00000.txt", "bounding_boxes_00001.txt", "obama"].map(Into::into).into());
    let mut lines = boxes + &fs::read_to_string(out.join("bounding_boxes_00001.txt")).unwrap();
    lines = lines.lines().collect::<BTreeSet<_>>().into_iter().map(|line| line.to_owned() + "\n").collect();
    assert_eq!(lines.lines().count(), 40, "each face has its line, whichever run wrote it");
}

/// A folder with all photographs in it: three of one man, two of another, one of nobody.
fn inbox(house: &House) -> PathBuf {
    let inbox = house.path("inbox");
    fs::create_dir_all(inbox.join("sub")).unwrap();
    for (actor, name) in [("obama.jpg", "a"), ("biden.jpg", "b"), ("obama2.jpg", "c"), ("obama3.jpg", "sub/a")] {
        write_jpeg(frame(actor), &inbox.join(name).with_extension("jpg"));
    }
    write_jpeg(sized_frame("biden.jpg", 200.0), &inbox.join("sub/b.jpg"));
    write_jpeg(image::RgbImage::from_pixel(300, 200, image::Rgb([90, 120, 150])), &inbox.join("nobody.jpg"));
    inbox
}

#[test]
fn unlabelled_photographs_become_people_who_can_be_enrolled() {
    let house = House::new();
    let inbox = inbox(&house);
    let (text, people) = (inbox.display().to_string(), house.path("people").display().to_string());
    let sheet = house.path("sheet.png").display().to_string();
    let csv = house.path("groups.csv").display().to_string();
    // Photographs twenty years apart need a wider distance than the default.
    let order = ["cluster", "--distance", "1.1", &text, "--json", "--link", &people, "--sheet", &sheet, "--csv", &csv];
    let report = house.json(&order).remove(0);
    let files = |group: usize| report["groups"][group]["files"].as_array().unwrap().len();
    assert_eq!((report["groups"].as_array().unwrap().len(), files(0), files(1)), (2, 3, 2), "{report}");
    assert_eq!(report["no_face"], json!([format!("{text}/nobody.jpg")]));
    let names = |group: &str| -> BTreeSet<_> {
        fs::read_dir(house.path("people").join(group)).unwrap().map(|e| e.unwrap().file_name()).collect()
    };
    assert_eq!(names("person-0001"), ["a.jpg", "c.jpg", "a-2.jpg"].map(Into::into).into());
    assert_eq!(names("person-0002"), ["b.jpg", "b-2.jpg"].map(Into::into).into());
    // Nothing was moved, and the sheet has two rows of faces.
    assert!(inbox.join("sub/a.jpg").is_file());
    let sheet = image::open(sheet).unwrap();
    assert!(sheet.width() > 300 && sheet.height() > 200, "{}x{}", sheet.width(), sheet.height());
    let list = fs::read_to_string(csv).unwrap();
    assert_eq!(list.lines().filter(|line| line.ends_with(",person-0001")).count(), 3, "{list}");
    assert!(list.contains(&format!("{text}/nobody.jpg,\n")), "{list}");

    let lines = house.json(&["enroll", "--batch", &people, "--json"]);
    let sum = lines.last().unwrap();
    assert_eq!(sum["enrolled"], 2, "{lines:?}");
}

#[test]
fn groups_are_moved_when_asked_and_compared_with_the_truth() {
    let house = House::new();
    let inbox = inbox(&house);
    let text = inbox.display().to_string();
    let table = house.usher(&["cluster", "--distance", "1.1", &text]);
    assert!(
        table.contains("2 groups of 5 photographs within distance 1.100; 0 without a group, 1 without a face"),
        "{table}"
    );
    let error = house.refused(&["cluster", &text, "--move", &format!("{text}/people")]);
    assert!(error.contains("find the photographs twice"), "{error}");
    let people = house.path("people");
    house.usher(&["cluster", "--distance", "1.1", &text, "--move", &people.display().to_string()]);
    let left: BTreeSet<_> = fs::read_dir(&inbox).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["nobody.jpg", "sub"].map(Into::into).into());
    // Now the folders are the truth; at this distance all photographs are one group, which is compared with the truth.
    let people = people.display().to_string();
    let report = house.json(&["cluster", "--truth", "--distance", "1.1", "--json", &people]).remove(0);
    assert_eq!(
        (&report["truth"]["b_cubed"]["f1"], &report["truth"]["pairs"]["f1"]),
        (&json!(1.0), &json!(1.0)),
        "{report}"
    );
    let report = house.json(&["cluster", "--truth", "--distance", "2", "--json", &people]).remove(0);
    let cubed = &report["truth"]["b_cubed"];
    // One group of 3 and 2: each photograph's precision is 3/5 or 2/5.
    assert!((cubed["precision"].as_f64().unwrap() - 13.0 / 25.0).abs() < 1e-9 && cubed["recall"] == 1.0, "{report}");
    let error = house.refused(&["cluster", "--truth", "--at-least", "4", &people]);
    assert!(error.contains("nobody in") && error.contains("4 photographs"), "{error}");
}
