//! The attributes of users and groups as data: their paths in `directory.v1`, their types, and how their text
//! compares. Where each one is stored is the store's part; it decides for every attribute or does not compile.

use serde::{Deserialize, Serialize};

/// How text compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Without regard to case, by its folded key.
    Folded,
    /// Exactly.
    Exact,
}

/// The type of an attribute's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text(Case),
    /// The id of a user or a group; compared exactly.
    Id,
    /// A whole number.
    Integer,
    /// A time.
    Time,
    /// A boolean.
    Boolean,
}

/// A single-valued attribute that a filter can name.
pub trait Attribute: Copy + Sized {
    /// The attribute at this path.
    fn find(path: &str) -> Option<Self>;
    /// Its type.
    fn kind(self) -> Kind;
}

macro_rules! paths {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $path:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $path)] $variant,)+
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The path in `directory.v1`.
            pub const fn path(self) -> &'static str {
                match self {
                    $(Self::$variant => $path,)+
                }
            }

            /// The one at this path.
            pub fn at(path: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.path() == path)
            }
        }
    };
}

paths! {
    /// The singular text attributes of a user that have no rules of their own.
    pub enum TextAttribute {
        /// The name shown to people.
        DisplayName = "display_name",
        /// A casual name.
        NickName = "nick_name",
        /// A page about the user.
        ProfileUrl = "profile_url",
        /// A job title.
        Title = "title",
        /// The relation to the organisation.
        UserType = "user_type",
        /// The preferred language.
        PreferredLanguage = "preferred_language",
        /// Formats of dates and numbers.
        Locale = "locale",
        /// The time zone.
        Timezone = "timezone",
        /// The whole name.
        NameFormatted = "name.formatted",
        /// The family name.
        FamilyName = "name.family_name",
        /// The given name.
        GivenName = "name.given_name",
        /// The middle name.
        MiddleName = "name.middle_name",
        /// A title such as "Dr.".
        HonorificPrefix = "name.honorific_prefix",
        /// A suffix such as "III".
        HonorificSuffix = "name.honorific_suffix",
        /// The number of the employee.
        EmployeeNumber = "enterprise.employee_number",
        /// The cost centre.
        CostCenter = "enterprise.cost_center",
        /// The organisation.
        Organization = "enterprise.organization",
        /// The division.
        Division = "enterprise.division",
        /// The department.
        Department = "enterprise.department",
    }
}

impl TextAttribute {
    /// How it compares.
    pub const fn case(self) -> Case {
        match self {
            Self::ProfileUrl => Case::Exact,
            Self::DisplayName
            | Self::NickName
            | Self::Title
            | Self::UserType
            | Self::PreferredLanguage
            | Self::Locale
            | Self::Timezone
            | Self::NameFormatted
            | Self::FamilyName
            | Self::GivenName
            | Self::MiddleName
            | Self::HonorificPrefix
            | Self::HonorificSuffix
            | Self::EmployeeNumber
            | Self::CostCenter
            | Self::Organization
            | Self::Division
            | Self::Department => Case::Folded,
        }
    }

    /// Whether its key stands in an index, which bounds its length.
    pub const fn is_indexed(self) -> bool {
        matches!(self, Self::DisplayName | Self::EmployeeNumber)
    }
}

paths! {
    /// The multi-valued attributes of a user that the source writes.
    pub enum ListAttribute {
        /// Mail addresses.
        Emails = "emails",
        /// Phone numbers.
        PhoneNumbers = "phone_numbers",
        /// Instant messaging addresses.
        Ims = "ims",
        /// Photos.
        Photos = "photos",
        /// Postal addresses.
        Addresses = "addresses",
        /// Entitlements.
        Entitlements = "entitlements",
        /// Roles.
        Roles = "roles",
        /// Certificates.
        X509Certificates = "x509_certificates",
    }
}

impl ListAttribute {
    /// How the value of an element compares.
    pub const fn value_case(self) -> Case {
        match self {
            Self::Photos | Self::X509Certificates => Case::Exact,
            Self::Emails | Self::PhoneNumbers | Self::Ims | Self::Addresses | Self::Entitlements | Self::Roles => {
                Case::Folded
            }
        }
    }

