//! `TenantService`: messages to use cases and back.

use directory_proto::v1 as proto;
use directory_proto::v1::GroupDeletionPolicy as Policy;
use directory_proto::v1::tenant_service_server::TenantService;
use prost_types::FieldMask;
use tonic::{Request, Response, Status};

use super::convert::{open, page_size, seal, timestamp};
use super::extensions::definition;
use crate::auth::Caller;
use crate::directory::{Directory, DirectoryError};
use crate::domain::Invalid;
use crate::domain::actor::Actor;
use crate::domain::id::TenantId;
use crate::domain::language::LanguageTag;
use crate::domain::tenant::{
    ActivationUrlTemplate, DisplayName, GroupDeletionPolicy, NewTenant, ProvisioningSource, Setting, Settings, Tenant,
    TenantSlug,
};
use crate::page_token::{PageTokens, Question};

/// Serves `TenantService`.
pub struct Tenants {
    directory: Directory,
    page_tokens: PageTokens,
}

impl Tenants {
    /// Serves this directory.
    pub const fn new(directory: Directory, page_tokens: PageTokens) -> Self {
        Self { directory, page_tokens }
    }

    /// The caller as administrator of the tenant of this slug; an operator may name any, others their own.
    async fn administrator_of(&self, caller: &Caller, slug: &str) -> Result<Actor, DirectoryError> {
        if caller.operator().is_ok() && !slug.is_empty() {
            return Ok(caller.actor_in(self.directory.get_tenant(slug).await?.id));
        }
        let actor = caller.administrator()?;
        if is_own(caller, slug) {
            Ok(actor)
        } else {
            Err(DirectoryError::TenantNotFound)
        }
    }

    /// The tenant of this slug as it is now, if the caller may read it: an operator any, others their own.
    async fn readable(&self, caller: &Caller, slug: &str) -> Result<Tenant, DirectoryError> {
        if caller.operator().is_ok() && !slug.is_empty() {
            return self.directory.get_tenant(slug).await;
        }
        caller.reader()?;
        let own = caller.tenant().filter(|_| is_own(caller, slug));
        let own = own.ok_or(DirectoryError::TenantNotFound)?;
        self.directory.get_tenant(own.slug.as_str()).await
    }
}

/// Whether a slug names the caller's own tenant; the empty one does.
fn is_own(caller: &Caller, slug: &str) -> bool {
    slug.is_empty() || caller.tenant().is_some_and(|own| own.slug.as_str() == slug)
}

#[tonic::async_trait]
impl TenantService for Tenants {
    async fn create_tenant(
        &self,
        request: Request<proto::CreateTenantRequest>,
    ) -> Result<Response<proto::Tenant>, Status> {
        let caller = Caller::of(&request)?;
        caller.operator()?;
        let new = NewTenant::try_from(request.into_inner()).map_err(DirectoryError::from)?;
        let tenant = self
            .directory
            .create_tenant(&caller.actor_in(TenantId::generate()), &new)
            .await?;
        Ok(Response::new(tenant.into()))
    }

    async fn get_tenant(&self, request: Request<proto::GetTenantRequest>) -> Result<Response<proto::Tenant>, Status> {
        let caller = Caller::of(&request)?;
        let proto::GetTenantRequest { slug } = request.into_inner();
        let tenant = self.readable(&caller, &slug).await?;
        Ok(Response::new(tenant.into()))
    }

    async fn list_tenants(
        &self,
        request: Request<proto::ListTenantsRequest>,
    ) -> Result<Response<proto::ListTenantsResponse>, Status> {
        let caller = Caller::of(&request)?;
        caller.operator()?;
        let proto::ListTenantsRequest {
            page_size: size,
            page_token,
        } = request.into_inner();
        let size = page_size(size).map_err(DirectoryError::from)?;
        let question = Question::new("tenants", None, caller.rights());
        let after: Option<String> = open(&self.page_tokens, &question, &page_token)?;

        let (tenants, more) = self.directory.list_tenants(after.as_deref(), size).await?;

        let last = tenants.last().filter(|_| more).map(|tenant| tenant.slug.as_str());
        let next_page_token = seal(&self.page_tokens, &question, last.as_ref());
        let tenants = tenants.into_iter().map(proto::Tenant::from).collect();
        Ok(Response::new(proto::ListTenantsResponse {
            tenants,
            next_page_token,
        }))
    }

    async fn update_tenant(
        &self,
        request: Request<proto::UpdateTenantRequest>,
    ) -> Result<Response<proto::Tenant>, Status> {
        let caller = Caller::of(&request)?;
        let proto::UpdateTenantRequest { tenant, update_mask } = request.into_inner();
        let tenant = tenant.unwrap_or_default();
        let actor = self.administrator_of(&caller, &tenant.slug).await?;
        let update = masked(&tenant, update_mask).map_err(DirectoryError::from)?;
        Ok(Response::new(
            self.directory.update_tenant(&actor, &update).await?.into(),
        ))
    }

