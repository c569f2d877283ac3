/** Short messages in a corner. They disappear after some seconds, but not while the pointer or focus is on them. */

const LIFETIME = 8_000; // milliseconds
const list = document.getElementById("toasts");

/** Shows the text. Returns a function that takes it away. */
export function toast(text) {
  const item = document.createElement("div");
  item.className = "toast";
  const words = document.createElement("p");
  words.className = "data";
  words.textContent = text.length > 300 ? `${text.slice(0, 300)}…` : text;
  const dismiss = document.createElement("button");
  dismiss.type = "button";
  dismiss.className = "quiet";
  dismiss.textContent = "Dismiss";
  item.append(words, dismiss);
  list.append(item);

  let timer;
  const leave = () => item.remove();
  const stay = () => clearTimeout(timer);
  const start = () => {
    stay();
    timer = setTimeout(leave, LIFETIME);
  };
  dismiss.addEventListener("click", leave);
  item.addEventListener("pointerenter", stay);
  item.addEventListener("focusin", stay);
  item.addEventListener("pointerleave", start);
  item.addEventListener("focusout", start);
  start();
  return leave;
}