    /// The sub-attribute that stands for an element when users are ordered by the attribute.
    pub const fn main(self) -> SubAttribute {
        match self {
            Self::Addresses => SubAttribute::Formatted,
            Self::Emails
            | Self::PhoneNumbers
            | Self::Ims
            | Self::Photos
            | Self::Entitlements
            | Self::Roles
            | Self::X509Certificates => SubAttribute::Value,
        }
    }

    /// Whether its elements have this sub-attribute.
    pub const fn has(self, sub: SubAttribute) -> bool {
        match sub {
            SubAttribute::Value | SubAttribute::Display => !matches!(self, Self::Addresses),
            SubAttribute::Type => true,
            SubAttribute::Formatted
            | SubAttribute::StreetAddress
            | SubAttribute::Locality
            | SubAttribute::Region
            | SubAttribute::PostalCode
            | SubAttribute::Country => matches!(self, Self::Addresses),
        }
    }
}

paths! {
    /// The text sub-attributes of a user's multi-valued attributes.
    pub enum SubAttribute {
        /// The value itself.
        Value = "value",
        /// A name for display.
        Display = "display",
        /// A label.
        Type = "type",
        /// The whole address.
        Formatted = "formatted",
        /// Street and number.
        StreetAddress = "street_address",
        /// The city.
        Locality = "locality",
        /// The state or region.
        Region = "region",
        /// The postal code.
        PostalCode = "postal_code",
        /// The country.
        Country = "country",
    }
}

/// A single-valued attribute of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserAttribute {
    /// `id`.
    Id,
    /// `version`.
    Version,
    /// `create_time`.
    CreateTime,
    /// `update_time`.
    UpdateTime,
    /// `user_name`.
    UserName,
    /// `external_id`.
    ExternalId,
    /// `source_active`.
    SourceActive,
    /// `blocked`.
    Blocked,
    /// `enterprise.manager`.
    Manager,
    /// `enterprise.manager.display_name`.
    ManagerDisplayName,
    /// `language`.
    Language,
    /// `activation.status`.
    ActivationStatus,
    /// `activation.code_expire_time`.
    ActivationCodeExpireTime,
    /// `activation.activate_time`.
    ActivateTime,
    /// Any other text.
    Text(TextAttribute),
}

impl Attribute for UserAttribute {
    fn find(path: &str) -> Option<Self> {
        Some(match path {
            "id" => Self::Id,
            "version" => Self::Version,
            "create_time" => Self::CreateTime,
            "update_time" => Self::UpdateTime,
            "user_name" => Self::UserName,
            "external_id" => Self::ExternalId,
            "source_active" => Self::SourceActive,
            "blocked" => Self::Blocked,
            "enterprise.manager" | "enterprise.manager.id" => Self::Manager,
            "enterprise.manager.display_name" => Self::ManagerDisplayName,
            "language" => Self::Language,
            "activation.status" => Self::ActivationStatus,
            "activation.code_expire_time" => Self::ActivationCodeExpireTime,
            "activation.activate_time" => Self::ActivateTime,
            text => Self::Text(TextAttribute::at(text)?),
        })
    }

    fn kind(self) -> Kind {
        match self {
            Self::Id | Self::Manager => Kind::Id,
            Self::Version => Kind::Integer,
            Self::CreateTime | Self::UpdateTime | Self::ActivationCodeExpireTime | Self::ActivateTime => Kind::Time,
            Self::UserName | Self::ManagerDisplayName | Self::Language | Self::ActivationStatus => {
                Kind::Text(Case::Folded)
            }
            Self::ExternalId => Kind::Text(Case::Exact),
            Self::SourceActive | Self::Blocked => Kind::Boolean,
            Self::Text(text) => Kind::Text(text.case()),
        }
    }
}

