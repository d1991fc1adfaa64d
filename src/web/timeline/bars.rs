//! What a gate measured as a bar beside its limit.

use maud::{Markup, html};

use super::names;
use crate::ledger::figures::{LimitSide, Measure};
use crate::web::Words;

/// The width of a bar's picture, and the height, in its own units.
const WIDTH: f64 = 200.0;
const HEIGHT: f64 = 12.0;
/// How much room is left beyond the larger of value and limit.
const ROOM: f64 = 1.25;

/// The bar of a measure, with its words for those who do not see it.
pub fn bar(t: &Words, measure: &Measure) -> Markup {
    let Measure { name, unit, value, limit, .. } = *measure;
    let name = names::measure(t, name);
    let (shown, bound) = (with_unit(value, unit), with_unit(limit, unit));
    let words = t.with(
        "timeline-bar",
        &[("name", name.as_str().into()), ("value", shown.as_str().into()), ("limit", bound.as_str().into())],
    );
    let places = places(measure);
    let class = if measure.passes() { "value good" } else { "value bad" };
    html! {
        div.bar {
            span.name { (name) } " " span.figure { (shown) }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } width=(WIDTH) height=(HEIGHT) role="img" aria-label=(words) {
                rect class="track" x="0" y="3" width=(WIDTH) height="6" rx="3" {}
                rect class=(class) x="0" y="3" width=(places.value) height="6" rx="3" {}
                line class="limit" x1=(places.limit) x2=(places.limit) y1="0" y2=(HEIGHT) {}
            }
            span.soft { (sign(measure.side)) " " (bound) }
        }
    }
}

/// Where value and limit stand, from the left.
#[derive(Debug, PartialEq)]
struct Places {
    value: String,
    limit: String,
}

fn places(measure: &Measure) -> Places {
    let (value, limit) = (measure.value.abs(), measure.limit.abs());
    let whole = value.max(limit) * ROOM;
    let place = |of: f64| if whole > 0.0 { format!("{:.1}", WIDTH * of / whole) } else { "0".to_owned() };
    Places { value: place(value), limit: place(limit) }
}

fn sign(side: LimitSide) -> &'static str {
    match side {
        LimitSide::AtLeast => "≥",
        LimitSide::AtMost => "≤",
        LimitSide::Within => "±",
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    let number = if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") };
    match unit {
        "" | "°" => format!("{number}{unit}"),
        unit => format!("{number} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(value: f64, limit: f64, side: LimitSide) -> Measure {
        Measure { name: "distance", unit: "", value, limit, side }
    }

    #[test]
    fn value_and_limit_stand_to_scale() {
        let at_most = places(&measure(0.45, 0.9, LimitSide::AtMost));
        assert_eq!(at_most, Places { value: "80.0".into(), limit: "160.0".into() });
        let beyond = places(&measure(-40.0, 35.0, LimitSide::Within));
        assert_eq!(beyond, Places { value: "160.0".into(), limit: "140.0".into() });
        assert_eq!(places(&measure(0.0, 0.0, LimitSide::AtLeast)), Places { value: "0".into(), limit: "0".into() });
    }

    #[test]
    fn numbers_have_their_unit() {
        assert_eq!(with_unit(214.0, "ms"), "214 ms");
        assert_eq!(with_unit(-5.0, "°"), "-5°");
        assert_eq!(with_unit(0.62, ""), "0.620");
    }
}
