//! Short texts in pictures: names on a contact sheet, numbers beside faces.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, PxScale, ScaleFont as _};

/// Latin, Greek and Cyrillic letters of DejaVu Sans; LICENSE beside it.
const FONT: &[u8] = include_bytes!("dejavu-sans.ttf");

/// `None` cannot be: a test reads the font.
static SANS: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::try_from_slice(FONT).ok());

/// What stands for a letter that the font lacks.
const MISSING: char = '\u{fffd}';

/// The width in pixels of a line of text that is `height` pixels high.
pub fn width(text: &str, height: u32) -> u32 {
    let mut end = 0.0f32;
    each_letter(text, height, |_, right| end = right);
    end.ceil() as u32
}

/// Calls `put` with each pixel that one line of text covers, from its upper left corner on, and with the share that is covered (0 to 1). The line is
/// `height` pixels high. A letter that the font lacks becomes the sign for that.
pub fn write(text: &str, height: u32, mut put: impl FnMut(u32, u32, f32)) {
    each_letter(text, height, |outline, _| {
        let Some(outline) = outline else { return };
        let bounds = outline.px_bounds();
        outline.draw(|x, y, share| {
            let (x, y) = (bounds.min.x + x as f32, bounds.min.y + y as f32);
            if x >= 0.0 && y >= 0.0 && share > 0.0 {
                put(x as u32, y as u32, share.min(1.0));
            }
        });
    });
}

/// Calls `each` with each letter's outline, which a space has not got, and with where the letter ends.
fn each_letter(text: &str, height: u32, mut each: impl FnMut(Option<ab_glyph::OutlinedGlyph>, f32)) {
    let Some(font) = &*SANS else { return };
    let scaled = font.as_scaled(PxScale::from(height as f32));
    let mut pen = 0.0;
    for letter in text.chars() {
        let found = font.glyph_id(letter);
        let id = if found.0 == 0 { font.glyph_id(MISSING) } else { found };
        let start = ab_glyph::point(pen, scaled.ascent());
        pen += scaled.h_advance(id);
        each(font.outline_glyph(id.with_scale_and_position(scaled.scale(), start)), pen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn pixels(text: &str, height: u32) -> BTreeSet<(u32, u32)> {
        let mut all = BTreeSet::new();
        write(text, height, |x, y, share| {
            assert!(share > 0.0 && share <= 1.0);
            if share > 0.5 {
                all.insert((x, y));
            }
        });
        all
    }

    #[test]
    fn a_text_stays_in_its_rectangle_and_letters_differ() {
        for (text, height) in [("1", 12), ("27", 24), ("Zoë Łukasz Ωμέγα Юлия", 16), ("Ål", 14)] {
            let drawn = pixels(text, height);
            assert!(!drawn.is_empty(), "{text}");
            assert!(drawn.iter().all(|&(x, y)| x <= width(text, height) && y < height), "{text}");
        }
        assert_ne!(pixels("1", 16), pixels("7", 16));
        assert!(width("mm", 16) > width("ii", 16) && width("i", 32) > width("i", 16));
    }

    #[test]
    fn what_the_font_lacks_has_a_sign() {
        assert_eq!(pixels("李", 16), pixels("\u{fffd}", 16));
        assert!(!pixels("李", 16).is_empty() && pixels("", 16).is_empty() && pixels(" ", 16).is_empty());
    }
}
