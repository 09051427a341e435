//! The oracle: what has to arrive where because of what people did, against what arrived. It knows
//! the doubles' side only; of the hub it believes nothing but "I do not know whether this went out".

use super::people::Person;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Template of the reminder, which comes a day before the show.
const REMINDER: &str = "recordatorio_show";

/// One side of the demo; the order is that of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Party {
    HiEvents,
    Twenty,
    #[serde(rename = "whatsapp")]
    WhatsApp,
    #[serde(rename = "smtp")]
    Mail,
}

impl Party {
    pub(super) const ALL: [Self; 4] = [Self::HiEvents, Self::Twenty, Self::WhatsApp, Self::Mail];

    /// Name of the connection.
    pub(super) fn connection(self) -> &'static str {
        match self {
            Self::HiEvents => "boleteria",
            Self::Twenty => "twenty",
            Self::WhatsApp => "whatsapp",
            Self::Mail => "correo",
        }
    }

    /// Name of the provider, as the registry has it.
    pub(super) fn provider(self) -> &'static str {
        match self {
            Self::HiEvents => "hi-events",
            Self::Twenty => "twenty",
            Self::WhatsApp => "whatsapp",
            Self::Mail => "smtp",
        }
    }

    /// For people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::HiEvents => "Hi.Events",
            Self::Twenty => "Twenty",
            Self::WhatsApp => "WhatsApp",
            Self::Mail => "E-mail",
        }
    }
}

/// Something that can arrive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    /// A fact of Hi.Events, as an event of the hub: `order.paid` of `O-1ABCDEF`.
    Fact(&'static str, String),
    /// A person in the CRM, by e-mail.
    Person(String),
    /// A note in the CRM, by title.
    Note(String),
    /// A message: template, digits of the phone, what it is about.
    Message(String, String, String),
    /// An e-mail: to whom, subject.
    Mail(String, String),
}

/// Subject of the mail that stands in for a WhatsApp template, as the connector's catalogue has it.
fn subject(template: &str, show: &str) -> String {
    match template {
        "boleta" => format!("Tu boleta para {show}"),
        _ => format!("Nos vemos en {show}"),
    }
}

impl Thing {
    /// A message out of its values. Each template has one value that tells its messages apart.
    pub(super) fn message(template: &str, to: &str, params: &Value) -> Self {
        let at = match template {
            "boleta_confirmada" => 3,
            "devolucion" => 2,
            "bienvenida_show" => 0,
            _ => 1,
        };
        let about = params.get(at).and_then(Value::as_str).unwrap_or_default();
        Self::Message(template.to_owned(), digits(to), about.to_owned())
    }

    /// An e-mail that the hub wanted to send, out of its input.
    pub(super) fn mail(input: &Value) -> Self {
        let text = |pointer: &str| input.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        Self::Mail(text("/to").to_owned(), subject(text("/template"), text("/show/title")))
    }

    pub(super) fn party(&self) -> Party {
        match self {
            Self::Fact(..) => Party::HiEvents,
            Self::Person(_) | Self::Note(_) => Party::Twenty,
            Self::Message(..) => Party::WhatsApp,
            Self::Mail(..) => Party::Mail,
        }
    }

    /// Does it exist once, however many reasons there are for it?
    fn is_single(&self) -> bool {
        !matches!(self, Self::Message(..) | Self::Mail(..))
    }
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fact(event, of) => write!(f, "{event} of {of}"),
            Self::Person(email) => write!(f, "person {email}"),
            Self::Note(title) => write!(f, "note '{title}'"),
            Self::Message(template, to, about) => write!(f, "{template} to +{to} ({about})"),
            Self::Mail(to, subject) => write!(f, "'{subject}' to {to}"),
        }
    }
}

fn is_reminder(thing: &Thing) -> bool {
    match thing {
        Thing::Message(name, ..) => name == REMINDER,
        _ => false,
    }
}

fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}

#[derive(Debug, Clone, Copy, Default)]
struct Reasons {
    /// Reasons for which it has to be there.
    strict: u32,
    /// Reasons for which it may be there.
    may: u32,
}

/// How often things are wanted, and what for.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    things: BTreeMap<Thing, Reasons>,
    lenient: bool,
}

