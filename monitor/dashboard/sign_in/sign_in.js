class Form {
  constructor(root) {
    this.form = root.querySelector("form");
    this.form.onsubmit = (event) => {
      event.preventDefault();
      this.send();
    };
    this.form.elements.name.focus();
  }

  update({ data, setTriggerValue }) {
    this.url = data.url;
    this.tell = setTriggerValue;
  }

  end() {}

  async send() {
    const { name, password } = this.form.elements;
    const button = this.form.querySelector("button");
    button.disabled = true;
    this.say("");
    try {
      const body = JSON.stringify({ name: name.value, password: password.value });
      const answer = await fetch(this.url, { method: "POST", body });
      const said = await answer.json().catch(() => ({}));
      password.value = "";
      if (answer.ok) this.tell("done", said.name);
      else this.say(said.error || `the server answered ${answer.status}`);
    } catch {
      this.say("the server does not answer");
    }
    button.disabled = false;
  }

  say(message) {
    this.form.querySelector(".error").textContent = message;
  }
}

export default (component) => instanceAt(component, Form);
