//! What a board goes by at a start: its membership, or what its store kept at the last good start. A membership file that cannot be read takes nothing from
//! the doors that is on their disk.

use std::path::Path;

use anyhow::Result;

use super::disk::Disk;
use super::known::KnownFleet;
use super::membership::Membership;

/// A board's place in a fleet, at a start.
pub struct Belonging {
    /// `None` where neither the membership nor the store says it.
    pub known: Option<KnownFleet>,
    /// The membership, or why it cannot be read.
    pub membership: Result<Membership>,
}

impl Belonging {
    /// Reads the membership at `path`, and what the store kept of an earlier one.
    pub fn read(path: &Path, disk: &Disk) -> Belonging {
        let membership = Membership::load(path);
        let known = membership.as_ref().map_or_else(|_| disk.known(), |membership| Some(membership.into()));
        Belonging { known, membership }
    }
}
