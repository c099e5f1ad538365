//! The profile as a page: one file without scripts and without anything from elsewhere. Pure.
//!
//! Whatever comes out of the table passes [`escaped`]: a name may be `<script>`, hold a NUL, or turn the text around.

use std::fmt::Write;

use serde_json::Value;

use super::profile::{Bins, ColumnProfile, Profile};

const STYLE: &str = "\
body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c2430;background:#fff}\
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:0}section{border-top:1px solid #d8dde5;padding:1rem 0}\
table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top;font-weight:normal}\
th{color:#5b6675}td.n{text-align:right;font-variant-numeric:tabular-nums}.columns{display:flex;flex-wrap:wrap;gap:2rem}\
.type{color:#5b6675}.alert{background:#fff3cd;border-radius:.3rem;padding:0 .4rem;margin-right:.3rem}svg{display:block}\
bdi{overflow-wrap:anywhere}";
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 80.0;
/// Characters of a value that are shown.
const SHOWN: usize = 120;

/// The page of a profile.
#[must_use]
pub(super) fn page(profile: &Profile) -> String {
    let mut page = String::with_capacity(64 << 10);
    let name = escaped(&profile.dataset_name);
    let table = escaped(&profile.table_key);
    // A `String` takes whatever is written.
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{name}: {table}</title><style>{STYLE}</style></head>\
         <body><h1><bdi>{name}</bdi>: <bdi>{table}</bdi></h1><table>"
    );
    fact(&mut page, "Rows", &profile.rows.to_string());
    fact(&mut page, "Columns", &profile.column_count.to_string());
    fact(&mut page, "Bytes", &profile.bytes.to_string());
    fact(
        &mut page,
        "Duplicate rows",
        &profile.duplicate_rows.map_or("not compared".to_owned(), |rows| rows.to_string()),
    );
    fact(&mut page, "Commit", &escaped(&profile.commit_id));
    if !profile.approximated.is_empty() {
        fact(&mut page, "Estimated", &profile.approximated.join(", ").replace('_', " "));
    }
    page.push_str("</table>");
    correlations(&mut page, profile);
    profile.columns.iter().for_each(|column| section(&mut page, column));
    if profile.columns.len() < profile.column_count {
        let _ =
            write!(page, "<p>{} more columns were not looked at.</p>", profile.column_count - profile.columns.len());
    }
    page.push_str("</body></html>\n");
    page
}

fn correlations(page: &mut String, profile: &Profile) {
    if profile.correlations.is_empty() {
        return;
    }
    page.push_str("<section><h2>Columns that go together</h2><table>");
    for pair in &profile.correlations {
        let (a, b, r) = (escaped(&pair.a), escaped(&pair.b), pair.r);
        let _ = write!(page, "<tr><td><bdi>{a}</bdi></td><td><bdi>{b}</bdi></td><td class=\"n\">{r:.4}</td></tr>");
    }
    page.push_str("</table></section>");
}

