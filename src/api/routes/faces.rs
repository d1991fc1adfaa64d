//! Faces beside records: which there are, and each as a picture.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;

use crate::api::error::ApiError;
use crate::api::extract::{JpegFile, PathOf, blocking};
use crate::api::faces::{FacePath, KeptFaces};
use crate::api::state::ApiState;

pub fn routes() -> ApiRouter<Arc<ApiState>> {
    ApiRouter::new()
        .api_route(
            "/v1/faces",
            get_with(list, |op| {
                op.id("listFaces").tag("journal").summary("List the records beside which a face is kept")
            }),
        )
        .api_route(
            "/v1/faces/{record}",
            get_with(one, |op| op.id("getFace").tag("journal").summary("Show the face beside a record")),
        )
}

async fn list(State(state): State<Arc<ApiState>>) -> Result<Json<KeptFaces>, ApiError> {
    blocking(move || {
        let records = state.face_pictures.records(state.clock.wall())?;
        Ok(Json(KeptFaces { kept: state.face_pictures.keeps(), records }))
    })
    .await
}

async fn one(
    State(state): State<Arc<ApiState>>,
    PathOf(FacePath { record }): PathOf<FacePath>,
) -> Result<JpegFile, ApiError> {
    blocking(move || match state.face_pictures.of_record(record, state.clock.wall())? {
        Some(face) => Ok(JpegFile(face.jpeg.into())),
        None => Err(ApiError::NoFace { record }),
    })
    .await
}
