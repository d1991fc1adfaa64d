// Asks before an act that is marked with data-confirm. Without this script, the act stands behind a <details>.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// The way back from an error leads to the page before, with what was entered there. Without this script it leads to the area's first page.
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-back]") && history.length > 1) {
    event.preventDefault();
    history.back();
  }
});

// Selects that send their form when they change.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// Server-sent events of a path. Calls `on[name](data)` with parsed JSON; the element `[data-connection]` shows whether the connection holds.
export function follow(path, on) {
  const source = new EventSource(path);
  const show = (state) => document.querySelectorAll("[data-connection]").forEach((at) => (at.dataset.connection = state));
  source.onopen = () => show("open");
  source.onerror = () => show("lost");
  for (const [name, act] of Object.entries(on)) {
    source.addEventListener(name, (event) => act(JSON.parse(event.data)));
  }
  return source;
}
