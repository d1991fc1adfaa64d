//! Who is enrolled by `usher init`, and from what: the camera or photographs.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};

use super::plan;
use super::questions::{Asker, say};
use crate::api::users::{full_name, own_uid};
use crate::cli::client::Refused;
use crate::cli::context::Context;
use crate::cli::enroll::Enroll;

/// The answer for nobody, and for later.
const NOBODY: &str = "-";
/// The answer for the camera.
const CAMERA: &str = "camera";

/// The first person, and where the face comes from.
pub struct Newcomer {
    name: String,
    /// Without photographs: the camera.
    photos: Vec<PathBuf>,
    camera_works: bool,
}

/// Asks who is enrolled. Without anybody who answers, only who was named.
///
/// # Errors
/// Somebody was named, but there are neither photographs nor a picture from the camera; the terminal is closed.
pub fn ask(asker: Asker, name: Option<&str>, photos: &[PathBuf], camera_works: bool) -> Result<Option<Newcomer>> {
    let default = user().filter(|_| asker.is_terminal).unwrap_or_else(|| NOBODY.to_owned());
    let question = "Your name, if this door shall know your face, or -";
    let Some(name) = asker.settle(("--name", name), question, &default, named)? else { return Ok(None) };
    let photos = match photos {
        [] if asker.is_terminal => match face(asker, camera_works)? {
            Some(photos) => photos,
            None => return Ok(None),
        },
        [] if !camera_works => bail!("--name needs --photos: the camera gives no picture"),
        given => readable(given.to_vec())?,
    };
    Ok(Some(Newcomer { name, photos, camera_works }))
}

/// Enrols somebody; what fails is asked again where somebody can answer. Returns whether somebody was enrolled.
///
/// # Errors
/// Nobody was enrolled, and nobody answers.
pub fn enroll(asker: Asker, newcomer: Newcomer, context: &Context) -> Result<bool> {
    let Newcomer { mut name, mut photos, camera_works } = newcomer;
    loop {
        if photos.is_empty() {
            say("Look into the camera, alone. Only figures of the face are kept, sealed with the key; no picture.")?;
        }
        let error = match Enroll::of(&name, photos).run(context) {
            Ok(()) => return Ok(true),
            Err(error) => without_flags(error),
        };
        if !asker.is_terminal {
            return Err(error);
        }
        say(format_args!("  {error:#}"))?;
        let again = asker.settle(("--name", None), "Once more, as, or - for later", &name, named)?;
        let Some(again) = again else { return Ok(false) };
        name = again;
        match face(asker, camera_works)? {
            Some(others) => photos = others,
            None => return Ok(false),
        }
    }
}

/// The error without flags of `usher enroll`: those of this command mean something else.
fn without_flags(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Refused>() {
        Some(refused) => anyhow!("{}", refused.why()),
        None => error,
    }
}

/// A name, or `None` for nobody.
fn named(answer: &str) -> Result<Option<String>> {
    match answer {
        "" => bail!("a name is needed, or - for nobody"),
        NOBODY => Ok(None),
        name => Ok(Some(name.to_owned())),
    }
}

/// Asks where the face comes from: photographs, or none for the camera; `None` for later.
fn face(asker: Asker, camera_works: bool) -> Result<Option<Vec<PathBuf>>> {
    let (question, default) = match camera_works {
        true => ("Your face: camera, photographs with blanks between, or - for later", CAMERA),
        false => ("Your face: photographs with blanks between, or - for later", NOBODY),
    };
    asker.settle(("--photos", None), question, default, |answer| match answer {
        NOBODY => Ok(None),
        CAMERA if camera_works => Ok(Some(Vec::new())),
        CAMERA => bail!("the camera gives no picture"),
        paths => {
            // The name of one file may have blanks.
            let whole = plan::path(paths)?;
            let photos = match whole.is_file() {
                true => vec![whole],
                false => paths.split_whitespace().map(plan::path).collect::<Result<_>>()?,
            };
            readable(photos).map(Some)
        }
    })
}

/// The same photographs, if each is a file.
fn readable(photos: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    match photos.iter().find(|path| !path.is_file()) {
        Some(missing) => bail!("there is no photograph {}", missing.display()),
        None => Ok(photos),
    }
}

/// What the user who runs this is called; for root, the user behind sudo. `None` for root alone.
fn user() -> Option<String> {
    let behind_sudo = || std::env::var("SUDO_UID").ok()?.parse().ok().filter(|uid| *uid != 0);
    let uid = match own_uid() {
        0 => behind_sudo()?,
        uid => uid,
    };
    full_name(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody answers a test.
    const SILENT: Asker = Asker { is_terminal: false };

    #[test]
    fn without_a_terminal_nobody_is_enrolled_who_was_not_named() {
        assert!(ask(SILENT, None, &[], true).unwrap().is_none());
        assert!(ask(SILENT, Some("-"), &[], true).unwrap().is_none());
        let ada = ask(SILENT, Some("Ada"), &[], true).unwrap().unwrap();
        assert_eq!((ada.name.as_str(), ada.photos.len()), ("Ada", 0));
    }

    #[test]
    fn a_face_needs_a_camera_or_photographs_that_are_there() {
        let error = ask(SILENT, Some("Ada"), &[], false).err().unwrap().to_string();
        assert!(error.contains("--photos"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let photo = folder.path().join("ada.jpg");
        let error = ask(SILENT, Some("Ada"), std::slice::from_ref(&photo), false).err().unwrap().to_string();
        assert!(error.contains("ada.jpg"), "{error}");
        std::fs::write(&photo, "").unwrap();
        let ada = ask(SILENT, Some("Ada"), std::slice::from_ref(&photo), false).unwrap().unwrap();
        assert_eq!(ada.photos, [photo]);
    }
}
