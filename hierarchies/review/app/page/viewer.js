// One photograph, large: arrows go through the photographs of a label and through the labels of the wall.
import { count, el, label, number, percent } from "./elements.js";

/**
 * Show photographs of a label. `step(by)` gives another tile of the wall or null, `toggle(tile)` selects it,
 * `isSelected(tile)` tells, `shown(tile, nth)` is called with what is on the screen, null once it is closed.
 */
export function openViewer(tile, nth, { step = () => null, toggle = null, isSelected = () => false, shown = () => {} }) {
  const box = document.getElementById("viewer-dialog");
  const photo = el("img", { class: "large", alt: "" });
  const caption = el("div", { class: "caption" });
  const strip = el("div", { class: "strip" });
  const closed = () => shown(null, 0);

  function draw() {
    photo.src = `photo/${tile.row}/${nth}/large`;
    photo.alt = `Photo ${nth + 1} of ${tile.label.slice(0, 100)}`;
    caption.replaceChildren(...[
      el("h2", { id: "viewer-title" }, label(tile.label)),
      el("p", {}, tile.group ? ["in ", label(tile.group), tile.decided ? ", decided" : `, ${percent(tile.confidence)} sure`] : null, tile.type ? [" from its type ", label(tile.type)] : null),
      tile.dispute ? el("p", { class: "dispute" }, `But ${tile.dispute}`) : null,
      tile.notes ? el("p", { class: "dispute" }, `Unsure: ${tile.notes.filter(Boolean).join("; ") || "no note"}`) : null,
      el("p", { class: "quiet" }, tile.n_photos ? `Photo ${number(nth + 1)} of ${number(tile.n_photos)}` : "No photo here", ` · ${count(tile.n_images, "image")}`),
      toggle ? el("button", { type: "button", "aria-pressed": `${isSelected(tile)}`, onclick: () => { toggle(tile); draw(); } }, isSelected(tile) ? "Selected" : "Select", " ", el("kbd", { "aria-hidden": "true" }, "Space")) : null,
      el("button", { type: "button", onclick: () => box.close() }, "Close ", el("kbd", { "aria-hidden": "true" }, "Esc")),
    ].filter(Boolean));
    strip.replaceChildren(...Array.from({ length: tile.n_photos }, (_, i) => el("button", { type: "button", "aria-label": `Photo ${i + 1}`, "aria-current": i === nth ? "true" : null, onclick: () => { nth = i; draw(); } },
      el("img", { src: `photo/${tile.row}/${i}`, alt: "", loading: "lazy", width: 64, height: 48 }))));
    strip.hidden = tile.n_photos < 2;
    strip.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    shown(tile, nth);
  }

  function along(by) {
    nth += by;
    const other = nth < 0 || nth >= Math.max(1, tile.n_photos) ? step(by) : tile;
    if (!other) { nth = Math.min(Math.max(nth, 0), Math.max(0, tile.n_photos - 1)); return; }
    if (other !== tile) { tile = other; nth = by < 0 ? Math.max(0, tile.n_photos - 1) : 0; }
    draw();
  }

  function to(other) {
    if (!other) return;
    tile = other;
    nth = 0;
    draw();
  }

  box.onkeydown = (event) => {
    const acts = { ArrowRight: () => along(1), ArrowLeft: () => along(-1), ArrowDown: () => to(step(1)), ArrowUp: () => to(step(-1)) };
    if (toggle && event.key === " ") acts[" "] = () => { toggle(tile); draw(); };
    if (event.key === "Enter" && event.target === box) acts.Enter = () => box.close();
    if (!acts[event.key] || (event.key === " " && event.target.closest("button"))) return;
    event.preventDefault();
    acts[event.key]();
  };
  box.onclose = closed;
  box.replaceChildren(photo, caption, strip);
  box.setAttribute("tabindex", "-1");
  if (!box.open) box.showModal();
  box.focus();
  draw();
}
