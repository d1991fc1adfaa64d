//! Classic TensorFlow Lite with an external delegate (Edge TPU, VX, Teflon …), for boards whose vendor ships one.
//!
//! Needs the classic C library (`libtensorflowlite_c.so` or `libtensorflow-lite.so`) on the system: LiteRT does not load such delegates.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use edgefirst_tflite::{Delegate, Interpreter, Library, Model};

use super::RuntimeError;
use super::input::InputForm;

/// An interpreter with its delegate; outputs are copied out after each run.
pub(super) struct Classic {
    interpreter: Interpreter<'static>,
    input: Vec<u8>,
    outputs: Vec<(Vec<usize>, Vec<f32>)>,
}

impl Classic {
    pub fn new(
        delegate: &Path,
        file: &Arc<[u8]>,
        shape: [usize; 4],
        form: InputForm,
        threads: usize,
    ) -> Result<Classic, RuntimeError> {
        let refused = |why: String| RuntimeError::Delegate { path: delegate.to_owned(), why };
        let failed = |e: edgefirst_tflite::Error| refused(e.to_string());
        if !delegate.exists() {
            return Err(refused("there is no such file".into()));
        }
        let library = library().map_err(|why| {
            refused(format!("external delegates need the classic TensorFlow Lite C library on this system: {why}"))
        })?;
        let loaded = Delegate::load(delegate).map_err(failed)?;
        let model = Model::from_bytes(library, file.to_vec()).map_err(failed)?;
        let mut interpreter = Interpreter::builder(library)
            .map_err(failed)?
            .num_threads(threads as i32)
            .delegate(loaded)
            .build(&model)
            .map_err(failed)?;
        interpreter.resize_input(0, &form.shape(shape).map(|side| side as i32)).map_err(failed)?;
        interpreter.allocate_tensors().map_err(failed)?;
        let bytes = form.bytes(shape);
        let input = interpreter.inputs().map_err(failed)?.first().map_or(0, |tensor| tensor.byte_size());
        if input != bytes {
            return Err(RuntimeError::WrongForm(format!("its input holds {input} bytes, expected {bytes}")));
        }
        let outputs = interpreter
            .outputs()
            .map_err(failed)?
            .iter()
            .map(|tensor| Ok((tensor.shape().map_err(failed)?, Vec::new())))
            .collect::<Result<_, RuntimeError>>()?;
        Ok(Classic { interpreter, input: vec![0; bytes], outputs })
    }

    pub fn output_shapes(&self) -> Vec<Vec<usize>> {
        self.outputs.iter().map(|(shape, _)| shape.clone()).collect()
    }

    /// One inference on the input that `write` fills.
    pub fn run(&mut self, write: impl FnOnce(&mut [u8])) -> Result<(), RuntimeError> {
        let failed = |e: edgefirst_tflite::Error| RuntimeError::WrongForm(e.to_string());
        write(&mut self.input);
        if let Some(tensor) = self.interpreter.inputs_mut().map_err(failed)?.first_mut() {
            tensor.copy_from_bytes(&self.input).map_err(failed)?;
        }
        self.interpreter.invoke().map_err(failed)?;
        for ((_, floats), tensor) in self.outputs.iter_mut().zip(self.interpreter.outputs().map_err(failed)?) {
            floats.clear();
            floats.extend_from_slice(tensor.as_slice::<f32>().map_err(failed)?);
        }
        Ok(())
    }

    pub fn output(&self, index: usize) -> Result<&[f32], RuntimeError> {
        let (_, floats) =
            self.outputs.get(index).ok_or_else(|| RuntimeError::WrongForm(format!("it has no output {index}")))?;
        Ok(floats)
    }
}

/// The system's classic library, loaded once and never unloaded: interpreters borrow it for as long as the program runs.
fn library() -> Result<&'static Library, &'static edgefirst_tflite::Error> {
    static LIBRARY: OnceLock<Result<Library, edgefirst_tflite::Error>> = OnceLock::new();
    LIBRARY.get_or_init(Library::new).as_ref()
}
