//! The directory as one caller sees it. A handler that holds a [`TenantDirectory`] carries its caller's token and
//! request id on every call, and cannot name another tenant.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use directory_proto::client::DirectoryClient;
use directory_proto::v1;
use http::request::Parts;
use secrecy::SecretString;
use tonic::{Response, Status};

use crate::auth::{Caller, Callers, bearer_token};
use crate::error::unauthorized;
use crate::extract::{AnswerBy, Forwarded, Host, RequestId};
use crate::scim::error::ScimError;
use crate::scim::schema::{ResourceKind, ResourceType, ResourceTypes};
use crate::translate;
use crate::translate::link::BaseUrl;

/// A group may change by 100,000 members in one call.
const GROUP_WRITE_TIMEOUT: Duration = Duration::from_secs(45);
/// The caller waits for its refusal meanwhile.
const REPORT_TIMEOUT: Duration = Duration::from_secs(3);
/// Members are read in pages of this size.
const MEMBERS_A_PAGE: i32 = 1_000;

/// What all requests share.
#[derive(Clone)]
pub struct Gateway {
    /// The directory, without any caller.
    pub directory: DirectoryClient,
    /// The callers that the directory knows.
    pub callers: Callers,
    /// The SCIM root as callers shall see it; without it the request's host tells.
    pub public_base: Option<BaseUrl>,
    /// The scheme by which callers reach us ourselves.
    pub scheme: &'static str,
    /// Whether a proxy's word about that host is believed.
    pub trusts_forwarded: bool,
}

impl Gateway {
    async fn admit(&self, token: SecretString, parts: &Parts) -> Result<TenantDirectory, ScimError> {
        let mut client = self.directory.clone().with_token(&token).map_err(|_| unauthorized())?;
        if let Some(AnswerBy(moment)) = parts.extensions.get() {
            client = client.with_deadline(*moment);
        }
        if let Some(RequestId(id)) = parts.extensions.get() {
            client = client
                .with_request_id(id)
                .map_err(|_| ScimError::invalid_value("x-request-id must be letters, digits and dashes."))?;
        }
        let caller = self.callers.identify(&token, &client).await?;
        tracing::Span::current().record("tenant.id", &caller.tenant_id);
        Ok(TenantDirectory { client, caller })
    }
}

impl FromRequestParts<Gateway> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Infallible> {
        if let Some(base) = &gateway.public_base {
            return Ok(base.clone());
        }
        let named = parts.extensions.get::<Host>();
        let forwarded = if gateway.trusts_forwarded {
            Forwarded::read(&parts.headers)
        } else {
            Forwarded::default()
        };
        let scheme = forwarded.scheme.unwrap_or(gateway.scheme);
        Ok(Self::of_host(scheme, forwarded.host.as_ref().or(named)))
    }
}

/// The caller's tenant in the directory.
#[derive(Clone)]
pub struct TenantDirectory {
    client: DirectoryClient,
    caller: Arc<Caller>,
}

impl FromRequestParts<Gateway> for TenantDirectory {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ScimError> {
        let token = bearer_token(&parts.headers)?.ok_or_else(unauthorized)?;
        gateway.admit(token, parts).await
    }
}

/// Anybody may ask what the gateway can do. But a token that is sent must be right, so that a wrong one is noticed.
pub struct Visitor {
    /// What users and groups are made of: in the tenant of the token, or without one in every tenant.
    pub resource_types: Arc<ResourceTypes>,
}

impl FromRequestParts<Gateway> for Visitor {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ScimError> {
        let resource_types = match bearer_token(&parts.headers)? {
            Some(token) => &gateway.admit(token, parts).await?.caller.resource_types,
            None => ResourceTypes::standard(),
        };
        Ok(Self {
            resource_types: resource_types.clone(),
        })
    }
}

fn answer<T>(answer: Result<Response<T>, Status>) -> Result<T, ScimError> {
    answer
        .map(Response::into_inner)
        .map_err(|status| translate::status::to_scim(&status))
}

impl TenantDirectory {
    /// Whose token it is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What users or groups are made of in the caller's tenant.
    pub fn resource_type(&self, kind: ResourceKind) -> &Arc<ResourceType> {
        self.caller.resource_types.get(kind)
    }