/// One line of the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    pub(super) wanted: u32,
    pub(super) arrived: u32,
    pub(super) missing: u32,
    pub(super) twice: u32,
    pub(super) unknown: u32,
    pub(super) withheld: u32,
}

impl Ledger {
    /// `lenient`: under faults the hub may hear of a sale when it is over and cancelled; what it then
    /// rightly does not do is not missing.
    pub(super) fn new(lenient: bool) -> Self {
        Self { lenient, ..Self::default() }
    }

    fn want(&mut self, thing: Thing) {
        let reasons = self.things.entry(thing).or_default();
        reasons.strict += 1;
        reasons.may += 1;
    }

    /// It need not arrive any more; under faults it may have before that was known.
    fn unwant(&mut self, thing: &Thing) {
        if let Some(reasons) = self.things.get_mut(thing) {
            reasons.strict = reasons.strict.saturating_sub(1);
            reasons.may = reasons.may.saturating_sub(u32::from(!self.lenient));
        }
    }

    /// It has most likely arrived; under faults it may rightly not have.
    fn relax(&mut self, thing: &Thing) {
        if self.lenient
            && let Some(reasons) = self.things.get_mut(thing)
        {
            reasons.strict = reasons.strict.saturating_sub(1);
        }
    }

    /// A purchase was made.
    pub(super) fn placed(&mut self, sale: &Sale) {
        self.want(Thing::Fact("order.placed", sale.number.clone()));
        if sale.paid {
            self.paid(sale);
        } else {
            self.want(Thing::Person(sale.buyer.email.clone()));
            if let Some(thing) = sale.to_buyer("pedido_por_pagar") {
                self.want(thing);
            }
        }
    }

    /// Its money is there.
    pub(super) fn paid(&mut self, sale: &Sale) {
        self.want(Thing::Fact("order.paid", sale.number.clone()));
        for thing in sale.told_when_paid() {
            self.want(thing);
        }
        // WhatsApp says late that a number has no WhatsApp, in a webhook that may be lost.
        for (code, _) in sale.tickets.iter().filter(|(_, holder)| sale.no_whatsapp && sale.phone_of(holder).is_some()) {
            let note = Thing::Note(format!("WhatsApp no recibió la boleta {code}"));
            self.want(note.clone());
            self.relax(&note);
        }
        for reminder in sale.reminders() {
            self.want(reminder);
        }
        for mail in sale.mail_instead() {
            self.want(mail.clone());
            self.relax(&mail);
        }
        if !sale.paid
            && let Some(thing) = sale.to_buyer("pedido_por_pagar")
        {
            self.relax(&thing);
        }
    }

    /// A paid purchase was cancelled.
    pub(super) fn cancelled(&mut self, sale: &Sale) {
        self.want(Thing::Fact("order.cancelled", sale.number.clone()));
        for thing in sale.told_when_paid() {
            self.relax(&thing);
        }
        for reminder in sale.reminders() {
            self.unwant(&reminder);
        }
        if let Some(thing) = sale.to_buyer("pedido_cancelado") {
            self.want(thing);
        }
    }

    /// Money went back.
    pub(super) fn refunded(&mut self, sale: &Sale, whole: bool) {
        self.want(Thing::Fact("order.refunded", sale.number.clone()));
        if let Some(thing) = sale.to_buyer("devolucion") {
            self.want(thing);
        }
        if whole {
            sale.reminders().iter().for_each(|reminder| self.unwant(reminder));
        }
    }

    /// Somebody came in.
    pub(super) fn came(&mut self, sale: &Sale, ticket: usize) {
        let Some((code, holder)) = sale.tickets.get(ticket) else { return };
        self.want(Thing::Fact("ticket.checked_in", code.clone()));
        let holder = holder.as_ref().unwrap_or(&sale.buyer);
        if let Some(phone) = &holder.e164 {
            self.want(Thing::Message("bienvenida_show".into(), digits(phone), holder.first_name.clone()));
        }
    }

    /// Reminders that are wanted and have not arrived.
    pub(super) fn reminders_to_come(&self, arrived: &BTreeMap<Thing, u32>) -> u32 {
        let reminders = self.things.iter().filter(|(t, _)| is_reminder(t));
        reminders.map(|(t, r)| r.strict.saturating_sub(arrived.get(t).copied().unwrap_or_default())).sum()
    }

