//! `DirectoryClient`: the client that the gateway, the `rollcall` command and internal services use. It carries the
//! caller's token, request id and trace on every call, sets a deadline, and sends again what never reached a server.

use std::error::Error as StdError;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use secrecy::{ExposeSecret as _, SecretString};
use tonic::body::Body;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tower::{Service, ServiceExt as _};

use crate::v1::activation_service_client::ActivationServiceClient;
use crate::v1::group_service_client::GroupServiceClient;
use crate::v1::search_service_client::SearchServiceClient;
use crate::v1::tenant_service_client::TenantServiceClient;
use crate::v1::token_service_client::TokenServiceClient;
use crate::v1::user_service_client::UserServiceClient;

/// The metadata key of the request id, which logs and change records carry.
pub const REQUEST_ID: &str = "x-request-id";
/// The metadata key by which an operator's call names its tenant.
pub const TENANT: &str = "rollcall-tenant";
/// The largest message of a group call (100,000 member ids and room to spare); others stay far below.
pub const MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;
/// The most nodes of a `Filter`.
pub const MAX_FILTER_NODES: usize = 1_000;
/// The most levels of a `Filter`.
pub const MAX_FILTER_DEPTH: usize = 64;
/// How long a page token is good for.
pub const PAGE_TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A server that cannot be reached for so long is not tried again.
const WAIT_FOR_SERVER: Duration = Duration::from_secs(2);
const UNSENT_RETRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// Says whether a text can be a request id: 1 to 64 ASCII letters, digits and dashes, such as a UUID. Request ids stand in
/// logs and change records, so what could be a mail address or a token of ours is none.
pub fn is_request_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The address of a directory is not `http://host:port` or `https://host:port`.
#[derive(Debug, thiserror::Error)]
#[error("the directory's address must look like http://127.0.0.1:50051")]
pub struct InvalidEndpoint;

