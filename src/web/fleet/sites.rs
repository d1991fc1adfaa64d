//! A site of the fleet: its people, its rules, and its lockdown.

use maud::{Markup, html};

use super::super::query::escape;
use super::Session;
use crate::accounts::Permission;
use crate::api::fleet::SiteRow;

/// The card of a site.
pub fn card(session: &Session, row: &SiteRow) -> Markup {
    let t = session.words();
    html! {
        section.card {
            h3 { (row.site) }
            dl.facts {
                dt { (t.get("area-people")) }
                dd {
                    @if session.may(Permission::Attendance) { a href={ "/people?site=" (escape(&row.site)) } { (row.people) } }
                    @else { (row.people) }
                }
                dt { (t.get("fleet-rules")) } dd { (row.rules) }
                dt { (t.get("fleet-access")) }
                dd {
                    @match row.access {
                        0 => (t.get("fleet-access-of-boards")),
                        version => (t.with("fleet-rules-number", &[("version", version.into())])),
                    }
                }
                dt { (t.get("fleet-key")) } dd { (row.epoch) }
            }
            p role="status" {
                @match &row.lockdown {
                    Some(lockdown) => { span.badge.bad { (t.get("fleet-locked-down")) } " " (lockdown) }
                    None => { span.badge.good { (t.get("fleet-normal")) } }
                }
            }
            @if session.may(Permission::Operate) { (orders(session, row)) }
        }
    }
}

/// The forms that begin and end the lockdown.
fn orders(session: &Session, row: &SiteRow) -> Markup {
    let (t, site) = (session.words(), row.site.as_str());
    let action = format!("/fleet/sites/{}/lockdown", escape(site));
    let named = [("site", site.into())];
    html! {
        div.acts {
            details.confirm {
                summary { (t.get("fleet-lock-down")) }
                form method="post" action=(action) {
                    (session.csrf())
                    input type="hidden" name="on" value="true";
                    p { (t.with("fleet-lock-down-sure", &named)) }
                    label { (t.get("fleet-lockdown-group")) input name="group" maxlength="100" autocomplete="off"; }
                    p { button.danger { (t.get("fleet-lock-down")) } }
                }
            }
            @if row.lockdown.is_some() {
                details.confirm {
                    summary { (t.get("fleet-end-lockdown")) }
                    form method="post" action=(action) {
                        (session.csrf())
                        input type="hidden" name="on" value="false";
                        p { (t.with("fleet-end-lockdown-sure", &named)) }
                        p { button.danger { (t.get("fleet-end-lockdown")) } }
                    }
                }
            }
        }
    }
}
