// A sitting in front of a camera: shows the advice and the picture as they change, and loads the page again when there are enough views.
// The query keeps the common script the same module.
const { follow } = await import("./usher.js" + new URL(import.meta.url).search);

const sitting = document.querySelector("[data-sitting]");
if (sitting) {
  const advice = sitting.querySelector("[data-advice]");
  const taken = sitting.querySelector("[data-taken]");
  const source = follow(sitting.dataset.sitting, {
    sitting: (now) => {
      advice.textContent = now.advice;
      taken.value = now.taken;
      if (now.state !== "running") {
        source.close();
        location.reload();
      }
    },
  });
}

for (const picture of document.querySelectorAll("img[data-reload]")) {
  const path = picture.src.split("?")[0];
  const again = () => (picture.src = `${path}?at=${Date.now()}`);
  picture.addEventListener("load", () => setTimeout(again, Number(picture.dataset.reload)));
  picture.addEventListener("error", () => setTimeout(again, 3000));
}
