//! The site head: where it lies, whether it belongs to the model in use, and the gallery that is compared behind it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::config::{Config, DistanceLimit};
use crate::gallery::Gallery;
use crate::seal::Ring;
use crate::store::Store;
use crate::vision::head_file::{HeadFile, file_name};
use crate::vision::manifest::Model;

/// The folder, in the store's, of heads that were learned for this site.
const SITE_HEADS: &str = "head";

/// Where the head of a model lies, whether there is one or not.
pub fn path(config: &Config, model: &Model) -> PathBuf {
    config.store.path.join(SITE_HEADS).join(file_name(&model.name))
}

/// The site's head for `model`, if there is one.
///
/// # Errors
///
/// When the file is damaged or belongs to another model, and when `[access] distance` fixes a distance: nobody has measured what that
/// means behind the head.
pub fn site_head(config: &Config, model: &Model) -> Result<Option<HeadFile>> {
    let path = path(config, model);
    let Some(file) = HeadFile::load(&path)? else { return Ok(None) };
    if *file.head.base() != model.id() {
        bail!(
            "the site head {} was learned on {}, and {} is in use: take it off with `usher train head --remove`, or learn it again",
            path.display(),
            file.head.base(),
            model.id()
        );
    }
    if file.head.dimension() != model.dimension() {
        bail!(
            "the site head {} takes {} figures, and {} makes {}: learn it again with `usher train head`",
            path.display(),
            file.head.dimension(),
            model.id(),
            model.dimension()
        );
    }
    if let DistanceLimit::Fixed(distance) = config.access.distance {
        bail!(
            "[access] distance fixes the distance {distance}, which means something else behind the site head {}: remove the setting, \
             or take the head off with `usher train head --remove`",
            path.display()
        );
    }
    Ok(Some(file))
}

/// The gallery of the store, compared behind the head if there is one.
pub fn gallery(store: &Store, ring: &Arc<Ring>, model: &Model, head: Option<HeadFile>) -> Result<Gallery> {
    Ok(match head {
        Some(file) => Gallery::open_with_head(store, ring, file.head)?,
        None => Gallery::open(store, ring, model.id(), model.dimension())?,
    })
}
