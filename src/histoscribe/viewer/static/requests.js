/* What the server sends: JSON, places and one-byte values. All addresses are relative to the page. */

import { Values } from "./values.js";

const KEPT = 48; // layers of values that stay in memory; each takes one byte a place
const kept = new Map();

/** The server is gone, or does not have this. */
export class NoAnswer extends Error {}

async function answer(address) {
  let response;
  try {
    response = await fetch(address);
  } catch {
    throw new NoAnswer("The server does not answer: “histoscribe view” was stopped. Start it again and open the address that it prints.");
  }
  if (!response.ok) throw new NoAnswer(`The server answered ${response.status} for ${address}: ${await response.text()}`);
  return response;
}

export const json = async (address) => (await answer(address)).json();
export const floats = async (address) => new Float32Array(await (await answer(address)).arrayBuffer());

/** Values of a layer; the last ones are kept. */
export async function values(address) {
  const known = kept.get(address);
  kept.delete(address); // the latest is the last of the map
  const layer = known ?? Values.read(await (await answer(address)).arrayBuffer());
  kept.set(address, layer);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return layer;
}
