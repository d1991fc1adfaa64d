//! Every command in README.md and docs/*.md runs here, in a house that is prepared for it, or has a reason why it does not.
//!
//! - `found`: the commands of the documents; `play`: running them
//! - `first`: a user who has nothing yet; `door`: a house with a daemon; `store`: keys, backups, visitors, models
//! - `pictures`: folders of photographs

mod door;
mod first;
mod found;
mod pictures;
mod play;
mod store;

use std::collections::{BTreeMap, BTreeSet};

/// Commands that do not run here, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("usher bench", "it measures for a minute; tests/e2e/bench.rs runs it shorter"),
    ("usher demo", "tests/e2e/demo.rs runs it"),
    (
        "usher camera list --ask 192.0.2.20",
        "there is no such camera; the tests of camera::onvif ask one on this machine",
    ),
    ("usher evaluate open-set --gallery staff --strangers visitors --sizes 10,100 --fpir 0.01,0.001", A_HUNDRED),
    ("usher evaluate open-set --gallery several --strangers single --sizes 10,100,1000 --fpir 0.01,0.003", A_HUNDRED),
    (
        "usher evaluate open-set --gallery four-or-more --strangers single --sizes 10,100 --enrolled 3 --fpir 0.01,0.003",
        A_HUNDRED,
    ),
    (
        "usher evaluate open-set --gallery colour-then-grey --strangers single-grey --enrolled 1 --fpir 0.003 --distance 1.05,1.094,1.139",
        A_HUNDRED,
    ),
    ("usher calibrate staff --write", A_HUNDRED),
    ("usher calibrate DIR --write", A_HUNDRED),
    (
        "usher calibrate images --only pairsDevTrain.txt --same Joseph_Blatter=Sepp_Blatter --embedder sface --out sface.calibration.toml",
        A_HUNDRED,
    ),
    (
        "usher liveness record --out test --subject ada --consent \"signed form of 30 November\" --camera front",
        "somebody must act before a camera; tests/e2e/record.rs has a made-up one",
    ),
    (
        "usher liveness record --out test --subject ada --species print --consent \"Ada's own photograph\" --camera front",
        "somebody must act before a camera; tests/e2e/record.rs has a made-up one",
    ),
    ("usher liveness evaluate test", CLIPS),
    ("usher liveness evaluate test --assurance challenge+passive --setting strict --json", CLIPS),
    ("usher calibrate test --liveness", CLIPS),
    ("usher train head staff/", DOZENS),
    ("usher train head", DOZENS),
    ("usher train network lfw-160/ --crop 22 --out run/ --pairs pairsDevTest.txt --images others-160/", TRAINING),
    ("usher train export run/ --out mine.npz", TRAINING),
    (
        "usher train network lfw-160/ --weights facenet.npz --people 12 --pictures 3 --epochs 1 --rate 0.01 --clip 1 --out run/",
        TRAINING,
    ),
    (
        "usher train network lfw-152/ --network deepface --loss people --people 4 --pictures 2 --optimiser mom --rate 0.03 --clip 2 \
         --no-mirror --out run/",
        TRAINING,
    ),
    ("usher fleet init --servers hub.example.org", FLEET),
    ("usher fleet init --servers hub.example.org --leaf berlin=leaf.berlin.example.org", FLEET),
    ("usher fleet leaf berlin --server leaf.berlin.example.org", FLEET),
    ("usher fleet leaf berlin --server leaf.berlin.example.org --replace", FLEET),
    ("usher fleet office", FLEET),
    ("usher --office web user add ada --role admin", "it needs a fleet's office; tests/web/fleet.rs has one"),
    ("usher fleet invite --site berlin --board front", FLEET),
    ("usher fleet join", FLEET),
    ("usher fleet status", FLEET),
    ("usher fleet enroll \"Ada Lovelace\" --site berlin --group staff ada1.jpg ada2.jpg", FLEET),
    ("usher fleet people --site berlin", FLEET),
    ("usher fleet lockdown berlin on --group guards", FLEET),
    ("usher fleet lockdown berlin off", FLEET),
    ("usher fleet forget \"Ada Lovelace\" --site berlin", FLEET),
    ("usher fleet rules push berlin.toml --site berlin", FLEET),
    ("usher fleet rules show --site berlin", FLEET),
    ("usher fleet rules clear --site berlin", FLEET),
    ("usher fleet revoke front", FLEET),
    ("usher fleet models switch sface --site berlin --share 95", FLEET),
    ("usher fleet models status --site berlin", FLEET),
    ("usher fleet models photographs \"Ada Lovelace\" --site berlin ada1.jpg ada2.jpg", FLEET),
    ("usher fleet models cancel --site berlin", FLEET),
    ("usher fleet models finish --site berlin", FLEET),
    ("usher fleet journal --board front", FLEET),
    ("usher fleet why front 12", FLEET),
    ("usher fleet journal --json", FLEET),
    ("usher --office attendance --day yesterday", FLEET),
    ("usher --office attendance absent --day yesterday", FLEET),
    ("usher --office journal list --person \"Ada Lovelace\" --since 7d", FLEET),
    ("usher --office why", FLEET),
    ("usher --office people list", FLEET),
    (
        "usher fleet export --postgres postgres://usher@db.example.org/reports",
        "it needs a fleet and a database; tests/fleet/postgres.rs has them",
    ),
    ("usher fleet requests list", FLEET),
    ("usher fleet requests accept \"Grace Hopper\" --force", FLEET),
    ("usher fleet requests refuse \"Grace Hopper\" --why \"she is Ada's twin, and works elsewhere\"", FLEET),
    ("usher fleet disable \"Ada Lovelace\" --site berlin", FLEET),
    ("usher fleet enable \"Ada Lovelace\" --site berlin", FLEET),
];
const FLEET: &str = "it needs a fleet's servers; tests/fleet/doors.rs has them";
const A_HUNDRED: &str =
    "it needs photographs of a hundred people and more; tests/evaluate.rs and tests/fpir.rs measure on the data set";
const CLIPS: &str = "it needs clips of real heads; tests/e2e/liveness_evaluate.rs has some";
const DOZENS: &str = "it needs photographs of dozens of people; tests/head.rs trains on the data set";
const TRAINING: &str = "it computes for hours; tests/train.rs trains small networks";

#[test]
fn every_command_of_the_documents_runs_or_has_a_reason_why_not() {
    let found = found::commands();
    assert!(found.len() > 100, "only {} commands were found", found.len());
    let scenes = [first::LINES, door::LINES, store::LINES, pictures::LINES];
    let runs = scenes.into_iter().flatten().flat_map(|runs| runs.iter()).map(|run| run.line);
    let lines: Vec<&str> = runs.chain(NOT_HERE.iter().map(|(line, _)| *line)).collect();
    let known: BTreeSet<&str> = lines.iter().copied().collect();
    let missing: BTreeMap<&String, &String> = found.iter().filter(|(line, _)| !known.contains(line.as_str())).collect();
    assert!(missing.is_empty(), "these commands of the documents run nowhere:\n{missing:#?}");
    let stale: Vec<&&str> = known.iter().filter(|line| !found.contains_key(**line)).collect();
    assert!(stale.is_empty(), "no document has these commands any more:\n{stale:#?}");
    let twice: Vec<_> =
        NOT_HERE.iter().filter(|(line, _)| lines.iter().filter(|other| *other == line).count() > 1).collect();
    assert!(twice.is_empty(), "these run here after all:\n{twice:#?}");
}
