/* What is known of one node. */

const MANY = 24;

class Panel {
  constructor(box, { enter, photos }) { Object.assign(this, { box, enter, photos }); }

  /* `changes`: what differs from the other tree. */
  show(tree, id, changes) {
    const path = tree.path(id).slice(1).map(above =>
      make("li", {}, this.link(tree, above), ` (${tree.level(above)})`));
    this.box.classList.toggle("chosen", id > 0);
    this.box.replaceChildren(
      make("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => this.show(tree, 0) }, "✕"),
      make("p", { class: "soft" }, id ? tree.level(id) : tree.name),
      make("h2", {}, make("bdi", {}, id ? tree.nameOf(id) : "all labels")),
      make("ul", { class: "path", "aria-label": "Path" }, ...path),
      ...this.links(tree, id),
      make("div", { class: "facts" }, this.counts(tree, id), this.results(tree, id), this.provenance(tree, id)),
      ...this.confusions(tree, id),
      ...this.list("What differs", changes, change => make("li", {}, change.text)),
      ...this.list("Decisions", tree.decisionsOn.get(id), decision => this.decision(decision)),
      ...this.pictures(tree, id));
    this.box.scrollTop = 0;
  }

  link(tree, id) {
    return make("button", { type: "button", onclick: () => this.enter(tree, id) }, make("bdi", {}, tree.nameOf(id)));
  }

  counts(tree, id) {
    const rows = tree.split.map((column, i) => [tree.splits[i], column[id]]);
    if (rows.length > 1) rows.push(["all", tree.total[id]]);
    if (!tree.isLeaf(id)) rows.push([`${tree.levels[0]} labels`, tree.leaves[id]]);
    const most = Math.max(1, ...tree.split.map(column => column[id]));
    const table = make("table", { class: "bars" }, make("tbody", {}, ...rows.map(([label, value], i) => {
      const bar = make("i", { "aria-hidden": true });
      bar.style.width = i < tree.split.length ? `${100 * value / most}%` : 0;
      return make("tr", {}, make("th", { scope: "row" }, label), make("td", { class: "number" }, number(value)), make("td", {}, bar));
    })));
    return make("div", {}, make("h3", {}, tree.split.length ? "Images per split" : "Labels"), table);
  }

  /* To the queries of a node, and to its images on the map. */
  links(tree, id) {
    const pages = Object.entries(tree.results?.pages ?? {});
    if (!pages.length) return [];
    const words = { retrieval: "its queries", map: "on the map" };
    return [make("p", { class: "elsewhere" }, ...pages.flatMap(([what, page], i) => [i ? " · " : "",
      make("a", { href: `${page}#${new URLSearchParams(id ? { node: permalink(tree, id) } : {})}` }, id ? words[what] : what)]))];
  }

  results(tree, id) {
    const measured = tree.measure(id);
    if (!measured) return undefined;
    return make("div", { class: "results" }, make("h3", {}, tree.results.name), make("table", {}, make("tbody", {},
      ...measured.values.map(([name, value, low, high]) => make("tr", {}, make("th", { scope: "row" }, name),
        make("td", { class: "number" }, make("b", { class: certainty(value) }, value.toFixed(1))),
        make("td", { class: "number soft" }, `${low.toFixed(1)} – ${high.toFixed(1)}`))),
      make("tr", {}, make("th", { scope: "row" }, "queries"), make("td", { class: "number" }, number(measured.n)), make("td", {})))));
  }

  /* Which siblings stand at the first place instead. */
  confusions(tree, id) {
    const page = tree.results?.pages.retrieval;
    return this.list("Found instead, at the first place", tree.confused.get(id), ({ other, n }) => make("li", {},
      this.link(tree, other), ` for ${number(n)} of ${number(tree.measure(id)?.n ?? n)} `,
      page ? make("a", { href: `${page}#${new URLSearchParams({ node: permalink(tree, id), found: permalink(tree, other) })}` },
        n > 1 ? "these queries" : "this query") : undefined));
  }

  provenance(tree, id) {
    const sure = tree.sure(id), own = tree.fact(tree.confidence, id) >= 0, rows = [];
    if (sure >= 0) rows.push([own ? "confidence" : "mean confidence", make("b", { class: certainty(sure) }, `${sure} %`)]);
    for (const [label, column] of [["placed by", tree.source], ["review", tree.status]]) {
      const word = tree.word(column, id);
      if (word) rows.push([label, word]);
      else if (column[0].length) rows.push([label, this.shares(tree, column, id)]);
    }
    if (!rows.length) return undefined;
    return make("div", {}, make("h3", {}, "Where it comes from"), make("table", {}, make("tbody", {}, ...rows.map(([label, value]) =>
      make("tr", {}, make("th", { scope: "row" }, label), make("td", {}, value))))));
  }

  /* How often each word stands on the leaves below a node. */
  shares(tree, column, id) {
    const counts = new Map(), walk = at => {
      if (!tree.isLeaf(at)) return tree.children(at).forEach(walk);
      const word = tree.word(column, at) ?? "unknown";
      counts.set(word, (counts.get(word) ?? 0) + 1);
    };
    walk(id);
    return [...counts].sort((a, b) => b[1] - a[1]).map(([word, n]) => `${word} ${number(n)}`).join(" · ");
  }

  decision({ act, author, date, reason }) {
    return make("li", {}, act, make("span", { class: "soft" }, ` — ${[author, date.slice(0, 10)].filter(Boolean).join(", ")}`),
      reason ? make("div", { class: "soft" }, `“${reason}”`) : undefined);
  }

  list(heading, values = [], line) {
    if (!values.length) return [];
    const more = values.length - MANY, shown = values.slice(0, MANY).map(line);
    if (more > 0) shown.push(make("li", { class: "soft" }, `and ${number(more)} more`));
    return [make("h3", {}, heading), make("ul", { class: "decisions" }, ...shown)];
  }

  pictures(tree, id) {
    const found = this.photos.below(tree, id, 12), why = this.box.dataset.noPhotos;
    if (!found.length) return why ? [make("h3", {}, "Photos"), make("p", { class: "soft" }, why)] : [];
    return [make("h3", {}, "Photos"), make("div", { class: "photos" }, ...found.map(({ leaf, photo }) =>
      make("button", { type: "button", onclick: () => this.enter(tree, leaf) },
        make("img", { src: photo, alt: leaf === id ? tree.shortName(leaf) : "", loading: "lazy" }),  // a caption names the others
        leaf === id ? undefined : make("bdi", {}, tree.shortName(leaf)))))];
  }
}

/* Sample photos by leaf name; parsed when the first is asked for. */
class Photos {
  constructor(element) { this.element = element; }

