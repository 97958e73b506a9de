/* The pickers, the address of the page, and what follows a choice. */

const state = {
  gene: data.marked.best ?? 0, model: data.best, score: "pcc_given_depth", view: 0,
  scale: "shared", tissue: true,
};
const withMap = new Set(data.maps.views.flatMap((view) => view.measured.genes));

function fill(select, options) {
  select.replaceChildren(...options.map(({ value, text, isOff }) => Object.assign(new Option(text, value), { disabled: Boolean(isOff) })));
}

function geneOption(name, gene) {
  const marks = Object.entries(data.marked).filter(([, place]) => place === gene).map(([mark]) => mark);
  const mapped = withMap.size === 0 || withMap.has(gene);
  const said = [...marks, ...(mapped ? [] : ["no map"])].join(", ");
  return { value: String(gene), text: said ? `${name} (${said})` : name };
}

/** A model can be chosen if it has a map of the gene, or if the page has no maps at all. */
function modelOption({ name, isReference }) {
  const views = data.maps.views;
  if (isReference) return { value: name, text: `${name} (a reference: no map)`, isOff: true };
  const maps = views.filter((view) => view.measured.genes.includes(state.gene)).map((view) => view.predicted[name]);
  if (maps.length === 0 || maps.some((of) => of?.genes.includes(state.gene))) return { value: name, text: name };
  const why = views.some((view) => view.predicted[name]) ? "its map of this gene does not fit" : "its maps do not fit";
  return { value: name, text: `${name} (${why} on this page)`, isOff: true };
}

/** Gene, model and section, as the address has them. */
function addressOf() {
  const view = data.maps.views[state.view];
  const parts = { gene: data.ids[state.gene], model: state.model };
  if (view) parts.section = view.section;
  if (view && view.fold !== null) parts.fold = view.fold;
  return `#${new URLSearchParams(parts)}`;
}

/** Follow the address; words about what this page does not have. */
function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const [gene, model, section] = [parts.get("gene"), parts.get("model"), parts.get("section")];
  const places = {
    gene: gene === null ? state.gene : [data.ids, data.genes].map((names) => names.indexOf(gene)).find((at) => at >= 0) ?? -1,
    model: model === null || (modelNamed(model) && !modelNamed(model).isReference) ? 0 : -1,
    section: section === null ? state.view : data.maps.views.findIndex((view) => (
      view.section === section && (!parts.has("fold") || view.fold === parts.get("fold")))),
  };
  if (places.gene >= 0) state.gene = places.gene;
  if (places.model >= 0) state.model = model ?? state.model;
  if (places.section >= 0) state.view = places.section;
  const lost = Object.keys(places).filter((name) => places[name] < 0);
  const words = element("address-words");
  words.hidden = lost.length === 0;
  words.textContent = lost.map((name) => `The address names the ${name} ${parts.get(name)}, which this page does not have.`).join(" ");
}

/** Change the choice, draw it, and keep it in the address. */
function change(parts) {
  Object.assign(state, parts);
  element("address-words").hidden = true;
  drawAll();
  const address = addressOf();
  if (location.hash !== address) location.hash = address;
}

const choose = (gene) => change({ gene });

function drawAll() {
  fill(element("pick-model"), data.models.map(modelOption));
  element("pick-gene").value = String(state.gene);
  element("pick-model").value = element("table-model").value = state.model;
  if (element("pick-view")) element("pick-view").value = String(state.view);
  drawGenes(state, choose);
  drawMaps(state);
  drawTargets(state);
  drawTable(state, choose);
}

function step(by) {
  // in the order of the scores of the model shown; genes without a score come last
  const scores = modelNamed(state.model)[state.score];
  const order = data.genes.map((_, gene) => gene)
    .sort((a, b) => (scores[b] ?? -2) - (scores[a] ?? -2) || a - b);
  const next = order.indexOf(state.gene) + by;
  if (next >= 0 && next < order.length) choose(order[next]);
}

/** Colours of the charts are those of the moment: of light, dark or paper. */
function recolour() {
  drawAll();
  drawModels();
  drawDepth();
}

function onChange(id, handler) {
  element(id)?.addEventListener("change", (event) => handler(event.target));
}

function startPickers() {
  fill(element("pick-gene"), data.genes.map(geneOption));
  fill(element("table-model"), data.models.map(({ name, isReference }) => (
    { value: name, text: isReference ? `${name} (a reference)` : name, isOff: isReference })));
  if (element("pick-view")) fill(element("pick-view"), data.maps.views.map((view, place) => ({ value: String(place), text: nameOf(view) })));
  onChange("pick-gene", ({ value }) => choose(Number(value)));
  onChange("pick-view", ({ value }) => change({ view: Number(value) }));
  onChange("pick-model", ({ value }) => change({ model: value }));
  onChange("table-model", ({ value }) => change({ model: value }));
  onChange("pick-score", ({ value }) => change({ score: value }));
  onChange("pick-scale", ({ value }) => change({ scale: value }));
  onChange("pick-tissue", ({ checked }) => change({ tissue: checked }));
  element("better").addEventListener("click", () => step(-1));
  element("worse").addEventListener("click", () => step(1));
  element("table-search").addEventListener("input", ({ target }) => {
    table.query = target.value;
    drawTable(state, choose);
  });
  element("table-all").addEventListener("click", () => {
    table.isWhole = !table.isWhole;
    drawTable(state, choose);
  });
  document.querySelectorAll(".thumbs a").forEach((link) => {
    link.addEventListener("click", () => element("maps").scrollIntoView()); // its address chooses the map
  });
  element("table-csv").addEventListener("click", () => saveTable(state));
}

function start() {
  startPickers();
  startMaps();
  readAddress();
  recolour();
  window.addEventListener("hashchange", () => {
    if (!location.hash.includes("=") || location.hash === addressOf()) return; // a link inside the page
    readAddress();
    drawAll();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  window.matchMedia("print").addEventListener("change", ({ matches }) => {
    document.documentElement.classList.toggle("paper", matches);
    recolour();
  });
  let settled = 0;
  window.addEventListener("resize", () => {
    // panels keep the shape of the section and spots their size in um: both follow the width
    clearTimeout(settled);
    settled = setTimeout(() => { maps.view = null; drawMaps(state); }, 200);
  });
}

document.querySelectorAll(".charts").forEach((part) => { part.hidden = false; });
start();
