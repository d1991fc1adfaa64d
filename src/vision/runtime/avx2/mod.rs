//! Small networks in whole numbers on x86-64 processors with AVX2 but without instructions for int8 products: there XNNPACK, which LiteRT runs,
//! leaves most of the processor idle. The numbers are LiteRT's.
//!
//! Knows nothing of faces.

mod activation;
mod convolution;
mod dense;
mod file;
mod head;
mod lanes;
mod layer;
mod pool;
mod program;
mod rounding;

use std::sync::Arc;

use super::network::InputForm;
use program::{Program, Step};

/// Values behind the last of a tensor, which may be read and written: a block begins anywhere.
const SLACK: usize = layer::BLOCK;

/// Rows, columns and channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    rows: usize,
    columns: usize,
    channels: usize,
}

impl Size {
    fn values(self) -> usize {
        self.rows * self.columns * self.channels
    }

    /// Row and column of each place, in the order of their values.
    #[inline]
    fn places(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.rows).flat_map(move |row| (0..self.columns).map(move |column| (row, column)))
    }
}

/// A network that this processor and these kernels run.
#[derive(Clone)]
pub(super) struct Kernels(Arc<Program>);

impl Kernels {
    /// `None` for a network with steps that are not known here, and on a processor without AVX2.
    pub fn of(file: &[u8], form: InputForm) -> Option<Kernels> {
        let here = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        Some(Kernels(Arc::new(Program::read(here.then_some(file)?, form)?)))
    }

    /// Whether they are worth having on this processor: for those with AVX-512 VNNI or AVX-VNNI XNNPACK has good kernels.
    pub fn are_ahead() -> bool {
        !is_x86_feature_detected!("avx512vnni") && !is_x86_feature_detected!("avxvnni")
    }

    /// The network for pictures of `[batch, rows, columns, 3]`; `None` when it does not take them.
    pub fn network(&self, [batch, rows, columns, channels]: [usize; 4]) -> Option<Network> {
        let mut sizes = vec![Size { rows, columns, channels }];
        for step in &self.0.steps {
            let from = *sizes.last()?;
            sizes.push(match step {
                Step::Convolution(convolution) => convolution.output(from)?,
                Step::Dense(dense) => dense.output(from)?,
                Step::Pool(pool) => pool.output(from)?,
                Step::Activation(activation) => activation.output(from)?,
            });
        }
        let last = *sizes.last()?;
        let head = &self.0.head;
        // Two tensors are alive at a time.
        let room = [0, 1].map(|odd| sizes.iter().skip(odd).step_by(2).map(|size| size.values()).max().unwrap_or(0));
        head.takes(last).then(|| Network {
            batch,
            tensors: room.map(|values| vec![0; values + SLACK]),
            scratch: vec![0.0; head.scratch()],
            outputs: head.widths().map(|width| vec![0.0; batch * last.rows * last.columns * width]).collect(),
            sizes,
            program: self.0.clone(),
        })
    }
}

/// A network of one input shape, with its tensors.
pub(super) struct Network {
    program: Arc<Program>,
    batch: usize,
    /// Of the picture, and after each step.
    sizes: Vec<Size>,
    tensors: [Vec<i16>; 2],
    scratch: Vec<f32>,
    outputs: Vec<Vec<f32>>,
}

impl Network {
    /// Each output's shape, as LiteRT gives it: without rows and columns behind a fully connected layer.
    pub fn output_shapes(&self) -> Vec<Vec<usize>> {
        let Some(&Size { rows, columns, .. }) = self.sizes.last() else { return Vec::new() };
        let flat = self.program.steps.iter().any(|step| matches!(step, Step::Dense(_)));
        let shape = |width| if flat { vec![self.batch, width] } else { vec![self.batch, rows, columns, width] };
        self.program.head.widths().map(shape).collect()
    }

    /// Runs on the pictures in `rgb`, at most a batch.
    pub fn run(&mut self, rgb: &[u8]) {
        let picture = self.sizes[0].values();
        for (index, rgb) in rgb.chunks_exact(picture).take(self.batch).enumerate() {
            // SAFETY: `Kernels` are made only where the processor has both.
            unsafe { self.run_one(rgb, index) };
        }
    }

    #[target_feature(enable = "avx2,fma")]
    fn run_one(&mut self, rgb: &[u8], index: usize) {
        let [from, to] = &mut self.tensors;
        let (mut from, mut to) = (from, to);
        for (value, &byte) in from.iter_mut().zip(rgb) {
            *value = i16::from(byte) - 128;
        }
        let sizes = self.sizes.iter().zip(&self.sizes[1..]);
        for (step, (&before, &after)) in self.program.steps.iter().zip(sizes) {
            let sizes = [before, after];
            match step {
                Step::Convolution(convolution) => convolution.run(sizes, from, to),
                Step::Dense(dense) => dense.run(from, to),
                Step::Pool(pool) => pool.run(sizes, from, to),
                Step::Activation(activation) => activation.run(sizes, from, to),
            }
            std::mem::swap(&mut from, &mut to);
        }
        let last = self.sizes[self.sizes.len() - 1];
        let first = index * last.rows * last.columns;
        self.program.head.run(last, from, &mut self.scratch, &mut self.outputs, first);
    }

    /// The floats of output `index`.
    pub fn output(&self, index: usize) -> Option<&[f32]> {
        self.outputs.get(index).map(Vec::as_slice)
    }
}

/// 16 values of a tensor from `at` on.
#[inline]
fn block(tensor: &[i16], at: usize) -> &[i16; layer::BLOCK] {
    tensor[at..].first_chunk().expect("a tensor has slack behind its last value")
}

/// The same, to be written.
#[inline]
fn block_mut(tensor: &mut [i16], at: usize) -> &mut [i16; layer::BLOCK] {
    tensor[at..].first_chunk_mut().expect("a tensor has slack behind its last value")
}

#[cfg(test)]
mod tests;
