use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tracing::instrument::WithSubscriber as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use uuid::Uuid;

use crate::clock::ManualClock;
use crate::directory::Directory;
use crate::domain::actor::Actor;
use crate::domain::attribute::{Attribute, GroupAttribute, ListAttribute, SubAttribute, TextAttribute, UserAttribute};
use crate::domain::extension::Submitted;
use crate::domain::filter::{Comparison, GroupFilter, GroupOrderKey, Literal, Operator, UserFilter, UserOrderKey};
use crate::domain::group::{Group, GroupUpdate, NewGroup};
use crate::domain::membership::MembersChange;
use crate::domain::page::{PAGE_BYTES, Page, PageRequest};
use crate::domain::search::{Found, Search, Selection};
use crate::domain::text::{ExternalId, MAX_TEXT_BYTES};
use crate::domain::user::{User, UserChange, UserParts, UserUpdate};
use crate::store::testing::{T0, TestDb, email, insert_users, on_every_database, text, user_named};

on_every_database! {
    users_and_groups_stand_in_one_order
    a_search_asks_only_for_what_it_selects
    an_offset_beyond_the_end_shows_the_total
    a_search_never_reaches_another_tenant
    a_search_among_writers_meets_every_untouched_resource_once
    a_page_of_large_resources_ends_early
    the_number_of_statements_does_not_grow
    users_in_very_many_groups_make_a_page_end_early
}

/// The directory of one tenant.
struct World {
    directory: Directory,
    actor: Actor,
}

/// What a resource is ordered by: NULL last, then the key, then the id.
type Rank = (bool, String, Uuid);

impl World {
    async fn new(db: &TestDb, slug: &str) -> Self {
        Self {
            actor: db.tenant(slug).await,
            directory: db.directory(&ManualClock::at(T0)),
        }
    }

    async fn user(&self, name: &str, title: Option<&str>) -> User {
        let mut new = user_named(name);
        new.profile.set_text(TextAttribute::Title, title.map(text));
        if let Some(title) = title {
            new.profile.set_list(ListAttribute::Emails, vec![email(title)]);
        }
        self.directory.create_user(&self.actor, &new).await.unwrap()
    }

    async fn group(&self, name: &str, external_id: Option<&str>) -> Group {
        let new = NewGroup {
            display_name: name.parse().unwrap(),
            external_id: external_id.map(|id| ExternalId::from_row(id.to_owned())),
            members: MembersChange::default(),
            extensions: Submitted::default(),
        };
        self.directory.create_group(&self.actor, &new).await.unwrap()
    }

    async fn page(&self, search: &Search, request: &PageRequest) -> Page<Found> {
        let tenant = self.actor.tenant;
        self.directory
            .search(tenant, search, request, UserParts::ALL)
            .await
            .unwrap()
    }

    /// Walks to the end and back again: what was met on both ways.
    async fn walk(&self, search: &Search, size: u32) -> (Vec<Uuid>, Vec<Uuid>) {
        let mut page = self.page(search, &PageRequest::first(size)).await;
        assert_eq!(page.previous, None);
        let mut there = ids(&page);
        while let Some(next) = page.next.take() {
            page = self.page(search, &PageRequest::first(size).after(Some(next))).await;
            there.extend(ids(&page));
        }
        let mut back = vec![ids(&page)];
        while let Some(previous) = page.previous.take() {
            page = self.page(search, &PageRequest::first(size).after(Some(previous))).await;
            back.push(ids(&page));
        }
        back.reverse();
        (there, back.concat())
    }

    /// Some users and groups with the same values and without any.
    async fn various(&self) -> (Vec<User>, Vec<Group>) {
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        for index in 0..11 {
            let value = ["a", "B", "c", "Ä", "b"][index % 5];
            let title = (index % 3 != 0).then_some(value);
            users.push(self.user(&format!("{value}{index}"), title).await);
            let external_id = (index % 4 != 0).then_some(value);
            groups.push(self.group(&format!("{value}{}", index / 2), external_id).await);
        }
        (users, groups)
    }
}

fn ids(page: &Page<Found>) -> Vec<Uuid> {
    let id = |found: &Found| match found {
        Found::User(user) => user.id.uuid(),
        Found::Group(group) => group.id.uuid(),
    };
    page.items.iter().map(id).collect()
}

fn user_key(path: &str) -> Option<UserOrderKey> {
    Some(UserOrderKey::Attribute(UserAttribute::find(path).unwrap()))
}

fn group_key(path: &str) -> Option<GroupOrderKey> {
    Some(GroupOrderKey::Attribute(GroupAttribute::find(path).unwrap()))
}

