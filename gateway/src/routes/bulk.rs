//! `/Bulk` (RFC 7644 §3.7): many writes in one request. Each runs through the routes that single requests take
//! (`door.rs`), one after the other (`run.rs`): whether two of them may change places, only the directory could tell.

mod circle;
mod door;
mod run;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::request::Parts;
use serde_json::Value;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::instrument;

use self::door::RouterDoor;
use self::run::{Run, Times};
use crate::extract::{AnswerBy, BodyError, ScimJson};
use crate::response;
use crate::scim::bulk::{self, BulkRequest, MAX_PAYLOAD_BYTES};
use crate::scim::error::ScimError;
use crate::translate::link::BaseUrl;
use crate::upstream::{Gateway, TenantDirectory};

/// How much of the time until the answer is left for the answer itself, after the last operation.
const ANSWER_TAKES: Duration = Duration::from_secs(5);
/// How long the operation that is begun last may take, so that few are cut off halfway.
const OPERATION_TAKES: Duration = Duration::from_secs(10);

/// `POST /Bulk`.
#[instrument(name = "scim.bulk", skip_all, fields(scim.operations = Empty))]
pub async fn bulk(
    State(gateway): State<Gateway>,
    directory: TenantDirectory,
    base: BaseUrl,
    parts: Parts,
    body: Result<ScimJson<MAX_PAYLOAD_BYTES>, BodyError>,
) -> Result<Response, Response> {
    let ScimJson(body) = body.map_err(refused)?;
    let results = run(gateway, &directory, &base, parts, body).await;
    results.map_err(ScimError::into_response)
}

async fn run(
    gateway: Gateway,
    directory: &TenantDirectory,
    base: &BaseUrl,
    parts: Parts,
    body: Value,
) -> Result<Response, ScimError> {
    if !directory.caller().provisions {
        return Err(ScimError::new(
            403,
            "A bulk request only writes, and the token lacks scope provision: issue one that has it, and send that.",
        ));
    }
    let request = BulkRequest::parse(body, base.as_str())?;
    tracing::Span::current().record("scim.operations", request.operations.len());
    let times = times(parts.extensions.get().copied());
    let door = RouterDoor::new(gateway, directory.clone(), parts);
    let results = Run::new(&door, base, request, times).finish().await;
    Ok(response::scim(StatusCode::OK, &bulk::response(results)))
}

/// An answer that comes too late would tell nobody what was done. The time runs from the head of the request, as it does for
/// every request and for whatever waits in front of us: who takes long to send the body leaves less of it for the operations,
/// and those that are not begun in it are told so, each by itself.
fn times(answer_by: Option<AnswerBy>) -> Times {
    let end = answer_by.map_or_else(Instant::now, |AnswerBy(end)| end) - ANSWER_TAKES;
    Times {
        begin_until: end - OPERATION_TAKES,
        end,
    }
}

/// The limit that was exceeded is this endpoint's own, under the name that it has in `/ServiceProviderConfig`.
fn refused(error: BodyError) -> Response {
    match error {
        BodyError::TooLarge(bytes) => ScimError::new(
            413,
            format!("The bulk request is larger than maxPayloadSize ({bytes} bytes); send several."),
        )
        .into_response(),
        other => other.into_response(),
    }
}
