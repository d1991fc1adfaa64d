//! Numbers of the gates of decisions. A record has what was measured and the limit in words; programs get both as numbers as well, with
//! the unit in the name: `"distance": 0.62, "distance_limit": 0.9`, `"age_ms": 214, "age_limit_ms": 800`. Pages draw them ([`measures`]).

use serde_json::{Map, Value};

use crate::domain::Gate;

/// What a gate measured, beside its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// `size`, `sharpness`, `yaw`, `pitch`, `length`, `distance`, `margin`, `frames` or `age`.
    pub name: &'static str,
    pub unit: &'static str,
    pub value: f64,
    pub limit: f64,
    pub side: LimitSide,
}

/// On which side of its limit a value passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitSide {
    AtLeast,
    AtMost,
    /// In either direction from zero.
    Within,
}

impl Measure {
    /// Whether the value is on the right side of the limit, as far as the written digits say.
    pub fn passes(&self) -> bool {
        match self.side {
            LimitSide::AtLeast => self.value >= self.limit,
            LimitSide::AtMost => self.value <= self.limit,
            LimitSide::Within => self.value.abs() <= self.limit,
        }
    }
}

/// The measures of a gate that measures something; empty for the others, and where a number is missing.
pub fn measures(gate: &Gate) -> Vec<Measure> {
    use LimitSide::{AtLeast, AtMost, Within};
    let names: &[(&'static str, &'static str, LimitSide)] = match &*gate.name {
        "quality" => {
            &[("size", "px", AtLeast), ("sharpness", "", AtLeast), ("yaw", "°", Within), ("pitch", "°", Within)]
        }
        "embedding" => &[("length", "", AtLeast)],
        "distance" => &[("distance", "", AtMost)],
        "margin" | "lookalike" => &[("margin", "", AtLeast)],
        "agreement" => &[("frames", "", AtLeast)],
        "age" => &[("age", "ms", AtMost)],
        _ => &[],
    };
    let (values, limits) = (found(&gate.input), found(&gate.limit));
    if values.len() < names.len() || limits.len() < names.len() {
        return Vec::new();
    }
    let all = names.iter().zip(values).zip(limits);
    all.map(|((&(name, unit, side), value), limit)| Measure { name, unit, value, limit, side }).collect()
}

/// Adds the gates of a record with their numbers as `gates`. Its `content` stays what was recorded: the hash is about that.
pub fn add_to_record(record: &mut Value) {
    let gates =
        record.pointer("/content/gates").filter(|gates| gates.as_array().is_some_and(|gates| !gates.is_empty()));
    if let Some(gates) = gates.cloned()
        && let Some(fields) = record.as_object_mut()
    {
        fields.insert("gates".to_owned(), gates);
        add(record);
    }
}

/// Adds the numbers to each of the `gates`.
pub fn add(json: &mut Value) {
    for gate in json.get_mut("gates").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(gate) = gate.as_object_mut() {
            let numbers = numbers(gate);
            gate.extend(numbers);
        }
    }
}

fn numbers(gate: &Map<String, Value>) -> Map<String, Value> {
    let text = |name: &str| gate.get(name).and_then(Value::as_str).unwrap_or_default();
    let (input, limit) = (found(text("input")), found(text("limit")));
    // What a number is called, by gate and place in the words.
    let names: (&[&str], &[&str]) = match text("name") {
        "quality" => (
            &["size_px", "sharpness", "yaw_deg", "pitch_deg"],
            &["size_limit_px", "sharpness_limit", "yaw_limit_deg", "pitch_limit_deg"],
        ),
        "embedding" => (&["length"], &["length_limit"]),
        "distance" => (&["distance"], &["distance_limit"]),
        "margin" => (&["margin"], &["margin_limit"]),
        "lookalike" => (&["margin"], &["margin_limit"]),
        "agreement" => (&["frames", "frames_of"], &["frames_limit", "frames_limit_of", "window_ms"]),
        "age" => (&["age_ms"], &["age_limit_ms"]),
        _ => (&[], &[]),
    };
    let named = |names: &[&str], numbers: Vec<f64>| -> Vec<(String, Value)> {
        // With one missing, none is known to be which.
        let known = if numbers.len() < names.len() { Vec::new() } else { numbers };
        names.iter().zip(known).map(|(name, number)| ((*name).to_owned(), json(number))).collect()
    };
    named(names.0, input).into_iter().chain(named(names.1, limit)).collect()
}

