/* The part of a section that the maps show: one for all of them, moved by hand or keys. */

const lens = { frame: null, x: 0, y: 0, umPerPx: 1, whole: 1, width: 1, height: 1, least: 1 };
const STEP = 1.4; // of one press on + or -

/** Show the whole section in panels of this many pixels. */
function fitLens(view, width, height) {
  const frame = view.frame;
  lens.frame = frame;
  Object.assign(lens, { width, height });
  lens.whole = Math.max(frame.width / width, frame.height / height);
  lens.least = Math.min(view.diameter / 40, lens.whole); // a spot is 40 px wide at most
  Object.assign(lens, { umPerPx: lens.whole, x: frame.left + frame.width / 2, y: frame.top + frame.height / 2 });
}

const toPixel = (x, y) => [(x - lens.x) / lens.umPerPx + lens.width / 2, (y - lens.y) / lens.umPerPx + lens.height / 2];
const toUm = (left, top) => [lens.x + (left - lens.width / 2) * lens.umPerPx, lens.y + (top - lens.height / 2) * lens.umPerPx];

/** Zoom so that the place below this pixel stays there. */
function zoomLens(times, left = lens.width / 2, top = lens.height / 2) {
  const [x, y] = toUm(left, top);
  lens.umPerPx = Math.min(Math.max(lens.umPerPx / times, lens.least), lens.whole);
  moveLensTo(x - (left - lens.width / 2) * lens.umPerPx, y - (top - lens.height / 2) * lens.umPerPx);
}

function moveLens(right, down) {
  moveLensTo(lens.x + right * lens.umPerPx, lens.y + down * lens.umPerPx);
}

function moveLensTo(x, y) {
  const { left, top, width, height } = lens.frame;
  lens.x = clamped(x, left, width, lens.width);
  lens.y = clamped(y, top, height, lens.height);
}

/** The middle of the lens stays where its edges do not pass those of the section. */
function clamped(middle, start, length, pixels) {
  const half = (pixels * lens.umPerPx) / 2;
  return 2 * half >= length ? start + length / 2 : Math.min(Math.max(middle, start + half), start + length - half);
}

/** Mouse, fingers and keys on a map; `redraw` after each move, `point` where a spot is read. */
function watchLens(canvas, redraw, point) {
  const pointers = new Map();
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, at(event));
    canvas.setPointerCapture(event.pointerId);
    point(...toUm(...at(event)));
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    const now = at(event);
    if (before) drag(pointers, event.pointerId, before, now);
    if (before) redraw();
    else point(...toUm(...now));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  canvas.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    zoomLens(event.deltaY < 0 ? 1.15 : 1 / 1.15, ...at(event));
    redraw();
  }, { passive: false });
  canvas.addEventListener("dblclick", () => { zoomLens(0); redraw(); });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !pressed(event.key)) return;
    event.preventDefault();
    redraw();
    point(lens.x, lens.y);
  });
  canvas.addEventListener("focus", () => { if (canvas.matches(":focus-visible")) point(lens.x, lens.y); });
}

function drag(pointers, id, before, now) {
  const other = [...pointers].find(([key]) => key !== id)?.[1];
  const apart = ([left, top]) => Math.hypot(left - other[0], top - other[1]);
  if (other) zoomLens(apart(now) / Math.max(apart(before), 1), ...other);
  else moveLens(before[0] - now[0], before[1] - now[1]);
  pointers.set(id, now);
}

/** Whether the key moves the lens; it is moved. */
function pressed(key) {
  const keys = {
    ArrowLeft: () => moveLens(-lens.width / 10, 0), ArrowRight: () => moveLens(lens.width / 10, 0),
    ArrowUp: () => moveLens(0, -lens.height / 10), ArrowDown: () => moveLens(0, lens.height / 10),
    "+": () => zoomLens(STEP), "=": () => zoomLens(STEP), "-": () => zoomLens(1 / STEP), 0: () => zoomLens(0),
  };
  keys[key]?.();
  return key in keys;
}
