//! Methods that an endpoint does not have.

use super::Target;
use super::input::{Input, request};

pub(super) fn inputs(target: &Target) -> Vec<Input> {
    let user = format!("/Users/{}", target.user);
    let group = format!("/Groups/{}", target.group);
    let mut inputs = Vec::new();
    for (path, methods) in [
        ("/Users", &["PUT", "PATCH", "DELETE"][..]),
        ("/Groups", &["PUT", "PATCH", "DELETE"]),
        (&user, &["POST", "TRACE", "PROPFIND"]),
        (&group, &["POST", "TRACE", "LOCK"]),
        ("/ServiceProviderConfig", &["POST", "PUT", "PATCH", "DELETE"]),
        ("/Schemas", &["POST", "PUT", "PATCH", "DELETE"]),
        ("/ResourceTypes", &["POST", "PUT", "PATCH", "DELETE"]),
        ("/ResourceTypes/User", &["PUT", "DELETE"]),
        (
            "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
            &["PUT", "PATCH", "DELETE"],
        ),
        ("/.search", &["GET", "PUT", "DELETE"]),
        ("/Users/.search", &["GET", "PUT", "DELETE"]),
        ("/Groups/.search", &["GET", "PATCH"]),
        ("/Bulk", &["GET", "PUT", "PATCH", "DELETE"]),
    ] {
        for method in methods {
            inputs.push(request(target, method, path).body("{}").is(
                format!("{method} {}", path_name(path)),
                405,
                None,
            ));
        }
    }
    for method in ["FROBNICATE", "get", "USERS", "TRACE", "QUERY"] {
        inputs.push(request(target, method, "/Users").is(format!("{method} /Users"), 405, None));
    }
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        inputs.push(request(target, method, "/Me").is(format!("{method} /Me"), 501, None));
    }
    inputs
}

fn path_name(path: &str) -> &str {
    &path[..path.len().min(24)]
}
