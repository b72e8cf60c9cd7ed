class Keys {
  constructor() {
    this.listen = (event) => {
      const letter = event.key.toLowerCase();
      if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event) || !this.wanted.includes(letter)) return;
      event.preventDefault();
      event.stopImmediatePropagation(); // Streamlit has its own shortcuts on C and R
      if (!event.repeat) this.setTriggerValue("pressed", letter);
    };
    window.addEventListener("keydown", this.listen, true);
  }

  update({ data, setTriggerValue }) {
    this.wanted = data.wanted;
    this.setTriggerValue = setTriggerValue;
  }

  end() {
    window.removeEventListener("keydown", this.listen, true);
  }
}

export default (component) => instanceAt(component, Keys);
