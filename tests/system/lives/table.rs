//! The table of lives: what happens to whom, how the user stands then, and what was recorded.

use directory_proto::v1::activation::Status::{Activated, NotActivated, PendingActivation};
use directory_proto::v1::block::Reason::{Administrator, GroupDeleted, Provisioning};
use directory_proto::v1::{GroupDeletionPolicy, Tenant};

use super::Event::{
    Add, Address, Assign, Block, Disable, Enable, HoldMails, Join, Purge, Redeem, RedeemInVain, Remove, Restore,
    RestoreInVain, SendActivation, Setting, SoftDelete, Unassign, Unblock, UnblockGroupDeleted, Write,
};
use super::{Event, Row, Stand};

pub const ADA: usize = 0;
const EVE: usize = 1;

const JOIN: Event = join("ada", "ada");

const fn join(name: &'static str, mail: &'static str) -> Event {
    Join {
        name,
        active: true,
        mail,
        language: "",
    }
}

const NO_MAIL: Stand = Stand {
    blocks: &[],
    source_says: true,
    activation: NotActivated,
    mails: &[],
};
const MAILED: Stand = Stand {
    activation: PendingActivation,
    mails: &[("ada", "en")],
    ..NO_MAIL
};
const ACTIVATED: Stand = Stand {
    activation: Activated,
    ..MAILED
};

const GONE: Option<Stand> = None;

const NOTHING: &[&str] = &[];
/// Created, and the mail was accepted.
const JOINED: &[&str] = &["entra created", "system updated activation"];
/// The source's word changed.
const SAID: &[&str] = &["entra updated source_active blocks"];
/// A group's block came or went by the source.
const GROUPS_WORD: &[&str] = &["entra updated blocks"];
/// An administrator's block came or went.
const ADMINISTRATORS_WORD: &[&str] = &["administrator updated blocks"];
const REDEEMED: &[&str] = &["user updated activation"];
/// The mail was queued, and accepted.
const MAILED_AGAIN: &[&str] = &["administrator updated activation", "system updated activation"];

/// The table.
pub fn lives() -> Vec<(&'static str, Vec<Row>)> {
    let mut lives = joining();
    lives.extend(leaving());
    lives.extend(groups());
    lives.extend(administrators());
    lives
}

fn joining() -> Vec<(&'static str, Vec<Row>)> {
    let french = Join {
        name: "ada",
        active: true,
        mail: "ada",
        language: "fr-CH, de;q=0.5",
    };
    let inactive = Join {
        name: "ada",
        active: false,
        mail: "ada",
        language: "",
    };
    let german = |tenant: &mut Tenant| tenant.default_language = "de".to_owned();
    vec![
        (
            "joins and activates",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Enable, Some(MAILED), NOTHING),
                (ADA, Redeem(0), Some(ACTIVATED), REDEEMED),
                (ADA, RedeemInVain(0), Some(ACTIVATED), NOTHING),
            ],
        ),
        (
            "joins before the mailbox exists",
            vec![
                (ADA, join("ada", ""), Some(NO_MAIL), &["entra created"]),
                (ADA, Write(&[("title", "Engineer")]), Some(NO_MAIL), NOTHING),
                (
                    ADA,
                    Address("ada"),
                    Some(MAILED),
                    &["entra updated activation emails", "system updated activation"],
                ),
            ],
        ),
        (
            "joins inactive",
            vec![
                (
                    ADA,
                    inactive,
                    Some(NO_MAIL.said_inactive().blocked(&[Provisioning])),
                    &["entra created"],
                ),
                (
                    ADA,
                    Enable,
                    Some(MAILED),
                    &[
                        "entra updated source_active blocks activation",
                        "system updated activation",
                    ],
                ),
            ],
        ),
        (
            "reads French, and others what the tenant speaks",
            vec![
                (ADA, french, Some(MAILED.mails(&[("ada", "fr")])), JOINED),
                (
                    ADA,
                    Setting("default_language", german),
                    Some(MAILED.mails(&[("ada", "fr")])),
                    NOTHING,
                ),
                (
                    EVE,
                    join("eve", "eve"),
                    Some(MAILED.mails(&[("ada", "fr"), ("eve", "de")])),
                    JOINED,
                ),
            ],
        ),
        (
            "is mailed at another address while the mail waits",
            vec![
                (ADA, HoldMails("wrong"), GONE, NOTHING),
                (ADA, join("ada", "wrong"), Some(MAILED.mails(&[])), &["entra created"]),
                (
                    ADA,
                    Address("ada"),
                    Some(MAILED),
                    &["entra updated activation emails", "system updated activation"],
                ),
            ],
        ),
        (
            "is created while nobody is mailed, and the setting changes",
            vec![
                (
                    ADA,
                    Setting("activation_email_on_creation", |tenant| {
                        tenant.activation_email_on_creation = Some(false)
                    }),
                    GONE,
                    NOTHING,
                ),
                (ADA, JOIN, Some(NO_MAIL), &["entra created"]),
                (
                    ADA,
                    Setting("activation_email_on_creation", |tenant| {
                        tenant.activation_email_on_creation = Some(true)
                    }),
                    Some(NO_MAIL),
                    NOTHING,
                ),
                (
                    ADA,
                    Disable,
                    Some(NO_MAIL.said_inactive().blocked(&[Provisioning])),
                    SAID,
                ),
                (ADA, Enable, Some(NO_MAIL), SAID),
                (EVE, join("eve", "eve"), Some(MAILED.mails(&[("eve", "en")])), JOINED),
                (
                    ADA,
                    SendActivation,
                    Some(MAILED.mails(&[("eve", "en"), ("ada", "en")])),
                    MAILED_AGAIN,
                ),
            ],
        ),
    ]
}

