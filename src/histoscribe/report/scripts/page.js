/* The pickers, and what follows a choice. */

const picker = (id) => document.getElementById(id);
const state = {
  gene: data.marked.best ?? 0, model: data.best, score: "pcc_given_depth", view: 0,
  scale: "shared", tissue: true,
};

function fill(select, options, chosen) {
  for (const { value, text } of options) select.add(new Option(text, value, false, value === chosen));
}

const withMap = new Set(data.maps.views.flatMap((view) => view.genes));

function geneOption(name, gene) {
  const marks = Object.entries(data.marked).filter(([, place]) => place === gene).map(([mark]) => mark);
  const mapped = withMap.size === 0 || withMap.has(gene);
  const said = [...marks, ...(mapped ? [] : ["no map"])].join(", ");
  return { value: String(gene), text: said ? `${name} (${said})` : name };
}

function choose(gene) {
  state.gene = gene;
  picker("pick-gene").value = String(gene);
  drawAll();
}

function drawAll() {
  drawGenes(state, choose);
  drawMaps(state);
  drawTargets(state);
}

function step(by) {
  // in the order of the scores of the model shown; genes without a score come last
  const scores = modelNamed(state.model)[state.score];
  const order = data.genes.map((_, gene) => gene)
    .sort((a, b) => (scores[b] ?? -2) - (scores[a] ?? -2) || a - b);
  const next = order.indexOf(state.gene) + by;
  if (next >= 0 && next < order.length) choose(order[next]);
}

function start() {
  fill(picker("pick-gene"), data.genes.map(geneOption), String(state.gene));
  fill(picker("pick-model"), data.models.map(({ name }) => ({ value: name, text: name })), state.model);
  fill(picker("pick-view"), data.maps.views.map(({ name }, i) => ({ value: String(i), text: name })), "0");
  picker("pick-gene").addEventListener("change", (event) => choose(Number(event.target.value)));
  picker("pick-view").addEventListener("change", (event) => {
    state.view = Number(event.target.value);
    drawMaps(state);
  });
  for (const name of ["model", "score"]) {
    picker(`pick-${name}`).addEventListener("change", (event) => {
      state[name] = event.target.value;
      drawAll();
    });
  }
  picker("pick-scale").addEventListener("change", (event) => {
    state.scale = event.target.value;
    drawMaps(state);
  });
  picker("pick-tissue").addEventListener("change", (event) => {
    state.tissue = event.target.checked;
    drawMaps(state);
  });
  picker("better").addEventListener("click", () => step(-1));
  picker("worse").addEventListener("click", () => step(1));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawAll();
    drawDepth();
  });
  let settled = 0;
  window.addEventListener("resize", () => {
    // panels keep the shape of the section and spots their size in um: both follow the width
    clearTimeout(settled);
    settled = setTimeout(() => drawMaps(state), 200);
  });
  drawAll();
  drawDepth();
}

document.querySelectorAll(".charts").forEach((part) => { part.hidden = false; });
start();
