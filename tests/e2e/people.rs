//! Whom commands, lists and names mean; and which files of a folder are used.

use std::path::Path;

use serde_json::json;

use crate::support::{Daemon, House, photo};

fn data(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Ada is #1 with the employee id 2, Bob #2 with the employee id 3.
fn crossed() -> House {
    let house = House::new();
    for (name, id, file) in [("Ada", "2", "obama.jpg"), ("Bob", "3", "biden.jpg")] {
        house.usher(&["enroll", name, "--id", id, &photo(file).display().to_string()]);
    }
    house
}

fn names(house: &House) -> Vec<String> {
    house.people().iter().map(|person| person["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_number_needs_its_sign_and_an_ambiguous_word_does_nothing() {
    let house = crossed();
    let daemon = Daemon::start(&house);
    for order in [
        &["people", "disable", "2"][..],
        &["people", "remove", "2", "--yes"],
        &["people", "rename", "2", "Eve"],
        &["people", "id", "2", "E9"],
        &["journal", "list", "--person", "2"],
        &["journal", "erase", "--person", "2", "--yes"],
        &["attendance", "--person", "2"],
        &["attendance", "amend", "--person", "2", "--in", "2026-05-04T08:00", "--reason", "trial"],
        &["door", "amnesty", "2"],
    ] {
        let error = house.refused(order);
        assert!(error.contains("#1 Ada (employee id 2), #2 Bob (employee id 3)"), "{order:?}: {error}");
    }
    // Nobody has the employee id 1; a bare word is never a number.
    for order in [&["people", "remove", "1", "--yes"][..], &["journal", "erase", "--person", "1", "--yes"]] {
        let error = house.refused(order);
        assert!(error.contains("write '#1' for the number"), "{order:?}: {error}");
    }
    assert_eq!(names(&house), ["Ada", "Bob"]);
    assert_eq!(house.json(&["people", "show", "id:2", "--json"])[0]["name"], "Ada");
    assert_eq!(house.json(&["people", "show", "#2", "--json"])[0]["name"], "Bob");
    assert_eq!(house.json(&["people", "show", "3", "--json"])[0]["name"], "Bob");
    assert!(house.usher(&["journal", "list", "--person", "#2"]).contains("Bob"));

    // After Ada's removal, her employee id and name mean her old records, and never Bob.
    house.usher(&["people", "remove", "Ada", "--yes"]);
    let error = house.refused(&["people", "remove", "2", "--yes"]);
    assert!(error.contains("write '#2' for the number"), "{error}");
    house.refused(&["journal", "erase", "--person", "2", "--yes"]);
    assert!(house.usher(&["journal", "list", "--person", "ada"]).contains("Ada"));
    let erased = house.json(&["journal", "erase", "--person", "Ada", "--yes", "--json"]);
    assert_eq!(erased.iter().map(|line| &line["person"]).collect::<Vec<_>>(), [&json!(1)]);
    assert!(house.usher(&["journal", "export"]).contains("Bob"));
    daemon.stop();
}

#[test]
fn an_employee_id_is_changed_and_a_list_removes_several_people() {
    let house = crossed();
    assert!(house.refused(&["people", "id", "Ada", "3"]).contains("belongs to person 2 (Bob)"));
    house.usher(&["people", "id", "Ada", "E1"]);
    house.usher(&["people", "id", "Bob", "--none"]);
    house.usher(&["people", "id", "Bob", "0042"]);
    let changed = house.records("changed");
    assert_eq!(changed[0]["content"]["what"], "employee id E1, before 2");
    assert_eq!(changed[1]["content"]["what"], "employee id none, before 3");

    let list = house.path("leavers.csv").display().to_string();
    std::fs::write(&list, "\u{feff}Employee ID;Name;Left\nE1;ADA;May\n0042;Bob;June\n;;\n").unwrap();
    let shown = house.usher(&["people", "disable", "--list", &list, "--dry-run"]);
    assert_eq!(shown, "Ada (#1) would be disabled\nBob (#2) would be disabled\n");
    assert!(house.people().iter().all(|person| person["enabled"] == true));
    assert_eq!(house.json(&["people", "disable", "--list", &list, "--json"]).len(), 2);
    assert!(house.people().iter().all(|person| person["enabled"] == false));
    house.usher(&["people", "enable", "Ada", "#2", "ada"]);
    assert!(house.people().iter().all(|person| person["enabled"] == true));

    // If one person cannot be found, or does not match, nobody is removed.
    for (text, complaint) in [
        ("employee_id\nE1\n42\n", "line 3, column \"employee_id\""),
        ("employee_id,name\nE1,Bob\n", "line 2, column \"name\": `Bob` does not match Ada (#1)"),
        ("E1\nnobody\n", "line 2: nobody is enrolled as `nobody`"),
        ("id;who\n1;2\n", "no column \"employee_id\""),
    ] {
        std::fs::write(&list, text).unwrap();
        let error = house.refused(&["people", "remove", "--list", &list, "--yes"]);
        assert!(error.contains(complaint), "{text}: {error}");
    }
    assert!(house.refused(&["people", "remove", "Ada", "Eve", "--yes"]).contains("`Eve`"));
    assert_eq!(names(&house), ["Ada", "Bob"]);
    std::fs::write(&list, "E1\n\n0042\n").unwrap();
    assert!(house.refused(&["people", "remove", "--list", &list]).contains("pass --yes to remove 2 people"));
    house.usher(&["people", "remove", "--list", &list, "--yes"]);
    assert!(house.people().is_empty());
    // The same list again matches nobody.
    assert!(house.refused(&["people", "remove", "--list", &list, "--yes"]).contains("nothing was done"));
}

#[test]
fn names_are_the_same_in_any_form_and_look_alikes_are_refused() {
    let house = House::new();
    let folder = house.path("people/Zoe\u{308}_Mu\u{308}ller");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(photo("obama.jpg"), folder.join("1.jpg")).unwrap();
    let (people, list) =
        (house.path("people").display().to_string(), data("lists/people-nfd.csv").display().to_string());
    house.usher(&["enroll", "--batch", &people, "--list", &list]);
    assert_eq!(house.people()[0]["employee_id"], "E7");
    for wanted in ["Zoë Müller", "Zoe\u{308} Mu\u{308}ller", "ZOË  MÜLLER"] {
        assert_eq!(house.json(&["people", "show", wanted, "--json"])[0]["name"], "Zoë Müller");
    }
    house.enroll("Joe Biden", &["biden.jpg"]);
    for (name, complaint) in [
        ("Zoe\u{308} Mu\u{308}ller", "is already enrolled"),
        ("Zo\u{435}\u{308} M\u{fc}ller", "looks like Zoë Müller (#1)"),
        ("Zoë M\u{200B}üller", "an invisible character (U+200B"),
        ("J\u{43E}hn", "mixes similar letters of several scripts"),
        ("\u{1D400}da", "special form"),
    ] {
        let error = house.refused(&["people", "rename", "Joe Biden", name]);
        assert!(error.contains(complaint), "{name}: {error}");
        let error = house.refused(&["enroll", name, &photo("obama.jpg").display().to_string()]);
        assert!(error.contains(complaint), "{name}: {error}");
    }
    assert_eq!(names(&house), ["Zoë Müller", "Joe Biden"]);
    house.usher(&["people", "rename", "Zoë Müller", "Zoe\u{308} Müller-Berg"]);
    assert_eq!(names(&house)[0], "Zoë Müller-Berg");
}

#[test]
fn lists_of_any_program_enrol_the_same_people() {
    let folder = tempfile::tempdir().unwrap();
    for (name, file) in [("a01", "obama.jpg"), ("a02", "biden.jpg")] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::copy(photo(file), folder.path().join(name).join("1.jpg")).unwrap();
    }
    let folder = folder.path().display().to_string();
    for list in ["semicolon-bom", "tab-utf16", "windows1252", "empty-rows"] {
        let house = House::new();
        let list = data(&format!("lists/list-{list}.csv")).display().to_string();
        let answer = house.ask(&["enroll", "--batch", &folder, "--list", &list]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert_eq!(answer.err.contains("read as Windows-1252"), list.contains("windows1252"), "{answer:?}");
        assert_eq!(names(&house), ["Jörg Weiß", "O'Hara, Pat \"Paddy\""], "{list}");
        let ids: Vec<_> = house.people().iter().map(|person| person["employee_id"].clone()).collect();
        assert_eq!(ids, [json!("0017"), json!("0018")], "{list}");
    }
}

#[test]
fn every_unused_file_is_named_and_kinds_are_recognised_by_content() {
    let house = House::new();
    let boris = house.path("people/Boris_Lund");
    std::fs::create_dir_all(boris.join("more")).unwrap();
    std::fs::copy(photo("obama.jpg"), boris.join("download.jfif")).unwrap();
    std::fs::copy(photo("obama2.jpg"), boris.join("really.png")).unwrap();
    std::fs::write(boris.join("IMG_0003.HEIC"), b"\0\0\0\x18ftypheic\0\0\0\0mif1heic and so on").unwrap();
    std::fs::copy(data("arithmetic.jpg"), boris.join("z-arithmetic.jpg")).unwrap();
    std::fs::write(boris.join(".DS_Store"), b"hidden").unwrap();
    std::fs::copy(photo("biden.jpg"), house.path("people/loose.jpg")).unwrap();
    let lines = house.json(&["enroll", "--batch", &house.path("people").display().to_string(), "--json"]);
    let [person, sum] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(person["person"]["templates"], 2, "{person}");
    let refused: Vec<(String, String)> = person["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let text = |field: &str| line[field].as_str().unwrap().to_owned();
            (Path::new(&text("file")).file_name().unwrap().to_str().unwrap().to_owned(), text("reason"))
        })
        .collect();
    let reason =
        |name: &str| refused.iter().find(|(file, _)| file == name).map(|(_, why)| why.as_str()).unwrap_or_default();
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(reason("IMG_0003.HEIC").contains("HEIC") && reason("IMG_0003.HEIC").contains("convert"));
    assert!(reason("z-arithmetic.jpg").contains("not supported") && reason("z-arithmetic.jpg").contains("arithmetic"));
    assert!(reason("more").contains("folder inside"));
    assert_eq!((&sum["enrolled"], &sum["refused_photos"]), (&json!(1), &json!(4)));
    assert!(sum["left_out"][0]["reason"].as_str().unwrap().contains("beside the folders"), "{sum}");
}

#[test]
fn a_photograph_with_stray_bytes_before_a_table_is_read() {
    let house = House::new();
    let found = house.json(&["detect", "--json", &data("stray-before-table.jpg").display().to_string()]);
    assert_eq!(found[0]["faces"].as_array().map(Vec::len), Some(1), "{found:?}");
}

#[test]
fn lists_of_pairs_are_read_as_people_make_them() {
    let house = House::new();
    for (folder, name, ending, pairs) in [
        (
            "spaces",
            ["Ada Berg", "Ben Cole"],
            "jpg",
            "2\nAda Berg\t1\t2\nAda Berg\t2\t1\nAda Berg\t1\tBen Cole\t1\nAda Berg\t2\tBen Cole\t1\n",
        ),
        (
            "capitals",
            ["Ada_Berg", "Ben_Cole"],
            "JPG",
            "\u{feff}2\r\nAda_Berg\t1\t2\r\nAda_Berg\t2\t1\r\nAda_Berg\t1\tBen_Cole\t1\r\nAda_Berg\t2\tBen_Cole\t1\r\n",
        ),
    ] {
        let put = |person: &str, number: u32, file: &str| {
            let to = house.path(folder).join(person);
            std::fs::create_dir_all(&to).unwrap();
            std::fs::copy(photo(file), to.join(format!("{person}_{number:04}.{ending}"))).unwrap();
        };
        put(name[0], 1, "obama.jpg");
        put(name[0], 2, "obama2.jpg");
        put(name[1], 1, "biden.jpg");
        let (images, list) = (house.path(folder).display().to_string(), house.path("pairs.txt").display().to_string());
        std::fs::write(&list, pairs).unwrap();
        let found = house.json(&["evaluate", "lfw", "--images", &images, "--pairs", &list, "--folds", "2", "--json"]);
        assert_eq!((&found[0]["accuracy"], &found[0]["not_taken"]), (&json!(1.0), &json!([])), "{folder}: {found:?}");
        // Aligned faces keep the names that the list has.
        let aligned = house.path(&format!("{folder}-aligned")).display().to_string();
        house.usher(&["align", "--multiple", "--alignment", "five-point", &images, &aligned]);
        let order = ["evaluate", "lfw", "--aligned", "--images", &aligned, "--pairs", &list, "--folds", "2", "--json"];
        assert_eq!(house.json(&order)[0]["accuracy"], json!(1.0), "{folder}");
    }
}

#[test]
fn an_export_opens_in_a_spreadsheet() {
    let house = House::new();
    house.usher(&["enroll", "Zoë Müller", "--id", "0042", &photo("obama.jpg").display().to_string()]);
    house.usher(&["attendance", "amend", "--person", "0042", "--in", "2026-05-04T08:00", "--reason", "trial"]);
    let order = ["attendance", "--day", "2026-05-04", "--format", "csv", "--bom", "--separator", "semicolon"];
    let text = house.usher(&order);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("\u{feff}date;employee;name;"), "{text}");
    assert!(lines[1].starts_with("2026-05-04;0042;Zoë Müller;1;2026-05-04 08:00:00"), "{text}");
    let cell = lines[1].split(';').nth(4).unwrap();
    assert!(
        cell.ends_with(":00") && cell.len() == "2026-05-04 08:00:00+00:00".len(),
        "the offset stands there: {cell}"
    );
    assert!(house.refused(&["attendance", "--bom"]).contains("--format csv"));
}
