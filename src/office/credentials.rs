//! PINs and tags of people. Records say that a PIN or a tag was set or removed, not which: neither a number, nor whether it was the duress PIN.

use super::{OfficeError, Register};
use crate::domain::{Actor, Event, PeopleEvent, PersonId, Pin, TagNumber};
use crate::gallery::{Person, PinKind, Prepared};

impl Register {
    /// Sets a person's PIN or duress PIN. Takes as long as hashing does, 50 to 500 ms on a board.
    pub fn set_pin(&self, id: PersonId, kind: PinKind, pin: &Pin, by: Actor) -> Result<Person, OfficeError> {
        self.changed(self.gallery().prepare_pin(id, kind, pin)?, "a PIN was set", by)
    }

    /// Removes a person's duress PIN, or both PINs.
    pub fn remove_pin(&self, id: PersonId, kind: PinKind, by: Actor) -> Result<Person, OfficeError> {
        self.changed(self.gallery().prepare_no_pin(id, kind)?, "a PIN was removed", by)
    }

    /// Adds a tag to a person.
    pub fn add_tag(
        &self,
        id: PersonId,
        number: &TagNumber,
        label: Option<&str>,
        by: Actor,
    ) -> Result<Person, OfficeError> {
        self.changed(self.gallery().prepare_tag(id, number, label)?, "a tag was added", by)
    }

    /// Removes the tag with this label or number from a person.
    pub fn remove_tag(&self, id: PersonId, which: &str, by: Actor) -> Result<Person, OfficeError> {
        self.changed(self.gallery().prepare_no_tag(id, which)?, "a tag was removed", by)
    }

    fn changed(&self, prepared: Prepared<'_>, what: &str, by: Actor) -> Result<Person, OfficeError> {
        self.write(prepared, |person| Event::People(PeopleEvent::Changed { person, what: what.into(), by }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::access::NearEnough;
    use crate::clock::SystemClock;
    use crate::domain::{Distance, Embedding, ModelId, Quality};
    use crate::gallery::{Gallery, NewPerson, Template};
    use crate::ledger::{Journal, ReadOrder};
    use crate::office::Recorder;
    use crate::seal::{Ring, StoreKey};
    use crate::store::Store;

    #[test]
    fn records_say_that_something_was_set_and_not_what() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let ring = Arc::new(Ring::open(dir.path(), StoreKey::generate().map(Some)));
        let gallery = Arc::new(Gallery::open(&store, &ring, ModelId::new("net"), 2).unwrap());
        let journal = Journal::open(&store).unwrap();
        let recorder = Arc::new(Recorder::new(&store, journal, Arc::new(SystemClock::new())));
        let register = Register::new(gallery.clone(), recorder.clone(), NearEnough::Fixed(Distance(1.0)));
        let embedding = Embedding::normalised(ModelId::new("net"), Box::new([1.0, 0.5])).unwrap();
        let template = Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH };
        let ada = gallery.enroll(NewPerson { name: "Ada".into(), ..NewPerson::default() }, vec![template]).unwrap().id;

        let by = || Actor::from("anna");
        let pin = |text: &str| text.parse::<Pin>().unwrap();
        register.set_pin(ada, PinKind::Usual, &pin("4071"), by()).unwrap();
        register.set_pin(ada, PinKind::Duress, &pin("4072"), by()).unwrap();
        assert!(register.set_pin(ada, PinKind::Duress, &pin("4071"), by()).is_err());
        register.add_tag(ada, &"04A22B1F".parse().unwrap(), Some("keys"), by()).unwrap();
        register.remove_tag(ada, "keys", by()).unwrap();
        register.remove_pin(ada, PinKind::Duress, by()).unwrap();
        let records = recorder.journal().list(.., ReadOrder::OldestFirst, 100).unwrap();
        let said: Vec<String> =
            records.iter().map(|record| record.content.to_json()["what"].as_str().unwrap().to_owned()).collect();
        assert_eq!(
            said,
            ["a PIN was set", "a PIN was set", "a tag was added", "a tag was removed", "a PIN was removed"]
        );
        let all: String = records.iter().map(|record| record.content.to_json().to_string()).collect();
        for secret in ["4071", "4072", "04A2", "2B1F", "keys", "uress"] {
            assert!(!all.contains(secret), "{secret}: {all}");
        }
    }
}
