//! The picture for a chat: 1080 by 1350, the code in the middle, where a preview shows it.

use crate::boleta::Boleta;
use crate::letters::Font;
use crate::qr;
use crate::sheet::{self, Color, FLOOR, Shape, WIDTH};
use pasarela_colombia::Lang;
use rustybuzz::ttf_parser::{GlyphId, OutlineBuilder};
use tiny_skia::{FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Transform};

const PIXELS: u32 = 1080;
const HEIGHT: f32 = 525.0;

/// The ticket as a PNG. `None` only if it could not be written, which no input leads to.
#[must_use]
pub fn png(boleta: &Boleta, lang: Lang) -> Option<Vec<u8>> {
    let sheet = sheet::sheet(boleta, lang, HEIGHT, false);
    let scale = PIXELS as f32 / WIDTH;
    let mut picture = Pixmap::new(PIXELS, (sheet.height * scale).round() as u32)?;
    let (r, g, b) = FLOOR;
    picture.fill(tiny_skia::Color::from_rgba8(r, g, b, 255));
    for shape in &sheet.shapes {
        draw(&mut picture, shape, scale);
    }
    picture.encode_png().ok()
}

fn draw(picture: &mut Pixmap, shape: &Shape, scale: f32) {
    let to_pixels = Transform::from_scale(scale, scale);
    match shape {
        Shape::Box(x, y, w, h, radius, color) => paint(picture, rounded(*x, *y, *w, *h, *radius), *color, to_pixels),
        Shape::Text { x, y, font, size, color, text } => {
            paint(picture, outlines(*font, text, *x, *y, *size), *color, to_pixels);
        }
        Shape::Code(x, y, side, modules) => {
            // On whole pixels: the edges of modules stay sharp, and a reader of a poor phone reads them.
            let unit = (side * scale / (modules.size() + 2 * qr::QUIET) as f32).floor().max(1.0);
            let rest = side * scale - unit * modules.size() as f32;
            let (left, top) = ((x * scale + rest / 2.0).round(), (y * scale + rest / 2.0).round());
            let mut path = PathBuilder::new();
            for (mx, my, length) in modules.stretches() {
                let rect = Rect::from_xywh(left + mx as f32 * unit, top + my as f32 * unit, length as f32 * unit, unit);
                rect.into_iter().for_each(|r| path.push_rect(r));
            }
            paint(picture, path.finish(), (0, 0, 0), Transform::identity());
        }
    }
}

fn paint(picture: &mut Pixmap, path: Option<Path>, (r, g, b): Color, transform: Transform) {
    // A text of blanks has no outline.
    let Some(path) = path else { return };
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(r, g, b, 255);
    picture.fill_path(&path, &paint, FillRule::Winding, transform, None);
}

fn rounded(x: f32, y: f32, w: f32, h: f32, r: f32) -> Option<Path> {
    // How far the handles of a quarter of a circle reach.
    let k = r * 0.447_7;
    let (right, bottom) = (x + w, y + h);
    let mut path = PathBuilder::new();
    path.move_to(x + r, y);
    path.line_to(right - r, y);
    path.cubic_to(right - k, y, right, y + k, right, y + r);
    path.line_to(right, bottom - r);
    path.cubic_to(right, bottom - k, right - k, bottom, right - r, bottom);
    path.line_to(x + r, bottom);
    path.cubic_to(x + k, bottom, x, bottom - k, x, bottom - r);
    path.line_to(x, y + r);
    path.cubic_to(x, y + k, x + k, y, x + r, y);
    path.close();
    path.finish()
}

fn outlines(font: Font, text: &str, x: f32, y: f32, size: f32) -> Option<Path> {
    let face = font.face()?;
    let mut pen = Pen { path: PathBuilder::new(), x, y, scale: size / face.units_per_em() as f32 };
    for (glyph, dx, dy, advance) in font.shape(text) {
        let home = pen.x;
        (pen.x, pen.y) = (home + dx * size, y - dy * size);
        // A blank has none.
        let _ = face.outline_glyph(GlyphId(glyph), &mut pen);
        pen.x = home + advance * size;
    }
    pen.path.finish()
}

/// Draws glyphs, whose vertical axis points up, onto a picture, whose points down.
struct Pen {
    path: PathBuilder,
    x: f32,
    y: f32,
    scale: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }
    fn close(&mut self) {
        self.path.close();
    }
}
