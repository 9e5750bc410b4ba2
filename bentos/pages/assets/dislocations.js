// Dislocation lines: a colour and a number for each, and numbers for each line or, of a video, for each track.
import { number, scientific } from "./words.js"

const COLOURS = [
  "#ff5a3c", "#3cbeff", "#ffd60a", "#c86eff", "#3cdc6e", "#ff82c8",
  "#ff961e", "#5a82ff", "#beeb3c", "#eb4696", "#3ce1d7", "#d7aa6e",
]
const SLIP_TRACE = "#cdcdcd"

export const fields = ["threshold", "shear_modulus_gpa", "burgers_vector_nm"]
export const stackFields =
  ["pixel_size_nm", "model", ...fields, "frame_time_s", "gate_px", "memory", "correct_drift"]
export const findings = result => result.lines
export const headline = ({ statistics }) => `${statistics.count} ${statistics.count === 1 ? "line" : "lines"}`
export const detail = ({ statistics }) => [statistics.nearest_px?.median, 20]

const name = line => line.track ?? line.number
const colour = number => COLOURS[(number - 1) % COLOURS.length]
const either = (inNm, inPx, digits = 4) => number(inNm, " nm", digits) ?? number(inPx, " px", digits)
const spread = (inNm, inPx) => {
  const [values, unit] = inNm ? [inNm, " nm"] : [inPx, " px"]
  return values && `${number(values.mean, "", 4)} ± ${number(values.std, unit, 2)}`
}

export function numbers({ statistics: s, slip_traces: traces, drift, lines }) {
  const stresses = lines.map(line => line.stress_mpa).filter(stress => stress !== null)
  return {
    "field of view": number(s.field_of_view_nm2, " nm²"),
    "length of lines per area": scientific(s.density_per_nm, " nm⁻¹") ?? scientific(s.density_per_px, " px⁻¹"),
    "length": spread(s.length_nm, s.length_px),
    "nearest other line": spread(s.nearest_nm, s.nearest_px),
    "largest stress": stresses.length && number(Math.max(...stresses), " MPa", 3),
    "taken for slip traces": traces.length,
    "drift of the specimen": drift && `${either(drift.dx_nm, drift.dx_px, 3)}, ${either(drift.dy_nm, drift.dy_px, 3)}` +
      (drift.sure ? "" : " (not seen here)"),
  }
}

function numbered(number) {
  const swatch = document.createElement("span")
  swatch.className = "swatch"
  swatch.style.background = colour(number)
  const words = document.createElement("span")
  words.append(swatch, number)
  return words
}

function fill(table, headings, rows) {
  table.replaceChildren()
  const head = table.createTHead().insertRow()
  for (const heading of headings) {
    const cell = document.createElement("th")
    cell.scope = "col"
    cell.textContent = heading
    head.append(cell)
  }
  const body = table.createTBody()
  for (const [number, ...cells] of rows) {
    const row = body.insertRow()
    row.insertCell().append(numbered(number))
    for (const words of cells) row.insertCell().textContent = words ?? "–"
  }
}

export function tables({ lines }, table) {
  if (!lines.length) return
  const stressed = lines.some(line => line.stress_mpa !== null)
  fill(table, ["line", "length", "mean curvature", "radius at the middle", ...(stressed ? ["stress"] : [])],
    lines.map(line => [
      name(line), either(line.length_nm, line.length_px),
      scientific(line.mean_curvature_per_nm, " nm⁻¹") ?? scientific(line.mean_curvature_per_px, " px⁻¹"),
      line.radius_px === null ? "straight" : either(line.radius_nm, line.radius_px, 3),
      ...(stressed ? [number(line.stress_mpa, " MPa", 3)] : []),
    ]))
}

