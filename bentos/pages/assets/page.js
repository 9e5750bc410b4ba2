// The page: a file and parameters in, the family's answer as a picture, tables and files to save.
import * as atoms from "./atoms.js"
import * as defects from "./defects.js"
import { ground, scaleBar } from "./picture.js"
import { columns, number } from "./words.js"

const FAMILIES = { atoms, defects }
const at = id => document.getElementById(id)
const form = at("form")
let models = []
let last  // the file that was sent
let running = new AbortController()

const family = () => form.elements.family.value
const say = (text, wrong = false) => { at("says").textContent = text; at("says").className = wrong ? "error" : "" }

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
  throw new Error(body.error ? `${body.error.message} ${body.error.remedy}` : `The server answered ${answer.status}.`)
}

function showFamily() {
  for (const element of document.querySelectorAll("[data-family]")) element.hidden = element.dataset.family !== family()
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

function body(file, names) {
  const data = new FormData()
  for (const name of names) {
    const value = form.elements[name].value.trim()
    if (value) data.append(name, value)
  }
  data.append("file", file)
  return data
}

function clear() {
  for (const id of ["warnings", "numbers", "classes", "saves", "legend"]) at(id).replaceChildren()
  at("picture").hidden = true
}

async function analyse(file) {
  running.abort()  // the service drops work that nobody waits for
  running = new AbortController()
  const { signal } = running
  const name = family()
  last = file
  at("again").hidden = false
  clear()
  const begin = Date.now()
  const tick = () => say(`Working on ${file.name} … ${Math.floor((Date.now() - begin) / 1000)} s`)
  tick()
  const clock = setInterval(tick, 1000)
  try {
    const send = (path, names) => ask(path, { method: "POST", body: body(file, names), signal })
    const common = ["pixel_size_nm", "model", "frame"]
    const result = await (await send(`v1/${name}`, [...common, ...FAMILIES[name].fields])).json()
    const image = await createImageBitmap(await (await send("v1/preview", ["frame"])).blob())
    if (signal.aborted) return
    clearInterval(clock)
    show(result, FAMILIES[name], file.name)
    draw(result, FAMILIES[name], image)
  } catch (error) {
    if (!signal.aborted) say(error.message, true)
  } finally {
    clearInterval(clock)
  }
}

function show(result, view, name) {
  const { micrograph: m, model, timings_ms: times } = result
  const total = Object.values(times).reduce((sum, ms) => sum + ms, 0)
  say(`${name}: ${view.headline(result)} in ${total.toFixed(0)} ms.`)
  for (const { message, remedy } of result.warnings) {
    const item = document.createElement("li")
    item.textContent = `${message} ${remedy}`
    at("warnings").append(item)
  }
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
  view.tables?.(result, at("classes"), at("legend"))
  for (const [suffix, text] of [["csv", columns(view.findings(result))], ["json", JSON.stringify(result)]]) {
    const link = document.createElement("a")
    link.href = URL.createObjectURL(new Blob([text]))
    link.download = `${name}.${suffix}`
    link.textContent = `save as ${suffix}`
    at("saves").append(link)
  }
}

function draw(result, view, image) {
  const canvas = at("picture")
  const scale = ground(canvas, image, result.micrograph, view.detail(result))
  const pen = canvas.getContext("2d")
  view.draw(pen, result, { ...scale, shown: Math.max(1, canvas.width / canvas.clientWidth) })
  if (result.micrograph.pixel_size_x_nm !== null) scaleBar(canvas, result.micrograph.pixel_size_x_nm / scale.x)
}

const drop = at("drop")
at("file").onchange = () => { if (at("file").files[0]) analyse(at("file").files[0]); at("file").value = "" }
drop.ondragover = event => { event.preventDefault(); drop.classList.add("over") }
drop.ondragleave = () => drop.classList.remove("over")
drop.ondrop = event => {
  event.preventDefault()
  drop.classList.remove("over")
  if (event.dataTransfer.files[0]) analyse(event.dataTransfer.files[0])
}
form.onsubmit = event => { event.preventDefault(); if (last) analyse(last) }
at("families").onchange = () => { location.replace(`#${family()}`); showFamily(); if (last) analyse(last) }
at("key").onchange = () => listModels().then(() => say("")).catch(error => say(error.message, true))
const wanted = [...form.elements.family].find(choice => `#${choice.value}` === location.hash)
if (wanted) wanted.checked = true
showFamily()
listModels().catch(error => say(error.message, true))
