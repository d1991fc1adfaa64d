//! One compiled network of one fixed input shape, with its buffers.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use edgefirst_tflite_sys::litert::HwAcceleratorSet;

use super::RuntimeError;
use super::avx2::{KernelNetwork, Kernels};
use super::classic::Classic;
use super::compiled::{Compiled, Mapped};
use super::input::InputForm;
use super::litert::Api;

/// A network with RGB bytes in (`[batch, rows, columns, 3]`) and float tensors out.
pub struct CompiledNetwork {
    backend: Backend,
    form: InputForm,
    shape: [usize; 4],
    outputs: Vec<Vec<usize>>,
}

enum Backend {
    LiteRt(Compiled),
    Classic(Classic),
    Avx2(KernelNetwork),
}

impl CompiledNetwork {
    /// Compiles `file` for `shape` = `[batch, rows, columns, 3]` on LiteRT's `hardware` bits, with `threads` for the CPU.
    pub(super) fn compile(
        api: &Arc<Api>,
        file: &Arc<[u8]>,
        shape: [usize; 4],
        form: InputForm,
        hardware: HwAcceleratorSet,
        threads: usize,
    ) -> Result<CompiledNetwork, RuntimeError> {
        looks_like_tflite(file)?;
        let compiled = Compiled::new(api.clone(), file.clone(), shape, form, hardware, threads)?;
        let outputs = compiled.output_shapes();
        Ok(CompiledNetwork { backend: Backend::LiteRt(compiled), form, shape, outputs })
    }

    /// Compiles `file` for an external delegate of classic TensorFlow Lite.
    pub(super) fn with_delegate(
        delegate: &Path,
        file: &Arc<[u8]>,
        shape: [usize; 4],
        form: InputForm,
        threads: usize,
    ) -> Result<CompiledNetwork, RuntimeError> {
        looks_like_tflite(file)?;
        let classic = Classic::new(delegate, file, shape, form, threads)?;
        let outputs = classic.output_shapes();
        Ok(CompiledNetwork { backend: Backend::Classic(classic), form, shape, outputs })
    }

    /// The network on usher's own kernels; `None` if they do not support pictures of this shape.
    pub(super) fn with_kernels(kernels: &Kernels, shape: [usize; 4], form: InputForm) -> Option<CompiledNetwork> {
        let network = kernels.network(shape)?;
        let outputs = network.output_shapes();
        Some(CompiledNetwork { backend: Backend::Avx2(network), form, shape, outputs })
    }

    /// `[batch, rows, columns, 3]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Each output's shape, in the file's order.
    pub fn outputs(&self) -> &[Vec<usize>] {
        &self.outputs
    }

    /// Runs on `rgb`: whole pictures, at most a batch of them. With fewer, the rest of the batch keeps its previous values.
    pub fn run(&mut self, rgb: &[u8]) -> Result<(), RuntimeError> {
        let room: usize = self.shape.iter().product();
        if rgb.len() > room {
            return Err(RuntimeError::WrongForm(format!("{} bytes for an input of {room}", rgb.len())));
        }
        let [_, rows, columns, _] = self.shape;
        let write = |input: &mut [u8]| self.form.write(rgb, [rows, columns], input);
        match &mut self.backend {
            Backend::LiteRt(compiled) => {
                compiled.write_input(write)?;
                compiled.run()
            }
            Backend::Classic(classic) => classic.run(write),
            Backend::Avx2(network) => {
                network.run(rgb);
                Ok(())
            }
        }
    }

    /// The floats of output `index`, row-major in the shape that [`CompiledNetwork::outputs`] gives.
    pub fn output(&self, index: usize) -> Result<OutputFloats<'_>, RuntimeError> {
        let floats = match &self.backend {
            Backend::LiteRt(compiled) => return compiled.read_output(index).map(|m| OutputFloats(Floats::Mapped(m))),
            Backend::Classic(classic) => classic.output(index)?,
            Backend::Avx2(network) => {
                network.output(index).ok_or_else(|| RuntimeError::WrongForm(format!("it has no output {index}")))?
            }
        };
        Ok(OutputFloats(Floats::Borrowed(floats)))
    }

    /// Whether the requested hardware runs the whole graph.
    pub(super) fn fully_accelerated(&self) -> bool {
        match &self.backend {
            Backend::LiteRt(compiled) => compiled.fully_accelerated(),
            Backend::Classic(_) | Backend::Avx2(_) => true,
        }
    }
}

/// The floats of one output; dereferences to a slice. Borrows the network, so it cannot run while this is alive.
pub struct OutputFloats<'a>(Floats<'a>);

enum Floats<'a> {
    /// LiteRT's own memory, mapped until this is dropped.
    Mapped(Mapped<'a>),
    Borrowed(&'a [f32]),
}

impl Deref for OutputFloats<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match &self.0 {
            Floats::Mapped(mapped) => mapped,
            Floats::Borrowed(floats) => floats,
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
