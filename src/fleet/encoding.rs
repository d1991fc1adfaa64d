//! Bytes in JSON: base64 of RFC 4648 without padding, for use with `#[serde(with = …)]`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serializer, de};

/// Writes bytes.
pub fn serialize<S: Serializer>(bytes: &impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
}

/// Reads bytes of the length that `T` needs.
pub fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<Vec<u8>>>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD_NO_PAD.decode(text).map_err(de::Error::custom)?;
    let length = bytes.len();
    T::try_from(bytes).map_err(|_| de::Error::custom(format_args!("{length} bytes are too many or too few")))
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    #[derive(Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Both {
        #[serde(with = "super")]
        any: Vec<u8>,
        #[serde(with = "super")]
        four: [u8; 4],
    }

    #[test]
    fn bytes_come_back_and_wrong_lengths_are_refused() {
        let both = Both { any: vec![0, 255, 7], four: *b"abcd" };
        let text = serde_json::to_string(&both).unwrap();
        assert_eq!(text, r#"{"any":"AP8H","four":"YWJjZA"}"#);
        assert_eq!(serde_json::from_str::<Both>(&text).unwrap(), both);
        for bad in
            [r#"{"any":"AP8H","four":"AP8H"}"#, r#"{"any":"AP8H=","four":"YWJjZA"}"#, r#"{"any":"?","four":"YWJjZA"}"#]
        {
            assert!(serde_json::from_str::<Both>(bad).is_err(), "{bad}");
        }
    }
}
