//! Whom a board believes, and by which names it goes: what its membership says of that, and its store keeps.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

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
