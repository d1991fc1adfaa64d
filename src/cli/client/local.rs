//! The API in this process, over the store that no daemon holds.

use std::sync::Arc;

use anyhow::{Result, bail};
use axum::Router;

use super::Client;
use crate::accounts::Accounts;
use crate::api::users::{own_uid, user_name};
use crate::api::{self, ApiState, NoDaemon, RulesInForce, Sittings};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::Actor;
use crate::gallery::{FacePictures, Gallery, Visitors};
use crate::lab::calibrate::Person;
use crate::office::switch::Switch;
use crate::office::{Recorder, Register, record_sealing};
use crate::setup;
use crate::setup::faces::Photographs;
use crate::setup::models::Configured;
use crate::store::{Store, StoreError};
use crate::vision::manifest::Model;

/// The router over the configured store. `behind_head` compares behind the site head, if there is one.
pub fn router(config: &Config, behind_head: bool) -> Result<Router> {
    let store = open_store(config)?;
    let configured = config.models.embedder.as_str();
    let config = &setup::models::in_force(config, &store)?;
    let model = setup::embedder(config)?;
    let head = if behind_head { setup::head::site_head(config, &model)? } else { None };
    let near_enough = setup::house::near_enough(config, &model, head.as_ref())?;
    let ring = setup::ring(config);
    let gallery = Arc::new(setup::head::gallery(&store, &ring, &model, head)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let recorder = Recorder::new(&store, setup::journal(config, &store)?, clock.clone());
    let recorder = Arc::new(recorder.with_gap_marks(setup::gap_marks(config)));
    let visitors = Arc::new(Visitors::open(&store, &ring, setup::keep_visitors(config))?);
    let granted = Arc::new(Visitors::open_granted(&store, &ring, setup::keep_granted(config))?);
    let face_pictures = Arc::new(FacePictures::open(&store, &ring, setup::keep_faces(config))?);
    record_sealing(&gallery, &recorder)?;
    let no_daemon = Arc::new(NoDaemon::on(&config.control.socket));
    let register = setup::fleet::asking(Register::new(gallery, recorder.clone(), near_enough), config, &store)?;
    let catalogue = Arc::new(Configured(config.clone()));
    let switch = Arc::new(Switch::open(register.clone(), recorder.clone(), catalogue, configured)?);
    let faces = Arc::new(Photographs::new(config.clone(), switch.clone()));
    Ok(api::router(Arc::new(ApiState {
        register,
        switch,
        recorder,
        visitors,
        granted,
        face_pictures,
        calendar: setup::calendar(config),
        accounts: Arc::new(Accounts::open(&store)?),
        clock,
        doors: no_daemon.clone(),
        monitor: no_daemon.clone(),
        live: no_daemon,
        rules: RulesInForce::new(setup::ruling(&setup::fleet::in_force_at_start(config, &store)?)),
        faces,
        sittings: Sittings::default(),
    })))
}

/// The name of the user who runs this command.
pub fn operator() -> Actor {
    Actor::Operator(user_name(own_uid()))
}

fn open_store(config: &Config) -> Result<Store> {
    match Store::open(&config.store.path) {
        Err(StoreError::Busy { .. }) => bail!(
            "the store {} is in use, but no daemon answers on {}: another usher command may be at work (try again), or the \
             daemon runs with another [control] socket",
            config.store.path.display(),
            config.control.socket.display()
        ),
        other => Ok(other?),
    }
}

/// Checks that a record could be written now: by the daemon, or into the store.
pub fn journal_can_be_written(config: &Config) -> Result<()> {
    match Client::connect(&config.control.socket)? {
        Some(_) => Ok(()),
        None => open_store(config).map(drop),
    }
}

/// The enrolled people's unit vectors as the model made them, and that model. A daemon gives templates to no other process, so none may
/// run.
pub fn enrolled(config: &Config) -> Result<(Vec<Person>, Model)> {
    if Client::connect(&config.control.socket)?.is_some() {
        bail!(
            "the daemon holds the templates: stop it first (`systemctl stop usher`), or name a folder of photographs"
        );
    }
    let store = open_store(config)?;
    let model = setup::embedder(&setup::models::in_force(config, &store)?)?;
    // Without the site's head: the next head must not depend on it.
    let gallery = Gallery::open(&store, &setup::ring(config), model.id(), model.dimension())?;
    let mut people = Vec::new();
    for person in gallery.people() {
        let own =
            gallery.templates(person.id)?.into_iter().filter(|template| template.embedding.model() == gallery.model());
        people.push(Person { vectors: own.map(|template| template.embedding.values().into()).collect() });
    }
    Ok((people, model))
}
