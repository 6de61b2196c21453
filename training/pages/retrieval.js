/* What models find: a wall of queries to filter and order, and for the chosen image the results of each system. */

const BATCH = 120, NONE = 65535;
const images = new Images();
const systems = read("systems").map(system => ({ ...system, perImage: unpack(system.per_image, Uint16Array), pieces: new Map() }));
const [trained] = systems;
const kinds = [
  ["all", "all queries"], ["right", "first result right"], ["sibling", "first result a sibling"],
  ["far", "first result wrong above, too"], ["lost", "worse than a baseline"]];
const usual = { kind: "all", order: "worst", level: images.levels[0], k: byId("k").value, search: "", node: "", found: "", query: "" };
let state = {}, listed = [], shownTiles = 0;

/* What a system finds for an image, best first: [[image, score], ...]. */
function found(system, i) {
  const each = system.piece, piece = Math.floor(i / each);
  if (!system.pieces.has(piece)) {
    const id = `found-${system.name}-${piece}`, { items, scores } = byId(id) ? read(id) : { items: "", scores: "" };
    system.pieces.set(piece, { items: unpack(items, Int32Array), scores: unpack(scores, Int16Array) });
  }
  const { items, scores } = system.pieces.get(piece), first = (i % each) * system.k, results = [];
  for (let at = first; at < first + system.k; at++) if (items[at] >= 0) results.push([items[at], scores[at] / 32767]);
  return results;
}

const hap = (system, i) => system.perImage[i] === NONE ? undefined : system.perImage[i] / 100;
const percent = value => value === undefined ? "without a match" : value.toFixed(1);
const grade = shared => shared === 0 ? "none" : shared === images.levels.length ? "near" : shared === 1 ? "far" : "mid";
const levelRank = () => images.levels.indexOf(state.level);
const isSame = (i, j, rank) => images.code(i, rank) >= 0 && images.code(i, rank) === images.code(j, rank);
/* Who is asked: a name for people, as the report has it. */
const title = system => system.name.replaceAll("_", " ");

/* How the first result of a query is right or wrong on the chosen level. */
function kindOf(i) {
  const [first] = found(trained, i), rank = levelRank();
  if (!first) return "far";
  if (isSame(i, first[0], rank)) return "right";
  return rank + 1 < images.levels.length && !isSame(i, first[0], rank + 1) ? "far" : "sibling";
}

function gained(i) {
  const own = hap(trained, i), others = systems.slice(1).map(system => hap(system, i) ?? 0);
  return own === undefined ? 0 : own - Math.max(0, ...others);
}

function passes() {
  const { kind, node, found: other, search } = state, place = images.find(node), wrong = images.find(other), text = images.matching(search);
  return i => (!place || images.code(i, place.rank) === place.code)
    && (!wrong || (found(trained, i)[0] && images.code(found(trained, i)[0][0], wrong.rank) === wrong.code))
    && (!text || text(i)) && (kind === "all" || (kind === "lost" ? gained(i) < 0 : kindOf(i) === kind));
}

function list() {
  const keep = passes(), value = i => hap(trained, i) ?? 101;
  listed = [];
  for (let i = 0; i < images.nQueries; i++) if (keep(i)) listed.push(i);
  const orders = { worst: (a, b) => value(a) - value(b), best: (a, b) => (hap(trained, b) ?? -1) - (hap(trained, a) ?? -1),
    gained: (a, b) => gained(b) - gained(a), lost: (a, b) => gained(a) - gained(b),
    label: (a, b) => images.name(a, 0).localeCompare(images.name(b, 0)) };
  listed.sort((a, b) => orders[state.order](a, b) || a - b);
  byId("count").textContent = `${number(listed.length)} of ${number(images.nQueries)} queries`;
  byId("chips").replaceChildren(...[["node", state.node], ["found", state.found]].filter(([, node]) => node).map(([key, node]) =>
    make("button", { type: "button", "aria-label": `Without ${key}: ${node}`, onclick: () => go({ [key]: "" }, true) },
      `${key === "found" ? "found first: " : ""}${shortened(node)} ✕`)));
  byId("queries").replaceChildren();
  shownTiles = 0;
  more();
}

