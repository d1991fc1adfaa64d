//! Tests of the page over the fleet, in front of an office with servers in memory.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::desk::Office;
use super::page::OfficeApi;
use super::tests::{Names, at_the_servers, confirm, invited, office};
use crate::accounts::{AccountChange, Role};
use crate::api::{ApiError, Caller};
use crate::clock::SystemClock;
use crate::fleet::carrier::MemoryServer;
use crate::office::fleet::tests::{berlin, somebody};
use crate::web::{self, Hosts, Place, Site, SiteSettings};

const PASSWORD: &str = "a long sentence nobody guesses";

/// An office with one board that confirms everything, one that says nothing, and two people.
struct Fleet {
    office: Arc<Office>,
    api: OfficeApi,
    page: Router,
    revoked: Names,
    tasks: Vec<tokio::task::AbortHandle>,
    _dir: TempDir,
}

impl Fleet {
    async fn new() -> Fleet {
        let (dir, server, revoked) = (tempfile::tempdir().unwrap(), MemoryServer::default(), Names::default());
        let office = office(&dir, &revoked);
        let link = at_the_servers(&office, &server);
        let front = invited(&office, "front").await;
        invited(&office, "back").await;
        office.change(|book| book.enroll(somebody("Ada", 0.0), "anna")).await.unwrap().unwrap();
        office.change(|book| book.enroll(somebody("Bob <b>", 90.0), "anna")).await.unwrap().unwrap();
        let board = tokio::spawn(async move { confirm(&server, "front", &front).await });
        let others = Router::new().fallback(|| async { ApiError::NoRoute });
        let api = OfficeApi::new(&office, others).unwrap();
        let accounts = api.accounts();
        for role in Role::ALL {
            let add = AccountChange::Add { role, password: PASSWORD };
            let prepared = accounts.prepare(role.as_str(), &add, SystemTime::now()).unwrap();
            office.with(|book| book.trees.store.commit(&prepared.changes)).unwrap();
            prepared.done();
        }
        let settings = SiteSettings {
            place: Place::Office,
            device: "office".into(),
            zone: TimeZone::UTC,
            session: Duration::from_secs(600),
            secure: false,
            hosts: Hosts::new(std::iter::empty()),
            proxies: Vec::new(),
        };
        let page = web::router(Site::new(api.router(), accounts.clone(), settings, Arc::new(SystemClock::new())));
        let tasks = vec![link.abort_handle(), board.abort_handle()];
        Fleet { office, api, page, revoked, tasks, _dir: dir }
    }

    /// A browser of somebody with this role, whose name is the role's.
    async fn visited_by(&self, role: Role) -> Visitor {
        let mut visitor = Visitor { page: self.page.clone(), cookie: String::new() };
        let (status, head, _) =
            visitor.send("/login", &[("name", role.as_str()), ("password", PASSWORD), ("next", "/")]).await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        head.split(';').next().unwrap().clone_into(&mut visitor.cookie);
        visitor
    }

    /// The status of the API for somebody with this role.
    async fn asked(&self, role: Role, method: Method, path: &str, body: &str) -> StatusCode {
        let caller = Caller::Web { name: "x".into(), role };
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
        let request = request.extension(caller).body(Body::from(body.to_owned())).unwrap();
        self.api.router().oneshot(request).await.unwrap().status()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

struct Visitor {
    page: Router,
    cookie: String,
}

impl Visitor {
    /// The status, the cookie or the place that the head names, and the page.
    async fn ask(&self, method: Method, path: &str, body: String) -> (StatusCode, String, String) {
        let request =
            Request::builder().method(method).uri(path).header(HOST, "localhost").header(COOKIE, &self.cookie);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.extension(web::From(IpAddr::V4(Ipv4Addr::LOCALHOST))).body(Body::from(body)).unwrap();
        let answer = self.page.clone().oneshot(request).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers());
        let head = headers.get(SET_COOKIE).or(headers.get(LOCATION));
        let head = head.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, head, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let (status, _, page) = self.ask(Method::GET, path, String::new()).await;
        (status, page)
    }

    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String, String) {
        self.ask(Method::POST, path, serde_html_form::to_string(fields).unwrap()).await
    }

