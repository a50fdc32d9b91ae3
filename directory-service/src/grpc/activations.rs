//! `ActivationService`: messages to use cases and back.

use std::time::Duration;

use directory_proto::v1 as proto;
use directory_proto::v1::activation_service_server::ActivationService;
use directory_proto::v1::redeem_activation_code_request::User as Named;
use tokio::time::{Instant, sleep_until};
use tonic::{Request, Response, Status};

use super::convert::{open, page_size, seal, timestamp};
use super::user_messages::to_wire;
use crate::activation_code::{ActivationCodes, MAX_TYPED_BYTES};
use crate::auth::Caller;
use crate::directory::{Directory, DirectoryError, Whom};
use crate::domain::Invalid;
use crate::domain::id::UserId;
use crate::domain::mail::{Mail, MailState};
use crate::page_token::{PageTokens, Question};

/// A code is refused so long after it came, whatever there was to look up and to write down: time must not tell whether there
/// is such a user.
const REFUSED_AFTER: Duration = Duration::from_millis(250);

/// Serves `ActivationService`.
pub struct Activations {
    directory: Directory,
    page_tokens: PageTokens,
    codes: ActivationCodes,
}

impl Activations {
    /// Serves this directory, whose codes are made by `codes`.
    pub const fn new(directory: Directory, page_tokens: PageTokens, codes: ActivationCodes) -> Self {
        Self {
            directory,
            page_tokens,
            codes,
        }
    }
}

#[tonic::async_trait]
impl ActivationService for Activations {
    async fn send_activation(
        &self,
        request: Request<proto::SendActivationRequest>,
    ) -> Result<Response<proto::User>, Status> {
        let actor = Caller::of(&request)?.administrator()?;
        let proto::SendActivationRequest { user_id } = request.into_inner();
        let user = self.directory.send_activation(&actor, find(&user_id)?).await?;
        Ok(Response::new(to_wire(user, None)))
    }

    async fn redeem_activation_code(
        &self,
        request: Request<proto::RedeemActivationCodeRequest>,
    ) -> Result<Response<proto::RedeemActivationCodeResponse>, Status> {
        let actor = Caller::of(&request)?.activator()?;
        let proto::RedeemActivationCodeRequest { user, code } = request.into_inner();
        let user = user.ok_or_else(|| invalid("user", "must be named by user_id or user_name"))?;
        if code.len() > MAX_TYPED_BYTES {
            return Err(invalid("code", "must have at most 64 bytes").into());
        }
        // Whoever cannot exist is answered like whoever does not.
        let whom = match user {
            Named::UserId(id) => UserId::find(&id).map(Whom::Id),
            Named::UserName(name) => name.parse().ok().map(Whom::Name),
        };
        let whom = whom.unwrap_or_else(|| Whom::Id(UserId::generate()));
        let refused_at = Instant::now() + REFUSED_AFTER;
        let redeemed = self
            .directory
            .redeem_activation_code(&actor, &whom, &code, &self.codes)
            .await;
        if matches!(redeemed, Err(DirectoryError::ActivationCodeInvalid)) {
            sleep_until(refused_at).await;
        }
        let redeemed = redeemed?;
        Ok(Response::new(proto::RedeemActivationCodeResponse {
            user_id: redeemed.user.to_string(),
            activate_time: Some(timestamp(redeemed.at_us)),
        }))
    }

    async fn list_mails(
        &self,
        request: Request<proto::ListMailsRequest>,
    ) -> Result<Response<proto::ListMailsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let actor = caller.administrator()?;
        let state = state(request.get_ref().state());
        let proto::ListMailsRequest {
            state: asked,
            page_size: size,
            page_token,
        } = request.into_inner();
        let size = page_size(size).map_err(DirectoryError::from)?;
        let question = Question::new("mails", Some(actor.tenant), caller.rights()).with(&asked.to_be_bytes());
        let after: Option<String> = open(&self.page_tokens, &question, &page_token)?;
        let after = after
            .as_deref()
            .map(|id| UserId::find(id).ok_or(DirectoryError::InvalidPageToken));

        let (mails, more) = self
            .directory
            .list_mails(actor.tenant, state, after.transpose()?, size)
            .await?;

        let last = mails.last().filter(|_| more).map(|mail| mail.user.to_string());
        Ok(Response::new(proto::ListMailsResponse {
            next_page_token: seal(&self.page_tokens, &question, last.as_ref()),
            mails: mails.into_iter().map(Into::into).collect(),
        }))
    }

    async fn retry_mail(&self, request: Request<proto::RetryMailRequest>) -> Result<Response<proto::Mail>, Status> {
        let actor = Caller::of(&request)?.administrator()?;
        let proto::RetryMailRequest { user_id } = request.into_inner();
        let mail = self.directory.retry_mail(&actor, find(&user_id)?).await?;
        Ok(Response::new(mail.into()))
    }
}

fn invalid(field: &str, rule: &str) -> DirectoryError {
    Invalid::new(field, rule).into()
}

/// What is no id is the id of nobody.
fn find(id: &str) -> Result<UserId, DirectoryError> {
    UserId::find(id).ok_or(DirectoryError::UserNotFound)
}

fn state(wire: proto::mail::State) -> Option<MailState> {
    use proto::mail::State;
    match wire {
        State::Unspecified => None,
        State::Waiting => Some(MailState::Waiting),
        State::Parked => Some(MailState::Parked),
        State::Sent => Some(MailState::Sent),
    }
}

impl From<Mail> for proto::Mail {
    fn from(mail: Mail) -> Self {
        use proto::mail::State;
        let Mail {
            user,
            state,
            queued_us,
            due_us,
            attempts,
            failure,
            ended_us,
        } = mail;
        let (state, waits) = match state {
            MailState::Waiting => (State::Waiting, true),
            MailState::Parked => (State::Parked, false),
            MailState::Sent => (State::Sent, false),
        };
        Self {
            user_id: user.to_string(),
            state: state.into(),
            queue_time: Some(timestamp(queued_us)),
            due_time: waits.then(|| timestamp(due_us)),
            attempts,
            failure: failure.unwrap_or_default(),
            end_time: ended_us.map(timestamp),
        }
    }
}
