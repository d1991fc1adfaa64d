//! A door whose only camera sees infra-red, and templates of grey pictures. The infra-red frames are made of the colour photographs: in one false
//! hue, every second one dark as between the flashes of an emitter.

use image::{RgbImage, imageops};
use serde_json::{Value, json};

use crate::support::{Daemon, Film, House, eventually, frame, photo};

fn grey(picture: &RgbImage) -> RgbImage {
    image::DynamicImage::from(imageops::grayscale(picture)).into_rgb8()
}

/// The picture in one hue, as a sensor without a filter gives it.
fn false_colours(picture: &RgbImage) -> RgbImage {
    let mut picture = grey(picture);
    picture.pixels_mut().for_each(|pixel| pixel[1] = (f32::from(pixel[1]) * 0.7) as u8);
    picture
}

fn dark(picture: &RgbImage) -> RgbImage {
    let mut picture = picture.clone();
    picture.iter_mut().for_each(|value| *value /= 20);
    picture
}

/// A house whose only camera sees infra-red, with an emitter that flashes. Barack Obama is enrolled in colour.
fn house() -> House {
    let eye = false_colours(&frame("obama2.jpg"));
    let house = House::new();
    let film = Film::default().picture(eye.clone(), 1).picture(dark(&eye), 1).write(&house.path("eye.mjpeg"));
    let path = film.display().to_string();
    let house = house
        .with_camera(&format!("kind = \"replay\"\npath = {path:?}\nfps = 10\nloop = true\nspectrum = \"infrared\"\n"));
    house.enroll("Barack Obama", &["obama.jpg"]);
    house
}

fn chromas(house: &House) -> Vec<Value> {
    let kept = house.json(&["people", "templates", "#1", "--json"]);
    kept.iter().map(|template| template["quality"]["chroma"].clone()).collect()
}

#[test]
fn an_infra_red_camera_alone_recognises_people() {
    let house = house();
    let daemon = Daemon::start(&house);
    let granted = eventually("a grant", || house.records("granted").pop());
    assert_eq!(granted["content"]["person"]["name"], "Barack Obama", "{granted}");
    daemon.stop();
    house.usher(&["journal", "verify"]);
}

#[test]
fn somebody_enrolled_in_colour_gets_grey_templates_beside_from_the_door_s_camera() {
    let house = house();
    assert_eq!(chromas(&house), [json!("colour")]);
    house.usher(&["enroll", "--add", "Barack Obama", "--camera", "porch", "--views", "2"]);
    assert_eq!(chromas(&house), [json!("colour"), json!("grey"), json!("grey")]);
    let daemon = Daemon::start(&house);
    house.usher(&["enroll", "--add", "Barack Obama", "--camera", "porch", "--views", "1"]);
    assert_eq!(chromas(&house)[3], json!("grey"), "by the daemon's camera, too");
    let table = house.usher(&["people", "templates", "Barack Obama"]);
    assert!(table.contains("PICTURE") && table.contains("grey") && table.contains("colour"), "{table}");
    daemon.stop();
}

#[test]
fn a_photograph_without_colour_gives_a_grey_template() {
    let house = House::new();
    let file = house.path("old.png");
    grey(&image::open(photo("obama.jpg")).unwrap().into_rgb8()).save(&file).unwrap();
    house.usher(&["enroll", "Barack Obama", &file.display().to_string()]);
    assert_eq!(chromas(&house), [json!("grey")]);
    let said = house.usher(&["detect", &file.display().to_string()]);
    assert!(said.contains(", grey"), "{said}");
}

#[test]
fn what_an_infra_red_camera_alone_cannot_do_is_refused_with_what_to_do() {
    let passive = house().with("[[door]]\nname = \"front\"\nassurance = \"passive\"\n");
    let error = passive.refused(&["config", "check"]);
    assert!(error.contains("its camera sees infra-red, and the networks judge pictures in colour"), "{error}");
    let eye = house().with("[[door]]\nname = \"front\"\nassurance = \"challenge+ir\"\n");
    let error = eye.refused(&["config", "check"]);
    assert!(error.contains("its infra-red camera recognises people itself"), "{error}");
}
