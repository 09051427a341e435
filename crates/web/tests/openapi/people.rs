//! Persons: what the API says of them, and who sees whom.

use super::{Hub, call, hub};
use crate::walk::session;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use pasarela_domain::{Brands, DeedId, PersonId};
use pasarela_engine::{ContactRow, ContactsReport};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Persons of a list, a deed that can be taken back, and a conflict.
pub(crate) struct Seeded {
    pub(crate) a: PersonId,
    pub(crate) b: PersonId,
    pub(crate) c: PersonId,
    pub(crate) deed: DeedId,
    pub(crate) conflict: String,
    pub(crate) disputed: PersonId,
}

async fn import(hub: &Hub, brand: &str, rows: &[(&str, &str, &str)]) -> ContactsReport {
    let rows = (1..).zip(rows).map(|(line, (id, name, email))| ContactRow {
        line,
        id: (*id).into(),
        name: (*name).into(),
        email: (*email).into(),
        ..ContactRow::default()
    });
    hub.engine.import_people(brand, rows.collect()).await.unwrap()
}

/// Somebody whom the map knows.
pub(crate) async fn seed(hub: &Hub) -> Seeded {
    let rows = [
        ("1", "Rosa Vela", "rosa@correo.example"),
        ("2", "Inés Mora", "ines@correo.example"),
        ("3", "Olga Paz", "olga@correo.example"),
        ("4", "Nora Gil", "nora@correo.example"),
        ("5", "Nora Gil", "nora@correo.example"),
    ];
    let report = import(hub, "default", &rows).await;
    let of = |row: usize| report.rows[row].person.unwrap();
    let (a, b, c) = (of(0), of(1), of(2));
    // Two rows of one person are edited in one instant: only one of them counts.
    import(hub, "default", &[("4", "Nora Cruz", "nora@correo.example"), ("5", "Nora Rey", "nora@correo.example")])
        .await;
    let conflict = hub.engine.people_conflicts(None, 5, &Brands::All).await.unwrap().0.remove(0);
    let done = hub.engine.merge_people(a, b, "mesa", &Brands::All).await.unwrap();
    Seeded { a, b, c, deed: done.deed, conflict: conflict.id, disputed: conflict.person }
}

/// What the API does with them, in an order in which each may be done.
pub(crate) fn calls(s: &Seeded) -> Vec<(&'static str, &'static str, String, Value)> {
    let of = |who: PersonId, what: &str| format!("/api/v1/people/{who}{what}");
    vec![
        (
            "post",
            "/api/v1/people/import",
            "/api/v1/people/import".into(),
            json!({ "rows": [
                { "line": 2, "first_name": "Marta", "last_name": "Gil", "email": "marta@correo.example" },
                { "line": 3, "first_name": "Marta", "phone": "12" },
            ] }),
        ),
        ("get", "/api/v1/people", "/api/v1/people?search=rosa%40correo.example".into(), Value::Null),
        ("get", "/api/v1/people", "/api/v1/people?limit=1".into(), Value::Null),
        ("get", "/api/v1/people/review", "/api/v1/people/review".into(), Value::Null),
        ("get", "/api/v1/people/conflicts", "/api/v1/people/conflicts?limit=2".into(), Value::Null),
        ("get", "/api/v1/people/{id}", of(s.disputed, ""), Value::Null),
        ("get", "/api/v1/people/{id}/history", of(s.a, "/history"), Value::Null),
        ("post", "/api/v1/people/{id}/undo", of(s.a, "/undo"), json!({ "deed": s.deed })),
        ("post", "/api/v1/people/{id}/apart", of(s.a, "/apart"), json!({ "with": s.b })),
        ("post", "/api/v1/people/{id}/merge", of(s.a, "/merge"), json!({ "with": s.c })),
        ("post", "/api/v1/people/{id}/split", of(s.a, "/split"), json!({ "records": [s.c] })),
        (
            "post",
            "/api/v1/people/{id}/conflicts/accept",
            of(s.disputed, "/conflicts/accept"),
            json!({ "conflict": s.conflict }),
        ),
    ]
}

