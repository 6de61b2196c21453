// The card in the middle: what is asked, why, its labels, and the acts.
import { sentence } from "./dialogs.js";
import { call, count, el, key, label, number, percent } from "./elements.js";
import { openViewer } from "./viewer.js";

/** A level as a heading. */
export const levelName = (level) => level.charAt(0).toUpperCase() + level.slice(1).replaceAll("_", " ");

/** Draw a question into `box`; `acts` has a function per act, `open(level, label)` shows another thing. */
export function showQuestion(box, question, state, acts, open) {
  box.replaceChildren(...[
    el("article", { class: "card" }, head(question), verdict(question), decided(question, acts), buttons(question, acts)),
    why(question, acts, open, state.levels[0]),
    labels(question, state, open),
    upNext(question, state, open),
  ].filter(Boolean));
}

export function showDone(box, state, acts) {
  const { n_skipped, n_answered } = state.progress;
  box.replaceChildren(
    el("article", { class: "card done" },
      el("img", { src: "icon.svg", alt: "" }),
      el("h1", {}, n_skipped ? "Nothing left but what you skipped" : "Everything is decided"),
      el("p", {}, `${count(n_answered, "answer")} in this session. Run `, el("code", {}, "dvc repro"),
        " to see the effect: review and what depends on it run again."),
      n_skipped ? el("button", { type: "button", class: "primary", onclick: acts.unskip }, `Ask the ${n_skipped} skipped again`) : null,
      el("button", { type: "button", onclick: () => acts.undo() }, "Undo ", key("U")),
    ),
  );
}

function head(question) {
  const things = [levelName(question.level)];
  if (question.weight) things.push(count(question.weight, "image"));
  if (question.n_labels > 1) things.push(count(question.n_labels, "label"));
  const title = el("h1", { dir: "auto", class: "clamped" }, question.label);
  const long = question.label.length > 240;
  const more = long && el("button", {
    type: "button", class: "link",
    onclick: (event) => event.target.textContent = title.classList.toggle("clamped") ? "Show all" : "Show less",
  }, "Show all");
  return el("div", { class: "head" },
    el("p", { class: "eyebrow" }, things.join(" · "), question.decisions.length ? el("span", { class: "badge" }, "✓ decided") : null),
    title, more);
}

function verdict(question) {
  const shown = Math.round(question.confidence * 100); // the colour goes with the number that is read
  const sure = shown >= 80 ? "sure" : shown >= 50 ? "unsure" : "doubtful";
  if (!question.target_level) return null;
  const above = question.is_group ? question.place.path.slice(1) : question.place.path;
  return el("div", { class: "verdict" },
    el("p", { class: "proposal" },
      el("span", {}, `belongs in the ${question.target_level.replaceAll("_", " ")} `), label(question.group, "label place"),
      above.length ? el("span", { class: "quiet" }, ` ${above.join(" › ")}`) : null),
    el("div", { class: `confidence ${sure}` },
      el("meter", { min: 0, max: 1, value: question.confidence, "aria-label": "Confidence" }),
      el("span", {}, question.decisions.length ? "decided by a person" : `${percent(question.confidence)} sure`),
      el("span", { class: "quiet" }, "from ", label(question.why, "label why"))),
    question.notes ? el("p", { class: "dispute" }, `Unsure: ${question.notes.filter(Boolean).join("; ") || "no note"}`) : null,
    question.disputes[question.label] ? el("p", { class: "dispute" }, `But ${question.disputes[question.label]}`) : null);
}

/** Decisions that stand about it: another one would contradict them, so each can be taken back here. */
function decided(question, acts) {
  return el("ul", { class: "decided" }, question.decisions.map((decision) => el("li", {}, sentence(decision),
    el("small", {}, [decision.author, decision.date.slice(0, 10)].filter(Boolean).join(", ")),
    el("button", { type: "button", onclick: () => acts.undo(decision.id) }, "Take back"))));
}

function actButton(name, letter, run, title, className = "") {
  return el("button", { type: "button", class: className, onclick: run, title, "aria-keyshortcuts": letter.toLowerCase() },
    name, " ", key(letter));
}

