// Search in pages that are opened from a folder: browsers start no worker there, so its program runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.inner = frame.contentWindow
      const load = (source) =>
        new Promise((loaded, failed) => {
          const script = frame.contentDocument.createElement("script")
          Object.assign(script, { src: source, onload: loaded, onerror: failed })
          frame.contentDocument.head.append(script)
        })
      this.inner.postMessage = (message) => {
        const event = new MessageEvent("message", { data: structuredClone(message) })
        this.onmessage?.(event)
        this.dispatchEvent(event)
      }
      this.inner.importScripts = (...sources) =>
        sources.reduce((before, source) => before.then(() => load(source)), Promise.resolve())
      this.ready = load(new URL(url, document.baseURI).href)
    }

    postMessage(message) {
      const data = structuredClone(message) // as to a real worker: neither side sees what the other does to it
      this.ready.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })))
    }

    terminate() {
      this.inner.frameElement.remove()
    }
  }
}
