//! Our own read-only extension of User: what is in effect, beside the source's own word in `active`,
//! and how far the activation is.

use std::sync::{Arc, LazyLock};

use super::{Attribute, Schema};

/// `urn:rollcall:params:scim:schemas:extension:status:2.0:User`.
pub static STATUS: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    Arc::new(Schema::new(
        "urn:rollcall:params:scim:schemas:extension:status:2.0:User",
        "UserStatus",
        "Whether the user is let in, and why not; the language in effect and the activation. Made by the directory; never written by a client.",
        attributes(),
    ))
});

/// The directory compares these words without case, and so does this schema.
fn attributes() -> [Attribute; 6] {
    [
        Attribute::boolean("blocked", "Whether any reason blocks the user, whatever active says.").read_only(),
        Attribute::text("blockReasons", "Every reason that blocks the user.")
            .multi_valued()
            .read_only()
            .canonical(&["PROVISIONING", "GROUP_DELETED", "ADMINISTRATOR"]),
        Attribute::text(
            "language",
            "The language to speak to the user: of preferredLanguage, else the tenant's default.",
        )
        .read_only(),
        Attribute::text("activationStatus", "Whether the person proved that the user is theirs.")
            .read_only()
            .canonical(&["NOT_ACTIVATED", "PENDING_ACTIVATION", "ACTIVATED"]),
        Attribute::time("activationCodeExpires", "Until when the mailed code is good.").read_only(),
        Attribute::time("activatedAt", "When the code was redeemed.").read_only(),
    ]
}
