/* Numbers and names in words. */

/** A value with three digits and a true minus sign. */
export function digits(value) {
  return value === null ? "no value" : String(Number(value.toPrecision(3))).replace("-", "−");
}

/** A score with two decimals. */
export function score(value) {
  return value === null ? "—" : value.toFixed(2).replace("-", "−");
}

/** A whole number with thin groups of three. */
export function count(number) {
  return number.toLocaleString("en");
}

/** A length in a round unit. */
export function length(um) {
  return um >= 1000 ? `${Number((um / 1000).toPrecision(3))} mm` : `${Number(um.toPrecision(3))} µm`;
}

export function nameOf(gene) {
  return gene.symbol || gene.id;
}

/** An element with its text; texts of a file are never read as HTML. */
export function made(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

export const byId = (id) => document.getElementById(id);
