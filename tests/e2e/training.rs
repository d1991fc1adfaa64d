//! `usher train network` when something goes wrong around it.
#![cfg(feature = "train")]

#[path = "../support/coloured.rs"]
mod coloured;

use std::path::Path;

use self::coloured::coloured_people;
use crate::support::{House, SmallDisk};

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .filter(|(name, _)| !name.starts_with("events."))
        .collect();
    found.sort();
    found
}

/// A checkpoint of the small network has 3 MB.
#[test]
fn a_full_disk_at_a_checkpoint_leaves_the_previous_one_to_resume_from() {
    let house = House::new();
    let Some(disk) = SmallDisk::mount(house.path("disk")) else { return };
    let (faces, out) = (house.path("faces"), house.path("disk/run"));
    coloured_people(&faces, 4, 3);
    let run = |epochs: &'static str| {
        let settings = "train network --network small --people 4 --pictures 3 --mining all --save-every 1 --epochs";
        let paths = ["--out", out.to_str().unwrap(), faces.to_str().unwrap()].map(str::to_owned);
        settings.split(' ').chain([epochs]).map(str::to_owned).chain(paths).collect::<Vec<_>>()
    };
    house.usher(&run("1"));
    let before = files(&out);
    assert_eq!(before.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["checkpoint-00000001.npz"]);
    // No space at all, space for event files alone, and space for half a checkpoint.
    for room in [0, 1 << 18, 3 << 19] {
        disk.fill_but(room);
        let error = house.refused(&run("2"));
        assert!(
            error.contains("the same command resumes from its last checkpoint")
                && error.contains("checkpoint-00000001.npz"),
            "{room}: {error}"
        );
        assert!(error.contains("No space left on device"), "{room}: {error}");
        assert!(error.contains("cannot write the weights to"), "{room}: {error}");
        assert!(files(&out) == before, "{room}: the checkpoint changed, or there is another file beside it");
        disk.make_room();
    }
    let said = house.usher(&run("2"));
    assert!(said.contains("resuming from") && said.contains("checkpoint-00000001.npz"), "{said}");
    let after: Vec<_> = files(&out).into_iter().map(|(name, _)| name).collect();
    assert_eq!(after, ["checkpoint-00000001.npz", "checkpoint-00000002.npz"]);
}
