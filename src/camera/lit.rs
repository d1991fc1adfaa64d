//! Which frames of an infra-red camera are lit. Many emitters flash for every second frame; the dark ones between show only what else there is, and
//! a face that is not seen in them says nothing.

use std::collections::VecDeque;

use crate::domain::Image;

/// The number of frames over which the brightest is remembered: half a second and more at 30 frames a second.
const REMEMBERED: usize = 16;
/// A frame is lit if its mean is at least this share of the brightest one's.
const SHARE: f32 = 0.6;
/// And at least this, of 255: nothing can be seen in a darker one.
const LEAST: f32 = 8.0;

/// Tells lit frames from dark ones by their mean brightness.
#[derive(Clone, Debug, Default)]
pub struct LitFrames {
    means: VecDeque<f32>,
}

impl LitFrames {
    /// Whether the next frame, of this mean brightness (0 to 255), is lit.
    pub fn is_lit(&mut self, mean: f32) -> bool {
        let mean = if mean.is_finite() { mean } else { 0.0 };
        self.means.push_back(mean);
        if self.means.len() > REMEMBERED {
            self.means.pop_front();
        }
        let brightest = self.means.iter().copied().fold(0.0, f32::max);
        mean >= LEAST && mean >= brightest * SHARE
    }
}

/// The mean brightness of a grey picture, 0 to 255: of every fourth pixel's green.
pub fn mean_brightness(image: &Image) -> f32 {
    let greens = image.rgb().iter().skip(1).step_by(12);
    let (sum, count) = greens.fold((0u64, 0u64), |(sum, count), &green| (sum + u64::from(green), count + 1));
    sum as f32 / count.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lit(means: impl IntoIterator<Item = f32>) -> String {
        let mut frames = LitFrames::default();
        means.into_iter().map(|mean| if frames.is_lit(mean) { 'L' } else { '-' }).collect()
    }

    #[test]
    fn frames_between_flashes_are_dark() {
        assert_eq!(lit([60.0, 12.0].repeat(4)), "L-L-L-L-");
        assert_eq!(lit([12.0, 60.0].repeat(3)), "LL-L-L", "before the first flash the brightest is not known");
    }

    #[test]
    fn a_steady_light_is_always_lit_and_darkness_never() {
        assert_eq!(lit([40.0, 44.0, 38.0, 41.0]), "LLLL");
        assert_eq!(lit([7.9, 3.0, 0.0, f32::NAN]), "----");
        // Daylight hides the emitter: every frame shows what there is.
        assert_eq!(lit([140.0, 120.0, 141.0, 119.0]), "LLLL");
    }

    #[test]
    fn after_a_bright_moment_the_usual_light_counts_again() {
        let means = std::iter::once(250.0).chain(std::iter::repeat_n(60.0, REMEMBERED));
        assert_eq!(lit(means), format!("L{}L", "-".repeat(REMEMBERED - 1)));
    }

    #[test]
    fn the_mean_is_that_of_the_picture() {
        let image = Image::new(40, 20, [10, 50, 90].repeat(800)).unwrap();
        assert_eq!(mean_brightness(&image), 50.0);
        assert_eq!(mean_brightness(&Image::new(1, 1, vec![3, 4, 5]).unwrap()), 4.0);
    }
}
