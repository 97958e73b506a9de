/* Models compared: a dot a patient, by the two headline scores. */

function drawModels() {
  data.dots.forEach((dots, place) => {
    element(`box-models-${place}`).style.height = `${7 + 2.1 * dots.rows.length}rem`;
    drawDots(`chart-models-${place}`, dots);
  });
}

function drawDots(id, { patients, rows, band, lines }) {
  const order = byMean(rows);
  const mean = { label: "mean", pointStyle: "rectRot", radius: 7, hoverRadius: 8, data: [] };
  const dot = { label: "patients", radius: 4, hoverRadius: 6, data: [] };
  order.forEach((row, y) => {
    row.dots.forEach((x, patient) => {
      if (isKnown(x)) dot.data.push({ x, y, text: `${row.model}, patient ${patients[patient]}: ${number(x)}` });
    });
    if (isKnown(row.mean)) mean.data.push({ x: row.mean, y, text: meanText(row, patients.length) });
  });
  drawChart(id, {
    datasets: [
      { ...dot, backgroundColor: `${colour("above")}99`, borderColor: colour("above") },
      { ...mean, backgroundColor: colour("ink"), borderColor: colour("back") },
    ],
    x: { grace: "5%" },
    y: {
      min: -1.3, max: order.length - 0.4, // room for the names of the lines on top
      reverse: true, grid: { display: false },
      afterBuildTicks: (axis) => { axis.ticks = order.map((_, value) => ({ value })); },
      ticks: { autoSkip: false, callback: (y) => order[y]?.model },
    },
    label: ({ raw }) => raw.text,
    marks: (ctx, scales, area) => {
      if (band) bandOf(ctx, scales, area, band);
      lines.forEach((line, place) => lineOf(ctx, scales, area, line, place));
      order.forEach((row, y) => {
        if (isKnown(row.low)) {
          const at = scales.y.getPixelForValue(y);
          segment(ctx, [scales.x.getPixelForValue(row.low), at], [scales.x.getPixelForValue(row.high), at], colour("ink"), 3);
        }
      });
    },
  });
}

/** The best first, by mean; both charts have the same order, that of the first score. */
function byMean(rows) {
  const means = new Map(data.dots.find(({ metric }) => metric === "pcc_given_depth").rows.map(({ model, mean }) => [model, mean]));
  return [...rows].sort((a, b) => (means.get(b.model) ?? -2) - (means.get(a.model) ?? -2));
}

function meanText({ model, mean, low, high }, nPatients) {
  const interval = isKnown(low) ? `, 95 % interval ${number(low)} to ${number(high)}` : "";
  return `${model}, mean of ${nPatients} patients: ${number(mean)}${interval}`;
}

function bandOf(ctx, { x }, area, [low, high]) {
  ctx.fillStyle = colour("chance");
  const [left, right] = [x.getPixelForValue(low), x.getPixelForValue(high)];
  ctx.fillRect(left, area.top, Math.max(right - left, 1), area.height);
}

/** A line over all models; its name on top, on the side where there is room. */
function lineOf(ctx, { x }, area, { name, value }, place) {
  const at = x.getPixelForValue(value);
  ctx.setLineDash(place ? [2, 3] : [6, 3]);
  segment(ctx, [at, area.top], [at, area.bottom], colour("soft"), 1.5);
  ctx.setLineDash([]);
  ctx.font = `11px ${Chart.defaults.font.family}`;
  const width = ctx.measureText(name).width;
  const left = at > (area.left + area.right) / 2 ? at - width - 5 : at + 5;
  const bottom = area.top + 12 + 14 * place;
  ctx.fillStyle = colour("back"); // the name of one line may lie on the other
  ctx.fillRect(left - 2, bottom - 10, width + 4, 13);
  ctx.fillStyle = colour("soft");
  ctx.fillText(name, left, bottom);
}
