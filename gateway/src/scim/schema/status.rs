//! Our own read-only extension of User: what is in effect, beside the source's own word in `active`.

use super::{Attribute, Schema};

/// `urn:rollcall:params:scim:schemas:extension:status:2.0:User`.
pub static STATUS: Schema = Schema {
    id: "urn:rollcall:params:scim:schemas:extension:status:2.0:User",
    name: "UserStatus",
    description: "Whether the user is let in, and why not. Made by the directory; never written by a client.",
    attributes: &ATTRIBUTES,
};

static ATTRIBUTES: [Attribute; 2] = [
    Attribute::boolean("blocked", "Whether any reason blocks the user, whatever active says.").read_only(),
    Attribute::text("blockReasons", "Every reason that blocks the user.")
        .multi_valued()
        .case_exact()
        .read_only()
        .canonical(&["PROVISIONING", "GROUP_DELETED", "ADMINISTRATOR"]),
];
