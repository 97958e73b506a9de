/* Search of a gene: symbols, with the score and the trust of each. */

import { byId, count, made, nameOf, score } from "./format.js";

const MOST_ROWS = 80;
const SIGNS = { "above chance": "●", "not above chance": "○" };

/** How far the score of a gene is to be trusted, as a sign and words. */
export function trustWords({ trust }) {
  return trust === "unknown" ? "trust unknown" : `${SIGNS[trust]} ${trust}`;
}

/** Genes in the order of their score, unknown ones last and by name. */
export function byScore(genes) {
  const rank = (gene) => gene.score ?? -Infinity;
  return [...genes].sort((a, b) => rank(b) - rank(a) || nameOf(a).localeCompare(nameOf(b)) || a.id.localeCompare(b.id));
}

/** Genes that match a text, exact names first, then those that begin with it. */
export function matching(genes, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return genes;
  const placeOf = (gene) => {
    const names = [nameOf(gene).toLowerCase(), gene.id.toLowerCase()];
    if (names.includes(wanted)) return 0;
    if (names.some((name) => name.startsWith(wanted))) return 1;
    return names.some((name) => name.includes(wanted)) ? 2 : 3;
  };
  return [0, 1, 2].flatMap((place) => genes.filter((gene) => placeOf(gene) === place));
}

/** A text field with a list, after the pattern of a combobox. */
export class GeneSearch {
  constructor(onChoice) {
    Object.assign(this, { onChoice, genes: [], rows: [], active: -1, gene: null });
    [this.field, this.list] = [byId("gene-search"), byId("gene-list")];
    this.field.addEventListener("focus", () => { this.field.select(); this.open(""); });
    this.field.addEventListener("input", () => this.open(this.field.value));
    this.field.addEventListener("blur", () => this.close());
    this.field.addEventListener("keydown", (event) => this.press(event));
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus
      const row = event.target.closest("[role=option]");
      if (row) this.take(this.rows[Number(row.dataset.at)]);
    });
  }

  /** Show a gene of a section, which has genes of its own. */
  show(gene, genes) {
    if (this.panel !== genes) this.genes = byScore(genes);
    Object.assign(this, { gene, panel: genes });
    this.field.value = nameOf(gene);
  }

  /** The gene that many steps lower in the order of the scores. */
  step(by) {
    const at = this.genes.indexOf(this.gene) + by;
    if (this.genes[at]) this.onChoice(this.genes[at]);
  }

  open(text) {
    const found = matching(this.genes, text);
    this.rows = found.slice(0, MOST_ROWS);
    this.list.replaceChildren(...this.rows.map((gene, at) => rowOf(gene, at)));
    if (found.length === 0) this.list.append(made("li", "no gene of this name", "soft"));
    if (found.length > MOST_ROWS) this.list.append(made("li", `and ${count(found.length - MOST_ROWS)} more: type a part of the name`, "soft"));
    this.list.hidden = false;
    this.field.setAttribute("aria-expanded", "true");
    this.mark(text ? 0 : Math.max(this.rows.indexOf(this.gene), 0));
  }

  close() {
    this.list.hidden = true;
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
    if (this.gene) this.field.value = nameOf(this.gene);
  }

  mark(at) {
    this.list.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
    this.active = Math.min(Math.max(at, 0), this.rows.length - 1);
    const row = this.list.querySelector(`[data-at="${this.active}"]`);
    row?.setAttribute("aria-selected", "true");
    row?.scrollIntoView({ block: "nearest" });
    if (row) this.field.setAttribute("aria-activedescendant", row.id);
  }

  press(event) {
    const keys = {
      ArrowDown: () => this.mark(this.active + 1), ArrowUp: () => this.mark(this.active - 1),
      PageDown: () => this.mark(this.active + 8), PageUp: () => this.mark(this.active - 8),
      Enter: () => this.rows[this.active] && this.take(this.rows[this.active]),
      Escape: () => this.field.blur(),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.list.hidden && event.key.startsWith("Arrow")) this.open("");
    else keys[event.key]();
  }

  take(gene) {
    this.onChoice(gene);
    this.field.blur();
  }
}

function rowOf(gene, at) {
  const row = made("li");
  Object.assign(row, { id: `gene-row-${at}` });
  row.dataset.at = at;
  row.setAttribute("role", "option");
  row.setAttribute("aria-selected", "false");
  row.append(made("b", nameOf(gene)), made("span", score(gene.score), "number"), made("small", trustWords(gene)));
  return row;
}