export function trackTable({ tracks }, table) {
  if (!tracks.length) return
  fill(table, ["line", "frames", "found in", "length", "way", "velocity", "direction"], tracks.map(track => {
    const inNm = track.velocity_nm_per_s !== null
    const [velocity, error, unit] = inNm ?
      [track.velocity_nm_per_s, track.velocity_std_nm_per_s, "nm/s"] :
      [track.velocity_px_per_frame, track.velocity_std_px_per_frame, "px/frame"]
    return [
      track.number, `${track.first_frame}–${track.last_frame}`, track.finds, either(track.length_nm, track.length_px),
      either(track.displacement_nm, track.displacement_px),
      velocity && `${number(velocity, "", 3)}${error === null ? "" : ` ± ${number(error, "", 2)}`} ${unit}`,
      number(track.glide_angle_deg, "°", 3),
    ]
  }))
}

// A dark rim below each line: it is seen on bright matrix as well as on dark contrast. `shown`: pixels of the canvas
// for one of the screen.
export function draw(pen, { lines, slip_traces: traces }, { x, y, shown }) {
  const places = points => points.map(([px, py]) => [(px + .5) * x, (py + .5) * y])
  const stroke = (points, ink, width) => {
    const path = new Path2D()
    points.forEach(([px, py], index) => index ? path.lineTo(px, py) : path.moveTo(px, py))
    for (const [wide, paint] of [[width + 2, "rgba(0, 0, 0, .55)"], [width, ink]]) {
      pen.lineWidth = wide * shown
      pen.strokeStyle = paint
      pen.stroke(path)
    }
  }
  pen.lineCap = pen.lineJoin = "round"
  for (const trace of traces) stroke(places(trace.points_px), SLIP_TRACE, 1)
  const courses = lines.map(line => [name(line), places(line.points_px)])
  for (const [number, points] of courses) stroke(points, colour(number), 2.5)
  write(pen, courses, shown)
}

// Each number beside its line: beyond an end if there is room, else to the side, clear of lines and of other numbers.
function write(pen, courses, shown) {
  const size = 15 * shown
  const taken = []
  pen.save()
  pen.font = `600 ${size}px system-ui, sans-serif`
  pen.textAlign = "center"
  pen.textBaseline = "middle"
  pen.strokeStyle = "#000"
  pen.lineWidth = 3 * shown
  const crowding = ([x, y, halfX, halfY]) => {
    const outside = x < halfX || y < halfY || x > pen.canvas.width - halfX || y > pen.canvas.height - halfY
    const meets = taken.filter(box => Math.abs(box[0] - x) < box[2] + halfX && Math.abs(box[1] - y) < box[3] + halfY)
    const crossed = courses.flatMap(([, points]) => points)
      .filter(([px, py]) => Math.abs(px - x) < halfX && Math.abs(py - y) < halfY)
    return 10000 * outside + 1000 * meets.length + crossed.length
  }
  for (const [number, points] of courses) {
    const [halfX, halfY] = [pen.measureText(number).width / 2 + 2 * shown, size / 2]
    const boxes = [0, 1, .25, .75, .5].flatMap(place => {
      const k = Math.round(place * (points.length - 1))
      const [from, to] = [points[Math.max(k - 2, 0)], points[Math.min(k + 2, points.length - 1)]]
      const long = Math.hypot(to[0] - from[0], to[1] - from[1]) || 1
      const [aheadX, aheadY] = [(to[0] - from[0]) / long, (to[1] - from[1]) / long]
      const beyond = place === 0 ? [[-aheadX, -aheadY]] : place === 1 ? [[aheadX, aheadY]] : []
      return [...beyond, [-aheadY, aheadX], [aheadY, -aheadX]].map(([wayX, wayY]) => {
        const reach = 4 * shown + Math.abs(wayX) * halfX + Math.abs(wayY) * halfY
        return [points[k][0] + wayX * reach, points[k][1] + wayY * reach, halfX, halfY]
      })
    })
    const box = boxes.reduce((best, other) => crowding(other) < crowding(best) ? other : best)
    taken.push(box)
    pen.fillStyle = colour(number)
    pen.strokeText(number, box[0], box[1])
    pen.fillText(number, box[0], box[1])
  }
  pen.restore()
}
