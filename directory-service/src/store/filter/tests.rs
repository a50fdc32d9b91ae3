use std::time::Duration;

use tokio::time::timeout;

use crate::clock::ManualClock;
use crate::directory::Directory;
use crate::domain::actor::Actor;
use crate::domain::attribute::{
    Attribute, BlockAttribute, ElementAttribute, GroupAttribute, Kind, ListAttribute, SubAttribute, TextAttribute,
    UserAttribute, UserGroupAttribute,
};
use crate::domain::extension::Submitted;
use crate::domain::filter::{
    Comparison, Filter, GroupElement, GroupFilter, GroupOrderKey, Literal, Operator, Order, UserElement, UserFilter,
    UserOrderKey,
};
use crate::domain::fold;
use crate::domain::group::NewGroup;
use crate::domain::id::UserId;
use crate::domain::membership::MembersChange;
use crate::domain::page::PageRequest;
use crate::domain::text::ExternalId;
use crate::domain::user::{NewUser, UserChange, UserUpdate};
use crate::store::testing::{T0, TestDb, WITHOUT_GROUPS, element, email, on_every_database, text, user_named};

use super::after_prefix;
use Operator as O;

#[test]
fn the_end_of_a_prefix_is_the_next_text_that_has_not_the_prefix() {
    assert_eq!(after_prefix("abc").as_deref(), Some("abd"));
    assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
    assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
    assert_eq!(after_prefix("\u{10ffff}"), None);
    assert_eq!(after_prefix(""), None);
}

const OPERATORS: [Operator; 9] = [
    O::Equal,
    O::NotEqual,
    O::Contains,
    O::StartsWith,
    O::EndsWith,
    O::Greater,
    O::GreaterOrEqual,
    O::Less,
    O::LessOrEqual,
];

/// Values that are special somewhere: wildcards, quotes, escapes, case, composition, the ends of Unicode.
const VALUES: [&str; 26] = [
    "",
    "a",
    "A",
    "ab",
    "AB",
    "aB%",
    "a%b",
    "a_b",
    "a\\b",
    "\\",
    "%",
    "_",
    "'",
    "\"",
    "a'b\"",
    "ä",
    "Ä",
    "a\u{308}",
    "ÄRGER",
    "ärger",
    "ß",
    "ss",
    "Straße",
    "\u{10ffff}",
    "a\u{10ffff}",
    "日本",
];

fn comparison<A: Attribute, E>(path: &str, operator: Operator, literal: Literal) -> Filter<A, E> {
    let attribute = A::find(path).unwrap();
    Filter::Compare(Comparison::new(attribute, attribute.kind(), operator, literal).unwrap())
}

fn compare<A: Attribute, E>(path: &str, operator: Operator, literal: &str) -> Filter<A, E> {
    comparison(path, operator, Literal::Text(literal.to_owned()))
}

fn sub(list: ListAttribute, name: &str, operator: Operator, literal: &str) -> Filter<ElementAttribute> {
    let attribute = ElementAttribute::of(list, name).unwrap();
    let literal = Literal::Text(literal.to_owned());
    Filter::Compare(Comparison::new(attribute, attribute.kind(), operator, literal).unwrap())
}

fn primary(operator: Operator, is: bool) -> Filter<ElementAttribute> {
    let literal = Literal::Boolean(is);
    Filter::Compare(Comparison::new(ElementAttribute::Primary, Kind::Boolean, operator, literal).unwrap())
}

fn values(list: ListAttribute, filter: Filter<ElementAttribute>) -> UserFilter {
    Filter::Element(UserElement::Values(list, filter))
}

fn not<A, E>(filter: Filter<A, E>) -> Filter<A, E> {
    Filter::Not(Box::new(filter))
}

/// What an operator means, without a database.
fn holds(value: &str, operator: Operator, literal: &str) -> bool {
    match operator {
        O::Equal => value == literal,
        O::NotEqual => value != literal,
        O::Contains => value.contains(literal),
        O::StartsWith => value.starts_with(literal),
        O::EndsWith => value.ends_with(literal),
        O::Greater => value > literal,
        O::GreaterOrEqual => value >= literal,
        O::Less => value < literal,
        O::LessOrEqual => value <= literal,
    }
}

