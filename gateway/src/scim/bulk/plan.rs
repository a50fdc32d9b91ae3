//! In what order operations run: as the caller listed them, but a POST runs before the first operation that refers to what
//! it creates (RFC 7644 §3.7.2). Where references form a circle (§3.7.1), one resource is created without the attribute
//! that closes it, and completed once the others exist.
//!
//! The work is linear in operations and references, and nothing here recurses.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::reference::{unknown, without};
use super::{BulkOperation, Method};
use crate::scim::error::ScimError;

/// One thing to do next; operations are known by their place in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Run the operation.
    Run(usize),
    /// Replace what the operation created by all that it asked for: what it refers to exists now.
    Complete(usize),
}

/// What refers to what, and the order that follows.
#[derive(Debug)]
pub struct Plan {
    creators: HashMap<String, usize>,
    needs: Vec<Needs>,
    named_by: Vec<Vec<usize>>,
    steps: Vec<Step>,
}

/// What an operation refers to.
#[derive(Debug, Default)]
struct Needs {
    /// Operations that run earlier, each once.
    before: Vec<usize>,
    /// Operations that can only run later, because they need this one: the references that close a circle.
    after: Vec<usize>,
    /// A reference that nothing can satisfy.
    unknown: Option<ScimError>,
}

impl Plan {
    /// Makes the plan.
    pub fn new(operations: &[BulkOperation]) -> Self {
        let creators: HashMap<String, usize> = operations.iter().enumerate().filter_map(creator).collect();
        let mut needs: Vec<Needs> = operations
            .iter()
            .map(|operation| needs_of(operation, &creators))
            .collect();
        let mut named_by = vec![Vec::new(); operations.len()];
        for (operation, needs) in needs.iter().enumerate() {
            for &needed in &needs.before {
                named_by[needed].push(operation);
            }
        }
        let steps = Ordering::new(&mut needs).order();
        Self {
            creators,
            needs,
            named_by,
            steps,
        }
    }

    /// What to do, in order. Every operation is run exactly once.
    pub fn steps(&self) -> Vec<Step> {
        self.steps.clone()
    }

    /// The operations that an operation refers to and that run earlier.
    pub fn before(&self, operation: usize) -> &[usize] {
        &self.needs[operation].before
    }

    /// The operations that an operation refers to and that run later; it is to be completed then.
    pub fn after(&self, operation: usize) -> &[usize] {
        &self.needs[operation].after
    }

    /// The operations that refer to an operation.
    pub fn named_by(&self, operation: usize) -> &[usize] {
        &self.named_by[operation]
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

    /// The part of an operation's data that can be created before everything that it refers to exists.
    pub fn first_part(&self, operation: usize, data: &Value) -> Value {
        let later: HashSet<usize> = self.after(operation).iter().copied().collect();
        let names = self.creators.iter().filter(|(_, creator)| later.contains(creator));
        without(data, &names.map(|(name, _)| name.clone()).collect())
    }
}

fn creator((index, operation): (usize, &BulkOperation)) -> Option<(String, usize)> {
    let bulk_id = operation.bulk_id.clone()?;
    (operation.method == Some(Method::Post)).then_some((bulk_id, index))
}

fn needs_of(operation: &BulkOperation, creators: &HashMap<String, usize>) -> Needs {
    let mut needs = Needs::default();
    let Ok(wanted) = &operation.wanted else {
        return needs;
    };
    for name in wanted.references() {
        match creators.get(&name) {
            Some(creator) => needs.before.push(*creator),
            None => needs.unknown = Some(unknown(&name)),
        }
    }
    if needs.unknown.is_some() {
        needs.before.clear(); // it fails whatever the others do
    }
    needs.before.sort_unstable(); // the order of the request, not of a hash table
    needs
}

/// A depth-first walk along the references, with its stack in a list.
struct Ordering<'a> {
    needs: &'a mut [Needs],
    states: Vec<State>,
    /// Operations on the way, and how many of their needs were looked at.
    stack: Vec<(usize, usize)>,
    /// What is to be completed as soon as an operation has run.
    completed_after: Vec<Vec<usize>>,
    steps: Vec<Step>,
}

#[derive(Clone, Copy)]
enum State {
    Unseen,
    /// At this place of the stack.
    Open(usize),
    Done,
}

impl<'a> Ordering<'a> {
    fn new(needs: &'a mut [Needs]) -> Self {
        let count = needs.len();
        Self {
            needs,
            states: vec![State::Unseen; count],
            stack: Vec::new(),
            completed_after: vec![Vec::new(); count],
            steps: Vec::with_capacity(count),
        }
    }

    fn order(mut self) -> Vec<Step> {
        for operation in 0..self.states.len() {
            if matches!(self.states[operation], State::Unseen) {
                self.open(operation);
                self.walk();
            }
        }
        self.steps
    }

    fn open(&mut self, operation: usize) {
        self.states[operation] = State::Open(self.stack.len());
        self.stack.push((operation, 0));
    }

    fn walk(&mut self) {
        while let Some((operation, looked_at)) = self.stack.last_mut() {
            let operation = *operation;
            let Some(&needed) = self.needs[operation].before.get(*looked_at) else {
                self.close(operation);
                continue;
            };
            *looked_at += 1;
            match self.states[needed] {
                State::Unseen => self.open(needed),
                State::Open(_) => self.needs[operation].after.push(needed),
                State::Done => {}
            }
        }
    }

    fn close(&mut self, operation: usize) {
        self.stack.pop();
        self.states[operation] = State::Done;
        let needs = &mut self.needs[operation];
        let later: HashSet<usize> = needs.after.iter().copied().collect();
        needs.before.retain(|needed| !later.contains(needed));
        // The one that entered the stack first leaves it last.
        let last = later.iter().min_by_key(|needed| match self.states[**needed] {
            State::Open(place) => place,
            State::Unseen | State::Done => usize::MAX, // itself, just closed
        });
        if let Some(last) = last {
            self.completed_after[*last].push(operation);
        }
        self.steps.push(Step::Run(operation));
        let complete = std::mem::take(&mut self.completed_after[operation]);
        self.steps.extend(complete.into_iter().map(Step::Complete));
    }
}
