//! Gives each shape of a drawing its place, in pixels. The machines of branches are placed first, within the state that
//! opens them.

use super::{
    Drawing, Edge, Figure, Shape,
    layers::{Layers, apart, arrange, mean},
};

/// Height of a state's box, or of the head of one that holds others.
pub(super) const HEAD: f64 = 46.0;
/// Width of a letter, about.
const LETTER: f64 = 7.2;
/// Letters of a name that are shown.
pub(super) const MAX_LETTERS: usize = 36;
/// Room around the branches in a box.
const PADDING: f64 = 14.0;
/// Room between layers, where the ways and what is written beside them are.
const BETWEEN_LAYERS: f64 = 52.0;
const BETWEEN_NODES: f64 = 28.0;
/// Room on each side of a state that leads to itself.
const LOOP: f64 = 62.0;
const ROUND: f64 = 16.0;
/// How often the places in all layers are improved.
const SWEEPS: usize = 8;

/// A drawing in its place; all places count from its upper left corner.
pub(super) struct Placed<'d> {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) nodes: Vec<Node<'d>>,
    pub(super) routes: Vec<Route<'d>>,
}

pub(super) struct Node<'d> {
    pub(super) figure: &'d Figure<'d>,
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    /// The branches, from left to right.
    pub(super) parts: Vec<(Point, Placed<'d>)>,
    /// What is written beside the way from the state to itself.
    pub(super) again: Option<&'d Edge>,
}

pub(super) type Point = (f64, f64);

/// A way between two nodes: pairs of points are joined by straight lines, pairs of pairs by curves.
pub(super) struct Route<'d> {
    pub(super) edge: &'d Edge,
    pub(super) points: Vec<Point>,
    /// Where its label stands.
    pub(super) label: Point,
}

/// Places a drawing.
pub(super) fn place<'d>(drawing: &'d Drawing<'d>) -> Placed<'d> {
    let mut nodes: Vec<Node<'d>> = drawing.shapes.iter().enumerate().map(|(at, shape)| node(at, shape)).collect();
    let edges: Vec<(usize, &Edge)> = drawing
        .shapes
        .iter()
        .enumerate()
        .flat_map(|(from, shape)| shape.edges.iter().map(move |edge| (from, edge)))
        .filter(|(from, edge)| *from != edge.to)
        .collect();
    let links: Vec<(usize, usize)> = edges.iter().map(|(from, edge)| (*from, edge.to)).collect();
    let layers = arrange(nodes.len(), &links);
    let centres = centres(&layers, &nodes);

    let mut tops = Vec::with_capacity(layers.rows.len());
    let mut height = 0.0;
    for row in &layers.rows {
        let tallest = row.iter().filter_map(|at| nodes.get(*at)).fold(0.0, |most: f64, node| most.max(node.height));
        for at in row.iter().filter(|at| **at < layers.real) {
            let node = &mut nodes[*at];
            node.left = centres[*at] - node.width / 2.0;
            node.top = height + (tallest - node.height) / 2.0;
        }
        tops.push((height, height + tallest));
        height += tallest + BETWEEN_LAYERS;
    }
    let routes = routes(&layers, &edges, &nodes, &centres, &tops);
    let right = |node: &Node<'_>| node.left + node.width + if node.again.is_some() { LOOP } else { 0.0 };
    let bends = layers.rows.iter().flatten().filter(|at| **at >= layers.real).map(|at| centres[*at]);
    let width = nodes.iter().map(right).chain(bends).fold(0.0, f64::max);
    Placed { width, height: height - BETWEEN_LAYERS, nodes, routes }
}

/// The box of a shape, not yet in its place.
fn node<'d>(at: usize, shape: &'d Shape<'d>) -> Node<'d> {
    let again = shape.edges.iter().find(|edge| edge.to == at);
    let mut node = match &shape.figure {
        figure @ (Figure::Start | Figure::End) => {
            Node { figure, left: 0.0, top: 0.0, width: ROUND, height: ROUND, parts: Vec::new(), again }
        }
        figure @ Figure::State { name, kind, detail, .. } => {
            let below = kind.len() + detail.as_ref().map_or(0, |detail| 1 + detail.chars().count());
            let letters = name.chars().count().max(below).clamp(8, MAX_LETTERS);
            let width = (letters as f64).mul_add(LETTER, 26.0);
            Node { figure, left: 0.0, top: 0.0, width, height: HEAD, parts: Vec::new(), again }
        }
    };
    let parts: Vec<Placed<'d>> = shape.parts.iter().map(place).collect();
    if parts.is_empty() {
        return node;
    }
    let inner = parts.iter().map(|part| part.width + PADDING).sum::<f64>() - PADDING;
    node.width = node.width.max(2.0f64.mul_add(PADDING, inner));
    node.height += parts.iter().fold(0.0, |most: f64, part| most.max(part.height)) + PADDING;
    let mut left = (node.width - inner) / 2.0;
    for part in parts {
        let width = part.width;
        node.parts.push(((left, HEAD), part));
        left += width + PADDING;
    }
    node
}