async fn names(directory: &Directory, actor: &Actor, filter: &UserFilter) -> Vec<String> {
    let request = PageRequest::first(1_000);
    let page = directory
        .list_users(actor.tenant, Some(filter), Order::default(), &request, WITHOUT_GROUPS)
        .await
        .unwrap();
    assert_eq!(page.next, None);
    page.items
        .iter()
        .map(|user| user.user_name.as_str().to_owned())
        .collect()
}

async fn group_names(directory: &Directory, actor: &Actor, filter: &GroupFilter) -> Vec<String> {
    let request = PageRequest::first(1_000);
    let page = directory
        .list_groups(actor.tenant, Some(filter), Order::default(), &request, true)
        .await
        .unwrap();
    page.items
        .iter()
        .map(|group| group.display_name.as_str().to_owned())
        .collect()
}

on_every_database! { every_operator_means_the_same_on_every_kind_of_text }

/// A column that is folded, one that is exact, a JSON key that is folded, one that is exact, and an element.
async fn every_operator_means_the_same_on_every_kind_of_text(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    for (index, value) in VALUES.iter().enumerate() {
        let mut new = user_named(&format!("user-{index}"));
        for attribute in [
            TextAttribute::DisplayName,
            TextAttribute::Title,
            TextAttribute::ProfileUrl,
        ] {
            new.profile.set_text(attribute, Some(text(value)));
        }
        new.external_id = Some(ExternalId::from_row((*value).to_owned()));
        new.profile.set_list(ListAttribute::Emails, vec![email(value)]);
        directory.create_user(&actor, &new).await.unwrap();
    }
    directory.create_user(&actor, &user_named("without")).await.unwrap();
    let expected = |operator: Operator, literal: &str, negated: bool, folded: bool| -> Vec<String> {
        let key = |text: &str| if folded { fold(text) } else { text.to_owned() };
        let selected = VALUES.iter().enumerate();
        let selected = selected.filter(|(_, value)| holds(&key(value), operator, &key(literal)) != negated);
        let without = ((operator == O::NotEqual) != negated).then(|| "without".to_owned());
        selected
            .map(|(index, _)| format!("user-{index}"))
            .chain(without)
            .collect()
    };
    let attributes = [
        ("display_name", true),
        ("external_id", false),
        ("title", true),
        ("profile_url", false),
    ];

    for literal in VALUES {
        for operator in OPERATORS {
            for negated in [false, true] {
                for (path, folded) in attributes {
                    let filter = compare(path, operator, literal);
                    let filter = if negated { not(filter) } else { filter };
                    let found = names(&directory, &actor, &filter).await;
                    let context = format!("{path} {operator:?} {literal:?} negated {negated}");
                    assert_eq!(found, expected(operator, literal, negated, folded), "{context}");
                }
                let inner = sub(ListAttribute::Emails, "value", operator, literal);
                let inner = if negated { not(inner) } else { inner };
                let found = names(&directory, &actor, &values(ListAttribute::Emails, inner)).await;
                let mut wanted = expected(operator, literal, negated, true);
                wanted.retain(|name| name != "without");
                assert_eq!(
                    found, wanted,
                    "emails[value {operator:?} {literal:?}] negated {negated}"
                );
            }
        }
    }
}

on_every_database! { the_largest_filters_are_answered }

