use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::ManualClock;
use crate::directory::{Directory, DirectoryError};
use crate::domain::actor::Actor;
use crate::domain::extension::testing::{
    attribute, complex, exact, many, required, schema, schema_of, submitted, unique,
};
use crate::domain::extension::{
    AttributeParts, AttributeType as T, Extensions, ResourceType, SchemaDefinition, Submitted,
};
use crate::domain::group::{GroupUpdate, NewGroup};
use crate::domain::id::UserId;
use crate::domain::membership::MembersChange;
use crate::domain::user::{NewUser, User, UserUpdate};
use crate::store::testing::{T0, TestDb, WITHOUT_GROUPS, on_every_database, user_named};

const URN: &str = "urn:acme:User";
const OTHER: &str = "urn:acme:Group";

on_every_database! {
    values_live_with_their_user_and_go_with_it
    values_live_with_their_group_and_go_with_it
    a_write_that_names_no_extension_leaves_the_values_alone
    what_became_required_is_in_nobody_elses_way
    a_urn_with_a_nul_is_unknown
    registering_the_same_again_changes_and_records_nothing
    a_change_that_would_make_a_value_unreadable_is_refused
    a_schema_goes_when_its_values_have_gone
    a_tenant_has_sixteen_schemas_and_none_in_the_way_of_another
    a_unique_value_is_free_again_when_it_is_not_unique_or_not_there_any_more
    a_unique_value_has_one_owner
    two_writers_claim_a_unique_value_at_once_and_one_wins
    a_change_of_a_schema_waits_for_who_writes_values_of_it
    two_tenants_define_the_same_schema_differently
    a_deleted_tenant_takes_schemas_and_values_along
}

fn with(name: &str, values: Value) -> NewUser {
    NewUser {
        extensions: submitted(values),
        ..user_named(name)
    }
}

fn change(id: UserId, values: Value) -> UserUpdate {
    UserUpdate {
        id,
        expected: None,
        changes: Vec::new(),
        extensions: Some(submitted(values)),
    }
}

fn group(name: &str, values: Value) -> NewGroup {
    NewGroup {
        display_name: name.parse().unwrap(),
        external_id: None,
        members: MembersChange::default(),
        extensions: submitted(values),
    }
}

fn shown(values: &Extensions) -> Value {
    serde_json::to_value(values).unwrap()
}

async fn register(directory: &Directory, actor: &Actor, definition: SchemaDefinition) {
    directory.register_extension_schema(actor, &definition).await.unwrap();
}

fn badge() -> SchemaDefinition {
    let office = vec![attribute("floor", T::Integer), attribute("room", T::String)];
    schema(
        URN,
        vec![
            unique(attribute("badge", T::String)),
            many(attribute("tags", T::String)),
            complex("office", office),
        ],
    )
}

/// How many attributes and sub-attributes somebody has a value of, counted for everybody.
async fn used_rows(db: &TestDb) -> u64 {
    use sea_orm::{EntityTrait as _, PaginatorTrait as _};
    crate::store::entities::extension_value::Entity::find()
        .count(db.db.reader())
        .await
        .unwrap()
}

