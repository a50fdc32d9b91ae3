//! The attributes that every resource has (RFC 7643 §3 and §3.1); no schema lists them.

use super::{Attribute, Kind, Returned};

/// `schemas`, `id`, `externalId`, and `meta`.
pub static COMMON: [Attribute; 4] = [
    Attribute::reference(
        "schemas",
        "The URNs of the schemas whose attributes the resource has.",
        &["uri"],
    )
    .multi_valued()
    .required()
    .case_exact()
    .read_only()
    .returned(Returned::Always),
    Attribute::text(
        "id",
        "The identifier that the directory gave the resource. It never changes and is never reused.",
    )
    .case_exact()
    .read_only()
    .returned(Returned::Always)
    .unique(),
    Attribute::text(
        "externalId",
        "The identifier that the provisioning source has for the resource.",
    )
    .case_exact(),
    Attribute::complex("meta", "What the directory knows about the resource itself.", &META).read_only(),
];

static META: [Attribute; 5] = [
    Attribute::text("resourceType", "The kind of the resource.")
        .case_exact()
        .read_only(),
    Attribute::new(Kind::DateTime, "created", "When the resource was created.").read_only(),
    Attribute::new(Kind::DateTime, "lastModified", "When the resource last changed.").read_only(),
    Attribute::reference("location", "The URL of the resource.", &["uri"])
        .case_exact()
        .read_only(),
    Attribute::text("version", "The ETag of the resource.")
        .case_exact()
        .read_only(),
];

/// The sub-attribute `value` that RFC 7643 §2.4 lets one name for the elements of a simple multi-valued attribute.
pub(in crate::scim) static SIMPLE_VALUE: Attribute =
    Attribute::text("value", "The element itself.").case_exact().read_only();
