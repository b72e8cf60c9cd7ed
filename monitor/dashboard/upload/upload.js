class Sender {
  constructor(root) {
    this.find = (query) => root.querySelector(query);
    this.waiting = [];
    this.request = null;
    const drop = this.find(".drop"), input = this.find("input");
    this.find(".choose").onclick = () => input.click();
    input.onchange = () => { this.queue(input.files); input.value = ""; };
    drop.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
    drop.ondragleave = () => drop.classList.remove("over");
    drop.ondrop = (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      this.queue(event.dataTransfer.files);
    };
    this.find(".stop").onclick = () => { this.waiting = []; this.request?.abort(); };
  }

  update({ data, setTriggerValue }) {
    this.data = data;
    this.tell = setTriggerValue;
    this.find(".limit").textContent = `Up to ${this.data.most} MB. It stays on the machine that runs the monitor.`;
  }

  queue(files) {
    this.fail("");
    for (const file of files) {
      if (file.size > this.data.most * 1e6) this.fail(`${file.name} is larger than ${this.data.most} MB`);
      else this.waiting.push(file);
    }
    if (!this.request) this.next();
  }

  next() {
    const file = this.waiting.shift();
    this.find(".going").hidden = !file;
    if (!file) return;
    const request = this.request = new XMLHttpRequest();
    const progress = this.find("progress"), what = this.find(".what");
    const separator = this.data.url.includes("?") ? "&" : "?";
    request.open("PUT", `${this.data.url}${separator}name=${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (event) => {
      progress.value = event.total ? event.loaded / event.total : 0;
      what.textContent = `${file.name}: ${Math.round(100 * progress.value)} %`;
    };
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* not ours: the status says enough */ }
      if (request.status === 200) this.tell("done", answer.id);
      else this.fail(answer.error || `${file.name}: the server answered ${request.status}`);
    };
    request.onerror = () => this.fail(`${file.name}: the server does not answer`);
    request.onabort = () => this.fail(`${file.name}: stopped, nothing was kept`);
    request.onloadend = () => { this.request = null; this.next(); };
    request.send(file);
  }

  end() {
    this.waiting = [];
    this.request?.abort();
  }

  fail(message) {
    const line = this.find(".error");
    line.textContent = message;
    line.hidden = !message;
  }
}

export default (component) => instanceAt(component, Sender);