/// A text that cannot be sent as metadata: it must be visible ASCII.
#[derive(Debug, thiserror::Error)]
#[error("{0} must be visible ASCII")]
pub struct InvalidMetadata(&'static str);

/// A directory as one caller sees it. Cheap to clone; connects when it is first used.
#[derive(Clone, Debug)]
pub struct DirectoryClient {
    channel: RetryUnsent,
    call: CallContext,
}

/// The connection of a generated client of ours.
pub type Connection = InterceptedService<RetryUnsent, CallContext>;

impl DirectoryClient {
    /// A client without a token. It connects lazily, so that a directory that is not there yet is no error here.
    ///
    /// # Errors
    /// [`InvalidEndpoint`] if the address is no URL with a host.
    pub fn new(endpoint: &str) -> Result<Self, InvalidEndpoint> {
        let endpoint = Endpoint::from_shared(endpoint.to_owned()).map_err(|_| InvalidEndpoint)?;
        if endpoint.uri().host().is_none() || endpoint.uri().scheme().is_none() {
            return Err(InvalidEndpoint);
        }
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true)
            .tcp_nodelay(true)
            .connect_lazy();
        let call = CallContext {
            token: None,
            tenant: None,
            request_id: None,
            timeout: DEFAULT_TIMEOUT,
        };
        Ok(Self {
            channel: RetryUnsent { channel },
            call,
        })
    }

    /// The same directory, called with this bearer token.
    ///
    /// # Errors
    /// [`InvalidMetadata`] if the token is not visible ASCII; no token of ours is.
    pub fn with_token(mut self, token: &SecretString) -> Result<Self, InvalidMetadata> {
        let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.expose_secret())
            .parse()
            .map_err(|_| InvalidMetadata("the token"))?;
        value.set_sensitive(true);
        self.call.token = Some(value);
        Ok(self)
    }

    /// The same directory, for an operator who means this tenant.
    ///
    /// # Errors
    /// [`InvalidMetadata`] if the slug is not visible ASCII; no slug is.
    pub fn for_tenant(mut self, slug: &str) -> Result<Self, InvalidMetadata> {
        self.call.tenant = Some(slug.parse().map_err(|_| InvalidMetadata("the tenant's slug"))?);
        Ok(self)
    }

    /// The same directory, with the request id that logs and change records shall carry.
    ///
    /// # Errors
    /// [`InvalidMetadata`] unless [`is_request_id`].
    pub fn with_request_id(mut self, id: &str) -> Result<Self, InvalidMetadata> {
        if !is_request_id(id) {
            return Err(InvalidMetadata("the request id"));
        }
        self.call.request_id = Some(id.parse().map_err(|_| InvalidMetadata("the request id"))?);
        Ok(self)
    }

    /// The same directory, with another deadline for each call than 10 seconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.call.timeout = timeout;
        self
    }

    /// The users.
    pub fn users(&self) -> UserServiceClient<Connection> {
        UserServiceClient::with_interceptor(self.channel.clone(), self.call.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// The groups and their members.
    pub fn groups(&self) -> GroupServiceClient<Connection> {
        GroupServiceClient::with_interceptor(self.channel.clone(), self.call.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Users and groups together.
    pub fn search(&self) -> SearchServiceClient<Connection> {
        SearchServiceClient::with_interceptor(self.channel.clone(), self.call.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Activation codes and their mails.
    pub fn activations(&self) -> ActivationServiceClient<Connection> {
        ActivationServiceClient::with_interceptor(self.channel.clone(), self.call.clone())
    }

    /// The tenants.
    pub fn tenants(&self) -> TenantServiceClient<Connection> {
        TenantServiceClient::with_interceptor(self.channel.clone(), self.call.clone())
    }

    /// The tokens.
    pub fn tokens(&self) -> TokenServiceClient<Connection> {
        TokenServiceClient::with_interceptor(self.channel.clone(), self.call.clone())
    }
}

/// What every call of one caller carries.
#[derive(Clone)]
pub struct CallContext {
    token: Option<MetadataValue<Ascii>>,
    tenant: Option<MetadataValue<Ascii>>,
    request_id: Option<MetadataValue<Ascii>>,
    timeout: Duration,
}

impl std::fmt::Debug for CallContext {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CallContext")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Interceptor for CallContext {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.set_timeout(self.timeout);
        let metadata = request.metadata_mut();
        if let Some(token) = &self.token {
            metadata.insert("authorization", token.clone());
        }
        if let Some(tenant) = &self.tenant {
            metadata.insert(TENANT, tenant.clone());
        }
        if let Some(id) = &self.request_id {
            metadata.insert(REQUEST_ID, id.clone());
        }
        crate::trace::inject(metadata);
        Ok(request)
    }
}

/// A channel that sends a call again if the connection to the server could not be made. Such a call reached no
/// server, so this is safe for every method. All calls of `directory.v1` have one message as their request.
#[derive(Clone, Debug)]
pub struct RetryUnsent {
    channel: Channel,
}

impl Service<http::Request<Body>> for RetryUnsent {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(())) // each attempt below waits for the channel itself
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let channel = self.channel.clone();
        Box::pin(send(channel, request))
    }
}

async fn send<S>(mut channel: S, request: http::Request<Body>) -> Result<S::Response, S::Error>
where
    S: Service<http::Request<Body>>,
    S::Error: StdError + 'static,
{
    let (parts, body) = request.into_parts();
    // The body is made by our own codec from one message in memory: collecting it can neither wait nor fail.
    let bytes: Bytes = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut attempt = 0;
    loop {
        let body = Body::new(Full::new(bytes.clone()));
        let again = http::Request::from_parts(parts.clone(), body);
        let answer = match channel.ready().await {
            Ok(ready) => ready.call(again).await,
            Err(error) => Err(error),
        };
        match answer {
            Err(error) if attempt < UNSENT_RETRIES && begun.elapsed() < WAIT_FOR_SERVER && is_connect_error(&error) => {
                attempt += 1;
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            answer => return answer,
        }
    }
}

fn is_connect_error(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<tonic::ConnectError>().is_some() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn an_address_without_scheme_or_host_is_refused() {
        for address in ["", "127.0.0.1", "/tmp/socket", "http://"] {
            assert!(DirectoryClient::new(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_request_id_cannot_be_an_address_or_a_token() {
        assert!(is_request_id("7f6d-A0b"));
        assert!(!is_request_id(""));
        assert!(!is_request_id("jo@example.com"));
        assert!(!is_request_id("rc_1_2"));
        assert!(!is_request_id(&"x".repeat(65)));
    }

    /// Sends a call to a server that answers each attempt as `answer` says, given the attempt's number.
    async fn attempts<E>(answer: impl Fn(u32) -> Result<(), E>) -> (Result<(), E>, u32)
    where
        E: StdError + 'static,
    {
        let attempts = AtomicU32::new(0);
        let server = tower::service_fn(|request: http::Request<Body>| {
            let number = attempts.fetch_add(1, Ordering::Relaxed) + 1;
            let answer = answer(number);
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body, "a message");
                answer
            }
        });
        let body = Body::new(Full::new(Bytes::from_static(b"a message")));
        let answer = send(server, http::Request::new(body)).await;
        (answer, attempts.into_inner())
    }

    #[tokio::test]
    async fn a_call_that_reached_no_server_is_sent_again_whole() {
        let refused = || tonic::ConnectError("refused".into());

        let (answer, attempts) = attempts(|number| if number < 3 { Err(refused()) } else { Ok(()) }).await;

        assert!(answer.is_ok());
        assert_eq!(attempts, 3);
    }

    #[tokio::test]
    async fn a_call_that_may_have_reached_a_server_is_not_sent_again() {
        let (answer, attempts) = attempts(|_| Err(std::io::Error::other("broken pipe"))).await;

        assert!(answer.is_err());
        assert_eq!(attempts, 1);
    }

    #[tokio::test]
    async fn a_refused_connection_counts_as_not_sent() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        drop(listener); // nobody listens now
        let mut channel = Endpoint::from_shared(endpoint).unwrap().connect_lazy();

        let request = http::Request::new(Body::empty());
        let error = channel.ready().await.unwrap().call(request).await.unwrap_err();

        assert!(is_connect_error(&error), "{error:?}");
    }
}
