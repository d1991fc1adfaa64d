//! The texts of the page, one file a language (Fluent). English is complete; a test holds that the others have the same texts and the same variables.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// A language's tag (BCP 47), its own name for itself, and its texts.
const LANGUAGES: [(&str, &str, &str); 3] = [
    ("en", "English", include_str!("words/en.ftl")),
    ("de", "Deutsch", include_str!("words/de.ftl")),
    ("zh", "中文", include_str!("words/zh.ftl")),
];

static ALL: LazyLock<Vec<Words>> =
    LazyLock::new(|| LANGUAGES.map(|(tag, name, texts)| Words::read(tag, name, texts)).into());

/// The texts of one language.
pub struct Words {
    tag: &'static str,
    name: &'static str,
    texts: FluentBundle<FluentResource>,
}

impl Words {
    fn read(tag: &'static str, name: &'static str, texts: &str) -> Words {
        let language: LanguageIdentifier = tag.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![language]);
        // Marks around what is filled in: they are for mixed directions of writing, which none of the languages has.
        bundle.set_use_isolating(false);
        // What cannot be read is left out; a test holds that all can.
        let resource = FluentResource::try_new(texts.to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
        Words { tag, name, texts: bundle }
    }

    /// All languages.
    pub fn all() -> &'static [Words] {
        &ALL
    }

    /// The language of a tag such as `de-AT`; `None` if it is not there.
    pub fn of(tag: &str) -> Option<&'static Words> {
        let language = tag.split('-').next().unwrap_or_default().to_lowercase();
        ALL.iter().find(|words| words.tag == language)
    }

    /// English.
    pub fn english() -> &'static Words {
        static ENGLISH: LazyLock<Words> = LazyLock::new(|| Words::read("en", "English", include_str!("words/en.ftl")));
        Words::of("en").unwrap_or(&ENGLISH)
    }

    /// The language's tag, for `lang`.
    pub fn tag(&self) -> &'static str {
        self.tag
    }

    /// The language's own name for itself.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether there is a text of that id.
    pub fn has(&self, id: &str) -> bool {
        self.texts.has_message(id)
    }

    /// The text of an id.
    pub fn get(&self, id: &str) -> String {
        self.with(id, &[])
    }

    /// The text of an id, with its variables. An id that is in no language shows as itself.
    pub fn with(&self, id: &str, variables: &[(&str, FluentValue<'_>)]) -> String {
        let mut arguments = FluentArgs::new();
        for (name, value) in variables {
            arguments.set((*name).to_owned(), value.clone());
        }
        let text = |words: &Words| {
            let pattern = words.texts.get_message(id)?.value()?;
            Some(words.texts.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned())
        };
        text(self).or_else(|| text(Words::english())).unwrap_or_else(|| id.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use super::*;

    /// Each text's id with the variables that it uses. Fails if the file cannot be read.
    fn texts(file: &str) -> BTreeMap<String, BTreeSet<String>> {
        assert!(
            FluentResource::try_new(file.to_owned()).is_ok(),
            "{:?}",
            FluentResource::try_new(file.to_owned()).err()
        );
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut id = String::new();
        for line in file.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            if !line.starts_with([' ', '}']) {
                id = line.split(['=', ' ']).next().unwrap().to_owned();
                assert!(all.insert(id.clone(), BTreeSet::new()).is_none(), "{id} is there twice");
            }
            let variables = line.split('$').skip(1);
            let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
            all.get_mut(&id).unwrap().extend(variables.map(name));
        }
        all
    }

    #[test]
    fn every_language_has_every_text_with_the_same_variables() {
        let english = texts(LANGUAGES[0].2);
        for (tag, _, file) in &LANGUAGES[1..] {
            let other = texts(file);
            let missing: Vec<_> = english.keys().filter(|id| !other.contains_key(*id)).collect();
            let more: Vec<_> = other.keys().filter(|id| !english.contains_key(*id)).collect();
            assert!(missing.is_empty() && more.is_empty(), "{tag}: missing {missing:?}, too many {more:?}");
            for (id, variables) in &english {
                assert_eq!(&other[id], variables, "{tag}: {id}");
            }
        }
    }

    /// Ids stand in the code as literals: `get("…")`, `with("…"`, `done(…, "…")`.
    #[test]
    fn every_text_that_the_pages_use_is_there_and_none_is_left_over() {
        fn code(folder: &Path, all: &mut String) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => code(&path, all),
                    false if path.extension().is_some_and(|e| e == "rs") => {
                        all.push_str(&std::fs::read_to_string(&path).unwrap())
                    }
                    false => {}
                }
            }
        }
        let mut all = String::new();
        code(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web"), &mut all);
        let literals: BTreeSet<&str> = all.split('"').collect();
        let english = texts(LANGUAGES[0].2);
        for call in [".get(\"", ".with(\""] {
            for rest in all.split(call).skip(1) {
                let id = rest.split('"').next().unwrap();
                let is_id =
                    id.contains('-') && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
                assert!(!is_id || english.contains_key(id), "{id} is in no file");
            }
        }
        let unused: Vec<_> = english.keys().filter(|id| !literals.contains(id.as_str())).collect();
        assert!(unused.is_empty(), "{unused:?}");
    }

    #[test]
    fn a_browsers_languages_find_the_nearest_that_is_there() {
        assert_eq!(Words::of("de-AT").map(Words::tag), Some("de"));
        assert_eq!(Words::of("zh-Hans-CN").map(Words::tag), Some("zh"));
        assert!(Words::of("fr").is_none() && Words::of("").is_none());
        assert_eq!(Words::english().get("no such text"), "no such text");
        assert_eq!(Words::english().with("refused-no-page", &[("path", "/x".into())]), "There is no page /x.");
    }
}
