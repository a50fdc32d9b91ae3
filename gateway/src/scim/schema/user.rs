//! The core schema of User (RFC 7643 §4.1).

use super::{Attribute, Kind, Mutability, Returned, Schema};

/// `urn:ietf:params:scim:schemas:core:2.0:User`.
pub static USER: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:core:2.0:User",
    name: "User",
    description: "A person or service with access to what the tenant runs.",
    attributes: &ATTRIBUTES,
};

static ATTRIBUTES: [Attribute; 21] = [
    Attribute::text(
        "userName",
        "The name that the user signs in with; unique in the tenant without regard to case.",
    )
    .required()
    .unique(),
    Attribute::complex("name", "The parts of the user's name.", &NAME),
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
    Attribute::complex("emails", "The user's mail addresses.", &EMAILS).multi_valued(),
    Attribute::complex(
        "phoneNumbers",
        "The user's phone numbers, kept as they were sent.",
        &PHONE_NUMBERS,
    )
    .multi_valued(),
    Attribute::complex("ims", "The user's instant messaging addresses.", &IMS).multi_valued(),
    Attribute::complex("photos", "URLs of photos of the user.", &PHOTOS).multi_valued(),
    Attribute::complex("addresses", "The user's postal addresses.", &ADDRESSES).multi_valued(),
    Attribute::complex("groups", "The groups that the user is a direct member of.", &GROUPS)
        .multi_valued()
        .read_only(),
    Attribute::complex("entitlements", "Things that the user is entitled to.", &ENTITLEMENTS).multi_valued(),
    Attribute::complex(
        "roles",
        "The user's roles; the directory gives them no meaning.",
        &ROLES,
    )
    .multi_valued(),
    Attribute::complex("x509Certificates", "The user's certificates.", &CERTIFICATES).multi_valued(),
];

static NAME: [Attribute; 6] = [
    Attribute::text("formatted", "The whole name, ready to be shown."),
    Attribute::text("familyName", "The family name."),
    Attribute::text("givenName", "The given name."),
    Attribute::text("middleName", "The middle name or names."),
    Attribute::text("honorificPrefix", "What stands before the name, such as Dr."),
    Attribute::text("honorificSuffix", "What stands behind the name, such as III."),
];

const DISPLAY: Attribute = Attribute::text("display", "A name for the value, ready to be shown.");
const TYPE: Attribute = Attribute::text("type", "A label that tells what the value is for.");
const PRIMARY: Attribute = Attribute::boolean(
    "primary",
    "Whether this is the preferred value; at most one of a list is.",
);

static EMAILS: [Attribute; 4] = [
    Attribute::text("value", "The mail address."),
    DISPLAY,
    TYPE.canonical(&["work", "home", "other"]),
    PRIMARY,
];

static PHONE_NUMBERS: [Attribute; 4] = [
    Attribute::text("value", "The phone number."),
    DISPLAY,
    TYPE.canonical(&["work", "home", "mobile", "fax", "pager", "other"]),
    PRIMARY,
];

static IMS: [Attribute; 4] = [
    Attribute::text("value", "The instant messaging address."),
    DISPLAY,
    TYPE.canonical(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
    PRIMARY,
];

static PHOTOS: [Attribute; 4] = [
    Attribute::reference("value", "The URL of the photo.", &["external"]),
    DISPLAY,
    TYPE.canonical(&["photo", "thumbnail"]),
    PRIMARY,
];

static ADDRESSES: [Attribute; 8] = [
    Attribute::text(
        "formatted",
        "The whole address for a label; lines are separated by line feeds.",
    ),
    Attribute::text("streetAddress", "Street, house number, and the like."),
    Attribute::text("locality", "The city."),
    Attribute::text("region", "The state or region."),
    Attribute::text("postalCode", "The postal code."),
    Attribute::text("country", "The country, as two letters of ISO 3166-1 by the RFC."),
    TYPE.canonical(&["work", "home", "other"]),
    // Not in the listing of RFC 7643 §8.7, but in §2.4 for every multi-valued attribute, and in its examples.
    PRIMARY,
];

static GROUPS: [Attribute; 4] = [
    Attribute::text("value", "The id of the group.").read_only(),
    Attribute::reference("$ref", "The URL of the group.", &["User", "Group"]).read_only(),
    Attribute::text("display", "The name of the group.").read_only(),
    Attribute::text("type", "How the user is a member; always direct.")
        .read_only()
        .canonical(&["direct", "indirect"]),
];

static ENTITLEMENTS: [Attribute; 4] = [
    Attribute::text("value", "What the user is entitled to."),
    DISPLAY,
    TYPE,
    PRIMARY,
];

static ROLES: [Attribute; 4] = [Attribute::text("value", "The role."), DISPLAY, TYPE, PRIMARY];

static CERTIFICATES: [Attribute; 4] = [
    Attribute::new(Kind::Binary, "value", "The certificate: DER in base64."),
    DISPLAY,
    TYPE,
    PRIMARY,
];
