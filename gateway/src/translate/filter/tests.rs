//! What SCIM asks, and what the directory is asked then.

use std::sync::LazyLock;

use super::*;
use crate::scim::error::ScimType;
use crate::scim::filter::parse;
use crate::scim::schema::testing::{self, ACME};
use crate::scim::schema::{Attribute, COMMON, ResourceTypes};

static SOURCE: LazyLock<Translator> = LazyLock::new(|| translator(ResourceKind::User, ActiveView::SourceWord));
static READER: LazyLock<Translator> = LazyLock::new(|| translator(ResourceKind::User, ActiveView::InEffect));
static GROUPS: LazyLock<Translator> = LazyLock::new(|| translator(ResourceKind::Group, ActiveView::SourceWord));

fn translator(kind: ResourceKind, view: ActiveView) -> Translator {
    Translator {
        resource_type: ResourceTypes::standard().get(kind).clone(),
        view,
        base: BaseUrl::public("https://h"),
    }
}

fn translated(translator: &Translator, text: &str) -> Result<String, ScimError> {
    translator
        .filter(&parse(&translator.resource_type, text)?)
        .map(|filter| show(&filter))
}

/// A filter as one line, so that tests can be read.
fn show(filter: &v1::Filter) -> String {
    let list = |list: &v1::FilterList, word: &str| {
        let filters: Vec<String> = list.filters.iter().map(show).collect();
        format!("({})", filters.join(word))
    };
    match filter.expression.as_ref().expect("every node is set") {
        Expression::And(filters) => list(filters, " & "),
        Expression::Or(filters) => list(filters, " | "),
        Expression::Not(filter) => format!("!{}", show(filter)),
        Expression::Present(present) => format!("{}?", present.attribute),
        Expression::Comparison(comparison) => {
            let operator = comparison.operator().as_str_name();
            let literal = match comparison.literal.as_ref().expect("a literal") {
                comparison::Literal::Text(text) => text.clone(),
                comparison::Literal::Boolean(flag) => flag.to_string(),
                comparison::Literal::Integer(number) => number.to_string(),
                comparison::Literal::Decimal(number) => number.to_string(),
                comparison::Literal::Time(time) => format!("{}s", time.seconds),
            };
            format!("{} {operator} {literal}", comparison.attribute)
        }
        Expression::Element(element) => {
            format!(
                "{}[{}]",
                element.attribute,
                show(element.filter.as_ref().expect("a filter"))
            )
        }
    }
}

#[test]
fn what_entra_asks_is_asked_of_the_directory() {
    for (translator, scim, directory) in [
        (&*SOURCE, "userName eq \"a\"", "user_name EQUAL a"),
        (&*SOURCE, "externalId eq \"a\"", "external_id EQUAL a"),
        (
            &*SOURCE,
            "emails[type eq \"work\"].value eq \"a\"",
            "emails[(type EQUAL work & value EQUAL a)]",
        ),
        (
            &*SOURCE,
            "id eq \"u\" and manager eq \"m\"",
            "(id EQUAL u & enterprise.manager EQUAL m)",
        ),
        (&*GROUPS, "displayName eq \"a\"", "display_name EQUAL a"),
        (
            &*GROUPS,
            "id eq \"g\" and members eq \"u\"",
            "(id EQUAL g & members[value EQUAL u])",
        ),
    ] {
        assert_eq!(translated(translator, scim).as_deref(), Ok(directory), "{scim}");
    }
}

