//! Attendance: a day is amended, with the reason in the journal.

use crate::axe::barriers;
use crate::browser::{PHONE, is_installed};
use crate::site::Site;

#[test]
fn a_day_is_amended_with_a_reason() {
    if !is_installed() {
        return;
    }
    let site = Site::new("", |house| house.enroll("Barack Obama", &["obama.jpg"]));
    let browser = site.visited_by("attendance");
    assert_eq!(browser.path(), "/attendance", "the first page of somebody who sees no doors");
    let today = browser.script("return new Date().toLocaleDateString('sv')", &[]).as_str().unwrap().to_owned();
    browser.go("/attendance/day");
    browser.sees("Barack Obama");
    assert_eq!(barriers(&browser), [""; 0]);
    browser.photograph("scene-day");
    browser.press("Amend");
    browser.fill("Direction", "in");
    browser.fill("Time", &format!("{today}T00:01"));
    browser.fill("Reason", "the camera was covered");
    browser.photograph("scene-amend");
    assert_eq!(barriers(&browser), [""; 0]);
    browser.press("Save the amendment");
    browser.sees("The amendment is recorded.");
    browser.sees("00:01");
    let amended = site.house.records("attendance_amended").remove(0);
    let text = amended["content"].to_string();
    assert!(text.contains("the camera was covered") && text.contains("attendance"), "{text}");

    // The wrong reading is voided with the right one in its place.
    browser.fill("Direction", "in");
    browser.fill("Time", &format!("{today}T00:02"));
    let wrong = site.house.records("attendance_amended")[0]["seq"].to_string();
    browser.fill("Instead of", &wrong);
    browser.fill("Reason", "a typing error");
    browser.press("Save the amendment");
    browser.sees("00:02");
    assert!(!browser.text().contains("00:01"), "{}", browser.text());
    browser.go("/attendance");
    browser.sees("Barack Obama");
    browser.resize(PHONE);
    browser.photograph("scene-month-phone");
    for path in ["/live", "/timeline", "/doors", "/health", "/people/new"] {
        browser.go(path);
        browser.sees("may not do that");
    }
    browser.log_is_clean_but_for(&["403"]);
}