async fn values_live_with_their_user_and_go_with_it(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    register(&directory, &actor, badge()).await;

    let values = json!({ "URN:ACME:USER": { "BADGE": "A-1", "office": {"floor": 3}, "tags": ["x", "y"] } });
    let created = directory
        .create_user(&actor, &with("ada", values.clone()))
        .await
        .unwrap();
    let expected = json!({ URN: { "badge": "A-1", "office": {"floor": 3.0}, "tags": ["x", "y"] } });
    assert_eq!(shown(&created.extensions), expected);
    let read = directory
        .get_user(actor.tenant, created.id, WITHOUT_GROUPS)
        .await
        .unwrap();
    assert_eq!(read, created);
    assert_eq!(used_rows(&db).await, 4, "badge, office, office.floor and tags");

    let same = directory
        .update_user(&actor, &change(created.id, values))
        .await
        .unwrap();
    assert_eq!(same, created, "nothing changed");
    let changed = json!({ URN: { "badge": "A-2" } });
    let updated = directory
        .update_user(&actor, &change(created.id, changed.clone()))
        .await
        .unwrap();
    assert_eq!((shown(&updated.extensions), updated.version.get()), (changed, 2));
    let again = with("bob", json!({ URN: {"badge": "A-1"} }));
    directory
        .create_user(&actor, &again)
        .await
        .expect("the value is free again");

    let taken = directory
        .create_user(&actor, &with("eve", json!({ URN: {"badge": "a-2"} })))
        .await;
    assert!(
        matches!(&taken, Err(DirectoryError::ExtensionValueTaken { attribute }) if attribute == "urn:acme:User:badge"),
        "{taken:?}"
    );

    directory.delete_user(&actor, created.id, None).await.unwrap();
    assert_eq!(used_rows(&db).await, 1, "of another user");
    directory
        .create_user(&actor, &with("eve", json!({ URN: {"badge": "a-2"} })))
        .await
        .unwrap();

    let changes = db.changes(actor.tenant).await;
    let attributes: Vec<_> = changes.iter().map(|change| change.3.join(" ")).collect();
    let of_values = "extensions.urn:acme:User";
    let created = format!("user_name {of_values}");
    let expected = [
        "extension_schemas.urn:acme:User",
        &created,
        of_values,
        &created,
        "",
        &created,
    ];
    assert_eq!(attributes, expected);
}

async fn values_live_with_their_group_and_go_with_it(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let code = || schema_of(ResourceType::Group, OTHER, vec![unique(attribute("code", T::String))]);
    register(&directory, &actor, code()).await;
    register(&directory, &actor, badge()).await;

    let values = json!({ OTHER: {"code": "A"} });
    let created = directory
        .create_group(&actor, &group("Sales", values.clone()))
        .await
        .unwrap();
    assert_eq!(shown(&created.extensions), values);
    let read = directory.get_group(actor.tenant, created.id, true).await.unwrap();
    assert_eq!(read, created);
    let taken = directory
        .create_group(&actor, &group("Staff", json!({ OTHER: {"code": "a"} })))
        .await;
    assert!(
        matches!(taken, Err(DirectoryError::ExtensionValueTaken { .. })),
        "{taken:?}"
    );
    let refused = directory
        .create_group(&actor, &group("Staff", json!({ URN: {"badge": "a"} })))
        .await;
    assert!(matches!(refused, Err(DirectoryError::Invalid(_))), "{refused:?}");

    let update = |values: Value| {
        let mut update = GroupUpdate::of(created.id);
        update.extensions = Some(submitted(values));
        update
    };
    let same = directory.update_group(&actor, &update(values)).await.unwrap();
    assert_eq!(same, created, "nothing changed");
    let without = directory.update_group(&actor, &update(json!({}))).await.unwrap();
    assert_eq!((without.extensions.is_empty(), without.version.get()), (true, 2));
    assert_eq!(used_rows(&db).await, 0);

    directory
        .create_group(&actor, &group("Staff", json!({ OTHER: {"code": "a"} })))
        .await
        .unwrap();
    let in_use = directory.delete_extension_schema(&actor, OTHER).await;
    assert!(
        matches!(in_use, Err(DirectoryError::ExtensionSchemaInUse { attribute: None })),
        "{in_use:?}"
    );
    let changes = db.changes(actor.tenant).await;
    let attributes: Vec<_> = changes.iter().skip(2).map(|change| change.3.join(" ")).collect();
    let of_values = "extensions.urn:acme:Group";
    let created = format!("display_name {of_values}");
    assert_eq!(attributes, [&created, of_values, &created]);
}

async fn a_write_that_names_no_extension_leaves_the_values_alone(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    register(&directory, &actor, badge()).await;
    let values = json!({ URN: {"badge": "A", "tags": ["x"]} });
    let user = directory
        .create_user(&actor, &with("ada", values.clone()))
        .await
        .unwrap();

    let rename = UserUpdate {
        id: user.id,
        expected: None,
        changes: vec![crate::domain::user::UserChange::UserName("grace".parse().unwrap())],
        extensions: None,
    };
    let renamed = directory.update_user(&actor, &rename).await.unwrap();

    assert_eq!((shown(&renamed.extensions), renamed.version.get()), (values, 2));
    let in_use = directory.delete_extension_schema(&actor, URN).await;
    assert!(
        matches!(in_use, Err(DirectoryError::ExtensionSchemaInUse { .. })),
        "they are known: {in_use:?}"
    );
    assert_eq!(used_rows(&db).await, 2);
}

