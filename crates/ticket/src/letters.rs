//! Letters: the fonts that a ticket carries, how wide a text is, and where a line ends.
//!
//! A letter that the fonts do not have would be an empty box in print. It becomes a question mark where
//! it stands for a sound, and nothing where it is an ornament.

use rustybuzz::{Face, UnicodeBuffer};
use std::sync::LazyLock;

/// A font.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Font {
    Regular,
    SemiBold,
    Display,
}

const REGULAR: &[u8] = include_bytes!("../fonts/Inter-Regular.otf");
const SEMI_BOLD: &[u8] = include_bytes!("../fonts/Inter-SemiBold.otf");
const DISPLAY: &[u8] = include_bytes!("../fonts/InterDisplay-Bold.otf");

static FACES: LazyLock<[Option<Face<'static>>; 3]> =
    LazyLock::new(|| [REGULAR, SEMI_BOLD, DISPLAY].map(|bytes| Face::from_slice(bytes, 0)));

impl Font {
    /// The file.
    pub(crate) fn bytes(self) -> &'static [u8] {
        match self {
            Self::Regular => REGULAR,
            Self::SemiBold => SEMI_BOLD,
            Self::Display => DISPLAY,
        }
    }

    /// The face; the files are part of the program, and a test reads each of them.
    pub(crate) fn face(self) -> Option<&'static Face<'static>> {
        FACES[self as usize].as_ref()
    }

    /// Glyphs of a text: id, x offset, y offset, advance, in parts of the em.
    pub(crate) fn shape(self, text: &str) -> Vec<(u16, f32, f32, f32)> {
        let Some(face) = self.face() else { return Vec::new() };
        let em = face.units_per_em() as f32;
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        let shaped = rustybuzz::shape(face, &[], buffer);
        let glyphs = shaped.glyph_infos().iter().zip(shaped.glyph_positions());
        glyphs
            .map(|(info, at)| {
                let part = |units: i32| units as f32 / em;
                (u16::try_from(info.glyph_id).unwrap_or(0), part(at.x_offset), part(at.y_offset), part(at.x_advance))
            })
            .collect()
    }

    /// Width of a text.
    pub(crate) fn width(self, text: &str, size: f32) -> f32 {
        self.shape(text).iter().map(|(_, _, _, advance)| advance).sum::<f32>() * size
    }

    /// A text of which every letter can be drawn.
    pub(crate) fn clean(self, text: &str) -> String {
        let Some(face) = self.face() else { return String::new() };
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if c.is_whitespace() {
                // A no-break space keeps its words together when lines are broken.
                out.push(if c == '\u{a0}' || c == '\u{202f}' { '\u{a0}' } else { ' ' });
            } else if !c.is_control() && face.glyph_index(c).is_some() {
                out.push(c);
            } else if c.is_alphanumeric() {
                out.push('?');
            }
        }
        out.split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// A text as lines of at most this width, at most so many; what does not fit ends in an ellipsis. Lines are
    /// about equally long, so that no surname stands alone.
    pub(crate) fn lines(self, text: &str, size: f32, width: f32, most: usize) -> Vec<String> {
        let text = self.clean(text);
        let mut lines = self.broken(&text, size, width);
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                *last = self.shortened(last, size, width);
            }
        } else if lines.len() > 1 {
            let (mut least, mut enough) = (0.0, width);
            while enough - least > 1.0 {
                let middle = f32::midpoint(least, enough);
                let narrower = self.broken(&text, size, middle);
                // Not by breaking a word.
                if narrower.len() == lines.len() && narrower.join(" ") == text {
                    (lines, enough) = (narrower, middle);
                } else {
                    least = middle;
                }
            }
        }
        lines
    }

    /// Lines of at most this width, each as long as it may be.
    fn broken(self, text: &str, size: f32, width: f32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut line = String::new();
        for word in text.split(' ') {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(&longer, size) <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            // A word that is wider than the line is broken where it must be.
            line = word.chars().fold(String::new(), |part, c| {
                let longer = format!("{part}{c}");
                if self.width(&longer, size) <= width || part.is_empty() {
                    longer
                } else {
                    lines.push(part);
                    c.to_string()
                }
            });
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }

    fn shortened(self, line: &str, size: f32, width: f32) -> String {
        let mut kept: Vec<char> = line.chars().collect();
        loop {
            let text = format!("{}…", kept.iter().collect::<String>().trim_end());
            if self.width(&text, size) <= width || kept.pop().is_none() {
                return text;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letters_of_colombian_names_are_there() {
        for font in [Font::Regular, Font::SemiBold, Font::Display] {
            assert!(font.face().is_some());
            let text = "Ñoño Quiñones Echeverría Güiza áéíóú ÁÉÍÓÚ ¿qué? ¡sí! $ 185.000 «Ł» Nguyễn – “p. m.”";
            assert_eq!(font.clean(text), text);
        }
        assert_eq!(Font::Regular.clean("Ana 🎉 Мария\u{200d}\n\tRuiz"), "Ana ????? Ruiz");
        assert_eq!(Font::Regular.clean("7:00\u{a0}p.\u{a0}m."), "7:00\u{a0}p.\u{a0}m.");
    }

    #[test]
    fn lines_are_broken_between_words_and_end_in_an_ellipsis_when_there_are_too_many() {
        let font = Font::Regular;
        let text = "María Fernanda de los Ángeles Echeverri Quiñones";
        let lines = font.lines(text, 12.0, 120.0, 5);
        assert_eq!(lines.join(" "), text);
        assert!(lines.iter().all(|l| font.width(l, 12.0) <= 120.0), "{lines:?}");
        let short = font.lines(text, 12.0, 120.0, 1);
        assert!(short.len() == 1 && short[0].ends_with('…') && font.width(&short[0], 12.0) <= 120.0, "{short:?}");
        let word = font.lines(&"x".repeat(100), 12.0, 120.0, 9);
        assert_eq!(word.concat(), "x".repeat(100));
        assert!(font.lines("", 12.0, 120.0, 2).is_empty());
    }
}
