// node gallery.mjs PASARELA FOLDER: the pictures of the README.

import { join } from "node:path";
import { World } from "./lib/world.mjs";
import { chromium, visitor, signIn } from "./lib/chromium.mjs";

const [binary, folder] = process.argv.slice(2);

/** Name, place, and how it is looked at. */
const PICTURES = [
  ["inicio", "/", { size: "desk", lang: "es" }],
  ["story", "story", { size: "desk", lang: "en", dark: true }],
  ["flujo", "/flujos/boleta-confirmada", { size: "desk", lang: "es" }],
  ["theatre", "/teatro", { size: "desk", lang: "en" }],
  ["inicio-celular", "/", { size: "phone", lang: "es", dark: true }],
  ["por-resolver-celular", "/por-resolver", { size: "phone", lang: "es" }],
  ["flow-phone", "/flujos/boleta-confirmada", { size: "phone", lang: "en", dark: true }],
  ["teatro-celular", "/teatro#t-phone", { size: "phone", lang: "es" }],
];

const browser = await chromium();
let world;
try {
  world = await World.start(binary);
  await world.season();
  await world.settled();
  const key = world.key("read");
  const answer = await fetch(`${world.public}/api/v1/events?type=order.paid&limit=1`, { headers: { authorization: `Bearer ${key}` } });
  const [paid] = (await answer.json()).data;
  for (const [name, place, how] of PICTURES) {
    const page = await visitor(browser, how);
    await signIn(page, world.link("Luz Ospina"));
    await page.goto(world.console + (place === "story" ? `/historia/${paid.id}` : place), { waitUntil: "load" });
    // What arrives with the page has arrived.
    await page.waitForFunction(() => document.fonts.status === "loaded");
    await page.screenshot({ path: join(folder, `${name}.webp`), type: "webp", quality: 82 });
    await page.browserContext().close();
    process.stdout.write(`${name}.webp\n`);
  }
} finally {
  await browser.close();
  await world?.stop();
}
