// Positions of the label plates: inside the canvas, beside their face, and off other plates and faces.
// monitor/overlay/layout.py computes the same rectangles; tests/overlay/layout.json tests both.

const PLATE_COVERED = 8, NEXT_SIDE = 0.03, MOVING = 0.25; // costs of a position
const GAP = 3, SHORTEST_LEADER = 8; // between a box and its plate, in frame units

// The frame unit: the width of a plain line in pixels, for a frame of this size.
function unitOf([width, height]) {
  return Math.max(1, Math.min(width, height) / 420);
}

const WHOLE_PLATES = 4, SHORT_PLATES = 12; // faces in one picture

// The form of each plate in one picture: "whole", "short" or "none", as monitor/overlay/plate_forms.py decides;
// tests/overlay/plate_forms.json tests both. Faces {id, label} come with the worst label first.
function plateForms(faces, selected) {
  let whole = 0;
  return faces.map(({ id, label }) => {
    const suspects = label === "SUSPICIOUS" || label === "LIKELY_FAKE";
    if (id === selected || faces.length <= WHOLE_PLATES || (suspects && whole++ < WHOLE_PLATES)) return "whole";
    return suspects || faces.length <= SHORT_PLATES ? "short" : "none";
  });
}

// Places the plates of successive frames; a plate stays on the same side of its face where possible.
class Layout {
  constructor() {
    this.sides = new Map(); // id -> side of the face where the plate was in the last frame
  }

  // Returns a rectangle {left, top, width, height} for each plate {id, width, height} beside its box, clear of the
  // rectangles in taken and of the faces without a plate (bare); earlier plates choose first.
  place(plates, boxes, { frame, taken = [], bare = [] }) {
    const before = this.sides, gap = GAP * unitOf(frame);
    this.sides = new Map();
    const placed = [...taken], allFaces = [...boxes, ...bare];
    plates.forEach((plate, index) => {
      const spots = sides(boxes[index], plate, gap).map((spot) => inside(spot, plate, frame));
      const costs = spots.map((spot, side) => {
        const others = placed.reduce((sum, other) => sum + covered(other, spot), 0);
        const faces = allFaces.reduce((sum, face) => sum + covered(face, spot), 0);
        const moving = (before.get(plate.id) ?? side) !== side;
        return PLATE_COVERED * others + faces + NEXT_SIDE * side + MOVING * moving;
      });
      const best = costs.indexOf(Math.min(...costs));
      this.sides.set(plate.id, best);
      placed.push(spots[best]);
    });
    return placed.slice(taken.length);
  }
}

// The line [[x, y], [x, y]] between a box and a distant plate; null if the plate is beside its box.
function leader(box, plate, frame) {
  const [x1, x2] = between([box.left, box.left + box.width], [plate.left, plate.left + plate.width]);
  const [y1, y2] = between([box.top, box.top + box.height], [plate.top, plate.top + plate.height]);
  return Math.hypot(x2 - x1, y2 - y1) > SHORTEST_LEADER * unitOf(frame) ? [[x1, y1], [x2, y2]] : null;
}

// The candidate positions of a plate around and inside its face, best first; the last four are a second row above
// and below.
function sides(box, { width, height }, gap) {
  const above = box.top - gap - height, below = box.top + box.height + gap;
  const flush = box.left + box.width - width;
  return [
    [box.left, above], [box.left, below], [flush, above], [flush, below],
    [box.left + box.width + gap, box.top], [box.left - gap - width, box.top], [box.left + gap, box.top + gap],
    [box.left, above - gap - height], [box.left, below + gap + height],
    [flush, above - gap - height], [flush, below + gap + height],
  ];
}

// Moves a rectangle into the frame; a larger rectangle starts at the frame's edge.
function inside([left, top], { width, height }, frame) {
  const moved = (start, length, room) => Math.max(0, Math.min(start, room - length));
  return { left: moved(left, width, frame[0]), top: moved(top, height, frame[1]), width, height };
}

// The share of one rectangle that another one covers, 0..1.
function covered(one, other) {
  const wide = Math.min(one.left + one.width, other.left + other.width) - Math.max(one.left, other.left);
  const high = Math.min(one.top + one.height, other.top + other.height) - Math.max(one.top, other.top);
  return (Math.max(wide, 0) * Math.max(high, 0)) / Math.max(one.width * one.height, 1);
}

// The closest points of two intervals; the middle of the overlap if they overlap.
function between([a1, a2], [b1, b2]) {
  if (a2 < b1) return [a2, b1];
  if (b2 < a1) return [a1, b2];
  const middle = (Math.max(a1, b1) + Math.min(a2, b2)) / 2;
  return [middle, middle];
}