fn leaving() -> Vec<(&'static str, Vec<Row>)> {
    let left = ACTIVATED.said_inactive().blocked(&[Provisioning]);
    let two = &[("ada", "en"), ("ada", "en")];
    let renamed: &[&str] = &["entra updated user_name source_active blocks"];
    vec![
        (
            "leaves and comes back",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Redeem(0), Some(ACTIVATED), REDEEMED),
                (ADA, Disable, Some(left), SAID),
                (ADA, Disable, Some(left), NOTHING),
                (
                    ADA,
                    Write(&[("title", "Countess")]),
                    Some(left),
                    &["entra updated title"],
                ),
                (ADA, Enable, Some(ACTIVATED), SAID),
            ],
        ),
        (
            "leaves before the activation, and the code survives",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (
                    ADA,
                    Disable,
                    Some(MAILED.said_inactive().blocked(&[Provisioning])),
                    SAID,
                ),
                (
                    ADA,
                    RedeemInVain(0),
                    Some(MAILED.said_inactive().blocked(&[Provisioning])),
                    NOTHING,
                ),
                (ADA, Enable, Some(MAILED), SAID),
                (ADA, Redeem(0), Some(ACTIVATED), REDEEMED),
            ],
        ),
        (
            "is deleted softly and restored",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Redeem(0), Some(ACTIVATED), REDEEMED),
                (ADA, Assign("pioneers"), Some(ACTIVATED), NOTHING),
                (ADA, SoftDelete, Some(left), renamed),
                (ADA, Restore, Some(ACTIVATED), renamed),
                (
                    ADA,
                    Unassign("pioneers"),
                    Some(ACTIVATED.blocked(&[GroupDeleted])),
                    GROUPS_WORD,
                ),
            ],
        ),
        (
            "is purged and joins again",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Redeem(0), Some(ACTIVATED), REDEEMED),
                (ADA, SoftDelete, Some(left), renamed),
                (ADA, Purge, GONE, NOTHING),
                (EVE, JOIN, Some(MAILED.mails(two)), JOINED),
                (EVE, RedeemInVain(0), Some(MAILED.mails(two)), NOTHING),
                (EVE, Redeem(1), Some(ACTIVATED.mails(two)), REDEEMED),
            ],
        ),
        (
            "is purged while the mail waits",
            vec![
                (ADA, HoldMails("ada"), GONE, NOTHING),
                (ADA, JOIN, Some(MAILED.mails(&[])), &["entra created"]),
                (ADA, Purge, GONE, NOTHING),
            ],
        ),
        (
            "comes back after somebody took the name",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Redeem(0), Some(ACTIVATED), REDEEMED),
                (ADA, SoftDelete, Some(left), renamed),
                (EVE, JOIN, Some(MAILED.mails(two)), JOINED),
                (ADA, RestoreInVain, Some(left.mails(two)), NOTHING),
                (EVE, Purge, GONE, NOTHING),
                (ADA, Restore, Some(ACTIVATED.mails(two)), renamed),
            ],
        ),
    ]
}

