class Gallery {
  constructor(root) {
    this.container = root.querySelector(".gallery");
  }

  update({ data, setTriggerValue }) {
    this.setTriggerValue = setTriggerValue;
    const shown = JSON.stringify(data.rows);
    if (shown === this.shown) return; // keeps the keyboard focus when a rerun changes nothing
    this.shown = shown;
    this.container.replaceChildren(...data.rows.flatMap((row, number) => this.row(row, number)));
  }

  row({ title, items }, number) {
    const head = Object.assign(document.createElement("div"), { className: "title", textContent: title });
    const row = Object.assign(document.createElement("div"), { className: "row" });
    row.append(...items.map((item, column) => this.item(item, [number, column])));
    return [head, row];
  }

  item({ url, caption, description }, position) {
    const button = Object.assign(document.createElement("button"), { type: "button", ariaLabel: description });
    const image = Object.assign(document.createElement("img"), { src: url, alt: "", loading: "lazy" });
    const line = Object.assign(document.createElement("span"), { className: "caption", textContent: caption });
    button.append(image, line);
    button.onclick = () => this.setTriggerValue("picked", position);
    return button;
  }

  end() {}
}

export default (component) => instanceAt(component, Gallery);
