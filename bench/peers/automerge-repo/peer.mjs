// One automerge-repo device: a repository on disk, one WebSocket, and commands as lines of JSON.
//
//   node peer.mjs listen 0 DIRECTORY       on a free port, which the first answer tells
//   node peer.mjs dial PORT DIRECTORY
//
// Every command is answered by one line. Times are CLOCK_MONOTONIC in seconds, which is the same
// clock in all processes of a machine, the benchmark's included.

import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { ImmutableString, Repo } from "@automerge/automerge-repo"
import { WebSocketClientAdapter, WebSocketServerAdapter } from "@automerge/automerge-repo-network-websocket"
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs"
import { WebSocketServer } from "ws"

const HOST = "127.0.0.1"
const POLL_MS = 10
const BATCH = 100 // documents made before the event loop gets its turn

// Answers are all that standard output is for; automerge-repo reports trouble with console.log.
console.log = console.error

const now = () => Number(process.hrtime.bigint()) / 1e9
const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n")

// automerge-repo rejects promises that nobody holds when a document is late; it goes on working.
process.on("unhandledRejection", (reason) => console.error("unhandled rejection:", reason))

const [role, port, directory] = process.argv.slice(2)
const listener = role === "listen" ? new WebSocketServer({ host: HOST, port: Number(port) }) : null
if (listener !== null) await once(listener, "listening")
const network =
  listener !== null
    ? new WebSocketServerAdapter(listener)
    : new WebSocketClientAdapter(`ws://${HOST}:${port}`, 1000)
const repo = new Repo({ network: [network], storage: new NodeFSStorageAdapter(directory), peerId: role })

// Strings that are replaced as a whole, as P2PVault's records have them; not collaborative text.
const stored = (record) =>
  Object.fromEntries(
    Object.entries(record).map(([k, v]) => [k, typeof v === "string" ? new ImmutableString(v) : v]),
  )
const plain = (document) =>
  Object.fromEntries(
    Object.entries(document).map(([k, v]) => [k, v instanceof ImmutableString ? v.toString() : v]),
  )

const present = (id, rev) => {
  const handle = repo.handles[id]
  return handle !== undefined && handle.isReady() && handle.doc()?.rev === rev
}

const seen = new Map()

const commands = {
  // Make one document of each record of a file.
  async fill({ file }) {
    const records = JSON.parse(readFileSync(file, "utf8"))
    const ids = []
    for (const record of records) {
      ids.push(repo.create(stored(record)).documentId)
      if (ids.length % BATCH === 0) await sleep(0)
    }
    await repo.flush()
    return { ids }
  },

  // Wait until all documents are here, ready, and at a revision.
  async hold({ ids, rev, patience_s }) {
    const deadline = now() + patience_s
    let missing = ids
    while ((missing = missing.filter((id) => !present(id, rev))).length > 0) {
      if (now() > deadline) return { error: `${missing.length} of ${ids.length} documents are missing` }
      await sleep(POLL_MS)
    }
    return { at: now(), last: plain(repo.handles[ids.at(-1)].doc()) }
  },

  // Note when each of these documents changes.
  async watch({ ids }) {
    seen.clear()
    for (const id of ids) repo.handles[id].once("change", () => seen.set(id, now()))
    return {}
  },

  // Change one field of each, evenly spaced; tell when each call was made and returned.
  async edit({ ids, rev, spacing_s }) {
    const calls = []
    const began = now()
    for (const [number, id] of ids.entries()) {
      await sleep(Math.max(0, (began + number * spacing_s - now()) * 1000))
      const called = now()
      repo.handles[id].change((document) => {
        document.rev = rev
      })
      calls.push([called, now()])
    }
    return { calls }
  },

  // Tell when the watched documents changed, once all of them have.
  async seen({ ids, patience_s }) {
    const deadline = now() + patience_s
    while (!ids.every((id) => seen.has(id))) {
      if (now() > deadline) return { error: `${ids.length - seen.size} edits were not seen` }
      await sleep(POLL_MS)
    }
    return { at: ids.map((id) => seen.get(id)) }
  },

  // Write what is loaded to disk; it refuses to flush a document that it has not loaded yet.
  async flush() {
    const loaded = Object.values(repo.handles).filter((handle) => handle.isReady())
    await repo.flush(loaded.map((handle) => handle.documentId))
    return {}
  },
}

// Its adapter throws when a connection breaks, out of an event handler, and would connect again.
process.on("uncaughtException", (error) => console.error("uncaught exception:", error))

say({ ready: now(), port: listener?.address().port })
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...parameters } = JSON.parse(line)
  try {
    say(await commands[command](parameters))
  } catch (error) {
    say({ error: String(error) })
  }
}
process.exit(0)
