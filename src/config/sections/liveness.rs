//! How a face is told from a picture of it.

use std::path::PathBuf;

use super::section;
use crate::config::rule;
use crate::domain::PassiveMode;

section! {
    /// How a face is told from a picture of it. See [liveness-networks.md](liveness-networks.md).
    Liveness {
        /// What the [networks that look for prints and screens](liveness-networks.md) may do: nothing, `"off"`; stand in the receipts without any effect,
        /// `"log"`; or refuse, `"deny"`. They never admit anybody. Begin with `"log"`, and see for some weeks whom they would have refused. Where a
        /// door asks for `passive`, they run at its cameras with any of the three.
        passive: PassiveMode = PassiveMode::Off,
        /// The folder of these networks. usher ships none; `models/build/build liveness` makes it.
        #[schemars(schema_with = "rule::path")]
        passive_models: PathBuf = "/usr/share/usher/liveness".into(),
    }
}
