//! The `directory-service` program: reads the command line, starts telemetry, and calls the library.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use directory_proto::service::variables::warn_of_unknown;
use directory_proto::service::{Runtime, admin, stop_on_signals, telemetry};
use directory_service::config::{Cli, Command, ServeArgs};
use directory_service::{init, migrate};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default(); // refused only if one is installed
    let done = match Cli::parse().command {
        Command::Serve(args) => serve(*args).await,
        Command::Migrate { action } => migrate::command(action).await.map_err(anyhow::Error::from),
        Command::Init(args) => init::command(args).await.map_err(anyhow::Error::from),
    };
    done.unwrap_or_else(|error| {
        eprintln!("directory-service: {error:#}");
        ExitCode::FAILURE
    })
}

async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let settings = args.check()?;
    let telemetry = telemetry::start("directory-service")?;
    warn_of_unknown(&Cli::command(), "DIRECTORY_", std::env::vars_os().map(|(name, _)| name));
    if settings.in_the_clear {
        tracing::warn!("gRPC is served without encryption off this machine, as DIRECTORY_ALLOW_PLAINTEXT says");
    }
    let runtime = Runtime::new(CancellationToken::new(), telemetry.metrics());
    stop_on_signals(&runtime, settings.config.shutdown_drain);
    let grpc = TcpListener::bind(settings.grpc_listen).await?;
    let probes = TcpListener::bind(settings.admin_listen).await?;
    tokio::spawn(admin::serve(probes, runtime.clone()));
    let served = directory_service::run(settings.config, grpc, &runtime).await;
    telemetry.flush();
    Ok(served.map(|()| ExitCode::SUCCESS)?)
}
