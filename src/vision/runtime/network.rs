//! One compiled network of one fixed input shape, with its buffers.
//!
//! Knows nothing of what the numbers mean.

use std::ops::Deref;
use std::sync::Arc;

use edgefirst_tflite_sys::litert::HwAcceleratorSet;

use super::RuntimeError;
use super::classic::Classic;
use super::compiled::{Compiled, Mapped};
use super::litert::Api;

/// The type of a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    Int8,
    Float32,
}

/// How an RGB byte becomes an input value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pixels {
    /// An int8 input that holds `(pixel - 128) / 128`: scale 1/128, zero point 0, so the byte only flips its top bit.
    Int8,
    /// A float input that holds `(pixel - mean) / std`.
    Float { mean: f32, std: f32 },
}

impl Pixels {
    /// The element type that goes with it.
    pub fn element_type(self) -> ElementType {
        match self {
            Pixels::Int8 => ElementType::Int8,
            Pixels::Float { .. } => ElementType::Float32,
        }
    }

    pub(super) fn bytes(self) -> usize {
        match self {
            Pixels::Int8 => 1,
            Pixels::Float { .. } => 4,
        }
    }

    /// Writes `rgb` as input values over the first bytes of `input`.
    pub(super) fn write(self, rgb: &[u8], input: &mut [u8]) {
        match self {
            Pixels::Int8 => {
                for (value, &pixel) in input.iter_mut().zip(rgb) {
                    *value = pixel ^ 0x80;
                }
            }
            Pixels::Float { mean, std } => {
                for (value, &pixel) in input.chunks_exact_mut(4).zip(rgb) {
                    value.copy_from_slice(&((f32::from(pixel) - mean) / std).to_ne_bytes());
                }
            }
        }
    }
}

/// A network with RGB bytes in (`[batch, rows, columns, 3]`) and float tensors out.
pub struct Network {
    engine: Engine,
    pixels: Pixels,
    shape: [usize; 4],
    outputs: Vec<Vec<usize>>,
}

enum Engine {
    LiteRt(Compiled),
    Classic(Classic),
}

impl Network {
    /// Compiles `file` for `shape` = `[batch, rows, columns, 3]` on the hardware bits of LiteRT, with `threads` for the CPU.
    pub(super) fn compile(
        api: &Arc<Api>,
        file: &Arc<[u8]>,
        shape: [usize; 4],
        pixels: Pixels,
        hardware: HwAcceleratorSet,
        threads: usize,
    ) -> Result<Network, RuntimeError> {
        looks_like_tflite(file)?;
        let compiled = Compiled::new(api.clone(), file.clone(), shape, pixels, hardware, threads)?;
        let outputs = compiled.output_shapes();
        Ok(Network { engine: Engine::LiteRt(compiled), pixels, shape, outputs })
    }

    /// Compiles `file` for an external delegate of classic TensorFlow Lite.
    pub(super) fn with_delegate(
        delegate: &std::path::Path,
        file: &Arc<[u8]>,
        shape: [usize; 4],
        pixels: Pixels,
        threads: usize,
    ) -> Result<Network, RuntimeError> {
        looks_like_tflite(file)?;
        let classic = Classic::new(delegate, file, shape, pixels, threads)?;
        let outputs = classic.output_shapes();
        Ok(Network { engine: Engine::Classic(classic), pixels, shape, outputs })
    }

    /// `[batch, rows, columns, 3]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Each output's shape, in the file's order.
    pub fn outputs(&self) -> &[Vec<usize>] {
        &self.outputs
    }

    /// Runs on `rgb`, at most a whole batch of pictures; what is missing of the batch keeps its former values.
    pub fn run(&mut self, rgb: &[u8]) -> Result<(), RuntimeError> {
        let room: usize = self.shape.iter().product();
        if rgb.len() > room {
            return Err(RuntimeError::WrongForm(format!("{} bytes for an input of {room}", rgb.len())));
        }
        match &mut self.engine {
            Engine::LiteRt(compiled) => {
                compiled.write_input(|input| self.pixels.write(rgb, input))?;
                compiled.run()
            }
            Engine::Classic(classic) => classic.run(rgb, self.pixels),
        }
    }

    /// The floats of output `index`, row-major in the shape that [`Network::outputs`] tells.
    pub fn output(&self, index: usize) -> Result<Output<'_>, RuntimeError> {
        match &self.engine {
            Engine::LiteRt(compiled) => compiled.read_output(index).map(|mapped| Output(View::Mapped(mapped))),
            Engine::Classic(classic) => classic.output(index).map(|floats| Output(View::Copied(floats))),
        }
    }

    /// Whether the hardware that was asked for took the whole graph.
    pub(super) fn fully_accelerated(&self) -> bool {
        match &self.engine {
            Engine::LiteRt(compiled) => compiled.fully_accelerated(),
            Engine::Classic(_) => true,
        }
    }
}

/// The floats of one output.
pub struct Output<'a>(View<'a>);

enum View<'a> {
    /// LiteRT's own memory, mapped while this lives.
    Mapped(Mapped<'a>),
    Copied(&'a [f32]),
}

impl Deref for Output<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match &self.0 {
            View::Mapped(mapped) => mapped,
            View::Copied(floats) => floats,
        }
    }
}

fn looks_like_tflite(file: &[u8]) -> Result<(), RuntimeError> {
    match file.get(4..8) {
        Some(b"TFL3") => Ok(()),
        Some(_) => Err(RuntimeError::NotAModel("its bytes 4 to 7 are not `TFL3`".into())),
        None => Err(RuntimeError::NotAModel(format!("it is only {} bytes long", file.len()))),
    }
}
