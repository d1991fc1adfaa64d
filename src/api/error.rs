//! What goes wrong with a request, with the HTTP status of each: the one place that maps errors to statuses.

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as DescribedResponse, SchemaObject};
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::calendar::NoCalendar;
use super::remedy::{self, Remedy};
use crate::accounts::{AccountError, Role};
use crate::gallery::{CredentialError, GalleryError};
use crate::ledger::attendance::export::ExportError;
use crate::ledger::{Broken, LedgerError};
use crate::office::fleet::history::HistoryError;
use crate::office::switch::SwitchError;
use crate::office::{AskError, ImportError, OfficeError, Refusal, StrangersError};
use crate::store::StoreError;

/// Why a request was not carried out. The text is for the operator.
#[derive(Debug, Error)]
pub enum ApiError {
    #[error(transparent)]
    Office(#[from] OfficeError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Visitors(#[from] StrangersError),
    #[error(transparent)]
    Switch(#[from] SwitchError),
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The journal's chain does not hold.
    #[error(transparent)]
    JournalBroken(#[from] Broken),
    #[error("there is no record {which}")]
    NoRecord { which: String },
    #[error("no face is kept beside record {record}")]
    NoFace { record: u64 },
    #[error("attendance cannot be computed: {0}")]
    NoAttendance(NoAttendance),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("there is no door `{name}`; the doors are {doors}")]
    NoDoor { name: String, doors: String },
    #[error("there is no camera `{name}`; there is {cameras}")]
    NoCamera { name: String, cameras: String },
    #[error("there is no sitting {number}: it was used, ended, or its time is over; begin another one")]
    NoSitting { number: u64 },
    #[error("camera {name} gives no picture{}", trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    NoPicture { name: String, trouble: Option<String> },
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error("the role {role} may not do that; ask an admin")]
    Forbidden { role: Role },
    #[error("log in first, or send a token: Authorization: Bearer …")]
    LoggedOut,
    #[error("the API has no such path; its description lists all")]
    NoRoute,
    #[error("the path does not take this method; the API's description lists all")]
    NoMethod,
    #[error("this is the office of a fleet, which does not have that: ask at the board")]
    AtBoard,
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The body is not JSON, or the query or path cannot be parsed.
    #[error("{0}")]
    Malformed(String),
    /// The request is well formed but cannot be carried out.
    #[error("{0}")]
    Invalid(String),
    #[error("the request is too large")]
    TooLarge,
    #[error("the request ended early")]
    CutShort,
    #[error("the request did not arrive in time")]
    Late,
    /// The rules or the state of the door forbid the order.
    #[error("{0}")]
    DoorRefused(String),
    #[error("the rules of the doors cannot be read: {0}")]
    RulesUnknown(#[from] RulesUnknown),
    #[error("days cannot be told apart: {0}")]
    NoCalendar(#[from] NoCalendar),
    /// A queue is full, or a thread does not answer.
    #[error("{0}")]
    Busy(&'static str),
    #[error("other backups are being made; try again when they are done")]
    BackupsBusy,
    #[error("the journal cannot be read now, and {lost} events are in no record yet: {why}")]
    JournalUnreadable { lost: u64, why: String },
    #[error("this is not the office of a fleet; ask there")]
    NoOffice,
    #[error("no daemon answers on {socket}; start it with `usher run`")]
    NoDaemon { socket: String },
    /// A fault of usher or of the machine.
    #[error("the request failed: {0}")]
    Failed(String),
}

/// Why the rules are not known, in words: a time zone or a file of holidays that cannot be read.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct RulesUnknown(pub String);

/// A time zone or a list of holidays cannot be read. Only what needs it fails.
#[derive(Clone, Debug, Error)]
#[error("{why}")]
pub struct NoAttendance {
    pub why: String,
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// What went wrong, and what to do.
    pub error: String,
    /// What else can be done about it; left out where there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
}

/// Each status that [`ApiError::status`] gives, with its meaning.
const STATUSES: [(StatusCode, &str); 11] = [
    (StatusCode::BAD_REQUEST, "The request cannot be parsed."),
    (StatusCode::UNAUTHORIZED, "The request carries no valid token."),
    (StatusCode::FORBIDDEN, "The role of the account or the token does not allow it."),
    (StatusCode::NOT_FOUND, "There is no such person, template, record, door, camera or path."),
    (StatusCode::METHOD_NOT_ALLOWED, "The path does not take this method."),
    (StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time."),
    (StatusCode::CONFLICT, "It conflicts with the current state: a name that is taken, a door's mode, a broken chain."),
    (StatusCode::PAYLOAD_TOO_LARGE, "The request is too large."),
    (StatusCode::UNPROCESSABLE_ENTITY, "The request is well formed but cannot be carried out."),
    (StatusCode::INTERNAL_SERVER_ERROR, "A fault of usher or of the machine, as a disk that fails."),
    (StatusCode::SERVICE_UNAVAILABLE, "Busy, stopping, or not running; try again."),
];

impl ApiError {
    /// The status that goes with the error.
    pub fn status(&self) -> StatusCode {
        match self {
            ApiError::Office(error) => of_the_office(error),
            ApiError::Switch(error) => of_the_switch(error),
            ApiError::Import(error) => of_an_import(error),
            ApiError::Visitors(StrangersError::Gallery(error)) => of_the_gallery(error),
            ApiError::Visitors(StrangersError::Gone) => StatusCode::NOT_FOUND,
            ApiError::Visitors(StrangersError::Cluster(_) | StrangersError::NoneGood { .. })
            | ApiError::Invalid(_)
            | ApiError::NoAttendance(_)
            | ApiError::Export(ExportError::OwnForm { .. }) => StatusCode::UNPROCESSABLE_ENTITY,
            ApiError::Ledger(LedgerError::NotAnId { .. } | LedgerError::Ambiguous { .. }) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            ApiError::Ledger(_)
            | ApiError::Store(_)
            | ApiError::Export(_)
            | ApiError::RulesUnknown(_)
            | ApiError::NoCalendar(_)
            | ApiError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            ApiError::JournalBroken(_) | ApiError::DoorRefused(_) => StatusCode::CONFLICT,
            ApiError::NoRecord { .. }
            | ApiError::NoFace { .. }
            | ApiError::NoDoor { .. }
            | ApiError::NoCamera { .. }
            | ApiError::NoSitting { .. }
            | ApiError::NoOffice
            | ApiError::NoRoute
            | ApiError::AtBoard
            | ApiError::History(HistoryError::NoRecord(_)) => StatusCode::NOT_FOUND,
            ApiError::History(HistoryError::NotAnId(_) | HistoryError::Ambiguous(_)) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            ApiError::History(HistoryError::Kept(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            ApiError::Account(error) => of_the_accounts(error),
            ApiError::Forbidden { .. } => StatusCode::FORBIDDEN,
            ApiError::LoggedOut => StatusCode::UNAUTHORIZED,
            ApiError::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            ApiError::Malformed(_) | ApiError::CutShort => StatusCode::BAD_REQUEST,
            ApiError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::Late => StatusCode::REQUEST_TIMEOUT,
            ApiError::Busy(_)
            | ApiError::BackupsBusy
            | ApiError::NoPicture { .. }
            | ApiError::JournalUnreadable { .. }
            | ApiError::NoDaemon { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl ApiError {
    /// What else can be done about the error.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            ApiError::Office(error) | ApiError::Import(ImportError::Office(error)) => remedy::of_the_office(error),
            ApiError::Switch(error) => remedy::of_the_switch(error),
            ApiError::Visitors(StrangersError::NoneGood { refusal: refusal @ Refusal::Weak { .. }, .. }) => {
                Remedy::of_photograph(refusal)
            }
            ApiError::Visitors(StrangersError::Gallery(error)) => remedy::of_the_gallery(error),
            ApiError::Account(AccountError::Unknown(_)) => Some(Remedy::ListAccounts),
            ApiError::Account(AccountError::UnknownToken(_)) => Some(Remedy::ListTokens),
            ApiError::NoRecord { .. } => Some(Remedy::ListRecords),
            ApiError::Busy(_) => Some(Remedy::Status),
            _ => None,
        }
    }
}

fn of_the_office(error: &OfficeError) -> StatusCode {
    match error {
        OfficeError::SameName { .. }
        | OfficeError::LookAlike { .. }
        | OfficeError::Duplicate { .. }
        | OfficeError::ClearlyTheirs { .. }
        | OfficeError::NotThem { .. }
        | OfficeError::LastTemplate { .. }
        | OfficeError::Outliers { .. } => StatusCode::CONFLICT,
        OfficeError::Unclear { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        OfficeError::Gallery(error) => of_the_gallery(error),
        OfficeError::Ask(AskError::DisabledThere { .. }) => StatusCode::CONFLICT,
        OfficeError::Ask(AskError::TooMany) => StatusCode::SERVICE_UNAVAILABLE,
        OfficeError::Ask(AskError::Store(_) | AskError::Request(_) | AskError::Json(_)) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        OfficeError::Ledger(_) | OfficeError::Unrecorded(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn of_an_import(error: &ImportError) -> StatusCode {
    match error {
        ImportError::Office(error) => of_the_office(error),
        ImportError::Stopped { why, .. } => of_the_office(why),
        ImportError::Nobody
        | ImportError::NoNumber(_)
        | ImportError::NoName(_)
        | ImportError::Several { .. }
        | ImportError::Again { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn of_the_accounts(error: &AccountError) -> StatusCode {
    match error {
        AccountError::Unknown(_) | AccountError::UnknownToken(_) => StatusCode::NOT_FOUND,
        AccountError::Taken(_) | AccountError::TokenTaken(_) | AccountError::LastAdmin(_) | AccountError::TooMany => {
            StatusCode::CONFLICT
        }
        AccountError::Name | AccountError::Length | AccountError::Guessable => StatusCode::UNPROCESSABLE_ENTITY,
        AccountError::Hash(_) | AccountError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn of_the_switch(error: &SwitchError) -> StatusCode {
    match error {
        SwitchError::Office(error) => of_the_office(error),
        SwitchError::Model(_) => StatusCode::UNPROCESSABLE_ENTITY,
        SwitchError::NothingToDo { .. }
        | SwitchError::FixedDistance { .. }
        | SwitchError::UnderWay { .. }
        | SwitchError::Switched { .. }
        | SwitchError::None
        | SwitchError::OfFleet
        | SwitchError::NotSwitched { .. }
        | SwitchError::Restart { .. }
        | SwitchError::Configuration { .. } => StatusCode::CONFLICT,
        SwitchError::Ledger(_) | SwitchError::Store(_) | SwitchError::Unreadable { .. } => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

fn of_the_gallery(error: &GalleryError) -> StatusCode {
    match error {
        GalleryError::NotFound { .. } | GalleryError::NoTemplate { .. } => StatusCode::NOT_FOUND,
        GalleryError::Store(_) | GalleryError::Credential(CredentialError::NoHash(_)) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        GalleryError::Credential(
            CredentialError::TagTaken { .. } | CredentialError::TagKnown | CredentialError::LabelTaken,
        ) => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl From<GalleryError> for ApiError {
    fn from(error: GalleryError) -> ApiError {
        ApiError::Office(error.into())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> ApiError {
        match rejection {
            JsonRejection::JsonDataError(error) => ApiError::Invalid(error.body_text()),
            rejection if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
            rejection => ApiError::Malformed(rejection.body_text()),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> ApiError {
        ApiError::Malformed(rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> ApiError {
        ApiError::Malformed(rejection.body_text())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status(), Json(ErrorBody { error: self.to_string(), remedy: self.remedy() })).into_response()
    }
}

impl OperationOutput for ApiError {
    type Inner = ErrorBody;

    fn operation_response(ctx: &mut GenContext, _: &mut Operation) -> Option<DescribedResponse> {
        let json_schema = ctx.schema.subschema_for::<ErrorBody>();
        let schema = Some(SchemaObject { json_schema, external_docs: None, example: None });
        let media = MediaType { schema, ..MediaType::default() };
        Some(DescribedResponse {
            content: [("application/json".to_owned(), media)].into_iter().collect(),
            ..DescribedResponse::default()
        })
    }

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, DescribedResponse)> {
        let Some(body) = Self::operation_response(ctx, operation) else { return Vec::new() };
        let with = |meaning: &str| DescribedResponse { description: meaning.to_owned(), ..body.clone() };
        STATUSES.iter().map(|(status, meaning)| (Some(status.as_u16()), with(meaning))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::office::switch::CatalogueError;

    #[test]
    fn every_status_is_described() {
        let text = || "x".to_owned();
        let errors = [
            ApiError::Office(OfficeError::Gallery(GalleryError::NotFound { wanted: text() })),
            ApiError::Office(OfficeError::Gallery(CredentialError::TagKnown.into())),
            ApiError::Office(OfficeError::Gallery(CredentialError::NoPin.into())),
            ApiError::Ledger(LedgerError::Clock),
            ApiError::Ledger(LedgerError::NotAnId { text: text() }),
            ApiError::JournalBroken(Broken { seq: 1, why: text() }),
            ApiError::NoRecord { which: text() },
            ApiError::NoDoor { name: text(), doors: text() },
            ApiError::NoFace { record: 1 },
            ApiError::NoAttendance(NoAttendance { why: text() }),
            ApiError::Export(ExportError::OwnForm { format: "x" }),
            ApiError::NoCamera { name: text(), cameras: text() },
            ApiError::NoSitting { number: 1 },
            ApiError::Import(ImportError::Nobody),
            ApiError::Import(ImportError::Office(OfficeError::Gallery(GalleryError::NoTemplates))),
            ApiError::NoRoute,
            ApiError::NoMethod,
            ApiError::AtBoard,
            ApiError::History(HistoryError::NoRecord(1)),
            ApiError::History(HistoryError::NotAnId(text())),
            ApiError::Malformed(text()),
            ApiError::Invalid(text()),
            ApiError::TooLarge,
            ApiError::CutShort,
            ApiError::Late,
            ApiError::DoorRefused(text()),
            ApiError::Busy("x"),
            ApiError::BackupsBusy,
            ApiError::JournalUnreadable { lost: 1, why: text() },
            ApiError::NoDaemon { socket: text() },
            ApiError::NoOffice,
            ApiError::Failed(text()),
            ApiError::Switch(SwitchError::None),
            ApiError::Switch(SwitchError::Model(CatalogueError::Replaced { name: text() })),
            ApiError::Switch(SwitchError::NothingToDo { name: text() }),
        ];
        for error in errors {
            let status = error.status();
            assert!(STATUSES.iter().any(|(described, _)| *described == status), "{error}: {status}");
        }
    }
}