/// A write of another schema's values names all of them.
async fn what_became_required_is_in_nobody_elses_way(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let must = || required(attribute("must", T::String));
    let group_schema = |parts| schema_of(ResourceType::Group, OTHER, parts);
    let text = || attribute("text", T::String);
    register(&directory, &actor, schema(URN, vec![text()])).await;
    register(&directory, &actor, schema("urn:acme:Z", vec![text()])).await;
    register(&directory, &actor, group_schema(vec![text()])).await;
    let user = with("ada", json!({ URN: {"text": "a"} }));
    let user = directory.create_user(&actor, &user).await.unwrap();
    let staff = group("Staff", json!({ OTHER: {"text": "a"} }));
    let staff = directory.create_group(&actor, &staff).await.unwrap();
    register(&directory, &actor, schema(URN, vec![text(), must()])).await;
    register(&directory, &actor, group_schema(vec![text(), must()])).await;

    let both = json!({ URN: {"text": "a"}, "urn:acme:Z": {"text": "b"} });
    let updated = directory.update_user(&actor, &change(user.id, both.clone())).await;
    assert_eq!(shown(&updated.unwrap().extensions), both);
    let other = json!({ OTHER: {"text": "b"} });
    let mut update = GroupUpdate::of(staff.id);
    update.extensions = Some(submitted(other.clone()));
    let updated = directory.update_group(&actor, &update).await;
    assert_eq!(shown(&updated.unwrap().extensions), other);

    let complete = json!({ URN: {"text": "a", "must": "c"} });
    directory.update_user(&actor, &change(user.id, complete)).await.unwrap();
    let removal = change(user.id, json!({ URN: {"text": "a"} }));
    let refused = directory.update_user(&actor, &removal).await.unwrap_err();
    assert_eq!(refused.to_string(), "extensions.urn:acme:User:must is required");
    let new = with("bob", json!({ URN: {"text": "a"} }));
    let refused = directory.create_user(&actor, &new).await.unwrap_err();
    assert_eq!(refused.to_string(), "extensions.urn:acme:User:must is required");
}

async fn a_urn_with_a_nul_is_unknown(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    register(&directory, &actor, badge()).await;

    for values in [
        json!({ "urn:acme:\0": {} }),
        json!({ URN: {}, "urn:acme:User\0": {"badge": "A"} }),
    ] {
        let refused = directory.create_user(&actor, &with("ada", values)).await;
        assert!(matches!(refused, Err(DirectoryError::Invalid(_))), "{refused:?}");
    }
}

async fn registering_the_same_again_changes_and_records_nothing(db: TestDb) {
    let actor = db.tenant("acme").await;
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);

    let first = directory.register_extension_schema(&actor, &badge()).await.unwrap();
    clock.advance_us(1_000_000);
    let again = directory.register_extension_schema(&actor, &badge()).await.unwrap();
    let other = schema(URN, vec![attribute("badge", T::Integer)]);
    let changed = directory.register_extension_schema(&actor, &other).await.unwrap();

    assert_eq!(again, first);
    assert_eq!((changed.created_us, changed.updated_us), (T0, T0 + 1_000_000));
    let changes = db.changes(actor.tenant).await;
    let versions: Vec<_> = changes.iter().map(|change| (change.1, change.2)).collect();
    assert_eq!(versions, [(actor.tenant.uuid(), 2), (actor.tenant.uuid(), 3)]);
}

