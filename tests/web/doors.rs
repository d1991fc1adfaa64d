//! The live view and the doors: aiming, a grant that arrives by itself, its receipt, and orders.

use image::imageops;
use serde_json::json;

use crate::axe::barriers;
use crate::browser::{PHONE, is_installed};
use crate::site::Site;
use crate::support::{eventually, frame, status};

fn with_a_person(tables: &str) -> Site {
    Site::new(tables, |house| house.enroll("Barack Obama", &["obama.jpg"]))
}

#[test]
fn a_grant_arrives_without_a_reload_and_opens_its_receipt() {
    if !is_installed() {
        return;
    }
    let site = with_a_person("");
    let browser = site.visited_by("operator");
    assert_eq!(browser.path(), "/live");
    browser.script("window.sameDocument = true", &[]);
    site.shows("obama2.jpg");
    browser.eventually("the face beside the picture", || browser.text().contains("Barack Obama").then_some(()));
    browser.sees("let in");
    browser.eventually("the camera's picture", || {
        let width = "return document.querySelector('[data-camera] img').naturalWidth";
        (browser.script(width, &[]) == 640).then_some(())
    });
    browser.finds("svg[data-boxes] rect");
    assert_eq!(barriers(&browser), [""; 0]);
    browser.photograph("scene-live-grant");
    site.nobody();

    browser.go("/timeline");
    browser.script("window.sameDocument = true", &[]);
    let grants = || browser.count("#rows .badge.good");
    let before = grants();
    site.shows("obama3.jpg");
    browser.eventually("a row of the grant", || (grants() > before).then_some(()));
    assert_eq!(browser.script("return window.sameDocument", &[]), true, "the page was loaded again");
    browser.photograph("scene-timeline-grant");

    browser.go("/timeline?kind=granted");
    browser.click("#rows tr a");
    browser.sees("Receipt of record");
    for text in ["Barack Obama", "Near enough", "Frames agree", "Limit"] {
        browser.sees(text);
    }
    assert!(browser.count(".bar svg, svg.bar") >= 2, "{}", browser.source());
    assert_eq!(barriers(&browser), [""; 0]);
    browser.photograph("scene-receipt");
    browser.resize(PHONE);
    browser.photograph("scene-receipt-phone");
    browser.log_is_clean();
}

#[test]
fn an_operator_unlocks_a_door_and_the_journal_has_the_name() {
    if !is_installed() {
        return;
    }
    let site = with_a_person("");
    let browser = site.visited_by("operator");
    browser.confirm("Unlock");
    browser.sees("Unlocked.");
    let unlocked = eventually("the record of the order", || site.house.records("operator_unlocked").pop());
    assert!(unlocked["content"]["by"].to_string().contains("operator"), "{unlocked}");
    eventually("the relay at rest again", || (site.house.records("locked").len() == 1).then_some(()));
    let log = site.log();
    assert!(log.contains("level=energised") && log.contains("level=safe"), "the relay has not moved: {log}");
    browser.go("/timeline");
    browser.sees("operator");
    browser.log_is_clean();
}

#[test]
fn a_door_is_locked_down_from_a_phone() {
    if !is_installed() {
        return;
    }
    let site = with_a_person("");
    let browser = site.visited_by("operator");
    browser.resize(PHONE);
    browser.go("/live");
    let wide = "return [...document.querySelectorAll('.acts button, .acts summary')].filter(e => e.checkVisibility())\
        .map(e => Math.round(e.getBoundingClientRect().height))";
    let heights = browser.script(wide, &[]);
    let low: Vec<_> = heights.as_array().unwrap().iter().filter(|height| height.as_u64() < Some(24)).collect();
    assert!(low.is_empty(), "too small for a finger (WCAG 2.5.8): {heights}");
    browser.confirm("Lockdown");
    browser.sees("Locked down.");
    browser.photograph("scene-lockdown-phone");
    assert_eq!(status(&site.house)["doors"][0]["mode"], "lockdown");
    site.shows("obama2.jpg");
    let denied = eventually("a denial", || site.house.records("denied").pop());
    assert_eq!(denied["content"]["reason"], "lockdown", "{denied}");
    browser.sees("the door is locked down");
    browser.press("Back to the rules");
    browser.sees("The rules apply again.");
    eventually("a grant", || site.house.records("granted").pop());
    browser.log_is_clean();
}

#[test]
fn a_camera_is_aimed_and_turned() {
    if !is_installed() {
        return;
    }
    let site = with_a_person("");
    let browser = site.visited_by("admin");
    browser.press("Aim the camera");
    browser.sees("Nobody is in view.");
    site.shows("obama2.jpg");
    browser.finds("[data-meters] meter");
    let size = browser.script("return document.querySelector('[data-meters] meter').value", &[]);
    assert!(size.as_f64() > Some(60.0), "{size}");
    browser.photograph("scene-aim");
    // The camera hangs on its side.
    site.picture(imageops::rotate270(&frame("obama2.jpg")));
    browser.press("Look for a minute whether the camera hangs turned");
    browser.sees("The camera hangs turned");
    browser.photograph("scene-aim-turned");
    assert_eq!(barriers(&browser), [""; 0]);
    browser.press("Turn the picture by 90°");
    browser.sees("Written.");
    let text = std::fs::read_to_string(site.house.config()).unwrap();
    assert!(text.contains("rotate = 90"), "{text}");
    browser.log_is_clean();
}

#[test]
fn a_viewer_sees_doors_and_orders_nothing() {
    if !is_installed() {
        return;
    }
    let site = with_a_person("");
    let browser = site.visited_by("viewer");
    browser.finds("[data-camera] img");
    assert_eq!(browser.count("form[action*='/order']"), 0);
    let refused = site.sends(&browser, "/doors/front/order", &[("order", "unlock")]);
    assert_eq!(refused, 403);
    for path in ["/people", "/people/new", "/visitors", "/attendance", "/accounts"] {
        browser.go(path);
        browser.sees("may not do that");
    }
    browser.go("/live");
    for act in ["/people/1/remove", "/people/1/erase", "/people/1/export", "/people/1/disable", "/cameras/porch/aim"] {
        assert_eq!(site.sends(&browser, act, &[]), 403, "{act}");
    }
    assert_eq!(site.house.people().len(), 1);
    assert_eq!(site.house.records("operator_unlocked"), [json!(null); 0]);
    browser.log_is_clean_but_for(&["403"]);
}
