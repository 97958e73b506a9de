/* Where the places of a section are: the nearest one, and those inside a line. */

/** Places in pixels of the slide, sorted into cells of a grid for fast search. */
export class Places {
  constructor(xy, diameter) {
    this.xy = xy;
    this.n = xy.length / 2;
    this.frame = frameOf(xy, diameter);
    this.cell = Math.max(diameter, Math.sqrt((this.frame.width * this.frame.height) / this.n));
    this.columns = Math.ceil(this.frame.width / this.cell);
    this.rows = Math.ceil(this.frame.height / this.cell);
    this.sort();
  }

  sort() {
    this.start = new Uint32Array(this.columns * this.rows + 1);
    for (let place = 0; place < this.n; place += 1) this.start[this.cellOf(place) + 1] += 1;
    for (let cell = 1; cell < this.start.length; cell += 1) this.start[cell] += this.start[cell - 1];
    const next = this.start.slice();
    this.order = new Uint32Array(this.n);
    for (let place = 0; place < this.n; place += 1) this.order[next[this.cellOf(place)]++] = place;
  }

  cellOf(place) {
    const [column, row] = this.columnRow(this.xy[2 * place], this.xy[2 * place + 1]);
    return row * this.columns + column;
  }

  columnRow(x, y) {
    const { left, top } = this.frame;
    return [Math.floor((x - left) / this.cell), Math.floor((y - top) / this.cell)];
  }

  /** The place whose centre is nearest, at most this far away; else null. */
  nearest(x, y, far) {
    const reach = Math.ceil(far / this.cell);
    const [column, row] = this.columnRow(x, y);
    let [best, least] = [null, far * far];
    for (let r = Math.max(row - reach, 0); r <= Math.min(row + reach, this.rows - 1); r += 1) {
      for (let c = Math.max(column - reach, 0); c <= Math.min(column + reach, this.columns - 1); c += 1) {
        const cell = r * this.columns + c;
        for (let at = this.start[cell]; at < this.start[cell + 1]; at += 1) {
          const place = this.order[at];
          const apart = (this.xy[2 * place] - x) ** 2 + (this.xy[2 * place + 1] - y) ** 2;
          if (apart <= least) [best, least] = [place, apart];
        }
      }
    }
    return best;
  }

  /** Runs of `order`, as first and number, that hold all places of a box. */
  rangesIn({ left, top, right, bottom }) {
    const [firstColumn, firstRow] = this.columnRow(left, top).map((at) => Math.max(at, 0));
    const [column, row] = this.columnRow(right, bottom);
    const [lastColumn, lastRow] = [Math.min(column, this.columns - 1), Math.min(row, this.rows - 1)];
    const ranges = [];
    for (let at = firstRow; at <= lastRow; at += 1) {
      const first = this.start[at * this.columns + firstColumn];
      const end = this.start[at * this.columns + lastColumn + 1];
      const last = ranges.at(-1);
      if (last && last[0] + last[1] === first) last[1] += end - first;
      else if (end > first) ranges.push([first, end - first]);
    }
    return ranges;
  }

  /** Whether each place lies inside a closed line of x, y, x, y ... (even-odd rule), as 1 or 0. */
  inside(line) {
    const isIn = new Uint8Array(this.n);
    for (let place = 0; place < this.n; place += 1) {
      isIn[place] = Number(isInside(line, this.xy[2 * place], this.xy[2 * place + 1]));
    }
    return isIn;
  }
}

function isInside(line, x, y) {
  let isIn = false;
  for (let at = 0, last = line.length - 2; at < line.length; last = at, at += 2) {
    const [x1, y1, x2, y2] = [line[at], line[at + 1], line[last], line[last + 1]];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) isIn = !isIn;
  }
  return isIn;
}

/** The box around all places, one and a half of them wider. */
function frameOf(xy, diameter) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < xy.length; at += 2) {
    left = Math.min(left, xy[at]);
    right = Math.max(right, xy[at]);
    top = Math.min(top, xy[at + 1]);
    bottom = Math.max(bottom, xy[at + 1]);
  }
  const pad = 1.5 * diameter;
  return { left: left - pad, top: top - pad, width: right - left + 2 * pad, height: bottom - top + 2 * pad };
}
