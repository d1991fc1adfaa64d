//! Snapshots of refusals: none by default, and when configured the refused face.

use std::io::Read;

use serde_json::Value;

use crate::support::{Daemon, Film, House, Observer, broker};

/// A stranger comes again and again, and so does the enrolled man, who is let in.
fn house(port: u16, more: &str) -> House {
    let film = Film::default().shows("biden.jpg", 8).nobody(14).shows("obama2.jpg", 8).nobody(14);
    let mqtt = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n{more}");
    let house = House::new().watching(film, true).with(&mqtt);
    house.enroll("Barack Obama", &["obama.jpg"]);
    house
}

/// The faces that `usher detect` finds in a picture.
fn faces(house: &House, jpeg: &[u8]) -> Vec<Value> {
    let path = house.path("seen.jpg");
    std::fs::write(&path, jpeg).unwrap();
    let found = house.json(&["detect", "--json", "--min-face", "40", path.to_str().unwrap()]).remove(0);
    found["faces"].as_array().unwrap().clone()
}

/// Whether any file below the folder holds these bytes.
fn on_disk(folder: &std::path::Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => on_disk(&path, bytes),
        false => {
            let mut content = Vec::new();
            std::fs::File::open(&path).and_then(|mut file| file.read_to_end(&mut content)).unwrap();
            content.windows(bytes.len()).any(|window| window == bytes)
        }
    })
}

#[test]
fn refused_faces_are_shown_and_no_others() {
    let port = broker();
    let house = house(port, "[mqtt.snapshots]\nenabled = true\nmax_side_px = 240\nmax_size = \"16KB\"");
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    let about = observer.wait_for("door/front/snapshot/about");
    let about: Value = serde_json::from_slice(&about.payload).unwrap();
    let shown = observer.wait_for("door/front/snapshot");
    assert!(!shown.retain && shown.payload.len() <= 16 << 10);
    let picture = image::load_from_memory_with_format(&shown.payload, image::ImageFormat::Jpeg).unwrap();
    assert!(picture.width().max(picture.height()) <= 240);
    assert_eq!((&about["width"], &about["height"]), (&picture.width().into(), &picture.height().into()));
    assert_eq!((&about["shows"], &about["camera"]), (&"face".into(), &"porch".into()));
    let found = faces(&house, &shown.payload);
    assert_eq!(found.len(), 1, "{found:?}");

    // A grant meanwhile makes no picture.
    observer.wait_for_event("granted");
    let again = observer.wait_for("door/front/snapshot/about");
    let again: Value = serde_json::from_slice(&again.payload).unwrap();
    daemon.stop();
    let records = house.journal();
    for about in [about, again] {
        let record = &records[about["seq"].as_u64().unwrap() as usize - 1];
        assert_eq!((&about["id"], &about["kind"]), (&record["id"], &"denied".into()));
        assert_eq!(record["kind"], "denied");
    }
    assert!(!on_disk(&house.store(), &shown.payload[..64]), "a picture must not reach the store");
}

#[test]
fn no_picture_is_sent_by_default() {
    let port = broker();
    let house = house(port, "");
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    observer.wait_for_event("denied");
    observer.wait_for_event("granted");
    observer.wait_for_event("denied");
    daemon.stop();
    let mut heard = 0;
    let late = Observer::of(port, "late");
    while let Ok(publish) = observer.0.try_recv().or_else(|_| late.0.try_recv()) {
        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
        assert!(!topic.contains("snapshot"), "{topic}");
        heard += 1;
    }
    assert!(heard > 0);
}
