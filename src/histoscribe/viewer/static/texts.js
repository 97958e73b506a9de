/* Words about the section: warnings, gene, findings. */

import { byId, count, length, made, nameOf, score } from "./format.js";
import { trustWords } from "./genes.js";

export const SCORE = "pcc_given_depth on held-out patients";

/** What the section is, and what its prediction warns about. */
export function showSection(section) {
  const { places, mpp, unit, slide, shape, diameter_px, genes, warnings, measured_unit, predictor } = section;
  const size = mpp ? `${length(diameter_px * mpp)} wide` : `${diameter_px} px wide, of unknown size in µm`;
  const values = measured_unit && measured_unit !== unit ? `${unit} (measured: ${measured_unit})` : unit;
  const ground = slide ? `slide of ${count(slide.width)} × ${count(slide.height)} px` : "no slide: places only";
  byId("about").textContent = `${section.id}: ${count(places.n)} ${shape}, each ${size}; ${count(genes.length)} genes in ${values}, predicted by ${predictor}; ${ground}.`;
  const box = byId("warnings");
  box.hidden = warnings.length === 0;
  box.querySelector("summary").textContent = warnings.length === 1 ? "1 warning" : `${warnings.length} warnings`;
  box.querySelector("ul").replaceChildren(...warnings.map((text) => made("li", text)));
  showMask(section);
  showFindings(section.findings);
}

function showMask({ trusted, places }) {
  byId("mask-row").hidden = trusted === null;
  if (trusted === null) {
    byId("mask-words").textContent = "This prediction does not say which places are unlike the training.";
    return;
  }
  const n = trusted.codes.reduce((sum, _, place) => sum + Number(trusted.at(place) !== 1), 0);
  byId("mask-words").textContent = `${count(n)} of ${count(places.n)} places are unlike it.`;
}

/** Symbol, score and trust of the gene. */
export function showGene(gene, section) {
  const box = byId("gene-words");
  const name = made("b", nameOf(gene));
  const parts = [name, gene.symbol && gene.symbol !== gene.id ? ` (${gene.id})` : ""];
  if (gene.score === null) parts.push(": no score on held-out patients.");
  else parts.push(`: ${SCORE} ${score(gene.score)}, ${trustWords(gene)}.`);
  if (gene.undefined_why) parts.push(` No map: ${gene.undefined_why}.`);
  if (section.kinds.includes("measured") && !gene.measured) parts.push(" It was not measured in this section.");
  box.replaceChildren(...parts);
}

function showFindings(findings) {
  byId("findings-section").hidden = findings.length === 0;
  byId("findings").replaceChildren(...findings.map(({ question, title, text, image }) => {
    const box = made("details", "", "finding");
    box.append(made("summary", title), made("p", question, "soft"));
    box.append(...text.split(/\n\s*\n/).map((part) => made("p", part)));
    if (image) {
      const picture = made("img");
      Object.assign(picture, { src: image, alt: title, loading: "lazy" });
      box.append(picture);
    }
    return box;
  }));
}
