// The card in the middle: what is asked, why, its landmarks, and the acts.
import { sentence } from "./dialogs.js";
import { call, count, el, key, label, number, percent } from "./elements.js";

export const LEVEL_NAMES = { type: "Type", landmark: "Landmark", category: "Category" };

/** Draw a question into `box`; `acts` has a function per act, `open(level, label)` shows another thing. */
export function showQuestion(box, question, state, acts, open) {
  box.replaceChildren(...[
    el("article", { class: "card" }, head(question), verdict(question), decided(question, acts), buttons(question, acts)),
    why(question, acts, open),
    landmarks(question, open),
    upNext(state, open),
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
  const things = [LEVEL_NAMES[question.level]];
  if (question.weight) things.push(count(question.weight, "image"));
  if (question.level !== "landmark" && question.n_landmarks) things.push(count(question.n_landmarks, "landmark"));
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
  const sure = question.confidence >= 0.8 ? "sure" : question.confidence >= 0.5 ? "unsure" : "doubtful";
  const asked = question.level === "category" ? "is of the kind" : "belongs in";
  return el("div", { class: "verdict" },
    el("p", { class: "proposal" },
      el("span", {}, `${asked} `), label(question.category, "label place"),
      question.level === "category" ? null : el("span", { class: "quiet" }, ` ${question.place.kind}`)),
    el("div", { class: `confidence ${sure}` },
      el("meter", { min: 0, max: 1, value: question.confidence, "aria-label": "Confidence" }),
      el("span", {}, question.decisions.length ? "decided by a person" : `${percent(question.confidence)} sure`),
      el("span", { class: "quiet" }, "from ", label(question.why, "label why"))));
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
  const own = question.place.category;
  return el("div", { class: "acts" },
    el("div", { class: "first-acts" },
      actButton("Accept", "A", acts.accept, "It is right as it stands", "primary"),
      chips.length ? el("span", { class: "quiet or" }, "or") : null, chips),
    el("div", { class: "more-acts" },
      actButton(question.assigns ? "Assign…" : "Move…", "M", () => acts.move(), "Put it into another place"),
      actButton("Rename…", "R", acts.rename, `Give ${own} another name`),
      actButton("Merge…", "G", acts.merge, `Let ${own} join another category`),
      actButton("Split…", "P", acts.split, `Take types out of ${own}`),
      actButton("Skip", "S", acts.skip, "Ask again in another session"),
      actButton("Undo", "U", () => acts.undo(), "Take the last decision back")));
}

function why(question, acts, open) {
  const { types, categories, facts } = question.reasons;
  const near = (name, similarity, extra) => [label(name), extra || null,
    similarity === null ? null : el("span", { class: "similarity" },
      el("i", {}, el("meter", { min: 0, max: 1, value: Math.max(0, similarity), "aria-hidden": "true" })), similarity.toFixed(2))];
  const parts = [
    types.length && el("section", {}, el("h2", {}, "Nearest types"),
      el("ul", { class: "near" }, types.map((other) => el("li", {},
        el("button", { type: "button", class: "row", onclick: () => open("type", other.name) },
          near(other.name, other.similarity, el("small", { class: "quiet" }, "in ", label(other.category)))))))),
    categories.length && el("section", {}, el("h2", {}, "Nearest categories"),
      el("ul", { class: "near" }, categories.map((other) => el("li", {},
        el("button", { type: "button", class: "row", disabled: other.name === question.category, onclick: () => acts.move(other.name),
          title: other.name === question.category ? "It stands there" : `Move to ${other.name}` },
          near(other.name, other.similarity)))))),
    facts.length && el("section", {}, el("h2", {}, question.level === "category" ? "What it is" : "Facts"),
      el("ul", { class: "facts" }, facts.map((fact) => el("li", {}, label(fact))))),
  ].filter(Boolean);
  return parts.length ? el("div", { class: "why-panel" }, parts) : null;
}

function landmarks(question, open) {
  const grid = el("ul", { class: "photos" });
  const more = el("button", { type: "button", hidden: true }, "Show more");
  const title = el("h2", {}, question.level === "landmark" ? "Photos" : "Landmarks");
  const section = el("section", { class: "landmarks", hidden: true }, title, grid, more);
  let offset = 0;
  async function load() {
    const found = await call("landmarks", { level: question.level, label: question.label, offset });
    if (found.error || !found.total) return;
    section.hidden = false;
    if (question.level === "landmark") {
      showPhotos(grid, found, question);
      return;
    }
    title.textContent = count(found.total, "landmark");
    for (const item of found.items) grid.append(el("li", {}, landmarkCard(item, found.has_photos, open)));
    offset += found.items.length;
    more.hidden = offset >= found.total;
  }
  more.addEventListener("click", load);
  load();
  return section;
}

function photo(leaf, nth, of) {
  return el("img", { src: `photo/${leaf}/${nth}`, loading: "lazy", decoding: "async", width: 160, height: 120, alt: `Photo of ${of.slice(0, 100)}` });
}

function landmarkCard(item, hasPhotos, open) {
  return el("button", { type: "button", class: "landmark", onclick: () => open("landmark", item.label) },
    hasPhotos ? photo(item.leaf, 0, item.label) : null, label(item.label), el("small", { class: "quiet" }, count(item.n_images, "image")));
}

function showPhotos(grid, found, question) {
  const { leaf, n_images } = found.items[0];
  const shown = found.has_photos ? Math.min(n_images, 8) : 0;
  for (let nth = 0; nth < shown; nth++) grid.append(el("li", { class: "photo" }, photo(leaf, nth, question.label)));
  if (n_images > shown) grid.append(el("li", { class: "quiet" }, `${number(n_images - shown)} more in the dataset`));
}

function upNext(state, open) {
  if (!state.next.length) return null;
  return el("nav", { class: "next", "aria-label": "Up next" }, el("h2", {}, "Up next"),
    state.next.map((item) => el("button", { type: "button", class: "row", onclick: () => open(item.level, item.label) },
      label(item.label), el("small", { class: "quiet" }, item.level))));
}