/// 1,000 nodes and 64 levels, as the API allows: neither database may find its own limits first.
async fn the_largest_filters_are_answered(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let mut ada = user_named("ada");
    ada.profile.set_list(ListAttribute::Emails, vec![email("ada@x.io")]);
    let ada = directory.create_user(&actor, &ada).await.unwrap();
    let mut bob = user_named("bob");
    bob.manager = Some(ada.id);
    directory.create_user(&actor, &bob).await.unwrap();
    let manager = || not(compare("enterprise.manager", O::StartsWith, "x"));
    let mail = || {
        values(
            ListAttribute::Emails,
            sub(ListAttribute::Emails, "value", O::Contains, "@"),
        )
    };
    let indexed = || {
        values(
            ListAttribute::Emails,
            sub(ListAttribute::Emails, "value", O::Equal, "ada@x.io"),
        )
    };
    let parts = |count: usize, part: &dyn Fn() -> UserFilter| (0..count).map(|_| part()).collect::<Vec<_>>();
    let deep = (0..31).fold(mail(), |inner, _| {
        let wide = parts(14, &|| compare("title", O::Equal, "x"));
        let any = Filter::Or(wide.into_iter().chain([inner]).collect());
        Filter::And(
            parts(14, &|| not(compare("title", O::Equal, "x")))
                .into_iter()
                .chain([any])
                .collect(),
        )
    });
    let reason = |reason: &str| {
        let attribute = BlockAttribute::Reason;
        let literal = Literal::Text(reason.to_owned());
        Filter::Compare(Comparison::new(attribute, attribute.kind(), O::NotEqual, literal).unwrap())
    };
    let blocks = UserElement::Blocks(Filter::And((0..990).map(|_| reason("ADMINISTRATOR")).collect()));

    for (name, filter, expected) in [
        (
            "or of texts",
            Filter::Or(parts(999, &|| compare("title", O::Contains, "x"))),
            &[][..],
        ),
        (
            "and of negated texts",
            Filter::And(parts(499, &|| not(compare("title", O::Contains, "x")))),
            &["ada", "bob"],
        ),
        ("and of managers", Filter::And(parts(499, &manager)), &["ada", "bob"]),
        ("or of elements", Filter::Or(parts(499, &mail)), &["ada"]),
        ("and of elements", Filter::And(parts(499, &mail)), &["ada"]),
        ("none of the elements", not(Filter::Or(parts(499, &mail))), &["bob"]),
        ("and of indexed elements", Filter::And(parts(499, &indexed)), &["ada"]),
        ("or of indexed elements", Filter::Or(parts(499, &indexed)), &["ada"]),
        ("deep", deep, &["ada"]),
        ("blocks", Filter::Element(blocks), &[]),
    ] {
        let answer = timeout(Duration::from_secs(60), names(&directory, &actor, &filter)).await;
        assert_eq!(answer.expect(name), expected, "{name}");
    }
}

on_every_database! { presence_and_negation_know_what_has_no_value }

async fn presence_and_negation_know_what_has_no_value(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let mut full = user_named("full");
    full.profile.set_text(TextAttribute::GivenName, Some(text("Ada")));
    full.profile.set_text(TextAttribute::DisplayName, Some(text("Ärger")));
    full.profile.set_list(
        ListAttribute::PhoneNumbers,
        vec![element(
            ListAttribute::PhoneNumbers,
            &[(SubAttribute::Value, "+31"), (SubAttribute::Type, "Work")],
            Some(false),
        )],
    );
    let full = directory.create_user(&actor, &full).await.unwrap();
    let mut managed = user_named("managed");
    managed.manager = Some(full.id);
    let managed = directory.create_user(&actor, &managed).await.unwrap();
    let mut orphan = user_named("orphan");
    orphan.manager = Some(UserId::generate());
    directory.create_user(&actor, &orphan).await.unwrap();
    let present = |path: &str| Filter::Present(UserAttribute::find(path).unwrap());
    let any = |list| values(list, Filter::And(Vec::new()));
    let name = Filter::Or(UserAttribute::within("name").into_iter().map(Filter::Present).collect());

    let all = ["full", "managed", "orphan"];
    for (filter, expected) in [
        (present("user_name"), &all[..]),
        (present("blocked"), &all),
        (present("title"), &[]),
        (not(present("title")), &all),
        (present("name.given_name"), &all[..1]),
        (name.clone(), &all[..1]),
        (not(name), &all[1..]),
        (any(ListAttribute::PhoneNumbers), &all[..1]),
        (not(any(ListAttribute::PhoneNumbers)), &all[1..]),
        (any(ListAttribute::Emails), &[]),
        (present("enterprise.manager"), &all[1..2]),
        (present("enterprise.manager.display_name"), &all[1..2]),
        (
            compare("enterprise.manager.display_name", O::StartsWith, "äR"),
            &all[1..2],
        ),
        (
            compare("enterprise.manager", O::Equal, &full.id.to_string()),
            &all[1..2],
        ),
        (
            compare("enterprise.manager", O::NotEqual, &full.id.to_string()),
            &["full", "orphan"],
        ),
        (compare("id", O::Equal, &managed.id.to_string()), &all[1..2]),
        (compare("id", O::Equal, &managed.id.to_string().to_uppercase()), &[]),
        (compare("id", O::NotEqual, "nobody"), &all),
        (compare("id", O::Contains, "-"), &all),
        (compare("id", O::GreaterOrEqual, &managed.id.to_string()), &all[1..]),
        (compare("id", O::StartsWith, &managed.id.to_string()[..30]), &all[1..2]),
        (
            compare("enterprise.manager", O::EndsWith, &full.id.to_string()[30..]),
            &all[1..2],
        ),
        (
            not(compare("enterprise.manager", O::Contains, "-")),
            &["full", "orphan"],
        ),
        (values(ListAttribute::PhoneNumbers, primary(O::Equal, false)), &all[..1]),
        (
            values(ListAttribute::PhoneNumbers, primary(O::NotEqual, true)),
            &all[..1],
        ),
        (values(ListAttribute::PhoneNumbers, primary(O::Equal, true)), &[]),
        (Filter::And(vec![present("user_name"), not(present("title"))]), &all),
        (not(Filter::And(vec![present("title"), present("user_name")])), &all),
        (
            not(Filter::Or(vec![present("title"), present("name.given_name")])),
            &all[1..],
        ),
    ] {
        assert_eq!(names(&directory, &actor, &filter).await, expected, "{filter:?}");
    }
}

