// A service of one's own that believes nothing but what standardwebhooks, from npm, verifies: a running hub tells it.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createServer } from "node:http";

const { Webhook } = createRequire(`${process.argv[2]}/`)("standardwebhooks");
const { JUDGE_API, JUDGE_HOOK, JUDGE_KEY, JUDGE_SECRET } = process.env;
const shop = new Webhook(JUDGE_SECRET);

async function api(method, path, body) {
    const headers = { authorization: `Bearer ${JUDGE_KEY}`, "content-type": "application/json" };
    const answer = await fetch(`${JUDGE_API}${path}`, { method, headers, body: body && JSON.stringify(body) });
    const said = await answer.json();
    assert(answer.ok, `${method} ${path}: ${answer.status} ${JSON.stringify(said)}`);
    return said;
}

let order = 0;
async function ordered(key) {
    const body = JSON.stringify({ type: "order.created", id: `js-out-${++order}`, key, n: order, nota: "Peñalosa 🌸" });
    const [id, at] = [`msg_out${order}`, new Date()];
    const headers = {
        "content-type": "application/json", "webhook-id": id,
        "webhook-timestamp": String(Math.floor(at.getTime() / 1000)), "webhook-signature": shop.sign(id, at, body),
    };
    assert.equal((await fetch(JUDGE_HOOK, { method: "POST", headers, body })).status, 200);
    return order;
}

async function until(what, seen) {
    for (const end = Date.now() + 30_000; ;) {
        if (seen()) return;
        assert(Date.now() < end, `waited in vain for ${what}`);
        await new Promise((go) => setTimeout(go, 20));
    }
}

// The service: verifies with the library, and fails as it is told.
let [secrets, failures, came, wrong] = [[], 0, [], []];
const service = createServer((request, answer) => {
    const parts = [];
    request.on("data", (part) => parts.push(part)).on("end", () => {
        const body = Buffer.concat(parts).toString();
        try {
            for (const secret of secrets) new Webhook(secret).verify(body, request.headers);
            if (failures > 0) {
                failures -= 1;
                answer.writeHead(503).end();
                return;
            }
            came.push({ id: request.headers["webhook-id"], house: request.headers["x-casa"], ...JSON.parse(body) });
            answer.writeHead(204).end();
        } catch (why) {
            wrong.push(`${why}: ${body}`);
            answer.writeHead(400).end();
        }
    });
});
await new Promise((up) => service.listen(0, "127.0.0.1", up));
const url = `http://127.0.0.1:${service.address().port}/avisos?casa=1`;

const made = await api("POST", "/webhooks", { url, types: ["tienda.*"], headers: { "X-Casa": "moda" } });
secrets = [made.secret];

// A trial.
const trial = await api("POST", `/webhooks/${made.id}/test`);
assert(trial.delivered && trial.status === 204, JSON.stringify(trial));
assert.equal(came.shift().type, "webhook.test");

// Each event once, in the order of its key, also when the service stumbles on the way.
failures = 2;
const began = new Date();
for (const key of ["A", "A", "B", "A", "B"]) await ordered(key);
await until("five events", () => came.length >= 5);
assert.deepEqual(came.filter((c) => c.data.key === "A").map((c) => c.data.n), [1, 2, 4]);
assert.deepEqual(came.filter((c) => c.data.key === "B").map((c) => c.data.n), [3, 5]);
for (const told of came) {
    assert.equal(JSON.stringify(told).includes("erased"), false);
    assert.equal(told.type, "tienda.order.created");
    assert(Date.parse(told.timestamp) > 0 && told.house === "moda" && told.data.nota === "Peñalosa 🌸", JSON.stringify(told));
}

// A new secret signs beside the old one: whoever checks either is served. Then the old one ends.
const renewed = await api("POST", `/webhooks/${made.id}/secrets`, { overlap_hours: 1 });
secrets = [made.secret, renewed.secret];
await ordered("C");
await until("what both sign", () => came.length === 6);
await api("POST", `/webhooks/${made.id}/secrets/${renewed.secrets[1].id}/end`);
secrets = [renewed.secret];
await ordered("C");
await until("what the new one signs", () => came.length === 7);

// Paused it hears nothing and loses nothing; a replay tells all of it again, under the same ids.
await api("POST", `/webhooks/${made.id}/pause`, { reason: "mudanza" });
await ordered("D");
await new Promise((go) => setTimeout(go, 300));
assert.equal(came.length, 7);
await api("POST", `/webhooks/${made.id}/resume`);
await until("what waited", () => came.length === 8);
const before = came.map((c) => c.id);
await api("POST", `/webhooks/${made.id}/replay`, { since: began.toISOString() });
await until("all of it again", () => came.length === 16);
assert.deepEqual(came.slice(8).map((c) => c.id).sort(), [...before].sort());
assert.deepEqual(wrong, []);

// Where it must not go, it is not made at all: the guard of this hub lets loopback pass, and no other scheme.
const refused = await fetch(`${JUDGE_API}/webhooks`, {
    method: "POST", headers: { authorization: `Bearer ${JUDGE_KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ url: "ftp://127.0.0.1/", types: ["*"] }),
});
assert.equal(refused.status, 400);
await api("POST", `/webhooks/${made.id}/remove`);
service.closeAllConnections();
service.close();
console.log("standardwebhooks (npm): verifies what a hub tells, once, in order, by old and new secrets");
