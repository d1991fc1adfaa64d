//! Whether a new name or face is somebody's already, over all sites.

use uuid::Uuid;

use super::book::{Book, BookError, Who};
use crate::domain::{Distance, Embedding, GallerySize};
use crate::fleet::Gallery;
use crate::names;
use crate::office::outliers::find_outliers;

/// Somebody to be enrolled, as tidied.
pub struct Newcomer<'a> {
    pub gallery: &'a Gallery,
    pub name: &'a str,
    pub employee_id: Option<&'a str>,
    pub faces: &'a [Embedding],
    /// What each face was made from.
    pub labels: &'a [String],
}

impl Book {
    /// Fails if the newcomer's faces are not of one person, or if name or face are like somebody's. One person may be enrolled at several sites, by
    /// the same name.
    pub fn require_new(&self, new: &Newcomer<'_>) -> Result<(), BookError> {
        self.require_one_person(new)?;
        self.require_name(new)?;
        self.require_stranger(new)
    }

    /// The one who is meant at a site: by uuid, whatever anybody is called, or by employee id or name.
    pub fn meant(&self, gallery: &Gallery, query: &str) -> Result<Uuid, BookError> {
        let Some(people) = self.galleries.get(gallery) else {
            return Err(BookError::Refused(format!("there is no site {gallery}: `usher fleet status` lists all")));
        };
        if let Ok(uuid) = Uuid::parse_str(query.trim())
            && people.enrolled().any(|(known, _)| *known == uuid)
        {
            return Ok(uuid);
        }
        let named = |who: &Who| names::same(&who.body.name, query);
        let known = |who: &Who| who.body.employee_id.as_deref() == Some(query) || named(who);
        let found: Vec<Uuid> = people.enrolled().filter(|(_, who)| known(who)).map(|(uuid, _)| *uuid).collect();
        match found[..] {
            [one] => Ok(one),
            [] => Err(BookError::Refused(format!(
                "nobody at {gallery} is called {query}: `usher fleet people` with that site lists all"
            ))),
            _ => {
                let all: Vec<String> = found.iter().map(Uuid::to_string).collect();
                let all = all.join(", ");
                Err(BookError::Refused(format!("several people at {gallery} are called {query}: name one by {all}")))
            }
        }
    }

    fn require_one_person(&self, new: &Newcomer<'_>) -> Result<(), BookError> {
        let limit = self.rule_for(new.faces).cut(GallerySize::ONE).distance;
        let between = |i: usize, j: usize| new.faces.get(i)?.distance(new.faces.get(j)?);
        let Some(outliers) = find_outliers(new.faces.len(), limit, between) else { return Ok(()) };
        let label = |at: usize| new.labels.get(at).cloned().unwrap_or_else(|| format!("template {}", at + 1));
        let apart: Vec<String> = outliers.apart.iter().map(|(at, _)| label(*at)).collect();
        Err(BookError::MayForce(format!(
            "{} does not look like {}: leave the first out, unless they show the same person",
            apart.join(", "),
            label(outliers.middle)
        )))
    }

    fn require_name(&self, new: &Newcomer<'_>) -> Result<(), BookError> {
        let Some(people) = self.galleries.get(new.gallery) else { return Ok(()) };
        for (_, who) in people.enrolled() {
            let (name, id) = (&who.body.name, who.body.employee_id.as_deref());
            if new.employee_id.is_some() && id == new.employee_id {
                return Err(BookError::Refused(format!("the employee id is already that of {name}: give another one")));
            }
            let apart = matches!((id, new.employee_id), (Some(one), Some(other)) if one != other);
            if names::same(name, new.name) && !apart {
                return Err(BookError::MayForce(format!(
                    "{name} is already enrolled at {}: forget them first, or give both an employee id",
                    new.gallery
                )));
            }
            if !names::same(name, new.name) && names::look_alike(name, new.name) {
                let why = "has other characters: type the name with the keyboard layout of its language";
                return Err(BookError::MayForce(format!("{} looks like {name} but {why}", new.name)));
            }
        }
        names::check_letters(new.name).map_err(|fault| {
            BookError::MayForce(format!("the name {:?} may look the same as another: {fault}", new.name))
        })
    }

    fn require_stranger(&self, new: &Newcomer<'_>) -> Result<(), BookError> {
        let size = self.galleries.values().flat_map(|people| people.enrolled()).fold(
            GallerySize { people: 0, templates: 0 },
            |size, (_, who)| GallerySize { people: size.people + 1, templates: size.templates + who.faces.len() },
        );
        let limit = self.rule_for(new.faces).cut(size).distance;
        for (gallery, people) in &self.galleries {
            for (_, who) in people.enrolled() {
                let elsewhere = gallery != new.gallery && names::same(&who.body.name, new.name);
                let near = nearest(&who.faces, new.faces).filter(|near| near.0 <= limit.0 && !elsewhere);
                if let Some(distance) = near {
                    let why = format!(
                        "this may be {}, who is already enrolled at {gallery}: distance {distance}, and up to {limit} counts as the same person, \
                         unless they are twins or look alike",
                        who.body.name
                    );
                    return Err(match gallery == new.gallery {
                        true => BookError::MayForce(why),
                        false => BookError::AlikeElsewhere(why),
                    });
                }
            }
        }
        Ok(())
    }
}

/// The least distance between faces of two people; `None` if none can be compared.
pub(super) fn nearest(of_one: &[Embedding], of_other: &[Embedding]) -> Option<Distance> {
    let pairs = of_one.iter().flat_map(|one| of_other.iter().filter_map(|other| one.distance(other)));
    pairs.min_by(|a, b| a.0.total_cmp(&b.0))
}