fn search(users: Option<UserOrderKey>, groups: Option<GroupOrderKey>, descending: bool) -> Search {
    let users = Some(Selection {
        filter: None,
        key: users,
    });
    let groups = Some(Selection {
        filter: None,
        key: groups,
    });
    Search::new(users, groups, descending).unwrap()
}

fn rank_of(key: Option<String>, id: Uuid) -> Rank {
    (key.is_none(), key.unwrap_or_default(), id)
}

fn rank_user(key: Option<&UserOrderKey>, user: &User) -> Rank {
    let value = match key {
        None => None,
        Some(UserOrderKey::Attribute(UserAttribute::UserName)) => Some(user.user_name.key().to_owned()),
        Some(UserOrderKey::Attribute(UserAttribute::Id)) => Some(user.id.to_string()),
        Some(UserOrderKey::Attribute(UserAttribute::CreateTime)) => Some(user.created_us.to_string()),
        Some(_) => user.profile.key(TextAttribute::Title),
    };
    rank_of(value, user.id.uuid())
}

fn rank_group(key: Option<&GroupOrderKey>, group: &Group) -> Rank {
    let value = match key {
        None | Some(GroupOrderKey::Members | GroupOrderKey::Extension(_)) => None,
        Some(GroupOrderKey::Attribute(GroupAttribute::ExternalId)) => {
            group.external_id.as_ref().map(|id| id.as_str().to_owned())
        }
        Some(GroupOrderKey::Attribute(GroupAttribute::CreateTime)) => Some(group.created_us.to_string()),
        Some(GroupOrderKey::Attribute(_)) => Some(group.display_name.key().to_owned()),
    };
    rank_of(value, group.id.uuid())
}

async fn users_and_groups_stand_in_one_order(db: TestDb) {
    let world = World::new(&db, "acme").await;
    let (users, groups) = world.various().await;
    let mail = Some(UserOrderKey::List(ListAttribute::Emails, SubAttribute::Value));

    for (users_by, groups_by) in [
        (None, None),
        (user_key("user_name"), group_key("display_name")),
        (user_key("title"), group_key("external_id")),
        (mail, group_key("display_name")),
        (user_key("title"), None),
        (None, group_key("external_id")),
        (user_key("create_time"), group_key("create_time")),
        (user_key("create_time"), None),
        (user_key("id"), None),
        (user_key("source_active"), None),
        (Some(UserOrderKey::Groups), Some(GroupOrderKey::Members)),
    ] {
        let mut expected: Vec<Rank> = users.iter().map(|user| rank_user(users_by.as_ref(), user)).collect();
        expected.extend(groups.iter().map(|group| rank_group(groups_by.as_ref(), group)));
        if users_by == user_key("source_active") {
            expected[..users.len()]
                .iter_mut()
                .for_each(|rank| *rank = rank_of(Some(String::new()), rank.2));
        }
        if users_by == Some(UserOrderKey::Groups) {
            expected.iter_mut().for_each(|rank| *rank = rank_of(None, rank.2));
        }
        expected.sort();
        for descending in [false, true] {
            let search = search(users_by.clone(), groups_by.clone(), descending);
            let mut expected: Vec<Uuid> = expected.iter().map(|(_, _, id)| *id).collect();
            if descending {
                expected.reverse();
            }

            let (there, back) = world.walk(&search, 3).await;

            assert_eq!(there, expected, "{users_by:?} {groups_by:?} {descending}");
            assert_eq!(back, expected, "back: {users_by:?} {groups_by:?} {descending}");
        }
    }
}

fn equal<A: Attribute>(path: &str, literal: &str) -> Comparison<A> {
    let attribute = A::find(path).unwrap();
    let literal = Literal::Text(literal.to_owned());
    Comparison::new(attribute, attribute.kind(), Operator::Equal, literal).unwrap()
}

async fn a_search_asks_only_for_what_it_selects(db: TestDb) {
    let world = World::new(&db, "acme").await;
    let ada = world.user("ada", Some("x")).await;
    world.user("bob", Some("y")).await;
    let sales = world.group("ada", None).await;
    world.group("other", None).await;
    let of_users = Some(Selection {
        filter: Some(UserFilter::Compare(equal::<UserAttribute>("user_name", "ADA"))),
        key: user_key("user_name"),
    });
    let of_groups = Some(Selection {
        filter: Some(GroupFilter::Compare(equal::<GroupAttribute>("display_name", "ADA"))),
        key: group_key("display_name"),
    });
    let (ada, sales) = (ada.id.uuid(), sales.id.uuid());

    for (users, groups, expected) in [
        (of_users.clone(), of_groups.clone(), vec![ada, sales]),
        (of_users, None, vec![ada]),
        (None, of_groups, vec![sales]),
        (None, None, vec![]),
    ] {
        let search = Search::new(users, groups, false).unwrap();
        for size in [0, 1, 10] {
            let request = PageRequest {
                total: true,
                ..PageRequest::first(size)
            };
            let page = world.page(&search, &request).await;

            assert_eq!(page.total, Some(expected.len() as u64));
            assert_eq!(ids(&page), expected[..expected.len().min(size as usize)]);
            assert_eq!(page.next.is_some(), size == 1 && expected.len() > 1);
        }
    }
}

