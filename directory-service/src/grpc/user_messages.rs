//! `User` messages: from the wire to checked values, and back.

use directory_proto::v1 as proto;
use proto::block::Reason;

use super::convert::{ReadMask, timestamp};
use super::extensions::{submitted, values_to_wire};
use crate::domain::Invalid;
use crate::domain::activation::{Activation, ActivationMail, ActivationStatus};
use crate::domain::attribute::{ListAttribute, SubAttribute, TextAttribute};
use crate::domain::id::UserId;
use crate::domain::profile::{Element, Profile};
use crate::domain::text::{ExternalId, Text};
use crate::domain::user::{Blocks, Cause, NewUser, User, UserChange, UserParts, UserUpdate};
use crate::domain::version::Version;

/// The top-level fields of `User`.
pub(super) const FIELDS: &[&str] = &[
    "id",
    "version",
    "create_time",
    "update_time",
    "user_name",
    "external_id",
    "name",
    "display_name",
    "nick_name",
    "profile_url",
    "title",
    "user_type",
    "preferred_language",
    "locale",
    "timezone",
    "source_active",
    "blocked",
    "blocks",
    "emails",
    "phone_numbers",
    "ims",
    "photos",
    "addresses",
    "entitlements",
    "roles",
    "x509_certificates",
    "enterprise",
    "groups",
    "extensions",
    "activation",
    "language",
];

/// A user to be created; output-only fields are ignored.
pub(super) fn new_user(mut wire: proto::User) -> Result<NewUser, Invalid> {
    let user_name = wire.user_name.parse()?;
    let external_id = external_id(wire.external_id.take())?;
    let mut profile = Profile::default();
    for attribute in TextAttribute::ALL {
        profile.set_text(*attribute, take_text(&mut wire, *attribute)?);
    }
    for list in ListAttribute::ALL {
        profile.set_list(*list, take_list(&mut wire, *list)?);
    }
    let source_active = wire.source_active.unwrap_or(true);
    let extensions = submitted(std::mem::take(&mut wire.extensions))?;
    Ok(NewUser {
        user_name,
        external_id,
        profile,
        manager: take_manager(&mut wire),
        source_active,
        extensions,
    })
}

/// The change of a user that a mask and the new values describe.
pub(super) fn user_update(id: UserId, wire: proto::UpdateUserRequest) -> Result<UserUpdate, Invalid> {
    let proto::UpdateUserRequest {
        user,
        update_mask,
        expected_version,
    } = wire;
    let mut user = user.unwrap_or_default();
    let mut paths = update_mask.unwrap_or_default().paths;
    paths.sort_unstable();
    paths.dedup();
    let mut changes = Vec::new();
    let mut extensions = None;
    for path in &paths {
        if path == "extensions" {
            extensions = Some(submitted(std::mem::take(&mut user.extensions))?);
            continue;
        }
        // `name` names `name.given_name` too: what stands there was taken with it.
        let covered = path
            .split_once('.')
            .is_some_and(|(whole, _)| paths.iter().any(|path| path == whole));
        if !covered {
            changes.extend(read_change(&mut user, path)?);
        }
    }
    Ok(UserUpdate {
        id,
        expected: expected_version.map(Version::new),
        changes,
        extensions,
    })
}

fn read_change(user: &mut proto::User, path: &str) -> Result<Vec<UserChange>, Invalid> {
    if let Some(attribute) = TextAttribute::at(path) {
        return Ok(vec![UserChange::Text(attribute, take_text(user, attribute)?)]);
    }
    if let Some(list) = ListAttribute::at(path) {
        return Ok(vec![UserChange::List(list, take_list(user, list)?)]);
    }
    Ok(match path {
        "user_name" => vec![UserChange::UserName(user.user_name.parse()?)],
        "external_id" => vec![UserChange::ExternalId(external_id(user.external_id.take())?)],
        "source_active" => {
            let active = user
                .source_active
                .ok_or_else(|| Invalid::new("source_active", "must be true or false"))?;
            vec![UserChange::SourceActive(active)]
        }
        "enterprise.manager" => vec![UserChange::Manager(take_manager(user))],
        "name" => take_texts(user, "name.")?,
        "enterprise" => {
            let manager = UserChange::Manager(take_manager(user));
            let mut changes = take_texts(user, "enterprise.")?;
            changes.push(manager);
            changes
        }
        "id" | "version" | "create_time" | "update_time" | "blocked" | "blocks" | "groups" | "activation"
        | "language" => {
            return Err(Invalid::new("update_mask", "must not name output-only fields"));
        }
        _ => return Err(Invalid::new("update_mask", "names a field that a user does not have")),
    })
}

