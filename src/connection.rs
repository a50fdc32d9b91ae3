//! How the operator's commands reach the directory: its address, the token, the tenant, and what a refusal means to
//! the person who typed the command.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use directory_proto::client::{DirectoryClient, InvalidTarget, Target};
use directory_proto::status::{metadata_of, reason_of, retry_after_of, violations_of};
use directory_proto::tls::{ClientTls, ClientTlsFiles, IdentityFiles};
use directory_proto::v1::{ErrorReason, Scope, WhoAmIRequest};
use secrecy::SecretString;
use tonic::{Code, Status};

use crate::data_dir::{operator_token_file, read_token};
use crate::failure::Failure;
use crate::output::Output;

/// The environment variable that holds a token. There is no flag for it: arguments are visible to every user.
const TOKEN_VARIABLE: &str = "ROLLCALL_TOKEN";
/// The tenant that `rollcall up` makes.
pub const DEFAULT_TENANT: &str = "default";
/// Where `rollcall up` keeps its data.
pub const DEFAULT_DATA_DIR: &str = "./rollcall-data";
/// Where `rollcall up` serves gRPC.
pub const DEFAULT_GRPC_ENDPOINT: &str = "http://127.0.0.1:50051";

/// The flags of every command that asks the directory.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// The data directory of `rollcall up`; its operator token is used unless another token is given.
    #[arg(long, global = true, env = "ROLLCALL_DATA_DIR", value_name = "DIR", default_value = DEFAULT_DATA_DIR)]
    data_dir: PathBuf,
    /// The directory's gRPC address.
    #[arg(long, global = true, env = "ROLLCALL_GRPC_ENDPOINT", value_name = "URL", default_value = DEFAULT_GRPC_ENDPOINT)]
    grpc_endpoint: String,
    /// A file with the token to use, mode 0600. Without it: the variable ROLLCALL_TOKEN, then <data-dir>/operator.token.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The certificates, in PEM, of the authorities that vouch for the directory; needed with https.
    #[arg(long, global = true, env = "ROLLCALL_TLS_CA_FILE", value_name = "FILE")]
    tls_ca_file: Option<PathBuf>,
    /// The certificate, in PEM, that is shown to a directory that asks for one.
    #[arg(
        long,
        global = true,
        env = "ROLLCALL_TLS_CERT_FILE",
        value_name = "FILE",
        requires = "tls_key_file"
    )]
    tls_cert_file: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    #[arg(
        long,
        global = true,
        env = "ROLLCALL_TLS_KEY_FILE",
        value_name = "FILE",
        requires = "tls_cert_file"
    )]
    tls_key_file: Option<PathBuf>,
    /// The name in the directory's certificate, if it is reached by another one, as through a port that is forwarded.
    #[arg(long, global = true, env = "ROLLCALL_TLS_SERVER_NAME", value_name = "NAME")]
    tls_server_name: Option<String>,
    /// How the answer is printed.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// The flag of every command that works inside one tenant.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
pub struct TenantArgs {
    /// The tenant. With an operator token `default` unless given; any other token has a tenant of its own.
    #[arg(long, global = true, env = "ROLLCALL_TENANT", value_name = "SLUG")]
    tenant: Option<String>,
}

/// Where a token came from: it decides what is known about it, and what to advise if it is refused.
#[derive(Clone, Debug)]
enum TokenOrigin {
    /// `<data-dir>/operator.token`, made by `rollcall up`.
    DataDir(PathBuf),
    File(PathBuf),
    Variable,
}

/// The directory as the caller of a command sees it.
pub struct Connection {
    client: DirectoryClient,
    endpoint: String,
    token_origin: TokenOrigin,
    tenant: Option<String>,
}

impl ConnectionArgs {
    /// The directory, in no tenant.
    pub fn without_tenant(&self) -> Result<Connection, Failure> {
        let variable = std::env::var(TOKEN_VARIABLE).ok();
        let (token, token_origin) = self.token(variable)?;
        Connection::new(&self.grpc_endpoint, self.tls()?, &token, token_origin)
    }

    fn tls(&self) -> Result<Option<ClientTls>, Failure> {
        let given = |file: &Option<PathBuf>| file.clone().filter(|file| !file.as_os_str().is_empty());
        let identity = given(&self.tls_cert_file).zip(given(&self.tls_key_file));
        let Some(authorities) = given(&self.tls_ca_file) else {
            return match identity {
                None => Ok(None),
                Some(_) => Err(Failure::Usage(
                    "--tls-cert-file needs --tls-ca-file and https".to_owned(),
                )),
            };
        };
        let files = ClientTlsFiles {
            authorities,
            identity: identity.map(|(certificate, key)| IdentityFiles { certificate, key }),
            server_name: self.tls_server_name.clone().filter(|name| !name.is_empty()),
        };
        let tls = ClientTls::load(files);
        tls.map(Some).map_err(|error| Failure::Usage(error.to_string()))
    }

