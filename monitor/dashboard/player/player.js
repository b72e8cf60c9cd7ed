class Player {
  constructor(root) {
    this.find = (name) => root.querySelector(`.${name}`);
    this.video = this.find("video");
    this.find("back").onclick = () => this.step(-1);
    this.find("on").onclick = () => this.step(1);
    this.find("player").onkeydown = (event) => {
      const by = { ",": -1, ".": 1 }[event.key];
      if (by && !event.ctrlKey && !event.metaKey && !event.altKey) this.step(by);
    };
    this.video.ontimeupdate = () => this.moved();
    this.video.onseeked = () => this.moved();
    this.video.onloadedmetadata = () => this.go();
  }

  update({ data }) {
    const before = this.data;
    this.data = data;
    this.video.controls = data.fps !== null;
    this.find("steps").hidden = data.fps === null;
    this.video.setAttribute("aria-label", data.title);
    if (before?.url.split("?")[0] !== data.url.split("?")[0]) this.video.src = data.url; // a new token loads nothing anew
    else if (before.asked !== data.asked) this.go();
  }

  // To the moment that is asked for: into its frame, not onto the edge between two.
  go() {
    const { start, end } = this.data;
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

  moved() {
    const at = this.video.currentTime;
    this.find("now").textContent = `${at.toFixed(2)} s`;
    if (this.until !== null && at >= this.until) {
      this.until = null;
      this.video.pause();
    }
  }

  end() {
    this.video.removeAttribute("src");
    this.video.load();
  }
}

export default (component) => instanceAt(component, Player);
