//! Letters to people about their cases, in their language. An answer's letter is a draft: a person reads it,
//! and changes what has to be changed, before it goes out.

use super::terms::Terms;
use jiff::Timestamp;
use pasarela_colombia::{Lang, calendar};
use pasarela_domain::case::{Case, CaseKind, Letter, Ruling, Step, Tongue};

/// Texts by name: subject and text, in Spanish and in English. `{...}` are filled in.
const TEXTS: &[(&str, [&str; 2], [&str; 2])] = &[
    (
        "opened",
        [
            "Recibimos su {kind}: radicado {number}",
            "Señor(a) {name}:\n\nRecibimos su {kind} el {received}. Su número de radicado es {number}.\n\nLe responderemos a más tardar el {by}. Si necesita escribirnos sobre este caso, mencione el radicado.",
        ],
        [
            "We received your request: {number}",
            "Dear {name}:\n\nWe received your {kind} on {received}. Its number is {number}.\n\nWe will answer by {by} at the latest. If you write to us about it, please give the number.",
        ],
    ),
    (
        "incomplete",
        [
            "Nos falta información para su reclamo {number}",
            "Señor(a) {name}:\n\nPara tramitar su reclamo {number} nos falta lo siguiente:\n\n{reason}\n\nPor favor envíelo antes del {by}. Si no lo recibimos en ese término, la ley entiende que desistió del reclamo; en cualquier momento puede presentar uno nuevo.",
        ],
        [
            "We need more information for your claim {number}",
            "Dear {name}:\n\nTo handle your claim {number} we still need:\n\n{reason}\n\nPlease send it before {by}. If we have not received it by then, the law takes the claim as withdrawn; you may make a new one at any time.",
        ],
    ),
    (
        "extended",
        [
            "Necesitamos más tiempo para responder {number}",
            "Señor(a) {name}:\n\nNo nos es posible responder su {kind} {number} dentro del primer término. El motivo: {reason}\n\nLe responderemos a más tardar el {by}.",
        ],
        [
            "We need more time to answer {number}",
            "Dear {name}:\n\nWe cannot answer your {kind} {number} within the first term. The reason: {reason}\n\nWe will answer by {by} at the latest.",
        ],
    ),
    (
        "passed_on",
        [
            "Trasladamos su {kind} {number}",
            "Señor(a) {name}:\n\nSu {kind} {number} no es de nuestra competencia. Lo trasladamos a {reason}, que debe responderle.",
        ],
        [
            "We passed your request {number} on",
            "Dear {name}:\n\nYour {kind} {number} is not ours to answer. We passed it on to {reason}, who must answer you.",
        ],
    ),
    (
        "granted",
        [
            "Respuesta a su {kind} {number}",
            "Señor(a) {name}:\n\nEn respuesta a su {kind} {number}, recibido el {received}, en el que pidió:\n\n{request}\n\nLe informamos que hicimos lo que pidió.{because}\n\nSi no está de acuerdo, puede acudir a la Superintendencia de Industria y Comercio.",
        ],
        [
            "Answer to your request {number}",
            "Dear {name}:\n\nIn answer to your {kind} {number}, received on {received}, in which you asked for:\n\n{request}\n\nWe have done what you asked for.{because}\n\nIf you do not agree, you may turn to the Superintendencia de Industria y Comercio.",
        ],
    ),
    (
        "partly",
        [
            "Respuesta a su {kind} {number}",
            "Señor(a) {name}:\n\nEn respuesta a su {kind} {number}, recibido el {received}, en el que pidió:\n\n{request}\n\nLe informamos que hicimos una parte de lo que pidió.{because}\n\nSi no está de acuerdo, puede acudir a la Superintendencia de Industria y Comercio.",
        ],
        [
            "Answer to your request {number}",
            "Dear {name}:\n\nIn answer to your {kind} {number}, received on {received}, in which you asked for:\n\n{request}\n\nWe have done a part of what you asked for.{because}\n\nIf you do not agree, you may turn to the Superintendencia de Industria y Comercio.",
        ],
    ),
    (
        "denied",
        [
            "Respuesta a su {kind} {number}",
            "Señor(a) {name}:\n\nEn respuesta a su {kind} {number}, recibido el {received}, en el que pidió:\n\n{request}\n\nLe informamos que no nos es posible hacer lo que pidió.{because}\n\nSi no está de acuerdo, puede acudir a la Superintendencia de Industria y Comercio.",
        ],
        [
            "Answer to your request {number}",
            "Dear {name}:\n\nIn answer to your {kind} {number}, received on {received}, in which you asked for:\n\n{request}\n\nWe cannot do what you asked for.{because}\n\nIf you do not agree, you may turn to the Superintendencia de Industria y Comercio.",
        ],
    ),
];

