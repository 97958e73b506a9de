/* A section and its layers, as the state asks for them. */

import { nameOf } from "./format.js";
import { Places } from "./places.js";
import * as requests from "./requests.js";

export const TRUSTED = "trusted"; // 1 where the tissue is like that of the training
export const DISTANCE = "distance_to_training"; // beyond 1, nothing similar was in training

/** Read a section with its places and with the facts about their trust. */
export async function readSection({ index, id }) {
  const address = `s/${index}`;
  const [facts, xy] = await Promise.all([requests.json(`${address}/section.json`), requests.floats(`${address}/places.bin`)]);
  const section = { ...facts, index, id, address, ids: null };
  section.places = new Places(xy, section.diameter_px);
  section.trusted = await readFact(section, TRUSTED);
  section.distance = await readFact(section, DISTANCE);
  return section;
}

/** Read the names of the places, which only a look at a single place needs. */
export async function readIds(section) {
  ({ ids: section.ids } = await requests.json(`${section.address}/places.json`));
}

async function readFact(section, name) {
  const at = section.facts.findIndex((fact) => fact.name === name);
  return at < 0 ? null : requests.values(`${section.address}/fact/${at}.bin`);
}

/** Names of the panels that a state shows; a narrow page has room for one. */
export function panelsOf(state, section, isNarrow) {
  const possible = ["measured", "predicted", "difference"].filter((kind) => section.kinds.includes(kind));
  if (layerOf(state, section)) possible.push("layer");
  const initial = isNarrow ? ["predicted"] : possible;
  const names = state.panels ? possible.filter((name) => state.panels.split(",").includes(name)) : initial;
  if (names.length === 0) return ["predicted"];
  return isNarrow ? names.slice(-1) : names;
}

export function geneOf(state, section, fallback) {
  return section.genes.find(({ id }) => id === state.gene) ?? fallback;
}

/** What a state names that a section does not have, in words. */
export function unknownIn(state, { section, layer }, sections) {
  const unknown = [];
  if (state.section && !sections.some(({ label }) => label === state.section)) unknown.push(`the section ${state.section}`);
  if (state.gene && !geneOf(state, section, null)) unknown.push(`the gene ${state.gene}`);
  if (state.layer && !layer) unknown.push(`the map ${state.layer}`);
  return unknown;
}

/** What is shown beside the gene, e.g. "fact:trusted" or "evidence:attention:3"; null for nothing. */
export function layerOf(state, section) {
  const [kind, name, column] = state.layer.split(":");
  const at = (section[{ fact: "facts", evidence: "evidence" }[kind]] ?? []).findIndex((of) => of.name === name);
  if (at < 0) return null;
  if (kind === "fact") {
    const { title, what } = section.facts[at];
    return { title, what, address: `${section.address}/fact/${at}.bin` };
  }
  const { title, labels } = section.evidence[at];
  const label = labels[Number(column)];
  return label === undefined ? null : { title: `${title}: ${label}`, what: title, address: `${section.address}/evidence/${at}/${Number(column)}.bin` };
}

/** Values of each layer. Prediction and measurement are read together: they have one scale. */
export async function readLayers(section, gene, layer, names) {
  const at = section.genes.indexOf(gene);
  const address = (kind) => `${section.address}/gene/${at}/${kind}.bin`;
  const wanted = gene.measured ? { measured: address("measured") } : {};
  wanted.predicted = address("predicted");
  if (gene.measured && section.kinds.includes("difference") && names.includes("difference")) wanted.difference = address("difference");
  if (layer) wanted.layer = layer.address;
  const read = await Promise.all(Object.values(wanted).map((of) => requests.values(of)));
  return Object.fromEntries(Object.keys(wanted).map((name, place) => [name, read[place]]));
}

/** Title of each panel. */
export function titlesOf(gene, layer) {
  const name = nameOf(gene);
  return { measured: `${name}, measured`, predicted: `${name}, predicted`, difference: "predicted minus measured", layer: layer?.title ?? "" };
}

/** One byte a place: 1 where it is greyed out, 2 where it is inside the region. */
export function marksOf(section, state, isIn) {
  const { trusted, places } = section;
  const marks = new Uint8Array(places.n);
  for (let place = 0; place < places.n; place += 1) {
    const isGrey = state.mask && trusted !== null && trusted.at(place) !== 1;
    marks[place] = Number(isGrey) + 2 * (isIn ? isIn[place] : 0);
  }
  return marks;
}
