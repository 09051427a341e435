//! Forgeries stay out (G2): each sample is accepted as it is, and refused however it is changed.

use super::common::rule;
use super::{Fixture, WebhookSample};
use crate::{Connector, Verdict, Verification};
use jiff::{SignedDuration, Timestamp};
use pasarela_domain::Secret;

pub(super) fn check(fixture: &Fixture) {
    let connector = fixture.connector();
    for sample in &fixture.webhooks {
        let case = Case { fixture, connector: connector.as_ref(), sample };
        case.true_sample();
        case.body();
        case.signature();
        case.secrets();
        case.time();
    }
    nothing_signed(fixture, connector.as_ref());
}

/// A request without any header is never authentic, whichever provider.
fn nothing_signed(fixture: &Fixture, connector: &dyn Connector) {
    for body in [&b""[..], b"{}", b"null", b"\xff\xfe"] {
        let verdict = fixture.verify(connector, &[], body, fixture.now);
        rule!(
            fixture,
            !matches!(verdict, Verdict::Authentic { .. }),
            "a request without any header is taken for authentic"
        );
    }
}

struct Case<'a> {
    fixture: &'a Fixture,
    connector: &'a dyn Connector,
    sample: &'a WebhookSample,
}

impl Case<'_> {
    fn true_sample(&self) {
        let verdict = self.verdict(&self.sample.headers, &self.sample.body, self.fixture.now);
        rule!(
            self.fixture,
            matches!(verdict, Verdict::Authentic { .. }),
            "the true sample {:?} is not accepted: {verdict:?}",
            self.sample.name
        );
        rule!(
            self.fixture,
            verdict == self.verdict(&self.sample.headers, &self.sample.body, self.fixture.now),
            "verifying {:?} twice gives two answers",
            self.sample.name
        );
        // Header names are case-insensitive; values with blanks around them are the web server's.
        let header = self.sample.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(self.sample.signature_header));
        rule!(
            self.fixture,
            header,
            "the sample {:?} has no header {:?}, which is to carry its signature",
            self.sample.name,
            self.sample.signature_header
        );
    }

    fn body(&self) {
        let token_only = self.sample.signature_header.eq_ignore_ascii_case("authorization");
        if token_only {
            rule!(
                self.fixture,
                self.fixture.provider.manifest().verification == Verification::Configured,
                "the sample {:?} is verified by a token, but the manifest says that the body is signed",
                self.sample.name
            );
            return;
        }
        let body = &self.sample.body;
        let length = body.len();
        for at in [0, 1, length / 3, length / 2, length.saturating_sub(2), length.saturating_sub(1)] {
            let mut changed = body.clone();
            let Some(byte) = changed.get_mut(at) else {
                continue;
            };
            *byte ^= 1;
            self.refused(&self.sample.headers, &changed, &format!("byte {at} of the body changed"));
        }
        for kept in [0, length / 2, length.saturating_sub(1)] {
            if kept < length {
                self.refused(&self.sample.headers, &body[..kept], &format!("body cut after {kept} bytes"));
            }
        }
        for tail in [&b" "[..], b"\n", b"\0", b"{}"] {
            self.refused(&self.sample.headers, &[body, tail].concat(), "body with something appended");
        }
        self.refused(&self.sample.headers, &[b" ", &body[..]].concat(), "body with a blank in front");
    }

    fn signature(&self) {
        let name = self.sample.signature_header;
        let without: Vec<_> =
            self.sample.headers.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(name)).cloned().collect();
        self.refused(&without, &self.sample.body, "without its signature");

        let signature = self.header(name);
        let chars: Vec<char> = signature.chars().collect();
        let mut forged: Vec<(String, String)> = vec![
            (String::new(), "empty signature".into()),
            (" ".into(), "blank signature".into()),
            ("garbage".into(), "garbage for a signature".into()),
            (format!("garbage={signature}"), "garbage in front of the signature".into()),
            (format!("{signature}{signature}"), "signature doubled".into()),
            (format!("{signature}0"), "signature with a digit more".into()),
            (chars.iter().rev().collect(), "signature reversed".into()),
        ];
        for kept in [1, chars.len() / 2, chars.len().saturating_sub(2), chars.len().saturating_sub(1)] {
            if kept < chars.len() {
                forged.push((chars[..kept].iter().collect(), format!("signature shortened to {kept} characters")));
            }
        }
        for at in 0..chars.len() {
            let mut changed = chars.clone();
            changed[at] = another(chars[at]);
            forged.push((changed.into_iter().collect(), format!("character {at} of the signature changed")));
        }
        // `SHA256=` is not `sha256=`; only a scheme of `Authorization` has no case (RFC 9110, 11.1).
        if let Some((prefix, rest)) = signature.split_once('=')
            && !name.eq_ignore_ascii_case("authorization")
            && prefix.contains(|c: char| c.is_ascii_alphabetic())
        {
            forged.push((format!("{}={rest}", other_case(prefix)), "prefix of the signature in the other case".into()));
        }
        for (signature, how) in forged {
            self.refused(&self.with(name, &signature), &self.sample.body, &how);
        }
    }

    fn secrets(&self) {
        let own = &self.fixture.config.webhook_secrets;
        let other: Vec<Secret> = own.iter().map(|s| Secret::new(other_secret(s.expose()))).collect();
        rule!(self.fixture, !own.is_empty(), "the fixture's connection has no webhook_secrets");

        let with = |secrets: Vec<Secret>| {
            let mut config = self.fixture.config.clone();
            config.webhook_secrets = secrets;
            self.fixture.connect(config)
        };
        for (secrets, how) in [(vec![], "no secret configured"), (other.clone(), "another secret configured")] {
            // Settings that are refused altogether let no one in either.
            let Ok(connector) = with(secrets) else {
                continue;
            };
            let verdict =
                self.fixture.verify(connector.as_ref(), &self.sample.headers, &self.sample.body, self.fixture.now);
            rule!(
                self.fixture,
                matches!(verdict, Verdict::Forged(_)),
                "the sample {:?} with {how} must be Forged, it is {verdict:?}",
                self.sample.name
            );
        }
        for (secrets, how) in
            [([&other[..], &own[..]].concat(), "[new, old]"), ([&own[..], &other[..]].concat(), "[old, new]")]
        {
            // A changed public key may be none at all; then there is nothing to rotate to.
            let Ok(connector) = with(secrets) else {
                continue;
            };
            let verdict =
                self.fixture.verify(connector.as_ref(), &self.sample.headers, &self.sample.body, self.fixture.now);
            rule!(
                self.fixture,
                matches!(verdict, Verdict::Authentic { .. }),
                "rotation: {:?} is refused with the secrets {how}: {verdict:?}",
                self.sample.name
            );
        }
    }

    /// A scheme with a time is known by its sample failing a day later, or by a signed header
    /// that is named a timestamp.
    fn time(&self) {
        let day = SignedDuration::from_hours(24);
        let later = self.fixture.now.checked_add(day).unwrap_or(Timestamp::MAX);
        let earlier = self.fixture.now.checked_sub(day).unwrap_or(Timestamp::MIN);
        let ages = !self.accepted(&self.sample.headers, later);
        let timestamps: Vec<&(String, String)> =
            self.sample.headers.iter().filter(|(n, _)| n.to_ascii_lowercase().contains("timestamp")).collect();
        for (name, value) in &timestamps {
            let last: String = match value.chars().last() {
                Some(c) => value.chars().take(value.chars().count() - 1).chain([another(c)]).collect(),
                None => continue,
            };
            let signed = !self.accepted(&self.with(name, &last), self.fixture.now);
            rule!(
                self.fixture,
                signed || !ages,
                "{:?}: the time in {name} counts, but is not signed: anyone may set it",
                self.sample.name
            );
            rule!(
                self.fixture,
                ages || !signed,
                "{:?}: {name} is signed, but a sample of a day ago is accepted: replays never age",
                self.sample.name
            );
        }
        if ages {
            rule!(
                self.fixture,
                !self.accepted(&self.sample.headers, earlier),
                "{:?} is accepted a day before it was signed: a far future must be refused too",
                self.sample.name
            );
            for (name, _) in timestamps {
                for value in ["", "soon", "-1", "0", "9223372036854775807", "99999999999999999999", "1e999", "NaN"] {
                    self.refused(&self.with(name, value), &self.sample.body, &format!("{name} is {value:?}"));
                }
            }
        }
        for extreme in [Timestamp::MIN, Timestamp::MAX] {
            let _ = self.verdict(&self.sample.headers, &self.sample.body, extreme);
        }
    }

    fn header(&self, name: &str) -> &str {
        self.sample.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, v)| v.as_str())
    }

    fn with(&self, name: &str, value: &str) -> Vec<(String, String)> {
        let mut headers = self.sample.headers.clone();
        for (_, v) in headers.iter_mut().filter(|(n, _)| n.eq_ignore_ascii_case(name)) {
            *v = value.into();
        }
        headers
    }

    fn verdict(&self, headers: &[(String, String)], body: &[u8], now: Timestamp) -> Verdict {
        self.fixture.verify(self.connector, headers, body, now)
    }

    fn accepted(&self, headers: &[(String, String)], now: Timestamp) -> bool {
        matches!(self.verdict(headers, &self.sample.body, now), Verdict::Authentic { .. })
    }

    fn refused(&self, headers: &[(String, String)], body: &[u8], how: &str) {
        let verdict = self.verdict(headers, body, self.fixture.now);
        rule!(
            self.fixture,
            matches!(verdict, Verdict::Forged(_)),
            "the sample {:?} must be Forged ({how}), it is {verdict:?}",
            self.sample.name
        );
    }
}

/// Another character of the same alphabet, and never the same one in the other case.
fn another(c: char) -> char {
    match c {
        '0'..='8' | 'a'..='e' | 'A'..='E' => char::from_u32(c as u32 + 1).unwrap_or('x'),
        '9' => '0',
        'f' => 'a',
        'F' => 'A',
        'x' | 'X' => 'y',
        _ => 'x',
    }
}

/// The same letters, small ones large and large ones small.
fn other_case(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
}

/// A secret of the same form: one character in its middle is another one.
fn other_secret(secret: &str) -> String {
    let middle = secret.chars().count() / 2;
    secret.chars().enumerate().map(|(i, c)| if i == middle { another(c) } else { c }).collect()
}
