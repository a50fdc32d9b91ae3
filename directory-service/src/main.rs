//! The `directory-service` program: reads the command line, starts telemetry, and calls the library.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser as _};
use directory_proto::service::telemetry::Telemetry;
use directory_proto::service::variables::warn_of_unknown;
use directory_proto::service::{Runtime, admin, stop_on_signals, telemetry};
use directory_service::config::{Cli, Command, ServeArgs};
use directory_service::{init, migrate};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default(); // refused only if one is installed
    run(Cli::parse().command).await.unwrap_or_else(|error| {
        eprintln!("directory-service: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let telemetry = telemetry::start("directory-service")?;
    warn_of_unknown(&Cli::command(), "DIRECTORY_", std::env::vars_os().map(|(name, _)| name));
    let done = match command {
        Command::Serve(args) => serve(*args, &telemetry).await,
        Command::Migrate { action } => migrate::command(action).await.map_err(anyhow::Error::from),
        Command::Init(args) => init::command(args).await.map_err(anyhow::Error::from),
    };
    telemetry.flush();
    done
}

async fn serve(args: ServeArgs, telemetry: &Telemetry) -> anyhow::Result<ExitCode> {
    let settings = args.check()?;
    if settings.in_the_clear {
        tracing::warn!("gRPC is served without encryption off this machine, as DIRECTORY_ALLOW_PLAINTEXT says");
    }
    let runtime = Runtime::new(CancellationToken::new(), telemetry.metrics());
    stop_on_signals(&runtime, settings.config.shutdown_drain);
    let grpc = bind(settings.grpc_listen).await?;
    let probes = bind(settings.admin_listen).await?;
    tokio::spawn(admin::serve(probes, runtime.clone()));
    directory_service::run(settings.config, grpc, &runtime).await?;
    Ok(ExitCode::SUCCESS)
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}"))
}
