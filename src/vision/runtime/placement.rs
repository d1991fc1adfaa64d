//! Where a model runs: on the requested hardware if a fixed probe agrees with the CPU there, otherwise on the CPU.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::RuntimeError;
use super::avx2::Kernels;
use super::input::InputForm;
use super::library::Runtime;
use super::network::CompiledNetwork;
use super::processor::Processor;
use crate::domain::Accelerator;

/// `kLiteRtHwAcceleratorCpu`, `…Gpu`, `…Npu`.
const CPU: i32 = 1;
const GPU: i32 = 2;
const NPU: i32 = 4;

/// The least cosine between an accelerator's and the CPU's output on the probe. Half-precision GPUs reach .999 on these networks, int8
/// against float .994 (models/README.md); below .99 something is computed wrongly.
const LEAST_AGREEMENT: f64 = 0.99;

/// The largest difference between a float of usher's kernels and of LiteRT's on the CPU, relative to the output's largest. The integer
/// arithmetic is identical; only the last layers' sums and the exponential may round differently.
const MOST_DIFFERENCE: f32 = 1e-5;

/// Where a model runs, and why.
#[derive(Clone, Debug)]
pub struct Placement {
    pub asked: Accelerator,
    /// `Cpu`, `Gpu`, `Npu` or the delegate; never `Auto`.
    pub on: Accelerator,
    /// Whether usher's own kernels run it on the CPU, instead of LiteRT's.
    pub own_kernels: bool,
    /// Why the model does not run on the requested hardware; `None` if it does.
    pub fallback: Option<String>,
    /// The faster of two runs of the probe, after a warm-up run.
    pub latency: Duration,
}

/// A model whose hardware has been chosen. Compiles networks for any input shape.
#[derive(Clone)]
pub struct PlacedModel {
    runtime: Runtime,
    file: Arc<[u8]>,
    form: InputForm,
    threads: usize,
    /// If set, they run it on the CPU instead of LiteRT.
    kernels: Option<Kernels>,
    placement: Placement,
}

impl PlacedModel {
    /// Compiles `file` for pictures of `shape` on the `asked` hardware, runs it on a fixed probe and compares the result with the CPU's. If
    /// it does not load, compile, run or agree, the model is placed on the CPU, with the reason.
    ///
    /// # Errors
    /// The CPU cannot run the model either.
    pub fn new(
        runtime: &Runtime,
        file: Arc<[u8]>,
        shape: [usize; 4],
        form: InputForm,
        asked: Accelerator,
        threads: usize,
    ) -> Result<PlacedModel, RuntimeError> {
        let mut this = PlacedModel {
            runtime: runtime.clone(),
            file,
            form,
            threads,
            kernels: None,
            placement: Placement {
                asked: asked.clone(),
                on: Accelerator::Cpu,
                own_kernels: false,
                fallback: None,
                latency: Duration::ZERO,
            },
        };
        let probe = probe(shape);
        let (expected, latency) = measure(&mut this.network(shape)?, &probe)?;
        this.placement.latency = latency;
        this.try_kernels(shape, &probe, &expected)?;
        let wanted = match asked {
            Accelerator::Auto if runtime.has_dispatch_library() => Accelerator::Npu,
            Accelerator::Auto | Accelerator::Cpu => return Ok(this),
            other => other,
        };
        let tried = this.compile(&wanted, shape).and_then(|mut network| {
            let whole = network.fully_accelerated();
            let (found, latency) = measure(&mut network, &probe)?;
            Ok((agreement(&expected, &found), latency, whole))
        });
        match tried {
            Err(error) => this.placement.fallback = Some(error.to_string()),
            Ok((agreement, _, _)) if agreement.is_nan() || agreement < LEAST_AGREEMENT => {
                this.placement.fallback = Some(format!(
                    "its result disagrees with the CPU's (cosine {agreement:.4}, at least {LEAST_AGREEMENT} expected)"
                ));
            }
            Ok((_, _, false)) => this.placement.fallback = Some("it can run only part of the network".into()),
            Ok((_, latency, true)) => {
                this.placement.latency = latency;
                this.placement.on = wanted;
                this.placement.own_kernels = false;
            }
        }
        Ok(this)
    }

