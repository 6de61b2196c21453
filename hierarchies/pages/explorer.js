/* The page: a pane per tree, one panel for the chosen node, one bar that steers them all. */

const byId = id => document.getElementById(id);
const read = id => JSON.parse(byId(id).textContent);

/* One tree on the page: its outline and its drawing, which follow each other. */
class Pane {
  constructor(section, tree, side, differences) {
    Object.assign(this, { tree, side, changes: new Map() });
    for (const change of differences) for (const place of [change.left, change.right][side]) collect(this.changes, tree.at(place), change);
    const steps = { choose: id => this.choose(id), enter: id => this.enter(id), changes: this.changes,
      photo: id => photos.of(tree, id)[0] };
    this.map = new TreeMap(section.querySelector(".map"), section.querySelector(".crumbs"), tree, steps);
    this.outline = new Outline(section.querySelector(".tree"), tree, `tree${side}`, steps);
  }

  choose(id) {
    panel.show(this.tree, id, this.changes.get(id));
    this.map.choose(id);
    panes[1 - this.side]?.follow(this, id);
  }

  enter(id) {
    this.map.show(id);
    if (id && this.outline.lines[this.outline.active]?.id !== id) this.outline.reveal(id);
    else if (!id) panel.show(this.tree, 0);
  }

  /* Shows what a node of the other tree is here: that of the same name, or of the name that it was given. */
  follow(other, id) {
    const renamed = other.changes.get(id)?.find(change => change.what === "renamed");
    const place = renamed && [renamed.left, renamed.right][this.side][0];
    const twin = this.tree.find(other.tree.rank[id], other.tree.nameOf(id)) ?? (place && this.tree.at(place));
    if (twin === undefined) return;
    this.outline.reveal(twin, false);
    this.map.show(twin);
  }
}

const photos = new Photos(byId("photos"));
const trees = read("trees").map(data => new Tree(data));
const differences = byId("differences") ? read("differences") : [];
const panel = new Panel(byId("panel"), { photos, enter: (tree, id) => panes[trees.indexOf(tree)].enter(id) });
const panes = [...document.querySelectorAll(".pane")].map((section, side) => new Pane(section, trees[side], side, differences));

function filter() {
  const query = fold(byId("query").value.trim()), onlyChanged = byId("changed")?.checked;
  let n = 0;
  for (const { tree, outline, changes } of panes) {
    const passes = id => (!onlyChanged || changes.has(id)) && (!query || tree.folded(id).includes(query)) && ++n > 0;
    outline.filter(query || onlyChanged ? tree.select(passes) : null, query);
  }
  const all = trees.reduce((sum, tree) => sum + tree.size - 1, 0);
  byId("found").textContent = query || onlyChanged ? `${number(n)} of ${number(all)} labels` : "";
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
byId("order").onchange = event => {
  for (const { tree, outline } of panes) { tree.order = event.target.value; outline.layout(); }
};
byId("colour").onchange = event => {
  for (const { map } of panes) { map.colours = event.target.value; map.draw(); }
};
if (byId("changes")) {
  byId("n-changes").textContent = differences.length ? `${number(differences.length)} changes` : "nothing";
  byId("changes").append(...differences.slice(0, 500).map(change => make("li", {}, make("span", { class: "tag change" }, change.what), " ",
    make("button", { type: "button", onclick: () => {
      const side = change.right.length ? 1 : 0, [place] = [change.left, change.right][side];
      if (place) panes[side].enter(trees[side].at(place));
    } }, change.text))));
}
panel.show(trees[0], 0);
