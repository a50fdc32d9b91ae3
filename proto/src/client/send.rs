//! One call: which replica it goes to, when it is sent again, and when it is given up.
//!
//! | what happened | is sent again |
//! |---|---|
//! | no connection, or the connection ended before the call was sent or taken | always: no server has seen it |
//! | the connection broke under the call, or UNAVAILABLE without the directory's own reason | calls that only read |
//! | anything else | never |

use std::error::Error as StdError;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderValue;
use http_body_util::{BodyExt as _, Full};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service, ServiceExt as _};

use super::replicas::Replicas;
use super::{Balanced, DEFAULT_TIMEOUT, Deadline};

/// A directory that cannot be reached for so long is waited for no more.
const WAIT_FOR_SERVER: Duration = Duration::from_secs(2);
/// How often a call is sent again that no server has seen.
const UNSENT_RETRIES: u32 = 6;
/// How often a call is sent again that only reads.
const READ_RETRIES: u32 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// The channel of a directory with any number of replicas.
#[derive(Clone, Debug)]
pub struct DirectoryChannel(pub(super) Arc<Balanced>);

impl Service<http::Request<Body>> for DirectoryChannel {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(())) // each attempt waits for a replica by itself
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let balanced = self.0.clone(); // its keeper lives as long as the call
        Box::pin(async move { send(&balanced.replicas, request).await })
    }
}

/// Sends a call of one message, as all calls of `directory.v1` are.
pub(super) async fn send<S>(
    replicas: &Replicas<S>,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, Status>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone,
    S::Error: StdError + Send + Sync + 'static,
{
    let (mut parts, body) = request.into_parts();
    // The body is made by our own codec from one message in memory: collecting it can neither wait nor fail.
    let collected = body.collect().await;
    let bytes: Bytes = collected.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let begun = Instant::now();
    let deadline = parts
        .extensions
        .remove::<Deadline>()
        .map_or_else(|| begun + DEFAULT_TIMEOUT, |Deadline(deadline)| deadline);
    let only_reads = only_reads(parts.uri.path());
    let (mut unsent, mut reads, mut pause) = (0, 0, FIRST_PAUSE);
    let mut not_at: Option<Arc<str>> = None;
    loop {
        if deadline <= Instant::now() {
            return Err(too_late());
        }
        let patience = deadline.min(begun + WAIT_FOR_SERVER.max(begun.elapsed()));
        let Some(drawn) = replicas.draw(not_at.as_deref(), patience).await else {
            let failure = replicas.failure().unwrap_or_else(|| "it has no address".to_owned());
            return Err(Status::unavailable(format!("no directory answers: {failure}")));
        };
        let mut attempt = http::Request::from_parts(parts.clone(), Body::new(Full::new(bytes.clone())));
        let left = deadline.saturating_duration_since(Instant::now());
        attempt.headers_mut().insert("grpc-timeout", timeout_header(left));
        let mut channel = drawn.channel();
        let call = async { channel.ready().await?.call(attempt).await };
        let answer = timeout_at(deadline, call).await;
        let outcome = match answer {
            Ok(Ok(response)) if !is_transient(&response) => return Ok(response),
            Ok(Ok(response)) => Outcome::Away(Ok(response)),
            // Slow is not away: a connection that is dead ends by its keepalive.
            Err(_) => return Err(too_late()),
            Ok(Err(error)) if finds::<tonic::TimeoutExpired>(&error) => return Err(too_late()),
            Ok(Err(error)) if was_not_taken(&error) => Outcome::NotTaken(error),
            Ok(Err(error)) => Outcome::Away(Err(error)),
        };
        replicas.suspect(&drawn.replica);
        let is_worth_it = begun.elapsed() < WAIT_FOR_SERVER || replicas.count() > 0;
        match outcome {
            Outcome::NotTaken(_) if unsent < UNSENT_RETRIES && is_worth_it => unsent += 1,
            Outcome::Away(_) if only_reads && reads < READ_RETRIES => reads += 1,
            Outcome::Away(Ok(response)) => return Ok(response),
            Outcome::NotTaken(error) | Outcome::Away(Err(error)) => return Err(Status::from_error(Box::new(error))),
        }
        not_at = Some(drawn.replica.address.clone());
        drop(drawn);
        if timeout_at(deadline, sleep(pause)).await.is_err() {
            return Err(too_late());
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn too_late() -> Status {
    Status::deadline_exceeded("the directory did not answer in time")
}

enum Outcome<E> {
    /// No server has seen the call.
    NotTaken(E),
    /// The server went away, and may have seen the call.
    Away(Result<http::Response<Body>, E>),
}

/// Whether a method changes nothing, so that it may be called twice.
pub(super) fn only_reads(path: &str) -> bool {
    let method = path.rsplit('/').next().unwrap_or_default();
    ["Get", "BatchGet", "List", "Search", "Explain", "Check", "WhoAmI"]
        .iter()
        .any(|verb| method.starts_with(verb))
}

/// UNAVAILABLE from a server that stops, or from a proxy. The directory's own refusals carry details, and say by
/// themselves when to try again.
fn is_transient(response: &http::Response<Body>) -> bool {
    let headers = response.headers();
    headers
        .get("grpc-status")
        .is_some_and(|status| Code::from_bytes(status.as_bytes()) == Code::Unavailable)
        && !headers.contains_key("grpc-status-details-bin")
}

/// Whether the call certainly reached no server: there was no connection, or it ended before the call was written, or the
/// server said that it did not take it (RFC 9113 §6.8, §8.7).
fn was_not_taken(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|error| {
        error.is::<tonic::ConnectError>()
            || error
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_canceled)
            || error.downcast_ref::<h2::Error>().is_some_and(was_refused)
    })
}

fn finds<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|error| error.is::<E>())
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

fn was_refused(error: &h2::Error) -> bool {
    let gently_away = error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR);
    gently_away || error.reason() == Some(h2::Reason::REFUSED_STREAM)
}

/// The time that is left, as gRPC writes it: at most eight digits.
fn timeout_header(left: Duration) -> HeaderValue {
    let milliseconds = (left.as_millis() + 1).min(99_999_999);
    HeaderValue::from_str(&format!("{milliseconds}m")).unwrap_or_else(|_| HeaderValue::from_static("10000m"))
}
