#!/usr/bin/env node
// A worker in JavaScript: it measures the files of a folder, and reports its progress to Runwire.
// Needs Node 18.3 or newer; no packages.

import {randomUUID} from "node:crypto";
import {lstat, readdir} from "node:fs/promises";
import {extname, join, relative} from "node:path";
import {setTimeout as sleep} from "node:timers/promises";
import {parseArgs} from "node:util";

const LEASE = 60; // seconds; if the worker is silent for longer, the server sets the run to FAILED
const MAX_APPENDS = 50; // because each event holds all outputs of its node so far
const MAX_FILES = 1_000; // their names and sizes must fit into one event
const MAX_NAME = 150; // characters of a path; a longer path is cut
const PAUSES = [1, 2, 4, 8]; // seconds before a request is sent again, if the answer names none in Retry-After
const MAX_PAUSE = 30; // seconds; shorter than the lease
const UNAVAILABLE = new Set([429, 502, 503, 504]); // statuses with which the request may be sent again
const EXCLUDED = new Set([".git", "node_modules", ".venv", "__pycache__"]);

const USAGE = `Usage: worker.mjs [--url URL] [--user NAME] [--graph ID] [--key KEY] FOLDER

Measures the files of FOLDER, as a run of a user's graph. Links are not followed; ${[...EXCLUDED].join(", ")} are left out.

  --url URL     the server                      RUNWIRE_URL, else http://127.0.0.1:8000
  --user NAME   whose run it is                 RUNWIRE_USER
  --graph ID    a graph that this user may see  RUNWIRE_GRAPH
  --key KEY     of the run: with the same key, the same run is not made twice within a day;
                without it, each call makes one RUNWIRE_KEY
  --help        this text

The token is taken from RUNWIRE_TOKEN only: others on this machine can read arguments.

  export RUNWIRE_TOKEN=$(python manage.py tokens create node --all)
  export RUNWIRE_GRAPH=$(python manage.py graphs create ada examples/folder_sizes.json)
  node examples/worker.mjs --user ada docs

It exits with 0 when the run has COMPLETED, with 1 when it could not, and with 2 for arguments that make no sense.`;

class UsageError extends Error {}

/** The run cannot continue. The message is for people. */
class WorkerError extends Error {
  /** @param {boolean} hasEnded whether another user or process has ended the run, so there is nothing to report */
  constructor(message, hasEnded = false) {
    super(message);
    this.hasEnded = hasEnded;
  }
}

/** One execution, and its reports. */
class Run {
  id = null;
  hasEnded = false;
  #number = 0; // of the report; part of its Idempotency-Key

  constructor({url, token, key}) {
    Object.assign(this, {url, token, key});
  }

  async begin(data) {
    const {id} = await this.#post("executions", {...data, lease_seconds: LEASE});
    if (typeof id !== "string") throw new WorkerError(`${this.url} does not answer as Runwire does. Is the address right?`);
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

  /** Reports an unfinished run as FAILED, once. Ignores errors of this report. */
  async fail(error) {
    if (this.id === null || this.hasEnded) return;
    this.hasEnded = true;
    const body = JSON.stringify({status: "FAILED", error});
    await this.#request(`executions/${this.id}/report`, body, `${this.key}-failed`).catch(() => {});
  }

  /** Sends a request, and repeats it while the server is unavailable. Its Idempotency-Key makes repeats safe. */
  async #post(path, data) {
    const body = JSON.stringify(data);
    const key = `${this.key}-${++this.#number}`;
    // Before the run exists, a wrong address is more likely than a restart of the server: no retry.
    for (const usual of this.id === null ? [] : PAUSES) {
      const answer = await this.#request(path, body, key).catch(() => null);
      if (answer && !UNAVAILABLE.has(answer.status)) return this.#read(answer);
      const pause = Math.min(answer?.retryAfter ?? usual, MAX_PAUSE);
      console.error(`The server does not answer (${answer?.status ?? "no connection"}); again in ${pause} s.`);
      await sleep(pause * 1_000);
    }
    let answer;
    try {
      answer = await this.#request(path, body, key);
    } catch (error) {
      const reason = error.cause?.code ?? error.cause?.message ?? error.message;
      throw new WorkerError(`There is no answer from ${this.url}. Is the server running? --url names it. (${reason})`);
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
    const wait = response.headers.get("Retry-After") ?? "";
    const retryAfter = /^\d+$/.test(wait) ? Number(wait) : null; // seconds; a date is ignored
    return {status: response.status, retryAfter, text: await response.text()};
  }

  #read({status, text}) {
    let data = null;
    try {
      data = JSON.parse(text);
    } catch {
      // Not JSON: handled below.
    }
    if (status >= 200 && status < 300 && data !== null) return data;
    if (status === 401) {
      throw new WorkerError("The server refuses the token. Make a new one with `manage.py tokens create NAME`.");
    }
    if (!data?.code) throw new WorkerError(`${this.url} does not answer as Runwire does (${status}). Is the address right?`);
    if (status === 409) throw new WorkerError(`Nothing more can be reported (409): ${data.message}`, true);
    throw new WorkerError(`The server refuses it (${status}): ${data.message} ${data.hint ?? ""}`.trim());
  }
}

