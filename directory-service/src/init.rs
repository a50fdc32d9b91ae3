//! The first operator token: the one right that no other right can give.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::clock::Clock;
use directory_proto::service::settings::SettingsError;

use crate::config::{Config, DatabaseConfig, InitArgs, Migrate};
use crate::directory::{Directory, DirectoryError};
use crate::domain::token::{MalformedToken, TokenText};
use crate::migrate::{MigrateError, prepare, when_available};
use crate::store::{Database, StoreError};

/// So long a database that is not there yet is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no new operator token.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] SettingsError),
    /// The database cannot be opened, or its schema does not fit.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// An operator token lives.
    #[error("an operator token lives already; --new-operator-token revokes it and makes another")]
    OperatorLives,
    /// The text is no token of ours.
    #[error("the operator token to register is malformed")]
    Malformed(#[from] MalformedToken),
    /// The database failed.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The token could not be printed.
    #[error("standard output cannot be written")]
    Output(#[from] io::Error),
}

impl From<StoreError> for InitError {
    fn from(error: StoreError) -> Self {
        Self::Migrate(error.into())
    }
}

/// Makes the first operator token, after bringing the schema up to date if the settings say so. A database that is not
/// there yet is waited for, a minute at most.
///
/// # Errors
/// [`InitError::OperatorLives`], unless `new_operator_token` says to revoke those that live.
pub async fn init(config: &Config, new_operator_token: bool) -> Result<SecretString, InitError> {
    make(&config.database, config.migrate, new_operator_token).await
}

/// Registers this very token if no operator token lives. Says whether it is one that lives now. Waits as [`init`] does.
///
/// # Errors
/// [`InitError::Malformed`] unless [`new_token`] made it, and those of the database.
pub async fn ensure_operator_token(config: &Config, token: &SecretString) -> Result<bool, InitError> {
    let text = TokenText::parse(token.expose_secret())?;
    register(&config.database, config.migrate, &text, false).await
}

/// A new token, which nobody knows yet.
pub fn new_token() -> SecretString {
    TokenText::generate().into_secret()
}

/// Runs the command `init`: prints the token, alone, on standard output.
///
/// # Errors
/// [`InitError`], with what to do.
pub async fn command(args: InitArgs) -> Result<ExitCode, InitError> {
    let new_operator_token = args.new_operator_token;
    let (database, migrate) = args.check()?;
    let token = make(&database, migrate, new_operator_token).await?;
    writeln!(io::stdout(), "{}", token.expose_secret())?;
    Ok(ExitCode::SUCCESS)
}

async fn make(database: &DatabaseConfig, migrate: Migrate, replace: bool) -> Result<SecretString, InitError> {
    let text = TokenText::generate();
    if register(database, migrate, &text, replace).await? {
        Ok(text.into_secret())
    } else {
        Err(InitError::OperatorLives)
    }
}

async fn register(
    database: &DatabaseConfig,
    migrate: Migrate,
    text: &TokenText,
    replace: bool,
) -> Result<bool, InitError> {
    let db = when_available(PATIENCE, || async {
        prepare(database, migrate).await?;
        Ok(Database::connect(&database.url.latest(), 1).await?)
    })
    .await?;
    let registered = Directory::new(db.clone(), Clock::system())
        .register_operator(text, replace)
        .await;
    db.close().await?;
    Ok(registered?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestDb, on_every_database, on_postgres};
    use tokio::net::{TcpListener, TcpStream};

    on_every_database! {
        only_one_operator_token_is_made_unless_told
        a_given_token_is_registered_once
    }

    fn config(db: &TestDb) -> Config {
        Config::new(db.url.clone(), "unused".into())
    }

    async fn lives(db: &TestDb, token: &SecretString) -> bool {
        let text = TokenText::parse(token.expose_secret()).unwrap();
        Directory::new(db.db.clone(), Clock::system())
            .verify_token(&text)
            .await
            .unwrap()
            .is_some()
    }

    async fn only_one_operator_token_is_made_unless_told(db: TestDb) {
        let first = init(&config(&db), false).await.unwrap();
        assert!(lives(&db, &first).await);

        assert!(matches!(init(&config(&db), false).await, Err(InitError::OperatorLives)));
        assert!(lives(&db, &first).await, "a refused init changes nothing");

        let second = init(&config(&db), true).await.unwrap();
        assert!(lives(&db, &second).await);
        assert!(!lives(&db, &first).await, "the new one replaces it");
    }

    #[test]
    fn a_server_that_is_not_there_yet_is_waited_for() {
        on_postgres(|db| async move {
            let url = db.url.expose_secret();
            let (scheme_and_user, rest) = url.split_once('@').expect("the URL names a user");
            let (server, database) = rest.split_once('/').expect("and a database");
            let (server, database) = (server.to_owned(), database.to_owned());
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let proxy = listener.local_addr().unwrap();
            // Hangs up once, as a server that is still starting does.
            tokio::spawn(async move {
                drop(listener.accept().await.unwrap());
                while let Ok((mut client, _)) = listener.accept().await {
                    let mut server = TcpStream::connect(&server).await.unwrap();
                    tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
                }
            });
            let url = format!("{scheme_and_user}@{proxy}/{database}");

            let token = init(&Config::new(url.into(), "unused".into()), false).await.unwrap();

            assert!(lives(&db, &token).await);
        });
    }

    async fn a_given_token_is_registered_once(db: TestDb) {
        let (token, other) = (new_token(), new_token());

        assert!(ensure_operator_token(&config(&db), &token).await.unwrap());
        assert!(
            ensure_operator_token(&config(&db), &token).await.unwrap(),
            "it lives already"
        );
        assert!(
            !ensure_operator_token(&config(&db), &other).await.unwrap(),
            "another one lives"
        );

        init(&config(&db), true).await.unwrap();
        assert!(
            !ensure_operator_token(&config(&db), &token).await.unwrap(),
            "revoked for good"
        );

        let malformed = ensure_operator_token(&config(&db), &"rc_x".to_owned().into()).await;
        assert!(matches!(malformed, Err(InitError::Malformed(MalformedToken))));
    }
}
