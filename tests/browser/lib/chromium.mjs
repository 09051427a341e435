// A Chromium, and pages in it that remember everything that went wrong.

import puppeteer from "puppeteer-core";
import { existsSync } from "node:fs";

export const SIZES = {
  phone: { width: 390, height: 844, deviceScaleFactor: 1, isMobile: true, hasTouch: true },
  desk: { width: 1280, height: 800, deviceScaleFactor: 1 },
};

export async function chromium() {
  const path = [process.env.PASARELA_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) => p && existsSync(p));
  if (!path) throw new Error("there is no Chromium: apt-get install chromium, or name one with PASARELA_CHROMIUM");
  return puppeteer.launch({
    executablePath: path,
    // A container has no user namespaces to spare; nothing but our own pages is opened.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb", "--font-render-hinting=none", "--hide-scrollbars"],
  });
}

/** A page of a visitor of its own, in a size, a language and a light. */
export async function visitor(browser, { size = "desk", lang = "es", dark = false } = {}) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.setViewport(SIZES[size]);
  await page.setExtraHTTPHeaders({ "accept-language": lang === "es" ? "es-CO,es" : "en" });
  await page.emulateMediaFeatures([
    { name: "prefers-color-scheme", value: dark ? "dark" : "light" },
    { name: "prefers-reduced-motion", value: "reduce" },
  ]);
  page.troubles = [];
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) page.troubles.push(`console: ${message.text()} ${message.location()?.url ?? ""}`);
  });
  page.on("pageerror", (error) => page.troubles.push(`script: ${error.message}`));
  await page.evaluateOnNewDocument(() => {
    document.addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
  });
  return page;
}

/** Signs in with a link, by its button. */
export async function signIn(page, link) {
  await page.goto(link, { waitUntil: "load" });
  await Promise.all([page.waitForNavigation(), page.click("form button")]);
}