    /// Replaces LiteRT by usher's kernels on the CPU if they support the network and give the `expected` result for the probe.
    fn try_kernels(&mut self, shape: [usize; 4], probe: &[u8], expected: &[Vec<f32>]) -> Result<(), RuntimeError> {
        let kernels = Kernels::are_faster().then(|| Kernels::of(&self.file, self.form)).flatten();
        let Some(kernels) = kernels else { return Ok(()) };
        let Some(mut network) = CompiledNetwork::with_kernels(&kernels, shape, self.form) else { return Ok(()) };
        let (found, latency) = measure(&mut network, probe)?;
        match difference(expected, &found) {
            difference if difference <= MOST_DIFFERENCE => {
                (self.kernels, self.placement.latency, self.placement.own_kernels) = (Some(kernels), latency, true);
            }
            difference => {
                tracing::warn!(difference, "usher's kernels disagree with LiteRT, which runs the model instead")
            }
        }
        Ok(())
    }

    /// Where it runs, and why.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Compiles it for pictures of `shape` = `[batch, rows, columns, 3]`. Falls back to the CPU if the accelerator supports the probe's shape
    /// but not this one.
    pub fn network(&self, shape: [usize; 4]) -> Result<CompiledNetwork, RuntimeError> {
        let on = &self.placement.on;
        match self.compile(on, shape) {
            Err(error) if *on != Accelerator::Cpu => {
                tracing::warn!(accelerator = %on, ?shape, %error, "the accelerator does not support this input size; it runs on the CPU");
                self.compile(&Accelerator::Cpu, shape)
            }
            done => done,
        }
    }

    fn compile(&self, on: &Accelerator, shape: [usize; 4]) -> Result<CompiledNetwork, RuntimeError> {
        let hardware = match on {
            Accelerator::Delegate(path) => {
                return CompiledNetwork::with_delegate(path, &self.file, shape, self.form, self.threads);
            }
            Accelerator::Gpu => GPU,
            Accelerator::Npu => NPU,
            Accelerator::Auto | Accelerator::Cpu => CPU,
        };
        let kernels = self.kernels.as_ref().filter(|_| hardware == CPU);
        if let Some(network) = kernels.and_then(|kernels| CompiledNetwork::with_kernels(kernels, shape, self.form)) {
            return Ok(network);
        }
        if hardware == GPU
            && let Some(why) = Processor::here().lacks_for_gpu(std::env::consts::ARCH)
        {
            return Err(RuntimeError::Processor(why));
        }
        let api = match hardware {
            CPU => &self.runtime.api,
            _ => match self.runtime.accelerated() {
                Some(api) if api.accelerators().iter().any(|(_, bits)| bits & hardware != 0) => api,
                _ => return Err(RuntimeError::NoAccelerator(on.clone())),
            },
        };
        CompiledNetwork::compile(api, &self.file, shape, self.form, hardware, self.threads)
    }
}

/// A fixed picture of smooth shapes and noise: the same bytes on every machine.
fn probe(shape: [usize; 4]) -> Vec<u8> {
    let [batch, rows, columns, channels] = shape;
    let mut noise = fastrand::Rng::with_seed(0);
    (0..batch * rows * columns * channels)
        .map(|index| {
            let (x, y) = (index / channels % columns, index / channels / columns % rows);
            (x * 160 / columns + y * 64 / rows) as u8 + noise.u8(..32)
        })
        .collect()
}

/// All outputs after a run on `probe`, and the duration of the faster of two more runs.
fn measure(network: &mut CompiledNetwork, probe: &[u8]) -> Result<(Vec<Vec<f32>>, Duration), RuntimeError> {
    network.run(probe)?;
    let outputs =
        (0..network.outputs().len()).map(|i| network.output(i).map(|o| o.to_vec())).collect::<Result<_, _>>()?;
    let mut fastest = Duration::MAX;
    for _ in 0..2 {
        let start = Instant::now();
        network.run(probe)?;
        fastest = fastest.min(start.elapsed());
    }
    Ok((outputs, fastest))
}

