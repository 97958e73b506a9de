/* The state of the view, kept in the fragment of the address: a link shows the same. */

export const INITIAL = {
  section: "", gene: "", panels: "", layer: "", palette: "auto", range: "shared",
  opacity: 90, tissue: true, mask: false, place: null, lasso: [], view: null,
};

const READ = {
  opacity: (text) => Math.min(Math.max(whole(text) ?? INITIAL.opacity, 0), 100),
  tissue: (text) => text !== "no",
  mask: (text) => text === "yes",
  place: whole,
  lasso: numbers,
  view: (text) => (numbers(text).length === 3 && numbers(text)[2] > 0 ? numbers(text) : null),
};
const WRITE = {
  tissue: (is) => (is ? "yes" : "no"),
  mask: (is) => (is ? "yes" : "no"),
  lasso: (points) => points.join(","),
  view: (view) => view.map((number) => Number(number.toPrecision(7))).join(","),
};

function whole(text) {
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}

function numbers(text) {
  const parts = text.split(",").map(Number);
  return text && parts.every(Number.isFinite) ? parts : [];
}

/** The state of an address; what it does not name has its initial value. */
export function stateOf(fragment) {
  const parts = new URLSearchParams(fragment.replace(/^#/, ""));
  return Object.fromEntries(Object.entries(INITIAL).map(([name, initial]) => {
    const text = parts.get(name);
    if (text === null) return [name, initial];
    return [name, READ[name] ? READ[name](text) : text];
  }));
}

/** The address of a state, without what is as at the start. */
export function fragmentOf(state) {
  const parts = new URLSearchParams();
  for (const [name, initial] of Object.entries(INITIAL)) {
    const value = state[name];
    if (value === null || value === initial || value.length === 0) continue;
    parts.set(name, WRITE[name] ? WRITE[name](value) : String(value));
  }
  return `#${parts.toString().replaceAll("%2C", ",").replaceAll("%3A", ":")}`;
}