function more() {
  const next = listed.slice(shownTiles, shownTiles + BATCH);
  byId("queries").append(...next.map(i => {
    const [first] = found(trained, i);
    return make("li", {}, make("button", { type: "button", "data-image": i, class: first ? grade(images.shared(i, first[0])) : "none",
      title: images.path(i).map(shortened).join(" < "), onclick: () => go({ query: images.ids[i] }, true) },
      images.tile(i), make("b", {}, percent(hap(trained, i)))));
  }));
  shownTiles += next.length;
  byId("more").hidden = shownTiles >= listed.length;
  mark();
}

const asked = () => images.at(state.query) ?? listed[0];

function mark() {
  for (const tile of byId("queries").querySelectorAll("[aria-current]")) tile.removeAttribute("aria-current");
  const chosen = byId("queries").querySelector(`[data-image="${asked()}"]`);
  chosen?.setAttribute("aria-current", "true");
  chosen?.scrollIntoView({ block: "nearest" });
}

function detail() {
  const i = asked();
  if (i === undefined) return byId("detail").replaceChildren(make("p", {}, "No query is left: take a filter away."));
  byId("detail").replaceChildren(
    make("div", { class: "asked" }, images.tile(i), make("div", {},
      make("h2", {}, make("bdi", {}, images.name(i, 0))),
      make("p", { class: "soft" }, make("bdi", {}, images.path(i).slice(1).join(" < "))),
      make("p", { class: "soft" }, `${images.splits[images.split[i]]} · `, make("bdi", {}, images.ids[i])),
      make("p", { class: "elsewhere" }, ...images.links(i, "retrieval")))),
    ...systems.map(system => results(system, i)).filter(Boolean));
  return undefined;
}

function results(system, i) {
  const best = found(system, i).slice(0, Number(state.k)), rank = levelRank();
  if (!best.length) return undefined;
  const value = i < images.nQueries ? `: H-AP ${percent(hap(system, i))}` : "";
  return make("section", { class: "system", "aria-label": title(system) }, make("h3", {}, `${title(system)}${value}`),
    make("ol", { class: "wall" }, ...best.map(([j, score]) => make("li", {},
      make("button", { type: "button", class: grade(images.shared(i, j)), title: images.path(j).map(shortened).join(" < "), onclick: () => enlarge(j) },
        images.tile(j), make("b", { class: isSame(i, j, rank) ? "right" : "wrong" }, make("bdi", {}, shortened(images.name(j, rank)))), ` ${score.toFixed(2)}`)))));
}

function enlarge(i) {
  const box = byId("large");
  images.enlarge(box, i, "retrieval", make("button", { type: "button", class: "plain", onclick: () => { box.close(); go({ query: images.ids[i] }, true); } }, "Search by this"));
}

/* Shows another state; `step`: the back button comes back. */
function go(change, step = false) {
  const before = state;
  state = { ...state, ...change };
  address.write(Object.fromEntries(Object.entries(state).map(([key, value]) => [key, value === usual[key] ? "" : value])), step);
  show(before);
}

function show(before) {
  for (const key of ["kind", "order", "level", "k", "search"]) if (byId(key).value !== state[key]) byId(key).value = state[key];
  byId("k-shown").value = state.k;
  if (["kind", "order", "level", "search", "node", "found"].some(key => before[key] !== state[key])) list();
  mark();
  detail();
}

function arrive() {
  const given = address.read(), before = state;
  state = { ...usual, ...Object.fromEntries(Object.entries(given).filter(([key]) => key in usual)) };
  for (const key of ["kind", "order", "level"]) if (![...byId(key).options].some(option => option.value === state[key])) state[key] = usual[key];
  show(before);
}

byId("kind").append(...kinds.map(([value, words]) => make("option", { value }, words)));
for (const key of ["kind", "order", "level"]) byId(key).onchange = event => go({ [key]: event.target.value }, true);
byId("k").oninput = event => go({ k: event.target.value });
let waiting;
byId("search").oninput = event => { clearTimeout(waiting); waiting = setTimeout(() => go({ search: event.target.value, query: "" }), 120); };
byId("more").onclick = more;
document.addEventListener("keydown", event => {
  if (event.target.matches("input, select, dialog *") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (event.key === "/") { event.preventDefault(); byId("search").focus(); byId("search").select(); }
  if (!step || !listed.length) return;
  event.preventDefault();
  const next = Math.max(0, Math.min(listed.length - 1, listed.indexOf(asked()) + step));
  while (next >= shownTiles) more();
  go({ query: images.ids[listed[next]] });
});
window.addEventListener("popstate", arrive);
window.addEventListener("hashchange", arrive);
arrive();
