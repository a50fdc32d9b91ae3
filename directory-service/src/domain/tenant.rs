//! Tenants: their names, their settings, and what may change about them.

use std::fmt;
use std::str::FromStr;

use super::Invalid;
use super::id::TenantId;

/// The provisioning source that a tenant has unless told otherwise.
pub const DEFAULT_SOURCE: &str = "entra";

const NAME_LENGTH: usize = 63;
const DISPLAY_NAME_LENGTH: usize = 256;

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

/// The isolated owner of users and groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// What every key of the tenant's data leads with.
    pub id: TenantId,
    /// The name in commands and metadata.
    pub slug: TenantSlug,
    /// The name shown to people.
    pub display_name: DisplayName,
    /// The one outside system that may write users and groups.
    pub provisioning_source: ProvisioningSource,
    /// Whether a SCIM PATCH whose filter matches nothing is refused.
    pub strict_patch: bool,
    /// Counts the changes of the settings, from 1.
    pub version: i64,
    /// When it was created: microseconds since 1970, UTC.
    pub created_us: i64,
}

/// A tenant to create.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// The name in commands and metadata.
    pub slug: TenantSlug,
    /// The name shown to people.
    pub display_name: DisplayName,
    /// The one outside system that may write users and groups.
    pub provisioning_source: ProvisioningSource,
    /// Whether a SCIM PATCH whose filter matches nothing is refused.
    pub strict_patch: bool,
}

/// What to change about a tenant; `None` leaves a setting as it is.
#[derive(Clone, Debug, Default)]
pub struct TenantUpdate {
    /// The name shown to people.
    pub display_name: Option<DisplayName>,
    /// The one outside system that may write users and groups.
    pub provisioning_source: Option<ProvisioningSource>,
    /// Whether a SCIM PATCH whose filter matches nothing is refused.
    pub strict_patch: Option<bool>,
}

impl TenantUpdate {
    /// Changes `tenant` and names the attributes that are different now.
    pub fn apply(self, tenant: &mut Tenant) -> Vec<&'static str> {
        let mut changed = Vec::new();
        if let Some(name) = self.display_name {
            replace(&mut tenant.display_name, name, "display_name", &mut changed);
        }
        if let Some(source) = self.provisioning_source {
            replace(
                &mut tenant.provisioning_source,
                source,
                "provisioning_source",
                &mut changed,
            );
        }
        if let Some(strict) = self.strict_patch {
            replace(&mut tenant.strict_patch, strict, "strict_patch", &mut changed);
        }
        if !changed.is_empty() {
            tenant.version += 1;
        }
        changed
    }
}

fn replace<T: PartialEq>(slot: &mut T, value: T, name: &'static str, changed: &mut Vec<&'static str>) {
    if *slot != value {
        *slot = value;
        changed.push(name);
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
            display_name: DisplayName::parse("display_name", "Acme").expect("a name"),
            provisioning_source: ProvisioningSource::default(),
            strict_patch: false,
            version: 1,
            created_us: 0,
        };

        let same = TenantUpdate {
            strict_patch: Some(false),
            ..TenantUpdate::default()
        }
        .apply(&mut tenant);
        assert_eq!((same, tenant.version), (vec![], 1));

        let strict = TenantUpdate {
            strict_patch: Some(true),
            ..TenantUpdate::default()
        }
        .apply(&mut tenant);
        assert_eq!(
            (strict, tenant.version, tenant.strict_patch),
            (vec!["strict_patch"], 2, true)
        );
    }
}
