//! Who is calling: the one place that decides it. A tower layer turns the bearer token into a [`Caller`] before any
//! handler runs; only health and reflection are open, everything else is closed unless a token opens it.
//!
//! A verified token is remembered for at most [`CACHE_SECONDS`], so that a revocation is effective soon after. What
//! was refused is not remembered: a malformed token never reaches the database, an unknown one costs one look-up.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use directory_proto::client::{REQUEST_ID, TENANT, is_request_id};
use directory_proto::status::refuse;
use directory_proto::trace::current_trace_id;
use directory_proto::v1::ErrorReason;
use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use moka::future::Cache;
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Span;

use crate::directory::{Directory, DirectoryError, TokenOwner, in_time};
use crate::domain::actor::{Actor, Agent};
use crate::domain::id::TenantId;
use crate::domain::tenant::Tenant;
use crate::domain::token::{Scope, Scopes, Token, TokenId, TokenText, VerifiedToken};

/// How long a verified token is trusted without looking again.
pub const CACHE_SECONDS: i64 = 5;

const CACHE_ENTRIES: u64 = 10_000;
const USED_QUEUE: usize = 1_024;
const OPEN: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/"];

/// Who a request comes from, and in which tenant. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Facts>);

#[derive(Debug)]
struct Facts {
    token: Token,
    tenant: Option<Tenant>,
    request_id: Option<String>,
    trace_id: Option<String>,
}

impl Caller {
    /// The caller of a request that came through the layer.
    ///
    /// # Errors
    /// INTERNAL if it did not: a server without the layer answers nothing.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Self, Status> {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Status::internal("internal error"))
    }

    /// The caller's token.
    pub fn token(&self) -> &Token {
        &self.0.token
    }

    /// The caller's tenant; for an operator the one that it named.
    pub fn tenant(&self) -> Option<&Tenant> {
        self.0.tenant.as_ref()
    }

    /// What the caller may do: page tokens are bound to it.
    pub fn rights(&self) -> Scopes {
        self.0.token.scopes
    }

    /// The tenant that the caller may read.
    ///
    /// # Errors
    /// [`DirectoryError::ScopeMissing`], [`DirectoryError::TenantRequired`].
    pub fn reader(&self) -> Result<TenantId, DirectoryError> {
        self.must(Scope::Read)?;
        self.required_tenant()
    }

    /// The caller as one who writes users and groups. Whether its source is the tenant's, the use case decides.
    ///
    /// # Errors
    /// [`DirectoryError::ScopeMissing`], [`DirectoryError::TenantRequired`].
    pub fn provisioner(&self) -> Result<Actor, DirectoryError> {
        self.must(Scope::Provision)?;
        Ok(self.actor_in(self.required_tenant()?))
    }

    /// The caller as one who administers a tenant: its own, or the one that an operator named.
    ///
    /// # Errors
    /// [`DirectoryError::ScopeMissing`], [`DirectoryError::TenantRequired`].
    pub fn administrator(&self) -> Result<Actor, DirectoryError> {
        self.must(Scope::Admin)?;
        Ok(self.actor_in(self.required_tenant()?))
    }

    /// The caller as one who redeems activation codes.
    ///
    /// # Errors
    /// [`DirectoryError::ScopeMissing`], [`DirectoryError::TenantRequired`].
    pub fn activator(&self) -> Result<Actor, DirectoryError> {
        self.must(Scope::Activate)?;
        Ok(self.actor_in(self.required_tenant()?))
    }

    /// Says that the caller is an operator.
    ///
    /// # Errors
    /// [`DirectoryError::ScopeMissing`].
    pub fn operator(&self) -> Result<(), DirectoryError> {
        self.must(Scope::Operator)
    }

    /// Whose tokens the caller manages: its tenant's, the named tenant's, or the operators'.
    ///
    /// # Errors
    /// [`DirectoryError::ScopeMissing`].
    pub fn token_owner(&self) -> Result<TokenOwner, DirectoryError> {
        if self.0.tenant.is_none() {
            self.operator()?;
            return Ok(TokenOwner::Operators);
        }
        self.administrator().map(TokenOwner::Tenant)
    }

    /// The caller as an actor in a tenant that it was found to have a right in.
    pub fn actor_in(&self, tenant: TenantId) -> Actor {
        Actor {
            tenant,
            agent: Agent::Token(self.0.token.id),
            source: self.0.token.source.clone(),
            request_id: self.0.request_id.clone(),
            trace_id: self.0.trace_id.clone(),
        }
    }

    fn must(&self, scope: Scope) -> Result<(), DirectoryError> {
        if self.0.token.scopes.allow(scope) {
            Ok(())
        } else {
            Err(DirectoryError::ScopeMissing(scope))
        }
    }

    fn required_tenant(&self) -> Result<TenantId, DirectoryError> {
        self.0
            .tenant
            .as_ref()
            .map(|tenant| tenant.id)
            .ok_or(DirectoryError::TenantRequired)
    }
}

/// Verifies tokens. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    directory: Directory,
    /// By SHA-256 of the token and the span of [`CACHE_SECONDS`] in which it was verified.
    verified: Cache<([u8; 32], i64), Arc<VerifiedToken>>,
    used: mpsc::Sender<TokenId>,
}

/// Tokens whose use is to be noted.
pub struct UsedTokens {
    directory: Directory,
    queue: mpsc::Receiver<TokenId>,
}

