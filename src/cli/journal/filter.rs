//! Which records somebody wants to see.

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use crate::cli::when;
use crate::ledger::Record;

/// All that is given has to fit.
#[derive(Args, Default)]
pub struct Filter {
    /// Not before this time: `2026-01-31`, `2026-01-31T08:00`, `08:00`, `today`, `yesterday`, `2h`, `7d`
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    since: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    until: Option<Timestamp>,
    /// Only records of this kind, as in `granted`; may be given several times
    #[arg(long)]
    kind: Vec<String>,
    /// Only records about this person: the number, as in `#7`, or the whole name
    #[arg(long)]
    person: Option<String>,
    /// Only records about this door
    #[arg(long)]
    door: Option<String>,
}

impl Filter {
    /// Whether everything fits.
    pub fn is_empty(&self) -> bool {
        let Filter { since, until, kind, person, door } = self;
        since.is_none() && until.is_none() && kind.is_empty() && person.is_none() && door.is_none()
    }

    /// Whether the record is older than what is wanted.
    pub fn is_before(&self, record: &Record) -> bool {
        let at = Timestamp::try_from(record.at).unwrap_or(Timestamp::MIN);
        self.since.is_some_and(|since| at < since)
    }

    /// Whether the record is wanted.
    pub fn fits(&self, record: &Record) -> bool {
        let at = Timestamp::try_from(record.at).unwrap_or(Timestamp::MIN);
        let about = |person: &Value, wanted: &str| {
            let number = wanted.strip_prefix('#').unwrap_or(wanted).parse::<u64>().ok();
            number.is_some() && person["id"].as_u64() == number
                || person["name"].as_str().is_some_and(|name| name.to_lowercase() == wanted.to_lowercase())
        };
        !self.is_before(record)
            && self.until.is_none_or(|until| at < until)
            && (self.kind.is_empty() || self.kind.contains(&record.kind))
            && self.person.as_ref().is_none_or(|wanted| about(&record.content["person"], wanted))
            && self.door.as_ref().is_none_or(|door| record.content["door"] == **door)
    }
}

/// Calls `found` with the number and the name of each person that a content tells of.
pub fn people(content: &Value, found: &mut impl FnMut(u32, &str)) {
    match content {
        Value::Object(fields) => {
            let id = content["id"].as_u64().and_then(|id| u32::try_from(id).ok());
            if let (Some(id), Some(name)) = (id, content["name"].as_str()) {
                found(id, name);
            }
            fields.values().for_each(|value| people(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| people(value, found)),
        _ => {}
    }
}
