// The template function of all components. Preact turns strings into text nodes; no code of the page makes HTML from them.
import { Component, h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { Component, h, render };
export const html = htm.bind(h);
