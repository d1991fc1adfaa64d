//! What a value must be, as JSON Schema. A section's struct names one of these rules for each key; the check and the reference both read
//! the schema, so a range is stated once.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::text;
use super::values::{DayStart, Hours, Keep, MaxSize, Window};
use crate::domain::{Accelerator, Assurance, PixelFormat, Rotation, zone_named};

/// A second and longer spans, in milliseconds: the unit of [`span`].
pub const SECOND: u64 = 1000;
pub const MINUTE: u64 = 60 * SECOND;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;

/// Units of [`size`], in bytes.
pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;

/// A duration from `LEAST` to `MOST` milliseconds.
pub fn span<const LEAST: u64, const MOST: u64>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "span", "x-least": LEAST, "x-most": MOST })
}

/// A size from `LEAST` to `MOST` bytes.
pub fn size<const LEAST: u64, const MOST: u64>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "size", "x-least": LEAST, "x-most": MOST })
}

/// A number from 0 to 2, or `auto`.
pub fn distance(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [
        { "type": "string", "enum": ["auto"] },
        { "type": "number", "minimum": 0, "maximum": 2 },
    ] })
}

/// A line of a GPIO chip: no chip that the kernel knows has more than 1024.
pub fn line(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 1023 }, line_name(generator)] })
}

/// A tier of assurance, `auto`, or a list of tiers.
pub fn assurance_or_auto(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = std::iter::once("auto").chain(Assurance::ALL.map(Assurance::as_str)).collect();
    json_schema!({ "anyOf": [{ "type": "string", "enum": words }, tiers()] })
}

/// A tier of assurance, or a list of tiers.
pub fn assurance(_: &mut SchemaGenerator) -> Schema {
    let words = Assurance::ALL.map(Assurance::as_str);
    json_schema!({ "anyOf": [{ "type": "string", "enum": words }, tiers()] })
}

fn tiers() -> Schema {
    let words = Assurance::ALL.map(Assurance::as_str);
    json_schema!({ "type": "array", "items": { "type": "string", "enum": words }, "minItems": 1 })
}

/// At least one line.
pub fn lines(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": line(generator), "minItems": 1 })
}

/// Three scores.
pub fn scores(_: &mut SchemaGenerator) -> Schema {
    let score = json_schema!({ "type": "number", "minimum": 0, "maximum": 1 });
    json_schema!({ "type": "array", "items": score, "minItems": 3, "maxItems": 3 })
}

/// A part of a picture: left, top, right and bottom, in widths and heights of the picture.
pub fn part(_: &mut SchemaGenerator) -> Schema {
    let side = json_schema!({ "type": "number", "minimum": -2, "maximum": 3 });
    json_schema!({ "type": "array", "items": side, "minItems": 4, "maxItems": 4 })
}

/// The part of a picture that is kept, in the same form.
pub fn crop(_: &mut SchemaGenerator) -> Schema {
    let side = json_schema!({ "type": "number", "minimum": 0, "maximum": 1 });
    json_schema!({ "type": "array", "items": side, "minItems": 4, "maxItems": 4 })
}

/// By how many degrees a picture is turned.
pub fn rotation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "enum": Rotation::ALL.map(Rotation::degrees) })
}

/// How a camera sends pixels.
pub fn pixel_format(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": PixelFormat::words().collect::<Vec<_>>() })
}

/// Texts.
pub fn texts(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": any(generator) })
}

/// Addresses without a port.
pub fn ips(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": ip(generator) })
}

/// Names of hosts, without a port.
pub fn host_names(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": host_name(generator) })
}

/// At least one window of the week.
pub fn week(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": hours(generator), "minItems": 1 })
}

/// Windows of a day.
pub fn windows(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": window(generator) })
}

/// Defines a schema function for each rule of a text, and [`text_rule`], which finds the rule by the schema's `format`.
macro_rules! text_rules {
    ($($name:ident, $format:literal, $expects:literal, $check:expr;)*) => {
        $(
            #[doc = concat!("Text: ", $expects, ".")]
            pub fn $name(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format })
            }
        )*

        /// What a text of this format must be, in words, and whether a text is that.
        fn text_rule(format: &str) -> Option<(&'static str, fn(&str) -> bool)> {
            match format {
                $($format => Some(($expects, $check)),)*
                _ => None,
            }
        }
    };
}

