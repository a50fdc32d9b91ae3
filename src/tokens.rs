//! `rollcall token`: the bearer tokens of a tenant, or the operators' own.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use directory_proto::v1::{self, IssueTokenRequest, ListTokensRequest, RevokeTokenRequest};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;

use crate::connection::{Connection, ConnectionArgs, TenantArgs};
use crate::failure::Failure;
use crate::output::{self, Output, Page, Row, rfc3339, to_the_second};

const DAY_SECONDS: u64 = 24 * 60 * 60;
const LONGEST_LIFETIME: Duration = Duration::from_secs(100 * 365 * DAY_SECONDS);
/// The provisioning source of tokens with scope `provision`, unless another is named.
pub const DEFAULT_SOURCE: &str = "entra";

/// `rollcall token`.
#[derive(Args, Debug)]
pub struct TokenCommand {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Issues a token and prints it, alone: it cannot be shown again.
    Issue(IssueArgs),
    /// Lists the tokens that live, without their secrets.
    List {
        /// At most so many; 0 lists all.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
        /// The operators' tokens in place of a tenant's.
        #[arg(long)]
        operator: bool,
    },
    /// Revokes a token: within 10 seconds it is refused everywhere.
    Revoke {
        /// The token's id, as `token list` shows it.
        id: String,
        /// The token is an operator's, not a tenant's.
        #[arg(long)]
        operator: bool,
    },
}

#[derive(Args, Debug)]
struct IssueArgs {
    /// What the token is for.
    #[arg(long)]
    name: String,
    /// What it may do; several with commas.
    #[arg(long, value_enum, value_delimiter = ',', required = true)]
    scope: Vec<Scope>,
    /// The provisioning source that the holder speaks for, with scope provision [default: entra].
    #[arg(long)]
    source: Option<String>,
    /// How long it lives, such as 90d, 12h or 30m. Without it: until it is revoked.
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    expires: Option<Duration>,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// Write users and groups of the tenant, as Entra does. Includes read.
    Provision,
    /// Read the tenant.
    Read,
    /// Redeem activation codes.
    Activate,
    /// Settings and tokens of the tenant. Includes read.
    Admin,
    /// Every tenant.
    Operator,
}

impl From<Scope> for v1::Scope {
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

impl TokenCommand {
    /// Runs the command.
    pub async fn run(self) -> Result<(), Failure> {
        let output = self.connection.output;
        match &self.action {
            Action::Issue(args) => {
                let token = args.token(OffsetDateTime::now_utc())?;
                let connection = self.connect(args.scope.contains(&Scope::Operator)).await?;
                print_issued(output, issue(&connection, token).await?)
            }
            Action::List { limit, operator } => list(&self.connect(*operator).await?, output, *limit).await,
            Action::Revoke { id, operator } => {
                let connection = self.connect(*operator).await?;
                let request = RevokeTokenRequest { id: id.clone() };
                let revoked = connection.client().tokens().revoke_token(request).await;
                revoked.map_err(|status| connection.explain(&status))?;
                output::done(
                    output,
                    &format!("Revoked token {id}."),
                    &json!({ "id": id, "revoked": true }),
                )
            }
        }
    }

    /// Operator tokens belong to no tenant.
    async fn connect(&self, operator: bool) -> Result<Connection, Failure> {
        if operator {
            self.connection.without_tenant()
        } else {
            self.connection.in_tenant(&self.tenant).await
        }
    }
}

impl IssueArgs {
    fn token(&self, now: OffsetDateTime) -> Result<v1::Token, Failure> {
        let provisions = self.scope.contains(&Scope::Provision);
        if self.source.is_some() && !provisions {
            return Err(Failure::Usage(
                "--source goes with --scope provision only: leave it out".to_owned(),
            ));
        }
        let mut token = v1::Token {
            name: self.name.clone(),
            source: self
                .source
                .clone()
                .unwrap_or_else(|| if provisions { DEFAULT_SOURCE } else { "" }.to_owned()),
            ..Default::default()
        };
        for scope in &self.scope {
            token.push_scopes((*scope).into());
        }
        if let Some(lifetime) = self.expires {
            let end = now + lifetime;
            let expire_time = token.expire_time.get_or_insert_default();
            expire_time.seconds = end.unix_timestamp();
        }
        Ok(token)
    }
}

/// Issues a token.
pub async fn issue(connection: &Connection, token: v1::Token) -> Result<v1::IssueTokenResponse, Failure> {
    let request = IssueTokenRequest { token: Some(token) };
    let issued = connection.client().tokens().issue_token(request).await;
    Ok(issued.map_err(|status| connection.explain(&status))?.into_inner())
}

fn print_issued(output: Output, issued: v1::IssueTokenResponse) -> Result<(), Failure> {
    let secret = issued.secret;
    let json = IssuedToken {
        token: issued.token.unwrap_or_default().into(),
        secret: &secret,
    };
    output::done(output, &secret, &json)
}

async fn list(connection: &Connection, output: Output, limit: u32) -> Result<(), Failure> {
    output::list(output, limit, async |page_size, page_token| {
        let request = ListTokensRequest { page_size, page_token };
        let answer = connection.client().tokens().list_tokens(request).await;
        let answer = answer.map_err(|status| connection.explain(&status))?.into_inner();
        let rows = answer.tokens.into_iter().map(Token::from).collect();
        Ok(Page {
            rows,
            next_page_token: answer.next_page_token,
        })
    })
    .await
}

/// A token as it is printed.
#[derive(Serialize)]
struct Token {
    id: String,
    name: String,
    scopes: Vec<String>,
    source: Option<String>,
    create_time: Option<String>,
    expire_time: Option<String>,
    last_use_time: Option<String>,
}

#[derive(Serialize)]
struct IssuedToken<'a> {
    #[serde(flatten)]
    token: Token,
    secret: &'a str,
}

