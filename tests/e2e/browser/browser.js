// Looks at the node through a browser: node browser.js CHROMIUM < PLAN.json
// The plan: { origin, screenshots, studies: { name: { uid, overlay, mpr, colours, save } }, page: { query } }
// Prints what it saw as one JSON object; browser_test.py judges it.
"use strict";
const fs = require("fs");
const { chromium } = require("playwright-core");

const ARGUMENTS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
  "--disable-gpu"];
const PATIENCE_MS = 60000;
const MANY = 100; // pixels that are no accident
const SOME = 20; // of an organ in the slice where it is largest
const PHONE = { width: 390, height: 800 };
const DESK = { width: 1280, height: 800 };

// ---- in the page --------------------------------------------------------------------------------------

// Of each viewport's canvas, from the left: how many different colours it has, how many pixels are not grey,
// and how many have one of the @wanted colours, as [red, green, blue], within 2.
function lookAtCanvases(wanted) {
  return [...document.querySelectorAll("[data-cy=viewport-pane]")].map((pane) => {
    const canvas = pane.querySelector("canvas");
    const seen = { colours: 0, tinted: 0, wanted: wanted.map(() => 0) };
    if (!canvas || canvas.width < 50) return seen;
    const copy = document.createElement("canvas");
    copy.width = canvas.width;
    copy.height = canvas.height;
    const context = copy.getContext("2d");
    context.drawImage(canvas, 0, 0);
    const bytes = context.getImageData(0, 0, copy.width, copy.height).data;
    const colours = new Set();
    for (let at = 0; at < bytes.length; at += 4) {
      colours.add((bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2]);
      const least = Math.min(bytes[at], bytes[at + 1], bytes[at + 2]);
      seen.tinted += Math.max(bytes[at], bytes[at + 1], bytes[at + 2]) - least > 60 ? 1 : 0;
      wanted.forEach((colour, index) => {
        if (colour.every((value, channel) => Math.abs(value - bytes[at + channel]) <= 2)) seen.wanted[index] += 1;
      });
    }
    seen.colours = colours.size;
    return seen;
  });
}

// The segmentation as the viewer holds it: labels by number, and of each slice its place in the patient
// and its voxels, row by row.
function readSegmentation() {
  const [segmentation] = window.services.segmentationService.getSegmentations();
  const { cache, metaData } = window.cornerstone;
  const labels = {};
  for (const segment of Object.values(segmentation.segments))
    if (segment && segment.segmentIndex > 0) labels[segment.segmentIndex] = segment.label;
  const slices = segmentation.representationData.Labelmap.imageIds.map((id) => {
    const image = cache.getImage(id);
    const plane = metaData.get("imagePlaneModule", image.referencedImageId);
    return {
      position: [...plane.imagePositionPatient],
      row: [...plane.rowCosines],
      column: [...plane.columnCosines],
      spacing: [plane.columnPixelSpacing, plane.rowPixelSpacing],
      size: [image.columns, image.rows],
      voxels: btoa(String.fromCharCode.apply(null, image.voxelManager.getScalarData())),
    };
  });
  return { labels, slices };
}

// The parametric map as the viewer holds it: its grid in the patient, and its values.
function readMap() {
  const sets = window.services.displaySetService.getActiveDisplaySets();
  const { displaySetInstanceUID } = sets.find(({ Modality }) => Modality === "PMAP");
  const volume = window.cornerstone.cache.getVolume(displaySetInstanceUID);
  const values = Float32Array.from(volume.voxelManager.getCompleteScalarDataArray());
  let bytes = "";
  for (const byte of new Uint8Array(values.buffer)) bytes += String.fromCharCode(byte);
  const { origin, spacing, direction, dimensions } = volume;
  return { origin: [...origin], spacing: [...spacing], direction: [...direction], size: [...dimensions],
    values: btoa(bytes) };
}

// Values that are black and white in the images.
function readWindow() {
  const { viewportGridService, cornerstoneViewportService } = window.services;
  const viewport = cornerstoneViewportService.getCornerstoneViewport(viewportGridService.getActiveViewportId());
  return viewport.getProperties().voiRange;
}

