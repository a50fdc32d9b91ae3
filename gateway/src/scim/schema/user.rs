//! The core schema of User (RFC 7643 §4.1).

use std::sync::{Arc, LazyLock};

use super::{Attribute, Kind, Mutability, Returned, Schema};

/// `urn:ietf:params:scim:schemas:core:2.0:User`.
pub static USER: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    Arc::new(Schema::new(
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "User",
        "A person or service with access to what the tenant runs.",
        attributes(),
    ))
});

fn attributes() -> [Attribute; 21] {
    [
        Attribute::text(
            "userName",
            "The name that the user signs in with; unique in the tenant without regard to case.",
        )
        .required()
        .unique(),
        Attribute::complex("name", "The parts of the user's name.", name()),
        Attribute::text("displayName", "The name shown to people."),
        Attribute::text("nickName", "What the user is called casually."),
        Attribute::reference("profileUrl", "The URL of a page about the user.", &["external"]),
        Attribute::text("title", "The user's job title."),
        Attribute::text(
            "userType",
            "How the user relates to the organization, such as Employee or Contractor.",
        ),
        Attribute::text(
            "preferredLanguage",
            "The languages the user likes to read, in the form of Accept-Language.",
        ),
        Attribute::text(
            "locale",
            "The conventions for dates, numbers, and currency, as a language tag.",
        ),
        Attribute::text(
            "timezone",
            "The user's time zone by its IANA name, such as Europe/Amsterdam.",
        ),
        Attribute::boolean("active", "Whether the provisioning source considers the user active."),
        Attribute::text(
            "password",
            "Accepted and thrown away: this directory keeps no passwords.",
        )
        .mutability(Mutability::WriteOnly)
        .returned(Returned::Never),
        Attribute::complex("emails", "The user's mail addresses.", emails()).multi_valued(),
        Attribute::complex(
            "phoneNumbers",
            "The user's phone numbers, kept as they were sent.",
            phone_numbers(),
        )
        .multi_valued(),
        Attribute::complex("ims", "The user's instant messaging addresses.", ims()).multi_valued(),
        Attribute::complex("photos", "URLs of photos of the user.", photos()).multi_valued(),
        Attribute::complex("addresses", "The user's postal addresses.", addresses()).multi_valued(),
        Attribute::complex("groups", "The groups that the user is a direct member of.", groups())
            .multi_valued()
            .read_only(),
        Attribute::complex("entitlements", "Things that the user is entitled to.", entitlements()).multi_valued(),
        Attribute::complex(
            "roles",
            "The user's roles; the directory gives them no meaning.",
            roles(),
        )
        .multi_valued(),
        Attribute::complex("x509Certificates", "The user's certificates.", certificates()).multi_valued(),
    ]
}

fn name() -> [Attribute; 6] {
    [
        Attribute::text("formatted", "The whole name, ready to be shown."),
        Attribute::text("familyName", "The family name."),
        Attribute::text("givenName", "The given name."),
        Attribute::text("middleName", "The middle name or names."),
        Attribute::text("honorificPrefix", "What stands before the name, such as Dr."),
        Attribute::text("honorificSuffix", "What stands behind the name, such as III."),
    ]
}

fn display() -> Attribute {
    Attribute::text("display", "A name for the value, ready to be shown.")
}

fn label() -> Attribute {
    Attribute::text("type", "A label that tells what the value is for.")
}

fn primary() -> Attribute {
    Attribute::boolean(
        "primary",
        "Whether this is the preferred value; at most one of a list is.",
    )
}

fn emails() -> [Attribute; 4] {
    [
        Attribute::text("value", "The mail address."),
        display(),
        label().canonical(&["work", "home", "other"]),
        primary(),
    ]
}

fn phone_numbers() -> [Attribute; 4] {
    [
        Attribute::text("value", "The phone number."),
        display(),
        label().canonical(&["work", "home", "mobile", "fax", "pager", "other"]),
        primary(),
    ]
}

fn ims() -> [Attribute; 4] {
    [
        Attribute::text("value", "The instant messaging address."),
        display(),
        label().canonical(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
        primary(),
    ]
}

fn photos() -> [Attribute; 4] {
    [
        Attribute::reference("value", "The URL of the photo.", &["external"]),
        display(),
        label().canonical(&["photo", "thumbnail"]),
        primary(),
    ]
}

fn addresses() -> [Attribute; 8] {
    [
        Attribute::text(
            "formatted",
            "The whole address for a label; lines are separated by line feeds.",
        ),
        Attribute::text("streetAddress", "Street, house number, and the like."),
        Attribute::text("locality", "The city."),
        Attribute::text("region", "The state or region."),
        Attribute::text("postalCode", "The postal code."),
        Attribute::text("country", "The country, as two letters of ISO 3166-1 by the RFC."),
        label().canonical(&["work", "home", "other"]),
        // Not in the listing of RFC 7643 §8.7, but in §2.4 for every multi-valued attribute, and in its examples.
        primary(),
    ]
}

fn groups() -> [Attribute; 4] {
    [
        Attribute::text("value", "The id of the group.")
            .case_exact()
            .read_only(),
        Attribute::reference("$ref", "The URL of the group.", &["Group"]).read_only(),
        Attribute::text("display", "The name of the group.").read_only(),
        Attribute::text("type", "How the user is a member; always direct.")
            .read_only()
            .canonical(&["direct", "indirect"]),
    ]
}

fn entitlements() -> [Attribute; 4] {
    [
        Attribute::text("value", "What the user is entitled to."),
        display(),
        label(),
        primary(),
    ]
}

fn roles() -> [Attribute; 4] {
    [Attribute::text("value", "The role."), display(), label(), primary()]
}

fn certificates() -> [Attribute; 4] {
    [
        Attribute::new(Kind::Binary, "value", "The certificate: DER in base64."),
        display(),
        label(),
        primary(),
    ]
}
