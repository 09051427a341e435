//! What a message says: a template of ours or the flow's words, as plain text and as HTML that says the
//! same. The HTML is one column, without pictures from elsewhere and without scripts, and readable in
//! the dark; whoever reads the plain text misses nothing.

use super::Refusal;
use super::input::{Attach, Send, Template};
use super::words::{t, with};
use crate::smtp::settings::is_way_out;
use pasarela_colombia::Lang;
use pasarela_ticket::{Boleta, calendar, media, pdf, png};
use serde_json::Value;

/// A message, not yet addressed.
pub(super) struct Content {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
    pub(super) files: Vec<File>,
}

/// A file that goes with it.
pub(super) struct File {
    pub(super) name: String,
    pub(super) media: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// Makes a message of an action's input. `signature`: how the sender is called. `way_out`: of advertising, where it
/// is that.
pub(super) fn content(input: &Send, signature: Option<&str>, way_out: Option<&str>) -> Result<Content, Refusal> {
    let invalid = |why: &str| Refusal::Invalid(why.to_owned());
    let lang = input.language.as_deref().and_then(Lang::from_tag).unwrap_or_default();
    let none = Value::Null;
    let (ticket, show, order) = (
        input.ticket.as_ref().unwrap_or(&none),
        input.show.as_ref().unwrap_or(&none),
        input.order.as_ref().unwrap_or(&none),
    );
    let boleta = Boleta::read(ticket, show, order);
    let files = files(&input.attach, boleta.as_ref(), lang)?;
    if input.unsubscribe.as_deref().is_some_and(|way| !is_way_out(way)) {
        return Err(invalid("unsubscribe should be mailto:ADDRESS or an https:// address"));
    }
    let mut page = match (input.template, &input.subject, &input.text) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            return Err(invalid("there is a template and a subject or text too: keep one of the two"));
        }
        (Some(template), None, None) => {
            let note = input.vars.get("note").and_then(Value::as_str);
            let title = boleta.as_ref().map(|b| b.show.clone()).or_else(|| text(show, "/title"));
            let title =
                title.filter(|t| !t.is_empty()).ok_or_else(|| invalid("the template needs `show`, with its title"))?;
            if template == Template::Boleta && boleta.is_none() {
                return Err(invalid("the template boleta needs `ticket`, with its code"));
            }
            // A reminder without a ticket still knows the show.
            let seen = boleta.or_else(|| Boleta::read(&serde_json::json!({ "code": "-" }), show, order));
            Page::of(template, &title, seen.as_ref(), note, &input.attach, lang)
        }
        (None, Some(subject), Some(text)) if !subject.trim().is_empty() && !text.trim().is_empty() => {
            Page { subject: one_line(subject), paragraphs: paragraphs(text), ..Page::default() }
        }
        (None, ..) => return Err(invalid("a message needs a template, or a subject and a text")),
    };
    page.way_out = way_out.map(str::to_owned);
    page.signature = signature.map(str::to_owned);
    let html = input.html.as_ref().map_or_else(|| page.html(lang), |own| page.leave_in(own, lang));
    Ok(Content { subject: page.subject.clone(), text: page.text(lang), html, files })
}

fn files(wanted: &[Attach], boleta: Option<&Boleta>, lang: Lang) -> Result<Vec<File>, Refusal> {
    let mut files: Vec<File> = Vec::new();
    for what in wanted {
        let boleta = boleta.ok_or_else(|| Refusal::Invalid("attach needs `ticket`, with its code".into()))?;
        let name = boleta.file_name(lang);
        let (end, media, bytes) = match what {
            Attach::TicketPdf => ("pdf", media::PDF, pdf(boleta, lang)),
            Attach::TicketImage => ("png", media::PNG, png(boleta, lang)),
            // A show whose hour is not known yet has no entry, and the message goes all the same.
            Attach::Calendar => match calendar(boleta, lang) {
                Some(text) => ("ics", media::CALENDAR, Some(text.into_bytes())),
                None => continue,
            },
        };
        let bytes = bytes.ok_or_else(|| Refusal::Invalid(format!("{name}.{end} could not be made")))?;
        let name = format!("{name}.{end}");
        if !files.iter().any(|f| f.name == name) {
            files.push(File { name, media, bytes });
        }
    }
    Ok(files)
}

