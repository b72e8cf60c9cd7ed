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
    this.setTriggerValue = setTriggerValue;
    this.find(".limit").textContent = `Up to ${this.data.max_megabytes} MB. The file stays on the computer that runs the monitor.`;
  }

  queue(files) {
    if (!this.request) this.clear();
    for (const file of files) {
      if (file.size > this.data.max_megabytes * 1e6) this.fail(`${file.name} is larger than ${this.data.max_megabytes} MB.`);
      else this.waiting.push(file);
    }
    if (!this.request) this.next();
  }

  next() {
    const file = this.waiting.shift();
    this.find(".uploading").hidden = !file;
    if (!file) return;
    const request = this.request = new XMLHttpRequest();
    const progress = this.find("progress"), status = this.find(".status");
    const separator = this.data.url.includes("?") ? "&" : "?";
    request.open("PUT", `${this.data.url}${separator}name=${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (event) => {
      progress.value = event.total ? event.loaded / event.total : 0;
      status.textContent = `${file.name}: ${Math.round(100 * progress.value)} %`;
    };
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* an answer of a proxy; its status is shown */ }
      if (request.status === 200) this.setTriggerValue("done", answer.id);
      else this.fail(answer.error || `${file.name}: the upload failed. The server answered with status ${request.status}.`);
    };
    request.onerror = () => this.fail(`${file.name}: the server does not answer.`);
    request.onabort = () => this.fail(`${file.name}: the upload was stopped. Nothing was saved.`);
    request.onloadend = () => { this.request = null; this.next(); };
    request.send(file);
  }

  end() {
    this.waiting = [];
    this.request?.abort();
  }

  // Adds a line: of several files, each error stays.
  fail(message) {
    const errors = this.find(".error");
    errors.append(Object.assign(document.createElement("p"), { textContent: message }));
    errors.hidden = false;
  }

  clear() {
    this.find(".error").replaceChildren();
    this.find(".error").hidden = true;
  }
}

export default (component) => instanceAt(component, Sender);
