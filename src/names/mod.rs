//! Comparing names, and checking which characters a name may have.
//!
//! Names are typed on one machine, copied from a spreadsheet on another, and taken from directory names on a third. The same name arrives
//! composed or decomposed (NFC, NFD), in different case, with different kinds of spaces, and with invisible characters.

mod line;

pub use line::{LONGEST_NAME, LineFault, check_line, shown, shown_line};

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, UnicodeScript};
use unicode_security::confusable_detection::skeleton as confusables;
use unicode_security::general_security_profile::IdentifierType;
use unicode_security::{GeneralSecurityProfile, MixedScript};

/// What is wrong with the characters of a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    #[error("it has an invisible character (U+{code:04X}, character {place}): type the name instead of copying it")]
    Invisible { code: u32, place: usize },
    #[error(
        "`{word}` mixes similar letters of several scripts, such as Latin and Cyrillic: type it with one keyboard layout"
    )]
    MixedScripts { word: String },
    #[error("`{word}` has letters of a special form: write `{plain}`")]
    SpecialForm { word: String, plain: String },
}

/// The form in which names are compared: NFC, case-folded, with runs of whitespace as one space, without invisible characters.
pub fn key(name: &str) -> String {
    let visible: String = name.nfd().filter(|c| is_kept(*c)).collect();
    let folded = caseless::default_case_fold_str(&visible);
    spaced(&folded.nfc().collect::<String>())
}

/// Whether two names are equal by [`key`].
pub fn same(one: &str, other: &str) -> bool {
    key(one) == key(other)
}

/// The form in which identifiers are compared: as [`key`], but case-sensitive.
pub fn exact_key(text: &str) -> String {
    spaced(&text.nfd().filter(|c| is_kept(*c)).nfc().collect::<String>())
}

/// Whether two names look alike (by the skeletons of Unicode Technical Standard 39), such as `Ada` with a Cyrillic А.
pub fn look_alike(one: &str, other: &str) -> bool {
    let skeletons = |name: &str| [exact_key(name), key(name)].map(|text| confusables(&text).collect::<String>());
    let ([exact, folded], [other_exact, other_folded]) = (skeletons(one), skeletons(other));
    exact == other_exact || folded == other_folded
}

/// Whether a key keeps this character. A line separator is invisible, but it is a blank between words like any other.
fn is_kept(c: char) -> bool {
    c.is_whitespace() || !is_invisible(c)
}

/// The stored form of a name: NFC, with single spaces between words.
pub fn tidy(name: &str) -> String {
    spaced(&name.nfc().collect::<String>())
}

/// Checks that every character of a name is visible. Joiners are allowed inside words of scripts that use them.
///
/// # Errors
/// [`NameFault::Invisible`] for the first that is not.
pub fn check_visible(name: &str) -> Result<(), NameFault> {
    let mut before = None;
    let mut rest = name.chars().enumerate().peekable();
    while let Some((index, c)) = rest.next() {
        let joins =
            is_joiner(c) && before.is_some_and(is_joined) && rest.peek().is_some_and(|(_, next)| is_joined(*next));
        if is_invisible(c) && !joins {
            return Err(NameFault::Invisible { code: u32::from(c), place: index + 1 });
        }
        before = Some(c);
    }
    Ok(())
}

/// Checks that each word of a name has ordinary letters of a single script.
///
/// # Errors
/// [`NameFault::MixedScripts`], [`NameFault::SpecialForm`], for the first word that is not.
pub fn check_letters(name: &str) -> Result<(), NameFault> {
    let name: String = name.nfc().collect();
    for word in name.split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c) && !is_joiner(c)) {
        if word.chars().any(is_special_form) {
            return Err(NameFault::SpecialForm { word: word.to_owned(), plain: word.nfkc().collect() });
        }
        if !word.is_single_script() {
            return Err(NameFault::MixedScripts { word: word.to_owned() });
        }
    }
    Ok(())
}

/// Mathematical, full-width and Roman-numeral forms of ASCII letters and digits, except `ª` and `º`, which Spanish names use.
fn is_special_form(c: char) -> bool {
    let plain = || c.nfkc().all(|plain| plain.is_ascii_alphanumeric());
    !c.is_ascii() && c.is_alphanumeric() && c != 'ª' && c != 'º' && plain()
}

