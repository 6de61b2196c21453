// The page's one loop: what is shown, what each key does, what the server answers.
import { call, count, debounced, duration, el, label, number, toast } from "./elements.js";
import { openAct, openHelp, openHistory, openLevels, sentence } from "./dialogs.js";
import { levelName, showDone, showQuestion } from "./question.js";
import { refreshOpened, showTree } from "./tree.js";

const POLL_MS = 4000;
const at = (id) => document.getElementById(id);
let state = null; // what the server said last
let failed = false; // the server does not answer, or cannot read the file
let shown = null; // the question on the page; null when nothing is left

// ---- showing ---------------------------------------------------------------------------------------------

async function take(answer, question = answer.question) {
  state = answer;
  shown = question;
  await refreshOpened(state.levels[1]);
  draw();
}

function draw() {
  at("dataset").textContent = state.dataset;
  document.title = `${shown ? shown.label.slice(0, 60) : "Done"} · review of ${state.dataset}`;
  drawProgress(state.progress);
  drawNotices();
  if (shown) showQuestion(at("question"), shown, state, acts, open);
  else showDone(at("question"), state, acts);
  showTree(at("tree"), state, shown, open);
}

function drawProgress(progress) {
  const settled = Math.floor(progress.settled * 100);
  at("bar").setAttribute("aria-valuenow", settled);
  at("bar").firstElementChild.style.width = `${Math.max(settled, 1)}%`;
  const left = progress.n_doubtful ? `${number(progress.n_doubtful)} in doubt of ${number(progress.n_left)} left` : `${number(progress.n_left)} left, none in doubt`;
  const time = progress.n_doubtful && progress.seconds_left !== null ? ` · ${duration(progress.seconds_left)}` : "";
  at("progress-text").textContent = `${left}${time}`;
  at("bar").title = `${settled} % of images × doubt settled`;
}

function drawNotices() {
  failed = false;
  at("notices").replaceChildren(...(state.conflicts.length ? [el("div", { class: "notice" },
    el("p", {}, el("strong", {}, `${count(state.conflicts.length, "decision")} contradict each other.`),
      " The review stage stops until all but one of each are taken back:"),
    el("ul", {}, state.conflicts.map((found) => el("li", {},
      sentence(found), el("small", { class: "quiet" }, ` ${found.author || "somebody"}: ${found.why}`),
      el("button", { type: "button", onclick: () => acts.undo(found.id) }, "Undo this")))))] : []),
    ...(state.stale.length ? [el("details", { class: "notice stale" },
      el("summary", {}, el("strong", {}, count(state.stale.length, "decision")), " no longer match anything: kept in the file, without effect."),
      el("ul", {}, state.stale.map((found) => el("li", {},
        sentence(found), el("small", { class: "quiet" }, ` ${found.author || "somebody"}: ${found.why}`)))))] : []));
}

function fail(message) {
  failed = true;
  at("notices").replaceChildren(el("div", { class: "notice" }, el("p", {}, message)));
}

async function takeNews() {
  const news = await call("state");
  if (news.error) return fail(news.error);
  const again = shown ? await call("question", about()) : { error: "none" };
  await take(news, again.error ? news.question : again.question);
  return toast("The decisions file changed: another reviewer, or git.");
}

async function open(level, name) {
  const answer = await call("question", { level, label: name });
  if (answer.error) return toast(answer.error);
  shown = answer.question;
  draw();
  at("question").focus({ preventScroll: true });
  window.scrollTo({ top: 0 });
  return undefined;
}

async function next() {
  const answer = await call("state");
  if (answer.error) fail(answer.error);
  else await take(answer);
}

// ---- acts ------------------------------------------------------------------------------------------------

const about = () => ({ level: shown.level, label: shown.label });

/** Write an act; gives what is wrong, or "". */
async function write(body) {
  const before = shown;
  const answer = await call("act", body);
  if (answer.error) return answer.error;
  toast(sentence(answer.done), el("button", { type: "button", onclick: () => acts.undo() }, "Undo"));
  if (answer.settles) {
    await take(answer);
    at("question").focus({ preventScroll: true });
    return "";
  }
  const renamed = before.is_group && body.act === "rename";
  const again = await call("question", { level: before.level, label: renamed ? answer.done.to : before.label });
  await take(answer, again.error ? answer.question : again.question);
  return "";
}

/** Groups of a level but one, as choices. */
async function groupsOf(level, own) {
  const listed = (await call("groups", { level })).groups || [];
  return listed.filter((held) => held.name !== own).map((held) => ({ name: held.name, note: [...held.path, count(held.n_images, "image")].join(", ") }));
}

/** Groups to choose from: those of the level above what is asked, or of the group's own level for a merge. */
async function choices(act) {
  const likely = (held) => shown.suggestions.some((other) => other.name === held.name);
  const listed = act === "merge" ? await groupsOf(shown.place.level, shown.place.group) : await groupsOf(shown.target_level, shown.group);
  return listed.sort((a, b) => likely(b) - likely(a));
}

/** Write a level that is added or taken away; gives what is wrong, or "". */
async function changeLevels(body) {
  const answer = await call("act_on_level", body);
  if (answer.error) return answer.error;
  toast(sentence(answer.done), el("button", { type: "button", onclick: () => acts.undo() }, "Undo"));
  await take(answer);
  return "";
}

