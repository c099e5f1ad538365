//! Puts the nodes of a graph into layers, one below the other, and into an order within each layer in which few ways
//! cross: the method of Sugiyama, Tagawa and Toda (1981).

use std::collections::VecDeque;

/// Nodes that may be put in to bend long ways around others; ways that would need more go straight.
const MAX_BENDS: usize = 5_000;
/// How often the order of all layers is improved.
const SWEEPS: usize = 6;

/// A way from one node to another, not itself.
pub(super) type Link = (usize, usize);

/// A graph in layers. Nodes from `real` on are bends.
pub(super) struct Layers {
    pub(super) real: usize,
    /// The nodes of each layer, from left to right.
    pub(super) rows: Vec<Vec<usize>>,
    /// The nodes that each link passes, from the upper one to the lower one.
    pub(super) chains: Vec<Vec<usize>>,
    /// Whether the link leads up, so that its chain runs against it.
    pub(super) upward: Vec<bool>,
}

/// Layers the graph of `nodes` nodes, all of which can be reached from node 0.
pub(super) fn arrange(nodes: usize, links: &[Link]) -> Layers {
    let upward = upward(nodes, links);
    let downward: Vec<Link> =
        links.iter().zip(&upward).map(|((from, to), up)| if *up { (*to, *from) } else { (*from, *to) }).collect();
    let ranks = ranks(nodes, &downward);
    let mut rows = vec![Vec::new(); ranks.iter().max().map_or(0, |last| last + 1)];
    for (node, rank) in ranks.iter().enumerate() {
        rows[*rank].push(node);
    }
    let mut next = nodes;
    let mut chains = Vec::with_capacity(links.len());
    for (from, to) in &downward {
        let mut chain = vec![*from];
        let between = ranks[*from] + 1..ranks[*to];
        if next - nodes + between.len() <= MAX_BENDS {
            for rank in between {
                rows[rank].push(next);
                chain.push(next);
                next += 1;
            }
        }
        chain.push(*to);
        chains.push(chain);
    }
    let mut layers = Layers { real: nodes, rows, chains, upward };
    layers.untangle(next);
    layers
}

/// Which links close a circle; without them there is none.
fn upward(nodes: usize, links: &[Link]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        Open,
        Done,
    }
    let mut out = vec![Vec::new(); nodes];
    for (link, (from, _)) in links.iter().enumerate() {
        out[*from].push(link);
    }
    let mut seen = vec![Seen::Not; nodes];
    let mut upward = vec![false; links.len()];
    let mut path = vec![(0, 0)];
    seen[0] = Seen::Open;
    while let Some((node, at)) = path.last_mut() {
        let Some(link) = out[*node].get(*at) else {
            seen[*node] = Seen::Done;
            path.pop();
            continue;
        };
        *at += 1;
        let to = links[*link].1;
        match seen[to] {
            Seen::Not => {
                seen[to] = Seen::Open;
                path.push((to, 0));
            }
            Seen::Open => upward[*link] = true,
            Seen::Done => {}
        }
    }
    upward
}

/// The layer of each node: as far down as the longest way to it.
fn ranks(nodes: usize, links: &[Link]) -> Vec<usize> {
    let mut waits_for = vec![0; nodes];
    let mut below = vec![Vec::new(); nodes];
    for (from, to) in links {
        waits_for[*to] += 1;
        below[*from].push(*to);
    }
    let mut ranks = vec![0; nodes];
    let mut ready: VecDeque<usize> = (0..nodes).filter(|node| waits_for[*node] == 0).collect();
    while let Some(node) = ready.pop_front() {
        for to in &below[node] {
            ranks[*to] = ranks[*to].max(ranks[node] + 1);
            waits_for[*to] -= 1;
            if waits_for[*to] == 0 {
                ready.push_back(*to);
            }
        }
    }
    ranks
}

