// The live tree: groups, level by level, and on demand what stands in a group of the finest level of groups.
import { call, count, el, label, number } from "./elements.js";

const closed = new Set(); // paths of coarser groups that are folded
const opened = new Map(); // group -> {items, total}

/** Draw the tree; `current` is {level, label, place}; `open(level, label)` shows a thing. */
export function showTree(box, state, current, open) {
  const held = state.tree;
  const names = new Set(held.map((one) => one.name));
  for (const name of opened.keys()) if (!names.has(name)) opened.delete(name);
  const view = { state, current, open, redraw: () => showTree(box, state, current, open) };
  box.replaceChildren(el("ul", { class: "tops" }, branches(held, state.levels.length - 2, [], view)));
  const total = held.reduce((sum, one) => sum + one.n_images, 0);
  document.getElementById("tree-total").textContent = `${count(held.length, state.levels[1].replaceAll("_", " "))}, ${count(total, "image")}`;
  const here = box.querySelector("[aria-current]");
  if (here) keepVisible(box, here);
}

/** What stands in open groups is asked for again after an act. */
export async function refreshOpened(level) {
  await Promise.all([...opened].map(async ([name, known]) => {
    const found = await call("members", { level, label: name });
    if (found.error) opened.delete(name);
    else opened.set(name, { ...found, items: found.items.slice(0, Math.max(known.items.length, found.items.length)) });
  }));
}

function keepVisible(box, row) {
  const frame = box.getBoundingClientRect();
  const place = row.getBoundingClientRect();
  if (place.top < frame.top || place.bottom > frame.bottom) box.scrollTop += place.top - frame.top - frame.height / 3;
}

/** Rows of the groups `depth` levels above the finest groups, below `path`. */
function branches(held, depth, path, view) {
  if (depth === 0) {
    const largest = Math.max(...held.map((one) => one.n_images), 1);
    return held.map((one) => groupRow(one, largest, view));
  }
  return [...Map.groupBy(held, (one) => one.path[depth - 1])].map(([name, inside]) => topRow(name, inside, depth, path, view));
}

function topRow(name, inside, depth, path, view) {
  const here = [...path, name];
  const key = JSON.stringify(here);
  const images = inside.reduce((sum, one) => sum + one.n_images, 0);
  const level = view.state.levels[depth + 1];
  const isCurrent = view.current && view.current.level === level && view.current.label === name;
  return el("li", {},
    el("div", { class: "line" },
      el("button", {
        type: "button", class: "top-group", "aria-expanded": `${!closed.has(key)}`,
        onclick: () => { if (!closed.delete(key)) closed.add(key); view.redraw(); },
      }, el("i", { class: "caret", "aria-hidden": "true" }), label(name), el("span", { class: "amount" }, number(images))),
      el("button", {
        type: "button", class: "show", "aria-current": isCurrent ? "true" : null, "aria-label": `Show ${name.slice(0, 100)}`,
        onclick: () => view.open(level, name),
      }, "›")),
    closed.has(key) ? null : el("ul", {}, branches(inside, depth - 1, here, view)));
}

function groupRow(held, largest, view) {
  const { state, current, open, redraw } = view;
  const level = state.levels[1];
  const here = current && current.place.level === level && held.name === current.place.group;
  const members = opened.get(held.name);
  const toggle = async () => {
    if (members) opened.delete(held.name);
    else {
      const found = await call("members", { level, label: held.name });
      if (!found.error) opened.set(held.name, found);
    }
    redraw();
  };
  const share = el("meter", { class: "share", min: 0, max: largest, value: held.n_images, "aria-hidden": "true" });
  return el("li", { class: "group" },
    el("div", { class: here ? "line here" : "line", "data-drop": held.name },
      el("button", { type: "button", class: "toggle", "aria-expanded": `${Boolean(members)}`, "aria-label": `What is in ${held.name.slice(0, 100)}`, onclick: toggle },
        el("i", { class: "caret", "aria-hidden": "true" })),
      el("button", { type: "button", class: "name", "aria-current": here ? "true" : null, onclick: () => open(level, held.name) },
        label(held.name), el("span", { class: "amount" }, number(held.n_images)), share)),
    members ? memberList(held.name, members, view) : null);
}

function memberList(name, members, view) {
  const { state, current, open, redraw } = view;
  const more = async () => {
    const found = await call("members", { level: state.levels[1], label: name, offset: members.items.length });
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