fn section(page: &mut String, column: &ColumnProfile) {
    let (name, data_type) = (escaped(&column.name), escaped(&column.data_type));
    let _ = write!(page, "<section><h2><bdi>{name}</bdi> <span class=\"type\">{data_type}</span></h2><p>");
    for alert in &column.alerts {
        let _ = write!(page, "<span class=\"alert\">{}</span>", alert.replace('_', " "));
    }
    page.push_str("</p><div class=\"columns\"><table>");
    fact(page, "Values", &column.count.to_string());
    fact(page, "Missing", &column.missing.to_string());
    let whole = [
        ("Distinct", column.distinct),
        ("Zeros", column.zeros),
        ("Negative", column.negatives),
        ("Infinite", column.infinite),
        ("Blank", column.blank),
    ];
    for (name, value) in whole {
        if let Some(value) = value {
            fact(page, name, &value.to_string());
        }
    }
    for (name, value) in [("Mean", column.mean), ("Deviation", column.std), ("Skewness", column.skewness)] {
        if let Some(value) = value {
            fact(page, name, &figure(value));
        }
    }
    if let Some(lengths) = column.lengths {
        fact(page, "Length", &format!("{} to {}, {} on average", lengths.min, lengths.max, figure(lengths.mean)));
    }
    page.push_str("</table><table>");
    for (name, value) in [("Least", &column.min), ("Greatest", &column.max)] {
        if !value.is_null() {
            fact(page, name, &shown(value));
        }
    }
    for quantile in &column.quantiles {
        fact(page, &format!("{} %", (quantile.p * 100.0).round()), &shown(&quantile.value));
    }
    page.push_str("</table><table>");
    for frequent in &column.top {
        let _ = write!(
            page,
            "<tr><td><bdi>{}</bdi></td><td class=\"n\">{}</td></tr>",
            shown(&frequent.value),
            frequent.count
        );
    }
    page.push_str("</table>");
    if let Some(bins) = &column.histogram {
        chart(page, bins);
    }
    page.push_str("</div></section>");
}

fn fact(page: &mut String, name: &str, value: &str) {
    let _ = write!(page, "<tr><th>{name}</th><td class=\"n\"><bdi>{value}</bdi></td></tr>");
}

#[expect(clippy::cast_precision_loss, reason = "bars are drawn, not counted")]
fn chart(page: &mut String, bins: &Bins) {
    let highest = bins.counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let width = WIDTH / bins.counts.len().max(1) as f64;
    let _ = write!(page, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">");
    for (place, count) in bins.counts.iter().enumerate() {
        let height = HEIGHT * *count as f64 / highest;
        let edge = |at: usize| bins.edges.get(at).map(shown).unwrap_or_default();
        let _ = write!(
            page,
            "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\" fill=\"#3b6ea5\"><title>{} to {}: {count}</title></rect>",
            place as f64 * width,
            HEIGHT - height,
            (width - 1.0).max(0.5),
            edge(place),
            edge(place + 1),
        );
    }
    page.push_str("</svg>");
}

fn figure(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) { format!("{value:.4e}") } else { format!("{value:.4}") }
}

/// A value of the table, escaped.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().count() > SHOWN => {
            escaped(&text.chars().take(SHOWN).chain(['…']).collect::<String>())
        }
        Value::String(text) => escaped(text),
        Value::Number(number) if number.is_f64() => figure(number.as_f64().unwrap_or_default()),
        other => escaped(&other.to_string()),
    }
}

/// Text as HTML shows it, in content and in quoted attributes: nothing of it is a tag, and what is not seen shows as a symbol.
#[must_use]
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{7f}' => escaped.push('␡'),
            // The symbols for control characters stand in the same order.
            '\0'..='\u{1f}' => escaped.extend(char::from_u32(0x2400 + u32::from(c))),
            '\u{80}'..='\u{9f}'
            | '\u{061C}'
            | '\u{200B}'
            | '\u{200E}'
            | '\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}' => {
                let _ = write!(escaped, "\\u{{{:04X}}}", u32::from(c));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_a_tag_and_nothing_is_hidden() {
        assert_eq!(
            escaped("<img src=x onerror='a(\"b\")'>&"),
            "&lt;img src=x onerror=&#39;a(&quot;b&quot;)&#39;&gt;&amp;"
        );
        assert_eq!(escaped("a\0b\nc\u{7f}"), "a␀b␊c␡");
        assert_eq!(escaped("\u{202E}fdp.exe\u{200B}"), "\\u{202E}fdp.exe\\u{200B}");
        assert_eq!(escaped("año 数据 👩‍🏫"), "año 数据 👩‍🏫");
    }

    #[test]
    fn a_figure_is_short_whatever_its_size() {
        assert_eq!(
            [0.0, 1.5, -123_456.789, 1e-9, 1e300].map(figure),
            ["0.0000", "1.5000", "-123456.7890", "1.0000e-9", "1.0000e300"]
        );
    }
}
