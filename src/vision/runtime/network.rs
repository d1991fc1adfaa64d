//! One compiled network of one fixed input shape, with its buffers.
//!
//! Knows nothing of what the numbers mean.

use std::ffi::{CString, c_int, c_void};
use std::ops::Deref;
use std::sync::Arc;

use edgefirst_tflite_sys::litert::{
    CompiledModel, HwAcceleratorSet, Model, Options, RankedTensorType, Signature, Tensor, TensorBuffer,
    TensorBufferRequirements,
};

use super::classic::Classic;
use super::litert::{Api, FLOAT32, INT8, Layout, TensorType, check};
use super::{Runtime, RuntimeError};

/// `kLiteRtTensorBufferLockModeRead` and `…Write`.
const LOCK_READ: u32 = 0;
const LOCK_WRITE: u32 = 1;

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

    fn bytes(self) -> usize {
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
        runtime: &Runtime,
        file: &Arc<[u8]>,
        shape: [usize; 4],
        pixels: Pixels,
        hardware: HwAcceleratorSet,
        threads: usize,
    ) -> Result<Network, RuntimeError> {
        looks_like_tflite(file)?;
        let compiled = Compiled::new(runtime.api.clone(), file.clone(), shape, pixels, hardware, threads)?;
        let outputs = compiled.outputs.iter().map(|o| o.shape.clone()).collect();
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
            Engine::LiteRt(compiled) => compiled.read_output(index),
            Engine::Classic(classic) => classic.output(index).map(|floats| Output { floats, locked: None }),
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

/// A view of one output; ends its mapping when dropped.
pub struct Output<'a> {
    floats: &'a [f32],
    locked: Option<(&'a Compiled, TensorBuffer)>,
}

impl Deref for Output<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        self.floats
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        if let Some((compiled, buffer)) = self.locked {
            // SAFETY: `buffer` was locked by `read_output` and lives as long as `compiled`.
            unsafe { (compiled.api.fns.unlock_tensor_buffer)(buffer) };
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

struct OutputBuffer {
    buffer: TensorBuffer,
    shape: Vec<usize>,
    floats: usize,
}

/// LiteRT's compiled model with one input buffer and its output buffers.
struct Compiled {
    api: Arc<Api>,
    model: Model,
    compiled: CompiledModel,
    input: TensorBuffer,
    input_bytes: usize,
    outputs: Vec<OutputBuffer>,
    handles: Vec<TensorBuffer>,
    // LiteRT reads the weights from here at every run.
    _file: Arc<[u8]>,
}

// SAFETY: the handles are heap objects without thread affinity, used through `&mut self` by one thread at a time.
unsafe impl Send for Compiled {}

impl Compiled {
    fn new(
        api: Arc<Api>,
        file: Arc<[u8]>,
        shape: [usize; 4],
        pixels: Pixels,
        hardware: HwAcceleratorSet,
        threads: usize,
    ) -> Result<Compiled, RuntimeError> {
        let mut this = Compiled {
            api,
            model: std::ptr::null_mut(),
            compiled: std::ptr::null_mut(),
            input: std::ptr::null_mut(),
            input_bytes: shape.iter().product::<usize>() * pixels.bytes(),
            outputs: Vec::new(),
            handles: Vec::new(),
            _file: file.clone(),
        };
        let fns = this.api.fns;
        // SAFETY (this and the following blocks): every handle is checked before use and freed in `drop`, which also runs when
        // a step fails; out-parameters are valid; `file` is kept alive in `this`.
        unsafe {
            check("LiteRtCreateModelFromBuffer", {
                (fns.create_model_from_buffer)(
                    this.api.environment,
                    file.as_ptr().cast(),
                    file.len(),
                    &raw mut this.model,
                )
            })
            .map_err(|e| RuntimeError::NotAModel(format!("truncated or damaged ({e})")))?;
        }
        let signature = this.signature()?;
        let elements = this.check_form(signature, shape, pixels)?;
        let api = this.api.clone();
        let options = CompileOptions::new(&api, hardware, threads)?;
        let dimensions = shape.map(|side| side as c_int);
        unsafe {
            check("LiteRtCreateCompiledModel", {
                (fns.create_compiled_model)(this.api.environment, this.model, options.handle, &raw mut this.compiled)
            })?;
            check("LiteRtCompiledModelResizeInputTensor", {
                (this.api.extras.resize_input)(this.compiled, 0, 0, dimensions.as_ptr(), dimensions.len())
            })
            .map_err(|e| RuntimeError::WrongForm(format!("it cannot take an input of {shape:?}: {e}")))?;
            let mut layouts = vec![Layout::EMPTY; elements.len()];
            check("LiteRtGetCompiledModelOutputTensorLayouts", {
                (this.api.extras.output_layouts)(this.compiled, 0, layouts.len(), layouts.as_mut_ptr(), true)
            })?;
            let element = if pixels == Pixels::Int8 { INT8 } else { FLOAT32 };
            let mut needs: TensorBufferRequirements = std::ptr::null_mut();
            check("LiteRtGetCompiledModelInputBufferRequirements", {
                (fns.get_compiled_model_input_buffer_requirements)(this.compiled, 0, 0, &raw mut needs)
            })?;
            this.input = this.buffer(TensorType { element, layout: Layout::dense(&dimensions) }, needs)?;
            this.handles.reserve_exact(elements.len());
            for (index, layout) in layouts.into_iter().enumerate() {
                let mut needs: TensorBufferRequirements = std::ptr::null_mut();
                check("LiteRtGetCompiledModelOutputBufferRequirements", {
                    (fns.get_compiled_model_output_buffer_requirements)(this.compiled, 0, index, &raw mut needs)
                })?;
                let buffer = this.buffer(TensorType { element: FLOAT32, layout }, needs)?;
                let shape: Vec<usize> = layout.dimensions().iter().map(|&d| d.max(0) as usize).collect();
                let floats = shape.iter().product();
                this.outputs.push(OutputBuffer { buffer, shape, floats });
                let mut size = 0;
                check("LiteRtGetTensorBufferSize", (fns.get_tensor_buffer_size)(buffer, &raw mut size))?;
                if size < floats * 4 {
                    return Err(RuntimeError::WrongForm(format!("output {index} has room for {size} bytes only")));
                }
            }
            let mut size = 0;
            check("LiteRtGetTensorBufferSize", (fns.get_tensor_buffer_size)(this.input, &raw mut size))?;
            if size < this.input_bytes {
                return Err(RuntimeError::WrongForm(format!("its input has room for {size} bytes only")));
            }
        }
        this.write_input(|input| input.fill(0))?;
        Ok(this)
    }

    fn signature(&self) -> Result<Signature, RuntimeError> {
        let fns = &self.api.fns;
        let mut signature: Signature = std::ptr::null_mut();
        // SAFETY: the model is live; the signature is borrowed from it.
        unsafe {
            check("LiteRtGetModelSignature", (fns.get_model_signature)(self.model, 0, &raw mut signature))?;
        }
        Ok(signature)
    }

    /// The input must be one tensor of the right type and rank, the outputs floats. Returns the outputs' element types.
    fn check_form(&self, signature: Signature, shape: [usize; 4], pixels: Pixels) -> Result<Vec<u32>, RuntimeError> {
        let fns = &self.api.fns;
        let (mut inputs, mut outputs) = (0, 0);
        // SAFETY: the signature is borrowed from the live model; out-parameters are valid; LiteRT's ranked tensor type and
        // ours have the same layout, which `litert.rs` asserts.
        unsafe {
            check("LiteRtGetNumSignatureInputs", (fns.get_num_signature_inputs)(signature, &raw mut inputs))?;
            check("LiteRtGetNumSignatureOutputs", (fns.get_num_signature_outputs)(signature, &raw mut outputs))?;
            if inputs != 1 || outputs == 0 {
                return Err(RuntimeError::WrongForm(format!(
                    "{inputs} inputs and {outputs} outputs, expected one input"
                )));
            }
            let mut tensor: Tensor = std::ptr::null_mut();
            let input = {
                check("LiteRtGetSignatureInputTensor", {
                    (fns.get_signature_input_tensor_by_index)(signature, 0, &raw mut tensor)
                })?;
                self.tensor_type(tensor)?
            };
            let expected = if pixels == Pixels::Int8 { INT8 } else { FLOAT32 };
            if input.element != expected {
                return Err(RuntimeError::WrongForm(format!(
                    "its input has element type {}, the manifest says {:?}",
                    input.element,
                    pixels.element_type()
                )));
            }
            let dimensions = input.layout.dimensions();
            if dimensions.len() != 4 || dimensions[3] != 3 {
                return Err(RuntimeError::WrongForm(format!(
                    "its input is {dimensions:?}, expected [batch, rows, columns, 3]"
                )));
            }
            let fits = |axis: usize| dimensions[axis] < 0 || dimensions[axis] as usize == shape[axis];
            let dynamic = dimensions[..3].iter().any(|&d| d < 0);
            if dynamic && !(1..3).all(|axis| fits(axis) || dimensions[axis] <= 1) {
                return Err(RuntimeError::WrongForm(format!("its input is {dimensions:?}, asked for {shape:?}")));
            }
            (0..outputs)
                .map(|index| {
                    let mut tensor: Tensor = std::ptr::null_mut();
                    check("LiteRtGetSignatureOutputTensor", {
                        (fns.get_signature_output_tensor_by_index)(signature, index, &raw mut tensor)
                    })?;
                    match self.tensor_type(tensor)?.element {
                        FLOAT32 => Ok(FLOAT32),
                        other => Err(RuntimeError::WrongForm(format!(
                            "output {index} has element type {other}, expected float32"
                        ))),
                    }
                })
                .collect()
        }
    }

    /// # Safety
    /// `tensor` must be borrowed from the live model.
    unsafe fn tensor_type(&self, tensor: Tensor) -> Result<TensorType, RuntimeError> {
        let mut kind = TensorType { element: 0, layout: Layout::EMPTY };
        // SAFETY: same size and layout as LiteRtRankedTensorType.
        check("LiteRtGetRankedTensorType", unsafe {
            (self.api.fns.get_ranked_tensor_type)(tensor, (&raw mut kind).cast::<RankedTensorType>())
        })?;
        Ok(kind)
    }

    /// # Safety
    /// `needs` must come from the live compiled model.
    unsafe fn buffer(&self, kind: TensorType, needs: TensorBufferRequirements) -> Result<TensorBuffer, RuntimeError> {
        let mut buffer: TensorBuffer = std::ptr::null_mut();
        // SAFETY: `kind` has LiteRT's layout; the out-parameter is valid.
        check("LiteRtCreateManagedTensorBufferFromRequirements", unsafe {
            (self.api.fns.create_managed_tensor_buffer_from_requirements)(
                self.api.environment,
                (&raw const kind).cast::<RankedTensorType>(),
                needs,
                &raw mut buffer,
            )
        })?;
        Ok(buffer)
    }

    fn write_input(&mut self, write: impl FnOnce(&mut [u8])) -> Result<(), RuntimeError> {
        let mut address: *mut c_void = std::ptr::null_mut();
        // SAFETY: the buffer is live and at least `input_bytes` long (checked in `new`); nobody else maps it while `self` is
        // borrowed mutably; it is unlocked before anything else uses it.
        unsafe {
            check("LiteRtLockTensorBuffer", {
                (self.api.fns.lock_tensor_buffer)(self.input, &raw mut address, LOCK_WRITE)
            })?;
            write(std::slice::from_raw_parts_mut(address.cast::<u8>(), self.input_bytes));
            check("LiteRtUnlockTensorBuffer", (self.api.fns.unlock_tensor_buffer)(self.input))
        }
    }

    fn run(&mut self) -> Result<(), RuntimeError> {
        self.handles.clear();
        self.handles.extend(self.outputs.iter().map(|o| o.buffer));
        // SAFETY: all handles are live and fit the compiled model; the arrays outlive the call.
        check("LiteRtRunCompiledModel", unsafe {
            (self.api.fns.run_compiled_model)(
                self.compiled,
                0,
                1,
                &raw mut self.input,
                self.handles.len(),
                self.handles.as_mut_ptr(),
            )
        })
    }

    fn read_output(&self, index: usize) -> Result<Output<'_>, RuntimeError> {
        let output =
            self.outputs.get(index).ok_or_else(|| RuntimeError::WrongForm(format!("it has no output {index}")))?;
        let mut address: *mut c_void = std::ptr::null_mut();
        // SAFETY: the buffer is live and holds `floats` floats (checked in `new`), aligned to 64 bytes by LiteRT; `run` needs
        // `&mut self`, so nothing writes while the view lives.
        let floats = unsafe {
            check("LiteRtLockTensorBuffer", {
                (self.api.fns.lock_tensor_buffer)(output.buffer, &raw mut address, LOCK_READ)
            })?;
            std::slice::from_raw_parts(address.cast::<f32>(), output.floats)
        };
        Ok(Output { floats, locked: Some((self, output.buffer)) })
    }

    fn fully_accelerated(&self) -> bool {
        let mut fully = false;
        // SAFETY: the compiled model is live; the out-parameter is valid.
        let status = unsafe { (self.api.fns.compiled_model_is_fully_accelerated)(self.compiled, &raw mut fully) };
        check("LiteRtCompiledModelIsFullyAccelerated", status).is_ok() && fully
    }
}

impl Drop for Compiled {
    fn drop(&mut self) {
        let fns = &self.api.fns;
        // SAFETY: each handle was made in `new`, is freed once, and in the order of use: buffers, compiled model, model.
        unsafe {
            for output in &self.outputs {
                (fns.destroy_tensor_buffer)(output.buffer);
            }
            if !self.input.is_null() {
                (fns.destroy_tensor_buffer)(self.input);
            }
            if !self.compiled.is_null() {
                (fns.destroy_compiled_model)(self.compiled);
            }
            if !self.model.is_null() {
                (fns.destroy_model)(self.model);
            }
        }
    }
}

/// LiteRT's compile options, freed after the compilation.
struct CompileOptions<'a> {
    api: &'a Api,
    handle: Options,
}

