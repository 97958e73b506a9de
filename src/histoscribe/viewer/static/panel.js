/* One panel: the slide in OpenSeadragon, the places over it, and the marks over these. */

import { drawOverlay } from "./overlay.js";
import { PointLayer } from "./points.js";

const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
const OPTIONS = {
  drawer: "canvas", showNavigationControl: false, keyboardNavEnabled: false, tabIndex: "",
  animationTime: isStill ? 0 : 0.35, springStiffness: 8, visibilityRatio: 0.2, minZoomImageRatio: 0.3,
  maxImageCacheCount: 300, imageLoaderLimit: 6, maxTilesPerFrame: 4,
};
for (const kind of ["Mouse", "Touch", "Pen", "Unknown"]) {
  OPTIONS[`gestureSettings${kind}`] = {
    clickToZoom: false, dblClickToZoom: true, dblClickDragToZoom: false, flickEnabled: false,
    pinchToZoom: kind === "Touch", scrollToZoom: kind === "Mouse",
  };
}
// OpenSeadragon writes a <style>, which the content policy forbids, unless it finds one of this name;
// an element outside HTML has the name and no effect, and page.css has the rule
const stand = document.createElementNS("urn:histoscribe", "style");
stand.setAttribute("data-openseadragon-mobile-css", "true");
document.head.append(stand);
const WIDEST_PLACE_PX = 80; // no further zoom

export class Panel {
  constructor(box) {
    Object.assign(this, { box, frame: null, scene: null, section: null, viewer: null, onStart: () => {} });
    this.map = box.querySelector(".map");
    this.over = box.querySelector(".over").getContext("2d");
  }

  /** Viewer and WebGL are made when the panel is first seen. */
  start() {
    this.points = new PointLayer(this.box.querySelector(".points"));
    this.viewer = new OpenSeadragon({ ...OPTIONS, element: this.box.querySelector(".slide") });
    this.viewer.addHandler("update-viewport", () => this.draw());
    this.onStart(this.viewer);
  }

  /** Show a section; the promise is kept when its slide is open. */
  async open(section) {
    if (this.section === section) return;
    if (!this.viewer) this.start();
    const { slide, places } = section;
    Object.assign(this, { section, scene: null });
    this.frame = slide ? { left: 0, top: 0, width: slide.width, height: slide.height } : places.frame;
    const isOpen = new Promise((resolve) => { this.viewer.addOnceHandler("open", resolve); });
    this.viewer.open(slide ? tilesOf(slide, section.address) : emptySource(this.frame));
    await isOpen;
    this.viewer.viewport.maxZoomPixelRatio = Math.max(4, WIDEST_PLACE_PX / section.diameter_px);
  }

  /** Take the size that the page gives the panel. */
  measure() {
    const size = new OpenSeadragon.Point(this.map.clientWidth, this.map.clientHeight);
    const { viewport } = this.viewer;
    if (!viewport.getContainerSize().equals(size)) viewport.resize(size, false);
  }

  showTissue(is) {
    this.viewer.world.getItemAt(0)?.setOpacity(is ? 1 : 0);
  }

  /** What the panel shows: { values, scale, marks, style, ... }; null clears it. */
  show(scene) {
    this.scene = scene;
    this.viewer.forceRedraw();
  }

  /** The part of the slide that is seen: its corner, and zoom in panel px per slide px. */
  get lens() {
    const { clientWidth: width, clientHeight: height } = this.map;
    if (!this.viewer?.isOpen() || width < 2) return null;
    const bounds = this.viewer.viewport.getBoundsNoRotate(true);
    const unit = this.frame.width;
    return {
      left: this.frame.left + bounds.x * unit, top: this.frame.top + bounds.y * unit,
      zoom: width / (bounds.width * unit), width, height, ratio: window.devicePixelRatio || 1,
    };
  }

  /** Slide px of a pointer; null before a section is open. */
  at(event) {
    const lens = this.lens;
    if (!lens) return null;
    const { left, top } = this.box.querySelector(".slide").getBoundingClientRect();
    return [lens.left + (event.clientX - left) / lens.zoom, lens.top + (event.clientY - top) / lens.zoom];
  }

  draw() {
    const lens = this.lens;
    if (!lens) return;
    if (this.scene?.values) this.points.draw(lens, this.scene);
    else this.points.clear();
    this.drawOver();
  }

  drawOver() {
    const lens = this.lens;
    if (!lens || !this.scene) return;
    const { canvas } = this.over;
    const [width, height] = [Math.round(lens.width * lens.ratio), Math.round(lens.height * lens.ratio)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    this.over.setTransform(lens.ratio, 0, 0, lens.ratio, 0, 0);
    this.over.clearRect(0, 0, lens.width, lens.height);
    drawOverlay(this.over, lens, this.scene.over);
  }

  /** Draw the panel into another picture, with this many pixels for one of the page. */
  drawInto(context, left, top, ratio) {
    const lens = { ...this.lens, ratio };
    const { width, height } = lens;
    context.drawImage(this.viewer.drawer.canvas, left, top, width, height);
    if (this.scene.values) {
      this.points.draw(lens, this.scene); // WebGL keeps its picture until the page is painted only
      context.drawImage(this.points.canvas, left, top, width, height);
    }
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    context.translate(left, top);
    drawOverlay(context, lens, this.scene.over);
    context.restore();
    this.draw();
  }
}

/** Deep zoom tiles of a slide; level 0 is the smallest. */
function tilesOf({ width, height, tile_px, levels }, address) {
  const last = levels - 1;
  // smaller levels than one tile are never needed
  const first = Math.max(last - Math.max(Math.ceil(Math.log2(Math.max(width, height) / tile_px)), 0), 0);
  return {
    width, height, tileSize: tile_px, tileOverlap: 0, minLevel: first, maxLevel: last,
    getTileUrl: (level, x, y) => `${address}/tile/${level}/${x}_${y}.jpg`,
  };
}

/** A white ground for places without a slide. */
function emptySource({ width, height }) {
  return {
    width, height, tileSize: Math.ceil(Math.max(width, height)), minLevel: 0, maxLevel: 0,
    getTileUrl: () => "", tileExists: () => false,
  };
}
