//! What the journal is told of sealed templates.
//!
//! Knows nothing of keys.

use super::Recorder;
use crate::domain::Event;
use crate::gallery::{Gallery, Locked};
use crate::ledger::LedgerError;
use crate::seal::State;

/// Writes down that templates were sealed when `gallery` was opened, if any were.
pub fn tell_of_sealing(gallery: &Gallery, recorder: &Recorder) -> Result<(), LedgerError> {
    if let ((people, templates @ 1..), State::Open(key)) = (gallery.newly_sealed(), gallery.ring().state()) {
        tracing::info!(people, templates, %key, "templates that lay plain are sealed");
        recorder.record_or_not_at_all(
            &Event::Sealed { people, templates, key: key.to_string() },
            &[gallery.sealing_told()],
        )?;
    }
    Ok(())
}

/// Writes down who cannot be recognised because their templates cannot be opened, if anybody is. The log hears of whatever else is wrong
/// with sealing.
pub fn tell_of_locked(gallery: &Gallery, recorder: &Recorder) -> Result<(), LedgerError> {
    if let Some(Locked { people, templates, why }) = gallery.locked() {
        tracing::error!(people, templates, %why, "ALARM: sealed templates cannot be opened; these people are not recognised");
        recorder.record(&Event::TemplatesLocked { people, templates, reason: why.to_string() })?;
    } else if let Some(trouble) = gallery.seal_trouble() {
        tracing::warn!("{trouble}");
    }
    Ok(())
}