    /// The directory, in a tenant.
    pub async fn in_tenant(&self, tenant: &TenantArgs) -> Result<Connection, Failure> {
        let connection = self.without_tenant()?;
        let named = tenant.tenant.as_deref().filter(|slug| !slug.is_empty());
        if let TokenOrigin::DataDir(_) = connection.token_origin {
            return connection.for_tenant(named.unwrap_or(DEFAULT_TENANT));
        }
        // Only an operator's token may name a tenant, so it must be known which kind this one is.
        let answer = connection.client.tokens().who_am_i(WhoAmIRequest {}).await;
        let me = answer.map_err(|status| connection.explain(&status))?.into_inner();
        if me
            .token
            .is_some_and(|token| token.scopes().any(|scope| scope == Scope::Operator))
        {
            return connection.for_tenant(named.unwrap_or(DEFAULT_TENANT));
        }
        let own = me.tenant.unwrap_or_default().slug;
        match named {
            Some(slug) if slug != own => Err(Failure::new(format!(
                "the token from {} belongs to tenant `{own}`, not to `{slug}`: leave --tenant and ROLLCALL_TENANT out, \
                 or use a token of that tenant",
                connection.token_origin.name()
            ))),
            Some(_) | None => Ok(connection),
        }
    }

    fn token(&self, variable: Option<String>) -> Result<(SecretString, TokenOrigin), Failure> {
        if let Some(file) = &self.token_file {
            return Ok((read_token(file)?, TokenOrigin::File(file.clone())));
        }
        if let Some(token) = variable.filter(|token| !token.trim().is_empty()) {
            return Ok((token.trim().into(), TokenOrigin::Variable));
        }
        let file = operator_token_file(&self.data_dir);
        match file.try_exists() {
            Ok(false) => Err(Failure::new(format!(
                "there is no operator token at {}: start `rollcall up` with this data directory, or name a token with \
                 --token-file or {TOKEN_VARIABLE}",
                file.display()
            ))),
            Ok(true) | Err(_) => Ok((read_token(&file)?, TokenOrigin::DataDir(file))),
        }
    }
}

impl Connection {
    /// The directory at this address, for the operator whose token is in a data directory's file.
    pub fn of_operator(endpoint: &str, token: &SecretString, file: &Path) -> Result<Self, Failure> {
        Self::new(endpoint, None, token, TokenOrigin::DataDir(file.to_owned()))
    }

    fn new(
        endpoint: &str,
        tls: Option<ClientTls>,
        token: &SecretString,
        token_origin: TokenOrigin,
    ) -> Result<Self, Failure> {
        let wrong = |error: InvalidTarget| Failure::Usage(format!("{error}, not like {endpoint} (--grpc-endpoint)"));
        let target: Target = endpoint.parse().map_err(wrong)?;
        match target.encrypted() {
            Some(true) if tls.is_none() => return Err(Failure::Usage("https needs --tls-ca-file".to_owned())),
            Some(false) if tls.is_some() => {
                return Err(Failure::Usage(
                    "--tls-ca-file needs --grpc-endpoint https://…".to_owned(),
                ));
            }
            _ => {}
        }
        let client = DirectoryClient::at(&target, tls.map(Arc::new))
            .map_err(wrong)?
            .with_token(token)
            .map_err(|error| Failure::new(format!("{error}: it comes from {}", token_origin.name())))?;
        Ok(Self {
            client,
            endpoint: endpoint.to_owned(),
            token_origin,
            tenant: None,
        })
    }

    /// The same directory, with every call in this tenant.
    pub fn for_tenant(&self, slug: &str) -> Result<Self, Failure> {
        let client = self.client.clone().for_tenant(slug);
        Ok(Self {
            client: client.map_err(|error| Failure::Usage(format!("{error} (--tenant)")))?,
            endpoint: self.endpoint.clone(),
            token_origin: self.token_origin.clone(),
            tenant: Some(slug.to_owned()),
        })
    }

    /// The generated clients.
    pub fn client(&self) -> &DirectoryClient {
        &self.client
    }

    /// What a refusal means, and what to do about it.
    pub fn explain(&self, status: &Status) -> Failure {
        let text = match reason_of(status) {
            Some(reason) => self.explain_reason(reason, status),
            None => self.explain_code(status),
        };
        Failure::new(text.replace('\n', " "))
    }