#[test]
fn what_follows_from_other_fields_is_asked_of_them() {
    for (translator, scim, directory) in [
        (&*SOURCE, "active eq false", "source_active EQUAL false"),
        (&*READER, "active eq false", "blocked EQUAL true"),
        (&*READER, "active pr", "id?"),
        (&*SOURCE, "blocked eq true", "blocked EQUAL true"),
        (
            &*SOURCE,
            "blockReasons eq \"GROUP_DELETED\"",
            "blocks[reason EQUAL GROUP_DELETED]",
        ),
        (&*SOURCE, "language sw \"fr\"", "language STARTS_WITH fr"),
        (
            &*SOURCE,
            "activationStatus eq \"ACTIVATED\"",
            "activation.status EQUAL ACTIVATED",
        ),
        (&*SOURCE, "activatedAt pr", "activation.activate_time?"),
        (
            &*SOURCE,
            "urn:rollcall:params:scim:schemas:extension:status:2.0:User:activationCodeExpires lt \"1970-01-01T00:01:00Z\"",
            "activation.code_expire_time LESS 60s",
        ),
        (&*SOURCE, "meta.resourceType eq \"User\"", "id?"),
        (&*SOURCE, "meta.resourceType ne \"User\"", "!id?"),
        (
            &*SOURCE,
            "meta.lastModified gt \"1970-01-01T00:01:00Z\"",
            "update_time GREATER 60s",
        ),
        (&*SOURCE, "meta.version eq \"W/\\\"7\\\"\"", "version EQUAL 7"),
        (&*SOURCE, "meta.location eq \"https://h/scim/v2/Users/u\"", "id EQUAL u"),
        (
            &*SOURCE,
            "groups.$ref eq \"https://h/scim/v2/Groups/g\"",
            "groups[value EQUAL g]",
        ),
        (&*SOURCE, "meta.location co \"/Users/\"", "id?"),
        (&*SOURCE, "meta.location ew \"/Groups/u\"", "!id?"),
        (
            &*GROUPS,
            "meta.location gt \"https://h/scim/v2/Groups/g\"",
            "id GREATER g",
        ),
        (&*SOURCE, "meta.location ne \"https://other/u\"", "id?"),
        (&*SOURCE, "manager.$ref sw \"https://h/\"", "enterprise.manager?"),
        (&*SOURCE, "manager.$ref ew \"Users/m\"", "enterprise.manager EQUAL m"),
        (&*GROUPS, "members.$ref co \"0193\"", "members[value CONTAINS 0193]"),
        (&*SOURCE, "meta.version eq \"7\"", "!id?"),
        (&*SOURCE, "meta.version ne \"7\"", "id?"),
        (&*SOURCE, "meta.version pr", "version?"),
        (&*SOURCE, "meta.version sw \"W/\"", "version?"),
        (&*SOURCE, "meta.version sw \"W/\\\"7\"", "version STARTS_WITH 7"),
        (&*GROUPS, "meta.version co \"7\"", "version CONTAINS 7"),
        (&*GROUPS, "meta.version ew \"7\\\"\"", "version ENDS_WITH 7"),
        (&*SOURCE, "meta.version gt \"W/\\\"7\\\"\"", "version GREATER 7"),
        (&*SOURCE, "groups.type eq \"direct\"", "groups[value?]"),
        (&*GROUPS, "members.type eq \"Group\"", "members[!value?]"),
        (&*SOURCE, "manager pr", "enterprise.manager?"),
        (&*SOURCE, "emails pr", "emails?"),
    ] {
        assert_eq!(translated(translator, scim).as_deref(), Ok(directory), "{scim}");
    }
}

#[test]
fn what_is_let_through_is_no_larger_than_the_directory_takes() {
    let any_of = |question: &str, count: usize| vec![question; count].join(" or ");
    let deep = |count: usize, question: &str| format!("{}{question}{}", "not (".repeat(count), ")".repeat(count));
    // `name pr` asks for six parts and the `or` of them.
    for (fits, too_large, bound) in [
        (any_of("name pr", 142), any_of("name pr", 143), "1000 parts"),
        (any_of("emails eq \"a\"", 200), any_of("name pr", 200), "1000 parts"),
    ] {
        assert!(translated(&SOURCE, &fits).is_ok(), "{fits}");
        let refused = translated(&SOURCE, &too_large).unwrap_err();
        assert_eq!(refused.scim_type, Some(ScimType::InvalidFilter));
        assert!(refused.detail.contains(bound), "{refused}");
    }
    assert!(translated(&SOURCE, &deep(31, "name pr")).is_ok());
}

#[test]
fn a_question_about_what_follows_from_others_is_answered_by_them() {
    let enterprise = translated(&SOURCE, "schemas co \"enterprise\"").unwrap();
    assert!(enterprise.contains("enterprise.employee_number?"), "{enterprise}");
    for (question, expected) in [
        ("meta.resourceType sw \"Us\"", "id?"),
        ("meta.resourceType gt \"user\"", "!id?"),
        ("schemas eq \"urn:nobody\"", "!id?"),
        ("schemas[value co \":core:\" or value co \":status:\"]", "(id? | id?)"),
        ("schemas co \"enterprise\"", &enterprise),
    ] {
        assert_eq!(translated(&SOURCE, question).as_deref(), Ok(expected), "{question}");
    }
}

