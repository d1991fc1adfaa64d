//! The address of one of a person's templates.

use std::fmt;

use super::record::{self, Kind};

/// Which of a person's templates: its kind, and its number among those, from 0. It stays the same for as long as the template is kept.
///
/// Written `2` for one that was enrolled, `learned-0` for one that came from a grant, `lookalike-1` for a negative reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateId(u32);

const LEARNED: &str = "learned-";
const LOOKALIKE: &str = "lookalike-";

impl TemplateId {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<TemplateId> {
        let (kind, number) = if let Some(number) = text.strip_prefix(LEARNED) {
            (Kind::Learned, number)
        } else if let Some(number) = text.strip_prefix(LOOKALIKE) {
            (Kind::NotThem, number)
        } else {
            (Kind::Enrolled, text)
        };
        // No sign, as `parse` would take it.
        let number: u32 = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok()).flatten()?;
        let whole = kind.numbers().start().checked_add(number)?;
        kind.numbers().contains(&whole).then_some(TemplateId(whole))
    }

    /// What the template is for.
    pub fn kind(self) -> Kind {
        Kind::of(self.0)
    }

    /// The template that is stored under `key`; `None` if it is not a template's key.
    pub(super) fn of_key(key: &[u8]) -> Option<TemplateId> {
        record::read_template_key(key).map(|(_, number)| TemplateId(number))
    }
}

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0 - self.kind().numbers().start();
        match self.kind() {
            Kind::Enrolled => write!(f, "{number}"),
            Kind::Learned => write!(f, "{LEARNED}{number}"),
            Kind::NotThem => write!(f, "{LOOKALIKE}{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_it_is_written() {
        for (text, kind) in [
            ("0", Kind::Enrolled),
            ("63", Kind::Enrolled),
            ("learned-0", Kind::Learned),
            ("learned-12", Kind::Learned),
            ("lookalike-0", Kind::NotThem),
            ("lookalike-15", Kind::NotThem),
        ] {
            let id = TemplateId::parse(text).unwrap();
            assert_eq!((id.to_string().as_str(), id.kind()), (text, kind));
        }
    }

    #[test]
    fn anything_else_is_no_address() {
        let too_large = (1u32 << 30).to_string();
        let beyond = format!("learned-{}", 1u32 << 30);
        for text in ["", "-1", "+1", "1 ", "learned-", "learned--1", "other-1", "4294967296", &too_large, &beyond] {
            assert_eq!(TemplateId::parse(text), None, "{text}");
        }
    }
}
