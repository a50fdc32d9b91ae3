//! The worker: claims mails that are due, sends them, and writes down what came of it. One runs in every process; the claims
//! keep them apart.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::instrument;

use super::message::{self, Unwritable};
use super::transport::{Refused, Remedy, write_file};
use super::{Delivery, LEASE, Mailing};
use crate::activation_code::ActivationCodes;
use crate::directory::{Attempt, Directory, DirectoryError, EXPIRED_AT_ONCE, MailToSend, in_time};
use crate::domain::mail::ClaimedMail;
use crate::metrics::OutboxMetrics;
use crate::outbox::Outbox;

/// So many attempts are under way at once.
const ATTEMPTS_AT_ONCE: usize = 32;
/// Between two looks at an outbox in which nothing was due.
const IDLE_PAUSE: Duration = Duration::from_secs(2);
/// Between two looks while there is work, and after somebody rang: many who ring at once cause one look.
const BUSY_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_FAILURE_PAUSE: Duration = Duration::from_secs(30);
const EXPIRY_INTERVAL: Duration = Duration::from_secs(30);
/// So many batches of expired codes are ended in a row, at most: mails wait meanwhile.
const EXPIRY_BATCHES: usize = 20;
const METRICS_INTERVAL: Duration = Duration::from_secs(5);
/// So long it is tried to write down what an attempt came to: the claim holds until then.
const WRITE_DOWN: Duration = Duration::from_secs(LEASE.as_secs() / 2);
const WRITE_DOWN_PAUSE: Duration = Duration::from_secs(1);

/// Sends the mails of all tenants.
#[derive(Debug)]
pub struct Worker {
    directory: Directory,
    outbox: Outbox,
    codes: ActivationCodes,
    mailing: Mailing,
    metrics: OutboxMetrics,
}

/// When something was last done.
#[derive(Default)]
struct Rounds {
    claimed: Option<Instant>,
    expired: Option<Instant>,
    measured: Option<Instant>,
    failures: u32,
}

impl Worker {
    /// The worker of a process.
    pub fn new(directory: Directory, outbox: Outbox, codes: ActivationCodes, mailing: Mailing) -> Self {
        Self {
            directory,
            outbox,
            codes,
            mailing,
            metrics: OutboxMetrics::new(),
        }
    }

