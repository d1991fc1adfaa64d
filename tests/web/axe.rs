//! Barriers on a page, found by axe-core.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::browser::Browser;

/// What `tests/web/prepare` puts into the cache.
const AXE: &str = "axe-core-4.14.1";

/// axe-core's source; `None`, with a notice, where it is missing. On a build server that is a failure.
fn source() -> Option<&'static str> {
    static SOURCE: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let file = usher::vision::runtime::cache_folder()?.join("usher").join(AXE).join("axe.min.js");
        let missing = format!("{} is not there; tests/web/prepare fetches it", file.display());
        match std::fs::read_to_string(&file) {
            Ok(text) => Some(text),
            Err(_) => {
                assert!(std::env::var_os("CI").is_none(), "{missing}");
                eprintln!("SKIPPED: {missing}");
                None
            }
        }
    };
    SOURCE.get_or_init(read).as_deref()
}

/// What axe-core finds on the page as it is, in light and in dark, one line each: `light serious color-contrast: …`.
///
/// Its rules for WCAG 2.2 at levels A and AA and its best practices are asked.
pub fn barriers(browser: &Browser) -> Vec<String> {
    let Some(axe) = source() else { return Vec::new() };
    let mut found = Vec::new();
    for scheme in ["light", "dark"] {
        browser.scheme(scheme);
        browser.script(&format!("if (!window.axe) {{ {axe}; window.axe = axe }}"), &[]);
        let run = "const done = arguments[arguments.length - 1];\
            axe.run(document, { resultTypes: ['violations'] }).then(done, e => done({ error: String(e) }))";
        let answer = browser.script_async(run, &[]);
        assert!(answer["violations"].is_array(), "axe-core fails: {answer}");
        found.extend(answer["violations"].as_array().unwrap().iter().map(|violation| line(scheme, violation)));
    }
    browser.scheme("light");
    found
}

fn line(scheme: &str, violation: &Value) -> String {
    let text = |key: &str| violation[key].as_str().unwrap_or("-").to_owned();
    let nodes: Vec<String> = violation["nodes"]
        .as_array()
        .unwrap_or(&Vec::new())
        .iter()
        .map(|node| format!("\n    {} {}", node["html"].as_str().unwrap_or("-"), summary(node)))
        .collect();
    format!("{scheme} {} {}: {}{}", text("impact"), text("id"), text("help"), nodes.concat())
}

fn summary(node: &Value) -> String {
    let data = node["any"].get(0).map_or(&Value::Null, |check| &check["data"]);
    match data["contrastRatio"].is_number() {
        true => json!([data["fgColor"], data["bgColor"], data["contrastRatio"]]).to_string(),
        false => String::new(),
    }
}
