//! Machines as pictures: what there is to draw, whatever draws it.

mod dot;
mod layers;
mod layout;
mod svg;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use super::{
    Blueprint,
    fan::Processor,
    model::{Choice, Kind, Machine, State, StateIndex, Then},
    work::{Catcher, Work},
};

impl Blueprint {
    /// The machine as a graph in Graphviz' DOT language, with the states that a job has `taken` and the `current` one
    /// marked.
    #[must_use]
    pub fn graph(&self, taken: &BTreeSet<String>, current: Option<&str>) -> String {
        dot::write(&self.name, &drawing(&self.machine, Marks { taken, current }))
    }

    /// The same graph as a picture: one SVG document that needs nothing else.
    #[must_use]
    pub fn graph_svg(&self, taken: &BTreeSet<String>, current: Option<&str>) -> String {
        svg::write(&self.name, &layout::place(&drawing(&self.machine, Marks { taken, current })))
    }
}

/// Where a job has been and where it is.
#[derive(Clone, Copy)]
struct Marks<'a> {
    taken: &'a BTreeSet<String>,
    current: Option<&'a str>,
}

/// A machine, or the machine of a branch; it begins with the first of its shapes.
struct Drawing<'m> {
    shapes: Vec<Shape<'m>>,
}

/// One thing in a drawing.
struct Shape<'m> {
    figure: Figure<'m>,
    edges: Vec<Edge>,
    /// What the branches of a Parallel or Map state do.
    parts: Vec<Drawing<'m>>,
}

enum Figure<'m> {
    Start,
    End,
    State { name: &'m str, kind: &'static str, detail: Option<String>, mark: Mark },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    None,
    Taken,
    Current,
}

/// A way from one shape to another of the same drawing.
#[derive(Debug, Clone, PartialEq)]
struct Edge {
    to: usize,
    label: String,
    way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// What the machine does when all is well.
    Plain,
    /// What it does with an error.
    Error,
}

/// The whole machine, with where it starts and where it ends.
fn drawing<'m>(machine: &'m Machine, marks: Marks<'_>) -> Drawing<'m> {
    let (mut states, ends) = part(machine, machine.start, marks);
    let end = states.len() + 1;
    for (at, shape) in states.iter_mut().enumerate() {
        shape.edges.iter_mut().for_each(|edge| edge.to += 1);
        if ends[at] {
            shape.edges.push(Edge { to: end, label: String::new(), way: Way::Plain });
        }
    }
    let first = Edge { to: 1, label: String::new(), way: Way::Plain };
    let mut shapes = vec![Shape { figure: Figure::Start, edges: vec![first], parts: Vec::new() }];
    shapes.append(&mut states);
    shapes.push(Shape { figure: Figure::End, edges: Vec::new(), parts: Vec::new() });
    Drawing { shapes }
}

/// The states that can be reached from `start` without going into a branch, and whether each can end the machine.
fn part<'m>(machine: &'m Machine, start: StateIndex, marks: Marks<'_>) -> (Vec<Shape<'m>>, Vec<bool>) {
    let mut order = vec![start];
    let mut places = HashMap::from([(start, 0)]);
    let mut at = 0;
    while let Some(state) = order.get(at) {
        for (to, ..) in ways(&machine.states[*state]) {
            places.entry(to).or_insert_with(|| {
                order.push(to);
                order.len() - 1
            });
        }
        at += 1;
    }
    let shape = |state: &StateIndex| shape(machine, &machine.states[*state], &places, marks);
    let ends = order.iter().map(|state| ends(&machine.states[*state].kind)).collect();
    (order.iter().map(shape).collect(), ends)
}

