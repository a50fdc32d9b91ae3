//! How schemas and resource types look in the discovery answers (RFC 7643 §6 and §7).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Attribute, COMMON, Kind, Mutability, ResourceType, ResourceTypes, Returned, Schema, Uniqueness};

/// The schema of a schema.
const SCHEMA_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
/// The schema of a resource type.
const RESOURCE_TYPE_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";

/// The schema of this URN, in any case.
pub fn find_schema<'a>(types: &'a ResourceTypes, id: &str) -> Option<&'a Arc<Schema>> {
    schemas(types).find(|schema| schema.id.eq_ignore_ascii_case(id))
}

fn schemas(types: &ResourceTypes) -> impl Iterator<Item = &Arc<Schema>> {
    types.iter().flat_map(|resource_type| resource_type.schemas())
}

/// What `GET /Schemas` lists. `base_url` ends before `/Schemas`.
pub fn schemas_to_json(types: &ResourceTypes, base_url: &str) -> Vec<Value> {
    schemas(types).map(|schema| to_json(schema, base_url)).collect()
}

/// One schema.
///
/// A core schema lists `id` and `externalId` too, as RFC 7643 §3.1 allows: Microsoft's gallery test looks there for every
/// attribute that a tenant maps, and `externalId` is mapped by default. It does not list `meta`: a client that builds its
/// classes from schemas (scim2-client) would replace the one it has by one without its rules.
pub fn to_json(schema: &Schema, base_url: &str) -> Value {
    let is_core = schema.is_core();
    let common = COMMON
        .iter()
        .filter(|attribute| is_core && ["id", "externalId"].contains(&attribute.name.as_str()));
    let attributes = common.chain(&schema.attributes);
    let attributes: Vec<Value> = attributes.map(|attribute| attribute_to_json(attribute)).collect();
    json!({
        "schemas": [SCHEMA_SCHEMA],
        "id": schema.id,
        "name": schema.name,
        "description": schema.description,
        "attributes": attributes,
        "meta": {"resourceType": "Schema", "location": format!("{base_url}/Schemas/{}", schema.id)},
    })
}

/// What `GET /ResourceTypes` lists.
pub fn resource_types_to_json(types: &ResourceTypes, base_url: &str) -> Vec<Value> {
    types
        .iter()
        .map(|resource_type| resource_type_to_json(resource_type, base_url))
        .collect()
}

/// One resource type. `base_url` ends before `/ResourceTypes`.
pub fn resource_type_to_json(resource_type: &ResourceType, base_url: &str) -> Value {
    let name = resource_type.kind.name();
    let schema = &resource_type.schema;
    let mut members = Map::from_iter([
        ("schemas".to_owned(), json!([RESOURCE_TYPE_SCHEMA])),
        ("id".to_owned(), name.into()),
        ("name".to_owned(), name.into()),
        ("endpoint".to_owned(), resource_type.kind.endpoint().into()),
        ("description".to_owned(), schema.description.as_str().into()),
        ("schema".to_owned(), schema.id.as_str().into()),
        (
            "meta".to_owned(),
            json!({"resourceType": "ResourceType", "location": format!("{base_url}/ResourceTypes/{name}")}),
        ),
    ]);
    if !resource_type.extensions.is_empty() {
        let extensions = resource_type.extensions.iter();
        let extensions = extensions.map(|schema| json!({"schema": schema.id, "required": false}));
        members.insert("schemaExtensions".to_owned(), extensions.collect());
    }
    Value::Object(members)
}

fn attribute_to_json(attribute: &Attribute) -> Value {
    let mut members = Map::from_iter([
        ("name".to_owned(), attribute.name.as_str().into()),
        ("type".to_owned(), kind_name(attribute.kind).into()),
        ("multiValued".to_owned(), attribute.multi_valued.into()),
        ("description".to_owned(), attribute.description.as_str().into()),
        ("required".to_owned(), attribute.required.into()),
        ("mutability".to_owned(), mutability_name(attribute.mutability).into()),
        ("returned".to_owned(), returned_name(attribute.returned).into()),
        ("uniqueness".to_owned(), uniqueness_name(attribute.uniqueness).into()),
    ]);
    if matches!(attribute.kind, Kind::String | Kind::Reference | Kind::Binary) {
        members.insert("caseExact".to_owned(), attribute.compares_exactly().into());
    }
    if !attribute.canonical_values.is_empty() {
        members.insert("canonicalValues".to_owned(), attribute.canonical_values.clone().into());
    }
    if !attribute.reference_types.is_empty() {
        members.insert("referenceTypes".to_owned(), attribute.reference_types.clone().into());
    }
    if !attribute.sub_attributes.is_empty() {
        let parts = attribute.sub_attributes.iter().map(|part| attribute_to_json(part));
        members.insert("subAttributes".to_owned(), parts.collect());
    }
    Value::Object(members)
}

