//! Enrolment from photographs: what is accepted, what is refused and why, and that no photograph is kept.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Daemon, House, frame, photo, side_by_side, sized_frame, write_jpeg};

/// `usher enroll NAME FILE…` that must fail; its error.
fn refused(house: &House, name: &str, files: &[&Path]) -> String {
    let mut arguments = vec!["enroll".as_ref(), name.as_ref()];
    arguments.extend(files.iter().map(|file| file.as_os_str()));
    house.refused(&arguments)
}

#[test]
fn photographs_that_give_no_template_are_refused_with_their_reason() {
    let mut house = House::new();
    house.environment.insert("USHER__DETECTOR__MIN_FACE_PX".into(), "40".into());
    let empty = write_jpeg(image::RgbImage::from_pixel(300, 200, image::Rgb([90, 120, 150])), &house.path("empty.jpg"));
    let pair = write_jpeg(side_by_side(&frame("obama.jpg"), &frame("biden.jpg")), &house.path("pair.jpg"));
    let small = write_jpeg(sized_frame("obama.jpg", 90.0), &house.path("small.jpg"));
    let letter = house.path("letter.jpg");
    std::fs::write(&letter, "Dear reader, this is no picture.").unwrap();
    let cut = house.path("cut.jpg");
    let whole = std::fs::read(photo("obama.jpg")).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let missing = house.path("missing.jpg");

    for (file, reason) in [
        (&empty, "no face was found"),
        (&pair, "there are 2 usable faces"),
        (&small, "at least 80 are needed"),
        (&letter, "not a JPEG, PNG, BMP or WebP picture"),
        (&cut, "truncated or damaged"),
        (&missing, "check the path"),
    ] {
        let error = refused(&house, "Barack Obama", &[file]);
        let line = format!("not taken: {}", file.display());
        assert!(error.contains(&line) && error.contains(reason), "{error}");
        assert!(error.contains("nobody was enrolled"), "{error}");
    }
    assert!(house.people().is_empty());
    assert_eq!(house.journal(), [] as [Value; 0]);

    // The same pair with `--largest`; and one good photograph is enough, whatever else is given.
    let largest = ["enroll", "--largest", "Somebody"].map(Into::into).into_iter().chain([pair.into_os_string()]);
    house.usher(&largest.collect::<Vec<std::ffi::OsString>>());
    let order = ["enroll", "Joe Biden", "--force", "--json"].map(Into::into).into_iter();
    let order = order.chain([letter.clone().into_os_string(), photo("biden.jpg").into_os_string()]);
    let report = house.json(&order.collect::<Vec<std::ffi::OsString>>()).remove(0);
    assert_eq!(report["taken"], json!([photo("biden.jpg").display().to_string()]));
    assert_eq!(report["refused"][0]["file"], letter.display().to_string());
    assert!(report["refused"][0]["reason"].as_str().unwrap().contains("not a JPEG"), "{report}");
}

#[test]
fn nobody_is_enrolled_twice_unless_forced() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);

    let face = refused(&house, "Somebody Else", &[&photo("obama2.jpg")]);
    assert!(face.contains("this may be Barack Obama (#1)") && face.contains("--force"), "{face}");
    let name = refused(&house, "barack obama", &[&photo("biden.jpg")]);
    assert!(name.contains("Barack Obama is already enrolled as #1") && name.contains("--force"), "{name}");
    assert_eq!(house.people().len(), 1);

    let twin = ["enroll", "--force", "Somebody Else"].map(Into::into).into_iter();
    house.usher(&twin.chain([photo("obama2.jpg").into_os_string()]).collect::<Vec<std::ffi::OsString>>());
    let namesake = ["enroll", "--force", "Barack Obama", "--id", "E2"].map(Into::into).into_iter();
    house.usher(&namesake.chain([photo("biden.jpg").into_os_string()]).collect::<Vec<std::ffi::OsString>>());
    assert_eq!(house.people().len(), 3);

    let error = house.refused(&["people", "disable", "Barack Obama"]);
    assert!(error.contains("matches #1 Barack Obama, #3 Barack Obama (employee id E2)"), "{error}");
    assert_eq!(house.json(&["people", "show", "E2", "--json"])[0]["id"], 3);
}

#[test]
fn photographs_of_two_people_are_not_one_person() {
    let house = House::new();
    let biden = photo("biden.jpg");
    let error = refused(&house, "Barack Obama", &[&photo("obama.jpg"), &photo("obama2.jpg"), &biden]);
    assert!(error.contains(&format!("{} does not look like the others", biden.display())), "{error}");
    assert!(house.people().is_empty());
    let order = ["enroll", "Both", "--json"].map(Into::into).into_iter();
    let order = order.chain([photo("obama.jpg").into_os_string(), biden.into_os_string()]);
    let answer = house.ask(&order.collect::<Vec<std::ffi::OsString>>());
    assert_eq!(answer.code, Some(1));
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    assert!(report["error"].as_str().unwrap().contains("does not look like"), "{report}");
    assert_eq!(report["taken"], json!([]));
}