fn groups() -> Vec<(&'static str, Vec<Row>)> {
    let group_gone = MAILED.blocked(&[GroupDeleted]);
    let left = MAILED.said_inactive();
    let policy = |policy: fn(&mut Tenant)| Setting("on_group_deletion", policy);
    let keep = policy(|tenant| tenant.on_group_deletion = GroupDeletionPolicy::KeepMembers.into());
    let all = policy(|tenant| tenant.on_group_deletion = GroupDeletionPolicy::BlockAllMembers.into());
    vec![
        (
            "is disabled, the group unassigned, and both come back",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Assign("pioneers"), Some(MAILED), NOTHING),
                (ADA, Disable, Some(left.blocked(&[Provisioning])), SAID),
                (
                    ADA,
                    Unassign("pioneers"),
                    Some(left.blocked(&[Provisioning, GroupDeleted])),
                    GROUPS_WORD,
                ),
                (ADA, Enable, Some(MAILED), SAID),
                (ADA, Assign("pioneers"), Some(MAILED), NOTHING),
            ],
        ),
        (
            "loses the group, and its return lets the user in",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Assign("pioneers"), Some(MAILED), NOTHING),
                (ADA, Unassign("pioneers"), Some(group_gone), GROUPS_WORD),
                (ADA, RedeemInVain(0), Some(group_gone), NOTHING),
                (ADA, Assign("pioneers"), Some(MAILED), GROUPS_WORD),
                (ADA, Redeem(0), Some(ACTIVATED), REDEEMED),
            ],
        ),
        (
            "is disabled while the block of a group holds, and the group's return lets nobody in",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Assign("pioneers"), Some(MAILED), NOTHING),
                (ADA, Unassign("pioneers"), Some(group_gone), GROUPS_WORD),
                (ADA, Disable, Some(left.blocked(&[Provisioning, GroupDeleted])), SAID),
                (
                    ADA,
                    Assign("pioneers"),
                    Some(left.blocked(&[Provisioning])),
                    GROUPS_WORD,
                ),
                (ADA, Enable, Some(MAILED), SAID),
            ],
        ),
        (
            "is assigned directly, loses a group, and is written again",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Assign("pioneers"), Some(MAILED), NOTHING),
                (ADA, Unassign("pioneers"), Some(group_gone), GROUPS_WORD),
                (
                    ADA,
                    Write(&[("title", "Countess"), ("name.familyName", "King")]),
                    Some(MAILED),
                    &["entra updated blocks title name.family_name"],
                ),
            ],
        ),
        (
            "is assigned directly in a tenant that keeps members",
            vec![
                (ADA, keep, GONE, NOTHING),
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Assign("pioneers"), Some(MAILED), NOTHING),
                (ADA, Unassign("pioneers"), Some(MAILED), NOTHING),
            ],
        ),
        (
            "is in two groups",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Assign("pioneers"), Some(MAILED), NOTHING),
                (ADA, Assign("settlers"), Some(MAILED), NOTHING),
                (ADA, Unassign("pioneers"), Some(MAILED), NOTHING),
                (ADA, Remove("settlers"), Some(MAILED), NOTHING),
                (ADA, Add("settlers"), Some(MAILED), NOTHING),
                (ADA, Unassign("settlers"), Some(group_gone), GROUPS_WORD),
            ],
        ),
        (
            "is in two groups of a tenant that blocks all members",
            vec![
                (ADA, all, GONE, NOTHING),
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Assign("pioneers"), Some(MAILED), NOTHING),
                (ADA, Assign("settlers"), Some(MAILED), NOTHING),
                (ADA, Unassign("pioneers"), Some(group_gone), GROUPS_WORD),
                (ADA, Add("settlers"), Some(MAILED), GROUPS_WORD),
            ],
        ),
    ]
}

fn administrators() -> Vec<(&'static str, Vec<Row>)> {
    let blocked = MAILED.blocked(&[Administrator]);
    let both = MAILED.said_inactive().blocked(&[Provisioning, Administrator]);
    let yields = Setting("administrator_block_yields_to_source", |tenant| {
        tenant.administrator_block_yields_to_source = true;
    });
    let two = &[("ada", "en"), ("ada", "en")];
    vec![
        (
            "is blocked by an administrator, whatever Entra repeats",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Block, Some(blocked), ADMINISTRATORS_WORD),
                (ADA, Block, Some(blocked), NOTHING),
                (ADA, Enable, Some(blocked), NOTHING),
                (ADA, Disable, Some(both), SAID),
                (ADA, Enable, Some(blocked), SAID),
                (ADA, RedeemInVain(0), Some(blocked), NOTHING),
                (ADA, Unblock, Some(MAILED), ADMINISTRATORS_WORD),
            ],
        ),
        (
            "is blocked by an administrator who yields to Entra",
            vec![
                (ADA, yields, GONE, NOTHING),
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Block, Some(blocked), ADMINISTRATORS_WORD),
                (
                    ADA,
                    Write(&[("title", "Countess")]),
                    Some(blocked),
                    &["entra updated title"],
                ),
                (ADA, Enable, Some(MAILED), GROUPS_WORD),
            ],
        ),
        (
            "is blocked three times, and each reason goes by itself",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, Assign("pioneers"), Some(MAILED), NOTHING),
                (
                    ADA,
                    Unassign("pioneers"),
                    Some(MAILED.blocked(&[GroupDeleted])),
                    GROUPS_WORD,
                ),
                (
                    ADA,
                    Block,
                    Some(MAILED.blocked(&[GroupDeleted, Administrator])),
                    ADMINISTRATORS_WORD,
                ),
                (
                    ADA,
                    Disable,
                    Some(both.blocked(&[Provisioning, GroupDeleted, Administrator])),
                    SAID,
                ),
                (
                    ADA,
                    Unblock,
                    Some(both.blocked(&[Provisioning, GroupDeleted])),
                    ADMINISTRATORS_WORD,
                ),
                (
                    ADA,
                    UnblockGroupDeleted,
                    Some(both.blocked(&[Provisioning])),
                    ADMINISTRATORS_WORD,
                ),
                (ADA, Enable, Some(MAILED), SAID),
            ],
        ),
        (
            "is mailed another code, and the first is void",
            vec![
                (ADA, JOIN, Some(MAILED), JOINED),
                (ADA, SendActivation, Some(MAILED.mails(two)), MAILED_AGAIN),
                (ADA, RedeemInVain(0), Some(MAILED.mails(two)), NOTHING),
                (ADA, Redeem(1), Some(ACTIVATED.mails(two)), REDEEMED),
            ],
        ),
    ]
}
