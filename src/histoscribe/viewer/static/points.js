/* Places of a section as circles or squares of true size, drawn by WebGL. */

import { STEPS, tableOf } from "./palettes.js";

const VERTEX = `#version 300 es
precision highp float;
in vec2 place;
in float code;
in float mark;
uniform vec2 origin, size;
uniform float scale, radius, rim, low, stepSize, rangeLow, rangeWidth;
uniform bool isQuad;
out vec2 offset;
flat out float share, known;
flat out int flags;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0;
  offset = isQuad ? corner * (radius + rim) : vec2(0.0);
  vec2 at = ((place - origin) * scale + offset) / size * 2.0 - 1.0;
  gl_Position = vec4(at.x, -at.y, 0.0, 1.0);
  gl_PointSize = 2.0 * (radius + rim);
  known = code < 254.5 ? 1.0 : 0.0;
  share = clamp((low + code * stepSize - rangeLow) / rangeWidth, 0.0, 1.0);
  flags = int(mark + 0.5);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec2 offset;
flat in float share, known;
flat in int flags;
uniform sampler2D palette;
uniform float radius, rim, opacity;
uniform bool isSquare, hasRegion, isQuad;
out vec4 colour;
void main() {
  vec2 from = isQuad ? offset : (gl_PointCoord * 2.0 - 1.0) * (radius + rim);
  float far = isSquare ? max(abs(from.x), abs(from.y)) : length(from);
  // squares touch: a soft border would show as a line between them
  float inside = isSquare ? step(far, radius + rim) : clamp(radius - far + 0.5, 0.0, 1.0);
  float edge = radius > 3.0 ? clamp(far - radius + 1.5, 0.0, 1.0) : 0.0;
  bool isGrey = (flags & 1) != 0, isIn = (flags & 2) != 0;
  vec3 ink = texture(palette, vec2((share * ${STEPS - 1}.0 + 0.5) / ${STEPS}.0, 0.5)).rgb;
  float cover = opacity;
  if (isGrey) { ink = vec3(0.62); cover *= 0.45; }
  if (known < 0.5) { ink = vec3(0.1); cover *= radius > 3.0 ? edge : 0.25; }
  else if (!isSquare && !isIn) ink *= 1.0 - 0.25 * edge;
  if (hasRegion && !isIn) cover *= 0.3;
  if (isIn && radius > 3.0) { ink = mix(ink, vec3(0.70, 0.15, 0.12), edge); cover = max(cover, edge); }
  if (inside == 0.0) discard;
  float alpha = cover * inside;
  colour = vec4(ink * alpha, alpha);
}`;

export const SMALLEST_PX = 1.2; // radius that can still be seen
const TOUCH_PX = 0.5; // of a square over its neighbours in device px: places are rounded, a gap would show as a line
const LARGEST_POINT_PX = 6; // radius in device px; WebGL drops a point whose centre is outside
const INPUTS = { places: ["place", 2, 4], codes: ["code", 1, 1], marks: ["mark", 1, 1] }; // numbers, bytes of each

