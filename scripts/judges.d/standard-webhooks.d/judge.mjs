// standardwebhooks, from npm, signs for a running hub.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { Webhook } = createRequire(`${process.argv[2]}/`)("standardwebhooks");
const { JUDGE_HOOK, JUDGE_SECRET } = process.env;
const signer = new Webhook(JUDGE_SECRET);

async function send(id, at, body, sent = body) {
    const headers = {
        "content-type": "application/json", "webhook-id": id,
        "webhook-timestamp": String(Math.floor(at.getTime() / 1000)), "webhook-signature": signer.sign(id, at, body),
    };
    const answer = await fetch(JUDGE_HOOK, { method: "POST", headers, body: sent });
    return [answer.status, await answer.json()];
}
for (const end = Date.now() + 60_000; ;) {
    if (await fetch(JUDGE_HOOK).then(() => true, () => false)) break;
    assert(Date.now() < end, "the hub does not come up");
    await new Promise((go) => setTimeout(go, 50));
}
const body = JSON.stringify({ type: "order.created", id: "js-1", nota: "Boleta para Peñalosa 🌸" });
const now = new Date();
const [status, taken] = await send("msg_js1", now, body);
assert.equal(status, 200, JSON.stringify(taken));
assert.equal(taken.status, "accepted");
assert.equal((await send("msg_js1", now, body))[1].status, "known");
assert.equal((await send("msg_js2", now, body, `${body} `))[0], 401);
assert.equal((await send("msg_js3", new Date(now.getTime() - 3_600_000), body))[0], 401);
console.log("standardwebhooks (npm): believed once, and not when changed or old");