function showSlice(index) {
  const { viewportGridService, cornerstoneViewportService } = window.services;
  const id = viewportGridService.getActiveViewportId();
  return cornerstoneViewportService.getCornerstoneViewport(id).setImageIdIndex(index);
}

function drawAgain() {
  for (const engine of window.cornerstone.getRenderingEngines()) engine.render();
}

// ---- outside of it ------------------------------------------------------------------------------------

async function canvases(page, wanted = []) {
  return page.evaluate(lookAtCanvases, wanted);
}

async function waitForImages(page, count) {
  await page.waitForFunction(
    `(() => { const seen = (${lookAtCanvases})([]);
      return seen.length === ${count} && seen.every((one) => one.colours > 20); })()`,
    null, { timeout: PATIENCE_MS });
}

// Dialogs of the first run cover the page, the tour all others.
async function dismissDialogs(page) {
  for (const selector of ["text=Skip all", "[data-cy=confirm-and-hide-button]"])
    await page.locator(selector).first().click({ timeout: PATIENCE_MS });
}

async function lookAtList(page, origin) {
  await page.goto(`${origin}/`);
  const total = page.getByText(/^\d+-\d+ of [1-9]\d*$/).first(); // first it says 0-0 of 0
  await total.waitFor({ timeout: PATIENCE_MS });
  return { total: Number((await total.innerText()).split(" of ")[1]), text: await page.locator("body").innerText() };
}

async function openOverlay(page, text = "") {
  const overlays = page.locator("[data-cy=study-browser-thumbnail-no-image]").filter({ hasText: text });
  await overlays.first().dblclick({ timeout: PATIENCE_MS });
}

async function openSegmentation(page, text) {
  await openOverlay(page, text);
  await page.locator("[data-cy=yes-hydrate-btn]").click({ timeout: PATIENCE_MS });
  await page.waitForFunction("window.services.segmentationService.getSegmentations().length > 0", null,
    { timeout: PATIENCE_MS });
}

// Asks @look again and again until what it gives is @enough, and gives the last of it in any case: whoever
// judges it says what is missing. As a person would who moves the mouse, it has the viewer draw anew now and then.
async function lookUntil(page, look, enough) {
  const end = Date.now() + PATIENCE_MS;
  let seen = await look();
  for (let tries = 1; !enough(seen) && Date.now() < end; tries += 1) {
    if (tries % 40 === 0) await page.evaluate(drawAgain);
    await page.waitForTimeout(100);
    seen = await look();
  }
  return seen;
}

// Has the viewer store the segmentation under its own name for it, as a person does, and then open what the
// node has got.
async function saveSegmentation(page, address) {
  const stored = page.waitForResponse((response) => response.request().method() === "POST",
    { timeout: PATIENCE_MS });
  await page.evaluate(() => {
    const [{ segmentationId }] = window.services.segmentationService.getSegmentations();
    window.commandsManager.runCommand("storeSegmentation", { segmentationId, modality: "SEG" }, "SEGMENTATION");
  });
  await page.getByRole("dialog").getByText("Save", { exact: true }).click({ timeout: PATIENCE_MS });
  await (await stored).finished();
  await page.goto(address);
  await waitForImages(page, 1);
  await openSegmentation(page, "Research Derived series");
  return page.evaluate(readSegmentation);
}

// In each slice where a segment is largest: pixels of its colour. The viewer goes to a slice of its own choice
// when it is done with the overlay, at times only after it was sent to ours, so it is sent there again.
async function lookForColours(page, segmentation, colours) {
  const found = {};
  for (const [number, label] of Object.entries(segmentation.labels)) {
    const sizes = segmentation.slices.map(({ voxels }) =>
      Buffer.from(voxels, "base64").reduce((sum, value) => sum + (value === Number(number)), 0));
    const look = async () => {
      await page.evaluate(showSlice, sizes.indexOf(Math.max(...sizes)));
      return (await canvases(page, [colours[label]]))[0].wanted[0];
    };
    found[label] = await lookUntil(page, look, (pixels) => pixels > SOME);
  }
  return found;
}

function isTinted({ wanted }) {
  return wanted.length === 0 || wanted.reduce((sum, count) => sum + count) > MANY;
}

