//! What can be done about tokens: verify, issue, list, revoke.

use secrecy::SecretString;
use tracing::instrument;

use super::{Directory, DirectoryError};
use crate::domain::Invalid;
use crate::domain::actor::Actor;
use crate::domain::change::{Change, ChangeKind, Resource};
use crate::domain::id::TenantId;
use crate::domain::tenant::DisplayName;
use crate::domain::token::{NewToken, Scope, Scopes, Token, TokenHash, TokenId, TokenText, VerifiedToken};
use crate::domain::version::Version;
use crate::store;

/// A token's last use is exact to this.
const USE_INTERVAL_US: i64 = 60 * 1_000_000;

/// Whose tokens a call is about.
#[derive(Clone, Debug)]
pub enum TokenOwner {
    /// Those of the tenant that this actor acts in.
    Tenant(Actor),
    /// Those of the operators.
    Operators,
}

impl TokenOwner {
    /// The tenant, if it is one.
    pub fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Tenant(actor) => Some(actor.tenant),
            Self::Operators => None,
        }
    }
}

impl Directory {
    /// The token that this text is, if it is one that lives. One look-up, whatever the answer.
    ///
    /// # Errors
    /// Those of the database.
    #[instrument(name = "directory.verify_token", skip_all)]
    pub async fn verify_token(&self, text: &TokenText) -> Result<Option<VerifiedToken>, DirectoryError> {
        let stored = store::tokens::find(self.db.reader(), text.id()).await?;
        let now_us = self.clock.now_us();
        let valid = stored.filter(|stored| {
            let matches = text.hash().matches(&stored.secret_hash);
            matches && !stored.revoked && !stored.token.token.is_expired(now_us)
        });
        Ok(valid.map(|stored| stored.token))
    }

