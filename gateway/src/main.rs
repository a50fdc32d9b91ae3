//! The `gateway` binary: reads its settings, starts telemetry, and serves until it is told to stop.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use directory_proto::service::variables::warn_of_unknown;
use directory_proto::service::{Runtime, telemetry};
use tokio_util::sync::CancellationToken;

/// SCIM 2.0 for Microsoft Entra ID in front of a Rollcall directory.
#[derive(Parser)]
#[command(name = "gateway", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve SCIM 2.0.
    Serve(gateway::ServeArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default(); // refused only if one is installed
    let Command::Serve(args) = Cli::parse().command;
    match serve(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: gateway::ServeArgs) -> anyhow::Result<()> {
    let telemetry = telemetry::start("gateway")?;
    warn_of_unknown(&Cli::command(), "GATEWAY_", std::env::vars_os().map(|(name, _)| name));
    let runtime = Runtime::new(CancellationToken::new(), telemetry.metrics());
    let served = gateway::serve(args, &runtime).await;
    telemetry.flush();
    Ok(served?)
}
