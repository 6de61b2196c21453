/* The page: a pane per tree, one panel for the chosen node, one bar that steers them all. */

/* One tree on the page: its outline and its drawing, which follow each other. */
class Pane {
  constructor(section, tree, side, differences) {
    Object.assign(this, { tree, side, changes: new Map() });
    for (const change of differences) for (const place of [change.left, change.right][side]) collect(this.changes, tree.at(place), change);
    const steps = { choose: id => this.choose(id), enter: id => this.enter(id), changes: this.changes,
      photo: id => photos.one(tree, id), hue: id => this.hue(id) };
    this.map = new TreeMap(section.querySelector(".map"), section.querySelector(".crumbs"), tree, steps);
    this.outline = new Outline(section.querySelector(".tree"), tree, `tree${side}`, steps);
  }

  choose(id) {
    panel.show(this.tree, id, this.changes.get(id));
    this.map.choose(id);
    address.write({ node: permalink(this.tree, id), side: this.side || "" });
    panes[1 - this.side]?.follow(this, id);
  }

  enter(id) {
    address.write({ node: permalink(this.tree, id), side: this.side || "" }, true);
    this.map.show(id);
    if (id && this.outline.lines[this.outline.active]?.id !== id) this.outline.reveal(id);
    else if (!id) panel.show(this.tree, 0);
  }

  /* A label of that name in the first tree gives its colour, so that both sides agree. */
  hue(id) {
    const twin = this.side ? trees[0].find(this.tree.rank[id], this.tree.nameOf(id)) : undefined;
    return twin === undefined ? this.tree.hue(id) : trees[0].hue(twin);
  }

  /* What a node of the other tree is here: that of the same name, or of the name that it was given. */
  twin(other, id) {
    const renamed = other.changes.get(id)?.find(change => change.what === "renamed");
    const place = renamed && [renamed.left, renamed.right][this.side][0];
    return this.tree.find(other.tree.rank[id], other.tree.nameOf(id)) ?? (place && this.tree.at(place));
  }

  /* Shows what a node of the other tree is here. */
  follow(other, id) {
    const twin = this.twin(other, id);
    if (twin === undefined) return;
    this.outline.reveal(twin, false);
    this.map.show(twin);
  }
}

const permalink = (tree, id) => id ? `${tree.level(id)}/${tree.nameOf(id)}` : "";
const photos = new Photos(byId("photos"));
const trees = [], panes = [];
const differences = byId("differences") ? read("differences") : [];
const panel = new Panel(byId("panel"), { photos, enter: (tree, id) => panes[trees.indexOf(tree)].enter(id) });

function filter() {
  const text = byId("query").value.trim(), query = fold(text), onlyChanged = byId("changed")?.checked;
  let n = 0;
  for (const { tree, outline, map, changes } of panes) {
    const passes = id => (!onlyChanged || changes.has(id)) && (!query || tree.folded(id).includes(query)) && ++n > 0;
    const shown = query || onlyChanged ? tree.select(passes) : null;
    outline.filter(shown, query);
    map.light(shown);
  }
  const all = trees.reduce((sum, tree) => sum + tree.size - 1, 0);
  byId("found").textContent = query || onlyChanged ? `${number(n)} of ${number(all)} labels` : "";
  address.write({ search: text });
}

let waiting;
byId("query").oninput = () => { clearTimeout(waiting); waiting = setTimeout(filter, 100); };
byId("query").onkeydown = event => {
  if (event.key === "Escape") event.target.value = "";
  if (!["Escape", "Enter", "ArrowDown"].includes(event.key)) return;
  event.preventDefault();
  clearTimeout(waiting);
  filter();
  panes[0].outline.box.focus();
  panes[0].outline.activate(0);
};
document.addEventListener("keydown", event => {
  if (event.key !== "/" || event.target.matches("input, select")) return;
  event.preventDefault();
  byId("query").focus();
  byId("query").select();
});
byId("changed")?.addEventListener("change", filter);

function order() {
  for (const { tree, outline } of panes) { tree.order = byId("order").value; outline.layout(); }
}

function colour() {
  for (const { map } of panes) { map.colours = byId("colour").value; map.draw(); }
}

byId("order").onchange = () => { order(); address.write({ order: byId("order").value }); };
byId("colour").onchange = () => { colour(); address.write({ colours: byId("colour").value }); };
if (byId("changes")) {
  byId("n-changes").textContent = differences.length ? `${number(differences.length)} ${differences.length === 1 ? "change" : "changes"}` : "nothing";
  byId("changes").append(...differences.slice(0, 500).map(change => make("li", {}, make("span", { class: "tag change" }, change.what), " ",
    make("button", { type: "button", onclick: () => {
      const side = change.right.length ? 1 : 0, [place] = [change.left, change.right][side];
      if (place) panes[side].enter(trees[side].at(place));
    } }, change.text))));
}

/* Shows what the address says: the order, the colours, the search, the node. */
function arrive() {
  const { node = "", side = 0, search = "", order: sorted, colours } = address.read();
  for (const [id, value, act] of [["order", sorted, order], ["colour", colours, colour]])
    if (value && [...byId(id).options].some(option => option.value === value)) { byId(id).value = value; act(); }
  if (byId("query").value !== search) { byId("query").value = search; filter(); }
  const pane = panes[side] ?? panes[0], cut = node.indexOf("/"), rank = pane.tree.levels.indexOf(node.slice(0, cut));
  const id = rank < 0 ? 0 : pane.tree.find(rank, node.slice(cut + 1)) ?? 0;
  if (id) { pane.map.show(id); pane.outline.reveal(id); } else { pane.map.show(0); panel.show(pane.tree, 0); }
}

function start(found) {
  trees.push(...found.map(data => new Tree(data)));
  document.querySelectorAll(".pane").forEach((section, side) => panes.push(new Pane(section, trees[side], side, differences)));
  if (panes.length > 1)
    new Alignment(panes.map(({ outline }) => outline), (side, id) => panes[1 - side].twin(panes[side], id));
  window.addEventListener("popstate", arrive);
  window.addEventListener("hashchange", arrive);
  arrive();
  document.querySelector("main").removeAttribute("aria-busy");
}
/* JSON that `core.packed` packed: a promise. */
function unpackJson(text) {
  const file = new Blob([unpack(text, Uint8Array)]);
  return new Response(file.stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

if ("DecompressionStream" in self) unpackJson(read("trees")).then(start);
else document.querySelector("main").replaceChildren("This page is drawn by browsers of 2023 and later: please open it in a newer one.");
