/* The page: it reads what the state asks for and shows it. */

import { fillLayers, option, showControls, startControls, togglePanel } from "./controls.js";
import { byId, nameOf } from "./format.js";
import { byScore, GeneSearch } from "./genes.js";
import { watchKeys } from "./keys.js";
import { showLegend } from "./legend.js";
import { isNarrow, Panels } from "./panels.js";
import { savePicture } from "./picture.js";
import { readOut, showPlace } from "./reading.js";
import { Lasso, showRegion } from "./region.js";
import * as requests from "./requests.js";
import { scalesOf } from "./scales.js";
import * as scenes from "./scene.js";
import { change, follow, state } from "./state.js";
import { SCORE, showGene, showSection } from "./texts.js";

const over = { line: [], isOpen: false, marks: [], mpp: null, diameter: 1 }; // drawn over all panels
let sections = [];
let scene = null; // section, gene, layer, layers, scales, open panels
let region = { line: [], isIn: null };
let turn = 0;
let part = null; // of the side bar, to which the last click belongs

const panels = new Panels({ onView: (view) => change({ view }, { isStep: false }), onPoint: point, onPick: keep });
const search = new GeneSearch((gene) => change({ gene: gene.id }));
const lasso = new Lasso(panels, (line) => { part = "head-region"; change({ lasso: line }); }, () => markOver());

/** Follow the state; a later change overtakes this one. */
async function update(names, { isBack = false } = {}) {
  if (names.every((name) => name === "view") && !isBack) return; // the panels moved by themselves
  const mine = (turn += 1);
  byId("stage").setAttribute("aria-busy", "true");
  const entry = sections.find(({ label }) => label === state.section) ?? sections[0];
  const isNew = scene?.section.index !== entry.index;
  const section = isNew ? await scenes.readSection(entry) : scene.section;
  const gene = scenes.geneOf(state, section, byScore(section.genes)[0]);
  if (mine === turn) search.show(gene, section.genes); // the next step goes on from it, read or not
  const layer = scenes.layerOf(state, section);
  const open = scenes.panelsOf(state, section, isNarrow());
  const layers = await scenes.readLayers(section, gene, layer, open);
  if (mine !== turn) return;
  scene = { section, gene, layer, layers, open, scales: scalesOf(layers, state, !section.kinds.includes("measured") || section.kinds.includes("difference")) };
  if (isNew) startSection(entry);
  await panels.choose(section, open);
  if (mine !== turn) return;
  if (isNew || (isBack && names.includes("view"))) panels.look(state.view);
  show();
  showUnknown(scenes.unknownIn(state, scene, sections));
  byId("stage").setAttribute("aria-busy", "false");
}

/** Say what the address names that is not there; something else is shown instead. */
function showUnknown(names) {
  byId("problem").hidden = names.length === 0;
  byId("problem").textContent = `The address names ${names.join(" and ")}, which ${names.length === 1 ? "is" : "are"} not here.`;
}

function startSection(entry) {
  const { section } = scene;
  Object.assign(over, { mpp: section.mpp, diameter: section.diameter_px, marks: [] });
  region = { line: [], isIn: null };
  byId("section").value = entry.label;
  document.title = `${section.id} · histoscribe view`;
  fillLayers(section);
  showSection(section);
  scenes.readIds(section).catch(fail);
}

/** Show the scene in the panels and beside them. */
function show() {
  const { section, gene, layer, layers, scales, open } = scene;
  const isIn = regionOf(section);
  const marks = scenes.marksOf(section, state, isIn);
  const style = { diameter: section.diameter_px, isSquare: section.shape === "squares", opacity: state.opacity / 100, hasRegion: isIn !== null };
  const titles = scenes.titlesOf(gene, layer);
  for (const name of open) {
    const [panel, values, scale] = [panels.all[name], layers[name], scales[name]];
    const unit = { layer: "", measured: section.measured_unit }[name] ?? section.unit;
    panel.box.querySelector("figcaption").textContent = titles[name];
    panel.box.querySelector(".none").hidden = Boolean(values);
    panel.box.querySelector(".none").textContent = values ? "" : `${nameOf(gene)} was not measured in this section.`;
    panel.showTissue(state.tissue);
    if (values) showLegend(panel.box.querySelector(".legend"), values, scale, unit);
    else panel.box.querySelector(".legend").replaceChildren();
    panel.show({ values, scale, unit, marks, style, places: section.places, over });
  }
  showGene(gene, section);
  showControls(scene);
  byId("layer-words").textContent = layer?.what ?? "";
  showRegion(isIn, regionLayers(titles, layers), section);
  showPlace(placeOf(section), scene).catch(fail);
  markOver();
  readOut(null, scene);
  bringUp();
}

