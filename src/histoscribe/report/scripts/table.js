/* One table of all genes and models, that can be sorted, searched and saved. */

const FIRST_ROWS = 20;
const table = { sort: { key: "", isDown: true }, query: "", isWhole: false };

/** Columns for a choice: gene, its scores and facts for the model, then the scores of the others. */
function columnsOf({ model, score }) {
  const own = modelNamed(model);
  const facts = data.facts;
  const ids = data.genes.some((name, gene) => name !== data.ids[gene]);
  const band = (gene) => isKnown(facts.null_low[gene])
    ? `${number(facts.null_low[gene])} to ${number(facts.null_high[gene])}` : "—";
  const other = score === "pcc" ? "pcc_given_depth" : "pcc";
  const scoreOf = (of) => ({
    key: `model ${of.name}`, title: of === own ? `${score} of ${of.name}` : of.name, value: (gene) => of[score][gene],
    isOwn: of === own, isOther: of !== own, isBeside: of.isReference,
  });
  return [
    { key: "gene", title: "gene", value: (gene) => data.genes[gene] },
    ...(ids ? [{ key: "id", title: "id", value: (gene) => data.ids[gene] }] : []),
    scoreOf(own),
    { key: "band", title: "its band by chance", value: (gene) => facts.null_high[gene], text: band },
    { key: "q", title: "q", value: (gene) => own.q[gene] },
    { key: other, title: other, value: (gene) => own[other][gene] },
    { key: "detection", title: "detected in", value: (gene) => facts.detection_rate[gene], text: (gene) => percent(facts.detection_rate[gene]) },
    { key: "skewness", title: "skewness", value: (gene) => facts.skewness[gene], text: (gene) => number(facts.skewness[gene], 2) },
    ...data.models.filter((of) => of !== own).map(scoreOf),
  ];
}

/** Genes that the search leaves, in the order of the table; undefined values come last. */
function genesInOrder(columns) {
  const query = table.query.trim().toLowerCase();
  const genes = data.genes.map((_, gene) => gene)
    .filter((gene) => `${data.genes[gene]}\n${data.ids[gene]}`.toLowerCase().includes(query));
  const { value } = columns.find(({ key }) => key === table.sort.key) ?? columns.find(({ isOwn }) => isOwn);
  const sign = table.sort.isDown ? -1 : 1;
  return genes.sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    if (!isKnown(left) || !isKnown(right)) return isKnown(right) - isKnown(left) || a - b;
    const ahead = typeof left === "string" ? left.localeCompare(right, "en") : left - right;
    return sign * ahead || a - b;
  });
}

function drawTable(state, choose) {
  const columns = columnsOf(state);
  const genes = genesInOrder(columns);
  const shown = table.isWhole ? genes : genes.slice(0, FIRST_ROWS);
  const [head, body] = [document.createElement("thead"), document.createElement("tbody")];
  head.insertRow().append(...columns.map((column) => headCell(column, () => drawTable(state, choose))));
  for (const gene of shown) body.append(geneRow(gene, columns, state, choose));
  const caption = element("gene-table").caption;
  caption.textContent = `${state.model}, then the ${state.score} of the other models; means over patients. The band is that of pcc_given_depth.`;
  element("gene-table").replaceChildren(caption, head, body);
  element("table-count").textContent = `${genes.length} of ${data.genes.length} genes`;
  const all = element("table-all");
  all.hidden = genes.length <= FIRST_ROWS;
  all.textContent = table.isWhole ? `Show the first ${FIRST_ROWS} only` : `Show all ${genes.length}`;
}

function headCell(column, redraw) {
  const { key, title, isOwn } = column;
  const cell = document.createElement("th");
  const button = document.createElement("button");
  const isSorted = table.sort.key === key || (table.sort.key === "" && isOwn);
  const isText = key === "gene" || key === "id";
  cell.scope = "col";
  cell.className = classOf(column);
  cell.ariaSort = isSorted ? (table.sort.isDown ? "descending" : "ascending") : "none";
  button.type = "button";
  button.textContent = `${title}${isSorted ? (table.sort.isDown ? " ▾" : " ▴") : ""}`;
  button.addEventListener("click", () => {
    table.sort = { key, isDown: isSorted ? !table.sort.isDown : !isText };
    redraw();
    // the head is new: the focus stays on the column that was pressed
    [...element("gene-table").tHead.querySelectorAll("button")]
      .find((other) => other.textContent.startsWith(title)).focus();
  });
  cell.append(button);
  return cell;
}

/** The model chosen is marked; on paper the others are left out. */
function classOf({ isOwn, isOther, isBeside }) {
  return [isOwn && "own", isOther && "other", isBeside && "soft"].filter(Boolean).join(" ");
}

function geneRow(gene, columns, state, choose) {
  const row = document.createElement("tr");
  row.className = gene === state.gene ? "chosen" : "";
  columns.forEach((column) => {
    const { key, value, text } = column;
    const cell = document.createElement(key === "gene" ? "th" : "td");
    const worth = value(gene);
    if (key === "gene") {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = worth;
      button.setAttribute("aria-label", `${worth}: show its map`);
      cell.scope = "row";
      cell.append(button);
    } else {
      cell.textContent = text ? text(gene) : typeof worth === "number" ? number(worth) : worth ?? "—";
    }
    cell.className = classOf(column);
    row.append(cell);
  });
  row.addEventListener("click", () => {
    choose(gene);
    element("maps").scrollIntoView();
  });
  return row;
}

/** Genes of the table in its order, each with every model: the columns of genes.csv. */
function tableText(state) {
  const quoted = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const cell = (value) => (typeof value === "string" ? quoted(value) : value ?? "");
  const facts = data.facts;
  const rows = genesInOrder(columnsOf(state)).flatMap((gene) => data.models.map((model) => [
    data.genes[gene], data.ids[gene], model.name, model.pcc[gene], model.pcc_given_depth[gene],
    facts.null_low[gene], facts.null_high[gene], model.q[gene], facts.detection_rate[gene], facts.skewness[gene],
  ]));
  const head = ["symbol", "gene", "model", "pcc", "pcc_given_depth", "null_low", "null_high", "q", "detection_rate", "skewness"];
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

function saveTable(state) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([tableText(state)], { type: "text/csv" }));
  link.download = "genes.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}