    /// Compares. `unknown`: things of which the hub says that it does not know.
    pub(super) fn compare(
        &self,
        arrived: &BTreeMap<Thing, u32>,
        unknown: &BTreeMap<Thing, u32>,
    ) -> (BTreeMap<Party, Row>, Vec<String>) {
        let mut rows: BTreeMap<Party, Row> = Party::ALL.into_iter().map(|p| (p, Row::default())).collect();
        let mut odd = Vec::new();
        let names: std::collections::BTreeSet<&Thing> = self.things.keys().chain(arrived.keys()).collect();
        for thing in names {
            let mut reasons = self.things.get(thing).copied().unwrap_or_default();
            if thing.is_single() {
                reasons = Reasons { strict: reasons.strict.min(1), may: reasons.may.min(1) };
            }
            let came = arrived.get(thing).copied().unwrap_or_default();
            let unsure = unknown.get(thing).copied().unwrap_or_default();
            let missing = reasons.strict.saturating_sub(came + unsure);
            let twice = came.saturating_sub(reasons.may);
            let row = rows.entry(thing.party()).or_default();
            row.wanted += came.clamp(reasons.strict, reasons.may);
            row.arrived += came;
            row.missing += missing;
            row.twice += twice;
            if missing > 0 {
                odd.push(format!("missing: {thing}"));
            }
            if twice > 0 {
                odd.push(format!("{came} times, at most {} wanted: {thing}", reasons.may));
            }
        }
        (rows, odd)
    }
}

/// A purchase as the oracle needs it.
#[derive(Debug, Clone)]
pub(super) struct Sale {
    pub(super) number: String,
    pub(super) buyer: Person,
    /// Code, and the holder if not the buyer.
    pub(super) tickets: Vec<(String, Option<Person>)>,
    pub(super) show: String,
    /// Paid at once.
    pub(super) paid: bool,
    pub(super) no_whatsapp: bool,
}

impl Sale {
    /// Where a ticket goes: to its holder, or to the buyer.
    fn phone_of<'a>(&'a self, holder: &'a Option<Person>) -> Option<&'a String> {
        holder.as_ref().and_then(|h| h.e164.as_ref()).or(self.buyer.e164.as_ref())
    }

    /// A message to the buyer about this purchase.
    fn to_buyer(&self, template: &str) -> Option<Thing> {
        let phone = self.buyer.e164.as_ref()?;
        Some(Thing::Message(template.into(), digits(phone), self.number.clone()))
    }

    /// The reminder: by WhatsApp, or by e-mail to whoever has no number.
    fn reminders(&self) -> Vec<Thing> {
        vec![match &self.buyer.e164 {
            Some(phone) => Thing::Message(REMINDER.into(), digits(phone), self.show.clone()),
            None => Thing::Mail(self.buyer.email.clone(), subject("recordatorio", &self.show)),
        }]
    }

    /// E-mails that stand in for what WhatsApp takes and then gives up.
    fn mail_instead(&self) -> Vec<Thing> {
        if !self.no_whatsapp {
            return Vec::new();
        }
        let whose = |holder: &Option<Person>| holder.as_ref().map_or(&self.buyer.email, |h| &h.email).clone();
        let own = self.tickets.iter().filter(|(_, holder)| holder.as_ref().is_none_or(|h| h.e164.is_none()));
        let tickets = own.map(|(_, holder)| Thing::Mail(whose(holder), subject("boleta", &self.show)));
        tickets.chain([Thing::Mail(self.buyer.email.clone(), subject("recordatorio", &self.show))]).collect()
    }