    /// Sends a form of the page `from`, with its token.
    async fn submit(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
        let (_, page) = self.get(from).await;
        let token = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let fields: Vec<_> = [("csrf", token)].into_iter().chain(fields.iter().copied()).collect();
        let (status, _, page) = self.send(path, &fields).await;
        (status, page)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_the_fleet_and_acts_on_it() {
    let fleet = Fleet::new().await;
    let anna = fleet.visited_by(Role::Admin).await;
    let (_, home, _) = anna.ask(Method::GET, "/", String::new()).await;
    assert_eq!(home, "/fleet");
    let (status, page) = anna.get("/fleet").await;
    assert_eq!(status, StatusCode::OK);
    for text in ["berlin", "front", "back", "Never heard", "Lock down", "Shut out front"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    // What an office has not is neither shown nor there.
    for path in ["/live", "/doors", "/health", "/visitors", "/people/new"] {
        assert!(!page.contains(&format!("href=\"{path}\"")), "{path}");
        assert_eq!(anna.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    // One board confirms, the other has never been heard.
    let on = [("on", "true"), ("group", " guards ")];
    let (status, page) = anna.submit("/fleet", "/fleet/sites/berlin/lockdown", &on).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    for text in ["only the group guards passes", "Confirmed by", "front", "Invited, never heard", "back"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let lockdown = |office: &Arc<Office>| office.with(|book| book.rules[&berlin()].body.lockdown.clone());
    let kept = lockdown(&fleet.office).unwrap();
    assert_eq!((kept.group.as_deref(), kept.by.as_str()), (Some("guards"), "web/admin"));
    assert!(anna.get("/fleet").await.1.contains("only the group guards passes, by web/admin"));
    // Shut out: nobody waits for it any more.
    let (_, page) = anna.submit("/fleet", "/fleet/boards/back/revoke", &[]).await;
    assert!(page.contains("back is shut out"), "{page}");
    assert_eq!(fleet.revoked.all(), ["credential of back"]);
    let (_, page) = anna.submit("/fleet", "/fleet/sites/berlin/lockdown", &[("on", "false")]).await;
    assert!(page.contains("the lockdown of berlin is over") && lockdown(&fleet.office).is_none(), "{page}");
    // People: found, and forgotten with what can be shown of it.
    let (_, page) = anna.get("/people?q=bob").await;
    assert!(page.contains("Bob &lt;b&gt;") && !page.contains(">Ada<"), "{page}");
    let uuid = page.split("name=\"person\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (status, page) = anna.submit("/people", "/people/forget", &[("site", "berlin"), ("person", &uuid)]).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    for text in ["Confirmed by", uuid.as_str(), "BLAKE3", "Destroyed key"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!anna.get("/people").await.1.contains("Bob"));
    // Refused in the office's words.
    let (status, page) = anna.submit("/people", "/people/forget", &[("site", "berlin"), ("person", &uuid)]).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("role=\"alert\""), "{status} {page}");
    let (status, _) = anna.submit("/fleet", "/fleet/sites/nowhere/lockdown", &[("on", "true")]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = anna.submit("/fleet", "/fleet/sites/NOT%20A%20SITE/lockdown", &[("on", "true")]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_without_a_token_and_roles_without_a_permission_do_nothing() {
    let fleet = Fleet::new().await;
    let anna = fleet.visited_by(Role::Admin).await;
    for (path, fields) in [
        ("/fleet/sites/berlin/lockdown", vec![("on", "true")]),
        ("/fleet/boards/front/revoke", vec![]),
        ("/people/forget", vec![("site", "berlin"), ("person", "Ada")]),
    ] {
        let forged: Vec<_> = [("csrf", "0000")].into_iter().chain(fields.iter().copied()).collect();
        assert_eq!(anna.send(path, &forged).await.0, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(anna.send(path, &fields).await.0, StatusCode::FORBIDDEN, "{path}");
    }
    let nobody = Visitor { page: fleet.page.clone(), cookie: String::new() };
    for path in ["/fleet", "/people", "/accounts", "/timeline"] {
        assert_eq!(nobody.get(path).await.0, StatusCode::SEE_OTHER, "{path}");
    }
    // Each operation with the roles that may do it; the person and the board are none, so that nothing is done.
    let (get, post) = (Method::GET, Method::POST);
    let table = [
        (get.clone(), "/v1/fleet", "", [true, false, true, true]),
        (get.clone(), "/v1/fleet/sites", "", [false, true, true, true]),
        (get.clone(), "/v1/fleet/sites/berlin/people", "", [false, true, true, true]),
        (post.clone(), "/v1/fleet/sites/nowhere/lockdown", "{\"on\":true}", [false, false, true, true]),
        (post.clone(), "/v1/fleet/sites/berlin/forget", "{\"person\":\"nobody\"}", [false, false, false, true]),
        (post, "/v1/fleet/boards/none/revoke", "", [false, false, false, true]),
        (get, "/v1/accounts", "", [false, false, false, true]),
    ];
    for (method, path, body, may) in table {
        for (role, may) in Role::ALL.into_iter().zip(may) {
            let status = fleet.asked(role, method.clone(), path, body).await;
            assert_eq!(status != StatusCode::FORBIDDEN, may, "{role} {method} {path}: {status}");
        }
    }
    // A form that the role does not show is refused all the same.
    let viewer = fleet.visited_by(Role::Viewer).await;
    let (_, page) = viewer.get("/fleet").await;
    assert!(page.contains("berlin") && !page.contains("Lock down") && !page.contains("/revoke"), "{page}");
    assert_eq!(
        viewer.submit("/fleet", "/fleet/sites/berlin/lockdown", &[("on", "true")]).await.0,
        StatusCode::FORBIDDEN
    );
    let otto = fleet.visited_by(Role::Attendance).await;
    let (_, home, _) = otto.ask(Method::GET, "/", String::new()).await;
    assert_eq!((home.as_str(), otto.get("/fleet").await.0), ("/attendance", StatusCode::FORBIDDEN));
    let (status, page) = otto.get("/people").await;
    assert!(status == StatusCode::OK && page.contains("Ada") && !page.contains("/people/forget"), "{page}");
    assert!(fleet.office.with(|book| book.rules[&berlin()].body.lockdown.is_none()) && fleet.revoked.all().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_accounts_are_in_the_offices_own_records() {
    let fleet = Fleet::new().await;
    let new = format!("{{\"name\":\"otto\",\"role\":\"viewer\",\"password\":\"{PASSWORD}\"}}");
    assert_eq!(fleet.asked(Role::Operator, Method::POST, "/v1/accounts", &new).await, StatusCode::FORBIDDEN);
    assert_eq!(fleet.asked(Role::Admin, Method::POST, "/v1/accounts", &new).await, StatusCode::OK);
    assert!(fleet.api.accounts().account("otto").is_some());
    let records = fleet.office.collected.list(None, None, 10).unwrap();
    let of_accounts: Vec<_> = records.iter().filter(|one| one.record["kind"] == "account_changed").collect();
    assert_eq!(of_accounts.len(), 1, "{records:?}");
    assert_eq!(of_accounts[0].record["content"]["by"], "web/x");
    // The same again is refused, and nothing is recorded.
    assert_eq!(fleet.asked(Role::Admin, Method::POST, "/v1/accounts", &new).await, StatusCode::CONFLICT);
    assert_eq!(fleet.office.collected.list(None, None, 10).unwrap().len(), records.len());
}