    /// When the first live token with scope provision ends, of all tenants, in microseconds since 1970.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn first_token_expiry(&self) -> Result<Option<i64>, DirectoryError> {
        Ok(store::jobs::first_token_expiry(self.db.reader(), self.clock.now_us()).await?)
    }

    /// Whether the last use that is noted of a token is old enough to note another.
    pub fn token_use_is_due(&self, token: &Token) -> bool {
        token
            .last_used_us
            .is_none_or(|used| used <= self.clock.now_us() - USE_INTERVAL_US)
    }

    /// Notes that a token was used, at most once a minute.
    ///
    /// # Errors
    /// Those of the database.
    #[instrument(name = "directory.note_token_use", skip_all)]
    pub async fn note_token_use(&self, id: TokenId) -> Result<(), DirectoryError> {
        let now_us = self.clock.now_us();
        self.db
            .write(|tx| async move {
                // `lte`, so that a use exactly one interval later is noted.
                Ok(store::tokens::touch(&*tx, id, now_us, now_us - USE_INTERVAL_US + 1).await?)
            })
            .await
    }

    /// Issues a token for `owner`, on behalf of a holder of `held`; its secret is told this once.
    ///
    /// # Errors
    /// [`DirectoryError::ScopeMissing`] if the holder lacks a scope, [`DirectoryError::TenantRequired`] if the operators
    /// would get a tenant's token, [`DirectoryError::Invalid`].
    #[instrument(name = "directory.issue_token", skip_all)]
    pub async fn issue_token(
        &self,
        owner: &TokenOwner,
        held: Scopes,
        new: NewToken,
    ) -> Result<(Token, SecretString), DirectoryError> {
        let now_us = self.clock.now_us();
        check_issue(owner, held, &new, now_us)?;
        let text = TokenText::generate();
        let (hash, token) = (text.hash(), new.issue(text.id(), owner.tenant(), now_us));
        let (hash, issued) = (&hash, &token);
        self.db
            .write(|tx| async move {
                store::tokens::insert(&*tx, issued, hash).await?;
                if let TokenOwner::Tenant(actor) = owner {
                    let change = change(issued.id, ChangeKind::Created, Version::FIRST);
                    store::changes::append(&tx, actor, now_us, &[change]).await?;
                }
                Ok::<_, DirectoryError>(())
            })
            .await?;
        tracing::info!(token.id = %token.id, "a token was issued");
        Ok((token, text.into_secret()))
    }

    /// At most `size` live tokens of `owner` by id, those after `after`, and whether there are more.
    ///
    /// # Errors
    /// Those of the database.
    #[instrument(name = "directory.list_tokens", skip_all)]
    pub async fn list_tokens(
        &self,
        owner: &TokenOwner,
        after: Option<TokenId>,
        size: u32,
    ) -> Result<(Vec<Token>, bool), DirectoryError> {
        let now_us = self.clock.now_us();
        let limit = u64::from(size) + 1;
        let tokens = store::tokens::list(self.db.reader(), owner.tenant(), now_us, after, limit).await?;
        Ok(super::tenants::cut(tokens, size))
    }

    /// Revokes a token of `owner`.
    ///
    /// # Errors
    /// [`DirectoryError::TokenNotFound`], also for another tenant's, a revoked one, and a text that is no id.
    #[instrument(name = "directory.revoke_token", skip_all)]
    pub async fn revoke_token(&self, owner: &TokenOwner, id: &str) -> Result<(), DirectoryError> {
        let id: TokenId = id.parse().map_err(|_| DirectoryError::TokenNotFound)?;
        let now_us = self.clock.now_us();
        self.db
            .write(|tx| async move {
                if !store::tokens::revoke(&*tx, owner.tenant(), id, now_us).await? {
                    return Err(DirectoryError::TokenNotFound);
                }
                if let TokenOwner::Tenant(actor) = owner {
                    let change = change(id, ChangeKind::Deleted, Version::FIRST.next());
                    store::changes::append(&tx, actor, now_us, &[change]).await?;
                }
                Ok(())
            })
            .await?;
        tracing::info!(token.id = %id, "a token was revoked");
        Ok(())
    }

    /// Registers `text` as the operator's token if no operator token lives; with `replace`, in place of those that do.
    /// Says whether `text` is registered and lives now.
    ///
    /// # Errors
    /// Those of the database.
    #[instrument(name = "directory.register_operator", skip_all)]
    pub async fn register_operator(&self, text: &TokenText, replace: bool) -> Result<bool, DirectoryError> {
        let now_us = self.clock.now_us();
        let name = DisplayName::parse("name", "operator")?;
        let token = NewToken::new(name, Scopes::OPERATOR, None, None)?.issue(text.id(), None, now_us);
        let (hash, token): (&TokenHash, &Token) = (&text.hash(), &token);
        let registered = self
            .db
            .write(|tx| async move {
                store::tokens::lock_operators(&*tx).await?;
                if replace {
                    store::tokens::revoke_all(&*tx, None, now_us).await?;
                } else if store::tokens::operator_lives(&*tx, now_us).await? {
                    return Ok(false);
                }
                if store::tokens::find(&*tx, token.id).await?.is_some() {
                    return Ok(false); // it was registered and revoked: a revoked token stays so
                }
                store::tokens::insert(&*tx, token, hash).await?;
                Ok::<_, DirectoryError>(true)
            })
            .await?;
        if registered {
            tracing::info!(token.id = %text.id(), "an operator token was registered");
            return Ok(true);
        }
        Ok(self.verify_token(text).await?.is_some())
    }
}

fn check_issue(owner: &TokenOwner, held: Scopes, new: &NewToken, now_us: i64) -> Result<(), DirectoryError> {
    if let Some(missing) = held.missing_to_issue(new.scopes()) {
        return Err(DirectoryError::ScopeMissing(missing));
    }
    match (owner, new.scopes().contains(Scope::Operator)) {
        (TokenOwner::Operators, false) => return Err(DirectoryError::TenantRequired),
        (TokenOwner::Tenant(_), true) => {
            let rule = "an operator token belongs to no tenant; leave out metadata rollcall-tenant";
            return Err(Invalid::new("token.scopes", rule).into());
        }
        (TokenOwner::Operators, true) | (TokenOwner::Tenant(_), false) => {}
    }
    if new.expires_us().is_some_and(|expires| expires <= now_us) {
        return Err(Invalid::new("token.expire_time", "must be in the future").into());
    }
    Ok(())
}

fn change(id: TokenId, kind: ChangeKind, version: Version) -> Change {
    Change::of(kind, Resource::Token(id), version, Vec::new())
}

#[cfg(test)]
mod tests;
