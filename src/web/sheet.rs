//! The parts that every page has, also without a session.

use maud::{DOCTYPE, Markup, html};

use super::words::Words;

/// A page for somebody who is not logged in.
pub fn bare(words: &'static Words, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(words.tag()) {
            (head(title, "usher", &[]))
            body.bare {
                main #main tabindex="-1" { (body) }
                (foot(words, "/"))
            }
        }
    }
}

/// The head of a page, with its scripts besides the common one.
pub fn head(title: &str, device: &str, scripts: &[&str]) -> Markup {
    // Another version has other files.
    let version = env!("CARGO_PKG_VERSION");
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · " (device) }
            link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
            link rel="stylesheet" href={ "/assets/usher.css?v=" (version) };
            @for script in std::iter::once("usher.js").chain(scripts.iter().copied()) {
                script type="module" src={ "/assets/" (script) "?v=" (version) } {}
            }
        }
    }
}

/// The foot of the page at `path`.
pub fn foot(words: &'static Words, path: &str) -> Markup {
    html! {
        footer {
            nav aria-label=(words.get("frame-languages")) {
                @for other in Words::all() {
                    @let query = serde_html_form::to_string([("to", other.tag()), ("back", path)]).unwrap_or_default();
                    a href={ "/language?" (query) } lang=(other.tag()) hreflang=(other.tag())
                        aria-current=[(other.tag() == words.tag()).then_some("true")] { (other.name()) }
                }
            }
            span { "usher " (env!("CARGO_PKG_VERSION")) }
        }
    }
}
