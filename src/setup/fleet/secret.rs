//! A key of 32 bytes in JSON: base64 of RFC 4648 without padding. What is read is overwritten when it is dropped.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serializer, de};
use zeroize::Zeroizing;

/// Writes a key.
pub fn serialize<S: Serializer>(bytes: &Zeroizing<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&Zeroizing::new(STANDARD_NO_PAD.encode(bytes.as_slice())))
}

/// Reads a key.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<[u8; 32]>, D::Error> {
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    let bytes = Zeroizing::new(STANDARD_NO_PAD.decode(text.as_str()).map_err(de::Error::custom)?);
    let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| de::Error::custom("a key has 32 bytes"))?;
    Ok(Zeroizing::new(bytes))
}
