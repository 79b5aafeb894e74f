// SPDX-License-Identifier: LGPL-2.1-or-later
/* How things look: elements, times and words. Whatever others wrote becomes text, never markup. */

export const $ = (id) => document.getElementById(id);

/* An element: its class, and its contents, each an element or a text. */
export function make(tag, kind, ...contents) {
  const e = document.createElement(tag);
  if (kind) e.className = kind;
  e.append(...contents.filter((c) => c !== null && c !== undefined));
  return e;
}

export function show(element, visible) {
  element.hidden = !visible;
}

export function say(id, text) {
  $(id).textContent = text;
  show($(id), text !== "");
}

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const longDate = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const fullDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

const date = (usec) => new Date(usec / 1000);
const midnight = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
const daysAgo = (d) => Math.round((midnight(new Date()) - midnight(d)) / 86400000);

export const time = (usec) => clock.format(date(usec));
export const exactTime = (usec) => exact.format(date(usec));

export function day(usec) {
  const d = date(usec),
    n = daysAgo(d);
  if (n === 0) return "Today";
  if (n === 1) return "Yesterday";
  return (n < 300 ? longDate : fullDate).format(d);
}

export function shortTime(usec) {
  const d = date(usec),
    n = daysAgo(d);
  if (n === 0) return clock.format(d);
  return (n < 7 ? weekday : n < 300 ? shortDate : fullDate).format(d);
}

/* What each word of security means, for people. */
const SECURITY = {
  verified: "Encrypted, and you compared the fingerprints.",
  certified: "Encrypted, and the ledger binds the name to this key.",
  encrypted:
    "Encrypted from end to end. The key was remembered when it was first proven; compare the fingerprints to be sure.",
  unproven: "A key was announced and not proven yet. Nothing goes out before it is.",
  legacy: "The key exchange of the classic protocol: anybody who wants to can read along.",
  plain: "Not encrypted at all: everybody on the network can read along.",
};
const WEAK = ["unproven", "legacy", "plain"];

export const explainSecurity = (word) => SECURITY[word] ?? "";
export const isWeak = (word) => WEAK.includes(word);

export function setSecurity(element, word) {
  element.textContent = word;
  element.className = `security ${isWeak(word) ? "weak" : "strong"}`;
  element.title = explainSecurity(word);
}

const STATES = {
  queued: ["queued", "goes when the other side is there"],
  sent: ["✓", "sent: a classic program took it, and cannot say more"],
  delivered: ["✓✓", "delivered: stored by the other side"],
  failed: ["failed", ""],
  cancelled: ["cancelled", ""],
};

export function setState(element, state, reason = "") {
  const [sign, words] = STATES[state] ?? [state, ""];
  const isSign = sign.startsWith("✓");
  const shown = make("span", "", state === "failed" && reason ? `failed: ${reason}` : sign);
  if (isSign) shown.setAttribute("aria-hidden", "true");
  element.className = `state ${state in STATES ? state : ""}`;
  element.title = words;
  element.replaceChildren(shown);
  if (isSign) element.append(make("span", "hidden", state));
}

/* A coloured circle with the first letter: always the same for the same one. */
export function avatar(key, name, state) {
  let n = 0;
  for (const c of key) n = (n * 31 + c.codePointAt(0)) % 8;
  const e = make("span", `avatar hue-${n}`, [...name.replace(/^\+/, "")][0]?.toUpperCase() ?? "?");
  if (state === "online" || state === "away") e.append(make("span", `dot ${state}`));
  e.setAttribute("aria-hidden", "true");
  return e;
}

/* A message in its conversation. @names: whether to show who wrote it. */
export function bubble(m, names) {
  const sent = m.direction === "sent";
  const item = make("li", `message ${sent ? "sent" : "received"}`);
  const foot = make("span", "foot");
  if (isWeak(m.security)) {
    const word = make("span", "");
    setSecurity(word, m.security);
    foot.append(word, " ");
  }
  const when = make("time", "", time(m.time));
  when.dateTime = new Date(m.time / 1000).toISOString();
  when.title = `${exactTime(m.time)}, ${m.security}`;
  foot.append(when);
  if (sent) {
    const state = make("span", "");
    setState(state, m.state);
    foot.append(" ", state);
  }
  const who = make(
    "span",
    names && !sent ? "author" : "hidden",
    sent ? "You: " : names ? m.user : `${m.user}: `,
  );
  const text = make("span", "text", m.text);
  text.dir = "auto";
  item.append(make("div", "bubble", who, text, foot));
  item.dataset.id = m.id;
  item.dataset.sequence = m.sequence;
  return item;
}

