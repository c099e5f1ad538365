//! Writes a drawing in Graphviz' DOT language (<https://graphviz.org/doc/info/lang.html>).

use std::fmt::Write;

use super::{Drawing, Edge, Figure, Mark, Shape, Way};

/// Writes the graph `name`. A Parallel or Map state is a cluster, in which the state itself comes first.
pub(super) fn write(name: &str, drawing: &Drawing<'_>) -> String {
    let mut out = Out { text: String::new(), indent: 0, nodes: 0 };
    out.line(&format!("digraph {} {{", quoted(name)));
    out.indent += 1;
    out.line("compound=true; rankdir=TB; fontname=\"Helvetica\";");
    out.line("node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", color=\"#555555\", fontname=\"Helvetica\", fontsize=11];");
    out.line("edge [color=\"#555555\", fontname=\"Helvetica\", fontsize=9];");
    out.drawing(drawing);
    out.indent -= 1;
    out.line("}");
    out.text
}

struct Out {
    text: String,
    indent: usize,
    /// Nodes written so far: each is called `n` and its number, whatever its state is called.
    nodes: usize,
}

impl Out {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{:1$}{line}", "", 2 * self.indent).expect("a string takes all that is written to it");
    }

    /// Writes the shapes of a drawing and the ways between them; gives the number of its first node.
    fn drawing(&mut self, drawing: &Drawing<'_>) -> usize {
        let numbers: Vec<usize> = drawing.shapes.iter().map(|shape| self.shape(shape)).collect();
        for (shape, from) in drawing.shapes.iter().zip(&numbers) {
            for edge in &shape.edges {
                self.edge(edge, (shape, *from), (&drawing.shapes[edge.to], numbers[edge.to]));
            }
        }
        numbers.first().copied().unwrap_or_default()
    }

    fn shape(&mut self, shape: &Shape<'_>) -> usize {
        let number = self.nodes;
        self.nodes += 1;
        if shape.parts.is_empty() {
            self.line(&format!("n{number} [{}];", attributes(&shape.figure)));
            return number;
        }
        self.line(&format!("subgraph cluster_n{number} {{"));
        self.indent += 1;
        self.line("style=\"rounded\"; color=\"#999999\";");
        self.line(&format!("n{number} [{}];", attributes(&shape.figure)));
        for (part, branch) in shape.parts.iter().zip(1..) {
            self.line(&format!("subgraph cluster_n{number}_{branch} {{"));
            self.indent += 1;
            self.line("style=\"rounded,dashed\"; color=\"#bbbbbb\";");
            let first = self.drawing(part);
            self.indent -= 1;
            self.line("}");
            self.line(&format!("n{number} -> n{first} [style=dotted, arrowhead=none];"));
        }
        self.indent -= 1;
        self.line("}");
        number
    }

    fn edge(&mut self, edge: &Edge, (from, tail): (&Shape<'_>, usize), (to, head): (&Shape<'_>, usize)) {
        let mut attributes = format!("label={}", quoted(&edge.label));
        if edge.way == Way::Error {
            attributes.push_str(", style=dashed, color=\"#b3261e\", fontcolor=\"#b3261e\"");
        }
        if tail != head && !from.parts.is_empty() {
            write!(attributes, ", ltail=cluster_n{tail}").expect("a string takes all that is written to it");
        }
        if tail != head && !to.parts.is_empty() {
            write!(attributes, ", lhead=cluster_n{head}").expect("a string takes all that is written to it");
        }
        self.line(&format!("n{tail} -> n{head} [{attributes}];"));
    }
}

fn attributes(figure: &Figure<'_>) -> String {
    let (name, kind, detail, mark) = match figure {
        Figure::Start => {
            return "label=\"\", tooltip=\"Start\", shape=circle, width=0.2, fillcolor=\"#555555\"".to_owned();
        }
        Figure::End => {
            return "label=\"\", tooltip=\"End\", shape=doublecircle, width=0.15, fillcolor=\"#555555\"".to_owned();
        }
        Figure::State { name, kind, detail, mark } => (name, kind, detail, mark),
    };
    let below = detail.as_ref().map(|detail| format!("\n{detail}")).unwrap_or_default();
    let shape = match *kind {
        "Choice" => ", shape=diamond, style=filled",
        "Succeed" | "Fail" => ", shape=oval, style=filled",
        "Parallel" | "Map" => ", shape=box3d, style=filled",
        "Wait" => ", style=\"rounded,filled,dashed\"",
        _ => "",
    };
    let marked = match mark {
        Mark::None => "",
        Mark::Taken => ", fillcolor=\"#cfe8d5\", color=\"#1b6e36\", class=\"taken\"",
        Mark::Current => ", fillcolor=\"#ffe3a3\", color=\"#8a5a00\", penwidth=3, class=\"current\"",
    };
    format!("label={}{shape}{marked}", quoted(&format!("{name}\n{kind}{below}")))
}

/// A text in quotes, which Graphviz shows as it is: escapes and entities in it mean nothing.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
