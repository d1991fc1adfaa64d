//! How well a picture is lit: its brightness and its noise. Noise tells how far the camera has turned up its gain.

use super::quality::luma;
use crate::domain::Image;

/// The light of a whole picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Light {
    /// Mean brightness, 0 to 255.
    pub mean: f32,
    /// The standard deviation of the noise, in levels of brightness: Immerkær, "Fast Noise Variance Estimation", 1996. Fine texture counts as a little
    /// noise, and a JPEG hides some.
    pub noise: f32,
}

impl Light {
    /// Measures `image`.
    pub fn of(image: &Image) -> Light {
        let width = image.width() as usize;
        let rows: Vec<Vec<i16>> = image
            .rgb()
            .chunks_exact(width * 3)
            .map(|row| row.as_chunks::<3>().0.iter().map(|pixel| luma(*pixel)).collect())
            .collect();
        let sum: i64 = rows.iter().flatten().map(|value| i64::from(*value)).sum();
        let mean = sum as f32 / (width * rows.len()).max(1) as f32;
        // The mask of the paper: two Laplacians subtracted, which leaves edges and gradients out.
        let (mut off, mut count) = (0u64, 0u64);
        for (above, (here, below)) in rows.iter().zip(rows.iter().skip(1).zip(rows.iter().skip(2))) {
            for ((a, b), c) in above.windows(3).zip(here.windows(3)).zip(below.windows(3)) {
                let (&[a1, a2, a3], &[b1, b2, b3], &[c1, c2, c3]) = (a, b, c) else { continue };
                let corners = i32::from(a1) + i32::from(a3) + i32::from(c1) + i32::from(c3);
                let sides = i32::from(a2) + i32::from(b1) + i32::from(b3) + i32::from(c2);
                off += u64::from((corners - 2 * sides + 4 * i32::from(b2)).unsigned_abs());
                count += 1;
            }
        }
        let noise = (std::f32::consts::FRAC_PI_2).sqrt() / 6.0 * off as f32 / count.max(1) as f32;
        Light { mean, noise }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(level: impl Fn(u32, u32) -> f32) -> Image {
        let rgb = (0..100 * 120).flat_map(|at| [level(at % 120, at / 120).clamp(0.0, 255.0) as u8; 3]).collect();
        Image::new(120, 100, rgb).unwrap()
    }

    #[test]
    fn noise_is_measured_and_gradients_and_edges_are_none() {
        let flat = Light::of(&picture(|_, _| 90.0));
        assert_eq!((flat.mean, flat.noise), (90.0, 0.0));
        let ramp = Light::of(&picture(|x, y| (x + y) as f32));
        assert!(ramp.noise < 0.1, "{ramp:?}");
        let edge = Light::of(&picture(|x, _| if x < 60 { 20.0 } else { 200.0 }));
        assert!(edge.noise < 0.1 && (edge.mean - 110.0).abs() < 1.0, "{edge:?}");
        for sigma in [3.0_f32, 12.0] {
            let random = std::cell::RefCell::new(fastrand::Rng::with_seed(7));
            // The sum of twelve uniform numbers has a standard deviation of 1.
            let gauss = || (0..12).map(|_| random.borrow_mut().f32()).sum::<f32>() - 6.0;
            let noisy = Light::of(&picture(|_, _| 120.0 + sigma * gauss()));
            assert!((noisy.noise / sigma - 1.0).abs() < 0.15, "{sigma}: {noisy:?}");
        }
    }

    #[test]
    fn a_picture_of_one_pixel_has_a_brightness() {
        let light = Light::of(&Image::new(1, 1, vec![9; 3]).unwrap());
        assert_eq!((light.mean, light.noise), (9.0, 0.0));
    }
}
