//! The story as it should go, and as the journal says it went.

use std::io::Write;

use anyhow::Result;
use serde_json::Value;

/// A stretch of the recording.
pub struct Scene {
    pub title: &'static str,
    /// The photograph's file name; `None` is an empty scene.
    pub photo: Option<&'static str>,
    /// A scarf hides the face from the nose down.
    pub scarf: bool,
    pub frames: u32,
    pub expected: Expected,
}

/// What the door should do in a scene.
#[derive(Clone, Copy, PartialEq)]
pub enum Expected {
    /// It opens.
    Grant,
    /// It stays shut: nobody enrolled is near enough.
    Unknown,
    /// It stays shut, for whatever reason.
    NoGrant,
    /// Nothing happens at all.
    Silence,
}

impl Expected {
    fn words(self) -> &'static str {
        match self {
            Expected::Grant => "opens",
            Expected::Unknown => "stays shut: unknown",
            Expected::NoGrant => "stays shut",
            Expected::Silence => "nothing happens",
        }
    }
}

/// Prints what happened in each scene; how many did not go as they should.
pub fn tell(out: &mut impl Write, scenes: &[Scene], records: &[Value]) -> Result<usize> {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["scene", "the door should", "what usher did", ""]);
    let (mut first, mut failed) = (0, 0);
    for scene in scenes {
        let frames = first..first + u64::from(scene.frames);
        first = frames.end;
        let decisions: Vec<&Value> = records
            .iter()
            .filter(|r| r["content"]["verdict"].is_string())
            .filter(|r| r["content"]["frame"].as_u64().is_some_and(|frame| frames.contains(&frame)))
            .collect();
        let opened = |decision: &Value| {
            records.iter().find(|r| r["kind"] == "unlocked" && r["content"]["record"] == decision["seq"])
        };
        let granted = decisions.iter().any(|d| d["kind"] == "granted" && opened(d).is_some());
        let as_expected = match scene.expected {
            Expected::Grant => granted && decisions.iter().all(|d| d["kind"] == "granted"),
            Expected::Unknown => !granted && decisions.iter().any(|d| d["content"]["reason"] == "unknown"),
            Expected::NoGrant => !granted && decisions.iter().all(|d| d["kind"] != "granted"),
            Expected::Silence => decisions.is_empty(),
        };
        failed += usize::from(!as_expected);
        let did: Vec<String> = decisions.iter().map(|d| words(d, opened(d))).collect();
        let did = if did.is_empty() { "nothing".to_owned() } else { did.join("\n") };
        table.add_row([scene.title, scene.expected.words(), &did, if as_expected { "✓" } else { "✗" }]);
    }
    writeln!(out, "\n{table}")?;
    Ok(failed)
}

/// One decision, with what the door made of it.
fn words(decision: &Value, opened: Option<&Value>) -> String {
    let content = &decision["content"];
    let number = |value: &Value| value.as_f64().map_or("-".into(), |n| format!("{n:.2}"));
    let frames = &content["frames"];
    let evidence = format!(
        "distance {}, {} of {} frames, {} ms from capture to verdict",
        number(&content["distance"]),
        frames["agree"],
        frames["of"],
        content["capture_to_verdict_ms"]
    );
    match opened {
        Some(opened) => format!(
            "open for {} after {} ms\n{evidence}",
            content["person"]["name"].as_str().unwrap_or("?"),
            opened["content"]["capture_to_door_ms"]
        ),
        None => format!("shut: {}\n{evidence}", content["reason"].as_str().unwrap_or("?")),
    }
}
