/* What the pages' scripts share: elements, numbers, colours of labels, the address, packed numbers. */

const fold = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const number = value => value.toLocaleString("en");
const byId = id => document.getElementById(id);
const read = id => JSON.parse(byId(id).textContent);

/* Adds to the list that a map holds for a key. */
function collect(map, key, value) {
  if (map.has(key)) map.get(key).push(value);
  else map.set(key, [value]);
}

/* An element with attributes and children; text is always text, never markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes))
    if (key.startsWith("on")) element[key] = value;
    else if (value !== undefined) element.setAttribute(key, value);
  element.append(...children.flat().filter(child => child !== undefined && child !== null));
  return element;
}

const LONG = 160;

/* A name cut for a line; never half an emoji. */
const shortened = name => name.length > LONG ? [...name.slice(0, LONG)].slice(0, -2).join("") + "…" : name;

/* Hues of the labels, 0..360, by level and class index: each label has an arc of the wheel, its children share it.
   So a colour says the same on every page, whatever is in focus. */
function labelHues(names, parents) {
  const hues = names.map(level => new Float32Array(level.length)), top = names.length - 1;
  let arcs = names[top].map((_, code) => [360 * code / names[top].length, 360 / names[top].length]);
  for (let rank = top; rank >= 0; rank--) {
    arcs.forEach(([start, width], code) => { hues[rank][code] = start + width / 2; });
    if (!rank) break;
    const kids = names[rank].map(() => []);
    parents[rank - 1].forEach((above, code) => kids[above].push(code));
    const below = [];
    kids.forEach((codes, above) => {
      const [start, width] = arcs[above], room = .86 * width, step = room / codes.length;
      codes.forEach((code, place) => { below[code] = [start + (width - room) / 2 + place * step, step]; });
    });
    arcs = below;
  }
  return hues;
}

/* The page's address says what is shown: back, reload and links keep the place. */
const address = {
  read: () => Object.fromEntries(new URLSearchParams(location.hash.slice(1))),
  /* `step`: the back button comes back to what was there before. */
  write(values, step = false) {
    const kept = Object.entries({ ...address.read(), ...values }).filter(([, value]) => value !== "" && value !== undefined && value !== null);
    const hash = `#${new URLSearchParams(kept)}`;
    if (hash !== (location.hash || "#")) history[step ? "pushState" : "replaceState"](null, "", hash);
  },
};

/* Numbers that were packed by `core.packed`. */
function unpack(text, type) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return new type(bytes.buffer);
}