#[test]
fn two_photographs_of_one_and_three_of_another_are_not_one_person_though_each_has_a_neighbour() {
    let house = House::new();
    let folder = house.path("mixed").join("Both");
    std::fs::create_dir_all(&folder).unwrap();
    let copies = [("1", "biden.jpg"), ("2", "obama.jpg"), ("3", "obama2.jpg"), ("4", "biden.jpg"), ("5", "obama3.jpg")];
    let files = copies.map(|(name, of)| {
        let file = folder.join(format!("{name}.jpg"));
        std::fs::copy(photo(of), &file).unwrap();
        file.display().to_string()
    });
    let [first, second, third, fourth, fifth] = files.each_ref().map(String::as_str);
    let error = house.refused(&["enroll", "Both", first, second, third, fourth, fifth]);
    assert!(error.contains(&format!("{first}, {fourth} do not look like the others")), "{error}");
    let batch = house.path("mixed").display().to_string();
    let answer = house.ask(&["enroll", "--batch", &batch]);
    let output = format!("{}{}", answer.out, answer.err);
    assert!(output.contains("1.jpg") && output.contains("4.jpg do not look like the others"), "{output}");
    assert!(house.people().is_empty());
    house.usher(&["enroll", "--force", "Both", first, second, third, fourth, fifth]);
    assert_eq!(house.people()[0]["templates"], 5);
}

#[test]
fn names_and_employee_ids_are_checked() {
    let house = House::new();
    let obama = photo("obama.jpg").display().to_string();
    let biden = photo("biden.jpg").display().to_string();
    assert!(house.refused(&["enroll", "  ", &obama]).contains("1 to 100 characters"));
    house.usher(&["enroll", "Barack Obama", "--id", "E1", "--group", "staff", "--group", "night", &obama]);
    let error = house.refused(&["enroll", "Joe Biden", "--id", "E1", &biden]);
    assert!(error.contains("\"E1\" belongs to person 1"), "{error}");
    let person = &house.people()[0];
    assert_eq!((&person["employee_id"], &person["groups"]), (&json!("E1"), &json!(["night", "staff"])));
    assert_eq!(
        (&person["enabled"], &person["templates"], &person["foreign_templates"]),
        (&json!(true), &json!(1), &json!(0))
    );
    // Wrong command lines end with 2.
    for wrong in [
        &["enroll"][..],
        &["enroll", "A"],
        &["enroll", "A", "--batch", "b"],
        &["enroll", "A", "--camera", "c", "x.jpg"],
    ] {
        assert_eq!(house.ask(wrong).code, Some(2), "{wrong:?}");
    }
}

/// A folder a person: two who can be enrolled, one who cannot.
fn batch(house: &House) -> String {
    for (folder, photos) in
        [("Barack_Obama", &["obama.jpg", "obama2.jpg"][..]), ("b2", &["biden.jpg"]), ("nobody", &[])]
    {
        let folder = house.path("batch").join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        for name in photos {
            std::fs::copy(photo(name), folder.join(name)).unwrap();
        }
    }
    std::fs::write(house.path("batch/b2/notes.txt"), "not looked at").unwrap();
    house.path("batch").display().to_string()
}

#[test]
fn a_batch_with_a_list_enrols_those_it_can() {
    let house = House::new();
    let folder = batch(&house);
    let list = house.path("people.csv").display().to_string();
    std::fs::write(&list, "\u{feff}folder, name, employee_id, groups\nb2, Joe Biden, E7, staff;night\n").unwrap();
    let lines = house.json(&["enroll", "--batch", &folder, "--list", &list, "--group", "all", "--json"]);
    let [obama, biden, nobody, sum] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&obama["person"]["name"], &obama["person"]["templates"]), (&json!("Barack Obama"), &json!(2)));
    assert_eq!(obama["folder"], format!("{folder}/Barack_Obama"));
    assert_eq!((&biden["person"]["name"], &biden["person"]["employee_id"]), (&json!("Joe Biden"), &json!("E7")));
    assert_eq!(biden["person"]["groups"], json!(["all", "night", "staff"]));
    assert!(nobody["error"].as_str().unwrap().contains("nobody was enrolled"), "{nobody}");
    assert_eq!(
        *sum,
        json!({ "enrolled": 2, "templates": 3, "refused_people": 1, "refused_photos": 1, "left_out": [] })
    );

    // A second time nobody is new.
    let error = house.refused(&["enroll", "--batch", &folder, "--list", &list]);
    assert!(error.contains("nobody was enrolled"), "{error}");
    assert_eq!(house.people().len(), 2);
}