    /// Everything that the payment makes known, the reminder apart.
    fn told_when_paid(&self) -> Vec<Thing> {
        let mut things = vec![Thing::Person(self.buyer.email.clone()), Thing::Note(format!("Compra {}", self.number))];
        for (code, holder) in &self.tickets {
            if let Some(phone) = self.phone_of(holder) {
                things.push(Thing::Message("boleta_confirmada".into(), digits(phone), code.clone()));
            } else {
                let email = holder.as_ref().map_or(&self.buyer.email, |h| &h.email).clone();
                things.push(Thing::Mail(email, subject("boleta", &self.show)));
            }
            if let Some(holder) = holder {
                things.push(Thing::Person(holder.email.clone()));
            }
        }
        things
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sale(paid: bool) -> Sale {
        Sale {
            number: "O-1".into(),
            buyer: Person::nth(1, true),
            tickets: vec![("A-1".into(), None), ("A-2".into(), Some(Person::nth(2, false)))],
            show: "Noche de Lino".into(),
            paid,
            no_whatsapp: false,
        }
    }

    /// Everything that is wanted, once.
    fn whole(ledger: &Ledger) -> BTreeMap<Thing, u32> {
        ledger.things.iter().map(|(t, r)| (t.clone(), if t.is_single() { 1 } else { r.strict })).collect()
    }

    #[test]
    fn nothing_is_missing_when_all_is_there_and_one_less_or_one_more_is_told() {
        let mut ledger = Ledger::default();
        ledger.placed(&sale(true));
        let mut arrived = whole(&ledger);
        let (rows, odd) = ledger.compare(&arrived, &BTreeMap::new());
        assert!(odd.is_empty(), "{odd:?}");
        assert_eq!(rows[&Party::WhatsApp], Row { wanted: 3, arrived: 3, ..Row::default() });
        assert_eq!(rows[&Party::Twenty], Row { wanted: 3, arrived: 3, ..Row::default() });

        let ticket = Thing::Message("boleta_confirmada".into(), "573155500001".into(), "A-2".into());
        arrived.insert(ticket.clone(), 2);
        assert_eq!(ledger.compare(&arrived, &BTreeMap::new()).0[&Party::WhatsApp].twice, 1);
        arrived.remove(&ticket);
        assert_eq!(ledger.compare(&arrived, &BTreeMap::new()).0[&Party::WhatsApp].missing, 1);
        let unsure = BTreeMap::from([(ticket, 1)]);
        assert_eq!(ledger.compare(&arrived, &unsure).0[&Party::WhatsApp].missing, 0, "unknown is not missing");
    }

    #[test]
    fn whoever_has_no_number_or_no_whatsapp_is_written_to_by_mail() {
        let mails = |ledger: &Ledger| ledger.compare(&BTreeMap::new(), &BTreeMap::new()).0[&Party::Mail].missing;
        let mut ledger = Ledger::default();
        ledger.placed(&Sale { buyer: Person::nth(1, false), ..sale(true) });
        assert_eq!(mails(&ledger), 3, "two tickets and a reminder");
        for (lenient, expected) in [(false, 3), (true, 0)] {
            let mut ledger = Ledger::new(lenient);
            ledger.placed(&Sale { no_whatsapp: true, ..sale(true) });
            assert_eq!(mails(&ledger), expected, "the news that WhatsApp gave up may be lost");
        }
        let mut ledger = Ledger::default();
        ledger.placed(&sale(true));
        assert_eq!(mails(&ledger), 0);
        let input = serde_json::json!({ "to": "a@b.example", "template": "boleta", "show": { "title": "Lino" } });
        assert_eq!(Thing::mail(&input), Thing::Mail("a@b.example".into(), "Tu boleta para Lino".into()));
    }

    #[test]
    fn what_nobody_wanted_counts_as_too_many() {
        let arrived = BTreeMap::from([(Thing::Person("nadie@correo.example".into()), 1)]);
        let (rows, odd) = Ledger::default().compare(&arrived, &BTreeMap::new());
        assert_eq!(rows[&Party::Twenty].twice, 1);
        assert_eq!(odd.len(), 1);
    }

    #[test]
    fn a_cancelled_purchase_wants_no_reminder_and_under_faults_may_never_have_been_heard_of() {
        for lenient in [false, true] {
            let mut ledger = Ledger::new(lenient);
            ledger.placed(&sale(true));
            ledger.cancelled(&sale(true));
            let reminder = sale(true).reminders().remove(0);
            let mut arrived = whole(&ledger);
            arrived.insert(reminder, 1);
            assert_eq!(ledger.compare(&arrived, &BTreeMap::new()).0[&Party::WhatsApp].twice, u32::from(!lenient));
            arrived.retain(|t, _| !matches!(t, Thing::Message(name, ..) if name == "boleta_confirmada"));
            let missing = ledger.compare(&arrived, &BTreeMap::new()).0[&Party::WhatsApp].missing;
            assert_eq!(missing, if lenient { 0 } else { 2 });
        }
    }
}