const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::Boolean => "boolean",
        Kind::Decimal => "decimal",
        Kind::Integer => "integer",
        Kind::DateTime => "dateTime",
        Kind::Reference => "reference",
        Kind::Binary => "binary",
        Kind::Complex => "complex",
    }
}

const fn mutability_name(mutability: Mutability) -> &'static str {
    match mutability {
        Mutability::ReadOnly => "readOnly",
        Mutability::ReadWrite => "readWrite",
        Mutability::Immutable => "immutable",
        Mutability::WriteOnly => "writeOnly",
    }
}

const fn returned_name(returned: Returned) -> &'static str {
    match returned {
        Returned::Always => "always",
        Returned::Never => "never",
        Returned::Default => "default",
        Returned::Request => "request",
    }
}

const fn uniqueness_name(uniqueness: Uniqueness) -> &'static str {
    match uniqueness {
        Uniqueness::None => "none",
        Uniqueness::Server => "server",
        Uniqueness::Global => "global",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{find_schema, resource_types_to_json, schemas_to_json, to_json};
    use crate::scim::schema::{ENTERPRISE_USER, GROUP, ResourceKind, ResourceTypes, USER, testing};

    fn attribute<'a>(schema: &'a Value, path: &[&str]) -> &'a Value {
        path.iter().fold(schema, |parent, name| {
            let children = parent
                .get("attributes")
                .or_else(|| parent.get("subAttributes"))
                .unwrap();
            children
                .as_array()
                .unwrap()
                .iter()
                .find(|child| child["name"] == *name)
                .unwrap()
        })
    }

    /// `(multiValued, required, caseExact, mutability, returned, uniqueness)` as RFC 7643 §8.7 lists them, but that
    /// references and binaries are case exact, as §2.3.6, §2.3.7 and erratum 6001 say, and ids, as §3.1 says.
    fn characteristics(attribute: &Value) -> (bool, bool, Option<bool>, &str, &str, &str) {
        (
            attribute["multiValued"].as_bool().unwrap(),
            attribute["required"].as_bool().unwrap(),
            attribute.get("caseExact").and_then(Value::as_bool),
            attribute["mutability"].as_str().unwrap(),
            attribute["returned"].as_str().unwrap(),
            attribute["uniqueness"].as_str().unwrap(),
        )
    }

    #[test]
    fn attributes_have_the_characteristics_of_the_rfc() {
        let user = to_json(&USER, "");
        let group = to_json(&GROUP, "");
        let enterprise = to_json(&ENTERPRISE_USER, "");
        for (schema, path, kind, expected) in [
            (
                &user,
                &["userName"][..],
                "string",
                (false, true, Some(false), "readWrite", "default", "server"),
            ),
            (
                &user,
                &["id"],
                "string",
                (false, false, Some(true), "readOnly", "always", "server"),
            ),
            (
                &user,
                &["externalId"],
                "string",
                (false, false, Some(true), "readWrite", "default", "none"),
            ),
            (
                &user,
                &["name"],
                "complex",
                (false, false, None, "readWrite", "default", "none"),
            ),
            (
                &user,
                &["active"],
                "boolean",
                (false, false, None, "readWrite", "default", "none"),
            ),
            (
                &user,
                &["profileUrl"],
                "reference",
                (false, false, Some(true), "readWrite", "default", "none"),
            ),
            (
                &user,
                &["password"],
                "string",
                (false, false, Some(false), "writeOnly", "never", "none"),
            ),
            (
                &user,
                &["emails"],
                "complex",
                (true, false, None, "readWrite", "default", "none"),
            ),
            (
                &user,
                &["emails", "value"],
                "string",
                (false, false, Some(false), "readWrite", "default", "none"),
            ),
            (
                &user,
                &["groups", "$ref"],
                "reference",
                (false, false, Some(true), "readOnly", "default", "none"),
            ),
            (
                &user,
                &["x509Certificates", "value"],
                "binary",
                (false, false, Some(true), "readWrite", "default", "none"),
            ),
            (
                &group,
                &["displayName"],
                "string",
                (false, true, Some(false), "readWrite", "default", "none"),
            ),
            (
                &user,
                &["groups", "value"],
                "string",
                (false, false, Some(true), "readOnly", "default", "none"),
            ),
            (
                &group,
                &["members", "value"],
                "string",
                (false, false, Some(true), "immutable", "default", "none"),
            ),
            (
                &enterprise,
                &["manager", "value"],
                "string",
                (false, false, Some(true), "readWrite", "default", "none"),
            ),
            (
                &enterprise,
                &["manager", "displayName"],
                "string",
                (false, false, Some(false), "readOnly", "default", "none"),
            ),
        ] {
            let attribute = attribute(schema, path);
            assert_eq!(attribute["type"], kind, "{path:?}");
            assert_eq!(characteristics(attribute), expected, "{path:?}");
        }
        assert_eq!(
            attribute(&user, &["emails", "type"])["canonicalValues"],
            json!(["work", "home", "other"])
        );
        assert_eq!(
            attribute(&enterprise, &["manager", "$ref"])["referenceTypes"],
            json!(["User"])
        );
    }

    #[test]
    fn schemas_are_complete_and_hold_no_nulls() {
        let names = |schema: &Value| -> Vec<String> {
            let attributes = schema["attributes"].as_array().unwrap();
            attributes
                .iter()
                .map(|attribute| attribute["name"].as_str().unwrap().to_owned())
                .collect()
        };
        let schemas = schemas_to_json(ResourceTypes::standard(), "https://x/scim/v2");
        let ids: Vec<&str> = schemas.iter().map(|schema| schema["id"].as_str().unwrap()).collect();
        assert_eq!(
            ids,
            [
                "urn:ietf:params:scim:schemas:core:2.0:User",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                "urn:rollcall:params:scim:schemas:extension:status:2.0:User",
                "urn:ietf:params:scim:schemas:core:2.0:Group",
            ]
        );
        assert_eq!(names(&schemas[0]).len(), 23);
        assert_eq!(
            names(&schemas[1]),
            [
                "employeeNumber",
                "costCenter",
                "organization",
                "division",
                "department",
                "manager"
            ]
        );
        assert_eq!(names(&schemas[3]), ["id", "externalId", "displayName", "members"]);
        assert!(schemas.iter().all(|schema| !schema.to_string().contains("null")));
        assert_eq!(
            schemas[3]["meta"]["location"],
            "https://x/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group"
        );
    }

    #[test]
    fn schemas_are_found_by_their_urn_in_any_case() {
        let types = ResourceTypes::standard();
        assert_eq!(
            find_schema(types, "URN:ietf:params:scim:schemas:core:2.0:user"),
            Some(&*USER)
        );
        assert_eq!(find_schema(types, "urn:x"), None);
        assert_eq!(types.get(ResourceKind::Group).extensions.len(), 0);
    }

    #[test]
    fn resource_types_name_schemas_and_extensions() {
        let types = resource_types_to_json(ResourceTypes::standard(), "https://x/scim/v2");
        assert_eq!(
            types[1],
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "id": "Group", "name": "Group",
                "endpoint": "/Groups", "description": "A named set of users.",
                "schema": "urn:ietf:params:scim:schemas:core:2.0:Group",
                "meta": {"resourceType": "ResourceType", "location": "https://x/scim/v2/ResourceTypes/Group"},
            })
        );
        assert_eq!(
            types[0]["schemaExtensions"],
            json!([
                {"schema": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "required": false},
                {"schema": "urn:rollcall:params:scim:schemas:extension:status:2.0:User", "required": false},
            ])
        );
    }

    #[test]
    fn what_a_tenant_registered_is_listed_with_its_characteristics() {
        let types = testing::types();
        let acme = to_json(find_schema(&types, &testing::ACME.to_lowercase()).unwrap(), "https://x");

        assert_eq!(
            characteristics(attribute(&acme, &["desk", "asset"])),
            (false, false, Some(false), "immutable", "default", "none")
        );
        assert_eq!(attribute(&acme, &["pin"])["mutability"], "writeOnly");
        assert_eq!(attribute(&acme, &["level"])["type"], "integer");
        assert_eq!(
            resource_types_to_json(&types, "")[1]["schemaExtensions"],
            json!([{"schema": testing::ACME_GROUP, "required": false}])
        );
        assert_eq!(schemas_to_json(&types, "").len(), 6);
    }
}
