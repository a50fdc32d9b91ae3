//! Refused disables. Entra sends a disable together with everything else that changed, so that a refusal of anything else
//! can leave a leaver in. It is told to the directory, which counts it and shows it to administrators; what the directory
//! refused itself, it has noted already.

use axum::response::Response;
use http::StatusCode;
use uuid::Uuid;

use crate::scim::error::ScimError;
use crate::upstream::TenantDirectory;

/// Why a write was refused, and by whom.
pub enum Refusal {
    /// Here: the directory was not asked to write.
    Gateway(ScimError),
    /// By the directory, when it was asked to.
    Directory(ScimError),
}

impl From<ScimError> for Refusal {
    fn from(error: ScimError) -> Self {
        Self::Gateway(error)
    }
}

/// The answer to a write of a user, after the directory was told if it was refused here and would have disabled the user.
pub async fn answer(
    directory: &TenantDirectory,
    user: &str,
    disables: bool,
    written: Result<Response, Refusal>,
) -> Result<Response, ScimError> {
    match written {
        Ok(response) => Ok(response),
        Err(Refusal::Directory(error)) => Err(error),
        Err(Refusal::Gateway(error)) => {
            if disables {
                tell(directory, user, error.status, error.scim_type.map(|kind| kind.as_str())).await;
            }
            Err(error)
        }
    }
}

/// Tells the directory of a disable that was refused with this status and scimType. What is no refusal of what was sent is
/// not told: a user who does not exist, a version that moved on, and what may be sent again as it is.
pub async fn tell(directory: &TenantDirectory, user: &str, status: u16, scim_type: Option<&str>) {
    let is_refusal = (400..500).contains(&status) && ![401, 404, 412, 429].contains(&status);
    // A bulk operation may name anything as its user.
    let is_user = Uuid::try_parse(user).is_ok();
    if !is_refusal || !is_user || !directory.caller().provisions {
        return;
    }
    let reason = scim_type.map_or_else(|| word(status), str::to_owned);
    match directory.report_refused_disable(user, reason).await {
        Ok(()) => {}
        Err(error) if error.status == 404 => {} // a word about nobody
        Err(error) => tracing::error!(user.id = user, status = error.status, "a refused disable was not noted"),
    }
}

/// `PayloadTooLarge`, which a report can hold.
fn word(status: u16) -> String {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let words = status.canonical_reason().unwrap_or("Refused");
    words.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn a_status_without_a_type_is_told_as_one_word() {
        assert_eq!(word(403), "Forbidden");
        assert_eq!(word(413), "PayloadTooLarge");
        assert_eq!(word(499), "Refused");
    }
}
