//! The way of a site to another model: the office begins it, gathers templates of the new model, switches the gallery at the share that the operator
//! sets, and drops the old records once every board compares by the new one. Each act is on disk before anybody hears of it.

use std::sync::Arc;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::book::{Book, BookError, COMMIT, Item, Set, Who};
use super::kept::{KeptGallery, Roll, RollPhase};
use crate::access::NearEnough;
use crate::domain::{Embedding, ModelId};
use crate::fleet::{Gallery, ModelName, PersonBody, Site, SiteModels, SiteRules};
use crate::office::switch::{Catalogue, ModelCard, SwitchError};
use crate::store::Change;

/// People whom an answer names; of the others it tells the number.
const MOST_NAMED: usize = 10;
/// Dropped models that are remembered of a gallery.
const MOST_DROPPED: usize = 16;
/// How long the old records are kept after the switch at least, in milliseconds: a way back.
pub const KEPT_MS: u64 = 24 * 3600 * 1000;

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollOrder {
    pub site: Site,
    /// The new model's name in the manifest.
    pub to: String,
    /// The gallery goes over once this many of a hundred people have templates of the new model: 1 to 100.
    pub share: u8,
    /// Or after this moment, in milliseconds since 1970.
    pub after_ms: Option<u64>,
    /// Whether doors make templates of the new model.
    pub learn: bool,
}

/// How far a gallery is.
#[derive(Clone, Debug)]
pub struct RollStanding {
    pub roll: Roll,
    /// People who may enter and have templates of the model that is gone to.
    pub moved: usize,
    /// The others who may enter, by name.
    pub left: Vec<String>,
}

impl Book {
    /// The same book with the embedders of the manifest: galleries can go over from one to another.
    pub fn with_catalogue(mut self, catalogue: Arc<dyn Catalogue>) -> Book {
        self.catalogue = Some(catalogue);
        let kept = self.galleries.values().map(|people| &people.kept);
        let models: Vec<ModelId> =
            kept.flat_map(|kept| kept.model.iter().chain(kept.beside().map(|beside| &beside.model)).cloned()).collect();
        for model in models {
            self.measure(&model);
        }
        self
    }

    /// Learns how near is near enough for a model, if the manifest has it.
    fn measure(&mut self, model: &ModelId) {
        let Some(catalogue) = self.catalogue.clone().filter(|_| !self.measured.contains_key(model)) else { return };
        match catalogue.name_of(model).map(|name| catalogue.card(&name)) {
            Some(Ok(card)) => drop(self.measured.insert(model.clone(), card.near_enough)),
            Some(Err(error)) => tracing::warn!(%model, %error, "the distances of a model are not known here"),
            None => {}
        }
    }

    /// How near is near enough for these faces.
    pub(super) fn rule_for(&self, faces: &[Embedding]) -> &NearEnough {
        let of = faces.first().and_then(|face| self.measured.get(face.model()));
        of.unwrap_or(&self.near_enough)
    }

    /// Begins the way to another model, or changes its settings.
    pub fn begin_roll(&mut self, order: &RollOrder, by: &str, at_ms: u64) -> Result<(), BookError> {
        let gallery = Gallery::from(&order.site);
        if !(1..=100).contains(&order.share) {
            return Err(BookError::Refused("a share is 1 to 100 of a hundred people".into()));
        }
        if order.after_ms.is_some_and(|after| after <= at_ms) {
            return Err(BookError::Refused(format!(
                "that moment is over: {} would go over at once, whoever has templates of the new model. Name a later one",
                order.site
            )));
        }
        let kept = self.people(&gallery)?.kept.clone();
        let nobody = || BookError::Refused(format!("nobody is enrolled at {}: there is nothing to switch", order.site));
        let current = kept.model.clone().ok_or_else(nobody)?;
        let card = self.card(&order.to)?;
        let to = ModelName { name: card.name.clone(), model: card.model.clone() };
        let roll = match &kept.roll {
            None if card.model == current => {
                return Err(BookError::Refused(format!("{} is in use at {} already", to.name, order.site)));
            }
            None => {
                let from = self.name_of(&current)?;
                Roll { from, to, phase: RollPhase::Gathering, ..begun(order, by, at_ms) }
            }
            Some(roll) if roll.phase == RollPhase::Gathering && roll.to.model == card.model => {
                Roll { from: roll.from.clone(), to, since_ms: roll.since_ms, ..begun(order, by, at_ms) }
            }
            Some(Roll { from, to, phase, .. }) => {
                let next = match phase {
                    RollPhase::Gathering => "cancel it first",
                    RollPhase::Switched => "wait until all boards have switched, or finish it first",
                };
                return Err(BookError::Refused(format!(
                    "{} is on its way from {} to {}: {next}",
                    order.site, from.name, to.name
                )));
            }
        };
        self.measured.insert(card.model, card.near_enough);
        self.keep_roll(&gallery, |kept| {
            kept.dropped.retain(|model| *model != roll.to.model);
            kept.roll = Some(roll);
        })?;
        self.announce_models(&gallery, at_ms)
    }

