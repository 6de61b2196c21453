// The wall: labels by their photographs, as many as there are; select, then act on the selected.
import { call, count, debounced, el, key, label, number, percent, toast } from "./elements.js";
import { listenToDrags, Selected } from "./selecting.js";
import { openViewer } from "./viewer.js";
import { openSelectionAct } from "./wall_acts.js";
import { filterBar, filtersOf } from "./wall_filters.js";

const MOST_LOADED = 3000; // tiles that a link may ask for at once
let wall = null; // the wall on the page

/** Keys of the wall; none where it is not shown. */
export const wallKeys = (name) => (wall && !document.getElementById("wall").hidden ? wall.keys[name] : undefined);

/**
 * Show the wall that `place` says. `go(place, replace)` changes the address and shows it, `remember(place)` changes the
 * address only, `saved(answer)` is called after an act; `groups()` gives groups to choose from, `onGroup` has the acts
 * on the group itself.
 */
export async function showWall(box, place, state, { go, remember, saved, groups, open, onGroup }) {
  const asked = { ...filtersOf(place), level: place.level || "", label: place.label || "" };
  const found = await call("wall", { ...asked, offset: 0 });
  if (found.error) return box.replaceChildren(el("div", { class: "notice" }, el("p", {}, found.error)), el("p", {}, el("button", { type: "button", onclick: () => go({ view: "wall" }) }, "The whole wall")));
  const same = wall && JSON.stringify(wall.asked) === JSON.stringify(asked);
  const kept = same ? wall.selected.rows : [];
  const selected = new Selected(() => drawSelected());
  wall = { asked, selected, tiles: [], nodes: new Map(), total: found.total, active: same ? wall.active : Number(place.at) || 0, anchor: null, keys: {}, names: new Map() };
  const mine = wall;
  const per = Number(place.per) || 1;
  const grid = el("div", { class: "wall-grid", role: "listbox", "aria-label": "Photographs", "aria-multiselectable": "true", tabindex: "-1" });
  const more = el("div", { class: "wall-more" });
  const acts = el("div", { class: "wall-acts", role: "toolbar", "aria-label": "Acts on the selected" });
  const again = (changed) => go({ ...place, ...changed, at: "", row: "" }, true);

  function draw(tiles) {
    for (const tile of tiles) {
      const node = tileOf(tile, state, per);
      mine.nodes.set(tile.row, node);
      mine.names.set(tile.row, tile.label);
      grid.append(node);
    }
    mine.tiles.push(...tiles);
    more.hidden = mine.tiles.length >= mine.total;
    more.textContent = more.hidden ? "" : `${number(mine.total - mine.tiles.length)} more`;
  }

  let loading = null;
  function load() {
    if (mine.tiles.length >= mine.total) return Promise.resolve();
    loading ||= call("wall", { ...asked, offset: mine.tiles.length }).then((next) => {
      loading = null;
      if (next.error) toast(next.error);
      else draw(next.tiles);
    });
    return loading;
  }

  function drawSelected() {
    for (const [row, node] of mine.nodes) node.setAttribute("aria-selected", `${selected.has(row)}`);
    const none = !selected.size;
    acts.querySelector(".n-selected").textContent = none ? "Nothing selected" : `${number(selected.size)} selected`;
    for (const button of acts.querySelectorAll("[data-on-selected]")) button.disabled = none;
  }

  function activate(place_, focus = true) {
    mine.active = Math.max(0, Math.min(mine.tiles.length - 1, place_));
    grid.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
    const node = mine.nodes.get(mine.tiles[mine.active]?.row);
    node?.setAttribute("tabindex", "0");
    if (focus && node) { node.focus({ preventScroll: true }); node.scrollIntoView({ block: "nearest" }); }
  }

  async function move(by) {
    if (mine.active + by >= mine.tiles.length - 1) await load();
    if (mine.active + by >= 0) activate(mine.active + by);
  }
  const columns = () => {
    const tops = mine.tiles.slice(0, 60).map((tile) => mine.nodes.get(tile.row).offsetTop);
    return Math.max(1, tops.filter((top) => top === tops[0]).length);
  };

  /** Select one, or all from the one selected before it. */
  function pick(place_, range) {
    const tile = mine.tiles[place_];
    if (!tile) return;
    if (range && mine.anchor !== null) {
      const [first, last] = [Math.min(mine.anchor, place_), Math.max(mine.anchor, place_)];
      selected.set(mine.tiles.slice(first, last + 1));
    } else {
      selected.set([tile], !selected.has(tile.row));
      mine.anchor = place_;
    }
    activate(place_);
  }

  function enlarge(place_, nth = 0) {
    const at = (tile) => mine.tiles.findIndex((other) => other.row === tile.row);
    let current = mine.tiles[place_];
    if (!current) return;
    openViewer(current, nth, {
      step: (by) => { if (at(current) + 1 >= mine.tiles.length - 2) load(); current = mine.tiles[at(current) + by] || current; return current; },
      toggle: (tile) => selected.set([tile], !selected.has(tile.row)),
      isSelected: (tile) => selected.has(tile.row),
      shown: (tile, photo) => {
        if (tile) remember({ ...place, row: tile.row, nth: photo || "" });
        else { remember({ ...place, row: "", nth: "" }); activate(at(current)); }
      },
    });
  }

  async function all() {
    const everything = await call("wall_rows", asked);
    if (everything.error) return toast(everything.error);
    return selected.set(everything.rows.map((row, i) => ({ row, group: everything.groups[i] })));
  }

  const names = () => selected.rows.map((row) => mine.names.get(row)).filter(Boolean);
  async function write(body) {
    const answer = await call("act_on_selection", body);
    if (answer.error) return answer.error;
    selected.clear();
    await saved(answer);
    return "";
  }
  async function act(name, preset = "") {
    if (!selected.size) return toast("Select photos first: click, drag a lasso, or press *.");
    if (name === "accept") {
      const error = await write({ act: "accept", rows: selected.rows, groups: selected.groups });
      return error && toast(error);
    }
    return openSelectionAct(name, selected, {
      names: names(), level: state.levels[1], choices: name === "move" ? await groups() : [], preset, save: write,
      parent: place.level === state.levels[1] ? found.path[0] : "",
    });
  }

  mine.keys = {
    a: () => act("accept"), m: () => act("move"), p: () => act("split"), x: () => act("exclude"), f: () => act("unsure"), "*": all,
    " ": (event) => pick(mine.active, event.shiftKey), enter: () => enlarge(mine.active), escape: () => selected.clear(),
    arrowright: () => move(1), arrowleft: () => move(-1), arrowdown: () => move(columns()), arrowup: () => move(-columns()),
  };
  const placeOf = (node) => {
    const tile = node.closest?.(".tile");
    return tile ? mine.tiles.findIndex((other) => `${other.row}` === tile.dataset.row) : -1;
  };
  grid.addEventListener("click", (event) => {
    const place_ = placeOf(event.target);
    if (place_ < 0 || grid.dataset.dragged) return;
    if (event.target.closest(".enlarge")) enlarge(place_);
    else pick(place_, event.shiftKey);
  });
  grid.addEventListener("dblclick", (event) => { const place_ = placeOf(event.target); if (place_ >= 0) { pick(place_, false); enlarge(place_); } });
  const body = el("div", { class: "wall-body" }, acts, grid, more);
  listenToDrags(body, {
    grid, selected, tileAt: (node) => mine.tiles[placeOf(node)], drop: (group) => act("move", group),
    inside: (lasso) => mine.tiles.filter((tile) => {
      const held = mine.nodes.get(tile.row).getBoundingClientRect();
      const [left, top] = [held.left + scrollX, held.top + scrollY];
      return left < lasso.right && left + held.width > lasso.left && top < lasso.bottom && top + held.height > lasso.top;
    }),
  });

  acts.append(
    el("span", { class: "n-selected", role: "status" }),
    ...[["Accept", "A", "accept", "primary"], ["Move…", "M", "move"], ["Split out…", "P", "split"], ["Elsewhere…", "X", "exclude"], ["Unsure…", "F", "unsure"]]
      .map(([name, letter, which, kind]) => el("button", { type: "button", class: kind || "", "data-on-selected": true, "aria-keyshortcuts": letter.toLowerCase(), onclick: () => act(which) }, name, " ", key(letter))),
    el("button", { type: "button", "aria-keyshortcuts": "*", onclick: all }, `Select all ${number(mine.total)} `, key("*")),
    el("button", { type: "button", "data-on-selected": true, onclick: () => selected.clear() }, "None ", key("Esc")));

  box.replaceChildren(head(place, found, state, go, open, onGroup), filterBar(place, found, state, again), ...(found.total
    ? [body] : [nothing(place, found, state, again, go)]));
  draw(found.tiles);
  while (mine.tiles.length <= Math.min(mine.active, MOST_LOADED) && mine.tiles.length < mine.total) await load();
  if (wall !== mine) return undefined;
  activate(mine.active, false);
  const known = new Set(mine.tiles.map((tile) => tile.row));
  selected.set(mine.tiles.filter((tile) => kept.includes(tile.row) && known.has(tile.row)));
  if (Number(place.at) && !same) mine.nodes.get(mine.tiles[mine.active]?.row)?.scrollIntoView({ block: "start" });
  new IntersectionObserver((seen) => { if (wall === mine && seen.some((one) => one.isIntersecting)) load(); }, { rootMargin: "800px" }).observe(more);
  listenToScroll(mine, (at) => remember({ ...place, at: at || "" }));
  if (place.row) {
    const everything = await call("wall_rows", asked);
    const at = (everything.rows || []).indexOf(Number(place.row));
    while (at < MOST_LOADED && mine.tiles.length <= at) await load();
    if (wall === mine) enlarge(at, Number(place.nth) || 0);
  }
  return undefined;
}

