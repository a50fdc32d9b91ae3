//! Filters from text to answer.

mod properties;
mod random;
mod second_opinion;
mod spelling;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{CompareOp, Filter, Literal, evaluate, parse};
use crate::scim::attribute_path::AttributePath;
use crate::scim::error::ScimType;
use crate::scim::resource::Resource;
use crate::scim::schema::{ResourceKind, ResourceType, ResourceTypes, testing};

const ENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const STATUS: &str = "urn:rollcall:params:scim:schemas:extension:status:2.0:User";

fn users() -> &'static Arc<ResourceType> {
    ResourceTypes::standard().get(ResourceKind::User)
}

fn groups() -> &'static Arc<ResourceType> {
    ResourceTypes::standard().get(ResourceKind::Group)
}

fn ada() -> Resource {
    let Value::Object(attributes) = json!({
        "id": "1", "externalId": "Ext", "userName": "\u{c9}mile@Example.com", "active": true, "title": "",
        "profileUrl": "https://x/Ada", "name": {"givenName": "Ada", "familyName": "O'Malley"},
        "emails": [{"value": "a@Work", "type": "work", "primary": true}, {"value": "a@home", "type": "home"}],
        "groups": [{"value": "g1", "display": "Sales"}],
        "meta": {"resourceType": "User", "lastModified": "2026-01-31T12:00:00.5Z"},
        ENT: {"department": "R&D", "manager": {"value": "7"}},
        STATUS: {"blocked": true, "blockReasons": ["PROVISIONING"]},
    }) else {
        unreachable!()
    };
    Resource {
        resource_type: users().clone(),
        attributes,
    }
}