on_every_database! { an_element_match_asks_one_and_the_same_element }

async fn an_element_match_asks_one_and_the_same_element(db: TestDb) {
    use ListAttribute::{Addresses, Emails, Photos, X509Certificates};
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let mail = |value, label, primary| {
        element(
            Emails,
            &[(SubAttribute::Value, value), (SubAttribute::Type, label)],
            primary,
        )
    };
    let mut new = user_named("ada");
    new.profile.set_list(
        Emails,
        vec![
            mail("Ada@Work.io", "WORK", Some(true)),
            mail("ada@home.io", "home", None),
        ],
    );
    new.profile.set_list(
        Addresses,
        vec![element(Addresses, &[(SubAttribute::Locality, "Köln")], None)],
    );
    new.profile.set_list(
        X509Certificates,
        vec![element(X509Certificates, &[(SubAttribute::Value, "MIIb")], None)],
    );
    new.profile.set_list(
        Photos,
        vec![element(Photos, &[(SubAttribute::Value, "http://x/A.png")], None)],
    );
    directory.create_user(&actor, &new).await.unwrap();
    directory.create_user(&actor, &user_named("bob")).await.unwrap();
    let both = |label: &str, value: &str| {
        let filters = vec![
            sub(Emails, "type", O::Equal, label),
            sub(Emails, "value", O::EndsWith, value),
        ];
        values(Emails, Filter::And(filters))
    };

    for (filter, expected) in [
        (both("work", "@WORK.io"), &["ada"][..]),
        (both("home", "@work.io"), &[]),
        (values(Emails, sub(Emails, "value", O::Equal, "ADA@work.IO")), &["ada"]),
        (
            not(values(Emails, sub(Emails, "value", O::Equal, "ADA@work.IO"))),
            &["bob"],
        ),
        (
            values(Emails, not(sub(Emails, "value", O::Equal, "ADA@work.IO"))),
            &["ada"],
        ),
        (
            values(
                Emails,
                Filter::And(vec![primary(O::Equal, true), sub(Emails, "type", O::Equal, "home")]),
            ),
            &[],
        ),
        (values(Emails, primary(O::NotEqual, true)), &["ada"]),
        (
            values(Addresses, sub(Addresses, "locality", O::Equal, "KÖLN")),
            &["ada"],
        ),
        (
            values(X509Certificates, sub(X509Certificates, "value", O::Equal, "MIIb")),
            &["ada"],
        ),
        (
            values(X509Certificates, sub(X509Certificates, "value", O::Equal, "miib")),
            &[],
        ),
        (values(Photos, sub(Photos, "value", O::Contains, "A.png")), &["ada"]),
        (values(Photos, sub(Photos, "value", O::Contains, "a.PNG")), &[]),
        (
            values(ListAttribute::Ims, sub(ListAttribute::Ims, "value", O::Contains, "")),
            &[],
        ),
    ] {
        assert_eq!(names(&directory, &actor, &filter).await, expected, "{filter:?}");
    }
}

on_every_database! { groups_members_and_blocks_can_be_asked_for }

