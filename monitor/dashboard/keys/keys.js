const PATIENCE = 15000; // milliseconds after which an unanswered press counts as lost

class Keys {
  constructor(root) {
    this.status = root.querySelector(".keys-status");
    this.number = 0; // of the last press
    this.pressedAt = null; // time of the press without an answer
    this.listen = (event) => {
      const letter = event.key.toLowerCase();
      if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event) || !this.wanted.includes(letter)) return;
      event.preventDefault();
      event.stopImmediatePropagation(); // Streamlit has its own shortcuts on C and R
      if (!event.repeat) this.press(letter);
    };
    window.addEventListener("keydown", this.listen, true);
  }

  // A press belongs to the subject on the screen. Until the page has answered, a person may mean the next one.
  press(letter) {
    const isWaiting = this.pressedAt !== null && performance.now() - this.pressedAt < PATIENCE;
    if (isWaiting || !document.querySelector(`.st-key-${CSS.escape(this.container)}`)) {
      this.status.textContent = `Key ${letter.toUpperCase()} ignored: the page has not answered yet. Press it again.`;
      return;
    }
    this.pressedAt = performance.now();
    this.status.textContent = "";
    this.setTriggerValue("pressed", { letter, subject: this.subject, number: ++this.number });
  }

  update({ data, setTriggerValue }) {
    this.wanted = data.wanted;
    this.subject = data.subject;
    this.container = data.container;
    this.setTriggerValue = setTriggerValue;
    if (this.filters !== undefined && this.filters !== data.filters) releaseFocus();
    this.filters = data.filters;
    if (data.answered >= this.number) {
      this.number = data.answered;
      this.pressedAt = null;
    }
  }

  end() {
    window.removeEventListener("keydown", this.listen, true);
  }
}

// A used filter field keeps the focus, and would take all further keys.
function releaseFocus() {
  const field = document.activeElement;
  if (field?.matches("input") && field.getAttribute("aria-expanded") !== "true") field.blur();
}

export default (component) => instanceAt(component, Keys);
