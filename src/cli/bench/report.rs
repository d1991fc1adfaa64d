//! The results of `usher bench` as text and as JSON.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::measure::{ModelTimes, NotMeasured, Results};
use crate::lab::stopwatch::Times;

/// A block of text that can be pasted into an issue.
pub fn text(found: &Results, out: &mut impl Write) -> Result<()> {
    let identity = &found.identity;
    let of = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let speed = match (identity.max_mhz, &identity.governor) {
        (Some(mhz), Some(governor)) => format!(", up to {mhz} MHz ({governor})"),
        (Some(mhz), None) => format!(", up to {mhz} MHz"),
        _ => String::new(),
    };
    let memory = identity.memory_mib.map_or_else(String::new, |mib| format!(", {mib} MiB"));
    writeln!(out, "usher {} bench", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "board        {}: {}{speed}{memory}", of(&identity.model), of(&identity.processor))?;
    writeln!(out, "system       {}, Linux {}", of(&identity.system), of(&identity.kernel))?;
    writeln!(out, "runtime      {} with {}", abbreviate_home(&found.library), found.accelerators.join(", "))?;
    writeln!(
        out,
        "settings     {}, threads {}, faces from {} pixels",
        found.embedder, found.threads, found.min_face_px
    )?;
    let faces = if found.faces == 1 { "1 face" } else { &format!("{} faces", found.faces) };
    writeln!(out, "picture      {}, {}x{}, {faces} found", found.origin, found.size.0, found.size.1)?;
    writeln!(out, "\n{:<34} {:>10}   {:<24} {:>7}", "", "median", "10 % to 90 % of runs", "runs")?;
    let idle = idle(&found.models);
    for ModelTimes { model, on, times } in &found.models {
        let what = format!("{model} on {on}");
        match times {
            Ok(times) => line(out, &what, times)?,
            Err(_) if idle.iter().any(|(name, _)| name == on) => {}
            Err(why) => writeln!(out, "{what:<34} not measured: {why}")?,
        }
    }
    for (on, why) in &idle {
        writeln!(out, "{:<34} not measured: {why}", format!("all networks on {on}"))?;
    }
    line(out, "frame without a face", &found.empty_frame)?;
    line(out, "frame to verdict", &found.frame)?;
    for (templates, times) in &found.searches {
        line(out, &format!("search in {templates} templates"), times)?;
    }
    writeln!(
        out,
        "\none camera   {:.1} frames per second with a face, {:.1} without; at the end a frame took {:.2} times as long as at the beginning",
        per_second(&found.frame),
        per_second(&found.empty_frame),
        found.frame.slowdown()
    )?;
    let degrees = |celsius: Option<f64>| celsius.map_or_else(|| "unknown".to_owned(), |c| format!("{c:.1} °C"));
    let (before, after) = found.temperature_c;
    writeln!(out, "temperature  {} before the frames, {} after", degrees(before), degrees(after))?;
    let throttled = match &found.throttled {
        None => "unknown on this machine".to_owned(),
        Some(nothing) if nothing.is_empty() => "no".to_owned(),
        Some(reasons) => reasons.join(", "),
    };
    writeln!(out, "throttled    {throttled}")?;
    Ok(())
}

/// The accelerators on which no network runs, with the first reason. They get one line each.
fn idle(models: &[ModelTimes]) -> Vec<(&str, &NotMeasured)> {
    let mut idle: Vec<(&str, &NotMeasured)> = Vec::new();
    for run in models {
        let none = models.iter().all(|other| other.on != run.on || other.times.is_err());
        if let (true, Err(why)) = (none && idle.iter().all(|(on, _)| *on != run.on), &run.times) {
            idle.push((&run.on, why));
        }
    }
    idle
}

fn line(out: &mut impl Write, what: &str, times: &Times) -> Result<()> {
    let spread = format!("{} to {}", span(times.quantile(0.1)), span(times.quantile(0.9)));
    writeln!(out, "{what:<34} {:>10}   {spread:<24} {:>7}", span(times.median()), times.runs())?;
    Ok(())
}

/// Three digits, in ms or µs.
fn span(time: Duration) -> String {
    let us = time.as_secs_f64() * 1e6;
    let (value, unit) = if us < 1000.0 { (us, "µs") } else { (us / 1000.0, "ms") };
    match value {
        small if small < 10.0 => format!("{small:.2} {unit}"),
        middle if middle < 100.0 => format!("{middle:.1} {unit}"),
        large => format!("{large:.0} {unit}"),
    }
}

/// Runs per second on one thread.
fn per_second(times: &Times) -> f64 {
    1.0 / times.median().as_secs_f64().max(1e-9)
}

/// A path with the home folder, which contains the user's name, abbreviated to `~`.
fn abbreviate_home(path: &str) -> String {
    match std::env::var("HOME")
        .ok()
        .filter(|home| home.len() > 1)
        .and_then(|home| path.strip_prefix(&home).map(str::to_owned))
    {
        Some(rest) => format!("~{rest}"),
        None => path.to_owned(),
    }
}

/// One JSON object. Times are in ms: `median`, `p10` and `p90` of `runs`.
pub fn json(found: &Results, out: &mut impl Write) -> Result<()> {
    let identity = &found.identity;
    let models = found.models.iter().map(|run| match &run.times {
        Ok(times) => json!({ "model": run.model, "on": run.on, "ms": ms(times) }),
        Err(why) => json!({ "model": run.model, "on": run.on, "not_measured": why.to_string() }),
    });
    let searches = found.searches.iter().map(|(templates, times)| json!({ "templates": templates, "ms": ms(times) }));
    let object = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "board": {
            "model": identity.model,
            "processor": identity.processor,
            "max_mhz": identity.max_mhz,
            "governor": identity.governor,
            "memory_mib": identity.memory_mib,
            "system": identity.system,
            "kernel": identity.kernel,
        },
        "library": abbreviate_home(&found.library),
        "accelerators": found.accelerators,
        "embedder": found.embedder,
        "threads": found.threads,
        "min_face_px": found.min_face_px,
        "picture": { "is": found.origin, "width": found.size.0, "height": found.size.1, "faces": found.faces },
        "models": models.collect::<Vec<Value>>(),
        "frame_without_face_ms": ms(&found.empty_frame),
        "frame_to_verdict_ms": ms(&found.frame),
        "frames_per_second": per_second(&found.frame),
        "slowdown": found.frame.slowdown(),
        "searches": searches.collect::<Vec<Value>>(),
        "temperature_before_c": found.temperature_c.0,
        "temperature_after_c": found.temperature_c.1,
        "held_back": found.throttled,
    });
    writeln!(out, "{object}")?;
    Ok(())
}

fn ms(times: &Times) -> Value {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    json!({ "median": ms(times.median()), "p10": ms(times.quantile(0.1)), "p90": ms(times.quantile(0.9)), "runs": times.runs() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let said =
            [2_340_u64, 45_600, 712_000, 5_678_000, 34_900_000, 1_234_000_000].map(|ns| span(Duration::from_nanos(ns)));
        assert_eq!(said, ["2.34 µs", "45.6 µs", "712 µs", "5.68 ms", "34.9 ms", "1234 ms"]);
    }
}
