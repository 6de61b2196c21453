// The page's one loop: what is shown, what each key does, what the server answers.
import { call, count, debounced, duration, el, label, number, toast } from "./elements.js";
import { openAct, openHelp, openLevels, sentence } from "./dialogs.js";
import { openHistory, settleNotices } from "./history.js";
import { onPlace, placeNow, setPlace } from "./place.js";
import { levelName, showDone, showQuestion } from "./question.js";
import { refreshOpened, showTree } from "./tree.js";
import { showWall, wallKeys, wallOf } from "./wall.js";

const POLL_MS = 4000;
const at = (id) => document.getElementById(id);
let state = null; // what the server said last
let failed = false; // the server does not answer, or cannot read the file
let shown = null; // the question on the page; null when nothing is left
let drawn = { about: "", at: 0 }; // that question, and since when it is to be seen

// ---- showing ---------------------------------------------------------------------------------------------

const isOnWall = () => placeNow().view === "wall";
const isFirst = (question) => !question || (state.question && question.level === state.question.level && question.label === state.question.label);

/** Take what the server says, and show `question`, or the wall where that is on the page. */
async function take(answer, question = answer.question) {
  state = answer;
  shown = question;
  await refreshOpened(state.levels[1]);
  if (isOnWall()) return showPlace();
  setPlace(isFirst(shown) ? {} : about());
  return draw();
}

/** Show what the address says. */
async function showPlace() {
  const place = placeNow();
  const named = place.level && place.label ? await call("question", { level: place.level, label: place.label }) : null;
  if (named?.error) toast(named.error);
  shown = named?.question || state.question;
  draw();
  if (isOnWall()) await drawWall(place);
  if (place.past) await openHistory(state, acts.undo);
}

function go(place, replace = false) {
  setPlace(place, replace);
  return showPlace();
}

const drawWall = (place) => showWall(at("wall"), place, state, {
  go, open: (level, name) => go({ level, label: name }), remember: (changed) => setPlace(changed, true),
  saved: async (answer) => {
    toast(sentence(answer.made[0]), answer.made.length > 1 ? ` and ${answer.made.length - 1} more` : "", el("button", { type: "button", onclick: () => acts.undo() }, "Undo"));
    await take(answer);
  },
  groups: () => groupsOf(state.levels[1], place.level === state.levels[1] ? place.label : ""), onGroup: { rename: () => acts.rename(), merge: () => acts.merge() },
});

