//! Whom a board believes, and by which names it goes: from its membership, or as its store kept it at the last good start. A membership file that cannot be
//! read takes nothing from the doors that is on their disk.

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::disk::Disk;
use super::membership::Membership;
use super::secret;
use crate::fleet::{Board, FleetId, Gallery, OfficePublic, Site};

/// What a membership says and is no secret.
#[derive(Clone, Debug)]
pub struct KnownFleet {
    pub fleet: FleetId,
    /// What it did not sign is refused.
    pub office: OfficePublic,
    pub site: Site,
    pub gallery: Gallery,
    pub board: Board,
}

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

impl KnownFleet {
    /// Whether both are of one fleet with one office.
    pub(super) fn is_of(&self, other: &KnownFleet) -> bool {
        (self.fleet, self.office) == (other.fleet, other.office)
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        let kept = Kept {
            fleet: self.fleet,
            office: Zeroizing::new(self.office.to_bytes()),
            site: self.site.clone(),
            gallery: self.gallery.clone(),
            board: self.board.clone(),
        };
        serde_json::to_vec(&kept).unwrap_or_default()
    }

    pub(super) fn from_json(json: &[u8]) -> Option<KnownFleet> {
        let Kept { fleet, office, site, gallery, board } = serde_json::from_slice(json).ok()?;
        Some(KnownFleet { fleet, office: OfficePublic::from_bytes(&office)?, site, gallery, board })
    }
}

impl From<&Membership> for KnownFleet {
    fn from(membership: &Membership) -> KnownFleet {
        KnownFleet {
            fleet: membership.fleet,
            office: membership.office,
            site: membership.site.clone(),
            gallery: membership.gallery.clone(),
            board: membership.board.clone(),
        }
    }
}

/// As the store keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    fleet: FleetId,
    #[serde(with = "secret")]
    office: Zeroizing<[u8; 32]>,
    site: Site,
    gallery: Gallery,
    board: Board,
}