/// Questions about one attribute of a schema, and about each of its parts: with every operator that fits.
fn questions(schema: &Schema, attribute: &Attribute) -> Vec<String> {
    let prefix = if schema.id == ENTERPRISE_USER.id {
        format!("{}:", schema.id)
    } else {
        String::new()
    };
    let ask = |name: String, attribute: &Attribute| {
        let (operators, literal) = match attribute.kind {
            Kind::Boolean => ("eq ne", "true"),
            Kind::DateTime => ("eq ne gt ge lt le", "\"2026-01-01T00:00:00Z\""),
            Kind::Complex => ("", ""),
            Kind::Binary => ("eq ne co sw ew", "\"x\""),
            Kind::String | Kind::Reference => ("eq ne co sw ew gt ge lt le", "\"x\""),
            Kind::Decimal | Kind::Integer => ("eq ne gt ge lt le", "7"),
        };
        let operators = operators.split_whitespace();
        let comparisons = operators.map(|operator| format!("{name} {operator} {literal}"));
        comparisons.chain([format!("{name} pr")]).collect::<Vec<_>>()
    };
    let name = format!("{prefix}{}", attribute.name);
    let parts = attribute.sub_attributes.iter();
    let parts = parts.flat_map(|part| ask(format!("{name}.{}", part.name), part));
    parts.chain(ask(name.clone(), attribute)).collect()
}

#[test]
fn every_attribute_of_the_schemas_can_be_asked_about_but_the_password() {
    let mut refused = Vec::new();
    for kind in ResourceKind::ALL {
        let translator = translator(kind, ActiveView::SourceWord);
        let schemas = translator.resource_type.schemas();
        let attributes = schemas.flat_map(|schema| schema.attributes.iter().map(move |one| (schema, one)));
        let common = COMMON
            .iter()
            .map(|attribute| (&translator.resource_type.schema, attribute));
        for question in attributes
            .chain(common)
            .flat_map(|(schema, attribute)| questions(schema, attribute))
        {
            match translated(&translator, &question) {
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.scim_type, Some(ScimType::InvalidFilter), "{question}");
                    refused.push(question);
                }
            }
        }
    }
    assert_eq!(refused.len(), 10);
    assert!(
        refused.iter().all(|question| question.starts_with("password ")),
        "{refused:?}"
    );
}

#[test]
fn a_list_is_sorted_by_any_single_value_and_by_the_texts_of_a_list() {
    let by = |translator: &Translator, name: &str, order: Option<&str>| {
        let order = translator.order(Some(name), order).map_err(|error| error.status)?;
        Ok::<_, u16>(order.map(|order| (order.attribute, order.descending)))
    };
    let asc = |attribute: &str| Ok(Some((attribute.to_owned(), false)));
    let desc = |attribute: &str| Ok(Some((attribute.to_owned(), true)));

    assert_eq!(by(&SOURCE, "userName", None), asc("user_name"));
    assert_eq!(
        by(&SOURCE, "name.familyName", Some("DESCENDING")),
        desc("name.family_name")
    );
    assert_eq!(by(&SOURCE, "emails.value", Some("ascending")), asc("emails"));
    assert_eq!(by(&SOURCE, "emails.type", None), asc("emails.type"));
    assert_eq!(
        by(&SOURCE, "addresses.streetAddress", None),
        asc("addresses.street_address")
    );
    assert_eq!(by(&SOURCE, "meta.created", None), asc("create_time"));
    assert_eq!(by(&READER, "active", None), desc("blocked"));
    assert_eq!(by(&GROUPS, "displayName", None), asc("display_name"));
    for (name, order) in [
        ("shoeSize", None),
        ("name", None),
        ("emails.primary", None),
        ("groups.display", None),
        ("userName", Some("up")),
    ] {
        assert_eq!(by(&SOURCE, name, order), Err(400), "{name}");
    }
}

fn acme() -> Translator {
    Translator {
        resource_type: testing::users(),
        view: ActiveView::SourceWord,
        base: BaseUrl::public("https://h"),
    }
}