#[tokio::test]
async fn persons_of_a_brand_are_nobodys_elsewhere_and_what_cannot_be_done_says_why() {
    let hub = hub(None).await;
    let seeded = seed(&hub).await;
    import(&hub, "luna", &[("1", "Luz Rosas", "rosa@correo.example")]).await;
    let all = hub.key_of(&["people:read", "people:write"]).await;
    let found = async |key: &str| {
        let (status, list) = call(&hub, "get", "/api/v1/people?search=rosa%40correo.example", key, &Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{list}");
        list["data"].as_array().unwrap().iter().map(|p| p["brand"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&all).await, ["luna", "default"]);
    let luna = hub.engine.people(Some("luz rosas"), None, 5, &Brands::All).await.unwrap().people.remove(0);
    let (status, problem) =
        call(&hub, "post", &format!("/api/v1/people/{}/merge", seeded.a), &all, &json!({ "with": luna.id })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("two brands"), "{problem}");
    // Who has one brand sees nobody of the other, and learns nothing of them by an id.
    let owner = hub.key_of(&["role:owner"]).await;
    let wish = json!({ "name": "luna", "scopes": ["people:read", "people:write"], "brands": ["luna"] });
    let (_, made) = call(&hub, "post", "/api/v1/keys", &owner, &wish).await;
    let terms = made["key"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    assert_eq!(found(&terms).await, ["luna"]);
    for (method, path, body) in [
        ("get", format!("/api/v1/people/{}", seeded.a), Value::Null),
        ("get", format!("/api/v1/people/{}/history", seeded.a), Value::Null),
        ("post", format!("/api/v1/people/{}/merge", luna.id), json!({ "with": seeded.a })),
        ("post", format!("/api/v1/people/{}/undo", seeded.a), json!({ "deed": seeded.deed })),
        ("post", "/api/v1/people/import".into(), json!({ "brand": "default", "rows": [] })),
    ] {
        let (status, problem) = call(&hub, method, &path, &terms, &body).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {problem}");
    }
    for (what, body, status) in [
        ("merge", json!({ "with": seeded.b }), StatusCode::CONFLICT),
        ("split", json!({ "records": [] }), StatusCode::CONFLICT),
        ("split", json!({ "records": [seeded.c] }), StatusCode::CONFLICT),
        ("undo", json!({ "deed": "nada" }), StatusCode::BAD_REQUEST),
        ("merge", json!({ "wiht": seeded.b }), StatusCode::BAD_REQUEST),
        ("conflicts/accept", json!({ "conflict": "x" }), StatusCode::BAD_REQUEST),
    ] {
        let path = format!("/api/v1/people/{}/{what}", seeded.a);
        let (found, problem) = call(&hub, "post", &path, &all, &body).await;
        assert_eq!(found, status, "{what} {body}: {problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
    let reader = hub.key_of(&["people:read"]).await;
    let (status, _) =
        call(&hub, "post", &format!("/api/v1/people/{}/merge", seeded.a), &reader, &json!({ "with": seeded.c })).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_pages_say_who_is_whom_in_both_languages_and_do_what_they_offer() {
    let hub = hub(None).await;
    let s = seed(&hub).await;
    import(&hub, "default", &[("9", "Otra Vela", "olga@correo.example")]).await;
    let (cookie, csrf) = session(&hub, &hub.key).await;
    let get = async |path: &str, language: &str| {
        let request = Request::get(path).header(header::COOKIE, &cookie).header(header::ACCEPT_LANGUAGE, language);
        let answer = hub.app.console().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = answer.status();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(text.to_vec()).unwrap())
    };
    let post = async |path: String, form: String| {
        let body = Body::from(format!("csrf={csrf}&{form}"));
        let request = Request::post(path).header(header::COOKIE, &cookie).body(body).unwrap();
        let answer = hub.app.console().oneshot(request).await.unwrap();
        let to = answer.headers().get(header::LOCATION).map(|v| v.to_str().unwrap().to_owned());
        (answer.status(), to)
    };
    let one = format!("/personas/{}", s.a);
    for (path, es, en) in [
        ("/personas", "Hay parejas por revisar", "There are pairs to review"),
        ("/personas?q=olga+paz", "Olga Paz", "Olga Paz"),
        ("/personas?q=nadie+jamas", "Nadie con", "Nobody with"),
        (
            "/personas/revision",
            "el mismo correo, los nombres son de dos personas",
            "the same e-mail, the names are two people",
        ),
        ("/personas/conflictos", "Se editó en el mismo segundo", "It was edited in the same second"),
        (&one, "mesa unió a dos personas", "mesa merged two people"),
    ] {
        for (language, says) in [("es-CO", es), ("en", en)] {
            let (status, page) = get(path, language).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert!(page.contains(says), "{path} in {language} does not say '{says}'");
        }
    }
    let back = format!("hecho={}", s.deed);
    assert_eq!(post(format!("{one}/deshacer"), back.clone()).await, (StatusCode::SEE_OTHER, Some(one.clone())));
    assert_eq!(post(format!("{one}/deshacer"), back).await.0, StatusCode::BAD_REQUEST, "it is undone already");
    let pair = hub.engine.people_review(None, 5, &Brands::All).await.unwrap().0.remove(0);
    let apart = post(format!("/personas/{}/distintas", pair.a.id), format!("con={}&vuelta=revision", pair.b.id)).await;
    assert_eq!(apart, (StatusCode::SEE_OTHER, Some("/personas/revision".to_owned())));
    assert!(get("/personas/revision", "es").await.1.contains("No hay parejas por revisar"));
    let (status, to) = post(format!("{one}/unir"), format!("con={}", s.b)).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert!(get(&to.unwrap(), "es").await.1.contains("Sacar de esta persona"), "it has two records");
    let accepted = format!("conflicto={}&vuelta=conflictos", s.conflict);
    assert_eq!(post(format!("/personas/{}/conflictos/aceptar", s.disputed), accepted).await.0, StatusCode::SEE_OTHER);
    assert!(get("/personas/conflictos", "es").await.1.contains("No hay conflictos"));
    assert_eq!(get("/personas/nadie", "es").await.0, StatusCode::NOT_FOUND);
}
