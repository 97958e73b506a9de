/* Measured beside predicted, on the tissue. */

const PANELS = ["map-measured", "map-predicted"];
const MARGIN = { l: 12, r: 12, t: 30, b: 88 };
let passingOn = false; // a zoom of one panel moves the other, which must not move the first again

function drawMaps(state) {
  const view = data.maps.views[state.view];
  const place = view ? view.genes.indexOf(state.gene) : -1;
  const predicted = view && view.predicted[state.model];
  document.getElementById("map-panels").hidden = place < 0 || !predicted;
  document.getElementById("map-words").textContent = mapWords(state, view, place);
  if (place < 0 || !predicted) return;
  const n = view.x.length;
  const values = [unpack(view.measured, place, n), unpack(predicted, place, n)];
  const shared = colourRange([...values[0], ...values[1]]);
  const gene = data.genes[state.gene];
  const titles = [
    `${gene}, measured in ${view.name}`,
    `${gene}, predicted by ${state.model}: pcc ${number(scoreAt(view, state, "pcc", place), 2)}, ` +
      `given depth ${number(scoreAt(view, state, "pcc_given_depth", place), 2)} in this section`,
  ];
  PANELS.forEach((id, panel) => {
    const range = state.scale === "shared" ? shared : colourRange(values[panel]);
    document.getElementById(`${id}-title`).textContent = titles[panel];
    drawPanel(document.getElementById(id), view, values[panel], range, state);
  });
}

function scoreAt(view, state, metric, place) {
  return view.scores[state.model][metric][place];
}

function mapWords(state, view, place) {
  const name = data.genes[state.gene];
  if (!view) return "This run has no stored values for maps.";
  if (!view.predicted[state.model]) {
    return `This page has no maps of ${state.model}, only of ${data.maps.models.join(", ")}.`;
  }
  if (place < 0) {
    const elsewhere = data.maps.views.findIndex((other) => other.genes.includes(state.gene));
    return elsewhere < 0
      ? `${name} has no map on this page: not all genes fit. Choose a gene that the list does not call "no map".`
      : `${name} is not in the panel of ${view.name}; see ${data.maps.views[elsewhere].name}.`;
  }
  const without = data.leaky ? "" : ", which was fitted without this patient";
  return `${name} in ${view.name}: measured, and predicted by ${state.model}${without}. ` +
    `Over the spots of this section pcc is ${number(scoreAt(view, state, "pcc", place))} ` +
    `and pcc_given_depth ${number(scoreAt(view, state, "pcc_given_depth", place))}.` +
    (view.tissue ? "" : " The picture of its tissue is not on this page.");
}

function drawPanel(box, view, values, range, state) {
  const frame = frameOf(view);
  const inner = Math.max(box.clientWidth - MARGIN.l - MARGIN.r, 100);
  const height = Math.min(inner * (frame.height / frame.width), 0.75 * window.innerHeight, 720);
  const layout = layoutOf({
    margin: MARGIN,
    height: height + MARGIN.t + MARGIN.b,
    plot_bgcolor: "#fff", // the scanner's white, in the dark too
    xaxis: frameAxis([frame.left, frame.left + frame.width], { constrain: "domain" }),
    yaxis: frameAxis([frame.top + frame.height, frame.top], { scaleanchor: "x", constrain: "domain" }),
    images: state.tissue && view.tissue ? [tissueImage(view.tissue)] : [],
    dragmode: "pan",
    showlegend: false,
    uirevision: `view-${state.view}`, // another gene keeps the zoom, another section does not
  });
  Plotly.react(box, spotTraces(view, values, range), layout, { ...CONFIG, scrollZoom: false }).then(() => {
    box.removeAllListeners("plotly_relayout");
    box.on("plotly_relayout", () => passOn(box, view));
    fitSpots(box, view);
  });
}

/** The spots with a margin, in um. */
function frameOf(view) {
  const pad = 1.5 * view.diameter;
  const [left, right] = [least(view.x) - pad, most(view.x) + pad];
  const [top, bottom] = [least(view.y) - pad, most(view.y) + pad];
  return { left, top, width: right - left, height: bottom - top };
}

function frameAxis(range, extra) {
  return {
    range, autorange: false, showgrid: false, zeroline: false, ticks: "outside", nticks: 5,
    ticksuffix: " µm", tickfont: { size: 10 }, showticklabels: !extra.scaleanchor, ...extra,
  };
}

function tissueImage(tissue) {
  return {
    source: tissue.uri, xref: "x", yref: "y", x: tissue.left, y: tissue.top,
    sizex: tissue.right - tissue.left, sizey: tissue.bottom - tissue.top,
    sizing: "stretch", opacity: 0.55, layer: "below",
  };
}

/** Bins are squares; bins and cells are small, and a line around them would cover them. */
function markOf(view, line) {
  return {
    symbol: view.shape === "squares" ? "square" : "circle",
    line: { ...line, width: view.shape === "circles" ? line.width : 0.1 },
  };
}

function spotTraces(view, values, range) {
  const known = values.map((_, spot) => spot).filter((spot) => values[spot] !== null);
  const unknown = values.map((_, spot) => spot).filter((spot) => values[spot] === null);
  const at = (spots) => ({ x: spots.map((s) => view.x[s]), y: spots.map((s) => view.y[s]) });
  return [
    {
      type: "scatter", mode: "markers", ...at(known),
      hovertemplate: "%{marker.color:.3g}<br>x %{x:.0f}, y %{y:.0f} µm<extra></extra>",
      marker: {
        color: known.map((spot) => values[spot]), colorscale: "Cividis", cmin: range[0], cmax: range[1],
        ...markOf(view, { width: 0.5, color: "#fff" }),
        colorbar: {
          orientation: "h", x: 0.5, y: 0, yanchor: "top", ypad: 26, thickness: 10, len: 0.9,
          tickfont: { size: 10 }, outlinewidth: 0,
          title: { text: plain(data.unitName), side: "bottom", font: { size: 11 } },
        },
      },
    },
    {
      type: "scatter", mode: "markers", ...at(unknown), hovertemplate: "not measured<extra></extra>",
      marker: { color: "rgba(0,0,0,0)", ...markOf(view, { width: 1, color: "#000" }) },
    },
  ];
}

/** Spots keep their true size at every zoom; at least 3 px, so that they are seen. */
function fitSpots(box, view) {
  const { xaxis, yaxis, height } = box.layout;
  const span = (axis) => Math.abs(axis.range[1] - axis.range[0]);
  const perUm = Math.min(
    (box.clientWidth - MARGIN.l - MARGIN.r) / span(xaxis),
    (height - MARGIN.t - MARGIN.b) / span(yaxis),
  );
  Plotly.restyle(box, { "marker.size": Math.max(3, view.diameter * perUm) });
}

function passOn(box, view) {
  fitSpots(box, view);
  if (passingOn) return;
  const other = document.getElementById(PANELS.find((id) => id !== box.id));
  const change = {
    "xaxis.range": [...box.layout.xaxis.range],
    "yaxis.range": [...box.layout.yaxis.range],
  };
  passingOn = true;
  Plotly.relayout(other, change).then(() => { passingOn = false; });
}