/** Which places are inside the line; it is worked out once for each line. */
function regionOf(section) {
  if (String(region.line) !== String(state.lasso)) {
    region = { line: state.lasso, isIn: state.lasso.length >= 6 ? section.places.inside(state.lasso) : null };
  }
  return region.isIn;
}

function regionLayers(titles, layers) {
  return Object.fromEntries(Object.entries(layers).map(([name, values]) => (
    [name, { title: titles[name], label: name === "layer" ? titles[name] : name, values }])));
}

function placeOf(section) {
  return state.place !== null && state.place < section.places.n ? state.place : null;
}

/** Draw marks and lines anew; `pointed` is the place below the pointer. */
function markOver(pointed = null) {
  if (!scene) return;
  const { places } = scene.section;
  const marked = [placeOf(scene.section), pointed].filter((place) => place !== null);
  over.marks = marked.map((place) => [places.xy[2 * place], places.xy[2 * place + 1]]);
  Object.assign(over, lasso.isOn ? { line: lasso.line, isOpen: true } : { line: state.lasso, isOpen: false });
  panels.redrawOver();
}

function placeAt(at) {
  return at && scene ? scene.section.places.nearest(...at, scene.section.diameter_px) : null;
}

function point(at) {
  if (!scene || lasso.isOn) return;
  const place = placeAt(at);
  readOut(place, scene);
  markOver(place);
}

function keep(at) {
  part = "head-place";
  change({ place: placeAt(at) });
}

/** Scroll to what a click has filled; on a narrow page the map stays in view instead. */
function bringUp() {
  if (part && !isNarrow()) byId(part).parentElement.scrollIntoView({ block: "nearest" });
  part = null;
}

function letGo() {
  if (lasso.isOn) lasso.turn(false);
  else if (state.place !== null) change({ place: null });
  else if (state.lasso.length) change({ lasso: [] });
}

function savePng() {
  const { section, gene, open } = scene;
  const { unit, id, predictor } = section;
  const score = gene.score === null ? "no score" : `${SCORE}: ${gene.score.toFixed(2)}`;
  const words = `${id} · ${unit} · ${predictor} · ${score} · histoscribe`;
  savePicture(open.map((name) => panels.all[name]), words, `${id}_${nameOf(gene)}.png`);
}

function fail(error) {
  byId("problem").hidden = false;
  byId("problem").textContent = error.message;
  byId("stage").setAttribute("aria-busy", "false");
  if (!(error instanceof requests.NoAnswer)) throw error;
}

function follows(names, how) {
  update(names, how).catch(fail);
}

function startButtons() {
  const acts = {
    "gene-better": () => search.step(-1), "gene-worse": () => search.step(1),
    "zoom-in": () => panels.zoom(1.5), "zoom-out": () => panels.zoom(1 / 1.5), "zoom-all": () => panels.look(null, false),
    picture: savePng, "help-open": () => byId("help").showModal(),
    "place-clear": () => change({ place: null }), "region-clear": () => change({ lasso: [] }),
    "region-view": () => change({ lasso: panels.corners }),
  };
  for (const [id, act] of Object.entries(acts)) byId(id).addEventListener("click", () => scene && act());
  byId("section").addEventListener("change", ({ target }) => change({ section: target.value, view: null, place: null, lasso: [] }));
  startControls({
    panelsNow: () => scene.open, isNarrow, rangeNow: () => [scene.scales.predicted.low, scene.scales.predicted.high],
  });
  watchKeys({
    isReady: () => scene !== null, panels, letGo, stepGene: (by) => search.step(by), toggle: (name) => togglePanel(name, scene.open, isNarrow()),
    readMiddle: () => point(panels.middle), keepMiddle: () => keep(panels.middle),
  });
}

async function start() {
  ({ sections } = await requests.json("view.json"));
  const ids = sections.map(({ id }) => id);
  for (const section of sections) {
    const isAlone = ids.indexOf(section.id) === ids.lastIndexOf(section.id);
    section.label = isAlone ? section.id : `${section.id} (${section.index + 1})`;
  }
  byId("section").replaceChildren(...sections.map(({ label }) => option(label, label)));
  startButtons();
  follow(follows);
  panels.onShape = () => scene && follows(["panels"]);
  await update(["section"]);
}

start().catch(fail);
