// A frame and its verdicts -> pixels, in the style of monitor/overlay: line style, sign and text distinguish the
// labels as clearly as colour does. Coordinates are CSS pixels; the resolution is the screen's own.

const SHADOW = "rgb(18 20 24)", BACK = "rgb(16 18 22 / 0.82)", BRIGHT = "#fff", DIM = "rgb(200 205 212)";
const FINE = 8; // pixels a cell after interpolation; values are interpolated, because mixed colours would show wrong values

const rgb = (colour) => `rgb(${colour.join(" ")})`;
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

// The text of a face's plate: headline, and the main reason ("" without one).
function plateText(face) {
  const confidence = face.confidence === null ? "" : ` ${percent(face.confidence)}`;
  return [`#${face.id} ${face.words}${confidence}`, face.reasons[0] ?? ""];
}

class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.header = this.bitmap = null;
    this.options = { heat: false, boxes: true, opacity: 0.5, selected: null };
    this.room = [0, 0]; // CSS pixels available for the canvas
    this.tiles = new Map(); // id -> {values, tile}
    this.layout = new Layout();
    this.plates = []; // {id, left, top, width, height}, of the last drawing
  }

  show(header, bitmap) {
    this.bitmap?.close();
    Object.assign(this, { header, bitmap });
    this.draw();
  }

  get faces() {
    return this.header?.faces ?? [];
  }

  // The face under a point of the canvas (CSS pixels), the smallest if there are several; null without one.
  faceAt(x, y) {
    const within = (box, margin) =>
      x >= box.left - margin && y >= box.top - margin && x <= box.left + box.width + margin && y <= box.top + box.height + margin;
    const plate = this.options.boxes && this.plates.findLast((one) => within(one, 0));
    if (plate) return plate.id;
    const hit = this.faces.map((face) => ({ id: face.id, box: this.rectangle(face.box) })).filter(({ box }) => within(box, 4));
    hit.sort((a, b) => a.box.width * a.box.height - b.box.width * b.box.height);
    return hit[0]?.id ?? null;
  }

  // Frame pixels -> CSS pixels of the canvas.
  rectangle([x1, y1, x2, y2]) {
    const { zoom } = this;
    return { left: x1 * zoom, top: y1 * zoom, width: (x2 - x1) * zoom, height: (y2 - y1) * zoom };
  }

  draw() {
    if (!this.header || !this.room[0]) return;
    this.fit();
    const { context, options } = this;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.bitmap, 0, 0, this.width, this.height);
    if (options.heat) this.drawHeat();
    this.plates = [];
    for (const face of this.faces) if (face.id === options.selected) this.drawSelection(this.rectangle(face.box));
    if (options.boxes) {
      for (const face of this.faces) this.drawOutline(this.rectangle(face.box), face.label);
      this.drawPlates();
    }
  }

  // Sizes the canvas: the largest rectangle of the frame's shape inside the room, at the screen's resolution.
  fit() {
    const { header, canvas, room } = this;
    const sharp = window.devicePixelRatio || 1;
    const zoom = Math.min(room[0] / header.width, room[1] / header.height);
    this.width = header.width * zoom;
    this.height = header.height * zoom;
    this.zoom = zoom;
    const pixels = [Math.max(1, Math.round(this.width * sharp)), Math.max(1, Math.round(this.height * sharp))];
    if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) {
      [canvas.width, canvas.height] = pixels;
      canvas.style.width = `${this.width}px`;
      canvas.style.height = `${this.height}px`;
      this.family = getComputedStyle(canvas).fontFamily;
    }
    this.context.setTransform(pixels[0] / this.width, 0, 0, pixels[1] / this.height, 0, 0);
    this.unit = unitOf([this.width, this.height]);
    this.size = clamp(Math.min(this.width, this.height) / 40, 12, 20);
  }

  drawHeat() {
    const { context, tiles } = this;
    const here = new Set(this.faces.map((face) => face.id));
    for (const id of tiles.keys()) if (!here.has(id)) tiles.delete(id);
    context.save();
    context.globalAlpha = this.options.opacity;
    for (const face of this.faces) {
      if (!face.map) continue;
      const square = this.rectangle(face.map.square);
      if (tiles.get(face.id)?.values !== face.map.values) {
        tiles.set(face.id, { values: face.map.values, tile: this.tile(face.map) });
      }
      context.drawImage(tiles.get(face.id).tile, square.left, square.top, square.width, square.height);
    }
    context.restore();
  }

  // Signed evidence -> a small picture: hue by sign, opacity by strength, on the header's fixed scale.
  tile({ rows, columns, values }) {
    const cells = new Int8Array(Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0)).buffer);
    const fine = clamp(Math.floor(192 / Math.max(rows, columns)), 1, FINE);
    const tile = Object.assign(document.createElement("canvas"), { width: columns * fine, height: rows * fine });
    const context = tile.getContext("2d");
    const image = context.createImageData(tile.width, tile.height);
    const along = (index, count) => {
      const at = clamp((index + 0.5) / fine - 0.5, 0, count - 1);
      const first = Math.min(Math.floor(at), Math.max(0, count - 2));
      return [first, Math.min(first + 1, count - 1), at - first];
    };
    for (let y = 0, out = 0; y < tile.height; y++) {
      const [up, down, low] = along(y, rows);
      for (let x = 0; x < tile.width; x++, out += 4) {
        const [left, right, far] = along(x, columns);
        const above = cells[up * columns + left] * (1 - far) + cells[up * columns + right] * far;
        const below = cells[down * columns + left] * (1 - far) + cells[down * columns + right] * far;
        const value = (above * (1 - low) + below * low) / 127;
        image.data.set(value > 0 ? this.look.fake : this.look.real, out);
        image.data[out + 3] = Math.min(1, Math.abs(value)) * 255;
      }
    }
    context.putImageData(image, 0, 0);
    return tile;
  }

  drawOutline({ left, top, width, height }, label) {
    const corners = [[left, top], [left + width, top], [left + width, top + height], [left, top + height], [left, top]];
    const { pieces } = this.look.outlines[label];
    this.stroke(label, (context) => {
      for (let side = 0; side < 4; side++) {
        const [[x1, y1], [x2, y2]] = [corners[side], corners[side + 1]];
        for (const [from, to] of pieces) {
          context.moveTo(x1 + (x2 - x1) * from, y1 + (y2 - y1) * from);
          context.lineTo(x1 + (x2 - x1) * to, y1 + (y2 - y1) * to);
        }
      }
    });
  }

  // Strokes a path in a label's colour and weight, over its shadow.
  stroke(label, path) {
    const { context, unit } = this;
    const { rgb: colour, weight } = this.look.outlines[label];
    const width = Math.max(1.5, unit * weight);
    context.lineCap = "round";
    context.beginPath();
    path(context);
    for (const [thick, ink] of [[width + Math.max(1.5, unit), SHADOW], [width, rgb(colour)]]) {
      context.lineWidth = thick;
      context.strokeStyle = ink;
      context.stroke();
    }
  }

  drawSelection({ left, top, width, height }) {
    const { context, unit } = this;
    const away = 5 * unit, edge = 2 * unit; // stays inside the picture for faces at its edge
    const [x1, y1] = [Math.max(left - away, edge), Math.max(top - away, edge)];
    const [x2, y2] = [Math.min(left + width + away, this.width - edge), Math.min(top + height + away, this.height - edge)];
    for (const [thick, ink] of [[4 * unit, SHADOW], [2 * unit, BRIGHT]]) {
      context.beginPath();
      context.roundRect(x1, y1, Math.max(0, x2 - x1), Math.max(0, y2 - y1), 4 * unit);
      context.lineWidth = thick;
      context.strokeStyle = ink;
      context.stroke();
    }
  }

  // The most severe labels come first and get the best places.
  drawPlates() {
    const severity = Object.keys(this.look.outlines);
    const faces = [...this.faces].sort((a, b) => severity.indexOf(b.label) - severity.indexOf(a.label) || a.id - b.id);
    const forms = plateForms(faces, this.options.selected);
    const kept = faces.filter((_, index) => forms[index] !== "none");
    const boxes = kept.map((face) => this.rectangle(face.box));
    const bare = faces.filter((_, index) => forms[index] === "none").map((face) => this.rectangle(face.box));
    const plates = kept.map((face) => (forms[faces.indexOf(face)] === "short" ? this.shortPlate(face) : this.plate(face)));
    const places = this.layout.place(plates, boxes, { frame: [this.width, this.height], bare });
    this.plates = plates.map((plate, index) => ({ ...plate, ...places[index] }));
    this.plates.forEach((plate, index) => this.drawLeader(boxes[index], plate));
    for (const plate of this.plates) this.drawPlate(plate);
  }

  // The plate of a face in a crowd: sign and number.
  shortPlate(face) {
    const { context } = this;
    const size = Math.max(11, this.size * 0.8), pad = size * 0.25, text = `#${face.id}`;
    context.font = `600 ${size}px ${this.family}`;
    const width = size + context.measureText(text).width + pad * 3.5;
    return { id: face.id, label: face.label, lines: [text], width, height: size * 1.1 + 2 * pad, pad, mark: size, size };
  }

  // The text and the size of a plate; on a long plate the reason is on a second line.
  plate(face) {
    const { context, size } = this;
    const small = Math.max(11, size * 0.8);
    const measure = (text, height, weight) => {
      context.font = `${weight} ${height}px ${this.family}`;
      return context.measureText(text).width;
    };
    const [headline, reason] = plateText(face);
    const joint = face.confidence === null ? `${headline}: ${reason}` : `${headline} · ${reason}`;
    const pad = size * 0.42;
    const whole = measure(reason ? joint : headline, size, 600);
    const single = !reason || whole < this.width * 0.4;
    const mark = single ? size * 1.2 : size * 1.7;
    const text = single ? whole : Math.max(measure(headline, size, 600), measure(reason, small, 400));
    const height = (single ? size * 1.2 : size * 1.2 + small * 1.2) + 2 * pad;
    const width = Math.min(this.width, mark + text + pad * 3.4);
    const lines = single ? [reason ? joint : headline] : [headline, reason];
    return { id: face.id, label: face.label, lines, width, height, pad, mark, size, small };
  }

  drawLeader(box, plate) {
    const line = leader(box, plate, [this.width, this.height]);
    if (!line) return;
    this.stroke(plate.label, (context) => {
      context.moveTo(...line[0]);
      context.lineTo(...line[1]);
    });
  }

  drawPlate({ id, label, lines, left, top, width, height, pad, mark, size, small }) {
    const { context, family } = this;
    context.beginPath();
    context.roundRect(left, top, width, height, size * 0.4);
    context.fillStyle = BACK;
    context.fill();
    if (id === this.options.selected) {
      context.lineWidth = 1.5;
      context.strokeStyle = BRIGHT;
      context.stroke();
    }
    drawSign(context, label, { x: left + pad, y: top + (height - mark) / 2, side: mark, ink: rgb(this.look.outlines[label].rgb) });
    const x = left + pad * 2 + mark, room = Math.max(1, width - mark - pad * 3);
    context.textBaseline = "middle";
    lines.forEach((line, row) => {
      context.font = row ? `400 ${small}px ${family}` : `600 ${size}px ${family}`;
      context.fillStyle = row ? DIM : BRIGHT;
      context.fillText(line, x, top + pad + (row ? size * 1.2 + small * 0.62 : size * 0.64), room);
    });
  }
}