impl UserAttribute {
    /// The attributes inside a complex one: `name`, `enterprise`. Empty if the path is neither.
    pub fn within(path: &str) -> Vec<Self> {
        let prefix = match path {
            "name" => "name.",
            "enterprise" => "enterprise.",
            _ => return Vec::new(),
        };
        let texts = TextAttribute::ALL.iter().filter(|text| text.path().starts_with(prefix));
        let manager = (path == "enterprise").then_some(Self::Manager);
        texts.map(|text| Self::Text(*text)).chain(manager).collect()
    }
}

/// A sub-attribute of an element of a user's [`ListAttribute`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementAttribute {
    /// Text, with the case rule that it has in its attribute.
    Text(SubAttribute, Case),
    /// `primary`.
    Primary,
}

impl ElementAttribute {
    /// The sub-attribute of this name in the elements of `list`.
    pub fn of(list: ListAttribute, name: &str) -> Option<Self> {
        if name == "primary" {
            return Some(Self::Primary);
        }
        let sub = SubAttribute::at(name).filter(|sub| list.has(*sub))?;
        Some(Self::Text(
            sub,
            if sub == SubAttribute::Value {
                list.value_case()
            } else {
                Case::Folded
            },
        ))
    }

    /// Its type.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Text(_, case) => Kind::Text(case),
            Self::Primary => Kind::Boolean,
        }
    }
}

/// A sub-attribute of a user's `groups`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserGroupAttribute {
    /// The group's id.
    Value,
    /// The group's display name.
    Display,
}

impl Attribute for UserGroupAttribute {
    fn find(path: &str) -> Option<Self> {
        match path {
            "value" => Some(Self::Value),
            "display" => Some(Self::Display),
            _ => None,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Value => Kind::Id,
            Self::Display => Kind::Text(Case::Folded),
        }
    }
}

/// A sub-attribute of a user's `blocks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockAttribute {
    /// The kind of reason, such as `PROVISIONING`.
    Reason,
    /// Since when it holds.
    Since,
    /// The token that caused it.
    Actor,
    /// The deleted group's id.
    GroupId,
    /// The name that the deleted group had.
    GroupName,
}

impl Attribute for BlockAttribute {
    fn find(path: &str) -> Option<Self> {
        Some(match path {
            "reason" | "value" => Self::Reason,
            "since" => Self::Since,
            "actor" => Self::Actor,
            "group_id" => Self::GroupId,
            "group_name" => Self::GroupName,
            _ => return None,
        })
    }

    fn kind(self) -> Kind {
        match self {
            Self::Reason => Kind::Text(Case::Folded),
            Self::Since => Kind::Time,
            Self::Actor | Self::GroupName => Kind::Text(Case::Exact),
            Self::GroupId => Kind::Id,
        }
    }
}

/// A single-valued attribute of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupAttribute {
    /// `id`.
    Id,
    /// `version`.
    Version,
    /// `create_time`.
    CreateTime,
    /// `update_time`.
    UpdateTime,
    /// `display_name`.
    DisplayName,
    /// `external_id`.
    ExternalId,
}

impl Attribute for GroupAttribute {
    fn find(path: &str) -> Option<Self> {
        Some(match path {
            "id" => Self::Id,
            "version" => Self::Version,
            "create_time" => Self::CreateTime,
            "update_time" => Self::UpdateTime,
            "display_name" => Self::DisplayName,
            "external_id" => Self::ExternalId,
            _ => return None,
        })
    }

    fn kind(self) -> Kind {
        match self {
            Self::Id => Kind::Id,
            Self::Version => Kind::Integer,
            Self::CreateTime | Self::UpdateTime => Kind::Time,
            Self::DisplayName => Kind::Text(Case::Folded),
            Self::ExternalId => Kind::Text(Case::Exact),
        }
    }
}

/// A sub-attribute of a group's `members`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberAttribute {
    /// The user's id.
    Value,
}

impl Attribute for MemberAttribute {
    fn find(path: &str) -> Option<Self> {
        matches!(path, "value" | "user_id").then_some(Self::Value)
    }

    fn kind(self) -> Kind {
        match self {
            Self::Value => Kind::Id,
        }
    }
}
