//! `DirectoryClient`: the client that the gateway, the `rollcall` command and internal services use. It carries the
//! caller's token, request id and trace on every call, sets a deadline, and sends again what never reached a server.

mod connector;
mod replicas;
mod resolve;
mod send;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};

pub use self::resolve::Resolve;
pub use self::send::DirectoryChannel;
pub use self::target::{InvalidTarget, Target};

use self::connector::Connector;
use self::replicas::Replicas;
use crate::tls::ClientTls;
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

/// Says whether a text can be a request id: 1 to 64 ASCII letters, digits and dashes, such as a UUID. Request ids stand in
/// logs and change records, so what could be a mail address or a token of ours is none.
pub fn is_request_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A text that cannot be sent as metadata: it must be visible ASCII.
#[derive(Debug, thiserror::Error)]
#[error("{0} must be visible ASCII")]
pub struct InvalidMetadata(&'static str);

/// A directory as one caller sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DirectoryClient {
    channel: DirectoryChannel,
    call: CallContext,
}

/// The connection of a generated client of ours.
pub type Connection = InterceptedService<DirectoryChannel, CallContext>;

impl DirectoryClient {
    /// A client of the directory at this address, without a token and without encryption. A directory that is not there yet
    /// is no error here. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`InvalidTarget`] if the text is no [`Target`], or wants encryption: that needs [`DirectoryClient::at`].
    pub fn new(address: &str) -> Result<Self, InvalidTarget> {
        Self::at(&address.parse()?, None)
    }

    /// A client of the directory at `target`: of all its replicas, if it has several. Addresses are looked up again every
    /// 10 seconds, and when one does not answer.
    ///
    /// # Errors
    /// [`InvalidTarget`] if the target wants encryption and there is no `tls`, or the other way round, or if it has no name that a
    /// certificate could have.
    pub fn at(target: &Target, tls: Option<Arc<ClientTls>>) -> Result<Self, InvalidTarget> {
        if target.encrypted().is_some_and(|encrypted| encrypted != tls.is_some()) {
            return Err(InvalidTarget);
        }
        Self::resolved_by(target.clone(), target, tls)
    }

    /// A client of the directory whose addresses `resolver` tells, and whose certificate has the name of `target`.
    ///
    /// # Errors
    /// [`InvalidTarget`] if the target has no name that a certificate could have.
    pub fn resolved_by(
        resolver: impl Resolve,
        target: &Target,
        tls: Option<Arc<ClientTls>>,
    ) -> Result<Self, InvalidTarget> {
        let connector = Connector::new(target, tls.clone())?;
        let replicas = Arc::new(Replicas::none());
        let mut keeper = JoinSet::new();
        let kept = replicas.clone();
        keeper.spawn(async move { kept.keep(&resolver, &connector).await });
        if let Some(tls) = tls {
            keeper.spawn(async move { tls.follow().await });
        }
        let call = CallContext {
            token: None,
            tenant: None,
            request_id: None,
            timeout: DEFAULT_TIMEOUT,
            deadline: None,
        };
        let balanced = Balanced {
            replicas,
            _keeper: keeper,
        };
        Ok(Self {
            channel: DirectoryChannel(Arc::new(balanced)),
            call,
        })
    }

    /// How many replicas calls can go to at the moment.
    pub fn replicas(&self) -> usize {
        self.channel.0.replicas.count()
    }

    /// Tells how many replicas there are for as long as there is a client of them; keeps nobody alive.
    pub fn replica_count(&self) -> impl Fn() -> Option<usize> + Send + Sync + use<> {
        let balanced = Arc::downgrade(&self.channel.0);
        move || Some(balanced.upgrade()?.replicas.count())
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

    /// The same directory, where no call may last beyond this moment, such as that by which our own caller wants its answer.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.call.deadline = Some(deadline);
        self
    }

    /// The same directory, where only the timeout bounds a call: for a caller who has begun to answer.
    #[must_use]
    pub fn without_deadline(mut self) -> Self {
        self.call.deadline = None;
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
    deadline: Option<Instant>,
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
        let deadline = Instant::now() + self.timeout;
        let deadline = self.deadline.map_or(deadline, |earlier| earlier.min(deadline));
        request.extensions_mut().insert(Deadline(deadline));
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

/// The moment by which a call must be answered.
#[derive(Clone, Copy, Debug)]
struct Deadline(Instant);

/// The replicas of a directory, kept up to date for as long as a client of them lives.
#[derive(Debug)]
struct Balanced {
    replicas: Arc<Replicas>,
    /// Aborted with the last client.
    _keeper: JoinSet<()>,
}
