/* Colours of maps, which colour-blind readers can tell apart, and of the page. */

const PALETTES = {
  // Cividis: lightness grows with the value
  rising: ["#00224e", "#003170", "#2a3f6d", "#434e6c", "#575d6d", "#6a6c71", "#7d7c78", "#918b78",
    "#a59c74", "#bcae6c", "#d2c060", "#e9d34e", "#fee838"],
  // blue and red with grey at zero
  signed: ["#053061", "#1c5c9f", "#3783bb", "#6bacd1", "#a7d0e4", "#d7e8f1", "#eeeeee", "#fcdfcf",
    "#f7b799", "#e48066", "#c94741", "#a51429", "#67001f"],
  // violet and orange with grey at zero: not to be mistaken for the values themselves
  difference: ["#2d004b", "#4d207d", "#70589f", "#988dbe", "#bfbbda", "#dddfed", "#eeeeee", "#fde4c0",
    "#fdc57f", "#ef9e3c", "#d0730f", "#aa5306", "#7f3b08"],
};
const STEPS = 256;
const tables = Object.fromEntries(
  Object.entries(PALETTES).map(([name, stops]) => [name, Array.from({ length: STEPS }, (_, step) => between(stops, step / (STEPS - 1)))]),
);

function between(stops, share) {
  const place = share * (stops.length - 1);
  const [left, right] = [Math.floor(place), Math.min(Math.floor(place) + 1, stops.length - 1)];
  const channel = (hex, at) => parseInt(hex.slice(at, at + 2), 16);
  const mixed = [1, 3, 5].map((at) => {
    const [from, to] = [channel(stops[left], at), channel(stops[right], at)];
    return Math.round(from + (place - left) * (to - from));
  });
  return `rgb(${mixed.join(",")})`;
}

function mapColour(palette, [low, high], value) {
  const share = Math.min(Math.max((value - low) / (high - low), 0), 1);
  return tables[palette][Math.round(share * (STEPS - 1))];
}

/** Low and high of the colours: 1st and 99th percentile, so that one spot does not take them all. */
function colourRange(values) {
  const known = values.filter(isKnown).sort((a, b) => a - b);
  if (known.length === 0) return [0, 1];
  const at = (share) => known[Math.round(share * (known.length - 1))];
  return widened([at(0.01), at(0.99)]);
}

function widened([low, high]) {
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}

/** The same distance below and above zero. */
function aroundZero([low, high]) {
  const far = Math.max(Math.abs(low), Math.abs(high)) || 1;
  return [-far, far];
}

/** A colour of the page's style sheet, which knows light and dark; black on white in print. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const LINES = ["#3b6fb6", "#d1741c", "#2f8f5b", "#b8476b", "#7a5bb0", "#8a7a2a",
  "#2a95a5", "#a35436", "#6b7f8c", "#c03fa0", "#57941c", "#4d55c4"];
