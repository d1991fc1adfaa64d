//! Every page in light and dark, on a desktop and on a phone: no barriers, nothing wider than the window, small, and pictures to look at.

use crate::axe::barriers;
use crate::browser::{Browser, DESKTOP, PHONE, is_installed};
use crate::site::Site;

/// The paths of the pages, and the names of their pictures.
const PAGES: [(&str, &str); 7] = [
    ("/live", "live"),
    ("/timeline", "timeline"),
    ("/people", "people"),
    ("/attendance", "attendance"),
    ("/doors", "doors"),
    ("/health", "health"),
    ("/accounts", "accounts"),
];
/// The most that a first view may fetch, with one picture of the camera.
const FIRST_VIEW_BYTES: u64 = 150_000;

/// A site in which things have happened.
fn lived_in() -> Site {
    let site = Site::new(
        "[gallery]\nkeep_unknown = \"1h\"\n\n[[schedule]]\nname = \"office\"\nhours = [\"mon-fri 07:00-19:00\"]\n",
        |house| {
            house.enroll("Barack Obama", &["obama.jpg", "obama2.jpg"]);
            house.usher(&["people", "groups", "Barack Obama", "staff"]);
        },
    );
    site.account("admin");
    let records = |kind: &str| site.house.records(kind).len();
    site.shows("biden.jpg");
    crate::support::eventually("a denial", || (records("denied") > 0).then_some(()));
    site.shows("obama3.jpg");
    crate::support::eventually("a grant", || (records("granted") > 0).then_some(()));
    site
}

#[test]
fn every_page_is_free_of_barriers_and_fits_its_window() {
    if !is_installed() {
        return;
    }
    let site = lived_in();
    let browser = Browser::at(&site.address);
    site.log_in(&browser, "admin");
    are_free_of_barriers_and_fit(&browser, &PAGES);
}

/// Looks at each page in light and dark, on a desktop and on a phone, and makes pictures by the names.
pub fn are_free_of_barriers_and_fit(browser: &Browser, pages: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (path, name) in pages {
        for window in [DESKTOP, PHONE] {
            browser.resize(window);
            browser.go(path);
            browser.settle();
            wrong.extend(barriers(browser).iter().map(|barrier| format!("{path} on a {}: {barrier}", window.name)));
            let over = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            let over = browser.script(over, &[]);
            if over != 0 {
                wrong.push(format!("{path} is {over} px too wide for a {}", window.name));
            }
            for scheme in ["light", "dark"] {
                browser.scheme(scheme);
                browser.photograph(&format!("{name}-{}-{scheme}", window.name));
            }
        }
        browser.log_is_clean();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_first_view_is_small() {
    if !is_installed() {
        return;
    }
    let site = lived_in();
    let browser = Browser::at(&site.address);
    site.log_in(&browser, "admin");
    for (path, _) in PAGES {
        browser.forget_cache();
        drop(browser.fetched());
        browser.go(path);
        browser.settle();
        // The camera's later pictures have numbers.
        let fetched: Vec<_> = browser.fetched().into_iter().filter(|fetch| !fetch.url.contains("?n=")).collect();
        let bytes: u64 = fetched.iter().map(|fetch| fetch.bytes).sum();
        assert!(bytes > 0 && bytes <= FIRST_VIEW_BYTES, "{path} fetches {bytes} bytes: {fetched:#?}");
    }
}

#[test]
fn every_page_is_there_in_german_and_chinese() {
    if !is_installed() {
        return;
    }
    let site = lived_in();
    for language in ["de", "zh"] {
        let browser = Browser::speaking(language, &site.address);
        site.log_in_by_keys(&browser, "admin");
        for (path, name) in PAGES {
            browser.go(path);
            browser.settle();
            let tag = browser.script("return document.documentElement.lang", &[]);
            assert!(tag.as_str().unwrap().starts_with(language), "{path}: {tag}");
            browser.photograph(&format!("{name}-{language}"));
        }
        browser.log_is_clean();
    }
}

/// For README.md: `script/picture` runs this, and takes `target/web-screenshots/page.png`.
#[test]
#[ignore = "makes a picture, and tests nothing"]
fn picture_of_the_page() {
    if !is_installed() {
        return;
    }
    let site = Site::new("", |house| house.enroll("Barack Obama", &["obama.jpg", "obama2.jpg"]));
    let browser = site.visited_by("operator");
    // Nobody's face is in the repository.
    let blur = "const sheet = new CSSStyleSheet(); sheet.replaceSync('[data-camera] img { filter: blur(14px) }');\
        document.adoptedStyleSheets = [sheet]";
    browser.script(blur, &[]);
    site.shows("obama3.jpg");
    browser.sees("let in");
    browser.finds("svg[data-boxes] rect");
    browser.photograph("page");
}