    /// Stays with the old model and drops what there is of the new one; or after the switch, goes back, once. Returns the way as it was.
    pub fn cancel_roll(&mut self, site: &Site, by: &str, at_ms: u64) -> Result<Roll, BookError> {
        let gallery = Gallery::from(site);
        let roll = self.roll_of(&gallery)?;
        match roll.phase {
            RollPhase::Gathering => self.drop_beside(&gallery, at_ms)?,
            RollPhase::Switched if roll.back => {
                return Err(BookError::Refused(format!(
                    "{site} goes back to {} already: no other way is left to cancel. To go to {} again, wait until that is over, or finish it \
                     (`usher fleet models finish`), and then switch",
                    roll.to.name, roll.from.name
                )));
            }
            RollPhase::Switched => {
                let (from, to) = (roll.to.clone(), roll.from.clone());
                let back = Roll { from, to, by: by.to_owned(), back: true, ..roll.clone() };
                self.go_over(&gallery, back, at_ms)?;
            }
        }
        Ok(roll)
    }

    /// Drops the records of the model that the site comes from, although boards may still compare by it; and, if the operator insists, although
    /// somebody has templates of that one alone.
    pub fn finish_roll(&mut self, site: &Site, force: bool, at_ms: u64) -> Result<(), BookError> {
        let gallery = Gallery::from(site);
        let roll = self.roll_of(&gallery)?;
        if roll.phase == RollPhase::Gathering {
            return Err(BookError::Refused(format!(
                "{site} has not switched yet: nothing is dropped before, unless the switch is cancelled"
            )));
        }
        let left = self.roll_standing(&gallery).map(|standing| standing.left).unwrap_or_default();
        if !left.is_empty() && !force {
            return Err(BookError::MayForce(format!(
                "{} has templates of {} alone, and no door would know them by face any more: {}. Give them templates of {} first \
                 (`usher fleet models photographs`), or go back (`usher fleet models cancel`)",
                match left.len() {
                    1 => "one person".to_owned(),
                    people => format!("each of {people} people"),
                },
                roll.from.name,
                some_of(&left),
                roll.to.name
            )));
        }
        self.drop_beside(&gallery, at_ms)
    }

    /// Does what is due at `at_ms`: switches the gallery, or drops the old records. `models` are those that the site's boards compare by, one for each
    /// board that was not revoked; `None` for one that was not heard. Returns whether something was done.
    pub fn advance_roll(
        &mut self,
        gallery: &Gallery,
        models: &[Option<String>],
        at_ms: u64,
    ) -> Result<bool, BookError> {
        let Some(RollStanding { roll, moved, left }) = self.roll_standing(gallery) else { return Ok(false) };
        match roll.phase {
            RollPhase::Gathering => {
                let all = moved + left.len();
                let share = all > 0 && moved * 100 >= usize::from(roll.share) * all;
                let due = share || roll.after_ms.is_some_and(|after| at_ms >= after);
                if due {
                    tracing::info!(%gallery, to = %roll.to.model, moved, left = left.len(), "the site switches to the new model");
                    self.go_over(gallery, Roll { phase: RollPhase::Switched, ..roll }, at_ms)?;
                }
                Ok(due)
            }
            RollPhase::Switched => {
                let switched = |model: &Option<String>| model.as_deref() == Some(roll.to.model.as_str());
                // Whoever has templates of the old model alone would have none any more: an operator decides that.
                let over =
                    at_ms.saturating_sub(roll.since_ms) >= KEPT_MS && models.iter().all(switched) && left.is_empty();
                if over {
                    tracing::info!(%gallery, from = %roll.from.model, "all boards have switched: the old records are dropped");
                    self.drop_beside(gallery, at_ms)?;
                }
                Ok(over)
            }
        }
    }

    /// How far a gallery is; `None` if it is on no way to another model.
    pub fn roll_standing(&self, gallery: &Gallery) -> Option<RollStanding> {
        let people = self.galleries.get(gallery)?;
        let roll = people.kept.roll.clone()?;
        let of_new = people.set(&roll.to.model)?.0;
        let has = |uuid: &Uuid| {
            of_new.get(uuid).and_then(|entry| entry.who.as_ref()).is_some_and(|who| !who.faces.is_empty())
        };
        let enabled: Vec<(&Uuid, &Who)> = people.enrolled().filter(|(_, who)| who.body.enabled).collect();
        let mut left: Vec<String> =
            enabled.iter().filter(|(uuid, _)| !has(uuid)).map(|(_, who)| who.body.name.clone()).collect();
        left.sort();
        Some(RollStanding { moved: enabled.len() - left.len(), roll, left })
    }