// Draws the sign of a label. Its shape alone identifies the label: tick on a disc, triangle, octagon, open ring.
function drawSign(context, label, { x, y, side, ink }) {
  const at = (u, v) => [x + u * side, y + v * side];
  const path = (points) => {
    context.beginPath();
    points.forEach(([u, v], index) => context[index ? "lineTo" : "moveTo"](...at(u, v)));
  };
  const line = (points, colour) => {
    path(points);
    context.strokeStyle = colour;
    context.stroke();
  };
  const disc = (u, v, radius) => {
    context.beginPath();
    context.arc(...at(u, v), radius * side, 0, 2 * Math.PI);
  };
  context.save();
  Object.assign(context, { lineWidth: side / 9, lineCap: "round", lineJoin: "round", fillStyle: ink });
  if (label === "LIKELY_REAL") {
    disc(0.5, 0.5, 0.46);
    context.fill();
    line([[0.27, 0.52], [0.44, 0.69], [0.74, 0.34]], SHADOW);
  } else if (label === "SUSPICIOUS") {
    path([[0.5, 0.04], [1, 0.93], [0, 0.93]]);
    context.fill();
    line([[0.5, 0.36], [0.5, 0.62]], SHADOW);
    disc(0.5, 0.78, 0.06);
    context.fillStyle = SHADOW;
    context.fill();
  } else if (label === "LIKELY_FAKE") {
    path(Array.from({ length: 8 }, (_, k) => [0.5 + 0.5 * Math.cos(((k + 0.5) * Math.PI) / 4), 0.5 + 0.5 * Math.sin(((k + 0.5) * Math.PI) / 4)]));
    context.fill();
    line([[0.32, 0.32], [0.68, 0.68]], SHADOW);
    line([[0.68, 0.32], [0.32, 0.68]], SHADOW);
  } else {
    disc(0.5, 0.5, 0.4);
    context.strokeStyle = ink;
    context.stroke();
    line([[0.32, 0.5], [0.68, 0.5]], ink);
  }
  context.restore();
}
