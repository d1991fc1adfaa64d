//! The page's frame: logging in, roles, forms, tokens, headers, TLS.

use serde_json::Value;

use crate::support::{Daemon, House, PASSWORD, Page, Visitor, add_account, eventually, page_on, with_page};

#[test]
fn somebody_logs_in_and_out_and_a_session_of_before_is_worth_nothing() {
    let (house, daemon, mut anna) = with_page(House::new(), "");
    let front = anna.get("/accounts");
    assert_eq!(front.status, 200);
    assert!(front.body.contains("anna") && front.body.contains("<h1>Accounts</h1>"), "{}", front.body);
    let kept = anna.cookies().clone();
    assert_eq!(anna.submit("/accounts", "/logout", &[]).status, 303);
    assert_eq!(anna.get("/accounts").header("location"), Some("/login?next=%2Faccounts"));
    // The cookie of the session that ended, from somebody who kept it.
    let port = anna.port();
    let mut thief = Visitor::at(port).with_cookies(&kept);
    assert_eq!(thief.get("/accounts").status, 303);
    // Another password ends the sessions, too.
    anna.log_in("anna");
    assert_eq!(anna.get("/accounts").status, 200);
    let other = "another long password";
    let set = [("password", other)];
    assert_eq!(anna.submit("/accounts", "/accounts/anna/password", &set).status, 303);
    assert_eq!(anna.get("/accounts").status, 303, "logged out");
    assert_eq!(anna.send("/login", &[("name", "anna"), ("password", PASSWORD)]).status, 401);
    assert_eq!(
        anna.send("/login", &[("name", "anna"), ("password", other), ("next", "//evil.example")]).header("location"),
        Some("/")
    );
    let changes = house.records("account_changed");
    let by: Vec<&str> = changes.iter().map(|record| record["content"]["by"].as_str().unwrap()).collect();
    assert_eq!(by.last(), Some(&"web/anna"), "{changes:?}");
    daemon.stop();
}

#[test]
fn a_form_of_another_session_or_of_another_site_does_nothing() {
    let (house, daemon, mut anna) = with_page(House::new(), "");
    let account = [("name", "otto"), ("role", "viewer"), ("password", PASSWORD)];
    for token in ["", "0000"] {
        let fields: Vec<_> = [("csrf", token)].into_iter().chain(account).collect();
        assert_eq!(anna.send("/accounts", &fields).status, 403);
    }
    assert_eq!(anna.send("/accounts", &account).status, 403, "without a token");
    let token = anna.get("/accounts").token();
    let body = format!("csrf={token}&name=otto&role=viewer&password=longenough1");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for foreign in [
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "null"),
    ] {
        assert_eq!(anna.request("POST", "/accounts", &[form, foreign], body.as_bytes()).status, 403, "{foreign:?}");
    }
    for host in ["evil.example", "evil.example:8470", "127.0.0.1.evil.example"] {
        assert_eq!(anna.request("GET", "/login", &[("Host", host)], b"").status, 421, "{host}");
    }
    let names = |house: &House| house.json(&["web", "user", "list", "--json"]).len();
    assert_eq!(names(&house), 1);
    assert_eq!(anna.submit("/accounts", "/accounts", &account).status, 303);
    assert_eq!(names(&house), 2);
    daemon.stop();
}

