//! usher's own kernels for small int8 networks, for x86-64 processors with AVX2 but without int8 dot products (VNNI). On those, XNNPACK,
//! which LiteRT runs, leaves most of the processor idle. The results are LiteRT's.

mod activation;
mod convolution;
mod file;
mod layer;
mod outputs;
mod pool;
mod program;
mod tensor;

use std::sync::Arc;

use super::input::InputForm;
use program::{Program, Step};
use tensor::{SLACK, Size};

/// A network that this processor and these kernels can run.
#[derive(Clone)]
pub(super) struct Kernels(Arc<Program>);

impl Kernels {
    /// `None` for a network with unsupported steps, and on a processor without AVX2 and FMA.
    pub fn of(file: &[u8], form: InputForm) -> Option<Kernels> {
        let supported = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        Some(Kernels(Arc::new(Program::read(supported.then_some(file)?, form)?)))
    }

    /// Whether they are faster than XNNPACK on this processor. With AVX-512 VNNI or AVX-VNNI, XNNPACK's kernels are good.
    pub fn are_faster() -> bool {
        !is_x86_feature_detected!("avx512vnni") && !is_x86_feature_detected!("avxvnni")
    }

    /// The network for pictures of `[batch, rows, columns, 3]`; `None` if it does not accept them.
    pub fn network(&self, [batch, rows, columns, channels]: [usize; 4]) -> Option<KernelNetwork> {
        let input = Size { rows, columns, channels };
        let (mut last, mut sizes) = (input, vec![input]);
        let mut steps = Vec::new();
        for step in &self.0.steps {
            let from = last;
            last = match step {
                Step::Convolution(convolution) => convolution.output(from)?,
                Step::Dense(dense) => dense.output(from)?,
                Step::Pool(pool) => pool.output(from)?,
                Step::Activation(activation) => activation.output(from)?,
            };
            steps.push([from, last]);
            sizes.push(last);
        }
        let outputs = &self.0.outputs;
        // Two tensors are alive at a time.
        let room = [0, 1].map(|odd| sizes.iter().skip(odd).step_by(2).map(|size| size.values()).max().unwrap_or(0));
        outputs.takes(last).then(|| KernelNetwork {
            batch,
            tensors: room.map(|values| vec![0; values + SLACK]),
            scratch: vec![0.0; outputs.scratch()],
            outputs: outputs.widths().map(|width| vec![0.0; batch * last.rows * last.columns * width]).collect(),
            input,
            steps,
            last,
            program: self.0.clone(),
        })
    }
}

/// A network of one input shape, with its tensors.
pub(super) struct KernelNetwork {
    program: Arc<Program>,
    batch: usize,
    /// Size of one picture.
    input: Size,
    /// Sizes before and after each step of the program.
    steps: Vec<[Size; 2]>,
    /// Size after the last step.
    last: Size,
    tensors: [Vec<i16>; 2],
    scratch: Vec<f32>,
    outputs: Vec<Vec<f32>>,
}

impl KernelNetwork {
    /// Each output's shape, as LiteRT gives it: without rows and columns after a fully connected layer.
    pub fn output_shapes(&self) -> Vec<Vec<usize>> {
        let Size { rows, columns, .. } = self.last;
        let flat = self.program.steps.iter().any(|step| matches!(step, Step::Dense(_)));
        let shape = |width| if flat { vec![self.batch, width] } else { vec![self.batch, rows, columns, width] };
        self.program.outputs.widths().map(shape).collect()
    }

    /// Runs on the pictures in `rgb`, at most a batch.
    pub fn run(&mut self, rgb: &[u8]) {
        for (index, rgb) in rgb.chunks_exact(self.input.values().max(1)).take(self.batch).enumerate() {
            // SAFETY: `Kernels` are made only on processors with both features.
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
        for (step, &sizes) in self.program.steps.iter().zip(&self.steps) {
            match step {
                Step::Convolution(convolution) => convolution.run(sizes, from, to),
                Step::Dense(dense) => dense.run(from, to),
                Step::Pool(pool) => pool.run(sizes, from, to),
                Step::Activation(activation) => activation.run(sizes, from, to),
            }
            std::mem::swap(&mut from, &mut to);
        }
        let first = index * self.last.rows * self.last.columns;
        self.program.outputs.run(self.last, from, &mut self.scratch, &mut self.outputs, first);
    }

    /// The floats of output `index`.
    pub fn output(&self, index: usize) -> Option<&[f32]> {
        self.outputs.get(index).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests;
