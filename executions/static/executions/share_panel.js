/** Copies the link of a shared run. Without a secure context the browser offers no clipboard: then it is selected. */

const link = document.getElementById("share-link");
const button = document.getElementById("share-copy");

if (link && button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    link.select();
    try {
      await navigator.clipboard.writeText(link.value);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected";
    }
  });
}
