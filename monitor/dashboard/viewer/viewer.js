// What a person sees and touches: the canvas, its controls, the flag. One instance for each root; reruns only update it.

const HIDDEN_FOR = 2000; // milliseconds of a hidden tab before the connection is closed
const SPOKEN_EVERY = 2000; // milliseconds between two descriptions for screen readers

export default (component) => instanceAt(component, Viewer);

// "2 faces: face 1 likely real 83 %, face 2 not enough evidence (face too small)".
function describe(faces) {
  if (!faces.length) return "no face";
  const each = faces.map((face) => {
    const sure = face.confidence === null ? "" : ` ${percent(face.confidence)}`;
    const why = face.reasons.length ? ` (${face.reasons[0]})` : "";
    return `face ${face.id} ${face.words}${sure}${why}`;
  });
  return `${faces.length} ${faces.length === 1 ? "face" : "faces"}: ${each.join(", ")}`;
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.part = (name) => root.querySelector(`.${name}`);
    this.ended = new AbortController(); // takes all listeners away
    this.selected = null; // id of the chosen face; it may be out of sight
    this.pressed = null; // the moment under a pointer that is down on the button
    this.spoken = { at: -Infinity, timer: null };
    this.picture = new Picture(this.part("canvas"));
    this.feed = new Feed({ draw: (header, bitmap) => this.show(header, bitmap), say: (state) => this.state(state) });
    this.listen();
    this.room = new ResizeObserver(() => this.fit());
    this.room.observe(this.part("stage"));
  }

  update({ data, setTriggerValue }) {
    this.send = setTriggerValue;
    this.primary = data.primary;
    this.part("joined").hidden = !data.flags;
    this.part("title").textContent = data.title;
    this.part("viewer").setAttribute("aria-label", data.title);
    if (!this.picture.look) {
      this.picture.look = data.look;
      this.part("opacity").value = Math.round(data.look.opacity * 100);
      for (const sign of ["fake", "real"]) this.part("viewer").style.setProperty(`--${sign}`, data.look[sign].join(" "));
      this.choose();
    }
    this.feed.open(data.url, data.token);
    if (document.visibilityState === "hidden") this.feed.pause();
  }

  end() {
    this.ended.abort();
    this.room.disconnect();
    this.feed.close();
    clearTimeout(this.hiding);
    clearTimeout(this.spoken.timer);
    clearTimeout(this.flashing);
    this.picture.bitmap?.close();
  }

  listen() {
    const on = (target, event, act) => target.addEventListener(event, act, { signal: this.ended.signal });
    const flag = this.part("flag");
    on(flag, "pointerdown", () => (this.pressed = this.moment()));
    on(flag, "click", () => this.flag(this.pressed ?? this.moment()));
    on(window, "pointerup", () => setTimeout(() => (this.pressed = null)));
    on(document, "keydown", (event) => this.key(event));
    on(document, "visibilitychange", () => this.visibility());
    on(document, "fullscreenchange", () => this.fullScreenChanged());
    on(this.part("canvas"), "click", (event) => this.select(this.picture.faceAt(event.offsetX, event.offsetY)));
    on(this.part("about"), "click", () => this.selectNext());
    for (const name of ["heat", "opacity", "boxes"]) on(this.part(name), "input", () => this.choose());
    on(this.part("full"), "click", () => this.fullScreen());
    this.part("full").hidden = !document.fullscreenEnabled;
  }

  // ── what comes in

  show(header, bitmap) {
    const { canvas } = this.picture;
    const isFirst = !this.picture.header;
    const shape = `${header.width} / ${header.height}`;
    this.picture.show(header, bitmap);
    canvas.dataset.connection = header.connection;
    canvas.dataset.frame = header.frame;
    this.part("when").textContent = `${clock(header.time)} · ${header.engine}`;
    if (this.shape !== shape) {
      this.shape = shape;
      this.part("viewer").style.setProperty("--shape", shape);
      this.part("scale-real").textContent = `−${header.scale}`;
      this.part("scale-fake").textContent = `+${header.scale}`;
      this.fit();
    }
    if (isFirst) this.part("flag").disabled = this.part("about").disabled = false;
    this.about();
    this.speak();
  }

  state({ kind, text }) {
    if (this.said === text) return;
    this.said = text;
    this.part("viewer").dataset.state = kind;
    this.part("state").textContent = text;
    this.part("veil").textContent = kind === "live" ? "" : text;
    const calm = text.replace(/ (in|for) \d+ s$/, ""); // a screen reader hears no countdown
    if (this.part("spoken").textContent !== calm) this.part("spoken").textContent = calm;
  }

  // The description of the canvas follows, but not faster than it can be listened to.
  speak() {
    if (this.spoken.timer) return;
    const wait = Math.max(0, this.spoken.at + SPOKEN_EVERY - performance.now());
    this.spoken.timer = setTimeout(() => {
      this.spoken = { at: performance.now(), timer: null };
      const text = describe(this.picture.faces);
      const { canvas } = this.picture;
      if (canvas.getAttribute("aria-label") !== text) canvas.setAttribute("aria-label", text);
    }, wait);
  }

  fit() {
    const stage = this.part("stage");
    this.picture.room = [stage.clientWidth, stage.clientHeight];
    this.picture.draw();
  }

  // ── what a person does

  // What is on the canvas now.
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
    const flag = this.part("flag");
    flag.classList.add("flagged");
    this.part("flag-word").textContent = "Flagged";
    this.part("announced").textContent = `flagged at ${clock(moment.time)}`;
    clearTimeout(this.flashing);
    this.flashing = setTimeout(() => {
      flag.classList.remove("flagged");
      this.part("flag-word").textContent = "Flag";
      this.part("announced").textContent = "";
    }, 1200);
  }

  key(event) {
    if (event.key.toLowerCase() !== "f" || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const isInside = event.composedPath().includes(this.part("viewer"));
    if (isTyping(event) || !(this.primary || isInside) || !this.picture.header || this.part("joined").hidden) return;
    event.preventDefault();
    this.flag(this.moment());
  }

  select(id) {
    this.selected = id;
    this.picture.options.selected = id;
    this.picture.draw();
    this.about();
  }

  // From the whole picture to each face and back.
  selectNext() {
    const ids = [null, ...this.picture.faces.map((face) => face.id).sort((a, b) => a - b)];
    this.select(ids[(ids.indexOf(this.chosen) + 1) % ids.length]);
  }

  about() {
    const { chosen } = this;
    const text = chosen === null ? "Whole picture" : `Face ${chosen}`;
    const button = this.part("about");
    if (button.textContent === text) return;
    button.textContent = text;
    button.setAttribute("aria-label", `A flag is about: ${text.toLowerCase()}. Press to choose another.`);
  }

  choose() {
    const heat = this.part("heat").checked, opacity = this.part("opacity");
    opacity.disabled = !heat;
    opacity.setAttribute("aria-valuetext", `${opacity.value} %`);
    this.part("viewer").style.setProperty("--opacity", opacity.value / 100);
    Object.assign(this.picture.options, { heat, boxes: this.part("boxes").checked, opacity: opacity.value / 100 });
    this.part("legend").classList.toggle("off", !heat);
    this.picture.draw();
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.part("viewer").requestFullscreen().catch((error) => console.warn("no full screen", error));
  }

  fullScreenChanged() {
    const isFull = this.root.fullscreenElement === this.part("viewer") || document.fullscreenElement === this.part("viewer");
    this.part("full").textContent = isFull ? "Leave full screen" : "Full screen";
    this.fit();
  }

  visibility() {
    clearTimeout(this.hiding);
    if (document.visibilityState === "hidden") this.hiding = setTimeout(() => this.feed.pause(), HIDDEN_FOR);
    else this.feed.resume();
  }
}