    fn explain_reason(&self, reason: ErrorReason, status: &Status) -> String {
        use ErrorReason as R;
        let said = status.message();
        match reason {
            R::TokenInvalid => format!(
                "the directory at {} does not accept the token from {}: it is unknown, expired or revoked; {}",
                self.endpoint,
                self.token_origin.name(),
                self.token_origin.advice()
            ),
            R::ScopeMissing => {
                let scope = metadata_of(status, "scope").unwrap_or_default().to_lowercase();
                let scope = if scope.is_empty() {
                    "the needed scope".to_owned()
                } else {
                    format!("scope `{scope}`")
                };
                format!(
                    "the token from {} lacks {scope}: use one that has it, such as the operator token",
                    self.token_origin.name()
                )
            }
            R::TenantNotAllowed => {
                format!(
                    "the token from {} is no operator token: leave --tenant out",
                    self.token_origin.name()
                )
            }
            R::TenantRequired => "the operator token must name a tenant here: add --tenant".to_owned(),
            R::TenantNotFound => match &self.tenant {
                Some(slug) => format!("there is no tenant `{slug}`: `rollcall tenant list` shows the tenants"),
                None => "there is no such tenant: `rollcall tenant list` shows the tenants".to_owned(),
            },
            R::UserNotFound => "there is no such user in this tenant: `rollcall user list` shows the users".to_owned(),
            R::GroupNotFound => {
                "there is no such group in this tenant: `rollcall group list` shows the groups".to_owned()
            }
            R::TokenNotFound => "no such token lives in this tenant: `rollcall token list` shows the tokens, and with \
                                 --operator those of operators"
                .to_owned(),
            R::TenantSlugTaken => "there is a tenant of this slug already: choose another".to_owned(),
            R::TenantNotEmpty => {
                "the tenant still has users or groups: add --force to delete them too, for good".to_owned()
            }
            R::TryAgain => {
                let wait = retry_after_of(status).map_or(1, |wait| wait.as_secs().max(1));
                format!("the directory's database is busy or away: try again in {wait} s")
            }
            R::AlreadyActivated => "the user is activated already and needs no code".to_owned(),
            R::ActivationRateLimited => {
                let wait = retry_after_of(status).map_or(60, |wait| wait.as_millis().div_ceil(1_000));
                format!("a code was mailed to this user less than a minute ago: try again in {wait} s")
            }
            R::ActivationCodeInvalid => {
                "the code does not activate this user: have a new one mailed with `rollcall user \
                                         send-activation`; `rollcall user show` says whether the user is blocked"
                    .to_owned()
            }
            R::MailNotParked => "the user has no parked mail: `rollcall mail list --state parked` shows who has, and \
                                 `rollcall user send-activation` mails a new code"
                .to_owned(),
            R::InvalidField => {
                let violations = violations_of(status);
                if violations.is_empty() {
                    return told(said, reason);
                }
                let each = violations
                    .iter()
                    .map(|violation| format!("{} {}", violation.field, violation.description));
                each.collect::<Vec<_>>().join("; ")
            }
            R::Unspecified
            | R::InvalidFilter
            | R::InvalidPageToken
            | R::PageTokenExpired
            | R::ExtensionSchemaNotFound
            | R::ExtensionSchemaInUse
            | R::ExtensionValueTaken
            | R::MemberNotFound
            | R::MemberIsGroup
            | R::UserNameTaken
            | R::GroupTaken
            | R::VersionMismatch
            | R::ProvisioningSourceConflict => told(said, reason),
        }
    }

    fn explain_code(&self, status: &Status) -> String {
        match status.code() {
            Code::Unavailable if self.endpoint.starts_with("https:") => {
                format!("cannot reach the directory at {}: {}", self.endpoint, status.message())
            }
            Code::Unavailable => {
                format!(
                    "cannot reach the directory at {}: is `rollcall up` running? (--grpc-endpoint)",
                    self.endpoint
                )
            }
            Code::DeadlineExceeded | Code::Cancelled => {
                format!(
                    "the directory at {} did not answer in time: look at its log, then try again",
                    self.endpoint
                )
            }
            Code::Unimplemented => {
                format!(
                    "the server at {} is not a directory that knows this command (--grpc-endpoint)",
                    self.endpoint
                )
            }
            code => format!(
                "the directory at {} failed ({code:?}): {}",
                self.endpoint,
                status.message()
            ),
        }
    }
}

impl TokenOrigin {
    fn name(&self) -> String {
        match self {
            Self::DataDir(file) | Self::File(file) => file.display().to_string(),
            Self::Variable => TOKEN_VARIABLE.to_owned(),
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::DataDir(_) => "check that --data-dir and --grpc-endpoint mean the same `rollcall up`",
            Self::File(_) | Self::Variable => "have a new one issued with `rollcall token issue`",
        }
    }
}

