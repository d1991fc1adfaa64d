//! What each request needs, in one table, and the layer that asks for it before the request reaches its handler. A user at the control socket
//! may do everything: the socket's own mode says who may connect.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

use super::error::ApiError;
use super::extract::Caller;
use crate::accounts::Permission::{self, Administer, Attendance, Operate, See};

/// Method, path as it is routed, permission. Whoever may [`Attendance`] sees people's names.
const TABLE: &[(&str, &str, Permission)] = &[
    ("GET", "/v1/status", See),
    ("GET", "/metrics", See),
    ("GET", "/v1/checks", See),
    ("GET", "/v1/figures", See),
    // It holds embeddings.
    ("GET", "/v1/views", Administer),
    ("POST", "/v1/doors", Operate),
    ("POST", "/v1/admit", Operate),
    ("POST", "/v1/amnesty", Operate),
    ("GET", "/v1/live", See),
    ("GET", "/v1/cameras", See),
    ("GET", "/v1/cameras/{name}/picture", See),
    ("GET", "/v1/cameras/{name}/stream", See),
    ("POST", "/v1/cameras/{name}/aim", Operate),
    // It changes the configuration.
    ("POST", "/v1/cameras/{name}/rotate", Administer),
    ("GET", "/v1/calendar", See),
    ("GET", "/v1/hours", See),
    ("GET", "/v1/rules", See),
    ("GET", "/v1/inside", See),
    ("GET", "/v1/schedule/test", Attendance),
    ("POST", "/v1/clock/trust", Administer),
    ("GET", "/v1/people", Attendance),
    ("POST", "/v1/people", Operate),
    ("PATCH", "/v1/people/{id}", Operate),
    ("DELETE", "/v1/people/{id}", Operate),
    ("POST", "/v1/people/import", Operate),
    ("GET", "/v1/people/{id}/export", Administer),
    ("POST", "/v1/people/{id}/erase", Administer),
    ("POST", "/v1/photographs", Operate),
    ("POST", "/v1/sittings", Operate),
    ("GET", "/v1/sittings/{sitting}", Operate),
    ("DELETE", "/v1/sittings/{sitting}", Operate),
    ("GET", "/v1/people/{id}/templates", Operate),
    ("POST", "/v1/people/{id}/templates", Operate),
    ("DELETE", "/v1/people/{id}/templates/{template}", Operate),
    ("DELETE", "/v1/people/{id}/learned", Operate),
    ("POST", "/v1/people/{id}/lookalikes", Operate),
    ("DELETE", "/v1/people/{id}/lookalikes", Operate),
    ("PUT", "/v1/people/{id}/beside", Administer),
    ("PUT", "/v1/people/{id}/pin", Operate),
    ("DELETE", "/v1/people/{id}/pin", Operate),
    ("GET", "/v1/people/{id}/tags", Operate),
    ("POST", "/v1/people/{id}/tags", Operate),
    ("DELETE", "/v1/people/{id}/tags", Operate),
    ("GET", "/v1/duress", Administer),
    ("POST", "/v1/nearest", Operate),
    ("GET", "/v1/standings", Operate),
    ("GET", "/v1/threshold", See),
    ("GET", "/v1/seal", See),
    ("GET", "/v1/unknown", Operate),
    ("DELETE", "/v1/unknown", Operate),
    ("POST", "/v1/unknown/enroll", Operate),
    ("POST", "/v1/unknown/forget", Operate),
    ("GET", "/v1/journal", See),
    ("GET", "/v1/journal/verify", See),
    ("GET", "/v1/journal/follow", See),
    ("GET", "/v1/journal/{which}", See),
    ("GET", "/v1/faces", See),
    ("GET", "/v1/faces/{record}", See),
    ("POST", "/v1/journal/erase", Administer),
    ("GET", "/v1/attendance", Attendance),
    ("GET", "/v1/attendance/day", Attendance),
    ("GET", "/v1/attendance/absent", Attendance),
    ("GET", "/v1/attendance/export", Attendance),
    ("GET", "/v1/attendance/file", Attendance),
    ("POST", "/v1/attendance/amend", Attendance),
    ("POST", "/v1/head", Administer),
    ("GET", "/v1/models", See),
    ("PUT", "/v1/models/switch", Administer),
    ("GET", "/v1/backup", Administer),
    ("GET", "/v1/accounts", Administer),
    ("POST", "/v1/accounts", Administer),
    ("PATCH", "/v1/accounts/{name}", Administer),
    ("DELETE", "/v1/accounts/{name}", Administer),
    ("GET", "/v1/tokens", Administer),
    ("POST", "/v1/tokens", Administer),
    ("DELETE", "/v1/tokens/{name}", Administer),
    ("GET", "/v1/fleet", See),
    ("GET", "/v1/fleet/sites", Attendance),
    ("GET", "/v1/fleet/sites/{site}/people", Attendance),
    ("POST", "/v1/fleet/sites/{site}/lockdown", Operate),
    // It destroys a key, and erases collected records.
    ("POST", "/v1/fleet/sites/{site}/forget", Administer),
    ("POST", "/v1/fleet/boards/{board}/revoke", Administer),
];

/// What a request needs; `path` is as it is routed, with its parameters in braces. Whatever has no row needs [`Administer`].
pub fn needed(method: &str, path: &str) -> Permission {
    let row = TABLE.iter().find(|(of_method, of_path, _)| *of_method == method && *of_path == path);
    row.map_or(Administer, |(_, _, permission)| *permission)
}

/// Lets a request through to its handler if its caller may make it.
pub(super) async fn ask(request: Request, next: Next) -> Result<Response, ApiError> {
    let role = match request.extensions().get::<Caller>() {
        Some(Caller::User(_)) => return Ok(next.run(request).await),
        Some(Caller::Web { role, .. }) => *role,
        None => return Err(ApiError::Failed("the transport does not say who asks".to_owned())),
    };
    // HEAD is answered by the handler of GET.
    let method = if request.method() == "HEAD" { "GET" } else { request.method().as_str() };
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    if role.may(needed(method, path)) { Ok(next.run(request).await) } else { Err(ApiError::Forbidden { role }) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::TABLE;
    use crate::api::openapi;

    #[test]
    fn every_operation_has_one_row() {
        let description = serde_json::to_value(openapi()).unwrap();
        let paths = description["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
        });
        let operations: BTreeSet<(String, String)> = operations.collect();
        let rows: BTreeSet<_> =
            TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
        assert_eq!(rows, operations);
        assert_eq!(rows.len(), TABLE.len(), "no row occurs twice");
    }
}
