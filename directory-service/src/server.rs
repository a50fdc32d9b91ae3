//! The service as it runs: waits for its database, serves, tells how it is, and stops gracefully but never late.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use directory_proto::client::MAX_MESSAGE_BYTES;
use directory_proto::service::tls::{Certificate, show_expiry};
use directory_proto::service::{Component, Runtime};
use directory_proto::trace::grpc_span;
use directory_proto::v1;
use directory_proto::v1::activation_service_server::{ActivationServiceServer, SERVICE_NAME as ACTIVATIONS};
use directory_proto::v1::group_service_server::{GroupServiceServer, SERVICE_NAME as GROUPS};
use directory_proto::v1::search_service_server::{SERVICE_NAME as SEARCH, SearchServiceServer};
use directory_proto::v1::tenant_service_server::{SERVICE_NAME as TENANTS, TenantServiceServer};
use directory_proto::v1::token_service_server::{SERVICE_NAME as TOKENS, TokenServiceServer};
use directory_proto::v1::user_service_server::{SERVICE_NAME as USERS, UserServiceServer};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};

use crate::activation_code::ActivationCodes;
use crate::auth::{AuthLayer, Authenticator};
use crate::clock::Clock;
use crate::config::{Config, DatabaseConfig, DatabaseUrl};
use crate::directory::{Directory, in_time};
use crate::grpc;
use crate::incoming::connections;
use crate::keyring::{Keyring, KeyringError};
use crate::mail::Worker;
use crate::metrics::{AcquireMetric, ObserveLayer, TokenExpiry, record_build, record_draining, show_pool};
use crate::migrate::{MigrateError, prepare, when_available};
use crate::outbox::Outbox;
use crate::page_token::PageTokens;
use crate::store::{Database, StoreError};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// More requests of one connection wait; a gateway has one connection to each replica.
const CONCURRENT_REQUESTS: usize = 256;
const CONCURRENT_STREAMS: u32 = 1_024;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// To take what was answered.
const CONNECTION_AGE_GRACE: Duration = Duration::from_secs(30);

const TOKENS_INTERVAL: Duration = Duration::from_secs(60);
const CHECK_INTERVAL: Duration = Duration::from_secs(3);
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// So long after the last answer of the database the service still counts as ready: a failover is shorter.
const CHECK_VALID: Duration = Duration::from_secs(10);

/// Why the service ended, or never began.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The keyring cannot be used.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The database cannot be used, or its schema does not fit.
    #[error(transparent)]
    Database(#[from] MigrateError),
    /// The contract's description is damaged.
    #[error("server reflection cannot describe the contract")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The listener failed.
    #[error("the gRPC server failed")]
    Serve(#[from] tonic::transport::Error),
}

/// Serves the directory until `runtime.stop`, then lets calls finish, at most for the configured grace.
///
/// # Errors
/// [`RunError`]; a database that is not there yet is waited for.
pub async fn run(config: Config, listener: TcpListener, runtime: &Runtime) -> Result<(), RunError> {
    let component = runtime.health.component("directory");
    let keyring = Keyring::open(config.keyring_file.clone())?;
    let page_tokens = PageTokens::new(keyring.clone(), Clock::system());
    let codes = ActivationCodes::new(keyring.clone());
    let Some(db) = open(&config, &runtime.stop).await? else {
        return Ok(()); // stopped while there was no database
    };
    let mailing = config.mailing;
    let outbox = Outbox::new(
        mailing
            .folder()
            .map(Path::to_owned)
            .or_else(|| mailing.left_files.clone()),
    );
    let directory = Directory::new(db.clone(), Clock::system())
        .with_outbox(outbox.clone())
        .with_link_hosts(&mailing.link_hosts)
        .with_first_mail_pause(mailing.first_pause);
    let (authenticator, used_tokens) = Authenticator::new(directory.clone());
    let (reporter, health) = health_reporter();
    component.set_started();

    let mut tasks = JoinSet::new(); // aborted when this function returns
    tasks.spawn(used_tokens.note());
    tasks.spawn(async move { keyring.follow().await });
    tasks.spawn(follow_url(db.clone(), config.database.url.clone()));
    tasks.spawn(watch_tokens(directory.clone()));
    tasks.spawn(watch_database(
        db.clone(),
        component,
        reporter,
        runtime.draining.clone(),
    ));
    if let Some(tls) = config.tls.clone() {
        let shown = tls.clone();
        let certificate: Certificate = Box::new(move || Some(shown.certificate()));
        show_expiry("directory_tls_certificate_expires_seconds", vec![("grpc", certificate)]);
        tasks.spawn(async move { tls.follow().await });
    }
    let mut mails = JoinSet::new();
    mails.spawn(Worker::new(directory.clone(), outbox, codes.clone(), mailing).run(runtime.draining.clone()));

    let age = jittered(config.max_connection_age);
    let router = Server::builder()
        .trace_fn(grpc_span)
        .timeout(REQUEST_TIMEOUT)
        .concurrency_limit_per_connection(CONCURRENT_REQUESTS)
        .max_concurrent_streams(CONCURRENT_STREAMS)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        // With a grace, tonic 0.14 says no GOAWAY at that age: what does not end then, `connections` cuts off.
        .max_connection_age(age)
        .layer(ObserveLayer::new())
        .layer(AuthLayer::new(authenticator))
        .add_service(health)
        .add_service(reflection()?)
        .add_service(UserServiceServer::new(grpc::Users::new(
            directory.clone(),
            page_tokens.clone(),
        )))
        .add_service(
            GroupServiceServer::new(grpc::Groups::new(directory.clone(), page_tokens.clone()))
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
        )
        .add_service(SearchServiceServer::new(grpc::Searches::new(
            directory.clone(),
            page_tokens.clone(),
        )))
        .add_service(TenantServiceServer::new(grpc::Tenants::new(
            directory.clone(),
            page_tokens.clone(),
        )))
        .add_service(ActivationServiceServer::new(grpc::Activations::new(
            directory.clone(),
            page_tokens.clone(),
            codes,
        )))
        .add_service(TokenServiceServer::new(grpc::Tokens::new(directory, page_tokens)));
    let connections = connections(
        listener,
        config.tls.clone(),
        age + REQUEST_TIMEOUT + CONNECTION_AGE_GRACE,
        runtime.stop.clone(),
    );
    tracing::info!("serving gRPC");
    let serving = router.serve_with_incoming_shutdown(connections, runtime.stop.clone().cancelled_owned());
    let serving = async {
        serving.await?;
        mails.join_next().await;
        Ok(())
    };
    until_stopped(serving, &runtime.stop, config.shutdown_grace).await?;
    mails.shutdown().await;

    tasks.shutdown().await;
    if let Err(error) = db.close().await {
        tracing::debug!(error = &error as &dyn std::error::Error, "the database was not closed");
    }
    tracing::info!("stopped serving gRPC");
    Ok(())
}

/// A server waits for its connections to end, and for some it may wait for ever: the deadline is ours.
async fn until_stopped(
    serving: impl Future<Output = Result<(), tonic::transport::Error>>,
    stop: &CancellationToken,
    grace: Duration,
) -> Result<(), tonic::transport::Error> {
    let deadline = async {
        stop.cancelled().await;
        sleep(grace).await;
    };
    let (mut serving, mut deadline) = (pin!(serving), pin!(deadline));
    tokio::select! {
        served = &mut serving => served,
        () = &mut deadline => {
            tracing::warn!(grace_seconds = grace.as_secs(), "connections or mails were still open at the end of the grace");
            Ok(())
        }
    }
}

/// Prepares the schema and opens the database, however long it takes to appear. None: stopped meanwhile.
async fn open(config: &Config, stop: &CancellationToken) -> Result<Option<Database>, RunError> {
    let opened = when_available(Duration::MAX, || try_open(config));
    Ok(stop.run_until_cancelled(opened).await.transpose()?)
}

async fn try_open(config: &Config) -> Result<Database, MigrateError> {
    let schema = prepare(&config.database, config.migrate).await?;
    record_build(schema.version());
    let DatabaseConfig {
        url, max_connections, ..
    } = &config.database;
    Ok(Database::connect(&url.latest(), *max_connections).await?)
}

/// Connections that are opened from now on use what the URL's file says.
async fn follow_url(db: Database, url: DatabaseUrl) {
    let renew = |url: &SecretString| {
        if let Err(error) = db.renew(url) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the new DIRECTORY_DATABASE_URL_FILE is not used"
            );
        }
    };
    url.follow(renew).await;
}