/// The middle of each node and bend, from left to right.
fn centres(layers: &Layers, nodes: &[Node<'_>]) -> Vec<f64> {
    let count = layers.rows.iter().map(Vec::len).sum();
    let half =
        |at: usize| nodes.get(at).map_or(4.0, |node| node.width / 2.0 + if node.again.is_some() { LOOP } else { 0.0 });
    let gaps: Vec<Vec<f64>> = layers
        .rows
        .iter()
        .map(|row| row.windows(2).map(|pair| half(pair[0]) + BETWEEN_NODES + half(pair[1])).collect())
        .collect();
    let (above, below) = layers.neighbours(count);
    let mut centres = vec![0.0; count];
    for sweep in 0..=SWEEPS {
        let rows = layers.rows.len();
        for at in 0..rows {
            let (at, neighbours) = if sweep % 2 == 0 { (at, &above) } else { (rows - 1 - at, &below) };
            let row = &layers.rows[at];
            let wanted: Vec<f64> =
                row.iter().map(|node| mean(&neighbours[*node], &centres).unwrap_or(centres[*node])).collect();
            for (node, centre) in row.iter().zip(apart(&wanted, &gaps[at])) {
                centres[*node] = centre;
            }
        }
    }
    let left = (0..count).map(|at| centres[at] - half(at)).fold(f64::INFINITY, f64::min);
    centres.iter().map(|centre| centre - left).collect()
}

fn routes<'d>(
    layers: &Layers,
    edges: &[(usize, &'d Edge)],
    nodes: &[Node<'_>],
    centres: &[f64],
    tops: &[Point],
) -> Vec<Route<'d>> {
    let mut row_of = vec![0; centres.len()];
    for (row, members) in layers.rows.iter().enumerate() {
        members.iter().for_each(|node| row_of[*node] = row);
    }
    let starts = ports(nodes, centres, layers.chains.iter().map(|chain| (chain[0], chain[1])));
    let ends =
        ports(nodes, centres, layers.chains.iter().map(|chain| (chain[chain.len() - 1], chain[chain.len() - 2])));
    let mut routes = Vec::with_capacity(edges.len());
    for (at, (chain, (_, edge))) in layers.chains.iter().zip(edges).enumerate() {
        let (upper, lower) = (chain[0], chain[chain.len() - 1]);
        let mut points =
            vec![(starts[at], nodes[upper].top + nodes[upper].height), (starts[at], tops[row_of[upper]].1)];
        for bend in &chain[1..chain.len() - 1] {
            let (top, bottom) = tops[row_of[*bend]];
            points.extend([(centres[*bend], top), (centres[*bend], bottom)]);
        }
        points.extend([(ends[at], tops[row_of[lower]].0), (ends[at], nodes[lower].top)]);
        if layers.upward[at] {
            points.reverse();
        }
        let label = ((points[1].0 + points[2].0) / 2.0, (points[1].1 + points[2].1) / 2.0);
        routes.push(Route { edge, points, label });
    }
    routes
}

/// Where on its node each way begins: side by side, in the order of where they lead.
fn ports(nodes: &[Node<'_>], centres: &[f64], ways: impl Iterator<Item = (usize, usize)>) -> Vec<f64> {
    let ways: Vec<(usize, usize)> = ways.collect();
    let mut of_node = vec![Vec::new(); nodes.len()];
    for (way, (node, _)) in ways.iter().enumerate() {
        of_node[*node].push(way);
    }
    let mut ports = vec![0.0; ways.len()];
    for (node, mut ways_of) in of_node.into_iter().enumerate() {
        ways_of.sort_by(|one, other| centres[ways[*one].1].total_cmp(&centres[ways[*other].1]));
        let step = nodes[node].width * 0.7 / ways_of.len().max(1) as f64;
        for (at, way) in ways_of.iter().enumerate() {
            ports[*way] = (at as f64 - (ways_of.len() - 1) as f64 / 2.0).mul_add(step, centres[node]);
        }
    }
    ports
}
