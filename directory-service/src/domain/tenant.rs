//! Tenants: their names, their settings, and what may change about them.

use std::fmt;
use std::str::FromStr;

use super::Invalid;
use super::id::{TenantId, UserId};
use super::language::LanguageTag;

/// The provisioning source that a tenant has unless told otherwise.
pub const DEFAULT_SOURCE: &str = "entra";

const NAME_LENGTH: usize = 63;
const DISPLAY_NAME_LENGTH: usize = 256;
const TEMPLATE_BYTES: usize = 1_024;

/// A tenant's name in commands and metadata: 1 to 63 of a-z, 0-9 and dash, not starting or ending with a dash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantSlug(String);

impl TenantSlug {
    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A slug that the store wrote, so it was checked before.
    pub(crate) fn from_row(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for TenantSlug {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        check_label("slug", text)?;
        if text.starts_with('-') || text.ends_with('-') {
            return Err(Invalid::new("slug", "must not start or end with a dash"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TenantSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an outside system that writes users and groups: 1 to 63 of a-z, 0-9 and dash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProvisioningSource(String);

impl ProvisioningSource {
    /// Checks a source that stands in `field` of a request.
    ///
    /// # Errors
    /// [`Invalid`] naming `field`.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Invalid> {
        check_label(field, text)?;
        Ok(Self(text.to_owned()))
    }

    /// The source as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A source that the store wrote, so it was checked before.
    pub(crate) fn from_row(text: String) -> Self {
        Self(text)
    }
}

impl Default for ProvisioningSource {
    fn default() -> Self {
        Self(DEFAULT_SOURCE.to_owned())
    }
}

impl fmt::Display for ProvisioningSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_label(field: &'static str, text: &str) -> Result<(), Invalid> {
    if text.is_empty() || text.len() > NAME_LENGTH {
        return Err(Invalid::new(field, "must have 1 to 63 characters"));
    }
    if !text
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    {
        return Err(Invalid::new(field, "may hold a-z, 0-9 and dash only"));
    }
    Ok(())
}

/// A name shown to people: 1 to 256 characters, none of them a control character, and not white space alone.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Checks a name that stands in `field` of a request.
    ///
    /// # Errors
    /// [`Invalid`] naming `field`.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Invalid> {
        if text.trim().is_empty() || text.chars().count() > DISPLAY_NAME_LENGTH {
            return Err(Invalid::new(field, "must have 1 to 256 characters"));
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid::new(field, "must not hold control characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name that the store wrote, so it was checked before.
    pub(crate) fn from_row(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayName(<redacted>)")
    }
}

/// What the deletion of a group means for its members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupDeletionPolicy {
    /// Members who are in no other group are blocked.
    #[default]
    BlockMembersLeftWithoutGroup,
    /// Every member is blocked.
    BlockAllMembers,
    /// Nobody is blocked.
    KeepMembers,
}

impl GroupDeletionPolicy {
    /// The number that stands in rows; never reused.
    pub const fn number(self) -> i16 {
        match self {
            Self::BlockMembersLeftWithoutGroup => 1,
            Self::BlockAllMembers => 2,
            Self::KeepMembers => 3,
        }
    }

    /// The policy of a row.
    pub const fn from_number(number: i16) -> Option<Self> {
        match number {
            1 => Some(Self::BlockMembersLeftWithoutGroup),
            2 => Some(Self::BlockAllMembers),
            3 => Some(Self::KeepMembers),
            _ => None,
        }
    }
}

/// A link for activation mails: an https URL with `{code}` in it, and `{user_id}` if it likes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivationUrlTemplate(String);

const CODE: &str = "{code}";
const USER_ID: &str = "{user_id}";

impl ActivationUrlTemplate {
    /// Checks a template that stands in `field` of a request.
    ///
    /// # Errors
    /// [`Invalid`] naming `field`.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, Invalid> {
        let template = Self(text.to_owned());
        let sample = text.replace(CODE, "x").replace(USER_ID, "x");
        let uri: Option<http::Uri> = sample.parse().ok();
        let is_https = uri.is_some_and(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
        let host_is_fixed = text.find('{').is_some_and(|at| text[..at].splitn(4, '/').count() == 4);
        if text.len() > TEMPLATE_BYTES || !is_https || text.contains('@') {
            let rule = "must be an https URL of at most 1,024 bytes, without a user";
            return Err(Invalid::new(field, rule));
        }
        if text.matches(CODE).count() != 1 || sample.contains(['{', '}']) || !host_is_fixed {
            let rule = "must hold {code} once, after the host, and may hold {user_id}; no other braces";
            return Err(Invalid::new(field, rule));
        }
        Ok(template)
    }

    /// A template that the store wrote, so it was checked before.
    pub(crate) fn from_row(text: String) -> Self {
        Self(text)
    }

    /// The template as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, in lower case, without a port.
    pub fn host(&self) -> String {
        let sample = self.0.replace(CODE, "x").replace(USER_ID, "x");
        let uri = sample.parse::<http::Uri>().ok();
        let host = uri.as_ref().and_then(http::Uri::host);
        host.unwrap_or_default().to_ascii_lowercase()
    }

    /// The link that holds this code.
    pub fn link(&self, code: &str, user: UserId) -> String {
        self.0
            .replace(USER_ID, &user.to_string())
            .replace(CODE, &percent_encoded(code))
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            encoded
        })
}

/// The isolated owner of users and groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// What every key of the tenant's data leads with.
    pub id: TenantId,
    /// The name in commands and metadata.
    pub slug: TenantSlug,
    /// What an administrator can choose.
    pub settings: Settings,
    /// Counts the changes of the settings, from 1.
    pub version: i64,
    /// When it was created: microseconds since 1970, UTC.
    pub created_us: i64,
}

/// What an administrator can choose about a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name shown to people.
    pub display_name: DisplayName,
    /// The one outside system that may write users and groups.
    pub provisioning_source: ProvisioningSource,
    /// Whether a SCIM PATCH whose filter matches nothing is refused.
    pub strict_patch: bool,
    /// Whether new users are mailed a code.
    pub activation_email_on_creation: bool,
    /// The language of users who prefer none.
    pub default_language: LanguageTag,
    /// What the deletion of a group means for its members.
    pub on_group_deletion: GroupDeletionPolicy,
    /// Whether the source's word lifts an administrator's block, too.
    pub administrator_block_yields_to_source: bool,
    /// For how many days a code is good.
    pub activation_validity_days: u16,
    /// The link in activation mails.
    pub activation_url_template: Option<ActivationUrlTemplate>,
    /// The name of the sender of mails; none: the display name.
    pub mail_sender_name: Option<DisplayName>,
    /// How many mails are sent in a minute at most.
    pub mails_per_minute: u16,
}

const DEFAULT_VALIDITY_DAYS: u16 = 21;
const MOST_VALIDITY_DAYS: u16 = 365;
const DEFAULT_MAILS_PER_MINUTE: u16 = 600;
const MOST_MAILS_PER_MINUTE: u16 = 6_000;

impl Settings {
    /// Everything at its default, but the name.
    pub fn named(display_name: DisplayName) -> Self {
        Self {
            display_name,
            provisioning_source: ProvisioningSource::default(),
            strict_patch: false,
            activation_email_on_creation: true,
            default_language: LanguageTag::default(),
            on_group_deletion: GroupDeletionPolicy::default(),
            administrator_block_yields_to_source: false,
            activation_validity_days: DEFAULT_VALIDITY_DAYS,
            activation_url_template: None,
            mail_sender_name: None,
            mails_per_minute: DEFAULT_MAILS_PER_MINUTE,
        }
    }
}

/// The settings that decide what a write does; read in the transaction that writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRules {
    /// The source that may write.
    pub source: ProvisioningSource,
    /// Whether new users are mailed a code.
    pub mails_new_users: bool,
    /// Whether the source's word lifts an administrator's block, too.
    pub administrator_block_yields: bool,
    /// What the deletion of a group means for its members.
    pub on_group_deletion: GroupDeletionPolicy,
    /// The language of users who prefer none.
    pub default_language: LanguageTag,
    /// For how many days a code is good.
    pub activation_validity_days: u16,
}

#[cfg(test)]
impl WriteRules {
    /// The rules of a tenant that mails nobody.
    pub(crate) fn without_mail() -> Self {
        Self {
            source: ProvisioningSource::default(),
            mails_new_users: false,
            administrator_block_yields: false,
            on_group_deletion: GroupDeletionPolicy::default(),
            default_language: LanguageTag::default(),
            activation_validity_days: DEFAULT_VALIDITY_DAYS,
        }
    }
}

/// A tenant to create.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// The name in commands and metadata.
    pub slug: TenantSlug,
    /// What its administrator chose.
    pub settings: Settings,
}

