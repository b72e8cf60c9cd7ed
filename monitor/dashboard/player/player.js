class Player {
  constructor(root) {
    this.find = (name) => root.querySelector(`.${name}`);
    this.video = this.find("video");
    this.find("back").onclick = () => this.step(-1);
    this.find("forward").onclick = () => this.step(1);
    this.find("player").onkeydown = (event) => {
      const by = { ",": -1, ".": 1 }[event.key];
      if (by && !event.ctrlKey && !event.metaKey && !event.altKey) this.step(by);
    };
    this.find("flag").onclick = () => this.flag();
    this.listen = (event) => {
      const isOther = event.key.toLowerCase() !== "f" || event.repeat || event.ctrlKey || event.metaKey || event.altKey;
      if (isOther || isTyping(event) || !this.data.flags) return;
      event.preventDefault();
      this.flag();
    };
    window.addEventListener("keydown", this.listen);
    this.video.ontimeupdate = () => this.showTime();
    this.video.onseeked = () => this.showTime();
    this.video.onloadedmetadata = () => this.seek();
  }

  update({ data, setTriggerValue }) {
    this.send = setTriggerValue;
    const before = this.data;
    this.data = data;
    this.video.controls = data.fps !== null;
    for (const control of this.find("steps").querySelectorAll(".step")) control.hidden = data.fps === null;
    this.find("flag").hidden = !data.flags;
    this.video.setAttribute("aria-label", data.title);
    if (before?.url.split("?")[0] !== data.url.split("?")[0]) { // a new token does not reload the video
      this.resumeAt = before?.title === data.title ? this.video.currentTime : null; // another view of the same video
      this.video.src = data.url;
    } else if (before.request !== data.request) this.seek();
  }

  // Seeks into the requested frame, 1 ms after its start: the exact edge may show the frame before.
  seek() {
    const { start, end } = this.data;
    if (this.resumeAt != null) {
      this.video.currentTime = this.resumeAt;
      this.resumeAt = null;
      return;
    }
    this.until = end;
    this.video.pause();
    this.video.currentTime = Math.min(start + 0.001, this.video.duration || start);
  }

  step(by) {
    this.video.pause();
    this.until = null;
    const frame = 1 / this.data.fps;
    this.video.currentTime = (Math.floor((this.video.currentTime + 1e-4) / frame) + by + 0.5) * frame;
  }

  // Flags the frame on the screen, if the browser shows one.
  flag() {
    if (this.video.readyState < 2) return;
    this.video.pause();
    this.send("flagged", { time: this.video.currentTime });
  }

  showTime() {
    const at = this.video.currentTime;
    this.find("now").textContent = `${at.toFixed(2)} s`;
    if (this.until !== null && at >= this.until) {
      this.until = null;
      this.video.pause();
    }
  }

  end() {
    window.removeEventListener("keydown", this.listen);
    this.video.removeAttribute("src");
    this.video.load();
  }
}

export default (component) => instanceAt(component, Player);
