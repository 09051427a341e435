//! Where everything of a ticket stands, as a list of shapes: drawn once as a page and once as a picture,
//! so that both say the same.
//!
//! One line of light from top to bottom, and the pieces along it: the show, the moment, the place, the
//! code, whose it is. Everything else is calm. Lengths are points of a page that is 420 wide.

use crate::boleta::{Boleta, State};
use crate::letters::Font;
use crate::qr::{self, Modules};
use crate::words::{t, with};
use pasarela_colombia::Lang;

/// Width of every sheet: that of A5.
pub(crate) const WIDTH: f32 = 420.0;
const LINE: f32 = 30.0;
const LEFT: f32 = 54.0;
const RIGHT: f32 = 390.0;
const COLUMN: f32 = RIGHT - LEFT;
const CODE: f32 = 196.0;
const GAP: f32 = 18.0;

/// A colour.
pub(crate) type Color = (u8, u8, u8);
/// Of print on white, and of the picture on its floor: the brand's light side.
pub(crate) const FLOOR: Color = (0xfb, 0xf8, 0xf4);
const WHITE: Color = (0xff, 0xff, 0xff);
const INK: Color = (0x1c, 0x15, 0x21);
const MUTED: Color = (0x63, 0x58, 0x6b);
const ACCENT: Color = (0xb0, 0x12, 0x5b);
const STOP: Color = (0xa8, 0x20, 0x1a);
const WAITS: Color = (0x8a, 0x5a, 0x00);
const EDGE: Color = (0xe3, 0xda, 0xe0);

/// Something to draw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// x, y, width, height, radius, colour.
    Box(f32, f32, f32, f32, f32, Color),
    /// A line of text from x along a baseline.
    Text { x: f32, y: f32, font: Font, size: f32, color: Color, text: String },
    /// A code with its quiet zone: x, y, side.
    Code(f32, f32, f32, Modules),
}

/// A ticket laid out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sheet {
    pub(crate) height: f32,
    pub(crate) shapes: Vec<Shape>,
    /// Where a press leads to the ticket's page: x, y, width, height.
    pub(crate) link: Option<(f32, f32, f32, f32)>,
}

impl Sheet {
    /// Its texts, from top to bottom.
    #[cfg(test)]
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.shapes
            .iter()
            .filter_map(|s| if let Shape::Text { text, .. } = s { Some(text.as_str()) } else { None })
            .collect()
    }

    fn text(&mut self, x: f32, y: f32, font: Font, size: f32, color: Color, text: impl Into<String>) {
        self.shapes.push(Shape::Text { x, y, font, size, color, text: text.into() });
    }

    /// Lines one under the other; returns where the next baseline may be.
    #[allow(clippy::too_many_arguments)]
    fn lines(&mut self, x: f32, y: f32, font: Font, size: f32, leading: f32, color: Color, lines: Vec<String>) -> f32 {
        lines.into_iter().fold(y, |y, line| {
            self.text(x, y, font, size, color, line);
            y + leading
        })
    }

    /// A mark on the line of light.
    fn mark(&mut self, y: f32) {
        self.shapes.push(Shape::Box(LINE - 4.0, y - 4.0, 11.0, 11.0, 5.5, ACCENT));
    }
}

/// Lays a ticket out on a sheet of this height (595 for a page, 525 for a picture). `prints`: its link
/// is of use, since it can be pressed or typed.
pub(crate) fn sheet(boleta: &Boleta, lang: Lang, height: f32, prints: bool) -> Sheet {
    let mut sheet = Sheet { height, shapes: Vec::new(), link: None };
    sheet.shapes.push(Shape::Box(LINE, 36.0, 3.0, height - 72.0, 1.5, ACCENT));
    let y = head(&mut sheet, boleta, lang);
    // The code lies in the middle of a picture, where a chat's preview shows it.
    let y = y.max(if prints { 186.0 } else { height * 0.5 - CODE * 0.5 });
    let y = code(&mut sheet, boleta, lang, y);
    foot(&mut sheet, boleta, lang, y + 30.0, prints);
    sheet
}

