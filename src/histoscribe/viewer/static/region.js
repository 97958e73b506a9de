/* A region: a line around places, drawn by hand, and what is inside it. */

import { byId, count, digits, made } from "./format.js";
import { summaryOf } from "./values.js";

const APART_PX = 5; // of two corners of the line, on the screen
const MOST_ROWS = 200;

/** Draw a line on any panel while the tool is on; `onLine` gets x, y, x, y ... in slide px. */
export class Lasso {
  constructor(panels, onLine, redraw) {
    Object.assign(this, { panels, onLine, redraw, isOn: false, line: [] });
    for (const panel of Object.values(panels.all)) this.watch(panel);
    byId("lasso").addEventListener("click", () => this.turn(!this.isOn));
  }

  turn(isOn) {
    this.isOn = isOn;
    this.line = [];
    byId("lasso").setAttribute("aria-pressed", String(isOn));
    byId("stage").classList.toggle("drawing", isOn);
    this.redraw();
  }

  watch(panel) {
    const { canvas } = panel.over;
    let last = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      last = [event.clientX, event.clientY];
      this.line = panel.at(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last || Math.hypot(event.clientX - last[0], event.clientY - last[1]) < APART_PX) return;
      last = [event.clientX, event.clientY];
      this.line.push(...panel.at(event));
      this.redraw();
    });
    canvas.addEventListener("pointerup", () => {
      const line = this.line.map((number) => Math.round(number * 10) / 10);
      last = null;
      this.turn(false);
      if (line.length >= 6) this.onLine(line);
    });
    canvas.addEventListener("pointercancel", () => { last = null; this.turn(false); });
  }
}

/** Means inside and outside, and the places, as tables. */
export function showRegion(isIn, layers, section) {
  byId("region-empty").hidden = isIn !== null;
  byId("region-tables").hidden = isIn === null;
  if (!isIn) return;
  const n = isIn.reduce((sum, is) => sum + is, 0);
  byId("region-count").textContent = `${count(n)} of ${count(isIn.length)} places are inside.`;
  byId("region-means").replaceChildren(...Object.entries(layers).map(([, { label, values }]) => {
    const [inside, outside] = [summaryOf(values, (at) => isIn[at]), summaryOf(values, (at) => !isIn[at])];
    return row("th", [label, mean(inside), inside.deviation === null ? "—" : digits(inside.deviation), mean(outside)]);
  }));
  const places = placesOf(isIn);
  const head = ["place", ...Object.values(layers).map(({ label }) => label)];
  byId("region-head").replaceChildren(...head.map((text) => made("th", text)));
  byId("region-places").replaceChildren(...places.slice(0, MOST_ROWS).map((place) => (
    row("th", [nameOfPlace(section, place), ...Object.values(layers).map(({ values }) => digits(values.at(place)))]))));
  byId("region-more").textContent = n > MOST_ROWS ? `The first ${MOST_ROWS} of ${count(n)}; the file has all.` : "";
  byId("region-csv").onclick = () => save(`${section.id}_region.csv`, new Blob([csv(places, layers, section)], { type: "text/csv" }));
}

function mean({ n, mean: value }) {
  return n ? digits(value) : "—";
}

function nameOfPlace({ ids }, place) {
  return ids?.[place] ?? String(place);
}

function placesOf(isIn) {
  const places = [];
  isIn.forEach((is, place) => { if (is) places.push(place); });
  return places;
}

function row(first, texts) {
  const line = made("tr");
  line.append(...texts.map((text, at) => made(at ? "td" : first, text)));
  return line;
}

function csv(places, layers, section) {
  const { xy } = section.places;
  const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
  const head = ["place", "x_px", "y_px", ...Object.values(layers).map(({ title }) => quoted(title))];
  const lines = places.map((place) => [
    quoted(nameOfPlace(section, place)), xy[2 * place], xy[2 * place + 1], ...Object.values(layers).map(({ values }) => values.at(place) ?? ""),
  ]);
  return `${[head, ...lines].map((line) => line.join(",")).join("\n")}\n`;
}

/** Give a file to the browser's downloads. */
export function save(name, blob) {
  const link = made("a");
  link.href = URL.createObjectURL(blob);
  link.download = name.replaceAll(/[^\w.-]+/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
