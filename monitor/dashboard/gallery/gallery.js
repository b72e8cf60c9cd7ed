class Gallery {
  constructor(root) {
    this.place = root.querySelector(".gallery");
  }

  update({ data, setTriggerValue }) {
    this.tell = setTriggerValue;
    const shown = JSON.stringify(data.rows);
    if (shown === this.shown) return; // a run of the page that changes nothing keeps the focus where it is
    this.shown = shown;
    this.place.replaceChildren(...data.rows.flatMap((row, number) => this.row(row, number)));
  }

  row({ title, items }, number) {
    const head = Object.assign(document.createElement("div"), { className: "title", textContent: title });
    const row = Object.assign(document.createElement("div"), { className: "row" });
    row.append(...items.map((item, place) => this.item(item, [number, place])));
    return [head, row];
  }

  item({ url, words, about }, picked) {
    const button = Object.assign(document.createElement("button"), { type: "button", ariaLabel: about });
    const image = Object.assign(document.createElement("img"), { src: url, alt: "", loading: "lazy" });
    const line = Object.assign(document.createElement("span"), { className: "words", textContent: words });
    button.append(image, line);
    button.onclick = () => this.tell("picked", picked);
    return button;
  }

  end() {}
}

export default (component) => instanceAt(component, Gallery);
