/* From values to colours: the range and the palette of each panel. */

import { rangeBetween } from "./values.js";

const LOW = 0.01; // shares of the values that one extreme place must not stretch the colours by
const HIGH = 0.99;

/** Colours of each layer by name: { low, high, palette }. Values of unlike units share no scale. */
export function scalesOf(layers, state, isComparable) {
  const names = ["measured", "predicted"].filter((name) => layers[name]);
  const given = givenRange(state.range);
  const isSeparate = state.range === "separate" || !isComparable;
  const scales = {};
  for (const name of names) {
    const alike = isComparable ? names.map((other) => layers[other]) : [layers[name]];
    const isSigned = alike.some((values) => values.low < 0);
    const palette = state.palette === "auto" ? (isSigned ? "signed" : "cividis") : state.palette;
    const isAround = isSigned || palette === "signed";
    const isGiven = given && (isComparable || name === "predicted");
    const [low, high] = isGiven ? given : rangeOf(isSeparate ? [layers[name]] : alike, isAround);
    scales[name] = { low, high, palette, isAround };
  }
  if (layers.difference) scales.difference = differenceScale(layers.difference, scales.predicted, isSeparate);
  if (layers.layer) scales.layer = layerScale(layers.layer);
  return scales;
}

/** Low and high that the user gave, e.g. "0.5,2"; null for a rule. */
export function givenRange(text) {
  const parts = text.split(",").map(Number);
  return text.includes(",") && parts.length === 2 && parts.every(Number.isFinite) && parts[0] < parts[1] ? parts : null;
}

/** As many units from grey to full colour as the maps beside it have, unless each has its own. */
function differenceScale(values, { low, high, isAround }, isSeparate) {
  const far = isSeparate ? around(rangeBetween([values], LOW, HIGH))[1] : isAround ? high : high - low;
  return { low: -far, high: far, palette: "difference" };
}

function layerScale(values) {
  const isSigned = values.low < 0 && values.high > 0;
  const [low, high] = rangeOf([values], isSigned);
  return { low, high, palette: isSigned ? "signed" : "cividis" };
}

function rangeOf(layers, isAround) {
  if (layers.length === 0) return [0, 1];
  const range = rangeBetween(layers, LOW, HIGH);
  return isAround ? around(range) : widened(range);
}

function widened([low, high]) {
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}

/** The same distance below and above zero. */
function around([low, high]) {
  const far = Math.max(Math.abs(low), Math.abs(high)) || 1;
  return [-far, far];
}
