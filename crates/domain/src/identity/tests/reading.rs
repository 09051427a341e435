//! What is read out of names, documents and events.

use super::*;

#[test]
fn names_are_compared_as_people_in_colombia_write_them() {
    let full =
        |text: &str| Name { full: text.into(), given: String::new(), surnames: String::new(), kind: NameKind::Civil };
    let civil = Name::civil;
    let agree = [
        (civil("Valentina", "Ríos"), civil("VALENTINA", "Rios Mejía")),
        (civil("Ana María", "Ríos"), civil("Ana", "Ríos Mejía")),
        (civil("María del Pilar", "de la Torre Mejía"), civil("María", "del Pilar Torre Mejía")),
        (full("Ríos Valentina"), full("Valentina Ríos Mejía")),
        (full("Ana Núñez"), civil("Ana", "Nu\u{301}n\u{303}ez")),
        (civil("Camilo", "O'Neil"), civil("Camilo", "ONeil")),
    ];
    for (a, b) in agree {
        assert_eq!((a.compare(&b), b.compare(&a)), (Names::Agree, Names::Agree), "{} / {}", a.full, b.full);
    }
    let contradict = [
        (civil("Juan", "Ríos Mejía"), civil("Ana", "Ríos Mejía")),
        (civil("Juan", "Ríos Mejía"), civil("Juan", "Ríos Pardo")),
        (civil("Juan", "Mejía"), civil("Juan", "Ríos Mejía")),
        (civil("Ana María", "Ríos"), civil("Ana Lucía", "Ríos")),
        (full("Valentina"), full("Camila Ríos")),
    ];
    for (a, b) in contradict {
        assert_eq!((a.compare(&b), b.compare(&a)), (Names::Contradict, Names::Contradict), "{} / {}", a.full, b.full);
    }
    let nick = Name { kind: NameKind::Display, ..full("Vale 🌸") };
    for (a, b) in [(full("Valentina"), full("Valentina")), (full("Ana"), full("Ana Ríos")), (nick, full("Ana Ríos"))]
    {
        assert_eq!((a.compare(&b), b.compare(&a)), (Names::Silent, Names::Silent), "{} / {}", a.full, b.full);
    }
}

#[test]
fn documents_are_compared_by_their_kinds_and_placeholders_name_nobody() {
    let read = |kind, number| Document::read(kind, number).unwrap();
    assert_eq!((read("cc", "1.020.304.050").kind(), read("CC", "1.020.304.050").number()), ("CC", "1020304050"));
    let pairs = [
        (read("CC", "1.020.304.050"), read("CC", "1020304050"), Documents::Same),
        (read("TI", "1020304050"), read("CC", "1020304050"), Documents::Same),
        (read("CC", "1020304050"), read("CC", "1020304051"), Documents::Different),
        (read("CC", "1020304050"), read("NUIP", "1020304051"), Documents::Different),
        (read("TI", "98010112345"), read("CC", "1020304050"), Documents::Silent),
        (read("PA", "AT123456"), read("PA", "AT999999"), Documents::Silent),
        (read("PA", "AT123456"), read("PA", "at 123456"), Documents::Same),
        (read("CE", "654321"), read("CC", "654321"), Documents::Silent),
        (read("NIT", "901234567"), read("NIT", "901234567"), Documents::Silent),
    ];
    for (a, b, says) in pairs {
        assert_eq!((a.compare(&b), b.compare(&a)), (says, says), "{a} / {b}");
    }
    for nobody in ["", "--", "12", "0000000", "222222222222", "1234567890", "123456789"] {
        assert_eq!(Document::read("CC", nobody), Err(InvalidDocument::Nobody), "{nobody}");
    }
    let why = Document::read("DNI", "1").unwrap_err().to_string();
    assert!(why.contains("'DNI'") && why.contains("NUIP"), "{why}");
}

fn contact(name: &str, email: Option<&str>, phone: Option<&str>) -> serde_json::Value {
    let (first, last) = name.split_once(' ').unwrap_or((name, ""));
    serde_json::json!({ "name": name, "first_name": first, "last_name": last, "email": email, "phone": phone, "language": null })
}

#[test]
fn events_say_which_records_speak_of_whom_and_what_was_typed_verifies_nothing() {
    let json = |kind: &str, data: serde_json::Value| Mention::of_event("boleteria", kind, &data, Some(at(5)));
    let ticket =
        |id: &str, holder: serde_json::Value| serde_json::json!({ "id": id, "order_id": "O-1", "holder": holder });
    let ana = contact("Ana Ríos Mejía", Some("Ana@Correo.example"), Some("+573001234567"));
    let order = serde_json::json!({
        "id": "O-1", "buyer": ana, "tickets": [ticket("1", ana.clone()), ticket("2", contact("", None, None))],
    });
    let mine = [email("ana@correo.example"), phone("+573001234567"), name("Ana", "Ríos Mejía")];
    let told_at = |mention: Mention| Mention { as_of: Some(at(5)), ..mention };
    let guest = |id: &str, claims: &[Claim]| told_at(of_order("O-1", Seat::Guest, told(super::ticket(id), claims)));
    let buyer = told_at(of_order("O-1", Seat::Buyer, told(Source::new("boleteria", "order", "O-1"), &mine)));
    assert_eq!(json("order.paid", order), [buyer, guest("1", &mine), guest("2", &[])]);
    assert_eq!(json("ticket.updated", ticket("1", ana.clone())), [guest("1", &mine)]);
    let scan = serde_json::json!({ "id": "c", "at": null, "list_id": "l", "ticket": ticket("1", ana.clone()) });
    assert_eq!(json("ticket.checked_in", scan), [guest("1", &mine)]);

    let person = |deleted: bool| serde_json::json!({ "id": "p", "contact": ana, "deleted": deleted });
    let record = Source::new("boleteria", "person", "p");
    assert_eq!(json("person.created", person(false)), [told_at(told(record.clone(), &mine))]);
    assert_eq!(
        json("person.deleted", person(true)),
        [Mention { deleted: true, ..told_at(told(record, &[])) }],
        "it says nothing any more"
    );

    let message = |phone: Option<&str>, user: Option<&str>| {
        serde_json::json!({
            "id": "m", "channel": "whatsapp", "sender": "573000000000", "contact": contact("Vale 🌸", None, phone),
            "channel_user_id": user, "kind": "text", "text": "hola", "payload": null, "reply_to": null, "media_id": null,
            "error_code": null, "error": null,
        })
    };
    let nick = nick_in_parts("Vale", "🌸");
    let wrote = Source::new("boleteria", "phone", "+573001234567");
    let claims = [shown(phone("+573001234567")), bsuid("CO.1"), nick.clone()];
    assert_eq!(json("message.received", message(Some("+573001234567"), Some("CO.1"))), [told_at(told(wrote, &claims))]);
    let user = Source::new("boleteria", "channel_user", "co.1");
    assert_eq!(json("message.received", message(None, Some("CO.1"))), [told_at(told(user, &[bsuid("CO.1"), nick]))]);
    for (kind, data) in [
        ("message.received", message(None, None)),
        ("message.delivered", message(Some("+573001234567"), None)),
        ("order.paid", serde_json::json!({ "id": 7 })),
        ("show.published", serde_json::json!({ "id": "s" })),
        ("person.link_requested", serde_json::json!({ "contact": ana })),
    ] {
        assert_eq!(json(kind, data), [], "{kind}");
    }
}
