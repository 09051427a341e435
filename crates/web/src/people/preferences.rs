//! `/preferencias/{pass}`: what a person allows, by purpose and channel; to withdraw one, to withdraw everything,
//! to allow something again with the text in front of them. Boxes are empty until the person ticks them
//! (Decreto 1377, art. 7), and a yes keeps the version and hash of the text, and hashes of where it was said.

use super::form::{Form, is_foreign, mark};
use super::words::{purpose, purpose_on};
use super::{Asked, Foot, Words, admitted, html, named, notice, traces, veiled};
use crate::App;
use crate::server::Peer;
use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use pasarela_colombia::calendar::date_with_year;
use pasarela_colombia::market::Channel;
use pasarela_domain::consent::{
    AnalyticsIds, ConsentState, Denied, EVERYTHING, Evidence, LegalBasis, TextKind, TextVersion, is_necessary,
    is_purpose,
};
use pasarela_engine::{LedgerError, PersonConsents, Statement};
use pasarela_ticket::pass::Opens;

/// What a sale cannot do without, and what a guardian says of a child, is not asked for here.
fn is_asked(purpose: &str) -> bool {
    !is_necessary(purpose) && purpose != "guardianship"
}

/// Ways to write to a person or to call them: advertising is asked for on each, where the text names none.
fn ways() -> [&'static str; Channel::ALL.len()] {
    Channel::ALL.map(Channel::as_str)
}

/// One purpose, on one channel or on all.
struct Row {
    purpose: String,
    channel: String,
    title: String,
    state: String,
    on: bool,
}

/// A text with its empty boxes.
struct Offer {
    version: String,
    locale: String,
    text: String,
    /// Value and words of each box.
    boxes: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "publico/preferencias.html")]
struct Page {
    w: Words,
    foot: Foot,
    pass: String,
    mark: String,
    address: String,
    done: Option<&'static str>,
    rows: Vec<Row>,
    any: bool,
    offers: Vec<Offer>,
}

pub(super) async fn show(
    State(app): State<App>,
    Path(pass): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let w = Words { lang: asked.lang(&headers) };
    let Some(person) = admitted(&app, &pass, Opens::Preferences).await else {
        return notice(&app, StatusCode::NOT_FOUND, "closed", w.lang).await;
    };
    let known = match app.engine.consents_of(&person.address).await {
        Ok(known) => known,
        Err(e) => return unable(&app, &e, w).await,
    };
    let now = app.engine.clock().now();
    let rows = rows(&known, w, now);
    let page = Page {
        w,
        foot: Foot::of(&app).await,
        mark: mark(&app, &pass),
        pass,
        address: veiled(&person.address),
        done: asked.hecho.as_deref().and_then(|done| super::words::find(&format!("done.{done}"), w.lang)),
        any: rows.iter().any(|row| row.on),
        rows,
        offers: offers(&known, w, now),
    };
    html(StatusCode::OK, &page)
}

async fn unable(app: &App, e: &LedgerError, w: Words) -> Response {
    tracing::warn!(error = %e, "a person's own page could not do what was asked");
    notice(app, StatusCode::SERVICE_UNAVAILABLE, "later", w.lang).await
}

/// Texts that ask for something which a person is free to refuse, one for each series.
fn asking(known: &PersonConsents, w: Words, now: Timestamp) -> Vec<&TextVersion> {
    let terms = &known.terms;
    let current = terms
        .series(TextKind::Consent)
        .into_iter()
        .filter_map(|name| terms.in_force(TextKind::Consent, name, w.tag(), now));
    current.filter(|t| t.purposes.iter().any(|p| is_asked(p))).collect()
}

fn channels_of(text: &TextVersion) -> Vec<&str> {
    if text.channels.is_empty() { ways().to_vec() } else { text.channels.iter().map(String::as_str).collect() }
}

