//! `GET /metrics`: the daemon's figures in Prometheus' text format, version 0.0.4
//! (prometheus.io/docs/instrumenting/exposition_formats).
//!
//! Owns the format. Knows nothing of where the figures come from; names of people are never among them.

use std::fmt::Write;

/// The format's content type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a family of samples is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the daemon is started anew.
    Counter,
    Gauge,
    Histogram,
}

/// A page of figures. Each family is begun once, and its samples follow.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    /// Begins the family `name`; names are made of `a` to `z`, `_` and, not in front, digits.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Page {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        self.family = name;
        self
    }

    /// Adds a sample of the family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<f64>) -> &mut Page {
        self.line("", labels, value.into());
        self
    }

    /// Adds a histogram: the upper limits with how many were at or below each, how many there were, and their sum.
    pub fn histogram(&mut self, limits: &[(f64, u64)], count: u64, sum: f64) {
        for (limit, below) in limits {
            self.line("_bucket", &[("le", &number(*limit))], *below as f64);
        }
        self.line("_bucket", &[("le", "+Inf")], count as f64);
        self.line("_sum", &[], sum);
        self.line("_count", &[], count as f64);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        for (index, (name, value)) in labels.iter().enumerate() {
            let opening = if index == 0 { '{' } else { ',' };
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            // Writing to a String cannot fail.
            let _ = write!(self.text, "{opening}{name}=\"{value}\"");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {}", number(value));
    }

    /// The page.
    pub fn finish(self) -> String {
        self.text
    }
}

fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_is_as_prometheus_describes_it() {
        let mut page = Page::default();
        page.family("usher_up", Kind::Gauge, "Whether\nit \\ runs.").sample(&[], 1);
        page.family("usher_frames_total", Kind::Counter, "Frames.")
            .sample(&[("role", "vision"), ("name", "a\"b\\c\nd")], 12_345_678_901.0)
            .sample(&[("role", "camera"), ("name", "x")], 0.25);
        page.family("usher_delay_seconds", Kind::Histogram, "Delay.").histogram(&[(0.1, 2), (0.25, 3)], 4, 1.5);
        let expected = "# HELP usher_up Whether\\nit \\\\ runs.\n# TYPE usher_up gauge\nusher_up 1\n\
            # HELP usher_frames_total Frames.\n# TYPE usher_frames_total counter\n\
            usher_frames_total{role=\"vision\",name=\"a\\\"b\\\\c\\nd\"} 12345678901\n\
            usher_frames_total{role=\"camera\",name=\"x\"} 0.25\n\
            # HELP usher_delay_seconds Delay.\n# TYPE usher_delay_seconds histogram\n\
            usher_delay_seconds_bucket{le=\"0.1\"} 2\nusher_delay_seconds_bucket{le=\"0.25\"} 3\n\
            usher_delay_seconds_bucket{le=\"+Inf\"} 4\nusher_delay_seconds_sum 1.5\nusher_delay_seconds_count 4\n";
        assert_eq!(page.finish(), expected);
    }

    /// A label's value as a reader of the format takes it.
    fn unescaped(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match (c, (c == '\\').then(|| rest.next()).flatten()) {
                ('\\', Some('n')) => out.push('\n'),
                ('\\', Some(escaped)) => out.push(escaped),
                (plain, _) => out.push(plain),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn any_label_and_any_value_read_back(label in any::<String>(), value in any::<f64>()) {
            let mut page = Page::default();
            page.family("usher_x", Kind::Gauge, &label).sample(&[("name", &label)], value);
            let text = page.finish();
            // Three lines: whatever the label holds, it breaks none of them.
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert_eq!(lines.len(), 4);
            let (head, number) = lines[2].rsplit_once(' ').unwrap();
            let quoted = head.strip_prefix("usher_x{name=\"").unwrap().strip_suffix("\"}").unwrap();
            prop_assert_eq!(unescaped(quoted), label);
            let read: f64 = number.parse().unwrap();
            prop_assert!(read == value || read.is_nan() && value.is_nan());
        }
    }
}
