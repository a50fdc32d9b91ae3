//! `TokenService`: messages to use cases and back.

use directory_proto::v1 as proto;
use directory_proto::v1::token_service_server::TokenService;
use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status};

use super::convert::{micros, open, page_size, seal, timestamp};
use crate::auth::Caller;
use crate::directory::{Directory, DirectoryError};
use crate::domain::Invalid;
use crate::domain::extension::SchemaSet;
use crate::domain::tenant::{DisplayName, ProvisioningSource};
use crate::domain::token::{NewToken, Scope, Scopes, Token, TokenId};
use crate::page_token::{PageTokens, Question};

/// Serves `TokenService`.
pub struct Tokens {
    directory: Directory,
    page_tokens: PageTokens,
}

impl Tokens {
    /// Serves this directory.
    pub const fn new(directory: Directory, page_tokens: PageTokens) -> Self {
        Self { directory, page_tokens }
    }
}

#[tonic::async_trait]
impl TokenService for Tokens {
    async fn issue_token(
        &self,
        request: Request<proto::IssueTokenRequest>,
    ) -> Result<Response<proto::IssueTokenResponse>, Status> {
        let caller = Caller::of(&request)?;
        let owner = caller.token_owner()?;
        let new = NewToken::try_from(request.into_inner()).map_err(DirectoryError::from)?;
        let (token, secret) = self.directory.issue_token(&owner, caller.rights(), new).await?;
        let secret = secret.expose_secret().to_owned();
        Ok(Response::new(proto::IssueTokenResponse {
            token: Some(token.into()),
            secret,
        }))
    }

    async fn list_tokens(
        &self,
        request: Request<proto::ListTokensRequest>,
    ) -> Result<Response<proto::ListTokensResponse>, Status> {
        let caller = Caller::of(&request)?;
        let owner = caller.token_owner()?;
        let proto::ListTokensRequest {
            page_size: size,
            page_token,
        } = request.into_inner();
        let size = page_size(size).map_err(DirectoryError::from)?;
        let question = Question::new("tokens", owner.tenant(), caller.rights());
        let after: Option<String> = open(&self.page_tokens, &question, &page_token)?;
        let after: Option<TokenId> = after
            .map(|id| id.parse())
            .transpose()
            .map_err(|_| DirectoryError::InvalidPageToken)?;

        let (tokens, more) = self.directory.list_tokens(&owner, after, size).await?;

        let last = tokens.last().filter(|_| more).map(|token| token.id.to_string());
        let next_page_token = seal(&self.page_tokens, &question, last.as_ref());
        let tokens = tokens.into_iter().map(proto::Token::from).collect();
        Ok(Response::new(proto::ListTokensResponse {
            tokens,
            next_page_token,
        }))
    }

    async fn revoke_token(&self, request: Request<proto::RevokeTokenRequest>) -> Result<Response<()>, Status> {
        let caller = Caller::of(&request)?;
        let owner = caller.token_owner()?;
        let proto::RevokeTokenRequest { id } = request.into_inner();
        self.directory.revoke_token(&owner, &id).await?;
        Ok(Response::new(()))
    }

    async fn who_am_i(
        &self,
        request: Request<proto::WhoAmIRequest>,
    ) -> Result<Response<proto::WhoAmIResponse>, Status> {
        let caller = Caller::of(&request)?;
        let may_read = caller.rights().allow(Scope::Read);
        let schemas = match caller.tenant().filter(|_| may_read) {
            Some(tenant) => self.directory.list_extension_schemas(tenant.id).await?,
            None => SchemaSet::default(),
        };
        Ok(Response::new(proto::WhoAmIResponse {
            token: Some(caller.token().clone().into()),
            tenant: caller.tenant().cloned().map(proto::Tenant::from),
            extension_schemas: schemas.into_vec().into_iter().map(Into::into).collect(),
        }))
    }
}

impl TryFrom<proto::IssueTokenRequest> for NewToken {
    type Error = Invalid;

    fn try_from(wire: proto::IssueTokenRequest) -> Result<Self, Invalid> {
        let proto::Token {
            name,
            scopes,
            source,
            expire_time,
            // Output only:
            id: _,
            create_time: _,
            last_use_time: _,
        } = wire.token.ok_or_else(|| Invalid::new("token", "is required"))?;
        let name = DisplayName::parse("token.name", &name)?;
        let scopes = scopes.into_iter().map(scope_of).collect::<Result<Scopes, Invalid>>()?;
        let source = if source.is_empty() {
            None
        } else {
            Some(ProvisioningSource::parse("token.source", &source)?)
        };
        let expires_us = expire_time.map(|time| micros("token.expire_time", &time)).transpose()?;
        Self::new(name, scopes, source, expires_us)
    }
}

fn scope_of(number: i32) -> Result<Scope, Invalid> {
    let unknown = || Invalid::new("token.scopes", "names a scope that does not exist");
    match proto::Scope::try_from(number).map_err(|_| unknown())? {
        proto::Scope::Unspecified => Err(unknown()),
        proto::Scope::Provision => Ok(Scope::Provision),
        proto::Scope::Read => Ok(Scope::Read),
        proto::Scope::Activate => Ok(Scope::Activate),
        proto::Scope::Admin => Ok(Scope::Admin),
        proto::Scope::Operator => Ok(Scope::Operator),
    }
}

impl From<Scope> for proto::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Provision => Self::Provision,
            Scope::Read => Self::Read,
            Scope::Activate => Self::Activate,
            Scope::Admin => Self::Admin,
            Scope::Operator => Self::Operator,
        }
    }
}

impl From<Token> for proto::Token {
    fn from(token: Token) -> Self {
        let Token {
            id,
            tenant: _,
            name,
            scopes,
            source,
            created_us,
            expires_us,
            last_used_us,
        } = token;
        Self {
            id: id.to_string(),
            name: name.as_str().to_owned(),
            scopes: scopes.iter().map(|scope| proto::Scope::from(scope).into()).collect(),
            source: source.map(|source| source.as_str().to_owned()).unwrap_or_default(),
            create_time: Some(timestamp(created_us)),
            expire_time: expires_us.map(timestamp),
            last_use_time: last_used_us.map(timestamp),
        }
    }
}