#[test]
fn each_role_may_do_what_the_table_says() {
    let (port, web) = page_on();
    let house = House::new().with(&web);
    for role in ["viewer", "attendance", "operator", "admin"] {
        add_account(&house, role, role);
    }
    let tokens: Vec<String> = ["viewer", "attendance", "operator", "admin"]
        .iter()
        .map(|role| house.usher(&["web", "token", "add", role, "--role", role]).trim().to_owned())
        .collect();
    let daemon = Daemon::start(&house);
    eventually("the page", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let mut program = Visitor::at(port);
    let asked = [
        ("GET", "/v1/status", "", [200, 403, 200, 200]),
        ("GET", "/metrics", "", [200, 403, 200, 200]),
        ("GET", "/v1/people", "", [403, 200, 200, 200]),
        ("POST", "/v1/doors", "{\"door\":\"front\",\"order\":\"lock\"}", [403, 403, 200, 200]),
        ("GET", "/v1/views", "", [403, 403, 403, 0]),
        ("GET", "/v1/duress", "", [403, 403, 403, 200]),
        ("GET", "/v1/accounts", "", [403, 403, 403, 200]),
        ("GET", "/v1/nothing", "", [404, 404, 404, 404]),
    ];
    for (method, path, body, statuses) in asked {
        for (token, status) in tokens.iter().zip(statuses).filter(|(_, status)| *status != 0) {
            let bearer = format!("Bearer {token}");
            let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
            let answer = program.request(method, path, &headers, body.as_bytes());
            assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        }
        assert_eq!(program.request(method, path, &[], body.as_bytes()).status, 401, "{path}");
    }
    assert_eq!(house.records("operator_locked").last().unwrap()["content"]["by"], "web/admin");
    house.usher(&["web", "token", "remove", "admin"]);
    let bearer = format!("Bearer {}", tokens[3]);
    assert_eq!(program.request("GET", "/v1/status", &[("Authorization", &bearer)], b"").status, 401);
    // A page that a role may not see is refused, and stands in no navigation.
    let mut viewer = Visitor::at(port);
    viewer.log_in("viewer");
    assert_eq!(viewer.get("/accounts").status, 403);
    assert!(!viewer.get("/accounts").body.contains("href=\"/accounts\""));
    let description = program.get("/v1/openapi.json");
    assert_eq!(serde_json::from_str::<Value>(&description.body).unwrap()["openapi"], "3.1.0");
    daemon.stop();
}

#[test]
fn every_answer_has_the_strict_headers_and_nothing_inline() {
    let (_house, daemon, mut anna) = with_page(House::new(), "");
    for path in ["/login", "/accounts", "/assets/usher.css", "/assets/usher.js", "/no/such/page", "/v1/status"] {
        let page = anna.get(path);
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert!(!page.body.contains("style=") && !page.body.contains("onclick"), "{path}");
        assert!(!page.body.contains("http://") && !page.body.contains("https://"), "{path}: nothing from elsewhere");
    }
    let german = anna.request("GET", "/login", &[("Accept-Language", "fr, de-AT;q=0.8, en;q=0.5")], b"");
    assert!(german.body.contains("<html lang=\"de\">") && german.body.contains("Anmelden"), "{}", german.body);
    assert_eq!(anna.get("/language?to=zh&back=/accounts").header("location"), Some("/accounts"));
    assert!(anna.page("/accounts").contains("退出登录"));
    assert_eq!(anna.get("/language?to=xx&back=https://evil.example").header("location"), Some("/"));
    daemon.stop();
}

#[test]
fn an_error_stands_in_the_frame_with_a_way_back() {
    let (house, daemon, mut anna) = with_page(House::new(), "");
    let framed = |page: &Page, back: &str| {
        let way = format!("data-back href=\"{back}\"");
        page.body.contains("<nav aria-label=") && page.body.contains("/logout") && page.body.contains(&way)
    };
    for (path, status, back) in [
        ("/no/such/page", 404, "/"),
        ("/records/99999", 404, "/timeline"),
        ("/people/99", 404, "/people"),
        ("/people/somebody", 400, "/people"),
        ("/cameras/attic/picture", 404, "/live"),
        ("/attendance?month=nonsense", 0, "/attendance"),
        ("/people/1/erase", 405, "/people"),
    ] {
        let page = anna.get(path);
        assert!(page.status == status || status == 0 && page.status >= 400, "{path}: {page:?}");
        assert!(framed(&page, back), "{path}: {page:?}");
    }
    let page = anna.submit("/live", "/doors/attic/order", &[("order", "unlock")]);
    assert!(page.status == 404 && framed(&page, "/live") && page.body.contains("back=%2Flive"), "{page:?}");
    let page = anna.submit("/live", "/doors/front/order", &[("order", "explode")]);
    assert!(page.status == 422 && page.body.contains("The form cannot be read"), "{page:?}");
    for (language, words) in [("de", ["Das hat nicht geklappt", "Zurück"]), ("zh", ["操作未完成", "返回"])] {
        let page = anna.request("GET", "/people/somebody", &[("Accept-Language", language)], b"");
        assert!(words.iter().all(|word| page.body.contains(word)), "{page:?}");
    }
    // The way back leads nowhere that the role may not see, and somebody who is not logged in sees no area.
    add_account(&house, "viewer", "viewer");
    let mut viewer = Visitor::at(anna.port());
    viewer.log_in("viewer");
    let page = viewer.get("/people");
    assert!(page.status == 403 && framed(&page, "/") && page.body.contains("href=\"/live\""), "{page:?}");
    let page = Visitor::at(anna.port()).get("/no/such/page");
    assert!(page.status == 404 && !page.body.contains("/logout") && page.body.contains("href=\"/\""), "{page:?}");
    daemon.stop();
}

#[test]
fn guesses_are_slowed_down() {
    let (_house, daemon, mut anna) = with_page(House::new(), "");
    let statuses: Vec<u16> =
        (0..7).map(|_| anna.send("/login", &[("name", "anna"), ("password", "wrong password")]).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(anna.send("/login", &[("name", "anna"), ("password", PASSWORD)]).status, 429);
    daemon.stop();
}

#[test]
fn beyond_this_machine_the_page_speaks_tls_alone() {
    let (port, _) = page_on();
    let house = House::new().with(&format!("[web]\nenabled = true\nlisten = \"0.0.0.0:{port}\"\n"));
    let daemon = Daemon::start(&house);
    eventually("the page", || daemon.log().contains(&format!("https://0.0.0.0:{port}")).then_some(()));
    assert!(daemon.log().contains("made a certificate for the page"), "{}", daemon.log());
    let certificate = house.path("store-web/certificate.pem");
    let curl = std::process::Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--cacert"])
        .arg(&certificate)
        .arg(format!("https://localhost:{port}/login"))
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&curl.stdout);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer} {}", String::from_utf8_lossy(&curl.stderr));
    daemon.stop();
}

