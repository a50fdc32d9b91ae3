//! A PATCH on a group without the group: what its operations come down to (one `UpdateGroup`, no member list read).

use std::collections::BTreeSet;

use serde_json::Value;

use super::Patching;
use super::operation::{Change, Elements, Operation};
use crate::scim::attribute_path::AttributePath;
use crate::scim::error::ScimError;
use crate::scim::filter::{CompareOp, Filter, Literal};
use crate::scim::resource::{Resource, member_id};

/// What a PATCH on a group comes down to. What is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupPatch {
    /// The new name.
    pub display_name: Option<String>,
    /// The new external id, or that it is unassigned.
    pub external_id: Option<Option<String>>,
    /// What happens to the members.
    pub members: Option<MembersPatch>,
    /// What happens to the attributes of the tenant's own schemas, of which the stored values must be known.
    pub extensions: Option<ExtensionsPatch>,
}

/// Operations on the extensions of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtensionsPatch(Vec<Operation>);

impl ExtensionsPatch {
    /// Applies all operations to a group whose extensions are those that are stored.
    ///
    /// # Errors
    /// 400 with `invalidValue`, `noTarget`, or `mutability`, as RFC 7644 §3.5.2 says; 413 for more work than a PATCH may be.
    pub fn apply(&self, group: Resource) -> Result<Resource, ScimError> {
        let mut patch = Patching::new(group);
        self.0.iter().try_for_each(|operation| patch.apply(operation.clone()))?;
        Ok(patch.finish()?.resource)
    }
}

/// Set operations on the members of a group, in this order: all go, some go, some come. No id is in both lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MembersPatch {
    /// Every member goes first.
    pub remove_all: bool,
    /// The ids of members who go, sorted; they need not be members.
    pub remove: Vec<String>,
    /// The ids of members who come, sorted; they may be members already.
    pub add: Vec<String>,
}

#[derive(Default)]
pub(super) struct GroupCompiler {
    patch: GroupPatch,
    members: Option<Members>,
    extensions: Vec<Operation>,
}

#[derive(Default)]
struct Members {
    remove_all: bool,
    remove: BTreeSet<String>,
    add: BTreeSet<String>,
}

/// Whom a value filter on `members` selects.
enum Selected {
    All,
    Ids(BTreeSet<String>),
}

impl GroupCompiler {
    pub(super) fn take(&mut self, operation: Operation) -> Result<(), ScimError> {
        if operation.path.is_extension() {
            self.extensions.push(operation);
            return Ok(());
        }
        match operation.path.attribute.name.as_str() {
            "displayName" => self.patch.display_name = text_of(operation.change),
            // A removal that names the old value is one all the same: the group is not at hand to compare.
            "externalId" => self.patch.external_id = Some(text_of(operation.change)),
            "members" => self.members.get_or_insert_default().take(operation)?,
            other => return Err(ScimError::mutability(format!("{other} of a group cannot be changed."))),
        }
        Ok(())
    }

    pub(super) fn finish(self) -> GroupPatch {
        let members = self.members.map(|members| MembersPatch {
            remove_all: members.remove_all,
            remove: members.remove.into_iter().collect(),
            add: members.add.into_iter().collect(),
        });
        let extensions = (!self.extensions.is_empty()).then_some(ExtensionsPatch(self.extensions));
        GroupPatch {
            members,
            extensions,
            ..self.patch
        }
    }
}

fn text_of(change: Change) -> Option<String> {
    match change {
        Change::Add(Value::String(text)) | Change::Replace(Value::String(text)) => Some(text),
        Change::Remove | Change::Add(_) | Change::Replace(_) => None,
    }
}

impl Members {
    fn take(&mut self, operation: Operation) -> Result<(), ScimError> {
        let Operation {
            path,
            elements,
            when: _,
            change,
        } = operation;
        let is_whole = path.part_name().is_none_or(|name| name == "value");
        match (elements, change) {
            (Elements::All, Change::Add(members)) => {
                for id in ids_of(&path, &members)? {
                    self.remove.remove(&id);
                    self.add.insert(id);
                }
            }
            (Elements::All, Change::Replace(members)) => {
                let ids = ids_of(&path, &members)?;
                *self = Self {
                    remove_all: true,
                    remove: BTreeSet::new(),
                    add: ids,
                };
            }
            (Elements::All, Change::Remove) => self.clear(),
            (Elements::Matching { filter, .. }, Change::Remove) if is_whole => match filter {
                None if path.sub_attribute.is_some() => return Err(whole_list_by_a_part()),
                None => self.clear(),
                Some(filter) => match selected_by(&filter)? {
                    Selected::All => self.clear(),
                    Selected::Ids(ids) => self.remove(ids),
                },
            },
            (Elements::Matching { .. }, Change::Add(_) | Change::Replace(_) | Change::Remove) => {
                return Err(ScimError::mutability(
                    "A member cannot be changed; remove it with members[value eq \"id\"] and add another to members.",
                ));
            }
        }
        Ok(())
    }

    fn clear(&mut self) {
        *self = Self {
            remove_all: true,
            ..Self::default()
        };
    }

    fn remove(&mut self, ids: BTreeSet<String>) {
        for id in ids {
            self.add.remove(&id);
            if !self.remove_all {
                self.remove.insert(id);
            }
        }
    }
}

fn ids_of(path: &AttributePath, members: &Value) -> Result<BTreeSet<String>, ScimError> {
    let members = members.as_array().map(Vec::as_slice).unwrap_or_default();
    members
        .iter()
        .map(|member| member_id(path, member).map(str::to_owned))
        .collect()
}

/// Every member is a user, so `type eq "User"` selects all and any other type nobody; beyond that, ids must be named.
fn selected_by(filter: &Filter) -> Result<Selected, ScimError> {
    match filter {
        Filter::Compare {
            path,
            op: CompareOp::Equal,
            value: Literal::Text(text),
        } => match path.target().name.as_str() {
            "value" => Ok(Selected::Ids(BTreeSet::from([text.clone()]))),
            "type" if text.eq_ignore_ascii_case("User") => Ok(Selected::All),
            "type" => Ok(Selected::Ids(BTreeSet::new())),
            _ => Err(unsupported()),
        },
        Filter::Or(filters) => filters.iter().try_fold(Selected::Ids(BTreeSet::new()), |one, filter| {
            Ok(match (one, selected_by(filter)?) {
                (Selected::Ids(mut one), Selected::Ids(other)) => {
                    one.extend(other); // in place: Entra may name 100,000 members
                    Selected::Ids(one)
                }
                (Selected::All, _) | (_, Selected::All) => Selected::All,
            })
        }),
        Filter::And(filters) => filters.iter().try_fold(Selected::All, |one, filter| {
            Ok(match (one, selected_by(filter)?) {
                (Selected::Ids(one), Selected::Ids(other)) => {
                    Selected::Ids(one.intersection(&other).cloned().collect())
                }
                (Selected::All, other) | (other, Selected::All) => other,
            })
        }),
        Filter::Compare { .. } | Filter::Not(_) | Filter::Present(_) | Filter::Element { .. } => Err(unsupported()),
    }
}

fn whole_list_by_a_part() -> ScimError {
    ScimError::invalid_path(
        "members.value without a filter does not say who goes: send members[value eq \"id\"], or members for all.",
    )
}

fn unsupported() -> ScimError {
    ScimError::invalid_filter(
        "A filter on members may only name members by id, as in members[value eq \"id\"], joined by 'or', or all of \
         them, as in members[type eq \"User\"].",
    )
}