/// A whole number without a point.
fn json(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 { (number as i64).into() } else { number.into() }
}

/// The numbers in a text, in their order.
fn found(text: &str) -> Vec<f64> {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
    text.split(|c: char| !is_part(c)).filter_map(|part| part.trim_end_matches('.').parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with_numbers(name: &str, input: &str, limit: &str) -> Value {
        let mut record = json!({ "content": { "gates": [{ "name": name, "input": input, "limit": limit }] } });
        let content = record["content"].clone();
        add_to_record(&mut record);
        assert_eq!(record["content"], content, "what was recorded stays");
        let mut gate = record["gates"][0].take();
        for words in ["name", "input", "limit"] {
            gate.as_object_mut().unwrap().remove(words);
        }
        gate
    }

    #[test]
    fn each_gate_with_numbers_has_them_with_their_units() {
        for (name, input, limit, numbers) in [
            ("distance", "0.6200 to person 7", "at most 0.9000", json!({ "distance": 0.62, "distance_limit": 0.9 })),
            ("margin", "0.5900 to person 8", "at least 0.1000", json!({ "margin": 0.59, "margin_limit": 0.1 })),
            ("age", "214 ms", "at most 800 ms", json!({ "age_ms": 214, "age_limit_ms": 800 })),
            (
                "embedding",
                "length 7.25",
                "length at least 5.00, or surely somebody",
                json!({ "length": 7.25, "length_limit": 5 }),
            ),
            (
                "quality",
                "112 px, sharpness 90, yaw -5°, pitch 2°",
                "at least 80 px, sharpness at least 30, yaw within 35°, pitch within 30°",
                json!({
                    "size_px": 112, "sharpness": 90, "yaw_deg": -5, "pitch_deg": 2,
                    "size_limit_px": 80, "sharpness_limit": 30, "yaw_limit_deg": 35, "pitch_limit_deg": 30,
                }),
            ),
            (
                "agreement",
                "3 of 5 frames show person 7",
                "this frame and at least 2 of the last 5 within 1500 ms, nobody else in that time",
                json!({ "frames": 3, "frames_of": 5, "frames_limit": 2, "frames_limit_of": 5, "window_ms": 1500 }),
            ),
            ("distance", "nobody enrolled", "at most 0.9000", json!({ "distance_limit": 0.9 })),
            ("quality", "112 px, sharpness NaN", "at least 80 px", json!({})),
            ("permit", "staff, Mo-Fr 08:00-17:00", "a permit", json!({})),
        ] {
            assert_eq!(with_numbers(name, input, limit), numbers, "{name}");
        }
    }

    #[test]
    fn measures_stand_beside_their_limits() {
        let gate = |name, input: &str, limit: &str| measures(&Gate::new(name, input, limit, true));
        let found = gate(
            "quality",
            "112 px, sharpness 90, yaw -36°, pitch 2°",
            "at least 80 px, sharpness at least 30, yaw within 35°, pitch within 30°",
        );
        let shown: Vec<_> = found.iter().map(|m| (m.name, m.value, m.limit, m.passes())).collect();
        let expected = [
            ("size", 112.0, 80.0, true),
            ("sharpness", 90.0, 30.0, true),
            ("yaw", -36.0, 35.0, false),
            ("pitch", 2.0, 30.0, true),
        ];
        assert_eq!(shown, expected);
        let [distance] = &gate("distance", "0.9100 to person 7", "at most 0.9000")[..] else { panic!("one") };
        assert_eq!((distance.value, distance.limit, distance.passes()), (0.91, 0.9, false));
        assert!(gate("distance", "nobody enrolled", "at most 0.9000").is_empty());
        assert!(gate("permit", "staff; Mon 08:00", "office",).is_empty());
        let agreement = gate(
            "agreement",
            "3 of 5 frames show person 7",
            "this frame and at least 2 of the last 5 within 1500 ms, nobody else in that time",
        );
        assert_eq!((agreement.len(), agreement[0].limit), (1, 2.0));
    }

    #[test]
    fn what_has_no_gates_stays_as_it_is() {
        for json in
            [json!({ "content": { "door": "front" } }), json!(null), json!({ "gates": 3 }), json!({ "gates": [1] })]
        {
            let mut same = json.clone();
            add_to_record(&mut same);
            add(&mut same);
            assert_eq!(same, json);
        }
    }
}
