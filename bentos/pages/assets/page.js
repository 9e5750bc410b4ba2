// The page: files and parameters in, the family's answer as a picture, tables and files to save.
import * as atoms from "./atoms.js"
import * as defects from "./defects.js"
import * as dislocations from "./dislocations.js"
import { Film, messages } from "./film.js"
import { ground, scaleBar } from "./picture.js"
import { columns, number } from "./words.js"
import { zip } from "./zip.js"

const FAMILIES = { atoms, defects, dislocations }
const VIDEO = /\.(mp4|m4v|avi|mov|mkv|webm|zip)$/i
const at = id => document.getElementById(id)
const form = at("form")
let models = []
let last  // the files that were sent
let running = new AbortController()

const family = () => form.elements.family.value
const say = (text, wrong = false) => { at("says").textContent = text; at("says").className = wrong ? "error" : "" }
const sentence = ({ message, remedy }) => `${message} ${remedy}`

async function ask(path, options = {}) {
  const headers = at("key").value ? { Authorization: `Bearer ${at("key").value}` } : {}
  let answer
  try {
    answer = await fetch(path, { ...options, headers })
  } catch (error) {
    if (error.name === "AbortError") throw error
    throw new Error("The service does not answer. Check that it still runs.")
  }
  if (answer.ok) return answer
  if (answer.status === 401) throw new Error("This service needs an API key: enter it above.")
  const body = await answer.json().catch(() => ({}))
  throw new Error(body.error ? sentence(body.error) : `The server answered ${answer.status}.`)
}

function showFields() {
  const follow = family() === "dislocations" && at("follow").checked ? "yes" : "no"
  for (const element of document.querySelectorAll("[data-family]"))
    element.hidden = !element.dataset.family.split(" ").includes(family())
  for (const element of document.querySelectorAll("[data-follow]")) element.hidden = element.dataset.follow !== follow
  at("file").multiple = family() === "dislocations"
}

function showFamily() {
  showFields()
  form.elements.model.replaceChildren(new Option("default", ""),
    ...models.filter(model => model.family === family()).map(model => new Option(model.title, model.name)))
}

async function listModels() {
  models = (await (await ask("v1/models")).json()).models
  for (const choice of form.elements.family) {
    const served = models.some(model => model.family === choice.value)
    choice.disabled = !served
    choice.parentElement.className = served ? "" : "none"
  }
  const chosen = [...form.elements.family].find(choice => choice.checked)
  const served = [...form.elements.family].find(choice => !choice.disabled)
  if (chosen.disabled && served) served.checked = true
  showFamily()
}

function body(file, names, more = {}) {
  const data = new FormData()
  for (const name of names) {
    const shown = [...document.getElementsByName(name)].find(element => !element.closest("[hidden]"))
    const value = shown?.value.trim()
    if (value) data.append(name, value)
  }
  for (const [name, value] of Object.entries(more)) data.append(name, value)
  data.append("file", file)
  return data
}

function clear() {
  for (const id of ["warnings", "numbers", "classes", "saves", "legend"]) at(id).replaceChildren()
  at("picture").hidden = at("film").hidden = true
}

async function analyse(files) {
  running.abort()  // the service drops work that nobody waits for
  running = new AbortController()
  const { signal } = running
  const name = family()
  last = files
  if (name === "dislocations" && (files.length > 1 || VIDEO.test(files[0].name))) at("follow").checked = true
  showFields()
  const follows = name === "dislocations" && at("follow").checked
  at("again").hidden = false
  clear()
  const begin = Date.now()
  const what = files.length > 1 && follows ? `${files.length} files` : files[0].name
  let done = ""
  const tick = () => say(`Working on ${what} …${done} ${Math.floor((Date.now() - begin) / 1000)} s`)
  tick()
  const clock = setInterval(tick, 1000)
  try {
    const send = (path, file, names, more) => ask(path, { method: "POST", body: body(file, names, more), signal })
    if (follows) {
      const file = files.length > 1 ? await zip(files) : files[0]
      const answer = await send("v1/dislocations/stack", file, dislocations.stackFields, { pictures: "true" })
      await follow(answer, what, signal, words => { done = ` ${words},`; tick() })
    } else {
      const common = ["pixel_size_nm", "model", "frame"]
      const result = await (await send(`v1/${name}`, files[0], [...common, ...FAMILIES[name].fields])).json()
      const image = await createImageBitmap(await (await send("v1/preview", files[0], ["frame"])).blob())
      if (signal.aborted) return
      clearInterval(clock)
      show(result, FAMILIES[name], what)
      draw(result, FAMILIES[name], image)
    }
  } catch (error) {
    if (!signal.aborted) say(error.message, true)
  } finally {
    clearInterval(clock)
  }
}

