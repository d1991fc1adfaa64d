//! Visitors whom nobody knew: what is kept of them, and forgetting them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::StatusCode;

use super::{Failure, House, Peer, blocking};
use crate::daemon::wire::{ForgottenWire, StrangersQuery, StrangersWire};
use crate::domain::Distance;
use crate::office::{StrangersError, forget_strangers, strangers};

/// `GET /v1/unknown?distance=0.9`
pub async fn list(
    State(house): State<Arc<House>>,
    Query(StrangersQuery { distance }): Query<StrangersQuery>,
) -> Result<Json<StrangersWire>, Failure> {
    if !(0.0..=2.0).contains(&distance) {
        return Err(Failure(StatusCode::UNPROCESSABLE_ENTITY, "a distance is a number from 0 to 2".into()));
    }
    blocking(move || {
        let found = strangers(&house.visitors, house.register.gallery(), Distance(distance), house.clock.wall())?;
        Ok(StrangersWire::new(&found, house.visitors.retention(), distance))
    })
    .await
}

/// `DELETE /v1/unknown`
pub async fn forget(
    State(house): State<Arc<House>>,
    ConnectInfo(Peer(by)): ConnectInfo<Peer>,
) -> Result<Json<ForgottenWire>, Failure> {
    blocking(move || {
        let forgotten = forget_strangers(&house.visitors, &house.recorder, &by)?;
        tracing::info!(forgotten, by, "the unknown visitors were erased");
        Ok(ForgottenWire { forgotten })
    })
    .await
}

impl From<StrangersError> for Failure {
    fn from(error: StrangersError) -> Failure {
        match error {
            StrangersError::Gallery(error) => error.into(),
            StrangersError::Cluster(error) => Failure(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        }
    }
}
