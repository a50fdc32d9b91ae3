//! The schema, as a process meets it: at the start of the service, and in the commands `migrate up|status|check`.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use directory_proto::service::settings::SettingsError;
use directory_proto::trace::chain;

use crate::config::{DatabaseConfig, DatabaseUrl, Migrate, MigrateAction};
use crate::store::schema::{self, Schema, SchemaError};
use crate::store::{Database, StoreError};

const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The schema is not as it must be.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] SettingsError),
    /// The database failed, or another process migrates it.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Migrations are missing, and this process shall not apply them.
    #[error("the database lacks {} migrations ({}); run `directory-service migrate up` first", .0.len(), .0.join(", "))]
    Behind(Vec<String>),
    /// The answer could not be printed.
    #[error("standard output cannot be written")]
    Output(#[from] io::Error),
}

impl From<StoreError> for MigrateError {
    fn from(error: StoreError) -> Self {
        Self::Schema(error.into())
    }
}

impl MigrateError {
    /// Whether the database is just not there yet.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Schema(SchemaError::Store(StoreError::Unavailable(_))))
    }
}

/// Does `attempt` again as long as the database is just not there yet, for about `patience`.
///
/// # Errors
/// Those of the last attempt.
pub async fn when_available<T, F>(patience: Duration, attempt: impl Fn() -> F) -> Result<T, MigrateError>
where
    F: Future<Output = Result<T, MigrateError>>,
{
    let begin = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt().await {
            Err(error) if error.is_unavailable() && begin.elapsed() < patience => {
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(error = chain(&error), pause_ms, "waiting for the database");
            }
            done => return done,
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Makes sure that the schema fits: brings it up to date, past a pooler if there is one, or only looks.
///
/// # Errors
/// [`MigrateError::Behind`] if it does not fit and is not to be changed.
pub async fn prepare(database: &DatabaseConfig, migrate: Migrate) -> Result<Schema, MigrateError> {
    if let (Migrate::OnStart, Some(direct)) = (migrate, &database.direct_url) {
        prepare_at(direct, migrate).await?;
        // The other URL must lead to the same database.
        return prepare_at(&database.url, Migrate::Check).await;
    }
    prepare_at(&database.url, migrate).await
}

async fn prepare_at(url: &DatabaseUrl, migrate: Migrate) -> Result<Schema, MigrateError> {
    let db = Database::connect(&url.latest(), schema::CONNECTIONS).await?;
    let schema = schema::read(db.reader()).await?;
    let schema = match migrate {
        Migrate::OnStart if !schema.fits() => schema::migrate(&db, PATIENCE).await?,
        Migrate::OnStart | Migrate::Check => schema,
    };
    db.close().await?;
    if schema.fits() {
        Ok(schema)
    } else {
        Err(MigrateError::Behind(schema.pending))
    }
}

/// Runs one of the `migrate` commands.
///
/// # Errors
/// [`MigrateError`], with what to do.
pub async fn command(action: MigrateAction) -> Result<ExitCode, MigrateError> {
    match action {
        MigrateAction::Up(args) => {
            let schema = prepare(&args.check()?, Migrate::OnStart).await?;
            writeln!(
                io::stdout(),
                "the schema is up to date: {} migrations are applied",
                schema.version()
            )?;
            Ok(ExitCode::SUCCESS)
        }
        MigrateAction::Status(args) => {
            print(&look(&args.check()?).await?)?;
            Ok(ExitCode::SUCCESS)
        }
        MigrateAction::Check(args) => {
            let schema = look(&args.check()?).await?;
            if schema.fits() {
                return Ok(ExitCode::SUCCESS);
            }
            Err(MigrateError::Behind(schema.pending))
        }
    }
}

/// Makes no file of a SQLite database that is not there yet.
async fn look(database: &DatabaseConfig) -> Result<Schema, MigrateError> {
    if !Database::may_exist(&database.url.current()) {
        return Ok(Schema::of_an_empty_database());
    }
    let db = Database::connect(&database.url.current(), 1).await?;
    let schema = schema::read(db.reader()).await?;
    db.close().await?;
    Ok(schema)
}

fn print(schema: &Schema) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let states = [
        ("applied", &schema.applied),
        ("applied, newer than this program", &schema.newer),
        ("pending", &schema.pending),
    ];
    for (state, names) in states {
        for name in names {
            writeln!(out, "{name}  {state}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
