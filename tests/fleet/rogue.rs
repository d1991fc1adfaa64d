//! Servers that lie: somebody who has the servers, but not the office's key, forges, repeats, and withholds.

use std::collections::BTreeMap;

use serde_json::json;
use usher::fleet::{Lockdown, OfficeKey, Opened, SiteRules};

use crate::attacker::Attacker;
use crate::server::{Program, Servers};
use crate::support::{Daemon, House, Office, eventually, names, status};

/// The newest message of each person, as the server has it: subject and payload in base64.
async fn people(rogue: &Attacker) -> Vec<(String, String)> {
    let (mut found, mut from) = (Vec::new(), 1);
    loop {
        let request = json!({ "seq": from, "next_by_subj": "usher.people.berlin.>" }).to_string();
        let answer = rogue.ask("$JS.API.STREAM.MSG.GET.PEOPLE-berlin", &request).await;
        let Some(sequence) = answer["message"]["seq"].as_u64() else { return found };
        let text = |key: &str| answer["message"][key].as_str().unwrap().to_owned();
        found.push((text("subject"), text("data")));
        from = sequence + 1;
    }
}

/// Publishes with the servers' power, whatever it is.
async fn publish(rogue: &Attacker, subject: &str, payload: Vec<u8>) {
    let answer = rogue.client.request(subject.to_owned(), payload.into()).await.unwrap();
    assert!(String::from_utf8_lossy(&answer.payload).contains("\"seq\""), "{answer:?}");
}

#[test]
fn what_servers_forge_or_repeat_is_not_believed() {
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(&servers);
    let front = office.joined(House::new(), "front");
    let daemon = Daemon::start(&front);
    office.enroll("Barack Obama", &["obama.jpg"]);
    office.waits_for("front");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rogue = runtime.block_on(Attacker::office(&servers));
    let before = runtime.block_on(people(&rogue));
    assert_eq!(before.len(), 1);
    office.json(&["forget", "Barack Obama", "--site", "berlin", "--json"]);
    office.waits_for("front");
    assert!(names(&front).is_empty());
    let refused = || status(&front)["fleet"]["refused"].as_u64().unwrap();
    let (held, before_lies) = (status(&front)["fleet"]["rules"].as_u64(), refused());

    // The record from before, which the office had signed; noise; a lockdown signed by another key.
    let (subject, data) = &before[0];
    let old = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data).unwrap();
    let rules = SiteRules {
        site: "berlin".parse().unwrap(),
        version: 1000,
        lockdown: Some(Lockdown { group: None, by: "nobody".to_owned() }),
        lockdown_ended_by: None,
        since_ms: 5,
        models: None,
        resend: BTreeMap::new(),
        access: None,
    };
    let forged = OfficeKey::generate().unwrap().sign(servers.office.fleet, &rules).unwrap();
    runtime.block_on(async {
        publish(&rogue, subject, old).await;
        let nobody = "usher.people.berlin.sface.00000000-0000-0000-0000-000000000007";
        publish(&rogue, nobody, b"noise".to_vec()).await;
        publish(&rogue, "usher.rules.berlin", forged.as_bytes().to_vec()).await;
        publish(&rogue, "usher.office", b"noise".to_vec()).await;
    });
    eventually("records that are refused", || (refused() >= before_lies + 2).then_some(()));
    assert!(names(&front).is_empty(), "a forgotten person stays forgotten");
    assert_eq!(status(&front)["doors"][0]["mode"], "normal");
    assert_eq!(status(&front)["fleet"]["rules"].as_u64(), held);

    // Within a minute the office finds what it did not write, says its own again, and goes on.
    let put_right = || {
        let request = json!({ "last_by_subj": "usher.rules.berlin" }).to_string();
        let answer = runtime.block_on(rogue.ask("$JS.API.STREAM.MSG.GET.RULES", &request));
        let data = answer["message"]["data"].as_str().unwrap_or_default();
        let newest = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data).unwrap();
        matches!(servers.office.key.public().open::<SiteRules>(servers.office.fleet, &newest), Ok(Opened::Body(_)))
    };
    eventually("the office's rules at the server again", || put_right().then_some(()));
    let done = office.json(&["lockdown", "berlin", "on", "--json"]).remove(0);
    assert_eq!(done["confirmed"], json!(["front"]), "{done}");
    assert_eq!(status(&front)["doors"][0]["mode"], "lockdown");
    daemon.stop();
}

/// A server that shows an empty list opens no door and closes none.
#[test]
fn what_servers_withhold_is_kept() {
    let Some(servers) = Servers::start(Program::Newer, 1) else { return };
    let office = Office::start(&servers);
    let front = office.joined(House::new(), "front");
    let daemon = Daemon::start(&front);
    office.enroll("Barack Obama", &["obama.jpg"]);
    office.waits_for("front");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rogue = runtime.block_on(Attacker::office(&servers));
    let answer = runtime.block_on(rogue.ask("$JS.API.STREAM.PURGE.PEOPLE-berlin", ""));
    assert_eq!(answer["success"], true, "{answer}");
    daemon.stop();
    let daemon = Daemon::start(&front);
    eventually("the board at the servers", || (status(&front)["fleet"]["state"] == "online").then_some(()));
    office.waits_for("front");
    assert_eq!(names(&front), ["Barack Obama"]);
    daemon.stop();
}
