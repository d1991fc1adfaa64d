//! Logging in and out, roles, and what is refused.

use serde_json::json;

use crate::axe::barriers;
use crate::browser::{Browser, PHONE, is_installed};
use crate::site::{PASSWORD, Site};

#[test]
fn a_login_leads_to_the_page_that_was_wanted() {
    if !is_installed() {
        return;
    }
    let site = Site::new("", |_| {});
    let browser = Browser::at(&site.address);
    browser.go("/accounts");
    assert!(browser.path().starts_with("/login"), "{}", browser.path());
    browser.sees("There is no account yet.");
    browser.photograph("login-first");
    assert_eq!(barriers(&browser), [""; 0]);
    site.account("admin");
    browser.go("/accounts");
    assert!(!browser.text().contains("There is no account yet."));
    browser.fill("Name", "admin");
    browser.fill("Password", "not the password");
    browser.press("Log in");
    browser.sees("The name or the password is wrong.");
    assert_eq!(barriers(&browser), [""; 0]);
    browser.resize(PHONE);
    browser.photograph("login-wrong-phone");
    browser.log_is_clean_but_for(&["401"]);
    browser.fill("Password", PASSWORD);
    browser.press("Log in");
    browser.sees("People who may log in");
    assert_eq!(browser.path(), "/accounts");
    browser.log_is_clean();
}

#[test]
fn a_session_that_was_ended_is_refused_when_it_is_replayed() {
    if !is_installed() {
        return;
    }
    let site = Site::new("", |_| {});
    let browser = site.visited_by("admin");
    let stolen: Vec<(String, String)> = browser.cookies().into_iter().filter(|(name, _)| name == "usher").collect();
    assert_eq!(stolen.len(), 1, "{:?}", browser.cookies());
    assert_eq!(browser.script("return document.cookie.includes('usher=')", &[]), false, "scripts see the session");
    browser.go("/accounts");
    browser.press("Log out");
    browser.finds("input[type=password]");
    for (name, value) in &stolen {
        browser.set_cookie(name, value);
    }
    browser.go("/accounts");
    assert!(browser.path().starts_with("/login"), "{}", browser.path());

    // A session that goes on works when it is put back: the test above is one that could fail.
    site.log_in(&browser, "admin");
    let kept = browser.cookies().into_iter().find(|(name, _)| name == "usher").unwrap();
    browser.forget_cookies();
    browser.set_cookie(&kept.0, &kept.1);
    browser.go("/accounts");
    assert_eq!(browser.path(), "/accounts");
    browser.log_is_clean();
}

#[test]
fn a_form_from_elsewhere_is_refused() {
    if !is_installed() {
        return;
    }
    let site = Site::new("", |_| {});
    let browser = site.visited_by("admin");
    browser.go("/accounts");
    let new = |csrf: &str| {
        let fields = [("csrf", csrf), ("name", "eve"), ("role", "admin"), ("password", PASSWORD)];
        browser.sends("/accounts", &fields).0
    };
    assert_eq!((new(""), new("f00"), browser.sends("/accounts", &[("name", "eve")]).0), (403, 403, 403));
    let users = || site.house.usher(&["web", "user", "list"]);
    assert!(!users().contains("eve"), "{}", users());
    assert_eq!(new(&browser.token()), 200, "with the session's token it works");
    assert!(users().contains("eve"));

    // Another site's page can neither send a form with the session's cookie nor show this page in a frame.
    let elsewhere = site.house.path("elsewhere.html");
    let form = format!(
        "<!DOCTYPE html><title>Elsewhere</title><form method=post action='{0}/logout'><input name=csrf value='{1}'>\
         <button>Win</button></form><iframe src='{0}/accounts'></iframe>",
        site.address,
        browser.token()
    );
    std::fs::write(&elsewhere, form).unwrap();
    browser.leave_to(&format!("file://{}", elsewhere.display()));
    browser.press("Win");
    browser.eventually("the answer to the other site's form", || browser.path().starts_with('/').then_some(()));
    browser.go("/accounts");
    assert_eq!(browser.path(), "/accounts", "the other site has logged the admin out");
    browser.log_is_clean_but_for(&["403", "frame", "elsewhere.html", "favicon.ico"]);
}

#[test]
fn a_viewer_changes_nothing() {
    if !is_installed() {
        return;
    }
    let site = Site::new("", |house| house.enroll("Ada Lovelace", &["obama.jpg"]));
    let browser = site.visited_by("viewer");
    browser.go("/accounts");
    browser.sees("the role viewer may not do that");
    assert_eq!(barriers(&browser), [""; 0]);
    browser.go("/live");
    let links = browser.script("return [...document.querySelectorAll('header nav a')].map(a => a.pathname)", &[]);
    assert_eq!(links, json!(["/live", "/timeline", "/doors", "/health"]));
    let csrf = browser.token();
    let acts = [
        ("/accounts", vec![("name", "eve"), ("role", "admin"), ("password", PASSWORD)]),
        ("/tokens", vec![("name", "eve"), ("role", "admin")]),
    ];
    for (path, mut fields) in acts {
        fields.push(("csrf", &csrf));
        assert_eq!(browser.sends(path, &fields).0, 403, "{path}");
    }
    browser.log_is_clean_but_for(&["403"]);
}
