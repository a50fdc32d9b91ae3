//! The core schema of Group (RFC 7643 §4.2).

use std::sync::{Arc, LazyLock};

use super::{Attribute, Mutability, Schema};

/// `urn:ietf:params:scim:schemas:core:2.0:Group`.
pub static GROUP: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    Arc::new(Schema::new(
        "urn:ietf:params:scim:schemas:core:2.0:Group",
        "Group",
        "A named set of users.",
        attributes(),
    ))
});

fn attributes() -> [Attribute; 2] {
    [
        // Required by the text of RFC 7643 §4.2, and by this server; the listing in §8.7 forgets it.
        Attribute::text("displayName", "The name of the group, shown to people.").required(),
        Attribute::complex("members", "The users who are members of the group.", members()).multi_valued(),
    ]
}

fn members() -> [Attribute; 3] {
    [
        Attribute::text("value", "The id of the member.")
            .case_exact()
            .mutability(Mutability::Immutable),
        Attribute::reference("$ref", "The URL of the member; follows from value.", &["User", "Group"])
            .mutability(Mutability::Immutable),
        Attribute::text("type", "The kind of the member. This server keeps users only.")
            .mutability(Mutability::Immutable)
            .canonical(&["User", "Group"]),
    ]
}
