//! The picture of a flow: one line of light from top to bottom, the steps along it. Lists are set in, what
//! stands in for a failed step is set in further and dashed, and who waits for whom is an arc on the left.

use super::diagram::{Kind, Step};
use crate::console::chart::escaped;
use crate::console::words::Words;
use std::fmt::Write as _;

/// Width of the drawing: that of a phone, so that letters keep their size there.
const WIDTH: f64 = 360.0;
/// Left of it the line and the arcs.
const LINE: f64 = 34.0;
const INDENT: f64 = 20.0;
const HEAD: f64 = 58.0;
const GAP: f64 = 14.0;
/// Heights of a box without and with its counts.
const PLAIN: f64 = 46.0;
const COUNTED: f64 = 66.0;
/// Letters of the two sizes that fit in one unit of width.
const TITLE: f64 = 7.9;
const SMALL: f64 = 6.7;

/// Draws it. What cannot be seen is said by the table of the same steps.
pub(super) fn draw(w: Words, title: &str, begins: &str, steps: &[Step]) -> String {
    let mut boxes = Vec::with_capacity(steps.len());
    let mut y = HEAD + GAP;
    for step in steps {
        let tall = if counts(step).is_empty() { PLAIN } else { COUNTED };
        boxes.push((y, tall));
        y += tall + GAP;
    }
    let height = y + 6.0;
    let name = w.with("flows.picture", title);
    let mut svg = format!(
        "<svg class=\"flow\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">",
        escaped(&name)
    );
    let _ = write!(svg, "<path class=\"light-line\" d=\"M{LINE} {:.0}V{:.0}\"/>", HEAD - 10.0, height - 10.0);
    let _ = write!(
        svg,
        "<g class=\"begin\"><rect x=\"1\" y=\"1\" width=\"{:.0}\" height=\"{:.0}\" rx=\"23\"/>\
         <text x=\"20\" y=\"20\" class=\"small\">{}</text><text x=\"20\" y=\"38\" class=\"title\">{}</text></g>",
        WIDTH - 2.0,
        HEAD - 12.0,
        escaped(w.t("flows.begins")),
        escaped(&fit(begins, (WIDTH - 40.0) / TITLE))
    );
    arcs(&mut svg, steps, &boxes);
    for (step, (y, tall)) in steps.iter().zip(&boxes) {
        one(&mut svg, w, step, *y, *tall);
    }
    svg.push_str("</svg>");
    svg
}

fn left(step: &Step) -> f64 {
    LINE + 18.0 + INDENT * step.depth.min(4) as f64
}

/// From a step to the one that waits for it, left of the line.
fn arcs(svg: &mut String, steps: &[Step], boxes: &[(f64, f64)]) {
    let middle = |n: usize| boxes.get(n).map_or(0.0, |(y, tall)| y + tall / 2.0);
    for (to, step) in steps.iter().enumerate() {
        for after in &step.after {
            let Some(from) = steps.iter().position(|s| s.path == *after) else { continue };
            let (a, b) = (middle(from), middle(to));
            let out = LINE - 8.0 - 3.0 * (to.abs_diff(from) as f64).min(7.0);
            let _ = write!(
                svg,
                "<path class=\"arc\" d=\"M{:.0} {a:.1}C{out:.0} {a:.1} {out:.0} {b:.1} {:.0} {b:.1}\"/>\
                 <path class=\"arrow\" d=\"M{:.0} {:.1}l6 4l-6 4z\"/>",
                LINE - 6.0,
                LINE - 10.0,
                LINE - 12.0,
                b - 4.0
            );
        }
    }
}

