//! What a guest gets, read by programs that are not ours: the code out of the picture and out of the
//! printed page, the entry by a calendar's own reader.
#![allow(clippy::print_stderr, reason = "what was not judged is said aloud")]

use icalendar::{Calendar, CalendarComponent, Component, EventLike};
use pasarela_colombia::Lang;
use pasarela_ticket::token::{Claims, Keyring, Signer, Tag};
use pasarela_ticket::{Boleta, State, calendar, pdf, png, qr};
use std::process::Command;
use tiny_skia::Pixmap;

fn signed() -> (String, Keyring) {
    let signer = Signer::new(&[7; 32]).unwrap();
    let claims = Claims { connection: Tag::of("boleteria"), ticket: "4471".into(), show: "41".into() };
    (signer.sign(&claims).unwrap(), Keyring::new([signer.public_key()]))
}

fn boleta() -> Boleta {
    Boleta {
        code: "A-7KQ2M9X".into(),
        qr: "A-7KQ2M9X".into(),
        show: "Raíz y Seda; una noche, dos telares".into(),
        starts_at: "2026-11-28T00:00:00Z".parse().ok(),
        ends_at: "2026-11-28T03:30:00Z".parse().ok(),
        venue: Some("Museo de Arte Moderno".into()),
        address: Some("Calle 24 # 6-00, Bogotá".into()),
        holder: "Valentina Arango Ñustes".into(),
        tier: Some("Preferencial".into()),
        order: Some("O-3F9LX0C".into()),
        seller: Some("Fashionistas S.A.S., NIT 900.123.456-8".into()),
        link: Some(format!("https://boletas.fashionistas.example/b/{}", signed().0)),
        state: State::Valid,
    }
}

/// What a reader of codes finds in a picture.
fn read(picture: &[u8]) -> Vec<String> {
    let picture = Pixmap::decode_png(picture).unwrap();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let grey = |x: usize, y: usize| {
        let p = picture.pixel(x as u32, y as u32).unwrap();
        ((u32::from(p.red()) + u32::from(p.green()) + u32::from(p.blue())) / 3) as u8
    };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, grey);
    image.detect_grids().into_iter().map(|grid| grid.decode().unwrap().1).collect()
}

/// A page as a picture, by poppler. `None`: it is not installed, which is said aloud.
fn rasterised(pdf: &[u8], dpi: u32) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("boleta.pdf"), folder.path().join("boleta"));
    std::fs::write(&file, pdf).unwrap();
    let run =
        Command::new("pdftoppm").args(["-png", "-singlefile", "-r", &dpi.to_string()]).arg(&file).arg(&out).status();
    let Ok(status) = run else {
        eprintln!(
            "SKIPPED: pdftoppm is not installed (apt-get install poppler-utils), so nobody read the printed page"
        );
        return None;
    };
    assert!(status.success(), "poppler does not read the page");
    Some(std::fs::read(out.with_extension("png")).unwrap())
}

fn texts_of(pdf: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("boleta.pdf");
    std::fs::write(&file, pdf).unwrap();
    let run = Command::new("pdftotext").args(["-layout"]).arg(&file).arg("-").output().ok()?;
    Some(String::from_utf8(run.stdout).unwrap())
}

#[test]
fn a_reader_finds_the_code_in_the_picture_and_on_the_page_in_both_forms() {
    let (token, keys) = signed();
    for lang in [Lang::Es, Lang::En] {
        for content in ["A-7KQ2M9X", token.as_str()] {
            let boleta = Boleta { qr: content.to_owned(), ..boleta() };
            assert_eq!(read(&png(&boleta, lang).unwrap()), [content], "in the picture");
            // A printer's resolution, and that of a phone which shows the whole page.
            for dpi in [300, 150] {
                if let Some(page) = rasterised(&pdf(&boleta, lang).unwrap(), dpi) {
                    assert_eq!(read(&page), [content], "on the page at {dpi} dpi");
                }
            }
        }
    }
    assert_eq!(keys.open(&token).unwrap().ticket, "4471");
}

