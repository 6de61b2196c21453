// The live tree: kinds, categories, and on demand what stands in a category.
import { call, count, el, label, number } from "./elements.js";

const closedKinds = new Set();
const opened = new Map(); // category -> {items, total}

/** Draw the tree; `current` is {category, level, label}; `open(level, label)` shows a thing. */
export function showTree(box, tree, current, open) {
  const names = new Set(tree.map((held) => held.name));
  for (const name of opened.keys()) if (!names.has(name)) opened.delete(name);
  const kinds = Map.groupBy(tree, (held) => held.kind);
  const redraw = () => showTree(box, tree, current, open);
  box.replaceChildren(el("ul", { class: "kinds" }, [...kinds].map(([kind, held]) => kindRow(kind, held, current, open, redraw))));
  const total = tree.reduce((sum, held) => sum + held.n_images, 0);
  document.getElementById("tree-total").textContent = `${count(tree.length, "category")}, ${count(total, "image")}`;
  const here = box.querySelector("[aria-current]");
  if (here) keepVisible(box, here);
}

/** What stands in open categories is asked for again after an act. */
export async function refreshOpened() {
  await Promise.all([...opened].map(async ([name, known]) => {
    const found = await call("members", { level: "category", label: name });
    if (found.error) opened.delete(name);
    else opened.set(name, { ...found, items: found.items.slice(0, Math.max(known.items.length, found.items.length)) });
  }));
}

function keepVisible(box, row) {
  const frame = box.getBoundingClientRect();
  const place = row.getBoundingClientRect();
  if (place.top < frame.top || place.bottom > frame.bottom) box.scrollTop += place.top - frame.top - frame.height / 3;
}

function kindRow(kind, held, current, open, redraw) {
  const closed = closedKinds.has(kind);
  const images = held.reduce((sum, one) => sum + one.n_images, 0);
  const largest = Math.max(...held.map((one) => one.n_images), 1);
  return el("li", {},
    el("button", {
      type: "button", class: "kind", "aria-expanded": `${!closed}`,
      onclick: () => { if (!closedKinds.delete(kind)) closedKinds.add(kind); redraw(); },
    }, el("i", { class: "caret", "aria-hidden": "true" }), label(kind), el("span", { class: "amount" }, number(images))),
    closed ? null : el("ul", {}, held.map((one) => categoryRow(one, largest, current, open, redraw))));
}

function categoryRow(held, largest, current, open, redraw) {
  const here = current && held.name === current.category;
  const members = opened.get(held.name);
  const toggle = async () => {
    if (members) opened.delete(held.name);
    else {
      const found = await call("members", { level: "category", label: held.name });
      if (!found.error) opened.set(held.name, found);
    }
    redraw();
  };
  const share = el("meter", { class: "share", min: 0, max: largest, value: held.n_images, "aria-hidden": "true" });
  return el("li", { class: "category" },
    el("div", { class: here ? "line here" : "line" },
      el("button", { type: "button", class: "toggle", "aria-expanded": `${Boolean(members)}`, "aria-label": `What is in ${held.name.slice(0, 100)}`, onclick: toggle },
        el("i", { class: "caret", "aria-hidden": "true" })),
      el("button", { type: "button", class: "name", "aria-current": here ? "true" : null, onclick: () => open("category", held.name) },
        label(held.name), el("span", { class: "amount" }, number(held.n_images)), share)),
    members ? memberList(held.name, members, current, open, redraw) : null);
}

function memberList(name, members, current, open, redraw) {
  const more = async () => {
    const found = await call("members", { level: "category", label: name, offset: members.items.length });
    if (!found.error) opened.set(name, { ...found, items: [...members.items, ...found.items] });
    redraw();
  };
  return el("ul", { class: "members" },
    members.items.map((item) => el("li", {},
      el("button", {
        type: "button", class: "name", "aria-current": current && current.level === item.level && current.label === item.label ? "true" : null,
        onclick: () => open(item.level, item.label),
      }, label(item.label), item.decided ? el("span", { class: "tick", title: "decided" }, "✓") : null,
      el("span", { class: "amount" }, number(item.weight))))),
    members.items.length < members.total
      ? el("li", {}, el("button", { type: "button", class: "link", onclick: more }, `${number(members.total - members.items.length)} more`)) : null);
}
