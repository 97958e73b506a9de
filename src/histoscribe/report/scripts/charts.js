/* Charts of the page in one manner: its colours, no animation, and a click that chooses. */

const drawn = new Map();

/** Draw or draw again; `config` is Chart.js's, and `marks` draws under its data. */
function drawChart(id, { datasets, x, y, legend = false, label, onClick, marks }) {
  drawn.get(id)?.destroy();
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12 };
  Chart.defaults.color = colour("ink");
  Chart.defaults.font = { ...Chart.defaults.font, ...font };
  drawn.set(id, new Chart(element(id), {
    type: "scatter",
    data: { datasets },
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "nearest", intersect: true },
      scales: { x: axisOf(x), y: axisOf(y) },
      onClick: (event, points) => points.length && onClick?.(points[0]),
      plugins: {
        legend: { display: legend, position: "bottom", labels: { boxWidth: 18, boxHeight: 2 } },
        tooltip: { displayColors: false, callbacks: { label } },
      },
    },
    plugins: marks ? [{ id: "marks", beforeDatasetsDraw: (chart) => inside(chart, marks) }] : [],
  }));
}

function axisOf({ title, grid = {}, ...rest }) {
  return {
    title: { display: Boolean(title), text: title },
    grid: { color: colour("line"), ...grid },
    border: { color: colour("soft") },
    ...rest,
  };
}

function inside(chart, marks) {
  const { ctx, chartArea } = chart;
  ctx.save();
  ctx.beginPath();
  ctx.rect(chartArea.left, chartArea.top, chartArea.width, chartArea.height);
  ctx.clip();
  marks(ctx, chart.scales, chartArea);
  ctx.restore();
}

function segment(ctx, from, to, style, width = 2) {
  ctx.strokeStyle = style;
  ctx.lineWidth = width;
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
}
