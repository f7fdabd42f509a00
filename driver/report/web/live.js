// A live run's page: asks again and again for what is new, and sends what the buttons say to the monitor.
"use strict";
/* global applyDelta */

(() => {
  const element = (id) => document.getElementById(id);
  const here = location.pathname.replace(/\/live$/, "");
  const say = (text) => { element("said").textContent = text; };

  async function control(operation, argument) {
    try {
      const answer = await fetch(`${here}/control`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ operation, argument }),
      });
      const found = await answer.json();
      say(answer.ok ? `${operation}: ${JSON.stringify(found.result)}` : found.error);
    } catch (error) {
      say(`no answer: ${error.message}`);
    }
  }

  const node = () => element("node").value;
  const others = () => [...element("node").options].map((one) => one.value).filter((name) => name !== node()).join(",");
  const actions = {
    cut: async () => {
      await control("add", `web-cut-out: ${node()}->${others()} drop`);
      await control("add", `web-cut-in: ${others()}->${node()} drop`);
    },
    slow: () => control("add", `web-slow: ${node()}->${others()} delay 50ms`),
    kill: () => control("add", `web-kill-${Date.now() % 100000}: ${node()}->${others()} kill ${node()}`),
    hold: () => control("add", "web-hold: MsgVote hold"),
    release: () => control("release", "web-hold"),
    heal: () => control("heal"),
    pause: () => control("pause"),
    resume: () => control("resume"),
    add: () => control("add", element("rule").value),
    deliver: () => {
      const chosen = window.raftmonStory?.chosen();
      if (chosen) control("deliver", chosen.id);
      else say("click a message in the diagram first");
    },
  };
  for (const button of document.querySelectorAll("[data-do]"))
    button.addEventListener("click", () => actions[button.dataset.do]());

  function lines(id, texts) {
    element(id).replaceChildren(...texts.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }));
  }

  let story = null;
  let version = 0;
  let epoch = "";
  let before = null;
  function status(state) {
    const stats = state.stats;
    if (stats) {
      const rate = (link) => (before ? Math.max(0, stats.links[link] - (before.links[link] || 0)) : stats.links[link]);
      lines("links", Object.keys(stats.links).filter((link) => stats.links[link]).map((link) => `${link}: ${rate(link)} packets`));
      before = stats;
    }
    lines("rules", (state.rules || []).map((rule) => {
      const count = stats?.rules[rule.name];
      return `${rule.name}: ${rule.match || ""} ${rule.action || ""}${count ? ` (acted on ${count.hits})` : ""}`;
    }));
    const latest = story.messages;
    lines("latest", latest.rows.slice(-8).reverse().map((m) =>
      `${m[1].toFixed(3)} s ${latest.names[m[2]]} ${latest.names[m[3]]} → ${latest.names[m[4]]} term ${m[5]} index ${m[6]}`));
  }

  async function poll() {
    let wait = 2000;
    try {
      const began = performance.now();
      const asked = `${here}/state?since=${version}&epoch=${epoch}`;
      const answer = await fetch(asked);
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      const state = await answer.json();
      story = applyDelta(story, state.delta);
      ({ version, epoch } = state.delta);
      window.raftmonShow(story);
      status(state);
      element("live-word").textContent = state.live ? "● live" : "■ the run is over";
      element("over").hidden = state.live;
      if (!state.live) return;
      wait = Math.max(wait, 4 * (performance.now() - began)); // a page never takes more than a fifth of a processor
    } catch (error) {
      say(`no answer: ${error.message}`);
    }
    setTimeout(poll, wait);
  }
  poll();
})();