    /// Sends until `stop`, then ends what is under way.
    pub async fn run(self, stop: CancellationToken) {
        match &self.mailing.delivery {
            Delivery::Nowhere => {
                tracing::warn!("no mail server is set (DIRECTORY_SMTP_HOST): activation mails stay queued");
            }
            Delivery::Files(folder) => {
                tracing::info!(folder = %folder.display(), "activation mails are written to files");
            }
            Delivery::Smtp(server) => tracing::info!(server = ?server, "activation mails are sent"),
        }
        self.erase_left_files().await;
        let worker = Arc::new(self);
        let mut attempts = JoinSet::new();
        let mut rounds = Rounds::default();
        while !stop.is_cancelled() {
            let pause = match worker.round(&mut attempts, &mut rounds).await {
                Ok(()) => {
                    rounds.failures = 0;
                    let is_busy = rounds.claimed.is_some_and(|at| at.elapsed() < IDLE_PAUSE);
                    if is_busy { BUSY_PAUSE } else { IDLE_PAUSE }
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the outbox cannot be read");
                    rounds.failures = (rounds.failures + 1).min(8);
                    (IDLE_PAUSE * 2_u32.pow(rounds.failures - 1)).min(LONGEST_FAILURE_PAUSE)
                }
            };
            let may_be_woken = rounds.failures == 0 && attempts.len() < ATTEMPTS_AT_ONCE;
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(pause) => {}
                () = worker.woken(), if may_be_woken => {}
            }
        }
        while let Some(ended) = attempts.join_next().await {
            note(ended);
        }
    }

    /// Somebody rang, a moment ago.
    async fn woken(&self) {
        self.outbox.woken().await;
        sleep(BUSY_PAUSE).await;
    }

    async fn round(self: &Arc<Self>, attempts: &mut JoinSet<()>, rounds: &mut Rounds) -> Result<(), DirectoryError> {
        while let Some(ended) = attempts.try_join_next() {
            note(ended);
        }
        let free = u32::try_from(ATTEMPTS_AT_ONCE - attempts.len()).unwrap_or_default();
        if free > 0 && !matches!(self.mailing.delivery, Delivery::Nowhere) {
            // No more than can begin at once: a claim that waits for its turn wears off.
            let lease_us = i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX);
            let claimed = in_time(self.directory.claim_mails(free, lease_us)).await?;
            if !claimed.is_empty() {
                rounds.claimed = Some(Instant::now());
            }
            for mail in claimed {
                let worker = Arc::clone(self);
                attempts.spawn(async move { worker.attempt(&mail).await });
            }
        }
        if is_due(&mut rounds.expired, EXPIRY_INTERVAL) {
            self.end_expired_codes().await?;
        }
        if is_due(&mut rounds.measured, METRICS_INTERVAL) {
            let state = in_time(self.directory.outbox_state()).await?;
            self.metrics.record(&state, self.directory.clock().now_us());
        }
        Ok(())
    }

    /// Ends what expired, a batch after another while they come back full.
    async fn end_expired_codes(&self) -> Result<(), DirectoryError> {
        for _ in 0..EXPIRY_BATCHES {
            if in_time(self.directory.end_expired_codes()).await? < EXPIRED_AT_ONCE {
                break;
            }
        }
        Ok(())
    }

    #[instrument(name = "mail.attempt", skip_all, fields(tenant.id = %mail.tenant, user.id = %mail.user))]
    async fn attempt(&self, mail: &ClaimedMail) {
        let sent = timeout(self.mailing.longest_attempt, self.send(mail)).await;
        let attempt = match sent {
            Ok(Ok(Some(attempt))) => attempt,
            Ok(Ok(None)) => return self.metrics.count("withdrawn"),
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a mail cannot be read");
                Attempt::FailedForNow("the mail could not be read".to_owned()) // nothing was sent
            }
            Err(_) => Attempt::FailedForNow("the mail server did not answer in time".to_owned()),
        };
        match &attempt {
            Attempt::Accepted => {
                self.metrics.count("accepted");
                tracing::info!(attempt = mail.attempts, "a mail was accepted");
            }
            Attempt::FailedForNow(why) => {
                self.metrics.count("failed");
                tracing::warn!(
                    attempt = mail.attempts,
                    why,
                    "a mail was not accepted and is tried again"
                );
            }
            Attempt::FailedForGood(why) => {
                self.metrics.count("parked");
                tracing::warn!(attempt = mail.attempts, why, "a mail was refused and is parked");
            }
        }
        self.write_down(mail, &attempt).await;
    }

    /// Sends a mail, unless there is none to send any more.
    async fn send(&self, claimed: &ClaimedMail) -> Result<Option<Attempt>, DirectoryError> {
        let Some(mail) = self.directory.mail_to_send(claimed).await? else {
            return Ok(None);
        };
        Ok(Some(match self.deliver(claimed, &mail).await {
            Ok(()) => Attempt::Accepted,
            Err(Refused { why, remedy }) => match remedy {
                Remedy::Wait => Attempt::FailedForNow(why),
                Remedy::Operator => {
                    tracing::error!(why, "mail cannot be sent until somebody mends this");
                    Attempt::FailedForNow(why)
                }
                Remedy::Never => Attempt::FailedForGood(why),
            },
        }))
    }

    async fn deliver(&self, claimed: &ClaimedMail, mail: &MailToSend) -> Result<(), Refused> {
        let Mailing { from, templates, .. } = &self.mailing;
        let code = self.codes.derive(claimed.tenant, claimed.user, claimed.code_number);
        let letter = message::write(mail, &code, from, templates, self.directory.clock().now_us())?;
        match &self.mailing.delivery {
            Delivery::Smtp(server) => server.send(&letter).await,
            Delivery::Files(_) | Delivery::Nowhere => match self.outbox.file(claimed.user, claimed.code_number) {
                Some(file) => write_file(file, letter).await,
                None => Err(Refused::misconfigured("no mail server is set")),
            },
        }
    }

    /// Writes down what an attempt came to. If the database does not answer it is asked again: what is not written down is
    /// sent once more.
    async fn write_down(&self, mail: &ClaimedMail, attempt: &Attempt) {
        let deadline = Instant::now() + WRITE_DOWN;
        loop {
            match in_time(self.directory.end_mail_attempt(mail, attempt)).await {
                Ok(true) => return,
                Ok(false) => {
                    tracing::info!("a mail was changed or claimed again while it was sent");
                    // The user may be gone, and its file may have been written since.
                    return self.erase_left_files().await;
                }
                Err(error) if Instant::now() < deadline => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "an attempt cannot be written down yet"
                    );
                    sleep(WRITE_DOWN_PAUSE).await;
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    return tracing::error!(error, "an attempt was not written down: the mail is sent again");
                }
            }
        }
    }

    async fn erase_left_files(&self) {
        if let Err(error) = in_time(self.directory.erase_left_mail_files()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "files of deleted users may be left"
            );
        }
    }
}

impl From<Unwritable> for Refused {
    fn from(unwritable: Unwritable) -> Self {
        let remedy = match &unwritable {
            Unwritable::Address => Remedy::Never,
            Unwritable::Template(_) | Unwritable::Parts(_) => Remedy::Operator,
        };
        Self {
            why: unwritable.to_string(),
            remedy,
        }
    }
}

/// Whether the time for something has come; then it has been done now.
fn is_due(last: &mut Option<Instant>, interval: Duration) -> bool {
    let due = last.is_none_or(|at| at.elapsed() >= interval);
    if due {
        *last = Some(Instant::now());
    }
    due
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "an attempt to send a mail broke"
        );
    }
}

#[cfg(test)]
mod tests;
