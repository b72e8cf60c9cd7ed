// The canvas, its controls and the flag button. One instance for each root; reruns only update it.

const HIDDEN_FOR = 2000; // milliseconds after which a hidden tab closes its connection
const DESCRIPTION_INTERVAL = 2000; // milliseconds between two descriptions for screen readers

export default (component) => instanceAt(component, Viewer);

// "2 faces: face 1 likely real 83 %, face 2 not enough evidence (face too small)".
function describe(faces) {
  if (!faces.length) return "no face";
  const each = faces.map((face) => {
    const confidence = face.confidence === null ? "" : ` ${percent(face.confidence)}`;
    const reason = face.reasons.length ? ` (${face.reasons[0]})` : "";
    return `face ${face.id} ${face.words}${confidence}${reason}`;
  });
  return `${faces.length} ${faces.length === 1 ? "face" : "faces"}: ${each.join(", ")}`;
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.find = (name) => root.querySelector(`.${name}`);
    this.listeners = new AbortController(); // removes all event listeners
    this.selected = null; // id of the chosen face; the face may have left the picture
    this.pressed = null; // the moment when the pointer went down on the flag button
    this.description = { at: -Infinity, timer: null };
    this.picture = new Picture(this.find("canvas"));
    this.feed = new Feed({ draw: (header, bitmap) => this.show(header, bitmap), report: (state) => this.showState(state) });
    this.listen();
    this.room = new ResizeObserver(() => this.fit());
    this.room.observe(this.find("stage"));
  }

  update({ data, setTriggerValue }) {
    this.send = setTriggerValue;
    this.primary = data.primary;
    this.find("joined").hidden = !data.flags;
    this.find("title").textContent = data.title;
    this.find("viewer").setAttribute("aria-label", data.title);
    if (!this.picture.look) {
      this.picture.look = data.look;
      this.find("opacity").value = Math.round(data.look.opacity * 100);
      for (const sign of ["fake", "real"]) this.find("viewer").style.setProperty(`--${sign}`, data.look[sign].join(" "));
      this.applyOptions();
    }
    this.feed.open(data.url, data.token);
    if (document.visibilityState === "hidden") this.feed.pause();
  }

  end() {
    this.listeners.abort();
    this.room.disconnect();
    this.feed.close();
    clearTimeout(this.hiding);
    clearTimeout(this.description.timer);
    clearTimeout(this.flashing);
    this.picture.bitmap?.close();
  }

  listen() {
    const on = (target, event, act) => target.addEventListener(event, act, { signal: this.listeners.signal });
    const flag = this.find("flag");
    on(flag, "pointerdown", () => (this.pressed = this.moment()));
    on(flag, "click", () => this.flag(this.pressed ?? this.moment()));
    on(window, "pointerup", () => setTimeout(() => (this.pressed = null)));
    on(document, "keydown", (event) => this.handleKey(event));
    on(document, "visibilitychange", () => this.handleVisibility());
    on(document, "fullscreenchange", () => this.showFullScreen());
    on(this.find("canvas"), "click", (event) => this.select(this.picture.faceAt(event.offsetX, event.offsetY)));
    on(this.find("subject"), "click", () => this.selectNext());
    for (const name of ["heat", "opacity", "boxes"]) on(this.find(name), "input", () => this.applyOptions());
    on(this.find("full"), "click", () => this.toggleFullScreen());
    this.find("full").hidden = !document.fullscreenEnabled;
  }

  // ── frames and states from the feed

  show(header, bitmap) {
    const { canvas } = this.picture;
    const isFirst = !this.picture.header;
    const shape = `${header.width} / ${header.height}`;
    this.picture.show(header, bitmap);
    canvas.dataset.connection = header.connection;
    canvas.dataset.frame = header.frame;
    this.find("when").textContent = clock(header.time);
    if (this.shape !== shape) {
      this.shape = shape;
      this.find("viewer").style.setProperty("--shape", shape);
      this.find("scale-real").textContent = `−${header.scale}`;
      this.find("scale-fake").textContent = `+${header.scale}`;
      this.fit();
    }
    if (isFirst) this.find("flag").disabled = this.find("subject").disabled = false;
    this.showSubject();
    this.updateDescription();
  }

  showState({ kind, text }) {
    if (this.stateText === text) return;
    this.stateText = text;
    this.find("viewer").dataset.state = kind;
    this.find("state").textContent = text;
    this.find("veil").textContent = kind === "live" ? "" : text;
    const status = text.replace(/ (in|for) \d+ s$/, ""); // without the countdown, for screen readers
    if (this.find("spoken").textContent !== status) this.find("spoken").textContent = status;
  }

  // Updates the canvas's description, slowly enough for a screen reader to read it out.
  updateDescription() {
    if (this.description.timer) return;
    const wait = Math.max(0, this.description.at + DESCRIPTION_INTERVAL - performance.now());
    this.description.timer = setTimeout(() => {
      this.description = { at: performance.now(), timer: null };
      const text = describe(this.picture.faces);
      const { canvas } = this.picture;
      if (canvas.getAttribute("aria-label") !== text) canvas.setAttribute("aria-label", text);
    }, wait);
  }

  fit() {
    const stage = this.find("stage");
    this.picture.room = [stage.clientWidth, stage.clientHeight];
    this.picture.draw();
  }

  // ── actions of a person

  // The moment on the canvas.
  moment() {
    const { header } = this.picture;
    return header && { connection: header.connection, frame: header.frame, time: header.time, track: this.chosen };
  }

  // The selected face, if it is in the picture.
  get chosen() {
    return this.picture.faces.some((face) => face.id === this.selected) ? this.selected : null;
  }

  flag(moment) {
    if (!moment) return;
    this.pressed = null;
    this.send("flag", moment);
    const flag = this.find("flag");
    flag.classList.add("flagged");
    this.find("flag-word").textContent = "Flagged";
    this.find("announced").textContent = `flagged at ${clock(moment.time)}`;
    clearTimeout(this.flashing);
    this.flashing = setTimeout(() => {
      flag.classList.remove("flagged");
      this.find("flag-word").textContent = "Flag";
      this.find("announced").textContent = "";
    }, 1200);
  }

  handleKey(event) {
    if (event.key.toLowerCase() !== "f" || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const isInside = event.composedPath().includes(this.find("viewer"));
    if (isTyping(event) || !(this.primary || isInside) || !this.picture.header || this.find("joined").hidden) return;
    event.preventDefault();
    this.flag(this.moment());
  }

  select(id) {
    this.selected = id;
    this.picture.options.selected = id;
    this.picture.draw();
    this.showSubject();
  }

  // Selects the next subject: the whole picture, then each face in turn.
  selectNext() {
    const ids = [null, ...this.picture.faces.map((face) => face.id).sort((a, b) => a - b)];
    this.select(ids[(ids.indexOf(this.chosen) + 1) % ids.length]);
  }

  showSubject() {
    const { chosen } = this;
    const text = chosen === null ? "Whole picture" : `Face ${chosen}`;
    const button = this.find("subject");
    if (button.textContent === text) return;
    button.textContent = text;
    button.setAttribute("aria-label", `Subject of the flag: ${text.toLowerCase()}. Press to choose another.`);
  }

  applyOptions() {
    const heat = this.find("heat").checked, opacity = this.find("opacity");
    opacity.disabled = !heat;
    opacity.setAttribute("aria-valuetext", `${opacity.value} %`);
    this.find("viewer").style.setProperty("--opacity", opacity.value / 100);
    Object.assign(this.picture.options, { heat, boxes: this.find("boxes").checked, opacity: opacity.value / 100 });
    this.find("legend").classList.toggle("off", !heat);
    this.picture.draw();
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.find("viewer").requestFullscreen().catch((error) => console.warn("no full screen", error));
  }

  showFullScreen() {
    const isFull = this.root.fullscreenElement === this.find("viewer") || document.fullscreenElement === this.find("viewer");
    this.find("full").textContent = isFull ? "Leave full screen" : "Full screen";
    this.fit();
  }

  handleVisibility() {
    clearTimeout(this.hiding);
    if (document.visibilityState === "hidden") this.hiding = setTimeout(() => this.feed.pause(), HIDDEN_FOR);
    else this.feed.resume();
  }
}
