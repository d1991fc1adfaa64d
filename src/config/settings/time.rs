//! `[time]`: what holds while the device does not know the time.
//!
//! Knows nothing of clocks.

/// `[time]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// What the rules that need the day or the hour answer while the clock is not set or provably wrong.
    pub without_sync: WithoutSync,
}

/// What becomes of people with days of their own, permits with a schedule, the first person of the day and unlock hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutSync {
    /// They are refused, and doors do not stand unlocked.
    Deny,
    /// They pass, and doors stand unlocked by the clock as it is.
    Allow,
}
