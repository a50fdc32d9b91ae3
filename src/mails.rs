//! `rollcall mail`: the activation mails of a tenant. They hold no address and no code.

use clap::{Args, Subcommand, ValueEnum};
use directory_proto::v1::{self, ListMailsRequest, RetryMailRequest, mail};
use serde::Serialize;

use crate::connection::{ConnectionArgs, TenantArgs};
use crate::failure::Failure;
use crate::output::{self, Page, Record, Row, rfc3339, to_the_second};
use crate::users;

/// `rollcall mail`.
#[derive(Args, Debug)]
pub struct MailCommand {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the mails by user id.
    List {
        /// Only those in this state.
        #[arg(long, value_enum)]
        state: Option<State>,
        /// At most so many; 0 lists all.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// Sends a parked mail again, with the same code.
    Retry {
        /// The id or user name of the user whom the mail is for.
        #[arg(value_name = "ID-OR-USER-NAME")]
        user: String,
    },
}

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    /// It waits for its turn, or for its next attempt.
    Waiting,
    /// It cannot be delivered.
    Parked,
    /// A mail server accepted it.
    Sent,
}

impl From<State> for mail::State {
    fn from(state: State) -> Self {
        match state {
            State::Waiting => Self::Waiting,
            State::Parked => Self::Parked,
            State::Sent => Self::Sent,
        }
    }
}

impl MailCommand {
    /// Runs the command.
    pub async fn run(self) -> Result<(), Failure> {
        let connection = self.connection.in_tenant(&self.tenant).await?;
        let output = self.connection.output;
        let explain = |status| connection.explain(&status);
        match self.action {
            Action::List { state, limit } => {
                let state = state.map_or(mail::State::Unspecified, Into::into).into();
                output::list(output, limit, async |page_size, page_token| {
                    let request = ListMailsRequest {
                        state,
                        page_size,
                        page_token,
                    };
                    let answer = connection.client().activations().list_mails(request).await;
                    let answer = answer.map_err(explain)?.into_inner();
                    Ok(Page {
                        rows: answer.mails.into_iter().map(Mail::from).collect(),
                        next_page_token: answer.next_page_token,
                    })
                })
                .await
            }
            Action::Retry { user } => {
                let user_id = users::find(&connection, &user).await?.id;
                let request = RetryMailRequest { user_id };
                let retried = connection.client().activations().retry_mail(request).await;
                output::show(output, &Mail::from(retried.map_err(explain)?.into_inner()))
            }
        }
    }
}

/// A mail as it is printed.
#[derive(Serialize)]
pub struct Mail {
    user_id: String,
    state: &'static str,
    attempts: i32,
    queue_time: Option<String>,
    due_time: Option<String>,
    end_time: Option<String>,
    failure: String,
}

impl From<v1::Mail> for Mail {
    fn from(wire: v1::Mail) -> Self {
        let state = match wire.state() {
            mail::State::Unspecified => "unknown",
            mail::State::Waiting => "waiting",
            mail::State::Parked => "parked",
            mail::State::Sent => "sent",
        };
        let v1::Mail {
            user_id,
            state: _,
            queue_time,
            due_time,
            attempts,
            failure,
            end_time,
        } = wire;
        let text = |time: Option<prost_types::Timestamp>| time.map(|time| rfc3339(time.seconds, time.nanos));
        Self {
            user_id,
            state,
            attempts,
            queue_time: text(queue_time),
            due_time: text(due_time),
            end_time: text(end_time),
            failure,
        }
    }
}

impl Mail {
    /// What became of it, in one line, beside the user whom it is for.
    pub fn line(&self) -> String {
        let mut line = self.state.to_owned();
        for (word, time) in [
            ("queued", &self.queue_time),
            ("next attempt", &self.due_time),
            ("since", &self.end_time),
        ] {
            if time.is_some() {
                line.push_str(&format!(", {word} {}", to_the_second(time.as_ref())));
            }
        }
        let times = if self.attempts == 1 { "attempt" } else { "attempts" };
        line.push_str(&format!(", {} {times}", self.attempts));
        if !self.failure.is_empty() {
            line.push_str(&format!(", the last one failed: {}", self.failure));
        }
        if self.state == "parked" {
            line.push_str(" (`rollcall mail retry` sends it again)");
        }
        line
    }
}

impl Row for Mail {
    const COLUMNS: &[&str] = &[
        "USER ID",
        "STATE",
        "ATTEMPTS",
        "QUEUED",
        "NEXT ATTEMPT",
        "ENDED",
        "FAILURE",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.user_id.clone(),
            self.state.to_owned(),
            self.attempts.to_string(),
            to_the_second(self.queue_time.as_ref()),
            to_the_second(self.due_time.as_ref()),
            to_the_second(self.end_time.as_ref()),
            self.failure.clone(),
        ]
    }
}

impl Record for Mail {
    fn lines(&self) -> Vec<(&'static str, String)> {
        vec![("User ID", self.user_id.clone()), ("Mail", self.line())]
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use serde_json::json;

    use super::*;

    fn parked() -> v1::Mail {
        let time = |seconds| Some(Timestamp { seconds, nanos: 0 });
        v1::Mail {
            user_id: "u1".to_owned(),
            state: mail::State::Parked.into(),
            queue_time: time(0),
            due_time: None,
            attempts: 3,
            failure: "refused 550".to_owned(),
            end_time: time(60),
        }
    }

    #[test]
    fn the_json_of_a_mail_has_stable_names() {
        assert_eq!(
            serde_json::to_value(Mail::from(parked())).unwrap(),
            json!({
                "user_id": "u1", "state": "parked", "attempts": 3, "queue_time": "1970-01-01T00:00:00Z",
                "due_time": null, "end_time": "1970-01-01T00:01:00Z", "failure": "refused 550"
            })
        );
    }

    #[test]
    fn the_line_of_a_mail_says_what_became_of_it_and_what_can_be_done() {
        assert_eq!(
            Mail::from(parked()).line(),
            "parked, queued 1970-01-01T00:00:00Z, since 1970-01-01T00:01:00Z, 3 attempts, the last one failed: refused \
             550 (`rollcall mail retry` sends it again)"
        );
        let waiting = v1::Mail {
            state: mail::State::Waiting.into(),
            due_time: Some(Timestamp::default()),
            attempts: 1,
            ..v1::Mail::default()
        };
        assert_eq!(
            Mail::from(waiting).line(),
            "waiting, next attempt 1970-01-01T00:00:00Z, 1 attempt"
        );
    }
}