fn head(sheet: &mut Sheet, boleta: &Boleta, lang: Lang) -> f32 {
    let mut y = 49.0;
    sheet.text(LEFT, y, Font::SemiBold, 10.0, ACCENT, t("kind", lang).to_uppercase());
    if let Some(order) = &boleta.order {
        let order = Font::Regular.clean(&format!("{} {order}", t("order", lang)));
        let x = RIGHT - Font::Regular.width(&order, 10.0);
        sheet.text(x, y, Font::Regular, 10.0, MUTED, order);
    }
    y += 31.0;
    let large = Font::Display.lines(&boleta.show, 27.0, COLUMN, usize::MAX);
    let (size, leading, title) = if large.len() <= 2 {
        (27.0, 31.0, large)
    } else {
        (20.0, 24.0, Font::Display.lines(&boleta.show, 20.0, COLUMN, 3))
    };
    y = sheet.lines(LEFT, y, Font::Display, size, leading, INK, title);
    y += 1.0;
    sheet.mark(y - 7.0);
    let when = Font::SemiBold.lines(&boleta.when(lang), 14.0, COLUMN, 2);
    y = sheet.lines(LEFT, y, Font::SemiBold, 14.0, 18.0, INK, when);
    y += 3.0;
    sheet.mark(y - 6.5);
    match (&boleta.venue, &boleta.address) {
        (None, None) => {
            sheet.text(LEFT, y, Font::Regular, 12.0, MUTED, t("where.open", lang));
            y += 16.0;
        }
        (venue, address) => {
            if let Some(venue) = venue {
                y = sheet.lines(LEFT, y, Font::Regular, 12.5, 16.0, INK, Font::Regular.lines(venue, 12.5, COLUMN, 2));
            }
            if let Some(address) = address {
                let lines = Font::Regular.lines(address, 11.0, COLUMN, 2);
                y = sheet.lines(LEFT, y, Font::Regular, 11.0, 14.5, MUTED, lines);
            }
        }
    }
    y + 4.0
}

fn code(sheet: &mut Sheet, boleta: &Boleta, lang: Lang, y: f32) -> f32 {
    sheet.mark(y + 6.0);
    sheet.shapes.push(Shape::Box(LEFT, y, CODE, CODE, 6.0, EDGE));
    sheet.shapes.push(Shape::Box(LEFT + 1.0, y + 1.0, CODE - 2.0, CODE - 2.0, 5.0, WHITE));
    match qr::modules(&boleta.qr).filter(|_| boleta.state.shows_code()) {
        Some(modules) => sheet.shapes.push(Shape::Code(LEFT + 4.0, y + 4.0, CODE - 8.0, modules)),
        None => {
            let color = if boleta.state == State::AwaitingPayment { WAITS } else { STOP };
            let word = t(&format!("state.{}", boleta.state.key()), lang);
            let width = Font::Display.width(word, 26.0);
            sheet.text(LEFT + (CODE - width) * 0.5, y + CODE * 0.5 + 9.0, Font::Display, 26.0, color, word);
        }
    }
    let (x, width) = (LEFT + CODE + GAP, COLUMN - CODE - GAP);
    let mut at = y + 12.0;
    let label = |sheet: &mut Sheet, at: f32, key: &str| {
        sheet.text(x, at, Font::Regular, 9.5, MUTED, t(key, lang));
        at + 16.0
    };
    if !boleta.holder.trim().is_empty() {
        at = label(sheet, at, "holder");
        let large = Font::SemiBold.lines(&boleta.holder, 14.0, width, usize::MAX);
        let (size, leading, name) = if large.len() <= 4 {
            (14.0, 17.5, large)
        } else {
            (12.5, 15.5, Font::SemiBold.lines(&boleta.holder, 12.5, width, 5))
        };
        at = sheet.lines(x, at, Font::SemiBold, size, leading, INK, name) + 8.0;
    }
    if let Some(tier) = &boleta.tier {
        at = label(sheet, at, "tier");
        let most = if at > y + CODE - 72.0 { 2 } else { 3 };
        sheet.lines(x, at, Font::SemiBold, 12.5, 15.5, INK, Font::SemiBold.lines(tier, 12.5, width, most));
    }
    let at = y + CODE - 4.0;
    sheet.text(x, at - 18.0, Font::Regular, 9.5, MUTED, t("page.code", lang));
    let size = (15.0 * width / Font::SemiBold.width(&boleta.code, 15.0).max(1.0)).min(15.0);
    sheet.text(x, at, Font::SemiBold, size, INK, Font::SemiBold.clean(&boleta.code));
    y + CODE
}

fn foot(sheet: &mut Sheet, boleta: &Boleta, lang: Lang, mut y: f32, prints: bool) {
    sheet.mark(y - 6.0);
    let door = t(&format!("door.{}", boleta.state.key()), lang);
    let color = if boleta.state.shows_code() { INK } else { STOP };
    y = sheet.lines(LEFT, y, Font::SemiBold, 11.5, 15.0, color, Font::SemiBold.lines(door, 11.5, COLUMN, 2));
    if let Some(seller) = &boleta.seller {
        let seller = format!("{} {seller}", t("seller", lang));
        y = sheet.lines(LEFT, y + 3.0, Font::Regular, 9.5, 12.5, MUTED, Font::Regular.lines(&seller, 9.5, COLUMN, 2));
    }
    if let Some(link) = boleta.link.as_deref().filter(|_| prints) {
        let lines = Font::Regular.lines(link, 7.5, COLUMN, 4);
        let top = y - 4.0;
        y = sheet.lines(LEFT, y + 5.0, Font::Regular, 7.5, 10.0, MUTED, lines);
        sheet.link = Some((LEFT, top, COLUMN, y - top));
    }
}

