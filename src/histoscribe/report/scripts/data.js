/* The run's numbers, and how they are read. */

const data = JSON.parse(document.getElementById("run-data").textContent);
const LEVELS = 254; // one byte a value; the code above them is an unknown value
const bytesOf = new Map();

/** Text from data for Plotly, which reads tags and entities in its labels. */
function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

// spread into Math.min, the places of a large section are more arguments than a browser takes
const least = (values) => values.reduce((low, value) => Math.min(low, value), Infinity);
const most = (values) => values.reduce((high, value) => Math.max(high, value), -Infinity);

/** A score for a sentence, with a true minus sign. */
function number(value, digits = 3) {
  return value === null || value === undefined ? "undefined" : value.toFixed(digits).replace("-", "−");
}

/** Values of one gene (its place in the view) for every spot; null where unknown. */
function unpack(packed, gene, nSpots) {
  if (!bytesOf.has(packed)) {
    bytesOf.set(packed, Uint8Array.from(atob(packed.codes), (letter) => letter.charCodeAt(0)));
  }
  const codes = bytesOf.get(packed).subarray(gene * nSpots, (gene + 1) * nSpots);
  const low = packed.low[gene];
  const step = (packed.high[gene] - low) / LEVELS;
  return Array.from(codes, (code) => (code > LEVELS ? null : low + code * step));
}

/** Low and high of the colours: 1st and 99th percentile, so that one spot does not take them all. */
function colourRange(values) {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (known.length === 0) return [0, 1];
  const at = (share) => known[Math.round(share * (known.length - 1))];
  const [low, high] = [at(0.01), at(0.99)];
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}

/** A colour of the page's style sheet, which knows light and dark. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// a finger on a chart scrolls the page: charts are as wide as a phone, and would not let it pass
const TOUCH = window.matchMedia("(pointer: coarse)").matches;

function layoutOf({ dragmode = "zoom", ...extra }) {
  return {
    dragmode: TOUCH ? false : dragmode,
    font: { color: colour("ink"), family: "system-ui, sans-serif", size: 13 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 58, r: 12, t: 30, b: 50 },
    hoverlabel: { align: "left" },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("soft"), activecolor: colour("ink") },
    ...extra,
  };
}

function axisOf(title, extra) {
  return {
    title: { text: plain(title), standoff: 8 },
    gridcolor: colour("line"),
    zerolinecolor: colour("soft"),
    linecolor: colour("line"),
    automargin: true,
    ...extra,
  };
}

const CONFIG = {
  responsive: true,
  displaylogo: false,
  // Plotly has a button that uploads a chart to its company: data of patients stay on this page
  showSendToCloud: false,
  plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "sendChartToCloud"],
};
