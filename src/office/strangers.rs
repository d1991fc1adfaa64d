//! Unknown visitors, grouped by person, with the enrolled person each resembles most.
//!
//! Joins the visitors, the clustering and the gallery, so that embeddings stay where the store is open.

use std::time::SystemTime;

use super::{Gates, OfficeError, Recorder, Refusal};
use crate::domain::{Actor, Distance, Embedding, Event, Named, PeopleEvent};
use crate::gallery::{Gallery, GalleryError, KeptVisit, Template, Visitors};
use crate::lab::cluster::{ClusterError, cluster};

use thiserror::Error;

/// The most templates that are made of one visitor's visits.
pub const BEST: usize = 8;

/// The visits kept, in groups.
#[derive(Clone, Debug, Default)]
pub struct Strangers {
    /// Those with the most visits first; among equals, the most recent first.
    pub groups: Vec<Stranger>,
    /// The number of visits whose embeddings are of models not in use, which cannot be compared.
    pub foreign: usize,
    /// The number of unreadable visits.
    pub unreadable: usize,
}

/// Visits of one person, judged by their faces.
#[derive(Clone, Debug)]
pub struct Stranger {
    /// Oldest first; at least one.
    pub visits: Vec<KeptVisit>,
    /// The enrolled person nearest to any of the faces.
    pub nearest: Option<(Named, Distance)>,
}

/// Why visitors cannot be grouped.
#[derive(Debug, Error)]
pub enum StrangersError {
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("these visits are no longer kept; list the unknown visitors again")]
    Gone,
    #[error("none of the {visits} visits is good enough for a template; of the best, {refusal}")]
    NoneGood { visits: usize, refusal: Refusal },
}

/// The visitors kept at `now`. Groups are merged while the mean distance between their faces is within `limit`.
pub fn strangers(
    visitors: &Visitors,
    gallery: &Gallery,
    limit: Distance,
    now: SystemTime,
) -> Result<Strangers, StrangersError> {
    let kept = visitors.kept(now)?;
    let (own, foreign): (Vec<KeptVisit>, Vec<KeptVisit>) =
        kept.visits.into_iter().partition(|kept| kept.visit.template.embedding.model() == gallery.model());
    let embeddings: Vec<Embedding> = own.iter().map(|kept| kept.visit.template.embedding.clone()).collect();
    let numbers = cluster(&embeddings, limit)?;
    let mut groups: Vec<Stranger> = Vec::new();
    for (visit, number) in own.into_iter().zip(numbers) {
        if number >= groups.len() {
            groups.push(Stranger { visits: Vec::new(), nearest: None });
        }
        if let Some(group) = groups.get_mut(number) {
            group.visits.push(visit);
        }
    }
    for group in &mut groups {
        group.nearest = nearest(gallery, &group.visits)?;
    }
    let last = |group: &Stranger| group.visits.last().map(|kept| kept.visit.template.created);
    groups.sort_by_key(|group| std::cmp::Reverse((group.visits.len(), last(group))));
    Ok(Strangers { groups, foreign: foreign.len(), unreadable: kept.unreadable })
}

/// The faces of visits, by their addresses, that `gates` let through: at most [`BEST`] of them, the best first; in colour and grey, if there are
/// both. Visits of other models are left out.
///
/// # Errors
/// [`StrangersError::Gone`] where none is kept any more, [`StrangersError::NoneGood`] where none passes.
pub fn faces_of(
    visitors: &Visitors,
    ids: &[u64],
    gallery: &Gallery,
    gates: &Gates,
    now: SystemTime,
) -> Result<Vec<Template>, StrangersError> {
    let kept = visitors.kept(now)?.visits.into_iter().filter(|kept| ids.contains(&kept.id));
    let mut faces: Vec<Template> = kept.map(|kept| kept.visit.template).collect();
    faces.retain(|face| face.embedding.model() == gallery.model());
    let visits = faces.len();
    // The strongest embeddings; among equals the largest faces.
    let measure = |face: &Template| (face.quality.length.unwrap_or_default(), face.quality.size);
    faces.sort_by(|a, b| {
        let (a, b) = (measure(a), measure(b));
        b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1))
    });
    let refusal = faces.first().map(|best| gates.check_embedded(&best.quality));
    faces.retain(|face| gates.check_embedded(&face.quality).is_ok());
    let is_new = |face: &Template| faces.iter().take(BEST).all(|better| better.quality.chroma != face.quality.chroma);
    if let Some(other) = faces.iter().skip(BEST).position(is_new) {
        faces.swap(BEST - 1, BEST + other);
    }
    faces.truncate(BEST);
    match (faces.is_empty(), refusal) {
        (false, _) => Ok(faces),
        (true, Some(Err(refusal))) => Err(StrangersError::NoneGood { visits, refusal }),
        (true, _) => Err(StrangersError::Gone),
    }
}

/// Erases visits by their addresses, or all, and records who did it. Returns the number of visits.
pub fn forget_strangers(
    visitors: &Visitors,
    which: Option<&[u64]>,
    recorder: &Recorder,
    by: &Actor,
) -> Result<usize, OfficeError> {
    let visits = match which {
        Some(ids) => visitors.erase_some(ids)?,
        None => visitors.erase_all()?,
    };
    recorder
        .record(&Event::People(PeopleEvent::VisitorsForgotten { visits, by: by.clone() }))
        .map_err(OfficeError::Unrecorded)?;
    Ok(visits)
}

