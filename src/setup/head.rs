//! The site head: where it is stored, whether it belongs to the model in use, and the gallery that it is applied to.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::config::{Config, DistanceLimit};
use crate::gallery::Gallery;
use crate::seal::Ring;
use crate::store::Store;
use crate::vision::head_file::{HeadFile, file_name};
use crate::vision::manifest::Model;

/// The folder, inside the store's, of heads that were trained for this site.
const SITE_HEADS: &str = "head";

/// The path of a model's head, whether it exists or not.
pub fn path(config: &Config, model: &Model) -> PathBuf {
    config.store.path.join(SITE_HEADS).join(file_name(&model.name))
}

/// The site's head for `model`, if there is one.
///
/// # Errors
///
/// The file is damaged or belongs to another model, or `[access] distance` fixes a distance, which was not measured with the head.
pub fn site_head(config: &Config, model: &Model) -> Result<Option<HeadFile>> {
    let path = path(config, model);
    let Some(file) = HeadFile::load(&path)? else { return Ok(None) };
    if *file.head.base() != model.id() {
        bail!(
            "the site head {} was trained on {}, and {} is in use: remove it with `usher train head --remove`, or train it again",
            path.display(),
            file.head.base(),
            model.id()
        );
    }
    if file.head.dimension() != model.dimension() {
        bail!(
            "the site head {} takes {} values, and {} makes {}: train it again with `usher train head`",
            path.display(),
            file.head.dimension(),
            model.id(),
            model.dimension()
        );
    }
    if let DistanceLimit::Fixed(distance) = config.access.distance {
        bail!(
            "[access] distance fixes the distance {distance}, which has another meaning with the site head {}: remove the setting, \
             or remove the head with `usher train head --remove`",
            path.display()
        );
    }
    Ok(Some(file))
}

/// The gallery of the store, with the head applied if there is one.
pub fn gallery(store: &Store, ring: &Arc<Ring>, model: &Model, head: Option<HeadFile>) -> Result<Gallery> {
    Ok(match head {
        Some(file) => Gallery::open_with_head(store, ring, file.head)?,
        None => Gallery::open(store, ring, model.id(), model.dimension())?,
    })
}
