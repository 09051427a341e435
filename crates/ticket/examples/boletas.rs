//! Writes tickets into a folder, to look at: `cargo run -p pasarela-ticket --example boletas -- FOLDER`.

use pasarela_colombia::Lang;
use pasarela_ticket::token::{Claims, Signer, Tag};
use pasarela_ticket::{Boleta, State, pdf, png};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder")?);
    std::fs::create_dir_all(&folder)?;
    let claims = Claims { connection: Tag::of("boleteria"), ticket: "4471".into(), show: "41".into() };
    let token = Signer::new(&[7; 32])?.sign(&claims)?;
    let plain = Boleta {
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
        link: Some(format!("https://boletas.fashionistas.example/b/{token}")),
        state: State::Valid,
    };
    let long = Boleta {
        show: "Telares del Pacífico y del Caribe: una conversación entre Guapi, San Jacinto y Mompox".into(),
        venue: Some("Centro de Eventos Valle del Pacífico, Salón Principal y Terraza".into()),
        address: Some("Autopista Cali–Yumbo km 7, costado oriental, Arroyohondo, Yumbo, Valle del Cauca".into()),
        holder: "María Fernanda de los Ángeles Echeverri Quiñones de la Torre".into(),
        tier: Some("Primera fila, costado de la pasarela".into()),
        qr: token,
        ..plain.clone()
    };
    let cancelled = Boleta { state: State::Cancelled, ..plain.clone() };
    for (name, boleta) in [("plain", plain), ("long", long), ("cancelled", cancelled)] {
        for (code, lang) in [("es", Lang::Es), ("en", Lang::En)] {
            std::fs::write(folder.join(format!("{name}-{code}.pdf")), pdf(&boleta, lang).ok_or("no page")?)?;
            std::fs::write(folder.join(format!("{name}-{code}.png")), png(&boleta, lang).ok_or("no picture")?)?;
        }
    }
    Ok(())
}
