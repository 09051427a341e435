"""The generated client against a running hub: the same story as judge.ts tells."""

import os
from collections.abc import Callable

from pasarela import ConsentStatement, Once, Pasarela, Problem, pages


def refused(ask: Callable[[], object]) -> Problem:
    try:
        told = ask()
    except Problem as problem:
        return problem
    raise AssertionError(f"a problem was expected: {told}")


url = os.environ["JUDGE_URL"]
owner = Pasarela(url, os.environ["JUDGE_KEY"])
made = owner.post_keys({"name": "tablero", "scopes": ["events:read", "consents:read", "consents:write"]})
hub = Pasarela(url, made["key"])

seen = [event["id"] for event in pages(lambda cursor: hub.get_events(limit=2, cursor=cursor, type_="tienda.order.created"))]
assert len(seen) == len(set(seen)) == 5, seen
assert hub.get_events_by_id(seen[0])["type"] == "tienda.order.created"

statement: ConsentStatement = {
    "person": {"email": "laura.velez@correo.example", "name": "Laura Vélez"},
    "purpose": "analytics",
    "state": "given",
    "evidence": {"channel": "form", "text_version": "2026-11"},
}
once = Once(key="py-consent-1")
first, again = hub.post_consents(statement, once=once), hub.post_consents(statement, once=once)
assert first["id"] == again["id"], "sent again, it is the same record"
other: ConsentStatement = {**statement, "purpose": "ads"}
problem = refused(lambda: hub.post_consents(other, once=once))
assert (problem.status, problem.code) == (422, "idempotency_key_reused"), problem

problem = refused(lambda: hub.get_events_by_id("evt_0000000000001"))
assert (problem.status, problem.code, problem.type) == (404, "not_found", "/docs/errors/not_found"), problem
assert refused(lambda: hub.get_runs()).code == "missing_scope"
assert refused(lambda: Pasarela(url, "psk_no").get_events()).status == 401

incident = owner.post_incidents({"title": "Portátil perdido"}, once=Once(key="py-incident"))
stale = refused(
    lambda: owner.post_incidents_by_id_steps(incident["number"], {"step": "update", "persons": 3}, once=Once(version='"x"'))
)
assert (stale.status, stale.code) == (412, "changed_meanwhile"), stale
slow = owner.post_keys({"name": "lento", "scopes": ["read"], "rate": "1/h"})
slowly = Pasarela(url, slow["key"])
slowly.get()
limited = refused(lambda: slowly.get())
assert (limited.status, limited.code) == (429, "rate_limited") and (limited.retry_after or 0) > 3000, limited
owner.post_keys_by_id_revoke(made["id"])
assert refused(lambda: hub.get_events()).code == "unknown_key"
