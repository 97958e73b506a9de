/* Colours of values. The first three are those of the report; readers with any colour vision tell
   their steps apart. */

export const PALETTES = {
  cividis: ["#00224e", "#003170", "#2a3f6d", "#434e6c", "#575d6d", "#6a6c71", "#7d7c78", "#918b78",
    "#a59c74", "#bcae6c", "#d2c060", "#e9d34e", "#fee838"],
  signed: ["#053061", "#1c5c9f", "#3783bb", "#6bacd1", "#a7d0e4", "#d7e8f1", "#eeeeee", "#fcdfcf",
    "#f7b799", "#e48066", "#c94741", "#a51429", "#67001f"],
  difference: ["#2d004b", "#4d207d", "#70589f", "#988dbe", "#bfbbda", "#dddfed", "#eeeeee", "#fde4c0",
    "#fdc57f", "#ef9e3c", "#d0730f", "#aa5306", "#7f3b08"],
  viridis: ["#440154", "#481f70", "#443983", "#3b528b", "#31688e", "#287c8e", "#21918c", "#20a486",
    "#35b779", "#5ec962", "#90d743", "#c8e020", "#fde725"],
  magma: ["#000004", "#100b2d", "#2c115f", "#51127c", "#721f81", "#932b80", "#b73779", "#d8456c",
    "#f1605d", "#fc8961", "#feb078", "#fed799", "#fcfdbf"],
  greys: ["#f5f5f5", "#111111"],
};
export const STEPS = 256;

/** Red, green, blue and opacity of each step. */
export function tableOf(name) {
  const stops = PALETTES[name];
  const table = new Uint8Array(4 * STEPS);
  for (let step = 0; step < STEPS; step += 1) table.set(between(stops, step / (STEPS - 1)), 4 * step);
  return table;
}

function between(stops, share) {
  const place = share * (stops.length - 1);
  const left = Math.min(Math.floor(place), stops.length - 2);
  const channel = (hex, at) => parseInt(hex.slice(at, at + 2), 16);
  const mixed = [1, 3, 5].map((at) => {
    const [from, to] = [channel(stops[left], at), channel(stops[left + 1], at)];
    return Math.round(from + (place - left) * (to - from));
  });
  return [...mixed, 255];
}
