// SPDX-License-Identifier: LGPL-2.1-or-later
/* The page: what is known of the conversations, and what its parts do */

import { change, follow, look, signIn } from "./link.js";
import {
  $,
  bubble,
  day,
  drawPerson,
  make,
  makePerson,
  result,
  say,
  setSecurity,
  setState,
  show,
} from "./view.js";
import { openAbout, openOwn, startDialogs } from "./dialogs.js";
import { drawFiles, fileEnded, isOffered, loadFiles, startFiles } from "./files.js";

const PAGE = 100; /* messages of a conversation at a time */
const FIRST_PAGE = 300; /* of all, for the list of conversations */
const REFRESH_MSEC = 60000;

/* key -> { key, word, name, user (a row of the users, or null), group (the same of the groups), last (message),
 * unread (number), messages (those that are loaded), isWhole (there are none before) } */
const talks = new Map();
export const own = { username: "", id: "", word: "", version: "" };
let open = null; /* one of them */
let sequence = 0; /* of the last message known */
let oldest = null; /* of the messages that the list was made of; null: there is nothing before */

/*
 * Conversations
 */

/* Whoever has an id is known by it, whatever the name; a group by its word, a classic one too. */
const keyOfMessage = (m) => (m.conversation.startsWith("+") ? m.conversation : m.user_id || m.conversation);
const wordOfUser = (u) => u.id || (u.flags.includes("namesake") ? `${u.name}@${u.address}` : u.name);

function talkOf(key, word, name) {
  let t = talks.get(key);
  if (!t) {
    t = { key, word, name, user: null, group: null, last: null, unread: 0, messages: [], isWhole: false };
    talks.set(key, t);
  }
  return t;
}

function talkOfMessage(m) {
  const key = keyOfMessage(m);
  return talkOf(key, key, m.conversation.startsWith("+") ? m.conversation : m.user);
}

/* Into the order of their numbers, each once; mostly at the end. True when it was new. */
function insert(t, m) {
  let i = t.messages.length;
  while (i > 0 && t.messages[i - 1].sequence > m.sequence) i--;
  if (i > 0 && t.messages[i - 1].sequence === m.sequence) return false;
  t.messages.splice(i, 0, m);
  return true;
}

function note(m) {
  const t = talkOfMessage(m);
  if (!t.last || m.sequence > t.last.sequence) t.last = m;
  sequence = Math.max(sequence, m.sequence);
  return t;
}

async function loadUsers() {
  const { users } = await look("/api/users");
  for (const t of talks.values()) t.user = null;
  for (const u of users) {
    const word = wordOfUser(u);
    const t = talkOf(word, word, u.name);
    t.user = u;
    t.name = u.flags.includes("namesake")
      ? `${u.name}${u.id ? `#${u.id.slice(0, 4)}` : `@${u.address}`}`
      : u.name;
  }
  drawPeople();
  drawHead();
}

/* A service without groups says so once. */
let hasGroups = true;
async function loadGroups() {
  if (!hasGroups) return;
  let groups;
  try {
    ({ groups } = await look("/api/groups"));
  } catch (error) {
    if (error.status !== 501) throw error;
    hasGroups = false;
    return;
  }
  for (const t of talks.values()) t.group = null;
  for (const g of groups) talkOf(g.word, g.word, g.word).group = g;
  drawPeople();
  drawHead();
}

async function loadOwn() {
  const { status } = await look("/api/status");
  Object.assign(own, status);
  $("own-name").textContent = own.username;
}

async function loadList() {
  const { messages } = await look("/api/history", { user: "", before: oldest ?? 0, limit: FIRST_PAGE });
  messages.forEach(note);
  oldest = messages.length > 0 ? messages.at(-1).sequence : null;
  show($("people-more"), oldest !== null && messages.length >= FIRST_PAGE);
  drawPeople();
}

const rank = (t) => [t.last?.time ?? 0, t.user?.last_heard ?? 0];

function rowOf(t) {
  const row = makePerson(t.key);
  row.firstChild.addEventListener("click", () => choose(t));
  return row;
}

