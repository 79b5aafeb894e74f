// SPDX-License-Identifier: LGPL-2.1-or-later
/* Files: those that are under way with whoever the conversation is with, and what can be done about them */

import { notice, openTalk } from "./app.js";
import { change, look, save } from "./link.js";
import { $, fileRow, show } from "./view.js";

const PIECE = 256 * 1024; /* bytes of a file that go in one request */

let files =
  []; /* rows of the service, and those that came and were not saved yet, with the state "arrived" */
let hasFiles = true; /* a service without files says so once */
const uploads = new Set(); /* { talk, name, size, done, stopped }: what this page is sending to the service */

/* A word for somebody may be the name, the id, or a name with some of the id or an address. */
function belongs(user, t) {
  if (user === t.word || user === t.name || user === t.key) return true;
  const [name, id] = user.split("#");
  return Boolean(t.user && id && name === t.user.name && t.user.id.startsWith(id));
}

export const filesOf = (t) => files.filter((f) => belongs(f.user, t));
export const isOffered = (t) => filesOf(t).some((f) => f.direction === "received" && f.state === "offered");

export async function loadFiles() {
  if (!hasFiles) return;
  try {
    const answer = await look("/api/files");
    files = [
      ...answer.files,
      ...answer.arrived.map((f) => ({ ...f, done: f.size, direction: "received", state: "arrived" })),
    ];
  } catch (error) {
    if (error.status !== 501) throw error;
    hasFiles = false;
  }
  drawFiles();
}

async function act(path, args) {
  try {
    await change(path, args);
  } catch (error) {
    notice(error.message);
  }
  await loadFiles().catch(() => {});
}

/* Saved first, and only then gone from here. */
async function keep(f) {
  try {
    await save(`/api/file?${new URLSearchParams({ id: f.id })}`, f.name);
    await act("/api/file-done", { id: f.id });
  } catch (error) {
    notice(error.message);
  }
}

function choicesOf(f) {
  const accept = () => act("/api/file-accept", { id: f.id, user: f.user, name: f.name, size: f.size });
  const cancel = ["Cancel", () => act("/api/file-cancel", { id: f.id })];
  if (f.state === "arrived")
    return [
      ["Save", () => keep(f)],
      ["Discard", () => act("/api/file-done", { id: f.id })],
    ];
  if (f.direction === "received" && f.state === "offered")
    return [
      ["Receive", accept],
      ["Reject", () => act("/api/file-reject", { id: f.id })],
    ];
  if (f.direction === "received" && f.state === "whole") return [["Receive", accept], cancel];
  return [cancel];
}

/* A row stays as long as its state does, so that whoever is about to press a button in it does not miss it. */
let shown = new Map(); /* key -> { state, row } */
function rowOf(key, f, choices, fresh) {
  let entry = shown.get(key);
  if (entry?.state !== f.state) entry = { state: f.state, row: fileRow(f, choices) };
  const bar = entry.row.querySelector("progress");
  if (bar) bar.value = f.done;
  fresh.set(key, entry);
  return entry.row;
}

export function drawFiles() {
  const t = openTalk(),
    fresh = new Map();
  show($("attach"), hasFiles && Boolean(t) && (Boolean(t.user?.id) || t.key.startsWith("+")));
  const rows = t ? filesOf(t).map((f) => rowOf(`${f.id} ${f.user}`, f, choicesOf(f), fresh)) : [];
  for (const u of uploads)
    if (u.talk === t)
      rows.push(
        rowOf(
          u,
          { ...u, direction: "sent", state: "preparing" },
          [
            [
              "Cancel",
              () => {
                u.stopped = true;
              },
            ],
          ],
          fresh,
        ),
      );
  shown = fresh;
  show($("files"), rows.length > 0);
  const now = $("files").children;
  if (rows.length !== now.length || rows.some((row, i) => row !== now[i]))
    $("files").replaceChildren(...rows);
}

function base64(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(blob);
  });
}

async function sendPieces(u, file) {
  const { upload } = await change("/api/file-begin", { user: u.talk.word, name: file.name });
  try {
    for (let at = 0; at < file.size && !u.stopped; at += PIECE) {
      await change("/api/file-piece", { upload, data: await base64(file.slice(at, at + PIECE)) });
      u.done = Math.min(at + PIECE, file.size);
      drawFiles();
    }
  } catch (error) {
    u.stopped = true;
    throw error;
  } finally {
    if (u.stopped) await change("/api/file-stop", { upload }).catch(() => {});
  }
  if (!u.stopped) await change("/api/file-send", { upload });
}

export async function sendFile(file) {
  const u = { talk: openTalk(), name: file.name, size: file.size, done: 0, stopped: false };
  uploads.add(u);
  drawFiles();
  try {
    await sendPieces(u, file);
  } catch (error) {
    notice(`${file.name}: ${error.message}`);
  } finally {
    uploads.delete(u);
    await loadFiles().catch(() => {});
  }
}

/* Of the event that tells the end of one. */
export function fileEnded({ id, state, reason }) {
  const f = files.find((x) => x.id === id);
  if (f && state === "failed") notice(`${f.name}: failed${reason ? ` (${reason})` : ""}`);
}

export function startFiles() {
  $("attach").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    for (const file of $("file").files) sendFile(file);
    $("file").value = "";
  });
}
