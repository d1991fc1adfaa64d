//! Which hardware runs a model: what was asked for, tried on a fixed probe against the CPU, or else the CPU.
//!
//! Knows nothing of what a model is for.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::network::{InputForm, Network};
use super::{Runtime, RuntimeError};

/// `kLiteRtHwAcceleratorCpu`, `…Gpu`, `…Npu`.
const CPU: i32 = 1;
const GPU: i32 = 2;
const NPU: i32 = 4;

/// The least cosine between an accelerator's and the CPU's output on the probe. Half-precision GPUs reach .999 on these
/// networks, int8 against float .994 (models/README.md); below .99 something is computed wrongly.
const LEAST_AGREEMENT: f64 = 0.99;

/// What the operator asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// The NPU when a vendor's library for it lies beside LiteRT's, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// LiteRT's GPU accelerator.
    Gpu,
    /// LiteRT's NPU dispatch.
    Npu,
    /// An external delegate of classic TensorFlow Lite.
    Delegate(PathBuf),
}

impl FromStr for Accelerator {
    type Err = String;
    fn from_str(text: &str) -> Result<Accelerator, String> {
        match text {
            "auto" => Ok(Accelerator::Auto),
            "cpu" => Ok(Accelerator::Cpu),
            "gpu" => Ok(Accelerator::Gpu),
            "npu" => Ok(Accelerator::Npu),
            path if path.starts_with('/') => Ok(Accelerator::Delegate(path.into())),
            other => Err(format!("`{other}` is none of auto, cpu, gpu, npu or the absolute path of a delegate")),
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Accelerator::Auto => f.write_str("auto"),
            Accelerator::Cpu => f.write_str("cpu"),
            Accelerator::Gpu => f.write_str("gpu"),
            Accelerator::Npu => f.write_str("npu"),
            Accelerator::Delegate(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Where a model runs, and why.
#[derive(Clone, Debug)]
pub struct Placement {
    pub asked: Accelerator,
    /// `Cpu`, `Gpu`, `Npu` or the delegate; never `Auto`.
    pub on: Accelerator,
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
            placement: Placement {
                asked: asked.clone(),
                on: Accelerator::Cpu,
                fallback: None,
                latency: Duration::ZERO,
            },
        };
        let probe = probe(shape);
        let (expected, latency) = measure(&mut this.network(shape)?, &probe)?;
        this.placement.latency = latency;
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
            }
        }
        Ok(this)
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
