/* Controls of colours, panels and what is beside the gene: they change the state and show it. */

import { byId, made } from "./format.js";
import { givenRange } from "./scales.js";
import { change, state } from "./state.js";

/** Listen to all controls; `panelsNow` gives the names of the panels that are open. */
export function startControls({ panelsNow, isNarrow, rangeNow }) {
  byId("palette").addEventListener("change", ({ target }) => change({ palette: target.value }));
  byId("range").addEventListener("change", ({ target }) => {
    change({ range: target.value === "given" ? rangeNow().join(",") : target.value });
  });
  for (const id of ["range-low", "range-high"]) byId(id).addEventListener("change", changeRange);
  byId("opacity").addEventListener("input", ({ target }) => change({ opacity: Number(target.value) }, { isStep: false }));
  for (const id of ["tissue", "mask"]) byId(id).addEventListener("change", ({ target }) => change({ [id]: target.checked }));
  byId("layer").addEventListener("change", ({ target }) => {
    const names = panelsNow().filter((name) => name !== "layer");
    change({ layer: target.value, panels: (target.value ? [...names, "layer"] : names).join(",") });
  });
  byId("toggles").addEventListener("click", ({ target }) => target.dataset.panel && togglePanel(target.dataset.panel, panelsNow(), isNarrow()));
}

/** Open or close a panel; one is always open, and a narrow page has one only. */
export function togglePanel(name, open, isNarrow) {
  if (byId("toggles").querySelector(`[data-panel=${name}]`).hidden) return;
  if (isNarrow) change({ panels: name });
  else if (!open.includes(name)) change({ panels: [...open, name].join(",") });
  else if (open.length > 1) change({ panels: open.filter((other) => other !== name).join(",") });
}

function changeRange() {
  const range = `${byId("range-low").value},${byId("range-high").value}`;
  const isRange = givenRange(range) !== null;
  for (const id of ["range-low", "range-high"]) byId(id).setCustomValidity(isRange ? "" : "The first value must be below the second.");
  if (isRange) change({ range });
  else byId("range-high").reportValidity();
}

/** Show the state in the controls. */
export function showControls({ section, layer, open }) {
  byId("palette").value = state.palette;
  const given = givenRange(state.range);
  const isComparable = section.kinds.includes("difference") || section.kinds.length === 1;
  const rule = isComparable ? state.range : "separate"; // units that differ have no common scale
  byId("range").value = given ? "given" : rule;
  byId("range").querySelector("[value=shared]").disabled = !isComparable;
  byId("range-ends").hidden = given === null;
  if (given) [byId("range-low").value, byId("range-high").value] = given;
  byId("opacity").value = state.opacity;
  byId("tissue").checked = state.tissue;
  byId("tissue").disabled = section.slide === null;
  byId("mask").checked = state.mask;
  byId("layer").value = layer ? state.layer : "";
  for (const button of byId("toggles").children) {
    const { panel } = button.dataset;
    button.setAttribute("aria-pressed", String(open.includes(panel)));
    button.hidden = panel === "layer" ? !layer : !section.kinds.includes(panel);
  }
  byId("toggles").hidden = !layer && section.kinds.length === 1; // one panel is always open
}

/** The facts and evidence that a section has. */
export function fillLayers({ facts, evidence }) {
  byId("layer-section").hidden = facts.length + evidence.length === 0;
  const group = (label, options) => {
    const box = made("optgroup");
    box.label = label;
    box.append(...options.map(([value, text]) => option(value, text)));
    return box;
  };
  byId("layer").replaceChildren(option("", "nothing"));
  if (facts.length) byId("layer").append(group("facts", facts.map(({ name, title }) => [`fact:${name}`, title])));
  for (const { name, title, labels } of evidence) {
    byId("layer").append(group(title, labels.map((label, at) => [`evidence:${name}:${at}`, label])));
  }
}

export function option(value, text) {
  return Object.assign(made("option", text), { value });
}
