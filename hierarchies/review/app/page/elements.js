// Small helpers. Labels only ever become text nodes: nothing in a name can run.

/** An element; `attributes` may hold `on<event>` functions; strings among `children` become text. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A label of the data: any script, any length; the whole text is its tooltip. */
export function label(text, className = "label") {
  return el("span", { class: className, dir: "auto", title: text.slice(0, 2000) }, text);
}

export const key = (name) => el("kbd", { "aria-hidden": "true" }, name);

const numbers = new Intl.NumberFormat("en");
export const number = (n) => numbers.format(Math.round(n));
/** A number with its noun: count(2, "category") is "2 categories". */
export function count(n, noun) {
  const many = noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : noun === "species" ? noun : /(s|x|z|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`;
  return `${number(n)} ${Math.round(n) === 1 ? noun : many}`;
}
export const percent = (share) => `${Math.round(share * 100)} %`; // as numbers with two digits are rounded elsewhere

export function duration(seconds) {
  if (seconds < 90) return "about a minute";
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} minutes`;
  return `about ${Math.round(seconds / 3600)} hours`;
}

/** Ask the server; a user's mistake comes back as `error`. */
export async function call(name, body = {}) {
  let answer;
  try {
    answer = await fetch(`api/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    return { error: "The server is gone: start `cairn review --app` again. What you decided is saved." };
  }
  if (!answer.ok) return { error: `The server refused (${answer.status}).` };
  return answer.json();
}

let toastTimer = 0;
export function toast(...content) {
  const box = document.getElementById("toast");
  box.replaceChildren(...content);
  box.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => box.classList.remove("shown"), 6000);
}

/** Call `run` only once its caller has paused. */
export function debounced(run, wait_ms = 120) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), wait_ms);
  };
}
