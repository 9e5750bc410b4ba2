// A video's frames as they arrive, and the slider that looks back through them.

const MOST_BYTES = 2 ** 28  // of pictures that are kept; the oldest go first, their lines stay

// The messages of an answer in JSON lines, each as soon as it is there.
export async function* messages(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const lines = (rest + value).split("\n")
    rest = lines.pop()
    for (const line of lines) if (line) yield JSON.parse(line)
  }
}

// `draw` is called with a frame and its picture, a Blob or undefined, whenever another one is to be seen.
export class Film {
  constructor(film, slider, words, draw) {
    this.frames = []
    this.pictures = []
    this.bytes = 0
    this.oldest = 0
    Object.assign(this, { film, slider, words, draw })
    slider.max = slider.value = 0
    slider.oninput = () => this.show(Number(slider.value))
  }

  async add(frame) {
    const { picture, ...message } = frame
    const blob = picture && await (await fetch(`data:image/png;base64,${picture}`)).blob()
    const watching = Number(this.slider.value) >= this.frames.length - 1  // nobody looks back
    this.frames.push(message)
    this.pictures.push(blob)
    this.bytes += blob?.size ?? 0
    while (this.bytes > MOST_BYTES && this.oldest < this.frames.length - 1) {
      this.bytes -= this.pictures[this.oldest]?.size ?? 0
      this.pictures[this.oldest++] = undefined
    }
    this.film.hidden = this.frames.length < 2
    this.slider.max = this.frames.length - 1
    if (watching) {
      this.slider.value = this.frames.length - 1
      await this.show(this.frames.length - 1)
    }
  }

  async show(index) {
    const frame = this.frames[index]
    this.words.value = `frame ${frame.number}` + (frame.time_s === null ? "" : `, ${Number(frame.time_s.toPrecision(4))} s`)
    await this.draw(frame, this.pictures[index])
  }
}
