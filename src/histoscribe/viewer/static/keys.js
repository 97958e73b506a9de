/* Keys for all that the mouse can do. */

import { byId } from "./format.js";

const STEP = 0.15; // of the panel, at one press of an arrow
const TIMES = 1.5; // at one press of + or -

/** Listen to keys outside of fields; `acts` are what each of them does. */
export function watchKeys(acts) {
  const { panels } = acts;
  const moved = (act) => () => { act(); acts.readMiddle(); };
  const keys = {
    ArrowLeft: moved(() => panels.move(-STEP, 0)), ArrowRight: moved(() => panels.move(STEP, 0)),
    ArrowUp: moved(() => panels.move(0, -STEP)), ArrowDown: moved(() => panels.move(0, STEP)),
    "+": moved(() => panels.zoom(TIMES)), "=": moved(() => panels.zoom(TIMES)), "-": moved(() => panels.zoom(1 / TIMES)),
    0: moved(() => panels.look(null, false)),
    "[": () => acts.stepGene(-1), "]": () => acts.stepGene(1),
    "/": () => byId("gene-search").focus(),
    1: () => acts.toggle("measured"), 2: () => acts.toggle("predicted"), 3: () => acts.toggle("difference"), 4: () => acts.toggle("layer"),
    t: () => byId("tissue").click(), m: () => byId("mask").click(), l: () => byId("lasso").click(), s: () => byId("picture").click(),
    "?": () => byId("help").showModal(), Escape: acts.letGo,
  };
  addEventListener("keydown", (event) => {
    const isField = event.target.closest("input:not([type=checkbox]), select, textarea, dialog");
    if (event.ctrlKey || event.metaKey || event.altKey || isField || !acts.isReady()) return;
    const act = event.key === "Enter" && event.target.matches(".map") ? acts.keepMiddle : keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