function buttons(question, acts) {
  const chips = question.suggestions.map((other, place) =>
    el("button", { type: "button", class: "chip", "aria-keyshortcuts": `${place + 1}`, onclick: () => acts.move(other.name) },
      key(`${place + 1}`), label(other.name), other.new ? el("small", {}, "new") : null));
  const own = question.place.group;
  return el("div", { class: "acts" },
    question.members.length ? pageActs(question, acts) : el("div", { class: "first-acts" },
      question.target_level ? actButton("Accept", "A", acts.accept, "It is right as it stands", "primary") : null,
      chips.length ? el("span", { class: "quiet or" }, "or") : null, chips),
    el("div", { class: "more-acts" },
      question.target_level ? actButton(question.assigns ? "Assign…" : "Move…", "M", () => acts.move(), "Put it into another place") : null,
      question.target_level && !question.is_group ? actButton("Elsewhere", "X", acts.exclude, `It does not belong in ${question.group}`) : null,
      actButton("Rename…", "R", acts.rename, `Give ${own} another name`),
      actButton("Merge…", "G", acts.merge, `Let ${own} join another group`),
      actButton("Split…", "P", acts.split, `Take some out of ${own}`),
      actButton("Unsure…", "F", () => acts.flag(), "Flag it with a note: asked after all else"),
      actButton("Skip", "S", acts.skip, "Ask again in another session"),
      actButton("Undo", "U", () => acts.undo(), "Take the last decision back")));
}

/** A group as a page: its members, chosen by clicks, and acts on all of them or on the chosen. */
function pageActs(question, acts) {
  const chosen = new Set();
  const some = () => question.members.filter((name) => chosen.has(name));
  const act = (run) => () => run(some());
  const take = actButton("Take out…", "X", act(acts.take), "Put the chosen ones into another group, or elsewhere");
  const chips = question.members.map((name) => {
    const chip = el("button", {
      type: "button", class: "chip member", "aria-pressed": "false",
      onclick: () => {
        if (!chosen.delete(name)) chosen.add(name);
        chip.setAttribute("aria-pressed", `${chosen.has(name)}`);
        take.disabled = !chosen.size;
      },
    }, label(name), question.disputes[name] ? el("small", { class: "dispute" }, question.disputes[name]) : null);
    return chip;
  });
  take.disabled = true;
  acts.onPage = { some, choose: (names) => chips.forEach((chip, i) => { if (names.includes(question.members[i]) !== chosen.has(question.members[i])) chip.click(); }) };
  const things = count(question.members.length, question.members_level.replaceAll("_", " "));
  return el("div", { class: "page-acts" },
    el("p", { class: "proposal" }, `${things} ${question.members.length > 1 ? "belong" : "belongs"} in `, label(question.label, "label place"), question.of_groups ? ": the machine is sure of each" : null),
    el("div", { class: "page-members", role: "group", "aria-label": "Undecided members" }, chips),
    el("div", { class: "first-acts" },
      actButton(`Accept all ${number(question.members.length)}`, "A", acts.accept, "They are right as they stand", "primary"),
      actButton("Name…", "E", act(acts.name), "The chosen ones, or all, belong together under a name that you give"),
      take,
      question.members.length > 1 && !question.of_groups ? actButton("Branches", "B", acts.branches, "Choose the smaller of the two branches it would split into") : null));
}

function why(question, acts, open, finest) {
  const { alike, groups, facts } = question.reasons;
  const near = (name, similarity, extra) => [label(name), extra || null,
    similarity === null ? null : el("span", { class: "similarity" },
      el("i", {}, el("meter", { min: 0, max: 1, value: Math.max(0, similarity), "aria-hidden": "true" })), similarity.toFixed(2))];
  const parts = [
    alike.length && el("section", {}, el("h2", {}, `Nearest of the level ${question.level.replaceAll("_", " ")}`),
      el("ul", { class: "near" }, alike.map((other) => el("li", {},
        el("button", { type: "button", class: "row", onclick: () => open(question.level, other.name) },
          near(other.name, other.similarity, el("small", { class: "quiet" }, "in ", label(other.group)))))))),
    groups.length && el("section", {}, el("h2", {}, "Nearest everyday groups"),
      el("ul", { class: "near" }, groups.map((other) => el("li", {},
        el("button", { type: "button", class: "row", disabled: other.name === question.group, onclick: () => acts.move(other.name),
          title: other.name === question.group ? "It stands there" : `Move to ${other.name}` },
          near(other.name, other.similarity)))))),
    question.photo_vote && photoVote(question, acts, open, finest),
    facts.length && el("section", {}, el("h2", {}, question.is_group ? "What it is" : "Facts"),
      el("ul", { class: "facts" }, facts.map((fact) => el("li", {}, label(fact))))),
  ].filter(Boolean);
  return parts.length ? el("div", { class: "why-panel" }, parts) : null;
}

