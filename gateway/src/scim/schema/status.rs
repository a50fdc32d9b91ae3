//! Our own read-only extension of User: what is in effect, beside the source's own word in `active`.

use std::sync::{Arc, LazyLock};

use super::{Attribute, Schema};

/// `urn:rollcall:params:scim:schemas:extension:status:2.0:User`.
pub static STATUS: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    Arc::new(Schema::new(
        "urn:rollcall:params:scim:schemas:extension:status:2.0:User",
        "UserStatus",
        "Whether the user is let in, and why not. Made by the directory; never written by a client.",
        attributes(),
    ))
});

fn attributes() -> [Attribute; 2] {
    [
        Attribute::boolean("blocked", "Whether any reason blocks the user, whatever active says.").read_only(),
        Attribute::text("blockReasons", "Every reason that blocks the user.")
            .multi_valued()
            .read_only()
            .canonical(&["PROVISIONING", "GROUP_DELETED", "ADMINISTRATOR"]),
    ]
}
