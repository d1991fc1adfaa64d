//! A training run: batch after batch, each followed by a move of the weights.
//!
//! Owns the order of what happens in a step. Knows nothing of files (`checkpoint`) and of what is shown (`cli`).

use burn::tensor::{Device, Tensor};
use thiserror::Error;

use super::average::Average;
use super::data::{Faces, View};
use super::distance::Distances;
use super::loss::{self, squared_distances, unit_length};
use super::mining::suspects::Suspects;
use super::mining::tally::Tally;
use super::mining::{Mining, Triplet, offline, online};
use super::network::pass::{Learned, Pass, Purpose, figures, is_kernel, is_learned};
use super::network::{Network, NetworkError};
use super::optimiser::{Descent, Optimiser, clip};
use super::random::draw;
use super::sampler::{self, Batch};
use super::schedule::Schedule;
use super::weights::Weights;

/// Pictures that are embedded at once.
const EMBEDDED_AT_ONCE: usize = 32;

/// What a run is.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub network: Network,
    pub objective: Objective,
    pub batch: Batch,
    /// Learning rate by epoch; its end is the run's, if it comes before `epochs`.
    pub schedule: Schedule,
    pub epochs: u32,
    pub optimiser: Optimiser,
    /// The longest that all gradients together may be.
    pub clip: Option<f32>,
    /// Weight decay: this times half the squared kernels is added to the loss.
    pub decay: f32,
    /// Decay of the weights' moving average.
    pub average: f32,
    /// Turn every other picture, drawn by chance, left to right.
    pub mirror: bool,
    pub seed: u64,
}

/// What is made smaller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// The triplet loss.
    Triplets {
        mining: Mining,
        /// Alpha, in squared distance.
        margin: f32,
        /// For offline mining: how many steps a list serves.
        refresh: u64,
        /// For offline mining: of how many pictures a list is made.
        part: usize,
    },
    /// The cross-entropy of a softmax over the data set's people.
    People,
}

/// A run between two steps.
pub struct Run<'a> {
    plan: Plan,
    faces: &'a Faces,
    device: Device,
    pub(super) state: State,
    /// The batches of the epoch, by their pictures.
    batches: Vec<Vec<usize>>,
}

/// All that a run carries from step to step.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub weights: Weights,
    pub descent: Descent,
    pub average: Average,
    pub suspects: Suspects,
    /// The epoch, from 0.
    pub epoch: u32,
    /// Batches of the epoch that are done.
    pub done: usize,
    /// Steps of the whole run, those without any triplet too.
    pub steps: u64,
    /// Triplets of offline mining that wait, by pictures of the data set.
    pub listed: Vec<Triplet>,
}

/// What came of a step.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its number, from 1.
    pub step: u64,
    pub epoch: u32,
    /// The loss without weight decay; none when no triplet was found, and nothing was learned.
    pub loss: Option<f32>,
    pub rate: f32,
    /// Pictures in the batch.
    pub pictures: usize,
    /// About its triplets, where there are triplets.
    pub tally: Option<Tally>,
    /// Length of all gradients together, before they were clipped.
    pub gradient: f32,
    /// The gradient of each weight, weight decay in it and clipped; at the last step of an epoch only.
    pub gradients: Vec<(String, Vec<f32>)>,
    /// The share of zeros of layers that report it.
    pub sparsity: Vec<(String, f32)>,
    /// Whether it was the last of its epoch.
    pub ends_epoch: bool,
}

/// Why a run cannot go on.
#[derive(Debug, Error)]
pub enum RunError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(
        "at step {step} the {what} is no number any more; nothing was saved of it. Go on from the last checkpoint with a smaller --rate or with --clip 1"
    )]
    Diverged { step: u64, what: &'static str },
    #[error(
        "the data set gives no batch: {people} people have two pictures or more, and a batch needs {needed} of them; use fewer --people"
    )]
    NoBatch { people: usize, needed: usize },
    #[error("the data set's {pictures} pictures fill no batch of {needed}; use a smaller --batch")]
    NoBatchOfPictures { pictures: usize, needed: usize },
}

impl<'a> Run<'a> {
    /// A fresh run. `weights` may hold some of the network's; what is missing is made.
    pub fn new(plan: Plan, faces: &'a Faces, device: Device, mut weights: Weights) -> Result<Self, RunError> {
        plan.network.found(&mut weights, &device, &mut draw(plan.seed, "weights", 0, 0))?;
        let mut average = Average::new(plan.average);
        for (name, array) in weights.iter().filter(|(name, _)| is_learned(name)) {
            average.take(name, &array.values, 0);
        }
        let state = State {
            weights,
            descent: Descent::new(plan.optimiser),
            average,
            suspects: Suspects::default(),
            epoch: 0,
            done: 0,
            steps: 0,
            listed: Vec::new(),
        };
        Self::begin(plan, faces, device, state)
    }

