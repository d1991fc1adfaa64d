//! What the servers refuse: it is set aside, so that everything else goes out, and is tried again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::book::{Book, Item};
use super::protocol::RefusedRow;
use crate::fleet::{Gallery, Site};

impl Item {
    /// The gallery that it belongs to.
    pub fn gallery(&self) -> Gallery {
        match self {
            Item::Rules(site) | Item::Answers(site, _) => Gallery::from(site),
            Item::Key(gallery, _) | Item::Dropped(gallery, _) | Item::Person(gallery, ..) => gallery.clone(),
        }
    }

    /// What it is, in a word. Items of one gallery and one kind are in one stream.
    pub fn kind(&self) -> &'static str {
        match self {
            Item::Rules(_) => "rules",
            Item::Key(..) => "keys",
            Item::Dropped(..) | Item::Person(..) => "people",
            Item::Answers(..) => "answers",
        }
    }
}

impl Book {
    /// Whether the servers do not have everything of a site yet.
    pub fn waits(&self, site: &Site) -> bool {
        let gallery = Gallery::from(site);
        self.unsent.iter().chain(self.refused.keys()).any(|item| item.gallery() == gallery)
    }

    /// Whether the servers do not have a site's rules yet.
    pub fn rules_wait(&self, site: &Site) -> bool {
        let rules = Item::Rules(site.clone());
        self.unsent.contains(&rules) || self.refused.contains_key(&rules)
    }

    /// Sets an item aside that the servers refused, and why.
    pub fn set_aside(&mut self, item: &Item, why: &str) {
        if self.unsent.remove(item) {
            self.refused.insert(item.clone(), why.into());
        }
    }

    /// The same for all unsent items of the same kind and gallery.
    pub fn set_aside_all(&mut self, like: &Item, why: &str) {
        let (gallery, kind, why): (Gallery, &str, Arc<str>) = (like.gallery(), like.kind(), why.into());
        let refused = &mut self.refused;
        self.unsent.retain(|item| {
            let is_like = item.kind() == kind && item.gallery() == gallery;
            if is_like {
                refused.insert(item.clone(), why.clone());
            }
            !is_like
        });
    }

    /// Everything that was set aside is unsent again.
    pub fn try_refused_again(&mut self) {
        self.unsent.extend(std::mem::take(&mut self.refused).into_keys());
    }

    /// The item is at the servers, or is not to be there any more.
    pub fn is_sent(&mut self, item: &Item) {
        self.unsent.remove(item);
        self.refused.remove(item);
    }

    /// What the servers refuse, by site and kind.
    pub fn refused_rows(&self) -> Vec<RefusedRow> {
        let mut rows: BTreeMap<(Gallery, &str), RefusedRow> = BTreeMap::new();
        for (item, why) in &self.refused {
            let gallery = item.gallery();
            let first = || RefusedRow {
                site: gallery.to_string(),
                what: item.kind().to_owned(),
                count: 0,
                why: why.to_string(),
            };
            let row = rows.entry((gallery.clone(), item.kind())).or_insert_with(first);
            row.count = row.count.saturating_add(1);
        }
        rows.into_values().collect()
    }
}
