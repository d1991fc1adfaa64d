// The live view: pictures one after the other, and what the server reports between them. The query keeps the common script the same module.
const { follow } = await import("./usher.js" + new URL(import.meta.url).search);

const PACE_MS = 200;
const AWAY_MS = 2000;
const figures = new Map([...document.querySelectorAll("[data-camera]")].map((at) => [at.dataset.camera, at]));
const seen = new WeakSet();
const inView = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) seen.add(target);
    else seen.delete(target);
  }
});

// Asks for a camera's next picture once the last one is there, so a slow network shows fewer. Nobody looks: nothing is asked for.
function watch(figure) {
  let shown = figure.querySelector("img");
  const path = shown.getAttribute("src");
  let count = 0;
  const turn = async () => {
    const began = performance.now();
    let pause = PACE_MS;
    if (document.hidden || !seen.has(figure) || "away" in figure.dataset) {
      pause = 1000;
    } else {
      const next = new Image();
      next.alt = shown.alt;
      next.src = `${path}?n=${++count}`;
      try {
        await next.decode();
        shown.replaceWith(next);
        shown = next;
        figure.classList.remove("lost");
      } catch {
        figure.classList.add("lost");
        pause = AWAY_MS;
      }
    }
    setTimeout(turn, Math.max(20, pause - (performance.now() - began)));
  };
  inView.observe(figure);
  turn();
}
figures.forEach(watch);

// Replaces a piece that has changed. One that somebody uses, as a form in it with the focus, is not replaced under their hands.
function put(at, html) {
  if (!at || at.contains(document.activeElement)) return;
  const template = document.createElement("template");
  template.innerHTML = html;
  if (template.innerHTML !== at.innerHTML) at.innerHTML = html;
}

const within = (name, part) => figures.get(name)?.querySelector(`[${part}]`);
const connection = document.querySelector("[data-connection]");
const source = follow("/live/events", {
  doors(doors) {
    for (const { name, html } of doors) put(document.querySelector(`[data-door="${CSS.escape(name)}"]`), html);
  },
  cameras(cameras) {
    for (const { name, away, state, aim } of cameras) {
      figures.get(name)?.toggleAttribute("data-away", away);
      put(within(name, "data-state"), state);
      put(within(name, "data-aim"), aim);
    }
  },
  faces({ camera, width, height, boxes, list, meters, said }) {
    within(camera, "data-boxes")?.setAttribute("viewBox", `0 0 ${width} ${height}`);
    put(within(camera, "data-boxes"), boxes);
    put(within(camera, "data-faces"), list);
    put(within(camera, "data-meters"), meters);
    const told = within(camera, "data-said");
    if (told && said && told.textContent !== said) told.textContent = said;
  },
  still() {},
});
source.addEventListener("open", () => (connection.textContent = connection.dataset.open));
source.addEventListener("error", () => (connection.textContent = connection.dataset.lost));
