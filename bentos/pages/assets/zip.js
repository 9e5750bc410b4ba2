// Many files as one, packed without compression: pictures do not get smaller.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? value >>> 1 ^ 0xedb88320 : value >>> 1
  return value
})

async function checksum(file) {
  let value = 0xffffffff
  for (const byte of new Uint8Array(await file.arrayBuffer())) value = TABLE[(value ^ byte) & 255] ^ value >>> 8
  return ~value >>> 0
}

// Little-endian numbers of 2 or 4 bytes: [size, value], ...
function fields(...pairs) {
  const view = new DataView(new ArrayBuffer(pairs.reduce((sum, [size]) => sum + size, 0)))
  let at = 0
  for (const [size, value] of pairs) {
    if (size === 2) view.setUint16(at, value, true)
    else view.setUint32(at, value, true)
    at += size
  }
  return view
}

// The files in the order of the numbers in their names, as one ZIP.
export async function zip(files) {
  const sorted = [...files].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }))
  const parts = []
  const directory = []
  let offset = 0
  for (const [index, file] of sorted.entries()) {
    const name = new TextEncoder().encode(`${String(index).padStart(6, "0")}_${file.name}`)
    // version 2.0, names in UTF-8, stored, no time, 1 January 1980
    const common = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 33], [4, await checksum(file)], [4, file.size], [4, file.size],
      [2, name.length], [2, 0]]
    parts.push(fields([4, 0x04034b50], ...common), name, file)
    directory.push(fields([4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), name)
    offset += 30 + name.length + file.size
  }
  const size = directory.reduce((sum, part) => sum + part.byteLength, 0)
  const end = fields([4, 0x06054b50], [2, 0], [2, 0], [2, sorted.length], [2, sorted.length], [4, size], [4, offset], [2, 0])
  return new File([...parts, ...directory, end], `${sorted.length} frames.zip`)
}
