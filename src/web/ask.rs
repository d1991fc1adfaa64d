//! Asking the API in this process.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request};
use axum::response::Response;
use bytes::BytesMut;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::refusal::Refusal;
use super::session::Session;
use crate::api::{Caller, ErrorBody};

/// The limit for an answer. A backup, which takes longer, is passed on as a stream.
const WITHIN: Duration = Duration::from_secs(60);
/// The limit for a photograph, which waits for those before it and for the networks.
const PHOTOGRAPH_WITHIN: Duration = Duration::from_secs(240);

impl Session {
    /// What the API answers to GET.
    ///
    /// # Errors
    /// A page with the API's own words and status.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        let answer = self.answer(Method::GET, path, Body::empty()).await?;
        self.read(answer).await
    }

    /// What the API answers to a request with a body.
    ///
    /// # Errors
    /// A page with the API's own words and status.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Refusal> {
        let body = serde_json::to_vec(body).map_err(|error| Refusal::failed(self.words(), &error))?;
        let answer = self.answer(method, path, Body::from(body)).await?;
        self.read(answer).await
    }

    /// The API's answer as it comes, for pictures and files.
    ///
    /// # Errors
    /// A page with the API's own words and status.
    pub async fn answer(&self, method: Method, path: &str, body: Body) -> Result<Response, Refusal> {
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json").body(body);
        let mut request = request.map_err(|error| Refusal::failed(self.words(), &error))?;
        let account = self.account();
        request.extensions_mut().insert(Caller::Web { name: account.name.clone(), role: account.role });
        let within = if path.starts_with("/v1/photographs") { PHOTOGRAPH_WITHIN } else { WITHIN };
        let asked = timeout(within, self.site().api.clone().oneshot(request)).await;
        let answer = match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(never)) => match never {},
            Err(late) => return Err(Refusal::failed(self.words(), &late)),
        };
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let plain = |error| ErrorBody { error, remedy: None };
        let body = match answer.into_body().collect().await {
            Ok(body) => serde_json::from_slice(&body.to_bytes()).unwrap_or_else(|_| plain(status.to_string())),
            Err(error) => plain(error.to_string()),
        };
        Err(Refusal::of_api(self.words(), status, body))
    }

    /// The items of an endless answer.
    ///
    /// # Errors
    /// A page with the API's own words and status.
    pub async fn lines<T: DeserializeOwned>(&self, path: &str) -> Result<Lines<T>, Refusal> {
        let answer = self.answer(Method::GET, path, Body::empty()).await?;
        Ok(Lines::new(answer.into_body()))
    }

    async fn read<T: DeserializeOwned>(&self, answer: Response) -> Result<T, Refusal> {
        let failed = |error: &dyn std::fmt::Display| Refusal::failed(self.words(), error);
        let body = answer.into_body().collect().await.map_err(|error| failed(&error))?;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| failed(&error))
    }
}

/// The items of an endless answer: a line of JSON each.
pub struct Lines<T> {
    body: BodyDataStream,
    buffer: BytesMut,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Lines<T> {
    fn new(body: Body) -> Lines<T> {
        Lines { body: body.into_data_stream(), buffer: BytesMut::new(), of: std::marker::PhantomData }
    }

    /// The next item; `None` at the end.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end.saturating_add(1));
                if let Ok(item) = serde_json::from_slice(&line) {
                    return Some(item);
                }
                continue;
            }
            self.buffer.extend_from_slice(&self.body.next().await?.ok()?);
        }
    }
}
