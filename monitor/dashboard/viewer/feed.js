// WebSocket -> frames. The server sends at most two unacknowledged frames; the viewer acknowledges each frame once it
// is drawn or skipped. So the picture is never more than two frames late, even on a slow connection. The server counts
// the drawn frames, and sends smaller pictures while acknowledgements are slow. A text message is the state of the
// stream: it says why no frame comes.

const FIRST_WAIT = 0.5, LONGEST_WAIT = 10; // seconds between attempts
const QUIET = 3; // seconds without a frame before the viewer shows a notice
const STATE_KINDS = { waiting: "waiting", connecting: "waiting", reconnecting: "retrying", paused: "paused", ended: "ended", failed: "ended" };

class Feed {
  // draw(header, bitmap): called in an animation frame with the newest frame; takes ownership of the bitmap.
  // report({kind, text}): kind is connecting, waiting, live, quiet, retrying, paused, ended or refused.
  constructor({ draw, report }) {
    Object.assign(this, { draw, report, socket: null, address: null, next: null, last: null, waits: 0 });
    this.over = false; // ended or refused: only another address reconnects
    this.clock = setInterval(() => this.tick(), 500);
  }

  // Connects to url with token; does nothing if the address is the same.
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
    this.report({ kind: "paused", text: "paused while this tab is hidden" });
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
    this.last = null; // a restarted server counts frames from zero
    this.state = null;
    this.drawnAt = performance.now();
    this.report({ kind: "connecting", text: "connecting" });
    const socket = (this.socket = new WebSocket(this.address));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.report({ kind: "waiting", text: "connected, waiting for a picture" });
    socket.onmessage = (event) => this.receive(socket, event.data);
    socket.onclose = (event) => this.handleClose(event);
  }

  handleClose({ code, reason }) {
    this.drop();
    this.over = code === ENDED || code === NOT_ALLOWED;
    if (code === ENDED) this.report({ kind: "ended", text: `ended: ${reason || "the stream is over"}` });
    else if (code === NOT_ALLOWED) this.report({ kind: "refused", text: refusal(reason) });
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
      else this.report({ kind: "retrying", text: `reconnecting in ${Math.ceil(left)} s` });
    } else if (this.socket && now - this.drawnAt > QUIET * 1000 && !this.reportState() && this.last) {
      this.report({ kind: "quiet", text: `no new picture for ${Math.floor((now - this.drawnAt) / 1000)} s` });
    }
  }

  // Reports the state of the stream if it explains why no frame comes; returns whether it does.
  reportState() {
    const kind = STATE_KINDS[this.state?.state];
    if (!kind) return false;
    const { state, reason } = this.state;
    this.report({ kind, text: reason ? `${state}: ${reason}` : state });
    return true;
  }

  async receive(socket, data) {
    if (typeof data === "string") {
      this.state = JSON.parse(data);
      this.reportState();
      return;
    }
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    let bitmap = null;
    try {
      bitmap = await createImageBitmap(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
    } catch (error) {
      console.warn(`frame ${header.frame}: the picture cannot be decoded`, error);
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
      this.report({ kind: "live", text: "live" });
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
