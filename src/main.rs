//! The `rollcall` command: `up` runs both services in one process, every other command is a thin client of the
//! directory's gRPC API.

mod connection;
mod data_dir;
mod extensions;
mod failure;
mod groups;
mod mails;
mod output;
mod schemas;
mod tenants;
mod tokens;
mod up;
mod users;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The identity directory that Microsoft Entra ID keeps in step.
#[derive(Parser)]
#[command(name = "rollcall", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the gateway and the directory in this process, on an embedded SQLite database.
    Up(Box<up::UpArgs>),
    /// Creates, shows, lists, changes and deletes tenants.
    Tenant(tenants::TenantCommand),
    /// Issues, lists and revokes bearer tokens.
    Token(tokens::TokenCommand),
    /// Lists, shows, explains, blocks and unblocks users, and mails them activation codes.
    User(users::UserCommand),
    /// Lists and shows groups and their members.
    Group(groups::GroupCommand),
    /// Lists activation mails and sends parked ones again.
    Mail(mails::MailCommand),
    /// Registers, lists, shows and deletes extension schemas.
    Schema(schemas::SchemaCommand),
}

#[tokio::main]
async fn main() -> ExitCode {
    // First of all: the first use of TLS looks for it. An error means that it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = match Cli::parse().command {
        Command::Up(args) => up::run(*args).await,
        Command::Tenant(command) => command.run().await,
        Command::Token(command) => command.run().await,
        Command::User(command) => command.run().await,
        Command::Group(command) => command.run().await,
        Command::Mail(command) => command.run().await,
        Command::Schema(command) => command.run().await,
    };
    failure::report(done)
}
