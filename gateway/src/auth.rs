//! The caller's bearer token: taken out of the request, and shown to the directory, which alone decides whose it is.
//! What it answers is remembered for a few seconds, by the token's SHA-256.

use std::sync::Arc;
use std::time::Duration;

use directory_proto::client::DirectoryClient;
use directory_proto::v1::{Scope, WhoAmIRequest, WhoAmIResponse};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use moka::future::Cache;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tonic::Status;

use crate::error::unauthorized;
use crate::scim::error::ScimError;
use crate::scim::schema::ResourceTypes;
use crate::translate;

/// How long an answer is remembered. Together with the directory's own 5 seconds a revocation is effective everywhere
/// within 10.
const REMEMBERED: Duration = Duration::from_secs(5);
const CALLERS_REMEMBERED: u64 = 10_000;

/// What the gateway needs to know about the holder of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The caller's tenant.
    pub tenant_id: String,
    /// Whether the token may write users and groups: such a caller sees its own last word as `active`.
    pub provisions: bool,
    /// Whether a PATCH whose filter matches nothing is refused in this tenant.
    pub strict_patch: bool,
    /// What the tenant's users and groups are made of.
    pub resource_types: Arc<ResourceTypes>,
}

/// The callers that the directory vouched for a moment ago.
#[derive(Clone)]
pub struct Callers {
    /// By the hash of their token; `None` is an operator.
    known: Cache<[u8; 32], Option<Arc<Caller>>>,
}

impl Callers {
    /// Nobody is known yet.
    pub fn new() -> Self {
        Self {
            known: Cache::builder()
                .time_to_live(REMEMBERED)
                .max_capacity(CALLERS_REMEMBERED)
                .build(),
        }
    }

    /// Says who holds the token that `directory` carries. Requests that ask at the same time share one call.
    ///
    /// # Errors
    /// 401 if the directory does not accept the token, 403 if it belongs to an operator.
    pub async fn identify(&self, token: &SecretString, directory: &DirectoryClient) -> Result<Arc<Caller>, ScimError> {
        let key = Sha256::digest(token.expose_secret().as_bytes()).into();
        let ask = async {
            let answer = directory.tokens().who_am_i(WhoAmIRequest {}).await?;
            Ok::<_, Status>(caller(answer.into_inner()).map(Arc::new))
        };
        let known = self.known.try_get_with(key, ask).await;
        let caller = known.map_err(|status| translate::status::to_scim(&status))?;
        caller.ok_or_else(|| {
            ScimError::new(
                403,
                "An operator token is not accepted here: issue a token with scope provision for the tenant, and send \
                 that.",
            )
        })
    }
}

/// Who holds the token; `None` for an operator, who belongs to no tenant.
fn caller(answer: WhoAmIResponse) -> Option<Caller> {
    let scopes = answer.token.map(|token| token.scopes).unwrap_or_default();
    let holds = |scope: Scope| scopes.contains(&i32::from(scope));
    let tenant = answer.tenant.filter(|_| !holds(Scope::Operator))?;
    Some(Caller {
        tenant_id: tenant.id,
        provisions: holds(Scope::Provision),
        strict_patch: tenant.strict_patch,
        resource_types: translate::schema::resource_types(answer.extension_schemas),
    })
}

/// No token of ours is longer. What is could not even be shown to the directory: gRPC bounds its headers.
const MAX_TOKEN_BYTES: usize = 1_024;

/// The bearer token of a request; `None` if it has no Authorization header at all.
///
/// # Errors
/// 401 if there is such a header, but no single bearer token in it (RFC 6750 §2.1).
pub fn bearer_token(headers: &HeaderMap) -> Result<Option<SecretString>, ScimError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(unauthorized());
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(unauthorized)?;
    let token = token.trim();
    let is_token = (1..=MAX_TOKEN_BYTES).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !scheme.eq_ignore_ascii_case("bearer") || !is_token {
        return Err(unauthorized());
    }
    Ok(Some(token.to_owned().into()))
}

#[cfg(test)]
mod tests {
    use directory_proto::v1::{Tenant, Token};
    use http::HeaderValue;

    use super::*;

    fn answer(scope: Scope, tenant: Option<Tenant>) -> WhoAmIResponse {
        let token = Token {
            scopes: vec![scope.into()],
            ..Token::default()
        };
        WhoAmIResponse {
            token: Some(token),
            tenant,
            extension_schemas: Vec::new(),
        }
    }

    #[test]
    fn an_operator_is_no_caller_with_and_without_a_tenant() {
        for tenant in [None, Some(Tenant::default())] {
            assert_eq!(caller(answer(Scope::Operator, tenant)), None);
        }
    }

    #[test]
    fn a_caller_is_known_by_tenant_scope_and_strictness() {
        let tenant = Tenant {
            id: "t".to_owned(),
            strict_patch: true,
            ..Tenant::default()
        };

        let reader = caller(answer(Scope::Read, Some(tenant.clone()))).unwrap();
        let source = caller(answer(Scope::Provision, Some(tenant))).unwrap();

        assert_eq!(
            reader,
            Caller {
                tenant_id: "t".to_owned(),
                provisions: false,
                strict_patch: true,
                resource_types: ResourceTypes::standard().clone(),
            }
        );
        assert!(source.provisions);
    }

    #[test]
    fn a_bearer_token_is_taken_in_any_case_of_the_scheme_and_nothing_else_is() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer_token(&headers).map(|token| token.map(|token| token.expose_secret().to_owned()))
        };

        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&["bearer  rc_x"]).unwrap().as_deref(), Some("rc_x"));
        for wrong in [
            &["Basic eDp5"][..],
            &["Bearer"],
            &["Bearer "],
            &["Bearer a b"],
            &["Bearer a", "Bearer b"],
        ] {
            assert_eq!(read(wrong).unwrap_err().status, 401, "{wrong:?}");
        }
        let long: &'static str = format!("Bearer {}", "x".repeat(MAX_TOKEN_BYTES + 1)).leak();
        assert_eq!(read(&[long]).unwrap_err().status, 401);
    }
}
