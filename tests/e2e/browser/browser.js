// Looks at the node through a browser: node browser.js CHROMIUM ORIGIN STUDY_UID
// Prints what it saw as one JSON object; browser_test.py judges it.
"use strict";
const { chromium } = require("playwright-core");

const ARGUMENTS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
  "--disable-gpu"];
const PATIENCE_MS = 45000;

// Dialogs of the first run cover the page.
async function dismissDialogs(page) {
  for (const selector of ["[data-cy=confirm-and-hide-button]", "text=Skip all"]) {
    try {
      await page.locator(selector).first().click({ timeout: 5000 });
    } catch {
      // It was not shown.
    }
  }
}

// Different colours of the first canvas of a viewport.
function coloursOfViewport() {
  const canvas = document.querySelector("[data-cy=viewport-pane] canvas");
  if (!canvas || canvas.width < 50) return 0;
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  const context = copy.getContext("2d");
  context.drawImage(canvas, 0, 0);
  const bytes = context.getImageData(0, 0, copy.width, copy.height).data;
  const colours = new Set();
  for (let at = 0; at < bytes.length; at += 4) colours.add((bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2]);
  return colours.size;
}

// Labels of all segmentations, and how many voxels have their number, image by image in the order of
// their places.
function labelsAndVoxels() {
  const labels = {};
  for (const segmentation of window.services.segmentationService.getSegmentations()) {
    const data = segmentation.representationData.Labelmap;
    const images = (data.imageIds || []).map((id) => window.cornerstone.cache.getImage(id));
    const count = (image, number) =>
      image ? image.voxelManager.getScalarData().reduce((sum, value) => sum + (value === number), 0) : 0;
    for (const segment of Object.values(segmentation.segments))
      if (segment) labels[segment.label] = images.map((image) => count(image, segment.segmentIndex));
  }
  return labels;
}

async function main() {
  const [executablePath, origin, study] = process.argv.slice(2);
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const seen = { foreign: [], refused: [] };
  page.on("request", (request) => {
    const url = request.url();
    if (/^https?:/.test(url) && !url.startsWith(origin)) seen.foreign.push(url);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) seen.refused.push(`${response.status()} ${response.url()}`);
  });
  try {
    await page.goto(`${origin}/`);
    const total = page.getByText(/^\d+-\d+ of \d+$/).first();
    await total.waitFor({ timeout: PATIENCE_MS });
    seen.studies = Number((await total.innerText()).split(" of ")[1]);
    seen.list = await page.locator("body").innerText();
    await page.goto(`${origin}/viewer?StudyInstanceUIDs=${study}`);
    await page.locator("[data-cy=viewport-pane] canvas").first().waitFor({ timeout: PATIENCE_MS });
    await dismissDialogs(page);
    await page.waitForFunction(`(${coloursOfViewport})() > 20`, null, { timeout: PATIENCE_MS });
    seen.colours = await page.evaluate(coloursOfViewport);
    await page.locator("[data-cy=study-browser-thumbnail-no-image]").first().dblclick({ timeout: PATIENCE_MS });
    await page.locator("[data-cy=yes-hydrate-btn]").click({ timeout: PATIENCE_MS });
    await page.waitForFunction("window.services.segmentationService.getSegmentations().length > 0", null,
      { timeout: PATIENCE_MS });
    seen.labels = await page.evaluate(labelsAndVoxels);
  } catch (reason) {
    seen.failure = String(reason);
    if (process.env.MURPACS_SCREENSHOT) await page.screenshot({ path: process.env.MURPACS_SCREENSHOT });
  }
  console.log(JSON.stringify(seen));
  await browser.close();
}

main().catch((reason) => {
  console.error(reason);
  process.exit(1);
});
