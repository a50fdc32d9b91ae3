//! What must still work after all that was sent: a user's and a group's whole life.

use serde_json::json;

use crate::support::scim::{Scim, user};

/// Creates, reads, changes, blocks, adds, removes and deletes.
pub(super) async fn works(scim: &Scim) {
    let id = scim.create_user(&user("grace")).await;
    let path = format!("/Users/{id}");
    assert_eq!(scim.get(&path).await.expect(200).id(), id);
    let found = scim
        .filter("/Users", "userName eq \"grace@example.com\"")
        .await
        .expect(200);
    assert_eq!(found.ids(), [id.as_str()]);
    let patched = scim
        .patch(&path, json!([{"op": "replace", "path": "title", "value": "Admiral"}]))
        .await;
    assert_eq!(patched.expect(200).body["title"], json!("Admiral"));

    let group = scim.create_group("Navy", &[]).await;
    scim.add_members(&group, &[&id]).await.expect(204);
    assert_eq!(scim.members(&group).await, [id.as_str()]);
    let blocked = scim
        .patch(&path, json!([{"op": "Replace", "path": "active", "value": "False"}]))
        .await;
    assert_eq!(blocked.expect(200).body["active"], json!(false));
    let leave = json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]);
    scim.patch(&format!("/Groups/{group}"), leave).await.expect(204);
    assert_eq!(scim.members(&group).await, Vec::<String>::new());

    scim.delete(&path).await.expect(204);
    scim.delete(&format!("/Groups/{group}")).await.expect(204);
    scim.get(&path).await.expect_error(404, None);
}
