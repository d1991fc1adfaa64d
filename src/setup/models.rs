//! The embedder in force: the configured one, that of a switch of models in the store, or where the configuration names none, the one that
//! people are enrolled with; and the manifest's embedders for the office.

use anyhow::Result;

use super::fleet::Disk;
use super::{head, house};
use crate::config::Config;
use crate::domain::ModelId;
use crate::gallery::Gallery;
use crate::office::switch::state::embedder_in_force;
use crate::office::switch::{Catalogue, CatalogueError, ModelCard, stored};
use crate::store::Store;
use crate::vision::manifest::{Manifest, Role};

/// The configuration with the embedder in force. Whatever compares faces with the templates in `store` goes by this one.
///
/// # Errors
/// The switch's entry in the store cannot be read.
pub fn in_force(config: &Config, store: &Store) -> Result<Config> {
    let of_fleet = if config.fleet.enabled { Disk::open(store)?.model() } else { None };
    if let Some(name) = of_fleet {
        // What the office said counts more than the configuration.
        let (config, state) = (with_embedder(config, &name), stored(store)?);
        return Ok(with_embedder(&config, embedder_in_force(state.as_ref(), &name)));
    }
    let state = stored(store)?;
    if state.is_none()
        && let Some(name) = stays(config, store)?
    {
        tracing::warn!(
            "people are enrolled with {name}, which stays in use: [models] embedder is not set, and its default is {}. Lead them over with \
             `usher models switch {}`, or name an embedder",
            config.models.embedder,
            config.models.embedder
        );
        return Ok(with_embedder(config, &name));
    }
    let name = embedder_in_force(state.as_ref(), &config.models.embedder);
    if name != config.models.embedder {
        tracing::info!(in_force = name, configured = %config.models.embedder, "a switch of models is under way");
    } else if let Some(state) = state.as_ref().filter(|state| state.in_force().name != *name) {
        tracing::warn!(
            configured = name,
            "a switch from {} to {} is under way, and the configuration names neither: nobody is led over (usher models switch --status)",
            state.from.name,
            state.to.name
        );
    }
    Ok(with_embedder(config, name))
}

/// The embedder that stays in use although the default is another one, after an upgrade: the one of which most people have templates, where the
/// configuration names none and nobody has templates of the default.
fn stays(config: &Config, store: &Store) -> Result<Option<String>> {
    if config.is_written("models.embedder") {
        return Ok(None);
    }
    let default = super::embedder(config)?;
    let gallery = Gallery::open(store, &super::ring(config), default.id(), default.dimension())?;
    let mut counts = gallery.models()?;
    if counts.iter().any(|count| count.model == default.id()) {
        return Ok(None);
    }
    counts.sort_by_key(|count| std::cmp::Reverse(count.people));
    let catalogue = Configured(config.clone());
    Ok(counts.iter().find_map(|count| catalogue.name_of(&count.model)))
}

/// The configuration with another embedder.
pub fn with_embedder(config: &Config, name: &str) -> Config {
    let mut config = config.clone();
    name.clone_into(&mut config.models.embedder);
    config
}

/// The embedders of the manifest in `[models] path`, with their calibrations as the configuration chooses them.
pub struct Configured(pub Config);

impl Catalogue for Configured {
    fn card(&self, name: &str) -> Result<ModelCard, CatalogueError> {
        let card = || -> Result<ModelCard> {
            let manifest = Manifest::load(&self.0.models.path)?;
            let model = manifest.model(name, Role::Embedder)?;
            manifest.read(model)?;
            // A head would be in force together with its model; a limit fixed by the configuration is the caller's to judge.
            let head = match self.0.access.distance {
                crate::config::DistanceLimit::Fixed(_) => None,
                _ => head::site_head(&self.0, model)?,
            };
            let near_enough = house::near_enough(&self.0, model, head.as_ref())?;
            Ok(ModelCard { name: model.name.clone(), model: model.id(), dimension: model.dimension(), near_enough })
        };
        card().map_err(CatalogueError::Unusable)
    }

