// The micrograph on the canvas, and the scale bar.

// Small or finely structured pictures are enlarged by a whole factor, so that marks keep apart: `detail` is [a length
// in px of the micrograph, how long it should become]. Pixels are made square up to 10 : 1.
export function ground(canvas, image, micrograph, [detail, wanted]) {
  const ratio = (micrograph.pixel_size_y_nm / micrograph.pixel_size_x_nm) || 1
  const longest = Math.max(image.width / Math.min(1, ratio), image.height * Math.max(1, ratio))
  const aspect = ratio < .1 || ratio > 10 || longest > 16384 ? 1 : ratio  // browsers have no larger canvas
  const [wide, tall] = [Math.max(1, 1 / aspect), Math.max(1, aspect)]
  const [short, long] = [image.width * wide, image.height * tall].sort((a, b) => a - b)
  const factor = Math.max(640 / short, detail ? wanted / detail : 1)
  const whole = Math.max(1, Math.min(Math.ceil(factor), 8, Math.floor(4096 / long)))
  canvas.width = Math.round(image.width * whole * wide)
  canvas.height = Math.round(image.height * whole * tall)
  canvas.hidden = false
  const pen = canvas.getContext("2d")
  pen.imageSmoothingQuality = "high"
  pen.drawImage(image, 0, 0, canvas.width, canvas.height)
  return { x: whole * wide, y: whole * tall }
}

// The largest of 1, 2, 5 × 10ⁿ nm that takes at most a quarter of the width; white with a dark rim, at the lower left.
export function scaleBar(canvas, pixelSize) {
  const quarter = canvas.width * pixelSize / 4
  const decade = 10 ** Math.floor(Math.log10(quarter))
  const length = [5, 2, 1].map(step => step * decade).find(length => length <= quarter)
  const words = length >= 1000 ? `${Number((length / 1000).toPrecision(1))} µm` :
    length >= 1 ? `${Number(length.toPrecision(1))} nm` : `${Number((length * 1000).toPrecision(1))} pm`
  const unit = Math.max(3, Math.min(canvas.width, canvas.height) / 120)
  const [x, y] = [3 * unit, canvas.height - 4 * unit]
  const pen = canvas.getContext("2d")
  pen.font = `${5 * unit}px system-ui, sans-serif`
  pen.textBaseline = "bottom"
  pen.lineJoin = "round"
  pen.strokeStyle = "#000"
  pen.fillStyle = "#fff"
  pen.lineWidth = unit / 1.5
  pen.strokeRect(x, y, length / pixelSize, unit)
  pen.fillRect(x, y, length / pixelSize, unit)
  pen.strokeText(words, x, y - unit / 2)
  pen.fillText(words, x, y - unit / 2)
}
