//! In what order operations run: as the caller listed them, but one that refers to what a later POST creates waits until
//! that has run, and then comes next (RFC 7644 §3.7.2).
//!
//! RFC 7644 §3.7 allows another order if it leads to the same result. That the reference is put off, and not the POST put
//! forward, keeps everything else in its order: a POST may depend on what stands before it in ways that only the directory
//! knows, as when a name must be free. What is put off takes along what can be seen to depend on it: operations that
//! refer to what it creates, later operations on the same resource, and a DELETE of what it names. A DELETE of a group waits for
//! everything before it, because it may block members who are in no other group by then.
//!
//! Where references form a circle (§3.7.1), its operations are one step, at the place of the last of them.
//!
//! The work is linear in operations and references, but for the choice of the next operation, which is logarithmic, and for
//! deletions of groups, which look at all that stands before them. Nothing here recurses.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::circle::last_of_circles;
use super::reference::unknown;
use super::{BulkOperation, Endpoint, Method, ResourceName, Wanted};
use crate::scim::error::ScimError;

/// What to do next; operations are known by their place in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Run the operation.
    Run(usize),
    /// Run these POSTs together: each needs all of the others. They stand in the order of the request.
    Circle(Vec<usize>),
}

/// What refers to what, and the order that follows.
#[derive(Debug)]
pub struct Plan {
    creators: HashMap<String, usize>,
    needs: Vec<Needs>,
    steps: Vec<Step>,
}

/// What an operation refers to.
#[derive(Debug)]
struct Needs {
    /// Operations that run earlier, each once.
    before: Vec<usize>,
    /// A reference that nothing can satisfy.
    unknown: Option<ScimError>,
}

impl Plan {
    /// Makes the plan.
    pub fn new(operations: &[BulkOperation]) -> Self {
        let creators: HashMap<String, usize> = operations.iter().enumerate().filter_map(creator).collect();
        let (mut needs, unknown): (Vec<_>, Vec<_>) = operations
            .iter()
            .map(|operation| needs_of(operation, &creators))
            .unzip();
        let circles = last_of_circles(&needs);
        let steps = order(&needs, &not_to_overtake(operations), &circles);
        for (needs, circle) in needs.iter_mut().zip(&circles) {
            needs.retain(|needed| circles[*needed] != *circle);
        }
        let needs = needs.into_iter().zip(unknown);
        Self {
            creators,
            needs: needs.map(|(before, unknown)| Needs { before, unknown }).collect(),
            steps,
        }
    }

    /// What to do, in order. Every operation is in one step.
    pub fn steps(&self) -> Vec<Step> {
        self.steps.clone()
    }

    /// The operations that an operation refers to, but for those in a circle with it.
    pub fn before(&self, operation: usize) -> &[usize] {
        &self.needs[operation].before
    }

    /// The operation that creates the resource of this bulkId.
    pub fn creator(&self, bulk_id: &str) -> Option<usize> {
        self.creators.get(bulk_id).copied()
    }

    /// # Errors
    /// 400 `invalidValue` if the operation refers to what no operation creates.
    pub fn check(&self, operation: usize) -> Result<(), ScimError> {
        self.needs[operation].unknown.clone().map_or(Ok(()), Err)
    }
}

fn creator((index, operation): (usize, &BulkOperation)) -> Option<(String, usize)> {
    let bulk_id = operation.bulk_id.clone()?;
    (operation.method == Some(Method::Post)).then_some((bulk_id, index))
}

fn needs_of(operation: &BulkOperation, creators: &HashMap<String, usize>) -> (Vec<usize>, Option<ScimError>) {
    let mut needs = Vec::new();
    let Ok(wanted) = &operation.wanted else {
        return (needs, None);
    };
    for name in wanted.references() {
        match creators.get(&name) {
            Some(creator) => needs.push(*creator),
            None => return (Vec::new(), Some(unknown(&name))), // it fails whatever the others do
        }
    }
    needs.sort_unstable(); // the order of the request, not of a hash table
    (needs, None)
}

/// For each operation the earlier ones that it would undo, or be undone by, if it ran before them: those on the same
/// resource, for a DELETE also those whose data names the resource, and for a DELETE of a group all of them.
fn not_to_overtake(operations: &[BulkOperation]) -> Vec<Vec<usize>> {
    let deletions = operations.iter().filter_map(deleted);
    let mut named_in: HashMap<String, Vec<usize>> = deletions.map(|name| (name.to_string(), Vec::new())).collect();
    let mut last_on: HashMap<&ResourceName, usize> = HashMap::new();
    let mut earlier = vec![Vec::new(); operations.len()];
    for (index, operation) in operations.iter().enumerate() {
        let Ok(wanted) = &operation.wanted else { continue };
        if let Wanted::Change { resource, .. } = wanted {
            earlier[index].extend(last_on.insert(resource, index));
        }
        if deletes_group(operation) {
            earlier[index].extend(0..index);
        } else if let Some(name) = deleted(operation) {
            earlier[index].extend(named_in.insert(name.to_string(), Vec::new()).unwrap_or_default());
        }
        for name in wanted.values() {
            if let Some(named_in) = named_in.get_mut(name)
                && named_in.last() != Some(&index)
            {
                named_in.push(index);
            }
        }
    }
    earlier
}

fn deletes_group(operation: &BulkOperation) -> bool {
    let path = operation.path.as_ref();
    deleted(operation).is_some() && path.is_some_and(|path| path.endpoint == Endpoint::Groups)
}

fn deleted(operation: &BulkOperation) -> Option<&ResourceName> {
    match &operation.wanted {
        Ok(Wanted::Change {
            method: Method::Delete,
            resource,
            ..
        }) => Some(resource),
        Ok(Wanted::Change { .. } | Wanted::Create { .. }) | Err(_) => None,
    }
}

/// Of the steps whose operations wait for nothing more, the one that ends first in the request is always next. Only POSTs
/// are waited for by what stands before them, and they wait for POSTs alone: so all other waiting ends.
fn order(needs: &[Vec<usize>], earlier: &[Vec<usize>], circles: &[usize]) -> Vec<Step> {
    // A step is known by its last operation.
    let mut waits_for = vec![0_usize; needs.len()];
    let mut releases = vec![Vec::new(); needs.len()];
    let mut members = vec![Vec::new(); needs.len()];
    for (operation, step) in circles.iter().enumerate() {
        members[*step].push(operation);
        for needed in needs[operation].iter().chain(&earlier[operation]) {
            if circles[*needed] != *step {
                waits_for[*step] += 1;
                releases[circles[*needed]].push(*step);
            }
        }
    }
    let free = (0..needs.len()).filter(|step| circles[*step] == *step && waits_for[*step] == 0);
    let mut free: BinaryHeap<Reverse<usize>> = free.map(Reverse).collect();
    let mut steps = Vec::with_capacity(needs.len());
    while let Some(Reverse(step)) = free.pop() {
        for &released in &releases[step] {
            waits_for[released] -= 1;
            if waits_for[released] == 0 {
                free.push(Reverse(released));
            }
        }
        let refers_to_itself = || needs[step].contains(&step);
        steps.push(match std::mem::take(&mut members[step]) {
            circle if circle.len() > 1 || refers_to_itself() => Step::Circle(circle),
            _ => Step::Run(step),
        });
    }
    steps
}
