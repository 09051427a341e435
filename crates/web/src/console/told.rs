//! Letters to the owner of an account about what lets them in: a new password, codes turned on, changed or off, all
//! of it reset, and a sign-in by a recovery code. Whoever did not do it learns of it where the doer is not.
//!
//! Sent like the letter that signs in (ADR 0094): once, kept nowhere, and holding nobody up. It names no secret.

use super::moments::Moment;
use super::words::{Lang, Words};
use crate::App;
use crate::accounts::Account;
use std::net::IpAddr;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Password,
    CodesOn,
    CodesOff,
    Reset,
    Recovery,
}

impl News {
    fn key(self) -> &'static str {
        match self {
            Self::Password => "told.password",
            Self::CodesOn => "told.codes_on",
            Self::CodesOff => "told.codes_off",
            Self::Reset => "told.reset",
            Self::Recovery => "told.recovery",
        }
    }
}

/// Where it was done from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doer {
    /// Of the browser that asked; none: the command line, where Spanish comes first.
    pub(super) words: Option<Words>,
    pub(super) device: String,
    pub(super) from: Option<IpAddr>,
}

/// `text` with its places filled, in order; what is filled in is no place itself.
fn filled(text: &str, values: &[&str]) -> String {
    let mut values = values.iter();
    text.split("{}").enumerate().fold(String::new(), |mut all, (n, part)| {
        if n > 0 {
            all.push_str(values.next().unwrap_or(&""));
        }
        all.push_str(part);
        all
    })
}

/// Tells the owner of an account, where a letter can be sent.
pub(crate) fn tell(app: &App, account: &Account, news: News, doer: Doer) {
    if !app.engine.has_mail() {
        return;
    }
    let w = doer.words.unwrap_or(Words::new(Lang::Es));
    let now = app.console.wall();
    let from = match (doer.device.is_empty(), doer.from) {
        (false, Some(ip)) => format!("{} ({ip})", doer.device),
        (true, Some(ip)) => ip.to_string(),
        (false, None) => doer.device,
        (true, None) => w.t("told.command_line").to_owned(),
    };
    let when = Moment::new(w, now, now).text;
    let text = filled(w.t("told.text"), &[&account.name, w.t(news.key()), &when, &from]);
    let (app, to, subject) = (app.clone(), account.email.clone(), w.t("told.subject"));
    tokio::spawn(async move {
        let key = format!("told:{}", crate::auth::random_text(20));
        if let Err(error) = app.engine.letter(&to, subject, &text, &key).await {
            tracing::warn!(%error, ?news, "a letter about a changed account was not sent");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_place_in_it_moves_nothing() {
        assert_eq!(filled("Hola, {}: {}.", &["L{}z", "cambió"]), "Hola, L{}z: cambió.");
    }

    #[test]
    fn the_letter_has_a_place_for_each_word() {
        for lang in [Lang::Es, Lang::En] {
            assert_eq!(Words::new(lang).t("told.text").matches("{}").count(), 4);
        }
    }
}
