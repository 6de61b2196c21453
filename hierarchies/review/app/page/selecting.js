// Which labels of a wall are selected: by click, range, lasso or all at once.
import { el } from "./elements.js";

const FAR_PX = 6; // a shorter movement is a click

/** Rows of selected labels with the group in which each was seen. */
export class Selected {
  #groups = new Map();

  constructor(changed) { this.changed = changed; }

  get size() { return this.#groups.size; }
  get rows() { return [...this.#groups.keys()]; }
  get groups() { return [...this.#groups.values()]; }
  has(row) { return this.#groups.has(row); }

  /** Select or leave out; tiles are {row, group}. */
  set(tiles, on = true) {
    for (const { row, group } of tiles) if (on) this.#groups.set(row, group); else this.#groups.delete(row);
    this.changed();
  }

  clear() {
    this.#groups.clear();
    this.changed();
  }
}

/**
 * Drags with the mouse on `box`, in which `grid` lies: from a selected tile they carry the selection, from elsewhere they draw a lasso.
 * `tileAt(node)` gives the tile of an element, `inside(box)` those that a rectangle of the page touches.
 */
export function listenToDrags(box, { grid, selected, tileAt, inside, drop }) {
  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch" || event.target.closest("button, input, select, label, a")) return;
    const tile = tileAt(event.target);
    if (tile && selected.has(tile.row)) carry(event, grid, selected, drop);
    else lasso(event, grid, selected, inside);
  });
}

/** Follow the pointer until it is let go; `move` is called once it is far enough from where it went down. */
function follow(down, grid, move, end) {
  let far = false;
  const moved = (event) => {
    far ||= Math.hypot(event.pageX - down.pageX, event.pageY - down.pageY) > FAR_PX;
    if (far) move(event);
  };
  const stop = (event) => {
    document.removeEventListener("pointermove", moved);
    document.removeEventListener("pointerup", stop);
    document.removeEventListener("pointercancel", stop);
    if (!far) return end(null);
    grid.dataset.dragged = "true"; // the click that follows a drag is none
    setTimeout(() => delete grid.dataset.dragged, 0);
    return end(event.type === "pointerup" ? event : null);
  };
  document.addEventListener("pointermove", moved);
  document.addEventListener("pointerup", stop);
  document.addEventListener("pointercancel", stop);
}

function lasso(down, grid, selected, inside) {
  const frame = el("div", { class: "lasso", hidden: true });
  const before = new Set(selected.rows);
  document.body.append(frame);
  down.preventDefault();
  follow(down, grid, (event) => {
    const box = {
      left: Math.min(down.pageX, event.pageX), right: Math.max(down.pageX, event.pageX),
      top: Math.min(down.pageY, event.pageY), bottom: Math.max(down.pageY, event.pageY),
    };
    frame.hidden = false;
    for (const side of ["left", "top"]) frame.style[side] = `${box[side]}px`;
    frame.style.width = `${box.right - box.left}px`;
    frame.style.height = `${box.bottom - box.top}px`;
    const caught = inside(box);
    const held = new Set(caught.map((tile) => tile.row));
    const left = selected.rows.filter((row) => !before.has(row) && !held.has(row));
    selected.set(left.map((row) => ({ row })), false);
    selected.set(caught);
  }, () => frame.remove());
}

function carry(down, grid, selected, drop) {
  const ghost = el("div", { class: "carried", hidden: true }, `${selected.size} selected`);
  let over = null;
  document.body.append(ghost);
  down.preventDefault();
  follow(down, grid, (event) => {
    ghost.hidden = false;
    ghost.style.left = `${event.pageX + 12}px`;
    ghost.style.top = `${event.pageY + 12}px`;
    const target = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-drop]") || null;
    if (target === over) return;
    over?.classList.remove("under");
    target?.classList.add("under");
    over = target;
  }, (event) => {
    ghost.remove();
    over?.classList.remove("under");
    if (event && over) drop(over.dataset.drop);
  });
}
