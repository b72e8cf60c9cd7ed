class Keys {
  constructor() {
    this.listen = (event) => {
      const letter = event.key.toLowerCase();
      if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event) || !this.wanted.includes(letter)) return;
      event.preventDefault();
      event.stopImmediatePropagation(); // C and R mean something else to Streamlit
      if (!event.repeat) this.tell("pressed", letter);
    };
    window.addEventListener("keydown", this.listen, true);
  }

  update({ data, setTriggerValue }) {
    this.wanted = data.wanted;
    this.tell = setTriggerValue;
  }

  end() {
    window.removeEventListener("keydown", this.listen, true);
  }
}

export default (component) => instanceAt(component, Keys);