async fn a_change_that_would_make_a_value_unreadable_is_refused(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let base = || {
        let subs = || vec![attribute("value", T::String), attribute("note", T::String)];
        vec![
            attribute("text", T::String),
            complex("one", subs()),
            many(complex("list", subs())),
            attribute("unused", T::String),
        ]
    };
    register(&directory, &actor, schema(URN, base())).await;
    let values = json!({ URN: {"text": "a", "one": {"value": "a"}, "list": [{"value": "a"}, {"value": "b"}]} });
    let user = directory.create_user(&actor, &with("ada", values)).await.unwrap();
    let outcome = async |change: &dyn Fn(&mut Vec<AttributeParts>)| {
        let mut parts = base();
        change(&mut parts);
        let changed = directory.register_extension_schema(&actor, &schema(URN, parts)).await;
        let outcome = match changed {
            Ok(_) => "changed".to_owned(),
            Err(DirectoryError::ExtensionSchemaInUse { attribute }) => attribute.unwrap(),
            Err(other) => panic!("{other:?}"),
        };
        register(&directory, &actor, schema(URN, base())).await;
        outcome
    };

    assert_eq!(
        outcome(&|parts| {
            parts.remove(0);
        })
        .await,
        "urn:acme:User:text"
    );
    assert_eq!(
        outcome(&|parts| parts[0].kind = T::Reference).await,
        "urn:acme:User:text"
    );
    assert_eq!(
        outcome(&|parts| parts[0] = unique(attribute("text", T::String))).await,
        "urn:acme:User:text"
    );
    assert_eq!(
        outcome(&|parts| parts[0] = exact(attribute("text", T::String))).await,
        "urn:acme:User:text"
    );
    assert_eq!(
        outcome(&|parts| parts[0].name = "Text".to_owned()).await,
        "urn:acme:User:text"
    );
    assert_eq!(
        outcome(&|parts| {
            parts.remove(1);
        })
        .await,
        "urn:acme:User:one"
    );
    assert_eq!(
        outcome(&|parts| {
            parts.remove(2);
        })
        .await,
        "urn:acme:User:list"
    );
    assert_eq!(
        outcome(&|parts| {
            parts[1].sub_attributes.remove(0);
        })
        .await,
        "urn:acme:User:one.value"
    );
    assert_eq!(
        outcome(&|parts| {
            parts[2].sub_attributes.remove(0);
        })
        .await,
        "urn:acme:User:list.value"
    );
    // Nobody has a value of these.
    assert_eq!(
        outcome(&|parts| {
            parts.remove(3);
        })
        .await,
        "changed"
    );
    assert_eq!(outcome(&|parts| parts[3].kind = T::Integer).await, "changed");
    assert_eq!(
        outcome(&|parts| {
            parts[1].sub_attributes.remove(1);
        })
        .await,
        "changed"
    );
    assert_eq!(
        outcome(&|parts| {
            parts[2].sub_attributes.remove(1);
        })
        .await,
        "changed"
    );
    assert_eq!(
        outcome(&|parts| parts[0] = required(attribute("text", T::String))).await,
        "changed"
    );

    let moved = schema_of(ResourceType::Group, URN, base());
    let refused = directory.register_extension_schema(&actor, &moved).await.unwrap_err();
    assert_eq!(refused.to_string(), "schema.resource_type cannot be changed");
    directory
        .update_user(&actor, &change(user.id, json!({})))
        .await
        .unwrap();
    assert_eq!(
        outcome(&|parts| {
            parts.remove(0);
        })
        .await,
        "changed"
    );
}

async fn a_schema_goes_when_its_values_have_gone(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let unknown = directory.delete_extension_schema(&actor, URN).await;
    assert!(
        matches!(unknown, Err(DirectoryError::ExtensionSchemaNotFound)),
        "{unknown:?}"
    );
    register(&directory, &actor, badge()).await;
    for values in [
        json!({"badge": "A"}),
        json!({"tags": ["x"]}),
        json!({"office": {"room": "1"}}),
    ] {
        let user = directory
            .create_user(&actor, &with("ada", json!({ URN: values })))
            .await
            .unwrap();
        let in_use = directory.delete_extension_schema(&actor, URN).await;
        assert!(
            matches!(in_use, Err(DirectoryError::ExtensionSchemaInUse { attribute: None })),
            "{in_use:?}"
        );
        directory.delete_user(&actor, user.id, None).await.unwrap();
    }

    directory
        .delete_extension_schema(&actor, "URN:acme:USER")
        .await
        .unwrap();

    assert!(directory.list_extension_schemas(actor.tenant).await.unwrap().is_empty());
    let refused = directory.create_user(&actor, &with("ada", json!({ URN: {} }))).await;
    assert!(matches!(refused, Err(DirectoryError::Invalid(_))), "{refused:?}");
    let last = db.changes(actor.tenant).await.pop().unwrap();
    assert_eq!(
        (last.1, last.2, last.3),
        (actor.tenant.uuid(), 3, vec![format!("extension_schemas.{URN}")])
    );
}