function drawPeople() {
  const all = [...talks.values()].filter((t) => t.last || t.user || t.group || t === open);
  all.sort((a, b) => rank(b)[0] - rank(a)[0] || rank(b)[1] - rank(a)[1] || a.name.localeCompare(b.name));
  const rows = all.map((t) => {
    t.row ??= rowOf(t);
    drawPerson(t.row, {
      ...t,
      state: t.group?.state === "invited" ? "you are invited" : t.user?.state,
      flags: [...(t.user?.flags.split(" ") ?? []), ...(isOffered(t) ? ["file"] : [])],
      isOpen: t === open,
    });
    return t.row;
  });
  const focused = document.activeElement?.closest("#people .person");
  const shown = $("people").children;
  if (rows.length !== shown.length || rows.some((row, i) => row !== shown[i]))
    $("people").replaceChildren(...rows);
  if (focused?.isConnected) focused.focus();
  if (all.length === 0)
    $("people").append(
      make("li", "note", "Nobody is here yet. Others of this network appear by themselves."),
    );
  const unread = all.reduce((n, t) => n + t.unread, 0);
  document.title = (unread > 0 ? `(${unread}) ` : "") + (open ? `${open.name} – p2pchat` : "p2pchat");
}

/*
 * The conversation that is open
 */
function drawHead() {
  if (!open) return;
  $("talk-name").textContent = open.name;
  const flags = open.user?.flags.split(" ") ?? [];
  const invited = open.group?.state === "invited",
    n = open.group?.members.length ?? 0;
  show($("invitation"), invited);
  show($("compose"), !invited);
  $("talk-state").textContent = [
    open.group ? `${n} member${n === 1 ? "" : "s"}` : (open.user?.state ?? ""),
    ...["blocked", "muted"].filter((f) => flags.includes(f)),
  ]
    .filter(Boolean)
    .join(", ");
  const security = open.user?.security ?? open.last?.security ?? "";
  setSecurity($("talk-security"), security);
  show($("talk-security"), security !== "");
  drawFiles();
  show($("talk-dot"), security !== "" && $("talk-state").textContent !== "");
  say(
    "compose-note",
    flags.includes("blocked")
      ? "Blocked: nothing is sent or shown. Unblock in the menu above."
      : security === "legacy" || security === "plain"
        ? "Not secure: others on the network can read along."
        : "",
  );
}

const isAtEnd = () => $("scroll").scrollHeight - $("scroll").scrollTop - $("scroll").clientHeight < 80;
function toEnd() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

/* Bubbles, and a line before the first of each day. */
function build(messages, before) {
  const group = open.key.startsWith("+");
  const items = [];
  let last = before ? day(before.time) : null;
  for (const m of messages) {
    const d = day(m.time);
    if (d !== last) items.push(make("li", "day", d));
    last = d;
    items.push(bubble(m, group));
  }
  return items;
}

function drawMessages() {
  $("messages").replaceChildren(...build(open.messages, null));
  show($("earlier"), !open.isWhole);
}

function append(m) {
  const stay = !isAtEnd() && m.direction !== "sent";
  const before = open.messages.at(-2) ?? null;
  $("messages").append(...build([m], before));
  if (m.direction === "received") $("spoken").textContent = `${m.user}: ${m.text}`;
  if (stay) show($("to-end"), true);
  else toEnd();
}

let isLoading = false;
async function loadEarlier() {
  if (!open || open.isWhole || isLoading) return;
  const t = open,
    box = $("scroll");
  isLoading = true;
  try {
    const { messages } = await look("/api/history", {
      user: t.word,
      before: t.messages[0]?.sequence ?? 0,
      limit: PAGE,
    });
    t.isWhole = messages.length === 0;
    const first = t.messages[0] ?? null;
    const fresh = messages.reverse().filter((m) => insert(t, m));
    if (t !== open) return;
    show($("earlier"), !t.isWhole);
    if (fresh.length === 0) return;
    /* What was seen stays where it was. */
    const fromEnd = box.scrollHeight - box.scrollTop;
    const list = $("messages");
    if (first && day(first.time) === day(fresh.at(-1).time)) list.firstChild?.remove();
    const items = build(fresh, null);
    if (first && day(first.time) !== day(fresh.at(-1).time) && !list.firstChild?.classList.contains("day"))
      items.push(make("li", "day", day(first.time)));
    list.prepend(...items);
    box.scrollTop = box.scrollHeight - fromEnd;
  } catch (error) {
    notice(error.message);
  } finally {
    isLoading = false;
  }
}