fn nearest(gallery: &Gallery, visits: &[KeptVisit]) -> Result<Option<(Named, Distance)>, GalleryError> {
    let mut best: Option<(Named, Distance)> = None;
    for KeptVisit { visit, .. } in visits {
        let Some(found) = gallery.nearest(&visit.template.embedding)? else { continue };
        if best.as_ref().is_none_or(|(_, distance)| found.distance < *distance) {
            match gallery.person(found.person) {
                Ok(person) => best = Some((person.named(), found.distance)),
                // Removed meanwhile.
                Err(GalleryError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::domain::{Chroma, ModelId, Quality};
    use crate::gallery::{NewPerson, Retention, Visit};
    use crate::seal::Ring;
    use crate::store::Store;

    fn template(model: &str, values: [f32; 2], at_s: u64) -> Template {
        let embedding = Embedding::normalised(ModelId::new(model), Box::new(values)).unwrap();
        let created = SystemTime::UNIX_EPOCH + Duration::from_secs(at_s);
        Template { embedding, quality: Quality::default(), created }
    }

    #[test]
    fn visits_of_one_face_are_one_group_and_other_models_are_only_counted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let ring = Arc::new(Ring::plain());
        let gallery = Gallery::open(&store, &ring, ModelId::new("net-1"), 2).unwrap();
        let ada = NewPerson { name: "Ada".into(), ..NewPerson::default() };
        gallery.enroll(ada, vec![template("net-1", [0.0, 1.0], 1)]).unwrap();
        let visitors = Visitors::open(&store, &ring, Retention { span: Duration::from_secs(3600), most: 10 }).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        for (model, values, at) in [
            ("net-1", [1.0, 0.0], 10),
            ("net-1", [-1.0, 0.1], 20),
            ("net-0", [1.0, 0.0], 30),
            ("net-1", [1.0, 0.1], 40),
        ] {
            let template = template(model, values, at);
            let visit = Visit {
                template,
                camera: "porch".into(),
                door: "front".into(),
                distance: None,
                record: None,
                granted: None,
            };
            visitors.keep(&visit, now).unwrap();
        }
        let found = strangers(&visitors, &gallery, Distance(0.5), now).unwrap();
        assert_eq!((found.groups.len(), found.foreign, found.unreadable), (2, 1, 0));
        let first = &found.groups[0];
        let seen: Vec<_> = first.visits.iter().map(|kept| kept.visit.template.created).collect();
        assert_eq!(seen, [10, 40].map(|at| SystemTime::UNIX_EPOCH + Duration::from_secs(at)));
        let (who, distance) = first.nearest.clone().unwrap();
        let nearer = template("net-1", [1.0, 0.1], 0).embedding.distance(&template("net-1", [0.0, 1.0], 0).embedding);
        assert_eq!((who.name.as_deref(), Some(distance)), (Some("Ada"), nearer));
        assert_eq!(found.groups[1].visits.len(), 1);

        // What becomes a template, and what is forgotten.
        let gates = |size| Gates {
            min_face_px: size,
            min_sharpness: 0.0,
            max_yaw_deg: 30.0,
            max_pitch_deg: 30.0,
            min_length: None,
        };
        let ids: Vec<u64> = first.visits.iter().map(|kept| kept.id).collect();
        let faces = |ids: &[u64], size| faces_of(&visitors, ids, &gallery, &gates(size), now);
        assert_eq!(faces(&ids, 0.0).unwrap().len(), 2);
        assert!(matches!(faces(&ids, 80.0), Err(StrangersError::NoneGood { visits: 2, .. })));
        assert!(matches!(faces(&[7], 0.0), Err(StrangersError::Gone)));
        assert_eq!(visitors.erase_some(&[ids[0], 7]).unwrap(), 1);
        assert_eq!(faces(&ids, 0.0).unwrap().len(), 1);
        assert_eq!(visitors.kept(now).unwrap().visits.len(), 3);
    }

    #[test]
    fn the_best_faces_of_visits_have_one_of_each_light() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let ring = Arc::new(Ring::plain());
        let gallery = Gallery::open(&store, &ring, ModelId::new("net-1"), 2).unwrap();
        let visitors = Visitors::open(&store, &ring, Retention { span: Duration::from_secs(3600), most: 20 }).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        for at in 1..=11u8 {
            // The two weakest are grey.
            let chroma = if at <= 2 { Chroma::Grey } else { Chroma::Colour };
            let quality = Quality { length: Some(at.into()), chroma, ..Quality::default() };
            let template = Template { quality, ..template("net-1", [1.0, 0.0], at.into()) };
            let (camera, door) = ("porch".into(), "front".into());
            let visit = Visit { template, camera, door, distance: None, record: None, granted: None };
            visitors.keep(&visit, now).unwrap();
        }
        let ids: Vec<u64> = visitors.kept(now).unwrap().visits.iter().map(|kept| kept.id).collect();
        let best = faces_of(&visitors, &ids, &gallery, &Gates::open(), now).unwrap();
        let lengths: Vec<f32> = best.iter().filter_map(|face| face.quality.length).collect();
        assert_eq!(lengths, [11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 2.0]);
    }
}