impl CompileOptions<'_> {
    fn new(api: &Api, hardware: HwAcceleratorSet, threads: usize) -> Result<CompileOptions<'_>, RuntimeError> {
        let mut this = CompileOptions { api, handle: std::ptr::null_mut() };
        let settings = CString::new(format!("num_threads = {threads}\n")).unwrap_or_default();
        let mut opaque: *mut c_void = std::ptr::null_mut();
        // SAFETY: the options are freed in `drop`; the payload is a C string that LiteRT gives back to `free_settings` once,
        // also when the opaque options cannot be added, because they then die with the process.
        unsafe {
            check("LiteRtCreateOptions", (api.fns.create_options)(&raw mut this.handle))?;
            check("LiteRtSetOptionsHardwareAccelerators", {
                (api.fns.set_options_hardware_accelerators)(this.handle, hardware)
            })?;
            check("LiteRtCreateOpaqueOptions", {
                (api.extras.create_opaque_options)(
                    c"xnnpack".as_ptr(),
                    settings.into_raw().cast(),
                    Some(free_settings),
                    &raw mut opaque,
                )
            })?;
            check("LiteRtAddOpaqueOptions", (api.extras.add_opaque_options)(this.handle, opaque))?;
        }
        Ok(this)
    }
}

impl Drop for CompileOptions<'_> {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: made in `new`, freed once.
            unsafe { (self.api.fns.destroy_options)(self.handle) }
        }
    }
}

unsafe extern "C" fn free_settings(payload: *mut c_void) {
    // SAFETY: `payload` came from `CString::into_raw` in `CompileOptions::new`.
    drop(unsafe { CString::from_raw(payload.cast()) });
}
