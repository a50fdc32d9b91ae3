//! `key=value` of `rollcall tenant set`: a tenant's settings as an operator types them.

use std::str::FromStr;

use directory_proto::v1::{GroupDeletionPolicy, Tenant};

use crate::failure::Failure;

/// The keys, which are the names of the fields in `UpdateTenantRequest.update_mask`.
const KEYS: [&str; 11] = [
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

/// A setting and its new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The name shown to people.
    DisplayName(String),
    /// The one outside system whose tokens may write users and groups.
    ProvisioningSource(String),
    /// Whether a PATCH whose filter matches nothing is refused.
    StrictPatch(bool),
    /// Whether users who are created from now on are mailed a code.
    ActivationEmailOnCreation(bool),
    /// The language of users who prefer none.
    DefaultLanguage(String),
    /// What the deletion of a group means for its members.
    OnGroupDeletion(GroupDeletionPolicy),
    /// Whether the source's word lifts an administrator's block.
    AdministratorBlockYieldsToSource(bool),
    /// For how many days a code is good.
    ActivationValidityDays(i32),
    /// A link for the activation mail.
    ActivationUrlTemplate(String),
    /// The name of the sender in mails.
    MailSenderName(String),
    /// How many mails are sent in a minute at most.
    MailsPerMinute(i32),
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
            "strict_patch" => boolean(key, value).map(Self::StrictPatch),
            "activation_email_on_creation" => boolean(key, value).map(Self::ActivationEmailOnCreation),
            "default_language" => Ok(Self::DefaultLanguage(value.to_owned())),
            "on_group_deletion" => policy(value).map(Self::OnGroupDeletion),
            "administrator_block_yields_to_source" => boolean(key, value).map(Self::AdministratorBlockYieldsToSource),
            "activation_validity_days" => number(key, value).map(Self::ActivationValidityDays),
            "activation_url_template" => Ok(Self::ActivationUrlTemplate(value.to_owned())),
            "mail_sender_name" => Ok(Self::MailSenderName(value.to_owned())),
            "mails_per_minute" => number(key, value).map(Self::MailsPerMinute),
            _ => Err(format!("there is no such key; the keys are {}", KEYS.join(", "))),
        }
    }
}

fn boolean(key: &str, value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| format!("{key} is true or false"))
}

/// What range a number may be in, the directory says.
fn number(key: &str, value: &str) -> Result<i32, String> {
    value.parse().map_err(|_| format!("{key} is a whole number"))
}

/// The names of the contract, in any case, with dashes or underscores.
fn policy(value: &str) -> Result<GroupDeletionPolicy, String> {
    let name = value.replace('-', "_").to_ascii_uppercase();
    match GroupDeletionPolicy::from_str_name(&name) {
        None | Some(GroupDeletionPolicy::Unspecified) => {
            Err("on_group_deletion is block_members_left_without_group, block_all_members or keep_members".to_owned())
        }
        Some(policy) => Ok(policy),
    }
}

impl Setting {
    const fn key(&self) -> &'static str {
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
            Setting::ActivationEmailOnCreation(wanted) => tenant.activation_email_on_creation = Some(wanted),
            Setting::DefaultLanguage(language) => tenant.default_language = language,
            Setting::OnGroupDeletion(policy) => tenant.on_group_deletion = policy.into(),
            Setting::AdministratorBlockYieldsToSource(yields) => tenant.administrator_block_yields_to_source = yields,
            Setting::ActivationValidityDays(days) => tenant.activation_validity_days = days,
            Setting::ActivationUrlTemplate(template) => tenant.activation_url_template = template,
            Setting::MailSenderName(name) => tenant.mail_sender_name = name,
            Setting::MailsPerMinute(mails) => tenant.mails_per_minute = mails,
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
            (
                "activation_email_on_creation=false",
                Setting::ActivationEmailOnCreation(false),
            ),
            ("default_language=fr-CH", Setting::DefaultLanguage("fr-CH".to_owned())),
            (
                "administrator_block_yields_to_source=true",
                Setting::AdministratorBlockYieldsToSource(true),
            ),
            ("activation_validity_days=7", Setting::ActivationValidityDays(7)),
            (
                "activation_url_template=https://app.example.com/?code={code}",
                Setting::ActivationUrlTemplate("https://app.example.com/?code={code}".to_owned()),
            ),
            ("mail_sender_name=", Setting::MailSenderName(String::new())),
            ("mails_per_minute=60", Setting::MailsPerMinute(60)),
        ] {
            assert_eq!(text.parse(), Ok(setting));
        }
    }

    #[test]
    fn a_policy_is_named_as_in_the_contract_or_in_lower_case() {
        for (text, policy) in [
            ("keep-members", GroupDeletionPolicy::KeepMembers),
            ("keep_members", GroupDeletionPolicy::KeepMembers),
            ("BLOCK_ALL_MEMBERS", GroupDeletionPolicy::BlockAllMembers),
            (
                "block-members-left-without-group",
                GroupDeletionPolicy::BlockMembersLeftWithoutGroup,
            ),
        ] {
            let setting = format!("on_group_deletion={text}").parse();
            assert_eq!(setting, Ok(Setting::OnGroupDeletion(policy)), "{text}");
        }
        for text in ["", "keep", "group_deletion_policy_unspecified"] {
            assert!(
                format!("on_group_deletion={text}").parse::<Setting>().is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn every_key_can_be_set_and_is_what_the_mask_names() {
        for key in KEYS {
            let value = match key {
                "on_group_deletion" => "keep-members",
                "activation_validity_days" | "mails_per_minute" => "7",
                "strict_patch" | "activation_email_on_creation" | "administrator_block_yields_to_source" => "true",
                _ => "text",
            };
            let setting: Setting = format!("{key}={value}").parse().unwrap();

            let (tenant, mask) = update(String::new(), vec![setting]).unwrap();

            assert_eq!(mask, [key]);
            assert_ne!(tenant, Tenant::default(), "{key}");
        }
    }

    #[test]
    fn what_is_no_setting_is_refused_with_what_would_be_one() {
        const LIST: &str = "display_name, provisioning_source, strict_patch, activation_email_on_creation, \
                            default_language, on_group_deletion, administrator_block_yields_to_source, \
                            activation_validity_days, activation_url_template, mail_sender_name, mails_per_minute";
        for (text, error) in [
            ("strict_patch", format!("must be key=value, where key is one of {LIST}")),
            ("slug=other", format!("there is no such key; the keys are {LIST}")),
            ("=true", format!("there is no such key; the keys are {LIST}")),
            ("strict_patch=yes", "strict_patch is true or false".to_owned()),
            ("mails_per_minute=many", "mails_per_minute is a whole number".to_owned()),
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
