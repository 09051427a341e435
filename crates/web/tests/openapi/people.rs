//! Persons: what the API says of them, and who sees whom.

use super::{Hub, call, hub};
use axum::http::StatusCode;
use pasarela_domain::{Brands, DeedId, PersonId};
use pasarela_engine::{ContactRow, ContactsReport};
use serde_json::{Value, json};

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
