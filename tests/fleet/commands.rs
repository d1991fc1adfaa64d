//! What commands of a fleet say when something is not as it should be: the real program at a real server.

use crate::server::{Program, Servers};
use crate::support::{Daemon, Film, House, Office, eventually};

fn house() -> House {
    House::new().watching(Film::default().shows("obama2.jpg", 10), true)
}

#[test]
fn one_token_at_two_boards_is_noticed() {
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(&servers);
    let token = office.usher(&["invite", "--site", "berlin", "--board", "front"]);
    let (one, other) = (office.joined_with(house(), &token), office.joined_with(house(), &token));
    let (at_one, at_other) = (Daemon::start(&one), Daemon::start(&other));
    eventually("two boards of one name", || (office.board("front")["twice"] == true).then_some(()));
    assert!(office.usher(&["status"]).contains("two boards speak as front"));
    office.usher(&["revoke", "front"]);
    assert_eq!(office.board("front")["twice"], false);
    at_one.stop();
    at_other.stop();
}

#[test]
fn what_is_not_taken_and_what_is_not_in_force_is_said() {
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(&servers);
    let invited = office.usher(&["invite", "--site", "oslo", "--board", "oslo-1"]);
    // A folder that is there is no membership, and nobody is told to delete it.
    let folder = servers.folder.display().to_string();
    let refused = office.refused(&["join", "--membership", &folder, invited.trim()]);
    assert!(refused.contains("is a folder") && !refused.contains("delete"), "{refused}");
    let order = "x\u{1b}]0;pwn\u{7}";
    let refused = office.refused(&["lockdown", "oslo", "on", "--group", order]);
    assert!(refused.contains("U+001B") && !refused.contains('\u{1b}'), "{refused}");
    let (code, printed) = office.ends(&["lockdown", "oslo", "on", "--group", "guards"]);
    assert_eq!(code, Some(3), "{printed}");
    assert!(printed.contains("only the group guards passes") && printed.contains("no door follows"), "{printed}");
    assert!(printed.contains("never heard: oslo-1"), "{printed}");
    assert!(office.refused(&["journal", "--board", "nosuch"]).contains("there is no board nosuch"));
    let again = office.refused(&["office"]);
    assert!(again.contains("an office runs") && again.contains("usher-office"), "{again}");
}
