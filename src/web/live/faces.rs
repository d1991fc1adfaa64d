//! The faces before a camera, as boxes over its picture and in words.

use maud::{Markup, html};

use crate::api::live::{Found, LiveFace, LiveFaces, LiveView, Missing, MissingKind};
use crate::web::Words;
use crate::web::live::state::reason;

/// A face's brightness, 0 to 255, below which it is too dark and above which it is too bright to be recognised well.
const DARK: f64 = 60.0;
const BRIGHT: f64 = 200.0;

/// The boxes, in pixels of the picture: what stands in the `<svg>` over it.
pub fn boxes(words: &Words, faces: &LiveFaces) -> Markup {
    // Letters are large enough on a phone, where the picture is about 360 pixels wide.
    let letters = (faces.width / 24).max(10);
    html! { g font-size=(letters) {
        @for face in &faces.faces {
            @let [x1, y1, x2, y2] = face.bounds.map(f32::round);
            rect class=(class(face)) x=(x1) y=(y1) width=(x2 - x1) height=(y2 - y1) rx="4" {}
            @if let Some(view) = &face.view {
                text x=(x1) y=((y1 - 6.0).max(letters as f32)) { (name(words, view)) }
            }
        }
    } }
}

/// The faces in words: an item each.
pub fn list(words: &Words, faces: &LiveFaces) -> Markup {
    html! {
        @for view in faces.faces.iter().filter_map(|face| face.view.as_ref()) {
            li {
                strong { (name(words, view)) }
                @if let Some(distance) = view.distance {
                    " " span.soft { (words.with("live-distance", &[("distance", decimals(distance).into()), ("limit", decimals(view.limit).into())])) }
                }
                @if let Some(verdict) = &view.verdict {
                    @if verdict.unlocked { " " span.badge.good { (words.get("live-let-in")) } }
                    @if let Some(why) = &verdict.reason { " " span.badge.bad { (reason(words, why)) } }
                }
                @if view.asked { " " span.badge.warn { (words.get("live-asked")) } }
                @if view.found == Found::Person && view.frames < view.frames_needed {
                    " " span { (words.with("live-frames", &[("frames", view.frames.into()), ("needed", view.frames_needed.into())])) }
                }
                @for missing in &view.missing { " " span.badge.warn { (advice(words, missing)) } }
            }
        }
    }
}

/// What was decided about one of the faces just now, in a sentence for those who hear the page; empty if nothing was.
pub fn said(words: &Words, faces: &LiveFaces) -> String {
    let told = faces.faces.iter().filter_map(|face| face.view.as_ref()).filter_map(|view| {
        let verdict = view.verdict.as_ref()?;
        let what = match &verdict.reason {
            None => words.get("live-let-in"),
            Some(why) => reason(words, why),
        };
        Some(format!("{}: {what}", name(words, view)))
    });
    told.collect::<Vec<_>>().join(". ")
}

/// The largest face's size, sharpness and light beside what they should be, for aiming.
pub fn meters(words: &Words, faces: &LiveFaces) -> Markup {
    let Some(view) = faces.faces.first().and_then(|face| face.view.as_ref()) else {
        return html! { p.soft { (words.get("live-nobody")) } };
    };
    let quality = &view.quality;
    let needs = |kind: MissingKind, usual: f64| {
        let missing = view.missing.iter().find(|missing| missing.what == kind);
        missing.map_or(usual, |missing| f64::from(missing.needs))
    };
    let (size, sharpness, light) =
        (f64::from(quality.size_px), f64::from(quality.sharpness), f64::from(quality.brightness));
    html! {
        (meter(&words.get("live-size"), size, 300.0, needs(MissingKind::Size, 0.0), 300.0, "px"))
        (meter(&words.get("live-sharpness"), sharpness, 300.0, needs(MissingKind::Sharpness, 0.0), 300.0, ""))
        (meter(&words.get("live-light"), light, 255.0, DARK, BRIGHT, ""))
        @if light < DARK { p.warn { (words.get("live-too-dark")) } }
        @if light > BRIGHT { p.warn { (words.get("live-too-bright")) } }
    }
}

fn meter(name: &str, value: f64, most: f64, low: f64, high: f64, unit: &str) -> Markup {
    html! {
        label.meter {
            span { (name) }
            meter min="0" max=(most) low=(low) high=(high) optimum=((low + high) / 2.0) value=(value.clamp(0.0, most).round()) {}
            span { (value.round()) @if !unit.is_empty() { " " (unit) } }
        }
    }
}