/** A canvas of places; `draw` shows the part below a lens. */
export class PointLayer {
  constructor(canvas) {
    this.canvas = canvas;
    this.start();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.start();
      for (const name of Object.keys(INPUTS)) this[name] = null;
    });
  }

  start() {
    const gl = this.canvas.getContext("webgl2", { premultipliedAlpha: true, antialias: false });
    if (!gl) throw new Error("This browser has no WebGL 2, which draws the places. Update it, or allow hardware acceleration in its settings.");
    this.gl = gl;
    this.program = linked(gl);
    this.paletteName = null;
    const count = gl.getProgramParameter(this.program, gl.ACTIVE_UNIFORMS);
    this.uniforms = Object.fromEntries(Array.from({ length: count }, (_, at) => {
      const { name } = gl.getActiveUniform(this.program, at);
      return [name, gl.getUniformLocation(this.program, name)];
    }));
    gl.bindVertexArray(gl.createVertexArray());
    this.buffers = Object.fromEntries(Object.keys(INPUTS).map((name) => [name, gl.createBuffer()]));
    this.inputs = Object.fromEntries(Object.entries(INPUTS).map(([name, [input]]) => [name, gl.getAttribLocation(this.program, input)]));
    for (const at of Object.values(this.inputs)) gl.enableVertexAttribArray(at);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    for (const name of ["MIN_FILTER", "MAG_FILTER"]) gl.texParameteri(gl.TEXTURE_2D, gl[`TEXTURE_${name}`], gl.NEAREST);
    gl.useProgram(this.program);
    gl.enable(gl.BLEND);
    gl.depthFunc(gl.LESS);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  /** Send x, y, codes or marks in the order of the grid; the same array is sent once. */
  fill(name, array, order) {
    const { gl } = this;
    this[name] = array;
    const width = INPUTS[name][1];
    const sorted = new array.constructor(array.length);
    for (let at = 0; at < order.length; at += 1) {
      for (let part = 0; part < width; part += 1) sorted[width * at + part] = array[width * order[at] + part];
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, sorted, gl.STATIC_DRAW);
  }

  clear() {
    this.gl.clear(this.gl.COLOR_BUFFER_BIT | this.gl.DEPTH_BUFFER_BIT);
  }

  /** Draw the places below the lens, in pixels of the device. */
  draw(lens, { places, values, marks, scale, style }) {
    const { gl, uniforms } = this;
    const [width, height] = [Math.round(lens.width * lens.ratio), Math.round(lens.height * lens.ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    gl.viewport(0, 0, width, height);
    this.clear();
    for (const [name, array] of [["places", places.xy], ["codes", values.codes], ["marks", marks]]) {
      if (this[name] !== array) this.fill(name, array, places.order);
    }
    this.usePalette(scale.palette);
    const pxPerPx = lens.zoom * lens.ratio;
    gl.uniform2f(uniforms.origin, lens.left, lens.top);
    gl.uniform2f(uniforms.size, width, height);
    const radius = Math.max((style.diameter / 2) * pxPerPx, SMALLEST_PX * lens.ratio);
    const isSquare = style.isSquare || radius === SMALLEST_PX * lens.ratio; // too small to tell: squares are fast
    const numbers = {
      scale: pxPerPx, radius, rim: isSquare ? TOUCH_PX : 1,
      low: values.low, stepSize: values.step, rangeLow: scale.low,
      rangeWidth: scale.high - scale.low, opacity: style.opacity,
    };
    for (const [name, number] of Object.entries(numbers)) gl.uniform1f(uniforms[name], number);
    gl.uniform1i(uniforms.isSquare, Number(isSquare));
    gl[isSquare ? "enable" : "disable"](gl.DEPTH_TEST); // each pixel has one square, where they overlap, too
    gl.uniform1i(uniforms.hasRegion, Number(style.hasRegion));
    const pad = radius / pxPerPx;
    this.drawRanges(places.rangesIn({
      left: lens.left - pad, top: lens.top - pad,
      right: lens.left + lens.width / lens.zoom + pad, bottom: lens.top + lens.height / lens.zoom + pad,
    }), radius > LARGEST_POINT_PX);
  }

  /** Draw runs of places: many small ones as points, a few large ones as two triangles each. */
  drawRanges(ranges, isQuad) {
    const { gl } = this;
    gl.uniform1i(this.uniforms.isQuad, Number(isQuad));
    if (!isQuad) this.pointAt(0, 0);
    for (const [first, count] of ranges) {
      if (isQuad) this.pointAt(first, 1);
      if (isQuad) gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, count);
      else gl.drawArrays(gl.POINTS, first, count);
    }
  }

  /** Read the inputs from this place on, one step a vertex (0) or a place (1). */
  pointAt(first, divisor) {
    const { gl } = this;
    for (const [name, [, size, bytes]] of Object.entries(INPUTS)) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      gl.vertexAttribPointer(this.inputs[name], size, bytes === 4 ? gl.FLOAT : gl.UNSIGNED_BYTE, false, 0, first * size * bytes);
      gl.vertexAttribDivisor(this.inputs[name], divisor);
    }
  }

  usePalette(name) {
    if (this.paletteName === name) return;
    const { gl } = this;
    this.paletteName = name;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, STEPS, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, tableOf(name));
  }
}

function linked(gl) {
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`The places cannot be drawn: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}