let onScroll = null;
/** Keep the first tile on the screen in the address. */
function listenToScroll(mine, remember) {
  if (onScroll) removeEventListener("scroll", onScroll);
  onScroll = debounced(() => {
    if (wall !== mine || document.querySelector("dialog[open]") || document.getElementById("wall").hidden) return;
    const first = mine.tiles.findIndex((tile) => mine.nodes.get(tile.row).getBoundingClientRect().bottom > 120);
    remember(window.scrollY < 40 ? 0 : Math.max(0, first));
  }, 200);
  addEventListener("scroll", onScroll, { passive: true });
}

function head(place, found, state, go, open, onGroup) {
  const path = found.path.map((name, i) => el("button", { type: "button", class: "link", onclick: () => go({ view: "wall", level: state.levels[state.levels.indexOf(place.level) + 1 + i], label: name, show: place.show }) }, label(name)));
  return el("div", { class: "wall-head" },
    el("p", { class: "eyebrow" }, place.level ? [place.level.replaceAll("_", " "), path.length ? " in " : null, path.map((one, i) => [i ? " › " : "", one])] : "All that is asked"),
    el("h1", { dir: "auto", class: "clamped" }, place.label || "The queue"),
    el("p", { class: "quiet wall-counts" }, `${found.total < found.of ? `${number(found.total)} of ` : ""}${count(found.of, state.levels[0].replaceAll("_", " "))}${found.total < found.of ? " shown" : ""}, ${count(found.n_images, "image")}`, found.n_doubtful ? `, ${number(found.n_doubtful)} in doubt` : null,
      place.level ? [" · ", el("button", { type: "button", class: "link", onclick: () => open(place.level, place.label) }, "as a question"), state.levels.includes(place.level, 1) ? [" · ", el("button", { type: "button", class: "link", onclick: onGroup.rename }, "rename…"), " · ", el("button", { type: "button", class: "link", onclick: onGroup.merge }, "merge…")] : null, " · ", el("button", { type: "button", class: "link", onclick: () => go({ view: "wall" }) }, "the whole queue")] : null));
}