fn take_texts(user: &mut proto::User, prefix: &str) -> Result<Vec<UserChange>, Invalid> {
    let within = TextAttribute::ALL
        .iter()
        .copied()
        .filter(|attribute| attribute.path().starts_with(prefix));
    within
        .map(|attribute| Ok(UserChange::Text(attribute, take_text(user, attribute)?)))
        .collect()
}

fn external_id(text: Option<String>) -> Result<Option<ExternalId>, Invalid> {
    text.map(|text| ExternalId::parse("external_id", text)).transpose()
}

fn take_text(user: &mut proto::User, attribute: TextAttribute) -> Result<Option<Text>, Invalid> {
    text_slot(user, attribute)
        .take()
        .map(|text| attribute.parse(text))
        .transpose()
}

/// Where a text stands in the message.
fn text_slot(user: &mut proto::User, attribute: TextAttribute) -> &mut Option<String> {
    use TextAttribute as A;
    match attribute {
        A::DisplayName => &mut user.display_name,
        A::NickName => &mut user.nick_name,
        A::ProfileUrl => &mut user.profile_url,
        A::Title => &mut user.title,
        A::UserType => &mut user.user_type,
        A::PreferredLanguage => &mut user.preferred_language,
        A::Locale => &mut user.locale,
        A::Timezone => &mut user.timezone,
        A::NameFormatted => &mut name(user).formatted,
        A::FamilyName => &mut name(user).family_name,
        A::GivenName => &mut name(user).given_name,
        A::MiddleName => &mut name(user).middle_name,
        A::HonorificPrefix => &mut name(user).honorific_prefix,
        A::HonorificSuffix => &mut name(user).honorific_suffix,
        A::EmployeeNumber => &mut enterprise(user).employee_number,
        A::CostCenter => &mut enterprise(user).cost_center,
        A::Organization => &mut enterprise(user).organization,
        A::Division => &mut enterprise(user).division,
        A::Department => &mut enterprise(user).department,
    }
}

fn name(user: &mut proto::User) -> &mut proto::Name {
    user.name.get_or_insert_default()
}

fn enterprise(user: &mut proto::User) -> &mut proto::EnterpriseUser {
    user.enterprise.get_or_insert_default()
}

/// A manager who is no user is left out on read, so what cannot be an id is not kept.
fn take_manager(user: &mut proto::User) -> Option<UserId> {
    let proto::Manager { id, display_name: _ } = user.enterprise.as_mut()?.manager.take()?;
    UserId::find(&id)
}

fn take_list(user: &mut proto::User, list: ListAttribute) -> Result<Vec<Element>, Invalid> {
    match entries(user, list) {
        Some(entries) => std::mem::take(entries)
            .into_iter()
            .map(|entry| from_entry(list, entry))
            .collect(),
        None => std::mem::take(&mut user.addresses)
            .into_iter()
            .map(from_address)
            .collect(),
    }
}

/// Where the elements of an attribute stand in the message; addresses are of another type.
fn entries(user: &mut proto::User, list: ListAttribute) -> Option<&mut Vec<proto::ValueEntry>> {
    Some(match list {
        ListAttribute::Emails => &mut user.emails,
        ListAttribute::PhoneNumbers => &mut user.phone_numbers,
        ListAttribute::Ims => &mut user.ims,
        ListAttribute::Photos => &mut user.photos,
        ListAttribute::Addresses => return None,
        ListAttribute::Entitlements => &mut user.entitlements,
        ListAttribute::Roles => &mut user.roles,
        ListAttribute::X509Certificates => &mut user.x509_certificates,
    })
}

