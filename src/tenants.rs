//! `rollcall tenant`: the tenants of the directory, for operators.

mod setting;

use clap::{Args, Subcommand};
use directory_proto::v1::{
    self, CreateTenantRequest, DeleteTenantRequest, GetTenantRequest, ListTenantsRequest, UpdateTenantRequest,
};
use prost_types::FieldMask;
use serde::Serialize;
use serde_json::json;

use crate::connection::ConnectionArgs;
use crate::failure::Failure;
use crate::output::{self, Page, Record, Row, rfc3339, to_the_second};

use self::setting::Setting;

/// `rollcall tenant`.
#[derive(Args, Debug)]
pub struct TenantCommand {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Creates a tenant.
    Create {
        /// Its name in commands: 1 to 63 of a-z, 0-9 and dash. It cannot be changed.
        slug: String,
        /// The name shown to people.
        #[arg(long, value_name = "NAME", default_value = "")]
        display_name: String,
        /// The one outside system whose tokens may write users and groups [default: entra].
        #[arg(long, value_name = "SOURCE", default_value = "", hide_default_value = true)]
        provisioning_source: String,
    },
    /// Lists the tenants by slug.
    List {
        /// At most so many; 0 lists all.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// Shows one tenant.
    Show {
        /// The tenant.
        slug: String,
    },
    /// Changes settings of a tenant and shows it.
    Set {
        /// The tenant.
        slug: String,
        /// A setting and its new value. True or false: strict_patch, activation_email_on_creation,
        /// administrator_block_yields_to_source. Text: display_name, provisioning_source, default_language,
        /// activation_url_template, mail_sender_name. Numbers: activation_validity_days, mails_per_minute.
        /// on_group_deletion: block-members-left-without-group, block-all-members or keep-members.
        #[arg(value_name = "KEY=VALUE", required = true)]
        settings: Vec<Setting>,
    },
    /// Deletes a tenant and its tokens for good.
    Delete {
        /// The tenant.
        slug: String,
        /// Deletes its users and groups too.
        #[arg(long)]
        force: bool,
    },
}

impl TenantCommand {
    /// Runs the command.
    pub async fn run(self) -> Result<(), Failure> {
        let connection = self.connection.without_tenant()?;
        let output = self.connection.output;
        let tenants = || connection.client().tenants();
        let explain = |status| connection.explain(&status);
        match self.action {
            Action::Create {
                slug,
                display_name,
                provisioning_source,
            } => {
                let tenant = v1::Tenant {
                    slug,
                    display_name,
                    provisioning_source,
                    ..Default::default()
                };
                let request = CreateTenantRequest { tenant: Some(tenant) };
                let created = tenants().create_tenant(request).await.map_err(explain)?;
                output::show(output, &Tenant::from(created.into_inner()))
            }
            Action::List { limit } => {
                output::list(output, limit, async |page_size, page_token| {
                    let request = ListTenantsRequest { page_size, page_token };
                    let answer = tenants().list_tenants(request).await.map_err(explain)?.into_inner();
                    let rows = answer.tenants.into_iter().map(Tenant::from).collect();
                    Ok(Page {
                        rows,
                        next_page_token: answer.next_page_token,
                    })
                })
                .await
            }
            Action::Show { slug } => {
                let request = GetTenantRequest { slug };
                let tenant = tenants().get_tenant(request).await.map_err(explain)?;
                output::show(output, &Tenant::from(tenant.into_inner()))
            }
            Action::Set { slug, settings } => {
                let (tenant, paths) = setting::update(slug, settings)?;
                let request = UpdateTenantRequest {
                    tenant: Some(tenant),
                    update_mask: Some(FieldMask { paths }),
                };
                let changed = tenants().update_tenant(request).await.map_err(explain)?;
                output::show(output, &Tenant::from(changed.into_inner()))
            }
            Action::Delete { slug, force } => {
                let request = DeleteTenantRequest {
                    slug: slug.clone(),
                    force,
                };
                tenants().delete_tenant(request).await.map_err(explain)?;
                output::done(
                    output,
                    &format!("Deleted tenant {slug}."),
                    &json!({ "slug": slug, "deleted": true }),
                )
            }
        }
    }
}

/// A tenant as it is printed.
#[derive(Serialize)]
struct Tenant {
    id: String,
    slug: String,
    display_name: String,
    provisioning_source: String,
    strict_patch: bool,
    activation_email_on_creation: bool,
    default_language: String,
    on_group_deletion: String,
    administrator_block_yields_to_source: bool,
    activation_validity_days: i32,
    activation_url_template: String,
    mail_sender_name: String,
    mails_per_minute: i32,
    version: i64,
    create_time: Option<String>,
}

impl From<v1::Tenant> for Tenant {
    fn from(wire: v1::Tenant) -> Self {
        let on_group_deletion = wire.on_group_deletion().as_str_name().to_ascii_lowercase();
        let v1::Tenant {
            id,
            slug,
            display_name,
            create_time,
            provisioning_source,
            strict_patch,
            version,
            activation_email_on_creation,
            default_language,
            on_group_deletion: _,
            administrator_block_yields_to_source,
            activation_validity_days,
            activation_url_template,
            mail_sender_name,
            mails_per_minute,
        } = wire;
        let create_time = create_time.map(|time| rfc3339(time.seconds, time.nanos));
        Self {
            id,
            slug,
            display_name,
            provisioning_source,
            strict_patch,
            activation_email_on_creation: activation_email_on_creation.unwrap_or_default(),
            default_language,
            on_group_deletion,
            administrator_block_yields_to_source,
            activation_validity_days,
            activation_url_template,
            mail_sender_name,
            mails_per_minute,
            version,
            create_time,
        }
    }
}

fn yes_or_no(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

impl Row for Tenant {
    const COLUMNS: &[&str] = &[
        "SLUG",
        "DISPLAY NAME",
        "SOURCE",
        "ON GROUP DELETION",
        "ACTIVATION E-MAIL",
        "CREATED",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.slug.clone(),
            self.display_name.clone(),
            self.provisioning_source.clone(),
            self.on_group_deletion.clone(),
            yes_or_no(self.activation_email_on_creation),
            to_the_second(self.create_time.as_ref()),
        ]
    }
}

impl Record for Tenant {
    fn lines(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Slug", self.slug.clone()),
            ("Display name", self.display_name.clone()),
            ("ID", self.id.clone()),
            ("Provisioning source", self.provisioning_source.clone()),
            ("Strict PATCH", yes_or_no(self.strict_patch)),
            ("On group deletion", self.on_group_deletion.clone()),
            (
                "Block yields to source",
                yes_or_no(self.administrator_block_yields_to_source),
            ),
            ("Activation e-mail", yes_or_no(self.activation_email_on_creation)),
            (
                "Activation code valid",
                format!("{} days", self.activation_validity_days),
            ),
            ("Activation link", self.activation_url_template.clone()),
            ("Default language", self.default_language.clone()),
            ("Mail sender name", self.mail_sender_name.clone()),
            ("Mails per minute", self.mails_per_minute.to_string()),
            ("Version", self.version.to_string()),
            ("Created", to_the_second(self.create_time.as_ref())),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_a_tenant_has_stable_names() {
        let tenant = Tenant::from(v1::Tenant {
            slug: "acme".to_owned(),
            version: 2,
            activation_email_on_creation: Some(true),
            on_group_deletion: v1::GroupDeletionPolicy::KeepMembers.into(),
            ..Default::default()
        });

        assert_eq!(
            serde_json::to_value(tenant).unwrap(),
            json!({
                "id": "", "slug": "acme", "display_name": "", "provisioning_source": "", "strict_patch": false,
                "activation_email_on_creation": true, "default_language": "", "on_group_deletion": "keep_members",
                "administrator_block_yields_to_source": false, "activation_validity_days": 0,
                "activation_url_template": "", "mail_sender_name": "", "mails_per_minute": 0,
                "version": 2, "create_time": null
            })
        );
    }
}
