//! A training run: the steps, each of which processes a batch and updates the weights. Files are in `checkpoint`, output is in `cli`.

use burn::tensor::{Device, Tensor};
use thiserror::Error;

use super::average::Average;
use super::data::{Crop, Faces};
use super::loss::{self, squared_distances, unit_length};
use super::mining::suspects::Suspects;
use super::mining::{Distances, Mining, Triplet, TripletStats, select};
use super::network::pass::{Gradients, Pass, Purpose, is_kernel, is_trained, values};
use super::network::{Network, NetworkError};
use super::optimiser::{Descent, Optimiser, clip};
use super::rng_for;
use super::sampler::{self, Batch};
use super::schedule::Schedule;
use super::weights::Weights;

/// The batch size for embedding.
const EMBEDDING_BATCH: usize = 32;

/// The settings of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub network: Network,
    pub objective: Objective,
    pub batch: Batch,
    /// Learning rate by epoch. If the schedule ends before `epochs`, so does the run.
    pub schedule: Schedule,
    pub epochs: u32,
    pub optimiser: Optimiser,
    /// The largest joint norm of all gradients.
    pub clip: Option<f32>,
    /// Weight decay: this times half the sum of squared kernels is added to the loss.
    pub decay: f32,
    /// Decay of the weights' moving average.
    pub average: f32,
    /// Whether pictures are mirrored with a probability of one half.
    pub mirror: bool,
    pub seed: u64,
}

/// The loss that is minimised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// The triplet loss.
    Triplets {
        mining: Mining,
        /// Alpha, in squared distance.
        margin: f32,
        /// For offline mining: the number of steps that a list is used for.
        refresh: u64,
        /// For offline mining: the number of pictures that a list is made from.
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
    /// The pictures of each batch of the epoch.
    batches: Vec<Vec<usize>>,
}

/// The state of a run, from which it can be resumed.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub weights: Weights,
    pub descent: Descent,
    pub average: Average,
    pub suspects: Suspects,
    /// The epoch, from 0.
    pub epoch: u32,
    /// The number of completed batches of the epoch.
    pub done: usize,
    /// The number of steps of the whole run, including those without triplets.
    pub steps: u64,
    /// The remaining triplets of offline mining, as indices of the data set.
    pub listed: Vec<Triplet>,
}

/// The results of a step.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its number, from 1.
    pub step: u64,
    pub epoch: u32,
    /// The loss without weight decay; `None` if there were no triplets, and weights were not updated.
    pub loss: Option<f32>,
    pub rate: f32,
    /// The number of pictures in the batch.
    pub pictures: usize,
    /// Statistics of its triplets, if the objective uses triplets.
    pub triplets: Option<TripletStats>,
    /// The joint norm of all gradients before clipping.
    pub gradient: f32,
    /// The gradient of each weight with weight decay, after clipping; in the last step of an epoch only.
    pub gradients: Vec<(String, Vec<f32>)>,
    /// The share of zeros, for layers that report it.
    pub sparsity: Vec<(String, f32)>,
    /// Whether it was the last of its epoch.
    pub ends_epoch: bool,
}

/// Why a run cannot continue.
#[derive(Debug, Error)]
pub enum RunError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(
        "the {what} of step {step} is not finite; the step was not saved. Resume from the last checkpoint with a smaller --rate or with --clip 1"
    )]
    Diverged { step: u64, what: &'static str },
    #[error(
        "the data set does not fill a batch: {people} people have at least two pictures, and a batch needs {needed}; use fewer --people"
    )]
    NoBatch { people: usize, needed: usize },
    #[error("the data set's {pictures} pictures do not fill a batch of {needed}; use fewer --people or --pictures")]
    NoBatchOfPictures { pictures: usize, needed: usize },
    #[error("the network has no softmax layer, which this objective needs")]
    NoSoftmax,
}

