//! What handlers take from a request and give back, each described for OpenAPI.

use std::convert::Infallible;
use std::marker::PhantomData;

use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, ReferenceOr, RequestBody, Response as DescribedResponse, SchemaObject};
use aide::{OperationInput, OperationOutput};
use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::users::user_name;
use crate::accounts::Role;
use crate::domain::Actor;

/// Who makes a request. The transport puts it into each request's extensions.
#[derive(Clone, Debug)]
pub enum Caller {
    /// The user at the other end of the control socket, as the kernel reports; `None` where it does not.
    User(Option<u32>),
    /// An account of the page, or a token of a program.
    Web { name: String, role: Role },
}

/// Whoever makes the request, as records name them.
pub struct Operator(pub Actor);

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Operator, ApiError> {
        match parts.extensions.get::<Caller>().cloned() {
            Some(Caller::Web { name, .. }) => Ok(Operator(Actor::Web(name))),
            Some(Caller::User(Some(uid))) => blocking(move || Ok(Operator(Actor::Operator(user_name(uid))))).await,
            Some(Caller::User(None)) => Ok(Operator(Actor::Operator("unknown user".to_owned()))),
            None => Err(ApiError::Failed("the transport does not say who asks".to_owned())),
        }
    }
}

impl OperationInput for Operator {}

/// A body of JSON.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<JsonBody<T>, ApiError> {
        let Json(body) = Json::<T>::from_request(request, state).await?;
        Ok(JsonBody(body))
    }
}

impl<T: JsonSchema> OperationInput for JsonBody<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Json::<T>::operation_input(ctx, operation);
    }
}

/// A body of bytes: a picture.
pub struct PictureBody(pub bytes::Bytes);

impl<S: Send + Sync> FromRequest<S> for PictureBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<PictureBody, ApiError> {
        bytes::Bytes::from_request(request, state).await.map(PictureBody).map_err(|rejection| {
            match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
                _ => ApiError::CutShort,
            }
        })
    }
}

impl OperationInput for PictureBody {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let body = RequestBody {
            description: Some("A JPEG, PNG, BMP or WebP picture.".to_owned()),
            content: [(BYTES.to_owned(), MediaType::default())].into_iter().collect(),
            required: true,
            ..RequestBody::default()
        };
        operation.request_body = Some(ReferenceOr::Item(body));
    }
}

/// The parameters after the `?`.
pub struct QueryOf<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<QueryOf<T>, ApiError> {
        let Query(query) = Query::<T>::from_request_parts(parts, state).await?;
        Ok(QueryOf(query))
    }
}

impl<T: JsonSchema> OperationInput for QueryOf<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Query::<T>::operation_input(ctx, operation);
    }
}

/// The parameters in the path.
pub struct PathOf<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<PathOf<T>, ApiError> {
        let Path(path) = Path::<T>::from_request_parts(parts, state).await?;
        Ok(PathOf(path))
    }
}

impl<T: JsonSchema> OperationInput for PathOf<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Path::<T>::operation_input(ctx, operation);
    }
}

/// An endless answer: a line of JSON for each `T`.
pub struct Lines<T> {
    body: Body,
    of: PhantomData<T>,
}

impl<T> Lines<T> {
    /// `body` must hold lines of JSON.
    pub fn new(body: Body) -> Lines<T> {
        Lines { body, of: PhantomData }
    }
}

const LINES: &str = "application/x-ndjson";

impl<T> IntoResponse for Lines<T> {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, LINES)], self.body).into_response()
    }
}

impl<T: JsonSchema> OperationOutput for Lines<T> {
    type Inner = T;

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, DescribedResponse)> {
        vec![(Some(200), described(LINES, "A line for each item, without end.", Some(ctx.schema.subschema_for::<T>())))]
    }
}

/// An answer of bytes.
pub struct Bytes(pub Body);

const BYTES: &str = "application/octet-stream";

impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, BYTES)], self.0).into_response()
    }
}

impl OperationOutput for Bytes {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, DescribedResponse)> {
        vec![(Some(200), described(BYTES, "The file.", None))]
    }
}

/// An answer that is a JPEG file. No cache keeps it.
pub struct JpegFile(pub axum::body::Bytes);

const JPEG: &str = "image/jpeg";

impl IntoResponse for JpegFile {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, JPEG), (CACHE_CONTROL, "no-store")], self.0).into_response()
    }
}

impl OperationOutput for JpegFile {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, DescribedResponse)> {
        vec![(Some(200), described(JPEG, "The picture.", None))]
    }
}

/// An endless answer of pictures, each of which replaces the one before: Motion-JPEG over HTTP, which browsers show as a picture that moves.
pub struct MotionJpeg(Body);

/// What separates the parts of a [`MotionJpeg`]; RFC 2046, section 5.1.
const BOUNDARY: &str = "usher-picture";
const MOTION_JPEG: &str = "multipart/x-mixed-replace; boundary=usher-picture";

impl MotionJpeg {
    /// Of these JPEGs.
    pub fn new(pictures: impl Stream<Item = axum::body::Bytes> + Send + 'static) -> MotionJpeg {
        let parts = pictures.map(|jpeg| {
            let head = format!("--{BOUNDARY}\r\nContent-Type: {JPEG}\r\nContent-Length: {}\r\n\r\n", jpeg.len());
            Ok::<_, Infallible>(axum::body::Bytes::from([head.as_bytes(), &jpeg, b"\r\n"].concat()))
        });
        MotionJpeg(Body::from_stream(parts))
    }
}

impl IntoResponse for MotionJpeg {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, MOTION_JPEG), (CACHE_CONTROL, "no-store")], self.0).into_response()
    }
}

impl OperationOutput for MotionJpeg {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, DescribedResponse)> {
        vec![(Some(200), described(MOTION_JPEG, "A part for each picture, without end.", None))]
    }
}

/// An answer of text for Prometheus.
pub struct MetricsPage {
    pub content_type: &'static str,
    pub text: String,
}

impl IntoResponse for MetricsPage {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, self.content_type)], self.text).into_response()
    }
}

impl OperationOutput for MetricsPage {
    type Inner = String;

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, DescribedResponse)> {
        let schema = ctx.schema.subschema_for::<String>();
        vec![(Some(200), described("text/plain", "The metrics in Prometheus's text format.", Some(schema)))]
    }
}

fn described(content_type: &str, description: &str, schema: Option<schemars::Schema>) -> DescribedResponse {
    let schema = schema.map(|json_schema| SchemaObject { json_schema, external_docs: None, example: None });
    DescribedResponse {
        description: description.to_owned(),
        content: [(content_type.to_owned(), MediaType { schema, ..MediaType::default() })].into_iter().collect(),
        ..DescribedResponse::default()
    }
}

/// Runs what touches the disk or waits for a thread off the runtime's own threads.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Err(ApiError::Failed(error.to_string())),
    }
}
