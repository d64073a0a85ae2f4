// What is under the pointer says its name.
const tip = document.getElementById("tip");
function show(event) {
  const target = event.target.closest && event.target.closest("[data-tip]");
  tip.classList.toggle("on", !!target);
  if (!target) return;
  tip.textContent = target.dataset.tip;
  const box = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, innerWidth - box.width - 8);
  const above = event.clientY - box.height - 12;
  tip.style.left = Math.max(left, 8) + "px";
  tip.style.top = (above > 8 ? above : event.clientY + 18) + "px";
}
document.addEventListener("pointermove", show);
document.addEventListener("pointerdown", show);

// Learning curves over epochs or over wall time.
for (const button of document.querySelectorAll("[data-show]")) {
  button.onclick = () => {
    const section = button.closest("section");
    for (const other of section.querySelectorAll("[data-show]"))
      other.classList.toggle("on", other === button);
    for (const view of section.querySelectorAll("[data-view]"))
      view.hidden = view.dataset.view !== button.dataset.show;
  };
}

// Light or dark: as the system has it, until the button says otherwise.
document.getElementById("mode").onclick = () => {
  const root = document.documentElement;
  const dark = root.dataset.mode
    ? root.dataset.mode === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.mode = dark ? "light" : "dark";
};
