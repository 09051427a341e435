//! Diagrams of boxes and arrows as SVG. Colours are attributes, so that a file can be looked at alone, and
//! classes, so that the book's stylesheet gives them its own, light or dark. Equal input, equal bytes.

use crate::render::escaped;
use std::fmt::Write as _;

/// Which way arrows run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Events pass from left to right.
    Right,
    /// Flows run from top to bottom.
    Down,
}

/// What a box is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Where it begins, or what it is about.
    Begin,
    /// Something of ours.
    Plain,
    /// Somebody else's.
    Outside,
    /// A wait, a choice.
    Wait,
}

impl Kind {
    fn class(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Plain => "plain",
            Self::Outside => "outside",
            Self::Wait => "wait",
        }
    }
    /// Fill and border for whoever has no stylesheet.
    fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Begin => ("#FFFFFF", "#B0125B"),
            Self::Plain => ("#FFFFFF", "#7A6F83"),
            Self::Outside => ("#F3EDF0", "#7A6F83"),
            Self::Wait => ("#FFFFFF", "#8A5A00"),
        }
    }
}

/// A box.
#[derive(Debug, Clone)]
struct Node {
    id: String,
    lines: Vec<String>,
    kind: Kind,
}

/// Boxes and arrows, in the order in which they were added.
#[derive(Debug, Clone)]
pub struct Graph {
    title: String,
    direction: Direction,
    nodes: Vec<Node>,
    edges: Vec<(usize, usize, String)>,
}

const LETTER: f64 = 7.4;
const LINE: f64 = 18.0;
const PAD: f64 = 12.0;
/// Between boxes side by side, and between rows of them.
const BESIDE: f64 = 24.0;
const BETWEEN: f64 = 40.0;
const MARGIN: f64 = 8.0;

struct Place {
    x: f64,
    y: f64,
    w: f64,
    h: f64,
}

impl Graph {
    /// An empty one; the title is what it shows, in words.
    #[must_use]
    pub fn new(title: &str, direction: Direction) -> Self {
        Self { title: title.into(), direction, nodes: Vec::new(), edges: Vec::new() }
    }

    /// Adds a box; the lines of `text` stand below each other.
    #[must_use]
    pub fn node(mut self, id: &str, text: &str, kind: Kind) -> Self {
        let lines = text.lines().map(str::to_owned).collect();
        self.nodes.push(Node { id: id.into(), lines, kind });
        self
    }

    /// Adds an arrow. Names that no box has draw nothing.
    #[must_use]
    pub fn edge(mut self, from: &str, to: &str, label: &str) -> Self {
        let find = |id: &str| self.nodes.iter().position(|n| n.id == id);
        if let (Some(from), Some(to)) = (find(from), find(to)) {
            self.edges.push((from, to, label.to_owned()));
        }
        self
    }

