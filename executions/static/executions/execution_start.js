/** The page that starts a run. Each graph has its own form; choosing a graph loads it. */

const chooser = document.getElementById("chooser");

if (chooser) {
  chooser.querySelector("button").hidden = true;
  chooser.elements.graph.addEventListener("change", () => chooser.submit());
}
