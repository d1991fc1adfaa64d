//! Which records somebody wants to see.

use std::time::SystemTime;

use anyhow::{Error, Result};
use clap::Args;
use serde_json::Value;

use crate::cli::when::Calendar;
use crate::ledger::{Dated, Window};

/// All that is given has to fit.
#[derive(Args, Default)]
pub struct Filter {
    /// Not before this time: `2026-01-31`, `2026-01-31T08:00`, `08:00`, `today`, `yesterday`, `2h`, `7d`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
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
    /// What of it times and kinds say.
    pub fn window(&self, calendar: &Calendar) -> Result<Window> {
        let time = |text: &Option<String>| {
            let at = text.as_deref().map(|text| calendar.parse(text)).transpose().map_err(Error::msg)?;
            Ok::<_, Error>(at.map(SystemTime::try_from).transpose()?)
        };
        Ok(Window { since: time(&self.since)?, until: time(&self.until)?, kinds: self.kind.clone() })
    }

    /// Whether the record is about the person and the door that are wanted.
    pub fn fits(&self, dated: &Dated) -> bool {
        let record = &dated.record;
        let about = |person: &Value, wanted: &str| {
            let number = wanted.strip_prefix('#').unwrap_or(wanted).parse::<u64>().ok();
            number.is_some() && person["id"].as_u64() == number
                || person["name"].as_str().is_some_and(|name| name.to_lowercase() == wanted.to_lowercase())
        };
        self.person.as_ref().is_none_or(|wanted| about(&record.content["person"], wanted))
            && self.door.as_ref().is_none_or(|door| record.content["door"] == **door)
    }

    /// Whether [`Filter::fits`] says yes to every record.
    pub fn fits_all(&self) -> bool {
        self.person.is_none() && self.door.is_none()
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
