//! The rules in force as the daemon's tasks share them: the board's configuration, under the rules of its site if there are any.

use std::sync::{Arc, Mutex, PoisonError};

use crate::api::ruling::{RulesInForce, RulesOrigin};
use crate::config::Config;
use crate::setup;
use crate::setup::fleet::InForce;

/// The rules in force. Whoever changes them tells the doors first.
pub struct Rulebook {
    /// The board's own configuration.
    own: Config,
    now: Mutex<Arc<InForce>>,
    /// The same as the API shows it.
    shown: RulesInForce,
}

impl Rulebook {
    /// Of a board that starts with these rules.
    pub fn new(own: &Config, in_force: InForce) -> Rulebook {
        let shown = RulesInForce::new(setup::ruling(&in_force));
        Rulebook { own: own.clone(), now: Mutex::new(Arc::new(in_force)), shown }
    }

    /// The board's own configuration.
    pub fn own(&self) -> &Config {
        &self.own
    }

    /// What is in force now.
    pub fn now(&self) -> Arc<InForce> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For the API.
    pub fn shown(&self) -> RulesInForce {
        self.shown.clone()
    }

    /// Notes what the doors go by from now on.
    pub fn put(&self, in_force: InForce) {
        self.shown.set(setup::ruling(&in_force));
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
    }

    /// Notes why newer rules are not in force.
    pub fn note_trouble(&self, trouble: String) {
        let now = self.now();
        let origin = RulesOrigin { trouble: Some(trouble), ..now.origin.clone() };
        self.put(InForce { config: now.config.clone(), origin });
    }
}
