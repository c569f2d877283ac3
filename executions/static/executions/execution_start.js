/** The page that starts a run: another graph is another form, and choosing one is enough to get it. */

const chooser = document.getElementById("chooser");

if (chooser) {
  chooser.querySelector("button").hidden = true;
  chooser.elements.graph.addEventListener("change", () => chooser.submit());
}
