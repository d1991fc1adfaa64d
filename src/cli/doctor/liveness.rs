//! The part of `usher doctor` about what tells a face from a picture of it: the passive networks.

use anyhow::Result;

use super::{Findings, State};
use crate::config::Config;
use crate::domain::PassiveMode;
use crate::setup::presentation;
use crate::vision::runtime::Runtime;

/// The passive networks, if any camera needs them, and what they may do.
pub(super) fn networks(config: &Config, runtime: &Runtime, findings: &mut Findings) -> Result<()> {
    if !config.cameras.iter().any(|camera| presentation::asks_passive(config, camera)) {
        return Ok(());
    }
    let folder = &config.liveness.passive_models;
    let networks = findings.result("liveness", presentation::passive_networks(config, runtime), |_| {
        let effect = match config.liveness.passive {
            PassiveMode::Off => "they run for the doors that ask for them",
            PassiveMode::Log => "receipts show what they say, without effect (passive = \"log\")",
            PassiveMode::Deny => "they refuse what looks like a print or a screen (passive = \"deny\")",
        };
        format!("{}: the networks match their hashes and give the scores of their check; {effect}", folder.display())
    })?;
    for (model, placement) in networks.iter().flat_map(|networks| networks.placements()) {
        let ms = placement.latency.as_secs_f64() * 1000.0;
        match &placement.fallback {
            None => findings.report("liveness", State::Ok, &format!("{model}: {} in {ms:.2} ms", placement.on))?,
            Some(why) => {
                let text = format!("{model}: on the CPU ({ms:.2} ms) instead of {}: {why}", placement.asked);
                findings.report("liveness", State::Warning, &text)?;
            }
        }
    }
    Ok(())
}
