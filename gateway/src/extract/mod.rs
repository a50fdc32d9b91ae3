//! What a handler takes from a request: the JSON body, the query, the id in the path, and the preconditions. Each is
//! checked here, so that handlers only see good ones.

mod accept;
mod body;
mod header;
mod host;
mod json;
mod memory;
mod preconditions;
mod query;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use uuid::Uuid;

pub use self::accept::{MediaType, takes_a_coding};
pub use self::body::{BodyError, BodyTime, ScimJson};
pub use self::host::{Forwarded, Host};
pub use self::memory::BodyMemory;
pub use self::preconditions::{IfMatch, IfNoneMatch};
pub use self::query::ScimQuery;
use crate::scim::error::ScimError;

/// When the server gives up on an answer that has not begun.
#[derive(Clone, Copy)]
pub struct AnswerBy(pub tokio::time::Instant);

/// The id that this request has in logs, traces and change records.
#[derive(Clone)]
pub struct RequestId(pub String);

/// The `{id}` of a path. Ours are UUIDs in lower case with dashes; every other text is the id of nothing.
pub struct ResourceId(pub String);

impl<S: Send + Sync> FromRequestParts<S> for ResourceId {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ScimError> {
        let unknown = || ScimError::not_found("There is no resource with this id.");
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| unknown())?;
        let parsed = Uuid::try_parse(&id).map_err(|_| unknown())?;
        if parsed.hyphenated().to_string() == id {
            Ok(Self(id))
        } else {
            Err(unknown())
        }
    }
}
