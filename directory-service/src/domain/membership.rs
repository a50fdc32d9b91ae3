//! Memberships: which users are in which groups.

use super::id::UserId;

/// The most ids of one change of members.
pub const MAX_IDS: usize = 100_000;

/// How the members of a group change: first `remove_all`, then `remove`, then `add`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembersChange {
    /// Removes every member that `add` does not name.
    pub remove_all: bool,
    /// Users to remove; no members among them have no effect.
    pub remove: Vec<UserId>,
    /// Users to add; members among them stay.
    pub add: Vec<UserId>,
    /// What was named for adding and is no id at all, as it was spelled.
    pub unknown: Vec<String>,
}

impl MembersChange {
    /// Adds these users.
    pub fn adding(add: Vec<UserId>) -> Self {
        Self { add, ..Self::default() }
    }

    /// The same change with sorted ids, each once, and none to remove that is to be added.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        self.add.sort_unstable();
        self.add.dedup();
        let add = std::mem::take(&mut self.add);
        if self.remove_all {
            self.remove.clear();
        }
        self.remove.sort_unstable();
        self.remove.dedup();
        self.remove.retain(|id| add.binary_search(id).is_err());
        self.add = add;
        self
    }
}

/// Whether a user is in a group, and whether that user may be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MembershipCheck {
    /// The user is a direct member.
    pub member: bool,
    /// A block reason holds for the user.
    pub blocked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_in_both_lists_ends_as_a_member() {
        let [one, two, three] = [UserId::generate(), UserId::generate(), UserId::generate()];

        let change = MembersChange {
            remove: vec![three, one, three],
            add: vec![two, one, two],
            ..MembersChange::default()
        };

        let expected = MembersChange {
            remove: vec![three],
            add: vec![one, two],
            ..MembersChange::default()
        };
        assert_eq!(change.normalized(), expected);
    }
}
