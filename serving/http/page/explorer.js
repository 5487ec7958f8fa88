// The explorer: contexts on the left of an answer, side by side where two are wanted. What comes from the catalogue is
// set as text and never as markup.
const TOP = 20;
const WAIT = 120; // milliseconds without a key before an answer is asked for
const FIELDS = ["task", "query", "user_id", "country", "source_item_id"];
const KINDS = { user_id: "user", country: "country", source_item_id: "item", query: "query" };
const two = (number) => (Math.round(100 * number) / 100 + 0).toFixed(2); // and never -0.00
const byId = (id) => document.getElementById(id);
const panes = [];
let token = "";
let models = [];

async function call(path, options = {}) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) byId("entrance").hidden = false;
  const body = await answer.json();
  if (!answer.ok) throw new Error(reason(body.detail));
  return body;
}

function reason(detail) {
  if (typeof detail === "string") return detail;
  return detail.map((one) => `${one.loc.slice(1).join(" ")}: ${one.msg}`).join("; ");
}

class Pane {
  constructor(name) {
    this.name = name;
    this.asked = 0;
    this.shown = [];
    this.node = byId("pane").content.firstElementChild.cloneNode(true);
    this.node.querySelector("h2").textContent = name;
    this.form = this.node.querySelector("form");
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", (event) => this.changed(event.target));
    for (const [field, kind] of Object.entries(KINDS)) this.suggest(this.form.elements[field], kind);
  }

  suggest(input, kind) {
    const list = document.createElement("datalist");
    list.id = `${this.name}-${input.name}`;
    input.setAttribute("list", list.id);
    this.node.append(list);
    const fill = async () => {
      const found = await call(`${this.base}suggest?kind=${kind}&text=${encodeURIComponent(input.value)}`).catch(() => []);
      list.replaceChildren(...found.map(({ value, label }) => new Option(label, value)));
    };
    input.addEventListener("focus", fill);
    input.addEventListener("input", fill);
  }

  get base() {
    return this.form.elements.model.value;
  }

  setModels() {
    const { model, task } = this.form.elements;
    model.replaceChildren(...models.map((one) => new Option(one.run, one.base)));
    this.node.querySelector(".model").hidden = models.length < 2;
    task.replaceChildren(...models[0].tasks.map((name) => new Option(name, name)));
  }

  get context() {
    const found = {};
    for (const name of FIELDS) {
      const value = this.form.elements[name].value.trim();
      if (value) found[name] = value;
    }
    return found;
  }

  set context(values) {
    for (const name of [...FIELDS, "model"]) {
      if (name in values) this.form.elements[name].value = values[name];
      else if (name !== "task" && name !== "model") this.form.elements[name].value = "";
    }
  }