impl<'a> Run<'a> {
    /// A new run. `weights` may have some of the network's weights; missing ones are created.
    pub fn new(plan: Plan, faces: &'a Faces, device: Device, mut weights: Weights) -> Result<Self, RunError> {
        plan.network.initialise(&mut weights, &device, &mut rng_for(plan.seed, "weights", 0, 0))?;
        let mut average = Average::new(plan.average);
        for (name, array) in weights.iter().filter(|(name, _)| is_trained(name)) {
            average.update(name, &array.values, 0);
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

    /// A run that continues from `state`.
    pub fn resumed(plan: Plan, faces: &'a Faces, device: Device, mut state: State) -> Result<Self, RunError> {
        plan.network.initialise(&mut state.weights, &device, &mut rng_for(plan.seed, "weights", 0, 0))?;
        Self::begin(plan, faces, device, state)
    }

    fn begin(plan: Plan, faces: &'a Faces, device: Device, state: State) -> Result<Self, RunError> {
        let mut run = Self { plan, faces, device, state, batches: Vec::new() };
        run.fill_epoch()?;
        Ok(run)
    }

    /// The current state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The settings.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The training data.
    pub fn faces(&self) -> &Faces {
        self.faces
    }

    /// The number of batches in an epoch.
    pub fn batches(&self) -> usize {
        self.batches.len()
    }

    /// Whether all epochs are done.
    pub fn is_over(&self) -> bool {
        self.state.epoch >= self.plan.epochs || self.plan.schedule.rate(self.state.epoch).is_none()
    }

    /// The averaged weights, with the latest moving statistics of batch norms. These are validated and exported.
    pub fn averaged(&self) -> Weights {
        self.state.average.apply(&self.state.weights)
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

    /// One step. Must not be called if the run [`Run::is_over`].
    ///
    /// # Errors
    /// The loss or a gradient is not finite. Then the state is unchanged.
    pub fn step(&mut self) -> Result<Report, RunError> {
        let number = self.state.steps + 1;
        let rate = self.plan.schedule.rate(self.state.epoch).unwrap_or_default();
        let (pictures, listed) = self.batch(number)?;
        let labels: Vec<u32> = pictures.iter().map(|&picture| self.faces.label(picture)).collect();
        let mut rng = rng_for(self.plan.seed, "views", number, 0);
        let size = self.faces.size();
        let crops: Vec<Crop> = pictures.iter().map(|_| Crop::random(size, self.plan.mirror, &mut rng)).collect();
        let pixels = self.faces.batch(&pictures, |place| crops.get(place).copied().unwrap_or(Crop::middle(size)));

        let mut rng = rng_for(self.plan.seed, "dropout", number, 0);
        let mut pass = Pass::new(Purpose::Train, &self.device, &mut self.state.weights, &mut rng);
        let images = pass.images(pixels, self.plan.network.side());
        let output = self.plan.network.run(&mut pass, images);
        let (mut stats, mut batch_distances) = (None, None);
        let loss = match self.plan.objective {
            Objective::People => Some(loss::cross_entropy(output.logits.ok_or(RunError::NoSoftmax)?, &labels)),
            Objective::Triplets { mining, margin, .. } => {
                let squared = squared_distances(unit_length(output.embedding));
                let distances = Distances::new(pictures.len(), values(squared.clone().detach()));
                let triplets = listed.unwrap_or_else(|| {
                    let mut rng = rng_for(self.plan.seed, "triplets", number, 0);
                    select::triplets(mining, &distances, &labels, margin, &mut rng)
                });
                stats = Some(TripletStats::of(&triplets, &distances, margin));
                batch_distances = Some(distances);
                loss::triplet(squared, &triplets, margin)
            }
        };
        let mut report = Report {
            step: number,
            epoch: self.state.epoch,
            loss: None,
            rate,
            pictures: pictures.len(),
            triplets: stats,
            gradient: 0.0,
            gradients: Vec::new(),
            sparsity: Vec::new(),
            ends_epoch: self.state.done + 1 >= self.batches.len(),
        };
        if let Some(loss) = loss {
            let value = values(loss.clone().detach()).first().copied().unwrap_or(f32::NAN);
            check_finite(value, number, "loss")?;
            let mut gradients = pass.gradients(&loss)?;
            report.loss = Some(value);
            report.gradient = self.descend(&mut gradients, rate, number)?;
            report.sparsity = gradients.sparsity;
            if report.ends_epoch {
                report.gradients = gradients.names.into_iter().zip(gradients.gradients).collect();
            }
        }
        if let Some(distances) = batch_distances {
            self.state.suspects.count(&distances, &labels, &pictures);
        }
        if matches!(self.plan.objective, Objective::Triplets { mining: Mining::Offline, .. }) {
            self.state.listed.drain(..self.listed_per_step());
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

    /// Updates the weights. Returns the joint norm of the gradients before clipping.
    fn descend(&mut self, gradients: &mut Gradients, rate: f32, step: u64) -> Result<f32, RunError> {
        let decay = self.plan.decay;
        if decay > 0.0 {
            for (name, gradient) in gradients.names.iter().zip(&mut gradients.gradients) {
                let kernel = self.state.weights.get(name).filter(|_| is_kernel(name));
                let kernel = kernel.map_or(&[][..], |array| &array.values);
                gradient.iter_mut().zip(kernel).for_each(|(g, &w)| *g += decay * w);
            }
        }
        let norm = clip(&mut gradients.gradients, self.plan.clip);
        check_finite(norm, step, "gradient")?;
        gradients.update_statistics(&mut self.state.weights);
        self.state.descent.begin();
        for (name, gradient) in gradients.names.iter().zip(&gradients.gradients) {
            if let Some(weight) = self.state.weights.get_mut(name) {
                self.state.descent.update(name, &mut weight.values, gradient, rate);
            }
        }
        // Moving statistics are averages already.
        for (name, array) in self.state.weights.iter().filter(|(name, _)| is_trained(name)) {
            self.state.average.update(name, &array.values, step);
        }
        Ok(norm)
    }

    /// The pictures of the next step, and its triplets in offline mining.
    fn batch(&mut self, step: u64) -> Result<(Vec<usize>, Option<Vec<Triplet>>), RunError> {
        let Objective::Triplets { mining: Mining::Offline, refresh, part, .. } = self.plan.objective else {
            return Ok((self.batches.get(self.state.done).cloned().unwrap_or_default(), None));
        };
        if (step - 1).is_multiple_of(refresh.max(1)) || self.state.listed.is_empty() {
            self.state.listed = self.hardest_of_part(part, step)?;
        }
        let next = self.state.listed.get(..self.listed_per_step()).unwrap_or_default();
        let (pictures, triplets) = select::compact(next);
        Ok((pictures, Some(triplets)))
    }

    /// The number of listed triplets that a step uses: as many as make a batch of about the usual size.
    fn listed_per_step(&self) -> usize {
        let Batch { people, pictures, .. } = self.plan.batch;
        (people * pictures / 3).max(1).min(self.state.listed.len())
    }

    /// The hardest triplets of a random part of the data set, by the latest weights.
    fn hardest_of_part(&mut self, size: usize, step: u64) -> Result<Vec<Triplet>, RunError> {
        let pictures = sampler::part(self.faces, size, self.plan.seed, step);
        let labels: Vec<u32> = pictures.iter().map(|&picture| self.faces.label(picture)).collect();
        let embeddings = embed(&self.plan.network, &mut self.state.weights, &self.device, self.faces, &pictures)?;
        let distances = Distances::between(&embeddings, pictures.len());
        let listed = select::hardest_of_all(&distances, &labels, &mut rng_for(self.plan.seed, "list", step, 0));
        let of_data_set = |t: Triplet| {
            Some(Triplet {
                anchor: *pictures.get(t.anchor)?,
                positive: *pictures.get(t.positive)?,
                negative: *pictures.get(t.negative)?,
            })
        };
        Ok(listed.into_iter().filter_map(of_data_set).collect())
    }
}

fn check_finite(value: f32, step: u64, what: &'static str) -> Result<(), RunError> {
    match value.is_finite() {
        true => Ok(()),
        false => Err(RunError::Diverged { step, what }),
    }
}

/// The embeddings of pictures of a data set, of unit length, one after another.
pub fn embed(
    network: &Network,
    weights: &mut Weights,
    device: &Device,
    faces: &Faces,
    pictures: &[usize],
) -> Result<Vec<f32>, NetworkError> {
    embed_some(network, weights, device, pictures, |some| faces.batch(some, |_| Crop::middle(faces.size())))
}

/// The embeddings of pictures, of unit length, one after another. `pixels` returns the input values of some of them.
pub fn embed_some<P>(
    network: &Network,
    weights: &mut Weights,
    device: &Device,
    pictures: &[P],
    pixels: impl Fn(&[P]) -> Vec<f32>,
) -> Result<Vec<f32>, NetworkError> {
    let mut embeddings = Vec::new();
    let mut unused = fastrand::Rng::with_seed(0);
    for some in pictures.chunks(EMBEDDING_BATCH) {
        let mut pass = Pass::new(Purpose::Embed, device, weights, &mut unused);
        let images: Tensor<4> = pass.images(pixels(some), network.side());
        let output = network.run(&mut pass, images);
        pass.finish()?;
        embeddings.extend(values(unit_length(output.embedding)));
    }
    Ok(embeddings)
}
