/* What is known of one place: read at the pointer, or kept in the table. */

import { byId, digits, made } from "./format.js";
import * as requests from "./requests.js";

/** Values of a place as pairs of name and text. */
export function factsOf(place, { section, layer, layers }) {
  const { places: { xy }, mpp, distance, trusted } = section;
  const [x, y] = [xy[2 * place], xy[2 * place + 1]];
  const pairs = [[section.ids?.[place] ?? `place ${place}`, `at ${mpp ? `${Math.round(x * mpp)}, ${Math.round(y * mpp)} µm` : `${digits(x)}, ${digits(y)} px`}`]];
  for (const name of ["measured", "predicted"]) {
    if (layers[name]) pairs.push([name, name === "measured" ? measuredOf(layers[name].at(place)) : known(layers[name].at(place))]);
  }
  const difference = section.kinds.includes("difference") ? differenceAt(place, layers) : null;
  if (difference !== null) pairs.push(["difference", digits(difference)]);
  if (layer && layers.layer) pairs.push([layer.title, known(layers.layer.at(place))]);
  if (distance) pairs.push(["distance to training", known(distance.at(place))]);
  if (trusted) pairs.push(["tissue", trusted.at(place) === 1 ? "like the training" : "unlike the training"]);
  return pairs;
}

function measuredOf(value) {
  return value === null ? "not measured" : digits(value);
}

function known(value) {
  return value === null ? "undefined" : digits(value);
}

function differenceAt(place, { measured, predicted, difference }) {
  if (difference) return difference.at(place);
  if (!measured || measured.at(place) === null || predicted.at(place) === null) return null;
  return predicted.at(place) - measured.at(place);
}

/** Read a place out; null says how to. */
export function readOut(place, scene) {
  const box = byId("reading");
  const lines = factsOf(place ?? 0, scene).map(([name, text]) => `${name} ${text}`);
  box.textContent = place === null ? "Point at a place to read its values." : lines.join("\n");
  box.style.minHeight = `calc(${1.45 * lines.length}em + 1.4rem)`; // what is below must not jump
}

/** The table of the place that is kept, with its exemplars. */
export async function showPlace(place, scene) {
  byId("place-empty").hidden = place !== null;
  byId("place-kept").hidden = place === null;
  if (place === null) return;
  byId("place-values").replaceChildren(...factsOf(place, scene).map(([name, text]) => {
    const line = made("tr");
    line.append(made("th", name), made("td", text));
    return line;
  }));
  const list = byId("exemplars");
  if (list.dataset.of === `${scene.section.index}/${place}`) return;
  list.dataset.of = `${scene.section.index}/${place}`;
  list.replaceChildren();
  if (!scene.section.has_exemplars) return;
  const { exemplars } = await requests.json(`${scene.section.address}/exemplars/${place}.json`);
  if (list.dataset.of !== `${scene.section.index}/${place}`) return; // another place was clicked meanwhile
  list.replaceChildren(...exemplars.map(exemplarOf));
}

function exemplarOf({ patient, section, spot, weight, distance, image }) {
  const item = made("li");
  if (image) {
    const picture = made("img");
    Object.assign(picture, { src: image, alt: `training tile of patient ${patient}`, loading: "lazy" });
    item.append(picture);
  }
  item.append(made("b", weight === null ? `distance ${known(distance)}` : `weight ${digits(weight)}`), made("div", `patient ${patient}, section ${section}, ${spot}`, "soft"));
  return item;
}
