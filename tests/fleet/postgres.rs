//! The copy in a PostgreSQL database: a real server, as a child of the test.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::server::{Program, Servers, free_port, missing};
use crate::support::{Daemon, House, Office, eventually, names};

/// PostgreSQL does not run as root. Nobody else's files are in the folders of the test.
const NOBODY: u32 = 65_534;

/// A server with the database `postgres`, for the user `usher` with the password `secret`.
struct Postgres {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Postgres {
    /// `None`, with a notice, where the program is missing.
    fn start() -> Option<Postgres> {
        let cached = usher::vision::runtime::cache_folder()?.join("usher/embedded-postgres-18.4.0-beta.17/native");
        if missing(&cached.join("bin/postgres")) {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        // Another user cannot read the cache.
        let (native, data) = (dir.path().join("native"), dir.path().join("data"));
        run(Command::new("cp").arg("-r").args([&cached, &native]));
        std::fs::create_dir(&data).unwrap();
        let password = dir.path().join("password");
        std::fs::write(&password, "secret").unwrap();
        certificate(&data);
        let is_root = std::fs::metadata(dir.path()).is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
        if is_root {
            run(Command::new("chown").args(["-R", "65534:65534"]).arg(dir.path()));
        }
        let program = |name: &str| {
            let mut command = Command::new(native.join("bin").join(name));
            command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null());
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let pair = data.join("pair");
        std::fs::rename(&pair, dir.path().join("pair")).unwrap();
        run(program("initdb")
            .args(["--username=usher", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8"])
            .args([format!("--pwfile={}", password.display()), format!("--pgdata={}", data.display())]));
        let port = free_port();
        let set = |key: &str, value: String| ["-c".to_owned(), format!("{key}={value}")];
        let at = |name: &str| dir.path().join("pair").join(name).display().to_string();
        let child = program("postgres")
            .arg("-D")
            .arg(&data)
            .args(set("port", port.to_string()))
            .args(set("listen_addresses", "127.0.0.1".into()))
            .args(set("unix_socket_directories", String::new()))
            .args(set("fsync", "off".into()))
            .args(set("ssl", "on".into()))
            .args(set("ssl_cert_file", at("certificate.pem")))
            .args(set("ssl_key_file", at("key.pem")))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Postgres { child, port, _dir: dir })
    }

    fn authority(&self) -> PathBuf {
        self._dir.path().join("pair/certificate.pem")
    }

    /// The address of the database, without the password.
    fn address(&self) -> String {
        format!("postgres://usher@127.0.0.1:{}/postgres", self.port)
    }

    /// A client, once the server answers.
    async fn client(&self) -> Client {
        let address = format!("postgres://usher:secret@127.0.0.1:{}/postgres", self.port);
        for _ in 0..600 {
            if let Ok((client, connection)) = tokio_postgres::connect(&address, NoTls).await {
                tokio::spawn(connection);
                return client;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the database does not answer");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// Writes a certificate for this machine, and its key, into `pair` below a folder.
fn certificate(folder: &Path) {
    let pair = folder.join("pair");
    std::fs::create_dir(&pair).unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    std::fs::write(pair.join("certificate.pem"), made.cert.pem()).unwrap();
    let key = pair.join("key.pem");
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// `usher fleet export`; its answer, or standard error.
fn export(office: &Office, database: &Postgres, more: &[&str]) -> Result<Value, String> {
    let address = database.address();
    let all = [&["export", "--postgres", &address, "--json"], more].concat();
    office.try_json(&all, &[("PGPASSWORD", "secret")]).map(|mut lines| lines.remove(0))
}

async fn count(client: &Client, query: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {query}"), &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_holds_what_the_office_holds_and_nothing_twice() {
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let Some(database) = Postgres::start() else { return };
    let office = Office::start(&servers);
    let front = office.joined(House::new(), "front");
    let daemon = Daemon::start(&front);
    office.enroll("Barack Obama", &["obama.jpg"]);
    office.enroll("Ada", &["biden.jpg"]);
    eventually("both people", || (names(&front).len() == 2).then_some(()));
    front.usher(&["door", "unlock", "--door", "front"]);
    office.waits_for("front");

    let client = database.client().await;
    let collected = |office: &Office| i64::try_from(office.json(&["journal", "--json"]).len()).unwrap();
    let first = export(&office, &database, &[]).unwrap();
    assert_eq!((&first["people"], &first["boards"]), (&2.into(), &1.into()));
    assert_eq!(count(&client, "usher.records").await, collected(&office));
    let enrolled = "usher.records WHERE kind = 'enrolled' AND person = 'Barack Obama' AND actor LIKE 'fleet/%' AND at > now() - interval '1 hour'";
    assert_eq!(count(&client, enrolled).await, 1);
    assert_eq!(
        count(&client, "usher.records WHERE kind = 'operator_unlocked' AND door = 'front' AND board = 'front'").await,
        1
    );
    assert_eq!(count(&client, "usher.people WHERE name = 'Ada' AND site = 'berlin'").await, 1);
    assert_eq!(count(&client, "usher.boards WHERE board = 'front' AND up_to_date AND NOT revoked").await, 1);

    // The servers have carried all of it, and can read nothing of it: neither the people nor the journal.
    assert!(servers.hold("usher.journal.berlin.front") && servers.hold("PEOPLE-berlin"));
    for secret in ["Barack Obama", "operator_unlocked", "enrolled"] {
        assert!(!servers.hold(secret), "{secret}");
    }

    // Again, and from two runs at once: nothing comes twice.
    assert_eq!(export(&office, &database, &[]).unwrap()["records"], 0);
    front.usher(&["door", "lock", "--door", "front"]);
    office.waits_for("front");
    let runs: Vec<Value> = std::thread::scope(|scope| {
        let both: Vec<_> = (0..2).map(|_| scope.spawn(|| export(&office, &database, &[]).unwrap())).collect();
        both.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let copied: u64 = runs.iter().map(|run| run["records"].as_u64().unwrap()).sum();
    assert_eq!(copied, u64::try_from(collected(&office)).unwrap() - first["records"].as_u64().unwrap(), "{runs:?}");
    assert_eq!(count(&client, "usher.records").await, collected(&office));

    // Who is forgotten is erased there, too.
    office.usher(&["forget", "Ada", "--site", "berlin"]);
    office.waits_for("front");
    export(&office, &database, &[]).unwrap();
    let mentions = "usher.records WHERE person = 'Ada' OR content::text LIKE '%\"Ada\"%'";
    assert_eq!((count(&client, mentions).await, count(&client, "usher.people WHERE name = 'Ada'").await), (0, 0));
    assert!(count(&client, "usher.records WHERE erased").await >= 1);

    refuses(&office, &database, &client).await;
    drop(daemon);
}

/// Wrong passwords, certificates, tables and schemas are refused with what to do.
async fn refuses(office: &Office, database: &Postgres, client: &Client) {
    let told = |more: &[&str]| export(office, database, more).unwrap_err();
    let address = database.address();
    let wrong = office.try_json(&["export", "--postgres", &address], &[("PGPASSWORD", "wrong")]).unwrap_err();
    assert!(wrong.contains("password authentication failed") && !wrong.contains("wrong\""), "{wrong}");
    assert!(told(&["--schema", "a;b"]).contains("a to z"));
    client
        .batch_execute(
            "CREATE SCHEMA other; CREATE TABLE other.export (version integer); INSERT INTO other.export VALUES (99)",
        )
        .await
        .unwrap();
    let other = told(&["--schema", "other"]);
    assert!(other.contains("version 99") && other.contains("--schema"), "{other}");
    client.batch_execute("UPDATE usher.export SET fleet = gen_random_uuid()").await.unwrap();
    let other = told(&[]);
    assert!(other.contains("another fleet"), "{other}");

    let encrypted = format!("{address}?sslmode=require");
    let with = |more: &[&str]| {
        let all = [&["export", "--schema", "encrypted", "--json", "--postgres", &encrypted], more].concat();
        office.try_json(&all, &[("PGPASSWORD", "secret")])
    };
    let unknown = with(&[]).unwrap_err();
    assert!(unknown.to_lowercase().contains("certificate"), "{unknown}");
    let authority = database.authority().display().to_string();
    let copied = with(&["--ca-file", &authority]).unwrap().remove(0);
    assert_eq!(count(client, "encrypted.records").await, copied["records"].as_i64().unwrap());
}
