//! The outbox: claiming a mail, what to send, and what an attempt came to. No transaction is open while a mail is sent.

use tracing::instrument;

use super::users::save;
use super::{Directory, DirectoryError};
use crate::domain::activation::ActivationStatus;
use crate::domain::actor::Actor;
use crate::domain::id::{TenantId, UserId};
use crate::domain::mail::{ClaimedMail, Mail, MailState};
use crate::domain::tenant::Settings;
use crate::domain::text::Text;
use crate::domain::user::{User, UserParts};
use crate::store;
pub use crate::store::jobs::Outbox as OutboxState;
use crate::store::mails::Ending;
use crate::store::users::{Intent, Locked};

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// A mail that can be sent now.
#[derive(Clone, Debug)]
pub struct MailToSend {
    /// Whom it is for, as the user is now.
    pub user: User,
    /// Where it goes.
    pub address: Text,
    /// The tenant's settings; without its link if the operator no longer allows the link's host.
    pub settings: Settings,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// A mail server accepted it.
    Accepted,
    /// It failed in a way that may go away; why, without personal data.
    FailedForNow(String),
    /// It failed for good.
    FailedForGood(String),
}

impl Directory {
    /// Claims at most `limit` mails that are due, of all tenants in turn, for `lease_us`.
    ///
    /// # Errors
    /// Those of the database.
    #[instrument(name = "directory.claim_mails", skip_all)]
    pub async fn claim_mails(&self, limit: u32, lease_us: i64) -> Result<Vec<ClaimedMail>, DirectoryError> {
        let now_us = self.clock.now_us();
        self.db
            .write(|tx| async move { Ok(store::jobs::claim_mails(&tx, now_us, now_us + lease_us, limit).await?) })
            .await
    }

    /// What a claimed mail says, to whom. None: it is not sent, because the user is gone, has another code or is activated
    /// (the mail goes), or is blocked or has no address any more (it is due again).
    ///
    /// # Errors
    /// Those of the database.
    #[instrument(name = "directory.mail_to_send", skip_all, fields(tenant.id = %claimed.tenant, user.id = %claimed.user))]
    pub async fn mail_to_send(&self, claimed: &ClaimedMail) -> Result<Option<MailToSend>, DirectoryError> {
        let reader = self.db.reader();
        let user = store::users::find(reader, claimed.tenant, claimed.user, UserParts::ALL).await?;
        let tenant = store::tenants::find_by_id(reader, claimed.tenant).await?;
        let (Some(user), Some(tenant)) = (user, tenant) else {
            return Ok(None); // its row went with the user
        };
        let is_good = is_current(&user, claimed);
        let mut settings = tenant.settings;
        let link = settings.activation_url_template.take();
        settings.activation_url_template = link.filter(|link| self.link_hosts.contains(&link.host()));
        match user.mail_address().cloned() {
            Some(address) if is_good && !user.blocks.any() => Ok(Some(MailToSend {
                user,
                address,
                settings,
            })),
            Some(_) | None => {
                self.withdraw_mail(claimed).await?;
                Ok(None)
            }
        }
    }

    /// Takes a mail back that is not to be sent. Decided again under the user's lock.
    async fn withdraw_mail(&self, claimed: &ClaimedMail) -> Result<(), DirectoryError> {
        let (tenant, now_us) = (claimed.tenant, self.clock.now_us());
        let actor = Actor::system(tenant);
        let actor = &actor;
        self.db
            .write(|tx| async move {
                let Some(locked) = store::users::lock(&tx, tenant, claimed.user, Intent::Change).await? else {
                    return Ok(());
                };
                let before = locked.resource;
                if !is_current(&before, claimed) {
                    store::mails::delete_claimed(&tx, claimed).await?;
                } else if before.blocks.any() || before.mail_address().is_none() {
                    let mut user = before.clone();
                    user.activation.put_off();
                    save(&tx, actor, before, user, None, now_us).await?;
                } else {
                    // It can be sent after all; nobody shall wait for the lease.
                    store::mails::end_attempt(&tx, claimed, Ending::Again(now_us), None, now_us).await?;
                }
                Ok(())
            })
            .await
    }

