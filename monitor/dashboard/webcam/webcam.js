// The browser's own camera -> JPEG -> WebSocket. At most two pictures are unacknowledged: a slow connection drops
// pictures, it does not delay them.

const INTERVAL = 1000 / 15; // milliseconds between two pictures at least
const LONGEST = 1280, QUALITY = 0.85; // pixels of the longer side; of the JPEG, 0..1
const MAX_UNACKNOWLEDGED = 2; // pictures
const SENDING = "The camera is on, and its picture is being sent.";
const FIRST_WAIT = 500, LONGEST_WAIT = 10000; // milliseconds between attempts to connect
const CAMERA_ERRORS = {
  NotAllowedError: "The browser may not use the camera. Allow it in the address bar, then start again.",
  SecurityError: "The browser may not use the camera. Allow it in the address bar, then start again.",
  NotFoundError: "No camera was found. Is one plugged in?",
  OverconstrainedError: "No camera was found. Is one plugged in?",
  NotReadableError: "The camera is busy: another program is using it. Close that program, then start again.",
  AbortError: "The camera is busy: another program is using it. Close that program, then start again.",
};

export default (component) => instanceAt(component, Webcam);

class Webcam {
  constructor(root) {
    this.root = root;
    this.find = (name) => root.querySelector(`.${name}`);
    this.video = this.find("video");
    this.canvas = document.createElement("canvas");
    this.stream = this.socket = null;
    this.attempt = 0; // counts starts; the permission of an earlier start is ignored
    this.toggle = () => (this.stream || this.find("webcam").dataset.state === "asking" ? this.stop() : this.start());
    this.find("toggle").addEventListener("click", this.toggle);
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
      this.showState("failed", "The browser allows the camera only on https or localhost.");
      this.find("toggle").disabled = true;
    }
  }

  update({ data, setStateValue }) {
    this.setStateValue = setStateValue;
    this.find("title").textContent = data.title;
    this.find("webcam").setAttribute("aria-label", data.title);
    const address = socketAddress(data.url, data.token);
    const isMoved = this.address && this.address !== address;
    this.address = address;
    if (isMoved && this.stream) this.connect();
  }

  end() {
    this.release();
    this.find("toggle").removeEventListener("click", this.toggle);
  }

  showState(state, text) {
    this.find("webcam").dataset.state = state;
    this.find("message").textContent = text;
    this.find("facts").textContent = "";
    this.find("toggle").textContent = this.stream || state === "asking" ? "Stop the camera" : "Start the camera";
  }

  setRunning(isRunning) {
    if (this.isRunning === isRunning) return;
    this.isRunning = isRunning;
    this.setStateValue("running", isRunning);
  }

  async start() {
    const attempt = ++this.attempt;
    this.showState("asking", "Waiting for the browser's permission to use the camera.");
    let stream;
    try {
      const size = { width: { ideal: LONGEST }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
      stream = await navigator.mediaDevices.getUserMedia({ video: size, audio: false });
    } catch (error) {
      if (attempt === this.attempt) this.stop("failed", CAMERA_ERRORS[error.name] ?? `The camera cannot be used: ${error.message}`);
      return;
    }
    if (attempt !== this.attempt) {
      stream.getTracks().forEach((track) => track.stop());
      return;
    }
    this.stream = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => this.stop("failed", "The camera was disconnected."));
    this.video.srcObject = stream;
    this.video.play().catch((error) => console.warn("no preview", error));
    this.waits = 0;
    this.connect();
  }

  stop(state = "idle", text = "The camera is off.") {
    this.release();
    this.showState(state, text);
    this.setRunning(false);
  }

  release() {
    this.attempt++;
    this.disconnect();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = this.stream = null;
  }

  disconnect() {
    clearTimeout(this.turn);
    clearTimeout(this.waiting);
    if (!this.socket) return;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.socket = null;
  }

  connect() {
    this.disconnect();
    this.showState("connecting", "Connecting.");
    const socket = (this.socket = new WebSocket(this.address));
    Object.assign(this, { unacknowledged: 0, sent: 0, since: performance.now(), shown: -1 });
    socket.onopen = () => {
      this.showState("sending", SENDING);
      this.setRunning(true);
      this.send(socket);
    };
    socket.onmessage = (event) => {
      this.unacknowledged = Math.max(0, this.unacknowledged - 1);
      this.waits = 0;
      const { refused } = JSON.parse(event.data);
      const text = refused ? `The server refused a picture: ${refused}.` : SENDING;
      if (this.find("message").textContent !== text) this.find("message").textContent = text;
    };
    socket.onclose = (event) => this.handleClose(event);
  }

  handleClose({ code, reason }) {
    this.socket = null;
    clearTimeout(this.turn);
    if (code === ENDED) this.stop("idle", `Ended: ${reason || "the server closed the connection"}. The camera is off.`);
    else if (code === NOT_ALLOWED) this.stop("failed", `Not allowed: ${reason.replace(/^not allowed: */i, "") || "reload the page"}. The camera is off.`);
    else {
      const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.waits++);
      this.showState("retrying", "The connection was lost. Trying again.");
      this.waiting = setTimeout(() => this.connect(), wait);
    }
  }

  // Sends the newest picture every INTERVAL; skips a turn without a new picture or with too many unacknowledged.
  async send(socket) {
    const began = performance.now();
    const { video } = this;
    if (this.unacknowledged < MAX_UNACKNOWLEDGED && video.videoWidth && video.currentTime !== this.shown) {
      this.shown = video.currentTime;
      this.unacknowledged++;
      const message = await this.encode(Date.now());
      if (socket !== this.socket) return;
      if (socket.readyState === WebSocket.OPEN) socket.send(message);
      this.count();
    }
    this.turn = setTimeout(() => this.send(socket), Math.max(0, began + INTERVAL - performance.now()));
  }

  async encode(milliseconds) {
    const { video, canvas } = this;
    const zoom = Math.min(1, LONGEST / Math.max(video.videoWidth, video.videoHeight));
    const size = [Math.round(video.videoWidth * zoom), Math.round(video.videoHeight * zoom)];
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    canvas.getContext("2d").drawImage(video, 0, 0, ...size);
    const jpeg = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    const time = new DataView(new ArrayBuffer(8));
    time.setFloat64(0, milliseconds);
    return new Blob([time, jpeg]);
  }

  count() {
    this.sent++;
    const seconds = (performance.now() - this.since) / 1000;
    if (seconds < 1) return;
    const rate = Math.round(this.sent / seconds);
    this.find("facts").textContent = `${this.canvas.width} × ${this.canvas.height} pixels, ${rate} pictures/s`;
    Object.assign(this, { sent: 0, since: performance.now() });
  }
}
