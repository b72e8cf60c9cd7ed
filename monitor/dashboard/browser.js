// Functions that several components share; joined before each component's own scripts.

const ENDED = 4000, NOT_ALLOWED = 4401; // close codes, as in monitor/server/frame_messages.py
const NOT_TYPED_INTO = new Set(["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"]);
const instances = new WeakMap();

// Creates one instance for the root of a component; reruns only update it. Returns a function that removes it.
function instanceAt(component, Type) {
  const root = component.parentElement;
  let instance = instances.get(root);
  if (!instance) instances.set(root, (instance = new Type(root)));
  instance.update(component);
  return () => {
    instance.end();
    instances.delete(root);
  };
}

// The address of a WebSocket route, its token included.
function socketAddress(url, token) {
  const address = new URL(url, location.href);
  address.protocol = address.protocol.replace(/^http/, "ws");
  address.searchParams.set("token", token);
  return address.href;
}

function isTyping(event) {
  const target = event.composedPath()[0];
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.matches("textarea, select")) return true;
  return target.matches("input") && !NOT_TYPED_INTO.has(target.type);
}