    /// The picture.
    #[must_use]
    pub fn svg(&self) -> String {
        let places = self.places();
        let right = places.iter().map(|p| p.x + p.w).fold(0.0, f64::max) + MARGIN;
        let bottom = places.iter().map(|p| p.y + p.h).fold(0.0, f64::max) + MARGIN;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {right:.0} {bottom:.0}\" width=\"{right:.0}\" height=\"{bottom:.0}\" \
             font-family=\"ui-sans-serif, system-ui, sans-serif\" font-size=\"13\">\n<title>{}</title>\n\
             <rect class=\"floor\" width=\"{right:.0}\" height=\"{bottom:.0}\" fill=\"#FBF8F4\"/>\n",
            escaped(&self.title)
        );
        for (from, to, label) in &self.edges {
            self.arrow(&mut out, &places[*from], &places[*to], label);
        }
        for (node, place) in self.nodes.iter().zip(&places) {
            let (fill, border) = node.kind.colours();
            let Place { x, y, w, h } = place;
            let _ = writeln!(
                out,
                "<rect class=\"box {}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"6\" fill=\"{fill}\" stroke=\"{border}\" stroke-width=\"1.5\"/>",
                node.kind.class()
            );
            for (n, line) in node.lines.iter().enumerate() {
                let (class, fill) = if n == 0 { ("text", "#1C1521") } else { ("fine", "#63586B") };
                let _ = writeln!(
                    out,
                    "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{fill}\">{}</text>",
                    x + w / 2.0,
                    y + PAD + LINE * (n as f64 + 0.62),
                    escaped(line)
                );
            }
        }
        out.push_str("</svg>\n");
        out
    }

    /// Row of each box: one behind the last that points at it. A circle is cut where it closes.
    fn rows(&self) -> Vec<usize> {
        let mut rows = vec![0; self.nodes.len()];
        for _ in 0..self.nodes.len() {
            let mut moved = false;
            for (from, to, _) in self.edges.iter().filter(|(from, to, _)| from < to) {
                if rows[*to] < rows[*from] + 1 {
                    rows[*to] = rows[*from] + 1;
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        rows
    }

    fn places(&self) -> Vec<Place> {
        let rows = self.rows();
        let size = |n: &Node| {
            let longest = n.lines.iter().map(|l| l.chars().count()).max().unwrap_or(0) as f64;
            (longest.mul_add(LETTER, 2.0 * PAD).max(64.0), (n.lines.len() as f64).mul_add(LINE, 2.0 * PAD - 4.0))
        };
        let mut places: Vec<Place> = self.nodes.iter().map(size).map(|(w, h)| Place { x: 0.0, y: 0.0, w, h }).collect();
        let down = self.direction == Direction::Down;
        let (along, across) = (|p: &Place| if down { p.h } else { p.w }, |p: &Place| if down { p.w } else { p.h });
        let last = rows.iter().max().copied().unwrap_or(0);
        let members: Vec<Vec<usize>> =
            (0..=last).map(|r| (0..rows.len()).filter(|n| rows[*n] == r).collect()).collect();
        let width = |row: &[usize]| {
            row.iter().map(|n| across(&places[*n])).sum::<f64>() + BESIDE * row.len().saturating_sub(1) as f64
        };
        let widest = members.iter().map(|row| width(row)).fold(0.0, f64::max);
        let mut begins = MARGIN;
        let starts: Vec<f64> = members.iter().map(|row| MARGIN + (widest - width(row)) / 2.0).collect();
        for (row, start) in members.iter().zip(starts) {
            let depth = row.iter().map(|n| along(&places[*n])).fold(0.0, f64::max);
            let mut beside = start;
            for n in row {
                let place = &mut places[*n];
                let own = if down { place.h } else { place.w };
                let centred = begins + (depth - own) / 2.0;
                (place.x, place.y) = if down { (beside, centred) } else { (centred, beside) };
                beside += (if down { place.w } else { place.h }) + BESIDE;
            }
            begins += depth + BETWEEN;
        }
        places
    }

    fn arrow(&self, out: &mut String, from: &Place, to: &Place, label: &str) {
        let down = self.direction == Direction::Down;
        let middle = |p: &Place| (p.x + p.w / 2.0, p.y + p.h / 2.0);
        let ((fx, fy), (tx, ty)) = (middle(from), middle(to));
        let back = if down { ty < fy } else { tx < fx };
        let (x1, y1, x2, y2) = match (down, back) {
            (true, false) => (fx, from.y + from.h, tx, to.y - 5.0),
            (true, true) => (fx, from.y, tx, to.y + to.h + 5.0),
            (false, false) => (from.x + from.w, fy, to.x - 5.0, ty),
            (false, true) => (from.x, fy, to.x + to.w + 5.0, ty),
        };
        let bend = if down { (y2 - y1) / 2.0 } else { (x2 - x1) / 2.0 };
        let (c1, c2) = if down { ((x1, y1 + bend), (x2, y2 - bend)) } else { ((x1 + bend, y1), (x2 - bend, y2)) };
        let _ = writeln!(
            out,
            "<path class=\"edge\" d=\"M{x1:.1} {y1:.1}C{:.1} {:.1} {:.1} {:.1} {x2:.1} {y2:.1}\" fill=\"none\" stroke=\"#7A6F83\" stroke-width=\"1.5\"/>",
            c1.0, c1.1, c2.0, c2.1
        );
        let sign = if back { -1.0 } else { 1.0 };
        let head = if down {
            format!("M{:.1} {:.1}l5 {:.1}l5 {:.1}z", x2 - 5.0, y2 - 2.0 * sign, 7.0 * sign, -7.0 * sign)
        } else {
            format!("M{:.1} {:.1}l{:.1} 5l{:.1} 5z", x2 - 2.0 * sign, y2 - 5.0, 7.0 * sign, -7.0 * sign)
        };
        let _ = writeln!(out, "<path class=\"head\" d=\"{head}\" fill=\"#7A6F83\"/>");
        if !label.is_empty() {
            let _ = writeln!(
                out,
                "<text class=\"fine\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"12\" fill=\"#63586B\">{}</text>",
                f64::midpoint(x1, x2),
                f64::midpoint(y1, y2) - 5.0,
                escaped(label)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_never_overlap_and_arrows_run_forward() {
        let graph = Graph::new("x", Direction::Down)
            .node("a", "begin", Kind::Begin)
            .node("b", "one\nmore words here", Kind::Plain)
            .node("c", "two", Kind::Outside)
            .node("d", "end", Kind::Wait)
            .edge("a", "b", "")
            .edge("a", "c", "else")
            .edge("b", "d", "")
            .edge("c", "d", "")
            .edge("d", "a", "again");
        let places = graph.places();
        for (n, a) in places.iter().enumerate() {
            for b in &places[n + 1..] {
                let apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
                assert!(apart);
            }
        }
        assert_eq!(graph.rows(), [0, 1, 1, 2]);
        assert_eq!(graph.svg(), graph.svg());
    }

    #[test]
    fn text_is_never_markup() {
        let svg = Graph::new("<a>", Direction::Right).node("n", "a < b & \"c\"", Kind::Plain).svg();
        assert!(svg.contains("a &lt; b &amp; &quot;c&quot;") && svg.contains("<title>&lt;a&gt;</title>"), "{svg}");
    }
}
