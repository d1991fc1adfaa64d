//! What each door asks of whom.

use maud::{Markup, html};

use crate::api::hours::{DoorHours, HouseHours, PermitForm};
use crate::web::{Session, Words};

/// The rules of the doors.
pub fn section(session: &Session, hours: &HouseHours) -> Markup {
    let words = session.words();
    html! {
        section aria-labelledby="permits" {
            h2 #permits { (words.get("doors-permits")) }
            @if let Some(source) = &hours.source {
                p { (words.with("doors-rules-of-site", &[("source", source.as_str().into())])) }
            }
            div.grid { @for door in &hours.doors { (card(words, door)) } }
        }
    }
}

fn card(words: &Words, door: &DoorHours) -> Markup {
    html! {
        div.card {
            h3 { (door.name) }
            @match &door.permits {
                None => { p { (words.get("doors-everybody-always")) } }
                Some(permits) if permits.is_empty() => { p { (words.get("doors-nobody")) } }
                Some(permits) => { ul { @for permit in permits { li { (permit_words(words, permit)) } } } }
            }
            ul.soft {
                @if let Some(schedule) = &door.unlock_hours {
                    li { (words.with("doors-unlocked-by", &[("schedule", schedule.as_str().into())])) }
                }
                @if let Some(group) = &door.first_person {
                    li { (words.with("doors-first-person", &[("group", group.as_str().into())])) }
                }
                @if let Some(seconds) = door.two_person_s {
                    li { (words.with("doors-two-person", &[("seconds", seconds.into())])) }
                }
                @if let Some(zones) = &door.zones {
                    li { (words.with("doors-leads", &[("outside", zones.outside.as_str().into()), ("inside", zones.inside.as_str().into())])) }
                }
                li { (asks(words, &door.assurance)) }
            }
        }
    }
}

fn permit_words(words: &Words, permit: &PermitForm) -> Markup {
    html! {
        @if permit.groups.is_empty() { (words.get("doors-everybody")) } @else { strong { (permit.groups.join(", ")) } }
        ": "
        @match &permit.schedule {
            None => { (words.get("doors-always")) }
            Some(schedule) => { a href={ "#schedule-" (schedule) } { (schedule) } }
        }
        @if let Some(tiers) = &permit.assurance { "; " (asks(words, tiers)) }
    }
}

/// What is asked beyond the face.
pub fn asks(words: &Words, tiers: &[String]) -> String {
    match tiers {
        [] => words.get("doors-asks-nothing"),
        tiers => words.with("doors-asks", &[("tiers", tiers.join(" | ").into())]),
    }
}
