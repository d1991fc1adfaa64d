//! A progress bar with rate and remaining time. Shown on a terminal only, on standard error.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for `total` items; `what` names them (`photographs`, `people`).
pub fn bar(total: usize, what: &str) -> ProgressBar {
    let template = format!("{{bar:32}} {{pos}}/{{len}} {what}, {{per_sec}}, {{eta}} left  {{msg}}");
    // The template is a constant; if it had a mistake, the default bar would be shown.
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total as u64).with_style(style)
}
