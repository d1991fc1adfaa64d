//! One compiled network of one fixed input shape, with its buffers.
//!
//! Knows nothing of what the numbers mean.

use std::ops::Deref;
use std::sync::Arc;

use edgefirst_tflite_sys::litert::HwAcceleratorSet;

use super::RuntimeError;
use super::avx2;
use super::classic::Classic;
use super::compiled::{Compiled, Mapped};
use super::litert::Api;
use super::windows::Windows;

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
}

/// What an input holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputForm {
    pub pixels: Pixels,
    pub windows: Windows,
}

impl InputForm {
    /// Plain pictures.
    pub fn plain(pixels: Pixels) -> InputForm {
        InputForm { pixels, windows: Windows::PIXELS }
    }

    /// The input's shape for pictures of `[batch, rows, columns, 3]`.
    pub(super) fn shape(self, pictures: [usize; 4]) -> [usize; 4] {
        self.windows.shape(pictures)
    }

    /// Bytes of an input for pictures of `[batch, rows, columns, 3]`.
    pub(super) fn bytes(self, pictures: [usize; 4]) -> usize {
        self.shape(pictures).iter().product::<usize>() * self.pixels.bytes()
    }

    /// Writes the pictures in `rgb`, each of `rows` by `columns` pixels, as input values over the first bytes of `input`.
    pub(super) fn write(self, rgb: &[u8], [rows, columns]: [usize; 2], input: &mut [u8]) {
        let (picture, laid) = (rows * columns * 3, self.bytes([1, rows, columns, 3]));
        for (rgb, input) in rgb.chunks_exact(picture).zip(input.chunks_exact_mut(laid)) {
            match self.pixels {
                Pixels::Int8 => {
                    self.windows.lay(rgb, columns, input);
                    input.iter_mut().for_each(|value| *value ^= 0x80);
                }
                Pixels::Float { mean, std } => {
                    // The bytes lie at the end of the room for the values: each is read before its place is written.
                    let bytes = laid / 4 * 3;
                    self.windows.lay(rgb, columns, &mut input[bytes..]);
                    for i in 0..laid / 4 {
                        let value = (f32::from(input[bytes + i]) - mean) / std;
                        input[i * 4..][..4].copy_from_slice(&value.to_ne_bytes());
                    }
                }
            }
        }
    }
}

/// A network with RGB bytes in (`[batch, rows, columns, 3]`) and float tensors out.
pub struct Network {
    engine: Engine,
    form: InputForm,
    shape: [usize; 4],
    outputs: Vec<Vec<usize>>,
}

enum Engine {
    LiteRt(Compiled),
    Classic(Classic),
    /// Kernels of our own.
    Avx2(avx2::Network),
}

impl Network {
    /// Compiles `file` for `shape` = `[batch, rows, columns, 3]` on the hardware bits of LiteRT, with `threads` for the CPU.
    pub(super) fn compile(
        api: &Arc<Api>,
        file: &Arc<[u8]>,
        shape: [usize; 4],
        form: InputForm,
        hardware: HwAcceleratorSet,
        threads: usize,
    ) -> Result<Network, RuntimeError> {
        looks_like_tflite(file)?;
        let compiled = Compiled::new(api.clone(), file.clone(), shape, form, hardware, threads)?;
        let outputs = compiled.output_shapes();
        Ok(Network { engine: Engine::LiteRt(compiled), form, shape, outputs })
    }

    /// Compiles `file` for an external delegate of classic TensorFlow Lite.
    pub(super) fn with_delegate(
        delegate: &std::path::Path,
        file: &Arc<[u8]>,
        shape: [usize; 4],
        form: InputForm,
        threads: usize,
    ) -> Result<Network, RuntimeError> {
        looks_like_tflite(file)?;
        let classic = Classic::new(delegate, file, shape, form, threads)?;
        let outputs = classic.output_shapes();
        Ok(Network { engine: Engine::Classic(classic), form, shape, outputs })
    }

    /// The network with kernels of our own; `None` when they do not take such pictures.
    pub(super) fn with_kernels(kernels: &avx2::Kernels, shape: [usize; 4], form: InputForm) -> Option<Network> {
        let network = kernels.network(shape)?;
        let outputs = network.output_shapes();
        Some(Network { engine: Engine::Avx2(network), form, shape, outputs })
    }

    /// `[batch, rows, columns, 3]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Each output's shape, in the file's order.
    pub fn outputs(&self) -> &[Vec<usize>] {
        &self.outputs
    }

    /// Runs on `rgb`, whole pictures and at most a batch of them; what is missing of the batch keeps its former values.
    pub fn run(&mut self, rgb: &[u8]) -> Result<(), RuntimeError> {
        let room: usize = self.shape.iter().product();
        if rgb.len() > room {
            return Err(RuntimeError::WrongForm(format!("{} bytes for an input of {room}", rgb.len())));
        }
        let [_, rows, columns, _] = self.shape;
        let write = |input: &mut [u8]| self.form.write(rgb, [rows, columns], input);
        match &mut self.engine {
            Engine::LiteRt(compiled) => {
                compiled.write_input(write)?;
                compiled.run()
            }
            Engine::Classic(classic) => classic.run(write),
            Engine::Avx2(network) => {
                network.run(rgb);
                Ok(())
            }
        }
    }

    /// The floats of output `index`, row-major in the shape that [`Network::outputs`] tells.
    pub fn output(&self, index: usize) -> Result<Output<'_>, RuntimeError> {
        match &self.engine {
            Engine::LiteRt(compiled) => compiled.read_output(index).map(|mapped| Output(View::Mapped(mapped))),
            Engine::Classic(classic) => classic.output(index).map(|floats| Output(View::Copied(floats))),
            Engine::Avx2(network) => {
                let floats = network.output(index);
                let floats = floats.ok_or_else(|| RuntimeError::WrongForm(format!("it has no output {index}")))?;
                Ok(Output(View::Copied(floats)))
            }
        }
    }

    /// Whether the hardware that was asked for took the whole graph.
    pub(super) fn fully_accelerated(&self) -> bool {
        match &self.engine {
            Engine::LiteRt(compiled) => compiled.fully_accelerated(),
            Engine::Classic(_) | Engine::Avx2(_) => true,
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
