//! LiteRT's compiled model with its buffers, behind a safe interface.

use std::ffi::{CString, c_int, c_void};
use std::ops::Deref;
use std::sync::Arc;

use edgefirst_tflite_sys::litert::{
    CompiledModel, HwAcceleratorSet, Model, Options, RankedTensorType, Signature, Tensor, TensorBuffer,
    TensorBufferRequirements,
};

use super::RuntimeError;
use super::input::{InputForm, Pixels};
use super::litert::{Api, FLOAT32, INT8, Layout, TensorType, check, lock_building};
use super::quiet::quietly;

/// `kLiteRtTensorBufferLockModeRead` and `…Write`.
const LOCK_READ: u32 = 0;
const LOCK_WRITE: u32 = 1;

struct OutputBuffer {
    buffer: TensorBuffer,
    shape: Vec<usize>,
    floats: usize,
}

/// LiteRT's compiled model with one input buffer and its output buffers.
pub(super) struct Compiled {
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
    /// Compiles `file` for pictures of `shape` = `[batch, rows, columns, 3]`.
    pub fn new(
        api: Arc<Api>,
        file: Arc<[u8]>,
        shape: [usize; 4],
        form: InputForm,
        hardware: HwAcceleratorSet,
        threads: usize,
    ) -> Result<Compiled, RuntimeError> {
        let mut this = Compiled {
            api,
            model: std::ptr::null_mut(),
            compiled: std::ptr::null_mut(),
            input: std::ptr::null_mut(),
            input_bytes: form.bytes(shape),
            outputs: Vec::new(),
            handles: Vec::new(),
            _file: file.clone(),
        };
        let built = {
            let _building = lock_building();
            quietly(|| this.build(&file, form.shape(shape), form.pixels, hardware, threads))
        };
        // If building failed, dropping `this` frees what exists. It takes the lock itself.
        built.map(|()| this)
    }

