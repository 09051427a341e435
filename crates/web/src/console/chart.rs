//! Charts, drawn here: small multiples with a scale each, direct labels, a zero line. The bars are SVG that is
//! stretched to its place; the letters beside them are not, so that they keep their size on every screen. The
//! colours are classes of the style sheet, and follow light and dark.

use std::fmt::Write as _;

/// A row of bars.
pub(super) struct Series {
    /// Written above the bars.
    pub(super) label: String,
    /// Written at the end of that line: what it all comes to.
    pub(super) sum: String,
    pub(super) values: Vec<u64>,
    /// The one that matters is drawn in the accent's colour.
    pub(super) first: bool,
}

/// Height of a series in the units of its drawing; a value takes ten across.
const TALL: f64 = 40.0;
const STEP: f64 = 10.0;

/// The drawing. `marks` are texts under the axis, from left to right; `title` is for those who do not see it.
pub(super) fn bars(title: &str, series: &[Series], marks: &[String]) -> String {
    let mut out = format!("<figure class=\"chart\"><figcaption class=\"hidden-words\">{}</figcaption>", escaped(title));
    for s in series {
        let most = s.values.iter().copied().max().unwrap_or(0).max(1) as f64;
        let wide = STEP * s.values.len().max(1) as f64;
        let _ = write!(
            out,
            "<p><span>{}</span> <b>{}</b></p><svg class=\"{}\" viewBox=\"0 0 {wide} {TALL}\" \
             preserveAspectRatio=\"none\" aria-hidden=\"true\" focusable=\"false\">",
            escaped(&s.label),
            escaped(&s.sum),
            if s.first { "first" } else { "rest" }
        );
        for (n, value) in s.values.iter().enumerate().filter(|(_, v)| **v > 0) {
            // Something is never drawn as nothing.
            let tall = (*value as f64 / most * TALL).max(2.0);
            let _ = write!(
                out,
                "<rect x=\"{}\" y=\"{:.1}\" width=\"{}\" height=\"{tall:.1}\"/>",
                STEP * n as f64 + 1.0,
                TALL - tall,
                STEP - 2.0
            );
        }
        out.push_str("</svg>");
    }
    out.push_str("<p class=\"marks\">");
    for mark in marks {
        let _ = write!(out, "<span>{}</span> ", escaped(mark));
    }
    out.push_str("</p></figure>");
    out
}

/// A text as it may stand in a drawing.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tallest_bar_fills_its_row_and_one_is_seen_beside_a_thousand() {
        let series = Series { label: "a <b>".into(), sum: "1.001".into(), values: vec![0, 1, 1000], first: true };
        let svg = bars("x\"y", &[series], &["ahora".into()]);
        assert_eq!(svg.matches("<rect").count(), 2, "nothing is not drawn");
        assert!(svg.contains("height=\"2.0\"") && svg.contains("height=\"40.0\""), "{svg}");
        assert!(svg.contains("a &lt;b&gt;") && svg.contains("x&quot;y") && !svg.contains("style="));
    }
}