/// One setting and its new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The name shown to people.
    DisplayName(DisplayName),
    /// The one outside system that may write users and groups.
    ProvisioningSource(ProvisioningSource),
    /// Whether a SCIM PATCH whose filter matches nothing is refused.
    StrictPatch(bool),
    /// Whether new users are mailed a code.
    ActivationEmailOnCreation(bool),
    /// The language of users who prefer none.
    DefaultLanguage(LanguageTag),
    /// What the deletion of a group means for its members.
    OnGroupDeletion(GroupDeletionPolicy),
    /// Whether the source's word lifts an administrator's block, too.
    AdministratorBlockYieldsToSource(bool),
    /// For how many days a code is good.
    ActivationValidityDays(u16),
    /// The link in activation mails; none takes it away.
    ActivationUrlTemplate(Option<ActivationUrlTemplate>),
    /// The name of the sender of mails; none takes it away.
    MailSenderName(Option<DisplayName>),
    /// How many mails are sent in a minute at most.
    MailsPerMinute(u16),
}

impl Setting {
    /// For how many days a code is good.
    ///
    /// # Errors
    /// [`Invalid`]: not 1 to 365.
    pub fn activation_validity_days(days: i32) -> Result<Self, Invalid> {
        let field = "tenant.activation_validity_days";
        Ok(Self::ActivationValidityDays(within(field, days, MOST_VALIDITY_DAYS)?))
    }

