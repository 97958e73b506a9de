/* The one state of the view. Controls change it; the page follows it. */

import { fragmentOf, stateOf } from "./address.js";

const followers = [];
export let state = stateOf(location.hash);

/** Call this after each change of the state, with the names of what changed and whether by a step
    in the history. */
export function follow(follower) {
  followers.push(follower);
}

/** Change some parts. A step of the history is made, unless the change is one of many. */
export function change(parts, { isStep = true } = {}) {
  const names = Object.keys(parts).filter((name) => String(parts[name]) !== String(state[name]));
  if (names.length === 0) return;
  state = { ...state, ...parts };
  history[isStep ? "pushState" : "replaceState"](null, "", fragmentOf(state));
  followers.forEach((follower) => follower(names, { isBack: false }));
}

addEventListener("popstate", () => {
  const before = state;
  state = stateOf(location.hash);
  const names = Object.keys(state).filter((name) => String(before[name]) !== String(state[name]));
  if (names.length) followers.forEach((follower) => follower(names, { isBack: true }));
});
