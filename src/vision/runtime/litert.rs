//! The LiteRT C API, loaded at run time: a table of function pointers, an environment, and the meaning of status codes.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use edgefirst_tflite_sys::litert::{
    Accelerator, CompiledModel, Environment, HwAcceleratorSet, LiteRtFunctions, Options, ParamIndex, Status, status,
};
use libloading::Library;

use super::RuntimeError;
use super::quiet::quietly;

/// Functions that `edgefirst_tflite_sys::litert` lacks, with the signatures of `litert/c/*.h` in LiteRT 2.3.
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

    /// Without strides; of more than eight `dimensions` the rest is ignored.
    pub fn dense(dimensions: &[i32]) -> Layout {
        let mut layout = Layout { rank_and_flag: dimensions.len() as u8 & 0x7f, ..Layout::EMPTY };
        layout.dimensions.iter_mut().zip(dimensions).for_each(|(own, &given)| *own = given);
        layout
    }

    pub fn dimensions(&self) -> &[i32] {
        self.dimensions.get(..usize::from(self.rank_and_flag & 0x7f)).unwrap_or(&self.dimensions)
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

/// `LiteRtEnvOption`: a tag and a `LiteRtAny`.
#[repr(C)]
struct EnvOption {
    tag: u32,
    value: Any,
}

/// `LiteRtAny` with an integer or the address of a string.
#[repr(C)]
struct Any {
    kind: u32,
    bits: u64,
}

const _: () = assert!(size_of::<EnvOption>() == 24 && std::mem::offset_of!(EnvOption, value) == 8);

/// Where LiteRT looks for vendors' compilers and dispatch libraries, and for its own accelerators.
const OPTION_COMPILER_PLUGIN_DIR: u32 = 0;
const OPTION_DISPATCH_DIR: u32 = 1;
const OPTION_RUNTIME_LIBRARY_DIR: u32 = 22;
const OPTION_MIN_LOGGER_SEVERITY: u32 = 25;
const ANY_INT: u32 = 2;
const ANY_STRING: u32 = 8;
/// `kLiteRtLogSeverityError`: LiteRT logs errors only.
const SEVERITY_ERROR: u64 = 4;

/// Which libraries of accelerators LiteRT loads from its own folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// None: for the CPU alone.
    Nothing,
    /// Those of NPUs.
    Npus,
    /// Those of NPUs, and the GPU's.
    NpusAndGpus,
}

/// The library's functions and one environment, which is destroyed when the last network that uses it is dropped.
pub(super) struct Api {
    pub fns: LiteRtFunctions,
    pub extras: Extras,
    pub environment: Environment,
    pub path: PathBuf,
}

/// Held while LiteRT creates or frees something: it does not document that two threads may do so at once.
static BUILDING: Mutex<()> = Mutex::new(());

/// Serialises creating and freeing LiteRT's objects. (Running a network needs no lock: each has one owner.)
pub(super) fn lock_building() -> MutexGuard<'static, ()> {
    BUILDING.lock().unwrap_or_else(PoisonError::into_inner)
}

// SAFETY: the table is plain function pointers, and an environment has no thread affinity; LiteRT locks inside it.
unsafe impl Send for Api {}
// SAFETY: as above; every call that takes the environment only reads it.
unsafe impl Sync for Api {}

impl Api {
    /// Loads `path` and creates an environment, with the libraries `beside` it.
    pub fn load(path: &Path, beside: Beside) -> Result<Arc<Api>, RuntimeError> {
        let _building = lock_building();
        let unloadable = |why: String| RuntimeError::Unloadable { path: path.to_owned(), why };
        // SAFETY: LiteRT's initialisers have no preconditions. A library that is not LiteRT fails below at its first symbol.
        let library = unsafe { Library::new(path) }.map_err(|e| unloadable(e.to_string()))?;
        // SAFETY: the library is never unloaded (below).
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
        // The accelerators' libraries are installed beside LiteRT's.
        let folder = path.parent().and_then(|p| std::ffi::CString::new(p.as_os_str().as_encoded_bytes()).ok());
        let mut options =
            vec![EnvOption { tag: OPTION_MIN_LOGGER_SEVERITY, value: Any { kind: ANY_INT, bits: SEVERITY_ERROR } }];
        let tags: &[u32] = match beside {
            Beside::Nothing => &[],
            Beside::Npus => &[OPTION_COMPILER_PLUGIN_DIR, OPTION_DISPATCH_DIR],
            Beside::NpusAndGpus => &[OPTION_COMPILER_PLUGIN_DIR, OPTION_DISPATCH_DIR, OPTION_RUNTIME_LIBRARY_DIR],
        };
        if let Some(folder) = &folder {
            for &tag in tags {
                let address = folder.as_ptr() as usize as u64;
                options.push(EnvOption { tag, value: Any { kind: ANY_STRING, bits: address } });
            }
        }
        // SAFETY: `EnvOption` has the layout of LiteRtEnvOption (a tag, then a tagged 8-byte value); the folder's string
        // outlives the call, which copies it.
        let create = || unsafe {
            (fns.create_environment)(options.len() as c_int, options.as_ptr().cast(), &raw mut environment)
        };
        check("LiteRtCreateEnvironment", quietly(create)).map_err(|e| unloadable(e.to_string()))?;
        // Never unloaded: its threads and thread-local destructors may outlive every network.
        std::mem::forget(library);
        Ok(Arc::new(Api { fns, extras, environment, path: path.to_owned() }))
    }

    /// The registered accelerators: name and hardware bits.
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
        let _building = lock_building();
        // SAFETY: created in `load`, destroyed once, and nothing made from it is left: networks hold an `Arc` of this.
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