fn shape<'m>(
    machine: &'m Machine,
    state: &'m State,
    places: &HashMap<StateIndex, usize>,
    marks: Marks<'_>,
) -> Shape<'m> {
    let mut edges: Vec<Edge> = Vec::new();
    if state.kind.work().is_some_and(|work| !work.retry.is_empty()) {
        edges.push(Edge { to: places[&machine.index[&state.name]], label: "Retry".to_owned(), way: Way::Error });
    }
    for (to, label, way) in ways(state) {
        let to = places[&to];
        match edges.iter_mut().find(|edge| edge.to == to && edge.way == way) {
            Some(edge) => edge.label = format!("{}, {label}", edge.label),
            None => edges.push(Edge { to, label, way }),
        }
    }
    let (kind, detail) = told(&state.kind);
    let mark = match marks.current {
        Some(current) if current == state.name => Mark::Current,
        _ if marks.taken.contains(&state.name) => Mark::Taken,
        _ => Mark::None,
    };
    let branches = branches(&state.kind).iter();
    let parts = branches.map(|branch| Drawing { shapes: part(machine, branch.start, marks).0 }).collect();
    Shape { figure: Figure::State { name: &state.name, kind, detail, mark }, edges, parts }
}

/// The ways out of a state, each with what is written beside it.
fn ways(state: &State) -> Vec<(StateIndex, String, Way)> {
    match &state.kind {
        Kind::Task(task) => worked(&task.work),
        Kind::Parallel(parallel) => worked(&parallel.work),
        Kind::Map(map) => worked(&map.work),
        Kind::Pass(pass) => gone_on(pass.then),
        Kind::Wait(wait) => gone_on(wait.then),
        Kind::Choice(choice) => chosen(choice),
        Kind::Succeed | Kind::Fail(_) => Vec::new(),
    }
}

fn gone_on(then: Then) -> Vec<(StateIndex, String, Way)> {
    match then {
        Then::Next(next) => vec![(next, "Next".to_owned(), Way::Plain)],
        Then::End => Vec::new(),
    }
}

fn worked(work: &Work) -> Vec<(StateIndex, String, Way)> {
    let caught = |catcher: &Catcher| (catcher.next, format!("Catch {}", catcher.errors.join(", ")), Way::Error);
    gone_on(work.then).into_iter().chain(work.catch.iter().map(caught)).collect()
}

fn chosen(choice: &Choice) -> Vec<(StateIndex, String, Way)> {
    let rules = choice.branches.iter().zip(1..).map(|(branch, rule)| (branch.next, format!("rule {rule}"), Way::Plain));
    let default = choice.default.map(|next| (next, "Default".to_owned(), Way::Plain));
    rules.chain(default).collect()
}

/// Whether the machine can end well, or give up, in the state.
const fn ends(kind: &Kind) -> bool {
    match kind {
        Kind::Pass(pass) => matches!(pass.then, Then::End),
        Kind::Wait(wait) => matches!(wait.then, Then::End),
        Kind::Choice(_) => false,
        Kind::Succeed | Kind::Fail(_) => true,
        Kind::Task(_) | Kind::Parallel(_) | Kind::Map(_) => match kind.work() {
            Some(work) => matches!(work.then, Then::End),
            None => false,
        },
    }
}

/// The name of a kind of state, and what else there is to say of one.
fn told(kind: &Kind) -> (&'static str, Option<String>) {
    match kind {
        Kind::Task(task) => ("Task", Some(task.resource.to_string())),
        Kind::Parallel(_) => ("Parallel", None),
        Kind::Map(_) => ("Map", None),
        Kind::Pass(_) => ("Pass", None),
        Kind::Choice(_) => ("Choice", None),
        Kind::Wait(_) => ("Wait", None),
        Kind::Succeed => ("Succeed", None),
        Kind::Fail(_) => ("Fail", None),
    }
}

/// The machines that a state opens.
fn branches(kind: &Kind) -> &[Processor] {
    match kind {
        Kind::Parallel(parallel) => &parallel.branches,
        Kind::Map(map) => std::slice::from_ref(&map.processor),
        _ => &[],
    }
}
