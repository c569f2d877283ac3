#!/usr/bin/env node
// A worker in JavaScript: measures the files of a folder, and reports to Runwire what it does while it does it.
// Needs Node 18.3 or newer; no packages.

import {randomUUID} from "node:crypto";
import {lstat, readdir} from "node:fs/promises";
import {extname, join, relative} from "node:path";
import {setTimeout as sleep} from "node:timers/promises";
import {parseArgs} from "node:util";

const LEASE = 60; // seconds; when this worker is silent for so long, the server ends the run as FAILED
const PORTIONS = 50; // appends at most, since each event carries all outputs of its node so far
const MAX_FILES = 1_000; // their names and sizes stay below what one event may weigh
const MAX_NAME = 150; // characters of a file's path; what is longer is cut
const PAUSES = [1, 2, 4, 8]; // seconds before a request is sent again
const AWAY = new Set([429, 502, 503, 504]); // statuses that say nothing of the request
const LEFT_OUT = new Set([".git", "node_modules", ".venv", "__pycache__"]);

const USAGE = `Usage: worker.mjs [--url URL] [--user NAME] [--graph ID] [--key KEY] FOLDER

Measures the files of FOLDER, as a run of a user's graph. Links are not followed; ${[...LEFT_OUT].join(", ")} are left out.

  --url URL     the server                      RUNWIRE_URL, else http://127.0.0.1:8000
  --user NAME   whose run it is                 RUNWIRE_USER
  --graph ID    a graph that this user may see  RUNWIRE_GRAPH
  --key KEY     of the run: with the same key, the same run is not made twice within a day;
                without it, each call makes one RUNWIRE_KEY
  --help        this text

The token is taken from RUNWIRE_TOKEN only: others on this machine can read arguments.

  export RUNWIRE_TOKEN=$(python manage.py tokens create node)
  export RUNWIRE_GRAPH=$(python manage.py graphs create ada examples/folder_sizes.json)
  node examples/worker.mjs --user ada docs

It exits with 0 when the run has COMPLETED, with 1 when it could not, and with 2 for arguments that make no sense.`;

class Misuse extends Error {}

/** The run cannot go on; the message says why, for people. */
class GivenUp extends Error {
  /** @param {boolean} isOver whether somebody else has ended the run, so that there is nothing to report */
  constructor(message, isOver = false) {
    super(message);
    this.isOver = isOver;
  }
}

/** One execution, and the reports on it. */
class Run {
  id = null;
  hasEnded = false;
  #number = 0; // of the report, which makes its key

  constructor({url, token, key}) {
    Object.assign(this, {url, token, key});
  }

  async begin(data) {
    const {id} = await this.#post("executions", {...data, lease_seconds: LEASE});
    if (typeof id !== "string") throw new GivenUp(`${this.url} does not answer as Runwire does. Is the address right?`);
    this.id = id;
    await this.report({status: "RUNNING"});
  }

  async report(data) {
    await this.#post(`executions/${this.id}/report`, data);
  }

  async complete(data) {
    await this.report({status: "COMPLETED", ...data});
    this.hasEnded = true;
  }

  async node(id, status, data = {}) {
    await this.#post(`executions/${this.id}/nodes`, {node_id: id, block_id: `sizes.${id}`, status, ...data});
  }

  async append(id, outputs) {
    await this.#post(`executions/${this.id}/nodes/outputs`, {node_id: id, outputs});
  }

  /** Says that the run has FAILED, if there is one that has not ended. Once, and does not mind if that cannot be said. */
  async fail(error) {
    if (this.id === null || this.hasEnded) return;
    this.hasEnded = true;
    const body = JSON.stringify({status: "FAILED", error});
    await this.#request(`executions/${this.id}/report`, body, `${this.key}-failed`).catch(() => {});
  }