    /// Everybody gets a record of the model that is gone to, also those who have no templates of it; then it is in force.
    fn go_over(&mut self, gallery: &Gallery, roll: Roll, at_ms: u64) -> Result<(), BookError> {
        let people = self.people(gallery)?;
        let (to, floor) = (roll.to.model.clone(), people.kept.floor);
        let without: Vec<(Uuid, PersonBody)> = people
            .enrolled()
            .filter(|(uuid, _)| !people.beside.entries.contains_key(uuid))
            .map(|(uuid, who)| (*uuid, who.body.clone()))
            .collect();
        for part in without.chunks(COMMIT) {
            let mut sealed = Vec::with_capacity(part.len());
            for (uuid, body) in part {
                sealed.push(self.sealed_person(gallery, *uuid, &to, body, floor.saturating_add(1))?);
            }
            let changes: Vec<Change> =
                sealed.iter().map(|(record, signed)| self.trees.put_person(record, signed)).collect();
            self.trees.store.commit(&changes)?;
            for (record, signed) in sealed {
                self.hold(record, signed)?;
            }
        }
        let roll = Roll { since_ms: at_ms, phase: RollPhase::Switched, ..roll };
        self.keep_roll(gallery, |kept| {
            kept.model = Some(to);
            kept.roll = Some(roll);
        })?;
        if let Some(people) = self.galleries.get_mut(gallery) {
            std::mem::swap(&mut people.entries, &mut people.beside.entries);
            std::mem::swap(&mut people.digest, &mut people.beside.digest);
        }
        self.announce_models(gallery, at_ms)
    }

    /// Drops the records beside those in force: here, at the servers, and by a new key for all others, which destroys the one that opened them.
    fn drop_beside(&mut self, gallery: &Gallery, at_ms: u64) -> Result<(), BookError> {
        let people = self.people(gallery)?;
        let before = people.kept.clone();
        let Some(gone) = before.beside().cloned() else { return Ok(()) };
        let left: Vec<Change> =
            people.beside.entries.keys().map(|uuid| self.trees.delete_person(*uuid, &gone.model)).collect();
        let newest = people.beside.entries.values().map(|entry| entry.record.version()).max();
        let kept = KeptGallery {
            roll: None,
            named: Some(self.named(&before)?),
            floor: before.floor.max(newest.unwrap_or_default()),
            dropped: before.dropped.iter().filter(|model| **model != gone.model).cloned().collect(),
            ..before.clone()
        };
        let kept = remembering(kept, gone.model.clone());
        if let Some(people) = self.galleries.get_mut(gallery) {
            people.kept = kept;
        }
        if let Err(error) = self.begin_epoch(gallery, Vec::new()) {
            if let Some(people) = self.galleries.get_mut(gallery) {
                people.kept = before;
            }
            return Err(error);
        }
        if let Some(people) = self.galleries.get_mut(gallery) {
            people.beside = Set::default();
        }
        // A stop from here on leaves records that the next start deletes.
        for part in left.chunks(COMMIT) {
            self.trees.store.commit(part)?;
        }
        self.unsent.retain(|item| !matches!(item, Item::Person(of, model, _) if of == gallery && *model == gone.model));
        self.unsent.insert(Item::Dropped(gallery.clone(), gone.model));
        self.changes += 1;
        self.announce_models(gallery, at_ms)
    }

    /// Brings the site's rules to say which models it has, if they do not.
    pub(super) fn announce_models(&mut self, gallery: &Gallery, at_ms: u64) -> Result<(), BookError> {
        let Ok(site) = gallery.as_str().parse::<Site>() else { return Ok(()) };
        let wanted = announced(&self.people(gallery)?.kept);
        if self.rules.get(&site).and_then(|rules| rules.body.models.clone()) == wanted {
            return Ok(());
        }
        self.change_rules(&site, at_ms, |rules| rules.models = wanted)
    }

