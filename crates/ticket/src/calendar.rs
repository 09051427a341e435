//! The entry for a calendar (RFC 5545). Moments are written in UTC: every calendar shows them on its
//! own wall, and a guest who flies in from Madrid sees the hour in Bogota when there.

use crate::boleta::Boleta;
use crate::sheet;
use crate::words::with;
use jiff::Timestamp;
use pasarela_colombia::Lang;

/// Longest line of the format, in bytes, without its end.
const LONGEST: usize = 75;

/// The ticket's show as a calendar file. `None`: it is not known when it begins.
#[must_use]
pub fn calendar(boleta: &Boleta, lang: Lang) -> Option<String> {
    let starts = boleta.starts_at?;
    let mut lines = vec![
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//Pasarela//Boletas//ES".to_owned(),
        "CALSCALE:GREGORIAN".to_owned(),
        "METHOD:PUBLISH".to_owned(),
        format!("X-WR-CALNAME:{}", escaped(&sheet::title(boleta, lang))),
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}@pasarela", escaped(&boleta.code)),
        // Nobody knows when this file was made: equal tickets give equal bytes.
        format!("DTSTAMP:{}", moment(starts)),
        format!("DTSTART:{}", moment(starts)),
    ];
    if let Some(ends) = boleta.ends_at.filter(|e| *e > starts) {
        lines.push(format!("DTEND:{}", moment(ends)));
    }
    lines.push(format!("SUMMARY:{}", escaped(&boleta.show)));
    if let Some(place) = boleta.place() {
        lines.push(format!("LOCATION:{}", escaped(&place)));
    }
    let mut text = with("calendar.text", lang, &boleta.code);
    if let Some(link) = boleta.link.as_deref().filter(|l| l.bytes().all(|b| b.is_ascii_graphic())) {
        text.push('\n');
        text.push_str(link);
        lines.push(format!("URL:{link}"));
    }
    lines.push(format!("DESCRIPTION:{}", escaped(&text)));
    lines.extend(["END:VEVENT".to_owned(), "END:VCALENDAR".to_owned()]);
    Some(lines.iter().map(|line| folded(line)).collect())
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A long line goes on behind a line end and a blank, never inside of a letter.
fn folded(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 8);
    let mut used = 0;
    for c in line.chars() {
        if used + c.len_utf8() > LONGEST {
            out.push_str("\r\n ");
            used = 1;
        }
        out.push(c);
        used += c.len_utf8();
    }
    out.push_str("\r\n");
    out
}
