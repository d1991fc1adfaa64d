//! What a file is known by.

use sha2::{Digest as _, Sha256};

/// The SHA-256 of bytes, in hexadecimal digits: a model's in the manifest, a site head's in the journal.
pub fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
