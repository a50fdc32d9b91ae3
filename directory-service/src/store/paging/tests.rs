use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::clock::ManualClock;
use crate::directory::Directory;
use crate::domain::actor::Actor;
use crate::domain::attribute::{Attribute as _, ListAttribute, SubAttribute, TextAttribute, UserAttribute};
use crate::domain::filter::{Order, UserOrderKey};
use crate::domain::id::UserId;
use crate::domain::page::{Page, PagePosition, PageRequest, Walk};
use crate::domain::text::MAX_TEXT_BYTES;
use crate::domain::user::{NewUser, User, UserChange, UserUpdate};
use crate::store::testing::{T0, TestDb, WITHOUT_GROUPS, email, insert_users, on_every_database, text, user_named};

fn by(path: &str) -> Option<UserOrderKey> {
    Some(UserOrderKey::Attribute(UserAttribute::find(path).unwrap()))
}

/// Users with ties and without values in every order that the tests walk in.
fn various(index: usize) -> NewUser {
    let mut new = user_named(&format!("user-{index:03}"));
    if !index.is_multiple_of(4) {
        let title = ["b", "A", "Ä"][index % 3];
        new.profile.set_text(TextAttribute::Title, Some(text(title)));
        let mail = email(&format!("{}@x.io", index % 6));
        new.profile.set_list(ListAttribute::Emails, vec![mail]);
    }
    new.source_active = index.is_multiple_of(2);
    new
}

struct World {
    directory: Directory,
    actor: Actor,
}

impl World {
    async fn new(db: &TestDb, users: usize) -> (Self, Vec<UserId>) {
        let actor = db.tenant("acme").await;
        let directory = db.directory(&ManualClock::at(T0));
        let world = Self { directory, actor };
        let mut ids = Vec::new();
        for index in 0..users {
            ids.push(world.create(&various(index)).await);
        }
        (world, ids)
    }

    async fn create(&self, new: &NewUser) -> UserId {
        self.directory.create_user(&self.actor, new).await.unwrap().id
    }

    async fn page(&self, order: Order<UserOrderKey>, size: u32, after: Option<PagePosition>) -> Page<User> {
        let request = PageRequest::first(size).after(after);
        let tenant = self.actor.tenant;
        self.directory
            .list_users(tenant, None, order, &request, WITHOUT_GROUPS)
            .await
            .unwrap()
    }
}

fn ids(page: &Page<User>) -> Vec<UserId> {
    page.items.iter().map(|user| user.id).collect()
}

on_every_database! {
    the_way_back_shows_the_pages_of_the_way_there
    a_page_before_holds_what_there_is
    an_empty_page_knows_the_way_back
    a_page_with_an_offset_has_no_page_before
    a_walk_among_writers_meets_every_untouched_user_once
    a_page_of_large_users_ends_early_and_loses_nobody
}

async fn the_way_back_shows_the_pages_of_the_way_there(db: TestDb) {
    let (world, all) = World::new(&db, 22).await;
    let mail = Some(UserOrderKey::List(ListAttribute::Emails, SubAttribute::Value));
    let keys = [
        None,
        by("id"),
        by("user_name"),
        by("title"),
        by("source_active"),
        by("create_time"),
    ];

    for key in keys.into_iter().chain([mail, Some(UserOrderKey::Groups)]) {
        for descending in [false, true] {
            let order = Order {
                key: key.clone(),
                descending,
            };
            let mut page = world.page(order.clone(), 4, None).await;
            assert_eq!(page.previous, None, "the first page has none before it");
            let mut there = vec![ids(&page)];
            while let Some(next) = page.next.take() {
                page = world.page(order.clone(), 4, Some(next)).await;
                there.push(ids(&page));
            }
            assert_eq!(there.concat().len(), all.len());

            let mut back = vec![ids(&page)];
            while let Some(previous) = page.previous.take() {
                page = world.page(order.clone(), 4, Some(previous)).await;
                back.push(ids(&page));
                let next = world.page(order.clone(), 4, page.next.clone()).await;
                assert_eq!(ids(&next), back[back.len() - 2], "and forward again");
            }

            back.reverse();
            assert_eq!(back, there, "{key:?} descending {descending}");
        }
    }
}

