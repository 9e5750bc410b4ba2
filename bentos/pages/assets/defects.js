// Irradiation defects: an outline for each, in the field's colours, and numbers for each class.
import { number, scientific } from "./words.js"

const TITLES = { loop_111: "⟨111⟩ loop", loop_100: "⟨100⟩ loop", black_dot: "black dot" }
const COLOURS = { loop_111: "#eb2d2d", loop_100: "#ffd60a", black_dot: "#418cff" }
const FURTHER = ["#28c85a", "#e650dc", "#00d2dc", "#ff8c19", "#a573ff", "#afe13c", "#ffa0af"]

export const fields =
  ["score", "thickness_nm", "taylor_factor", "shear_modulus_gpa", "burgers_vector_nm", "barrier_strengths"]
export const findings = result => result.defects
export const headline = ({ statistics }) => `${statistics.count} ${statistics.count === 1 ? "defect" : "defects"}`
export const detail = ({ statistics }) => [statistics.all.size_px?.median, 12]

export function numbers({ statistics: s, parameters }) {
  const rows = {
    "field of view": number(s.field_of_view_nm2, " nm²"),
    "density": scientific(s.all.density_per_nm2, " nm⁻²"),
  }
  if (s.hardening) {
    rows[`hardening at ${number(parameters.thickness_nm)} nm thickness`] =
      `${number(s.hardening.linear_mpa, " MPa", 3)} (linear sum), ` +
      `${number(s.hardening.quadrature_mpa, " MPa", 3)} (quadrature sum)`
  }
  return rows
}

const title = name => TITLES[name] ?? name.replaceAll("_", " ")

function colours(names) {
  const others = names.filter(name => !COLOURS[name])
  return Object.fromEntries(names.map(name => [name, COLOURS[name] ?? FURTHER[others.indexOf(name) % FURTHER.length]]))
}

function named(name, colour) {
  const swatch = document.createElement("span")
  swatch.className = "swatch"
  swatch.style.background = colour
  const words = document.createElement("span")
  words.append(swatch, title(name))
  return words
}

export function tables({ statistics: s, parameters }, table, legend) {
  const names = s.classes.map(row => row.class_name)
  const palette = colours(names)
  legend.append(...names.map(name => named(name, palette[name])))
  const unit = s.all.density_per_nm2 === null ? "px" : "nm"
  const head = table.createTHead().insertRow()
  const hardening = s.hardening ? ["hardening in MPa"] : []
  const headings =
    ["class", "count", "density in nm⁻²", `size in ${unit} ± std`, "median", "Heywood ± std", ...hardening]
  for (const heading of headings) {
    const cell = document.createElement("th")
    cell.scope = "col"
    cell.textContent = heading
    head.append(cell)
  }
  const spread = values => values ? `${number(values.mean, "", 3)} ± ${number(values.std, "", 2)}` : "–"
  const rows = table.createTBody()
  for (const row of [...s.classes, s.all]) {
    const size = unit === "nm" ? row.size_nm : row.size_px
    const line = rows.insertRow()
    line.className = row.class_name === null ? "all" : ""
    line.insertCell().append(row.class_name === null ? "all" : named(row.class_name, palette[row.class_name]))
    const added = row.class_name in parameters.barrier_strengths ? s.hardening?.by_class_mpa[row.class_name] ?? 0 : null
    for (const words of [
      row.count, scientific(row.density_per_nm2) ?? "–", spread(size), size ? number(size.median, "", 3) : "–",
      spread(row.heywood), ...hardening.map(() => row.class_name === null ? "" : number(added, "", 3) ?? "–"),
    ]) line.insertCell().textContent = words
  }
}

// A dark rim below each line: yellow is seen on bright matrix as well as on dark contrast. Large ones come first.
export function draw(pen, { defects, statistics }, { x, y, shown }) {
  const palette = colours(statistics.classes.map(row => row.class_name))
  pen.lineCap = "round"
  for (const defect of [...defects].sort((a, b) => b.area_px - a.area_px)) {
    const path = outline(defect.mask, x, y)
    for (const [width, colour] of [[3.5, "rgba(0, 0, 0, .55)"], [1.75, palette[defect.class_name]]]) {
      pen.lineWidth = width * shown
      pen.strokeStyle = colour
      pen.stroke(path)
    }
  }
}

// Where a square of four pixels is crossed, by which of them (1 top left, 2 top right, 4 lower right, 8 lower left)
// belong to the defect: lines between the middles of its sides.
const [TOP, RIGHT, LOWER, LEFT] = [[.5, 0], [1, .5], [.5, 1], [0, .5]]
const CROSSINGS = [
  [], [LEFT, TOP], [TOP, RIGHT], [LEFT, RIGHT], [RIGHT, LOWER], [LEFT, TOP, RIGHT, LOWER], [TOP, LOWER], [LEFT, LOWER],
  [LOWER, LEFT], [LOWER, TOP], [TOP, RIGHT, LOWER, LEFT], [LOWER, RIGHT], [RIGHT, LEFT], [RIGHT, TOP], [TOP, LEFT], [],
]

// The line between the pixels of a mask and those around it. Its runs go down the columns, background first.
function outline(mask, scaleX, scaleY) {
  const { width_px: width, height_px: height } = mask
  const pixels = new Uint8Array((width + 2) * (height + 2))  // with a rim of background
  let place = 0
  mask.counts.forEach((run, index) => {
    for (const end = place + run; place < end; place++) {
      if (index % 2) pixels[(place % height + 1) * (width + 2) + Math.floor(place / height) + 1] = 1
    }
  })
  const path = new Path2D()
  for (let row = 0; row <= height; row++) for (let column = 0; column <= width; column++) {
    const first = row * (width + 2) + column
    const lower = first + width + 2
    const kind = pixels[first] + 2 * pixels[first + 1] + 4 * pixels[lower + 1] + 8 * pixels[lower]
    const ends = CROSSINGS[kind]
    for (let i = 0; i < ends.length; i++) {
      // From the centre of the square's first pixel, which lies one left of and above the crop's.
      const [right, down] = ends[i]
      const [x, y] = [(mask.x_px + column - .5 + right) * scaleX, (mask.y_px + row - .5 + down) * scaleY]
      if (i % 2) path.lineTo(x, y)
      else path.moveTo(x, y)
    }
  }
  return path
}
