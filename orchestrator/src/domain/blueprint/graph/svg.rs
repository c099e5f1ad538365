//! Writes a placed drawing as SVG (<https://www.w3.org/TR/SVG2/>): no scripts, no fonts, no links.

use std::fmt::Write;

use super::{
    Edge, Figure, Mark, Way,
    layout::{HEAD, MAX_LETTERS, Node, Placed, Point, Route},
};

const MARGIN: f64 = 16.0;
/// Width of a letter beside a way, about.
const SMALL_LETTER: f64 = 5.6;

const STYLE: &str = "text{font:12px Helvetica,Arial,sans-serif;text-anchor:middle;fill:#222}\
.name{font-weight:bold}.told,.way{font-size:10px;fill:#555}.under{fill:#fff;fill-opacity:.85}\
.box{fill:#fff;stroke:#555}.part{fill:none;stroke:#bbb;stroke-dasharray:4 3}.dot{fill:#555}.ring{fill:none;stroke:#555}\
.Choice>.box{fill:#eef3fb}.Parallel>.box,.Map>.box{fill:#f6f6f6}.Wait>.box{stroke-dasharray:5 3}\
.Succeed>.box{stroke:#1b6e36}.Fail>.box{stroke:#b3261e}\
.taken>.box{fill:#cfe8d5;stroke:#1b6e36}.current>.box{fill:#ffe3a3;stroke:#8a5a00;stroke-width:3}\
path{fill:none;stroke:#555}path.error{stroke:#b3261e;stroke-dasharray:5 3}text.error{fill:#b3261e}";

/// Writes the picture of the machine `name`.
pub(super) fn write(name: &str, placed: &Placed<'_>) -> String {
    let (width, height) = (2.0f64.mul_add(MARGIN, placed.width), 2.0f64.mul_add(MARGIN, placed.height));
    let mut out = Out(String::new());
    out.put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n<title>{}</title>\n<style>{}</style>\n<defs><marker id=\"tip\" \
         viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path \
         d=\"M0 0L8 4L0 8z\" style=\"fill:#555;stroke:none\"/></marker></defs>\n",
        escaped(name),
        escaped(STYLE),
    ));
    out.drawing((MARGIN, MARGIN), placed);
    out.put(format_args!("</svg>\n"));
    out.0
}

struct Out(String);

impl Out {
    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a string takes all that is written to it");
    }

    fn drawing(&mut self, (left, top): Point, placed: &Placed<'_>) {
        self.put(format_args!("<g transform=\"translate({left:.1} {top:.1})\">\n"));
        for node in &placed.nodes {
            self.node(node);
        }
        // Above the boxes: a way may pass close to one.
        for route in &placed.routes {
            self.route(route);
        }
        self.put(format_args!("</g>\n"));
    }

    fn node(&mut self, node: &Node<'_>) {
        let Node { left, top, width, height, .. } = *node;
        let (x, y, half) = (left + width / 2.0, top + height / 2.0, width / 2.0);
        match node.figure {
            Figure::Start => {
                self.put(format_args!("<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{half}\"/>\n"));
            }
            Figure::End => self.put(format_args!(
                "<circle class=\"ring\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{half}\"/><circle class=\"dot\" cx=\"{x:.1}\" \
                 cy=\"{y:.1}\" r=\"{:.1}\"/>\n",
                half - 4.0
            )),
            Figure::State { name, kind, detail, mark } => {
                let marked = match mark {
                    Mark::None => "",
                    Mark::Taken => " taken",
                    Mark::Current => " current",
                };
                let told = detail.as_ref().map_or_else(|| (*kind).to_owned(), |detail| format!("{kind} {detail}"));
                let round = if matches!(*kind, "Succeed" | "Fail") { HEAD / 2.0 } else { 8.0 };
                self.put(format_args!(
                    "<g class=\"{kind}{marked}\"><title>{}</title><rect class=\"box\" x=\"{left:.1}\" y=\"{top:.1}\" \
                     width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round}\"/><text class=\"name\" x=\"{x:.1}\" \
                     y=\"{:.1}\">{}</text><text class=\"told\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>\n",
                    escaped(name),
                    top + 20.0,
                    escaped(&shortened(name)),
                    top + 35.0,
                    escaped(&shortened(&told)),
                ));
                for ((inner_left, inner_top), part) in &node.parts {
                    let (left, top) = (left + inner_left, top + inner_top);
                    self.put(format_args!(
                        "<rect class=\"part\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"6\"/>\n",
                        left - 4.0,
                        top - 4.0,
                        part.width + 8.0,
                        part.height + 8.0,
                    ));
                    self.drawing((left, top), part);
                }
                self.put(format_args!("</g>\n"));
            }
        }
        if let Some(edge) = node.again {
            let (right, y) = (left + width, top + HEAD / 2.0);
            let (out, upper, lower) = (right + 30.0, y - 9.0, y + 9.0);
            self.path(
                edge,
                &format!("M{right:.1} {upper:.1}C{out:.1} {upper:.1} {out:.1} {lower:.1} {right:.1} {lower:.1}"),
            );
            self.label(edge, (right + 38.0, y - 12.0));
        }
    }

    fn route(&mut self, route: &Route<'_>) {
        let mut line = String::new();
        let mut from: Option<Point> = None;
        for pair in route.points.chunks_exact(2) {
            let [(x, y), (to_x, to_y)] = [pair[0], pair[1]];
            let joined = match from {
                None => format!("M{x:.1} {y:.1}"),
                Some((from_x, from_y)) => {
                    let middle = (from_y + y) / 2.0;
                    format!("C{from_x:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}")
                }
            };
            line.push_str(&joined);
            // A line of no length would turn the tip of the arrow.
            if (to_y - y).abs() > 0.5 {
                write!(line, "L{to_x:.1} {to_y:.1}").expect("a string takes all that is written to it");
            }
            from = Some((to_x, to_y));
        }
        self.path(route.edge, &line);
        self.label(route.edge, route.label);
    }

    fn path(&mut self, edge: &Edge, line: &str) {
        let class = if edge.way == Way::Error { " class=\"error\"" } else { "" };
        let title = escaped(&edge.label);
        self.put(format_args!("<path{class} d=\"{line}\" marker-end=\"url(#tip)\"><title>{title}</title></path>\n"));
    }

    fn label(&mut self, edge: &Edge, (x, y): Point) {
        if !edge.label.is_empty() {
            let class = if edge.way == Way::Error { "way error" } else { "way" };
            let text = shortened(&edge.label);
            let width = SMALL_LETTER * text.chars().count() as f64;
            self.put(format_args!(
                "<rect class=\"under\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"12\" rx=\"3\"/><text \
                 class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n",
                x - width / 2.0,
                y - 9.0,
                escaped(&text),
            ));
        }
    }
}

/// As much of a text as fits.
fn shortened(text: &str) -> String {
    if text.chars().count() <= MAX_LETTERS {
        return text.to_owned();
    }
    text.chars().take(MAX_LETTERS - 1).chain(['…']).collect()
}

/// A text as XML shows it; characters that XML cannot have are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