async fn a_page_before_holds_what_there_is(db: TestDb) {
    let (world, all) = World::new(&db, 7).await;
    let order = Order::default();
    let first = world.page(order.clone(), 3, None).await;
    let second = world.page(order.clone(), 3, first.next).await;

    let before = world.page(order.clone(), 5, second.previous).await;

    assert_eq!(ids(&before), all[..3], "three stand there, not five");
    assert_eq!(before.previous, None);
    let after = world.page(order.clone(), 5, before.next).await;
    assert_eq!(ids(&after), all[3..], "and nothing is left out between the two");
}

async fn an_empty_page_knows_the_way_back(db: TestDb) {
    let (world, all) = World::new(&db, 4).await;
    let order = Order::default();
    let first = world.page(order.clone(), 2, None).await;
    for id in &all[2..] {
        world.directory.delete_user(&world.actor, *id, None).await.unwrap();
    }

    let empty = world.page(order.clone(), 2, first.next).await;

    assert_eq!((ids(&empty), &empty.next), (Vec::new(), &None));
    let back = world.page(order.clone(), 2, empty.previous).await;
    assert_eq!(ids(&back), all[..2]);
    assert_eq!(back.previous, None);
    for id in &all[..2] {
        world.directory.delete_user(&world.actor, *id, None).await.unwrap();
    }
    let late = world.create(&various(9)).await;
    let nothing = world.page(order.clone(), 2, back.next).await;
    assert_eq!(ids(&nothing), [late], "who came later stands there");
}

async fn a_page_with_an_offset_has_no_page_before(db: TestDb) {
    let (world, all) = World::new(&db, 5).await;
    let mut request = PageRequest::first(2);
    request.skip = 2;

    let tenant = world.actor.tenant;
    let page = world
        .directory
        .list_users(tenant, None, Order::default(), &request, WITHOUT_GROUPS)
        .await
        .unwrap();

    assert_eq!((ids(&page), &page.previous), (all[2..4].to_vec(), &None));
    let last = world.page(Order::default(), 2, page.next).await;
    assert_eq!(ids(&last), all[4..]);
    let before = world.page(Order::default(), 9, last.previous).await;
    assert_eq!(ids(&before), all[..4], "an offset is not part of the list");
}

/// Writes something about a user whom no walk has to meet.
async fn disturb(world: &World, random: &mut StdRng, others: &mut Vec<UserId>, count: &mut usize) {
    let (directory, actor) = (&world.directory, &world.actor);
    *count += 1;
    match random.random_range(0..4) {
        0 => others.push(world.create(&various(100 + *count)).await),
        1 if others.len() > 3 => {
            let gone = others.swap_remove(random.random_range(0..others.len()));
            directory.delete_user(actor, gone, None).await.unwrap();
        }
        _ if others.is_empty() => {}
        _ => {
            let title = ["", "0", "A", "b", "zz"][random.random_range(0..5)];
            let update = UserUpdate {
                extensions: None,
                id: others[random.random_range(0..others.len())],
                expected: None,
                changes: vec![
                    UserChange::Text(TextAttribute::Title, Some(text(title)).filter(|_| !title.is_empty())),
                    UserChange::UserName(
                        format!("user-{:03}x{count}", random.random_range(0..40))
                            .parse()
                            .unwrap(),
                    ),
                ],
            };
            directory.update_user(actor, &update).await.unwrap();
        }
    }
}

