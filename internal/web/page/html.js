// What all of the page's parts are made with. Texts become text nodes; nothing here, and nothing else, makes HTML of them.
import { h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { Component, h, render } from "./vendor/preact.js";
export { useEffect, useLayoutEffect, useRef, useState } from "./vendor/hooks.js";
export const html = htm.bind(h);