fn rows(known: &PersonConsents, w: Words, now: Timestamp) -> Vec<Row> {
    let mut asked: Vec<(String, Option<String>)> = Vec::new();
    let mut ask = |purpose: &str, channel: Option<&str>| {
        let one = (purpose.to_owned(), channel.map(str::to_owned));
        if is_asked(purpose) && purpose != EVERYTHING && !asked.contains(&one) {
            asked.push(one);
        }
    };
    for text in asking(known, w, now) {
        for purpose in &text.purposes {
            // Advertising is allowed for each way to a person; other purposes as a whole.
            match purpose.as_str() {
                "marketing" => channels_of(text).into_iter().for_each(|c| ask(purpose, Some(c))),
                _ => ask(purpose, None),
            }
        }
    }
    for (purpose, channel, said) in known.consents.said() {
        if purpose == "marketing" && channel.is_none() {
            let told = said.told.iter().map(String::as_str).chain(ways().into_iter().filter(|_| said.told.is_empty()));
            told.for_each(|c| ask(purpose, Some(c)));
        } else {
            ask(purpose, channel);
        }
    }
    let row = |(purpose, channel): (String, Option<String>)| {
        let denied = known.consents.denied(&purpose, channel.as_deref(), &known.terms, now);
        let last = known.consents.last(&purpose, channel.as_deref());
        let since = |key: &str| last.map(|said| w.with(key, &date_with_year(said.at, w.lang)));
        let state = match denied {
            None => since("pref.since"),
            Some(Denied::Withdrawn) => since("pref.no_since"),
            Some(Denied::Absent | Denied::ChannelNotTold) => None,
            Some(Denied::Unproven) => Some(w.t("pref.unproven").to_owned()),
            Some(Denied::Reopened) => Some(w.t("pref.reopened").to_owned()),
            Some(Denied::Minor) => Some(w.t("pref.minor").to_owned()),
            Some(Denied::NoGuardian) => Some(w.t("pref.guardian").to_owned()),
        };
        Row {
            title: purpose_on(&purpose, channel.as_deref(), w.lang),
            state: state.unwrap_or_else(|| w.t("pref.no").to_owned()),
            on: denied.is_none(),
            channel: channel.unwrap_or_default(),
            purpose,
        }
    };
    asked.into_iter().map(row).collect()
}

fn offers(known: &PersonConsents, w: Words, now: Timestamp) -> Vec<Offer> {
    let minor = known.consents.is_minor_at(now);
    // For a minor somebody else has to speak: there is no box for that here.
    let open = |purpose: &str, channel: Option<&str>| {
        !minor && known.consents.denied(purpose, channel, &known.terms, now).is_some()
    };
    let offer = |text: &TextVersion| {
        let mut boxes = Vec::new();
        for name in text.purposes.iter().filter(|p| is_asked(p)) {
            let channels =
                if name == "marketing" { channels_of(text).into_iter().map(Some).collect() } else { vec![None] };
            for channel in channels.into_iter().filter(|c| open(name, *c)) {
                let value = format!("{}|{name}|{}", text.id, channel.unwrap_or_default());
                boxes.push((value, purpose_on(name, channel, w.lang)));
            }
        }
        Offer { locale: text.locale.clone(), version: text.version.clone(), text: text.text.clone(), boxes }
    };
    asking(known, w, now).into_iter().map(offer).filter(|o| !o.boxes.is_empty()).collect()
}

/// A statement of the person of this pass, made on this page.
struct Pen<'a> {
    app: &'a App,
    address: &'a str,
    ip_hash: Option<String>,
    user_agent_hash: Option<String>,
}

impl Pen<'_> {
    async fn write(&self, purpose: &str, channel: Option<&str>, text: Option<&TextVersion>) -> Result<(), LedgerError> {
        let evidence = Evidence {
            channel: Some("page".into()),
            text_version: text.map(|t| t.version.clone()),
            text_sha256: text.map(|t| t.sha256.clone()),
            locale: text.map(|t| t.locale.clone()),
            ip_hash: self.ip_hash.clone(),
            user_agent_hash: self.user_agent_hash.clone(),
            ..Evidence::default()
        };
        let statement = Statement {
            person: named(self.address),
            purpose: purpose.to_owned(),
            state: if text.is_some() { ConsentState::Given } else { ConsentState::Withdrawn },
            channel: channel.map(str::to_owned),
            evidence,
            analytics: AnalyticsIds::default(),
            legal_basis: LegalBasis::Consent,
            guardian: None,
        };
        self.app.engine.record_consent(statement, None).await.map(|_| ())
    }
}

