//! What a flow plans and the law forbids whatever happens: two channels of advertising to one person within a week
//! (Ley 2300 de 2023, arts. 3 and 5), and advertising inside of a message that calls itself transactional (one
//! promotional line makes a message advertising). What depends on the moment is decided when a message is sent.

use super::{Compiler, Draft};
use crate::flow::{Ix, StepKind, Tree, Until};
use crate::problem::{At, Problem};
use crate::words::Class;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// A week.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Words of advertising, folded: Spanish and English. Whole words, or words that begin like this where a star ends
/// them.
const PROMOTIONAL: &[&str] = &[
    "descuento*",
    "promocion*",
    "promo",
    "oferta",
    "ofertas",
    "rebaja*",
    "cupon*",
    "aprovecha*",
    "preventa",
    "2x1",
    "compra ya",
    "compre ya",
    "no te lo pierdas",
    "no se lo pierda",
    "ultimas boletas",
    "liquidacion",
    "lleva gratis",
    "tambien te puede gustar",
    "discount*",
    "promotion*",
    "coupon*",
    "special offer",
    "buy now",
    "don't miss",
    "last tickets",
    "% off",
    "sale ends",
    "early access",
    "you may also like",
];

/// A message of a flow, as far as the law can be read from it.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) class: Class,
    pub(super) channel: Option<String>,
    /// Whom it names: roots of the expressions of its address (`buyer`, `ticket.holder`).
    pub(super) people: BTreeSet<String>,
    /// What it says, without what is filled in.
    pub(super) texts: Vec<String>,
    /// A template's category is advertising.
    pub(super) advertises: Option<String>,
    pub(super) at: At,
    pub(super) name: String,
}

impl Compiler<'_> {
    /// What is forbidden whatever happens.
    pub(super) fn unlawful(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let planned: Vec<(Ix, &Planned)> = self
            .drafts
            .iter()
            .enumerate()
            .filter(|(_, draft)| !draft.absent)
            .filter_map(|(ix, draft)| Some((ix, draft.message.as_ref()?)))
            .collect();
        for (ix, message) in &planned {
            found.extend(self.advertising(message));
            let counted = |m: &Planned| matches!(m.class, Class::Marketing | Class::Collection);
            let before = planned.iter().take_while(|(other, _)| other < ix);
            for (other, earlier) in before.filter(|(_, m)| counted(m) && counted(message)) {
                let same = earlier.people.intersection(&message.people).next();
                if earlier.channel == message.channel || same.is_none() || self.apart(*other, *ix) {
                    continue;
                }
                let by = |m: &Planned| m.channel.clone().unwrap_or_default();
                let text = format!(
                    "`{}` writes to `{}` by {} and `{}` in line {} by {} in the same week: within a week all advertising to a person keeps to one channel (Ley 2300 de 2023, arts. 3 y 5)",
                    message.name,
                    same.map_or("", String::as_str),
                    by(message),
                    earlier.name,
                    earlier.at.line,
                    by(earlier),
                );
                let todo = "keep one of the two, make one the `otherwise` of the other, or put `- wait: { for: 7d }` between them";
                found.push(self.report.unlawful(message.at, text, todo));
            }
        }
        found
    }

    fn advertising(&self, message: &Planned) -> Option<Problem> {
        if !matches!(message.class, Class::Transactional | Class::TransactionalUrgent) {
            return None;
        }
        let why = match &message.advertises {
            Some(template) => format!("the template `{template}` is of the category MARKETING"),
            None => format!("it says `{}`", message.texts.iter().find_map(|t| promotional(t))?),
        };
        let text = format!(
            "`{}` is transactional and advertises: {why}; one promotional line makes a message advertising (Ley 2300 de 2023, art. 5)",
            message.name
        );
        let todo = "write `class: marketing` with `purpose: marketing`, or take the line out";
        Some(self.report.unlawful(message.at, text, todo))
    }

    /// Do these two never reach a person within a week? One stands in for the other, or a wait is between them.
    fn apart(&self, first: Ix, second: Ix) -> bool {
        let stands_in = |mut ix: Ix, of: Ix| {
            while let Some(outer) = self.steps.get(ix).and_then(|s| s.otherwise_of) {
                if outer == of {
                    return true;
                }
                ix = outer;
            }
            false
        };
        if stands_in(second, first) || stands_in(first, second) {
            return true;
        }
        let above = |ix: Ix| self.drafts.get(ix).map(|d: &Draft| d.waits_above.clone()).unwrap_or_default();
        let before = above(first);
        let between = above(second).into_iter().filter(|wait| !before.contains(wait) && *wait > first);
        let mut waited = Duration::ZERO;
        for wait in between {
            match self.steps.get(wait).map(|s| &s.kind) {
                Some(StepKind::Wait(wait)) => match &wait.until {
                    Until::Length(Tree::Fixed(Value::String(text))) => {
                        waited += crate::duration::parse_duration(text).unwrap_or_default();
                    }
                    // Nobody knows how long: it is decided when it is sent.
                    _ => return true,
                },
                _ => return true,
            }
        }
        waited >= WEEK
    }
}

