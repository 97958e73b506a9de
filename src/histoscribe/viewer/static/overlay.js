/* What lies over the places: scale bar, the mark of a place, the line of a region. */

import { length } from "./format.js";
import { SMALLEST_PX } from "./points.js";

const MARK = "#b3261e";

/** Draw over a lens, in CSS pixels. */
export function drawOverlay(context, lens, { line, isOpen, marks, mpp, diameter }) {
  if (line.length >= 4) drawLine(context, lens, line, isOpen);
  for (const [x, y] of marks) drawRing(context, lens, x, y, diameter);
  if (mpp) drawScaleBar(context, lens, mpp);
}

function toPanel(lens, x, y) {
  return [(x - lens.left) * lens.zoom, (y - lens.top) * lens.zoom];
}

function drawLine(context, lens, line, isOpen) {
  context.beginPath();
  for (let at = 0; at < line.length; at += 2) context.lineTo(...toPanel(lens, line[at], line[at + 1]));
  if (!isOpen) context.closePath();
  stroke(context, 2);
}

function drawRing(context, lens, x, y, diameter) {
  const radius = Math.max((diameter / 2) * lens.zoom, SMALLEST_PX) + 3;
  context.beginPath();
  context.arc(...toPanel(lens, x, y), radius, 0, 2 * Math.PI);
  stroke(context, 2.5);
}

/** A red line with a white rim, which is seen on any tissue. */
function stroke(context, width) {
  for (const [style, wide] of [["#fff", width + 2.5], [MARK, width]]) {
    context.strokeStyle = style;
    context.lineWidth = wide;
    context.stroke();
  }
}

/** A bar of a round length, at most a quarter of the panel. */
function drawScaleBar(context, lens, mpp) {
  const umPerPx = mpp / lens.zoom;
  const longest = (lens.width / 4) * umPerPx;
  const power = 10 ** Math.floor(Math.log10(longest));
  const um = [5, 2, 1].map((step) => step * power).find((step) => step <= longest * 1.0000001);
  const [left, bottom, pixels] = [14, lens.height - 14, um / umPerPx];
  const text = length(um);
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = "rgba(255, 255, 255, 0.85)";
  context.fillRect(left - 6, bottom - 22, Math.max(pixels, context.measureText(text).width) + 12, 30);
  context.fillStyle = "#000";
  context.fillRect(left, bottom - 2, pixels, 3);
  context.fillText(text, left, bottom - 7);
}