    /// Follows rules of this office that are newer than the store, which was restored from a backup: the gallery may have gone over since.
    pub(super) fn adopt_models(&mut self, rules: &SiteRules) -> Result<(), BookError> {
        let gallery = Gallery::from(&rules.site);
        let Some(SiteModels { current, beside, switched, learn, by }) = rules.models.clone() else { return Ok(()) };
        let Some(people) = self.galleries.get(&gallery) else { return Ok(()) };
        if announced(&people.kept).as_ref() == rules.models.as_ref() {
            return Ok(());
        }
        let roll = beside.map(|beside| {
            let (from, to) = if switched { (beside, current.clone()) } else { (current.clone(), beside) };
            let phase = if switched { RollPhase::Switched } else { RollPhase::Gathering };
            Roll { from, to, phase, share: 100, after_ms: None, learn, by, since_ms: rules.since_ms, back: false }
        });
        self.keep_roll(&gallery, |kept| {
            kept.model = Some(current.model.clone());
            (kept.roll, kept.named) = (roll, Some(current.clone()));
        })?;
        let Some(people) = self.galleries.get_mut(&gallery) else { return Ok(()) };
        let held = [std::mem::take(&mut people.entries), std::mem::take(&mut people.beside.entries)];
        (people.digest, people.beside) = Default::default();
        for entry in held.into_iter().flat_map(std::collections::BTreeMap::into_values) {
            match self.keeps(&entry.record) {
                true => self.hold(entry.record, entry.signed)?,
                false => {
                    let gone = self.trees.delete_person(entry.record.uuid(), entry.record.model());
                    self.trees.store.commit(&[gone])?;
                }
            }
        }
        Ok(())
    }

    fn keep_roll(&mut self, gallery: &Gallery, change: impl FnOnce(&mut KeptGallery)) -> Result<(), BookError> {
        let mut kept = self.people(gallery)?.kept.clone();
        change(&mut kept);
        self.trees.store.commit(&[self.trees.put_gallery(gallery, &kept)])?;
        if let Some(people) = self.galleries.get_mut(gallery) {
            people.kept = kept;
        }
        self.changes += 1;
        Ok(())
    }

    pub(super) fn roll_of(&self, gallery: &Gallery) -> Result<Roll, BookError> {
        let none = || {
            BookError::Refused(format!(
                "{gallery} is not on the way to another model: `usher fleet models switch` begins that"
            ))
        };
        self.people(gallery)?.kept.roll.clone().ok_or_else(none)
    }

    /// The model in force, by its name.
    fn named(&self, kept: &KeptGallery) -> Result<ModelName, BookError> {
        let model = kept.model.clone().unwrap_or_else(|| ModelId::new("none"));
        let of_roll = kept.roll.iter().flat_map(|roll| [&roll.from, &roll.to]).find(|name| name.model == model);
        of_roll.cloned().map_or_else(|| self.name_of(&model), Ok)
    }

    fn name_of(&self, model: &ModelId) -> Result<ModelName, BookError> {
        let name = self.catalogue.as_ref().and_then(|catalogue| catalogue.name_of(model));
        let unknown = || {
            BookError::Refused(format!("no embedder of the office's manifest has the id {model}: see [models] path"))
        };
        Ok(ModelName { name: name.ok_or_else(unknown)?, model: model.clone() })
    }

    fn card(&self, name: &str) -> Result<ModelCard, BookError> {
        let none = || BookError::Refused("this office has no manifest of models".into());
        let card = self.catalogue.as_ref().ok_or_else(none)?.card(name)?;
        match card.near_enough {
            NearEnough::Fixed(distance) => {
                Err(BookError::Refused(SwitchError::FixedDistance { distance, name: card.name }.to_string()))
            }
            _ => Ok(card),
        }
    }
}

/// What the rules of the site say of its models.
fn announced(kept: &KeptGallery) -> Option<SiteModels> {
    match &kept.roll {
        None => {
            let current = kept.named.clone()?;
            Some(SiteModels { current, beside: None, switched: true, learn: false, by: String::new() })
        }
        Some(Roll { from, to, phase, learn, by, .. }) => {
            let switched = *phase == RollPhase::Switched;
            let (current, beside) = if switched { (to, from) } else { (from, to) };
            Some(SiteModels {
                current: current.clone(),
                beside: Some(beside.clone()),
                switched,
                learn: *learn,
                by: by.clone(),
            })
        }
    }
}

fn begun(order: &RollOrder, by: &str, at_ms: u64) -> Roll {
    let nothing = || ModelName { name: String::new(), model: ModelId::new("none") };
    Roll {
        from: nothing(),
        to: nothing(),
        phase: RollPhase::Gathering,
        share: order.share,
        after_ms: order.after_ms,
        learn: order.learn,
        by: by.to_owned(),
        since_ms: at_ms,
        back: false,
    }
}

/// The first names of a list, and how many more there are.
fn some_of(names: &[String]) -> String {
    let more = names.len().saturating_sub(MOST_NAMED);
    let named: Vec<&str> = names.iter().take(MOST_NAMED).map(String::as_str).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

fn remembering(mut kept: KeptGallery, gone: ModelId) -> KeptGallery {
    kept.dropped.push(gone);
    let more = kept.dropped.len().saturating_sub(MOST_DROPPED);
    kept.dropped.drain(..more);
    kept
}

/// Templates as a body holds them.
pub(super) fn wiped(templates: Vec<Vec<u8>>) -> Vec<Zeroizing<Vec<u8>>> {
    templates.into_iter().map(Zeroizing::new).collect()
}