  /** A request that is repeated while the server is away, with the key that makes repeats harmless. */
  async #post(path, data) {
    const body = JSON.stringify(data);
    const key = `${this.key}-${++this.#number}`;
    // Before there is a run, a wrong address is likelier than a server that restarts.
    for (const pause of this.id === null ? [] : PAUSES) {
      const answer = await this.#request(path, body, key).catch(() => null);
      if (answer && !AWAY.has(answer.status)) return this.#read(answer);
      console.error(`The server does not answer (${answer?.status ?? "no connection"}); again in ${pause} s.`);
      await sleep(pause * 1_000);
    }
    let answer;
    try {
      answer = await this.#request(path, body, key);
    } catch (error) {
      const why = error.cause?.code ?? error.cause?.message ?? error.message;
      throw new GivenUp(`There is no answer from ${this.url}. Is the server running? --url names it. (${why})`);
    }
    return this.#read(answer);
  }

  async #request(path, body, key) {
    const response = await fetch(`${this.url}/api/worker/${path}`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${this.token}`,
        "Content-Type": "application/json",
        "Idempotency-Key": key,
      },
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(30_000),
    });
    return {status: response.status, text: await response.text()};
  }

  #read({status, text}) {
    let data = null;
    try {
      data = JSON.parse(text);
    } catch {
      // A page: said below.
    }
    if (status >= 200 && status < 300 && data !== null) return data;
    if (status === 401) {
      throw new GivenUp("The server refuses the token. Make a new one with `manage.py tokens create NAME`.");
    }
    if (!data?.code) throw new GivenUp(`${this.url} does not answer as Runwire does (${status}). Is the address right?`);
    if (status === 409) throw new GivenUp(`Nothing more can be reported (409): ${data.message}`, true);
    throw new GivenUp(`The server refuses it (${status}): ${data.message} ${data.hint ?? ""}`.trim());
  }
}

function wishes() {
  let parsed;
  try {
    const text = {type: "string"};
    parsed = parseArgs({
      options: {url: text, user: text, graph: text, key: text, help: {type: "boolean", short: "h"}},
      allowPositionals: true,
    });
  } catch (error) {
    throw new Misuse(error.message);
  }
  const {values, positionals} = parsed;
  if (values.help) return null;
  const {env} = process;
  const found = {
    url: (values.url ?? (env.RUNWIRE_URL || "http://127.0.0.1:8000")).replace(/\/+$/, ""),
    token: env.RUNWIRE_TOKEN,
    user: values.user ?? env.RUNWIRE_USER,
    graph: values.graph ?? env.RUNWIRE_GRAPH,
    key: values.key ?? (env.RUNWIRE_KEY || randomUUID()),
    folder: positionals[0],
  };
  if (!found.token) throw new Misuse("RUNWIRE_TOKEN is not set. Make a token with `manage.py tokens create NAME`.");
  if (!/^[!-~]+$/.test(found.token)) throw new Misuse("RUNWIRE_TOKEN is no token: it holds characters that none has.");
  if (!found.user) throw new Misuse("Whose run is it? Use --user or RUNWIRE_USER.");
  if (!found.graph) {
    throw new Misuse("A run of which graph? Use --graph or RUNWIRE_GRAPH; `manage.py graphs list` has their ids.");
  }
  if (positionals.length !== 1) throw new Misuse("Which FOLDER? One, please.");
  if (!/^https?:\/\/[^/]/.test(found.url)) throw new Misuse(`${found.url} is no address of a server: http://…`);
  return found;
}

// The work

/** The paths of the files below the folder, in the order of their names. */
async function* filesOf(folder) {
  const entries = await readdir(folder, {withFileTypes: true});
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !LEFT_OUT.has(entry.name)) yield* filesOf(path);
    else if (entry.isFile()) yield path;
  }
}

async function measure(run, folder) {
  await run.node("list", "RUNNING", {input_data: {folder}});
  const files = [];
  for await (const path of filesOf(folder)) {
    if (files.length === MAX_FILES) throw new GivenUp(`${folder} has more than ${MAX_FILES} files.`);
    files.push(path);
  }
  await run.node("list", "COMPLETED", {output_data: {files: [files.length]}});

  await run.node("measure", "RUNNING", {input_data: {files: files.length}});
  const bytesOf = new Map(); // by kind
  let total = 0;
  const portion = Math.ceil(files.length / PORTIONS);
  for (let first = 0; first < files.length; first += portion) {
    const sizes = [];
    for (const path of files.slice(first, first + portion)) {
      const {size} = await lstat(path);
      const kind = extname(path) || "(none)";
      bytesOf.set(kind, (bytesOf.get(kind) ?? 0) + size);
      total += size;
      sizes.push({file: [...relative(folder, path)].slice(0, MAX_NAME).join(""), bytes: size});
    }
    await run.append("measure", {sizes});
  }
  await run.node("measure", "COMPLETED");

  await run.node("sum", "RUNNING", {input_data: {bytes: total}});
  const kinds = [...bytesOf].sort(([, a], [, b]) => b - a);
  await run.node("sum", "COMPLETED", {output_data: {kinds: kinds.map(([kind, bytes]) => ({kind, bytes}))}});

  const rows = kinds.slice(0, 20).map(([kind, bytes]) => `| ${kind.replaceAll("|", "\\|")} | ${bytes} |`);
  const title = `# ${files.length} files, ${total} bytes`;
  const report = [title, "", "| kind | bytes |", "|---|--:|", ...rows].join("\n");
  await run.complete({
    outputs: {files: [files.length], bytes: [total], report: [report]},
    stats: {node_exec_count: 3},
  });
  return title.slice(2);
}

async function main() {
  const wish = wishes();
  if (wish === null) {
    console.log(USAGE);
    return;
  }
  const run = new Run(wish);
  // However this worker ends, the run says so. (SIGKILL is what the lease is for.)
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.once(signal, () => {
      console.error("worker.mjs: The worker was stopped.");
      run.fail("The worker was stopped.").finally(() => process.exit(1));
    });
  }
  try {
    await run.begin({username: wish.user, graph_id: wish.graph, inputs: {folder: wish.folder}});
    console.error(`Run ${run.id}: ${wish.url}/executions/${run.id}/`);
    console.error(`Completed: ${await measure(run, wish.folder)}.`);
  } catch (error) {
    if (!(error instanceof GivenUp && error.isOver)) await run.fail(error.message);
    throw error;
  }
}

try {
  await main();
} catch (error) {
  console.error(`worker.mjs: ${error.message}`);
  if (error instanceof Misuse) console.error("See worker.mjs --help.");
  process.exitCode = error instanceof Misuse ? 2 : 1;
}
