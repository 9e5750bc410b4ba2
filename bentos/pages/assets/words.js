// Numbers as people read them, and tables as programs do.

export const number = (value, unit = "", digits = 4) => value === null ? null : `${Number(value.toPrecision(digits))}${unit}`

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"

// 2.19 × 10⁻⁴: densities are far from 1.
export function scientific(value, unit = "", digits = 3) {
  if (value === null) return null
  if (value === 0) return `0${unit}`
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e")
  const raised = String(Math.abs(exponent)).replace(/\d/g, digit => SUPERSCRIPTS[digit])
  return `${mantissa} × 10${exponent < 0 ? "⁻" : ""}${raised}${unit}`
}

// One row for each finding, headings with their units as in the answer; what is no single value (a mask) is left out.
export function columns(findings) {
  const cell = value => typeof value === "string" && /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value ?? ""
  const keys = Object.entries(findings[0] ?? {}).filter(([, value]) => value === null || typeof value !== "object")
    .map(([key]) => key)
  return [keys, ...findings.map(finding => keys.map(key => cell(finding[key])))].map(row => row.join(",")).join("\n") + "\n"
}