/* @record: whether the way back leads to where we were. */
export async function choose(t, record = true) {
  open = t;
  t.unread = 0;
  if (record) history.pushState({ key: t.key }, "");
  $("chat").classList.add("reading");
  for (const id of ["talk-head", "scroll"]) show($(id), true);
  show($("empty"), false);
  show($("to-end"), false);
  say("compose-error", "");
  $("text").value = t.draft ?? "";
  drawHead();
  grow();
  drawPeople();
  drawMessages();
  toEnd();
  if (matchMedia("(min-width: 720px)").matches) $("text").focus();
  else $("talk-name").focus();
  /* The list was made of some; the page before is asked for once. */
  if (t.messages.length < PAGE) await loadEarlier();
  if (open === t) toEnd();
}

export function leaveTalk() {
  open = null;
  $("chat").classList.remove("reading");
  for (const id of ["talk-head", "scroll", "compose", "invitation", "files", "to-end"]) show($(id), false);
  show($("empty"), true);
  drawPeople();
}

export async function openWord(word) {
  const { messages } = await look("/api/history", { user: word, limit: 1 });
  await refresh();
  const name = word.toLowerCase();
  const t =
    messages.length > 0
      ? note(messages[0])
      : ([...talks.values()].find((x) => x.name.toLowerCase() === name || x.key === name) ??
        talkOf(word, word, word));
  await choose(t);
}

/*
 * Writing
 */
function grow() {
  const area = $("text");
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight, 200)}px`;
}

async function send() {
  const t = open,
    text = $("text").value.replace(/\s+$/, "");
  if (!t || text === "") return;
  $("text").value = t.draft = "";
  grow();
  say("compose-error", "");
  try {
    await change("/api/send", { user: t.word, text });
    await catchUp();
  } catch (error) {
    /* What was written is not lost. */
    t.draft = text;
    if (t === open && $("text").value === "") $("text").value = text;
    if (t === open) say("compose-error", error.message);
    grow();
  }
}

/*
 * What is new
 */
function take(m) {
  const isNew = m.sequence > sequence;
  const t = note(m);
  if (t !== open && t.messages.length === 0 && !t.isWhole) {
    if (isNew && m.direction === "received" && m.state === "received") t.unread++;
    return;
  }
  if (!insert(t, m)) return;
  if (t === open) append(m);
  if (isNew && m.direction === "received" && m.state === "received" && (t !== open || document.hidden))
    t.unread++;
}

/* What came since the last message known, page by page. */
let catching = null;
async function catchUpNow() {
  for (;;) {
    const { messages } = await look("/api/history-since", { user: "", since: sequence, limit: 500 });
    messages.forEach(take);
    if (messages.length === 0) break;
  }
  drawPeople();
}
function catchUp() {
  catching ??= catchUpNow().finally(() => (catching = null));
  return catching;
}

function changeState({ id, state, reason }) {
  for (const t of talks.values()) {
    const m = t.messages.find((x) => x.id === id);
    if (m) m.state = state;
    if (t.last?.id === id) t.last.state = state;
  }
  const element = document.querySelector(`#messages [data-id="${CSS.escape(id)}"] .state`);
  if (element) setState(element, state, reason);
}

export function notice(text) {
  say("notice", text);
}

let usersTimer = null;
function usersChanged() {
  usersTimer ??= setTimeout(() => {
    usersTimer = null;
    loadUsers().catch(() => {});
  }, 300);
}

let filesTimer = null;
function filesChanged() {
  filesTimer ??= setTimeout(() => {
    filesTimer = null;
    loadFiles()
      .then(drawPeople)
      .catch(() => {});
  }, 250);
}

const NO_SERVICE =
  "The chat service is not running. An administrator starts it with: systemctl start p2pchatd.socket p2pchatd.service";

async function start() {
  await loadOwn();
  await loadUsers();
  await loadGroups();
  await loadFiles();
  drawPeople();
  if (sequence === 0) await loadList();
  else await catchUp();
  notice("");
}

async function onEvent(event) {
  switch (event.type) {
    case "hello":
    case "service":
      if (event.service === false) notice(NO_SERVICE);
      else await start().catch((error) => notice(error.message));
      break;
    case "no-service":
      notice(NO_SERVICE);
      break;
    case "lost":
      notice("The connection to the page's service broke; trying again.");
      break;
    case "message":
      take(event.message);
      drawPeople();
      drawHead();
      break;
    case "state":
      changeState(event);
      break;
    case "user":
      usersChanged();
      break;
    case "file":
      fileEnded(event);
      break;
    case "files":
      filesChanged();
      break;
    case "groups":
      loadGroups().catch(() => {});
      break;
    case "warning":
      $("warning-text").textContent = event.sentence;
      show($("warning"), true);
      usersChanged();
      break;
    case "reset":
      location.reload();
      break;
  }
}