async fn groups_members_and_blocks_can_be_asked_for(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let ada = directory.create_user(&actor, &user_named("ada")).await.unwrap();
    let mut inactive = user_named("bob");
    inactive.source_active = false;
    let bob = directory.create_user(&actor, &inactive).await.unwrap();
    let group = |name: &str, members: Vec<UserId>| NewGroup {
        extensions: Submitted::default(),
        display_name: name.parse().unwrap(),
        external_id: None,
        members: MembersChange::adding(members),
    };
    let sales = directory
        .create_group(&actor, &group("Sales", vec![ada.id, bob.id]))
        .await
        .unwrap();
    directory
        .create_group(&actor, &group("Empty", Vec::new()))
        .await
        .unwrap();
    let in_group = |filter: Filter<UserGroupAttribute>| UserFilter::Element(UserElement::Groups(filter));
    let blocks = |filter: Filter<BlockAttribute>| UserFilter::Element(UserElement::Blocks(filter));
    let since = |operator, nanos| comparison("since", operator, Literal::Time(nanos));
    let t0 = i128::from(T0) * 1_000;

    for (filter, expected) in [
        (
            in_group(compare("value", O::Equal, &sales.id.to_string())),
            &["ada", "bob"][..],
        ),
        (in_group(compare("display", O::StartsWith, "SAL")), &["ada", "bob"]),
        (not(in_group(compare("display", O::Equal, "sales"))), &[]),
        (in_group(compare("value", O::Equal, "no id")), &[]),
        (in_group(Filter::And(Vec::new())), &["ada", "bob"]),
        (comparison("blocked", O::Equal, Literal::Boolean(true)), &["bob"]),
        (comparison("blocked", O::NotEqual, Literal::Boolean(true)), &["ada"]),
        (
            not(comparison("source_active", O::Equal, Literal::Boolean(true))),
            &["bob"],
        ),
        (comparison("source_active", O::Equal, Literal::Boolean(true)), &["ada"]),
        (blocks(compare("reason", O::Equal, "provisioning")), &["bob"]),
        (not(blocks(compare("reason", O::Equal, "provisioning"))), &["ada"]),
        (blocks(compare("reason", O::NotEqual, "provisioning")), &[]),
        (blocks(compare("reason", O::Equal, "GROUP_DELETED")), &[]),
        (blocks(compare("actor", O::Equal, &actor.agent.to_string())), &["bob"]),
        (
            blocks(Filter::And(vec![
                compare("reason", O::StartsWith, "PROV"),
                since(O::LessOrEqual, t0),
            ])),
            &["bob"],
        ),
        (blocks(since(O::Greater, t0)), &[]),
        (blocks(not(compare("group_name", O::Equal, "x"))), &["bob"]),
        (blocks(not(compare("group_id", O::Contains, "x"))), &["bob"]),
        (blocks(Filter::And(Vec::new())), &["bob"]),
        (not(blocks(Filter::And(Vec::new()))), &["ada"]),
    ] {
        assert_eq!(names(&directory, &actor, &filter).await, expected, "{filter:?}");
    }
    let members = |filter| GroupFilter::Element(GroupElement::Members(filter));
    for (filter, expected) in [
        (members(compare("value", O::Equal, &ada.id.to_string())), &["Sales"][..]),
        (
            not(members(compare("value", O::Equal, &ada.id.to_string()))),
            &["Empty"],
        ),
        (members(compare("value", O::NotEqual, &ada.id.to_string())), &["Sales"]),
        (not(members(Filter::And(Vec::new()))), &["Empty"]),
        (compare("display_name", O::Equal, "SALES"), &["Sales"]),
        (not(Filter::Present(GroupAttribute::ExternalId)), &["Sales", "Empty"]),
        (comparison("version", O::Greater, Literal::Integer(1)), &[]),
    ] {
        assert_eq!(group_names(&directory, &actor, &filter).await, expected, "{filter:?}");
    }
}

on_every_database! { a_version_compares_as_a_number_and_as_text }

