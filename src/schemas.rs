//! `rollcall schema`: the extension schemas of a tenant, as files in the form of RFC 7643 §7.

mod file;

use std::io::Read as _;

use clap::{Args, Subcommand};
use directory_proto::v1::{DeleteExtensionSchemaRequest, ListExtensionSchemasRequest, RegisterExtensionSchemaRequest};
use serde_json::json;

use crate::connection::{Connection, ConnectionArgs, TenantArgs};
use crate::failure::Failure;
use crate::output::{self, Page};

use self::file::Schema;

/// The most bytes of a file; a definition may have 131,072.
const MAX_FILE_BYTES: u64 = 1_048_576;

/// `rollcall schema`.
#[derive(Args, Debug)]
pub struct SchemaCommand {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Registers a schema, or changes the one that has its URN.
    Register {
        /// A JSON file: a schema as `/Schemas` shows it, with "resourceType": "User" or "Group". `-` is standard input.
        #[arg(value_name = "FILE")]
        file: String,
    },
    /// Lists the schemas by URN.
    List,
    /// Shows one schema; with --output json in the form that `register` takes.
    Show {
        /// The schema's URN.
        urn: String,
    },
    /// Deletes a schema that no user or group has a value of.
    Delete {
        /// The schema's URN.
        urn: String,
    },
}

impl SchemaCommand {
    /// Runs the command.
    pub async fn run(self) -> Result<(), Failure> {
        let output = self.connection.output;
        let named = match &self.action {
            Action::Register { file } => Some(read(file)?),
            Action::List | Action::Show { .. } | Action::Delete { .. } => None,
        };
        let connection = self.connection.in_tenant(&self.tenant).await?;
        let tenants = || connection.client().tenants();
        let explain = |status| connection.explain(&status);
        match (self.action, named) {
            (Action::Register { .. }, schema) => {
                let request = RegisterExtensionSchemaRequest {
                    slug: String::new(),
                    schema: schema.map(Schema::into_wire),
                };
                let registered = tenants().register_extension_schema(request).await.map_err(explain)?;
                output::show(output, &Schema::from(registered.into_inner()))
            }
            (Action::List, _) => {
                output::list(output, 0, async |_, _| {
                    Ok(Page {
                        rows: list(&connection).await?,
                        next_page_token: String::new(),
                    })
                })
                .await
            }
            (Action::Show { urn }, _) => {
                let known = list(&connection).await?;
                let found = known.into_iter().find(|schema| schema.id.eq_ignore_ascii_case(&urn));
                let found = found.ok_or_else(|| {
                    Failure::new("no schema of this tenant has this URN: `rollcall schema list` shows the schemas")
                })?;
                output::show(output, &found)
            }
            (Action::Delete { urn }, _) => {
                let request = DeleteExtensionSchemaRequest {
                    slug: String::new(),
                    id: urn.clone(),
                };
                tenants().delete_extension_schema(request).await.map_err(explain)?;
                let sentence = format!("Deleted schema {urn}.");
                output::done(output, &sentence, &json!({ "id": urn, "deleted": true }))
            }
        }
    }
}

async fn list(connection: &Connection) -> Result<Vec<Schema>, Failure> {
    let request = ListExtensionSchemasRequest::default();
    let answer = connection.client().tenants().list_extension_schemas(request).await;
    let answer = answer.map_err(|status| connection.explain(&status))?.into_inner();
    Ok(answer.schemas.into_iter().map(Schema::from).collect())
}

fn read(file: &str) -> Result<Schema, Failure> {
    let source = if file == "-" { "standard input" } else { file };
    let failed = |error| Failure::new(format!("cannot read {source}: {error}"));
    let mut text = String::new();
    let read = if file == "-" {
        std::io::stdin()
            .lock()
            .take(MAX_FILE_BYTES + 1)
            .read_to_string(&mut text)
    } else {
        let opened = std::fs::File::open(file).map_err(failed)?;
        opened.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)
    };
    if read.map_err(failed)? as u64 > MAX_FILE_BYTES {
        return Err(Failure::new(format!(
            "{file} is no schema: it has more than 1,048,576 bytes"
        )));
    }
    serde_json::from_str(&text).map_err(|error| Failure::new(format!("{source} is no schema: {error}")))
}