text_rules! {
    any, "text", "text, not empty", is_text;
    name, "name", "1 to 32 letters (a to z), digits, - or _", is_name;
    path, "path", "a path", is_text;
    path_or_empty, "path-or-empty", "a path, or empty", |text| text.is_empty() || is_text(text);
    zone, "time-zone", "a time zone such as \"Europe/Berlin\", or empty", |text| text.is_empty() || zone_named(text).is_ok();
    host, "host", "a host name or an address alone, without mqtt:// and user", is_host;
    client_id, "client-id", "1 to 128 characters without blanks", |text| text.len() <= 128 && is_solid(text);
    topic, "topic", "topic levels with / between them, not empty, without + and #", is_topic;
    // The kernel keeps a socket's path in 108 bytes, the last of them zero (unix(7)).
    socket, "socket", "a path of 1 to 107 bytes", |text| text.len() <= 107 && is_text(text);
    group, "group", "a group's name, or empty", |text| text.is_empty() || is_name(text);
    address, "address", "an address with a port, as in \"127.0.0.1:9099\" or \"[::1]:9099\"", |text| text.parse::<SocketAddr>().is_ok();
    ip, "ip", "an address without a port, as in \"192.0.2.7\" or \"2001:db8::7\"", |text| text.parse::<IpAddr>().is_ok();
    host_name, "host-name", "a host's name without a port, as in \"usher.example.org\"", is_host_name;
    web_url_or_empty, "web-url-or-empty", "an address that begins with http:// or https://, or empty", |text| text.is_empty() || is_web_url(text);
    line_name, "line-name", "a line's name", is_text;
    accelerator, "accelerator", "\"auto\", \"cpu\", \"gpu\", \"npu\" or the absolute path of a delegate's library",
        |text| text.parse::<Accelerator>().is_ok();
    keep, "keep", "\"off\", or a span from \"1d\" to \"100y\": a whole number and one of d, w, y", |text| text.parse::<Keep>().is_ok();
    max_size, "max-size", "\"auto\", \"off\", or a size from \"64MiB\" to \"1TiB\"", |text| text.parse::<MaxSize>().is_ok();
    day_start, "time-of-day", "a time from \"00:00\" to \"23:59\"", |text| text.parse::<DayStart>().is_ok();
    hours, "hours", "days and hours, from one time to another, such as \"mon-fri 08:00-18:00\", \"sat,sun 22:00-06:00\" or \"daily 00:00-24:00\"",
        |text| text.parse::<Hours>().is_ok();
    window, "window", "hours such as \"08:00-18:00\"; a whole day is \"00:00-24:00\"", |text| text.parse::<Window>().is_ok();
}

fn is_text(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}

/// Without blanks and control characters.
fn is_solid(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
}

/// Letters, digits, dots and hyphens (RFC 1123), 253 at most.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        label.len() <= 63
            && ends(label.chars().next())
            && ends(label.chars().next_back())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_web_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && is_solid(rest))
}

fn is_host(text: &str) -> bool {
    is_solid(text) && !text.contains(['/', '@'])
}

fn is_topic(text: &str) -> bool {
    let level = |level: &str| !level.is_empty() && !level.contains(|c: char| c == '+' || c == '#' || c.is_control());
    text.len() <= 128 && text.split('/').all(level)
}

/// A view of one schema: what the struct's attributes and comments say of a key or a section.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a>(pub &'a Value);

/// What is written under a key.
pub enum Shape<'a> {
    /// A section; each key has a rule.
    Section,
    /// A list of sections.
    List(Rule<'a>),
    /// A value.
    Value,
}