function parseOptions() {
  let parsed;
  try {
    const text = {type: "string"};
    parsed = parseArgs({
      options: {url: text, user: text, graph: text, key: text, help: {type: "boolean", short: "h"}},
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(error.message);
  }
  const {values, positionals} = parsed;
  if (values.help) return null;
  const {env} = process;
  const options = {
    url: (values.url ?? (env.RUNWIRE_URL || "http://127.0.0.1:8000")).replace(/\/+$/, ""),
    token: env.RUNWIRE_TOKEN,
    user: values.user ?? env.RUNWIRE_USER,
    graph: values.graph ?? env.RUNWIRE_GRAPH,
    key: values.key ?? (env.RUNWIRE_KEY || randomUUID()),
    folder: positionals[0],
  };
  if (!options.token) throw new UsageError("RUNWIRE_TOKEN is not set. Make a token with `manage.py tokens create NAME`.");
  if (!/^[!-~]+$/.test(options.token)) throw new UsageError("RUNWIRE_TOKEN is no token: it holds characters that none has.");
  if (!options.user) throw new UsageError("Whose run is it? Use --user or RUNWIRE_USER.");
  if (!options.graph) {
    throw new UsageError("A run of which graph? Use --graph or RUNWIRE_GRAPH; `manage.py graphs list` has their ids.");
  }
  if (positionals.length !== 1) throw new UsageError("Which FOLDER? One, please.");
  if (!/^https?:\/\/[^/]/.test(options.url)) throw new UsageError(`${options.url} is no address of a server: http://…`);
  return options;
}

// The work

/** The paths of the files below the folder, sorted by name. */
async function* filesOf(folder) {
  const entries = await readdir(folder, {withFileTypes: true});
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !EXCLUDED.has(entry.name)) yield* filesOf(path);
    else if (entry.isFile()) yield path;
  }
}

async function measure(run, folder) {
  await run.node("list", "RUNNING", {input_data: {folder}});
  const files = [];
  for await (const path of filesOf(folder)) {
    if (files.length === MAX_FILES) throw new WorkerError(`${folder} has more than ${MAX_FILES} files.`);
    files.push(path);
  }
  await run.node("list", "COMPLETED", {output_data: {files: [files.length]}});

  await run.node("measure", "RUNNING", {input_data: {files: files.length}});
  const bytesOf = new Map(); // extension → bytes
  let total = 0;
  const batch = Math.ceil(files.length / MAX_APPENDS);
  for (let first = 0; first < files.length; first += batch) {
    const sizes = [];
    for (const path of files.slice(first, first + batch)) {
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
  const options = parseOptions();
  if (options === null) {
    console.log(USAGE);
    return;
  }
  const run = new Run(options);
  // A signal sets the run to FAILED. (After SIGKILL the lease does.)
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.once(signal, () => {
      console.error("worker.mjs: The worker was stopped.");
      run.fail("The worker was stopped.").finally(() => process.exit(1));
    });
  }
  try {
    await run.begin({username: options.user, graph_id: options.graph, inputs: {folder: options.folder}});
    console.error(`Run ${run.id}: ${options.url}/executions/${run.id}/`);
    console.error(`Completed: ${await measure(run, options.folder)}.`);
  } catch (error) {
    if (!(error instanceof WorkerError && error.hasEnded)) await run.fail(error.message);
    throw error;
  }
}

try {
  await main();
} catch (error) {
  console.error(`worker.mjs: ${error.message}`);
  if (error instanceof UsageError) console.error("See worker.mjs --help.");
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