impl From<v1::Token> for Token {
    fn from(wire: v1::Token) -> Self {
        let scopes = wire.scopes().map(|scope| scope.as_str_name().to_lowercase()).collect();
        let v1::Token {
            id,
            name,
            scopes: _,
            source,
            create_time,
            expire_time,
            last_use_time,
        } = wire;
        Self {
            id,
            name,
            scopes,
            source: Some(source).filter(|source| !source.is_empty()),
            create_time: create_time.map(|time| rfc3339(time.seconds, time.nanos)),
            expire_time: expire_time.map(|time| rfc3339(time.seconds, time.nanos)),
            last_use_time: last_use_time.map(|time| rfc3339(time.seconds, time.nanos)),
        }
    }
}

impl Row for Token {
    const COLUMNS: &[&str] = &["ID", "NAME", "SCOPES", "SOURCE", "CREATED", "EXPIRES", "LAST USED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.scopes.join(","),
            self.source.clone().unwrap_or_default(),
            to_the_second(self.create_time.as_ref()),
            to_the_second(self.expire_time.as_ref()),
            to_the_second(self.last_use_time.as_ref()),
        ]
    }
}

/// Parses a whole number with one unit: `90d`, `12h`, `30m`, `45s`, `2w`.
fn lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || "must be a whole number and a unit, such as 90d, 12h or 30m".to_owned();
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => DAY_SECONDS,
        "w" => 7 * DAY_SECONDS,
        _ => return Err(wrong()),
    };
    if number.is_empty() {
        return Err(wrong());
    }
    // A number too large for u64 is a long life all the same.
    let number: u64 = number.parse().unwrap_or(u64::MAX);
    let lifetime = Duration::from_secs(number.saturating_mul(seconds));
    if lifetime.is_zero() {
        return Err("must be more than nothing".to_owned());
    }
    if lifetime > LONGEST_LIFETIME {
        return Err("must be at most 36500d; leave it out for a token that lives until it is revoked".to_owned());
    }
    Ok(lifetime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue_args(scope: &[Scope], source: Option<&str>) -> IssueArgs {
        IssueArgs {
            name: "HR".to_owned(),
            scope: scope.to_vec(),
            source: source.map(ToOwned::to_owned),
            expires: Some(Duration::from_secs(60)),
        }
    }

    #[test]
    fn a_lifetime_is_a_whole_number_and_a_unit() {
        assert_eq!(lifetime("45s"), Ok(Duration::from_secs(45)));
        assert_eq!(lifetime("30m"), Ok(Duration::from_secs(1_800)));
        assert_eq!(lifetime("12h"), Ok(Duration::from_secs(43_200)));
        assert_eq!(lifetime("90d"), Ok(Duration::from_secs(7_776_000)));
        assert_eq!(lifetime("2w"), Ok(Duration::from_secs(1_209_600)));
        assert_eq!(lifetime("36500d"), Ok(LONGEST_LIFETIME));
    }

    #[test]
    fn anything_else_is_no_lifetime() {
        let wrong = Err("must be a whole number and a unit, such as 90d, 12h or 30m".to_owned());
        for text in ["", "90", "d", "-1d", "1.5h", "1d12h", "1 d", "1D", "1é", " 1d"] {
            assert_eq!(lifetime(text), wrong, "{text}");
        }
        assert_eq!(lifetime("0d"), Err("must be more than nothing".to_owned()));
        for text in ["36501d", "99999999999999999999999w"] {
            let message = lifetime(text).unwrap_err();
            assert_eq!(
                message,
                "must be at most 36500d; leave it out for a token that lives until it is revoked"
            );
        }
    }

    #[test]
    fn only_a_provisioning_token_has_a_source_and_it_is_entra_unless_named() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let source = |scope: &[Scope], source| issue_args(scope, source).token(now).map(|token| token.source);

        assert_eq!(source(&[Scope::Read, Scope::Provision], None).unwrap(), "entra");
        assert_eq!(source(&[Scope::Provision], Some("hr")).unwrap(), "hr");
        assert_eq!(source(&[Scope::Read], None).unwrap(), "");
        assert!(matches!(source(&[Scope::Read], Some("hr")), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_token_ends_after_its_lifetime() {
        let token = issue_args(&[Scope::Read], None)
            .token(OffsetDateTime::UNIX_EPOCH)
            .unwrap();

        assert_eq!(token.expire_time.unwrap().seconds, 60);
    }

    #[test]
    fn the_json_of_an_issued_token_has_stable_names() {
        let mut token = v1::Token {
            id: "a1".to_owned(),
            name: "entra".to_owned(),
            ..Default::default()
        };
        token.push_scopes(v1::Scope::Provision);
        token.create_time.get_or_insert_default().seconds = 1_700_000_000;

        let issued = IssuedToken {
            token: token.into(),
            secret: "rc_a1_s",
        };

        assert_eq!(
            serde_json::to_value(issued).unwrap(),
            json!({
                "id": "a1", "name": "entra", "scopes": ["provision"], "source": null,
                "create_time": "2023-11-14T22:13:20Z", "expire_time": null, "last_use_time": null, "secret": "rc_a1_s"
            })
        );
    }
}