/** The wall of the group that a question is about. */
export const wallOf = (question) => ({ view: "wall", level: question.place.level, label: question.place.group });

/** From a wall where nothing is left to the next group; to the next question where that is about this one. */
function onward(place, question, go) {
  if (!question) return null;
  const next = wallOf(question);
  const isHere = next.level === place.level && next.label === place.label;
  return el("button", { type: "button", class: "primary", onclick: () => go(isHere ? { level: question.level, label: question.label } : next) },
    isHere ? "Next question: " : "Next: ", label(isHere ? question.label : next.label));
}

/** Nothing to show: done, or filtered away. */
function nothing(place, found, state, again, go) {
  const filtered = ["text", "kind", "below", "photos", "disputed", "reviewer", "second"].some((name) => place[name]);
  const done = !filtered && ["", "open", "doubt", undefined].includes(place.show);
  return el("article", { class: "card done" },
    done ? el("img", { src: "icon.svg", alt: "" }) : null,
    el("h2", {}, done ? (place.show === "doubt" ? "Done: nothing is in doubt here" : "Done: all of it is decided") : "Nothing like that here"),
    el("p", {}, done ? `${number(state.in_doubt)} left in doubt in the whole dataset.` : "Take a filter away to see more."),
    done && place.level ? onward(place, state.question, go) : null,
    el("button", { type: "button", onclick: () => again(done ? { show: "all" } : { text: "", kind: "", below: "", photos: "", disputed: "", reviewer: "", second: "", show: "all" }) }, "Show all that stands here"));
}

