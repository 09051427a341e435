//! What the law does to a message, in words.

use super::Row;

pub(super) const ROWS: &[Row] = &[
    ("effect.deferred", "Aplazado por horario o frecuencia", "Put off by hours or frequency"),
    ("decision.title", "Por qué se envió o no", "Why it was sent or not"),
    ("decision.allow", "Se puede enviar", "May be sent"),
    ("decision.defer", "Aplazado", "Put off"),
    ("decision.refuse", "No enviado", "Not sent"),
    ("decision.not_taken", "El canal no lo recibe", "The channel does not take it"),
    ("decision.until", "hasta", "until"),
    ("decision.checks", "Qué se miró", "What was looked at"),
    (
        "rule.suppressed",
        "La dirección está en la lista de no escribir.",
        "The address is on the list of those not written to.",
    ),
    (
        "rule.no_consent",
        "Sin autorización para este fin y canal. Pedir autorización.",
        "No consent for this purpose and channel. Ask for it.",
    ),
    ("rule.consent_withdrawn", "La persona retiró su autorización.", "The person took the consent back."),
    (
        "rule.person_unknown",
        "No se sabe a quién se escribe: solo mensajes sobre lo comprado.",
        "It is not known who is written to: only messages about a purchase.",
    ),
    (
        "rule.minor",
        "La persona es menor de edad: no recibe publicidad.",
        "The person is under 18 and gets no advertising.",
    ),
    (
        "rule.claim_in_process",
        "Reclamo en trámite: los datos en discusión no se usan.",
        "A claim is being dealt with: data in dispute is not used.",
    ),
    (
        "rule.registry_no",
        "En el RNE: no acepta mensajes por este medio.",
        "In the RNE: the person does not accept messages this way.",
    ),
    ("rule.registry_stale", "RNE sin consultar: la publicidad espera.", "The RNE was not asked: advertising waits."),
    ("rule.contact_hours", "Fuera del horario de contacto.", "Outside the hours of contact."),
    (
        "rule.quiet_hours",
        "Puede esperar: se envía en el horario de contacto.",
        "It can wait: it goes out within the hours of contact.",
    ),
    ("rule.one_contact_a_day", "Ya lo contactamos hoy.", "The person was contacted today."),
    (
        "rule.one_channel_a_week",
        "Esta semana ya lo contactamos por otro canal.",
        "The person was contacted through another channel this week.",
    ),
    (
        "rule.one_contact_a_week",
        "Ya lo contactamos en los últimos siete días.",
        "The person was contacted in the last seven days.",
    ),
    (
        "rule.outside_conversation",
        "La persona no ha escrito en las últimas 24 horas: el canal solo recibe plantillas.",
        "The person has not written in the last 24 hours: the channel takes templates only.",
    ),
    ("rule.expired", "Llegaría después de su momento.", "It would come after its moment."),
];