    fn build(
        &mut self,
        file: &[u8],
        shape: [usize; 4],
        pixels: Pixels,
        hardware: HwAcceleratorSet,
        threads: usize,
    ) -> Result<(), RuntimeError> {
        let fns = self.api.fns;
        // SAFETY (this and the following blocks): every handle is checked before use and freed in `drop`, which also runs when
        // a step fails; out-parameters are valid; `file` is kept alive in `self`.
        unsafe {
            check("LiteRtCreateModelFromBuffer", {
                (fns.create_model_from_buffer)(
                    self.api.environment,
                    file.as_ptr().cast(),
                    file.len(),
                    &raw mut self.model,
                )
            })
            .map_err(|e| RuntimeError::NotAModel(format!("truncated or damaged ({e})")))?;
        }
        let signature = self.signature()?;
        let elements = self.check_form(signature, shape, pixels)?;
        let api = self.api.clone();
        let options = CompileOptions::new(&api, hardware, threads)?;
        let dimensions = shape.map(|side| side as c_int);
        unsafe {
            check("LiteRtCreateCompiledModel", {
                (fns.create_compiled_model)(self.api.environment, self.model, options.handle, &raw mut self.compiled)
            })?;
            check("LiteRtCompiledModelResizeInputTensor", {
                (self.api.extras.resize_input)(self.compiled, 0, 0, dimensions.as_ptr(), dimensions.len())
            })
            .map_err(|e| RuntimeError::WrongForm(format!("it cannot take an input of {shape:?}: {e}")))?;
            let mut layouts = vec![Layout::EMPTY; elements.len()];
            check("LiteRtGetCompiledModelOutputTensorLayouts", {
                (self.api.extras.output_layouts)(self.compiled, 0, layouts.len(), layouts.as_mut_ptr(), true)
            })?;
            let element = if pixels == Pixels::Int8 { INT8 } else { FLOAT32 };
            let mut needs: TensorBufferRequirements = std::ptr::null_mut();
            check("LiteRtGetCompiledModelInputBufferRequirements", {
                (fns.get_compiled_model_input_buffer_requirements)(self.compiled, 0, 0, &raw mut needs)
            })?;
            self.input = self.buffer(TensorType { element, layout: Layout::dense(&dimensions) }, needs)?;
            self.handles.reserve_exact(elements.len());
            for (index, layout) in layouts.into_iter().enumerate() {
                let mut needs: TensorBufferRequirements = std::ptr::null_mut();
                check("LiteRtGetCompiledModelOutputBufferRequirements", {
                    (fns.get_compiled_model_output_buffer_requirements)(self.compiled, 0, index, &raw mut needs)
                })?;
                let buffer = self.buffer(TensorType { element: FLOAT32, layout }, needs)?;
                let shape: Vec<usize> = layout.dimensions().iter().map(|&d| d.max(0) as usize).collect();
                let floats = shape.iter().product();
                self.outputs.push(OutputBuffer { buffer, shape, floats });
                let mut size = 0;
                check("LiteRtGetTensorBufferSize", (fns.get_tensor_buffer_size)(buffer, &raw mut size))?;
                if size < floats * 4 {
                    return Err(RuntimeError::WrongForm(format!("output {index} has room for {size} bytes only")));
                }
            }
            let mut size = 0;
            check("LiteRtGetTensorBufferSize", (fns.get_tensor_buffer_size)(self.input, &raw mut size))?;
            if size < self.input_bytes {
                return Err(RuntimeError::WrongForm(format!("its input has room for {size} bytes only")));
            }
        }
        self.write_input(|input| input.fill(0))
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

    /// Checks that the input is one tensor of the right type and rank, and the outputs are floats. Returns the outputs' element types.
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
            let [_, asked_rows, asked_columns, values] = shape;
            let &[batch, rows, columns, channels] = dimensions else {
                return Err(RuntimeError::WrongForm(format!("its input is {dimensions:?}, expected four dimensions")));
            };
            if channels as usize != values {
                return Err(RuntimeError::WrongForm(format!(
                    "its input is {dimensions:?}, expected [batch, rows, columns, {values}]"
                )));
            }
            let fits = |side: i32, asked: usize| side <= 1 || side as usize == asked;
            let dynamic = [batch, rows, columns].iter().any(|&side| side < 0);
            if dynamic && !(fits(rows, asked_rows) && fits(columns, asked_columns)) {
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

    /// Each output's shape.
    pub fn output_shapes(&self) -> Vec<Vec<usize>> {
        self.outputs.iter().map(|output| output.shape.clone()).collect()
    }

    /// Calls `write` with the input's memory.
    pub fn write_input(&mut self, write: impl FnOnce(&mut [u8])) -> Result<(), RuntimeError> {
        let mut address: *mut c_void = std::ptr::null_mut();
        // SAFETY: the buffer is live and at least `input_bytes` long (checked in `new`); nothing else maps it while `self` is borrowed
        // mutably; it is unlocked before anything else uses it.
        unsafe {
            check("LiteRtLockTensorBuffer", {
                (self.api.fns.lock_tensor_buffer)(self.input, &raw mut address, LOCK_WRITE)
            })?;
            write(std::slice::from_raw_parts_mut(address.cast::<u8>(), self.input_bytes));
            check("LiteRtUnlockTensorBuffer", (self.api.fns.unlock_tensor_buffer)(self.input))
        }
    }

    /// One inference.
    pub fn run(&mut self) -> Result<(), RuntimeError> {
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

    /// Maps output `index` into memory.
    pub fn read_output(&self, index: usize) -> Result<Mapped<'_>, RuntimeError> {
        let output =
            self.outputs.get(index).ok_or_else(|| RuntimeError::WrongForm(format!("it has no output {index}")))?;
        let mut address: *mut c_void = std::ptr::null_mut();
        // SAFETY: the buffer is live and holds `floats` floats (checked in `new`), aligned to 64 bytes by LiteRT; `run` needs `&mut self`,
        // so nothing writes while the slice is borrowed.
        let floats = unsafe {
            check("LiteRtLockTensorBuffer", {
                (self.api.fns.lock_tensor_buffer)(output.buffer, &raw mut address, LOCK_READ)
            })?;
            std::slice::from_raw_parts(address.cast::<f32>(), output.floats)
        };
        Ok(Mapped { floats, compiled: self, buffer: output.buffer })
    }

    /// Whether the requested hardware runs the whole graph.
    pub fn fully_accelerated(&self) -> bool {
        let mut fully = false;
        // SAFETY: the compiled model is live; the out-parameter is valid.
        let status = unsafe { (self.api.fns.compiled_model_is_fully_accelerated)(self.compiled, &raw mut fully) };
        check("LiteRtCompiledModelIsFullyAccelerated", status).is_ok() && fully
    }
}

/// The floats of one output; unmapped when dropped.
pub(super) struct Mapped<'a> {
    floats: &'a [f32],
    compiled: &'a Compiled,
    buffer: TensorBuffer,
}

impl Deref for Mapped<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        self.floats
    }
}

impl Drop for Mapped<'_> {
    fn drop(&mut self) {
        // SAFETY: `buffer` was locked by `read_output` and lives as long as `compiled`.
        unsafe { (self.compiled.api.fns.unlock_tensor_buffer)(self.buffer) };
    }
}

impl Drop for Compiled {
    fn drop(&mut self) {
        let _building = lock_building();
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
