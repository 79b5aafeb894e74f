// SPDX-License-Identifier: LGPL-2.1-or-later
/* The service behind the page: signing in, calls, and the stream of what is new */

const KEY = "session";
const WAIT_MIN = 500,
  WAIT_MAX = 15000;

/* Of the service: a word, and a sentence for people. */
export class Refusal extends Error {
  constructor(status, word, sentence) {
    super(sentence);
    this.status = status;
    this.word = word;
  }
}

let session = null;
let onSignedOut = () => {};

/* The session may live in this tab only, and only as long as the tab. */
function keep(value) {
  session = value;
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

async function refusal(answer) {
  let word = "",
    sentence = "";
  try {
    ({ error: word, sentence } = await answer.json());
  } catch {
    /* Whoever that was, it was not our service. */
  }
  return new Refusal(answer.status, word, sentence || `The page's service answered ${answer.status}.`);
}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (session) headers.Authorization = `Bearer ${session}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, credentials: "omit", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(
      0,
      "NoPage",
      "The page's service does not answer. It is started again when you open the chat anew: p2pchat web",
    );
  }
  if (answer.ok) return answer;
  const why = await refusal(answer);
  if (answer.status === 401 && session) signedOut(why.message);
  throw why;
}

function signedOut(sentence) {
  keep(null);
  onSignedOut(sentence);
}

/* Takes the token out of the address, before anybody sees or keeps it. True when somebody is signed in. */
export async function signIn(signedOutHandler) {
  onSignedOut = signedOutHandler;
  const token = location.hash.slice(1);
  if (token) history.replaceState(null, "", location.pathname);
  session = sessionStorage.getItem(KEY);
  if (!token) return session !== null;
  keep(null);
  const answer = await ask("/signin", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
  keep((await answer.json()).session);
  return true;
}

export async function signOut() {
  try {
    await change("/signout", {});
  } finally {
    signedOut("You are signed out.");
  }
}

/* What is there; undefined arguments are left out. */
export async function look(path, args = {}) {
  const query = new URLSearchParams(Object.entries(args).filter(([, value]) => value !== undefined));
  const answer = await ask(query.size ? `${path}?${query}` : path);
  return answer.json();
}

export async function change(path, args) {
  const answer = await ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(args),
  });
  return answer.json();
}

/* Saves what is there under a name. */
export async function save(path, name) {
  const answer = await ask(path);
  const url = URL.createObjectURL(await answer.blob());
  const a = document.createElement("a");
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

export function download(user, format) {
  return save(
    `/log?${new URLSearchParams({ user, format })}`,
    `p2pchat-log.${format === "json" ? "json" : "txt"}`,
  );
}

async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part.trim()) yield part;
  }
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return null; /* cut off: what follows tells why */
  }
}

/* Gives every event to @take, as long as somebody is signed in. { type: "lost" } and { type: "hello" } tell when
 * the stream broke and was made again; what came meanwhile is in the history. */
export async function follow(take) {
  let wait = WAIT_MIN;
  while (session) {
    try {
      for await (const line of lines(await ask("/api/events"))) {
        const event = parse(line);
        if (!event) continue;
        if (event.type === "hello") wait = WAIT_MIN;
        if (event.type === "replaced") {
          signedOut("Too many pages are open; this one gave way to another.");
          return;
        }
        await take(event);
      }
    } catch (error) {
      if (!session) return;
      if (!(error instanceof Refusal)) console.warn(error);
    }
    await take({ type: "lost" });
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, WAIT_MAX);
  }
}