#[test]
fn a_busy_port_keeps_no_door_from_starting() {
    let (port, web) = page_on();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let house = House::new().with(&web);
    let daemon = Daemon::start(&house);
    let trouble = || house.json(&["status", "--json"])[0]["web_trouble"].as_str().map(str::to_owned);
    assert!(eventually("the trouble", trouble).contains("in use"));
    drop(taken);
    eventually("the page", || trouble().is_none().then_some(()));
    assert_eq!(Visitor::at(port).get("/login").status, 200);
    daemon.stop();
}

#[test]
fn behind_a_proxy_failures_count_for_whom_it_speaks_for() {
    let (port, _) = page_on();
    let house = House::new().with(&format!("[web]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\ntls = \"proxy\"\n"));
    add_account(&house, "anna", "admin");
    let daemon = Daemon::start(&house);
    eventually("the page", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let mut visitor = Visitor::at(port);
    let mut log_in = |address: &str, name: &str| {
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Forwarded-For", address)];
        visitor.request("POST", "/login", &headers, format!("name={name}&password=wrong-password").as_bytes()).status
    };
    let statuses: Vec<u16> = (0..6).map(|n| log_in("198.51.100.1, 192.0.2.7", &format!("nobody{n}"))).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    assert_eq!(log_in("198.51.100.1, 192.0.2.8", "nobody"), 401, "another client of the proxy");
    daemon.stop();
}
