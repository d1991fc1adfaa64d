//! `usher demo` goes as its story says: with the default embedder, and with FaceNet where `script/setup --facenet` has made it.

use std::path::{Path, PathBuf};

use usher::vision::manifest::{Manifest, Role};
use usher::vision::runtime::cache_folder;

use crate::support::House;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// FaceNet's file in the cache, if it is the one that the manifest names.
fn cached_facenet() -> Option<PathBuf> {
    let manifest = Manifest::load(&shipped()).unwrap();
    let wanted = manifest.model("facenet", Role::Embedder).unwrap();
    let folders = std::fs::read_dir(cache_folder()?.join("usher")).ok()?;
    folders
        .filter_map(|entry| Some(entry.ok()?.path().join("facenet.tflite")))
        .find(|file| std::fs::read(file).is_ok_and(|bytes| usher::vision::file::sha256(&bytes) == wanted.sha256))
}

fn demo(house: &House, arguments: &[&str]) {
    let kept = house.path("kept").display().to_string();
    let text = house.usher(&[&["demo", "--keep", &kept], arguments].concat());
    assert!(text.contains("the chain is sound"), "{text}");
}

#[test]
fn the_demo_goes_as_its_story_says() {
    demo(&House::new(), &[]);
}

#[test]
fn the_demo_goes_the_same_way_with_facenet() {
    let Some(file) = cached_facenet() else {
        eprintln!("SKIPPED: the cache has no FaceNet; `script/setup --facenet` makes it");
        return;
    };
    let mut house = House::new();
    let models = house.path("models");
    std::fs::create_dir(&models).unwrap();
    for entry in std::fs::read_dir(shipped()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, models.join(path.file_name().unwrap())).unwrap();
        }
    }
    for name in ["facenet.tflite", "facenet.calibration.toml"] {
        std::fs::copy(file.with_file_name(name), models.join(name)).unwrap();
    }
    house.environment.insert("USHER_MODELS".to_owned(), models.display().to_string());
    demo(&house, &["--embedder", "facenet"]);
}