    async fn delete_tenant(&self, request: Request<proto::DeleteTenantRequest>) -> Result<Response<()>, Status> {
        let caller = Caller::of(&request)?;
        caller.operator()?;
        let proto::DeleteTenantRequest { slug, force } = request.into_inner();
        self.directory.delete_tenant(&slug, force).await?;
        Ok(Response::new(()))
    }

    async fn register_extension_schema(
        &self,
        request: Request<proto::RegisterExtensionSchemaRequest>,
    ) -> Result<Response<proto::ExtensionSchema>, Status> {
        let caller = Caller::of(&request)?;
        let proto::RegisterExtensionSchemaRequest { slug, schema } = request.into_inner();
        let actor = self.administrator_of(&caller, &slug).await?;
        let definition = definition(schema.unwrap_or_default()).map_err(DirectoryError::from)?;
        let schema = self.directory.register_extension_schema(&actor, &definition).await?;
        Ok(Response::new(schema.into()))
    }

    async fn list_extension_schemas(
        &self,
        request: Request<proto::ListExtensionSchemasRequest>,
    ) -> Result<Response<proto::ListExtensionSchemasResponse>, Status> {
        let caller = Caller::of(&request)?;
        let proto::ListExtensionSchemasRequest { slug } = request.into_inner();
        let tenant = self.readable(&caller, &slug).await?;
        let schemas = self.directory.list_extension_schemas(tenant.id).await?;
        Ok(Response::new(proto::ListExtensionSchemasResponse {
            schemas: schemas.into_vec().into_iter().map(Into::into).collect(),
        }))
    }

    async fn delete_extension_schema(
        &self,
        request: Request<proto::DeleteExtensionSchemaRequest>,
    ) -> Result<Response<()>, Status> {
        let caller = Caller::of(&request)?;
        let proto::DeleteExtensionSchemaRequest { slug, id } = request.into_inner();
        let actor = self.administrator_of(&caller, &slug).await?;
        self.directory.delete_extension_schema(&actor, &id).await?;
        Ok(Response::new(()))
    }
}

impl TryFrom<proto::CreateTenantRequest> for NewTenant {
    type Error = Invalid;

    fn try_from(wire: proto::CreateTenantRequest) -> Result<Self, Invalid> {
        let tenant = wire.tenant.ok_or_else(|| Invalid::new("tenant", "is required"))?;
        let slug: TenantSlug = tenant
            .slug
            .parse()
            .map_err(|invalid: Invalid| Invalid::new("tenant.slug", invalid.rule()))?;
        let name = if tenant.display_name.is_empty() {
            slug.as_str()
        } else {
            &tenant.display_name
        };
        let mut settings = Settings::named(DisplayName::parse("tenant.display_name", name)?);
        for path in SETTINGS.iter().filter(|path| is_given(&tenant, path)) {
            setting(&tenant, path)?.apply_to(&mut settings);
        }
        Ok(Self { slug, settings })
    }
}

/// The fields that `UpdateTenant` may name.
const SETTINGS: [&str; 11] = [
    "display_name",
    "provisioning_source",
    "strict_patch",
    "activation_email_on_creation",
    "default_language",
    "on_group_deletion",
    "administrator_block_yields_to_source",
    "activation_validity_days",
    "activation_url_template",
    "mail_sender_name",
    "mails_per_minute",
];

/// Whether a tenant to be created says something about a setting; what it leaves out has its default.
fn is_given(tenant: &proto::Tenant, path: &str) -> bool {
    match path {
        "display_name" => !tenant.display_name.is_empty(),
        "provisioning_source" => !tenant.provisioning_source.is_empty(),
        "activation_email_on_creation" => tenant.activation_email_on_creation.is_some(),
        "default_language" => !tenant.default_language.is_empty(),
        "on_group_deletion" => tenant.on_group_deletion() != Policy::Unspecified,
        "activation_validity_days" => tenant.activation_validity_days != 0,
        "activation_url_template" => !tenant.activation_url_template.is_empty(),
        "mail_sender_name" => !tenant.mail_sender_name.is_empty(),
        "mails_per_minute" => tenant.mails_per_minute != 0,
        _ => true, // booleans whose default is false
    }
}

