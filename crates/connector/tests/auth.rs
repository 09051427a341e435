//! Tokens by the manifest's auth kind: what is asked for, what an answer means, how long it is used.

use jiff::{SignedDuration, Timestamp};
use pasarela_connector::{
    Answer, ApiVersion, Auth, AuthKind, AuthStep, ConnectionConfig, Connector, Credential, Ctx, Limits, Manifest,
    OAuth, RawRequest, Request, Source, Step, Translation, Unread, Verdict, Verification, auth, query_pairs,
};
use pasarela_domain::Secret;
use serde_json::{Value, json};
use std::time::Duration;

const OAUTH: OAuth = OAuth { token_url: "https://login.provider.example/token", scope: "read write", in_body: false };

struct Nobody(ConnectionConfig);

impl Connector for Nobody {
    fn config(&self) -> &ConnectionConfig {
        &self.0
    }
    fn verify(&self, _request: &RawRequest<'_>, _now: Timestamp) -> Verdict {
        Verdict::Forged("nobody calls")
    }
    fn translate(&self, _source: Source, _body: &[u8]) -> Result<Translation, Unread> {
        Err(Unread("nothing".into()))
    }
    fn begin(&self, _action: &str, _inputs: &[Value], _ctx: &Ctx<'_>) -> Step {
        Step::End(Vec::new())
    }
    fn on(&self, _action: &str, _inputs: &[Value], _state: &Value, _answer: &Answer, _ctx: &Ctx<'_>) -> Step {
        Step::End(Vec::new())
    }
}

fn manifest(auth: AuthKind) -> Manifest {
    let names = ["client_id", "client_secret", "refresh_token", "service_account", "token"];
    Manifest {
        name: "nadie",
        title: "Nadie",
        docs: "https://nadie.example",
        api: ApiVersion { version: "1", ends: None },
        default_base_url: Some("https://api.provider.example"),
        auth,
        verification: Verification::NoInbound,
        settings: schemars::json_schema!({ "type": "object" }),
        credentials: names.map(|name| Credential { name, help: "made at Nadie.", required: false }).into(),
        actions: Vec::new(),
        events: &[],
        fetches: &[],
        tasks: Vec::new(),
        no_history: None,
        limits: Limits { rate: None, concurrency: 1, timeout: Duration::from_secs(1) },
    }
}

fn connector(credentials: &[(&str, &str)]) -> Nobody {
    let mut config = ConnectionConfig::bare("cuenta", "nadie");
    config.credentials = credentials.iter().map(|(n, v)| ((*n).to_owned(), Secret::new(*v))).collect();
    Nobody(config)
}

fn client() -> Nobody {
    connector(&[("client_id", "id:uno"), ("client_secret", "clave+uno"), ("refresh_token", "r0")])
}

fn now() -> Timestamp {
    "2026-11-27T19:00:00Z".parse().unwrap()
}

fn ctx() -> Ctx<'static> {
    Ctx { now: now(), key: "login", attempt: 1 }
}

fn call(kind: AuthKind, of: &Nobody, kept: Option<&Auth>) -> Request {
    match auth::begin(&manifest(kind), of, kept, &ctx()) {
        AuthStep::Call(request) => request,
        other => panic!("{other:?}"),
    }
}

fn field(request: &Request, name: &str) -> Option<String> {
    let text = String::from_utf8(request.body.to_vec()).unwrap();
    query_pairs(&text).into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
}

fn answered(kind: AuthKind, of: &Nobody, kept: Option<&Auth>, status: u16, body: Value) -> AuthStep {
    auth::answered(&manifest(kind), of, kept, &Answer::json(status, &body), &ctx())
}

