//! Extension schemas and values as clients of the API meet them, and each reason that refuses them.

use directory_proto::status::metadata_of;
use directory_proto::v1::comparison::{Literal, Operator};
use directory_proto::v1::filter::Expression;
use directory_proto::v1::{
    AttributeDefinition, Comparison, CreateGroupRequest, CreateUserRequest, DeleteExtensionSchemaRequest, ElementMatch,
    ExtensionSchema, Filter, FilterList, GetUserRequest, Group, ListExtensionSchemasRequest, ListUsersRequest, Order,
    Presence, RegisterExtensionSchemaRequest, UpdateUserRequest, User, attribute_definition, extension_schema,
};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

use super::*;

const URN: &str = "urn:acme:User";

on_every_database! {
    extension_values_live_through_the_api
    every_refusal_of_schemas_and_values_has_its_reason
}

fn attribute(name: &str, kind: attribute_definition::Type) -> AttributeDefinition {
    AttributeDefinition {
        name: name.to_owned(),
        r#type: kind.into(),
        ..AttributeDefinition::default()
    }
}

fn badge_and_tags() -> ExtensionSchema {
    let mut badge = attribute("badge", attribute_definition::Type::String);
    badge.set_uniqueness(attribute_definition::Uniqueness::Server);
    let mut tags = attribute("tags", attribute_definition::Type::Unspecified);
    tags.multi_valued = true;
    ExtensionSchema {
        id: URN.to_owned(),
        resource_type: extension_schema::ResourceType::User.into(),
        name: "Acme".to_owned(),
        attributes: vec![badge, tags, attribute("grade", attribute_definition::Type::Decimal)],
        ..ExtensionSchema::default()
    }
}

fn register(schema: ExtensionSchema) -> RegisterExtensionSchemaRequest {
    RegisterExtensionSchemaRequest {
        slug: String::new(),
        schema: Some(schema),
    }
}

fn delete(id: &str) -> DeleteExtensionSchemaRequest {
    DeleteExtensionSchemaRequest {
        slug: String::new(),
        id: id.to_owned(),
    }
}

fn text(text: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    }
}

fn number(number: f64) -> Value {
    Value {
        kind: Some(Kind::NumberValue(number)),
    }
}

fn list(values: Vec<Value>) -> Value {
    Value {
        kind: Some(Kind::ListValue(ListValue { values })),
    }
}

fn user(name: &str, urn: &str, values: Vec<(&str, Value)>) -> User {
    let fields = values
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    User {
        user_name: name.to_owned(),
        extensions: [(urn.to_owned(), Struct { fields })].into(),
        ..User::default()
    }
}

fn create(user: User) -> CreateUserRequest {
    CreateUserRequest { user: Some(user) }
}

fn asks(expression: Expression) -> Filter {
    Filter {
        expression: Some(expression),
    }
}

fn compare(attribute: &str, operator: Operator, literal: Literal) -> Filter {
    asks(Expression::Comparison(Comparison {
        attribute: attribute.to_owned(),
        operator: operator.into(),
        literal: Some(literal),
    }))
}

fn present(attribute: &str) -> Filter {
    asks(Expression::Present(Presence {
        attribute: attribute.to_owned(),
    }))
}

fn element(attribute: &str, filter: Filter) -> Filter {
    asks(Expression::Element(Box::new(ElementMatch {
        attribute: attribute.to_owned(),
        filter: Some(Box::new(filter)),
    })))
}

/// A running directory, and a client that may write and administer tenant `acme`.
async fn start(db: &TestDb) -> (Running, DirectoryClient) {
    let running = Running::start(db).await;
    let operator = running.as_operator();
    operator.tenants().create_tenant(tenant("acme")).await.unwrap();
    let scopes = token(&[Scope::Provision, Scope::Admin], "entra");
    let issued = operator.for_tenant("acme").unwrap().tokens().issue_token(scopes).await;
    let secret = SecretString::from(issued.unwrap().into_inner().secret);
    let client = running.client().with_token(&secret).unwrap();
    (running, client)
}

async fn names(client: &DirectoryClient, filter: Filter) -> Result<Vec<String>, Status> {
    let request = ListUsersRequest {
        filter: Some(filter),
        ..ListUsersRequest::default()
    };
    let answer = client.users().list_users(request).await?.into_inner();
    Ok(answer.users.into_iter().map(|user| user.user_name).collect())
}