    /// A run that goes on from where a state was taken.
    pub fn resumed(plan: Plan, faces: &'a Faces, device: Device, mut state: State) -> Result<Self, RunError> {
        plan.network.found(&mut state.weights, &device, &mut draw(plan.seed, "weights", 0, 0))?;
        Self::begin(plan, faces, device, state)
    }

    fn begin(plan: Plan, faces: &'a Faces, device: Device, state: State) -> Result<Self, RunError> {
        let mut run = Self { plan, faces, device, state, batches: Vec::new() };
        run.fill_epoch()?;
        Ok(run)
    }

    /// What it carries from step to step.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What it is.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What it learns from.
    pub fn faces(&self) -> &Faces {
        self.faces
    }

    /// Batches of an epoch.
    pub fn batches(&self) -> usize {
        self.batches.len()
    }

    /// Whether there is nothing left to do.
    pub fn is_over(&self) -> bool {
        self.state.epoch >= self.plan.epochs || self.plan.schedule.rate(self.state.epoch).is_none()
    }

    /// The averaged weights, with the newest moving figures of batch norms: what is validated and exported.
    pub fn averaged(&self) -> Weights {
        self.state.average.over(&self.state.weights)
    }

    fn fill_epoch(&mut self) -> Result<(), RunError> {
        let (plan, epoch) = (&self.plan, u64::from(self.state.epoch));
        self.batches = match plan.objective {
            Objective::Triplets { .. } => sampler::by_people(self.faces, plan.batch, plan.seed, epoch),
            Objective::People => {
                sampler::by_pictures(self.faces, plan.batch.people * plan.batch.pictures, plan.seed, epoch)
            }
        };
        if !self.batches.is_empty() {
            return Ok(());
        }
        Err(match plan.objective {
            Objective::Triplets { .. } => RunError::NoBatch {
                people: self.faces.by_person().iter().filter(|of| of.len() >= 2).count(),
                needed: plan.batch.people,
            },
            Objective::People => RunError::NoBatchOfPictures {
                pictures: self.faces.count(),
                needed: plan.batch.people * plan.batch.pictures,
            },
        })
    }

    /// One step. Not to be called when the run `is_over`.
    ///
    /// # Errors
    ///
    /// When the loss or a gradient is no number: nothing was learned from the step, and nothing counts.
    pub fn step(&mut self) -> Result<Report, RunError> {
        let number = self.state.steps + 1;
        let rate = self.plan.schedule.rate(self.state.epoch).unwrap_or_default();
        let (pictures, listed) = self.batch(number)?;
        let labels: Vec<u32> = pictures.iter().map(|&picture| self.faces.label(picture)).collect();
        let mut chance = draw(self.plan.seed, "views", number, 0);
        let views: Vec<View> =
            pictures.iter().map(|_| View::drawn(self.faces.size(), self.plan.mirror, &mut chance)).collect();
        let pixels = self.faces.batch(&pictures, |place| views[place]);

        let mut chance = draw(self.plan.seed, "dropout", number, 0);
        let mut pass = Pass::new(Purpose::Learn, &self.device, &mut self.state.weights, &mut chance);
        let images = pass.images(pixels, self.plan.network.side());
        let output = self.plan.network.run(&mut pass, images);
        let (mut tally, mut seen) = (None, None);
        let loss = match self.plan.objective {
            Objective::People => {
                Some(loss::cross_entropy(output.logits.expect("this objective has a softmax layer"), &labels))
            }
            Objective::Triplets { mining, margin, .. } => {
                let squared = squared_distances(unit_length(output.embedding));
                let distances = Distances::new(pictures.len(), figures(squared.clone().detach()));
                let triplets = listed.unwrap_or_else(|| {
                    online::triplets(
                        mining,
                        &distances,
                        &labels,
                        margin,
                        &mut draw(self.plan.seed, "triplets", number, 0),
                    )
                });
                tally = Some(Tally::of(&triplets, &distances, margin));
                seen = Some(distances);
                (!triplets.is_empty()).then(|| loss::triplet(squared, &triplets, margin))
            }
        };
        let mut report = Report {
            step: number,
            epoch: self.state.epoch,
            loss: None,
            rate,
            pictures: pictures.len(),
            tally,
            gradient: 0.0,
            gradients: Vec::new(),
            sparsity: Vec::new(),
            ends_epoch: self.state.done + 1 >= self.batches.len(),
        };
        if let Some(loss) = loss {
            let value = figures(loss.clone().detach())[0];
            finite(value, number, "loss")?;
            let mut learned = pass.learn(&loss)?;
            report.loss = Some(value);
            report.gradient = self.descend(&mut learned, rate, number)?;
            report.sparsity = learned.sparsity;
            if report.ends_epoch {
                report.gradients = learned.names.into_iter().zip(learned.gradients).collect();
            }
        }
        if let Some(distances) = seen {
            self.state.suspects.look(&distances, &labels, &pictures);
        }
        if matches!(self.plan.objective, Objective::Triplets { mining: Mining::Offline, .. }) {
            self.state.listed.drain(..self.listed_taken());
        }
        self.state.steps = number;
        self.state.done += 1;
        if report.ends_epoch {
            self.state.epoch += 1;
            self.state.done = 0;
            self.fill_epoch()?;
        }
        Ok(report)
    }

