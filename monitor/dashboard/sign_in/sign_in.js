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
    this.setTriggerValue = setTriggerValue;
  }

  end() {}

  async send() {
    const { name, password } = this.form.elements;
    const button = this.form.querySelector("button");
    button.disabled = true;
    this.showError("");
    try {
      const body = JSON.stringify({ name: name.value, password: password.value });
      const answer = await fetch(this.url, { method: "POST", body });
      const result = await answer.json().catch(() => ({}));
      password.value = "";
      if (answer.ok) this.setTriggerValue("done", result.name);
      else this.showError(result.error || `The sign-in failed. The server answered with status ${answer.status}.`);
    } catch {
      this.showError("The server does not answer.");
    }
    button.disabled = false;
  }

  showError(message) {
    this.form.querySelector(".error").textContent = message;
  }
}

export default (component) => instanceAt(component, Form);
