// Every page, both sizes, both languages, light and dark: it opens, nothing goes wrong in it, axe finds nothing
// serious, the keyboard reaches everything, nothing is wider than the screen, and it is small.

import { readFileSync } from "node:fs";
import { visitor, signIn } from "./lib/chromium.mjs";

const SMALL = 100_000;

/** What every page is judged by, beside its own story. `still`: its policy lets no script fetch, so it is measured as it stands. */
export async function judge(page, axe, name, still = false) {
  const found = [];
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, {
    // Letters of others, in a frame that runs nothing, are not ours to judge.
    iframes: false,
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  }));
  for (const v of violations.filter((v) => ["serious", "critical"].includes(v.impact))) {
    found.push(`axe ${v.id}: ${v.help}: ${v.nodes.slice(0, 2).map((n) => n.html.slice(0, 120)).join(" and ")}`);
  }
  const wide = await page.evaluate(() => {
    const screen = document.documentElement.clientWidth;
    const beyond = [...document.querySelectorAll("main *")].find((e) => e.getBoundingClientRect().right > screen + 1);
    return [document.documentElement.scrollWidth - screen, beyond?.outerHTML.slice(0, 120)];
  });
  if (wide[0] > 1) found.push(`it is ${wide[0]} px wider than the screen: ${wide[1]}`);
  const bytes = Buffer.byteLength(await page.evaluate((s) => (s ? document.documentElement.outerHTML : fetch(location.href, { cache: "no-store" }).then((r) => r.text())), still));
  if (bytes > SMALL) found.push(`it has ${bytes} bytes`);
  found.push(...page.troubles.splice(0));
  return found.map((f) => `${name}: ${f}`);
}

/** Tab by tab: everything that can be used has the focus once, and shows it. */
export async function keyboard(page, name) {
  // No news meanwhile: what is counted stays what it is.
  await page.evaluate(() => window.dispatchEvent(new Event("pagehide")));
  const expected = await page.evaluate(() => {
    const usable = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0'], iframe")].filter((e) =>
      !e.disabled && e.type !== "hidden" && e.tabIndex >= 0 && e.checkVisibility({ visibilityProperty: true })
      && !(e.closest("details:not([open])") && e.tagName !== "SUMMARY"));
    usable.forEach((e, n) => { e.dataset.prueba = String(n); });
    return usable.length;
  });
  await page.evaluate(() => { document.activeElement?.blur(); window.scrollTo(0, 0); });
  const reached = new Set();
  const invisible = new Set();
  for (let n = 0; n < expected + 30 && reached.size < expected; n += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const e = document.activeElement;
      if (!e || e === document.body) return null;
      const style = getComputedStyle(e);
      return { id: e.dataset.prueba ?? null, seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2, what: e.outerHTML.slice(0, 90) };
    });
    if (at?.id) reached.add(at.id);
    if (at && !at.seen && !at.what.startsWith("<iframe")) invisible.add(at.what);
  }
  const found = [];
  if (reached.size < expected) {
    const missed = await page.evaluate((ids) => [...document.querySelectorAll("[data-prueba]")].filter((e) => !ids.includes(e.dataset.prueba)).map((e) => e.outerHTML.slice(0, 90)), [...reached]);
    found.push(`the keyboard does not reach ${missed.slice(0, 3).join(" and ")}`);
  }
  for (const what of [...invisible].slice(0, 3)) found.push(`the focus is not seen on ${what}`);
  return found.map((f) => `${name}: ${f}`);
}

/** All pages of a world with something in it. */
export async function allPages(browser, world, axePath, say) {
  const axe = readFileSync(axePath, "utf8");
  const found = [];
  let count = 0;
  const pages = await addresses(world);
  for (const size of ["phone", "desk"]) {
    for (const lang of ["es", "en"]) {
      for (const dark of [false, true]) {
        // Dark is another set of colours only: the phone in Spanish and the desk in English show all of them.
        if (dark && (size === "phone") !== (lang === "es")) continue;
        const page = await visitor(browser, { size, lang, dark });
        const where = `${size} ${lang} ${dark ? "dark" : "light"}`;
        const link = world.link("Prueba");
        for (const [name, path] of [["entrar", "/entrar"], ["enlace", link.slice(world.console.length)]]) {
          await page.goto(world.console + path, { waitUntil: "load" });
          found.push(...await judge(page, axe, `${name} ${where}`));
          count += 1;
        }
        await signIn(page, link);
        for (const [name, path] of Object.entries(pages)) {
          const answer = await page.goto(world.console + path, { waitUntil: "load" });
          if (answer.status() !== (name === "nada" ? 404 : 200)) found.push(`${name} ${where}: status ${answer.status()}`);
          const spoken = await page.$eval("html", (e) => e.lang);
          if (!spoken.startsWith(lang)) found.push(`${name} ${where}: it speaks ${spoken}`);
          // Everything that opens is judged open.
          await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
          const judged = await judge(page, axe, `${name} ${where}`);
          // A page that is not there says so: that is no trouble of it.
          found.push(...judged.filter((f) => name !== "nada" || !f.includes("status of 404")));
          if (lang === "es" && !dark) {
            await page.goto(world.console + path, { waitUntil: "load" });
            found.push(...await keyboard(page, `${name} ${where}`));
            page.troubles = page.troubles.filter((t) => name !== "nada" || !t.includes("status of 404"));
          }
          count += 1;
        }
        await page.browserContext().close();
        say(`${where}: ${Object.keys(pages).length + 2} pages`);
      }
    }
  }
  return { found, judged: count };
}