    fn name_of(&self, id: &ModelId) -> Option<String> {
        let manifest = Manifest::load(&self.0.models.path).ok()?;
        manifest
            .models()
            .find(|model| model.role == Role::Embedder && model.id() == *id)
            .map(|model| model.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::SystemTime;

    use jiff::Timestamp;

    use super::*;
    use crate::office::switch::state::{Phase, Side, SwitchState};
    use crate::seal::Ring;

    fn config(embedder: &str) -> Config {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        Config::from_toml(&format!(
            "[models]\npath = {:?}\nembedder = {embedder:?}\n[[door]]\nname = \"front\"\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\n",
            models.display().to_string()
        ))
        .unwrap()
    }

    #[test]
    fn the_manifest_gives_each_embedder_with_its_id_and_its_own_distances() {
        let catalogue = Configured(config("mobilefacenet"));
        let (old, new) = (catalogue.card("mobilefacenet").unwrap(), catalogue.card("dlib").unwrap());
        assert_eq!((old.dimension, new.dimension), (192, 128));
        assert_eq!(catalogue.name_of(&new.model).as_deref(), Some("dlib"));
        assert_eq!(catalogue.name_of(&ModelId::new("dlib-0")), None);
        let limit = |card: &ModelCard| card.near_enough.cut(crate::domain::GallerySize::ONE).distance;
        assert!(limit(&new) < limit(&old), "dlib's distances are smaller");
        assert!(catalogue.card("nobody").unwrap_err().to_string().contains("there is no model `nobody`"));
        assert!(catalogue.card("pnet").is_err(), "a detector is no embedder");
    }

    #[test]
    fn where_the_configuration_names_none_the_embedder_of_the_people_stays() {
        use crate::domain::{Embedding, Quality};
        use crate::gallery::{NewPerson, Template};

        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let named = config("dlib");
        let unnamed = Config::from_toml(&named.to_toml().replace("embedder = \"dlib\"", "")).unwrap();
        let default = unnamed.models.embedder.clone();
        assert!(named.is_written("models.embedder") && !unnamed.is_written("models.embedder"));
        let in_force = |config: &Config| in_force(config, &store).unwrap().models.embedder;
        assert_eq!(in_force(&unnamed), default, "nobody is enrolled");
        let enroll = |name: &str| {
            let card = Configured(named.clone()).card(name).unwrap();
            let gallery = Gallery::open(&store, &Arc::new(Ring::plain()), card.model.clone(), card.dimension).unwrap();
            let embedding = Embedding::normalised(card.model, vec![1.0; card.dimension].into()).unwrap();
            let template = Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH };
            gallery.enroll(NewPerson { name: name.to_owned(), ..NewPerson::default() }, vec![template]).unwrap();
        };
        enroll("mobilefacenet");
        assert_eq!((in_force(&unnamed), in_force(&named)), ("mobilefacenet".to_owned(), "dlib".to_owned()));
        enroll(&default);
        assert_eq!(in_force(&unnamed), default, "somebody has templates of the default");
    }

    #[test]
    fn a_store_without_a_switch_leaves_the_configuration_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(in_force(&config("dlib"), &store).unwrap().models.embedder, "dlib");
        let side = |name: &str| Side { name: name.to_owned(), model: ModelId::new(name) };
        let begun = SwitchState::begin(side("mobilefacenet"), side("dlib"), Timestamp::UNIX_EPOCH);
        let put =
            |state: &SwitchState| store.commit(&[store.tree("switch").unwrap().put(b"state", state.write())]).unwrap();
        put(&begun);
        assert_eq!(in_force(&config("dlib"), &store).unwrap().models.embedder, "mobilefacenet");
        put(&begun.in_phase(Phase::Switched));
        assert_eq!(in_force(&config("mobilefacenet"), &store).unwrap().models.embedder, "dlib");
        assert_eq!(in_force(&config("facenet"), &store).unwrap().models.embedder, "facenet");
        store.commit(&[store.tree("switch").unwrap().put(b"state", b"nothing")]).unwrap();
        assert!(in_force(&config("dlib"), &store).unwrap_err().to_string().contains("restore a backup"));
    }
}