/// The parts of a message, in their order.
#[derive(Default)]
struct Page {
    subject: String,
    greeting: Option<String>,
    paragraphs: Vec<String>,
    title: Option<String>,
    /// Name and value.
    facts: Vec<(&'static str, String)>,
    link: Option<String>,
    notes: Vec<&'static str>,
    way_out: Option<String>,
    signature: Option<String>,
}

impl Page {
    fn of(
        template: Template,
        title: &str,
        boleta: Option<&Boleta>,
        note: Option<&str>,
        attached: &[Attach],
        lang: Lang,
    ) -> Self {
        let stem = match template {
            Template::Boleta => "boleta",
            Template::Recordatorio => "recordatorio",
        };
        let (subject, lead) = (format!("{stem}.subject"), format!("{stem}.lead"));
        let mut page = Self {
            subject: one_line(&with(&subject, lang, title)),
            paragraphs: vec![with(&lead, lang, title)],
            title: Some(title.to_owned()),
            ..Self::default()
        };
        page.paragraphs.extend(note.into_iter().flat_map(paragraphs));
        let Some(boleta) = boleta else { return page };
        let first = boleta.holder.split_whitespace().next();
        page.greeting =
            Some(first.map_or_else(|| t("hello.nobody", lang).to_owned(), |name| with("hello", lang, name)));
        page.facts.push((t("when", lang), boleta.when(lang)));
        page.facts.extend(boleta.place().map(|place| (t("where", lang), place)));
        if !boleta.holder.is_empty() {
            page.facts.push((t("holder", lang), boleta.holder.clone()));
        }
        if boleta.code != "-" {
            page.facts.push((t("code", lang), boleta.code.clone()));
        }
        page.link.clone_from(&boleta.link);
        if attached.contains(&Attach::TicketPdf) {
            page.notes.push(t("attached.pdf", lang));
        }
        if attached.contains(&Attach::Calendar) && boleta.starts_at.is_some() {
            page.notes.push(t("calendar.pdf", lang));
        }
        page
    }

    fn text(&self, lang: Lang) -> String {
        let mut parts: Vec<String> = self.greeting.iter().chain(&self.paragraphs).cloned().collect();
        if !self.facts.is_empty() {
            let facts: Vec<String> = self.facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            parts.push(facts.join("\n"));
        }
        parts.extend(self.link.as_ref().map(|link| format!("{}: {link}", t("open", lang))));
        if !self.notes.is_empty() {
            parts.push(self.notes.join(" "));
        }
        parts.extend(self.signature.clone());
        parts.extend(self.way_out.as_ref().map(|way| with("unsubscribe", lang, way.trim_start_matches("mailto:"))));
        let mut text = parts.join("\n\n");
        text.push('\n');
        text
    }

    /// The line that leads out of advertising, as HTML; empty where it is none.
    fn leave(&self, lang: Lang) -> String {
        let link = |way| {
            let words = t("unsubscribe.link", lang);
            format!("<p class=\"small\"><a href=\"{}\">{words}</a></p>", escape(way))
        };
        self.way_out.as_deref().map(link).unwrap_or_default()
    }

    /// HTML of the flow's own, with that line at its end unless it shows the way itself.
    fn leave_in(&self, own: &str, lang: Lang) -> String {
        let shown = |way: &str| own.contains(way) || own.contains(&escape(way));
        if self.way_out.as_deref().is_none_or(shown) {
            return own.to_owned();
        }
        let end = own.to_ascii_lowercase().rfind("</body>").unwrap_or(own.len());
        format!("{}{}{}", &own[..end], self.leave(lang), &own[end..])
    }

