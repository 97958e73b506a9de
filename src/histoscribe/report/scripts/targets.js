/* What there is to predict: the values of a gene, and how many molecules spots caught. */

function drawTargets(state) {
  const found = data.histograms;
  if (!found) return;
  const [low, high] = [found.low[state.gene], found.high[state.gene]];
  const spots = found.spots.map((group) => group[state.gene]);
  const bins = spots[0].length;
  const edges = Array.from({ length: bins + 1 }, (_, edge) => low + (edge * (high - low)) / bins);
  drawShares("chart-values", found.groups, edges, spots, { title: data.unitName });
  element("chart-values-title").textContent = `${data.genes[state.gene]}: measured values`;
}

function drawDepth() {
  if (!data.histograms) return;
  const { edges, groups, spots } = data.histograms.depth;
  drawShares("chart-depth", groups, edges.map((edge) => 10 ** edge), spots, {
    title: "total count of a spot (logarithmic)", type: "logarithmic",
  });
}

function drawShares(chart, groups, edges, spots, x) {
  const datasets = groups.map((name, group) => {
    const total = spots[group].reduce((sum, n) => sum + n, 0) || 1;
    const share = spots[group].map((n) => n / total);
    const points = [...share, share[share.length - 1]].map((y, edge) => ({ x: edges[edge], y, total }));
    const line = LINES[group % LINES.length];
    return {
      label: name, data: points, showLine: true, stepped: "after", borderWidth: 2, borderColor: line,
      backgroundColor: line, pointRadius: 0, pointHitRadius: 6,
    };
  });
  drawChart(chart, {
    datasets,
    legend: true,
    x: { min: edges[0], max: edges[edges.length - 1], ...x },
    y: { title: "share of spots", min: 0, ticks: { callback: (share) => percent(share) } },
    label: ({ dataset, raw }) => `${dataset.label}: ${(100 * raw.y).toFixed(1)} % of ${raw.total} spots from ${digits(raw.x)}`,
  });
}
