/* The run's numbers, and how they are read. */

const data = JSON.parse(document.getElementById("run-data").textContent);
const element = (id) => document.getElementById(id);
const inflated = new Map();

for (const view of data.maps.views) {
  // the best model has maps of all genes of the view, the others of the shared ones
  view.measured.genes = view.genes;
  for (const [model, maps] of Object.entries(view.predicted)) maps.genes = model === data.best ? view.genes : view.shared;
}

// spread into Math.min, the places of a large section are more arguments than a browser takes
const least = (values) => values.reduce((low, value) => Math.min(low, value), Infinity);
const most = (values) => values.reduce((high, value) => Math.max(high, value), -Infinity);
const isKnown = (value) => value !== null && value !== undefined;

/** A score for a sentence, with a true minus sign. */
function number(value, digits = 3) {
  return isKnown(value) ? value.toFixed(digits).replace("-", "−") : "undefined";
}

/** A value of a map, with three digits. */
function digits(value) {
  return isKnown(value) ? String(Number(value.toPrecision(3))).replace("-", "−") : "not measured";
}

function percent(share) {
  return isKnown(share) ? `${(100 * share).toFixed(0)} %` : "an unknown share";
}

function modelNamed(name) {
  return data.models.find((model) => model.name === name);
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** Bytes of packed columns, unpacked by the browser on first use. */
function inflate(packed) {
  if (!inflated.has(packed)) {
    const stream = new Blob([bytesOf(packed.deflated)]).stream()
      .pipeThrough(new DecompressionStream("deflate"));
    inflated.set(packed, new Response(stream).arrayBuffer());
  }
  return inflated.get(packed);
}

/** One column of packed values: null where unknown. */
async function unpack(packed, column, nColumns, nSpots) {
  const buffer = await inflate(packed);
  const ends = new Float32Array(buffer, 0, 2 * nColumns);
  const isByte = packed.levels <= 254;
  const Code = isByte ? Uint8Array : Uint16Array;
  const start = 8 * nColumns + column * nSpots * Code.BYTES_PER_ELEMENT;
  const [low, high] = [ends[column], ends[nColumns + column]];
  const unknown = isByte ? 255 : 65535;
  const step = (high - low) / packed.levels;
  return Array.from(new Code(buffer, start, nSpots), (code) => (code === unknown ? null : low + code * step));
}

/** Values of a gene in the measured or predicted maps of a view; null if they are not on the page. */
async function valuesOf(maps, gene, nSpots) {
  const place = maps ? maps.genes.indexOf(gene) : -1;
  return place < 0 ? null : unpack(maps, place, maps.genes.length, nSpots);
}

/** Score of a gene in the section of a view; null where undefined. */
function sectionScore(maps, metric, gene) {
  const codes = new Int16Array(bytesOf(maps.scores[metric]).buffer);
  const code = codes[maps.genes.indexOf(gene)];
  return code === -32768 ? null : code / 1000;
}

function nameOf(view) {
  const name = `section ${view.section} (patient ${view.patient})`;
  return view.fold === null ? name : `${name}, fold ${view.fold}`;
}