/* A row of the list of conversations: made once, so that whoever is about to press it does not miss it. */
export function makePerson(key) {
  const button = make("button", "person");
  button.type = "button";
  button.dataset.key = key;
  return make("li", "", button);
}

export function drawPerson(row, { key, name, state, last, unread, flags, isOpen }) {
  const button = row.firstChild;
  if (isOpen) button.setAttribute("aria-current", "true");
  else button.removeAttribute("aria-current");
  const title = make("span", "person-name", name);
  title.dir = "auto";
  const marks = ["file", "blocked", "muted", "namesake"].filter((f) => flags.includes(f)).join(", ");
  const author = last?.direction === "sent" ? "You: " : last && key.startsWith("+") ? `${last.user}: ` : "";
  const preview = make("span", "preview", last ? author + last.text.slice(0, 120) : (state ?? ""));
  const top = make("span", "line", title, make("span", "when", last ? shortTime(last.time) : ""));
  const bottom = make("span", "line", preview);
  if (marks) bottom.append(make("span", "mark", marks));
  if (unread > 0) {
    const badge = make("span", "badge", String(unread));
    badge.append(make("span", "hidden", " unread"));
    bottom.append(badge);
  }
  const words = make("span", "person-text", top, bottom);
  if (state && last) words.append(make("span", "hidden", `, ${state}`));
  button.replaceChildren(avatar(key, name, state), words);
}

/* A result of searching. */
export function result(m, text) {
  const button = make("button", "person");
  button.type = "button";
  const at = m.text.toLowerCase().indexOf(text.toLowerCase());
  const from = Math.max(0, at - 30);
  const preview = make("span", "preview");
  if (at < 0) preview.append(m.text.slice(0, 160));
  else
    preview.append(
      from > 0 ? "…" : "",
      m.text.slice(from, at),
      make("mark", "", m.text.slice(at, at + text.length)),
      m.text.slice(at + text.length, at + 160),
    );
  const name = make("span", "person-name", (m.direction === "sent" ? "To " : "") + m.user);
  name.dir = "auto";
  button.append(
    make(
      "span",
      "person-text",
      make("span", "line", name, make("span", "when", shortTime(m.time))),
      make("span", "line", preview),
    ),
  );
  return make("li", "", button);
}

export function facts(element, pairs) {
  element.replaceChildren(
    ...pairs
      .filter(([, value]) => value)
      .flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]),
  );
}

export function size(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  let n = bytes,
    unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${unit === 0 || n >= 10 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}

const FILE_STATES = {
  preparing: "being copied",
  offered: "waits for an answer",
  accepted: "under way",
  verifying: "being compared",
  whole: "is here",
  arrived: "is here",
};

/* A file under way: @choices are pairs of a word and what it does, the first the most likely. */
export function fileRow(f, choices) {
  const name = make("span", "", f.name);
  name.dir = "auto";
  const state =
    f.direction === "received" && f.state === "offered"
      ? "is offered to you"
      : (FILE_STATES[f.state] ?? f.state);
  const text = make("span", "file-text", name, make("span", "note", `${size(f.size)}, ${state}`));
  if (f.state === "accepted" || f.state === "preparing") {
    const bar = make("progress", "");
    bar.max = Math.max(1, f.size);
    bar.value = f.done;
    bar.setAttribute("aria-label", `Progress of ${f.name}`);
    text.append(bar);
  }
  const row = make("li", "", text);
  choices.forEach(([word, work], i) => {
    const button = make("button", i === 0 && word !== "Cancel" ? "main" : "", word);
    button.type = "button";
    button.setAttribute("aria-label", `${word} ${f.name}`);
    button.addEventListener("click", work);
    row.append(button);
  });
  return row;
}