  changed(target) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), target.type === "search" || target.type === "text" ? WAIT : 0);
  }

  async ask() {
    const own = ++this.asked;
    remember();
    const status = this.node.querySelector(".status");
    try {
      const start = performance.now();
      const body = JSON.stringify({ requests: [this.context], top_k: TOP, details: true });
      const found = await call(`${this.base}rank`, { method: "POST", body });
      if (own !== this.asked) return; // another answer is on its way
      const [answer] = found.answers;
      this.shown = answer.items;
      this.tellGaps(answer);
      const took = Math.round(performance.now() - start);
      status.textContent = answer.items.length ? `${answer.items.length} items in ${took} ms` : "Nothing may be shown here.";
      status.classList.remove("wrong");
    } catch (error) {
      if (own !== this.asked) return;
      this.shown = [];
      status.textContent = error.message;
      status.classList.add("wrong");
    }
    for (const pane of panes) pane.draw();
  }

  tellGaps({ imputed, unknown }) {
    const words = { query: "query", source_item_id: "source item", country: "country", user_id: "user", history: "history" };
    const chips = Object.entries(imputed).map(([field, said]) => chip(`${words[field]}: ${said}`, "imputed"));
    chips.push(...unknown.map((field) => chip(`${words[field]}: never met`, "unknown")));
    this.node.querySelector(".gaps").replaceChildren(...chips);
  }

  draw() {
    const [first] = panes;
    const before = this !== first && isTwo() ? new Map(first.shown.map((one) => [one.item_id, one.rank])) : null;
    const scores = this.shown.map((one) => one.score);
    const [low, high] = [Math.min(...scores), Math.max(...scores)];
    const lines = this.shown.map((one) => this.line(one, before, (one.score - low) / (high - low || 1)));
    this.node.querySelector(".items").replaceChildren(...lines);
  }

  line(one, before, share) {
    const node = byId("item").content.firstElementChild.cloneNode(true);
    const set = (name, text) => { node.querySelector(`.${name}`).textContent = text; };
    const { title, category, quality, sources } = one.details;
    set("rank", one.rank);
    set("title", title || one.item_id);
    set("score", two(one.score));
    set("category", [title ? one.item_id : null, category].filter(Boolean).join(" · "));
    set("why", sources.length ? `found by ${sources.join(", ").replaceAll("_", " ")}` : "");
    node.dataset.item = one.item_id;
    node.querySelector(".bar i").style.width = `${4 + 96 * share}%`;
    node.querySelector(".similar").addEventListener("click", () => {
      const similar = models[0].tasks.includes("similar") ? { task: "similar" } : {};
      this.context = { ...this.context, query: "", ...similar, source_item_id: one.item_id };
      this.ask();
    });
    for (const [name, value] of Object.entries(quality)) {
      const pair = document.createElement("div");
      const key = document.createElement("dt");
      const told = document.createElement("dd");
      key.textContent = name.replaceAll("_", " ");
      told.textContent = value === null ? "–" : two(value);
      pair.append(key, told);
      node.querySelector(".quality").append(pair);
    }
    if (before) mark(node.querySelector(".moved"), before.get(one.item_id), one.rank);
    return node;
  }
}

function mark(node, was, now) {
  const kind = was === undefined ? "new" : was > now ? "up" : was < now ? "down" : "same";
  node.textContent = { new: "new", up: `▲ ${was - now}`, down: `▼ ${now - was}`, same: "=" }[kind];
  node.classList.add(kind);
  const said = { new: "not on the left", up: `${was - now} places up`, down: `${now - was} places down`, same: "same place" };
  node.setAttribute("aria-label", said[kind]);
}

function chip(text, kind) {
  const node = document.createElement("span");
  node.className = kind;
  node.textContent = text;
  return node;
}

const isTwo = () => byId("compare").checked;

function remember() {
  const state = panes.slice(0, isTwo() ? 2 : 1).map((pane) => ({ ...pane.context, model: pane.base }));
  history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify(state))}`);
}

function remembered() {
  try {
    const state = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    return Array.isArray(state) ? state.filter((one) => one && typeof one === "object") : [];
  } catch {
    return []; // nothing, or nothing of ours, behind the #
  }
}

function compare() {
  byId("panes").classList.toggle("two", isTwo());
  if (isTwo()) {
    panes[1].context = { ...panes[0].context, model: panes[1].base };
    byId("panes").append(panes[1].node);
    panes[1].ask();
  } else {
    panes[1].node.remove();
    remember();
  }
}

async function start() {
  const served = await call("model");
  models = [{ ...served, base: "" }];
  if (served.beside) models.push({ ...(await call("beside/model")), base: "beside/" });
  byId("entrance").hidden = true;
  const number = served.items.toLocaleString("en");
  byId("served").textContent = `${served.run} · ${number} items · model ${served.model_id.slice(0, 12)}`;
  const state = remembered();
  if (!panes.length) panes.push(new Pane("Left"), new Pane("Right"));
  for (const pane of panes) pane.setModels();
  if (models.length > 1) panes[1].form.elements.model.value = models[1].base;
  byId("panes").replaceChildren(panes[0].node);
  if (state[0]) panes[0].context = state[0];
  await panes[0].ask();
  if (state[1]) {
    byId("compare").checked = true;
    compare();
    panes[1].context = state[1];
    panes[1].ask();
  }
}

function tell(error) {
  byId("served").textContent = error.message;
}

byId("compare").addEventListener("change", compare);
byId("entrance").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value;
  start().catch(tell);
});
start().catch(tell);