impl Layers {
    /// The neighbours of each node in the layers above and below it.
    pub(super) fn neighbours(&self, nodes: usize) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let mut above = vec![Vec::new(); nodes];
        let mut below = vec![Vec::new(); nodes];
        for pair in self.chains.iter().flat_map(|chain| chain.windows(2)) {
            below[pair[0]].push(pair[1]);
            above[pair[1]].push(pair[0]);
        }
        (above, below)
    }

    /// Orders each layer by the middle of its neighbours, down and up in turns.
    fn untangle(&mut self, nodes: usize) {
        let (above, below) = self.neighbours(nodes);
        let mut places = vec![0.0; nodes];
        for row in &self.rows {
            number(row, &mut places);
        }
        for sweep in 0..SWEEPS {
            let rows = self.rows.len();
            for at in 0..rows {
                let (row, neighbours) =
                    if sweep % 2 == 0 { (&mut self.rows[at], &above) } else { (&mut self.rows[rows - 1 - at], &below) };
                let middles: Vec<f64> =
                    row.iter().map(|node| mean(&neighbours[*node], &places).unwrap_or(places[*node])).collect();
                let mut order: Vec<usize> = (0..row.len()).collect();
                order.sort_by(|one, other| middles[*one].total_cmp(&middles[*other]));
                *row = order.into_iter().map(|at| row[at]).collect();
                number(row, &mut places);
            }
        }
    }
}

/// Notes where each node of a layer stands, between 0 and 1, so that layers of any length compare.
fn number(row: &[usize], places: &mut [f64]) {
    for (at, node) in row.iter().enumerate() {
        places[*node] = (at as f64 + 0.5) / row.len() as f64;
    }
}

/// The middle of the places of `nodes`, if there are any.
pub(super) fn mean(nodes: &[usize], places: &[f64]) -> Option<f64> {
    (!nodes.is_empty()).then(|| nodes.iter().map(|node| places[*node]).sum::<f64>() / nodes.len() as f64)
}

/// The places closest to `wanted` (in the least squares) that keep the order and stand at least `gaps` apart: isotonic
/// regression by pooling adjacent violators.
pub(super) fn apart(wanted: &[f64], gaps: &[f64]) -> Vec<f64> {
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(wanted.len());
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (at, place) in wanted.iter().enumerate() {
        if at > 0 {
            offset += gaps[at - 1];
        }
        offsets.push(offset);
        pools.push((place - offset, 1));
        while let [.., (left, some), (right, more)] = pools[..]
            && left > right
        {
            pools.pop();
            pools.pop();
            pools.push(((left * some as f64 + right * more as f64) / (some + more) as f64, some + more));
        }
    }
    let pooled = pools.into_iter().flat_map(|(place, count)| std::iter::repeat_n(place, count));
    pooled.zip(offsets).map(|(place, offset)| place + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_lead_down_and_circles_are_cut_once() {
        let layers = arrange(4, &[(0, 1), (1, 2), (2, 1), (2, 3), (0, 3)]);

        assert_eq!(layers.upward, [false, false, true, false, false]);
        let row_of = |node| layers.rows.iter().position(|row| row.contains(&node)).expect("it is in a row");
        assert_eq!([0, 1, 2, 3].map(row_of), [0, 1, 2, 3]);
        assert_eq!(layers.chains[4].len(), 4, "a long way has a bend in every layer that it passes");
        assert_eq!(layers.chains[2], [1, 2], "the chain of a way up begins at its upper end");
    }

    #[test]
    fn ways_that_need_not_cross_do_not() {
        // 0 leads to 1 and 2; 3 hangs on 2 and 4 on 1, though 3 came first.
        let layers = arrange(5, &[(0, 1), (0, 2), (2, 3), (1, 4)]);

        assert_eq!(layers.rows[1], [1, 2]);
        assert_eq!(layers.rows[2], [4, 3]);
    }

    #[test]
    fn what_would_overlap_is_moved_apart_as_little_as_can_be() {
        assert_eq!(apart(&[5.0, 5.0, 20.0], &[4.0, 4.0]), [3.0, 7.0, 20.0]);
        assert_eq!(apart(&[9.0, 1.0], &[2.0]), [4.0, 6.0]);
        assert_eq!(apart(&[], &[]), Vec::<f64>::new());
    }

    #[test]
    fn a_machine_of_thousands_of_states_is_layered() {
        let mut links: Vec<Link> = (0..4_000).map(|node| (node, node + 1)).collect();
        links.extend((0..4_000).map(|node| (node, 4_001)));

        let layers = arrange(4_002, &links);

        assert!(layers.chains.iter().map(Vec::len).sum::<usize>() <= 2 * links.len() + MAX_BENDS);
    }
}
