//! Somebody at the page: a browser that knows cookies and forms, without a script.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{House, eventually, free_port};

const PASSWORD: &str = "correct horse battery";

/// Somebody who is logged in.
pub struct Visitor {
    base: String,
    cookies: PathBuf,
}

/// An answer: its status, where it leads, and its text.
#[derive(Debug)]
pub struct Shown {
    pub status: u16,
    pub leads: String,
    pub text: String,
}

impl Shown {
    /// A form that was carried out leads on with 303; where to.
    pub fn done(self) -> String {
        assert_eq!(self.status, 303, "{self:?}");
        self.leads
    }
}

/// A house with its page on a free port.
pub fn paged(house: House, tables: &str) -> (House, u16) {
    let port = free_port();
    (house.with(&format!("{tables}\n[web]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\n")), port)
}

impl Visitor {
    /// Makes an account of that role, and logs in. The daemon runs.
    pub fn log_in(house: &House, port: u16, role: &str) -> Visitor {
        let account = json!({ "name": role, "role": role, "password": PASSWORD }).to_string();
        let made = Command::new("curl")
            .args(["--silent", "--fail", "--unix-socket"])
            .arg(house.socket())
            .args(["-H", "Content-Type: application/json", "-d", &account, "http://usher/v1/accounts"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let visitor =
            Visitor { base: format!("http://127.0.0.1:{port}"), cookies: house.path(&format!("cookies-{role}")) };
        let fields = [format!("name={role}"), format!("password={PASSWORD}")];
        let shown = eventually("the page", || {
            let shown = visitor.ask("/login", &["-d", &fields[0], "--data-urlencode", &fields[1]]);
            (shown.status != 0).then_some(shown)
        });
        shown.done();
        visitor
    }

    /// Somebody who is not logged in.
    pub fn without_login(house: &House, port: u16) -> Visitor {
        Visitor { base: format!("http://127.0.0.1:{port}"), cookies: house.path("cookies-nobody") }
    }

    /// A request with more of curl's options.
    pub fn ask(&self, path: &str, more: &[&str]) -> Shown {
        let output = Command::new("curl")
            .args(["--silent", "--write-out", "\n%{http_code} %{redirect_url}", "--cookie-jar"])
            .arg(&self.cookies)
            .arg("--cookie")
            .arg(&self.cookies)
            .args(more)
            .arg(format!("{}{path}", self.base))
            .output()
            .unwrap();
        let whole = String::from_utf8_lossy(&output.stdout).into_owned();
        let (text, tail) = whole.rsplit_once('\n').unwrap();
        let (status, leads) = tail.split_once(' ').unwrap();
        let leads = leads.strip_prefix(&self.base).unwrap_or(leads).to_owned();
        Shown { status: status.parse().unwrap(), leads, text: text.to_owned() }
    }

    pub fn get(&self, path: &str) -> Shown {
        self.ask(path, &[])
    }

    /// The session's token, as it stands in the forms of a page.
    pub fn token(&self, page: &str) -> String {
        let text = self.get(page).text;
        text.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    /// Sends a form that stands on the page `from`.
    pub fn post(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Shown {
        self.post_with(&self.token(from), path, fields)
    }

    /// Sends a form with a token of one's own.
    pub fn post_with(&self, token: &str, path: &str, fields: &[(&str, &str)]) -> Shown {
        let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
        let fields: Vec<String> = [format!("csrf={token}")].into_iter().chain(fields).collect();
        let more: Vec<&str> = fields.iter().flat_map(|field| ["--data-urlencode", field]).collect();
        self.ask(path, &more)
    }

    /// Sends a form with files: fields as they are, files as `name=@path`.
    pub fn upload(&self, from: &str, path: &str, parts: &[&str]) -> Shown {
        let token = format!("csrf={}", self.token(from));
        let more: Vec<&str> = std::iter::once(token.as_str()).chain(parts.iter().copied()).collect();
        self.ask(path, &more.iter().flat_map(|part| ["--form", part]).collect::<Vec<_>>())
    }

    /// The server-sent events of a path until it ends, or for at most so many seconds: names with their data.
    pub fn events(&self, path: &str, seconds: u32) -> Vec<(String, Value)> {
        let output = Command::new("curl")
            .args(["--silent", "--no-buffer", "--max-time", &seconds.to_string(), "--cookie"])
            .arg(&self.cookies)
            .arg(format!("{}{path}", self.base))
            .stderr(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let field = |event: &str, name: &str| {
            let line = event.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        let whole = text.split("\n\n").filter(|event| event.contains("data:"));
        whole
            .filter_map(|event| Some((field(event, "event:"), serde_json::from_str(&field(event, "data:")).ok()?)))
            .collect()
    }
}