/** The nearest photographs of labels that are decided or sure, and the groups that they vote for. */
function photoVote(question, acts, open, finest) {
  const { near, votes } = question.photo_vote;
  return el("section", { class: "photo-vote" }, el("h2", {}, "Nearest labelled photos"),
    el("p", {}, "They say ", votes.slice(0, 3).map(([group, share], i) => [i ? ", " : "", group === question.group ? label(group) : el("button", { type: "button", class: "link", onclick: () => acts.move(group) }, label(group)), ` ${percent(share)}`])),
    el("ul", { class: "near-photos" }, near.map((other) => el("li", {}, el("button", { type: "button", class: "plain", title: `${other.label.slice(0, 200)}, in ${other.group.slice(0, 200)}, ${other.similarity.toFixed(2)}`, onclick: () => open(finest, other.label) },
      photo(other.row, other.nth, other.label), el("small", {}, label(other.group)))))));
}

function labels(question, state, open) {
  const isLabel = question.level === state.levels[0] && state.counts.labels > 0;
  const grid = el("ul", { class: "photos" });
  const more = el("button", { type: "button", hidden: true }, "Show more");
  const title = el("h2", {}, isLabel ? "Photos" : levelName(state.levels[0]));
  const section = el("section", { class: "labels", hidden: true }, title, grid, more);
  let offset = 0;
  async function load() {
    const found = await call("labels", { level: question.level, label: question.label, offset });
    if (found.error || !found.total) return;
    section.hidden = false;
    if (isLabel) {
      showPhotos(grid, found, question);
      return;
    }
    title.textContent = count(found.total, state.levels[0].replaceAll("_", " "));
    for (const item of found.items) grid.append(el("li", {}, labelCard(item, found.has_photos, state, open)), ...found.total <= FEW_LABELS ? morePhotos(item) : []);
    offset += found.items.length;
    more.hidden = offset >= found.total;
  }
  more.addEventListener("click", load);
  load();
  return section;
}

function photo(row, nth, of) {
  return el("img", { src: `photo/${row}/${nth}`, loading: "lazy", decoding: "async", width: 160, height: 120, alt: `Photo of ${of.slice(0, 100)}` });
}

function labelCard(item, hasPhotos, state, open) {
  return el("button", { type: "button", class: "label-card", onclick: () => open(state.levels[0], item.label) },
    hasPhotos ? photo(item.row, 0, item.label) : null, label(item.label), el("small", { class: "quiet" }, count(item.n_images, "image")));
}

const FIRST_PHOTOS = 24;
const FEW_LABELS = 3;
const PHOTOS_OF_FEW = 5;

/** Further photos of a label beside its card, where there are few labels to see. */
function morePhotos(item) {
  const last = Math.min(item.n_photos, PHOTOS_OF_FEW);
  return Array.from({ length: Math.max(0, last - 1) }, (_, i) => el("li", { class: "photo" }, enlargeable(item, i + 1)));
}

const enlargeable = (item, nth) => el("button", { type: "button", class: "plain", "aria-label": `Enlarge photo ${nth + 1} of ${item.label.slice(0, 100)}`, onclick: () => openViewer(item, nth, {}) }, photo(item.row, nth, item.label));

/** All photos of the label in question, each enlarged by a click. */
function showPhotos(grid, found, question) {
  const item = { ...found.items[0], confidence: question.confidence, decided: question.decisions.length > 0 };
  const add = (last) => {
    for (let nth = grid.children.length; nth < Math.min(last, item.n_photos); nth++) {
      grid.append(el("li", { class: "photo" }, enlargeable(item, nth)));
    }
    more.textContent = `${number(item.n_photos - grid.children.length)} more`;
    more.hidden = grid.children.length >= item.n_photos;
  };
  const more = el("button", { type: "button", onclick: () => add(item.n_photos) });
  add(FIRST_PHOTOS);
  grid.after(more);
  const missing = item.n_images - item.n_photos;
  if (found.has_photos && missing > 0) more.after(el("p", { class: "quiet" }, `${number(missing)} more in the dataset, without a photo here`));
}

function upNext(question, state, open) {
  const next = [state.question, ...state.next].filter((item) => item && (item.level !== question.level || item.label !== question.label));
  if (!next.length) return null;
  return el("nav", { class: "next", "aria-label": "Up next" }, el("h2", {}, "Up next"),
    next.map((item) => el("button", { type: "button", class: "row", onclick: () => open(item.level, item.label) },
      label(item.label), el("small", { class: "quiet" }, item.level))));
}
