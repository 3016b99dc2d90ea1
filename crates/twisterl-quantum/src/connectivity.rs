//! The qubits that gates connect.

use std::collections::VecDeque;

/// The distance of qubits that are not connected.
pub(crate) const FAR: u16 = u16::MAX;

/// Returns the number of edges between each two of `n` vertices, `[n, n]`, [`FAR`] if there is no path.
pub(crate) fn distances(n: usize, edges: impl Iterator<Item = (usize, usize)>) -> Vec<u16> {
    let mut neighbours = vec![Vec::new(); n];
    for (a, b) in edges {
        neighbours[a].push(b);
        neighbours[b].push(a);
    }
    let mut distances = vec![FAR; n * n];
    for (start, row) in distances.chunks_exact_mut(n.max(1)).enumerate() {
        row[start] = 0;
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for &next in &neighbours[at] {
                if row[next] == FAR {
                    row[next] = row[at] + 1;
                    queue.push_back(next);
                }
            }
        }
    }
    distances
}

/// Returns the connected components of `n` vertices, each in ascending order.
pub(crate) fn components(n: usize, distances: &[u16]) -> Vec<Vec<usize>> {
    let mut of = vec![false; n];
    let mut components = Vec::new();
    for (start, row) in distances.chunks_exact(n.max(1)).enumerate() {
        if !of[start] {
            let component: Vec<usize> = (0..n).filter(|&other| row[other] != FAR).collect();
            component.iter().for_each(|&member| of[member] = true);
            components.push(component);
        }
    }
    components
}

/// Returns for each of at most 64 vertices the set of those from which a path leads to it, itself among them.
pub(crate) fn sources(n: usize, arcs: impl Iterator<Item = (usize, usize)>) -> Vec<u64> {
    let mut sources: Vec<u64> = (0..n).map(|vertex| 1 << vertex).collect();
    for (from, to) in arcs {
        sources[to] |= 1 << from;
    }
    for middle in 0..n {
        let through = sources[middle];
        for set in &mut sources {
            if *set >> middle & 1 == 1 {
                *set |= through;
            }
        }
    }
    sources
}

/// Returns the strongly connected components of the relation that [`sources`] returns, each in ascending order.
pub(crate) fn strong_components(sources: &[u64]) -> Vec<Vec<usize>> {
    let both = |a: usize, b: usize| sources[a] >> b & 1 == 1 && sources[b] >> a & 1 == 1;
    let first = |a: usize| (0..a).all(|b| !both(a, b));
    let component = |a: usize| (a..sources.len()).filter(|&b| both(a, b)).collect();
    (0..sources.len()).filter(|&a| first(a)).map(component).collect()
}
