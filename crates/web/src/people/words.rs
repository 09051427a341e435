//! Every text of a person's own pages, in Spanish (es-CO, usted) and English. Pages name keys and hold no text.

use pasarela_colombia::Lang;

/// Key, Spanish, English.
const ROWS: &[(&str, &str, &str)] = &[
    ("other", "English", "Español"),
    ("other_tag", "en", "es-CO"),
    ("not_advice", "Esta página no es asesoría legal.", "This page is not legal advice."),
    ("who", "Responsable de sus datos: {}", "Responsible for your data: {}"),
    ("notice", "Aviso de privacidad", "Privacy notice"),
    ("policy", "Política de tratamiento de datos", "Data policy"),
    ("for", "Para {}", "For {}"),
    // Preferences.
    ("pref.title", "Sus preferencias", "Your preferences"),
    (
        "pref.lead",
        "Usted decide para qué usamos sus datos. Un cambio cuenta de inmediato, en todos los canales.",
        "You decide what we use your data for. A change counts at once, on every channel.",
    ),
    (
        "pref.tickets",
        "Sus boletas y los avisos de lo que compró siguen llegando: no dependen de esta página.",
        "Your tickets and notices about what you bought keep coming: they do not depend on this page.",
    ),
    ("pref.now", "Lo que nos autoriza hoy", "What you allow today"),
    ("pref.nothing", "Hoy no nos autoriza nada de esto.", "You allow none of this today."),
    ("pref.since", "Sí, desde el {}", "Yes, since {}"),
    ("pref.no_since", "No, desde el {}", "No, since {}"),
    ("pref.no", "No", "No"),
    (
        "pref.unproven",
        "No cuenta: falta la prueba de su autorización",
        "Does not count: the proof of your yes is missing",
    ),
    (
        "pref.reopened",
        "No cuenta: el texto cambió y hay que preguntarle de nuevo",
        "Does not count: the text has changed, and you have to be asked again",
    ),
    (
        "pref.minor",
        "No: las personas menores de 18 años no reciben publicidad",
        "No: people under 18 get no advertising",
    ),
    (
        "pref.guardian",
        "No cuenta: falta la autorización de madre, padre o tutor",
        "Does not count: a parent or guardian has to authorise it",
    ),
    ("pref.withdraw", "Retirar", "Withdraw"),
    ("pref.withdraw_what", "Retirar: {}", "Withdraw: {}"),
    ("pref.give", "Autorizar algo más", "Allow something more"),
    (
        "pref.give_lead",
        "Es voluntario: nada de lo que compra depende de ello. Marque solo lo que quiera.",
        "It is up to you: nothing that you buy depends on it. Tick only what you want.",
    ),
    ("pref.read", "Texto completo, versión {}", "Full text, version {}"),
    ("pref.save", "Autorizar lo marcado", "Allow what is ticked"),
    ("pref.all_title", "Retirar todo", "Withdraw everything"),
    (
        "pref.all_lead",
        "Retira de una vez todo lo que haya autorizado antes. Puede volver a autorizar cuando quiera.",
        "Takes back everything that you allowed before, at once. You may allow it again whenever you like.",
    ),
    ("pref.all", "Retirar todo", "Withdraw everything"),
    ("done.retirado", "Listo. Lo retiramos.", "Done. It is withdrawn."),
    (
        "done.baja",
        "Listo. No le enviaremos más publicidad. Sus boletas y avisos seguirán llegando.",
        "Done. We will send you no more advertising. Your tickets and notices will keep coming.",
    ),
    (
        "done.todo",
        "Listo. Retiramos todo lo que había autorizado.",
        "Done. Everything that you had allowed is withdrawn.",
    ),
    ("done.autorizado", "Listo. Quedó autorizado.", "Done. It is allowed."),
    ("done.nada", "No marcó nada, así que nada cambió.", "You ticked nothing, so nothing has changed."),
    ("done.pedido", "Recibimos su solicitud. Su número es {}.", "We have your request. Its number is {}."),
    // Channels and purposes.
    ("channel.email", "por correo", "by e-mail"),
    ("channel.whatsapp", "por WhatsApp", "by WhatsApp"),
    ("channel.sms", "por mensaje de texto", "by text message"),
    ("channel.call", "por llamada", "by phone call"),
    ("channel.push", "por notificación", "by notification"),
    ("channel.ads_audience", "en audiencias de anuncios", "in advertising audiences"),
    ("purpose.all", "Todo", "Everything"),
    ("purpose.sale", "Hacer posible su compra", "Make your purchase possible"),
    ("purpose.event_operation", "Organizar el evento", "Run the event"),
    ("purpose.invoice", "Facturar", "Invoice"),
    ("purpose.marketing", "Publicidad", "Advertising"),
    ("purpose.profiling", "Conocer sus gustos para recomendarle", "Learn your taste, to recommend"),
    ("purpose.analytics", "Medir las visitas a nuestras páginas", "Count visits to our pages"),
    ("purpose.ads", "Mostrarle anuncios en otras plataformas", "Show you advertisements elsewhere"),
    ("purpose.transfer_abroad", "Enviar sus datos a otros países", "Send your data to other countries"),
    ("purpose.guardianship", "Autorizar por una persona menor de edad", "Authorise for a person under 18"),
    ("purpose.privacy", "Responder lo que pregunta sobre sus datos", "Answer what you ask about your data"),
    ("purpose.third_party_brand", "Compartir sus datos con la marca {}", "Share your data with the brand {}"),
    ("purpose.image_use", "Usar su imagen: {}", "Use your image: {}"),
    ("purpose.sensitive", "Dato sensible, es opcional: {}", "Sensitive data, optional: {}"),
    // My data.
    ("ask.title", "Mis datos", "My data"),
    (
        "ask.lead",
        "Vea qué datos tenemos de usted, corríjalos o retire sus autorizaciones. Le enviamos un enlace a su correo o celular: así sabemos que es usted.",
        "See what we hold about you, correct it, or withdraw what you allowed. We send a link to your e-mail or phone: so we know that it is you.",
    ),
    ("ask.address", "Correo o celular", "E-mail or mobile"),
    (
        "ask.hint",
        "El mismo que dio al comprar. Celular: 300 123 4567.",
        "The one that you gave when you bought. Mobile: +57 300 123 4567.",
    ),
    ("ask.send", "Enviar el enlace", "Send the link"),
    (
        "ask.wrong",
        "Esto no parece un correo ni un celular. Revíselo, por favor.",
        "This looks like neither an e-mail nor a mobile. Please check it.",
    ),
    ("ask.sent.title", "Revise su correo o su WhatsApp", "Check your e-mail or your WhatsApp"),
    (
        "ask.sent.text",
        "Si la dirección es correcta, el enlace llega en unos minutos y sirve por 24 horas. Por seguridad enviamos uno por hora.",
        "If the address is right, the link comes within minutes and works for 24 hours. To keep you safe we send one an hour.",
    ),
    ("data.title", "Sus datos", "Your data"),
    ("data.lead", "Esto es lo que tenemos de usted hoy, {}.", "This is what we hold about you today, {}."),
    ("data.consents", "Lo que nos ha autorizado o retirado", "What you have allowed or withdrawn"),
    ("data.no_consents", "Nada todavía.", "Nothing yet."),
    ("data.given", "Autorizado", "Allowed"),
    ("data.withdrawn", "Retirado", "Withdrawn"),
    ("data.text", "texto {}", "text {}"),
    ("data.purchases", "Pedidos y boletas", "Orders and tickets"),
    ("data.no_purchases", "Ninguno.", "None."),
    ("data.messages", "Mensajes", "Messages"),
    ("data.no_messages", "Ninguno.", "None."),
    ("data.other", "Otros registros", "Other records"),
    ("data.sources", "De dónde los tenemos", "Where we have it from"),
    (
        "data.more",
        "Hay más registros, más antiguos: pídalos con una consulta.",
        "There are more records, older ones: ask for them.",
    ),
    ("data.change", "Cambiar lo que autoriza", "Change what you allow"),
    ("data.download", "Descargar todo esto", "Download all of this"),
    ("event.order.placed", "Pedido por pagar", "Order to be paid"),
    ("event.order.paid", "Pedido pagado", "Order paid"),
    ("event.order.updated", "Pedido actualizado", "Order updated"),
    ("event.order.cancelled", "Pedido cancelado", "Order cancelled"),
    ("event.order.refunded", "Devolución", "Refund"),
    ("event.ticket.issued", "Boleta", "Ticket"),
    ("event.ticket.updated", "Boleta actualizada", "Ticket updated"),
    ("event.ticket.cancelled", "Boleta cancelada", "Ticket cancelled"),
    ("event.ticket.checked_in", "Entró al evento", "Came to the show"),
    ("event.message.received", "Usted nos escribió", "You wrote to us"),
    ("event.message.sent", "Le escribimos", "We wrote to you"),
    ("event.message.delivered", "Le llegó un mensaje nuestro", "A message of ours reached you"),
    ("event.message.read", "Leyó un mensaje nuestro", "You read a message of ours"),
    ("event.message.failed", "Un mensaje nuestro no le llegó", "A message of ours did not reach you"),
    ("event.email.delivered", "Le llegó un correo nuestro", "A mail of ours reached you"),
    ("event.email.bounced", "Un correo nuestro no le llegó", "A mail of ours did not reach you"),
    ("event.person.created", "Ficha de contacto", "Contact record"),
    ("event.person.updated", "Ficha de contacto actualizada", "Contact record updated"),
    ("event.person.link_requested", "Pidió el enlace a esta página", "You asked for the link to this page"),
    ("cases.title", "Sus solicitudes", "Your requests"),
    ("case.consulta", "Consulta", "Question"),
    ("case.reclamo", "Reclamo", "Claim"),
    ("case.pqr", "Petición, queja o reclamo", "Petition or complaint"),
    ("case.received", "recibida el {}", "received on {}"),
    ("case.answered", "respondida", "answered"),
    ("wish.title", "Pedir algo sobre sus datos", "Ask for something about your data"),
    (
        "wish.lead",
        "Recibe un número al enviarla. Respondemos una consulta en 10 días hábiles y un reclamo en 15, contados como dice la Ley 1581 de 2012.",
        "You get a number when you send it. We answer a question within 10 business days and a claim within 15, counted as Ley 1581 of 2012 says.",
    ),
    ("wish.what", "Qué necesita", "What you need"),
    ("ask.correct", "Corregir o actualizar mis datos", "Correct or update my data"),
    ("ask.suppress", "Eliminar mis datos", "Delete my data"),
    ("ask.consult", "Saber algo más sobre mis datos", "Know more about my data"),
    ("wish.name", "Su nombre", "Your name"),
    ("wish.document", "Su documento (opcional)", "Your document (optional)"),
    ("wish.detail", "Cuéntenos: qué está mal y cómo debe quedar", "Tell us: what is wrong, and how it should be"),
    ("wish.send", "Enviar la solicitud", "Send the request"),
    ("ask.empty.title", "Falta algo en su solicitud", "Something is missing in your request"),
    (
        "ask.empty.text",
        "Vuelva atrás, escriba su nombre y qué necesita, y envíela de nuevo. Nada se ha enviado aún.",
        "Go back, write your name and what you need, and send it again. Nothing has been sent yet.",
    ),
    // Notices.
    ("closed.title", "Este enlace ya no abre", "This link does not open any more"),
    (
        "closed.text",
        "Puede estar incompleto o vencido. Pida uno nuevo en Mis datos: llega a su correo o celular.",
        "It may be incomplete, or its time is over. Ask for a new one at My data: it comes to your e-mail or phone.",
    ),
    ("closed.link", "Pedir un enlace nuevo", "Ask for a new link"),
    ("later.title", "Vuelva a intentar en un momento", "Try again in a moment"),
    ("later.text", "No pudimos hacerlo ahora. Nada cambió.", "We could not do it just now. Nothing has changed."),
    ("often.title", "Demasiadas solicitudes", "Too many requests"),
    ("often.text", "Espere una hora y vuelva a intentar.", "Wait an hour and try again."),
    ("form.title", "No pudimos recibir este formulario", "We could not take this form"),
    (
        "form.text",
        "Vuelva a abrir la página con su enlace e intente de nuevo. Nada cambió.",
        "Open the page again by your link and try once more. Nothing has changed.",
    ),
    ("no_text.title", "Aún no hay un texto publicado", "No text is published yet"),
    ("no_text.text", "Pregunte a quien le vendió la boleta.", "Ask whoever sold you the ticket."),
];