#[test]
fn a_cancelled_ticket_has_no_code_anywhere() {
    let boleta = Boleta { state: State::Cancelled, ..boleta() };
    assert!(read(&png(&boleta, Lang::Es).unwrap()).is_empty());
    if let Some(page) = rasterised(&pdf(&boleta, Lang::Es).unwrap(), 150) {
        assert!(read(&page).is_empty());
    }
}

#[test]
fn the_texts_of_the_page_can_be_copied_with_their_accents() {
    let Some(text) = texts_of(&pdf(&boleta(), Lang::Es).unwrap()) else {
        eprintln!("SKIPPED: pdftotext is not installed (apt-get install poppler-utils)");
        return;
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "BOLETA",
        "Raíz y Seda; una noche, dos telares",
        "viernes 27 de noviembre, 7:00 p. m.",
        "Bogotá",
        "Arango Ñustes",
        "A-7KQ2M9X",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn equal_tickets_give_equal_bytes_and_small_files() {
    for lang in [Lang::Es, Lang::En] {
        let (page, picture) = (pdf(&boleta(), lang).unwrap(), png(&boleta(), lang).unwrap());
        assert_eq!(page, pdf(&boleta(), lang).unwrap());
        assert_eq!(picture, png(&boleta(), lang).unwrap());
        assert_eq!(calendar(&boleta(), lang), calendar(&boleta(), lang));
        assert!(page.len() < 60_000 && picture.len() < 200_000, "{} and {} bytes", page.len(), picture.len());
    }
    assert_ne!(pdf(&boleta(), Lang::Es), pdf(&Boleta { holder: "Otra".into(), ..boleta() }, Lang::Es));
}

#[test]
fn another_program_reads_the_calendar_entry() {
    let text = calendar(&boleta(), Lang::Es).unwrap();
    assert!(text.split("\r\n").all(|line| line.len() <= 75), "{text}");
    let parsed: Calendar = text.parse().unwrap();
    let [CalendarComponent::Event(event)] = parsed.components.as_slice() else { panic!("{parsed:?}") };
    assert_eq!(event.get_summary(), Some("Raíz y Seda; una noche, dos telares"));
    assert_eq!(event.get_location(), Some("Museo de Arte Moderno, Calle 24 # 6-00, Bogotá"));
    let moment = |name: &str| event.property_value(name).map(str::to_owned);
    assert_eq!(moment("DTSTART").as_deref(), Some("20261128T000000Z"));
    assert_eq!(moment("DTEND").as_deref(), Some("20261128T033000Z"));
    assert!(event.get_description().unwrap().contains("Boleta A-7KQ2M9X"));
    assert_eq!(event.get_url(), boleta().link.as_deref());
    assert_eq!(calendar(&Boleta { starts_at: None, ..boleta() }, Lang::Es), None);
}

#[test]
fn the_square_of_the_page_is_read_too() {
    let svg = qr::modules("A-7KQ2M9X").unwrap().svg("código");
    let side: usize = svg.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let mut dark = vec![false; side * side];
    // `M<x> <y>h<length>v1h-<length>z`, as the page writes them.
    for part in svg.split(" d=\"").nth(1).unwrap().split('"').next().unwrap().split('M').skip(1) {
        let (x, rest) = part.split_once(' ').unwrap();
        let (y, rest) = rest.split_once('h').unwrap();
        let length: usize = rest.split('v').next().unwrap().parse().unwrap();
        let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
        dark[y * side + x..y * side + x + length].fill(true);
    }
    let grey = |x: usize, y: usize| if dark[(y / 8) * side + x / 8] { 0 } else { 255 };
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * 8, side * 8, grey);
    let found: Vec<String> = image.detect_grids().into_iter().map(|g| g.decode().unwrap().1).collect();
    assert_eq!(found, ["A-7KQ2M9X"]);
}
