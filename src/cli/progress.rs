//! A bar for what takes long: how far, how fast, how much longer. On a terminal only; standard output is never touched.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `total` of `what` (`photographs`, `people`).
pub fn bar(total: usize, what: &str) -> ProgressBar {
    let form = format!("{{bar:32}} {{pos}}/{{len}} {what}, {{per_sec}}, {{eta}} left  {{msg}}");
    // The form is written above; a mistake in it would leave the plain bar.
    let style = ProgressStyle::with_template(&form).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total as u64).with_style(style)
}
