// node run.mjs PASARELA AXE: judges the console in a real Chromium. One line on standard output says what was
// judged; what went wrong goes to standard error, and the exit code says whether anything did.

import { World } from "./lib/world.mjs";
import { chromium } from "./lib/chromium.mjs";
import { allPages } from "./pages.mjs";
import { ownPages } from "./people.mjs";
import { accountPages } from "./accounts.mjs";
import { tell } from "./stories.mjs";

const [binary, axe] = process.argv.slice(2);
const say = (line) => process.stderr.write(`  ${line}\n`);
const begun = Date.now();
const browser = await chromium();
const version = await browser.version();
let world;
let result = { found: ["it did not come to its end"] };
try {
  world = await World.start(binary);
  await world.season();
  await world.settled();
  const pages = await allPages(browser, world, axe, say);
  const stories = await tell(browser, world, say);
  const own = await ownPages(browser, world, axe, say, process.env.PASARELA_PICTURES);
  const accounts = await accountPages(browser, binary, axe, say, process.env.PASARELA_PICTURES);
  result = { found: [...pages.found, ...stories.found, ...own.found, ...accounts.found], pages: pages.judged + own.judged + accounts.judged, stories: stories.told };
} catch (e) {
  result.found.push(e.stack);
} finally {
  await browser.close();
  await world?.stop();
}
for (const line of result.found) process.stderr.write(`browser: ${line}\n`);
const seconds = Math.round((Date.now() - begun) / 1000);
if (result.found.length === 0) {
  process.stdout.write(`the console in ${version.replace("HeadlessChrome", "Chromium")}: ${result.pages} pages (two sizes, two languages, light and dark) and ${result.stories} stories, ${seconds} s\n`);
} else {
  process.stdout.write(`the console in Chromium: ${result.found.length} findings, ${seconds} s\n`);
  process.exitCode = 1;
}