// A video: its frames on the canvas as they come, then the tracks.
async function follow(answer, name, signal, progress) {
  let tracks
  let broken
  let detail  // of the first frame: a picture that grows and shrinks is hard to watch
  const film = new Film(at("film"), at("shown"), at("which"), async (frame, picture) => {
    const { width_px: width, height_px: height } = frame.micrograph
    const image = picture ? await createImageBitmap(picture) : new OffscreenCanvas(width, height)
    if (signal.aborted) return
    at("numbers").replaceChildren()
    tell(frame, dislocations)
    if (!tracks) dislocations.tables(frame, at("classes"))
    detail ??= dislocations.detail(frame)
    draw(frame, dislocations, image, detail)
  })
  for await (const message of messages(answer)) {
    if (signal.aborted) return
    if (message.kind === "frame") {
      await film.add(message)
      const { frames } = message.micrograph
      progress(frames > 1 ? `frame ${film.frames.length} of ${frames}` : `frame ${film.frames.length}`)
    } else if (message.kind === "tracks") tracks = message
    else if (message.kind === "error") broken = message.error
  }
  if (!tracks) throw new Error("The answer broke off. Try again; if it stays so, see the server's log.")
  const total = Object.values(tracks.timings_ms).reduce((sum, ms) => sum + ms, 0)
  const counted = `${tracks.tracks.length} lines in ${tracks.frames} ${tracks.frames === 1 ? "frame" : "frames"}`
  say(broken ? `${name}: ${counted}, then: ${sentence(broken)}` : `${name}: ${counted} in ${(total / 1000).toFixed(1)} s.`,
    Boolean(broken))
  warn(tracks)
  at("classes").replaceChildren()
  dislocations.trackTable(tracks, at("classes"))
  const lines = film.frames.flatMap(({ number, time_s, lines }) => lines.map(line => ({ frame: number, time_s, ...line })))
  save(`${name}_lines.csv`, columns(lines))
  save(`${name}_tracks.csv`, columns(tracks.tracks))
  const rest = broken ? [tracks, { kind: "error", error: broken }] : [tracks]
  save(`${name}.jsonl`, [...film.frames, ...rest].map(message => JSON.stringify(message) + "\n").join(""))
}

function show(result, view, name) {
  const total = Object.values(result.timings_ms).reduce((sum, ms) => sum + ms, 0)
  say(`${name}: ${view.headline(result)} in ${total.toFixed(0)} ms.`)
  warn(result)
  tell(result, view)
  view.tables?.(result, at("classes"), at("legend"))
  save(`${name}.csv`, columns(view.findings(result)))
  save(`${name}.json`, JSON.stringify(result))
}

function warn({ warnings }) {
  for (const warning of warnings) {
    const item = document.createElement("li")
    item.textContent = sentence(warning)
    at("warnings").append(item)
  }
}

function tell(result, view) {
  const { micrograph: m, model } = result
  const sources = { argument: "as given", file: "from the file" }
  const rows = {
    "pixel size": m.pixel_size_x_nm === null ? "not known" :
      `${number(m.pixel_size_x_nm)} × ${number(m.pixel_size_y_nm)} nm, ` +
      (sources[m.pixel_size_source] ?? m.pixel_size_source),
    ...view.numbers(result),
    "model": `${model.name} ${model.version}, ${model.runtime} ${model.precision}`,
  }
  for (const [key, value] of Object.entries(rows)) if (value) {
    const row = at("numbers").insertRow()
    row.insertCell().textContent = key
    row.insertCell().textContent = value
  }
}

function save(name, text) {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([text]))
  link.download = name
  link.textContent = `save ${/(lines|tracks)\.csv$/.exec(name)?.[0] ?? `as ${name.split(".").pop()}`}`
  at("saves").append(link)
}

function draw(result, view, image, detail = view.detail(result)) {
  const canvas = at("picture")
  const scale = ground(canvas, image, result.micrograph, detail)
  const pen = canvas.getContext("2d")
  view.draw(pen, result, { ...scale, shown: Math.max(1, canvas.width / canvas.clientWidth) })
  if (result.micrograph.pixel_size_x_nm !== null) scaleBar(canvas, result.micrograph.pixel_size_x_nm / scale.x)
}

const drop = at("drop")
at("file").onchange = () => { if (at("file").files[0]) analyse([...at("file").files]); at("file").value = "" }
drop.ondragover = event => { event.preventDefault(); drop.classList.add("over") }
drop.ondragleave = () => drop.classList.remove("over")
drop.ondrop = event => {
  event.preventDefault()
  drop.classList.remove("over")
  if (event.dataTransfer.files[0]) analyse([...event.dataTransfer.files])
}
form.onsubmit = event => { event.preventDefault(); if (last) analyse(last) }
at("families").onchange = () => { location.replace(`#${family()}`); showFamily(); if (last) analyse(last) }
at("follow").onchange = showFields
at("key").onchange = () => listModels().then(() => say("")).catch(error => say(error.message, true))
const wanted = [...form.elements.family].find(choice => `#${choice.value}` === location.hash)
if (wanted) wanted.checked = true
showFamily()
listModels().catch(error => say(error.message, true))
