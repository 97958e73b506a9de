/* One map on its canvas: tissue, spots of true size, scale bar, colours. */

const SMALLEST_PX = 1.5; // radius of a spot that can still be seen
const images = new Map();

function drawPanel(canvas, { view, values, range, palette, image, marked }) {
  const ratio = window.devicePixelRatio || 1;
  canvas.style.height = `${lens.height}px`;
  canvas.width = Math.round(lens.width * ratio);
  canvas.height = Math.round(lens.height * ratio);
  const ctx = canvas.getContext("2d");
  ctx.scale(ratio, ratio);
  ctx.fillStyle = "#fff"; // the scanner's white, in the dark too
  ctx.fillRect(0, 0, lens.width, lens.height);
  if (image) drawTissue(ctx, image);
  drawSpots(ctx, view, values, (value) => mapColour(palette, range, value));
  if (marked !== null) drawRing(ctx, view, marked);
  drawScaleBar(ctx);
}

function drawTissue(ctx, { picture, left, top, right, bottom }) {
  const [[x, y], [endX, endY]] = [toPixel(left, top), toPixel(right, bottom)];
  ctx.globalAlpha = 0.55;
  ctx.drawImage(picture, x, y, endX - x, endY - y);
  ctx.globalAlpha = 1;
}

function radiusOf(view) {
  return Math.max(view.diameter / 2 / lens.umPerPx, SMALLEST_PX);
}

function drawSpots(ctx, view, values, colourAt) {
  const radius = radiusOf(view);
  const isOutlined = radius > 3 && view.shape === "circles"; // bins and cells touch one another
  values.forEach((value, spot) => {
    const [x, y] = toPixel(view.x[spot], view.y[spot]);
    if (x < -radius || y < -radius || x > lens.width + radius || y > lens.height + radius) return;
    ctx.beginPath();
    outline(ctx, view, x, y, radius);
    if (isKnown(value)) {
      ctx.fillStyle = colourAt(value);
      ctx.fill();
    }
    if (!isKnown(value) || isOutlined) {
      ctx.strokeStyle = isKnown(value) ? "rgba(0,0,0,0.25)" : "#000";
      ctx.lineWidth = isKnown(value) ? 0.5 : 1;
      ctx.stroke();
    }
  });
}

/** Bins are squares, spots and cells circles; too small to tell, all are squares, which are fast. */
function outline(ctx, view, x, y, radius) {
  if (view.shape === "squares" || radius <= SMALLEST_PX) ctx.rect(x - radius, y - radius, 2 * radius, 2 * radius);
  else ctx.arc(x, y, radius, 0, 2 * Math.PI);
}

function drawRing(ctx, view, spot) {
  const [x, y] = toPixel(view.x[spot], view.y[spot]);
  for (const [style, width] of [["#fff", 5], ["#b3261e", 2.5]]) {
    ctx.beginPath();
    ctx.arc(x, y, radiusOf(view) + 3, 0, 2 * Math.PI);
    ctx.strokeStyle = style;
    ctx.lineWidth = width;
    ctx.stroke();
  }
}

/** A bar of a round length, at most a quarter of the map. */
function drawScaleBar(ctx) {
  const longest = (lens.width / 4) * lens.umPerPx;
  const power = 10 ** Math.floor(Math.log10(longest));
  const length = [5, 2, 1].map((step) => step * power).find((um) => um <= longest);
  const [left, bottom, pixels] = [12, lens.height - 12, length / lens.umPerPx];
  const text = length >= 1000 ? `${length / 1000} mm` : `${Number(length.toPrecision(1))} µm`;
  ctx.font = "12px system-ui, sans-serif";
  ctx.fillStyle = "rgba(255,255,255,0.85)";
  ctx.fillRect(left - 6, bottom - 22, Math.max(pixels, ctx.measureText(text).width) + 12, 30);
  ctx.fillStyle = "#000";
  ctx.fillRect(left, bottom - 2, pixels, 3);
  ctx.fillText(text, left, bottom - 7);
}

/** The colours with their values; a constant map has one value only. */
function drawRamp(box, { range: [low, high], palette, values }, unit) {
  const known = values.filter(isKnown);
  const [bar, ticks] = [document.createElement("div"), document.createElement("p")];
  bar.style.background = isConstant(values)
    ? mapColour(palette, [low, high], known[0])
    : `linear-gradient(to right, ${PALETTES[palette].join(",")})`;
  const middle = palette === "rising" ? unit : `0 · ${unit}`;
  const texts = isConstant(values) ? ["", `constant: ${digits(known[0])} ${unit}`, ""] : [`${digits(low)}`, middle, `${digits(high)}`];
  ticks.append(...texts.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
  box.replaceChildren(bar, ticks);
}

function isConstant(values) {
  const known = values.filter(isKnown);
  return known.length > 0 && least(known) === most(known);
}

/** Picture of the tissue, decoded once; null without one. */
async function imageOf(tissue) {
  if (!tissue) return null;
  if (!images.has(tissue)) {
    const picture = new Image();
    picture.src = tissue.uri;
    images.set(tissue, picture.decode().then(() => ({ ...tissue, picture })));
  }
  return images.get(tissue);
}
