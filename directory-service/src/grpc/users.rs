//! `UserService`: messages to use cases and back.

use directory_proto::status::reason_of;
use directory_proto::v1 as proto;
use directory_proto::v1::user_service_server::UserService;
use opentelemetry::metrics::Counter;
use tonic::{Request, Response, Status};

use super::convert::{PageFields, ReadMask, bind, fitting, seal, timestamp};
use super::filter::{schemas, user_filter, user_order};
use super::user_messages::{FIELDS, new_user, parts, to_wire, user_update};
use crate::auth::Caller;
use crate::directory::{Directory, DirectoryError, Explanation, Whom};
use crate::domain::Invalid;
use crate::domain::actor::Actor;
use crate::domain::change::ChangeKind;
use crate::domain::id::UserId;
use crate::domain::page::PAGE_BYTES;
use crate::domain::refused_disable::Refusal;
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

    /// A refused write that held a disable can leave a leaver in: it is counted, and kept where the user is known.
    async fn note_refusal<T>(
        &self,
        disables: bool,
        actor: &Actor,
        user: Option<UserId>,
        written: Result<T, DirectoryError>,
    ) -> Result<T, Status> {
        let Err(error) = written else {
            return written.map_err(Status::from);
        };
        let attribute = if let DirectoryError::Invalid(invalid) = &error {
            invalid.field().to_owned()
        } else {
            String::new()
        };
        // A failure of ours may be sent again, and nobody who is gone stays in.
        let is_refusal = !matches!(error, DirectoryError::Store(_) | DirectoryError::UserNotFound);
        let status = Status::from(error);
        if disables && is_refusal {
            self.refused_disables.add(1, &[]);
            tracing::warn!(
                user.id = user.map(tracing::field::display),
                "a refused write held the source's word that a user is not active"
            );
            if let Some(user) = user {
                let reason = reason_of(&status).unwrap_or_default();
                let reason = reason.as_str_name().to_owned();
                self.keep_refusal(actor, user, &Refusal { reason, attribute }).await;
            }
        }
        Err(status)
    }

    /// The caller has its answer already: what cannot be kept is logged.
    async fn keep_refusal(&self, actor: &Actor, user: UserId, refusal: &Refusal) {
        match self.directory.keep_refused_disable(actor, user, refusal).await {
            // Whom there is not has nothing to be kept with.
            Ok(()) | Err(DirectoryError::UserNotFound) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(user.id = %user, error, "a refused disable was not kept");
            }
        }
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
            self.note_refusal(disables, &actor, None, created).await?,
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
            self.note_refusal(refused, &actor, Some(id), updated).await?,
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

    async fn block_user(
        &self,
        request: Request<proto::BlockUserRequest>,
    ) -> Result<Response<proto::BlockUserResponse>, Status> {
        let actor = Caller::of(&request)?.administrator()?;
        let proto::BlockUserRequest { id, expected_version } = request.into_inner();
        let expected = expected_version.map(Version::new);
        let blocked = self.directory.block_user(&actor, find(&id)?, expected).await?;
        Ok(Response::new(proto::BlockUserResponse {
            user: Some(to_wire(blocked.user, None)),
            source_may_lift: blocked.source_may_lift,
        }))
    }

    async fn unblock_user(&self, request: Request<proto::UnblockUserRequest>) -> Result<Response<proto::User>, Status> {
        let actor = Caller::of(&request)?.administrator()?;
        let proto::UnblockUserRequest {
            id,
            expected_version,
            group_deleted,
        } = request.into_inner();
        let expected = expected_version.map(Version::new);
        let user = self
            .directory
            .unblock_user(&actor, find(&id)?, expected, group_deleted)
            .await?;
        Ok(Response::new(to_wire(user, None)))
    }

    async fn explain_user(
        &self,
        request: Request<proto::ExplainUserRequest>,
    ) -> Result<Response<proto::ExplainUserResponse>, Status> {
        let actor = Caller::of(&request)?.administrator()?;
        let whom = match request.into_inner().user {
            Some(proto::explain_user_request::User::Id(id)) => Whom::Id(find(&id)?),
            Some(proto::explain_user_request::User::UserName(name)) => {
                Whom::Name(name.parse().map_err(|_: Invalid| DirectoryError::UserNotFound)?)
            }
            None => {
                let rule = "must be named by id or user_name";
                return Err(DirectoryError::from(Invalid::new("user", rule)).into());
            }
        };
        let explanation = self.directory.explain_user(actor.tenant, &whom).await?;
        Ok(Response::new(explanation_to_wire(explanation)))
    }

    async fn report_refused_disable(
        &self,
        request: Request<proto::ReportRefusedDisableRequest>,
    ) -> Result<Response<()>, Status> {
        let actor = Caller::of(&request)?.provisioner()?;
        let proto::ReportRefusedDisableRequest { id, reason, attribute } = request.into_inner();
        let refusal = Refusal::parse(reason, attribute).map_err(DirectoryError::from)?;
        self.refused_disables.add(1, &[]);
        self.directory
            .keep_refused_disable(&actor, find(&id)?, &refusal)
            .await?;
        Ok(Response::new(()))
    }
}

/// What the token of an operator is called before a tenant.
const OPERATOR: &str = "an operator's token";

fn explanation_to_wire(explanation: Explanation) -> proto::ExplainUserResponse {
    let Explanation {
        user,
        mail,
        refused_disables,
        changes,
        administrator_block_yields,
        actor_names,
    } = explanation;
    let called = |(id, name): (String, Option<String>)| (id, name.unwrap_or_else(|| OPERATOR.to_owned()));
    let activation = &user.activation;
    let (wrong_codes, paused_until) = (activation.wrong_codes, activation.paused_until_us.map(timestamp));
    let refused_disables = refused_disables.into_iter().map(|refused| proto::RefusedDisable {
        time: Some(timestamp(refused.at_us)),
        actor: refused.actor,
        request_id: refused.request_id.unwrap_or_default(),
        reason: refused.refusal.reason,
        attribute: refused.refusal.attribute,
    });
    let changes = changes.into_iter().map(|change| proto::UserHistoryEntry {
        time: Some(timestamp(change.at_us)),
        kind: kind_name(change.kind).to_owned(),
        version: change.version.get(),
        attributes: change.attributes,
        actor: change.actor,
        source: change.source.unwrap_or_default(),
        request_id: change.request_id.unwrap_or_default(),
    });
    proto::ExplainUserResponse {
        user: Some(to_wire(user, None)),
        mail: mail.map(Into::into),
        refused_disables: refused_disables.collect(),
        changes: changes.collect(),
        administrator_block_yields_to_source: administrator_block_yields,
        wrong_codes,
        codes_paused_until: paused_until,
        actor_names: actor_names.into_iter().map(called).collect(),
    }
}

const fn kind_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Created => "CREATED",
        ChangeKind::Updated => "UPDATED",
        ChangeKind::Deleted => "DELETED",
        ChangeKind::MembersAdded => "MEMBERS_ADDED",
        ChangeKind::MembersRemoved => "MEMBERS_REMOVED",
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