pub(super) async fn change(
    State(app): State<App>,
    Path(pass): Path<String>,
    Query(asked): Query<Asked>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let w = Words { lang: asked.lang(&headers) };
    let Some(person) = admitted(&app, &pass, Opens::Preferences).await else {
        return notice(&app, StatusCode::NOT_FOUND, "closed", w.lang).await;
    };
    let form = Form::read(&body).filter(|form| form.get("prueba") == mark(&app, &pass) && !is_foreign(&app, &headers));
    let Some(form) = form else { return notice(&app, StatusCode::FORBIDDEN, "form", w.lang).await };
    let (ip_hash, user_agent_hash) = traces(&app, &headers, peer.map(|p| p.0));
    let pen = Pen { app: &app, address: &person.address, ip_hash, user_agent_hash };
    let done = match form.get("accion") {
        "todo" => pen.write(EVERYTHING, None, None).await.map(|()| "todo"),
        "retirar" if is_purpose(form.get("para")) => {
            let channel = Some(form.get("canal")).filter(|c| !c.is_empty());
            pen.write(form.get("para"), channel, None).await.map(|()| "retirado")
        }
        "autorizar" => allow(&app, &pen, &form, w).await,
        _ => return notice(&app, StatusCode::BAD_REQUEST, "form", w.lang).await,
    };
    match done {
        Ok(done) => {
            let to = format!("/preferencias/{pass}?hecho={done}&lang={}", w.code());
            let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
            super::protect(response.headers_mut());
            response
        }
        // The text was replaced while the page lay open, or somebody wrote the form by hand.
        Err(LedgerError::Invalid(why)) => {
            tracing::info!(why, "a form of preferences was not taken");
            notice(&app, StatusCode::BAD_REQUEST, "form", w.lang).await
        }
        Err(e) => unable(&app, &e, w).await,
    }
}

/// What was ticked, each to the text that stood above it. A box of a text that was replaced meanwhile is refused,
/// and nothing is recorded.
async fn allow(app: &App, pen: &Pen<'_>, form: &Form, w: Words) -> Result<&'static str, LedgerError> {
    let known = app.engine.consents_of(pen.address).await?;
    let now = app.engine.clock().now();
    let asked = asking(&known, w, now);
    let offered = offers(&known, w, now);
    let mut ticked = Vec::new();
    for value in form.all("si") {
        let stands = offered.iter().any(|offer| offer.boxes.iter().any(|(own, _)| own == value));
        let mut parts = value.splitn(3, '|');
        let (id, purpose, channel) = (parts.next(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let text = asked.iter().find(|t| Some(t.id.as_str()) == id).filter(|_| stands);
        let text = text.ok_or_else(|| LedgerError::Invalid(format!("the box '{value}' stands on no text in force")))?;
        ticked.push((*text, purpose, channel));
    }
    for (text, purpose, channel) in &ticked {
        pen.write(purpose, Some(*channel).filter(|c| !c.is_empty()), Some(text)).await?;
    }
    Ok(if ticked.is_empty() { "nada" } else { "autorizado" })
}

/// One click in a mailbox: no mark and no origin, since no page of ours sent it. It can only take back.
pub(super) async fn leave(
    State(app): State<App>,
    Path(pass): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Response {
    let w = Words { lang: Asked::default().lang(&headers) };
    let Some(person) = admitted(&app, &pass, Opens::Preferences).await else {
        return notice(&app, StatusCode::NOT_FOUND, "closed", w.lang).await;
    };
    let (ip_hash, user_agent_hash) = traces(&app, &headers, peer.map(|p| p.0));
    let pen = Pen { app: &app, address: &person.address, ip_hash, user_agent_hash };
    for purpose in ["marketing", "ads"] {
        if let Err(e) = pen.write(purpose, None, None).await {
            return unable(&app, &e, w).await;
        }
    }
    let (title, text) = (purpose("marketing", w.lang), w.t("done.baja").to_owned());
    html(StatusCode::OK, &super::Notice { w, foot: Foot::of(&app).await, title, text, link: None })
}
