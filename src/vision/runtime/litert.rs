//! The LiteRT C API, loaded at run time: one table of function pointers and the error words.
//!
//! Knows nothing of models or pictures. All `unsafe` of the program is in this folder.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use edgefirst_tflite_sys::litert::{
    Accelerator, CompiledModel, Environment, HwAcceleratorSet, LiteRtFunctions, Options, ParamIndex, Status, status,
};
use libloading::Library;

use super::RuntimeError;

/// What `edgefirst_tflite_sys::litert` does not carry; each was found by its name in `litert/c/*.h` of LiteRT 2.3.
#[derive(Clone, Copy)]
pub(super) struct Extras {
    pub create_opaque_options: unsafe extern "C" fn(
        *const c_char,
        *mut c_void,
        Option<unsafe extern "C" fn(*mut c_void)>,
        *mut *mut c_void,
    ) -> Status,
    pub add_opaque_options: unsafe extern "C" fn(Options, *mut c_void) -> Status,
    pub resize_input: unsafe extern "C" fn(CompiledModel, ParamIndex, ParamIndex, *const c_int, usize) -> Status,
    pub output_layouts: unsafe extern "C" fn(CompiledModel, ParamIndex, usize, *mut Layout, bool) -> Status,
}

/// `LiteRtLayout`: one byte of rank (7 bits) and a stride flag, then eight dimensions and eight strides.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub rank_and_flag: u8,
    pub dimensions: [i32; 8],
    pub strides: [u32; 8],
}

impl Layout {
    pub const EMPTY: Layout = Layout { rank_and_flag: 0, dimensions: [0; 8], strides: [0; 8] };

    pub fn dense(dimensions: &[i32]) -> Layout {
        let mut layout = Layout { rank_and_flag: dimensions.len() as u8 & 0x7f, ..Layout::EMPTY };
        layout.dimensions[..dimensions.len()].copy_from_slice(dimensions);
        layout
    }

    pub fn dimensions(&self) -> &[i32] {
        &self.dimensions[..usize::from(self.rank_and_flag & 0x7f).min(8)]
    }
}

/// `LiteRtRankedTensorType`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct TensorType {
    pub element: u32,
    pub layout: Layout,
}

const _: () = assert!(size_of::<TensorType>() == 72 && size_of::<Layout>() == 68);

/// `kLiteRtElementTypeFloat32`.
pub(super) const FLOAT32: u32 = 1;
/// `kLiteRtElementTypeInt8`.
pub(super) const INT8: u32 = 9;

/// `LiteRtEnvOption` with an integer or a string.
#[repr(C)]
struct EnvOption {
    tag: u32,
    kind: u32,
    value: u64,
}

const OPTION_RUNTIME_LIBRARY_DIR: u32 = 22;
const OPTION_MIN_LOGGER_SEVERITY: u32 = 25;
const ANY_INT: u32 = 2;
const ANY_STRING: u32 = 8;
/// `kLiteRtLogSeverityError`: LiteRT's own chatter stays off our log.
const SEVERITY_ERROR: u64 = 4;

/// The library, its functions and one environment, kept until the last user is gone.
pub(super) struct Api {
    pub fns: LiteRtFunctions,
    pub extras: Extras,
    pub environment: Environment,
    pub path: PathBuf,
    // Last, so that it is unloaded after everything that came from it.
    _library: Library,
}

// SAFETY: the table is plain function pointers, and an environment has no thread affinity; LiteRT locks inside it.
unsafe impl Send for Api {}
// SAFETY: as above; every call that takes the environment only reads it.
unsafe impl Sync for Api {}

