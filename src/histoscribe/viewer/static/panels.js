/* The panels side by side: they show the same part of the section. */

import { byId } from "./format.js";
import { Panel } from "./panel.js";

const NARROW = matchMedia("(max-width: 48rem)");

/** Whether the page has room for one panel only. */
export const isNarrow = () => NARROW.matches;

export class Panels {
  constructor(listeners) {
    this.all = {};
    for (const name of ["measured", "predicted", "difference", "layer"]) {
      this.all[name] = new Panel(byId(`panel-${name}`));
      this.watch(this.all[name], listeners);
    }
    Object.assign(this, { open: [], names: [], leader: null, section: null, wanted: null, isShaping: false, onShape: () => {} });
    new ResizeObserver(() => this.arrange()).observe(byId("stage"));
    NARROW.addEventListener("change", () => this.onShape());
  }

  watch(panel, { onView, onPoint, onPick }) {
    const { map } = panel;
    for (const kind of ["pointerdown", "wheel", "focusin"]) {
      map.addEventListener(kind, () => this.lead(panel), { capture: true, passive: true });
    }
    map.addEventListener("pointermove", (event) => onPoint(panel.at(event)), true);
    map.addEventListener("pointerleave", () => onPoint(null));
    panel.onStart = (viewer) => {
      viewer.addHandler("canvas-click", (event) => event.quick && onPick(panel.at(event.originalEvent)));
      viewer.addHandler("viewport-change", () => panel === this.leader && this.linkTo(panel));
      viewer.addHandler("resize", () => this.relink());
      viewer.addHandler("animation-finish", () => {
        if (panel !== this.leader || this.isShaping) return;
        this.wanted = this.viewMoved;
        onView(this.wanted);
      });
    };
  }

  /** The panel that the others follow. */
  lead(panel) {
    if (this.open.includes(panel)) this.leader = panel;
  }

  linkTo(leader) {
    const { viewport } = leader.viewer;
    const [zoom, centre] = [viewport.getZoom(true), viewport.getCenter(true)];
    for (const panel of this.open) {
      if (panel !== leader && panel.viewer) panel.viewer.viewport.zoomTo(zoom, null, true).panTo(centre, true);
    }
  }

  /** After a change of their size, one that each panel sees by itself, all show the same again. */
  relink() {
    this.isShaping = true;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      this.isShaping = false;
      if (!this.leader?.lens) return;
      for (const panel of this.open) if (panel.viewer) panel.measure();
      this.look(this.wanted);
    });
  }

  /** Show these panels of a section only; new ones get the view of the others. */
  async choose(section, names) {
    const open = names.map((name) => this.all[name]);
    if (this.section === section && String(names) === String(this.names)) return;
    const view = this.section === section ? this.viewMoved : null;
    Object.assign(this, { section, names, open });
    for (const [name, panel] of Object.entries(this.all)) panel.box.hidden = !names.includes(name);
    if (!this.open.includes(this.leader)) this.leader = this.open[0];
    this.arrange();
    await Promise.all(this.open.map((panel) => panel.open(section)));
    for (const panel of this.open) panel.measure();
    this.look(view);
  }

  /** As many columns as make the panels largest for the shape of the section. */
  arrange() {
    if (!this.section) return;
    const stage = byId("stage");
    const { width, height } = stage.getBoundingClientRect();
    const { frame } = this.section.places;
    const sizeIn = (columns) => {
      const rows = Math.ceil(this.open.length / columns);
      return Math.min(width / columns / frame.width, height / rows / frame.height);
    };
    const choices = this.open.map((_, at) => at + 1);
    const best = choices.reduce((most, columns) => (sizeIn(columns) > sizeIn(most) ? columns : most), 1);
    stage.dataset.columns = isNarrow() ? 1 : best;
  }

  /** The middle and the width of the view, in pixels of the slide. */
  get view() {
    const lens = this.leader?.lens;
    return lens ? [lens.left + lens.width / lens.zoom / 2, lens.top + lens.height / lens.zoom / 2, lens.width / lens.zoom] : null;
  }

  /** The view, or null while it shows all places. */
  get viewMoved() {
    const { view, whole } = this;
    return view && view.some((number, at) => Math.abs(number - whole[at]) > whole[2] / 1000) ? view : null;
  }

  /** The middle of where the view is moving to. */
  get middle() {
    const { viewer, frame } = this.leader;
    const { x, y } = viewer.viewport.getCenter(false);
    return [frame.left + x * frame.width, frame.top + y * frame.width];
  }

  /** The corners of the view as a closed line. */
  get corners() {
    const { left, top, width, height, zoom } = this.leader.lens;
    const [right, bottom] = [left + width / zoom, top + height / zoom];
    return [left, top, right, top, right, bottom, left, bottom].map(Math.round);
  }

  /** The view of all places. */
  get whole() {
    const { left, top, width, height } = this.section.places.frame;
    return [left + width / 2, top + height / 2, Math.max(width, height / this.shape)];
  }

  /** Height of a panel by its width. */
  get shape() {
    const { clientWidth, clientHeight } = this.leader.map;
    return Math.max(clientHeight, 1) / Math.max(clientWidth, 1);
  }

  /** Show a view; null shows all places. */
  look(view, isAtOnce = true) {
    this.wanted = view; // a change of the page's shape must not lose it
    const [x, y, wide] = view ?? this.whole;
    const { frame } = this.leader;
    const { shape } = this;
    const unit = frame.width;
    const bounds = new OpenSeadragon.Rect(
      (x - wide / 2 - frame.left) / unit, (y - (wide * shape) / 2 - frame.top) / unit, wide / unit, (wide * shape) / unit,
    );
    this.leader.viewer.viewport.fitBounds(bounds, isAtOnce);
    this.linkTo(this.leader);
    for (const panel of this.open) panel.viewer?.forceRedraw();
  }

  /** Move by shares of the panel, or zoom around its middle. */
  move(right, down) {
    const { viewport } = this.leader.viewer;
    const bounds = viewport.getBounds();
    viewport.panBy(new OpenSeadragon.Point(right * bounds.width, down * bounds.height)).applyConstraints();
  }

  zoom(times) {
    this.leader.viewer.viewport.zoomBy(times).applyConstraints();
  }

  redrawOver() {
    for (const panel of this.open) panel.drawOver();
  }
}