function tileOf(tile, state, per) {
  const shown = Math.min(per, Math.max(1, tile.n_photos));
  const photos = state.has_photos ? el("span", { class: `tile-photos of-${shown > 1 ? 4 : 1}` }, Array.from({ length: shown }, (_, nth) =>
    el("img", { src: `photo/${tile.row}/${nth}`, alt: "", loading: "lazy", decoding: "async", width: 200, height: 150, draggable: "false" })),
    tile.n_photos > 1 ? el("span", { class: "n-photos" }, number(tile.n_photos)) : null) : null;
  const sure = tile.decided ? "✓" : percent(tile.confidence);
  const said = [tile.label, `in ${tile.group}`, tile.decided ? "decided" : `${percent(tile.confidence)} sure`, tile.notes ? "flagged as unsure" : "", tile.dispute].filter(Boolean).join(", ");
  return el("div", {
    class: `tile${tile.decided ? " decided-tile" : tile.confidence < 0.8 ? " doubtful-tile" : ""}`, role: "option", "aria-selected": "false", "aria-label": said.slice(0, 300), tabindex: "-1", "data-row": tile.row,
    title: [tile.label.slice(0, 300), tile.type && `type: ${tile.type.slice(0, 200)}`, tile.second && `next best: ${tile.second.slice(0, 200)}`, tile.dispute, tile.notes && `unsure: ${tile.notes.join("; ")}`].filter(Boolean).join("\n"),
  },
  photos, el("span", { class: "enlarge", "aria-hidden": "true" }, "⤢"),
  el("span", { class: "tile-text" }, label(tile.label), el("span", { class: "tile-place" }, label(tile.group), el("span", { class: "tile-sure" }, sure)),
    tile.notes ? el("span", { class: "tile-note" }, `? ${tile.notes.filter(Boolean).join("; ") || "unsure"}`) : null,
    tile.dispute ? el("span", { class: "tile-note" }, tile.dispute) : null));
}
