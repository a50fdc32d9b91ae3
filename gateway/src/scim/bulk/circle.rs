//! Which operations are in one circle of references (RFC 7644 §3.7.1): each of them refers, directly or through others, to
//! all of them. These are the strongly connected components of the graph, found by Kosaraju's algorithm; the stack of each
//! walk is a list.

/// For each operation the last one of its circle; an operation in no circle is the last of its own. `needs` is what each
/// refers to.
pub(super) fn last_of_circles(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut named_by = vec![Vec::new(); needs.len()];
    for (operation, needs) in needs.iter().enumerate() {
        for &needed in needs {
            named_by[needed].push(operation);
        }
    }
    let mut seen = vec![false; needs.len()];
    let mut last = vec![0; needs.len()];
    for root in with_what_they_need_first(needs).into_iter().rev() {
        // Whatever leads to `root` and is in no circle yet can be reached from it as well.
        let mut circle = Vec::new();
        let mut left = vec![root];
        while let Some(operation) = left.pop() {
            if !std::mem::replace(&mut seen[operation], true) {
                circle.push(operation);
                left.extend(&named_by[operation]);
            }
        }
        let end = circle.iter().copied().max().unwrap_or_default();
        for operation in circle {
            last[operation] = end;
        }
    }
    last
}

/// The operations in the order in which a depth-first walk along the references leaves them.
fn with_what_they_need_first(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut seen = vec![false; needs.len()];
    let mut left = Vec::with_capacity(needs.len());
    for root in 0..needs.len() {
        // Operations on the way, and how many of their needs were looked at.
        let mut way = Vec::new();
        if !std::mem::replace(&mut seen[root], true) {
            way.push((root, 0));
        }
        while let Some((operation, looked_at)) = way.last_mut() {
            if let Some(&needed) = needs[*operation].get(*looked_at) {
                *looked_at += 1;
                if !std::mem::replace(&mut seen[needed], true) {
                    way.push((needed, 0));
                }
            } else {
                left.push(*operation);
                way.pop();
            }
        }
    }
    left
}
