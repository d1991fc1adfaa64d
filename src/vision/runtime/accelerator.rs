//! Which hardware runs a model: what was asked for, tried on a fixed probe against the CPU, or else the CPU.
//!
//! Knows nothing of what a model is for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::avx2::Kernels;
use super::network::{InputForm, Network};
use super::{Runtime, RuntimeError};
pub use crate::domain::Accelerator;

/// `kLiteRtHwAcceleratorCpu`, `…Gpu`, `…Npu`.
const CPU: i32 = 1;
const GPU: i32 = 2;
const NPU: i32 = 4;

/// The least cosine between an accelerator's and the CPU's output on the probe. Half-precision GPUs reach .999 on these
/// networks, int8 against float .994 (models/README.md); below .99 something is computed wrongly.
const LEAST_AGREEMENT: f64 = 0.99;

/// The largest difference between a float of our own kernels and of LiteRT's on the CPU, as a part of the output's largest. The whole numbers are
/// the same; only the last layers' sums and the exponential may round otherwise.
const MOST_DIFFERENCE: f32 = 1e-5;

/// Where a model runs, and why.
#[derive(Clone, Debug)]
pub struct Placement {
    pub asked: Accelerator,
    /// `Cpu`, `Gpu`, `Npu` or the delegate; never `Auto`.
    pub on: Accelerator,
    /// Whether kernels of our own run it on the CPU, and not LiteRT's.
    pub own_kernels: bool,
    /// Why the model is not where it was asked to be; `None` when it is.
    pub fallback: Option<String>,
    /// The faster of two runs of the probe, after one to warm up.
    pub latency: Duration,
}

/// A model whose place is decided; gives networks for any input shape.
#[derive(Clone)]
pub struct Planned {
    runtime: Runtime,
    file: Arc<[u8]>,
    form: InputForm,
    threads: usize,
    /// What runs it on the CPU in LiteRT's place.
    kernels: Option<Kernels>,
    placement: Placement,
}

impl Planned {
    /// Compiles `file` for pictures of `shape` on what is `asked`, runs it on a fixed probe and compares it with the CPU. What does not load,
    /// compile, run or agree is placed on the CPU, with the reason. Fails only when the CPU cannot run the model either.
    pub fn new(
        runtime: &Runtime,
        file: Arc<[u8]>,
        shape: [usize; 4],
        form: InputForm,
        asked: Accelerator,
        threads: usize,
    ) -> Result<Planned, RuntimeError> {
        let mut this = Planned {
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
                    "its answer disagrees with the CPU's (cosine {agreement:.4}, at least {LEAST_AGREEMENT} expected)"
                ));
            }
            Ok((_, _, false)) => this.placement.fallback = Some("it takes only a part of the network".into()),
            Ok((_, latency, true)) => {
                this.placement.latency = latency;
                this.placement.on = wanted;
                this.placement.own_kernels = false;
            }
        }
        Ok(this)
    }

    /// Puts kernels of our own in LiteRT's place on the CPU, where they know the network, and give what it `expected` of the probe.
    fn try_kernels(&mut self, shape: [usize; 4], probe: &[u8], expected: &[Vec<f32>]) -> Result<(), RuntimeError> {
        let kernels = Kernels::are_ahead().then(|| Kernels::of(&self.file, self.form)).flatten();
        let Some(kernels) = kernels else { return Ok(()) };
        let Some(mut network) = Network::with_kernels(&kernels, shape, self.form) else { return Ok(()) };
        let (found, latency) = measure(&mut network, probe)?;
        match difference(expected, &found) {
            difference if difference <= MOST_DIFFERENCE => {
                (self.kernels, self.placement.latency, self.placement.own_kernels) = (Some(kernels), latency, true);
            }
            difference => {
                tracing::warn!(difference, "LiteRT and usher's kernels give other numbers; LiteRT's are taken")
            }
        }
        Ok(())
    }

    /// Where it runs.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Compiles it for pictures of `shape` = `[batch, rows, columns, 3]`; on the CPU where its accelerator takes the probe's shape but not this one.
    pub fn network(&self, shape: [usize; 4]) -> Result<Network, RuntimeError> {
        let on = &self.placement.on;
        match self.compile(on, shape) {
            Err(error) if *on != Accelerator::Cpu => {
                tracing::warn!(accelerator = %on, ?shape, %error, "this size runs on the CPU instead");
                self.compile(&Accelerator::Cpu, shape)
            }
            done => done,
        }
    }

    fn compile(&self, on: &Accelerator, shape: [usize; 4]) -> Result<Network, RuntimeError> {
        let hardware = match on {
            Accelerator::Delegate(path) => {
                return Network::with_delegate(path, &self.file, shape, self.form, self.threads);
            }
            Accelerator::Gpu => GPU,
            Accelerator::Npu => NPU,
            Accelerator::Auto | Accelerator::Cpu => CPU,
        };
        let kernels = self.kernels.as_ref().filter(|_| hardware == CPU);
        if let Some(network) = kernels.and_then(|kernels| Network::with_kernels(kernels, shape, self.form)) {
            return Ok(network);
        }
        let api = match hardware {
            CPU => &self.runtime.api,
            _ => match self.runtime.accelerated() {
                Some(api) if api.accelerators().iter().any(|(_, bits)| bits & hardware != 0) => api,
                _ => return Err(RuntimeError::NoAccelerator(on.clone())),
            },
        };
        Network::compile(api, &self.file, shape, self.form, hardware, self.threads)
    }
}