function draw() {
  const onWall = isOnWall();
  const place = placeNow();
  document.body.classList.toggle("on-wall", onWall);
  at("wall").hidden = !onWall;
  at("question").hidden = onWall;
  at("wall-button").setAttribute("aria-pressed", `${onWall}`);
  at("dataset").textContent = state.dataset;
  const title = onWall ? `${place.label || "Wall"}` : shown ? shown.label : "Done";
  document.title = `${title.slice(0, 60)} · review of ${state.dataset}`;
  drawProgress(state.progress);
  drawNotices();
  if (!onWall) {
    at("wall").replaceChildren();
    const asked = shown ? `${shown.level} ${shown.label}` : "";
    if (asked !== drawn.about) drawn = { about: asked, at: performance.now() };
    if (shown) showQuestion(at("question"), shown, state, acts, open);
    else showDone(at("question"), state, acts);
  }
  showTree(at("tree"), state, onWall && !place.level ? null : shown, open);
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

async function drawNotices() {
  failed = false;
  const mine = state;
  const notices = await settleNotices(state, acts.undo);
  if (mine === state && !failed) at("notices").replaceChildren(...notices);
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
  await go(isOnWall() ? { view: "wall", level, label: name, show: level === state.levels[0] ? "all" : "" } : { level, label: name });
  at(isOnWall() ? "wall" : "question").focus({ preventScroll: true });
  window.scrollTo({ top: 0 });
}

async function next() {
  const answer = await call("state");
  if (answer.error) return fail(answer.error);
  setPlace({});
  return take(answer);
}

/** From the question to the wall of its group, and back. */
function toggleWall() {
  if (isOnWall()) return go(isFirst(shown) ? {} : about());
  return go(shown ? wallOf(shown) : { view: "wall" });
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
  if (isOnWall() && before.is_group && (renamed || body.act === "merge")) setPlace({ ...placeNow(), label: answer.done.to }, true);
  const again = await call("question", { level: before.level, label: renamed ? answer.done.to : before.label });
  const left = again.question && (again.question.members.length || again.question.target_level || !before.members.length);
  await take(answer, left ? again.question : answer.question);
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

/** What a decision was made at: the page of its members, or what it is about. */
function pageOf(decision) {
  if (decision.act === "split" || !decision.members?.length) return decision;
  return { level: state.levels[state.levels.indexOf(decision.level) + 1], label: decision.label || decision.to };
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
  flag: () => openAct("unsure", shown, [], "", write, shown.members),
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
    const ofItsGroup = ["rename", "merge", "split"].includes(answer.undone.act) && shown && !shown.is_group && !of;
    const { level, label: name } = ofItsGroup ? about() : pageOf(answer.undone); // an act on the group of what is asked leaves that on the page
    const again = level && name ? await call("question", { level, label: name }) : { error: "none" };
    return take(answer, again.error ? answer.question : again.question);
  },
};

const keys = {
  a: () => (shown.members.length || shown.target_level) && acts.accept(), m: () => acts.move(), r: () => acts.rename(), g: () => acts.merge(), p: () => acts.split(),
  s: () => acts.skip(), x: () => acts.exclude(), f: () => acts.flag(), e: () => acts.name(), b: () => shown.members.length && !shown.of_groups && acts.branches(),
};
const everywhere = {
  u: () => acts.undo(), n: next, l: () => openLevels(state, changeLevels), h: () => openHistory(state, acts.undo), w: toggleWall, "?": () => openHelp(state),
  "/": () => { at("search").focus(); at("search").select(); },
};

/** What a key does to what is on the page now. */
function run(name, event) {
  if (document.querySelector("dialog[open]")) return undefined;
  if (wallKeys(name)) return wallKeys(name)(event);
  if (everywhere[name]) return everywhere[name]();
  if (isOnWall()) return shown?.is_group && "rg".includes(name) ? keys[name]() : undefined;
  const suggestion = shown?.suggestions[Number(name) - 1];
  if (shown && "ax".includes(name) && event.timeStamp < drawn.at) return toast("That key came before this question: look, then press it again.");
  if (shown && keys[name]) return keys[name]();
  return shown && suggestion ? acts.move(suggestion.name) : undefined;
}

let typed = Promise.resolve(); // keys typed ahead wait for those before them
let n_typed = 0;
document.addEventListener("keydown", (event) => {
  const elsewhere = event.target.closest("input, textarea, select, dialog");
  const name = event.key.toLowerCase();
  const pressed = event.target.closest("button, a, summary") && (name === "enter" || name === " ");
  if (event.ctrlKey || event.metaKey || event.altKey || elsewhere || pressed || !state || (event.repeat && !name.startsWith("arrow"))) return;
  if (!(wallKeys(name) || name in everywhere || name in keys || /^[1-9]$/.test(name))) return;
  event.preventDefault();
  n_typed += 1;
  typed = typed.then(() => run(name, event)).catch((error) => fail(`${error}`)).finally(() => { n_typed -= 1; });
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
    onpointerdown: (event) => { event.preventDefault(); follow(hit); },
  }, label(hit.label), el("small", { class: "quiet" }, levelName(hit.level).toLowerCase()))) : [el("li", { class: "quiet" }, "Nothing like it")]));
}

function closeSearch() {
  hits = [];
  at("found").hidden = true;
  at("found").replaceChildren();
  at("search").setAttribute("aria-expanded", "false");
}

function follow(hit) {
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
  else if (event.key === "Enter" && hits[chosen]) follow(hits[chosen]);
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    chosen = Math.max(0, Math.min(hits.length - 1, chosen + (event.key === "ArrowDown" ? 1 : -1)));
    drawHits();
    event.preventDefault();
  }
});
at("wall-button").addEventListener("click", toggleWall);
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
    else if (!state) await start();
    else if (answer.version !== state.version && !n_typed) await takeNews();
    else if (failed) drawNotices();
  }
  setTimeout(poll, POLL_MS);
}

async function start() {
  const answer = await call("state");
  if (answer.error) return fail(answer.error);
  state = answer;
  return showPlace();
}

onPlace(() => { if (state) showPlace(); });
history.scrollRestoration = "manual"; // the address has the place on the wall
await start();
document.body.classList.add("ready");
setTimeout(poll, POLL_MS);
