/* The panels as one PNG, with titles, colours and scale bars. */

import { legendTexts } from "./legend.js";
import { PALETTES } from "./palettes.js";
import { save } from "./region.js";

const [GAP, TITLE_PX, LEGEND_PX] = [16, 34, 44];

/** Save what is seen, in black on white; `words` stand below it. */
export function savePicture(panels, words, name) {
  const boxes = panels.map(({ map }) => map.getBoundingClientRect());
  const columns = [...new Set(boxes.map((box) => Math.round(box.left)))].length;
  const [width, height] = [boxes[0].width, boxes[0].height];
  const rows = Math.ceil(panels.length / columns);
  const canvas = document.createElement("canvas");
  const ratio = Math.max(window.devicePixelRatio || 1, 2);
  canvas.width = Math.round(ratio * (columns * (width + GAP) + GAP));
  canvas.height = Math.round(ratio * (rows * (height + TITLE_PX + LEGEND_PX + GAP) + GAP + 20));
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  panels.forEach((panel, at) => {
    const x = GAP + (at % columns) * (width + GAP);
    const y = GAP + Math.floor(at / columns) * (height + TITLE_PX + LEGEND_PX + GAP);
    drawPanel(context, panel, { x, y, width, height, ratio });
  });
  context.fillStyle = "#57606a";
  context.font = "12px system-ui, sans-serif";
  context.fillText(words, GAP, canvas.height / ratio - 12);
  return new Promise((resolve) => canvas.toBlob((blob) => { save(name, blob); resolve(); }, "image/png"));
}

function drawPanel(context, panel, { x, y, width, height, ratio }) {
  context.fillStyle = "#1b1f24";
  context.font = "600 15px system-ui, sans-serif";
  context.fillText(panel.box.querySelector("figcaption").textContent, x, y + 20, width);
  panel.drawInto(context, x, y + TITLE_PX, ratio);
  context.strokeStyle = "#d0d7de";
  context.strokeRect(x, y + TITLE_PX, width, height);
  if (panel.scene?.values) drawRamp(context, panel.scene, { x, y: y + TITLE_PX + height + 8, width });
}

function drawRamp(context, { values, scale, unit }, { x, y, width }) {
  if (values.isEmpty) return;
  const ramp = context.createLinearGradient(x, 0, x + width, 0);
  const stops = PALETTES[scale.palette];
  stops.forEach((stop, at) => ramp.addColorStop(at / (stops.length - 1), stop));
  context.fillStyle = ramp;
  context.fillRect(x, y, width, 10);
  context.fillStyle = "#57606a";
  context.font = "12px system-ui, sans-serif";
  legendTexts(values, scale, unit).forEach((text, at) => {
    context.textAlign = ["left", "center", "right"][at];
    context.fillText(text, x + (width * at) / 2, y + 26);
  });
  context.textAlign = "left";
}