  of(tree, leaf) {
    this.byName ??= new Map(Object.entries(JSON.parse(this.element.textContent)));
    return this.byName.get(tree.nameOf(leaf)) ?? [];
  }

  /* The first photo at or below a node; undefined where there is none. */
  one(tree, id) {
    this.first ??= new Map();
    const key = `${trees.indexOf(tree)} ${id}`;
    if (!this.first.has(key)) this.first.set(key, this.below(tree, id, 1)[0]?.photo);
    return this.first.get(key);
  }

  /* Some photos at or below a node: one of each branch in turn. */
  below(tree, id, limit) {
    const all = tree.isLeaf(id) ? this.of(tree, id).map(photo => ({ leaf: id, photo })).values() : this.#turns(tree, id);
    const found = [];
    for (const each of all) if (found.push(each) >= limit) break;
    return found;
  }

  *#turns(tree, id) {
    if (tree.isLeaf(id)) {
      const [photo] = this.of(tree, id);
      if (photo) yield { leaf: id, photo };
      return;
    }
    let branches = Array.from(tree.largestFirst(id), kid => this.#turns(tree, kid));
    while (branches.length) {
      const left = [];
      for (const branch of branches) {
        const { value, done } = branch.next();
        if (!done) { left.push(branch); yield value; }
      }
      branches = left;
    }
  }
}