async fn an_offset_beyond_the_end_shows_the_total(db: TestDb) {
    let world = World::new(&db, "acme").await;
    let (users, groups) = world.various().await;
    let all = (users.len() + groups.len()) as u64;
    let by_name = search(user_key("user_name"), group_key("display_name"), true);
    let (whole, _) = world.walk(&by_name, 100).await;

    for skip in [20, 21, 22, 1_000_001, i64::MAX as u64] {
        let mut request = PageRequest::first(5);
        (request.skip, request.total) = (skip, true);
        let page = world.page(&by_name, &request).await;

        let from = usize::try_from(skip.min(all)).unwrap();
        assert_eq!(ids(&page), whole[from..], "{skip}");
        assert_eq!((page.total, page.next, page.previous), (Some(all), None, None));
    }
}

async fn a_search_never_reaches_another_tenant(db: TestDb) {
    let (acme, other) = (World::new(&db, "acme").await, World::new(&db, "other").await);
    other.various().await;
    let ours = [
        acme.user("ada", None).await.id.uuid(),
        acme.group("sales", None).await.id.uuid(),
    ];
    let request = PageRequest {
        total: true,
        ..PageRequest::first(100)
    };

    for search in [
        search(None, None, false),
        search(user_key("title"), group_key("external_id"), false),
    ] {
        let page = acme.page(&search, &request).await;
        assert_eq!((ids(&page), page.total), (ours.to_vec(), Some(2)));
    }
}

async fn a_search_among_writers_meets_every_untouched_resource_once(db: TestDb) {
    let mut random = StdRng::seed_from_u64(7644);
    let world = World::new(&db, "acme").await;
    let (users, groups) = world.various().await;
    let untouched: Vec<Uuid> = users.iter().map(|user| user.id.uuid()).collect();
    let untouched: Vec<Uuid> = untouched
        .into_iter()
        .chain(groups.iter().map(|group| group.id.uuid()))
        .collect();
    let mut others = (Vec::new(), Vec::new());
    for index in 0..6 {
        others.0.push(world.user(&format!("other{index}"), Some("b")).await.id);
        others.1.push(world.group(&format!("other{index}"), Some("b")).await.id);
    }

    for round in 0..24 {
        let (users_by, groups_by) = [
            (None, None),
            (user_key("title"), group_key("external_id")),
            (user_key("user_name"), group_key("display_name")),
            (user_key("update_time"), None),
        ][round % 4]
            .clone();
        let search = search(users_by, groups_by, random.random());
        let mut page = world
            .page(&search, &PageRequest::first(random.random_range(1..9)))
            .await;
        for forward in [true, false] {
            let mut met: BTreeMap<Uuid, usize> = BTreeMap::new();
            loop {
                ids(&page).into_iter().for_each(|id| *met.entry(id).or_default() += 1);
                let position = if forward {
                    page.next.clone()
                } else {
                    page.previous.clone()
                };
                let Some(position) = position else { break };
                disturb(&world, &mut random, &mut others).await;
                let request = PageRequest::first(random.random_range(1..9)).after(Some(position));
                page = world.page(&search, &request).await;
            }
            let wrong = untouched.iter().filter(|id| met.get(id) != Some(&1)).count();
            assert_eq!(wrong, 0, "round {round}, forward {forward}");
        }
    }
}

type Ids = (Vec<crate::domain::id::UserId>, Vec<crate::domain::id::GroupId>);

/// Writes something about a resource that no walk has to meet.
async fn disturb(world: &World, random: &mut StdRng, others: &mut Ids) {
    let (directory, actor) = (&world.directory, &world.actor);
    let value = ["0", "a", "b", "zz"][random.random_range(0..4)];
    let name = format!("{value}{}", random.random::<u32>());
    match random.random_range(0..6) {
        0 => others.0.push(world.user(&name, Some(value)).await.id),
        1 => others.1.push(world.group(&name, Some(value)).await.id),
        2 if others.0.len() > 2 => {
            let gone = others.0.swap_remove(random.random_range(0..others.0.len()));
            directory.delete_user(actor, gone, None).await.unwrap();
        }
        3 if others.1.len() > 2 => {
            let gone = others.1.swap_remove(random.random_range(0..others.1.len()));
            directory.delete_group(actor, gone, None).await.unwrap();
        }
        4 => {
            let mut update = GroupUpdate::of(others.1[random.random_range(0..others.1.len())]);
            update.display_name = Some(name.parse().unwrap());
            update.external_id = Some(random.random::<bool>().then(|| ExternalId::from_row(name)));
            directory.update_group(actor, &update).await.unwrap();
        }
        _ => {
            let title = random.random::<bool>().then(|| text(value));
            let update = UserUpdate {
                id: others.0[random.random_range(0..others.0.len())],
                expected: None,
                changes: vec![
                    UserChange::UserName(name.parse().unwrap()),
                    UserChange::Text(TextAttribute::Title, title),
                ],
                extensions: None,
            };
            directory.update_user(actor, &update).await.unwrap();
        }
    }
}