#[test]
fn registered_attributes_are_asked_about_by_their_urn_and_name() {
    for (question, expected) in [
        ("COSTcode eq \"7\"", "urn:costCode EQUAL 7"),
        ("urn:serial co \"7\"", "urn:serial CONTAINS 7"),
        ("urn:level gt 7", "urn:level GREATER 7"),
        ("urn:level eq 7.0", "urn:level EQUAL 7"),
        ("urn:level eq \"7\"", "urn:level EQUAL 7"),
        ("urn:rate gt \"2.5\"", "urn:rate GREATER 2.5"),
        ("urn:levels[value eq \"2\"]", "urn:levels[value EQUAL 2]"),
        ("urn:rate le 2.5", "urn:rate LESS_OR_EQUAL 2.5"),
        ("urn:rate ge 2", "urn:rate GREATER_OR_EQUAL 2"),
        ("urn:remote ne \"True\"", "urn:remote NOT_EQUAL true"),
        ("urn:hired lt \"1970-01-01T00:01:00Z\"", "urn:hired LESS 60s"),
        ("urn:wiki sw \"https:\"", "urn:wiki STARTS_WITH https:"),
        ("urn:key eq \"AA==\"", "urn:key EQUAL AA=="),
        ("urn:notes pr", "urn:notes?"),
        ("urn:tags eq \"a\"", "urn:tags[value EQUAL a]"),
        ("urn:tags[value sw \"a\" and value ew \"b\"]", {
            "urn:tags[(value STARTS_WITH a & value ENDS_WITH b)]"
        }),
        ("urn:levels gt 2", "urn:levels[value GREATER 2]"),
        ("urn:tags pr", "urn:tags?"),
        ("urn:desk.room eq \"1\"", "urn:desk.room EQUAL 1"),
        (
            "urn:desk[room eq \"1\" and asset pr]",
            "(urn:desk.room EQUAL 1 & urn:desk.asset?)",
        ),
        (
            "urn:desk pr",
            "(urn:desk.room? | urn:desk.asset? | urn:desk.floor? | urn:desk.plan?)",
        ),
        (
            "urn:cars[type eq \"t\"].value eq \"c\"",
            "urn:cars[(type EQUAL t & value EQUAL c)]",
        ),
        ("urn:cars eq \"c\"", "urn:cars[value EQUAL c]"),
        ("schemas co \"acme\"", "!id?"),
        ("schemas co \"Acme\"", "(urn?)"),
    ] {
        let question = question.replace("urn:", &format!("{ACME}:"));
        let seen = translated(&acme(), &question).map(|seen| seen.replace(ACME, "urn"));
        assert_eq!(seen.as_deref(), Ok(expected), "{question}");
    }
}

#[test]
fn registered_attributes_are_typed_and_what_is_never_shown_is_never_asked_about() {
    for question in [
        "urn:pin eq \"0\"",
        "urn:secret pr",
        "urn:desk.code eq \"c\"",
        "urn:desk[code pr]",
        "urn:level eq \"\"",
        "urn:level eq \"seven\"",
        "urn:level eq \"7.5\"",
        "urn:level co \"7\"",
        "urn:level eq true",
        "urn:rate eq \"2,5\"",
        "urn:rate eq \"1e999\"",
        "urn:level gt 7.5",
        "urn:level co 7",
        "urn:remote gt true",
        "urn:key gt \"AA==\"",
        "urn:hired sw \"2026\"",
        "urn:costCode eq 7",
        "urn:desk eq \"1\"",
        "urn:shoeSize pr",
    ] {
        let refused = translated(&acme(), &question.replace("urn:", &format!("{ACME}:"))).unwrap_err();
        assert_eq!(
            (refused.status, refused.scim_type),
            (400, Some(ScimType::InvalidFilter)),
            "{question}"
        );
    }
}

#[test]
fn lists_are_sorted_by_registered_attributes_that_are_shown() {
    let by = |name: &str| {
        let order = acme().order(Some(&format!("{ACME}:{name}")), None);
        order
            .map(|order| order.unwrap().attribute.replace(ACME, "urn"))
            .map_err(|error| error.scim_type)
    };
    for (name, expected) in [
        ("LEVEL", "urn:level"),
        ("desk.room", "urn:desk.room"),
        ("tags", "urn:tags"),
        ("cars", "urn:cars"),
        ("cars.type", "urn:cars.type"),
    ] {
        assert_eq!(by(name).as_deref(), Ok(expected));
    }
    for name in ["pin", "secret", "desk", "desk.code", "shoeSize"] {
        assert_eq!(by(name), Err(Some(ScimType::InvalidValue)), "{name}");
    }
    assert_eq!(
        SOURCE.order(Some("password"), None).unwrap_err().scim_type,
        Some(ScimType::InvalidValue)
    );
}