#[test]
fn a_bad_list_or_folder_enrols_nobody() {
    let house = House::new();
    let folder = batch(&house);
    let list = house.path("people.csv").display().to_string();
    for (text, complaint) in [
        ("folder,name\nb2,Joe,too,many\n", "line 2: there are 4 cells"),
        ("name\nJoe\n", "folder"),
        ("folder,name\nb3,Joe\n", "the list names the folder `b3`"),
        ("folder,name\nb2,Joe\nb2,Joseph\n", "line 3, column \"folder\": the folder `b2` occurs twice"),
    ] {
        std::fs::write(&list, text).unwrap();
        let error = house.refused(&["enroll", "--batch", &folder, "--list", &list]);
        assert!(error.contains(complaint), "{text}: {error}");
    }
    let error = house.refused(&["enroll", "--batch", &folder, "--list", "no.csv"]);
    assert!(error.contains("no.csv"), "{error}");
    let error = house.refused(&["enroll", "--batch", "no-such-folder"]);
    assert!(error.contains("no-such-folder"), "{error}");
    let error = house.refused(&["enroll", "--batch", &format!("{folder}/b2")]);
    assert!(error.contains("has no folders; give each person a folder"), "{error}");
    assert!(house.people().is_empty());
}

#[test]
fn the_store_is_for_its_owner_only_and_holds_no_photograph() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg", "32bit.png"]);
    house.enroll("Joe Biden", &["biden.jpg"]);
    let mode = std::fs::metadata(house.store()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);

    // How JPEG files begin (start of image, then a segment), and how PNG files do.
    let signatures: [&[u8]; 5] =
        [b"\xFF\xD8\xFF\xE0", b"\xFF\xD8\xFF\xE1", b"\xFF\xD8\xFF\xDB", b"\xFF\xD8\xFF\xEE", b"\x89PNG\r\n\x1a\n"];
    let mut folders = vec![house.store()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            for signature in signatures {
                let found = bytes.windows(signature.len()).any(|window| window == signature);
                assert!(!found, "{} holds {signature:?}", path.display());
            }
        }
    }
    assert!(files > 0);
}

#[test]
fn after_a_change_of_the_embedder_a_batch_enrols_everybody_again() {
    let mut house = House::new();
    let folder = batch(&house);
    std::fs::remove_file(house.path("batch/Barack_Obama/obama2.jpg")).unwrap();
    house.usher(&["enroll", "--batch", &folder, "--group", "staff"]);
    house.usher(&["people", "disable", "b2"]);
    let summary = |house: &House| -> Vec<Value> {
        let people = house.people();
        people.iter().map(|p| json!([p["id"], p["name"], p["groups"], p["enabled"]])).collect()
    };
    let templates = |house: &House| -> Vec<(u64, u64)> {
        let count = |p: &Value, key: &str| p[key].as_u64().unwrap();
        house.people().iter().map(|p| (count(p, "templates"), count(p, "foreign_templates"))).collect()
    };
    let before = summary(&house);
    assert_eq!(templates(&house), [(1, 0), (1, 0)]);

    house.environment.insert("USHER__MODELS__EMBEDDER".into(), "dlib".into());
    let daemon = Daemon::start(&house);
    let log = daemon.log();
    assert!(log.contains("2 templates of sface-") && log.contains("enrol them again"), "{log}");
    assert!(log.contains("usher models switch"), "{log}");
    assert_eq!((summary(&house), templates(&house)), (before.clone(), vec![(0, 1), (0, 1)]));
    // Nothing is lost until then.
    daemon.stop();
    house.environment.clear();
    assert_eq!(templates(&house), [(1, 0), (1, 0)]);

    house.environment.insert("USHER__MODELS__EMBEDDER".into(), "dlib".into());
    let daemon = Daemon::start(&house);
    let sum = house.json(&["enroll", "--batch", &folder, "--json"]).pop().unwrap();
    assert_eq!(sum["enrolled"], 2, "{sum}");
    assert_eq!((summary(&house), templates(&house)), (before, vec![(1, 0), (1, 0)]));
    daemon.stop();
    assert_eq!(house.records("enrolled").len(), 4);
    // Once they are, the same batch finds them enrolled.
    let again = house.ask(&["enroll", "--batch", &folder]);
    assert!(again.code == Some(1) && again.out.contains("is already enrolled"), "{again:?}");
}
