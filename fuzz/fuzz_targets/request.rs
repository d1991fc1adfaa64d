//! Requests to the API: nothing panics, what was read can be written and read again, and a template from a request is a unit vector.
#![no_main]

use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use usher::api::doors::{AmnestyRequest, DoorRequest};
use usher::api::journal::{AmendRequest, EraseRequest};
use usher::api::people::{ChangeRequest, EnrollRequest};
use usher::api::template::Template;
use usher::domain::{Actor, Amendment, Event, PeopleEvent};

fuzz_target!(|data: &[u8]| {
    // The first byte says what is asked for.
    let Some((path, body)) = data.split_first() else { return };
    match path % 7 {
        0 => look_at(&read::<Vec<Template>>(body).unwrap_or_default()),
        1 => look_at(&read::<EnrollRequest>(body).map(|request| request.templates).unwrap_or_default()),
        2 => assert_reads_back::<ChangeRequest>(body),
        3 => assert_reads_back::<DoorRequest>(body),
        4 => assert_reads_back::<AmnestyRequest>(body),
        5 => assert_reads_back::<EraseRequest>(body),
        _ => {
            let Some(request) = read::<AmendRequest>(body) else { return };
            let (adds, voids) = (request.add.is_some(), request.void.is_some());
            match request.event(Actor::Operator("anna".to_owned())) {
                Some(Event::People(PeopleEvent::AttendanceAmended { amendment: Amendment::Add { .. }, .. })) => assert!(adds && !voids),
                Some(Event::People(PeopleEvent::AttendanceAmended { amendment: Amendment::Void { .. }, .. })) => assert!(voids && !adds),
                Some(other) => panic!("an amendment became {other:?}"),
                None => {}
            }
        }
    }
});

fn read<T: Serialize + DeserializeOwned>(body: &[u8]) -> Option<T> {
    let request: T = serde_json::from_slice(body).ok()?;
    let written = serde_json::to_vec(&request).expect("what was read can be written");
    assert!(serde_json::from_slice::<T>(&written).is_ok(), "{}", String::from_utf8_lossy(&written));
    Some(request)
}

fn assert_reads_back<T: Serialize + DeserializeOwned>(body: &[u8]) {
    read::<T>(body);
}

fn look_at(templates: &[Template]) {
    for template in templates.iter().filter_map(|template| template.template(SystemTime::UNIX_EPOCH)) {
        let square: f64 = template.embedding.values().iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        assert!((square.sqrt() - 1.0).abs() < 1e-5, "length {}", square.sqrt());
    }
}