/// The setting at a path of the mask.
fn setting(tenant: &proto::Tenant, path: &str) -> Result<Setting, Invalid> {
    Ok(match path {
        "display_name" => Setting::DisplayName(DisplayName::parse("tenant.display_name", &tenant.display_name)?),
        "provisioning_source" => {
            let field = "tenant.provisioning_source";
            Setting::ProvisioningSource(ProvisioningSource::parse(field, &tenant.provisioning_source)?)
        }
        "strict_patch" => Setting::StrictPatch(tenant.strict_patch),
        "activation_email_on_creation" => {
            let wanted = tenant.activation_email_on_creation;
            let rule = "must be true or false";
            let wanted = wanted.ok_or_else(|| Invalid::new("tenant.activation_email_on_creation", rule))?;
            Setting::ActivationEmailOnCreation(wanted)
        }
        "default_language" => {
            let field = "tenant.default_language";
            Setting::DefaultLanguage(LanguageTag::parse(field, &tenant.default_language)?)
        }
        "on_group_deletion" => Setting::OnGroupDeletion(policy(tenant.on_group_deletion)?),
        "administrator_block_yields_to_source" => {
            Setting::AdministratorBlockYieldsToSource(tenant.administrator_block_yields_to_source)
        }
        "activation_validity_days" => Setting::activation_validity_days(tenant.activation_validity_days)?,
        "activation_url_template" => {
            let template = Some(tenant.activation_url_template.as_str()).filter(|text| !text.is_empty());
            let field = "tenant.activation_url_template";
            let template = template.map(|text| ActivationUrlTemplate::parse(field, text));
            Setting::ActivationUrlTemplate(template.transpose()?)
        }
        "mail_sender_name" => {
            let name = Some(tenant.mail_sender_name.as_str()).filter(|name| !name.is_empty());
            let name = name.map(|name| DisplayName::parse("tenant.mail_sender_name", name));
            Setting::MailSenderName(name.transpose()?)
        }
        "mails_per_minute" => Setting::mails_per_minute(tenant.mails_per_minute)?,
        _ => {
            let rule = format!("may name {} only", SETTINGS.join(", "));
            return Err(Invalid::new("update_mask", rule));
        }
    })
}

fn policy(wire: i32) -> Result<GroupDeletionPolicy, Invalid> {
    match Policy::try_from(wire) {
        Ok(Policy::BlockMembersLeftWithoutGroup) => Ok(GroupDeletionPolicy::BlockMembersLeftWithoutGroup),
        Ok(Policy::BlockAllMembers) => Ok(GroupDeletionPolicy::BlockAllMembers),
        Ok(Policy::KeepMembers) => Ok(GroupDeletionPolicy::KeepMembers),
        Ok(Policy::Unspecified) | Err(_) => {
            let rule = "must be BLOCK_MEMBERS_LEFT_WITHOUT_GROUP, BLOCK_ALL_MEMBERS or KEEP_MEMBERS";
            Err(Invalid::new("tenant.on_group_deletion", rule))
        }
    }
}

fn masked(tenant: &proto::Tenant, mask: Option<FieldMask>) -> Result<Vec<Setting>, Invalid> {
    let paths = mask.unwrap_or_default().paths;
    if paths.is_empty() {
        return Err(Invalid::new("update_mask", "must name at least one field"));
    }
    paths.iter().map(|path| setting(tenant, path)).collect()
}

impl From<Tenant> for proto::Tenant {
    fn from(tenant: Tenant) -> Self {
        let Tenant {
            id,
            slug,
            settings,
            version,
            created_us,
        } = tenant;
        let Settings {
            display_name,
            provisioning_source,
            strict_patch,
            activation_email_on_creation,
            default_language,
            on_group_deletion,
            administrator_block_yields_to_source,
            activation_validity_days,
            activation_url_template,
            mail_sender_name,
            mails_per_minute,
        } = settings;
        let policy = match on_group_deletion {
            GroupDeletionPolicy::BlockMembersLeftWithoutGroup => Policy::BlockMembersLeftWithoutGroup,
            GroupDeletionPolicy::BlockAllMembers => Policy::BlockAllMembers,
            GroupDeletionPolicy::KeepMembers => Policy::KeepMembers,
        };
        Self {
            id: id.to_string(),
            slug: slug.as_str().to_owned(),
            display_name: display_name.as_str().to_owned(),
            create_time: Some(timestamp(created_us)),
            provisioning_source: provisioning_source.as_str().to_owned(),
            strict_patch,
            version,
            activation_email_on_creation: Some(activation_email_on_creation),
            default_language: default_language.to_string(),
            on_group_deletion: policy.into(),
            administrator_block_yields_to_source,
            activation_validity_days: activation_validity_days.into(),
            activation_url_template: activation_url_template.map_or_else(String::new, |url| url.as_str().to_owned()),
            mail_sender_name: mail_sender_name.map_or_else(String::new, |name| name.as_str().to_owned()),
            mails_per_minute: mails_per_minute.into(),
        }
    }
}