fn one(svg: &mut String, w: Words, step: &Step, y: f64, tall: f64) {
    let x = left(step);
    let (middle, wide) = (y + tall / 2.0, WIDTH - x - 1.0);
    let class = match (step.kind, step.otherwise) {
        (_, true) => "step otherwise",
        (Kind::Do, _) => "step do",
        (Kind::Wait, _) => "step wait",
        (Kind::Each, _) => "step each",
    };
    let radius = if step.kind == Kind::Wait { tall / 2.0 } else { 6.0 };
    let text = x + if step.kind == Kind::Wait { 20.0 } else { 12.0 };
    let room = wide - (text - x) - 10.0;
    let _ = write!(
        svg,
        "<g class=\"{class}\"><path class=\"branch\" d=\"M{LINE} {middle:.1}H{x:.0}\"/>\
         <circle cx=\"{LINE}\" cy=\"{middle:.1}\" r=\"4.5\"/>\
         <rect x=\"{x:.0}\" y=\"{y:.1}\" width=\"{wide:.0}\" height=\"{tall:.0}\" rx=\"{radius:.0}\"/>\
         <text x=\"{text:.0}\" y=\"{:.1}\" class=\"title\">{}</text>",
        y + 19.0,
        escaped(&fit(&step.title, room / TITLE))
    );
    let second = if step.otherwise { w.t("flows.otherwise") } else { &step.what };
    if second != step.title {
        let _ = write!(
            svg,
            "<text x=\"{text:.0}\" y=\"{:.1}\" class=\"small\">{}</text>",
            y + 36.0,
            escaped(&fit(second, room / SMALL))
        );
    }
    let mut at = text;
    for (shape, tone, n) in counts(step) {
        let _ = write!(
            svg,
            "<g class=\"{tone}\"><use href=\"#s-{shape}\" x=\"{at:.0}\" y=\"{:.1}\" width=\"11\" height=\"11\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" class=\"count\">{}</text></g>",
            y + tall - 18.0,
            at + 15.0,
            y + tall - 8.0,
            escaped(n)
        );
        at += 30.0 + 8.0 * n.len() as f64;
    }
    svg.push_str("</g>");
}

/// Shape, colour and number of what there is to tell.
fn counts(step: &Step) -> Vec<(&'static str, &'static str, &str)> {
    let c = step.counts;
    [
        (c.done, "done", "done", step.done.as_str()),
        (c.open, "waits", "waits", step.open.as_str()),
        (c.stuck, "unknown", "failed", step.stuck.as_str()),
        (c.failed, "failed", "failed", step.failed.as_str()),
        (c.withheld, "withheld", "quiet", step.withheld.as_str()),
    ]
    .into_iter()
    .filter(|(n, ..)| *n > 0)
    .map(|(_, shape, tone, text)| (shape, tone, text))
    .collect()
}

/// As much of a text as there is room for.
fn fit(text: &str, letters: f64) -> String {
    let most = letters.max(4.0) as usize;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::super::diagram::{Counts, steps, tests::outline};
    use super::*;
    use crate::console::words::Lang;
    use std::collections::HashMap;

    #[test]
    fn every_step_is_drawn_inside_the_picture_and_hostile_names_stay_text() {
        let counts = HashMap::from([("comprador".to_owned(), Counts { done: 7, open: 3, ..Counts::default() })]);
        let w = Words::new(Lang::Es);
        let steps = steps(w, &outline(), &counts);
        let svg = draw(w, "<b>", "Pedido pagado", &steps);
        assert_eq!(svg.matches("<rect").count(), steps.len() + 1);
        assert_eq!(svg.matches("class=\"arc\"").count(), 1, "the note waits for the buyer");
        assert!(svg.contains("otherwise") && svg.contains("#s-done") && svg.contains("#s-waits"));
        assert!(!svg.contains("<b>") && !svg.contains("style="));
        let height: f64 =
            svg.split("viewBox=\"0 0 360 ").nth(1).and_then(|t| t.split('"').next()).unwrap().parse().unwrap();
        let lowest =
            svg.split(" y=\"").skip(1).filter_map(|t| t.split('"').next()?.parse::<f64>().ok()).fold(0.0, f64::max);
        assert!(lowest < height);
        assert_eq!(fit("boleta-confirmada", 8.0), "boleta-…");
    }
}
