//! Invalid model files: each gives an error in words, and nothing crashes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::path::Path;

use usher::vision::calibration_file::{CalibrationFile, file_name};
use usher::vision::manifest::{Manifest, Role};
use usher::vision::mtcnn::DetectorSettings;
use usher::vision::pipeline::Accelerators;
use usher::vision::runtime::{Accelerator, InputForm, Pixels, PlacedModel, Windows};
use usher::vision::{Vision, VisionSettings};

/// A copy of the shipped models that a test may damage.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(support::models()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

fn open(models: &Path, accelerators: Accelerators) -> Result<Vision, String> {
    let settings = VisionSettings { detector: DetectorSettings::default(), accelerators, ..VisionSettings::default() };
    Vision::open(&support::runtime(), models, &settings).map_err(|e| e.to_string())
}

/// A picture as O-Net needs it.
fn plan(file: Vec<u8>, shape: [usize; 4], pixels: Pixels) -> Result<PlacedModel, String> {
    let runtime = support::runtime();
    let form = InputForm { pixels, windows: Windows { side: 3 } };
    PlacedModel::new(&runtime, file.into(), shape, form, Accelerator::Cpu, 1).map_err(|e| e.to_string())
}

fn onet() -> Vec<u8> {
    std::fs::read(support::models().join("onet.tflite")).unwrap()
}

const ONET: [usize; 4] = [1, 48, 48, 3];

#[test]
fn a_changed_file_is_refused_by_its_hash() {
    let folder = copy();
    let path = folder.path().join("rnet.tflite");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = open(folder.path(), Accelerators::default()).err().unwrap();
    assert!(error.contains("rnet.tflite") && error.contains("SHA-256"), "{error}");
}

#[test]
fn a_missing_file_and_a_missing_manifest_are_named() {
    let folder = copy();
    std::fs::remove_file(folder.path().join("sface.tflite")).unwrap();
    let error = open(folder.path(), Accelerators::default()).err().unwrap();
    assert!(error.contains("sface.tflite"), "{error}");
    std::fs::remove_file(folder.path().join("MANIFEST.toml")).unwrap();
    let error = open(folder.path(), Accelerators::default()).err().unwrap();
    assert!(error.contains("MANIFEST.toml") && error.contains("[models] path"), "{error}");
}

#[test]
fn an_invalid_manifest_s_error_says_what_is_wrong() {
    let folder = copy();
    let path = folder.path().join("MANIFEST.toml");
    let whole = std::fs::read_to_string(&path).unwrap();
    for (from, to, said) in [
        ("format = 1", "format = 2", "format 2"),
        ("role = \"pnet\"", "role = \"nose\"", "nose"),
        ("dimension = 192", "dimension = 0", "dimension"),
        ("std = 128.0", "std = 0.0", "std"),
        ("window = 3", "window = 0", "window"),
    ] {
        std::fs::write(&path, whole.replacen(from, to, 1)).unwrap();
        let error = open(folder.path(), Accelerators::default()).err().unwrap();
        assert!(error.contains("MANIFEST.toml") && error.contains(said), "{to}: {error}");
    }
}

#[test]
fn truncated_and_foreign_files_are_errors_and_not_crashes() {
    let whole = onet();
    for length in [0, 3, 8, 100, 5_000, whole.len() / 2, whole.len() - 1_000] {
        let error = plan(whole[..length].to_vec(), ONET, Pixels::Int8).err();
        assert!(error.is_some_and(|e| e.contains("not a TFLite model")), "{length} bytes");
    }
    for foreign in [&b"\x89PNG\r\n\x1a\n and so on and on"[..], &[0; 4096], b"PK\x03\x04 a zip file"] {
        assert!(plan(foreign.to_vec(), ONET, Pixels::Int8).is_err());
    }
    let mut pretender = vec![0xff; 4096];
    pretender[4..8].copy_from_slice(b"TFL3");
    assert!(plan(pretender, ONET, Pixels::Int8).is_err());
}

#[test]
fn a_model_of_another_form_is_named_as_such() {
    let wrong = |shape, pixels| plan(onet(), shape, pixels).err().unwrap();
    let floats = Pixels::Float { mean: 127.5, std: 128.0 };
    assert!(wrong(ONET, floats).contains("element type"));
    assert!(wrong([1, 50, 48, 3], Pixels::Int8).contains("does not have the expected form"));
    // The detector's networks swapped: the outputs do not fit.
    let folder = copy();
    let path = folder.path().join("MANIFEST.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let swapped = text.replace("\"rnet\"", "\"x\"").replace("\"onet\"", "\"rnet\"").replace("\"x\"", "\"onet\"");
    let swapped = swapped
        .replace("[model.rnet", "[model.x")
        .replace("[model.onet", "[model.rnet")
        .replace("[model.x", "[model.onet");
    std::fs::write(&path, swapped).unwrap();
    assert!(open(folder.path(), Accelerators::default()).is_err());
}

#[test]
fn an_accelerator_that_does_not_work_falls_back_to_the_cpu_with_the_reason() {
    let asked = Accelerators {
        pnet: Accelerator::Npu,
        rnet: Accelerator::Delegate("/nonexistent/delegate.so".into()),
        onet: Accelerator::Gpu,
        embedder: Accelerator::Auto,
    };
    let vision = open(&support::models(), asked).unwrap();
    let placements: Vec<_> = vision.placements().iter().map(|(_, p)| p.clone()).collect();
    // A machine with a GPU runs O-Net there correctly; all others give the reason.
    for placement in &placements[..3] {
        assert!((placement.on == Accelerator::Cpu) == placement.fallback.is_some(), "{placement:?}");
    }
    assert_eq!((&placements[0].on, &placements[1].on), (&Accelerator::Cpu, &Accelerator::Cpu));
    assert!(placements[1].fallback.as_ref().unwrap().contains("no such file"), "{:?}", placements[1]);
    assert!(placements[3].fallback.is_none(), "{:?}", placements[3]);
}

#[test]
fn each_shipped_embedder_has_its_own_calibration_and_it_agrees_with_the_manifest() {
    let manifest = Manifest::load(&support::models()).unwrap();
    let embedders: Vec<_> = manifest.models().filter(|m| m.role == Role::Embedder && !m.optional).collect();
    assert_eq!(embedders.len(), 3);
    for model in embedders {
        let path = support::models().join(file_name(&model.name));
        let file = CalibrationFile::load(&path).unwrap().unwrap_or_else(|| panic!("{} is missing", path.display()));
        assert_eq!(file.model, model.id().as_str(), "{} was measured with another file", path.display());
        // dlib's lengths say nothing about how well a face can be recognised (docs/decisions/083).
        let (fifth, half) = (file.length_at(0.2), file.length_at(0.5));
        assert!(
            if model.name == "dlib" { fifth.is_none() } else { fifth < half && fifth > Some(1.0) },
            "{}: {fifth:?}",
            model.name
        );
        let calibration = usher::setup::house::calibration(&file).unwrap();
        for point in &model.operating {
            // One person of the set is listed under two names; the calibration counts them as one, the manifest as two.
            let cut = calibration.cut_at(point.fmr);
            let apart = (cut.distance.0 - point.distance).abs() / point.distance;
            assert!(apart < 0.006 && !cut.extrapolated, "{} at {}: {cut:?}", model.name, point.fmr);
        }
    }
}
