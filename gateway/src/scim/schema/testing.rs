//! The schemas of a tenant with one attribute of every type and characteristic, for tests.

use std::sync::Arc;

use super::{Attribute, Kind, Mutability, ResourceKind, ResourceType, ResourceTypes, Returned, Schema};

/// The URN of the extension of users.
pub const ACME: &str = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User";
/// The URN of the extension of groups.
pub const ACME_GROUP: &str = "urn:acme:Group";

/// The tenant's users.
pub fn users() -> Arc<ResourceType> {
    types().get(ResourceKind::User).clone()
}

/// The tenant's groups.
pub fn groups() -> Arc<ResourceType> {
    types().get(ResourceKind::Group).clone()
}

/// The tenant's resource types.
pub fn types() -> ResourceTypes {
    let of = |id: &str, attributes: Vec<Attribute>| vec![Arc::new(Schema::new(id, "Acme", "", attributes))];
    let name = |name: &str| Attribute::text(name, "");
    let kind = |kind: Kind, name: &str| Attribute::new(kind, name, "");
    let of_users = vec![
        name("costCode").required(),
        name("badge").mutability(Mutability::Immutable),
        name("grade").read_only(),
        name("pin").mutability(Mutability::WriteOnly),
        name("secret").returned(Returned::Never),
        name("notes").returned(Returned::Request),
        name("serial").returned(Returned::Always).case_exact(),
        name("tags").multi_valued(),
        kind(Kind::Integer, "level"),
        kind(Kind::Integer, "levels").multi_valued(),
        kind(Kind::Decimal, "rate"),
        kind(Kind::Boolean, "remote"),
        kind(Kind::DateTime, "hired"),
        kind(Kind::Reference, "wiki"),
        kind(Kind::Binary, "key"),
        Attribute::complex(
            "desk",
            "",
            [
                name("room"),
                name("asset").mutability(Mutability::Immutable),
                name("floor").read_only(),
                name("code").returned(Returned::Never),
                name("plan").returned(Returned::Request),
            ],
        ),
        Attribute::complex("cars", "", [name("value"), name("type"), name("checked").read_only()]).multi_valued(),
    ];
    let of_groups = vec![name("purpose"), name("badge").mutability(Mutability::Immutable)];
    ResourceTypes::new(of(ACME, of_users), of(ACME_GROUP, of_groups))
}
