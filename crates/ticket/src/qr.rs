//! The square at the door. Level M, as Hi.Events makes its own: a thumb or a fold may hide 15 percent.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code that a reader needs.
pub const QUIET: usize = 4;

/// A code as a square of modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modules {
    size: usize,
    dark: Vec<bool>,
}

impl Modules {
    /// Modules of one side, without the quiet zone.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Is the module dark?
    #[must_use]
    pub fn is_dark(&self, x: usize, y: usize) -> bool {
        x < self.size && self.dark.get(y * self.size + x).copied().unwrap_or(false)
    }

    /// Dark modules of each row as stretches: x, y, length.
    pub fn stretches(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        (0..self.size).flat_map(move |y| {
            let mut x = 0;
            std::iter::from_fn(move || {
                while x < self.size && !self.is_dark(x, y) {
                    x += 1;
                }
                let start = x;
                while x < self.size && self.is_dark(x, y) {
                    x += 1;
                }
                (x > start).then_some((start, y, x - start))
            })
        })
    }

    /// As an SVG picture with its quiet zone, dark on white whatever the page's colours: a reader needs it so.
    #[must_use]
    pub fn svg(&self, label: &str) -> String {
        let side = self.size + 2 * QUIET;
        let mut path = String::new();
        for (x, y, length) in self.stretches() {
            path.push_str(&format!("M{} {}h{length}v1h-{length}z", x + QUIET, y + QUIET));
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"{}\" \
             shape-rendering=\"crispEdges\"><rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>\
             <path fill=\"#000\" d=\"{path}\"/></svg>",
            escape(label)
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The code of a text. `None`: the text is longer than any code holds.
#[must_use]
pub fn modules(text: &str) -> Option<Modules> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let dark = code.to_colors().into_iter().map(|c| c == Color::Dark).collect();
    Some(Modules { size: code.width(), dark })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_the_ticketing_system_is_the_smallest_and_the_signed_one_stays_small() {
        assert_eq!(modules("A-7KQ2M9X").unwrap().size(), 21, "version 1");
        let signed = format!("P1{}", "A".repeat(126));
        assert!(modules(&signed).unwrap().size() <= 41, "version 6 at the most");
        assert_eq!(modules(&"x".repeat(5000)), None);
    }

    #[test]
    fn stretches_cover_the_dark_modules_and_nothing_else() {
        let code = modules("A-7KQ2M9X").unwrap();
        let mut seen = vec![false; 21 * 21];
        for (x, y, length) in code.stretches() {
            for x in x..x + length {
                seen[y * 21 + x] = true;
            }
        }
        assert_eq!(seen, code.dark);
        assert!(code.svg("<\"&").contains("aria-label=\"&lt;&quot;&amp;\""));
    }
}
