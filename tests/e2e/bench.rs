//! `usher bench`: what it reports, not how fast anything is.

use serde_json::Value;

use super::support::{House, photo};

/// Whether a measured time makes sense.
fn sound(times: &Value) -> bool {
    let of = |key: &str| times[key].as_f64().unwrap();
    0.0 < of("p10") && of("p10") <= of("median") && of("median") <= of("p90") && times["runs"].as_u64().unwrap() >= 5
}

#[test]
fn everything_is_measured_on_a_drawn_face() {
    let report = House::new().json(&["bench", "--seconds", "1", "--json"]).remove(0);
    assert_eq!(report["picture"]["is"], "a drawn face");
    assert_eq!(report["picture"]["faces"], 1, "the detector takes the drawing for one face");
    let models: Vec<_> =
        report["models"].as_array().unwrap().iter().map(|run| run["model"].as_str().unwrap()).collect();
    for model in ["pnet", "rnet", "onet", "sface", "mobilefacenet", "dlib"] {
        assert!(models.contains(&model), "{models:?}");
    }
    assert!(report["models"].as_array().unwrap().iter().filter(|run| run["on"] == "cpu").all(|run| sound(&run["ms"])));
    assert!(sound(&report["frame_to_verdict_ms"]) && sound(&report["frame_without_face_ms"]));
    let searches = report["searches"].as_array().unwrap();
    assert!(searches.len() == 3 && searches.iter().all(|search| sound(&search["ms"])));
    assert!(report["slowdown"].as_f64().unwrap() > 0.0 && report["frames_per_second"].as_f64().unwrap() > 0.0);
    assert!(report["board"]["kernel"].is_string());
}

#[test]
fn a_photograph_can_replace_the_drawing_and_a_missing_delegate_is_reported() {
    let house = House::new();
    let face = photo("obama.jpg").display().to_string();
    let block = house.usher(&["bench", "--seconds", "1", "--photo", &face, "--delegate", "/nowhere/libdelegate.so"]);
    for line in [
        "board  ",
        "a photograph, ",
        "pnet on cpu",
        "not measured: ",
        "there is no such file",
        "frame to verdict",
        "throttled",
    ] {
        assert!(block.contains(line), "no {line:?} in {block}");
    }
    let home = std::env::var("HOME").unwrap_or_default();
    assert!(home.len() < 2 || !block.contains(&home), "the user is not named: {block}");
    let empty = super::support::write_jpeg(image::RgbImage::new(320, 240), &house.path("empty.jpg"));
    let refused = house.refused(&["bench", "--seconds", "1", "--photo", &empty.display().to_string()]);
    assert!(refused.contains("no face") && refused.contains("--photo"), "{refused}");
}