    fn html(&self, lang: Lang) -> String {
        let tag = if lang == Lang::Es { "es-CO" } else { "en" };
        let mut body = String::new();
        for paragraph in self.greeting.iter().chain(&self.paragraphs) {
            body.push_str(&format!("<p>{}</p>", linked(paragraph)));
        }
        if !self.facts.is_empty() {
            body.push_str("<div class=\"line\">");
            if let Some(title) = &self.title {
                body.push_str(&format!("<h1>{}</h1>", escape(title)));
            }
            body.push_str("<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\">");
            for (name, value) in &self.facts {
                body.push_str(&format!(
                    "<tr><td class=\"name\">{}</td><td class=\"value\">{}</td></tr>",
                    escape(name),
                    whole(&escape(value))
                ));
            }
            body.push_str("</table></div>");
        }
        if let Some(link) = self.link.as_deref().filter(|l| l.starts_with("https://") || l.starts_with("http://")) {
            body.push_str(&format!("<p><a class=\"button\" href=\"{}\">{}</a></p>", escape(link), t("open", lang)));
        }
        if !self.notes.is_empty() {
            body.push_str(&format!("<p class=\"small\">{}</p>", escape(&self.notes.join(" "))));
        }
        if let Some(signature) = &self.signature {
            body.push_str(&format!("<p>{}</p>", escape(signature)));
        }
        body.push_str(&self.leave(lang));
        format!(
            "<!doctype html><html lang=\"{tag}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\">\
             <meta name=\"color-scheme\" content=\"light dark\"><meta name=\"supported-color-schemes\" content=\"light dark\">\
             <title>{}</title><style>{STYLE}</style></head><body><div class=\"page\">{body}</div></body></html>",
            escape(&self.subject)
        )
    }
}

/// The brand's colours; what a reader of mail does not know, it leaves out, and the message stays readable.
const STYLE: &str = "body{margin:0;background:#FBF8F4;color:#1C1521;font:17px/1.5 ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
.page{max-width:560px;margin:0 auto;padding:28px 20px}\
p{margin:0 0 16px}\
.line{border-left:3px solid #B0125B;padding:2px 0 2px 18px;margin:24px 0}\
h1{font-size:24px;line-height:1.25;margin:0 0 12px}\
td{vertical-align:top;padding:3px 0;text-align:left}\
.name{color:#63586B;padding-right:16px;white-space:nowrap}\
.value{font-weight:600}\
.button{display:inline-block;background:#B0125B;color:#FFFFFF;text-decoration:none;font-weight:600;padding:12px 22px;border-radius:6px}\
.small{color:#63586B;font-size:15px}\
a{color:#B0125B}a.button{color:#FFFFFF}\
@media (prefers-color-scheme:dark){body{background:#141016;color:#F4EEF0}.name,.small{color:#B9ADBD}\
.line{border-color:#FF7FB0}.button{background:#FF7FB0}a{color:#FF7FB0}a.button{color:#141016}}";

fn paragraphs(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n");
    text.split("\n\n").map(|p| p.trim_matches('\n').to_owned()).filter(|p| !p.trim().is_empty()).collect()
}

/// A subject has no line breaks: what follows one would be a header.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control()).map(str::trim).filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" ")
}

/// An hour stays whole at the end of a line.
fn whole(text: &str) -> String {
    [" a. m.", " p. m.", " AM", " PM"]
        .iter()
        .fold(text.to_owned(), |text, half| text.replace(half, &half.replace(' ', "&nbsp;")))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A paragraph of plain words as HTML: line breaks stay, addresses can be pressed.
fn linked(text: &str) -> String {
    let line = |line: &str| {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_end_matches(['.', ',', ')', ';']);
            let safe = escape(bare);
            if bare.starts_with("https://") {
                format!("<a href=\"{safe}\">{safe}</a>{}", escape(&word[bare.len()..]))
            } else {
                escape(word)
            }
        });
        words.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("<br>")
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}
