/* Every gene's score against what makes genes easy or hard. */

const FACTS = [
  { chart: "chart-detection", fact: "detection_rate", title: "share of spots with the gene" },
  { chart: "chart-skewness", fact: "skewness", title: "skewness (0: symmetric)" },
];

function modelNamed(name) {
  return data.models.find((model) => model.name === name);
}

function drawGenes(state, choose) {
  const model = modelNamed(state.model);
  const scores = model[state.score];
  // the shuffled runs are summarised for pcc_given_depth only
  const banded = state.score === "pcc_given_depth";
  for (const { chart, fact, title } of FACTS) {
    const x = data.facts[fact];
    const traces = [genesTrace(model, scores, x), chosenTrace(state.gene, scores, x)];
    if (banded) traces.unshift(bandTrace(x));
    const layout = layoutOf({
      xaxis: axisOf(title, { zeroline: false }),
      yaxis: axisOf(state.score, {}),
      showlegend: false,
      hovermode: "closest",
    });
    const box = document.getElementById(chart);
    Plotly.react(box, traces, layout, CONFIG).then(() => {
      box.removeAllListeners("plotly_click");
      box.on("plotly_click", (event) => {
        const gene = event.points[0].customdata;
        if (gene !== undefined) choose(gene);
      });
    });
  }
  describeGene(state, model);
}

/** Above 97.5 % of the shuffled runs of the gene. */
function isAboveBand(model, gene) {
  const [score, high] = [model.pcc_given_depth[gene], data.facts.null_high[gene]];
  return score !== null && high !== null && score > high;
}

/** Above its band, after correction over the genes too. */
function isAboveChance(model, gene) {
  return isAboveBand(model, gene) && model.q[gene] !== null && model.q[gene] < data.chanceQ;
}

function genesTrace(model, scores, x) {
  return {
    type: "scatter",
    mode: "markers",
    name: plain(model.name),
    x,
    y: scores,
    customdata: data.genes.map((_, gene) => gene),
    text: data.genes.map((name, gene) => geneHover(name, gene, model)),
    hovertemplate: "%{text}<extra></extra>",
    marker: {
      size: 8,
      opacity: 0.85,
      color: scores.map((_, gene) => (isAboveChance(model, gene) ? colour("above") : "rgba(0,0,0,0)")),
      line: { width: 1.2, color: scores.map((_, gene) => colour(isAboveBand(model, gene) ? "above" : "soft")) },
    },
  };
}

function geneHover(name, gene, model) {
  const facts = data.facts;
  return [
    `<b>${plain(name)}</b>`,
    `pcc ${number(model.pcc[gene])}`,
    `pcc_given_depth ${number(model.pcc_given_depth[gene])}`,
    `by chance ${number(facts.null_low[gene])} to ${number(facts.null_high[gene])}`,
    `q ${number(model.q[gene])}`,
    `seen in ${percent(facts.detection_rate[gene])} of spots`,
    `skewness ${number(facts.skewness[gene], 2)}`,
  ].join("<br>");
}

function percent(share) {
  return share === null ? "an unknown share" : `${(100 * share).toFixed(0)} %`;
}

/** A grey line a gene: where 95 of 100 shuffled runs of it lie. */
function bandTrace(x) {
  const [xs, ys] = [[], []];
  data.genes.forEach((_, gene) => {
    if (x[gene] === null || data.facts.null_low[gene] === null) return;
    xs.push(x[gene], x[gene], null);
    ys.push(data.facts.null_low[gene], data.facts.null_high[gene], null);
  });
  return {
    type: "scatter", mode: "lines", x: xs, y: ys, hoverinfo: "skip",
    line: { color: colour("chance"), width: 2 },
  };
}

function chosenTrace(gene, scores, x) {
  return {
    type: "scatter", mode: "markers+text", x: [x[gene]], y: [scores[gene]], hoverinfo: "skip",
    text: [`<b>${plain(data.genes[gene])}</b>`], textposition: onTheRight(x, gene) ? "middle left" : "middle right",
    cliponaxis: false,
    marker: { size: 15, color: "rgba(0,0,0,0)", line: { width: 2.5, color: colour("chosen") } },
  };
}

/** Whether there is more room for a name on the left of a dot. */
function onTheRight(x, gene) {
  const known = x.filter((value) => value !== null);
  const [low, high] = [least(known), most(known)];
  return x[gene] > low + 0.4 * (high - low);
}

function describeGene(state, model) {
  const gene = state.gene;
  const q = model.q[gene];
  const above = q === null ? "its chance level is unknown" : isAboveChance(model, gene)
    ? "above its band, and above chance after correction over the genes"
    : isAboveBand(model, gene) ? "above its band, which up to one gene in 12 is by chance" : "inside its band or below";
  document.getElementById("gene-words").textContent =
    `${data.genes[gene]}, predicted by ${model.name}: pcc ${number(model.pcc[gene])}, ` +
    `pcc_given_depth ${number(model.pcc_given_depth[gene])}, q ${number(q)}: ${above}. ` +
    `It is detected in ${percent(data.facts.detection_rate[gene])} of spots.` +
    (gene === data.marked.best
      ? ` It was chosen as the best gene of ${data.best} on these same spots, so it looks better than it is: the median gene is typical.`
      : "");
}