/// A text.
pub(super) fn t(key: &str, lang: Lang) -> &'static str {
    find(key, lang).unwrap_or_default()
}

/// A text, if there is one of this name.
pub(super) fn find(key: &str, lang: Lang) -> Option<&'static str> {
    let (_, es, en) = ROWS.iter().find(|(name, ..)| *name == key)?;
    Some(if lang == Lang::Es { es } else { en })
}

/// A text with a value in it.
pub(super) fn with(key: &str, lang: Lang, value: &str) -> String {
    t(key, lang).replacen("{}", value, 1)
}

/// A purpose, for people.
pub(super) fn purpose(name: &str, lang: Lang) -> String {
    match name.split_once(':') {
        Some((head, id)) => with(&format!("purpose.{head}"), lang, id),
        None => find(&format!("purpose.{name}"), lang).map_or_else(|| name.to_owned(), str::to_owned),
    }
}

/// A purpose on a channel, for people.
pub(super) fn purpose_on(name: &str, channel: Option<&str>, lang: Lang) -> String {
    let on = channel.map(|c| find(&format!("channel.{c}"), lang).unwrap_or_default());
    [Some(purpose(name, lang)), on.map(str::to_owned)].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pasarela_domain::consent::{CHANNELS, PURPOSES, PURPOSES_OF};

    #[test]
    fn every_text_is_there_in_both_languages_and_every_page_finds_its_own() {
        for (key, es, en) in ROWS {
            assert!(!es.is_empty() && !en.is_empty() && es.matches("{}").count() == en.matches("{}").count(), "{key}");
            assert_eq!(ROWS.iter().filter(|(name, ..)| name == key).count(), 1, "{key} is there twice");
        }
        for template in [
            include_str!("../../templates/publico/persona.html"),
            include_str!("../../templates/publico/preferencias.html"),
            include_str!("../../templates/publico/mis-datos.html"),
            include_str!("../../templates/publico/mis-datos-pedir.html"),
            include_str!("../../templates/publico/persona-aviso.html"),
        ] {
            for rest in template.split("w.t(\"").skip(1) {
                let key = rest.split('"').next().unwrap();
                assert!(find(key, Lang::Es).is_some(), "{key} has no text");
            }
        }
        for channel in CHANNELS {
            assert!(find(&format!("channel.{channel}"), Lang::En).is_some(), "{channel}");
        }
        for name in PURPOSES.iter().chain(PURPOSES_OF) {
            assert!(find(&format!("purpose.{name}"), Lang::En).is_some(), "{name}");
        }
    }
}