/// The directory's own words, which say what to do; its reason if it has none.
fn told(said: &str, reason: ErrorReason) -> String {
    if said.is_empty() {
        format!("the directory refused: {}", reason.as_str_name())
    } else {
        said.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use directory_proto::status::refuse;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn args(data_dir: &Path, token_file: Option<PathBuf>) -> ConnectionArgs {
        ConnectionArgs {
            data_dir: data_dir.to_owned(),
            grpc_endpoint: DEFAULT_GRPC_ENDPOINT.to_owned(),
            token_file,
            tls_ca_file: None,
            tls_cert_file: None,
            tls_key_file: None,
            tls_server_name: None,
            output: Output::Table,
        }
    }

    fn write_private(file: &Path, text: &str) {
        fs::write(file, text).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn connection() -> Connection {
        Connection::of_operator(
            DEFAULT_GRPC_ENDPOINT,
            &"rc_a_b".into(),
            Path::new("data/operator.token"),
        )
        .unwrap()
    }

    #[test]
    fn a_token_file_goes_before_the_variable_and_the_variable_before_the_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        write_private(&dir.path().join("operator.token"), "rc_operator");
        write_private(&other, "rc_other");
        let found = |args: ConnectionArgs, variable: Option<&str>| {
            let (token, _) = args.token(variable.map(ToOwned::to_owned)).unwrap();
            token.expose_secret().to_owned()
        };

        assert_eq!(found(args(dir.path(), Some(other)), Some("rc_variable")), "rc_other");
        assert_eq!(found(args(dir.path(), None), Some("rc_variable\n")), "rc_variable");
        assert_eq!(found(args(dir.path(), None), Some("")), "rc_operator");
        assert_eq!(found(args(dir.path(), None), None), "rc_operator");
    }

    #[test]
    fn without_any_token_the_message_says_how_to_get_one() {
        let dir = tempfile::tempdir().unwrap();

        let failure = args(dir.path(), None).token(None).unwrap_err().to_string();

        assert_eq!(
            failure,
            format!(
                "there is no operator token at {}/operator.token: start `rollcall up` with this data directory, or name \
                 a token with --token-file or ROLLCALL_TOKEN",
                dir.path().display()
            )
        );
    }

    #[tokio::test]
    async fn an_unreachable_directory_is_told_with_its_address() {
        let failure = connection().explain(&Status::unavailable("tcp connect error"));

        assert_eq!(
            failure.to_string(),
            "cannot reach the directory at http://127.0.0.1:50051: is `rollcall up` running? (--grpc-endpoint)"
        );
    }

    #[tokio::test]
    async fn a_refused_field_is_told_with_its_rule() {
        let refusal = refuse(Code::InvalidArgument, ErrorReason::InvalidField, "invalid request")
            .violation("slug", "must be 1 to 63 of a-z, 0-9 and dash");

        assert_eq!(
            connection().explain(&refusal.into()).to_string(),
            "slug must be 1 to 63 of a-z, 0-9 and dash"
        );
    }

    #[tokio::test]
    async fn a_missing_scope_is_named() {
        let refusal = refuse(Code::PermissionDenied, ErrorReason::ScopeMissing, "no").metadata("scope", "OPERATOR");

        assert_eq!(
            connection().explain(&refusal.into()).to_string(),
            "the token from data/operator.token lacks scope `operator`: use one that has it, such as the operator token"
        );
    }

    #[tokio::test]
    async fn what_a_refused_mail_means_is_told_with_what_to_do() {
        let told = |code, reason| connection().explain(&refuse(code, reason, "no").into()).to_string();

        assert_eq!(
            told(Code::FailedPrecondition, ErrorReason::AlreadyActivated),
            "the user is activated already and needs no code"
        );
        assert!(told(Code::FailedPrecondition, ErrorReason::ActivationCodeInvalid).contains("send-activation"));
        assert!(told(Code::FailedPrecondition, ErrorReason::MailNotParked).contains("mail list --state parked"));
        let soon = refuse(Code::ResourceExhausted, ErrorReason::ActivationRateLimited, "no");
        assert_eq!(
            connection()
                .explain(&soon.retry_after(std::time::Duration::from_secs(42)).into())
                .to_string(),
            "a code was mailed to this user less than a minute ago: try again in 42 s"
        );
    }

    #[tokio::test]
    async fn an_unknown_tenant_is_named() {
        let refusal = refuse(Code::NotFound, ErrorReason::TenantNotFound, "no tenant");

        assert_eq!(
            connection()
                .for_tenant("acme")
                .unwrap()
                .explain(&refusal.into())
                .to_string(),
            "there is no tenant `acme`: `rollcall tenant list` shows the tenants"
        );
    }
}
