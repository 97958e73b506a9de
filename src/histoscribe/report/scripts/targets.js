/* What there is to predict: the values of a gene, and how many molecules spots caught. */

function drawTargets(state) {
  const found = data.histograms;
  if (!found) return;
  const [low, high] = [found.low[state.gene], found.high[state.gene]];
  const spots = found.spots.map((group) => group[state.gene]);
  const bins = spots[0].length;
  const edges = Array.from({ length: bins + 1 }, (_, edge) => low + (edge * (high - low)) / bins);
  drawShares("chart-values", found.groups, edges, spots, {
    axis: axisOf(data.unitName, {}),
  });
  document.getElementById("chart-values-title").textContent =
    `${data.genes[state.gene]}: measured values`;
}

function drawDepth() {
  if (!data.histograms) return;
  const { edges, groups, spots } = data.histograms.depth;
  drawShares("chart-depth", groups, edges.map((edge) => 10 ** edge), spots, {
    axis: axisOf("total count of a spot (logarithmic)", { type: "log", ...roundTicks(edges) }),
  });
}

/** Ticks at 1, 2, 5, 10, 20 ... inside the edges, which are log10. */
function roundTicks(edges) {
  const ticks = [];
  for (let power = Math.floor(edges[0]); power <= edges[edges.length - 1]; power += 1) {
    for (const step of [1, 2, 5]) ticks.push(step * 10 ** power);
  }
  return { tickvals: ticks, ticktext: ticks.map((tick) => tick.toLocaleString("en")) };
}

function drawShares(chart, groups, edges, spots, { axis }) {
  const traces = groups.map((name, group) => {
    const total = spots[group].reduce((sum, n) => sum + n, 0) || 1;
    const share = spots[group].map((n) => n / total);
    return {
      type: "scatter", mode: "lines", name: plain(name), line: { shape: "hv", width: 1.8 },
      x: edges, y: [...share, share[share.length - 1]],
      hovertemplate: `${plain(name)}: %{y:.1%} of ${total} spots from %{x:.3g}<extra></extra>`,
    };
  });
  const layout = layoutOf({
    xaxis: axis,
    yaxis: axisOf("share of spots", { tickformat: ".0%", rangemode: "tozero" }),
    legend: { orientation: "h", y: -0.28, yanchor: "top", font: { size: 11 } },
    height: 380 + 11 * groups.length,
    colorway: ["#3b6fb6", "#d1741c", "#2f8f5b", "#b8476b", "#7a5bb0", "#8a7a2a",
      "#2a95a5", "#a35436", "#6b7f8c", "#c03fa0", "#57941c", "#4d55c4"],
  });
  Plotly.react(document.getElementById(chart), traces, layout, CONFIG);
}
