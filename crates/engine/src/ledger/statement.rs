//! A statement as a request tells it, and as a record: what is wrong with it, what it proves, and which
//! guardian's word stands behind a minor's.

use super::{AHEAD, Entry, LedgerError};
use crate::connections::ConnectionRuntime;
use crate::engine::Inner;
use jiff::Timestamp;
use jiff::civil::Date;
use pasarela_domain::consent::{
    AnalyticsIds, CHANNELS, ConsentRecord, ConsentState, EVERYTHING, Evidence, Guardian, LegalBasis, PRIVACY, PURPOSES,
    PURPOSES_OF, Proof, SOURCES, is_purpose,
};
use pasarela_domain::model::Contact;
use pasarela_domain::{ConsentId, EmailAddress, Phone};
use serde::Deserialize;
use serde_json::json;

/// Longest text of a piece of evidence.
const LONGEST: usize = 300;

/// A person, as a request names them.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "NamedPerson")]
pub struct Named {
    /// E-mail address.
    pub email: Option<String>,
    /// Phone in international form.
    pub phone: Option<String>,
    /// Name, if known.
    pub name: Option<String>,
    /// Date of birth, where it was asked for: decides who must authorise.
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    pub birth_date: Option<Date>,
    /// "Soy menor de edad."
    pub minor: bool,
}

/// What a person said, as a request tells it.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ConsentStatement")]
pub struct Statement {
    /// Who.
    pub person: Named,
    /// What for.
    pub purpose: String,
    /// Given or taken back.
    pub state: ConsentState,
    /// Channel that it is limited to.
    #[serde(default)]
    pub channel: Option<String>,
    /// What proves it.
    #[serde(default)]
    pub evidence: Evidence,
    /// Ids of web analytics.
    #[serde(default)]
    pub analytics: AnalyticsIds,
    /// What allows the treatment; consent, when it is left out.
    #[serde(default)]
    pub legal_basis: LegalBasis,
    /// Who authorises for a person under 18.
    #[serde(default)]
    pub guardian: Option<Guardian>,
}

/// A statement that can be understood, before its proof is looked at.
pub(super) struct ReadStatement {
    record: ConsentRecord,
    people: Vec<String>,
    /// Hash of what was told, so that the same request is the same.
    pub(super) statement: String,
}

impl Inner {
    /// A statement as a record, or what is wrong with it.
    pub(super) fn read_statement(
        &self,
        statement: Statement,
        id: ConsentId,
        now: Timestamp,
    ) -> Result<ReadStatement, LedgerError> {
        let wrong = |why: String| LedgerError::Invalid(why);
        let Statement { person, purpose, state, channel, mut evidence, analytics, legal_basis, guardian } = statement;
        let text = |t: Option<String>| t.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let email = text(person.email).map(|t| t.parse::<EmailAddress>()).transpose();
        let email = email.map_err(|e| wrong(format!("person.email: {e}")))?;
        let phone = text(person.phone).map(|t| t.parse::<Phone>()).transpose();
        let phone = phone.map_err(|e| wrong(format!("person.phone: {e}")))?;
        if email.is_none() && phone.is_none() {
            return Err(wrong("person: name an email, a phone, or both".into()));
        }
        purpose_is_known(&purpose, state).map_err(wrong)?;
        evidence_is_sound(&evidence, channel.as_deref()).map_err(wrong)?;
        if state == ConsentState::Given && !(legal_basis.carries(&purpose) && evidence.reference.is_some()) {
            // Proof is what makes it a yes (Decreto 1377, art. 8).
            for (field, value) in [("text_version", &evidence.text_version), ("channel", &evidence.channel)] {
                if value.is_none() {
                    return Err(wrong(format!(
                        "evidence.{field} is missing: a consent without proof of what was agreed to, and where, is none"
                    )));
                }
            }
        }
        if let Some(guardian) = &guardian {
            guardian_is_named(guardian).map_err(wrong)?;
        }
        if person.birth_date.is_some_and(|born| born > jiff::tz::Offset::UTC.to_datetime(now).date()) {
            return Err(wrong("person.birth_date is in the future".into()));
        }
        let said = evidence.at.take().unwrap_or(now);
        if said.duration_since(now) > AHEAD {
            return Err(wrong("evidence.at is in the future; is the sender's clock right?".into()));
        }
        let analytics = analytics.read().map_err(|why| wrong(format!("analytics.{why}")))?;
        let name = text(person.name).unwrap_or_default();
        let people = self.people_of(email.as_ref().map(EmailAddress::as_str), phone.as_ref().map(Phone::as_e164));
        let contact = Contact { name, email, phone, ..Contact::default() };
        // Without what the hub adds, so that the same request is the same; what is new in a statement is named
        // only where it is there, so that requests of before stay what they were.
        let mut told =
            vec![json!(state), json!(purpose), json!(channel), json!(contact), json!(evidence), json!(analytics)];
        if legal_basis != LegalBasis::Consent || guardian.is_some() || person.birth_date.is_some() || person.minor {
            told.push(json!([legal_basis, guardian, person.birth_date, person.minor]));
        }
        let told = serde_json::Value::Array(told).to_string();
        let statement = format!("{:016x}", self.store.sealer().hash_bytes(told.as_bytes()));
        let record = ConsentRecord {
            id: id.to_string(),
            state,
            purpose,
            channel,
            contact,
            // A clock that is ahead gives no yes that outlasts a withdrawal of this moment.
            at: if state == ConsentState::Given { said.min(now) } else { said },
            recorded_at: now,
            evidence,
            analytics,
            legal_basis,
            birth_date: person.birth_date,
            minor: person.minor,
            guardian,
            proof: Proof::default(),
        };
        Ok(ReadStatement { record, people, statement })
    }

