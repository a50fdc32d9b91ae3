//! The enterprise extension of User (RFC 7643 §4.3).

use std::sync::{Arc, LazyLock};

use super::{Attribute, Schema};

/// `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User`.
pub static ENTERPRISE_USER: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    Arc::new(Schema::new(
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "EnterpriseUser",
        "What an employer knows about a user.",
        attributes(),
    ))
});

fn attributes() -> [Attribute; 6] {
    [
        Attribute::text("employeeNumber", "The number or code that the employer gave the user."),
        Attribute::text("costCenter", "The cost centre that the user is booked on."),
        Attribute::text("organization", "The organization that the user belongs to."),
        Attribute::text("division", "The division that the user belongs to."),
        Attribute::text("department", "The department that the user belongs to."),
        Attribute::complex("manager", "The user's manager, who is a user too.", manager()),
    ]
}

fn manager() -> [Attribute; 3] {
    [
        Attribute::text("value", "The id of the manager.").case_exact(),
        Attribute::reference("$ref", "The URL of the manager; follows from value.", &["User"]),
        Attribute::text("displayName", "The manager's display name.").read_only(),
    ]
}