/// Whom the expressions of an address name: what stands before the last dot of each path.
pub(super) fn people(source: &Value) -> BTreeSet<String> {
    let Some(text) = source.as_str() else { return BTreeSet::new() };
    let path = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'));
    let roots = text.split(path).filter_map(|word| word.rsplit_once('.')).map(|(root, _)| root.to_owned());
    roots.filter(|root| !root.is_empty()).collect()
}

/// The fixed parts of all texts.
pub(super) fn texts(source: &Value) -> Vec<String> {
    match source {
        Value::String(text) => vec![fixed(text)],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn fixed(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, inside)) = rest.split_once("{{") {
        out.push_str(before);
        out.push(' ');
        rest = inside.split_once("}}").map_or("", |(_, after)| after);
    }
    out + rest
}

/// The first word of advertising in a text.
fn promotional(text: &str) -> Option<&'static str> {
    let folded: String = text.to_lowercase().chars().map(plain).collect();
    let bounded = |at: usize, end: usize, open: bool| {
        let word = |c: char| c.is_alphanumeric();
        let before = folded[..at].chars().next_back().is_none_or(|c| !word(c));
        before && (open || folded[end..].chars().next().is_none_or(|c| !word(c)))
    };
    PROMOTIONAL.iter().copied().find(|word| {
        let (stem, open) = word.strip_suffix('*').map_or((*word, false), |stem| (stem, true));
        folded.match_indices(stem).any(|(at, _)| stem.starts_with('%') || bounded(at, at + stem.len(), open))
    })
}

fn plain(c: char) -> char {
    match c {
        'á' => 'a',
        'é' => 'e',
        'í' => 'i',
        'ó' => 'o',
        'ú' | 'ü' => 'u',
        '\u{2019}' => '\'',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertising_is_known_by_whole_words() {
        for says in ["¡20 % de Descuento!", "usa tu cupón AURORA", "Última hora: 2x1", "20% off today", "Don’t miss it"]
        {
            assert!(promotional(says).is_some(), "{says}");
        }
        for plain in ["Tu boleta está lista", "El compromiso queda", "prometido", "Ofertante", "Llega una hora antes"]
        {
            assert_eq!(promotional(plain), None, "{plain}");
        }
        assert_eq!(fixed("Hola {{ buyer.name }}, {{ x }}."), "Hola  ,  .");
    }

    #[test]
    fn an_address_names_its_person() {
        let of = |text: &str| people(&Value::from(text)).into_iter().collect::<Vec<_>>();
        assert_eq!(of("{{ buyer.phone }}"), ["buyer"]);
        assert_eq!(of("{{ ticket.holder.phone or buyer.phone }}"), ["buyer", "ticket.holder"]);
        assert!(of("+573001234567").is_empty());
    }
}
