// <ramai-room src="https://chat.example.org/r/lobby"></ramai-room> embeds a room in a page. The server has to allow the
// page's origin (--allow-origin). The room lives in a frame with the server's origin: neither page can access the other.

class RamaiRoom extends HTMLElement {
	static observedAttributes = ["src"];
	/** @type {HTMLIFrameElement|undefined} */
	#frame;

	connectedCallback() {
		if (!this.#frame) {
			const style = new CSSStyleSheet();
			style.replaceSync(":host{display:block;height:28rem;min-height:16rem}iframe{border:0;width:100%;height:100%;border-radius:inherit;color-scheme:normal}");
			const shadow = this.attachShadow({ mode: "closed" });
			shadow.adoptedStyleSheets = [style];
			this.#frame = document.createElement("iframe");
			this.#frame.allow = "clipboard-write";
			this.#frame.referrerPolicy = "strict-origin"; // a refusal names the origin
			shadow.append(this.#frame);
		}
		this.attributeChangedCallback();
	}

	attributeChangedCallback() {
		const src = this.getAttribute("src");
		if (!this.#frame || !src) return;
		const url = new URL(src, document.baseURI);
		if (url.protocol !== "https:" && url.protocol !== "http:") return;
		url.searchParams.set("embed", "");
		this.#frame.title = this.getAttribute("title") ?? `ramai: ${url.host}${url.pathname}`;
		if (this.#frame.src !== url.href) this.#frame.src = url.href;
	}
}

customElements.define("ramai-room", RamaiRoom);