fn ready(step: AuthStep) -> Auth {
    match step {
        AuthStep::Ready(auth) => auth,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_fixed_credential_goes_where_the_manifest_says() {
    let of = connector(&[("token", " tok-1 \n")]);
    let proof = |kind| ready(auth::begin(&manifest(kind), &of, None, &ctx()));
    let bearer = proof(AuthKind::Bearer("token"));
    assert_eq!(bearer.headers, [("authorization".to_owned(), "Bearer tok-1".to_owned())]);
    let header = proof(AuthKind::Header { name: "x-api-key", credential: "token" });
    assert_eq!(header.headers, [("x-api-key".to_owned(), "tok-1".to_owned())]);
    let query = proof(AuthKind::Query { name: "secret", credential: "token" });
    assert_eq!((query.query, query.headers.len()), (vec![("secret".to_owned(), "tok-1".to_owned())], 0));
    for (of, words) in
        [(connector(&[]), "has no token: made at Nadie"), (connector(&[("token", "a\nb")]), "line breaks")]
    {
        match auth::begin(&manifest(AuthKind::Bearer("token")), &of, None, &ctx()) {
            AuthStep::Refused(why) => assert!(why.contains(words) && why.contains("[connections.cuenta]"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_client_proves_itself_in_the_header_or_in_the_body() {
    let request = call(AuthKind::ClientCredentials(OAUTH), &client(), None);
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", OAUTH.token_url));
    assert_eq!(field(&request, "grant_type").as_deref(), Some("client_credentials"));
    assert_eq!(field(&request, "scope").as_deref(), Some("read write"));
    // RFC 6749, 2.3.1: `id%3Auno:clave%2Buno`. Both are form-encoded first, so that a colon in an id is no separator.
    assert_eq!(request.headers.get("authorization"), Some("Basic aWQlM0F1bm86Y2xhdmUlMkJ1bm8="));
    let body = call(AuthKind::ClientCredentials(OAuth { in_body: true, ..OAUTH }), &client(), None);
    assert_eq!(field(&body, "client_id").as_deref(), Some("id:uno"));
    assert_eq!(
        (field(&body, "client_secret").as_deref(), body.headers.get("authorization")),
        (Some("clave+uno"), None)
    );
    // A test double has the token's address too.
    let mut elsewhere = client();
    elsewhere.0.token_url = Some("http://127.0.0.1:9/token".into());
    assert_eq!(call(AuthKind::ClientCredentials(OAUTH), &elsewhere, None).url, "http://127.0.0.1:9/token");
}

#[test]
fn what_the_provider_rotates_stands_in_place_of_what_was_configured() {
    let kind = AuthKind::RefreshToken(OAUTH);
    let of = client();
    assert_eq!(field(&call(kind, &of, None), "refresh_token").as_deref(), Some("r0"));
    let told = json!({ "access_token": "a1", "expires_in": "3600", "refresh_token": "r1" });
    let first = ready(answered(kind, &of, None, 200, told));
    assert_eq!(first.expires, now().checked_add(SignedDuration::from_secs(3240)).ok(), "a tenth early");
    assert_eq!(field(&call(kind, &of, Some(&first)), "refresh_token").as_deref(), Some("r1"));
    // One that is not rotated goes on being good.
    let second = ready(answered(kind, &of, Some(&first), 200, json!({ "access_token": "a2" })));
    assert_eq!(second.refresh.as_deref(), Some("r1"));
    // Another one was configured: what was kept belongs to the old one.
    let renewed = connector(&[("client_id", "id:uno"), ("client_secret", "clave+uno"), ("refresh_token", "nuevo")]);
    assert_eq!(field(&call(kind, &renewed, Some(&second)), "refresh_token").as_deref(), Some("nuevo"));
    assert!(auth::is_fresh(&second, &of, now()) && !auth::is_fresh(&second, &renewed, now()));
    assert!(!auth::is_fresh(&second, &of, now().checked_add(SignedDuration::from_hours(1)).unwrap()));
}

#[test]
fn refusals_are_sentences_and_everything_else_is_for_later() {
    let kind = AuthKind::ClientCredentials(OAUTH);
    let step = |status, body| answered(kind, &client(), None, status, body);
    for (status, error, words) in [
        (400, "invalid_grant", "this machine's clock is wrong"),
        (401, "invalid_client", "client id or secret are wrong"),
        (400, "invalid_scope", "may not do"),
    ] {
        match step(status, json!({ "error": error, "error_description": "no" })) {
            AuthStep::Refused(why) => assert!(why.contains(words) && why.starts_with("Nadie"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(step(404, json!({})), AuthStep::Refused(_)));
    for (status, body) in
        [(500, json!({})), (429, json!({})), (200, json!({})), (200, json!({ "access_token": "a b" }))]
    {
        assert!(matches!(step(status, body.clone()), AuthStep::Later(_)), "{status} {body}");
    }
}

/// Made for this test; it opens nothing.
const KEY: &str = include_str!("fixtures/rsa-of-the-tests.pem");
const PUBLIC: &str = include_str!("fixtures/rsa-of-the-tests.pub.b64");

#[test]
fn a_service_account_signs_an_assertion_that_its_public_key_verifies() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let file =
        json!({ "client_email": "hub@proyecto.example", "private_key": KEY, "private_key_id": "k1" }).to_string();
    let of = connector(&[("service_account", &file)]);
    let request = call(AuthKind::ServiceAccount(OAUTH), &of, None);
    assert_eq!(field(&request, "grant_type").as_deref(), Some("urn:ietf:params:oauth:grant-type:jwt-bearer"));
    let assertion = field(&request, "assertion").unwrap();
    let parts: Vec<&str> = assertion.split('.').collect();
    let part = |n: usize| URL_SAFE_NO_PAD.decode(parts[n]).unwrap();
    let json_of = |n: usize| serde_json::from_slice::<Value>(&part(n)).unwrap();
    assert_eq!(json_of(0), json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
    let iat = now().as_second();
    assert_eq!(
        json_of(1),
        json!({ "iss": "hub@proyecto.example", "scope": "read write", "aud": OAUTH.token_url, "iat": iat, "exp": iat + 3600 })
    );
    let public = STANDARD.decode(PUBLIC.trim()).unwrap();
    let message = format!("{}.{}", parts[0], parts[1]);
    ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, public)
        .verify(message.as_bytes(), &part(2))
        .expect("the signature is that of the key");
    assert_eq!(call(AuthKind::ServiceAccount(OAUTH), &of, None), request, "the same moment gives the same bytes");
    for (text, words) in [("{}", "is not the key file"), ("", "has no service_account")] {
        let other = connector(&[("service_account", text)]);
        let step = auth::begin(&manifest(AuthKind::ServiceAccount(OAUTH)), &other, None, &ctx());
        assert!(matches!(&step, AuthStep::Refused(why) if why.contains(words)), "{step:?}");
    }
}

#[test]
fn nothing_of_it_prints_a_secret() {
    let told = json!({ "access_token": "acceso", "refresh_token": "rotado" });
    let auth = ready(answered(AuthKind::RefreshToken(OAUTH), &client(), None, 200, told));
    let text = format!("{auth:?} {:?}", AuthStep::Ready(auth.clone()));
    assert!(!text.contains("acceso") && !text.contains("rotado"), "{text}");
}
