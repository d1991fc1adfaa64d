//! A gallery's key for one epoch, sealed to one board; and the keys of epochs that a board or an office holds.
//!
//! Somebody is forgotten by beginning an epoch: all who stay are wrapped with its key, and the key of the epoch before is destroyed. From then on
//! nobody can open the records of that epoch, wherever copies of them lie.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::encoding;
use super::name::{Board, FleetId, Gallery};
use super::sealed::{BoardKey, BoardPublic, EpochKey, SealedError, context};
use super::signed::{Body, Kind};

/// The most epochs whose keys are held at once: the newest, and those whose records are still being replaced.
pub const MAX_EPOCHS: usize = 4;

/// The key of a gallery for one epoch, sealed to one board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GalleryKey {
    /// Whose people it opens.
    pub gallery: Gallery,
    /// Which key of the gallery: the first is 1.
    pub epoch: u64,
    /// Who can open it.
    pub board: Board,
    /// X25519 public key 32 bytes, nonce 24, ciphertext 32, tag 16.
    #[serde(with = "encoding")]
    sealed: Vec<u8>,
}

impl Body for GalleryKey {
    const KIND: Kind = Kind::Key;
    const MAX: usize = 4096;
}

impl GalleryKey {
    /// Seals a gallery's key to a board.
    pub fn seal(
        fleet: FleetId,
        gallery: &Gallery,
        epoch: u64,
        board: &Board,
        key: &EpochKey,
        to: &BoardPublic,
    ) -> Result<GalleryKey, SealedError> {
        let sealed = to.seal(&bound(fleet, gallery, epoch, board), &*key.to_bytes())?;
        Ok(GalleryKey { gallery: gallery.clone(), epoch, board: board.clone(), sealed })
    }

    /// The key, opened by the board to which it is sealed.
    pub fn open(&self, fleet: FleetId, with: &BoardKey) -> Result<EpochKey, SealedError> {
        let GalleryKey { gallery, epoch, board, sealed } = self;
        let plain = with.open(&bound(fleet, gallery, *epoch, board), sealed)?;
        let plain: &[u8; 32] = plain.first_chunk().filter(|_| plain.len() == 32).ok_or(SealedError::Broken)?;
        Ok(EpochKey::from_bytes(&Zeroizing::new(*plain)))
    }
}

fn bound(fleet: FleetId, gallery: &Gallery, epoch: u64, board: &Board) -> Vec<u8> {
    let (gallery, board) = (gallery.as_str().as_bytes(), board.as_str().as_bytes());
    context("a gallery's key", &[fleet.0.as_bytes(), gallery, &epoch.to_be_bytes(), board])
}

/// The keys of a gallery's epochs that are held. At most [`MAX_EPOCHS`]; the oldest gives way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epochs(BTreeMap<u64, EpochKey>);

impl Epochs {
    /// Holds the key of an epoch. Returns whether it is new; the key of an epoch that is held already stays, and so do newer ones where there is no
    /// room.
    pub fn insert(&mut self, epoch: u64, key: EpochKey) -> bool {
        if self.0.contains_key(&epoch) {
            return false;
        }
        self.0.insert(epoch, key);
        while self.0.len() > MAX_EPOCHS {
            self.0.pop_first();
        }
        self.0.contains_key(&epoch)
    }

    /// The key of an epoch.
    pub fn get(&self, epoch: u64) -> Option<&EpochKey> {
        self.0.get(&epoch)
    }

    /// The newest epoch whose key is held.
    pub fn newest(&self) -> Option<u64> {
        self.0.last_key_value().map(|(epoch, _)| *epoch)
    }

    /// Destroys the keys of the epochs before `epoch`. Returns which.
    pub fn destroy_before(&mut self, epoch: u64) -> Vec<u64> {
        let stay = self.0.split_off(&epoch);
        std::mem::replace(&mut self.0, stay).into_keys().collect()
    }

    /// Every key with its epoch, to be kept where nobody else reads them: epoch 8 bytes, big-endian, and key 32 bytes each.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_EPOCHS * 40));
        for (epoch, key) in &self.0 {
            bytes.extend(epoch.to_be_bytes());
            bytes.extend(*key.to_bytes());
        }
        bytes
    }

    /// Reads what [`Epochs::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Epochs> {
        let (keys, rest) = bytes.as_chunks::<40>();
        if !rest.is_empty() || keys.len() > MAX_EPOCHS {
            return None;
        }
        let read = |key: &[u8; 40]| {
            let (epoch, key) = (key.first_chunk()?, key.last_chunk()?);
            Some((u64::from_be_bytes(*epoch), EpochKey::from_bytes(key)))
        };
        keys.iter().map(read).collect::<Option<BTreeMap<_, _>>>().map(Epochs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gallerys_key_opens_at_its_board_and_nowhere_else() {
        let fleet = FleetId::generate();
        let (berlin, paris): (Gallery, Gallery) = ("berlin".parse().unwrap(), "paris".parse().unwrap());
        let (front, back): (Board, Board) = ("front".parse().unwrap(), "back".parse().unwrap());
        let (board, other) = (BoardKey::generate().unwrap(), BoardKey::generate().unwrap());
        let key = EpochKey::generate().unwrap();
        let sealed = GalleryKey::seal(fleet, &berlin, 3, &front, &key, &board.public()).unwrap();
        assert_eq!(sealed.open(fleet, &board), Ok(key));
        assert_eq!(sealed.open(fleet, &other), Err(SealedError::Broken));
        assert_eq!(sealed.open(FleetId::generate(), &board), Err(SealedError::Broken));
        for wrong in [
            GalleryKey { gallery: paris, ..sealed.clone() },
            GalleryKey { epoch: 4, ..sealed.clone() },
            GalleryKey { board: back, ..sealed.clone() },
        ] {
            assert_eq!(wrong.open(fleet, &board), Err(SealedError::Broken));
        }
        let text = serde_json::to_string(&sealed).unwrap();
        assert_eq!(serde_json::from_str::<GalleryKey>(&text).unwrap(), sealed);
    }

    #[test]
    fn keys_of_earlier_epochs_are_destroyed_and_few_are_held() {
        let mut epochs = Epochs::default();
        let keys: Vec<EpochKey> = (0..7).map(|_| EpochKey::generate().unwrap()).collect();
        for (epoch, key) in (1..).zip(&keys) {
            assert!(epochs.insert(epoch, key.clone()));
            assert!(!epochs.insert(epoch, EpochKey::generate().unwrap()), "the first one stays");
        }
        assert!(!epochs.insert(1, keys[0].clone()), "no room for an older one");
        assert_eq!(epochs.newest(), Some(7));
        assert_eq!(epochs.get(7), Some(&keys[6]));
        assert_eq!(Epochs::from_bytes(&epochs.to_bytes()), Some(epochs.clone()));
        assert_eq!(epochs.destroy_before(7), [4, 5, 6]);
        assert!(epochs.get(6).is_none() && epochs.destroy_before(7).is_empty());
        assert_eq!(Epochs::from_bytes(&[0; 41]), None);
        assert_eq!(Epochs::from_bytes(&[0; 400]), None);
    }
}
