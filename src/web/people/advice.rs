//! What to do about a face that cannot be used, in the language of whoever looks.

use crate::web::Words;

/// What to do about a face, in the language of whoever looks; in the API's own words where there is none for it.
pub fn advice(words: &Words, code: &str, reason: &str) -> String {
    let id = match code {
        "no_picture" => "people-advice-no-picture",
        "no_face" => "people-advice-no-face",
        "several" => "people-advice-several",
        "small" => "people-advice-small",
        "blurred" => "people-advice-blurred",
        "turned" => "people-advice-turned",
        "nodding" => "people-advice-nodding",
        "dark" => "people-advice-dark",
        "bright" => "people-advice-bright",
        "weak" => "people-advice-weak",
        "other_person" => "people-advice-other-person",
        "good" => "people-advice-good",
        "unreadable" => "people-advice-unreadable",
        _ => return reason.to_owned(),
    };
    words.get(id)
}
