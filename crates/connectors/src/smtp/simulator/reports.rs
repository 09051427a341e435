//! Mail that comes back: as Postfix returns it (RFC 3464), as a mailbox provider reports a complaint
//! (RFC 5965), and as a person writes.

use super::mailbox::Stored;
use jiff::Timestamp;

fn date(now: Timestamp) -> String {
    now.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

fn lines(lines: &[String]) -> String {
    lines.join("\r\n") + "\r\n"
}

/// What could not be delivered.
pub(super) fn returned(message: &Stored, now: Timestamp) -> String {
    let (to, head) = (&message.to, message.head());
    lines(&[
        "Return-Path: <>".into(),
        format!("Date: {}", date(now)),
        "From: Mail Delivery System <MAILER-DAEMON@mx.correo.example>".into(),
        "Subject: Undelivered Mail Returned to Sender".into(),
        "Auto-Submitted: auto-replied".into(),
        "MIME-Version: 1.0".into(),
        format!("Message-ID: <devuelto-{}@mx.correo.example>", message.id),
        "Content-Type: multipart/report; report-type=delivery-status; boundary=\"=devuelto=\"".into(),
        String::new(),
        "--=devuelto=".into(),
        "Content-Type: text/plain; charset=us-ascii".into(),
        String::new(),
        format!("I'm sorry to have to inform you that your message could not be delivered to <{to}>."),
        String::new(),
        "--=devuelto=".into(),
        "Content-Type: message/delivery-status".into(),
        String::new(),
        "Reporting-MTA: dns; mx.correo.example".into(),
        format!("Arrival-Date: {}", date(now)),
        String::new(),
        format!("Final-Recipient: rfc822; {to}"),
        format!("Original-Recipient: rfc822;{to}"),
        "Action: failed".into(),
        "Status: 5.1.1".into(),
        "Remote-MTA: dns; buzones.correo.example".into(),
        format!("Diagnostic-Code: smtp; 550 5.1.1 <{to}>: Recipient address rejected:"),
        "    User unknown in virtual mailbox table".into(),
        String::new(),
        "--=devuelto=".into(),
        "Content-Type: text/rfc822-headers".into(),
        String::new(),
        head,
        String::new(),
        "--=devuelto=--".into(),
    ])
}

/// What somebody called spam.
pub(super) fn complaint(message: &Stored, now: Timestamp) -> String {
    lines(&[
        format!("Date: {}", date(now)),
        "From: Feedback Loop <fbl@correo.example>".into(),
        "Subject: FW: complaint".into(),
        "MIME-Version: 1.0".into(),
        format!("Message-ID: <queja-{}@correo.example>", message.id),
        "Content-Type: multipart/report; report-type=feedback-report; boundary=\"=queja=\"".into(),
        String::new(),
        "--=queja=".into(),
        "Content-Type: text/plain; charset=us-ascii".into(),
        String::new(),
        "This is an email abuse report.".into(),
        String::new(),
        "--=queja=".into(),
        "Content-Type: message/feedback-report".into(),
        String::new(),
        "Feedback-Type: abuse".into(),
        "User-Agent: Buzones/1.0".into(),
        "Version: 1".into(),
        format!("Original-Rcpt-To: {}", message.to),
        String::new(),
        "--=queja=".into(),
        "Content-Type: message/rfc822".into(),
        String::new(),
        message.head(),
        String::new(),
        "...".into(),
        "--=queja=--".into(),
    ])
}

/// Somebody wants no advertising.
pub(super) fn leaving(email: &str, now: Timestamp) -> String {
    lines(&[
        format!("Date: {}", date(now)),
        format!("From: <{email}>"),
        "Subject: Baja".into(),
        "MIME-Version: 1.0".into(),
        format!("Message-ID: <baja-{}@correo.example>", now.as_millisecond()),
        "Content-Type: text/plain; charset=utf-8".into(),
        String::new(),
        "No quiero recibir publicidad.".into(),
    ])
}