async fn a_tenant_has_sixteen_schemas_and_none_in_the_way_of_another(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let numbered = |number: usize| schema(&format!("urn:acme:{number:02}"), vec![attribute("a", T::String)]);
    for number in 0..16 {
        register(&directory, &actor, numbered(number)).await;
    }

    let refused = directory
        .register_extension_schema(&actor, &numbered(16))
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "schema would be the 17th of the tenant; delete another one first"
    );
    register(&directory, &actor, numbered(3)).await;
    let listed = directory.list_extension_schemas(actor.tenant).await.unwrap();
    let urns: Vec<_> = listed
        .iter()
        .map(|schema| schema.definition.urn().as_str().to_owned())
        .collect();
    assert_eq!((urns.len(), urns.is_sorted()), (16, true));

    directory.delete_extension_schema(&actor, "urn:acme:15").await.unwrap();
    for conflicting in ["urn:acme", "URN:ACME:01:user"] {
        let definition = schema(conflicting, vec![attribute("a", T::String)]);
        let refused = directory
            .register_extension_schema(&actor, &definition)
            .await
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "schema.id must be neither the beginning nor the continuation of another schema's URN"
        );
    }
}

async fn a_unique_value_is_free_again_when_it_is_not_unique_or_not_there_any_more(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    register(&directory, &actor, badge()).await;
    let badge_a = || json!({ URN: {"badge": "A"} });
    let ada = directory.create_user(&actor, &with("ada", badge_a())).await.unwrap();
    let bob = directory.create_user(&actor, &user_named("bob")).await.unwrap();
    let badge_bob = json!({ URN: {"badge": bob.id.to_string()} });
    let eve = directory.create_user(&actor, &with("eve", badge_bob)).await.unwrap();
    let taken = directory.update_user(&actor, &change(bob.id, badge_a())).await;
    assert!(
        matches!(taken, Err(DirectoryError::ExtensionValueTaken { .. })),
        "{taken:?}"
    );
    let unchanged = directory.get_user(actor.tenant, bob.id, WITHOUT_GROUPS).await.unwrap();
    assert_eq!(unchanged, bob, "a refused write changes nothing");

    let not_unique = vec![
        attribute("badge", T::String),
        many(attribute("tags", T::String)),
        complex(
            "office",
            vec![attribute("floor", T::Integer), attribute("room", T::String)],
        ),
    ];
    register(&directory, &actor, schema(URN, not_unique)).await;

    directory.update_user(&actor, &change(bob.id, badge_a())).await.unwrap();
    for user in [ada, bob, eve] {
        let unique_again = directory.register_extension_schema(&actor, &badge()).await;
        assert!(
            matches!(&unique_again, Err(DirectoryError::ExtensionSchemaInUse { attribute: Some(path) }) if path == "urn:acme:User:badge"),
            "{unique_again:?}"
        );
        directory
            .update_user(&actor, &change(user.id, json!({})))
            .await
            .unwrap();
    }
    register(&directory, &actor, badge()).await;
    directory.create_user(&actor, &with("eva", badge_a())).await.unwrap();
}

async fn a_unique_value_has_one_owner(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    directory.create_user(&actor, &user_named("ada")).await.unwrap();
    directory
        .create_group(&actor, &group("Staff", json!({})))
        .await
        .unwrap();
    let insert = async |user: &str, group: &str| {
        let row = format!(
            "INSERT INTO extension_values (tenant_id, attribute_key, value_key, user_id, group_id)
             SELECT u.tenant_id, 'a', 'b', {user}, {group} FROM users u, groups g"
        );
        sea_orm::ConnectionTrait::execute_unprepared(db.db.writer(), &row).await
    };

    assert!(insert("u.id", "g.id").await.is_err(), "two");
    assert!(insert("NULL", "NULL").await.is_err(), "none");
    assert!(insert("u.id", "NULL").await.is_ok());
}

