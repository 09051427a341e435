//! Addresses that are not written to. A mailbox that does not exist, a person who complained or who wants
//! no advertising: whoever goes on writing is soon believed by no mail server.
//!
//! Promise: right before a message leaves, its address is looked up in the store, so what one node learns
//! counts on all; what is learnt from a reply is kept before the effect is settled. Who only wants no
//! advertising still hears of what they bought. A wish is withheld by its rule, and nothing stands in for it. Which actions write to an address of mail, their
//! manifests say; no provider is named here.

use crate::engine::Inner;
use crate::lawful::class_of;
use crate::runs::OpenCall;
use jiff::Timestamp;
use pasarela_colombia::market::Class;
use pasarela_connector::Outcome;
use pasarela_domain::consent::PRIVACY;
use pasarela_store::{Error, SuppressionCause, SuppressionRow};
use serde_json::Value;
use std::time::Duration;

/// How long an unanswered look-up waits before it is tried again: nothing is sent without it.
const PAUSE: Duration = Duration::from_millis(250);

/// A look-up that could not be made: the store is closed.
pub(crate) struct Closed;

impl Inner {
    /// May this message not be sent? `Err`: nobody can say any more, and nothing is sent.
    pub(crate) async fn suppressed(&self, call: &OpenCall) -> Result<Option<Outcome>, Closed> {
        let [member] = call.members.as_slice() else { return Ok(None) };
        let Some(action) = call.connection.manifest().action(&call.action) else { return Ok(None) };
        let Some(address) = action.mail_address(&member.input) else { return Ok(None) };
        let Some(row) = self.asked(|| self.store.suppression(address)).await? else { return Ok(None) };
        let effect = self.asked(|| self.store.effect(member.id)).await?;
        let class = class_of(effect.as_ref().and_then(|e| e.class.as_deref()));
        let purpose = effect.and_then(|e| e.purpose).unwrap_or_default();
        Ok(applies(row.cause, class, &purpose).then(|| refusal(&row)))
    }

    /// A mailbox that does not exist is not written to again.
    pub(crate) async fn note_gone(&self, call: &OpenCall, outcomes: &[Outcome], now: Timestamp) {
        let ([member], [Outcome::TargetGone { why }]) = (call.members.as_slice(), outcomes) else { return };
        let action = call.connection.manifest().action(&call.action);
        let Some(address) = action.and_then(|a| a.mail_address(&member.input)) else { return };
        let row = SuppressionRow {
            address: address.to_lowercase(),
            cause: SuppressionCause::Bounced,
            why: Some(why.clone()),
            by: call.connection.name().to_owned(),
            since: now,
        };
        if self.asked(|| self.store.suppress(row.clone())).await.is_err() {
            tracing::error!("an address that does not exist could not be noted: the store is closed");
        }
    }

    /// Asks the store until it answers.
    async fn asked<'s, T, F>(&self, ask: impl Fn() -> F) -> Result<T, Closed>
    where
        F: Future<Output = Result<T, Error>> + 's,
    {
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(Error::Closed | Error::Fenced) => return Err(Closed),
                Err(_) if self.is_stopping() => return Err(Closed),
                Err(e) => {
                    tracing::warn!(error = %e, "the suppression list cannot be read; the message waits");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// What an event says of an address, whichever provider told it.
pub(crate) fn of_event(event_type: &str, data: &Value, by: &str, at: Timestamp) -> Option<SuppressionRow> {
    let cause = match event_type {
        "email.bounced" if data["permanent"] == true => SuppressionCause::Bounced,
        "email.complained" => SuppressionCause::Complained,
        "email.unsubscribed" => SuppressionCause::Unsubscribed,
        _ => return None,
    };
    let address = data["email"].as_str().filter(|a| a.contains('@'))?.to_lowercase();
    let why = [&data["code"], &data["reason"]].into_iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    Some(SuppressionRow { address, cause, why: (!why.is_empty()).then_some(why), by: by.to_owned(), since: at })
}

/// Strictly about what was bought or asked?
pub(crate) fn is_free(class: Class) -> bool {
    matches!(class, Class::Transactional | Class::TransactionalUrgent)
}

/// An answer that the law demands (Ley 1581, arts. 14 and 15)? What calls itself that and is advertising or
/// collection is none.
pub(crate) fn is_duty(class: Class, purpose: &str) -> bool {
    is_free(class) && purpose == PRIVACY
}

/// Does a cause stand against such a message? Asked when it is decided, and once more right before it leaves.
pub(crate) fn applies(cause: SuppressionCause, class: Class, purpose: &str) -> bool {
    match cause {
        SuppressionCause::Bounced => true,
        SuppressionCause::Unsubscribed => !is_free(class),
        SuppressionCause::Complained | SuppressionCause::Asked => !is_duty(class, purpose),
    }
}

/// The outcome of a message to an address that is not written to.
pub(crate) fn refusal(row: &SuppressionRow) -> Outcome {
    let said = row.why.as_deref().map(|w| format!(" ({w})")).unwrap_or_default();
    let what = match row.cause {
        SuppressionCause::Unsubscribed => "the person wants no advertising",
        SuppressionCause::Bounced => "there is no such mailbox",
        SuppressionCause::Complained => "the person called a message spam",
        SuppressionCause::Asked => "somebody here said not to write",
    };
    let why = format!(
        "not written to since {}, as {} told: {what}{said}; `pasarela suppressions remove` lets it be written to again",
        row.since, row.by
    );
    let rule = format!("suppressed_{}", row.cause.as_str());
    // A mailbox that is not there is a failure that something may stand in for. A person's wish is none.
    if row.cause == SuppressionCause::Bounced { Outcome::give_up(rule, why) } else { Outcome::withheld(rule, why) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_of_any_provider_name_whom_not_to_write_to() {
        let of = |event: &str, data: Value| {
            of_event(event, &data, "correo", Timestamp::UNIX_EPOCH).map(|r| (r.address, r.cause))
        };
        let ana = |permanent: bool| json!({ "email": "Ana@correo.example", "permanent": permanent, "code": "5.1.1" });
        assert_eq!(of("email.bounced", ana(true)), Some(("ana@correo.example".into(), SuppressionCause::Bounced)));
        assert_eq!(of("email.bounced", ana(false)), None, "a full mailbox is there");
        assert_eq!(of("email.complained", ana(false)).unwrap().1, SuppressionCause::Complained);
        assert_eq!(of("email.unsubscribed", ana(false)).unwrap().1, SuppressionCause::Unsubscribed);
        assert_eq!(of("email.delivered", ana(true)), None);
        assert_eq!(of("email.bounced", json!({ "permanent": true })), None);
    }
}
