/* Every gene's score against what makes genes easy or hard. */

const FACTS = [
  { chart: "chart-detection", fact: "detection_rate", title: "share of spots with the gene" },
  { chart: "chart-skewness", fact: "skewness", title: "skewness (0: symmetric)" },
];

function drawGenes(state, choose) {
  const model = modelNamed(state.model);
  for (const { chart, fact, title } of FACTS) drawScatter(chart, model, data.facts[fact], title, state, choose);
  describeGene(state, model);
}

function drawScatter(chart, model, x, title, state, choose) {
  const y = model[state.score];
  const genes = data.genes.map((_, gene) => gene).filter((gene) => isKnown(x[gene]) && isKnown(y[gene]));
  const ring = (gene) => colour(isAboveBand(model, gene) ? "above" : "soft");
  const chosen = genes.filter((gene) => gene === state.gene);
  drawChart(chart, {
    datasets: [
      {
        data: chosen.map((gene) => ({ x: x[gene], y: y[gene], gene })),
        radius: 8, hoverRadius: 8, borderWidth: 3, borderColor: colour("chosen"), backgroundColor: "transparent",
      },
      {
        data: genes.map((gene) => ({ x: x[gene], y: y[gene], gene })),
        radius: 4, hoverRadius: 6, borderWidth: 1.2,
        borderColor: genes.map(ring),
        backgroundColor: genes.map((gene) => (isAboveChance(model, gene) ? colour("above") : "transparent")),
      },
    ],
    x: { title },
    y: { title: state.score },
    label: ({ raw }) => geneHover(raw.gene, model),
    onClick: ({ datasetIndex, index }) => choose((datasetIndex === 0 ? chosen : genes)[index]),
    marks: (ctx, scales) => {
      // the shuffled runs are summarised for pcc_given_depth only
      if (state.score === "pcc_given_depth") genes.forEach((gene) => drawBand(ctx, scales, x[gene], gene));
    },
  });
}

/** A grey line a gene: where 95 of 100 shuffled runs of it lie. */
function drawBand(ctx, scales, x, gene) {
  const [low, high] = [data.facts.null_low[gene], data.facts.null_high[gene]];
  if (!isKnown(low) || !isKnown(high)) return;
  const at = scales.x.getPixelForValue(x);
  segment(ctx, [at, scales.y.getPixelForValue(low)], [at, scales.y.getPixelForValue(high)], colour("chance"));
}

/** Above 97.5 % of the shuffled runs of the gene. */
function isAboveBand(model, gene) {
  const [score, high] = [model.pcc_given_depth[gene], data.facts.null_high[gene]];
  return isKnown(score) && isKnown(high) && score > high;
}

/** Above its band, after correction over the genes too. */
function isAboveChance(model, gene) {
  return isAboveBand(model, gene) && isKnown(model.q[gene]) && model.q[gene] < data.chanceQ;
}

function geneHover(gene, model) {
  const facts = data.facts;
  return [
    data.genes[gene],
    `pcc ${number(model.pcc[gene])}`,
    `pcc_given_depth ${number(model.pcc_given_depth[gene])}`,
    `by chance ${number(facts.null_low[gene])} to ${number(facts.null_high[gene])}`,
    `q ${number(model.q[gene])}`,
    `detected in ${percent(facts.detection_rate[gene])} of spots`,
    `skewness ${number(facts.skewness[gene], 2)}`,
  ];
}

function describeGene(state, model) {
  const gene = state.gene;
  const q = model.q[gene];
  const above = !isKnown(q) ? "its chance level is unknown" : isAboveChance(model, gene)
    ? "above its band, and above chance after correction over the genes"
    : isAboveBand(model, gene) ? "above its band, which up to one gene in 12 is by chance" : "inside its band or below";
  element("gene-words").textContent =
    `${data.genes[gene]}, predicted by ${model.name}: pcc ${number(model.pcc[gene])}, ` +
    `pcc_given_depth ${number(model.pcc_given_depth[gene])}, q ${number(q)}: ${above}. ` +
    `It is detected in ${percent(data.facts.detection_rate[gene])} of spots.` +
    (gene === data.marked.best
      ? ` It was chosen as the best gene of ${data.best} on these same spots, so it looks better than it is: the median gene is typical.`
      : "");
}
