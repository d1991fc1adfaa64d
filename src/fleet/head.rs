//! What a whole gallery looks like, signed by the office each minute: a board that holds the same knows that it is whole, and how old that news is.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::digest::DigestValue;
use super::name::{Gallery, Site};
use super::signed::{Body, Kind};
use crate::domain::ModelId;

/// A gallery at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub gallery: Gallery,
    /// The model of the records that are counted.
    pub model: ModelId,
    /// When it was signed, in milliseconds since 1970, by the office's clock.
    pub at_ms: u64,
    /// The number of records, with those of people who were forgotten.
    pub count: u64,
    /// Of those records.
    pub digest: DigestValue,
    /// The sum of their versions, which rises with every change, and the highest version of any record, also of the other model.
    #[serde(default)]
    pub total: u64,
    #[serde(default)]
    pub highest: u64,
    /// The epoch of all of them. Keys of epochs before it are destroyed once the digest is the same.
    pub epoch: u64,
    /// The version of each site's rules.
    #[serde(default)]
    pub rules: BTreeMap<Site, u64>,
    /// The records of the other model, while the gallery goes over from one to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<SetHead>,
}

/// The records of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetHead {
    pub model: ModelId,
    /// The number of records, with those of people who were forgotten.
    pub count: u64,
    /// Of those records.
    pub digest: DigestValue,
}

impl Body for Head {
    const KIND: Kind = Kind::Head;
    const MAX: usize = 64 * 1024;
}

impl Head {
    /// The records of `model`; `None` if the office keeps none of it.
    pub fn set(&self, model: &ModelId) -> Option<SetHead> {
        if self.model == *model {
            return Some(SetHead { model: self.model.clone(), count: self.count, digest: self.digest });
        }
        self.beside.clone().filter(|beside| beside.model == *model)
    }

    /// When it was signed.
    pub fn at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(self.at_ms)).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// The newest head of a gallery. A server that repeats an older one is not believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    newest: Option<Head>,
}

impl Heads {
    /// Begins with the head that was kept over a restart.
    pub fn kept(head: Head) -> Heads {
        Heads { newest: Some(head) }
    }

    /// Takes a head. Returns whether it is newer than the one before, and of the same gallery.
    pub fn take(&mut self, head: Head) -> bool {
        let newer = |newest: &Head| head.gallery == newest.gallery && head.at_ms > newest.at_ms;
        let takes = self.newest.as_ref().is_none_or(newer);
        if takes {
            self.newest = Some(head);
        }
        takes
    }

    /// The newest head.
    pub fn newest(&self) -> Option<&Head> {
        self.newest.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Digest;

    fn head(gallery: &str, at_ms: u64) -> Head {
        let digest = Digest::default().value();
        let (gallery, model) = (gallery.parse().unwrap(), ModelId::new("net-1"));
        let rules = BTreeMap::new();
        Head { gallery, model, at_ms, count: 0, total: 0, highest: 0, digest, epoch: 1, rules, beside: None }
    }

    #[test]
    fn a_head_tells_the_sets_of_both_models_apart() {
        let beside = SetHead { model: ModelId::new("net-2"), count: 7, digest: Digest::default().value() };
        let head = Head { beside: Some(beside.clone()), count: 9, ..head("berlin", 5) };
        assert_eq!(head.set(&ModelId::new("net-2")), Some(beside));
        assert_eq!(head.set(&ModelId::new("net-1")).map(|set| set.count), Some(9));
        assert_eq!(head.set(&ModelId::new("net-3")), None);
    }

    #[test]
    fn the_newest_head_stays() {
        let mut heads = Heads::default();
        assert!(heads.take(head("berlin", 60_000)));
        assert!(!heads.take(head("berlin", 60_000)), "repeated");
        assert!(!heads.take(head("berlin", 59_999)), "older");
        assert!(!heads.take(head("paris", 70_000)));
        assert!(heads.take(head("berlin", 120_000)));
        let newest = heads.newest().unwrap();
        assert_eq!(newest.at(), SystemTime::UNIX_EPOCH + Duration::from_secs(120));
        let text = serde_json::to_string(newest).unwrap();
        assert_eq!(serde_json::from_str::<Head>(&text).unwrap(), *newest);
    }
}