/*
 * Searching
 */
let searched = { text: "", before: 0 };
async function search(more) {
  const text = $("search-text").value.trim();
  if (!more) {
    searched = { text, before: 0 };
    $("found").replaceChildren();
  }
  for (const id of ["found", "found-note"]) show($(id), text !== "");
  for (const id of ["people", "people-more"])
    show($(id), text === "" && (id === "people" || oldest !== null));
  show($("found-more"), false);
  if (text === "") return;
  say("found-note", "Searching…");
  try {
    const { messages } = await look("/api/search", { user: "", text, before: searched.before, limit: 50 });
    if (searched.text !== text) return;
    $("found").append(
      ...messages.map((m) => {
        const row = result(m, text);
        row.firstChild.addEventListener("click", () => goTo(m));
        return row;
      }),
    );
    const n = $("found").childElementCount;
    say(
      "found-note",
      n === 0
        ? `Nothing with “${text}” was found.`
        : `${n}${messages.length === 50 ? " or more" : ""} found, the newest first`,
    );
    searched.before = messages.at(-1)?.sequence ?? 0;
    show($("found-more"), messages.length === 50);
  } catch (error) {
    say("found-note", error.message);
  }
}

/* Opens the conversation at a message: from there on all is loaded. */
async function goTo(m) {
  const t = talkOfMessage(m);
  await choose(t);
  while (open === t && !t.isWhole && (t.messages[0]?.sequence ?? 0) > m.sequence) await loadEarlier();
  const element = document.querySelector(`#messages [data-id="${CSS.escape(m.id)}"]`);
  if (!element) return;
  element.scrollIntoView({ block: "center" });
  element.classList.add("pointed");
  setTimeout(() => element.classList.remove("pointed"), 2500);
}

/*
 * All together
 */
export const openTalk = () => open;
export const servesGroups = () => hasGroups;
export const allTalks = () => [...talks.values()];
export const refresh = () => Promise.all([loadOwn(), loadUsers(), loadGroups()]);

function signedOut(sentence) {
  document.title = "p2pchat";
  document.querySelectorAll("dialog[open]").forEach((d) => d.close());
  $("door-reason").textContent = sentence;
  show($("door-reason"), sentence !== "");
  show($("chat"), false);
  show($("door"), true);
}

function listen() {
  $("own").addEventListener("click", openOwn);
  $("about").addEventListener("click", openAbout);
  $("people-more").addEventListener("click", () => loadList().catch((error) => notice(error.message)));
  $("earlier").addEventListener("click", loadEarlier);
  $("back").addEventListener("click", () => history.back());
  $("to-end").addEventListener("click", toEnd);
  $("warning-close").addEventListener("click", () => show($("warning"), false));
  $("found-more").addEventListener("click", () => search(true));
  $("search").addEventListener("submit", (e) => {
    e.preventDefault();
    search(false);
  });
  $("search-text").addEventListener("input", () => {
    clearTimeout(searched.timer);
    searched.timer = setTimeout(() => search(false), 250);
  });
  $("scroll").addEventListener("scroll", () => {
    if ($("scroll").scrollTop < 200) loadEarlier();
    if (isAtEnd()) show($("to-end"), false);
  });
  $("compose").addEventListener("submit", (e) => {
    e.preventDefault();
    send();
  });
  $("text").addEventListener("input", () => {
    grow();
    if (open) open.draft = $("text").value;
  });
  $("text").addEventListener("keydown", (e) => {
    if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    send();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !open) return;
    open.unread = 0;
    drawPeople();
  });
  addEventListener("popstate", (e) => {
    const t = talks.get(e.state?.key);
    if (t) choose(t, false);
    else leaveTalk();
  });
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape" && $("search-text") === document.activeElement) {
      $("search-text").value = "";
      search(false);
    }
  });
}

async function main() {
  listen();
  startDialogs();
  startFiles();
  try {
    if (!(await signIn(signedOut))) {
      signedOut("");
      return;
    }
  } catch (error) {
    signedOut(error.message);
    return;
  }
  history.replaceState(null, "");
  show($("door"), false);
  show($("chat"), true);
  setInterval(() => {
    if (!document.hidden) refresh().catch(() => {});
  }, REFRESH_MSEC);
  await follow(onEvent);
}

main();