/// Unicode's default-ignorable characters, controls, line separators, and the empty Braille pattern.
fn is_invisible(c: char) -> bool {
    let ignorable = || {
        c.identifier_type() == Some(IdentifierType::Default_Ignorable)
            || matches!(u32::from(c), 0xFE00..=0xFE0F | 0xE0000..=0xE0FFF | 0x1D173..=0x1D17A)
    };
    !c.is_ascii() && (is_joiner(c) || matches!(c, '\u{2800}' | '\u{2028}' | '\u{2029}') || ignorable())
        || c.is_control() && !c.is_whitespace()
        || matches!(c, '\u{FFF9}'..='\u{FFFB}')
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

/// Whether a letter belongs to a script in which joiners change how words are written, such as those of Persian and Hindi.
fn is_joined(c: char) -> bool {
    let plain = [
        Script::Latin,
        Script::Greek,
        Script::Cyrillic,
        Script::Common,
        Script::Han,
        Script::Hiragana,
        Script::Katakana,
    ];
    (c.is_alphabetic() || is_combining_mark(c)) && !plain.contains(&c.script())
}

/// Joins the words with single spaces.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn normal_form_case_and_invisible_characters_do_not_matter() {
        for (one, other) in [
            ("Zoë Müller", "Zoe\u{308} Mu\u{308}ller"),
            ("ZOË MÜLLER", "zoë müller"),
            ("Jörg Weiß", "JÖRG WEISS"),
            ("Ada\u{200B}", "Ada"),
            ("A\u{AD}da", "ada"),
            ("\u{FEFF}Ada", "Ada"),
            ("Ada\u{202E}", "Ada"),
            ("Ada\u{FE0F}", "Ada"),
            ("Ada\u{E0041}", "Ada"),
            ("Ada\u{2060} Berg", "Ada Berg"),
            ("Ada\u{A0}Berg", "Ada  Berg"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("علی\u{200C}رضا", "علیرضا"),
            ("각", "\u{1100}\u{1161}\u{11A8}"),
        ] {
            assert!(same(one, other), "{one:?} {other:?}");
        }
        for (one, other) in [("Ada", "Adá"), ("Ada", "Adam"), ("Ada Berg", "AdaBerg"), ("Müller", "Mueller")] {
            assert!(!same(one, other) && !look_alike(one, other), "{one:?} {other:?}");
        }
        assert_eq!(exact_key(" E7\u{200B} "), "E7");
        assert_ne!(exact_key("e7"), exact_key("E7"));
    }

    #[test]
    fn names_that_look_alike_are_found() {
        for other in ["\u{410}da", "Ad\u{430}", "\u{391}da", "\u{1D400}da", "\u{FF21}\u{FF44}\u{FF41}"] {
            assert!(look_alike("Ada", other) && !same("Ada", other), "{other:?}");
        }
        assert!(look_alike("Alice", "AIice"));
        assert!(!look_alike("Anna Berg", "Anne Berg"));
    }

    #[test]
    fn invisible_characters_are_reported_and_joiners_are_allowed_where_used() {
        for (name, code, place) in [
            ("Ada\u{200B}", 0x200B, 4),
            ("A\u{AD}da", 0xAD, 2),
            ("\u{202E}Ada", 0x202E, 1),
            ("\u{2067}Ada", 0x2067, 1),
            ("Ada\u{FE0F}", 0xFE0F, 4),
            ("Ada\u{E0041}", 0xE0041, 4),
            ("Ada\u{200D}Berg", 0x200D, 4),
            ("Ada\u{3164}", 0x3164, 4),
            ("Ada\u{2800}", 0x2800, 4),
            ("Ada\u{34F}", 0x34F, 4),
            ("Ada\u{180E}", 0x180E, 4),
            ("Ada\u{115F}", 0x115F, 4),
            ("Ada\u{61C}", 0x61C, 4),
            ("Ada\u{FEFF}", 0xFEFF, 4),
            ("علی\u{200C}", 0x200C, 4),
        ] {
            assert_eq!(check_visible(name), Err(NameFault::Invisible { code, place }), "{name:?}");
        }
        for name in [
            "Zoe\u{308} Müller",
            "O'Hara, Pat \"Paddy\"",
            "علی\u{200C}رضا",
            "Nguyễn Thị Ánh",
            "山田 太郎",
            "Ada\u{A0}Berg",
        ] {
            assert_eq!(check_visible(name), Ok(()), "{name:?}");
            assert_eq!(check_letters(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn words_of_mixed_scripts_and_special_letters_are_refused() {
        assert!(
            matches!(check_letters("\u{410}da Berg"), Err(NameFault::MixedScripts { word }) if word == "\u{410}da")
        );
        assert!(matches!(check_letters("Ad\u{3B1}"), Err(NameFault::MixedScripts { .. })));
        let fault = check_letters("\u{1D400}\u{1D41D}\u{1D41A}").unwrap_err();
        assert!(fault.to_string().contains("write `Ada`"), "{fault}");
        for name in
            ["Иван Петров", "Анна-Maria", "Mª José", "Łukasz Żak", "Σίσυφος", "佐藤さくら", "Person 12", "김철수"]
        {
            assert_eq!(check_letters(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn an_invisible_line_separator_is_a_blank() {
        assert_eq!(key("!\u{2028}0"), "! 0");
        assert_eq!(tidy("!\u{2028}0"), "! 0");
    }

    proptest! {
        #[test]
        fn tidying_a_name_keeps_its_key(name in "\\PC{0,30}") {
            prop_assert_eq!(key(&tidy(&name)), key(&name));
            prop_assert_eq!(key(&name.nfd().collect::<String>()), key(&name));
        }
    }
}
