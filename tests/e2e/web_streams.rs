//! Answers of the page without end: they end with the session, and those to programs with their token.

use std::time::Duration;

use crate::support::{Film, House, Visitor, add_account, with_page};

/// An answer that nothing ends stays open for longer than this.
const A_WHILE: Duration = Duration::from_secs(3);
/// The daemon looks every two seconds; slow machines must pass, too.
const SECONDS: Duration = Duration::from_secs(12);

/// The address of the events of a sitting in front of the camera, at which nobody stands.
fn sitting(visitor: &mut Visitor) -> String {
    let begun = visitor.submit("/people/new", "/people/sittings", &[("camera", "porch")]);
    assert_eq!(begun.status, 303, "{begun:?}");
    format!("{}/events", begun.header("location").unwrap())
}

fn log_in(port: u16, name: &str) -> Visitor {
    let mut visitor = Visitor::at(port);
    visitor.log_in(name);
    visitor
}

#[test]
fn every_stream_of_the_page_ends_with_a_logout_also_while_nothing_happens() {
    let (_house, daemon, mut anna) = with_page(House::new(), "");
    let port = anna.port();
    let paths = ["/live/events", "/timeline/events", "/cameras/porch/stream", &sitting(&mut anna)];
    let mut streams: Vec<_> = paths.iter().map(|path| anna.follow(path, &[])).collect();
    let mut others = log_in(port, "anna").follow("/timeline/events", &[]);
    streams.iter_mut().for_each(|stream| stream.stays_open(A_WHILE));
    assert_eq!(anna.submit("/accounts", "/logout", &[]).status, 303);
    streams.into_iter().for_each(|stream| stream.ends_within(SECONDS));
    others.stays_open(A_WHILE);
    for path in paths {
        let page = anna.get(path);
        assert!(page.header("location").is_some_and(|to| to.starts_with("/login")), "{path}: {page:?}");
    }
    daemon.stop();
}

#[test]
fn a_stream_ends_once_its_account_is_changed_or_removed() {
    let (house, daemon, anna) = with_page(House::new(), "");
    let port = anna.port();
    for name in ["moved", "renewed", "removed", "stays"] {
        add_account(&house, name, "operator");
    }
    let open = |name: &str| log_in(port, name).follow("/timeline/events", &[]);
    let (moved, renewed, mut removed, mut stays) = (open("moved"), open("renewed"), open("removed"), open("stays"));
    removed.stays_open(A_WHILE);
    house.usher(&["web", "user", "role", "moved", "attendance"]);
    moved.ends_within(SECONDS);
    let mut admin = log_in(port, "anna");
    let password = [("password", "another quiet threshold")];
    assert_eq!(admin.submit("/accounts", "/accounts/renewed/password", &password).status, 303);
    renewed.ends_within(SECONDS);
    // Another account of the same name is not the one that was logged in.
    let mut before = log_in(port, "removed");
    house.usher(&["web", "user", "remove", "removed"]);
    add_account(&house, "removed", "operator");
    removed.ends_within(SECONDS);
    assert_eq!(before.get("/timeline").status, 303, "the session of the account that was removed");
    stays.stays_open(A_WHILE);
    daemon.stop();
}

#[test]
fn every_stream_of_a_program_ends_with_its_token() {
    let film = Film::default().shows("obama2.jpg", 5);
    let (house, daemon, anna) = with_page(House::new().watching(film, true), "");
    let token = |name: &str| {
        let secret = house.usher(&["web", "token", "add", name, "--role", "admin"]);
        format!("Bearer {}", secret.trim())
    };
    let (lost, kept) = (token("lost"), token("kept"));
    let mut program = Visitor::at(anna.port());
    let mut follow = |token: &str, path: &str| program.follow(path, &[("Authorization", token)]);
    let paths = ["/v1/journal/follow", "/v1/live", "/v1/views", "/v1/cameras/porch/stream"];
    let mut streams: Vec<_> = paths.iter().map(|path| follow(&lost, path)).collect();
    let mut others = follow(&kept, "/v1/journal/follow");
    streams.iter_mut().for_each(|stream| stream.stays_open(A_WHILE));
    house.usher(&["web", "token", "remove", "lost"]);
    streams.into_iter().for_each(|stream| stream.ends_within(SECONDS));
    others.stays_open(A_WHILE);
    daemon.stop();
}