    /// Moves the weights; gives the gradients' length.
    fn descend(&mut self, learned: &mut Learned, rate: f32, step: u64) -> Result<f32, RunError> {
        let decay = self.plan.decay;
        if decay > 0.0 {
            for (name, gradient) in learned.names.iter().zip(&mut learned.gradients).filter(|(name, _)| is_kernel(name))
            {
                gradient.iter_mut().zip(&self.state.weights[name].values).for_each(|(g, &w)| *g += decay * w);
            }
        }
        let length = clip(&mut learned.gradients, self.plan.clip);
        finite(length, step, "gradient")?;
        learned.follow(&mut self.state.weights);
        self.state.descent.begin();
        for (name, gradient) in learned.names.iter().zip(&learned.gradients) {
            let weight = &mut self.state.weights.get_mut(name).expect("a gradient is that of a weight").values;
            self.state.descent.move_weight(name, weight, gradient, rate);
        }
        // What follows the batches by itself is not averaged once more.
        for (name, array) in self.state.weights.iter().filter(|(name, _)| is_learned(name)) {
            self.state.average.take(name, &array.values, step);
        }
        Ok(length)
    }

    /// The pictures of the next step, and its triplets where they were listed.
    fn batch(&mut self, step: u64) -> Result<(Vec<usize>, Option<Vec<Triplet>>), RunError> {
        let Objective::Triplets { mining: Mining::Offline, refresh, part, .. } = self.plan.objective else {
            return Ok((self.batches[self.state.done].clone(), None));
        };
        if (step - 1).is_multiple_of(refresh.max(1)) || self.state.listed.is_empty() {
            self.state.listed = self.list(part, step)?;
        }
        let (pictures, triplets) = offline::compact(&self.state.listed[..self.listed_taken()]);
        Ok((pictures, Some(triplets)))
    }

    /// How many of the listed triplets a step takes: as many as make a batch of about its size.
    fn listed_taken(&self) -> usize {
        let Batch { people, pictures, .. } = self.plan.batch;
        (people * pictures / 3).max(1).min(self.state.listed.len())
    }

    /// The hardest triplets of a part of the data set, by the newest weights.
    fn list(&mut self, size: usize, step: u64) -> Result<Vec<Triplet>, RunError> {
        let pictures = sampler::part(self.faces, size, self.plan.seed, step);
        let labels: Vec<u32> = pictures.iter().map(|&picture| self.faces.label(picture)).collect();
        let embeddings = embed(&self.plan.network, &mut self.state.weights, &self.device, self.faces, &pictures)?;
        let distances = Distances::between(&embeddings, pictures.len());
        let listed = offline::list(&distances, &labels, &mut draw(self.plan.seed, "list", step, 0));
        let of_set = |t: Triplet| Triplet {
            anchor: pictures[t.anchor],
            positive: pictures[t.positive],
            negative: pictures[t.negative],
        };
        Ok(listed.into_iter().map(of_set).collect())
    }
}

fn finite(value: f32, step: u64, what: &'static str) -> Result<(), RunError> {
    match value.is_finite() {
        true => Ok(()),
        false => Err(RunError::Diverged { step, what }),
    }
}

/// The embeddings of pictures of a data set, of unit length, one after the other.
pub fn embed(
    network: &Network,
    weights: &mut Weights,
    device: &Device,
    faces: &Faces,
    pictures: &[usize],
) -> Result<Vec<f32>, NetworkError> {
    embed_some(network, weights, device, pictures, |some| faces.batch(some, |_| View::middle(faces.size())))
}

/// The embeddings of pictures, of unit length, one after the other. `pixels` gives some of them as a network takes them.
pub fn embed_some<P>(
    network: &Network,
    weights: &mut Weights,
    device: &Device,
    pictures: &[P],
    pixels: impl Fn(&[P]) -> Vec<f32>,
) -> Result<Vec<f32>, NetworkError> {
    let mut embeddings = Vec::new();
    let mut unused = fastrand::Rng::with_seed(0);
    for some in pictures.chunks(EMBEDDED_AT_ONCE) {
        let mut pass = Pass::new(Purpose::Embed, device, weights, &mut unused);
        let images: Tensor<4> = pass.images(pixels(some), network.side());
        let output = network.run(&mut pass, images);
        pass.end()?;
        embeddings.extend(figures(unit_length(output.embedding)));
    }
    Ok(embeddings)
}