    /// Creates a user.
    pub async fn create_user(&self, user: v1::User) -> Result<v1::User, ScimError> {
        let request = v1::CreateUserRequest { user: Some(user) };
        answer(self.client.users().create_user(request).await)
    }

    /// Reads a user; without `groups` this is one statement.
    pub async fn get_user(&self, id: &str, groups: bool) -> Result<v1::User, ScimError> {
        let request = v1::GetUserRequest {
            id: id.to_owned(),
            read_mask: translate::user::read_mask(self.resource_type(ResourceKind::User), groups),
        };
        answer(self.client.users().get_user(request).await)
    }

    /// Lists users.
    pub async fn list_users(&self, request: v1::ListUsersRequest) -> Result<v1::ListUsersResponse, ScimError> {
        answer(self.client.users().list_users(request).await)
    }

    /// Changes what the request's mask names.
    pub async fn update_user(&self, request: v1::UpdateUserRequest) -> Result<v1::User, ScimError> {
        answer(self.client.users().update_user(request).await)
    }

    /// Tells that a write which held a disable was refused before the directory was asked.
    pub async fn report_refused_disable(&self, id: &str, reason: String) -> Result<(), ScimError> {
        let request = v1::ReportRefusedDisableRequest {
            id: id.to_owned(),
            reason,
            attribute: String::new(),
        };
        let hurried = self.client.clone().with_timeout(REPORT_TIMEOUT);
        answer(hurried.users().report_refused_disable(request).await)
    }

    /// Deletes a user for good.
    pub async fn delete_user(&self, id: &str, expected_version: Option<i64>) -> Result<(), ScimError> {
        let request = v1::DeleteUserRequest {
            id: id.to_owned(),
            expected_version,
        };
        answer(self.client.users().delete_user(request).await)
    }

    /// Creates a group.
    pub async fn create_group(&self, group: v1::Group, member_ids: Vec<String>) -> Result<v1::Group, ScimError> {
        let request = v1::CreateGroupRequest {
            group: Some(group),
            member_ids,
        };
        answer(self.group_writes().groups().create_group(request).await)
    }

    /// Reads a group, without its members.
    pub async fn get_group(&self, id: &str) -> Result<v1::Group, ScimError> {
        answer(
            self.client
                .groups()
                .get_group(v1::GetGroupRequest {
                    id: id.to_owned(),
                    ..Default::default()
                })
                .await,
        )
    }

    /// Lists groups, without their members.
    pub async fn list_groups(&self, request: v1::ListGroupsRequest) -> Result<v1::ListGroupsResponse, ScimError> {
        answer(self.client.groups().list_groups(request).await)
    }

    /// Changes a group and its members.
    pub async fn update_group(&self, request: v1::UpdateGroupRequest) -> Result<v1::Group, ScimError> {
        answer(self.group_writes().groups().update_group(request).await)
    }

    /// Deletes a group.
    pub async fn delete_group(&self, id: &str, expected_version: Option<i64>) -> Result<(), ScimError> {
        let request = v1::DeleteGroupRequest {
            id: id.to_owned(),
            expected_version,
        };
        answer(self.group_writes().groups().delete_group(request).await)
    }

    /// Reads one page of a group's members, also after the answer has begun.
    pub async fn list_members(&self, id: &str, page_token: &str) -> Result<v1::ListMembersResponse, ScimError> {
        let request = v1::ListMembersRequest {
            group_id: id.to_owned(),
            page_size: MEMBERS_A_PAGE,
            page_token: page_token.to_owned(),
        };
        let client = self.client.clone().without_deadline();
        answer(client.groups().list_members(request).await)
    }

    /// Lists users and groups together, the groups without their members.
    pub async fn search(&self, request: v1::SearchRequest) -> Result<v1::SearchResponse, ScimError> {
        answer(self.client.search().search(request).await)
    }

    fn group_writes(&self) -> DirectoryClient {
        self.client.clone().with_timeout(GROUP_WRITE_TIMEOUT)
    }
}