async fn a_walk_among_writers_meets_every_untouched_user_once(db: TestDb) {
    let mut random = StdRng::seed_from_u64(9865);
    let (world, untouched) = World::new(&db, 16).await;
    let (mut others, mut count) = (Vec::new(), 0);
    for index in 0..8 {
        others.push(world.create(&various(50 + index)).await);
    }
    let once = |met: &BTreeMap<UserId, usize>, what: &str| {
        let missed = untouched.iter().filter(|id| met.get(id) != Some(&1)).count();
        assert_eq!(missed, 0, "{what}");
    };

    for round in 0..40 {
        let keys = [None, by("title"), by("user_name"), by("update_time")];
        let key = keys[round % keys.len()].clone();
        let descending = random.random();
        let order = Order {
            key: key.clone(),
            descending,
        };
        let mut met = BTreeMap::new();
        let mut page = world.page(order.clone(), random.random_range(1..7), None).await;
        ids(&page).into_iter().for_each(|id| *met.entry(id).or_default() += 1);
        while let Some(next) = page.next.take() {
            disturb(&world, &mut random, &mut others, &mut count).await;
            page = world.page(order.clone(), random.random_range(1..7), Some(next)).await;
            ids(&page).into_iter().for_each(|id| *met.entry(id).or_default() += 1);
        }
        once(&met, &format!("round {round} forward"));

        met.clear();
        ids(&page).into_iter().for_each(|id| *met.entry(id).or_default() += 1);
        while let Some(previous) = page.previous.take() {
            disturb(&world, &mut random, &mut others, &mut count).await;
            page = world
                .page(order.clone(), random.random_range(1..7), Some(previous))
                .await;
            ids(&page).into_iter().for_each(|id| *met.entry(id).or_default() += 1);
        }
        once(&met, &format!("round {round} backward"));
    }
}

async fn a_page_of_large_users_ends_early_and_loses_nobody(db: TestDb) {
    let (world, _) = World::new(&db, 0).await;
    let long = text(&"x".repeat(MAX_TEXT_BYTES));
    let mut all = Vec::new();
    for index in 0..24 {
        let mut large = user_named(&format!("large-{index:02}"));
        for attribute in TextAttribute::ALL.iter().filter(|attribute| !attribute.is_indexed()) {
            large.profile.set_text(*attribute, Some(long.clone()));
        }
        all.push(world.create(&large).await);
    }
    all.extend(insert_users(&db, &world.actor, 10).await);
    let bytes = |page: &Page<User>| -> usize {
        let documents = page
            .items
            .iter()
            .map(|user| serde_json::to_string(&user.profile).unwrap());
        documents.map(|document| document.len()).sum()
    };
    let largest = MAX_TEXT_BYTES * TextAttribute::ALL.len() + 4_096;

    for (walk, sizes) in [(Walk::Forward, [1_000, 1_000]), (Walk::Backward, [10, 1_000])] {
        let mut page = world.page(Order::default(), sizes[0], None).await;
        let mut met = vec![ids(&page)];
        let mut after = page.next.take();
        while let Some(next) = after {
            page = world.page(Order::default(), sizes[1], Some(next)).await;
            assert!(bytes(&page) < crate::domain::page::PAGE_BYTES + largest);
            met.push(ids(&page));
            after = page.next.take();
        }
        assert!(met.len() > 1, "24 large users are too much for a page");
        assert_eq!(met.concat(), all);
        if walk == Walk::Backward {
            let mut back = vec![ids(&page)];
            while let Some(previous) = page.previous.take() {
                page = world.page(Order::default(), 1_000, Some(previous)).await;
                assert!(bytes(&page) < crate::domain::page::PAGE_BYTES + largest);
                back.push(ids(&page));
            }
            back.reverse();
            assert_eq!(back.concat(), all);
            assert!(back.len() > 1);
        }
    }
    let mut request = PageRequest::first(1_000);
    request.skip = 20;
    let tenant = world.actor.tenant;
    let tail = world
        .directory
        .list_users(tenant, None, Order::default(), &request, WITHOUT_GROUPS)
        .await
        .unwrap();
    assert_eq!(ids(&tail), all[20..], "what is skipped takes no room");
}
