//! Whether a person may pass at a given time, and why.

use maud::{Markup, html};

use super::{Asked, door_choice, permits, person_choice, query};
use crate::api::hours::{GateForm, HouseHours, ScheduleTest};
use crate::api::people::Person;
use crate::web::live::reason;
use crate::web::{Refusal, Session, Words};

/// What the API answers to the trial that is asked for; `None` if none is.
pub(super) async fn ask(session: &Session, asked: &Asked) -> Option<Result<Vec<ScheduleTest>, Refusal>> {
    if asked.person.is_empty() {
        return None;
    }
    let fields = [("person", &asked.person), ("door", &asked.door), ("at", &asked.at)];
    let fields: Vec<(&str, &str)> =
        fields.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.as_str())).collect();
    Some(session.get(&format!("/v1/schedule/test?{}", query(&fields))).await)
}

/// The form, and the answer to what was asked.
pub(super) fn section(
    session: &Session,
    hours: &HouseHours,
    people: &[Person],
    asked: &Asked,
    tested: Option<Result<Vec<ScheduleTest>, Refusal>>,
) -> Markup {
    let words = session.words();
    html! {
        section aria-labelledby="trial" {
            h2 #trial { (words.get("doors-trial")) }
            p.soft { (words.get("doors-trial-about")) }
            form.card method="get" action="/doors#trial" {
                @if !asked.week.is_empty() { input type="hidden" name="week" value=(asked.week); }
                label for="trial-person" { (words.get("doors-person")) }
                (person_choice("trial-person", people, &asked.person))
                label for="trial-door" { (words.get("doors-door")) }
                (door_choice("trial-door", hours, Some(&words.get("doors-all")), &asked.door))
                label { (words.get("doors-at")) input type="datetime-local" name="at" value=(asked.at); }
                button.main { (words.get("doors-try")) }
            }
            @match tested {
                None => {}
                Some(Err(refusal)) => { p.bad role="alert" { (refusal.why()) } }
                Some(Ok(tests)) => { @for test in &tests { (answer(session, test)) } }
            }
        }
    }
}

fn answer(session: &Session, test: &ScheduleTest) -> Markup {
    let words = session.words();
    let subject = [("person", test.person.name.as_str().into()), ("door", test.door.as_str().into())];
    html! {
        div.card role="status" {
            div.spread {
                h3 { (words.with("doors-trial-of", &subject)) }
                span.soft { (session.rfc3339(&test.at)) }
            }
            p {
                @match &test.reason {
                    None => { span.badge.good { (words.get("doors-passes")) } }
                    Some(why) => { span.badge.bad { (words.get("doors-refused")) } " " (reason(words, why)) }
                }
            }
            table.wide {
                caption.unseen { (words.get("doors-gates")) }
                thead { tr {
                    th scope="col" { (words.get("doors-gate")) }
                    th scope="col" { (words.get("doors-answer")) }
                    th scope="col" { (words.get("doors-is")) }
                    th scope="col" { (words.get("doors-must-be")) }
                } }
                tbody { @for gate in &test.gates { (row(words, gate)) } }
            }
            @if !test.assurance.is_empty() { p.soft { (permits::asks(words, &test.assurance)) } }
        }
    }
}

fn row(words: &Words, gate: &GateForm) -> Markup {
    html! { tr {
        th scope="row" { (gate.name) }
        td {
            @if gate.passed { span.badge.good { (words.get("doors-gate-passed")) } }
            @else if gate.cannot_judge { span.badge.warn { (words.get("doors-gate-unsure")) } }
            @else { span.badge.bad { (words.get("doors-gate-failed")) } }
        }
        td data-label=(words.get("doors-is")) { (gate.input) }
        td data-label=(words.get("doors-must-be")) { (gate.limit) }
    } }
}
