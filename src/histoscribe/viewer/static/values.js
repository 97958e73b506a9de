/* Values of all places, one byte each, as the server sends them. */

export const UNDEFINED = 255;
const STEPS = 254;

/** Low, high, and one code a place: low + code / 254 * (high - low); code 255 is undefined. */
export class Values {
  constructor(low, high, codes) {
    Object.assign(this, { low, high, codes, step: (high - low) / STEPS });
  }

  static read(buffer) {
    const ends = new DataView(buffer);
    return new Values(ends.getFloat32(0, true), ends.getFloat32(4, true), new Uint8Array(buffer, 8));
  }

  /** Value of a place; null where undefined. */
  at(place) {
    const code = this.codes[place];
    return code === UNDEFINED ? null : this.low + code * this.step;
  }

  get isEmpty() {
    return this.codes.every((code) => code === UNDEFINED);
  }

  get isConstant() {
    const known = this.codes.find((code) => code !== UNDEFINED);
    return this.codes.every((code) => code === known || code === UNDEFINED);
  }
}

/** Range of values between two shares of them, over layers that have one scale. */
export function rangeBetween(layers, lowShare, highShare) {
  const histogram = new Float64Array(STEPS + 1);
  for (const { codes } of layers) for (const code of codes) if (code !== UNDEFINED) histogram[code] += 1;
  const total = histogram.reduce((sum, number) => sum + number, 0);
  if (total === 0) return [0, 1]; // nothing is defined: any range will do
  const { low, step } = layers[0];
  const at = (share) => {
    let left = share * (total - 1);
    const code = histogram.findIndex((number) => (left -= number) < 0);
    return low + Math.max(code, 0) * step;
  };
  return [at(lowShare), at(highShare)];
}

/** Mean and standard deviation over the places that `isIn` names, by their defined values. */
export function summaryOf(values, isIn) {
  let [n, sum, squares] = [0, 0, 0];
  for (let place = 0; place < values.codes.length; place += 1) {
    if (values.codes[place] === UNDEFINED || !isIn(place)) continue;
    const value = values.low + values.codes[place] * values.step;
    n += 1;
    sum += value;
    squares += value * value;
  }
  const mean = n ? sum / n : null;
  const deviation = n > 1 ? Math.sqrt(Math.max(squares - n * mean * mean, 0) / (n - 1)) : null;
  return { n, mean, deviation };
}
