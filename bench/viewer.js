// node viewer.js CHROMIUM ORIGIN STUDY_UID ROUNDS: milliseconds from the address to the first image on the
// screen, as JSON: each round in a browser of its own, then once more in the same one.
"use strict";
const { chromium } = require("playwright-core");

const ARGUMENTS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
  "--disable-gpu"];

// Whether the viewport shows an image and no plain colour.
function isShown() {
  const canvas = document.querySelector("[data-cy=viewport-pane] canvas");
  if (!canvas || canvas.width < 50) return false;
  const copy = document.createElement("canvas");
  copy.width = copy.height = 64;
  const context = copy.getContext("2d");
  context.drawImage(canvas, 0, 0, 64, 64);
  const bytes = context.getImageData(0, 0, 64, 64).data;
  const colours = new Set();
  for (let at = 0; at < bytes.length; at += 4) colours.add((bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2]);
  return colours.size > 20;
}

async function open(page, address) {
  const begun = performance.now();
  await page.goto(address, { waitUntil: "commit" });
  await page.waitForFunction(isShown, null, { timeout: 120000, polling: 20 });
  return performance.now() - begun;
}

async function main() {
  const [executablePath, origin, study, rounds] = process.argv.slice(2);
  const found = { first: [], again: [] };
  for (let round = 0; round < Number(rounds); round += 1) {
    const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto("about:blank"); // the browser's own start does not count
    found.first.push(await open(page, `${origin}/viewer?StudyInstanceUIDs=${study}`));
    await page.goto("about:blank");
    found.again.push(await open(page, `${origin}/viewer?StudyInstanceUIDs=${study}`));
    await browser.close();
  }
  console.log(JSON.stringify(found));
}

main().catch((reason) => {
  console.error(reason);
  process.exit(1);
});
