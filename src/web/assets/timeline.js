// New rows of the timeline come as server-sent events, each the HTML of a row that the daemon made. Without this script the page shows what
// there was when it was loaded.
"use strict";

(() => {
  const MOST_ROWS = 300;
  const rows = document.querySelector("tbody[data-follow]");
  if (!rows) return;
  const status = document.getElementById("following");
  const address = rows.dataset.follow;
  const source = new EventSource(address + (address.includes("?") && !address.endsWith("?") ? "&" : "") + "after=" + rows.dataset.after);

  const say = (text) => {
    if (status && status.textContent !== text) status.textContent = text;
  };

  source.addEventListener("message", (event) => {
    const template = document.createElement("template");
    template.innerHTML = event.data;
    const row = template.content.querySelector("tr");
    if (!row || rows.querySelector('tr[data-seq="' + row.dataset.seq + '"]')) return;
    row.classList.add("new");
    rows.prepend(row);
    while (rows.children.length > MOST_ROWS) rows.lastElementChild.remove();
    const none = document.getElementById("none");
    if (none) none.remove();
  });
  source.addEventListener("open", () => say(status.dataset.well));
  source.addEventListener("error", () => say(status.dataset.lost));
  window.addEventListener("pagehide", () => source.close());
})();
