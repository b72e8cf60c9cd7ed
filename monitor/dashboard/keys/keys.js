const known = new WeakMap();

function typing(event) {
  const target = event.composedPath()[0];
  return target instanceof Element && (target.isContentEditable || target.matches("input:not([type=checkbox]), textarea, select"));
}

export default function (component) {
  const root = component.parentElement;
  let state = known.get(root);
  if (!state) {
    known.set(root, state = {});
    state.listen = (event) => {
      const letter = event.key.toLowerCase();
      if (event.ctrlKey || event.altKey || event.metaKey || typing(event) || !state.wanted.includes(letter)) return;
      event.preventDefault();
      event.stopImmediatePropagation(); // C and R mean something else to Streamlit
      if (!event.repeat) state.tell("pressed", letter);
    };
    window.addEventListener("keydown", state.listen, true);
  }
  state.wanted = component.data.wanted;
  state.tell = component.setTriggerValue;
  return () => {
    window.removeEventListener("keydown", state.listen, true);
    known.delete(root);
  };
}