const acts = {
  async accept() {
    const error = await write({ act: "accept", ...about(), seen: shown.seen, members: shown.members });
    if (error) toast(error);
  },
  async exclude() {
    if (shown.is_group) return acts.take(acts.onPage?.some() || []);
    const error = await write({ act: "exclude", ...about(), seen: shown.seen });
    if (error) toast(error);
  },
  name(members = acts.onPage?.some() || []) {
    return shown.members.length && openAct("name", shown, [], "", write, members.length ? members : shown.members);
  },
  take: async (members) => members.length && openAct("take", shown, await groupsOf(shown.place.level, shown.label), "", write, members),
  async branches() {
    const answer = await call("branches", about());
    if (answer.error) return toast(answer.error);
    return acts.onPage.choose(answer.leave);
  },
  move: async (target = "") => shown.target_level && openAct("move", shown, await choices("move"), target, write),
  rename: () => openAct("rename", shown, [], "", write),
  merge: async () => openAct("merge", shown, await choices("merge"), "", write),
  split: () => openAct("split", shown, [], "", write),
  async skip() {
    const answer = await call("skip", about());
    if (answer.error) return toast(answer.error);
    toast("Skipped ", label(shown.label));
    return take(answer);
  },
  async unskip() {
    await take(await call("unskip"));
  },
  async undo(of = "") {
    const answer = await call("undo", { of });
    if (answer.error) return toast(answer.error);
    toast("Taken back: ", sentence(answer.undone));
    const { level, label: name } = answer.undone;
    const again = level && name ? await call("question", { level, label: name }) : { error: "none" };
    return take(answer, again.error ? answer.question : again.question);
  },
};

const keys = {
  a: () => (shown.members.length || shown.target_level) && acts.accept(), m: () => acts.move(), r: () => acts.rename(), g: () => acts.merge(), p: () => acts.split(),
  s: () => acts.skip(), x: () => acts.exclude(), e: () => acts.name(), b: () => shown.members.length && acts.branches(),
};
const everywhere = {
  u: () => acts.undo(), n: next, l: () => openLevels(state, changeLevels), h: () => openHistory(state, acts.undo), "?": () => openHelp(state),
  "/": () => { at("search").focus(); at("search").select(); },
};

/** What a key does to what is on the page now. */
function run(name) {
  if (document.querySelector("dialog[open]")) return undefined;
  const suggestion = shown?.suggestions[Number(name) - 1];
  if (everywhere[name]) return everywhere[name]();
  if (shown && keys[name]) return keys[name]();
  return shown && suggestion ? acts.move(suggestion.name) : undefined;
}

let typed = Promise.resolve(); // keys typed ahead wait for those before them
let n_typed = 0;
document.addEventListener("keydown", (event) => {
  const elsewhere = event.target.closest("input, textarea, select, dialog");
  if (event.ctrlKey || event.metaKey || event.altKey || elsewhere || !state || event.repeat) return;
  const name = event.key.toLowerCase();
  if (!(name in everywhere || name in keys || /^[1-9]$/.test(name))) return;
  event.preventDefault();
  n_typed += 1;
  typed = typed.then(() => run(name)).catch((error) => fail(`${error}`)).finally(() => { n_typed -= 1; });
});

// ---- search ----------------------------------------------------------------------------------------------

let hits = [];
let chosen = 0;

function drawHits() {
  at("search").setAttribute("aria-expanded", `${hits.length > 0}`);
  at("search").setAttribute("aria-activedescendant", hits.length ? `hit-${chosen}` : "");
  at("found").hidden = !at("search").value.trim();
  at("found").replaceChildren(...(hits.length ? hits.map((hit, place) => el("li", {
    role: "option", id: `hit-${place}`, "aria-selected": `${place === chosen}`,
    onpointerdown: (event) => { event.preventDefault(); go(hit); },
  }, label(hit.label), el("small", { class: "quiet" }, levelName(hit.level).toLowerCase()))) : [el("li", { class: "quiet" }, "Nothing like it")]));
}

function closeSearch() {
  hits = [];
  at("found").hidden = true;
  at("found").replaceChildren();
  at("search").setAttribute("aria-expanded", "false");
}

function go(hit) {
  closeSearch();
  at("search").value = "";
  at("search").blur();
  open(hit.level, hit.label);
}

const look = debounced(async () => {
  const text = at("search").value;
  const answer = text.trim() ? await call("find", { text }) : { found: [] };
  if (text !== at("search").value) return;
  hits = answer.found || [];
  chosen = 0;
  drawHits();
});

at("search").addEventListener("input", look);
at("search").addEventListener("blur", closeSearch);
at("search").addEventListener("keydown", (event) => {
  if (event.key === "Escape") at("search").blur();
  else if (event.key === "Enter" && hits[chosen]) go(hits[chosen]);
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    chosen = Math.max(0, Math.min(hits.length - 1, chosen + (event.key === "ArrowDown" ? 1 : -1)));
    drawHits();
    event.preventDefault();
  }
});
at("history-button").addEventListener("click", everywhere.h);
at("levels-button").addEventListener("click", everywhere.l);
at("help-button").addEventListener("click", everywhere["?"]);

// ---- other reviewers, and the start ----------------------------------------------------------------------

/** Another process may have written to the file: show it. */
async function poll() {
  const dialogOpen = document.querySelector("dialog[open]");
  if (!document.hidden && !dialogOpen && !n_typed) {
    const answer = await call("version");
    if (answer.error) fail(answer.error);
    else if (!state) await next();
    else if (answer.version !== state.version && !n_typed) await takeNews();
    else if (failed) drawNotices();
  }
  setTimeout(poll, POLL_MS);
}

await next();
document.body.classList.add("ready");
setTimeout(poll, POLL_MS);