impl Api {
    /// Loads `path` and creates the environment.
    pub fn load(path: &Path) -> Result<Arc<Api>, RuntimeError> {
        let unloadable = |why: String| RuntimeError::Unloadable { path: path.to_owned(), why };
        // SAFETY: LiteRT's initialisers have no preconditions. A file that is not LiteRT fails below at its first symbol.
        let library = unsafe { Library::new(path) }.map_err(|e| unloadable(e.to_string()))?;
        // SAFETY: the library is kept in the same struct as the table.
        let fns = unsafe { LiteRtFunctions::try_load(&library) }.map_err(|e| unloadable(e.to_string()))?;
        macro_rules! symbol {
            ($name:literal) => {
                // SAFETY: the signature is the one of LiteRT's header of the same name.
                *unsafe { library.get(concat!($name, "\0").as_bytes()) }
                    .map_err(|_| unloadable(format!("it has no {}; usher needs LiteRT 2.3", $name)))?
            };
        }
        let extras = Extras {
            create_opaque_options: symbol!("LiteRtCreateOpaqueOptions"),
            add_opaque_options: symbol!("LiteRtAddOpaqueOptions"),
            resize_input: symbol!("LiteRtCompiledModelResizeInputTensor"),
            output_layouts: symbol!("LiteRtGetCompiledModelOutputTensorLayouts"),
        };
        let mut environment: Environment = std::ptr::null_mut();
        // The accelerators' own libraries lie beside LiteRT's.
        let folder = path.parent().and_then(|p| std::ffi::CString::new(p.as_os_str().as_encoded_bytes()).ok());
        let mut options = vec![EnvOption { tag: OPTION_MIN_LOGGER_SEVERITY, kind: ANY_INT, value: SEVERITY_ERROR }];
        if let Some(folder) = &folder {
            options.push(EnvOption {
                tag: OPTION_RUNTIME_LIBRARY_DIR,
                kind: ANY_STRING,
                value: folder.as_ptr() as usize as u64,
            });
        }
        // SAFETY: `EnvOption` has the layout of LiteRtEnvOption (a tag, then a tagged 8-byte value); the folder's string
        // outlives the call, which copies it.
        check("LiteRtCreateEnvironment", unsafe {
            (fns.create_environment)(options.len() as c_int, options.as_ptr().cast(), &raw mut environment)
        })
        .map_err(|e| unloadable(e.to_string()))?;
        Ok(Arc::new(Api { fns, extras, environment, path: path.to_owned(), _library: library }))
    }

    /// The accelerators that registered themselves: name and hardware bits.
    pub fn accelerators(&self) -> Vec<(String, HwAcceleratorSet)> {
        let mut count: ParamIndex = 0;
        // SAFETY: out-parameters are valid; names are borrowed from the environment and copied at once.
        unsafe {
            if (self.fns.get_num_accelerators)(self.environment, &raw mut count) != status::OK {
                return Vec::new();
            }
            (0..count)
                .filter_map(|index| {
                    let mut accelerator: Accelerator = std::ptr::null_mut();
                    let (mut name, mut hardware) = (std::ptr::null(), 0);
                    let ok = (self.fns.get_accelerator)(self.environment, index, &raw mut accelerator) == status::OK
                        && (self.fns.get_accelerator_name)(accelerator, &raw mut name) == status::OK
                        && (self.fns.get_accelerator_hardware_support)(accelerator, &raw mut hardware) == status::OK
                        && !name.is_null();
                    ok.then(|| (CStr::from_ptr(name).to_string_lossy().into_owned(), hardware))
                })
                .collect()
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // SAFETY: created in `load`, destroyed once, and nothing made from it lives on: networks hold an `Arc` of this.
        unsafe { (self.fns.destroy_environment)(self.environment) }
    }
}

/// Turns a status into an error that names the call.
pub(super) fn check(call: &'static str, code: Status) -> Result<(), RuntimeError> {
    if code == status::OK { Ok(()) } else { Err(RuntimeError::Call { call, code, meaning: meaning(code) }) }
}

fn meaning(code: Status) -> &'static str {
    match code {
        1 => "invalid argument",
        2 => "out of memory",
        3 => "runtime failure",
        4 => "missing input",
        5 => "unsupported",
        6 => "not found",
        8 => "wrong version",
        500 => "file cannot be read",
        501 => "not a valid TFLite file",
        502 => "a library could not be loaded",
        504 => "compilation failed",
        _ => "unknown",
    }
}
