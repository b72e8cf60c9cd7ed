// WebSocket -> frames. The server may have two frames under way; each is acknowledged once it is drawn or skipped,
// so what is shown is never older than two frames, however slow the line; the server counts what was drawn, and sends
// smaller pictures where the answers take long.

const FIRST_WAIT = 0.5, LONGEST_WAIT = 10; // seconds between attempts
const QUIET = 3; // seconds without a frame after which it is said

class Feed {
  // draw(header, bitmap): called in an animation frame, newest only; owns the bitmap from then on.
  // say({kind, text}): kind is connecting, waiting, live, quiet, retrying, paused, ended or refused.
  constructor({ draw, say }) {
    Object.assign(this, { draw, say, socket: null, address: null, next: null, last: null, waits: 0 });
    this.over = false; // ended or refused: nothing reconnects but another address
    this.clock = setInterval(() => this.tick(), 500);
  }

  // Connect to url with token; nothing happens if that is where it is connected already.
  open(url, token) {
    const address = socketAddress(url, token);
    if (address === this.address) return;
    this.address = address;
    this.over = false;
    this.waits = 0;
    this.reconnect();
  }

  pause() {
    if (this.over || this.paused) return;
    this.paused = true;
    this.drop();
    this.say({ kind: "paused", text: "paused while the tab is hidden" });
  }

  resume() {
    if (!this.paused) return;
    this.paused = false;
    this.reconnect();
  }

  close() {
    this.over = true;
    clearInterval(this.clock);
    this.drop();
  }

  drop() {
    const socket = this.socket;
    this.socket = null;
    this.due = null;
    cancelAnimationFrame(this.turn);
    this.next?.bitmap.close();
    this.next = null;
    if (socket) {
      socket.onmessage = socket.onclose = socket.onopen = null;
      socket.close();
    }
  }

  reconnect() {
    this.drop();
    if (this.over || this.paused || !this.address) return;
    this.last = null; // another server may count from the start
    this.drawnAt = performance.now();
    this.say({ kind: "connecting", text: "connecting" });
    const socket = (this.socket = new WebSocket(this.address));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.say({ kind: "waiting", text: "connected, waiting for a picture" });
    socket.onmessage = (event) => this.receive(socket, event.data);
    socket.onclose = (event) => this.closed(event);
  }

  closed({ code, reason }) {
    this.drop();
    this.over = code === ENDED || code === NOT_ALLOWED;
    if (code === ENDED) this.say({ kind: "ended", text: `ended: ${reason || "the stream is over"}` });
    else if (code === NOT_ALLOWED) this.say({ kind: "refused", text: refusal(reason) });
    else {
      const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.waits++);
      this.due = performance.now() + wait * 1000;
      this.tick();
    }
  }

  tick() {
    const now = performance.now();
    if (this.due) {
      const left = (this.due - now) / 1000;
      if (left <= 0) this.reconnect();
      else this.say({ kind: "retrying", text: `reconnecting in ${Math.ceil(left)} s` });
    } else if (this.socket && this.last && now - this.drawnAt > QUIET * 1000) {
      this.say({ kind: "quiet", text: `no new picture for ${Math.floor((now - this.drawnAt) / 1000)} s` });
    }
  }

  async receive(socket, data) {
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    let bitmap = null;
    try {
      bitmap = await createImageBitmap(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
    } catch (error) {
      console.warn(`frame ${header.frame}: its picture cannot be read`, error);
    }
    if (socket !== this.socket || !bitmap || !this.isNewer(header)) {
      bitmap?.close();
      this.acknowledge(socket, header, false);
      return;
    }
    if (this.next) {
      this.next.bitmap.close();
      this.acknowledge(socket, this.next.header, false);
    } else this.turn = requestAnimationFrame(() => this.show());
    this.next = { header, bitmap };
    this.last = header;
  }

  isNewer(header) {
    const { last } = this;
    return !last || header.connection > last.connection || (header.connection === last.connection && header.frame > last.frame);
  }

  show() {
    const { header, bitmap } = this.next;
    this.next = null;
    this.waits = 0;
    this.drawnAt = performance.now();
    try {
      this.draw(header, bitmap);
      this.say({ kind: "live", text: "live" });
    } finally {
      this.acknowledge(this.socket, header, true);
    }
  }

  acknowledge(socket, { connection, frame }, shown) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ ack: frame, connection, shown }));
  }
}

function refusal(reason) {
  return /^not allowed/i.test(reason) ? reason : `not allowed: ${reason || "reload the page"}`;
}
