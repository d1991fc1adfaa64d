//! Values of the command line that have a range or a unit: how they are read, and what is said of a wrong one.

use std::time::Duration;

use thiserror::Error;

use crate::config;
use crate::domain::Distance;

/// Why an argument cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArgumentError {
    #[error("give a rate above 0 and below 1, for example 0.001 or 1e-3")]
    Rate,
    #[error("a distance is a number from 0 to 2")]
    Distance,
    #[error("give a number above 0")]
    Positive,
    #[error("a rate of frames is a number from 1 to 240 a second")]
    FrameRate,
    #[error("`{text}` is not a span of time; write 5s, 2m or 1500ms")]
    Span { text: String },
    #[error(
        "offline mining lists triplets for many steps ahead, which a head does not need because it is fast: use semi-hard, hard or all"
    )]
    OfflineMining,
    #[error("unknown mining `{text}`: use semi-hard, hard or all")]
    Mining { text: String },
}

/// A rate between 0 and 1, both excluded.
pub fn rate(text: &str) -> Result<f64, ArgumentError> {
    text.parse().ok().filter(|rate| *rate > 0.0 && *rate < 1.0).ok_or(ArgumentError::Rate)
}

/// A distance from 0 to 2.
pub fn distance(text: &str) -> Result<Distance, ArgumentError> {
    text.parse().ok().filter(|value| (0.0..=2.0).contains(value)).map(Distance).ok_or(ArgumentError::Distance)
}

/// A number above 0.
pub fn positive(text: &str) -> Result<f32, ArgumentError> {
    let number = text.parse::<f32>().ok();
    number.filter(|value| value.is_finite() && *value > 0.0).ok_or(ArgumentError::Positive)
}

/// Frames a second.
pub fn frame_rate(text: &str) -> Result<f64, ArgumentError> {
    text.parse().ok().filter(|rate| (1.0..=240.0).contains(rate)).ok_or(ArgumentError::FrameRate)
}

/// A span above zero, written as in the configuration.
pub fn span(text: &str) -> Result<Duration, ArgumentError> {
    let span = config::duration(text).filter(|span| !span.is_zero());
    span.ok_or_else(|| ArgumentError::Span { text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_their_range_are_read_and_others_are_refused_with_what_is_right() {
        assert_eq!((rate("1e-3"), distance("2"), positive("0.5")), (Ok(0.001), Ok(Distance(2.0)), Ok(0.5)));
        assert_eq!((span("1500ms"), frame_rate("12.5")), (Ok(Duration::from_millis(1500)), Ok(12.5)));
        for wrong in ["0", "1", "-1", "NaN", "inf", "often"] {
            assert_eq!(rate(wrong), Err(ArgumentError::Rate), "{wrong}");
        }
        for wrong in ["-0.1", "2.1", "NaN", "far"] {
            assert_eq!(distance(wrong), Err(ArgumentError::Distance), "{wrong}");
        }
        for wrong in ["0", "-1", "NaN", "inf", "much"] {
            assert_eq!(positive(wrong), Err(ArgumentError::Positive), "{wrong}");
        }
        for wrong in ["0", "241", "NaN", "fast"] {
            assert_eq!(frame_rate(wrong), Err(ArgumentError::FrameRate), "{wrong}");
        }
        for wrong in ["0s", "5", "soon"] {
            assert!(span(wrong).unwrap_err().to_string().contains("write 5s"), "{wrong}");
        }
    }
}
