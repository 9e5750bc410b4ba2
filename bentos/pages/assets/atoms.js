// Atom columns: a dot for each.
import { number } from "./words.js"

export const fields = ["threshold"]
export const findings = result => result.columns
export const headline = ({ statistics }) => `${statistics.count} columns`
export const detail = ({ statistics }) => [statistics.nearest_neighbour_median_px, 14]

export const numbers = ({ statistics: s }) => ({
  "density": number(s.density_per_nm2, " nm⁻²"),
  "nearest neighbour, median": number(s.nearest_neighbour_median_pm, " pm") ?? number(s.nearest_neighbour_median_px, " px"),
  "lattice a, b, γ": s.lattice && ["a", "b"].map(vector => s.lattice[vector])
    .map(vector => number(vector.length_pm, " pm") ?? number(vector.length_px, " px"))
    .concat(number(s.lattice.gamma_deg, "°")).join(", "),
})

// Orange where the position comes from the Gaussian fit, blue where it is the network's. `shown`: pixels of the canvas
// for one of the screen.
export function draw(pen, { columns, statistics }, { x, y, shown }) {
  const spacing = statistics.nearest_neighbour_median_px ?? 30
  const radius = Math.min(Math.max(.11 * spacing * Math.min(x, y), 1.6 * shown), 5 * shown)
  pen.strokeStyle = "rgba(0, 0, 0, .7)"
  pen.lineWidth = shown
  for (const column of columns) {  // (0, 0) is the centre of the first pixel
    pen.fillStyle = column.refined ? "#ff4814" : "#3cbeff"
    pen.beginPath()
    pen.arc((column.x_px + .5) * x, (column.y_px + .5) * y, radius, 0, 2 * Math.PI)
    pen.fill()
    pen.stroke()
  }
}