async fn a_version_compares_as_a_number_and_as_text(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    for version in [1, 2, 9, 10, 12, 20] {
        let name = format!("v{version}");
        directory.create_user(&actor, &user_named(&name)).await.unwrap();
        db.sql(&format!(
            "UPDATE users SET version = {version} WHERE user_name = '{name}'"
        ))
        .await;
    }
    let number = |operator, number| comparison("version", operator, Literal::Integer(number));
    for (filter, expected) in [
        (number(O::Equal, 2), &["v2"][..]),
        (number(O::GreaterOrEqual, 10), &["v10", "v12", "v20"]),
        (compare("version", O::Equal, "2"), &["v2"]),
        (compare("version", O::Equal, "02"), &[]),
        (compare("version", O::NotEqual, "2"), &["v1", "v9", "v10", "v12", "v20"]),
        (compare("version", O::Contains, "2"), &["v2", "v12", "v20"]),
        (compare("version", O::StartsWith, "1"), &["v1", "v10", "v12"]),
        (compare("version", O::EndsWith, "2"), &["v2", "v12"]),
        (not(compare("version", O::EndsWith, "2")), &["v1", "v9", "v10", "v20"]),
        (compare("version", O::Greater, "12"), &["v2", "v9", "v20"]),
        (compare("version", O::GreaterOrEqual, "12"), &["v2", "v9", "v12", "v20"]),
        (compare("version", O::Less, "12"), &["v1", "v10"]),
        (
            compare("version", O::LessOrEqual, "2x"),
            &["v1", "v2", "v10", "v12", "v20"],
        ),
    ] {
        assert_eq!(names(&directory, &actor, &filter).await, expected, "{filter:?}");
    }
}

on_every_database! { times_compare_to_the_nanosecond }

async fn times_compare_to_the_nanosecond(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    directory.create_user(&actor, &user_named("ada")).await.unwrap();
    let t0 = i128::from(T0) * 1_000;

    for (operator, nanos, expected) in [
        (O::Equal, t0, true),
        (O::Equal, t0 + 1, false),
        (O::NotEqual, t0 + 1, true),
        (O::Greater, t0, false),
        (O::Greater, t0 - 1, true),
        (O::GreaterOrEqual, t0, true),
        (O::GreaterOrEqual, t0 + 1, false),
        (O::Less, t0, false),
        (O::Less, t0 + 1, true),
        (O::LessOrEqual, t0 + 1, true),
        (O::LessOrEqual, t0 - 1, false),
        (O::Less, i128::from(i64::MAX) * 1_000_000, true),
        (O::Greater, i128::from(i64::MIN) * 1_000_000, true),
    ] {
        for path in ["create_time", "update_time"] {
            let filter: UserFilter = comparison(path, operator, Literal::Time(nanos));
            let found = !names(&directory, &actor, &filter).await.is_empty();
            assert_eq!(found, expected, "{path} {operator:?} {}", nanos - t0);
            let opposite = !names(&directory, &actor, &not(filter)).await.is_empty();
            assert_eq!(opposite, !expected, "not {path} {operator:?} {}", nanos - t0);
        }
    }
}

on_every_database! { pages_in_any_order_hold_everything_once }

