//! How values in events are written as JSON, for serde's `with`: spans in whole milliseconds, times in RFC 3339, distances with four
//! decimals.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// A span in whole milliseconds.
pub mod ms {
    use super::*;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(whole_ms(*span))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// A span in whole milliseconds, or null.
pub mod optional_ms {
    use super::*;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        span.map(whole_ms).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
    }
}

/// A time in RFC 3339, UTC. One that RFC 3339 cannot write becomes the nearest that it can.
pub mod rfc3339 {
    use super::*;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        let nearest = if *at < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
        to.collect_str(&Timestamp::try_from(*at).unwrap_or(nearest))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        let at: Timestamp = String::deserialize(from)?.parse().map_err(D::Error::custom)?;
        SystemTime::try_from(at).map_err(D::Error::custom)
    }
}

/// A name that several threads share.
pub mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(from).map(Arc::from)
    }
}

/// A distance with four decimals, which is more than it means; null where it is not finite.
pub mod distance {
    use crate::domain::Distance;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(distance: &Distance, to: S) -> Result<S::Ok, S::Error> {
        distance.recorded().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Distance, D::Error> {
        Ok(Distance(Option::<f64>::deserialize(from)?.map_or(f32::NAN, |value| value as f32)))
    }
}

/// A [`distance`], or null where there is none.
pub mod optional_distance {
    use crate::domain::Distance;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(distance: &Option<Distance>, to: S) -> Result<S::Ok, S::Error> {
        distance.map(Distance::recorded).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Distance>, D::Error> {
        Ok(Option::<f64>::deserialize(from)?.map(|value| Distance(value as f32)))
    }
}

/// A share with four decimals.
pub mod four_decimals {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(super::rounded(*value))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        f64::deserialize(from)
    }
}

/// 32 bytes as 64 hexadecimal digits, in lower case.
pub mod hex {
    use std::fmt::Write as _;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        let mut digits = String::with_capacity(64);
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(digits, "{byte:02x}");
        }
        to.serialize_str(&digits)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let digits = String::deserialize(from)?;
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let bytes = bytes.filter(|_| rest.is_empty()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.ok_or_else(|| D::Error::custom("not 64 hexadecimal digits"))
    }
}

fn whole_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Four decimals.
pub fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