    /// How many mails are sent in a minute at most.
    ///
    /// # Errors
    /// [`Invalid`]: not 1 to 6,000.
    pub fn mails_per_minute(mails: i32) -> Result<Self, Invalid> {
        let field = "tenant.mails_per_minute";
        Ok(Self::MailsPerMinute(within(field, mails, MOST_MAILS_PER_MINUTE)?))
    }

    /// The name of the field in `directory.v1`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DisplayName(_) => "display_name",
            Self::ProvisioningSource(_) => "provisioning_source",
            Self::StrictPatch(_) => "strict_patch",
            Self::ActivationEmailOnCreation(_) => "activation_email_on_creation",
            Self::DefaultLanguage(_) => "default_language",
            Self::OnGroupDeletion(_) => "on_group_deletion",
            Self::AdministratorBlockYieldsToSource(_) => "administrator_block_yields_to_source",
            Self::ActivationValidityDays(_) => "activation_validity_days",
            Self::ActivationUrlTemplate(_) => "activation_url_template",
            Self::MailSenderName(_) => "mail_sender_name",
            Self::MailsPerMinute(_) => "mails_per_minute",
        }
    }

    /// Puts the value in.
    pub fn apply_to(self, settings: &mut Settings) {
        match self {
            Self::DisplayName(name) => settings.display_name = name,
            Self::ProvisioningSource(source) => settings.provisioning_source = source,
            Self::StrictPatch(strict) => settings.strict_patch = strict,
            Self::ActivationEmailOnCreation(wanted) => settings.activation_email_on_creation = wanted,
            Self::DefaultLanguage(language) => settings.default_language = language,
            Self::OnGroupDeletion(policy) => settings.on_group_deletion = policy,
            Self::AdministratorBlockYieldsToSource(yields) => settings.administrator_block_yields_to_source = yields,
            Self::ActivationValidityDays(days) => settings.activation_validity_days = days,
            Self::ActivationUrlTemplate(template) => settings.activation_url_template = template,
            Self::MailSenderName(name) => settings.mail_sender_name = name,
            Self::MailsPerMinute(mails) => settings.mails_per_minute = mails,
        }
    }
}

fn within(field: &'static str, number: i32, most: u16) -> Result<u16, Invalid> {
    let number = u16::try_from(number).ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| Invalid::new(field, format!("must be a whole number from 1 to {most}")))
}

impl Tenant {
    /// Changes the settings, and names those that are different now.
    pub fn apply(&mut self, changes: &[Setting]) -> Vec<&'static str> {
        let mut changed = Vec::new();
        for change in changes {
            let before = self.settings.clone();
            change.clone().apply_to(&mut self.settings);
            if self.settings != before {
                changed.push(change.name());
            }
        }
        if !changed.is_empty() {
            self.version += 1;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_lower_case_labels() {
        for good in ["a", "acme", "acme-2", &"x".repeat(63)] {
            assert_eq!(good.parse::<TenantSlug>().expect(good).as_str(), good);
        }
        for bad in ["", "-a", "a-", "Acme", "a_b", "a.b", "ä", &"x".repeat(64)] {
            assert!(bad.parse::<TenantSlug>().is_err(), "{bad:?} is no slug");
        }
    }

    #[test]
    fn an_update_names_only_what_is_different_now() {
        let mut tenant = Tenant {
            id: TenantId::generate(),
            slug: "acme".parse().expect("a slug"),
            settings: Settings::named(DisplayName::parse("display_name", "Acme").expect("a name")),
            version: 1,
            created_us: 0,
        };

        assert_eq!(tenant.apply(&[Setting::StrictPatch(false)]), [""; 0]);
        assert_eq!(tenant.version, 1);

        let changes = [
            Setting::StrictPatch(true),
            Setting::ActivationEmailOnCreation(true),
            Setting::OnGroupDeletion(GroupDeletionPolicy::KeepMembers),
        ];
        assert_eq!(tenant.apply(&changes), ["strict_patch", "on_group_deletion"]);
        assert_eq!((tenant.version, tenant.settings.strict_patch), (2, true));
    }

    #[test]
    fn a_link_is_https_on_a_fixed_host_and_holds_the_code_encoded() {
        let parse = |text: &str| ActivationUrlTemplate::parse("template", text);
        let template = parse("https://Login.example.com:8443/activate?u={user_id}#c={code}").unwrap();
        let user = UserId::generate();

        assert_eq!(template.host(), "login.example.com");
        assert_eq!(
            template.link("A B-&", user),
            format!("https://Login.example.com:8443/activate?u={user}#c=A%20B-%26")
        );
        for bad in [
            "",
            "http://login.example.com/{code}",
            "https://login.example.com/",
            "https://login.example.com/{code}/{code}",
            "https://login.example.com/{code}?x={name}",
            "https://{code}.example.com/",
            "https://{code}",
            "https://me@login.example.com/{code}",
            "https:///{code}",
            "/activate?{code}",
            "https://login.example.com/ {code}",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