/// Tag of a language.
pub(super) fn tag(language: Tongue) -> &'static str {
    match language {
        Tongue::Es => "es",
        Tongue::En => "en",
    }
}

fn date(at: Timestamp, language: Tongue) -> String {
    let lang = if language == Tongue::Es { Lang::Es } else { Lang::En };
    calendar::date_with_year(at, lang)
}

fn kind(case: &Case) -> &'static str {
    match (case.kind, case.language) {
        (CaseKind::Consulta, Tongue::Es) => "consulta",
        (CaseKind::Consulta, Tongue::En) => "question",
        (CaseKind::Reclamo, Tongue::Es) => "reclamo",
        (CaseKind::Reclamo, Tongue::En) => "claim",
        (CaseKind::Pqr, Tongue::Es) => "petición",
        (CaseKind::Pqr, Tongue::En) => "petition",
    }
}

fn letter(name: &str, case: &Case, more: &[(&str, &str)]) -> Letter {
    let Some((_, es, en)) = TEXTS.iter().find(|(n, ..)| *n == name) else { return Letter::default() };
    let texts = if case.language == Tongue::Es { es } else { en };
    let received = date(case.received_at, case.language);
    let own = [
        ("name", case.claimant.name.as_str()),
        ("number", case.number.as_str()),
        ("kind", kind(case)),
        ("received", received.as_str()),
        ("request", case.request.as_str()),
    ];
    let fill = |text: &str| filled(text, &|key| own.iter().chain(more).find(|(name, _)| *name == key).map(|(_, v)| *v));
    Letter { subject: fill(texts[0]), text: fill(texts[1]) }
}

/// In one pass: what is filled in is never looked through again.
fn filled<'v>(text: &str, value: &dyn Fn(&str) -> Option<&'v str>) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('{') {
        out.push_str(before);
        match tail.split_once('}').and_then(|(key, after)| Some((value(key)?, after))) {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

pub(super) fn opened(case: &Case, terms: &Terms) -> Letter {
    letter("opened", case, &[("by", &date(case.answer_due(terms).by, case.language))])
}

pub(super) fn incomplete(case: &Case, terms: &Terms) -> Letter {
    let by = case.next_due(terms).map(|d| date(d.due.by, case.language)).unwrap_or_default();
    let reason = case.asked.as_ref().map_or("", |a| a.reason.as_str());
    letter("incomplete", case, &[("by", &by), ("reason", reason)])
}

pub(super) fn extended(case: &Case, terms: &Terms) -> Letter {
    let by = date(case.answer_due(terms).by, case.language);
    let reason = case.extended.as_ref().map_or("", |a| a.reason.as_str());
    letter("extended", case, &[("by", &by), ("reason", reason)])
}

pub(super) fn passed_on(case: &Case, to: &str) -> Letter {
    letter("passed_on", case, &[("reason", to)])
}

/// The answer of a decided case as its template has it, to be read and changed; `None`: nothing is decided.
#[must_use]
pub fn draft(case: &Case) -> Option<Letter> {
    let decided = case.decided.as_ref()?;
    let name = match decided.ruling {
        Ruling::Granted => "granted",
        Ruling::Partly => "partly",
        Ruling::Denied => "denied",
    };
    let because = match (decided.reason.as_str(), case.language) {
        ("", _) => String::new(),
        (reason, Tongue::Es) => format!("\n\nMotivo: {reason}"),
        (reason, Tongue::En) => format!("\n\nReason: {reason}"),
    };
    Some(letter(name, case, &[("because", &because)]))
}

/// A step with what its template fills in where a person wrote nothing.
pub(super) fn completed(case: &Case, step: &Step) -> Step {
    match (step, draft(case)) {
        (Step::Answer { subject, text }, Some(draft)) => {
            let or = |given: &String, own: String| if given.trim().is_empty() { own } else { given.clone() };
            Step::Answer { subject: or(subject, draft.subject), text: or(text, draft.text) }
        }
        _ => step.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_in_once_and_all_texts_have_both_languages() {
        let value = |key: &str| match key {
            "name" => Some("{number}"),
            "number" => Some("RAD-2026-000001"),
            _ => None,
        };
        assert_eq!(filled("{name}: {number} {x} {", &value), "{number}: RAD-2026-000001 {x} {");
        for (name, es, en) in TEXTS {
            for (es, en) in es.iter().zip(en) {
                let places = |text: &str| {
                    let mut all: Vec<&str> = text.split('{').skip(1).filter_map(|t| t.split('}').next()).collect();
                    all.sort_unstable();
                    all.dedup();
                    all.into_iter().filter(|p| *p != "kind").map(str::to_owned).collect::<Vec<_>>()
                };
                assert_eq!(places(es), places(en), "{name}");
            }
        }
    }
}
