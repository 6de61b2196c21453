/* A tree as columns. Nodes are numbers: 0 is the root, then level by level from coarse to fine, by name. */

const SHOWN = 1, MATCH = 2;

class Tree {
  constructor(data) {
    Object.assign(this, data);
    const depth = data.levels.length;
    this.start = Array(depth);
    this.size = 1;
    for (let rank = depth - 1; rank >= 0; rank--) {
      this.start[rank] = this.size;
      this.size += data.names[rank].length;
    }
    this.rank = new Int8Array(this.size).fill(depth);
    this.parent = new Int32Array(this.size).fill(-1);
    for (let rank = depth - 1; rank >= 0; rank--) {
      const first = this.start[rank], above = data.parents[rank];
      this.rank.fill(rank, first, first + data.names[rank].length);
      for (let code = 0; code < data.names[rank].length; code++)
        this.parent[first + code] = above ? this.start[rank + 1] + above[code] : 0;
    }
    this.#linkChildren();
    this.leaves = this.#sums(() => 1);
    this.split = data.counts.map(column => this.#sums(code => column[code]));
    this.total = this.split.length
      ? this.split.reduce((sum, column) => sum.map((value, id) => value + column[id])) : this.leaves;
    this.largest = new Int32Array(this.size);   // images of a node's largest child
    for (let id = 1; id < this.size; id++) this.largest[this.parent[id]] = Math.max(this.largest[this.parent[id]], this.total[id]);
    this.hues = labelHues(data.names, data.parents);
    const sure = data.confidence[0];
    this.sureness = sure.length ? this.#sums(code => Math.max(0, sure[code])) : null;
    this.decisionsOn = new Map();
    for (const decision of data.decisions) for (const place of decision.places) collect(this.decisionsOn, this.at(place), decision);
    this.confused = new Map();
    for (const [rank, code, other, n] of data.results?.confusions ?? [])
      collect(this.confused, this.at([rank, code]), { other: this.at([rank, other]), n });
    this.order = "count";
    this.ordered = Array(this.size);     // by what a node's children are sorted
    this.sized = Array(this.size);       // children of a node, largest first
  }

  #linkChildren() {
    this.firstChild = new Int32Array(this.size + 1);
    for (let id = 1; id < this.size; id++) this.firstChild[this.parent[id] + 1]++;
    for (let id = 0; id < this.size; id++) this.firstChild[id + 1] += this.firstChild[id];
    const next = this.firstChild.slice();
    this.child = new Int32Array(this.size - 1);
    for (let id = 1; id < this.size; id++) this.child[next[this.parent[id]]++] = id;
  }

  /* Per node, the sum over the leaves at or below it. */
  #sums(value) {
    const sum = new Int32Array(this.size), first = this.start[0];
    for (let id = first; id < this.size; id++) sum[id] = value(id - first);
    for (let id = this.size - 1; id > 0; id--) sum[this.parent[id]] += sum[id];
    return sum;
  }

  nameOf(id) { return id ? this.names[this.rank[id]][id - this.start[this.rank[id]]] : "all"; }

  shortName(id) { return shortened(this.nameOf(id)); }

  level(id) { return id ? this.levels[this.rank[id]] : ""; }
  isLeaf(id) { return this.rank[id] === 0; }
  fact(column, id) { return id ? column[this.rank[id]][id - this.start[this.rank[id]]] ?? -1 : -1; }
  word(column, id) { return this.words[this.fact(column, id)]; }
  at([rank, code]) { return this.start[rank] + code; }

  /* Confidence in percent: a node's own, else the mean of its leaves; -1 where nothing is known. */
  sure(id) {
    const own = this.fact(this.confidence, id);
    return own >= 0 || !this.sureness ? own : Math.round(this.sureness[id] / this.leaves[id]);
  }

  /* What a model reaches on the queries of a node, 0..1, with intervals; undefined where none was measured. */
  measure(id) {
    this.measures ??= new Map((this.results?.nodes ?? []).map(({ place, ...measured }) => [this.at(place), measured]));
    return this.measures.get(id);
  }

  /* AP in percent at a node's own level; -1 where none was measured. */
  ap(id) { return this.measure(id)?.values.find(([name]) => name.startsWith("AP"))?.[1] ?? -1; }

  hue(id) { return this.hues[this.rank[id]][id - this.start[this.rank[id]]]; }

  path(id) {
    const path = [];
    for (; id > 0; id = this.parent[id]) path.push(id);
    return path;
  }

  /* In the order that the page asks for. */
  children(id) {
    const kids = this.child.subarray(this.firstChild[id], this.firstChild[id + 1]);
    if (this.ordered[id] !== this.order) {
      const bySize = (a, b) => this.total[b] - this.total[a] || a - b;
      kids.sort({ count: bySize, name: (a, b) => a - b, doubt: (a, b) => this.sure(a) - this.sure(b) || bySize(a, b),
        weak: (a, b) => (this.ap(a) < 0) - (this.ap(b) < 0) || this.ap(a) - this.ap(b) || bySize(a, b) }[this.order]);
      this.ordered[id] = this.order;
    }
    return kids;
  }

  /* Whatever the page asks for. */
  largestFirst(id) {
    return this.sized[id] ??= this.child.slice(this.firstChild[id], this.firstChild[id + 1])
      .sort((a, b) => this.total[b] - this.total[a] || a - b);
  }

  /* The node of a name on a level, or undefined. */
  find(rank, name) {
    this.index ??= this.names.map(() => undefined);
    this.index[rank] ??= new Map(this.names[rank].map((each, code) => [each, code]));
    const code = this.index[rank].get(name);
    return code === undefined ? undefined : this.start[rank] + code;
  }

  /* Marks the nodes that pass and those above them; null if all pass. */
  select(passes) {
    const shown = new Uint8Array(this.size);
    for (let id = this.size - 1; id > 0; id--) {
      if (passes(id)) shown[id] = MATCH;
      if (shown[id] && !shown[this.parent[id]]) shown[this.parent[id]] = SHOWN;
    }
    return shown;
  }

  folded(id) {
    this.foldedNames ??= Array(this.size);
    return this.foldedNames[id] ??= fold(this.nameOf(id));
  }
}

const certainty = percent => percent < 0 ? "" : percent >= 80 ? "good" : percent >= 50 ? "fair" : "poor";
