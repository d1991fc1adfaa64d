//! Folders of photographs: aligning, grouping, enrolling them all, and measuring on them.

use std::fs;
use std::path::Path;

use image::{RgbImage, imageops};

use super::play::{Run, play, run};
use crate::support::{House, sized_frame, write_jpeg};

pub const LINES: &[&[Run]] = &[FOLDERS, MEASURES];

const FOLDERS: &[Run] = &[
    run("usher align lfw/ lfw_160/").says("aligned now"),
    run("usher align --threads 1 lfw/ lfw_160/"),
    run("usher align --threads 2 lfw/ lfw_160/"),
    run("usher align --alignment five-point lfw/ lfw_112/"),
    run("usher align --alignment five-point --template dlib-150 lfw/ lfw_150/"),
    run("usher align --alignment frontal --image-size 152 lfw/ lfw_152/"),
    run("usher align --alignment frontal --image-size 152 lfw/ lfw-152/"),
    run("usher align lfw/ lfw-160/ --image-size 182 --margin 44"),
    run("usher cluster inbox/").says("groups of"),
    run("usher cluster inbox/ --sheet groups.png"),
    run("usher cluster inbox/ --link people/"),
    run("usher cluster lfw/ --truth"),
    run("usher cluster lfw/ --truth --at-least 3"),
    run("usher enroll --batch people/").says("enrolled: "),
    run("usher cluster inbox/ --move people/").with(&[("people/", "moved/")]),
    run("usher enroll --batch people/ --list people.csv")
        .with(&[("people/", "lfw/")])
        .and(&["--force"])
        .says("Ada Lovelace"),
];

/// A small picture of a face: what is measured here is whether commands run, and each looks through all of them.
fn picture(actor: &str, larger_px: u32) -> RgbImage {
    imageops::crop_imm(&sized_frame(actor, 130.0 + larger_px as f32), 180, 76, 280, 280).to_image()
}

/// Two people: three photographs of one, and three of the other, as LFW names them.
fn people(folder: &Path) {
    let photographs = [("Ada", ["obama.jpg", "obama2.jpg", "obama3.jpg"]), ("Joe", ["biden.jpg"; 3])];
    for (name, actors) in photographs {
        let own = folder.join(name);
        fs::create_dir_all(&own).unwrap();
        for (number, actor) in actors.iter().enumerate() {
            write_jpeg(picture(actor, 8 * number as u32), &own.join(format!("{name}_{:04}.jpg", number + 1)));
        }
    }
}

#[test]
fn folders_are_aligned_grouped_and_enrolled() {
    let house = House::new();
    people(&house.path("lfw"));
    fs::create_dir(house.path("inbox")).unwrap();
    for (name, actor) in [("a.jpg", "obama2.jpg"), ("b.jpg", "biden.jpg"), ("c.jpg", "obama3.jpg")] {
        write_jpeg(picture(actor, 0), &house.path("inbox").join(name));
    }
    write_jpeg(picture("biden.jpg", 20), &house.path("inbox/d.jpg"));
    fs::write(house.path("people.csv"), "folder,name\nAda,Ada Lovelace\n").unwrap();
    play(&house, FOLDERS, &[]);
}

const MEASURES: &[Run] = &[
    run("usher evaluate lfw --images lfw --pairs pairs.txt"),
    run("usher evaluate lfw --images lfw --pairs pairs.txt --json --plot roc.svg"),
    run("usher evaluate lfw --images lfw --train pairsDevTrain.txt --pairs pairsDevTest.txt"),
    run("usher evaluate lfw --images lfw --train pairsDevTrain.txt --pairs pairsDevTest.txt --grey"),
    run("usher evaluate lfw --images lfw --train pairsDevTrain.txt --pairs pairsDevTest.txt --grey second"),
    run("usher evaluate lfw --images images --train pairsDevTrain.txt --pairs pairsDevTest.txt"),
    run("usher evaluate lfw --images images --pairs pairsDevTest.txt"),
    run("usher evaluate pairs --csv door.csv --folds 5"),
    run("usher evaluate ytf --videos frame_images_DB --splits splits.txt"),
    run("usher calibrate staff --plot distances.svg"),
];

#[test]
fn pairs_and_people_are_measured() {
    let house = House::new();
    for folder in ["lfw", "images", "staff"] {
        people(&house.path(folder));
    }
    // The usual ten sets, with a pair of each kind.
    let same = ["Ada\t1\t2", "Ada\t1\t3", "Ada\t2\t3", "Joe\t1\t2", "Joe\t1\t3"];
    let different = ["Ada\t1\tJoe\t1", "Ada\t2\tJoe\t2", "Ada\t3\tJoe\t3", "Ada\t1\tJoe\t2", "Ada\t2\tJoe\t3"];
    let ten = |lines: [&'static str; 5]| [lines, lines].concat();
    let sets = ten(same).into_iter().zip(ten(different)).map(|(same, different)| format!("{same}\n{different}\n"));
    fs::write(house.path("pairs.txt"), format!("10\t1\n{}", sets.collect::<String>())).unwrap();
    let of_one_set = format!("10\n{}\n{}\n", ten(same).join("\n"), ten(different).join("\n"));
    for list in ["pairsDevTrain.txt", "pairsDevTest.txt"] {
        fs::write(house.path(list), &of_one_set).unwrap();
    }
    let photograph = |name: &str, number: usize| format!("lfw/{name}/{name}_{number:04}.jpg");
    let mut csv = "a,b,same\n".to_owned();
    for (a, b) in [(1, 2), (1, 3), (2, 3), (1, 1), (2, 2)] {
        csv += &format!(
            "{},{},1\n{},{},0\n",
            photograph("Ada", a),
            photograph("Ada", b),
            photograph("Ada", a),
            photograph("Joe", b)
        );
    }
    fs::write(house.path("door.csv"), csv).unwrap();
    let videos = house.path("frame_images_DB");
    for (video, actor) in
        [("Ada/0", "obama2.jpg"), ("Ada/1", "obama3.jpg"), ("Joe/0", "biden.jpg"), ("Joe/1", "biden.jpg")]
    {
        fs::create_dir_all(videos.join(video)).unwrap();
        for number in 1..3 {
            write_jpeg(picture(actor, 8 * number), &videos.join(video).join(format!("0.{number}.jpg")));
        }
    }
    let splits = "split,video,video,same\n1,Ada/0,Ada/1,1\n1,Ada/0,Joe/0,0\n2,Joe/0,Joe/1,1\n2,Ada/1,Joe/1,0\n";
    fs::write(house.path("splits.txt"), splits).unwrap();
    play(&house, MEASURES, &[]);
}