#[test]
fn filters_are_answered_by_the_rules_of_each_attribute() {
    for (filter, expected) in [
        (r#"userName eq "E\u0301MILE@example.COM""#, true),
        (r#"USERNAME Eq "émile@example.com""#, true),
        (r#"userName ne "other""#, true),
        (r#"userName co "@EXAMPLE""#, true),
        (r#"userName sw "é""#, true),
        (r#"userName ew ".com""#, true),
        (r#"userName gt "a" and userName lt "f""#, true),
        (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "x""#, false),
        (r#"externalId eq "Ext""#, true),
        (r#"externalId eq "ext""#, false),
        (r#"profileUrl eq "https://x/ada""#, false),
        (r#"id eq "1" and manager eq "7""#, true),
        (r#"manager.value eq "8""#, false),
        (r#"manager[value eq "7"]"#, true),
        (
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "r&d""#,
            true,
        ),
        (r#"department eq "r&d""#, true),
        ("active eq true", true),
        (r#"active eq "True""#, true),
        ("active ne false", true),
        ("blocked eq True", true),
        (r#"blockReasons eq "PROVISIONING""#, true),
        (r#"blockReasons[value eq "ADMINISTRATOR"]"#, false),
        (r#"name.familyName co "O'Malley""#, true),
        (r#"name[familyName eq "x" or givenName eq "ada"]"#, true),
        ("name pr", true),
        ("title pr", false),
        ("nickName pr", false),
        ("nickName eq null", true),
        ("nickName ne null", false),
        ("userName ne NULL", true),
        (r#"nickName ne "x""#, true),
        (r#"nickName eq "x""#, false),
        ("emails pr", true),
        ("ims pr", false),
        ("ims eq null", true),
        ("emails.display pr", false),
        ("emails.display eq null", true),
        (r#"emails eq "A@WORK""#, true),
        (r#"emails.value co "home" and emails.type eq "work""#, true),
        (r#"emails[value co "home" and type eq "work"]"#, false),
        (r#"emails[type eq "work"].value eq "a@work""#, true),
        (r#"emails[primary eq "true"].value eq "a@home""#, false),
        (r#"emails[not (primary pr)].value sw "a@h""#, true),
        (r#"emails[type eq "home"].display eq null"#, true),
        (r#"groups eq "g1" and groups.display eq "sales""#, true),
        (r#"meta.lastModified ge "2026-01-31T12:00:00.500Z""#, true),
        (r#"meta.lastModified gt "2026-01-31T13:00:00+01:00""#, true),
        (r#"meta.lastModified lt "2026-01-31T12:00:00""#, false),
        (
            r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#,
            true,
        ),
        (r#"schemas eq "urn:x""#, false),
        (r#"not (userName eq "x") and (title pr or id pr)"#, true),
        (r#"id eq "2" and id eq "3" or id eq "1""#, true),
        (r#"id eq "1" or id eq "2" and id eq "3""#, true),
        (r#"(id eq "1" or id eq "2") and id eq "3""#, false),
        (r#"not(id eq "2")and(id eq "1")"#, true),
        ("  id   eq   \"1\"  ", true),
    ] {
        let parsed = parse(users(), filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        assert_eq!(evaluate(&parsed, &ada()), expected, "{filter} -> {parsed}");
        assert_eq!(parse(users(), &parsed.to_string()), Ok(parsed), "{filter}");
    }
}

#[test]
fn multi_valued_attributes_are_asked_about_through_their_elements() {
    let path = |name: &str| AttributePath::resolve(users(), name).unwrap();
    let value_is = Filter::Compare {
        path: path("emails.value"),
        op: CompareOp::Equal,
        value: Literal::Text("x".to_owned()),
    };
    let element = |filter: Filter| Filter::Element {
        attribute: path("emails"),
        filter: Box::new(filter),
    };
    for text in [r#"emails eq "x""#, r#"emails.value eq "x""#, r#"emails[value eq "x"]"#] {
        assert_eq!(parse(users(), text), Ok(element(value_is.clone())));
    }
    assert_eq!(
        parse(users(), r#"emails[primary pr].value eq "x""#),
        Ok(element(Filter::And(vec![
            Filter::Present(path("emails.primary")),
            value_is
        ])))
    );
    assert_eq!(
        parse(users(), "emails.type eq null"),
        Ok(Filter::Not(Box::new(element(Filter::Present(path("emails.type"))))))
    );
    assert_eq!(parse(users(), "emails pr"), Ok(Filter::Present(path("emails"))));
}

#[test]
fn what_is_no_filter_is_refused() {
    let long = format!("userName eq \"{}\"", "x".repeat(8_192));
    let deep = format!("{}id pr{}", "(".repeat(33), ")".repeat(33));
    let wide = vec!["id pr"; 201].join(" or ");
    for filter in [
        "",
        " ",
        "userName",
        "userName eq",
        r#"userName zz "a""#,
        "userName eq jyoung",
        r#"userName eq "a"#,
        r#"userName eq "\q""#,
        r#"userName eq "a\u0000b""#,
        "userName eq 7",
        "userName eq true",
        "userName gt null",
        r#"userName eq "a" and"#,
        r#"userName eq "a" xor id pr"#,
        r#"(userName eq "a""#,
        r#"userName eq "a")"#,
        r#"not userName eq "a""#,
        "active gt true",
        r#"active co "tr""#,
        r#"active eq "yes""#,
        "active eq 1",
        r#"meta.created co "2026""#,
        r#"meta.created gt "yesterday""#,
        "meta.created gt 2026",
        r#"x509Certificates.value gt "a""#,
        r#"name eq "a""#,
        r#"addresses eq "a""#,
        r#"shoeSize eq "a""#,
        r#"members eq "a""#,
        r#"password eq "a""#,
        r#"userName[value eq "a"]"#,
        r#"emails.value[type eq "a"]"#,
        r#"emails[emails.type eq "a"]"#,
        r#"emails[type eq "a""#,
        "emails[]",
        r#"emails[type eq "work"]. value eq "x""#,
        r#"emails[type eq "work"].value"#,
        r#"urn:x:y eq "a""#,
        &long,
        &deep,
        &wide,
    ] {
        let error = parse(users(), filter).expect_err(filter);
        assert_eq!(
            (error.status, error.scim_type),
            (400, Some(ScimType::InvalidFilter)),
            "{filter}"
        );
    }
}

/// An example of RFC 7644 §3.5.2.2 has no blank before a quoted text; before a number there must be one.
#[test]
fn an_operator_is_a_word_by_itself() {
    let users = testing::users();
    for filter in ["level eq7", "level eq-7", "rate gt.5", "level eq7 or id pr", "tags prx"] {
        let error = parse(&users, filter).expect_err(filter);
        assert!(
            error.detail.contains("expected one of the operators"),
            "{filter}: {error}"
        );
    }
    for filter in [r#"costCode eq"7""#, "level eq 7", "not (tags pr)"] {
        assert!(parse(&users, filter).is_ok(), "{filter}");
    }
}

#[test]
fn filters_may_be_as_big_as_their_bounds() {
    let deep = format!("{}id pr{}", "(".repeat(32), ")".repeat(32));
    let wide = vec!["id pr"; 200].join(" or ");
    for filter in [deep, wide] {
        assert!(parse(users(), &filter).is_ok());
    }
    let nots = |count: usize| format!("{}id pr{}", "not (".repeat(count), ")".repeat(count));
    assert!(parse(users(), &nots(31)).is_ok());
    assert!(parse(users(), &nots(32)).is_err());
}

#[test]
fn a_refusal_names_position_and_rule_but_no_value() {
    for (filter, detail) in [
        (
            "userName eq jyoung@example.com",
            "The filter is not valid at character 13: expected a value: text in double quotes, a number, true, false, \
             or null.",
        ),
        (
            r#"userName regex "a""#,
            "The filter is not valid at character 10: expected one of the operators eq, ne, co, sw, ew, gt, ge, lt, \
             le, pr.",
        ),
        (
            r#"shoeSize eq "a""#,
            "The filter is not valid at character 1: User has no attribute shoeSize; see /Schemas.",
        ),
        (
            r#"jo@example.com eq "a""#,
            "The filter is not valid at character 1: User has no attribute; see /Schemas.",
        ),
        (
            r#"name eq "a""#,
            "The filter is not valid at character 6: name has sub-attributes; name one of them, as in name.formatted.",
        ),
        (
            "id pr and active gt true",
            "The filter is not valid at character 18: the operator gt does not fit the type of active.",
        ),
    ] {
        assert_eq!(parse(users(), filter).unwrap_err().detail, detail);
    }
}

#[test]
fn groups_are_asked_about_their_members() {
    let Value::Object(attributes) = json!({"id": "g", "displayName": "Sales & Co", "members": [{"value": "u"}]}) else {
        unreachable!()
    };
    let group = Resource {
        resource_type: groups().clone(),
        attributes,
    };
    for (filter, expected) in [
        (r#"id eq "g" and members eq "u""#, true),
        (r#"members.value eq "v""#, false),
        (r#"members[value eq "u"]"#, true),
        (r#"displayName eq "sales & co""#, true),
    ] {
        let filter = parse(groups(), filter).unwrap();
        assert_eq!(evaluate(&filter, &group), expected, "{filter}");
    }
}
