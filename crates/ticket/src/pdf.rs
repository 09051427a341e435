//! The page to print: A5, so that two lie on a sheet of A4 and one fills a phone.

use crate::boleta::Boleta;
use crate::letters::Font;
use crate::sheet::{self, Color, Shape, WIDTH};
use crate::{qr, words};
use krilla::Document;
use krilla::action::{Action, LinkAction};
use krilla::annotation::{Annotation, LinkAnnotation, Target};
use krilla::color::rgb;
use krilla::geom::{Path, PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::text::TextDirection;
use pasarela_colombia::Lang;
use std::sync::LazyLock;

/// Height of A5.
const HEIGHT: f32 = 595.0;

static FONTS: LazyLock<[Option<krilla::text::Font>; 3]> = LazyLock::new(|| {
    [Font::Regular, Font::SemiBold, Font::Display]
        .map(|f| krilla::text::Font::new(std::sync::Arc::new(f.bytes().to_vec()).into(), 0))
});

/// The ticket as a PDF. `None` only if it could not be written, which no input leads to.
#[must_use]
pub fn pdf(boleta: &Boleta, lang: Lang) -> Option<Vec<u8>> {
    let sheet = sheet::sheet(boleta, lang, HEIGHT, true);
    let mut document = Document::new();
    let language = if lang == Lang::Es { "es-CO" } else { "en" };
    document.set_metadata(
        Metadata::new()
            .title(sheet::title(boleta, lang))
            .language(language.to_owned())
            .creator("Pasarela".to_owned())
            .document_id(format!("{} {}", boleta.code, words::code(lang))),
    );
    let mut page = document.start_page_with(PageSettings::from_wh(WIDTH, HEIGHT)?);
    let mut surface = page.surface();
    for shape in &sheet.shapes {
        draw(&mut surface, shape)?;
    }
    surface.finish();
    if let (Some((x, y, w, h)), Some(link)) = (sheet.link, &boleta.link) {
        let target = Target::Action(Action::Link(LinkAction::new(link.clone())));
        let link = LinkAnnotation::new(Rect::from_xywh(x, y, w, h)?, target);
        page.add_annotation(Annotation::new_link(link, Some(sheet::title(boleta, lang))));
    }
    page.finish();
    document.finish().ok()
}

fn draw(surface: &mut Surface<'_>, shape: &Shape) -> Option<()> {
    match shape {
        Shape::Box(x, y, w, h, radius, color) => {
            fill(surface, *color);
            surface.draw_path(&rounded(*x, *y, *w, *h, *radius)?);
        }
        Shape::Text { x, y, font, size, color, text } => {
            fill(surface, *color);
            let face = FONTS[*font as usize].clone()?;
            surface.draw_text(Point::from_xy(*x, *y), face, *size, text, false, TextDirection::Auto);
        }
        Shape::Code(x, y, side, modules) => {
            fill(surface, (0, 0, 0));
            let unit = side / (modules.size() + 2 * qr::QUIET) as f32;
            let at = |n: usize| (n + qr::QUIET) as f32 * unit;
            let mut path = PathBuilder::new();
            for (mx, my, length) in modules.stretches() {
                path.push_rect(Rect::from_xywh(x + at(mx), y + at(my), length as f32 * unit, unit)?);
            }
            surface.draw_path(&path.finish()?);
        }
    }
    Some(())
}

fn fill(surface: &mut Surface<'_>, (r, g, b): Color) {
    surface.set_fill(Some(Fill { paint: rgb::Color::new(r, g, b).into(), ..Fill::default() }));
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
