//! The complex attributes of a user as they are printed: a name, an entry of a list, an address, the enterprise
//! extension, a group.

use directory_proto::v1;
use serde::Serialize;

/// The parts of a name.
#[derive(Serialize)]
pub struct Name {
    pub formatted: Option<String>,
    pub family_name: Option<String>,
    pub given_name: Option<String>,
    pub middle_name: Option<String>,
    pub honorific_prefix: Option<String>,
    pub honorific_suffix: Option<String>,
}

/// One element of a multi-valued attribute.
#[derive(Serialize)]
pub struct ValueEntry {
    value: Option<String>,
    display: Option<String>,
    r#type: Option<String>,
    primary: Option<bool>,
}

/// One postal address.
#[derive(Serialize)]
pub struct Address {
    formatted: Option<String>,
    street_address: Option<String>,
    locality: Option<String>,
    region: Option<String>,
    postal_code: Option<String>,
    country: Option<String>,
    r#type: Option<String>,
    primary: Option<bool>,
}

/// The enterprise extension.
#[derive(Serialize)]
pub struct Enterprise {
    pub employee_number: Option<String>,
    pub cost_center: Option<String>,
    pub organization: Option<String>,
    pub division: Option<String>,
    pub department: Option<String>,
    pub manager: Option<Manager>,
}

/// A user's manager.
#[derive(Serialize)]
pub struct Manager {
    pub id: String,
    pub display_name: Option<String>,
}

/// A group that a user is a member of.
#[derive(Serialize)]
pub struct UserGroup {
    pub id: String,
    pub display_name: String,
}

/// A multi-valued attribute.
pub fn entries(wire: Vec<v1::ValueEntry>) -> Vec<ValueEntry> {
    let entry = |v1::ValueEntry {
                     value,
                     display,
                     r#type,
                     primary,
                 }| ValueEntry {
        value,
        display,
        r#type,
        primary,
    };
    wire.into_iter().map(entry).collect()
}

impl From<v1::Name> for Name {
    fn from(wire: v1::Name) -> Self {
        let v1::Name {
            formatted,
            family_name,
            given_name,
            middle_name,
            honorific_prefix,
            honorific_suffix,
        } = wire;
        Self {
            formatted,
            family_name,
            given_name,
            middle_name,
            honorific_prefix,
            honorific_suffix,
        }
    }
}

impl From<v1::Address> for Address {
    fn from(wire: v1::Address) -> Self {
        let v1::Address {
            formatted,
            street_address,
            locality,
            region,
            postal_code,
            country,
            r#type,
            primary,
        } = wire;
        Self {
            formatted,
            street_address,
            locality,
            region,
            postal_code,
            country,
            r#type,
            primary,
        }
    }
}

impl From<v1::EnterpriseUser> for Enterprise {
    fn from(wire: v1::EnterpriseUser) -> Self {
        let v1::EnterpriseUser {
            employee_number,
            cost_center,
            organization,
            division,
            department,
            manager,
        } = wire;
        let manager = manager.map(|v1::Manager { id, display_name }| Manager { id, display_name });
        Self {
            employee_number,
            cost_center,
            organization,
            division,
            department,
            manager,
        }
    }
}

impl From<v1::UserGroup> for UserGroup {
    fn from(v1::UserGroup { id, display_name }: v1::UserGroup) -> Self {
        Self { id, display_name }
    }
}

impl ValueEntry {
    /// The element in one line.
    pub fn line(&self) -> String {
        let value = self.value.as_deref().or(self.display.as_deref()).unwrap_or("-");
        labelled(value, self.r#type.as_deref(), self.primary)
    }
}

impl Address {
    /// The address in one line.
    pub fn line(&self) -> String {
        let parts = [
            &self.street_address,
            &self.postal_code,
            &self.locality,
            &self.region,
            &self.country,
        ];
        let parts: Vec<_> = parts.into_iter().flatten().map(String::as_str).collect();
        let text = if parts.is_empty() {
            self.formatted.clone().unwrap_or_default()
        } else {
            parts.join(", ")
        };
        labelled(&text.replace('\n', ", "), self.r#type.as_deref(), self.primary)
    }
}

/// `ada@example.com (work, primary)`.
pub fn labelled(value: &str, label: Option<&str>, primary: Option<bool>) -> String {
    let labels: Vec<_> = label
        .into_iter()
        .chain((primary == Some(true)).then_some("primary"))
        .collect();
    if labels.is_empty() {
        value.to_owned()
    } else {
        format!("{value} ({})", labels.join(", "))
    }
}