async fn a_page_of_large_resources_ends_early(db: TestDb) {
    let world = World::new(&db, "acme").await;
    let long = text(&"x".repeat(MAX_TEXT_BYTES));
    for index in 0..24 {
        let mut large = user_named(&format!("large-{index:02}"));
        for attribute in TextAttribute::ALL.iter().filter(|attribute| !attribute.is_indexed()) {
            large.profile.set_text(*attribute, Some(long.clone()));
        }
        world.directory.create_user(&world.actor, &large).await.unwrap();
        world.group(&format!("small-{index:02}"), None).await;
    }
    let search = search(user_key("user_name"), group_key("display_name"), false);

    let page = world.page(&search, &PageRequest::first(1_000)).await;

    let a_user = MAX_TEXT_BYTES * (TextAttribute::ALL.len() - 2);
    let shown = page.items.len();
    assert_eq!(
        shown,
        PAGE_BYTES.div_ceil(a_user),
        "as many as reach the bound, and not one more"
    );
    let (there, back) = world.walk(&search, 1_000).await;
    assert_eq!((there.len(), back.len()), (48, 48));
}

/// Counts the statements of whatever runs under it.
struct Statements(Arc<AtomicUsize>);

impl Subscriber for Statements {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let name = span.metadata().name();
        if name.starts_with("sea_orm.") {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

async fn the_number_of_statements_does_not_grow(db: TestDb) {
    let world = World::new(&db, "acme").await;
    let search = search(user_key("user_name"), group_key("display_name"), false);
    world.various().await;
    let mut counted = Vec::new();
    for size in [5, 20, 400] {
        if size == 400 {
            insert_users(&db, &world.actor, 500).await;
        }
        let request = PageRequest {
            total: true,
            ..PageRequest::first(size)
        };
        let count = Arc::new(AtomicUsize::new(0));
        let page = world
            .page(&search, &request)
            .with_subscriber(Statements(Arc::clone(&count)))
            .await;
        assert_eq!(page.items.len(), size as usize);
        counted.push(count.load(Ordering::SeqCst));
    }

    // The frame of the transaction, the page, two totals, users, groups, and the users' groups; a page of one type needs less.
    assert!(counted.iter().all(|count| *count <= 8), "{counted:?}");
    // One count may miss a span whose call site another test registers at that moment.
    assert!(counted.iter().any(|count| *count >= 4), "{counted:?}");
}

/// 100 users in 1,000 groups each.
async fn users_in_very_many_groups_make_a_page_end_early(db: TestDb) {
    let world = World::new(&db, "acme").await;
    let users = insert_users(&db, &world.actor, 100).await;
    let name = "n".repeat(256);
    let tenant = world.actor.tenant;
    for index in 0..1_000 {
        world.group(&format!("{}{index:04}", &name[4..]), None).await;
    }
    db.sql(
        "INSERT INTO memberships (tenant_id, group_id, user_id, created_us)
         SELECT u.tenant_id, g.id, u.id, 0 FROM users u CROSS JOIN groups g",
    )
    .await;
    let of_users = Some(Selection {
        filter: None,
        key: None,
    });
    let search = Search::new(of_users, None, false).unwrap();

    let page = world.page(&search, &PageRequest::first(1_000)).await;
    let (there, back) = world.walk(&search, 1_000).await;
    let batch = world.directory.batch_get_users(tenant, &users, UserParts::ALL).await;
    let few = world
        .directory
        .batch_get_users(tenant, &users[..10], UserParts::ALL)
        .await
        .unwrap();

    assert_eq!(page.items.len(), 60, "in parts of 20 until 16 MiB are reached");
    let Found::User(last) = &page.items[59] else {
        panic!("a user")
    };
    assert_eq!(last.groups.len(), 1_000);
    let all: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
    assert_eq!((there, back), (all.clone(), all));
    assert_eq!(
        batch.unwrap_err().to_string(),
        "ids must be fewer: these users are together too large for one answer"
    );
    assert_eq!(few.len(), 10);
}