/// The worst cosine over the outputs; NaN when one is not finite.
fn agreement(expected: &[Vec<f32>], found: &[Vec<f32>]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let mut worst = 1.0;
    for (a, b) in expected.iter().zip(found) {
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        if cosine.is_nan() || a.len() != b.len() {
            return f64::NAN;
        }
        worst = f64::min(worst, cosine);
    }
    worst
}

/// The largest difference between two corresponding floats, relative to the largest of their output; infinite if the outputs cannot be compared.
fn difference(expected: &[Vec<f32>], found: &[Vec<f32>]) -> f32 {
    let mut worst: f32 = 0.0;
    let same_form = expected.iter().map(Vec::len).eq(found.iter().map(Vec::len));
    for (a, b) in expected.iter().zip(found) {
        let largest = a.iter().fold(f32::MIN_POSITIVE, |largest, a| largest.max(a.abs()));
        worst = a.iter().zip(b).map(|(a, b)| (a - b).abs() / largest).fold(worst, f32::max);
    }
    let finite = expected.iter().chain(found).flatten().all(|value| value.is_finite());
    if same_form && finite { worst } else { f32::INFINITY }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::input::{Pixels, Windows};
    use super::*;

    /// A network of the detector on LiteRT and on usher's kernels; `None`, with a notice, on a processor without kernels.
    fn both(name: &str, shape: [usize; 4]) -> Option<(CompiledNetwork, CompiledNetwork)> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
        let file: Arc<[u8]> = std::fs::read(path).unwrap().into();
        let form = InputForm { pixels: Pixels::Int8, windows: Windows { side: 3 } };
        let Some(kernels) = Kernels::of(&file, form) else {
            eprintln!("SKIPPED: usher has no kernels for this processor");
            return None;
        };
        let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
        let litert = CompiledNetwork::compile(&runtime.api, &file, shape, form, CPU, 1).unwrap();
        Some((litert, CompiledNetwork::with_kernels(&kernels, shape, form).unwrap()))
    }

    fn outputs(network: &mut CompiledNetwork, rgb: &[u8]) -> Vec<Vec<f32>> {
        network.run(rgb).unwrap();
        (0..network.outputs().len()).map(|i| network.output(i).unwrap().to_vec()).collect()
    }

    /// A picture of random bytes, an even one, and the probe.
    fn pictures(shape: [usize; 4]) -> [Vec<u8>; 3] {
        let values = shape.iter().product();
        let mut generator = fastrand::Rng::with_seed(7);
        [std::iter::repeat_with(|| generator.u8(..)).take(values).collect(), vec![255; values], probe(shape)]
    }

    #[test]
    fn the_kernels_agree_with_litert() {
        let shapes = [
            ("pnet.tflite", [1, 12, 12, 3]),
            ("pnet.tflite", [1, 13, 40, 3]),
            ("pnet.tflite", [1, 61, 82, 3]),
            ("rnet.tflite", [1, 24, 24, 3]),
            ("rnet.tflite", [16, 24, 24, 3]),
            ("onet.tflite", [1, 48, 48, 3]),
        ];
        for (name, shape) in shapes {
            let Some((mut litert, mut ours)) = both(name, shape) else { return };
            assert_eq!(ours.outputs(), litert.outputs(), "{name} {shape:?}");
            for picture in pictures(shape) {
                let (expected, found) = (outputs(&mut litert, &picture), outputs(&mut ours, &picture));
                let difference = difference(&expected, &found);
                assert!(difference <= 1e-6, "{name} {shape:?}: {difference}");
            }
        }
    }

    #[test]
    fn outputs_that_cannot_be_compared_differ_infinitely() {
        let one = |values: &[f32]| vec![values.to_vec()];
        assert_eq!(difference(&one(&[1.0, -2.0]), &one(&[1.0, -2.0])), 0.0);
        assert_eq!(difference(&one(&[1.0, -2.0]), &one(&[1.0, -1.0])), 0.5);
        for other in [one(&[1.0]), one(&[1.0, f32::NAN]), Vec::new()] {
            assert_eq!(difference(&one(&[1.0, -2.0]), &other), f32::INFINITY);
        }
    }
}
