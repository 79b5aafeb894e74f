// SPDX-License-Identifier: LGPL-2.1-or-later
/* The dialogs: oneself, a conversation, a new one */

import { allTalks, leaveTalk, notice, openTalk, openWord, own, refresh, servesGroups } from "./app.js";
import { change, download, look, signOut } from "./link.js";
import { $, explainSecurity, facts, make, say, setSecurity, show } from "./view.js";

/* Does it, says what went wrong below, and shows what is so now. */
async function act(errorId, work) {
  say(errorId, "");
  try {
    await work();
    await refresh();
    return true;
  } catch (error) {
    say(errorId, error.message);
    return false;
  }
}

export function openOwn() {
  $("name-text").value = own.username;
  say("name-error", "");
  facts($("own-facts"), [
    ["Others find you as", own.word],
    ["Id", own.id],
    ["Version", own.version],
  ]);
  $("own-dialog").showModal();
}

function drawAbout() {
  const t = openTalk(),
    user = t.user,
    flags = user?.flags.split(" ") ?? [];
  $("about-title").textContent = t.name;
  const security = user?.security ?? t.last?.security ?? "";
  setSecurity($("about-word"), security);
  $("about-security").textContent = t.group
    ? "Each message goes from member to member, to each by itself."
    : explainSecurity(security);
  facts($("about-facts"), [
    ["State", user?.state ?? ""],
    ["Address", user?.address ?? ""],
    ["Id", user?.id ?? ""],
  ]);
  const isGroup = t.key.startsWith("+");
  show($("about-group"), Boolean(t.group));
  if (t.group) drawMembers(t.group);
  show($("about-proof"), Boolean(user?.id) && !isGroup);
  show($("verify-form"), security !== "verified");
  show($("about-compare"), security !== "verified");
  show($("about-namesake"), flags.includes("namesake") && Boolean(user?.id));
  show($("mute-row"), !flags.includes("muted") && !isGroup);
  show($("unmute"), flags.includes("muted"));
  show($("block"), !flags.includes("blocked") && !isGroup);
  show($("unblock"), flags.includes("blocked"));
}

function drawMembers(group) {
  $("members").replaceChildren(
    ...group.members.map((word) => {
      if (word === own.id || word.endsWith(`#${own.id}`)) return make("li", "", "You");
      const button = make("button", "", "Remove");
      button.type = "button";
      button.setAttribute("aria-label", `Remove ${word}`);
      button.addEventListener("click", async () => {
        await act("about-error", () => change("/api/group-remove", { group: group.word, user: word }));
        drawAbout();
      });
      const name = make("span", "", word);
      name.dir = "auto";
      return make("li", "", name, button);
    }),
  );
}

/* Whom a group can have: those with a proven key. */
function drawChoices() {
  const able = allTalks().filter((t) => t.user?.id && t.user.security !== "unproven");
  show($("group-form"), able.length > 0 && servesGroups());
  $("group-members").replaceChildren(
    make("legend", "", "Members"),
    ...able.map((t) => {
      const box = make("input", "");
      box.type = "checkbox";
      box.value = t.word;
      return make("label", "", box, ` ${t.name}`);
    }),
  );
}

async function createGroup() {
  const name = $("group-text").value.trim().replace(/^\+/, "");
  const members = [...$("group-members").querySelectorAll("input:checked")].map((box) => box.value);
  const { id } = await change("/api/group-create", { name, members });
  await refresh();
  await openWord(allTalks().find((t) => t.group?.id === id)?.word ?? `+${name}`);
}

/* Accepting, declining and leaving. */
async function endInvitation(path, errorId) {
  const t = openTalk();
  if (!(await act(errorId, () => change(path, { group: t.word })))) return;
  if (path.endsWith("leave") && openTalk() === t) leaveTalk();
}

export async function openAbout() {
  const t = openTalk();
  say("about-error", "");
  $("digits").textContent = "";
  $("verify-text").value = "";
  drawAbout();
  $("about-dialog").showModal();
  if (!t.user?.id) return;
  try {
    const { fingerprint } = await look("/api/fingerprint", { user: t.word });
    $("digits").textContent = fingerprint.replace(/\s/g, "").replace(/(.{5})(?=.)/g, "$1 ");
  } catch (error) {
    $("digits").textContent = error.message;
  }
}

/* Of the conversation that is open. */
function aboutAction(id, path, args = () => ({})) {
  $(id).addEventListener("click", async () => {
    await act("about-error", () => change(path, { user: openTalk().word, ...args() }));
    drawAbout();
  });
}

export function startDialogs() {
  for (const button of document.querySelectorAll("[data-close]"))
    button.addEventListener("click", () => button.closest("dialog").close());
  for (const button of document.querySelectorAll("[data-log]"))
    button.addEventListener("click", async () => {
      const dialog = button.closest("dialog");
      try {
        await download(dialog.id === "about-dialog" ? openTalk().word : "", button.dataset.log);
      } catch (error) {
        dialog.close();
        notice(error.message);
      }
    });
  $("name-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    if (await act("name-error", () => change("/api/name", { username: $("name-text").value })))
      $("own-dialog").close();
  });
  $("sign-out").addEventListener("click", () => signOut().catch(() => {}));
  $("verify-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    await act("about-error", () =>
      change("/api/verify", { user: openTalk().word, digits: $("verify-text").value }),
    );
    drawAbout();
  });
  aboutAction("mute", "/api/mute", () => ({ seconds: Number($("mute-time").value) }));
  $("accept").addEventListener("click", () => endInvitation("/api/group-accept", "invitation-error"));
  $("decline").addEventListener("click", () => endInvitation("/api/group-leave", "invitation-error"));
  $("leave").addEventListener("click", async () => {
    await endInvitation("/api/group-leave", "about-error");
    if (!openTalk()) $("about-dialog").close();
  });
  $("invite-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    if (
      await act("about-error", () =>
        change("/api/group-invite", { group: openTalk().word, user: $("invite-text").value.trim() }),
      )
    )
      $("invite-text").value = "";
    drawAbout();
  });
  $("group-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    if (await act("group-error", createGroup)) $("new-dialog").close();
  });
  aboutAction("trust", "/api/trust");
  aboutAction("unmute", "/api/unmute");
  aboutAction("block", "/api/block");
  aboutAction("unblock", "/api/unblock");
  $("new-chat").addEventListener("click", () => {
    $("new-text").value = "";
    $("group-text").value = "";
    for (const id of ["new-error", "group-error"]) say(id, "");
    drawChoices();
    $("new-dialog").showModal();
  });
  $("new-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    if (await act("new-error", () => openWord($("new-text").value.trim()))) $("new-dialog").close();
  });
}
