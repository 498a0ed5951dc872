//! Questions about the graph, answered without recursion: documents decide how deep it is.

/// For each node, the nodes it leads to.
pub(super) type Successors = Vec<Vec<usize>>;

/// Marks what can be reached from `start`, itself included.
pub(super) fn reachable(successors: &Successors, start: usize) -> Vec<bool> {
    let mut seen = vec![false; successors.len()];
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        let Some(mark) = seen.get_mut(node) else { continue };
        if !std::mem::replace(mark, true) {
            open.extend(successors.get(node).into_iter().flatten());
        }
    }
    seen
}

/// Lists the circles among the nodes that `within` admits: groups of nodes that lead to one another,
/// each group sorted, groups by their first node.
pub(super) fn cycles(successors: &Successors, within: &[bool]) -> Vec<Vec<usize>> {
    let admitted = |node: usize| within.get(node).copied().unwrap_or(false);
    let inner: Successors = successors
        .iter()
        .enumerate()
        .map(|(node, next)| match admitted(node) {
            true => next.iter().copied().filter(|to| admitted(*to)).collect(),
            false => Vec::new(),
        })
        .collect();
    let mut groups = components(&inner);
    groups.retain(|group| match group.as_slice() {
        [one] => inner.get(*one).is_some_and(|next| next.contains(one)),
        more => more.len() > 1,
    });
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.sort_unstable();
    groups
}

/// Kosaraju's strongly connected components.
fn components(successors: &Successors) -> Vec<Vec<usize>> {
    let mut backwards: Successors = vec![Vec::new(); successors.len()];
    for (from, next) in successors.iter().enumerate() {
        for to in next {
            if let Some(list) = backwards.get_mut(*to) {
                list.push(from);
            }
        }
    }
    let mut taken = vec![false; successors.len()];
    let mut groups = Vec::new();
    for root in finish_order(successors).into_iter().rev() {
        let mut group = Vec::new();
        let mut open = vec![root];
        while let Some(node) = open.pop() {
            let Some(mark) = taken.get_mut(node) else { continue };
            if !std::mem::replace(mark, true) {
                group.push(node);
                open.extend(backwards.get(node).into_iter().flatten());
            }
        }
        if !group.is_empty() {
            groups.push(group);
        }
    }
    groups
}

/// Nodes in the order in which a depth-first search leaves them: without circles, each behind those it
/// leads to.
pub(super) fn finish_order(successors: &Successors) -> Vec<usize> {
    let mut seen = vec![false; successors.len()];
    let mut order = Vec::with_capacity(successors.len());
    for start in 0..successors.len() {
        let mut stack = vec![(start, 0_usize)];
        if seen.get(start).copied().unwrap_or(true) {
            continue;
        }
        mark(&mut seen, start);
        while let Some((node, child)) = stack.pop() {
            match successors.get(node).and_then(|next| next.get(child)) {
                None => order.push(node),
                Some(next) => {
                    stack.push((node, child + 1));
                    if !seen.get(*next).copied().unwrap_or(true) {
                        mark(&mut seen, *next);
                        stack.push((*next, 0));
                    }
                }
            }
        }
    }
    order
}

fn mark(seen: &mut [bool], node: usize) {
    if let Some(slot) = seen.get_mut(node) {
        *slot = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn circles_are_found_and_nothing_else() {
        let graph: Successors = vec![vec![1], vec![2], vec![0, 3], vec![4], vec![4], vec![]];
        let all = [true; 6];
        assert_eq!(cycles(&graph, &all), vec![vec![0, 1, 2], vec![4]]);
        assert_eq!(
            cycles(&graph, &[true, false, true, true, false, true]),
            Vec::<Vec<usize>>::new()
        );
        assert_eq!(reachable(&graph, 3), [false, false, false, true, true, false]);
    }

    proptest! {
        #[test]
        fn circles_agree_with_reachability(
            edges in prop::collection::vec((0_usize..8, 0_usize..8), 0..20),
        ) {
            let mut graph: Successors = vec![Vec::new(); 8];
            edges.iter().for_each(|(from, to)| graph[*from].push(*to));
            let found: Vec<usize> = cycles(&graph, &[true; 8]).concat();
            for node in 0..8 {
                let back = graph[node].iter().any(|next| reachable(&graph, *next)[node]);
                prop_assert_eq!(back, found.contains(&node));
            }
        }
    }
}
