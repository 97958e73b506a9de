/* Measured, predicted and their difference, on the tissue. */

const PANELS = ["measured", "predicted", "difference"];
const maps = { turn: 0, view: null, layers: null, marked: null };

async function drawMaps(state) {
  if (!element("map-panels")) return;
  const turn = (maps.turn += 1);
  const view = data.maps.views[state.view];
  const predicted = view.predicted[state.model];
  if (!("DecompressionStream" in window)) {
    element("map-words").textContent =
      "This browser is too old for the maps: open the page in Chrome 80, Firefox 113, Safari 16.4 or a newer one.";
    element("map-panels").hidden = element("map-spot").hidden = true;
    return;
  }
  element("map-words").textContent = mapWords(state, view);
  await readPlaces(view);
  const values = [
    await valuesOf(view.measured, state.gene, view.nSpots), await valuesOf(predicted, state.gene, view.nSpots),
  ];
  const image = state.tissue ? await imageOf(view.tissue) : null;
  if (turn !== maps.turn) return; // another choice was made while this one was read
  element("map-panels").hidden = values.some((of) => of === null);
  element("map-spot").hidden = element("map-panels").hidden;
  if (element("map-panels").hidden) return;
  maps.layers = layersOf(view, values, image, state);
  titles(state, view, values).forEach((title, panel) => { element(`map-${PANELS[panel]}-title`).textContent = title; });
  PANELS.forEach((name, panel) => drawRamp(element(`map-${name}-ramp`), maps.layers[panel], data.unitName));
  if (maps.view !== view) fitMaps(view);
  maps.view = view;
  redrawMaps();
}

async function readPlaces(view) {
  if (view.x) return;
  view.x = await unpack(view.places, 0, 2, view.nSpots);
  view.y = await unpack(view.places, 1, 2, view.nSpots);
  const pad = 1.5 * view.diameter;
  const [left, top] = [least(view.x) - pad, least(view.y) - pad];
  view.frame = { left, top, width: most(view.x) + pad - left, height: most(view.y) + pad - top };
}

/** What each panel draws: its values, their colours, and the range of these. */
function layersOf(view, [measured, predicted], image, state) {
  const difference = measured.map((value, spot) => (
    isKnown(value) && isKnown(predicted[spot]) ? predicted[spot] - value : null));
  const signed = data.maps.signed;
  const rangeOf = (values) => (signed ? aroundZero(colourRange(values)) : colourRange(values));
  const isShared = state.scale === "shared";
  const both = rangeOf([...measured, ...predicted]);
  const palette = signed ? "signed" : "rising";
  // one scale: as many units from grey to full colour as the maps beside it have
  const width = signed ? both[1] : both[1] - both[0];
  return [
    { values: measured, range: isShared ? both : rangeOf(measured), palette },
    { values: predicted, range: isShared ? both : rangeOf(predicted), palette },
    { values: difference, range: isShared ? [-width, width] : aroundZero(colourRange(difference)), palette: "difference" },
  ].map((layer) => ({ ...layer, view, image }));
}

function titles(state, view, [, predicted]) {
  const maps = view.predicted[state.model];
  const score = (metric) => number(sectionScore(maps, metric, state.gene), 2);
  const scores = isConstant(predicted)
    ? "the same value in every spot, so it finds no pattern"
    : `pcc ${score("pcc")}, given depth ${score("pcc_given_depth")} in this section`;
  return [
    `${data.genes[state.gene]}, measured in ${nameOf(view)}`,
    `predicted by ${state.model}: ${scores}`,
    "predicted minus measured",
  ];
}

function mapWords(state, view) {
  const name = data.genes[state.gene];
  const predicted = view.predicted[state.model];
  if (!predicted) return `${noMaps(state.model)} Choose another model.`;
  if (!view.measured.genes.includes(state.gene)) {
    const elsewhere = data.maps.views.find((other) => other.measured.genes.includes(state.gene));
    return elsewhere
      ? `${name} is not in the panel of ${nameOf(view)}; see ${nameOf(elsewhere)}.`
      : `${name} has no map on this page: not all genes fit. Choose a gene that the list does not call "no map".`;
  }
  if (!predicted.genes.includes(state.gene)) {
    return `This page has no map of ${name} by ${state.model}: not all fit. It has the one of ${data.best}.`;
  }
  const without = data.leaky ? "" : ", which was fitted without this patient";
  return `${name} in ${nameOf(view)}: measured, and predicted by ${state.model}${without}. ` +
    `Over the spots of this section pcc is ${number(sectionScore(predicted, "pcc", state.gene))} ` +
    `and pcc_given_depth ${number(sectionScore(predicted, "pcc_given_depth", state.gene))}.` +
    (view.tissue ? "" : " The picture of its tissue is not on this page.");
}

/** Why a model has no maps at all. */
function noMaps(model) {
  return modelNamed(model).isReference
    ? `${model} is a reference, no model: it has no maps.`
    : `This page has no maps of ${model}: only those of ${data.best} fit.`;
}

/** Panels as wide as their place, in the shape of the section. */
function fitMaps(view) {
  const width = Math.max(element("map-measured").clientWidth, 100);
  const height = Math.min(width * (view.frame.height / view.frame.width), 0.75 * window.innerHeight, 640);
  fitLens(view, width, Math.max(height, 100));
}

function redrawMaps() {
  PANELS.forEach((name, panel) => {
    const canvas = element(`map-${name}`);
    canvas.classList.toggle("zoomed", lens.umPerPx < lens.whole);
    drawPanel(canvas, { ...maps.layers[panel], marked: maps.marked });
  });
  element("map-spot").textContent = spotWords();
}

/** Mark the spot at a place in um, and read it out; no place, no mark. */
function pointAt(x, y) {
  maps.marked = x === null ? null : nearest(maps.view, x, y);
  redrawMaps();
}

/** The spot whose centre is nearest, if it is less than a spot away from the place. */
function nearest(view, x, y) {
  let [best, least] = [null, (2 * view.diameter) ** 2];
  view.x.forEach((of, spot) => {
    const apart = (of - x) ** 2 + (view.y[spot] - y) ** 2;
    if (apart < least) [best, least] = [spot, apart];
  });
  return best;
}

function spotWords() {
  const spot = maps.marked;
  if (spot === null) return "Point at a spot to read its values.";
  const [measured, predicted, difference] = maps.layers.map(({ values }) => values[spot]);
  const compared = isKnown(measured)
    ? `measured ${digits(measured)}, predicted ${digits(predicted)}, difference ${digits(difference)}`
    : `not measured, predicted ${digits(predicted)}`;
  return `Spot at x ${maps.view.x[spot].toFixed(0)} µm, y ${maps.view.y[spot].toFixed(0)} µm: ${compared}`;
}

function startMaps() {
  if (!element("map-panels")) return;
  PANELS.forEach((name) => watchLens(element(`map-${name}`), redrawMaps, pointAt));
  const onPress = { "zoom-in": STEP, "zoom-out": 1 / STEP, "zoom-all": 0 };
  for (const [id, times] of Object.entries(onPress)) {
    element(id).addEventListener("click", () => {
      zoomLens(times);
      redrawMaps();
    });
  }
}