async function lookAtMpr(page, colours) {
  await page.locator("[data-cy=Layout]").click({ timeout: PATIENCE_MS });
  await page.locator("[data-cy=MPR]").click({ timeout: PATIENCE_MS });
  await waitForImages(page, 3);
  return lookUntil(page, () => canvases(page, colours), // the overlay comes after the images
    (seen) => seen.every(isTinted));
}

async function lookAtStudy(page, origin, { uid, overlay, mpr, colours, save }, first) {
  const seen = {};
  const address = `${origin}/viewer?StudyInstanceUIDs=${uid}`;
  await page.goto(address);
  await waitForImages(page, 1);
  if (first) await dismissDialogs(page);
  const wanted = Object.values(colours || {});
  [seen.plain] = await canvases(page, wanted);
  seen.window = await page.evaluate(readWindow);
  if (overlay === "segmentation") {
    await openSegmentation(page);
    seen.segmentation = await page.evaluate(readSegmentation);
    if (colours) seen.coloured = await lookForColours(page, seen.segmentation, colours);
  } else if (overlay === "map") {
    await openOverlay(page);
    await page.waitForFunction(`(${lookAtCanvases})([])[0].tinted > 1000`, null, { timeout: PATIENCE_MS });
    [seen.overlaid] = await canvases(page);
    seen.map = await page.evaluate(readMap);
  }
  if (mpr) seen.mpr = await lookAtMpr(page, wanted);
  if (mpr && overlay === "segmentation" && !seen.mpr.every(isTinted)) {
    // On a machine with much else to do, the viewer at times leaves the overlay out of a pane, for good.
    await page.goto(address);
    await waitForImages(page, 1);
    await openSegmentation(page);
    seen.mpr = await lookAtMpr(page, wanted);
  }
  if (save) seen.saved = await saveSegmentation(page, address);
  return seen;
}

// The status page, as it looks on a phone at night: without scripts, by hand.
async function lookAtStatus(browser, origin, query, screenshots) {
  const seen = {};
  for (const [name, viewport, colorScheme] of [["desk", DESK, "light"], ["phone", PHONE, "dark"]]) {
    const context = await browser.newContext({ viewport, colorScheme, javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`${origin}/status`);
    await page.getByRole("searchbox").fill(query);
    await page.getByRole("button").click();
    await page.waitForURL(/[?]q=/, { waitUntil: "load" });
    const [width, background] = await page.evaluate(() =>
      [document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor]);
    const links = await page.locator("a[href^='/viewer']").all();
    seen[name] = {
      text: await page.locator("body").innerText(),
      overhang: width - viewport.width,
      background,
      links: await Promise.all(links.map((link) => link.getAttribute("href"))),
    };
    if (screenshots) await page.screenshot({ path: `${screenshots}/status-${name}.png`, fullPage: true });
    await context.close();
  }
  return seen;
}

async function main() {
  const plan = JSON.parse(fs.readFileSync(0, "utf8"));
  const { origin } = plan;
  const browser = await chromium.launch({ executablePath: process.argv[2], args: ARGUMENTS });
  const page = await browser.newPage({ viewport: DESK });
  const seen = { foreign: [], refused: [], studies: {} };
  page.on("request", (request) => {
    const url = request.url();
    if (/^https?:/.test(url) && !url.startsWith(`${origin}/`)) seen.foreign.push(url);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) seen.refused.push(`${response.status()} ${response.url()}`);
  });
  let step = "the list";
  try {
    seen.list = await lookAtList(page, origin);
    for (const [name, study] of Object.entries(plan.studies)) {
      step = name;
      const first = Object.keys(seen.studies).length === 0;
      seen.studies[name] = await lookAtStudy(page, origin, study, first);
      if (plan.screenshots) await page.screenshot({ path: `${plan.screenshots}/${name}.png` });
    }
    step = "the status page";
    seen.status = await lookAtStatus(browser, origin, plan.page.query, plan.screenshots);
  } catch (reason) {
    seen.failure = `${step}: ${reason}`;
    if (plan.screenshots) await page.screenshot({ path: `${plan.screenshots}/failure.png` });
  }
  console.log(JSON.stringify(seen));
  await browser.close();
}

main().catch((reason) => {
  console.error(reason);
  process.exit(1);
});
