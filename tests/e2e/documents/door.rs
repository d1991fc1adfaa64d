//! A house with a daemon: a day at a door, from the first enrolment to the last erasure.

use super::play::{Run, play, run};
use crate::support::{Daemon, Film, House, broker, eventually, frame, page_on, photo, write_jpeg};

pub const LINES: &[&[Run]] = &[BEFORE, DAY, EVENING, BROKER];

const BEFORE: &[Run] = &[
    run("usher enroll \"Ada Lovelace\" --id E042 --group staff ada1.jpg ada2.jpg")
        .says("Ada Lovelace is enrolled as #1 with 2 templates"),
    run("usher web user add ada --role admin").types("a quiet threshold\n").says("the account ada (admin) is added"),
    run("usher config check").says("sound"),
    run("usher config show").says("[door]"),
    run("usher run").says("ready").goes_on(),
];

/// With a daemon that has let Ada in and refused somebody.
const DAY: &[Run] = &[
    run("usher status").says("front"),
    run("usher doctor").says("All is well"),
    run("usher api").says("/v1/status"),
    run("usher camera list"),
    run("usher people import staff.csv --dry-run").says("2 would be new"),
    run("usher people import staff.csv").says("2 new"),
    run("usher people list").says("Rose Leslie"),
    run("usher people list --json").says("\"Rose Leslie\""),
    run("usher people show PERSON").with(ADA).says("E042"),
    run("usher people valid PERSON --from DAY --until DAY").with(ROSE).says("valid"),
    run("usher journal list").says("granted"),
    run("usher journal list --kind denied --json").says("\"distance\""),
    run("usher journal list --since today").says("denied"),
    run("usher journal list --person \"Ada Lovelace\" --kind denied --since 7d -n 100"),
    run("usher journal tail -f --door front").says("front").goes_on(),
    run("usher journal show 12").with(&[("12", "{denied}")]).says("denied"),
    run("usher journal verify").says("the chain is sound"),
    run("usher journal verify --against events.jsonl").says("events agree with their records"),
    run("usher journal export").says("\"granted\""),
    run("usher journal export --csv").says("synchronised"),
    run("usher journal export --since 2026-05-01 --until 2026-06-01 may.jsonl"),
    run("usher journal duress").says("no duress PIN was entered"),
    run("usher why").says("gates"),
    run("usher why 12").with(&[("12", "{granted}")]).says("granted"),
    run("usher refusals").says("Ada Lovelace"),
    run("usher refusals --since 30d").says("Ada Lovelace"),
    run("usher attendance").says("Ada Lovelace"),
    run("usher attendance --day yesterday --group night"),
    run("usher attendance --from 2026-05-01 --to 2026-05-31 --person \"Ada Lovelace\""),
    run("usher attendance totals"),
    run("usher attendance totals --month 2026-05"),
    run("usher attendance absent"),
    run("usher attendance absent --day yesterday --group night"),
    run("usher attendance watch").says("present at"),
    run("usher attendance amend --person \"Ada Lovelace\" --out 2026-05-04T17:00 --reason \"left by the yard\"")
        .says("left by the yard"),
    run("usher attendance amend --person \"Ada Lovelace\" --void 4711 --reason \"that was her sister\"")
        .with(&[("4711", "{granted}")])
        .says("that was her sister"),
    run("usher schedule test --person Ada --at 2026-03-29T02:30").with(&[("Ada", "Ada Lovelace")]).says("at front"),
    run("usher door status").says("front"),
    run("usher door inside"),
    run("usher door admit \"Ada Lovelace\" --door front --reason \"broken arm, known to reception\"")
        .says("Ada Lovelace (#1) is admitted"),
    run("usher door amnesty").says("forgot where everybody is"),
    run("usher door amnesty PERSON").with(ADA).says("forgot where Ada Lovelace is"),
    run("usher door lockdown").says("lockdown"),
    run("usher door normal").says("normal"),
    run("usher door trust-clock").says("the clock is trusted"),
    run("usher door safe"),
    run("usher identify another.jpg").says("Ada Lovelace"),
    run("usher detect photo.jpg").says("1 face"),
    run("usher detect --min-face 20 photo.jpg").says("face"),
    run("usher detect --draw out.png photo.jpg"),
    run("usher enroll --add \"Ada Lovelace\" ada3.jpg ada4.jpg").says("has 2 templates more, 4 in all"),
    run("usher people templates \"Ada Lovelace\""),
    run("usher people templates \"Ada Lovelace\" remove 2"),
    run("usher people templates PERSON").with(ADA),
    run("usher people not-this \"Ada Lovelace\" 4711").with(&[("4711", "{denied}")]),
    run("usher people templates PERSON --forget-learned").with(ADA),
    run("usher people templates PERSON --forget-lookalikes").with(ADA),
    run("usher people unknown").says("unknown visitors in"),
    run("usher calibrate --gallery").says("Ada Lovelace"),
    run("usher models").says("sface"),
    run("usher people pin \"Ada Lovelace\"").types("407123\n"),
    run("usher people pin \"Ada Lovelace\" --duress").types("839164\n"),
    run("usher people tag \"Ada Lovelace\" add 04:A2:2B:1F --label \"blue fob\""),
    run("usher people tag \"Ada Lovelace\" list").says("blue fob"),
    run("usher web user add anna --role viewer").types("another quiet threshold\n").says("is added"),
    run("usher web user list").says("anna"),
    run("usher web user role anna operator").says("has its new role"),
    run("usher web user password anna").types("a third quiet threshold\n").says("has its new password"),
    run("usher web user remove anna").says("is removed"),
    run("usher web token add dashboard --role viewer").says("usher_"),
    run("usher store status").says("sealed"),
    run("usher backup FILE").with(&[("FILE", "one.backup")]),
];

