//! Short texts in pictures: names on a contact sheet, numbers beside faces.

use font8x8::UnicodeFonts;

/// Height and width of a letter in pixels, before it is enlarged.
pub const LETTER: u32 = 8;

/// The width of a text in pixels, with each pixel of a letter enlarged to `times` by `times`.
pub fn width(text: &str, times: u32) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX).saturating_mul(LETTER).saturating_mul(times)
}

/// Calls `put` with each pixel of one line of text, from its upper left corner on. A character that the font lacks becomes a question mark.
pub fn write(text: &str, times: u32, mut put: impl FnMut(u32, u32)) {
    for (position, letter) in text.chars().enumerate() {
        let drawn = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::LATIN_FONTS.get(letter));
        let Some(rows) = drawn.or_else(|| font8x8::BASIC_FONTS.get('?')) else { continue };
        let left = u32::try_from(position).unwrap_or(u32::MAX).saturating_mul(LETTER).saturating_mul(times);
        for (row, bits) in (0..LETTER).zip(rows) {
            for column in (0..LETTER).filter(|column| bits >> column & 1 == 1) {
                for (dx, dy) in (0..times).flat_map(|dx| (0..times).map(move |dy| (dx, dy))) {
                    put(left.saturating_add(column * times + dx), row * times + dy);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn pixels(text: &str, times: u32) -> BTreeSet<(u32, u32)> {
        let mut all = BTreeSet::new();
        write(text, times, |x, y| {
            all.insert((x, y));
        });
        all
    }

    #[test]
    fn a_text_stays_in_its_rectangle_and_letters_differ() {
        for (text, times) in [("1", 1), ("27", 3), ("Zoë", 2)] {
            let drawn = pixels(text, times);
            assert!(!drawn.is_empty(), "{text}");
            assert!(drawn.iter().all(|&(x, y)| x < width(text, times) && y < LETTER * times), "{text}");
        }
        assert_ne!(pixels("1", 1), pixels("7", 1));
        assert_eq!(pixels("1", 2).len(), 4 * pixels("1", 1).len());
    }

    #[test]
    fn what_the_font_lacks_is_a_question_mark() {
        assert_eq!(pixels("李", 1), pixels("?", 1));
        assert!(pixels("", 1).is_empty());
    }
}
