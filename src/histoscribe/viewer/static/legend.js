/* The colours of a panel with their values. */

import { digits, made } from "./format.js";
import { PALETTES } from "./palettes.js";
import { UNDEFINED } from "./values.js";

/** Show the ramp of a scale below a panel. */
export function showLegend(box, values, scale, unit) {
  const [bar, ticks] = [made("div"), made("p")];
  bar.style.background = backgroundOf(values, scale);
  ticks.append(...legendTexts(values, scale, unit).map((text) => made("span", text)));
  box.replaceChildren(bar, ticks);
}

/** Texts at the left, in the middle and at the right of the ramp. */
export function legendTexts(values, { low, high }, unit) {
  if (values.isEmpty) return ["", "no value is defined", ""];
  if (values.isConstant) return ["", `constant: ${digits(constantOf(values))} ${unit}`.trim(), ""];
  const middle = [low === -high ? "0" : "", unit].filter(Boolean).join(" · ");
  return [digits(low), middle, digits(high)];
}

function backgroundOf(values, { low, high, palette }) {
  const stops = PALETTES[palette];
  if (values.isEmpty) return "none";
  if (!values.isConstant) return `linear-gradient(to right, ${stops.join(",")})`;
  const share = Math.min(Math.max((constantOf(values) - low) / (high - low), 0), 1);
  return stops[Math.round(share * (stops.length - 1))];
}

function constantOf(values) {
  return values.at(values.codes.findIndex((code) => code !== UNDEFINED));
}