/** A claim that is decided and waits for its answer, a question that is late, an incident: their numbers. */
async function desk(world) {
  const key = world.key("read,write,role:operator");
  const post = async (path, body) => {
    const answer = await fetch(`${world.public}/api/v1/${path}`, { method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return answer.json();
  };
  const claimant = { name: "Yolanda Quintero Mejía", document: "52.000.111", email: "yolanda.quintero@correo.example" };
  const facts = "Me escriben a nombre de mi hermana. Ya lo dije por teléfono en octubre.";
  const { number } = await post("cases", { kind: "reclamo", claimant, facts, request: "Corregir mi nombre.", documents: ["cedula.pdf"], reference: "carpeta 7, folio 12" });
  await post(`cases/${number}/steps`, { step: "complete", reason: "nombre errado" });
  await post(`cases/${number}/steps`, { step: "decide", ruling: "granted" });
  const long = new Date(Date.now() - 40 * 86_400_000).toISOString();
  await post("cases", { kind: "consulta", claimant: { name: "Óscar Iván Ruiz", phone: "+573005550142" }, request: "Qué datos tienen de mí.", received_at: long, intake: "paper" });
  const incident = await post("incidents", { title: "Se perdió un portátil con la lista de invitados", databases: ["Compradores"], categories: ["contacto"] });
  // One service that nobody answers for.
  await post("webhooks", { url: "http://127.0.0.1:9/avisos", description: "Tablero de la productora", types: ["order.*", "ticket.*"] });
  return [number, incident.number];
}

/** A page of each kind that has something to show. */
async function addresses(world) {
  const key = world.key("read");
  const api = async (path) => (await (await fetch(world.public + path, { headers: { authorization: `Bearer ${key}` } })).json()).data;
  const [paid] = await api("/api/v1/events?type=order.paid&limit=1");
  const [odd] = await api("/api/v1/deliveries?status=quarantined&limit=1");
  const [order] = await world.view("boleteria", "orders");
  const [claim, incident] = await desk(world);
  const [show] = await api("/api/v1/shows?limit=1");
  const at = `${show.connection}/${show.show.id}`;
  const [person] = await api("/api/v1/people?limit=1");
  const [{ order: bought }] = await api(`/api/v1/shows/${at}/orders?limit=1`);
  return {
    inicio: "/",
    auditoria: "/auditoria",
    eventos: "/eventos",
    buscar: "/buscar",
    hallado: `/buscar?q=${order.public_id}`,
    historia: `/historia/${paid.id}`,
    desfiles: "/desfiles",
    desfile: `/desfiles/${at}`,
    pedido: `/pedidos/${show.connection}/${bought.id}`,
    devoluciones: "/devoluciones?todas=1",
    personas: "/personas",
    persona: `/personas/${person.id}`,
    "personas-revision": "/personas/revision",
    "personas-conflictos": "/personas/conflictos",
    flujos: "/flujos",
    flujo: "/flujos/boleta-confirmada",
    resolver: "/por-resolver",
    entrega: `/entregas/${odd.id}`,
    conexiones: "/conexiones",
    nueva: "/conexiones/nueva?proveedor=hi-events",
    revisada: "/conexiones/nueva?proveedor=whatsapp&nombre=mensajes&ajuste.waba_id=1&secreto.access_token=on&revisar=1",
    modelo: "/conexiones/twenty/modelo",
    conciliacion: "/conciliacion",
    casos: "/casos",
    caso: `/casos/${claim}`,
    "caso-nuevo": "/casos/nuevo",
    conservacion: "/conservacion",
    incidentes: "/incidentes",
    incidente: `/incidentes/${incident}`,
    hoja: `/incidentes/${incident}/hoja`,
    alarmas: "/alarmas",
    webhooks: "/webhooks",
    claves: "/claves",
    usuarios: "/usuarios",
    "mi-cuenta": "/mi-cuenta",
    teatro: "/teatro",
    nada: "/nada",
  };
}
