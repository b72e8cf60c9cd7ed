// Where plates go: inside the canvas, beside their face, off each other and off other faces. The same rectangles as
// those of monitor/overlay/layout.py: tests/overlay/layout.json holds both to them.

const PLATE_COVERED = 8, NEXT_SIDE = 0.03, MOVING = 0.25; // what places cost
const GAP = 3, SHORTEST_LEADER = 8; // between a box and its plate, times the frame's unit

// The width of a plain line in pixels, for a frame of that size.
function unitOf([width, height]) {
  return Math.max(1, Math.min(width, height) / 420);
}

// Places the plates of frame after frame; a plate keeps its side of the face while it can.
class Layout {
  constructor() {
    this.sides = new Map(); // id -> which side of its face the plate was on
  }

  // A place {left, top, width, height} for each plate {id, width, height} beside its box, earlier ones first, off what
  // is taken.
  place(plates, boxes, { frame, taken = [] }) {
    const before = this.sides, gap = GAP * unitOf(frame);
    this.sides = new Map();
    const placed = [...taken];
    plates.forEach((plate, index) => {
      const spots = sides(boxes[index], plate, gap).map((spot) => inside(spot, plate, frame));
      const costs = spots.map((spot, side) => {
        const others = placed.reduce((sum, other) => sum + covered(other, spot), 0);
        const faces = boxes.reduce((sum, face) => sum + covered(face, spot), 0);
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

// The line [[x, y], [x, y]] that joins a box to a plate which found no place beside it; null for the others.
function leader(box, plate, frame) {
  const [x1, x2] = between([box.left, box.left + box.width], [plate.left, plate.left + plate.width]);
  const [y1, y2] = between([box.top, box.top + box.height], [plate.top, plate.top + plate.height]);
  return Math.hypot(x2 - x1, y2 - y1) > SHORTEST_LEADER * unitOf(frame) ? [[x1, y1], [x2, y2]] : null;
}

// The places of a plate around (and inside) its face, best first; at last the second row above and below.
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

// Moved into the frame; what is larger starts at its edge.
function inside([left, top], { width, height }, frame) {
  const moved = (start, length, room) => Math.max(0, Math.min(start, room - length));
  return { left: moved(left, width, frame[0]), top: moved(top, height, frame[1]), width, height };
}

// The share of one rectangle that lies under another, 0..1.
function covered(one, other) {
  const wide = Math.min(one.left + one.width, other.left + other.width) - Math.max(one.left, other.left);
  const high = Math.min(one.top + one.height, other.top + other.height) - Math.max(one.top, other.top);
  return (Math.max(wide, 0) * Math.max(high, 0)) / Math.max(one.width * one.height, 1);
}

// Where two intervals are closest to each other; the middle of what they share if they overlap.
function between([a1, a2], [b1, b2]) {
  if (a2 < b1) return [a2, b1];
  if (b2 < a1) return [a1, b2];
  const middle = (Math.max(a1, b1) + Math.min(a2, b2)) / 2;
  return [middle, middle];
}
