//! Pictures for training that stand for faces.

use std::path::Path;

/// Faces that are easy to distinguish: each person is a colour, with some noise and a moving bar.
pub fn coloured_people(folder: &Path, people: usize, pictures: usize) {
    let mut draw = fastrand::Rng::with_seed(7);
    for person in 0..people {
        let home = folder.join(format!("person_{person:02}"));
        std::fs::create_dir_all(&home).unwrap();
        let colour = [draw.u8(40..215), draw.u8(40..215), draw.u8(40..215)];
        for number in 0..pictures {
            let bar = draw.u32(0..64);
            let picture = image::RgbImage::from_fn(64, 64, |x, _| {
                let colour = if x.abs_diff(bar) < 4 { [255 - colour[0], colour[2], colour[1]] } else { colour };
                image::Rgb(colour.map(|value| value.saturating_add_signed(draw.i8(-20..20))))
            });
            picture.save(home.join(format!("{number}.png"))).unwrap();
        }
    }
}