impl UsedTokens {
    /// Notes uses, one at a time and beside the requests, until every [`Authenticator`] is gone.
    pub async fn note(mut self) {
        while let Some(id) = self.queue.recv().await {
            if let Err(error) = in_time(self.directory.note_token_use(id)).await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the use of a token was not noted"
                );
            }
        }
    }
}

impl Authenticator {
    /// Verifies against this directory. [`UsedTokens::note`] must run beside it.
    pub fn new(directory: Directory) -> (Self, UsedTokens) {
        let (used, queue) = mpsc::channel(USED_QUEUE);
        let lifetime = Duration::from_secs(CACHE_SECONDS.unsigned_abs());
        let verified = Cache::builder()
            .max_capacity(CACHE_ENTRIES)
            .time_to_live(lifetime)
            .build();
        let used_tokens = UsedTokens {
            directory: directory.clone(),
            queue,
        };
        (
            Self {
                directory,
                verified,
                used,
            },
            used_tokens,
        )
    }

    /// The caller that these headers prove.
    ///
    /// # Errors
    /// TOKEN_INVALID, the same whatever is wrong with the token; TENANT_NOT_ALLOWED; TENANT_NOT_FOUND.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Status> {
        let token = bearer(headers)
            .and_then(|text| TokenText::parse(text).ok())
            .ok_or_else(token_invalid)?;
        let verified = self.verify(&token).await?;
        if verified.token.is_expired(self.directory.clock().now_us()) {
            return Err(token_invalid()); // it was remembered, and expired since
        }
        let tenant = self.tenant(&verified, headers).await?;
        if let Some(tenant) = &tenant {
            Span::current().record("tenant.id", tracing::field::display(tenant.id));
        }
        let request_id = headers
            .get(REQUEST_ID)
            .and_then(|id| id.to_str().ok())
            .filter(|id| is_request_id(id));
        Ok(Caller(Arc::new(Facts {
            token: verified.token.clone(),
            tenant,
            request_id: request_id.map(str::to_owned),
            trace_id: current_trace_id(),
        })))
    }

    async fn verify(&self, token: &TokenText) -> Result<Arc<VerifiedToken>, Status> {
        let hash = *token.hash().as_bytes();
        let span = span_of(&hash, self.directory.clock().now_us());
        // Many requests that come at once with one token cost one look-up.
        self.verified
            .try_get_with((hash, span), self.look_up(token))
            .await
            .map_err(|status| (*status).clone())
    }

    async fn look_up(&self, token: &TokenText) -> Result<Arc<VerifiedToken>, Status> {
        let verified = self.directory.verify_token(token).await?.ok_or_else(token_invalid)?;
        if self.directory.token_use_is_due(&verified.token) {
            let _ = self.used.try_send(verified.token.id); // a full queue: noted with a later request
        }
        Ok(Arc::new(verified))
    }

    /// The token's tenant, or the one that an operator names. Nobody else may name one.
    async fn tenant(&self, verified: &VerifiedToken, headers: &HeaderMap) -> Result<Option<Tenant>, Status> {
        let Some(named) = headers.get(TENANT) else {
            return Ok(verified.tenant.clone());
        };
        if !verified.token.scopes.contains(Scope::Operator) {
            return Err(tenant_not_allowed());
        }
        let slug = named
            .to_str()
            .ok()
            .filter(|_| headers.get_all(TENANT).iter().count() == 1);
        let tenant = self.directory.get_tenant(slug.unwrap_or_default()).await?;
        Ok(Some(tenant))
    }
}

/// Spans of [`CACHE_SECONDS`], beginning at another moment for each token, so that they are not all looked up at once.
fn span_of(hash: &[u8; 32], now_us: i64) -> i64 {
    const SPAN_US: i64 = CACHE_SECONDS * 1_000_000;
    let offset = i64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])) % SPAN_US;
    now_us.saturating_add(offset).div_euclid(SPAN_US)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

fn token_invalid() -> Status {
    let message = "the bearer token is missing, unknown, expired or revoked";
    refuse(Code::Unauthenticated, ErrorReason::TokenInvalid, message).into()
}

fn tenant_not_allowed() -> Status {
    let message = "only operator tokens may name a tenant in metadata rollcall-tenant";
    refuse(Code::PermissionDenied, ErrorReason::TenantNotAllowed, message).into()
}

/// Lets only authenticated requests in.
#[derive(Clone)]
pub struct AuthLayer {
    authenticator: Authenticator,
}

impl AuthLayer {
    /// A layer that asks this authenticator.
    pub fn new(authenticator: Authenticator) -> Self {
        Self { authenticator }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Authenticated<S> {
        Authenticated {
            inner,
            authenticator: self.authenticator.clone(),
        }
    }
}

/// See [`AuthLayer`].
#[derive(Clone)]
pub struct Authenticated<S> {
    inner: S,
    authenticator: Authenticator,
}

impl<S> Service<Request<Body>> for Authenticated<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if OPEN.iter().any(|service| request.uri().path().starts_with(service)) {
            return Box::pin(self.inner.call(request));
        }
        // The clone takes the next request; the one that is ready takes this.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let authenticator = self.authenticator.clone();
        Box::pin(async move {
            match authenticator.authenticate(request.headers()).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(status) => {
                    tracing::debug!(code = ?status.code(), "refused");
                    Ok(status.into_http())
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
