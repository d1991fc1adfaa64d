//! How usher tells a person from a photograph, where a door asks for more than a face.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{s, section};
use crate::config::rule::{self, HOUR, SECOND, span};
use crate::config::text::span_text;
use crate::domain::PassiveMode;

section! {
    /// How usher tells a person from a photograph, for the doors and permits whose [`assurance`](#door) asks for it.
    /// [Verdicts](verdicts.md#more-than-a-face) explains what is asked.
    Liveness {
        /// How much of a turn a challenge asks for. `"strict"` also stopped the folded prints that were tried, and asks people to turn further: 0.25
        /// and 0.30 instead of 0.20 and 0.28 for `turn` and `depth`, and 0.33 (about 35°) where the turn is widest.
        setting: Strictness = Strictness::Normal,
        /// How far the nose must move to the asked side, in distances between the eyes, instead of what `setting` says. A head that turns by 25°
        /// moves it by about 0.22, one that turns by 30° by 0.28; flat prints reached 0.164.
        #[schemars(range(min = 0.17, max = 1.0), example = 0.22)]
        turn: Option<f64> = None,
        /// How far the nose must stand out from the plane of eyes and mouth, in distances between the eyes, instead of what `setting` says. A face has
        /// about 0.48, a print 0.
        #[schemars(range(min = 0.2, max = 1.0), example = 0.29)]
        depth: Option<f64> = None,
        /// Whether people are also asked to look up. Only at doors with `prompt = "display"`: two lamps cannot say it.
        third_turn: ThirdTurn = ThirdTurn::None,
        /// How long people have for each turn.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<{ 2 * SECOND }, { 30 * SECOND }>")]
        turn_time: Duration = s(4),
        /// After how many failed challenges a person waits at that door.
        #[schemars(range(min = 1, max = 20))]
        attempts: u32 = 3,
        /// The first such wait; each further one is longer.
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<SECOND, HOUR>")]
        wait: Duration = s(10),
        /// The longest time between a PIN or a tag and the face that it belongs to, in either order ([second factor](second-factor.md)).
        #[serde(with = "span_text")]
        #[schemars(schema_with = "span::<{ 3 * SECOND }, { 60 * SECOND }>")]
        second_factor_window: Duration = s(15),
        /// What the [networks that look for prints and screens](liveness-networks.md) may do: nothing, `"off"`; stand in the receipts without any effect,
        /// `"log"`; or refuse, `"deny"`. They never admit anybody. Begin with `"log"`, and see for some weeks whom they would have refused. Where a
        /// door asks for `passive`, they run at its cameras with any of the three.
        passive: PassiveMode = PassiveMode::Off,
        /// The folder of these networks. usher ships none; `models/build/build liveness` makes it.
        #[schemars(schema_with = "rule::path")]
        passive_models: PathBuf = "/usr/share/usher/liveness".into(),
    }
}

/// How much of a turn a challenge asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strictness {
    /// Stops flat and bent prints.
    #[default]
    Normal,
    /// Also stopped the prints folded along the nose that were tried.
    Strict,
}

/// A third turn of a challenge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ThirdTurn {
    /// Left and right suffice.
    #[default]
    None,
    /// Also up.
    Up,
}