/// How a face stands: the class of its box.
fn class(face: &LiveFace) -> &'static str {
    let Some(view) = &face.view else { return "quiet" };
    match (&view.verdict, view.found) {
        (Some(verdict), _) if verdict.unlocked => "good",
        (Some(_), _) => "bad",
        (None, Found::Person) => "good",
        (None, Found::Unknown) => "bad",
        (None, Found::Ambiguous | Found::Poor) => "warn",
    }
}

fn name(words: &Words, view: &LiveView) -> String {
    match (&view.person, view.found) {
        (Some(person), Found::Ambiguous) => words.with("live-perhaps", &[("name", person.name.as_str().into())]),
        (Some(person), _) => person.name.clone(),
        (None, Found::Poor) => words.get("live-not-seen-well"),
        (None, _) => words.get("live-unknown"),
    }
}

fn advice(words: &Words, missing: &Missing) -> String {
    let (is, needs) = (missing.is.round(), missing.needs.round());
    let numbers = [("is", f64::from(is).into()), ("needs", f64::from(needs).into())];
    match missing.what {
        MissingKind::Size => words.with("live-nearer", &numbers),
        MissingKind::Sharpness => words.with("live-sharper", &numbers),
        MissingKind::Yaw => words.with("live-face-camera", &numbers),
        MissingKind::Pitch => words.with("live-chin", &numbers),
        MissingKind::Strength => words.get("live-clearer"),
    }
}

fn decimals(distance: f32) -> String {
    format!("{distance:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::live::{LivePerson, LiveVerdict};
    use crate::api::template::Quality;
    use crate::domain::Chroma;

    fn view(found: Found) -> LiveView {
        let person = (found == Found::Person).then(|| LivePerson { id: 1, name: "<Ada>".to_owned() });
        let quality = Quality {
            size_px: 62.0,
            sharpness: 90.0,
            yaw_deg: 0.0,
            pitch_deg: 0.0,
            roll_deg: 0.0,
            brightness: 40.0,
            embedding_length: None,
            chroma: Chroma::Colour,
        };
        LiveView {
            found,
            person,
            distance: Some(0.654),
            limit: 1.03,
            quality,
            missing: Vec::new(),
            frames: 2,
            frames_needed: 3,
            asked: false,
            verdict: None,
        }
    }

    fn faces(view: LiveView) -> LiveFaces {
        let face = LiveFace { bounds: [10.0, 20.0, 110.0, 140.0], track: 7, view: Some(view) };
        LiveFaces { camera: "porch".to_owned(), frame: 3, width: 640, height: 480, faces: vec![face] }
    }

    #[test]
    fn a_face_is_told_with_its_person_distance_and_frames() {
        let words = Words::english();
        let faces = faces(view(Found::Person));
        let list = list(words, &faces).into_string();
        assert!(list.contains("&lt;Ada&gt;") && list.contains("0.65") && list.contains("2 of 3"), "{list}");
        let boxes = boxes(words, &faces).into_string();
        assert!(boxes.contains("<rect class=\"good\" x=\"10\" y=\"20\" width=\"100\" height=\"120\""), "{boxes}");
        assert_eq!(said(words, &faces), "");
    }

    #[test]
    fn what_is_missing_and_what_was_decided_are_told() {
        let words = Words::english();
        let missing = vec![Missing { what: MissingKind::Size, is: 62.4, needs: 80.0 }];
        let poor = faces(LiveView { missing, ..view(Found::Poor) });
        let list = list(words, &poor).into_string();
        assert!(list.contains("62") && list.contains("80"), "{list}");
        let verdict = LiveVerdict { unlocked: false, reason: Some("unknown".to_owned()), ago_ms: 10 };
        let refused = faces(LiveView { verdict: Some(verdict), ..view(Found::Unknown) });
        assert!(boxes(words, &refused).into_string().contains("class=\"bad\""));
        assert!(!said(words, &refused).is_empty());
    }

    #[test]
    fn the_meters_warn_of_darkness() {
        let words = Words::english();
        let shown = meters(words, &faces(view(Found::Person))).into_string();
        assert!(shown.contains("value=\"62\"") && shown.contains(&words.get("live-too-dark")), "{shown}");
        let nobody = LiveFaces { faces: Vec::new(), ..faces(view(Found::Poor)) };
        assert!(meters(words, &nobody).into_string().contains(&words.get("live-nobody")));
    }
}