    /// The record with what it proves, as it is kept. A withdrawal counts for every address of the person.
    pub(super) async fn proven(
        &self,
        ledger: &ConnectionRuntime,
        read: ReadStatement,
        now: Timestamp,
    ) -> Result<Entry, LedgerError> {
        let ReadStatement { mut record, mut people, statement } = read;
        let terms = self.texts_that_name(&record.evidence).await?;
        let (purpose, channel) = (record.purpose.clone(), record.channel.clone());
        let judged = terms.judge(
            record.state,
            &purpose,
            channel.as_deref(),
            record.legal_basis,
            &mut record.evidence,
            record.at,
        );
        record.proof = judged.map_err(|e| LedgerError::Invalid(e.to_string()))?;
        if let Some(guardian) = &record.guardian {
            self.guardian_stands(ledger, guardian, &purpose).await?;
            record.proof.guarded = true;
        }
        // Whoever names an e-mail address and a phone as one person's says that they are.
        self.link(&people, crate::standing::Said::ByRule).await?;
        if record.state == ConsentState::Withdrawn {
            people = self.linked(&people).await?;
        }
        record.recorded_at = now;
        Ok(Entry { record, statement, people, user: None })
    }

    /// The guardian's own record: given, proven, and of the same purpose or of guardianship. An image of a minor
    /// is released for each use (colombia.md 1.3).
    async fn guardian_stands(
        &self,
        ledger: &ConnectionRuntime,
        guardian: &Guardian,
        purpose: &str,
    ) -> Result<(), LedgerError> {
        let wrong = |why: String| Err(LedgerError::Invalid(format!("guardian.consent: {why}")));
        let Some(own) = self.entries(ledger, &[&guardian.consent]).await?.pop() else {
            return wrong(format!(
                "there is no record '{}'; record the guardian's own consent first",
                guardian.consent
            ));
        };
        let own = own.record;
        if own.state != ConsentState::Given || !own.proof.complete {
            return wrong(format!("the record '{}' is no proven yes", own.id));
        }
        let general = own.purpose == "guardianship" && !purpose.starts_with("image_use:");
        if !general && own.purpose != purpose {
            return wrong(format!("the record '{}' is for '{}', and not for '{purpose}'", own.id, own.purpose));
        }
        Ok(())
    }
}

fn purpose_is_known(purpose: &str, state: ConsentState) -> Result<(), String> {
    if purpose == PRIVACY {
        return Err(format!(
            "purpose '{PRIVACY}' is neither given nor withdrawn: the law demands answers about a person's own data"
        ));
    }
    if is_purpose(purpose) || (purpose == EVERYTHING && state == ConsentState::Withdrawn) {
        return Ok(());
    }
    if purpose == EVERYTHING {
        return Err("purpose 'all' can only be withdrawn: a yes names what it is for".into());
    }
    let of_many: Vec<String> = PURPOSES_OF.iter().map(|head| format!("{head}:<id>")).collect();
    let own: Vec<&str> = PURPOSES.iter().copied().filter(|p| *p != PRIVACY).collect();
    let all = format!("{}, {}", own.join(", "), of_many.join(", "));
    Err(format!("purpose is '{}'; it must be one of {all}", cut(purpose)))
}

fn evidence_is_sound(evidence: &Evidence, channel: Option<&str>) -> Result<(), String> {
    let one_of = |field: &str, value: Option<&str>, all: &[&str]| match value {
        Some(text) if !all.contains(&text) => {
            Err(format!("{field} is '{}'; it must be one of {}", cut(text), all.join(", ")))
        }
        _ => Ok(()),
    };
    one_of("channel", channel, CHANNELS)?;
    one_of("evidence.channel", evidence.channel.as_deref(), SOURCES)?;
    let hex = |t: &String| t.len() == 64 && t.bytes().all(|b| b.is_ascii_hexdigit());
    for (field, value) in [("text_sha256", &evidence.text_sha256), ("notice_sha256", &evidence.notice_sha256)] {
        if value.as_ref().is_some_and(|t| !hex(t)) {
            return Err(format!("evidence.{field} is not the 64 hexadecimal digits of a SHA-256"));
        }
    }
    for (field, text) in evidence.texts() {
        if text.trim().is_empty() || text.chars().count() > LONGEST {
            return Err(format!("evidence.{field} must have 1 to {LONGEST} characters"));
        }
    }
    if evidence.ip_hash.as_ref().is_some_and(|t| t.parse::<std::net::IpAddr>().is_ok()) {
        return Err("evidence.ip_hash is an address: send a keyed hash of it, and never the address".into());
    }
    Ok(())
}

fn guardian_is_named(guardian: &Guardian) -> Result<(), String> {
    let fields = [
        ("name", &guardian.name),
        ("document", &guardian.document),
        ("relationship", &guardian.relationship),
        ("consent", &guardian.consent),
    ];
    match fields.into_iter().find(|(_, text)| text.trim().is_empty() || text.chars().count() > LONGEST) {
        Some((field, _)) => Err(format!("guardian.{field} must have 1 to {LONGEST} characters")),
        None => Ok(()),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}
