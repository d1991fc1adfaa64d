//! Variables of the environment: which lead to a key, and what is said of the others.

use super::*;

#[test]
fn a_list_grows_in_the_order_of_its_indices() {
    let names: Vec<[String; 2]> =
        (0..12).rev().map(|i| [format!("USHER__CAMERA__{i}__NAME"), format!("USHER__CAMERA__{i}__KIND")]).collect();
    let variables: Vec<(&str, String)> = names
        .iter()
        .enumerate()
        .flat_map(|(i, [name, kind])| [(name.as_str(), format!("c{}", 11 - i)), (kind.as_str(), "v4l2".to_owned())])
        .collect();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let config = load("[[door]]\n", &variables).unwrap();
    let names: Vec<&str> = config.cameras.iter().map(|camera| camera.name.as_str()).collect();
    assert_eq!(names, ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11"]);
}

#[test]
fn names_that_lead_nowhere_are_reported() {
    let text = format!("[access]\nmargin = 0.1\n[detector]\nthresholds = [0.6, 0.7, 0.7]\n{SHORTEST}");
    for (name, part) in [
        ("USHER__", "empty part"),
        ("USHER__ACCESS__", "empty part"),
        ("USHER__0__NAME", "no list"),
        ("USHER__ACCESS", "is a section"),
        ("USHER__ACCESS__0", "no list"),
        ("USHER__ACCESS__MARGIN__X", "margin is not a section"),
        ("USHER__CAMERA__FPS", "USHER__CAMERA__0__"),
        ("USHER__CAMERA__7__FPS", "next index is 1"),
        ("USHER__CAMERA__0", "is a section"),
        ("USHER__CAMERA__99999999999999999999__FPS", "is a list"),
        ("USHER__DETECTOR__THRESHOLDS__0__X", "not a section"),
        ("USHER__access__margin", "USHER__ACCESS__MARGIN"),
        ("USHER__ACCESS__MARGING", "did you mean margin?"),
    ] {
        let found = load(&text, &[(name, "1")]).unwrap_err();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(found[0].starts_with(&format!("{name}: ")), "{found:?}");
        assert!(found[0].contains(part), "{found:?}");
    }
}

#[test]
fn a_variable_hides_no_mistake_of_the_file() {
    let variables = [("USHER__ACCESS__MARGIN", "0.1"), ("USHER__CAMERA__0__FPS", "5")];
    let found = load("access = 5\n[camera]\nfps = 7\n[[door]]\n", &variables).unwrap_err();
    assert_eq!(
        found,
        [
            "usher.toml:1: access: must be a section headed [access]; found 5",
            "usher.toml:2: camera: must be a list of tables, each headed [[camera]]; found a table",
        ]
    );
}

#[test]
fn a_variable_with_what_is_missing_is_the_place_of_the_problem() {
    let found = load(SHORTEST, &[("USHER__CAMERA__1__NAME", "back")]).unwrap_err();
    let kinds = "\"v4l2\", \"stream\", \"libcamera\", \"argus\", \"replay\"";
    assert_eq!(found, [format!("USHER__CAMERA__1__NAME: kind is missing; it must be one of {kinds}")]);
}