async fn extension_values_live_through_the_api(db: TestDb) {
    let (running, client) = start(&db).await;

    let registered = client
        .tenants()
        .register_extension_schema(register(badge_and_tags()))
        .await;
    let registered = registered.unwrap().into_inner();
    assert_eq!(
        registered.attributes[1].r#type(),
        attribute_definition::Type::String,
        "the default is said"
    );
    let listed = client
        .tenants()
        .list_extension_schemas(ListExtensionSchemasRequest::default())
        .await;
    assert_eq!(listed.unwrap().into_inner().schemas, std::slice::from_ref(&registered));
    let me = client.tokens().who_am_i(WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!(me.extension_schemas, [registered]);
    let operator = running.as_operator().tokens().who_am_i(WhoAmIRequest {}).await.unwrap();
    assert_eq!(operator.into_inner().extension_schemas, []);

    let ada = user(
        "ada",
        "URN:ACME:USER",
        vec![
            ("BADGE", text("A-1")),
            ("tags", list(vec![text("x"), text("Y")])),
            ("grade", number(2.5)),
        ],
    );
    let ada = client.users().create_user(create(ada)).await.unwrap().into_inner();
    let expected = user(
        "ada",
        URN,
        vec![
            ("badge", text("A-1")),
            ("tags", list(vec![text("x"), text("Y")])),
            ("grade", number(2.5)),
        ],
    );
    assert_eq!(ada.extensions, expected.extensions);
    let bob = user("bob", URN, vec![("grade", number(10.0))]);
    client.users().create_user(create(bob)).await.unwrap();
    let mask = FieldMask {
        paths: vec!["extensions".to_owned()],
    };
    let read = GetUserRequest {
        id: ada.id.clone(),
        read_mask: Some(mask.clone()),
    };
    let read = client.users().get_user(read).await.unwrap().into_inner();
    assert_eq!((read.user_name.as_str(), &read.extensions), ("", &ada.extensions));

    let tagged = |tag: &str| {
        element(
            "urn:acme:user:tags",
            compare("value", Operator::Equal, Literal::Text(tag.to_owned())),
        )
    };
    let grade = |operator, number| compare("urn:acme:User:grade", operator, Literal::Decimal(number));
    for (filter, expected) in [
        (
            compare(
                "urn:acme:user:badge",
                Operator::StartsWith,
                Literal::Text("a-".to_owned()),
            ),
            vec!["ada"],
        ),
        (tagged("y"), vec!["ada"]),
        (asks(Expression::Not(Box::new(tagged("y")))), vec!["bob"]),
        (grade(Operator::Greater, 2.5), vec!["bob"]),
        (grade(Operator::NotEqual, 10.0), vec!["ada"]),
        (present("urn:acme:User:tags"), vec!["ada"]),
        (present(URN), vec!["ada", "bob"]),
    ] {
        assert_eq!(names(&client, filter).await.unwrap(), expected);
    }
    let request = ListUsersRequest {
        order: Some(Order {
            attribute: "urn:acme:User:grade".to_owned(),
            descending: true,
        }),
        ..ListUsersRequest::default()
    };
    let ordered = client.users().list_users(request).await.unwrap().into_inner().users;
    assert_eq!(
        ordered.iter().map(|user| user.user_name.as_str()).collect::<Vec<_>>(),
        ["bob", "ada"]
    );

    let without = UpdateUserRequest {
        user: Some(User {
            id: ada.id.clone(),
            ..User::default()
        }),
        update_mask: Some(mask),
        expected_version: None,
    };
    let without = client.users().update_user(without).await.unwrap().into_inner();
    assert_eq!((without.extensions.len(), without.version), (0, 2));
    running.stop().await;
}

async fn every_refusal_of_schemas_and_values_has_its_reason(db: TestDb) {
    let (running, client) = start(&db).await;
    let mut global = badge_and_tags();
    global.attributes[0].set_uniqueness(attribute_definition::Uniqueness::Global);
    let mut untyped = badge_and_tags();
    untyped.resource_type = 0;
    let mut unknown_type = badge_and_tags();
    unknown_type.attributes[0].r#type = 99;
    for (schema, field) in [
        (global, "schema.attributes[0].uniqueness"),
        (untyped, "schema.resource_type"),
        (unknown_type, "schema.attributes[0].type"),
        (ExtensionSchema::default(), "schema.resource_type"),
    ] {
        let refused = client
            .tenants()
            .register_extension_schema(register(schema))
            .await
            .unwrap_err();
        assert_eq!(reason_of(&refused), Some(ErrorReason::InvalidField));
        assert_eq!(violations_of(&refused)[0].field, field);
    }
    client
        .tenants()
        .register_extension_schema(register(badge_and_tags()))
        .await
        .unwrap();
    let ada = user("ada", URN, vec![("badge", text("A"))]);
    client.users().create_user(create(ada)).await.unwrap();

    // Values.
    let refused = async |values| {
        client
            .users()
            .create_user(create(user("bob", URN, values)))
            .await
            .unwrap_err()
    };
    let taken = refused(vec![("badge", text("a"))]).await;
    assert_eq!(reason_of(&taken), Some(ErrorReason::ExtensionValueTaken));
    assert_eq!(metadata_of(&taken, "attribute").as_deref(), Some("urn:acme:User:badge"));
    for (values, field) in [
        (vec![("grade", text("1"))], "extensions.urn:acme:User:grade"),
        (vec![("grade", number(f64::NAN))], "extensions"),
        (vec![("shoe", text("1"))], "extensions.urn:acme:User"),
    ] {
        let wrong = refused(values).await;
        assert_eq!(reason_of(&wrong), Some(ErrorReason::InvalidField));
        assert_eq!(violations_of(&wrong)[0].field, field);
    }
    let group = Group {
        display_name: "Staff".to_owned(),
        extensions: user("", URN, Vec::new()).extensions,
        ..Group::default()
    };
    let request = CreateGroupRequest {
        group: Some(group),
        member_ids: Vec::new(),
    };
    let wrong = client.groups().create_group(request).await.unwrap_err();
    assert_eq!(violations_of(&wrong)[0].field, "extensions");

    // Schemas in use, and none.
    let mut changed = badge_and_tags();
    changed.attributes.remove(0);
    let in_use = client
        .tenants()
        .register_extension_schema(register(changed))
        .await
        .unwrap_err();
    assert_eq!(reason_of(&in_use), Some(ErrorReason::ExtensionSchemaInUse));
    assert_eq!(
        metadata_of(&in_use, "attribute").as_deref(),
        Some("urn:acme:User:badge")
    );
    let in_use = client.tenants().delete_extension_schema(delete(URN)).await.unwrap_err();
    assert_eq!(
        (reason_of(&in_use), metadata_of(&in_use, "attribute")),
        (Some(ErrorReason::ExtensionSchemaInUse), None)
    );
    let none = client.tenants().delete_extension_schema(delete("urn:acme:Other")).await;
    assert_eq!(super::refused(none), Some(ErrorReason::ExtensionSchemaNotFound));

    // Filters and orders.
    let x = || Literal::Text("x".to_owned());
    let wide = |node: Filter, count| {
        asks(Expression::Or(FilterList {
            filters: vec![node; count],
        }))
    };
    for filter in [
        compare("urn:acme:Other:badge", Operator::Equal, x()),
        compare("urn:acme:User:tags", Operator::Equal, x()),
        compare("urn:acme:User:grade", Operator::Equal, x()),
        compare("urn:acme:User:grade", Operator::Equal, Literal::Decimal(f64::INFINITY)),
        compare("urn:acme:User:grade", Operator::Contains, Literal::Decimal(1.0)),
        element("urn:acme:User:badge", compare("value", Operator::Equal, x())),
        element("urn:acme:User:tags", compare("display", Operator::Equal, x())),
        present("urn:acme:User:shoe"),
        wide(present(URN), 300),
    ] {
        assert_eq!(
            super::refused(names(&client, filter).await),
            Some(ErrorReason::InvalidFilter)
        );
    }
    assert_eq!(names(&client, wide(present(URN), 200)).await.unwrap(), ["ada"]);
    let request = ListUsersRequest {
        order: Some(Order {
            attribute: "urn:acme:User:shoe".to_owned(),
            descending: false,
        }),
        ..ListUsersRequest::default()
    };
    assert_eq!(
        super::refused(client.users().list_users(request).await),
        Some(ErrorReason::InvalidField)
    );

    // Rights.
    let reader = token(&[Scope::Read], "");
    let issued = client.tokens().issue_token(reader).await.unwrap().into_inner();
    let reader = running.client().with_token(&SecretString::from(issued.secret)).unwrap();
    let request = register(badge_and_tags());
    assert_eq!(
        super::refused(reader.tenants().register_extension_schema(request).await),
        Some(ErrorReason::ScopeMissing)
    );
    assert_eq!(
        super::refused(reader.tenants().delete_extension_schema(delete(URN)).await),
        Some(ErrorReason::ScopeMissing)
    );
    let elsewhere = ListExtensionSchemasRequest {
        slug: "beta".to_owned(),
    };
    assert_eq!(
        super::refused(reader.tenants().list_extension_schemas(elsewhere).await),
        Some(ErrorReason::TenantNotFound)
    );
    running.stop().await;
}
