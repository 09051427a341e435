//! What `pasarela bench` sends and what it lets follow: one file, so that the test of the budget of a
//! flow (`tests/counters.rs`) counts for the very same.

/// The flow of the peers, in our words.
pub(crate) const FLOW: &str = "flow: banco
version: 1
on: tienda.order.created
steps:
  - id: crm
    do: tienda.request
    with: { method: POST, path: /crm, idempotency_header: Idempotency-Key, json: { event: \"{{ data.id }}\", email: \"{{ data.attendee.email }}\", name: \"{{ data.attendee.first_name }} {{ data.attendee.last_name }}\" } }
  - id: whatsapp
    needs: [crm]
    do: tienda.request
    with: { method: POST, path: /whatsapp, idempotency_header: Idempotency-Key, json: { event: \"{{ data.id }}\", to: \"{{ data.attendee.phone }}\", text: \"Tu boleta {{ data.order.public_id }}\" } }
  - id: analytics
    needs: [whatsapp]
    do: tienda.request
    with: { method: POST, path: /analytics, idempotency_header: Idempotency-Key, json: { event: \"{{ data.id }}\", value: \"{{ data.order.total }}\" } }
";

/// Bytes of a body.
pub(crate) const BYTES: usize = 2048;

/// A body of 2 kB with an id of its own.
#[allow(dead_code, reason = "tests send it; the bench names the size")]
pub(crate) fn body(id: &str) -> Vec<u8> {
    sized(id, BYTES)
}

/// A body of so many bytes, at least some 250, with an id of its own.
pub(crate) fn sized(id: &str, bytes: usize) -> Vec<u8> {
    let mut text = format!(
        "{{\"id\":\"{id}\",\"type\":\"order.created\",\"order\":{{\"public_id\":\"O-1\",\"total\":185000,\"currency\":\"COP\"}},\"attendee\":{{\"first_name\":\"Valentina\",\"last_name\":\"Restrepo\",\"email\":\"v@ejemplo.test\",\"phone\":\"+573000000000\"}},\"pad\":\""
    );
    let pad = bytes.saturating_sub(text.len() + 2);
    text.extend(std::iter::repeat_n('x', pad));
    text.push_str("\"}");
    text.into_bytes()
}