/// A fixed picture of smooth shapes and noise: the same bytes on every machine.
fn probe(shape: [usize; 4]) -> Vec<u8> {
    let [batch, rows, columns, channels] = shape;
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    (0..batch * rows * columns * channels)
        .map(|index| {
            // xorshift64 (Marsaglia 2003).
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            let (x, y) = (index / channels % columns, index / channels / columns % rows);
            ((x * 160 / columns + y * 64 / rows) as u64 + noise % 32) as u8
        })
        .collect()
}

/// All outputs after a run on `probe`, and the faster of two more runs.
fn measure(network: &mut Network, probe: &[u8]) -> Result<(Vec<Vec<f32>>, Duration), RuntimeError> {
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

/// The largest difference between two floats at one place, as a part of its output's largest; infinite where the outputs cannot be compared.
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

    use super::super::{Pixels, Windows};
    use super::*;

    /// A network of the detector, by LiteRT and by kernels of our own. `None`, said loudly, where there are none.
    fn both(name: &str, shape: [usize; 4]) -> Option<(Network, Network)> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
        let file: Arc<[u8]> = std::fs::read(path).unwrap().into();
        let form = InputForm { pixels: Pixels::Int8, windows: Windows { side: 3 } };
        let Some(kernels) = Kernels::of(&file, form) else {
            eprintln!("SKIPPED: this processor has no kernels of usher's own");
            return None;
        };
        let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
        let litert = Network::compile(&runtime.api, &file, shape, form, CPU, 1).unwrap();
        Some((litert, Network::with_kernels(&kernels, shape, form).unwrap()))
    }

    fn outputs(network: &mut Network, rgb: &[u8]) -> Vec<Vec<f32>> {
        network.run(rgb).unwrap();
        (0..network.outputs().len()).map(|i| network.output(i).unwrap().to_vec()).collect()
    }

    /// A picture of the worst contrast, an even one, and the probe.
    fn pictures(shape: [usize; 4]) -> [Vec<u8>; 3] {
        let values = shape.iter().product();
        let mut generator = fastrand::Rng::with_seed(7);
        [std::iter::repeat_with(|| generator.u8(..)).take(values).collect(), vec![255; values], probe(shape)]
    }

    #[test]
    fn our_kernels_give_what_litert_gives() {
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
    fn numbers_that_cannot_be_compared_are_as_different_as_can_be() {
        let one = |values: &[f32]| vec![values.to_vec()];
        assert_eq!(difference(&one(&[1.0, -2.0]), &one(&[1.0, -2.0])), 0.0);
        assert_eq!(difference(&one(&[1.0, -2.0]), &one(&[1.0, -1.0])), 0.5);
        for other in [one(&[1.0]), one(&[1.0, f32::NAN]), Vec::new()] {
            assert_eq!(difference(&one(&[1.0, -2.0]), &other), f32::INFINITY);
        }
    }
}
