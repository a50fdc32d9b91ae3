//! `UserService`: messages to use cases and back.

use directory_proto::v1 as proto;
use directory_proto::v1::user_service_server::UserService;
use opentelemetry::metrics::Counter;
use tonic::{Request, Response, Status};

use super::convert::{PageFields, ReadMask, bind, fitting, seal};
use super::filter::{schemas, user_filter, user_order};
use super::user_messages::{FIELDS, new_user, parts, to_wire, user_update};
use crate::auth::Caller;
use crate::directory::{Directory, DirectoryError};
use crate::domain::id::UserId;
use crate::domain::page::PAGE_BYTES;
use crate::domain::version::Version;
use crate::page_token::{PageTokens, Question};

/// Serves `UserService`.
pub struct Users {
    directory: Directory,
    page_tokens: PageTokens,
    refused_disables: Counter<u64>,
}

impl Users {
    /// Serves this directory.
    pub fn new(directory: Directory, page_tokens: PageTokens) -> Self {
        let refused_disables = opentelemetry::global::meter("directory")
            .u64_counter("directory_refused_disables") // the exporter adds _total
            .with_description("Refused writes that held the source's word that a user is not active.")
            .build();
        refused_disables.add(0, &[]); // shown from the start, so that an alert sees the first one
        Self {
            directory,
            page_tokens,
            refused_disables,
        }
    }

    /// A refused write that held a disable can leave a leaver in: somebody must look.
    fn note_refusal<T>(
        &self,
        disables: bool,
        user: Option<UserId>,
        written: Result<T, DirectoryError>,
    ) -> Result<T, Status> {
        if disables && written.is_err() {
            self.refused_disables.add(1, &[]);
            tracing::warn!(
                user.id = user.map(tracing::field::display),
                "a refused write held the source's word that a user is not active"
            );
        }
        written.map_err(Status::from)
    }
}

#[tonic::async_trait]
impl UserService for Users {
    async fn create_user(&self, request: Request<proto::CreateUserRequest>) -> Result<Response<proto::User>, Status> {
        let actor = Caller::of(&request)?.provisioner()?;
        let proto::CreateUserRequest { user } = request.into_inner();
        let user = user.unwrap_or_default();
        let disables = user.source_active == Some(false);
        let created = match new_user(user) {
            Ok(new) => self.directory.create_user(&actor, &new).await,
            Err(invalid) => Err(invalid.into()),
        };
        Ok(Response::new(to_wire(
            self.note_refusal(disables, None, created)?,
            None,
        )))
    }

    async fn get_user(&self, request: Request<proto::GetUserRequest>) -> Result<Response<proto::User>, Status> {
        let tenant = Caller::of(&request)?.reader()?;
        let proto::GetUserRequest { id, read_mask } = request.into_inner();
        let mask = ReadMask::of(read_mask, FIELDS).map_err(DirectoryError::from)?;
        let id = find(&id)?;
        let user = self.directory.get_user(tenant, id, parts(&mask)).await?;
        Ok(Response::new(to_wire(user, Some(&mask))))
    }

    async fn batch_get_users(
        &self,
        request: Request<proto::BatchGetUsersRequest>,
    ) -> Result<Response<proto::BatchGetUsersResponse>, Status> {
        let tenant = Caller::of(&request)?.reader()?;
        let proto::BatchGetUsersRequest { ids, read_mask } = request.into_inner();
        let mask = ReadMask::of(read_mask, FIELDS).map_err(DirectoryError::from)?;
        let known: Vec<_> = ids.iter().filter_map(|id| UserId::find(id)).collect();
        let users = self.directory.batch_get_users(tenant, &known, parts(&mask)).await?;
        let users: Vec<_> = users.into_iter().map(|user| to_wire(user, Some(&mask))).collect();
        if users.iter().map(prost::Message::encoded_len).sum::<usize>() > PAGE_BYTES {
            return Err(DirectoryError::batch_too_large().into());
        }
        Ok(Response::new(proto::BatchGetUsersResponse { users }))
    }

    async fn list_users(
        &self,
        request: Request<proto::ListUsersRequest>,
    ) -> Result<Response<proto::ListUsersResponse>, Status> {
        let caller = Caller::of(&request)?;
        let tenant = caller.reader()?;
        let wire = request.into_inner();
        let proto::ListUsersRequest {
            filter,
            order,
            page_size,
            page_token,
            skip,
            read_mask,
            include_total_size,
        } = wire;
        let question = Question::new("users", Some(tenant), caller.rights());
        let question = bind(question, filter.as_ref(), order.as_ref());
        let fields = PageFields {
            page_size,
            page_token,
            skip,
            include_total_size,
        };
        let page = fields.request(&self.page_tokens, &question)?;
        let mask = ReadMask::of(read_mask, FIELDS).map_err(DirectoryError::from)?;
        let schemas = schemas(&self.directory, tenant, filter.as_ref(), order.as_ref()).await?;
        let filter = filter.map(|filter| user_filter(filter, &schemas)).transpose()?;
        let order = user_order(order, &schemas).map_err(DirectoryError::from)?;
        let page = self
            .directory
            .list_users(tenant, filter.as_ref(), order, &page, parts(&mask))
            .await?;
        let page = fitting(page, |user| to_wire(user, Some(&mask)));
        Ok(Response::new(proto::ListUsersResponse {
            next_page_token: seal(&self.page_tokens, &question, page.next.as_ref()),
            previous_page_token: seal(&self.page_tokens, &question, page.previous.as_ref()),
            total_size: page.total.and_then(|total| i64::try_from(total).ok()),
            users: page.items,
        }))
    }

    async fn update_user(&self, request: Request<proto::UpdateUserRequest>) -> Result<Response<proto::User>, Status> {
        let actor = Caller::of(&request)?.provisioner()?;
        let wire = request.into_inner();
        let disables = disables(&wire);
        let id = find(&wire.user.as_ref().map(|user| user.id.clone()).unwrap_or_default())?;
        let updated = match user_update(id, wire) {
            Ok(update) => self.directory.update_user(&actor, &update).await,
            Err(invalid) => Err(invalid.into()),
        };
        // A version that moved on is no refusal: who sent it reads and sends again.
        let refused = disables && !matches!(updated, Err(DirectoryError::VersionMismatch));
        Ok(Response::new(to_wire(
            self.note_refusal(refused, Some(id), updated)?,
            None,
        )))
    }

    async fn delete_user(&self, request: Request<proto::DeleteUserRequest>) -> Result<Response<()>, Status> {
        let actor = Caller::of(&request)?.provisioner()?;
        let proto::DeleteUserRequest { id, expected_version } = request.into_inner();
        self.directory
            .delete_user(&actor, find(&id)?, expected_version.map(Version::new))
            .await?;
        Ok(Response::new(()))
    }
}

fn disables(wire: &proto::UpdateUserRequest) -> bool {
    let named = wire
        .update_mask
        .iter()
        .flat_map(|mask| &mask.paths)
        .any(|path| path == "source_active");
    named && wire.user.as_ref().is_some_and(|user| user.source_active == Some(false))
}

/// What is no id is the id of nobody.
fn find(id: &str) -> Result<UserId, DirectoryError> {
    UserId::find(id).ok_or(DirectoryError::UserNotFound)
}
