// The template function of all components. Preact turns strings into text nodes; no code of the page makes HTML from them.
import { Component, h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { Component, h, render };

/**
 * Draws a part without values anew each time. htm would keep the first one, which leads to the whole page as it was drawn at that
 * time: all of its rows would stay in memory.
 * @this {number[]} @param {[any, any, ...any[]]} part
 */
function draw(...part) {
	this[0] = 3;
	return h(...part);
}

export const html = htm.bind(draw);
