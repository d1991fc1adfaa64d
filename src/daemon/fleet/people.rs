//! The people that the servers have, as the board takes them: in parts of one commit each, with a look at the rules in between.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::{JoinError, spawn_blocking};

use super::board::{BoardError, BoardTask};
use crate::domain::ModelId;
use crate::fleet::carrier::{Stored, Stream, StreamState, Subject, person_of};
use crate::fleet::{Birth, Epochs, Head, Incoming, Outcome, Progress, Replica, Why};
use crate::office::FleetPeople;

/// Records of people that are one commit. A lockdown, and the records of doors, wait for no longer than that.
const PART: usize = 100;

/// A replica that several tasks work with.
type Held = Arc<Mutex<Replica<FleetPeople>>>;

/// Works with a replica on a thread that may wait for the disk.
async fn on_disk<T: Send + 'static>(
    replica: Held,
    work: impl FnOnce(&mut Replica<FleetPeople>) -> T + Send + 'static,
) -> Result<T, JoinError> {
    spawn_blocking(move || work(&mut replica.lock().unwrap_or_else(PoisonError::into_inner))).await
}

impl BoardTask {
    /// Takes what the stream of people has. Returns whether something changed.
    pub(super) async fn read_people(&mut self) -> Result<bool, BoardError> {
        let stream = Stream::People(self.identity.gallery.clone());
        let StreamState { birth, last, .. } = self.carrier.state(&stream).await?;
        let before = self.with_replica(|replica| (replica.digest(), replica.position())).await?;
        let beside = self.beside.as_ref().map(|beside| beside.replica.clone());
        let mut from = self.with_replica(move |replica| replica.begin(Birth(birth), last)).await?;
        if let Some(beside) = beside {
            from = from.min(on_disk(beside, move |replica| replica.begin(Birth(birth), last)).await?);
        }
        // What comes later is hinted again. A lockdown does not wait for a long list.
        while from <= last {
            let part = self.carrier.read(&stream, from, PART).await?;
            let Some(newest) = part.last() else { break };
            from = newest.sequence.saturating_add(1);
            let replicas = [Some(&self.replica), self.beside.as_ref().map(|beside| &beside.replica)];
            let part = Arc::new(part);
            for replica in replicas.into_iter().flatten().cloned().collect::<Vec<_>>() {
                self.apply(part.clone(), replica).await?;
            }
            self.read_rules().await?;
        }
        self.catch_up().await?;
        self.follow_models().await?;
        Ok(before != self.with_replica(|replica| (replica.digest(), replica.position())).await?)
    }

    /// Applies the records of a replica's model, and passes over those of the site's other model.
    async fn apply(&mut self, part: Arc<Vec<Stored>>, replica: Held) -> Result<(), BoardError> {
        let (epochs, others) = (self.epochs(), self.other_models());
        let gallery = self.identity.gallery.clone();
        let applied = spawn_blocking(move || {
            let mut replica = replica.lock().unwrap_or_else(PoisonError::into_inner);
            let others = others.iter().filter(|model| *model != replica.model());
            let others: Vec<Subject> = others.map(|model| Subject::of_model(&gallery, model.as_str())).collect();
            let is_other = |stored: &Stored| others.iter().any(|other| other.covers(&stored.subject));
            let incoming: Vec<Incoming<'_>> = part
                .iter()
                .filter(|stored| !is_other(stored))
                .filter_map(|stored| {
                    let uuid = person_of(&stored.subject)?;
                    Some(Incoming { sequence: stored.sequence, uuid, record: &stored.payload })
                })
                .collect();
            let outcomes = replica.apply_all(&incoming, &epochs)?;
            if let Some(last) = part.last().filter(|last| is_other(last)) {
                replica.pass(last.sequence);
            }
            let uuids = incoming.iter().map(|incoming| incoming.uuid);
            Ok::<_, BoardError>(uuids.zip(outcomes).collect::<Vec<_>>())
        });
        for (uuid, outcome) in applied.await?? {
            match outcome {
                Outcome::Changed { note: Some(note), .. } => tracing::warn!(%uuid, "{note}"),
                Outcome::Changed { .. } | Outcome::Same | Outcome::Older => {}
                Outcome::Waits { epoch } => tracing::info!(%uuid, epoch, "a record waits for its key"),
                Outcome::SetAside { schema } => {
                    tracing::warn!(%uuid, schema, "a record of a newer usher is set aside: update this board");
                    self.state.note(|state| state.set_aside += 1);
                }
                Outcome::Refused(why) => {
                    let unfit = matches!(why, Why::OtherModel(_) | Why::EpochGone(_) | Why::Unfit(_) | Why::TooMany);
                    tracing::warn!(%uuid, %why, "a record of the fleet is not taken");
                    self.state.note(|state| match unfit {
                        true => state.set_aside += 1,
                        false => state.refused += 1,
                    });
                }
            }
        }
        Ok(())
    }

    /// Ends a round of reading: sweeps, compares with the newest head, destroys keys that are over.
    pub(super) async fn catch_up(&mut self) -> Result<(), BoardError> {
        let head: Option<Head> = self.heads.newest().cloned();
        let of = head.clone();
        let (progress, whole, people) = self
            .with_replica(move |replica| {
                let progress = replica.caught_up(of.as_ref());
                let whole = of.as_ref().map(|head| {
                    // Before anybody is enrolled, the office does not know the model.
                    replica.is_whole(head) || head.count == 0 && replica.count() == 0
                });
                (progress, whole, replica.holding().people() as u64)
            })
            .await?;
        if let Some(beside) = &mut self.beside {
            let of = head.clone();
            let (progress, whole) = on_disk(beside.replica.clone(), move |replica| {
                (replica.caught_up(of.as_ref()), of.as_ref().is_some_and(|head| replica.is_whole(head)))
            })
            .await?;
            progress?;
            beside.whole = whole;
        }
        let progress = progress?;
        self.read_all = matches!(progress, Progress::Done { .. });
        if let Progress::Done { swept: swept @ 1.. } = progress {
            tracing::warn!(swept, "people who are not on the office's list any more were removed");
        }
        self.state.note(|state| {
            state.whole = whole;
            state.people = people;
        });
        if let (Some(head), Some(true)) = (head, whole) {
            let gallery = self.identity.gallery.clone();
            self.with_keys(move |keys| keys.destroy_before(&gallery, head.epoch)).await??;
        }
        Ok(())
    }

    /// The models of the site, and that of the records beside those in use.
    fn other_models(&self) -> Vec<ModelId> {
        let of_site = self.rules.as_ref().and_then(|rules| rules.models.as_ref());
        let of_site = of_site.map(|models| [Some(&models.current), models.beside.as_ref()]);
        let mut all: Vec<ModelId> = of_site.into_iter().flatten().flatten().map(|name| name.model.clone()).collect();
        all.push(self.identity.model.clone());
        all.extend(self.beside.as_ref().map(|beside| beside.model.clone()));
        all
    }

    fn epochs(&self) -> Epochs {
        let mut epochs = Epochs::default();
        let keys = self.keys();
        for epoch in keys.epochs(&self.identity.gallery) {
            if let Some(key) = keys.get(&self.identity.gallery, epoch) {
                epochs.insert(epoch, key.clone());
            }
        }
        epochs
    }
}