fn from_entry(list: ListAttribute, entry: proto::ValueEntry) -> Result<Element, Invalid> {
    let proto::ValueEntry {
        value,
        display,
        r#type,
        primary,
    } = entry;
    let mut element = Element::with_primary(primary);
    element.set(list, SubAttribute::Value, value)?;
    element.set(list, SubAttribute::Display, display)?;
    element.set(list, SubAttribute::Type, r#type)?;
    Ok(element)
}

fn from_address(address: proto::Address) -> Result<Element, Invalid> {
    let proto::Address {
        formatted,
        street_address,
        locality,
        region,
        postal_code,
        country,
        r#type,
        primary,
    } = address;
    let mut element = Element::with_primary(primary);
    for (sub, text) in [
        (SubAttribute::Formatted, formatted),
        (SubAttribute::StreetAddress, street_address),
        (SubAttribute::Locality, locality),
        (SubAttribute::Region, region),
        (SubAttribute::PostalCode, postal_code),
        (SubAttribute::Country, country),
        (SubAttribute::Type, r#type),
    ] {
        element.set(ListAttribute::Addresses, sub, text)?;
    }
    Ok(element)
}

/// The parts of users that a mask wants.
pub(super) fn parts(mask: &ReadMask) -> UserParts {
    let in_profile = |field: &&&str| {
        let beside_it = [
            "id",
            "version",
            "create_time",
            "update_time",
            "user_name",
            "external_id",
            "source_active",
            "blocked",
            "blocks",
            "groups",
            "extensions",
            "activation",
        ];
        !beside_it.contains(*field)
    };
    UserParts {
        profile: FIELDS.iter().filter(in_profile).any(|field| mask.wants(field)),
        manager: mask.wants("enterprise"),
        extensions: mask.wants("extensions"),
        groups: mask.wants("groups"),
    }
}

/// The message of a user. Without a mask all of it.
pub(super) fn to_wire(user: User, mask: Option<&ReadMask>) -> proto::User {
    let mut wire = whole(user);
    if let Some(mask) = mask {
        clear_unwanted(&mut wire, mask);
    }
    wire
}

fn whole(user: User) -> proto::User {
    let User {
        id,
        version,
        created_us,
        updated_us,
        user_name,
        external_id,
        profile,
        manager,
        blocks,
        activation,
        language,
        extensions,
        groups,
    } = user;
    let mut wire = proto::User {
        id: id.to_string(),
        version: version.get(),
        create_time: Some(timestamp(created_us)),
        update_time: Some(timestamp(updated_us)),
        user_name: user_name.as_str().to_owned(),
        external_id: external_id.map(|id| id.as_str().to_owned()),
        source_active: Some(blocks.source_active()),
        blocked: blocks.any(),
        blocks: blocks_to_wire(&blocks),
        activation: Some(activation_to_wire(&activation)),
        language: language.to_string(),
        extensions: values_to_wire(&extensions),
        ..proto::User::default()
    };
    for attribute in TextAttribute::ALL {
        if let Some(text) = profile.text(*attribute) {
            *text_slot(&mut wire, *attribute) = Some(text.as_str().to_owned());
        }
    }
    for list in ListAttribute::ALL {
        let elements = profile.list(*list).iter();
        match entries(&mut wire, *list) {
            Some(entries) => *entries = elements.map(to_entry).collect(),
            None => wire.addresses = elements.map(to_address).collect(),
        }
    }
    if let Some(manager) = manager.filter(|manager| manager.exists) {
        let display_name = manager.display_name.map(Text::into_string);
        enterprise(&mut wire).manager = Some(proto::Manager {
            id: manager.id.to_string(),
            display_name,
        });
    }
    let groups = groups.into_iter();
    wire.groups = groups
        .map(|group| proto::UserGroup {
            id: group.id.to_string(),
            display_name: group.display_name.into_string(),
        })
        .collect();
    wire
}

fn text(element: &Element, sub: SubAttribute) -> Option<String> {
    element.text(sub).map(|text| text.as_str().to_owned())
}

fn to_entry(element: &Element) -> proto::ValueEntry {
    proto::ValueEntry {
        value: text(element, SubAttribute::Value),
        display: text(element, SubAttribute::Display),
        r#type: text(element, SubAttribute::Type),
        primary: element.primary,
    }
}

fn to_address(element: &Element) -> proto::Address {
    proto::Address {
        formatted: text(element, SubAttribute::Formatted),
        street_address: text(element, SubAttribute::StreetAddress),
        locality: text(element, SubAttribute::Locality),
        region: text(element, SubAttribute::Region),
        postal_code: text(element, SubAttribute::PostalCode),
        country: text(element, SubAttribute::Country),
        r#type: text(element, SubAttribute::Type),
        primary: element.primary,
    }
}

fn activation_to_wire(activation: &Activation) -> proto::Activation {
    use proto::activation::{Mail, Status};
    let Activation {
        status,
        mail,
        expires_us,
        activated_us,
        code_number: _,
        wrong_codes: _,
        paused_until_us: _,
        asked_us: _,
    } = activation;
    let status = match status {
        ActivationStatus::NotActivated => Status::NotActivated,
        ActivationStatus::Pending => Status::PendingActivation,
        ActivationStatus::Activated => Status::Activated,
    };
    let mail = match mail {
        ActivationMail::NotWanted => Mail::NotWanted,
        ActivationMail::Due => Mail::Due,
        ActivationMail::Queued => Mail::Queued,
    };
    proto::Activation {
        status: status.into(),
        mail: mail.into(),
        code_expire_time: expires_us.map(timestamp),
        activate_time: activated_us.map(timestamp),
    }
}

fn blocks_to_wire(blocks: &Blocks) -> Vec<proto::Block> {
    let Blocks {
        provisioning,
        group_deleted,
        administrator,
    } = blocks;
    let block = |reason: Reason, cause: &Cause| proto::Block {
        reason: reason.into(),
        since: Some(timestamp(cause.since_us)),
        actor: cause.actor.clone(),
        group_id: None,
        group_name: None,
    };
    let provisioning = provisioning.as_ref().map(|cause| block(Reason::Provisioning, cause));
    let group_deleted = group_deleted.as_ref().map(|deleted| proto::Block {
        group_id: Some(deleted.group_id.to_string()),
        group_name: Some(deleted.group_name.as_str().to_owned()),
        ..block(Reason::GroupDeleted, &deleted.cause)
    });
    let administrator = administrator.as_ref().map(|cause| block(Reason::Administrator, cause));
    provisioning
        .into_iter()
        .chain(group_deleted)
        .chain(administrator)
        .collect()
}

/// Takes out what a mask does not want; id and version always come.
fn clear_unwanted(wire: &mut proto::User, mask: &ReadMask) {
    let whole = std::mem::take(wire);
    wire.id = whole.id;
    wire.version = whole.version;
    macro_rules! keep {
        ($($field:ident)*) => {$(
            if mask.wants(stringify!($field)) {
                wire.$field = whole.$field;
            }
        )*};
    }
    keep! {
        create_time update_time user_name external_id name display_name nick_name profile_url title user_type
        preferred_language locale timezone source_active blocked blocks emails phone_numbers ims photos addresses
        entitlements roles x509_certificates enterprise groups extensions activation language
    }
}

#[cfg(test)]
mod tests {
    use prost_types::FieldMask;

    use super::*;
    use crate::domain::extension::Extensions;
    use crate::domain::id::GroupId;
    use crate::domain::tenant::WriteRules;
    use crate::domain::user::{Manager, UserGroup};

    fn everything() -> proto::User {
        let entry = |value: &str| proto::ValueEntry {
            value: Some(value.to_owned()),
            display: Some("Display".to_owned()),
            r#type: Some("work".to_owned()),
            primary: Some(false),
        };
        let mut wire = proto::User {
            user_name: "Ada".to_owned(),
            ..proto::User::default()
        };
        wire.external_id = Some("X".to_owned());
        for attribute in TextAttribute::ALL {
            *text_slot(&mut wire, *attribute) = Some(attribute.path().to_uppercase());
        }
        for list in ListAttribute::ALL {
            if let Some(entries) = entries(&mut wire, *list) {
                *entries = vec![entry(list.path()), proto::ValueEntry::default()];
            }
        }
        wire.addresses = vec![proto::Address {
            country: Some("NL".to_owned()),
            ..proto::Address::default()
        }];
        wire.source_active = Some(true);
        wire
    }

    fn created(wire: proto::User) -> User {
        let cause = Cause {
            since_us: 1,
            actor: "token".to_owned(),
        };
        new_user(wire)
            .unwrap()
            .create(UserId::generate(), &cause, &WriteRules::without_mail())
    }

    #[test]
    fn every_attribute_comes_back_as_it_was_sent() {
        let sent = everything();

        let mut read = to_wire(created(sent.clone()), None);

        assert_eq!((read.create_time.take(), read.version), (Some(timestamp(1)), 1));
        let expected = proto::User {
            id: read.id.clone(),
            version: 1,
            update_time: Some(timestamp(1)),
            activation: Some(activation_to_wire(&Activation::default())),
            language: "en".to_owned(),
            ..sent
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_mask_leaves_everything_else_out() {
        let mask = FieldMask {
            paths: vec!["title".to_owned(), "emails".to_owned()],
        };
        let mask = ReadMask::of(Some(mask), FIELDS).unwrap();
        let user = created(everything());

        let read = to_wire(user.clone(), Some(&mask));

        let whole = to_wire(user, None);
        let expected = proto::User {
            id: whole.id,
            version: whole.version,
            title: whole.title,
            emails: whole.emails,
            ..proto::User::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn what_a_mask_wants_is_in_the_parts_that_are_read() {
        let mut user = created(everything());
        user.manager = Some(Manager {
            exists: true,
            ..Manager::of(UserId::generate())
        });
        user.extensions = serde_json::from_str(r#"{"urn:acme:User": {"badge": "A"}}"#).unwrap();
        user.groups = vec![UserGroup {
            id: GroupId::generate(),
            display_name: Text::from_row("Sales".to_owned()),
        }];
        let whole = UserParts {
            profile: true,
            manager: true,
            extensions: true,
            groups: true,
        };
        assert_eq!(parts(&ReadMask::of(None, FIELDS).unwrap()), whole);
        for field in FIELDS {
            let paths = vec![(*field).to_owned()];
            let mask = ReadMask::of(Some(FieldMask { paths }), FIELDS).unwrap();
            let wanted = parts(&mask);
            let mut read = user.clone();
            if !wanted.profile {
                read.profile = Profile::default();
            }
            read.manager = read.manager.filter(|_| wanted.manager);
            if !wanted.extensions {
                read.extensions = Extensions::default();
            }
            if !wanted.groups {
                read.groups.clear();
            }

            assert_eq!(
                to_wire(read, Some(&mask)),
                to_wire(user.clone(), Some(&mask)),
                "{field}"
            );
            if ["id", "user_name", "blocked", "groups", "extensions"].contains(field) {
                assert!(!wanted.profile && !wanted.manager, "{field}");
            }
        }
    }

    #[test]
    fn an_update_changes_what_its_mask_names_and_nothing_else() {
        let update = |paths: &[&str]| {
            let paths = paths.iter().map(|path| (*path).to_owned()).collect();
            let wire = proto::UpdateUserRequest {
                user: Some(everything()),
                update_mask: Some(FieldMask { paths }),
                expected_version: Some(3),
            };
            user_update(UserId::generate(), wire)
        };
        let title = TextAttribute::Title.parse("TITLE".to_owned()).unwrap();

        assert_eq!(
            update(&["title"]).unwrap().changes,
            [UserChange::Text(TextAttribute::Title, Some(title))]
        );
        assert_eq!(update(&["name"]).unwrap().changes.len(), 6);
        let whole = update(&["name"]).unwrap().changes;
        assert_eq!(update(&["name", "name.given_name"]).unwrap().changes, whole);
        assert_eq!(update(&["enterprise"]).unwrap().changes.len(), 6);
        assert_eq!(
            update(&["blocked"]),
            Err(Invalid::new("update_mask", "must not name output-only fields"))
        );
        let unknown = Invalid::new("update_mask", "names a field that a user does not have");
        assert_eq!(update(&["shoe_size"]), Err(unknown.clone()));
        assert_eq!(update(&["name.shoe_size"]), Err(unknown));
        assert_eq!(update(&[]).unwrap().changes, []);
    }

    #[test]
    fn an_update_that_names_active_says_which() {
        let wire = proto::UpdateUserRequest {
            user: Some(proto::User::default()),
            update_mask: Some(FieldMask {
                paths: vec!["source_active".to_owned()],
            }),
            expected_version: None,
        };

        let refused = user_update(UserId::generate(), wire);

        assert_eq!(refused, Err(Invalid::new("source_active", "must be true or false")));
    }

    #[test]
    fn a_manager_that_is_no_id_is_nobody() {
        let mut wire = everything();
        enterprise(&mut wire).manager = Some(proto::Manager {
            id: "the boss".to_owned(),
            display_name: None,
        });

        assert_eq!(new_user(wire).unwrap().manager, None);
    }
}
