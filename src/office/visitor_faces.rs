//! Which records show the faces of visitors. A visit knows one record, the first refusal of its track; a face may be kept beside each later refusal, too.

use crate::domain::{Decided, Event};
use crate::gallery::Visit;
use crate::ledger::{Journal, LedgerError, ReadOrder, RecordFilter};

/// How many refusals behind a visit's record are looked through. A track that is refused more often stands there for hours.
const LOOKED_THROUGH: usize = 500;

/// The numbers of the records about the tracks of these visits.
///
/// # Errors
/// The journal cannot be read.
pub fn records_of(visits: &[Visit], journal: &Journal) -> Result<Vec<u64>, LedgerError> {
    // Tracks are counted from the daemon's start.
    let filter = RecordFilter { kinds: vec!["denied".into(), "started".into()], ..RecordFilter::default() };
    let mut found = Vec::new();
    for visit in visits {
        let Some(first) = visit.record else { continue };
        let later = journal.select(first.., ReadOrder::OldestFirst, LOOKED_THROUGH, &filter)?;
        let mut track = None;
        for dated in later {
            let Some(Decided { camera, track: of, .. }) = dated.record.content.event().and_then(Event::decided) else {
                // The daemon was started again.
                break;
            };
            if *track.get_or_insert((camera.clone(), *of)) == (camera.clone(), *of) {
                found.push(dated.record.seq);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::domain::{DaemonEvent, Embedding, ModelId, Moment, Outcome, Quality, Reason, Stamp, TrackId};
    use crate::gallery::Template;
    use crate::store::Store;

    #[test]
    fn the_records_of_a_visit_are_the_refusals_of_its_track_until_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
        let write = |event: Event| journal.append(&event, &Stamp::at(SystemTime::now())).unwrap().seq;
        let denied = |track| {
            write(Decided::at_porch(Outcome::Denied(Reason::Unknown), track, Moment::default(), TrackId(track)).into())
        };
        let other = denied(1);
        let first = denied(2);
        let between = denied(3);
        let again = denied(2);
        write(Decided::at_porch(Outcome::Granted, 9, Moment::default(), TrackId(2)).into());
        write(DaemonEvent::Started { version: "1".into(), config: "5f3a".into(), model: ModelId::new("net") }.into());
        denied(2);
        let visit = |record| Visit {
            template: Template {
                embedding: Embedding::normalised(ModelId::new("net"), Box::new([1.0, 0.0])).unwrap(),
                quality: Quality::default(),
                created: SystemTime::UNIX_EPOCH,
            },
            camera: "porch".into(),
            door: "front".into(),
            distance: None,
            record,
            granted: None,
        };
        assert_eq!(records_of(&[visit(Some(first))], &journal).unwrap(), [first, again]);
        assert_eq!(
            records_of(&[visit(Some(between)), visit(Some(other)), visit(None)], &journal).unwrap(),
            [other, between]
        );
    }
}
