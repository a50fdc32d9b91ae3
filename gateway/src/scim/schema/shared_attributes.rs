//! The attributes that every resource has (RFC 7643 §3 and §3.1); no schema lists them.

use std::sync::{Arc, LazyLock};

use super::{Attribute, Kind, Returned};

/// `schemas`, `id`, `externalId`, and `meta`.
pub static COMMON: LazyLock<Vec<Arc<Attribute>>> = LazyLock::new(|| common().into_iter().map(Arc::new).collect());

fn common() -> [Attribute; 4] {
    [
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
        Attribute::complex("meta", "What the directory knows about the resource itself.", meta()).read_only(),
    ]
}

fn meta() -> [Attribute; 5] {
    [
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
    ]
}
