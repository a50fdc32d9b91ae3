//! `key=value` of `rollcall tenant set`: a tenant's settings as an operator types them.

use std::str::FromStr;

use directory_proto::v1::Tenant;

use crate::failure::Failure;

/// The keys, which are the names of the fields in `UpdateTenantRequest.update_mask`.
const KEYS: [&str; 3] = ["display_name", "provisioning_source", "strict_patch"];

/// A setting and its new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The name shown to people.
    DisplayName(String),
    /// The one outside system whose tokens may write users and groups.
    ProvisioningSource(String),
    /// Whether a PATCH whose filter matches nothing is refused.
    StrictPatch(bool),
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((key, value)) = text.split_once('=') else {
            return Err(format!("must be key=value, where key is one of {}", KEYS.join(", ")));
        };
        match key {
            "display_name" => Ok(Self::DisplayName(value.to_owned())),
            "provisioning_source" => Ok(Self::ProvisioningSource(value.to_owned())),
            "strict_patch" => match value {
                "true" => Ok(Self::StrictPatch(true)),
                "false" => Ok(Self::StrictPatch(false)),
                _ => Err("strict_patch is true or false".to_owned()),
            },
            _ => Err(format!("there is no such key; the keys are {}", KEYS.join(", "))),
        }
    }
}

impl Setting {
    const fn key(&self) -> &'static str {
        match self {
            Self::DisplayName(_) => "display_name",
            Self::ProvisioningSource(_) => "provisioning_source",
            Self::StrictPatch(_) => "strict_patch",
        }
    }
}

/// The tenant of this slug with these settings, and the update mask that names them.
pub fn update(slug: String, settings: Vec<Setting>) -> Result<(Tenant, Vec<String>), Failure> {
    let mut tenant = Tenant {
        slug,
        ..Default::default()
    };
    let mut mask: Vec<String> = Vec::new();
    for setting in settings {
        let key = setting.key();
        if mask.iter().any(|named| named == key) {
            return Err(Failure::Usage(format!("{key} is given twice: leave one out")));
        }
        mask.push(key.to_owned());
        match setting {
            Setting::DisplayName(name) => tenant.display_name = name,
            Setting::ProvisioningSource(source) => tenant.provisioning_source = source,
            Setting::StrictPatch(strict) => tenant.strict_patch = strict,
        }
    }
    Ok((tenant, mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_a_key_and_a_value() {
        for (text, setting) in [
            ("display_name=A = B", Setting::DisplayName("A = B".to_owned())),
            ("display_name=", Setting::DisplayName(String::new())),
            (
                "provisioning_source=okta",
                Setting::ProvisioningSource("okta".to_owned()),
            ),
            ("strict_patch=true", Setting::StrictPatch(true)),
            ("strict_patch=false", Setting::StrictPatch(false)),
        ] {
            assert_eq!(text.parse(), Ok(setting));
        }
    }

    #[test]
    fn what_is_no_setting_is_refused_with_what_would_be_one() {
        const LIST: &str = "display_name, provisioning_source, strict_patch";
        for (text, error) in [
            ("strict_patch", format!("must be key=value, where key is one of {LIST}")),
            ("slug=other", format!("there is no such key; the keys are {LIST}")),
            ("=true", format!("there is no such key; the keys are {LIST}")),
            ("strict_patch=yes", "strict_patch is true or false".to_owned()),
        ] {
            assert_eq!(text.parse::<Setting>(), Err(error));
        }
    }

    #[test]
    fn an_update_names_what_was_set_and_nothing_else() {
        let settings = vec![Setting::StrictPatch(false), Setting::DisplayName("Acme".to_owned())];

        let (tenant, mask) = update("acme".to_owned(), settings).unwrap();

        assert_eq!(
            tenant,
            Tenant {
                slug: "acme".to_owned(),
                display_name: "Acme".to_owned(),
                ..Default::default()
            }
        );
        assert_eq!(mask, ["strict_patch", "display_name"]);
    }

    #[test]
    fn a_key_that_is_given_twice_is_refused() {
        let settings = vec![Setting::StrictPatch(false), Setting::StrictPatch(true)];

        let refused = update("acme".to_owned(), settings).unwrap_err();

        assert_eq!(refused.to_string(), "strict_patch is given twice: leave one out");
    }
}