/// Looks from time to time when the first token of a provisioning source ends.
async fn watch_tokens(directory: Directory) {
    let ends = TokenExpiry::show(Clock::system());
    loop {
        match in_time(directory.first_token_expiry()).await {
            Ok(first) => ends.record(first),
            Err(error) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the tokens were not looked at"
            ),
        }
        sleep(TOKENS_INTERVAL).await;
    }
}

/// Connections end so that clients spread over new replicas, and not all at once.
fn jittered(age: Duration) -> Duration {
    age.mul_f64(rand::random_range(0.9..1.1))
}

fn reflection() -> Result<ServerReflectionServer<impl ServerReflection>, RunError> {
    Ok(tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?)
}

/// Asks the database from time to time and tells the probes; NOT_SERVING from the moment of draining.
async fn watch_database(db: Database, component: Component, reporter: HealthReporter, draining: CancellationToken) {
    record_draining(false);
    show_pool(db.clone());
    let acquire = AcquireMetric::new();
    let mut answered: Option<Instant> = None;
    let mut was_ready = None;
    tell(&reporter, false).await;
    while !draining.is_cancelled() {
        let answer = draining.run_until_cancelled(ping(&db, &acquire)).await;
        if answer == Some(true) {
            answered = Some(Instant::now());
        }
        let ready = answered.is_some_and(|at| at.elapsed() < CHECK_VALID);
        if was_ready.replace(ready) != Some(ready) {
            component.set_ready(ready);
            tell(&reporter, ready).await;
            if ready {
                tracing::info!("ready: the database answers");
            } else {
                tracing::error!("not ready: the database does not answer");
            }
        }
        tokio::select! {
            () = draining.cancelled() => {}
            () = sleep(CHECK_INTERVAL) => {}
        }
    }
    record_draining(true);
    component.set_ready(false);
    tell(&reporter, false).await;
}

/// Takes a connection of the pool, as every request does, and asks through it. Taking one that takes too long is counted, too.
async fn ping(db: &Database, acquire: &AcquireMetric) -> bool {
    let begun = Instant::now();
    let acquired = timeout(CHECK_TIMEOUT, db.acquire()).await;
    acquire.record(begun.elapsed());
    let Ok(Ok(mut connection)) = acquired else { return false };
    timeout(CHECK_TIMEOUT, connection.ping())
        .await
        .is_ok_and(|answer: Result<(), StoreError>| answer.is_ok())
}

async fn tell(reporter: &HealthReporter, serving: bool) {
    let status = if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    for service in ["", USERS, GROUPS, SEARCH, TENANTS, TOKENS, ACTIVATIONS] {
        reporter.set_service_status(service, status).await;
    }
}

#[cfg(test)]
mod tests;