/// For titles of files: "Boleta para Noche de Lino".
pub(crate) fn title(boleta: &Boleta, lang: Lang) -> String {
    with("title", lang, &boleta.show)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> Boleta {
        Boleta {
            code: "A-7KQ2M9X".into(),
            qr: "A-7KQ2M9X".into(),
            show: "Noche de Lino".into(),
            starts_at: "2026-11-28T00:00:00Z".parse().ok(),
            ends_at: None,
            venue: Some("Museo de Arte Moderno".into()),
            address: Some("Calle 24 # 6-00, Bogotá".into()),
            holder: "Valentina Arango Ñustes".into(),
            tier: Some("Preferencial".into()),
            order: Some("O-3F9LX0C".into()),
            seller: Some("Fashionistas S.A.S., NIT 900.123.456-8".into()),
            link: Some("https://boletas.fashionistas.example/b/P1AB".into()),
            state: State::Valid,
        }
    }

    #[test]
    fn a_ticket_says_this_in_spanish_and_that_in_english() {
        assert_eq!(
            sheet(&sample(), Lang::Es, 595.0, true).texts(),
            [
                "BOLETA",
                "Pedido O-3F9LX0C",
                "Noche de Lino",
                "viernes 27 de noviembre, 7:00 p. m.",
                "Museo de Arte Moderno",
                "Calle 24 # 6-00, Bogotá",
                "A nombre de",
                "Valentina",
                "Arango Ñustes",
                "Localidad",
                "Preferencial",
                "Código",
                "A-7KQ2M9X",
                "Muestra este código en la puerta. Abre una sola vez.",
                "Vende Fashionistas S.A.S., NIT 900.123.456-8",
                "https://boletas.fashionistas.example/b/P1AB",
            ]
        );
        assert_eq!(
            sheet(&sample(), Lang::En, 525.0, false).texts(),
            [
                "TICKET",
                "Order O-3F9LX0C",
                "Noche de Lino",
                "Friday, November 27, 7:00 PM",
                "Museo de Arte Moderno",
                "Calle 24 # 6-00, Bogotá",
                "Name",
                "Valentina",
                "Arango Ñustes",
                "Section",
                "Preferencial",
                "Code",
                "A-7KQ2M9X",
                "Show this code at the door. It opens once.",
                "Sold by Fashionistas S.A.S., NIT 900.123.456-8",
            ]
        );
    }

    #[test]
    fn nothing_leaves_the_sheet_however_long_it_is() {
        let long = "Telares del Pacífico y del Caribe: una conversación entre Guapi, San Jacinto y Mompox, \
                    con invitadas de Tumaco, Usiacurí y la Alta Guajira";
        let boleta = Boleta {
            show: long.into(),
            venue: Some(long.into()),
            address: Some(long.into()),
            holder: "María Fernanda de los Ángeles Echeverri Quiñones de la Torre y Santamaría".into(),
            tier: Some(long.into()),
            seller: Some(long.into()),
            code: "A-1234567890-1234567890".into(),
            link: Some(format!("https://boletas.fashionistas.example/b/P1{}", "A".repeat(126))),
            ..sample()
        };
        for (height, prints) in [(595.0, true), (525.0, false)] {
            let sheet = sheet(&boleta, Lang::Es, height, prints);
            let mut last = 0.0_f32;
            for shape in &sheet.shapes {
                if let Shape::Text { x, y, font, size, text, .. } = shape {
                    assert!(x + font.width(text, *size) <= RIGHT + 0.5, "{text}");
                    last = last.max(*y);
                }
            }
            assert!(last < height - 12.0, "the last line is at {last} of {height}");
        }
    }

    #[test]
    fn what_opens_no_door_shows_no_code() {
        for state in [State::Cancelled, State::AwaitingPayment] {
            let sheet = sheet(&Boleta { state, ..sample() }, Lang::Es, 595.0, true);
            assert!(!sheet.shapes.iter().any(|s| matches!(s, Shape::Code(..))));
            assert!(sheet.texts().contains(&t(&format!("state.{}", state.key()), Lang::Es)));
        }
    }
}
