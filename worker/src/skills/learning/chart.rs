//! Draws learning curves and confusion matrices as SVG that needs nothing else. Pure.

use std::fmt::Write;

use super::classes::Confusion;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
/// Room for the axes' words: left, top, right, bottom.
const MARGIN: [f64; 4] = [64.0, 40.0, 16.0, 40.0];
/// Told apart by people who see colours differently too (Okabe & Ito 2008).
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// A named series of (step, value); a value that is no number leaves a gap.
pub type Series<'a> = (&'a str, &'a [(u64, f64)]);

/// Lines over a common axis of steps, such as epochs.
#[must_use]
pub fn curves(title: &str, step: &str, series: &[Series<'_>]) -> String {
    let points = || series.iter().flat_map(|(_, points)| points.iter()).filter(|(_, value)| value.is_finite());
    let (first, last) = points().fold((u64::MAX, 0), |(low, high), &(at, _)| (low.min(at), high.max(at)));
    let (low, high) = points().fold((f64::MAX, f64::MIN), |(low, high), &(_, y)| (low.min(y), high.max(y)));
    let mut svg = begun(title, WIDTH, HEIGHT);
    if points().next().is_none() {
        text(&mut svg, (WIDTH / 2.0, HEIGHT / 2.0), "middle", "no figures");
        return ended(svg);
    }
    let (first, last) = (first as f64, (last as f64).max(first as f64 + 1.0));
    let (low, high) = if high > low { (low, high) } else { (low - 0.5, high + 0.5) };
    let [left, top, right, bottom] = MARGIN;
    let x = |at: f64| left + (at - first) / (last - first) * (WIDTH - left - right);
    let y = |value: f64| HEIGHT - bottom - (value - low) / (high - low) * (HEIGHT - top - bottom);
    for part in 0..=4 {
        let value = low + (high - low) * f64::from(part) / 4.0;
        let (end, at) = (WIDTH - right, y(value));
        let _ = write!(svg, r##"<line x1="{left}" x2="{end:.1}" y1="{at:.1}" y2="{at:.1}" stroke="#ddd"/>"##);
        text(&mut svg, (left - 6.0, y(value) + 4.0), "end", &short(value));
    }
    for at in [first, last] {
        text(&mut svg, (x(at), HEIGHT - bottom + 16.0), "middle", &short(at));
    }
    text(&mut svg, (f64::midpoint(left, WIDTH - right), HEIGHT - 8.0), "middle", step);
    for (number, (name, points)) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        for run in points.split(|(_, value)| !value.is_finite()).filter(|run| !run.is_empty()) {
            let line: Vec<String> =
                run.iter().map(|&(at, value)| format!("{:.1},{:.1}", x(at as f64), y(value))).collect();
            let _ = write!(
                svg,
                r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
                line.join(" ")
            );
        }
        let at = left + 8.0 + 150.0 * number as f64;
        let _ = write!(svg, r#"<rect x="{at}" y="26" width="12" height="4" fill="{colour}"/>"#);
        text(&mut svg, (at + 16.0, 32.0), "start", name);
    }
    ended(svg)
}

/// Truth downwards, prediction to the right; each row of the matrix is shaded by its shares.
#[must_use]
pub fn confusion(title: &str, confusion: &Confusion) -> String {
    const CELL: f64 = 72.0;
    const WORDS: f64 = 120.0;
    let size = CELL * confusion.labels.len() as f64;
    let mut svg = begun(title, WORDS + size + 16.0, size + 96.0);
    for (truth, row) in confusion.counts.iter().enumerate() {
        let total: u64 = row.iter().sum();
        let top = 64.0 + CELL * truth as f64;
        text(&mut svg, (WORDS - 8.0, top + CELL / 2.0 + 4.0), "end", &confusion.labels[truth]);
        for (told, &count) in row.iter().enumerate() {
            let share = if total == 0 { 0.0 } else { count as f64 / total as f64 };
            let left = WORDS + CELL * told as f64;
            let _ = write!(
                svg,
                r##"<rect x="{left}" y="{top}" width="{CELL}" height="{CELL}" fill="#0072b2" fill-opacity="{share:.3}" stroke="#fff"/>"##
            );
            let ink = if share > 0.5 { "#fff" } else { "#222" };
            let (x, y) = (left + CELL / 2.0, top + CELL / 2.0 + 4.0);
            let _ = write!(svg, r#"<text x="{x}" y="{y}" text-anchor="middle" fill="{ink}">{count}</text>"#);
        }
    }
    for (told, label) in confusion.labels.iter().enumerate() {
        text(&mut svg, (WORDS + CELL * (told as f64 + 0.5), 56.0), "middle", label);
    }
    text(&mut svg, (WORDS + size / 2.0, size + 84.0), "middle", "predicted (columns) and true class (rows)");
    ended(svg)
}

fn begun(title: &str, width: f64, height: f64) -> String {
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="12" fill="#222" role="img"><title>{0}</title><rect width="100%" height="100%" fill="#fff"/>"##,
        escaped(title)
    );
    text(&mut svg, (8.0, 18.0), "start", title);
    svg
}

fn ended(mut svg: String) -> String {
    svg.push_str("</svg>\n");
    svg
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let _ = write!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#, escaped(words));
}

fn short(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Class names come from people's tables. What XML has no way to hold is left out.
fn escaped(words: &str) -> String {
    let mut safe = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_no_number_leaves_a_gap() {
        let svg = curves("loss", "epoch", &[("train", &[(1, 3.0), (2, f64::NAN), (3, 1.0), (4, 0.5)])]);

        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn nothing_and_one_point_are_drawn_too() {
        assert!(curves("loss", "epoch", &[("train", &[])]).contains("no figures"));
        let one = curves("loss", "epoch", &[("train", &[(1, 2.0)])]);
        assert!(!one.contains("NaN") && !one.contains("inf"), "{one}");
    }

    #[test]
    fn names_cannot_become_markup() {
        let told =
            Confusion { labels: vec!["<script>&\0".to_owned(), "b".to_owned()], counts: vec![vec![3, 1], vec![0, 0]] };

        let svg = confusion("who", &told);

        assert!(svg.contains("&lt;script&gt;&amp;</text>") && !svg.contains("<script>"), "{svg}");
    }
}