impl<'a> Rule<'a> {
    /// The schema without the alternative `null`, which says only that a key may be left out.
    fn plain(self) -> Rule<'a> {
        let alternatives = self.alternatives();
        match alternatives.as_slice() {
            [one, null] if null.is("null") => one.plain(),
            _ => self,
        }
    }

    fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(key)
    }

    fn is(self, kind: &str) -> bool {
        match self.get("type") {
            Some(Value::String(text)) => text == kind,
            Some(Value::Array(kinds)) => kinds.iter().any(|one| one == kind),
            _ => false,
        }
    }

    fn items(self) -> Option<Rule<'a>> {
        self.get("items").map(Rule)
    }

    fn alternatives(self) -> Vec<Rule<'a>> {
        self.get("anyOf").and_then(Value::as_array).into_iter().flatten().map(Rule).collect()
    }

    /// Section, list of sections or value.
    pub fn shape(self) -> Shape<'a> {
        let plain = self.plain();
        match plain.items() {
            Some(items) if items.is("object") => Shape::List(items),
            _ if plain.is("object") => Shape::Section,
            _ => Shape::Value,
        }
    }

    /// The keys of a section, in the order of the struct's fields.
    pub fn keys(self) -> Vec<&'a str> {
        let order = self.plain().get("x-order").and_then(Value::as_array);
        order.into_iter().flatten().filter_map(Value::as_str).map(|key| key.trim_start_matches("r#")).collect()
    }

    /// The rule of a key.
    pub fn key(self, key: &str) -> Option<Rule<'a>> {
        self.plain().get("properties")?.get(key).map(Rule)
    }

    /// The keys that a section cannot go without.
    pub fn required(self) -> Vec<&'a str> {
        self.plain().get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The key and its values that decide whether this key may be written, as in `driver` and `gpiocdev`.
    pub fn only_with(self) -> Option<(&'a str, Vec<&'a str>)> {
        let (key, values) = self.get("x-only")?.as_array()?.split_first()?;
        Some((key.as_str()?, values.iter().filter_map(Value::as_str).collect()))
    }

    /// The default; `null` where a key is simply not set.
    pub fn default(self) -> Option<&'a Value> {
        self.get("default")
    }

    /// The comment of the key or the section.
    #[cfg(test)]
    pub fn about(self) -> String {
        let about = |rule: Rule<'a>| rule.get("description").and_then(Value::as_str);
        let text = about(self).or_else(|| about(self.plain())).unwrap_or_default();
        text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    }

    /// The default where words say it better than a value.
    #[cfg(test)]
    pub fn default_in_words(self) -> Option<&'a str> {
        self.get("x-default")?.as_str()
    }

    /// An example value.
    #[cfg(test)]
    pub fn example(self) -> Option<&'a Value> {
        self.get("examples")?.as_array()?.first()
    }

    /// The words of an enum.
    fn words(self) -> Vec<&'a str> {
        let listed = |key: &str| self.get(key).and_then(Value::as_array).into_iter().flatten();
        let constants = listed("oneOf").filter_map(|variant| variant.get("const"));
        let nested = listed("oneOf").filter_map(|variant| variant.get("enum")?.as_array()).flatten();
        listed("enum").chain(constants).chain(nested).filter_map(Value::as_str).collect()
    }

    /// The numbers of an enum.
    fn numbers(self) -> Vec<i64> {
        self.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_i64).collect()
    }

    fn number(self, key: &str) -> Option<f64> {
        self.get(key).and_then(Value::as_f64)
    }

    fn unsigned(self, key: &str) -> u64 {
        self.get(key).and_then(Value::as_u64).unwrap_or_default()
    }

    fn format(self) -> &'a str {
        self.get("format").and_then(Value::as_str).unwrap_or_default()
    }

    /// What a value must be, in words; `found` is a wrong one, for the nearest word.
    pub fn expects(self, found: Option<&str>) -> String {
        let rule = self.plain();
        let words = rule.words();
        if let [only] = words.as_slice() {
            return text::quote(only);
        }
        if !words.is_empty() {
            let hint = found.and_then(|word| text::nearest(word, &words));
            let hint = hint.map(|near| format!(" (did you mean \"{near}\"?)")).unwrap_or_default();
            return format!(
                "one of {}{hint}",
                words.iter().map(|word| text::quote(word)).collect::<Vec<_>>().join(", ")
            );
        }
        let alternatives = rule.alternatives();
        if !alternatives.is_empty() {
            return alternatives.iter().map(|one| one.expects(found)).collect::<Vec<_>>().join(" or ");
        }
        if let Some(items) = rule.items() {
            if !items.words().is_empty() {
                return "a list of such words".to_owned();
            }
            return match (rule.unsigned("minItems"), rule.get("maxItems")) {
                (count, Some(_)) => format!("a list of {count} numbers, each {}", items.range()),
                (1.., None) if !items.is("string") => format!("a list of at least one, each {}", items.expects(None)),
                (1.., None) => format!("a list of at least one text, each {}", items.expects(None)),
                (0, None) => format!("a list of texts, each {}", items.expects(None)),
            };
        }
        match rule.format() {
            "span" => format!("a duration {}, such as \"800ms\", \"5s\", \"2m\" or \"1h\"", rule.range()),
            "size" => format!("a size {}, such as \"64MiB\"", rule.range()),
            _ if !rule.numbers().is_empty() => {
                format!("one of {}", rule.numbers().iter().map(i64::to_string).collect::<Vec<_>>().join(", "))
            }
            _ if rule.is("integer") => format!("a whole number {}", rule.range()),
            _ if rule.is("number") => format!("a number {}", rule.range()),
            _ if rule.is("boolean") => "true or false".to_owned(),
            format => text_rule(format).map_or("text", |(expects, _)| expects).to_owned(),
        }
    }

    /// What a value must be, for a table.
    #[cfg(test)]
    pub fn range_in_words(self) -> String {
        let rule = self.plain();
        let words = rule.words();
        if !words.is_empty() {
            return words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", ");
        }
        let alternatives = rule.alternatives();
        if !alternatives.is_empty() {
            return alternatives.iter().map(|one| one.range_in_words()).collect::<Vec<_>>().join(" or ");
        }
        let numbers = rule.numbers();
        if !numbers.is_empty() {
            return numbers.iter().map(|number| format!("`{number}`")).collect::<Vec<_>>().join(", ");
        }
        let ranged = rule.items().is_none() && (rule.is("integer") || rule.is("number"));
        match rule.format() {
            _ if ranged => rule.range().trim_start_matches("from ").to_owned(),
            "span" | "size" => rule.range().trim_start_matches("from ").replace('"', "`"),
            _ if rule.is("boolean") => "`true`, `false`".to_owned(),
            _ => rule.expects(None),
        }
    }

    /// `from 1 to 60`
    fn range(self) -> String {
        let (least, most) = (self.unsigned("x-least"), self.unsigned("x-most"));
        match self.format() {
            "span" => {
                let write = |milliseconds| text::quote(&text::span(Duration::from_millis(milliseconds)));
                format!("from {} to {}", write(least), write(most))
            }
            "size" => format!("from {} to {}", text::quote(&text::size(least)), text::quote(&text::size(most))),
            _ => {
                let bound = |key| self.number(key).unwrap_or_default();
                format!("from {} to {}", bound("minimum"), bound("maximum"))
            }
        }
    }

    /// The value as its struct reads it, when it keeps the rule. `raw`: from a variable, which holds text for any type.
    pub fn accept(self, value: &::config::Value, raw: bool) -> Option<::config::ValueKind> {
        use ::config::ValueKind;
        let rule = self.plain();
        let words = rule.words();
        let text = match &value.kind {
            ValueKind::String(text) => Some(text.as_str()),
            _ => None,
        };
        if !words.is_empty() {
            return text.filter(|text| words.contains(text)).map(ValueKind::from);
        }
        let alternatives = rule.alternatives();
        if !alternatives.is_empty() {
            return alternatives.iter().find_map(|one| one.accept(value, raw));
        }
        if let Some(items) = rule.items() {
            return rule.accept_list(items, value, raw);
        }
        let within = |number: f64| {
            rule.number("minimum").is_none_or(|least| number >= least)
                && rule.number("maximum").is_none_or(|most| number <= most)
                && !number.is_nan()
        };
        let raw_text = text.filter(|_| raw).map(str::trim);
        if rule.is("integer") {
            let number = match value.kind {
                ValueKind::I64(number) => Some(number),
                _ => raw_text.and_then(|text| text.parse().ok()),
            };
            let listed = rule.numbers();
            let fits = |number: &i64| within(*number as f64) && (listed.is_empty() || listed.contains(number));
            return number.filter(fits).map(ValueKind::from);
        }
        if rule.is("number") {
            let number = match value.kind {
                ValueKind::I64(number) => Some(number as f64),
                ValueKind::Float(number) => Some(number),
                _ => raw_text.and_then(|text| text.parse().ok()),
            };
            return number.filter(|number| within(*number)).map(ValueKind::from);
        }
        if rule.is("boolean") {
            let flag = match value.kind {
                ValueKind::Boolean(flag) => Some(flag),
                _ => raw_text.and_then(|text| text.parse().ok()),
            };
            return flag.map(ValueKind::from);
        }
        let (text, least, most) = (text?, rule.unsigned("x-least"), rule.unsigned("x-most"));
        let keeps = match rule.format() {
            "span" => text::read_span(text)
                .is_some_and(|span| (Duration::from_millis(least)..=Duration::from_millis(most)).contains(&span)),
            "size" => text::read_size(text).is_some_and(|bytes| (least..=most).contains(&bytes)),
            format => text_rule(format).is_none_or(|(_, check)| check(text)),
        };
        keeps.then(|| ValueKind::from(text))
    }

    /// A list; from a variable, with `;` between texts and `,` between numbers.
    fn accept_list(self, items: Rule<'_>, value: &::config::Value, raw: bool) -> Option<::config::ValueKind> {
        use ::config::ValueKind;
        let written: Vec<::config::Value> = match &value.kind {
            ValueKind::Array(values) => values.clone(),
            ValueKind::String(text) if raw => {
                let text = text.trim();
                let text = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
                let mark = if items.is("number") { ',' } else { ';' };
                let parts = text.split(mark).map(str::trim).filter(|part| !part.is_empty());
                parts.map(|part| ::config::Value::new(None, part)).collect()
            }
            _ => return None,
        };
        let count = written.len() as u64;
        let most = self.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let accepted: Option<Vec<::config::Value>> =
            written.into_iter().map(|item| Some(::config::Value::new(None, items.accept(&item, raw)?))).collect();
        accepted.filter(|_| (self.unsigned("minItems")..=most).contains(&count)).map(ValueKind::from)
    }
}