    /// Writes what an attempt came to. Says whether it counts: not if the lease ended, or the mail was changed meanwhile.
    ///
    /// # Errors
    /// Those of the database.
    #[instrument(name = "directory.end_mail_attempt", skip_all, fields(tenant.id = %claimed.tenant, user.id = %claimed.user))]
    pub async fn end_mail_attempt(&self, claimed: &ClaimedMail, attempt: &Attempt) -> Result<bool, DirectoryError> {
        let now_us = self.clock.now_us();
        match attempt {
            Attempt::Accepted => self.mail_was_accepted(claimed, now_us).await,
            Attempt::FailedForNow(why) => {
                let ending = claimed
                    .next_attempt_us(now_us, self.first_mail_pause_us)
                    .map_or(Ending::Parked, Ending::Again);
                self.end_attempt(claimed, ending, why, now_us).await
            }
            Attempt::FailedForGood(why) => self.end_attempt(claimed, Ending::Parked, why, now_us).await,
        }
    }

    async fn end_attempt(
        &self,
        claimed: &ClaimedMail,
        ending: Ending,
        why: &str,
        now_us: i64,
    ) -> Result<bool, DirectoryError> {
        self.db
            .write(|tx| async move { Ok(store::mails::end_attempt(&tx, claimed, ending, Some(why), now_us).await?) })
            .await
    }

    async fn mail_was_accepted(&self, claimed: &ClaimedMail, now_us: i64) -> Result<bool, DirectoryError> {
        let tenant = claimed.tenant;
        let actor = Actor::system(tenant);
        let actor = &actor;
        self.db
            .write(|tx| async move {
                let Some(locked) = store::users::lock(&tx, tenant, claimed.user, Intent::Change).await? else {
                    return Ok(false);
                };
                let Locked {
                    resource: before,
                    rules,
                } = locked;
                let counts = store::mails::end_attempt(&tx, claimed, Ending::Sent, None, now_us).await?;
                let mut user = before.clone();
                let good_until_us = now_us + i64::from(rules.activation_validity_days) * DAY_US;
                user.activation.delivered(claimed.code_number, good_until_us);
                save(&tx, actor, before, user, None, now_us).await?;
                Ok(counts)
            })
            .await
    }

    /// At most `size` mails by user, those after `after`, and whether there are more.
    ///
    /// # Errors
    /// Those of the database.
    #[instrument(name = "directory.list_mails", skip_all, fields(tenant.id = %tenant))]
    pub async fn list_mails(
        &self,
        tenant: TenantId,
        state: Option<MailState>,
        after: Option<UserId>,
        size: u32,
    ) -> Result<(Vec<Mail>, bool), DirectoryError> {
        let mails = store::mails::list(self.db.reader(), tenant, state, after, u64::from(size) + 1).await?;
        Ok(super::tenants::cut(mails, size))
    }

    /// Sends a parked mail again, with its code.
    ///
    /// # Errors
    /// [`DirectoryError::UserNotFound`], [`DirectoryError::MailNotParked`].
    #[instrument(name = "directory.retry_mail", skip_all, fields(tenant.id = %actor.tenant, user.id = %id))]
    pub async fn retry_mail(&self, actor: &Actor, id: UserId) -> Result<Mail, DirectoryError> {
        let now_us = self.clock.now_us();
        let mail = self
            .db
            .write(|tx| async move {
                let locked = store::users::lock(&tx, actor.tenant, id, Intent::Change).await?;
                locked.ok_or(DirectoryError::UserNotFound)?;
                if !store::mails::retry(&tx, actor.tenant, id, now_us).await? {
                    return Err(DirectoryError::MailNotParked);
                }
                let mail = store::mails::find(&*tx, actor.tenant, id).await?;
                mail.ok_or(DirectoryError::MailNotParked)
            })
            .await?;
        self.outbox.wake();
        Ok(mail)
    }

    /// How the outbox of all tenants is.
    ///
    /// # Errors
    /// Those of the database.
    #[instrument(name = "directory.outbox_state", skip_all)]
    pub async fn outbox_state(&self) -> Result<OutboxState, DirectoryError> {
        Ok(store::jobs::outbox(self.db.reader()).await?)
    }

    /// Removes the files of mails whose users were deleted while this process could not.
    ///
    /// # Errors
    /// Those of the database.
    #[instrument(name = "directory.erase_left_mail_files", skip_all)]
    pub async fn erase_left_mail_files(&self) -> Result<(), DirectoryError> {
        for users in self.outbox.users_with_files().chunks(1_000) {
            let there = store::jobs::known_users(self.db.reader(), users).await?;
            for user in users.iter().filter(|user| !there.contains(user)) {
                self.outbox.erase(*user);
            }
        }
        Ok(())
    }
}

/// Whether a mail tells the code that is good.
fn is_current(user: &User, claimed: &ClaimedMail) -> bool {
    user.activation.status == ActivationStatus::Pending && user.activation.code_number == claimed.code_number
}

#[cfg(test)]
mod tests;