async fn pages_in_any_order_hold_everything_once(db: TestDb) {
    let actor = db.tenant("acme").await;
    let clock = ManualClock::at(T0);
    let directory = db.directory(&clock);
    for index in 0..23 {
        clock.advance_us(i64::from(index % 3 == 0));
        let mut new = user_named(&format!("user-{index:02}"));
        if index % 4 != 0 {
            new.profile
                .set_text(TextAttribute::Title, Some(text(["b", "A", "Ä"][index % 3])));
            new.profile
                .set_text(TextAttribute::DisplayName, Some(text(&format!("{}", index % 5))));
            new.profile.set_list(
                ListAttribute::Emails,
                vec![
                    email(&format!("{index}@first.io")),
                    element(
                        ListAttribute::Emails,
                        &[(SubAttribute::Value, &format!("{}@x.io", index % 6))],
                        Some(true),
                    ),
                ],
            );
        }
        new.source_active = index % 2 == 0;
        let user = directory.create_user(&actor, &new).await.unwrap();
        if index % 7 == 0 {
            let new = NewGroup {
                extensions: Submitted::default(),
                display_name: format!("group-{index}").parse().unwrap(),
                external_id: None,
                members: MembersChange::adding(vec![user.id]),
            };
            directory.create_group(&actor, &new).await.unwrap();
        }
    }
    let attribute = |path: &str| Some(UserOrderKey::Attribute(UserAttribute::find(path).unwrap()));
    let keys = [
        None,
        attribute("id"),
        attribute("user_name"),
        attribute("title"),
        attribute("display_name"),
        attribute("external_id"),
        attribute("create_time"),
        attribute("source_active"),
        attribute("blocked"),
        attribute("version"),
        attribute("enterprise.manager"),
        Some(UserOrderKey::List(ListAttribute::Emails, SubAttribute::Value)),
        Some(UserOrderKey::List(ListAttribute::Addresses, SubAttribute::Formatted)),
        Some(UserOrderKey::List(ListAttribute::Addresses, SubAttribute::Country)),
        Some(UserOrderKey::List(ListAttribute::Emails, SubAttribute::Type)),
        Some(UserOrderKey::Groups),
    ];

    for key in keys {
        let mut orders = Vec::new();
        for descending in [false, true] {
            let order = Order {
                key: key.clone(),
                descending,
            };
            let whole = PageRequest {
                total: true,
                ..PageRequest::first(1_000)
            };
            let whole = directory
                .list_users(actor.tenant, None, order.clone(), &whole, WITHOUT_GROUPS)
                .await
                .unwrap();
            assert_eq!((whole.items.len(), whole.total, &whole.next), (23, Some(23), &None));
            let ids: Vec<_> = whole.items.iter().map(|user| user.id).collect();
            let (mut paged, mut after) = (Vec::new(), None);
            loop {
                let request = PageRequest {
                    total: true,
                    ..PageRequest::first(4)
                }
                .after(after);
                let page = directory
                    .list_users(actor.tenant, None, order.clone(), &request, WITHOUT_GROUPS)
                    .await
                    .unwrap();
                assert_eq!(page.total, Some(23));
                paged.extend(page.items.iter().map(|user| user.id));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(paged, ids, "{key:?} descending {descending}");
            let skipped = PageRequest {
                skip: 20,
                total: true,
                ..PageRequest::first(5)
            };
            let skipped = directory
                .list_users(actor.tenant, None, order, &skipped, WITHOUT_GROUPS)
                .await
                .unwrap();
            assert_eq!(skipped.total, Some(23));
            assert_eq!(skipped.items.iter().map(|user| user.id).collect::<Vec<_>>(), ids[20..]);
            orders.push(ids);
        }
        let [ascending, mut descending] = orders.try_into().unwrap();
        descending.reverse();
        assert_eq!(ascending, descending, "{key:?}");
    }
}

on_every_database! { resources_without_a_value_come_last_and_the_primary_element_counts }

async fn resources_without_a_value_come_last_and_the_primary_element_counts(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let with = |name: &str, elements| {
        let mut new = user_named(name);
        new.profile.set_list(ListAttribute::Emails, elements);
        new
    };
    let preferred = |value| element(ListAttribute::Emails, &[(SubAttribute::Value, value)], Some(true));
    let users = [
        with("none", Vec::new()),
        with("first", vec![email("m@x.io"), email("a@x.io")]),
        with("primary", vec![email("z@x.io"), preferred("B@x.io")]),
    ];
    for new in &users {
        directory.create_user(&actor, new).await.unwrap();
    }
    let order = Order {
        key: Some(UserOrderKey::List(ListAttribute::Emails, SubAttribute::Value)),
        descending: false,
    };

    let page = directory
        .list_users(actor.tenant, None, order, &PageRequest::first(10), WITHOUT_GROUPS)
        .await
        .unwrap();

    let names: Vec<_> = page.items.iter().map(|user| user.user_name.as_str()).collect();
    assert_eq!(names, ["primary", "first", "none"]);
}

on_every_database! { pages_stay_true_while_others_write }

async fn pages_stay_true_while_others_write(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let mut ids = Vec::new();
    for name in ["b", "d", "f", "h"] {
        ids.push(directory.create_user(&actor, &user_named(name)).await.unwrap().id);
    }
    let order = Order {
        key: Some(UserOrderKey::Attribute(UserAttribute::UserName)),
        descending: false,
    };
    let page = directory
        .list_users(
            actor.tenant,
            None,
            order.clone(),
            &PageRequest::first(2),
            WITHOUT_GROUPS,
        )
        .await
        .unwrap();

    directory.create_user(&actor, &user_named("a")).await.unwrap();
    directory.create_user(&actor, &user_named("e")).await.unwrap();
    directory.delete_user(&actor, ids[1], None).await.unwrap();
    let rest = PageRequest::first(9).after(page.next);
    let rest = directory
        .list_users(actor.tenant, None, order, &rest, WITHOUT_GROUPS)
        .await
        .unwrap();

    let names: Vec<_> = rest.items.iter().map(|user| user.user_name.as_str()).collect();
    assert_eq!(names, ["e", "f", "h"]);
}

on_every_database! { groups_are_paged_in_any_order }

async fn groups_are_paged_in_any_order(db: TestDb) {
    let actor = db.tenant("acme").await;
    let directory = db.directory(&ManualClock::at(T0));
    let user = directory.create_user(&actor, &user_named("ada")).await.unwrap();
    for index in 0..9 {
        let new = NewGroup {
            extensions: Submitted::default(),
            display_name: format!("group-{}", index % 2).parse().unwrap(),
            external_id: (index > 1).then(|| ExternalId::from_row(format!("{index}"))),
            members: MembersChange::adding(if index % 2 == 0 { vec![user.id] } else { Vec::new() }),
        };
        directory.create_group(&actor, &new).await.unwrap();
    }
    let attribute = |path: &str| Some(GroupOrderKey::Attribute(GroupAttribute::find(path).unwrap()));
    let keys = [
        None,
        attribute("display_name"),
        attribute("external_id"),
        attribute("update_time"),
    ];

    for key in keys.into_iter().chain([Some(GroupOrderKey::Members)]) {
        for descending in [false, true] {
            let order = Order {
                key: key.clone(),
                descending,
            };
            let (mut paged, mut after) = (Vec::new(), None);
            loop {
                let request = PageRequest::first(2).after(after);
                let page = directory
                    .list_groups(actor.tenant, None, order.clone(), &request, true)
                    .await
                    .unwrap();
                paged.extend(page.items.iter().map(|group| group.id));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let whole = directory
                .list_groups(actor.tenant, None, order, &PageRequest::first(100), true)
                .await
                .unwrap();
            assert_eq!(
                paged,
                whole.items.iter().map(|group| group.id).collect::<Vec<_>>(),
                "{key:?} {descending}"
            );
            assert_eq!(paged.len(), 9);
        }
    }
}

on_every_database! { a_filter_never_reaches_another_tenant }

async fn a_filter_never_reaches_another_tenant(db: TestDb) {
    let directory = db.directory(&ManualClock::at(T0));
    let (acme, other) = (db.tenant("acme").await, db.tenant("other").await);
    let mut created = Vec::new();
    for actor in [&acme, &other] {
        let mut new: NewUser = user_named("ada");
        new.profile.set_list(ListAttribute::Emails, vec![email("ada@x.io")]);
        let user = directory.create_user(actor, &new).await.unwrap();
        let group = NewGroup {
            extensions: Submitted::default(),
            display_name: "Sales".parse().unwrap(),
            external_id: None,
            members: MembersChange::adding(vec![user.id]),
        };
        created.push((user, directory.create_group(actor, &group).await.unwrap()));
    }
    let [(ours, _), (theirs, their_group)] = <[_; 2]>::try_from(created).unwrap();
    let update = UserUpdate {
        extensions: None,
        id: ours.id,
        expected: None,
        changes: vec![UserChange::Manager(Some(theirs.id))],
    };
    let with_manager = directory.update_user(&acme, &update).await.unwrap();

    assert!(!with_manager.manager.unwrap().exists);
    let list = |filter: UserFilter| {
        let (directory, acme) = (directory.clone(), acme.clone());
        async move { names(&directory, &acme, &filter).await.len() }
    };
    assert_eq!(list(compare("user_name", O::Equal, "ada")).await, 1);
    let mail = values(
        ListAttribute::Emails,
        sub(ListAttribute::Emails, "value", O::Equal, "ada@x.io"),
    );
    assert_eq!(list(mail).await, 1);
    assert_eq!(list(not(compare("user_name", O::Equal, "nobody"))).await, 1);
    assert_eq!(list(compare("id", O::Equal, &theirs.id.to_string())).await, 0);
    assert_eq!(list(Filter::Present(UserAttribute::Manager)).await, 0);
    let group = compare("value", O::Equal, &their_group.id.to_string());
    assert_eq!(list(UserFilter::Element(UserElement::Groups(group))).await, 0);
    let member = compare("value", O::Equal, &theirs.id.to_string());
    let groups = group_names(&directory, &acme, &GroupFilter::Element(GroupElement::Members(member))).await;
    assert!(groups.is_empty());
}