async fn two_writers_claim_a_unique_value_at_once_and_one_wins(db: TestDb) {
    let actor = Arc::new(db.tenant("acme").await);
    let directory = db.directory(&ManualClock::at(T0));
    register(&directory, &actor, badge()).await;
    for round in 0..10 {
        let write = |name: String| {
            let (directory, actor) = (directory.clone(), Arc::clone(&actor));
            let new = with(&name, json!({ URN: {"badge": format!("B{round}")} }));
            tokio::spawn(async move { directory.create_user(&actor, &new).await })
        };
        let (one, other) = tokio::join!(write(format!("a{round}")), write(format!("b{round}")));

        let outcomes = [one.unwrap(), other.unwrap()];
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let lost = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Err(DirectoryError::ExtensionValueTaken { .. })))
            .count();
        assert_eq!((won, lost), (1, 1), "{outcomes:?}");
    }
}

/// Whoever comes first, a value never stands there without a definition.
async fn a_change_of_a_schema_waits_for_who_writes_values_of_it(db: TestDb) {
    let actor = Arc::new(db.tenant("acme").await);
    let directory = db.directory(&ManualClock::at(T0));
    for round in 0..10 {
        register(&directory, &actor, badge()).await;
        let write = {
            let (directory, actor) = (directory.clone(), Arc::clone(&actor));
            let new = with(&format!("u{round}"), json!({ URN: {"badge": "A"} }));
            tokio::spawn(async move { directory.create_user(&actor, &new).await })
        };
        let delete = {
            let (directory, actor) = (directory.clone(), Arc::clone(&actor));
            tokio::spawn(async move { directory.delete_extension_schema(&actor, URN).await })
        };

        match (write.await.unwrap(), delete.await.unwrap()) {
            (Ok(User { id, .. }), Err(DirectoryError::ExtensionSchemaInUse { .. })) => {
                directory.delete_user(&actor, id, None).await.unwrap();
            }
            (Err(DirectoryError::Invalid(_)), Ok(())) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn two_tenants_define_the_same_schema_differently(db: TestDb) {
    let (acme, beta) = (db.tenant("acme").await, db.tenant("beta").await);
    let directory = db.directory(&ManualClock::at(T0));
    register(
        &directory,
        &acme,
        schema(URN, vec![unique(attribute("badge", T::String))]),
    )
    .await;
    register(&directory, &beta, schema(URN, vec![attribute("badge", T::Integer)])).await;

    directory
        .create_user(&acme, &with("ada", json!({ URN: {"badge": "1"} })))
        .await
        .unwrap();
    directory
        .create_user(&beta, &with("ada", json!({ URN: {"badge": 1} })))
        .await
        .unwrap();
    for (actor, values) in [
        (&acme, json!({ URN: {"badge": 2} })),
        (&beta, json!({ URN: {"badge": "2"} })),
    ] {
        let refused = directory.create_user(actor, &with("bob", values)).await;
        assert!(matches!(refused, Err(DirectoryError::Invalid(_))), "{refused:?}");
    }

    directory.delete_tenant("acme", true).await.unwrap();
    let in_use = directory.delete_extension_schema(&beta, URN).await;
    assert!(
        matches!(in_use, Err(DirectoryError::ExtensionSchemaInUse { .. })),
        "{in_use:?}"
    );
}

async fn a_deleted_tenant_takes_schemas_and_values_along(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    register(&directory, &actor, badge()).await;
    directory
        .create_user(&actor, &with("ada", json!({ URN: {"badge": "A"} })))
        .await
        .unwrap();

    directory.delete_tenant("acme", true).await.unwrap();

    assert_eq!(used_rows(&db).await, 0);
    assert!(directory.list_extension_schemas(actor.tenant).await.unwrap().is_empty());
}

#[test]
fn a_write_that_names_no_schema_says_nothing() {
    assert!(Submitted::default().is_empty());
    assert!(!submitted(json!({ URN: {} })).is_empty());
}