const ADA: &[(&str, &str)] = &[("PERSON", "Ada Lovelace")];
const ROSE: &[(&str, &str)] = &[("PERSON", "Rose Leslie"), ("DAY", "2030-12-31")];

/// Who leaves.
const EVENING: &[Run] = &[
    run("usher people export \"Ada Lovelace\" --out ada.json"),
    run("usher people disable E042 E045 \"Rose Leslie\"").says("is disabled"),
    run("usher people remove --list leavers.csv --dry-run").says("would be removed"),
    run("usher people erase \"Ada Lovelace\"").with(&[("Ada Lovelace", "Rose Leslie")]).and(&["--yes"]),
    run("usher people remove \"Ada Lovelace\"").and(&["--yes"]).says("is removed"),
    run("usher journal erase --person \"#7\" --before 90d")
        .with(&[("#7", "#1")])
        .and(&["--yes"])
        .says("is erased from"),
    run("usher journal erase --person \"Ada Lovelace\"").and(&["--yes"]).says("is erased from"),
];

#[test]
fn a_day_at_a_door() {
    let film = Film::default().nobody(3).shows("obama3.jpg", 10).nobody(14).shows("biden.jpg", 10).nobody(200);
    let (_, web) = page_on();
    let tables = format!("[gallery]\nkeep_unknown = \"1h\"\n{web}");
    let house = House::new().watching(film, true).with(&tables);
    for (name, actor) in [
        ("ada1.jpg", "obama.jpg"),
        ("ada2.jpg", "obama2.jpg"),
        ("ada3.jpg", "obama3.jpg"),
        ("another.jpg", "obama3.jpg"),
        ("photo.jpg", "biden.jpg"),
    ] {
        std::fs::copy(photo(actor), house.path(name)).unwrap();
    }
    write_jpeg(frame("obama2.jpg"), &house.path("ada4.jpg"));
    std::fs::write(house.path("staff.csv"), "employee_id;name;groups\nE045;Kit Harington;night\n;Rose Leslie;night\n")
        .unwrap();
    std::fs::write(house.path("leavers.csv"), "employee_id\nE045\n").unwrap();
    play(&house, BEFORE, &[]);
    let before = house.journal().len();
    let daemon = Daemon::start(&house);
    let last = |kind: &str| {
        let found = house.journal().into_iter().skip(before).rfind(|record| record["kind"] == kind);
        found.map(|record| record["seq"].to_string())
    };
    let granted = eventually("a grant", || last("granted"));
    let visits = || house.json(&["people", "unknown", "--json"]).remove(0)["groups"][0]["visits"].clone();
    let denied = eventually("a visitor", || visits()[0]["record"].as_u64()).to_string();
    let events = house.usher(&["journal", "list", "--json", "--kind", "granted"]);
    std::fs::write(house.path("events.jsonl"), events).unwrap();
    let own = [("granted", granted), ("denied", denied)];
    play(&house, DAY, &own);
    play(&house, EVENING, &own);
    daemon.stop();
}

const BROKER: &[Run] = &[run("usher hub remove"), run("usher hub remove --device old-name")];

#[test]
fn a_device_leaves_the_broker() {
    let house = House::new().with(&format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n", broker()));
    play(&house, BROKER, &[]);
}
